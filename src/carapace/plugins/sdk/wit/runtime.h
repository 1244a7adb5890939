/* Made by `cara plugin build` from the plugin's manifest. Do not edit; include it.
 *
 * Text is bytes in UTF-8 with a length, never ended by a zero. Memory that `carapace_alloc` gives,
 * and what the gateway passes in, is there until the exported function has returned; what must
 * last belongs into the gateway's key-value store.
 */
#ifndef CARAPACE_PLUGIN_H
#define CARAPACE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  const char *bytes;
  uint32_t length;
} carapace_string;

/* A literal as text: CARAPACE_STRING("hello"). */
#define CARAPACE_STRING(literal) ((carapace_string){(literal), sizeof(literal) - 1})

/* Memory for the current call; the plugin ends with a trap when there is none left. */
void *carapace_alloc(size_t bytes, size_t alignment);
void carapace_release_all(void);

bool carapace_equal(carapace_string left, carapace_string right);
carapace_string carapace_join(const carapace_string *parts, uint32_t count);

/* Text as a JSON string, with its quotes. */
carapace_string carapace_json_quote(carapace_string text);
/* The text of a member of a JSON object; false if there is none or it is no text. */
bool carapace_json_text(carapace_string object, carapace_string key, carapace_string *value);

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *at, int byte, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);
