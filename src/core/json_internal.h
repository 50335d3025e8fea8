/* What the files behind json.h share among themselves. */
#ifndef CODEX_CORE_JSON_INTERNAL_H
#define CODEX_CORE_JSON_INTERNAL_H

#include "json.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* U+FFFD, which stands for whatever can't be decoded. */
#define CX_REPLACEMENT 0xFFFDu

/* Looks at the character that starts at bytes (length > 0). Answers its length, or, setting *valid to false,
 * the length of the maximal ill-formed part that one U+FFFD replaces. */
size_t cx_utf8_character(const char *bytes, size_t length, bool *valid);

/* Answers how many bytes from the start are valid UTF-8. */
size_t cx_utf8_valid_prefix(const char *bytes, size_t length);

/* Encodes a code point (no surrogate) and answers its length. */
size_t cx_utf8_encode(uint32_t code, char out[4]);

/* The value of a hexadecimal digit, or -1. */
int cx_hex_digit(char byte);

/* Skips the escape whose backslash is at text (before end). NULL when it is malformed or cut short. */
const char *cx_json_skip_escape(const char *text, const char *end);

/* Finds the first surrogate escape without its other half among the contents of a string, or NULL. */
const char *cx_json_lone_surrogate(const char *text, const char *end);

/* Converts the JSON number from text up to stop, whose grammar has been checked: the nearest double, ties to
 * even. False, and infinite, when the magnitude is beyond double. */
bool cx_json_to_double(const char *text, const char *stop, double *number);

/* Finds the shortest digits that read back as number (finite, positive), the nearest ones among those:
 * number = 0.DIGITS * 10^point. Answers how many there are. */
#define CX_JSON_MAX_DIGITS 17
int cx_json_shortest_digits(double number, char digits[CX_JSON_MAX_DIGITS], int *point);

#define CX_EVERY_BYTE(byte) (UINT64_MAX / 255 * (byte))
#define CX_HIGH_BITS CX_EVERY_BYTE(0x80u)

/* Answers the first '"', '\\' or byte below 0x20, or end. Loads only whole blocks before end. */
static inline const char *cx_json_plain_run(const char *text, const char *end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1F);
  for (; end - text >= 16; text += 16) {
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)text);
    __m128i special = _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash));
    special = _mm_or_si128(special, _mm_cmpeq_epi8(_mm_min_epu8(block, control), block));
    unsigned mask = (unsigned)_mm_movemask_epi8(special);
    if (mask) return text + __builtin_ctz(mask);
  }
#else
  for (; end - text >= 8; text += 8) {
    uint64_t block, quote, backslash;
    memcpy(&block, text, 8);
    quote = block ^ CX_EVERY_BYTE('"');
    backslash = block ^ CX_EVERY_BYTE('\\');
    /* A borrow may raise false alarms above a true one, never hide one; the loop below tells them apart. */
    uint64_t special = (quote - CX_EVERY_BYTE(1u)) & ~quote;
    special |= (backslash - CX_EVERY_BYTE(1u)) & ~backslash;
    special |= (block - CX_EVERY_BYTE(0x20u)) & ~block;
    if (special & CX_HIGH_BITS) break;
  }
#endif
  while (text < end && *text != '"' && *text != '\\' && (unsigned char)*text >= 0x20)
    text++;
  return text;
}

#endif
