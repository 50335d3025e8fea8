#include "json_internal.h"

/* Where a scan of a number stopped. */
typedef struct number_scan {
  const char *stop; /* one past it, or where a digit is missing */
  bool valid;
  bool integral; /* neither fraction nor exponent */
} number_scan;

static inline bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

static inline const char *skip_space(const char *text, const char *end) {
  while (text < end && (*text == ' ' || *text == '\n' || *text == '\r' || *text == '\t'))
    text++;
  return text;
}

const char *cx_json_skip_space(const char *text, const char *end) {
  return skip_space(text, end);
}

static inline const char *skip_digits(const char *text, const char *end) {
  while (text < end && is_digit(*text))
    text++;
  return text;
}

/* Scans what may follow the integer part: text is just past it. */
static number_scan scan_fraction_and_exponent(const char *text, const char *end) {
  const char *digits;
  if (text < end && *text == '.') {
    digits = text + 1;
    text = skip_digits(digits, end);
    if (text == digits) return (number_scan){.stop = text};
  }
  if (text < end && (*text == 'e' || *text == 'E')) {
    digits = text + 1;
    if (digits < end && (*digits == '+' || *digits == '-')) digits++;
    text = skip_digits(digits, end);
    if (text == digits) return (number_scan){.stop = text};
  }
  return (number_scan){.stop = text, .valid = true};
}

static inline number_scan scan_number(const char *text, const char *end) {
  if (text < end && *text == '-') text++;
  if (text == end || !is_digit(*text)) return (number_scan){.stop = text};
  text = *text == '0' ? text + 1 : skip_digits(text, end);
  if (text < end && (*text == '.' || *text == 'e' || *text == 'E'))
    return scan_fraction_and_exponent(text, end);
  return (number_scan){.stop = text, .valid = true, .integral = true};
}

static inline const char *skip_number(const char *text, const char *end) {
  const char *digits = skip_digits(text, end);
  if (digits > text && *text != '0' && digits < end && (*digits == ',' || *digits == '}'))
    return digits; /* nearly every number of the server's */
  number_scan scan = scan_number(text, end);
  return scan.valid ? scan.stop : NULL;
}

static inline const char *skip_string(const char *text, const char *end, bool *escaped) {
  *escaped = false;
  for (;;) {
    text = cx_json_plain_run(text, end);
    if (text == end) return NULL;
    if (*text == '"') return text;
    if (*text != '\\') return NULL;
    *escaped = true;
    text = cx_json_skip_escape(text, end);
    if (!text) return NULL;
  }
}

const char *cx_json_skip_string(const char *text, const char *end, bool *escaped) {
  bool ignored;
  return skip_string(text, end, escaped ? escaped : &ignored);
}

static inline const char *skip_word(const char *text, const char *end, const char *word, size_t length) {
  if ((size_t)(end - text) < length || memcmp(text, word, length) != 0) return NULL;
  return text + length;
}

/* Skips a value that is neither array nor object. text is before end. */
static inline const char *skip_scalar(const char *text, const char *end) {
  bool escaped;
  switch (*text) {
  case '"': text = skip_string(text + 1, end, &escaped); return text ? text + 1 : NULL;
  case 't': return skip_word(text, end, "true", 4);
  case 'f': return skip_word(text, end, "false", 5);
  case 'n': return skip_word(text, end, "null", 4);
  default: return skip_number(text, end);
  }
}

/* Skips a member's name and its colon. */
static inline const char *skip_name(const char *text, const char *end) {
  bool escaped;
  text = skip_space(text, end);
  if (text == end || *text != '"') return NULL;
  text = skip_string(text + 1, end, &escaped);
  if (!text) return NULL;
  text = skip_space(text + 1, end);
  return text < end && *text == ':' ? text + 1 : NULL;
}

static inline void set_nesting(unsigned char *nesting, unsigned level, bool object) {
  unsigned char bit = (unsigned char)(1u << level % 8);
  if (object)
    nesting[level / 8] |= bit;
  else
    nesting[level / 8] &= (unsigned char)~bit;
}

static inline bool is_object(const unsigned char *nesting, unsigned level) {
  return nesting[level / 8] >> level % 8 & 1;
}

/* What cx_json_skip_value is inside of. */
typedef struct open_values {
  unsigned level, limit;
  bool object; /* the innermost one is an object */
  unsigned char nesting[CX_JSON_MAX_DEPTH / 8];
} open_values;

/* Enters the array or object that starts at text. */
static inline const char *enter(open_values *open, const char *text, const char *end) {
  if (open->level == open->limit) return NULL;
  open->object = *text == '{';
  set_nesting(open->nesting, open->level++, open->object);
  return skip_space(text + 1, end);
}

/* Goes on after a value: past the ends of what it completes, then past a comma (and a name, in an object) to
 * the next value. Answers with level 0 when everything is complete. */
