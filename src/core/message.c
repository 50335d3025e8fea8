#include "message.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

/* There is no white space between tokens, nearly always. */
static inline const char *skip_space(const char *text, const char *end) {
  return text < end && (unsigned char)*text > ' ' ? text : cx_json_skip_space(text, end);
}

/* Walks the members of an object: a key, then its value, which the caller takes in its own way. */
typedef struct members {
  const char *next, *end;
  unsigned depth;
  bool may_close; /* a brace may come now: not after a comma */
} members;

static bool members_open(members *m, const char *text, const char *end, unsigned depth) {
  text = skip_space(text, end);
  if (text == end || *text != '{') return false;
  *m = (members){text + 1, end, depth + 1, true};
  return true;
}

/* 1: a key, with next at its value; 0: the object is closed, with next behind it; -1: not JSON. */
static int members_key(members *m, codex_slice *key) {
  const char *p = skip_space(m->next, m->end);
  if (p == m->end) return -1;
  if (*p == '}') {
    m->next = p + 1;
    return m->may_close ? 0 : -1;
  }
  if (*p++ != '"') return -1;
  const char *quote = cx_json_skip_string(p, m->end, NULL);
  if (!quote) return -1;
  *key = (codex_slice){p, (size_t)(quote - p)};
  p = skip_space(quote + 1, m->end);
  if (p == m->end || *p != ':') return -1;
  m->next = skip_space(p + 1, m->end);
  return 1;
}

/* After a value that ended at next: takes the comma, or leaves the closing brace to members_key. */
static bool members_after(members *m, const char *next) {
  const char *p = skip_space(next, m->end);
  if (p == m->end) return false;
  m->may_close = *p == '}';
  if (*p != ',' && *p != '}') return false;
  m->next = *p == ',' ? p + 1 : p;
  return true;
}

static bool members_value(members *m, codex_slice *value) {
  const char *start = m->next, *next;
  if (start < m->end && *start == '"') {
    next = cx_json_skip_string(start + 1, m->end, NULL);
    if (next) next++;
  } else {
    next = cx_json_skip_value(start, m->end, m->depth);
  }
  if (!next) return false;
  *value = (codex_slice){start, (size_t)(next - start)};
  return members_after(m, next);
}

codex_slice cx_json_member(codex_slice object, const char *name) {
  members m;
  codex_slice key, value, none = {NULL, 0};
  size_t length = strlen(name);
  if (!object.bytes || !members_open(&m, object.bytes, object.bytes + object.length, 0)) return none;
  while (members_key(&m, &key) == 1) {
    if (!members_value(&m, &value)) return none;
    if (cx_slice_is(key, name, length)) return value;
  }
  return none;
}

bool cx_json_string_contents(codex_slice value, codex_slice *contents) {
  if (value.length < 2 || value.bytes[0] != '"') return false;
  *contents = (codex_slice){value.bytes + 1, value.length - 2};
  return true;
}

bool cx_json_is_string(codex_slice value, const char *name) {
  codex_slice contents;
  return cx_json_string_contents(value, &contents) && cx_slice_is(contents, name, strlen(name));
}

static codex_slice *params_slot(cx_message *message, codex_slice key) {
  switch (key.length) {
  case 4:
    if (CX_SLICE_IS(key, "item")) return &message->item;
    return CX_SLICE_IS(key, "turn") ? &message->turn : NULL;
  case 5: return CX_SLICE_IS(key, "delta") ? &message->delta : NULL;
  case 6:
    if (CX_SLICE_IS(key, "turnId")) return &message->turn_id;
    return CX_SLICE_IS(key, "itemId") ? &message->item_id : NULL;
  case 8: return CX_SLICE_IS(key, "threadId") ? &message->thread_id : NULL;
  case 10: return CX_SLICE_IS(key, "tokenUsage") ? &message->usage : NULL;
  default: return NULL;
  }
}

