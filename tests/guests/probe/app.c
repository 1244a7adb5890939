/* A plugin that tries what it is told: the tool's name is what to do, its parameters are with what.
 * It keeps nothing and adds nothing; all that it gets it says in its log and in its answer. */
#include "carapace_plugin.h"

#define TEXT(literal) CARAPACE_STRING(literal)

carapace_manifest_info plugin_manifest_describe(void) {
  return (carapace_manifest_info){TEXT("probe"), TEXT("1.0.0")};
}

carapace_list_tool_definition plugin_tool_definitions(void) {
  return (carapace_list_tool_definition){0, 0};
}

static carapace_result_string_types_error give(carapace_string text) {
  carapace_log_emit(CARAPACE_LOG_LEVEL_INFO, text);
  return (carapace_result_string_types_error){.value.ok = text};
}

static carapace_result_string_types_error fail(carapace_types_error error) {
  carapace_log_emit(CARAPACE_LOG_LEVEL_ERROR, error.message);
  return (carapace_result_string_types_error){.is_error = true, .value.error = error};
}

static carapace_string lines(carapace_string left, carapace_string right) {
  carapace_string parts[] = {left, TEXT("\n"), right};
  return carapace_join(parts, 3);
}

/* A request to `url`; with the secret in a header and in the query if `is_secret`. */
static carapace_result_string_types_error fetch(carapace_string method, carapace_string url,
                                                bool is_secret) {
  carapace_http_secret_use secrets[] = {
      {.name = TEXT("botToken"),
       .place = {.tag = CARAPACE_HTTP_PLACE_HEADER, .value.header = TEXT("authorization")},
       .template = {.is_some = true, .value = TEXT("Bearer {}")}},
      {.name = TEXT("botToken"),
       .place = {.tag = CARAPACE_HTTP_PLACE_QUERY, .value.query = TEXT("key")}}};
  carapace_http_request request = {
      .method = method,
      .url = url,
      .secrets = {secrets, is_secret ? 2 : 0},
      .timeout_ms = 5000,
      .want = CARAPACE_HTTP_WANT_TEXT,
  };
  carapace_result_http_response_types_error answer = carapace_http_fetch(request);
  if (answer.is_error) return fail(answer.value.error);
  carapace_string all = answer.value.ok.body.value.text;
  for (uint32_t i = 0; i < answer.value.ok.headers.count; i++)
    all = lines(all, answer.value.ok.headers.items[i].value);
  return give(all);
}

static carapace_result_string_types_error keys(carapace_string prefix) {
  carapace_result_list_kv_entry_types_error found =
      carapace_kv_scan(prefix, (carapace_option_string){.is_some = false}, 100);
  if (found.is_error) return fail(found.value.error);
  carapace_string all = TEXT("");
  for (uint32_t i = 0; i < found.value.ok.count; i++)
    all = lines(all, found.value.ok.items[i].value);
  return give(all);
}

carapace_result_string_types_error plugin_tool_invoke(carapace_string name,
                                                      carapace_string parameters) {
  if (carapace_equal(name, TEXT("secret"))) return fetch(TEXT("GET"), parameters, true);
  if (carapace_equal(name, TEXT("config"))) {
    carapace_option_string found = carapace_config_get(parameters);
    return give(found.is_some ? found.value : TEXT(""));
  }
  if (carapace_equal(name, TEXT("get"))) {
    carapace_result_option_kv_entry_types_error found = carapace_kv_get(parameters);
    if (found.is_error) return fail(found.value.error);
    return give(found.value.ok.is_some ? found.value.ok.value.value : TEXT(""));
  }
  if (carapace_equal(name, TEXT("put"))) {
    carapace_result_u32_types_error done =
        carapace_kv_put(parameters, parameters, (carapace_option_f64){.is_some = false});
    return done.is_error ? fail(done.value.error) : give(TEXT(""));
  }
  if (carapace_equal(name, TEXT("scan"))) return keys(parameters);
  if (carapace_equal(name, TEXT("hmac"))) {
    carapace_result_string_types_error made =
        carapace_credentials_hmac(TEXT("botToken"), CARAPACE_CREDENTIALS_HASH_SHA256, parameters);
    return made.is_error ? fail(made.value.error) : give(made.value.ok);
  }
  if (carapace_equal(name, TEXT("verify"))) {
    carapace_result_bool_types_error is_same =
        carapace_credentials_verify(TEXT("botToken"), parameters);
    if (is_same.is_error) return fail(is_same.value.error);
    return give(is_same.value.ok ? TEXT("yes") : TEXT("no"));
  }
  if (carapace_equal(name, TEXT("crash"))) __builtin_trap();
  return fetch(name, parameters, false);
}
