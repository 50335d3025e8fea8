#include "stream.h"

#include "copy.h"
#include "json.h"
#include "turn.h"

#include <stdlib.h>
#include <string.h>

typedef enum entry_kind { ENTRY_OTHER, ENTRY_DELTA, ENTRY_MESSAGE, ENTRY_COMPLETION } entry_kind;

typedef struct span {
  size_t at, length;
} span;

/* Where the parts of a line are, so that giving them out needs no second scan. Offsets count from the line's
 * start; a string that had to be decoded is kept behind the line. */
typedef struct entry {
  size_t size; /* of the line and what is behind it */
  size_t line_length;
  span method, params, item_id, delta, item;
  size_t rest;
  entry_kind kind;
} entry;

codex_stream *cx_stream_new(codex_turn *turn, size_t max_unread) {
  codex_stream *stream = calloc(1, sizeof *stream);
  if (!stream) return NULL;
  stream->turn = turn;
  stream->max_unread = max_unread;
  cx_list_init(&stream->in_source);
  cx_ready_init(&stream->ready, CODEX_READY_STREAM, 0);
  /* cx_stream_append watches the limit itself: a single event may be larger */
  cx_buffer_init(&stream->queue, SIZE_MAX);
  cx_buffer_init(&stream->given, SIZE_MAX);
  cx_buffer_init(&stream->text, SIZE_MAX);
  return stream;
}

static void free_methods(codex_stream *stream) {
  if (!stream->methods) return;
  for (char **method = stream->methods; *method; method++)
    free(*method);
  free(stream->methods);
  stream->methods = NULL;
}

int cx_stream_filter(codex_stream *stream, const char *const *methods, bool text) {
  size_t count = 0;
  while (methods && methods[count])
    count++;
  if (methods) stream->methods = calloc(count + 1, sizeof *stream->methods);
  if (methods && !stream->methods) return CX_ENOMEM;
  for (size_t i = 0; i < count; i++) {
    stream->methods[i] = cx_copy_string(methods[i]);
    if (!stream->methods[i]) {
      free_methods(stream);
      return CX_ENOMEM;
    }
  }
  stream->text_only = text;
  return CX_OK;
}

/* Leaves the entry last given out where it is, for its reader, and goes on elsewhere with the queue's last so
 * many bytes. */
static int set_aside(codex_stream *stream, size_t unread) {
  cx_buffer before = stream->queue;
  cx_buffer_clear(&stream->given);
  int status = cx_buffer_append(&stream->given, cx_buffer_bytes(&before) + stream->taken, unread);
  if (status != CX_OK) return status;
  stream->queue = stream->given;
  stream->given = before;
  stream->taken = 0;
  return CX_OK;
}

void cx_stream_clear(codex_stream *stream) {
  if (stream->taken > 0) set_aside(stream, 0);
  cx_buffer_free(&stream->queue);
}

void codex_stream_free(codex_stream *stream) {
  if (!stream) return;
  cx_list_remove(&stream->in_source);
  cx_list_remove(&stream->ready.node);
  cx_stream_clear(stream);
  cx_buffer_free(&stream->given);
  cx_buffer_free(&stream->text);
  free_methods(stream);
  free(stream->thread_id);
  if (stream->references_turn) codex_turn_release(stream->turn);
  free(stream);
}

static entry_kind kind_of(const cx_message *message, size_t rest) {
  if (message->delta.bytes && CX_SLICE_IS(message->method, "item/agentMessage/delta")) return ENTRY_DELTA;
  if (CX_SLICE_IS(message->method, "turn/completed")) return ENTRY_COMPLETION;
  return rest != CX_NO_REST ? ENTRY_MESSAGE : ENTRY_OTHER;
}

static bool wanted(const codex_stream *stream, codex_slice method, entry_kind kind) {
  if (kind == ENTRY_COMPLETION) return true; /* it ends the stream, whether or not it is given out */
  if (stream->text_only) return kind == ENTRY_DELTA || kind == ENTRY_MESSAGE;
  if (!stream->methods) return true;
  for (char **name = stream->methods; *name; name++)
    if (cx_slice_is(method, *name, strlen(*name))) return true;
  return false;
}

