#include "message.h"

#include "json.h"

#include <string.h>

/* Walks the members of an object: a key, then its value, which the caller takes in its own way. */
typedef struct members {
  const char *next, *end;
  unsigned depth;
  bool may_close; /* a brace may come now: not after a comma */
} members;

static bool members_open(members *m, const char *text, const char *end, unsigned depth) {
  text = cx_json_skip_space(text, end);
  if (text == end || *text != '{') return false;
  *m = (members){text + 1, end, depth + 1, true};
  return true;
}

/* 1: a key, with next at its value; 0: the object is closed, with next behind it; -1: not JSON. */
static int members_key(members *m, codex_slice *key) {
  const char *p = cx_json_skip_space(m->next, m->end);
  if (p == m->end) return -1;
  if (*p == '}') {
    m->next = p + 1;
    return m->may_close ? 0 : -1;
  }
  if (*p++ != '"') return -1;
  const char *quote = cx_json_skip_string(p, m->end, NULL);
  if (!quote) return -1;
  *key = (codex_slice){p, (size_t)(quote - p)};
  p = cx_json_skip_space(quote + 1, m->end);
  if (p == m->end || *p != ':') return -1;
  m->next = cx_json_skip_space(p + 1, m->end);
  return 1;
}

/* After a value that ended at next: takes the comma, or leaves the closing brace to members_key. */
static bool members_after(members *m, const char *next) {
  const char *p = cx_json_skip_space(next, m->end);
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

static bool scan_params(cx_message *message, members *outer) {
  members m;
  codex_slice key, value;
  const char *start = outer->next;
  if (!members_open(&m, start, outer->end, outer->depth)) return members_value(outer, &message->params);
  int more;
  while ((more = members_key(&m, &key)) == 1) {
    if (!members_value(&m, &value)) return false;
    codex_slice *slot = params_slot(message, key);
    if (slot) *slot = value;
  }
  if (more < 0) return false;
  message->params = (codex_slice){start, (size_t)(m.next - start)};
  return members_after(outer, m.next);
}

static codex_slice *message_slot(cx_message *message, codex_slice key) {
  if (CX_SLICE_IS(key, "method")) return &message->method;
  if (CX_SLICE_IS(key, "id")) return &message->id;
  if (CX_SLICE_IS(key, "result")) return &message->result;
  return CX_SLICE_IS(key, "error") ? &message->error : NULL;
}

static bool scan_line(cx_message *message) {
  members m;
  codex_slice key, value;
  const char *end = message->line.bytes + message->line.length;
  if (!members_open(&m, message->line.bytes, end, 0)) return false;
  int more;
  while ((more = members_key(&m, &key)) == 1) {
    if (CX_SLICE_IS(key, "params")) {
      if (!scan_params(message, &m)) return false;
    } else {
      if (!members_value(&m, &value)) return false;
      codex_slice *slot = message_slot(message, key);
      if (slot) *slot = value;
    }
  }
  return more == 0 && cx_json_skip_space(m.next, end) == end;
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

static int decode_strings(cx_message *message, cx_buffer *scratch) {
  codex_slice contents;
  find_id(&message->turn_id, message->turn);
  find_id(&message->item_id, message->item);
  codex_slice *strings[] = {&message->method, &message->thread_id, &message->turn_id, &message->item_id};
  size_t room = 0;
  for (size_t i = 0; i < 4; i++)
    room += strings[i]->length;
  /* reserved at once, so that no string moves while another is decoded; a replacement can be longer than the
   * bad byte it stands for, three times at most */
  bool escapes = memchr(message->line.bytes, '\\', message->line.length) != NULL;
  if (escapes && cx_buffer_reserve(scratch, 3 * room + 1) != CX_OK) return CX_ENOMEM;
  for (size_t i = 0; i < 4; i++) {
    int status = cx_json_decode_string(strings[i], scratch);
    if (status != CX_OK) return status;
  }
  message->delta = cx_json_string_contents(message->delta, &contents) ? contents : (codex_slice){NULL, 0};
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
  if (message->error.bytes) return CX_MESSAGE_ERROR;
  return message->result.bytes ? CX_MESSAGE_RESULT : CX_MESSAGE_INVALID;
}

int cx_message_scan(cx_message *message, codex_slice line, cx_buffer *scratch) {
  *message = (cx_message){.line = line};
  cx_buffer_clear(scratch);
  if (!scan_line(message)) return CX_OK;
  int status = decode_strings(message, scratch);
  if (status == CX_OK) message->kind = kind_of(message);
  return status;
}
