/* Writing JSON text. */
#include "json_internal.h"

#include <math.h>

static int write_escape(cx_buffer *out, unsigned char byte) {
  static const char hex[] = "0123456789abcdef";
  char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
  switch (byte) {
  case '"':
  case '\\': text[1] = (char)byte; break;
  case '\b': text[1] = 'b'; break;
  case '\f': text[1] = 'f'; break;
  case '\n': text[1] = 'n'; break;
  case '\r': text[1] = 'r'; break;
  case '\t': text[1] = 't'; break;
  default: return cx_buffer_append(out, text, 6);
  }
  return cx_buffer_append(out, text, 2);
}

static int write_quoted(cx_buffer *out, const char *bytes, const char *end) {
  int status = cx_buffer_append_byte(out, '"');
  while (status == CX_OK) {
    const char *special = cx_json_plain_run(bytes, end);
    status = cx_buffer_append(out, bytes, (size_t)(special - bytes));
    if (status != CX_OK || special == end) break;
    status = write_escape(out, (unsigned char)*special);
    bytes = special + 1;
  }
  return status == CX_OK ? cx_buffer_append_byte(out, '"') : status;
}

int cx_json_write_string(cx_buffer *out, const char *bytes, size_t length) {
  if (length == 0) return cx_buffer_append(out, "\"\"", 2);
  if (!cx_utf8_valid(bytes, length)) return CX_EINVAL;
  size_t before = cx_buffer_length(out);
  int status = write_quoted(out, bytes, bytes + length);
  if (status != CX_OK) out->end = out->start + before;
  return status;
}

/* Writes the digits backwards from end and answers the first one. */
static char *digits_before(char *end, uint64_t magnitude) {
  do
    *--end = (char)('0' + magnitude % 10);
  while (magnitude /= 10);
  return end;
}

int cx_json_write_integer(cx_buffer *out, int64_t integer) {
  char text[20], *end = text + sizeof text;
  uint64_t magnitude = integer < 0 ? 0 - (uint64_t)integer : (uint64_t)integer;
  char *first = digits_before(end, magnitude);
  if (integer < 0) *--first = '-';
  return cx_buffer_append(out, first, (size_t)(end - first));
}

static char *put(char *to, const char *bytes, int count) {
  memcpy(to, bytes, (size_t)count);
  return to + count;
}

static char *put_zeros(char *to, int count) {
  memset(to, '0', (size_t)count);
  return to + count;
}

/* Writes 0.DIGITS * 10^point without an exponent, always with a decimal point. */
static char *put_fixed(char *to, const char *digits, int count, int point) {
  if (point <= 0) return put(put_zeros(put(to, "0.", 2), -point), digits, count);
  if (point >= count) return put(put_zeros(put(to, digits, count), point - count), ".0", 2);
  return put(put(put(to, digits, point), ".", 1), digits + point, count - point);
}

static char *put_scientific(char *to, const char *digits, int count, int exponent) {
  char text[4], *first = digits_before(text + sizeof text, (uint64_t)(exponent < 0 ? -exponent : exponent));
  to = put(to, digits, 1);
  if (count > 1) to = put(put(to, ".", 1), digits + 1, count - 1);
  to = exponent < 0 ? put(to, "e-", 2) : put(to, "e", 1);
  return put(to, first, (int)(text + sizeof text - first));
}

int cx_json_write_number(cx_buffer *out, double number) {
  if (!isfinite(number)) return CX_EINVAL;
  char text[32], *to = text, digits[CX_JSON_MAX_DIGITS] = {'0'};
  int count = 1, point = 1;
  if (signbit(number)) *to++ = '-';
  if (number != 0) count = cx_json_shortest_digits(signbit(number) ? -number : number, digits, &point);
  /* The range in which people write numbers out. */
  if (point > -4 && point <= 16)
    to = put_fixed(to, digits, count, point);
  else
    to = put_scientific(to, digits, count, point - 1);
  return cx_buffer_append(out, text, (size_t)(to - text));
}
