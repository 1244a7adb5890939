/* Hello c: a tool of the assistant. */
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
      .description = TEXT("Greet somebody by name and count how often."),
      .schema = {schema, sizeof schema - 1},
      .risk = CARAPACE_TOOL_RISK_WRITE,
  };
  return (carapace_list_tool_definition){&greet, 1};
}

static carapace_result_string_types_error refuse(carapace_string code, carapace_string message) {
  carapace_types_error error = {.code = code, .message = message};
  return (carapace_result_string_types_error){.is_error = true, .value.error = error};
}

static uint32_t number_of(carapace_string text) {
  uint32_t number = 0;
  for (uint32_t i = 0; i < text.length && text.bytes[i] >= '0' && text.bytes[i] <= '9'; i++)
    number = number * 10 + (uint32_t)(text.bytes[i] - '0');
  return number;
}

static carapace_string text_of(uint32_t number) {
  char *digits = carapace_alloc(10, 1);
  uint32_t at = 10;
  do digits[--at] = (char)('0' + number % 10);
  while ((number /= 10) != 0);
  return (carapace_string){digits + at, 10 - at};
}

/* The word from the configuration, which comes as JSON text. */
static carapace_string greeting(void) {
  carapace_option_string found = carapace_config_get(TEXT("greeting"));
  carapace_string word;
  if (!found.is_some) return TEXT("Hello");
  carapace_string wrapped[] = {TEXT("{\"it\":"), found.value, TEXT("}")};
  return carapace_json_text(carapace_join(wrapped, 3), TEXT("it"), &word) ? word : TEXT("Hello");
}

carapace_result_string_types_error plugin_tool_invoke(carapace_string name,
                                                      carapace_string parameters) {
  carapace_string who;
  if (!carapace_equal(name, TEXT("greet")))
    return refuse(TEXT("not-found"), TEXT("This plugin has no such tool."));
  if (!carapace_json_text(parameters, TEXT("name"), &who) || who.length == 0)
    return refuse(TEXT("invalid-parameters"), TEXT("Say whom to greet."));

  carapace_string key_parts[] = {TEXT("greeted/"), who};
  carapace_string key = carapace_join(key_parts, 2);
  carapace_result_option_kv_entry_types_error before = carapace_kv_get(key);
  uint32_t times = 1;
  if (!before.is_error && before.value.ok.is_some)
    times = number_of(before.value.ok.value.value) + 1;
  carapace_result_u32_types_error written =
      carapace_kv_put(key, text_of(times), (carapace_option_f64){.is_some = false});
  if (written.is_error) return refuse(written.value.error.code, written.value.error.message);

  carapace_string line[] = {TEXT("greeted "), who};
  carapace_log_emit(CARAPACE_LOG_LEVEL_INFO, carapace_join(line, 2));
  carapace_string answer[] = {greeting(), TEXT(", "), who, TEXT("! ("), text_of(times), TEXT(")")};
  return (carapace_result_string_types_error){
      .value.ok = carapace_json_quote(carapace_join(answer, 6)),
  };
}
