/* A chat service of telephones, as stock clients know it by this name: tests send through it to a
 * server of their own at `apiUrl`. An account runs once it is linked, which is to have a token. */
#include "carapace_plugin.h"

#define TEXT(literal) CARAPACE_STRING(literal)

static carapace_types_error told(carapace_string code, carapace_string message) {
  return (carapace_types_error){.code = code, .message = message};
}

static carapace_channel_outcome failed(uint8_t tag, carapace_string code, carapace_string message) {
  carapace_channel_outcome outcome = {.tag = tag};
  outcome.value.dead = told(code, message);
  return outcome;
}

static carapace_channel_outcome cannot(void) {
  return failed(CARAPACE_CHANNEL_OUTCOME_DEAD, TEXT("not-supported"),
                TEXT("WhatsApp cannot do that."));
}

carapace_manifest_info plugin_manifest_describe(void) {
  return (carapace_manifest_info){TEXT("whatsapp"), TEXT("1.0.0")};
}

carapace_channel_about plugin_channel_describe(void) {
  static carapace_channel_chat_type types[] = {CARAPACE_CHANNEL_CHAT_TYPE_DIRECT,
                                               CARAPACE_CHANNEL_CHAT_TYPE_GROUP};
  return (carapace_channel_about){
      .id = TEXT("whatsapp"),
      .label = TEXT("WhatsApp"),
      .order = 10,
      .max_text = 4000,
      .unit = CARAPACE_CHANNEL_LENGTH_UNIT_CHARACTERS,
      .chat_types = {types, 2},
      .features = CARAPACE_CHANNEL_FEATURES_POLLS | CARAPACE_CHANNEL_FEATURES_DROPS_REPEATS,
  };
}

/* The settings hold a handle in the place of the token, if there is a token. */
carapace_result_none_types_error plugin_channel_start(carapace_string account,
                                                      carapace_string settings) {
  (void)account;
  carapace_string token;
  if (carapace_json_text(settings, TEXT("linkToken"), &token))
    return (carapace_result_none_types_error){.is_error = false};
  return (carapace_result_none_types_error){
      .is_error = true,
      .value.error = told(TEXT("not-linked"), TEXT("No telephone is linked: link one first.")),
  };
}

void plugin_channel_stop(carapace_string account) { (void)account; }

/* A setting that is text; what the gateway gives is JSON. */
static bool setting(carapace_string name, carapace_string *value) {
  carapace_option_string found = carapace_config_get(name);
  carapace_string parts[] = {TEXT("{\"it\":"), found.value, TEXT("}")};
  return found.is_some && carapace_json_text(carapace_join(parts, 3), TEXT("it"), value);
}

static carapace_channel_outcome posted(carapace_channel_outgoing outgoing, carapace_string place,
                                       carapace_string body) {
  carapace_string service;
  if (!setting(TEXT("apiUrl"), &service))
    return failed(CARAPACE_CHANNEL_OUTCOME_DEAD, TEXT("settings"), TEXT("apiUrl is missing."));
  carapace_string address[] = {service, place};
  carapace_string name[] = {outgoing.target.account, TEXT("/linkToken")};
  carapace_types_header headers[] = {{TEXT("content-type"), TEXT("application/json")},
                                     {TEXT("idempotency-key"), outgoing.idempotency_key}};
  carapace_http_secret_use secrets[] = {{
      .name = carapace_join(name, 2),
      .place = {.tag = CARAPACE_HTTP_PLACE_HEADER, .value.header = TEXT("authorization")},
      .template = {.is_some = true, .value = TEXT("Bearer {}")},
  }};
  carapace_http_request request = {
      .method = TEXT("POST"),
      .url = carapace_join(address, 2),
      .headers = {headers, 2},
      .body = {.tag = CARAPACE_TYPES_BODY_TEXT, .value.text = body},
      .secrets = {secrets, 1},
      .timeout_ms = 5000,
      .want = CARAPACE_HTTP_WANT_TEXT,
  };
  carapace_result_http_response_types_error answer = carapace_http_fetch(request);
  if (answer.is_error)
    return failed(CARAPACE_CHANNEL_OUTCOME_RETRY_AFTER, answer.value.error.code,
                  answer.value.error.message);
  if (answer.value.ok.status != 200)
    return failed(CARAPACE_CHANNEL_OUTCOME_DEAD, TEXT("refused"), TEXT("The service refused."));
  carapace_channel_outcome sent = {.tag = CARAPACE_CHANNEL_OUTCOME_DELIVERED};
  carapace_types_body given = answer.value.ok.body;
  sent.value.delivered.is_some =
      given.tag == CARAPACE_TYPES_BODY_TEXT &&
      carapace_json_text(given.value.text, TEXT("id"), &sent.value.delivered.value);
  return sent;
}

carapace_channel_outcome plugin_channel_send_text(carapace_channel_outgoing outgoing) {
  carapace_string parts[] = {
      TEXT("{\"to\":"), carapace_json_quote(outgoing.target.conversation_id),
      TEXT(",\"text\":"), carapace_json_quote(outgoing.text), TEXT("}")};
  return posted(outgoing, TEXT("/messages"), carapace_join(parts, 5));
}

carapace_channel_outcome plugin_channel_send_poll(carapace_channel_outgoing outgoing,
                                                  carapace_channel_poll poll) {
  carapace_string start[] = {
      TEXT("{\"to\":"), carapace_json_quote(outgoing.target.conversation_id),
      TEXT(",\"question\":"), carapace_json_quote(poll.question), TEXT(",\"options\":[")};
  carapace_string body = carapace_join(start, 5);
  for (uint32_t i = 0; i < poll.options.count; i++) {
    carapace_string more[] = {body, i == 0 ? TEXT("") : TEXT(","),
                              carapace_json_quote(poll.options.items[i])};
    body = carapace_join(more, 3);
  }
  carapace_string whole[] = {body, TEXT("]}")};
  return posted(outgoing, TEXT("/polls"), carapace_join(whole, 2));
}

carapace_channel_outcome plugin_channel_send_media(carapace_channel_outgoing outgoing) {
  (void)outgoing;
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

/* A number with its country, +1555..., is what this service knows people by. */
carapace_result_string_types_error plugin_channel_resolve(carapace_string account,
                                                          carapace_string text) {
  (void)account;
  bool is_number = text.length > 7 && text.length < 17 && text.bytes[0] == '+';
  for (uint32_t i = 1; is_number && i < text.length; i++)
    is_number = text.bytes[i] >= '0' && text.bytes[i] <= '9';
  if (is_number) return (carapace_result_string_types_error){.value.ok = text};
  return (carapace_result_string_types_error){
      .is_error = true,
      .value.error = told(TEXT("bad-target"), TEXT("Write a number with its country: +1555...")),
  };
}

carapace_result_list_channel_person_types_error plugin_channel_directory(carapace_string account,
                                                                         carapace_string query,
                                                                         uint32_t limit) {
  (void)account, (void)query, (void)limit;
  return (carapace_result_list_channel_person_types_error){.value.ok = {0, 0}};
}

carapace_result_string_types_error plugin_channel_probe(carapace_string account) {
  (void)account;
  return (carapace_result_string_types_error){.value.ok = TEXT("{}")};
}

carapace_result_channel_login_step_types_error plugin_channel_login(carapace_string account,
                                                                    carapace_string answer) {
  (void)account, (void)answer;
  carapace_channel_login_step step = {TEXT("wait"), TEXT("Set linkToken to link it."), TEXT("")};
  return (carapace_result_channel_login_step_types_error){.value.ok = step};
}
