/* Decimal to double and back, exactly, whatever the locale and without allocating.
 *
 * Short numbers take Clinger's fast path. Every other one becomes a fraction of two big integers, and the 53
 * bits of the result fall out of a long division whose remainder decides the rounding. Writing runs Steele
 * and White's shortest-digits algorithm over the same integers. */
#include "json_internal.h"

#include <float.h>

/* No halfway point between doubles has more than 767 significant digits, so beyond these only "is anything
 * left?" matters. */
#define MAX_SIGNIFICANT 800

/* The largest integers are 10^(MAX_SIGNIFICANT + 1), 2661 bits, and 5^(330 + MAX_SIGNIFICANT + 1), 2627 bits.
 */
#define BIG_LIMBS 88

typedef struct big {
  unsigned length; /* limbs in use; the last one isn't zero */
  uint32_t limb[BIG_LIMBS];
} big;

static void big_set(big *number, uint64_t value) {
  number->length = 0;
  for (; value; value >>= 32)
    number->limb[number->length++] = (uint32_t)value;
}

static void big_multiply_add(big *number, uint32_t factor, uint32_t addend) {
  uint64_t carry = addend;
  for (unsigned i = 0; i < number->length; i++) {
    carry += (uint64_t)number->limb[i] * factor;
    number->limb[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry) number->limb[number->length++] = (uint32_t)carry;
}

static void big_multiply_power_of_5(big *number, unsigned power) {
  for (; power >= 13; power -= 13)
    big_multiply_add(number, 1220703125, 0);
  uint32_t factor = 1;
  for (; power > 0; power--)
    factor *= 5;
  big_multiply_add(number, factor, 0);
}

static void big_shift_left(big *number, unsigned bits) {
  unsigned limbs = bits / 32;
  if (number->length == 0) return;
  if (limbs) {
    memmove(number->limb + limbs, number->limb, number->length * sizeof number->limb[0]);
    memset(number->limb, 0, limbs * sizeof number->limb[0]);
    number->length += limbs;
  }
  if (bits % 32) big_multiply_add(number, (uint32_t)1 << bits % 32, 0);
}

static int big_compare(const big *a, const big *b) {
  if (a->length != b->length) return a->length < b->length ? -1 : 1;
  for (unsigned i = a->length; i-- > 0;)
    if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
  return 0;
}

static void big_add(big *a, const big *b) {
  uint64_t carry = 0;
  while (a->length < b->length)
    a->limb[a->length++] = 0;
  for (unsigned i = 0; i < a->length; i++) {
    carry += (uint64_t)a->limb[i] + (i < b->length ? b->limb[i] : 0);
    a->limb[i] = (uint32_t)carry;
    carry >>= 32;
  }
  if (carry) a->limb[a->length++] = (uint32_t)carry;
}

/* a must not be less than b. */
static void big_subtract(big *a, const big *b) {
  uint64_t borrow = 0;
  for (unsigned i = 0; i < a->length; i++) {
    uint64_t difference = (uint64_t)a->limb[i] - (i < b->length ? b->limb[i] : 0) - borrow;
    a->limb[i] = (uint32_t)difference;
    borrow = difference >> 63;
  }
  while (a->length > 0 && a->limb[a->length - 1] == 0)
    a->length--;
}

static int big_bits(const big *number) {
  int bits = 0;
  for (uint32_t top = number->limb[number->length - 1]; top; top >>= 1)
    bits++;
  return bits + 32 * (int)(number->length - 1);
}

/* A number's text taken apart: all its digits, read as one integer, times 10^exponent. */
typedef struct decimal {
  const char *first, *stop; /* from the first digit that isn't zero; a point may lie in between */
  int64_t digits;           /* significant ones */
  int64_t exponent;
  uint64_t mantissa; /* the integer, when there are at most 19 digits */
} decimal;

/* Any exponent this large decides alone, since no text has as many digits. */
#define EXPONENT_CAP (INT64_MAX / 4)

static int64_t read_exponent(const char *text, const char *stop) {
  bool negative = *text == '-';
  int64_t exponent = 0;
  if (*text == '-' || *text == '+') text++;
  for (; text < stop; text++)
    if (exponent < EXPONENT_CAP / 10) exponent = exponent * 10 + (*text - '0');
  return negative ? -exponent : exponent;
}

static decimal take_apart(const char *text, const char *stop) {
  decimal parts = {.first = stop, .stop = stop};
  bool fraction = false;
  for (; text < stop && *text != 'e' && *text != 'E'; text++) {
    if (*text == '.') {
      fraction = true;
      continue;
    }
    if (fraction) parts.exponent--;
    if (parts.digits == 0 && *text == '0') continue;
    if (parts.digits++ == 0) parts.first = text;
    if (parts.digits <= 19) parts.mantissa = parts.mantissa * 10 + (uint64_t)(*text - '0');
  }
  parts.stop = text;
  if (text < stop) parts.exponent += read_exponent(text + 1, stop);
  return parts;
}

/* Clinger: both operands are exact, so the one operation rounds correctly. Not so where registers are wider.
 */
static bool fast_path(const decimal *parts, double *number) {
#if FLT_EVAL_METHOD == 0
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (parts->digits > 19 || parts->mantissa > (uint64_t)1 << 53) return false;
  if (parts->exponent < -22 || parts->exponent > 22) return false;
  *number = (double)parts->mantissa;
  if (parts->exponent < 0)
    *number /= powers[-parts->exponent];
  else
    *number *= powers[parts->exponent];
  return true;
#else
  (void)parts, (void)number;
  return false;
#endif
}

/* Reads the digits, at most MAX_SIGNIFICANT and one for the rest, and answers the exponent that goes with
 * them. */
static int read_digits(const decimal *parts, big *integer) {
  int64_t taken = 0;
  const char *text = parts->first;
  big_set(integer, 0);
  for (; text < parts->stop && taken < MAX_SIGNIFICANT; text++) {
    if (*text == '.') continue;
    big_multiply_add(integer, 10, (uint32_t)(*text - '0'));
    taken++;
  }
  int exponent = (int)(parts->exponent + (parts->digits - taken));
  while (text < parts->stop && (*text == '0' || *text == '.'))
    text++;
  if (text == parts->stop) return exponent;
  big_multiply_add(integer, 10, 1);
  return exponent - 1;
}

/* Scales the fraction into [1, 2) and answers the power of two taken out. */
static int normalize(big *numerator, big *denominator) {
  int exponent = big_bits(numerator) - big_bits(denominator);
  if (exponent > 0)
    big_shift_left(denominator, (unsigned)exponent);
  else
    big_shift_left(numerator, (unsigned)-exponent);
  if (big_compare(numerator, denominator) < 0) {
    big_shift_left(numerator, 1);
    exponent--;
  }
  return exponent;
}

/* Rounds numerator / denominator * 2^exponent, with the fraction in [1, 2), to the bits of a double. */
static uint64_t divide(big *numerator, const big *denominator, int exponent) {
  int bits = exponent >= -1022 ? 53 : 53 - (-1022 - exponent); /* fewer for a subnormal */
  if (bits < 0) return 0;
  uint64_t quotient = 0;
  for (int i = 0; i < bits; i++) {
    quotient <<= 1;
    if (big_compare(numerator, denominator) >= 0) {
      big_subtract(numerator, denominator);
      quotient |= 1;
    }
    big_shift_left(numerator, 1);
  }
  int rest = big_compare(numerator, denominator); /* twice the remainder against the divisor */
  if (rest > 0 || (rest == 0 && (quotient & 1))) quotient++;
  if (bits < 53) return quotient;
  /* The mantissa's leading bit adds one to the exponent's field, and a carry out of rounding adds another. */
  return ((uint64_t)(exponent + 1022) << 52) + quotient;
}

static uint64_t exact_path(const decimal *parts) {
  const uint64_t infinity = (uint64_t)0x7FF << 52;
  int64_t magnitude = parts->digits + parts->exponent; /* below 10^magnitude, by less than one decade */
  if (magnitude > 310) return infinity;
  if (magnitude < -330) return 0;
  big numerator, denominator;
  int exponent = read_digits(parts, &numerator);
  big_set(&denominator, 1);
  big_multiply_power_of_5(exponent < 0 ? &denominator : &numerator,
                          (unsigned)(exponent < 0 ? -exponent : exponent));
  exponent += normalize(&numerator, &denominator);
  return exponent > 1023 ? infinity : divide(&numerator, &denominator, exponent);
}

bool cx_json_to_double(const char *text, const char *stop, double *number) {
  bool negative = *text == '-';
  decimal parts = take_apart(text + negative, stop);
  uint64_t bits = 0;
  if (parts.digits == 0) {
    *number = 0;
  } else if (!fast_path(&parts, number)) {
    bits = exact_path(&parts);
    memcpy(number, &bits, sizeof bits);
  }
  if (negative) *number = -*number;
  return bits >> 52 != 0x7FF;
}

/* The state of Steele and White: value / scale is what remains to be written, below and above / scale reach
 * halfway to the neighbouring doubles. */
typedef struct digit_source {
  big value, scale, below, above;
  bool inclusive; /* an even mantissa also owns its halfway points */
} digit_source;

static bool reaches_scale(const digit_source *source) {
  big sum = source->value;
  big_add(&sum, &source->above);
  int order = big_compare(&sum, &source->scale);
  return order > 0 || (order == 0 && source->inclusive);
}

static bool within_below(const digit_source *source) {
  int order = big_compare(&source->value, &source->below);
  return order < 0 || (order == 0 && source->inclusive);
}

static void multiply_value(digit_source *source, uint32_t factor) {
  big_multiply_add(&source->value, factor, 0);
  big_multiply_add(&source->below, factor, 0);
  big_multiply_add(&source->above, factor, 0);
}

/* Loads number and answers floor(log2(number)). */
static int load(digit_source *source, double number) {
  uint64_t bits;
  memcpy(&bits, &number, sizeof bits);
  uint64_t mantissa = bits & (((uint64_t)1 << 52) - 1);
  int field = (int)(bits >> 52);
  /* Below a power of two the doubles lie twice as dense. */
  bool uneven = mantissa == 0 && field > 1;
  if (field > 0) mantissa |= (uint64_t)1 << 52;
  int exponent = (field > 0 ? field : 1) - 1075;

  unsigned up = exponent > 0 ? (unsigned)exponent : 0, down = exponent < 0 ? (unsigned)-exponent : 0;
  source->inclusive = mantissa % 2 == 0;
  big_set(&source->value, mantissa);
  big_shift_left(&source->value, up + 1 + uneven);
  big_set(&source->scale, 1);
  big_shift_left(&source->scale, down + 1 + uneven);
  big_set(&source->below, 1);
  big_shift_left(&source->below, up);
  big_set(&source->above, 1);
  big_shift_left(&source->above, up + uneven);
  while (mantissa >>= 1)
    exponent++;
  return exponent;
}

/* Brings value / scale below 1, with a first digit that isn't zero, and answers the power of ten taken out.
 */
static int scale_to_unit(digit_source *source, int log2) {
  int point = log2 * 30103 / 100000;
  /* The division truncates towards zero, and the estimate must not be too large. */
  if (log2 < 0) point--;
  for (int i = 0; i < point; i++)
    big_multiply_add(&source->scale, 10, 0);
  for (int i = 0; i > point; i--)
    multiply_value(source, 10);
  for (; reaches_scale(source); point++)
    big_multiply_add(&source->scale, 10, 0);
  return point;
}

int cx_json_shortest_digits(double number, char digits[CX_JSON_MAX_DIGITS], int *point) {
  digit_source source;
  int count = 0, log2 = load(&source, number);
  *point = scale_to_unit(&source, log2);
  for (;;) {
    multiply_value(&source, 10);
    char digit = '0';
    for (; big_compare(&source.value, &source.scale) >= 0; digit++)
      big_subtract(&source.value, &source.scale);
    bool low = within_below(&source), high = reaches_scale(&source);
    if (!low && !high) {
      digits[count++] = digit;
      continue;
    }
    if (low && high) {
      big_shift_left(&source.value, 1);
      high = big_compare(&source.value, &source.scale) >= 0;
    }
    digits[count++] = (char)(digit + high);
    return count;
  }
}
