/* Escapes in strings, and decoding strings. */
#include "json_internal.h"

int cx_hex_digit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

const char *cx_json_skip_escape(const char *text, const char *end) {
  if (end - text < 2) return NULL;
  switch (text[1]) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't': return text + 2;
  case 'u': break;
  default: return NULL;
  }
  if (end - text < 6) return NULL;
  for (int i = 2; i < 6; i++)
    if (cx_hex_digit(text[i]) < 0) return NULL;
  return text + 6;
}

static uint32_t hex_unit(const char *digits) {
  uint32_t unit = 0;
  for (int i = 0; i < 4; i++)
    unit = unit << 4 | (uint32_t)cx_hex_digit(digits[i]);
  return unit;
}

static uint32_t short_escape(char letter) {
  switch (letter) {
  case 'b': return '\b';
  case 'f': return '\f';
  case 'n': return '\n';
  case 'r': return '\r';
  case 't': return '\t';
  default: return (unsigned char)letter;
  }
}

/* Decodes the escape at *text, both halves of a surrogate pair, and passes it. False when the mode refuses
 * it. */
static bool decode_escape(const char **text, const char *end, cx_json_mode mode, uint32_t *code) {
  const char *escape = *text, *after = cx_json_skip_escape(escape, end);
  if (!after) return false;
  *text = after;
  *code = escape[1] == 'u' ? hex_unit(escape + 2) : short_escape(escape[1]);
  if (*code < 0xD800 || *code > 0xDFFF) return true;
  if (*code < 0xDC00 && end - after >= 6 && after[0] == '\\' && after[1] == 'u' &&
      cx_json_skip_escape(after, end)) {
    uint32_t low = hex_unit(after + 2);
    if (low >= 0xDC00 && low <= 0xDFFF) {
      *text = after + 6;
      *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
      return true;
    }
  }
  *code = CX_REPLACEMENT;
  return mode == CX_JSON_LENIENT;
}

const char *cx_json_lone_surrogate(const char *text, const char *end) {
  uint32_t code;
  while ((text = memchr(text, '\\', (size_t)(end - text)))) {
    const char *escape = text;
    if (!decode_escape(&text, end, CX_JSON_STRICT, &code)) return escape;
  }
  return NULL;
}

/* Appends bytes that hold no escape, with what isn't UTF-8 replaced. */
static int append_run(cx_buffer *out, const char *bytes, size_t length, cx_json_mode mode) {
  int status = CX_OK;
  while (length > 0 && status == CX_OK) {
    size_t valid = cx_utf8_valid_prefix(bytes, length);
    status = cx_buffer_append(out, bytes, valid);
    bytes += valid;
    length -= valid;
    if (status != CX_OK || length == 0) break;
    if (mode == CX_JSON_STRICT) return CX_EINVAL;
    bool ignored;
    size_t bad = cx_utf8_character(bytes, length, &ignored);
    status = cx_buffer_append(out, "\xEF\xBF\xBD", 3);
    bytes += bad;
    length -= bad;
  }
  return status;
}

static int unescape(const char *text, const char *end, cx_json_mode mode, cx_buffer *out) {
  while (text < end) {
    const char *special = cx_json_plain_run(text, end);
    int status = append_run(out, text, (size_t)(special - text), mode);
    if (status != CX_OK || special == end) return status;
    uint32_t code;
    char character[4];
    text = special;
    if (*text != '\\' || !decode_escape(&text, end, mode, &code)) return CX_EINVAL;
    status = cx_buffer_append(out, character, cx_utf8_encode(code, character));
    if (status != CX_OK) return status;
  }
  return CX_OK;
}

int cx_json_unescape(const char *string, size_t length, cx_json_mode mode, cx_buffer *out) {
  size_t before = cx_buffer_length(out);
  int status = length > 0 ? unescape(string, string + length, mode, out) : CX_OK;
  if (status != CX_OK) out->end = out->start + before;
  return status;
}