/* Keeps what the line has shown up to its delta, which starts at value. A line that has told more by then
 * than a delta's line does isn't worth it. */
static void remember(cx_beginning *beginning, const cx_message *message, const char *params,
                     const char *value) {
  const char *line = message->line.bytes;
  size_t length = (size_t)(value - line) + 1;
  beginning->length = 0;
  if (message->id.bytes || message->result.bytes || message->error.bytes || message->delta.bytes) return;
  if (message->item.bytes || message->turn.bytes || message->usage.bytes) return;
  if (length > sizeof beginning->bytes || *value != '"' || memchr(line, '\\', length)) return;
  const codex_slice strings[] = {message->method, message->thread_id, message->turn_id, message->item_id};
  for (size_t i = 0; i < 4; i++)
    beginning->strings[i] =
        (cx_span){strings[i].bytes ? (size_t)(strings[i].bytes - line) : 0, strings[i].length};
  memcpy(beginning->bytes, line, length);
  beginning->params = (size_t)(params - line);
  beginning->length = length;
}

static bool begins_as(const cx_beginning *beginning, codex_slice line) {
  return beginning->length > 0 && line.length > beginning->length &&
         memcmp(line.bytes, beginning->bytes, beginning->length) == 0;
}

static void recall(const cx_beginning *beginning, cx_message *message) {
  codex_slice *strings[] = {&message->method, &message->thread_id, &message->turn_id, &message->item_id};
  for (size_t i = 0; i < 4; i++) {
    cx_span span = beginning->strings[i];
    if (span.length > 0) *strings[i] = (codex_slice){message->line.bytes + span.at, span.length};
  }
}

/* Goes through the members of params, which start at start, and then past them in outer. */
static bool scan_params(cx_message *message, members *m, const char *start, members *outer,
                        cx_beginning *beginning) {
  codex_slice key, value;
  int more;
  while ((more = members_key(m, &key)) == 1) {
    codex_slice *slot = params_slot(message, key);
    if (slot == &message->delta && m->next < m->end) remember(beginning, message, start, m->next);
    if (!members_value(m, &value)) return false;
    if (slot) *slot = value;
  }
  if (more < 0) return false;
  message->params = (codex_slice){start, (size_t)(m->next - start)};
  return members_after(outer, m->next);
}

/* Whether text is what the server puts behind a delta: params and line are closed, with the time in between.
 */
static bool is_usual_ending(const char *text, const char *end) {
  static const char before[] = "},\"emittedAtMs\":";
  size_t length = sizeof before - 1;
  if ((size_t)(end - text) < length + 2 || memcmp(text, before, length) != 0) return false;
  text += length;
  if (*text == '0' || end[-1] != '}') return false;
  while (*text >= '0' && *text <= '9')
    text++;
  return text == end - 1;
}

/* Goes on at the delta of a line that begins as another did. */
static bool scan_from_delta(cx_message *message, members *outer, cx_beginning *beginning) {
  const char *start = message->line.bytes, *params = start + beginning->params;
  const char *delta = start + beginning->length - 1;
  recall(beginning, message);
  const char *quote = cx_json_skip_string(delta + 1, outer->end, NULL);
  if (quote && is_usual_ending(quote + 1, outer->end)) {
    message->delta = (codex_slice){delta, (size_t)(quote + 1 - delta)};
    message->params = (codex_slice){params, (size_t)(quote + 2 - params)};
    *outer = (members){outer->end - 1, outer->end, outer->depth, true};
    return true;
  }
  members m = {delta, outer->end, outer->depth + 1, true};
  return members_value(&m, &message->delta) && scan_params(message, &m, params, outer, beginning);
}

static codex_slice *message_slot(cx_message *message, codex_slice key) {
  if (CX_SLICE_IS(key, "method")) return &message->method;
  if (CX_SLICE_IS(key, "id")) return &message->id;
  if (CX_SLICE_IS(key, "result")) return &message->result;
  return CX_SLICE_IS(key, "error") ? &message->error : NULL;
}

