/* Made by `cara plugin build` from the plugin's manifest. Do not edit. */
#include "carapace_plugin.h"

extern unsigned char __heap_base;
static uintptr_t heap_top;

void *carapace_alloc(size_t bytes, size_t alignment) {
  if (heap_top == 0) heap_top = (uintptr_t)&__heap_base;
  uintptr_t start = (heap_top + alignment - 1) & ~(uintptr_t)(alignment - 1);
  uintptr_t end = start + bytes;
  if (end < start) __builtin_trap();
  uintptr_t have = (uintptr_t)__builtin_wasm_memory_size(0) << 16;
  if (end > have && __builtin_wasm_memory_grow(0, (end - have + 65535) >> 16) == SIZE_MAX)
    __builtin_trap();
  heap_top = end;
  return (void *)start;
}

void carapace_release_all(void) { heap_top = 0; }

__attribute__((export_name("cabi_realloc"))) void *carapace_realloc(void *old, size_t old_bytes,
                                                                    size_t alignment,
                                                                    size_t new_bytes) {
  if (old != 0 && new_bytes <= old_bytes) return old;
  void *made = carapace_alloc(new_bytes, alignment);
  memcpy(made, old, old_bytes);
  return made;
}

void *memcpy(void *to, const void *from, size_t bytes) { return memmove(to, from, bytes); }

void *memmove(void *to, const void *from, size_t bytes) {
  volatile char *target = to;
  const volatile char *origin = from;
  if (to < from)
    for (size_t i = 0; i < bytes; i++) target[i] = origin[i];
  else
    while (bytes-- > 0) target[bytes] = origin[bytes];
  return to;
}

void *memset(void *at, int byte, size_t bytes) {
  volatile char *target = at;
  while (bytes-- > 0) target[bytes] = (char)byte;
  return at;
}

int memcmp(const void *left, const void *right, size_t bytes) {
  const unsigned char *a = left, *b = right;
  for (size_t i = 0; i < bytes; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

bool carapace_equal(carapace_string left, carapace_string right) {
  return left.length == right.length && memcmp(left.bytes, right.bytes, left.length) == 0;
}

carapace_string carapace_join(const carapace_string *parts, uint32_t count) {
  size_t total = 0;
  for (uint32_t i = 0; i < count; i++) total += parts[i].length;
  char *made = carapace_alloc(total, 1);
  char *at = made;
  for (uint32_t i = 0; i < count; i++) {
    memcpy(at, parts[i].bytes, parts[i].length);
    at += parts[i].length;
  }
  return (carapace_string){made, (uint32_t)total};
}

carapace_string carapace_json_quote(carapace_string text) {
  static const char digits[] = "0123456789abcdef";
  char *made = carapace_alloc((size_t)text.length * 6 + 2, 1);
  uint32_t n = 0;
  made[n++] = '"';
  for (uint32_t i = 0; i < text.length; i++) {
    unsigned char c = (unsigned char)text.bytes[i];
    if (c == '"' || c == '\\') {
      made[n++] = '\\';
      made[n++] = (char)c;
    } else if (c < 0x20) {
      memcpy(made + n, "\\u00", 4);
      made[n + 4] = digits[c >> 4];
      made[n + 5] = digits[c & 15];
      n += 6;
    } else {
      made[n++] = (char)c;
    }
  }
  made[n++] = '"';
  return (carapace_string){made, n};
}

static const char *skip_space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
  return at;
}

/* Just behind the text that begins at `at` with its quote, or `end`. */
static const char *skip_text(const char *at, const char *end) {
  for (at++; at < end && *at != '"'; at++)
    if (*at == '\\') at++;
  return at < end ? at + 1 : end;
}

/* Just behind the JSON value at `at`. */
static const char *skip_value(const char *at, const char *end) {
  int depth = 0;
  while (at < end) {
    char c = *at;
    if (c == '"') {
      at = skip_text(at, end);
      if (depth == 0) return at;
      continue;
    }
    if (depth == 0 && (c == ',' || c == '}' || c == ']')) return at;
    if (c == '{' || c == '[') depth++;
    if ((c == '}' || c == ']') && --depth == 0) return at + 1;
    at++;
  }
  return at;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Four hexadecimal digits, or -1. */
static int32_t code_unit(const char *at, const char *end) {
  int32_t value = 0;
  if (end - at < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int digit = hex_digit(at[i]);
    if (digit < 0) return -1;
    value = value << 4 | digit;
  }
  return value;
}

static uint32_t put_utf8(char *to, uint32_t code) {
  if (code < 0x80) {
    to[0] = (char)code;
    return 1;
  }
  uint32_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
  to[0] = (char)(lead[more] | code >> (6 * more));
  for (uint32_t i = 1; i <= more; i++) to[i] = (char)(0x80 | (code >> (6 * (more - i)) & 0x3f));
  return more + 1;
}

static char plain_escape(char c) {
  switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return c;
  }
}

/* The JSON text between the quotes `from` and `end`, without its escapes; false if it is broken. */
static bool unescape(const char *from, const char *end, carapace_string *value) {
  char *made = carapace_alloc((size_t)(end - from), 1);
  uint32_t n = 0;
  while (from < end) {
    if (*from != '\\') {
      made[n++] = *from++;
      continue;
    }
    if (end - from < 2) return false;
    char kind = from[1];
    from += 2;
    if (kind != 'u') {
      made[n++] = plain_escape(kind);
      continue;
    }
    int32_t code = code_unit(from, end);
    if (code < 0) return false;
    from += 4;
    if (code >= 0xd800 && code < 0xdc00 && end - from >= 6 && from[0] == '\\' && from[1] == 'u') {
      int32_t low = code_unit(from + 2, end);
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        from += 6;
      }
    }
    /* Half a pair is no character; UTF-8 has no form for it. */
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    n += put_utf8(made + n, (uint32_t)code);
  }
  *value = (carapace_string){made, n};
  return true;
}

bool carapace_json_text(carapace_string object, carapace_string key, carapace_string *value) {
  const char *end = object.bytes + object.length;
  const char *at = skip_space(object.bytes, end);
  if (at >= end || *at != '{') return false;
  at = skip_space(at + 1, end);
  while (at < end && *at == '"') {
    const char *name = at + 1;
    at = skip_text(at, end);
    carapace_string found;
    if (at - 1 < name || !unescape(name, at - 1, &found)) return false;
    at = skip_space(at, end);
    if (at >= end || *at != ':') return false;
    at = skip_space(at + 1, end);
    const char *start = at;
    at = skip_value(at, end);
    if (carapace_equal(found, key)) {
      if (start >= end || *start != '"' || at - 1 <= start || at[-1] != '"') return false;
      return unescape(start + 1, at - 1, value);
    }
    at = skip_space(at, end);
    if (at >= end || *at != ',') return false;
    at = skip_space(at + 1, end);
  }
  return false;
}