static inline const char *go_on(open_values *open, const char *text, const char *end) {
  while (open->level > 0) {
    text = skip_space(text, end);
    if (text == end) return NULL;
    if (*text == ',') return open->object ? skip_name(text + 1, end) : text + 1;
    if (*text != (open->object ? '}' : ']')) return NULL;
    text++;
    if (--open->level > 0) open->object = is_object(open->nesting, open->level - 1);
  }
  return text;
}

const char *cx_json_skip_value(const char *text, const char *end, unsigned depth) {
  open_values open;
  text = skip_space(text, end);
  if (text < end && *text != '{' && *text != '[') return skip_scalar(text, end);
  open.level = 0;
  open.limit = depth < CX_JSON_MAX_DEPTH ? CX_JSON_MAX_DEPTH - depth : 0;
  open.object = false;
  memset(open.nesting, 0, sizeof open.nesting);
  do {
    text = skip_space(text, end);
    if (text == end) return NULL;
    if (*text == '{' || *text == '[') {
      text = enter(&open, text, end);
      if (!text || text == end) return NULL;
      if (*text != (open.object ? '}' : ']')) {
        if (open.object) text = skip_name(text, end);
        if (!text) return NULL;
        continue;
      }
    } else {
      text = skip_scalar(text, end);
      if (!text) return NULL;
    }
    text = go_on(&open, text, end);
    if (!text) return NULL;
  } while (open.level > 0);
  return text;
}

/* What the reader expects next. */
enum state {
  AT_VALUE,
  AT_FIRST_VALUE, /* or the end of the array */
  AT_FIRST_NAME,  /* or the end of the object */
  AT_COLON,
  AFTER_VALUE,
  FAILED,
};

static const char end_of_text[] = "unexpected end of text";

void cx_json_reader_init(cx_json_reader *reader, const char *text, size_t length, cx_json_mode mode) {
  *reader = (cx_json_reader){.mode = mode, .state = AT_VALUE};
  reader->text = reader->next = length > 0 ? text : "";
  reader->end = reader->text + length;
}

static cx_json_token fail(cx_json_reader *reader, const char *at, const char *error) {
  reader->state = FAILED;
  reader->error = at == reader->end ? end_of_text : error;
  reader->position = (size_t)(at - reader->text);
  return CX_JSON_ERROR;
}

/* Accepts the text up to stop as a token. */
static cx_json_token accept(cx_json_reader *reader, const char *stop, enum state state, cx_json_token token) {
  reader->position = (size_t)(reader->next - reader->text);
  reader->next = stop;
  reader->state = (unsigned char)state;
  return token;
}

static inline bool at(const cx_json_reader *reader, char byte) {
  return reader->next < reader->end && *reader->next == byte;
}

/* Passes one byte and the white space around it, if that byte is next. */
static bool pass(cx_json_reader *reader, char byte) {
  if (!at(reader, byte)) return false;
  reader->next = skip_space(reader->next + 1, reader->end);
  return true;
}

static cx_json_token fail_in_escape(cx_json_reader *reader, const char *backslash) {
  const char *byte = backslash + 1;
  if (byte < reader->end && *byte != 'u') return fail(reader, backslash, "unknown escape in string");
  do
    byte++;
  while (byte < reader->end && cx_hex_digit(*byte) >= 0);
  return fail(reader, byte < reader->end ? byte : reader->end, "expected four hex digits after \\u");
}

/* Finds out what is wrong with a string that couldn't be skipped. */
static cx_json_token fail_in_string(cx_json_reader *reader, const char *text) {
  for (;;) {
    text = cx_json_plain_run(text, reader->end);
    if (text == reader->end || *text != '\\') return fail(reader, text, "control character in string");
    const char *after = cx_json_skip_escape(text, reader->end);
    if (!after) return fail_in_escape(reader, text);
    text = after;
  }
}

/* Reads a string whose opening quote is next. */
static cx_json_token read_string(cx_json_reader *reader, enum state state, cx_json_token token) {
  const char *first = reader->next + 1;
  const char *quote = skip_string(first, reader->end, &reader->escaped);
  if (!quote) return fail_in_string(reader, first);
  reader->string = first;
  reader->length = (size_t)(quote - first);
  size_t valid = cx_utf8_valid_prefix(first, reader->length);
  if (reader->mode == CX_JSON_LENIENT) {
    reader->escaped |= valid < reader->length;
  } else {
    const char *surrogate = reader->escaped ? cx_json_lone_surrogate(first, quote) : NULL;
    if (surrogate && surrogate < first + valid) return fail(reader, surrogate, "lone surrogate in string");
    if (valid < reader->length) return fail(reader, first + valid, "string isn't UTF-8");
  }
  return accept(reader, quote + 1, state, token);
}