/* What is stored of a line: all of it, but for a reader of text, who never sees it, nothing. */
static codex_slice stored_line(const codex_stream *stream, const cx_message *message) {
  return stream->text_only ? (codex_slice){"", 0} : message->line;
}

/* Where a slice will be once it is stored: in the line, or behind it at *behind, which moves on. */
static span place(codex_slice slice, codex_slice line, size_t *behind) {
  if (!slice.bytes) return (span){0, 0};
  if (slice.bytes >= line.bytes && slice.bytes < line.bytes + line.length)
    return (span){(size_t)(slice.bytes - line.bytes), slice.length};
  span stored = {*behind, slice.length};
  *behind += slice.length;
  return stored;
}

static void overflow(codex_stream *stream) {
  stream->overflowed = true;
  cx_stream_clear(stream);
  cx_list_remove(&stream->in_source);
}

/* Lets the oldest events go until there is room for one more of that size. Nobody has read any of them. */
static void forget(codex_stream *stream, size_t size) {
  entry oldest;
  while (cx_buffer_length(&stream->queue) > 0 &&
         cx_buffer_length(&stream->queue) + size > stream->max_unread) {
    memcpy(&oldest, cx_buffer_bytes(&stream->queue), sizeof oldest);
    cx_buffer_consume(&stream->queue, sizeof oldest + oldest.size);
  }
}

static void copy(char *to, span stored, codex_slice slice, size_t line_length) {
  if (stored.length > 0 && stored.at >= line_length) memcpy(to + stored.at, slice.bytes, stored.length);
}

int cx_stream_append(codex_stream *stream, const cx_message *message, size_t rest) {
  entry_kind kind = stream->turn ? kind_of(message, rest) : ENTRY_OTHER;
  if (!wanted(stream, message->method, kind)) return CX_OK;
  codex_slice line = stored_line(stream, message);
  size_t behind = line.length;
  entry e = {.line_length = behind, .rest = rest, .kind = kind};
  if (!stream->text_only) e.method = place(message->method, line, &behind);
  if (!stream->text_only) e.params = place(message->params, line, &behind);
  e.item_id = place(message->item_id, line, &behind);
  e.delta = place(message->delta, line, &behind);
  if (kind == ENTRY_MESSAGE) e.item = place(message->item, line, &behind);
  e.size = behind;
  if (stream->forgetful) forget(stream, sizeof e + e.size);
  size_t unread = cx_stream_unread(stream);
  if (unread > 0 && unread + sizeof e + e.size > stream->max_unread) {
    overflow(stream);
    return CX_OK;
  }
  bool fits = sizeof e + e.size <= stream->queue.capacity - stream->queue.end;
  if (!fits && stream->taken > 0 && set_aside(stream, unread) != CX_OK) return CX_ENOMEM;
  if (cx_buffer_reserve(&stream->queue, sizeof e + e.size) != CX_OK) return CX_ENOMEM;
  char *to = stream->queue.data + stream->queue.end;
  memcpy(to, &e, sizeof e);
  to += sizeof e;
  memcpy(to, line.bytes, line.length);
  copy(to, e.method, message->method, line.length);
  copy(to, e.item_id, message->item_id, line.length);
  copy(to, e.delta, message->delta, line.length);
  copy(to, e.item, message->item, line.length);
  stream->queue.end += sizeof e + e.size;
  return CX_OK;
}

