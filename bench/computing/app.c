/* A tool that only computes: it asks the gateway for nothing. */
#include "carapace_plugin.h"

#define TEXT(literal) CARAPACE_STRING(literal)

carapace_manifest_info plugin_manifest_describe(void) {
  return (carapace_manifest_info){TEXT("hello-c"), TEXT("0.1.0")};
}
static const char schema[] =
    "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\","
    "\"description\":\"Whom to greet.\"}},\"required\":[\"name\"],"
    "\"additionalProperties\":false}";

carapace_list_tool_definition plugin_tool_definitions(void) {
  static carapace_tool_definition greet;
  greet = (carapace_tool_definition){
      .name = TEXT("greet"),
      .description = TEXT("Greet somebody by name."),
      .schema = {schema, sizeof schema - 1},
      .risk = CARAPACE_TOOL_RISK_READ,
  };
  return (carapace_list_tool_definition){&greet, 1};
}

static carapace_result_string_types_error refuse(carapace_string code, carapace_string message) {
  carapace_types_error error = {.code = code, .message = message};
  return (carapace_result_string_types_error){.is_error = true, .value.error = error};
}

carapace_result_string_types_error plugin_tool_invoke(carapace_string name,
                                                      carapace_string parameters) {
  carapace_string who;
  if (!carapace_equal(name, TEXT("greet")))
    return refuse(TEXT("not-found"), TEXT("This plugin has no such tool."));
  if (!carapace_json_text(parameters, TEXT("name"), &who) || who.length == 0)
    return refuse(TEXT("invalid-parameters"), TEXT("Say whom to greet."));

  carapace_string answer[] = {TEXT("Hello, "), who, TEXT("!")};
  return (carapace_result_string_types_error){
      .value.ok = carapace_json_quote(carapace_join(answer, 3)),
  };
}
