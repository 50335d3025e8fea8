/* UTF-8 as Unicode's table 3-7 defines it. */
#include "json_internal.h"

/* Continuation bytes after the lead byte, and the range of the first of them, which keeps out overlong forms,
 * surrogates and what lies past U+10FFFF. */
typedef struct lead_byte {
  size_t continuations; /* 0: not a lead byte */
  unsigned char low, high;
} lead_byte;

static lead_byte classify(unsigned char byte) {
  if (byte < 0xC2 || byte > 0xF4) return (lead_byte){0, 0, 0};
  if (byte < 0xE0) return (lead_byte){1, 0x80, 0xBF};
  if (byte == 0xE0) return (lead_byte){2, 0xA0, 0xBF};
  if (byte == 0xED) return (lead_byte){2, 0x80, 0x9F};
  if (byte < 0xF0) return (lead_byte){2, 0x80, 0xBF};
  if (byte == 0xF0) return (lead_byte){3, 0x90, 0xBF};
  if (byte == 0xF4) return (lead_byte){3, 0x80, 0x8F};
  return (lead_byte){3, 0x80, 0xBF};
}

size_t cx_utf8_character(const char *bytes, size_t length, bool *valid) {
  const unsigned char *byte = (const unsigned char *)bytes;
  *valid = byte[0] < 0x80;
  if (*valid) return 1;
  lead_byte lead = classify(byte[0]);
  if (lead.continuations == 0) return 1;
  for (size_t i = 1; i <= lead.continuations; i++) {
    if (i >= length || byte[i] < lead.low || byte[i] > lead.high) return i;
    lead.low = 0x80;
    lead.high = 0xBF;
  }
  *valid = true;
  return lead.continuations + 1;
}

static size_t ascii_prefix(const char *bytes, size_t length) {
  size_t i = 0;
#if defined(__SSE2__)
  for (; length - i >= 16; i += 16) {
    int mask = _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(bytes + i)));
    if (mask) return i + (size_t)__builtin_ctz((unsigned)mask);
  }
#else
  for (; length - i >= 8; i += 8) {
    uint64_t block;
    memcpy(&block, bytes + i, 8);
    if (block & CX_HIGH_BITS) break;
  }
#endif
  while (i < length && (unsigned char)bytes[i] < 0x80)
    i++;
  return i;
}

size_t cx_utf8_valid_prefix(const char *bytes, size_t length) {
  size_t i = 0;
  while (i < length) {
    if ((unsigned char)bytes[i] < 0x80) {
      i += ascii_prefix(bytes + i, length - i);
      continue;
    }
    bool valid;
    size_t step = cx_utf8_character(bytes + i, length - i, &valid);
    if (!valid) return i;
    i += step;
  }
  return i;
}

bool cx_utf8_valid(const char *bytes, size_t length) {
  return cx_utf8_valid_prefix(bytes, length) == length;
}

size_t cx_utf8_encode(uint32_t code, char out[4]) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = length - 1; i > 0; i--, code >>= 6)
    out[i] = (char)(0x80 | (code & 0x3F));
  out[0] = (char)((0xF00u >> length & 0xF0u) | code);
  return length;
}
