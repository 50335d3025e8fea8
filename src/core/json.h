/* JSON text: a strict RFC 8259 reader that never allocates, and a writer.
 *
 * The reader walks text that is complete in memory. It is pull-style: each cx_json_next answers one token;
 * strings are slices of the text, still escaped, and are decoded with cx_json_unescape only where somebody
 * wants them. Structure is strict in both modes. They differ in what a value may hold: CX_JSON_STRICT   a
 * lone surrogate escape, a byte sequence that isn't UTF-8 or a number beyond double is an error;
 * CX_JSON_LENIENT  they are accepted (for what the server sends, and the model has it send): the first two
 * become U+FFFD when decoded, and such a number is infinite. */
#ifndef CODEX_CORE_JSON_H
#define CODEX_CORE_JSON_H

#include "buffer.h"

#include <stdbool.h>
#include <stdint.h>

/* Arrays and objects may be nested this deep, in reading and in writing. */
#define CX_JSON_MAX_DEPTH 512

/* Params and results that are sent: with the line's own object that makes 127. To deeper lines the server
 * says nothing at all. */
#define CX_JSON_MAX_SENT_DEPTH 126

typedef enum cx_json_mode { CX_JSON_STRICT, CX_JSON_LENIENT } cx_json_mode;

typedef enum cx_json_token {
  CX_JSON_ERROR, /* reader.error says what is wrong at reader.position; sticky */
  CX_JSON_END,   /* the one value is complete and only white space follows; sticky */
  CX_JSON_OBJECT_BEGIN,
  CX_JSON_OBJECT_END,
  CX_JSON_ARRAY_BEGIN,
  CX_JSON_ARRAY_END,
  CX_JSON_KEY,     /* string/length/escaped: a member's name; its value is the next token */
  CX_JSON_STRING,  /* string/length/escaped */
  CX_JSON_INTEGER, /* integer: a number without fraction or exponent that fits int64 ("-0" is a NUMBER) */
  CX_JSON_NUMBER,  /* number: any other number, correctly rounded; magnitude beyond double is an error */
  CX_JSON_TRUE,
  CX_JSON_FALSE,
  CX_JSON_NULL,
} cx_json_token;

typedef struct cx_json_reader {
  /* the token last answered */
  const char *string; /* contents between the quotes, a slice of the text */
  size_t length;      /* its bytes */
  bool escaped; /* true when it holds a backslash or, in lenient mode, possibly bad UTF-8: unescape it */
  int64_t integer;
  double number;
  const char *error; /* a static sentence, no trailing period */
  size_t position;   /* byte offset of the token, or of the error, from the start of the text */
  /* private */
  const char *text, *next, *end;
  unsigned depth;
  unsigned char state;
  cx_json_mode mode;
  unsigned char nesting[CX_JSON_MAX_DEPTH / 8]; /* a bit per level: object or array */
} cx_json_reader;

/* Starts reading text (borrowed until the last call on the reader; need not end in NUL). */
void cx_json_reader_init(cx_json_reader *reader, const char *text, size_t length, cx_json_mode mode);

/* Reads one token. Duplicate names are passed on in order. */
cx_json_token cx_json_next(cx_json_reader *reader);

/* Decodes the contents of a string (without quotes), as sliced by the reader, into UTF-8 appended to out.
 * CX_OK, CX_ENOMEM, CX_ELIMIT, or CX_EINVAL for an escape or byte the mode refuses. Appends nothing on
 * failure. */
int cx_json_unescape(const char *string, size_t length, cx_json_mode mode, cx_buffer *out);

/* Skips one whole value starting at *text (white space first is allowed), checking it as CX_JSON_LENIENT
 * does. Answers the first byte after it, or NULL when the text up to end isn't one valid value or is nested
 * deeper than CX_JSON_MAX_DEPTH minus depth. Fast: this is what every line of the server goes through. */
const char *cx_json_skip_value(const char *text, const char *end, unsigned depth);

/* Skips the rest of a string whose opening quote is just before text: answers its closing quote, or NULL.
 * Sets *escaped (may be NULL) when it holds a backslash. */
const char *cx_json_skip_string(const char *text, const char *end, bool *escaped);

/* Skips white space. */
const char *cx_json_skip_space(const char *text, const char *end);

/* Answers whether bytes are valid UTF-8 (no surrogates, no overlong forms, nothing past U+10FFFF). */
bool cx_utf8_valid(const char *bytes, size_t length);

/* Writers: each appends to out and answers CX_OK, CX_ENOMEM or CX_ELIMIT.
 * A string is quoted, with the shortest escapes; one that isn't UTF-8 is CX_EINVAL and appends nothing.
 * A number that isn't finite is CX_EINVAL; others are written so that reading gives the same double back, and
 * never look like an integer (1.0 is written "1.0"). None of this looks at the locale. */
int cx_json_write_string(cx_buffer *out, const char *bytes, size_t length);
int cx_json_write_integer(cx_buffer *out, int64_t integer);
int cx_json_write_number(cx_buffer *out, double number);

#endif