static cx_json_token read_name(cx_json_reader *reader, const char *error) {
  if (!at(reader, '"')) return fail(reader, reader->next, error);
  return read_string(reader, AT_COLON, CX_JSON_KEY);
}

/* Reads an integer that fits. "-0" doesn't: an integer has no sign of zero. */
static bool read_integer(const char *text, const char *stop, int64_t *integer) {
  bool negative = *text == '-';
  uint64_t limit = (uint64_t)INT64_MAX + negative, magnitude = 0;
  for (text += negative; text < stop; text++) {
    uint64_t digit = (uint64_t)(*text - '0');
    if (magnitude > (limit - digit) / 10) return false;
    magnitude = magnitude * 10 + digit;
  }
  if (negative && magnitude == 0) return false;
  /* -1 - (m - 1) reaches INT64_MIN without passing its magnitude, which no int64 holds. */
  *integer = negative ? -1 - (int64_t)(magnitude - 1) : (int64_t)magnitude;
  return true;
}

static cx_json_token read_number(cx_json_reader *reader) {
  number_scan scan = scan_number(reader->next, reader->end);
  if (!scan.valid) return fail(reader, scan.stop, "expected a digit");
  if (scan.integral && read_integer(reader->next, scan.stop, &reader->integer))
    return accept(reader, scan.stop, AFTER_VALUE, CX_JSON_INTEGER);
  bool in_range = cx_json_to_double(reader->next, scan.stop, &reader->number);
  if (!in_range && reader->mode == CX_JSON_STRICT) return fail(reader, reader->next, "number out of range");
  return accept(reader, scan.stop, AFTER_VALUE, CX_JSON_NUMBER);
}

static cx_json_token read_word(cx_json_reader *reader, const char *word, cx_json_token token) {
  const char *text = reader->next;
  for (const char *letter = word; *letter; letter++, text++)
    if (text == reader->end || *text != *letter)
      return fail(reader, text == reader->end ? text : reader->next, "expected true, false or null");
  return accept(reader, text, AFTER_VALUE, token);
}

static cx_json_token open_value(cx_json_reader *reader, bool object) {
  if (reader->depth == CX_JSON_MAX_DEPTH) return fail(reader, reader->next, "nested too deeply");
  set_nesting(reader->nesting, reader->depth++, object);
  if (object) return accept(reader, reader->next + 1, AT_FIRST_NAME, CX_JSON_OBJECT_BEGIN);
  return accept(reader, reader->next + 1, AT_FIRST_VALUE, CX_JSON_ARRAY_BEGIN);
}

static cx_json_token close_value(cx_json_reader *reader) {
  bool object = is_object(reader->nesting, --reader->depth);
  return accept(reader, reader->next + 1, AFTER_VALUE, object ? CX_JSON_OBJECT_END : CX_JSON_ARRAY_END);
}

static cx_json_token read_value(cx_json_reader *reader, const char *error) {
  if (reader->next == reader->end) return fail(reader, reader->next, error);
  switch (*reader->next) {
  case '{': return open_value(reader, true);
  case '[': return open_value(reader, false);
  case '"': return read_string(reader, AFTER_VALUE, CX_JSON_STRING);
  case 't': return read_word(reader, "true", CX_JSON_TRUE);
  case 'f': return read_word(reader, "false", CX_JSON_FALSE);
  case 'n': return read_word(reader, "null", CX_JSON_NULL);
  default: break;
  }
  if (*reader->next == '-' || is_digit(*reader->next)) return read_number(reader);
  return fail(reader, reader->next, error);
}

static cx_json_token read_after_value(cx_json_reader *reader) {
  if (reader->depth == 0) {
    if (reader->next < reader->end) return fail(reader, reader->next, "text after the value");
    return accept(reader, reader->next, AFTER_VALUE, CX_JSON_END);
  }
  bool object = is_object(reader->nesting, reader->depth - 1);
  if (at(reader, object ? '}' : ']')) return close_value(reader);
  if (!pass(reader, ','))
    return fail(reader, reader->next, object ? "expected ',' or '}'" : "expected ',' or ']'");
  return object ? read_name(reader, "expected a member's name") : read_value(reader, "expected a value");
}

cx_json_token cx_json_next(cx_json_reader *reader) {
  if (reader->state == FAILED) return CX_JSON_ERROR;
  reader->next = skip_space(reader->next, reader->end);
  switch (reader->state) {
  case AT_VALUE: return read_value(reader, "expected a value");
  case AT_FIRST_VALUE:
    return at(reader, ']') ? close_value(reader) : read_value(reader, "expected a value or ']'");
  case AT_FIRST_NAME:
    return at(reader, '}') ? close_value(reader) : read_name(reader, "expected a member's name or '}'");
  case AT_COLON:
    if (!pass(reader, ':')) return fail(reader, reader->next, "expected ':'");
    return read_value(reader, "expected a value");
  default: return read_after_value(reader);
  }
}