/* The next entry that the stream delivers; its line is at *line. */
static codex_stream_result take(codex_stream *stream, entry *e, const char **line) {
  cx_buffer_consume(&stream->given, cx_buffer_length(&stream->given));
  for (;;) {
    cx_buffer_consume(&stream->queue, stream->taken);
    stream->taken = 0;
    if (stream->overflowed) return CODEX_STREAM_OVERFLOW;
    if (stream->ended) return CODEX_STREAM_END;
    if (cx_buffer_length(&stream->queue) == 0) break;
    memcpy(e, cx_buffer_bytes(&stream->queue), sizeof *e);
    *line = cx_buffer_bytes(&stream->queue) + sizeof *e;
    stream->taken = sizeof *e + e->size;
    stream->ended = e->kind == ENTRY_COMPLETION;
    codex_slice method = {*line + e->method.at, e->method.length};
    /* asked again, since events kept for a first stream were kept before it said what it wants */
    if (wanted(stream, method, e->kind)) return CODEX_STREAM_EVENT;
  }
  if (!stream->turn) return stream->outcome;
  switch (stream->turn->state) {
  case CODEX_TURN_RUNNING: return CODEX_STREAM_EMPTY;
  case CODEX_TURN_BROKEN: return CODEX_STREAM_BROKEN;
  default: return CODEX_STREAM_END;
  }
}

static codex_slice at(const char *line, span stored) {
  return (codex_slice){line + stored.at, stored.length};
}

static bool delivers_completion(const codex_stream *stream) {
  if (!stream->methods) return true;
  for (char **name = stream->methods; *name; name++)
    if (strcmp(*name, "turn/completed") == 0) return true;
  return false;
}

codex_stream_result codex_stream_next(codex_stream *stream, codex_event *event) {
  entry e;
  const char *line;
  codex_stream_result result = take(stream, &e, &line);
  if (result != CODEX_STREAM_EVENT) return result;
  if (e.kind == ENTRY_COMPLETION && !delivers_completion(stream)) return CODEX_STREAM_END;
  *event = (codex_event){at(line, e.method), at(line, e.params), {line, e.line_length}};
  if (e.params.length == 0) event->params.bytes = NULL;
  return CODEX_STREAM_EVENT;
}

static codex_slice text_slice(const cx_buffer *text) {
  size_t length = cx_buffer_length(text);
  return (codex_slice){length > 0 ? cx_buffer_bytes(text) : "", length};
}

/* The text of a completed message, from where its deltas ended. */
static int decode_rest(codex_stream *stream, codex_slice item, size_t rest, codex_slice *text) {
  codex_slice contents;
  *text = (codex_slice){"", 0};
  if (!cx_json_string_contents(cx_json_member(item, "text"), &contents)) return CX_OK;
  int status = cx_json_unescape(contents.bytes, contents.length, CX_JSON_LENIENT, &stream->text);
  if (status != CX_OK) return status;
  cx_buffer_consume(&stream->text, rest);
  *text = text_slice(&stream->text);
  return CX_OK;
}

/* The text of a delta: where it lies, if it needs no decoding, as nearly always. */
static int decode_delta(codex_stream *stream, codex_slice delta, codex_slice *text) {
  *text = delta;
  if (!memchr(delta.bytes, '\\', delta.length) && cx_utf8_valid(delta.bytes, delta.length)) return CX_OK;
  int status = cx_json_unescape(delta.bytes, delta.length, CX_JSON_LENIENT, &stream->text);
  *text = text_slice(&stream->text);
  return status;
}

codex_stream_result codex_stream_next_text(codex_stream *stream, codex_slice *text, codex_slice *item_id) {
  entry e;
  const char *line;
  codex_stream_result result = take(stream, &e, &line);
  if (result != CODEX_STREAM_EVENT) return result;
  if (e.kind == ENTRY_COMPLETION) return CODEX_STREAM_END;
  cx_buffer_clear(&stream->text);
  int status = e.kind == ENTRY_DELTA ? decode_delta(stream, at(line, e.delta), text)
                                     : decode_rest(stream, at(line, e.item), e.rest, text);
  if (status != CX_OK) {
    stream->taken = 0; /* so that it can be asked for again */
    return CODEX_STREAM_NO_MEMORY;
  }
  *item_id = at(line, e.item_id);
  return CODEX_STREAM_EVENT;
}
