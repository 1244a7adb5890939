/* A chat service behind a daemon at `httpUrl`, as stock clients know it by this name. Tests run it
 * with a daemon that is not there, so it has nothing to send with. */
#include "carapace_plugin.h"

#define TEXT(literal) CARAPACE_STRING(literal)

carapace_manifest_info plugin_manifest_describe(void) {
  return (carapace_manifest_info){TEXT("signal"), TEXT("1.0.0")};
}

carapace_channel_about plugin_channel_describe(void) {
  static carapace_channel_chat_type types[] = {CARAPACE_CHANNEL_CHAT_TYPE_DIRECT};
  return (carapace_channel_about){
      .id = TEXT("signal"),
      .label = TEXT("Signal"),
      .order = 20,
      .max_text = 2000,
      .unit = CARAPACE_CHANNEL_LENGTH_UNIT_CHARACTERS,
      .chat_types = {types, 1},
  };
}

static carapace_types_error trouble(carapace_string code, carapace_string message) {
  return (carapace_types_error){.code = code, .message = message};
}

/* A setting that is text; what the gateway gives is JSON. */
static bool setting(carapace_string name, carapace_string *value) {
  carapace_option_string found = carapace_config_get(name);
  carapace_string parts[] = {TEXT("{\"it\":"), found.value, TEXT("}")};
  return found.is_some && carapace_json_text(carapace_join(parts, 3), TEXT("it"), value);
}

/* Whether the daemon answers. */
static carapace_result_none_types_error checked(void) {
  carapace_result_none_types_error result = {.is_error = true};
  carapace_string daemon;
  if (!setting(TEXT("httpUrl"), &daemon)) {
    result.value.error = trouble(TEXT("settings"), TEXT("httpUrl is missing: set it."));
    return result;
  }
  carapace_string address[] = {daemon, TEXT("/api/v1/check")};
  carapace_http_request request = {
      .method = TEXT("GET"),
      .url = carapace_join(address, 2),
      .timeout_ms = 1000,
      .want = CARAPACE_HTTP_WANT_NOTHING,
  };
  carapace_result_http_response_types_error answer = carapace_http_fetch(request);
  if (answer.is_error)
    result.value.error = answer.value.error;
  else if (answer.value.ok.status >= 300)
    result.value.error = trouble(TEXT("daemon"), TEXT("The daemon is not well."));
  else
    result.is_error = false;
  return result;
}

carapace_result_none_types_error plugin_channel_start(carapace_string account,
                                                      carapace_string settings) {
  (void)account, (void)settings;
  return checked();
}

void plugin_channel_stop(carapace_string account) { (void)account; }

static carapace_channel_outcome cannot(void) {
  carapace_channel_outcome outcome = {.tag = CARAPACE_CHANNEL_OUTCOME_DEAD};
  outcome.value.dead = trouble(TEXT("not-supported"), TEXT("There is no daemon to send with."));
  return outcome;
}

carapace_channel_outcome plugin_channel_send_text(carapace_channel_outgoing outgoing) {
  (void)outgoing;
  return cannot();
}

carapace_channel_outcome plugin_channel_send_media(carapace_channel_outgoing outgoing) {
  (void)outgoing;
  return cannot();
}

carapace_channel_outcome plugin_channel_send_poll(carapace_channel_outgoing outgoing,
                                                  carapace_channel_poll poll) {
  (void)outgoing, (void)poll;
  return cannot();
}

carapace_channel_outcome plugin_channel_edit(carapace_channel_outgoing outgoing) {
  (void)outgoing;
  return cannot();
}

carapace_channel_outcome plugin_channel_delete(carapace_channel_outgoing outgoing) {
  (void)outgoing;
  return cannot();
}

carapace_channel_outcome plugin_channel_react(carapace_channel_outgoing outgoing) {
  (void)outgoing;
  return cannot();
}

carapace_option_string plugin_channel_look_up(carapace_channel_outgoing outgoing) {
  (void)outgoing;
  return (carapace_option_string){.is_some = false};
}

void plugin_channel_typing(carapace_channel_target target, bool is_on) { (void)target, (void)is_on; }

carapace_result_string_types_error plugin_channel_resolve(carapace_string account,
                                                          carapace_string text) {
  (void)account;
  return (carapace_result_string_types_error){.value.ok = text};
}

carapace_result_list_channel_person_types_error plugin_channel_directory(carapace_string account,
                                                                         carapace_string query,
                                                                         uint32_t limit) {
  (void)account, (void)query, (void)limit;
  return (carapace_result_list_channel_person_types_error){.value.ok = {0, 0}};
}

carapace_result_string_types_error plugin_channel_probe(carapace_string account) {
  (void)account;
  carapace_result_none_types_error found = checked();
  if (found.is_error)
    return (carapace_result_string_types_error){.is_error = true, .value.error = found.value.error};
  return (carapace_result_string_types_error){.value.ok = TEXT("{}")};
}

carapace_result_channel_login_step_types_error plugin_channel_login(carapace_string account,
                                                                    carapace_string answer) {
  (void)account, (void)answer;
  carapace_channel_login_step done = {TEXT("done"), TEXT("The daemon is signed in."), TEXT("")};
  return (carapace_result_channel_login_step_types_error){.value.ok = done};
}