static bool scan_members(cx_message *message, members *m, cx_beginning *beginning) {
  members params;
  codex_slice key, value;
  int more;
  while ((more = members_key(m, &key)) == 1) {
    const char *start = m->next;
    if (CX_SLICE_IS(key, "params") && members_open(&params, start, m->end, m->depth)) {
      if (!scan_params(message, &params, start, m, beginning)) return false;
      continue;
    }
    if (!members_value(m, &value)) return false;
    codex_slice *slot = CX_SLICE_IS(key, "params") ? &message->params : message_slot(message, key);
    if (slot) *slot = value;
  }
  return more == 0 && skip_space(m->next, m->end) == m->end;
}

static bool scan_line(cx_message *message, cx_beginning *beginning, bool same) {
  const char *start = message->line.bytes, *end = start + message->line.length;
  members m = {start, end, 1, true};
  bool begun = same ? scan_from_delta(message, &m, beginning) : members_open(&m, start, end, 0);
  return begun && scan_members(message, &m, beginning);
}

int cx_json_decode_string(codex_slice *value, cx_buffer *scratch) {
  codex_slice contents;
  if (!cx_json_string_contents(*value, &contents)) {
    *value = (codex_slice){NULL, 0};
    return CX_OK;
  }
  *value = contents;
  if (!memchr(contents.bytes, '\\', contents.length)) return CX_OK;
  size_t before = cx_buffer_length(scratch);
  int status = cx_json_unescape(contents.bytes, contents.length, CX_JSON_LENIENT, scratch);
  *value = (codex_slice){cx_buffer_bytes(scratch) + before, cx_buffer_length(scratch) - before};
  return status;
}

static void find_id(codex_slice *id, codex_slice object) {
  codex_slice contents;
  if (object.bytes && !cx_json_string_contents(*id, &contents)) *id = cx_json_member(object, "id");
}

/* Anything but a string becomes no text. */
static void strip_quotes(codex_slice *value) {
  if (!cx_json_string_contents(*value, value)) *value = (codex_slice){NULL, 0};
}

/* plain: so many bytes from the line's start are known to hold no escape. */
static int decode_strings(cx_message *message, cx_buffer *scratch, size_t plain) {
  find_id(&message->turn_id, message->turn);
  find_id(&message->item_id, message->item);
  codex_slice *strings[] = {&message->method, &message->thread_id, &message->turn_id, &message->item_id};
  strip_quotes(&message->delta);
  if (!memchr(message->line.bytes + plain, '\\', message->line.length - plain)) {
    for (size_t i = 0; i < 4; i++)
      strip_quotes(strings[i]);
    return CX_OK;
  }
  size_t room = 0;
  for (size_t i = 0; i < 4; i++)
    room += strings[i]->length;
  /* reserved at once, so that no string moves while another is decoded; a replacement can be longer than the
   * bad byte it stands for, three times at most */
  if (cx_buffer_reserve(scratch, 3 * room + 1) != CX_OK) return CX_ENOMEM;
  for (size_t i = 0; i < 4; i++) {
    int status = cx_json_decode_string(strings[i], scratch);
    if (status != CX_OK) return status;
  }
  return CX_OK;
}

static bool is_id(codex_slice id) {
  return id.bytes && (id.bytes[0] == '"' || id.bytes[0] == '-' || (id.bytes[0] >= '0' && id.bytes[0] <= '9'));
}

/* Of result and error only one is left. */
static cx_message_kind kind_of(cx_message *message) {
  codex_slice none = {NULL, 0};
  if (CX_SLICE_IS(message->error, "null")) message->error = none;
  if (message->error.bytes) message->result = none;
  if (message->method.bytes) return is_id(message->id) ? CX_MESSAGE_REQUEST : CX_MESSAGE_NOTIFICATION;
  if (!message->id.bytes) return CX_MESSAGE_INVALID;
  return message->error.bytes ? CX_MESSAGE_ERROR : CX_MESSAGE_RESULT;
}

