/* One line of the protocol, taken apart in a single pass.
 *
 * JSON-RPC without its "jsonrpc" member: a line with a method and an id is a request, with a method alone a
 * notification, with an id alone an answer. Members may come in any order. */
#ifndef CODEX_CORE_MESSAGE_H
#define CODEX_CORE_MESSAGE_H

#include "buffer.h"
#include "codex.h"

#include <stdbool.h>
#include <string.h>

typedef enum cx_message_kind {
  CX_MESSAGE_INVALID,
  CX_MESSAGE_RESULT, /* result's bytes are NULL for an answer that holds neither a result nor an error */
  CX_MESSAGE_ERROR,
  CX_MESSAGE_NOTIFICATION,
  CX_MESSAGE_REQUEST,
} cx_message_kind;

/* What whoever reads a connection's lines notes about those that begin alike: whose they are, and when that
 * was so. */
typedef struct cx_note {
  void *owner;
  uint64_t when;
} cx_note;

/* All slices point into the line, or into the scratch buffer where a string had escapes. Values are JSON
 * text, except method and the three ids, which are decoded, and delta, which is the string's contents still
 * escaped. */
typedef struct cx_message {
  cx_message_kind kind;
  codex_slice line, id, method, params, result, error;
  /* members of params that tell whose message this is, and what collection needs; bytes NULL when absent */
  codex_slice thread_id, turn_id, item_id, delta, item, turn, usage;
  cx_note *note; /* of the lines with this method and these ids; NULL, mostly: there is none */
} cx_message;

/* Reads a line. CX_OK, also for CX_MESSAGE_INVALID; CX_ENOMEM. scratch is cleared first. */
int cx_message_scan(cx_message *message, codex_slice line, cx_buffer *scratch);

typedef struct cx_span {
  size_t at, length;
} cx_span;

/* What the line of a delta began with, up to its text. The next delta of the same message begins with the
 * same bytes, and reading those again would find the same, so it is read from there on. */
typedef struct cx_beginning {
  size_t length; /* with the quote that opens the text; 0: nothing is remembered */
  uint32_t ids;  /* by which it is found, see CX_MAX_BEGINNINGS */
  size_t params;
  cx_span strings[4]; /* method, thread id, turn id and item id */
  cx_note note;
  char bytes[384];
} cx_beginning;

/* Where many messages come at once, their deltas in turn, one beginning for each: more of them are remembered
 * once it shows that they push each other out, up to this many, which are 2 MB. By what the line holds where
 * its ids are, each has one of two places. */
#define CX_MAX_BEGINNINGS 4096u

typedef struct cx_beginnings {
  cx_beginning first;
  cx_beginning *more; /* in place of the first */
  unsigned count;     /* of more: 0 or a power of two */
  unsigned pressure;
} cx_beginnings;

/* Forgets all; they may be used again. */
void cx_beginnings_free(cx_beginnings *beginnings);

/* The same as cx_message_scan, for lines that come one after the other on a connection. */
int cx_message_scan_next(cx_message *message, codex_slice line, cx_buffer *scratch,
                         cx_beginnings *beginnings);

/* The value of a member of a JSON object, as text; bytes NULL if it isn't there or text isn't an object. */
codex_slice cx_json_member(codex_slice object, const char *name);

/* Whether a slice of JSON text is a string, and then its contents, still escaped. */
bool cx_json_string_contents(codex_slice value, codex_slice *contents);

/* Replaces a slice of JSON text by its string's contents, decoded into scratch where there are escapes;
 * anything but a string becomes no text. Ids and method names hold no escapes when the server writes them, so
 * decoding is the exception. CX_OK or CX_ENOMEM. */
int cx_json_decode_string(codex_slice *value, cx_buffer *scratch);

/* Whether a slice of JSON text is the string name (which needs no escapes). */
bool cx_json_is_string(codex_slice value, const char *name);

static inline bool cx_slice_is(codex_slice slice, const char *name, size_t length) {
  return slice.length == length && memcmp(slice.bytes, name, length) == 0;
}
#define CX_SLICE_IS(slice, literal) cx_slice_is((slice), (literal), sizeof(literal) - 1)

#endif