void cx_beginnings_free(cx_beginnings *beginnings) {
  free(beginnings->more);
  *beginnings = (cx_beginnings){.more = NULL};
}

/* Of the lines that have deltas, thread and turn are told apart by these bytes. */
#define IDS_FROM 64u
#define IDS_TO 128u

static uint32_t hash_ids(codex_slice line) {
  if (line.length < IDS_TO) return 0;
  uint64_t blocks[(IDS_TO - IDS_FROM) / 8], hash = 0;
  memcpy(blocks, line.bytes + IDS_FROM, sizeof blocks);
  for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) /* none waits for the one before */
    hash += (blocks[i] ^ (blocks[i] >> 29)) * (UINT64_C(0x9E3779B97F4A7C15) + 2 * i);
  return (uint32_t)(hash >> 32);
}

/* The beginning that a line with such ids may have, or else the one to forget for it. */
static cx_beginning *beginning_for(cx_beginnings *beginnings, uint32_t ids) {
  if (beginnings->count == 0) return &beginnings->first;
  unsigned place = ids & (beginnings->count - 1);
  cx_beginning *one = &beginnings->more[place], *other = &beginnings->more[place ^ 1];
  if (one->ids == ids || one->length == 0) return one;
  if (other->ids == ids || other->length == 0) return other;
  return beginnings->pressure & 4 ? other : one;
}

/* Without memory it goes on as it is. */
static void remember_more(cx_beginnings *beginnings) {
  unsigned count = beginnings->count ? 2 * beginnings->count : 16;
  beginnings->pressure = 0;
  if (count > CX_MAX_BEGINNINGS) return;
  cx_beginning *more = malloc(count * sizeof *more);
  if (!more) return;
  for (unsigned i = 0; i < count; i++)
    more[i].length = more[i].ids = 0;
  free(beginnings->more);
  beginnings->more = more;
  beginnings->count = count;
}

/* Turns that come one after the other push each other out, too, but rarely beside what they say in deltas. */
static void note_use(cx_beginnings *beginnings, bool same, bool pushed_out) {
  if (same && beginnings->pressure > 0) beginnings->pressure--;
  if (!pushed_out) return;
  beginnings->pressure += 4;
  if (beginnings->pressure > 64 + 2 * beginnings->count) remember_more(beginnings);
}

/* A line may, oddly, go on with another id than it began with. */
static bool is_where(codex_slice value, codex_slice line, cx_span span) {
  return span.length > 0 && value.bytes == line.bytes + span.at;
}

int cx_message_scan_next(cx_message *message, codex_slice line, cx_buffer *scratch,
                         cx_beginnings *beginnings) {
  *message = (cx_message){.line = line};
  cx_buffer_clear(scratch);
  uint32_t ids = hash_ids(line);
  cx_beginning *beginning = beginning_for(beginnings, ids);
  bool same = begins_as(beginning, line), others = beginning->length > 0 && beginning->ids != ids;
  bool whole = scan_line(message, beginning, same);
  size_t plain = same ? beginning->length : 0;
  if (!same && message->delta.bytes) {
    beginning->ids = ids;
    beginning->note.owner = NULL;
  }
  if (same && is_where(message->turn_id, line, beginning->strings[2])) message->note = &beginning->note;
  note_use(beginnings, same, others && message->delta.bytes);
  if (!whole) return CX_OK;
  int status = decode_strings(message, scratch, plain);
  if (status == CX_OK) message->kind = kind_of(message);
  return status;
}

int cx_message_scan(cx_message *message, codex_slice line, cx_buffer *scratch) {
  cx_beginnings none = {.count = 0};
  return cx_message_scan_next(message, line, scratch, &none);
}
