#include "turn.h"

#include "error.h"
#include "json.h"
#include "session.h"
#include "stream.h"

#include <stdlib.h>
#include <string.h>

/* A turn may keep so much storage that it doesn't use. */
#define MOST_SPARE ((size_t)64 << 10)

static int text_set(cx_text *text, codex_slice slice) {
  char *bytes = malloc(slice.length ? slice.length : 1);
  if (!bytes) return CX_ENOMEM;
  if (slice.length) memcpy(bytes, slice.bytes, slice.length);
  free(text->bytes);
  *text = (cx_text){bytes, slice.length};
  return CX_OK;
}

static codex_slice text_slice(const cx_text *text) {
  return (codex_slice){text->bytes, text->length};
}

static int grow(void **array, size_t *capacity, size_t size) {
  size_t larger = *capacity ? *capacity * 2 : 4;
  void *moved = realloc(*array, larger * size);
  if (!moved) return CX_ENOMEM;
  *array = moved;
  *capacity = larger;
  return CX_OK;
}

codex_turn *cx_turn_new(struct cx_session *session, uint64_t serial, codex_slice id, codex_slice thread_id,
                        size_t max_unread, bool keep_events) {
  codex_turn *turn = calloc(1, sizeof *turn);
  if (!turn) return NULL;
  turn->session = session;
  turn->serial = serial;
  turn->max_unread = max_unread;
  cx_list_init(&turn->in_session);
  cx_list_init(&turn->in_unclaimed);
  cx_list_init(&turn->in_unstarted);
  cx_list_init(&turn->streams);
  cx_ready_init(&turn->ready, CODEX_READY_TURN, serial);
  cx_buffer_init(&turn->final_response, SIZE_MAX);
  cx_buffer_init(&turn->spare, CX_MAX_COLLECTED);
  bool complete = text_set(&turn->id, id) == CX_OK && text_set(&turn->thread_id, thread_id) == CX_OK;
  if (complete && keep_events) {
    turn->first_stream = cx_stream_new(turn, max_unread);
    complete = turn->first_stream != NULL;
    if (complete) cx_list_append(&turn->streams, &turn->first_stream->in_source);
  }
  if (complete) return turn;
  cx_turn_free(turn);
  return NULL;
}

int cx_turn_set_active_id(codex_turn *turn, codex_slice id) {
  return text_set(&turn->active_id, id);
}

void cx_turn_drop_events(codex_turn *turn) {
  codex_stream_free(turn->first_stream);
  turn->first_stream = NULL;
}

size_t cx_turn_unread(const codex_turn *turn) {
  return turn->first_stream ? cx_stream_unread(turn->first_stream) : 0;
}

size_t cx_turn_held(const codex_turn *turn) {
  return cx_turn_unread(turn) + turn->collected;
}

static void free_partial(codex_turn *turn, size_t index) {
  cx_partial *partial = &turn->partials[index];
  turn->collected -= cx_buffer_length(&partial->deltas);
  free(partial->id.bytes);
  cx_buffer_free(&turn->spare);
  turn->spare = partial->deltas;
  cx_buffer_clear(&turn->spare);
  if (turn->spare.capacity > MOST_SPARE) cx_buffer_free(&turn->spare);
  *partial = turn->partials[--turn->partial_count];
}

static void free_open_item(codex_turn *turn, cx_open_item *open) {
  turn->collected -= open->item.length;
  free(open->id.bytes);
  free(open->item.bytes);
  *open = turn->open_items[--turn->open_count];
}

void cx_turn_free(codex_turn *turn) {
  cx_turn_drop_events(turn);
  cx_list_remove(&turn->in_session);
  cx_list_remove(&turn->in_unclaimed);
  cx_list_remove(&turn->in_unstarted);
  cx_list_remove(&turn->ready.node);
  while (turn->partial_count)
    free_partial(turn, turn->partial_count - 1);
  while (turn->open_count)
    free_open_item(turn, &turn->open_items[turn->open_count - 1]);
  for (size_t i = 0; i < turn->item_count; i++)
    free(turn->items[i].bytes);
  free(turn->items);
  free(turn->open_items);
  free(turn->partials);
  free(turn->id.bytes);
  free(turn->thread_id.bytes);
  free(turn->root_id.bytes);
  free(turn->active_id.bytes);
  free(turn->prior_usage.bytes);
  free(turn->first_usage.bytes);
  free(turn->last_usage.bytes);
  free(turn->completed_params.bytes);
  free(turn->final_copy.bytes);
  free(turn->retrying.bytes);
  cx_buffer_free(&turn->spare);
  cx_buffer_free(&turn->final_response);
  free(turn);
}

/* ---- collecting ---- */

/* Counts length more bytes, or notes the overflow once and for all. */
static bool charge(codex_turn *turn, size_t length) {
  if (turn->error.kind != CODEX_ERROR_NONE) return false;
  if (length > CX_MAX_COLLECTED - turn->collected) {
    cx_error_set(&turn->error, CODEX_ERROR_OVERFLOW, 0, "the turn's items hold more than %zu MiB",
                 CX_MAX_COLLECTED >> 20);
    return false;
  }
  turn->collected += length;
  return true;
}

static cx_partial *find_partial(codex_turn *turn, codex_slice id) {
  /* the last one is the one being written, nearly always */
  for (size_t i = turn->partial_count; i-- > 0;)
    if (cx_slice_is(id, turn->partials[i].id.bytes, turn->partials[i].id.length)) return &turn->partials[i];
  return NULL;
}

static cx_partial *add_partial(codex_turn *turn, codex_slice id) {
  if (turn->partial_count == turn->partial_capacity &&
      grow((void **)&turn->partials, &turn->partial_capacity, sizeof *turn->partials) != CX_OK)
    return NULL;
  cx_partial *partial = &turn->partials[turn->partial_count];
  *partial = (cx_partial){.deltas = turn->spare};
  if (text_set(&partial->id, id) != CX_OK) return NULL;
  cx_buffer_init(&turn->spare, CX_MAX_COLLECTED);
  turn->partial_count++;
  return partial;
}

static int collect_delta(codex_turn *turn, const cx_message *message) {
  if (!message->delta.bytes || !message->item_id.bytes) return CX_OK;
  cx_partial *partial = find_partial(turn, message->item_id);
  if (!partial && !(partial = add_partial(turn, message->item_id))) return CX_ENOMEM;
  if (!charge(turn, message->delta.length)) return CX_OK;
  return cx_buffer_append(&partial->deltas, message->delta.bytes, message->delta.length);
}

static int final_rank(codex_slice item) {
  codex_slice phase = cx_json_member(item, "phase");
  if (!phase.bytes || CX_SLICE_IS(phase, "null")) return CX_FINAL_UNPHASED;
  return cx_json_is_string(phase, "final_answer") ? CX_FINAL_ANSWER : CX_FINAL_NONE;
}

/* How much of the completed text the deltas have brought already; CX_NO_REST when that is all of it, or when
 * the two differ, since what was given out can't be taken back. */
static int find_rest(codex_slice text, codex_slice deltas, size_t *rest) {
  *rest = CX_NO_REST;
  cx_buffer whole, begun;
  cx_buffer_init(&whole, SIZE_MAX);
  cx_buffer_init(&begun, SIZE_MAX);
  int status = cx_json_unescape(text.bytes, text.length, CX_JSON_LENIENT, &whole);
  if (status == CX_OK) status = cx_json_unescape(deltas.bytes, deltas.length, CX_JSON_LENIENT, &begun);
  if (status == CX_OK) {
    size_t length = cx_buffer_length(&begun);
    bool more = cx_buffer_length(&whole) > length;
    if (more && (length == 0 || memcmp(cx_buffer_bytes(&whole), cx_buffer_bytes(&begun), length) == 0))
      *rest = length;
  }
  cx_buffer_free(&whole);
  cx_buffer_free(&begun);
  return status;
}

static int copy_final(codex_turn *turn, codex_slice text) {
  int status = text_set(&turn->final_copy, text);
  if (status == CX_OK) turn->final_text = text_slice(&turn->final_copy);
  return status;
}

/* final: set to that part of the item which is the final response so far, if it is. */
static int collect_message(codex_turn *turn, const cx_message *message, size_t *rest, codex_slice *final) {
  codex_slice text = {"", 0}, deltas = {"", 0};
  cx_json_string_contents(cx_json_member(message->item, "text"), &text);
  cx_partial *partial = message->item_id.bytes ? find_partial(turn, message->item_id) : NULL;
  if (partial && cx_buffer_length(&partial->deltas))
    deltas = (codex_slice){cx_buffer_bytes(&partial->deltas), cx_buffer_length(&partial->deltas)};
  /* the same bytes are the same text, which is what nearly always comes */
  bool same = cx_slice_is(text, deltas.bytes, deltas.length);
  int status = same || text.length == 0 ? CX_OK : find_rest(text, deltas, rest);
  int rank = final_rank(message->item);
  if (status == CX_OK && rank != CX_FINAL_NONE && rank >= (int)turn->final_rank) {
    if (text.length > 0)
      *final = text;
    else
      status = copy_final(turn, deltas);
    if (status == CX_OK) turn->final_rank = rank;
    cx_buffer_free(&turn->final_response);
  }
  if (partial) free_partial(turn, (size_t)(partial - turn->partials));
  return status;
}

static int keep_item(codex_turn *turn, codex_slice item, const cx_text **kept) {
  if (!charge(turn, item.length)) return CX_OK;
  if (turn->item_count == turn->item_capacity) {
    int status = grow((void **)&turn->items, &turn->item_capacity, sizeof *turn->items);
    if (status != CX_OK) return status;
  }
  turn->items[turn->item_count] = (cx_text){0};
  int status = text_set(&turn->items[turn->item_count], item);
  if (status == CX_OK) *kept = &turn->items[turn->item_count++];
  return status;
}

/* Keeps a final response that is part of an item, which was kept itself unless that passed the limit. */
static int keep_final(codex_turn *turn, codex_slice final, codex_slice item, const cx_text *kept) {
  if (!kept) return copy_final(turn, final);
  turn->final_text = (codex_slice){kept->bytes + (final.bytes - item.bytes), final.length};
  return CX_OK;
}

static cx_open_item *find_open_item(const codex_turn *turn, codex_slice id) {
  for (size_t i = turn->open_count; i-- > 0;)
    if (cx_slice_is(id, turn->open_items[i].id.bytes, turn->open_items[i].id.length))
      return &turn->open_items[i];
  return NULL;
}

codex_slice cx_turn_open_item(const codex_turn *turn, codex_slice id) {
  const cx_open_item *open = find_open_item(turn, id);
  return open && !open->doubtful ? text_slice(&open->item) : (codex_slice){NULL, 0};
}

/* Whether a patch begins under the id of something else that is open, or the other way round: these ids are
 * the model's. */
static bool is_another_patch(const codex_turn *turn, const cx_message *message) {
  const cx_open_item *open = find_open_item(turn, message->item_id);
  if (!open) return false;
  if (open->doubtful) return true;
  if (!open->works) return false;
  codex_slice one = cx_json_member(text_slice(&open->item), "changes");
  codex_slice other = cx_json_member(message->item, "changes");
  if (!one.bytes || !other.bytes) return one.bytes != other.bytes;
  return !cx_slice_is(one, other.bytes, other.length);
}

static void close_item(codex_turn *turn, codex_slice id) {
  cx_open_item *open = id.bytes ? find_open_item(turn, id) : NULL;
  if (open) free_open_item(turn, open);
}

/* Commands, patches and tools. All others are the model's own, and come as it goes on. */
static bool works(codex_slice item) {
  static const char *const types[] = {"commandExecution", "fileChange",          "mcpToolCall",
                                      "dynamicToolCall",  "collabAgentToolCall", "sleep"};
  codex_slice type = cx_json_member(item, "type");
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (cx_json_is_string(type, types[i])) return true;
  return false;
}

bool cx_turn_works(const codex_turn *turn) {
  for (size_t i = 0; i < turn->open_count; i++)
    if (turn->open_items[i].works) return true;
  return false;
}

static int open_item(codex_turn *turn, const cx_message *message) {
  if (!message->item.bytes || !message->item_id.bytes) return CX_OK;
  bool doubtful = is_another_patch(turn, message);
  close_item(turn, message->item_id);
  if (turn->open_count == turn->open_capacity &&
      grow((void **)&turn->open_items, &turn->open_capacity, sizeof *turn->open_items) != CX_OK)
    return CX_ENOMEM;
  if (!charge(turn, message->item.length)) return CX_OK;
  cx_open_item *open = &turn->open_items[turn->open_count++];
  *open = (cx_open_item){.works = works(message->item), .doubtful = doubtful};
  int status = text_set(&open->id, message->item_id);
  if (status == CX_OK) status = text_set(&open->item, message->item);
  if (status != CX_OK) {
    open->item.length = message->item.length; /* what was charged */
    free_open_item(turn, open);
  }
  return status;
}

/* A patch that is still being written: its changes take the place of those it was told of with. */
static int update_patch(codex_turn *turn, const cx_message *message) {
  cx_open_item *open = message->item_id.bytes ? find_open_item(turn, message->item_id) : NULL;
  codex_slice changes = cx_json_member(message->params, "changes");
  if (!open || !changes.bytes) return CX_OK;
  codex_slice item = text_slice(&open->item), old = cx_json_member(item, "changes");
  if (!old.bytes) return CX_OK;
  size_t before = (size_t)(old.bytes - item.bytes), after = item.length - before - old.length;
  size_t length = before + changes.length + after;
  if (length > item.length && !charge(turn, length - item.length)) return CX_OK;
  char *bytes = malloc(length);
  if (!bytes) {
    if (length > item.length) turn->collected -= length - item.length;
    return CX_ENOMEM;
  }
  memcpy(bytes, item.bytes, before);
  memcpy(bytes + before, changes.bytes, changes.length);
  memcpy(bytes + before + changes.length, old.bytes + old.length, after);
  if (length < item.length) turn->collected -= item.length - length;
  free(open->item.bytes);
  open->item = (cx_text){bytes, length};
  return CX_OK;
}

static int collect_item(codex_turn *turn, const cx_message *message, size_t *rest) {
  codex_slice item = message->item, final = {NULL, 0};
  const cx_text *kept = NULL;
  int status = CX_OK;
  if (!item.bytes) return CX_OK;
  close_item(turn, message->item_id);
  if (cx_json_is_string(cx_json_member(item, "type"), "agentMessage"))
    status = collect_message(turn, message, rest, &final);
  if (status == CX_OK) status = keep_item(turn, item, &kept);
  if (status == CX_OK && final.bytes) status = keep_final(turn, final, item, kept);
  return status;
}

int cx_turn_start_usage(codex_turn *turn, codex_slice usage) {
  return turn->first_usage.bytes ? CX_OK : text_set(&turn->prior_usage, usage);
}

static int collect_usage(codex_turn *turn, const cx_message *message) {
  if (!message->usage.bytes) return CX_OK;
  int status = turn->first_usage.bytes ? CX_OK : text_set(&turn->first_usage, message->usage);
  return status == CX_OK ? text_set(&turn->last_usage, message->usage) : status;
}

static int collect_completion(codex_turn *turn, const cx_message *message) {
  int status = text_set(&turn->completed_params, message->params);
  if (status != CX_OK) return status;
  while (turn->open_count)
    free_open_item(turn, &turn->open_items[turn->open_count - 1]);
  size_t at = (size_t)(message->turn.bytes - message->params.bytes);
  turn->completion = message->turn.bytes
                         ? (codex_slice){turn->completed_params.bytes + at, message->turn.length}
                         : (codex_slice){"{}", 2};
  return CX_OK;
}

/* A server that loses its model says so again and again; whatever else comes shows that it goes on. */
static int collect_retry(codex_turn *turn, const cx_message *message) {
  bool error = CX_SLICE_IS(message->method, "error");
  if (!error && !turn->retrying.bytes) return CX_OK;
  codex_slice failure = cx_json_member(message->params, "error");
  codex_slice again = cx_json_member(message->params, "willRetry");
  if (error && failure.bytes && CX_SLICE_IS(again, "true")) return text_set(&turn->retrying, failure);
  free(turn->retrying.bytes);
  turn->retrying = (cx_text){NULL, 0};
  return CX_OK;
}

/* An item that has begun shows that the server runs the turn, just as its turn/started; a review's comes
 * after that, and then tells more. */
static bool shows_start(const codex_turn *turn, codex_slice method) {
  if (CX_SLICE_IS(method, "turn/started")) return true;
  return !turn->started && method.length > 5 && memcmp(method.bytes, "item/", 5) == 0;
}

static int collect_root(codex_turn *turn, const cx_message *message) {
  codex_slice root;
  if (!cx_json_string_contents(cx_json_member(message->turn, "rootTurnId"), &root)) return CX_OK;
  return text_set(&turn->root_id, root);
}

static int collect(codex_turn *turn, const cx_message *message, unsigned *happened, size_t *rest) {
  codex_slice method = message->method;
  int status = collect_retry(turn, message);
  if (status != CX_OK) return status;
  if (!turn->retrying.bytes) turn->progress = turn->session->now;
  if (shows_start(turn, method)) {
    turn->started = true;
    *happened |= CODEX_WATCH_STARTED;
  }
  if (CX_SLICE_IS(method, "item/agentMessage/delta")) return collect_delta(turn, message);
  if (CX_SLICE_IS(method, "turn/started")) return collect_root(turn, message);
  if (CX_SLICE_IS(method, "item/started")) return open_item(turn, message);
  if (CX_SLICE_IS(method, "item/completed")) return collect_item(turn, message, rest);
  if (CX_SLICE_IS(method, "item/fileChange/patchUpdated")) return update_patch(turn, message);
  if (CX_SLICE_IS(method, "thread/tokenUsage/updated")) return collect_usage(turn, message);
  if (!CX_SLICE_IS(method, "turn/completed")) return CX_OK;
  *happened |= CODEX_WATCH_END;
  return collect_completion(turn, message);
}

int cx_turn_collect(codex_turn *turn, const cx_message *message, unsigned *happened) {
  *happened = 0;
  if (turn->state != CODEX_TURN_RUNNING) return CX_OK;
  if (turn->thread_id.length == 0 && message->thread_id.bytes) {
    int status = text_set(&turn->thread_id, message->thread_id);
    if (status != CX_OK) return status;
  }
  size_t rest = CX_NO_REST;
  int status = collect(turn, message, happened, &rest);
  for (cx_list *node = turn->streams.next, *next; node != &turn->streams && status == CX_OK; node = next) {
    codex_stream *stream = cx_list_entry(node, codex_stream, in_source);
    size_t before = cx_stream_unread(stream);
    next = node->next; /* a stream that overflows leaves the list */
    status = cx_stream_append(stream, message, rest);
    if (cx_stream_unread(stream) != before) *happened |= CODEX_WATCH_EVENTS;
  }
  /* only now, or a stream that memory didn't reach for would seem to have ended well */
  if (status == CX_OK && *happened & CODEX_WATCH_END) turn->state = CODEX_TURN_COMPLETED;
  return status;
}

void cx_turn_break(codex_turn *turn, const codex_error *error) {
  if (turn->state != CODEX_TURN_RUNNING) return;
  turn->state = CODEX_TURN_BROKEN;
  turn->completion = (codex_slice){NULL, 0};
  turn->error = *error;
}

/* ---- what users ask ---- */

uint64_t codex_turn_serial(const codex_turn *turn) {
  return turn->serial;
}
codex_turn_state codex_turn_state_of(const codex_turn *turn) {
  return turn->state;
}
bool codex_turn_started(const codex_turn *turn) {
  return turn->started;
}
codex_slice codex_turn_id(const codex_turn *turn) {
  return text_slice(&turn->id);
}
codex_slice codex_turn_thread_id(const codex_turn *turn) {
  return text_slice(&turn->thread_id);
}
size_t codex_turn_item_count(const codex_turn *turn) {
  return turn->item_count;
}
codex_slice codex_turn_item(const codex_turn *turn, size_t index) {
  return text_slice(&turn->items[index]);
}
codex_slice codex_turn_active_id(const codex_turn *turn) {
  return text_slice(turn->active_id.bytes ? &turn->active_id : &turn->id);
}
codex_slice codex_turn_prior_usage(const codex_turn *turn) {
  return text_slice(&turn->prior_usage);
}
codex_slice codex_turn_first_usage(const codex_turn *turn) {
  return text_slice(&turn->first_usage);
}
codex_slice codex_turn_last_usage(const codex_turn *turn) {
  return text_slice(&turn->last_usage);
}
codex_slice codex_turn_completion(const codex_turn *turn) {
  return turn->completion;
}
codex_slice codex_turn_retrying(const codex_turn *turn) {
  return text_slice(&turn->retrying);
}
bool codex_turn_overtaken(codex_turn *turn) {
  bool overtaken = turn->overtaken;
  turn->overtaken = false;
  return overtaken;
}
const codex_error *codex_turn_error(const codex_turn *turn) {
  return &turn->error;
}

codex_slice codex_turn_final_response(codex_turn *turn) {
  cx_buffer *response = &turn->final_response;
  if (turn->final_rank == CX_FINAL_NONE) return (codex_slice){NULL, 0};
  if (turn->final_text.length == 0) return (codex_slice){"", 0};
  if (cx_buffer_length(response) == 0 &&
      cx_json_unescape(turn->final_text.bytes, turn->final_text.length, CX_JSON_LENIENT, response) != CX_OK)
    return (codex_slice){NULL, 0};
  return (codex_slice){cx_buffer_bytes(response), cx_buffer_length(response)};
}

/* A stream of a turn that has ended: its completion as the only event. */
static int replay_completion(codex_turn *turn, codex_stream *stream) {
  static const char before[] = "{\"method\":\"turn/completed\",\"params\":";
  cx_buffer line, scratch;
  cx_message message;
  cx_buffer_init(&line, SIZE_MAX);
  cx_buffer_init(&scratch, SIZE_MAX);
  int status = cx_buffer_append(&line, before, sizeof before - 1);
  if (status == CX_OK)
    status = cx_buffer_append(&line, turn->completed_params.bytes, turn->completed_params.length);
  if (status == CX_OK) status = cx_buffer_append_byte(&line, '}');
  codex_slice text = {cx_buffer_bytes(&line), cx_buffer_length(&line)};
  if (status == CX_OK) status = cx_message_scan(&message, text, &scratch);
  if (status == CX_OK) status = cx_stream_append(stream, &message, CX_NO_REST);
  cx_buffer_free(&line);
  cx_buffer_free(&scratch);
  return status;
}

codex_stream *codex_turn_stream(codex_turn *turn, const char *const *methods, bool text) {
  bool first = turn->first_stream != NULL;
  codex_stream *stream = first ? turn->first_stream : cx_stream_new(turn, turn->max_unread);
  if (!stream) return NULL;
  int status = cx_stream_filter(stream, methods, text);
  if (status == CX_OK && !first && turn->state == CODEX_TURN_COMPLETED)
    status = replay_completion(turn, stream);
  if (status != CX_OK) {
    if (!first) codex_stream_free(stream);
    return NULL;
  }
  if (!first && turn->state == CODEX_TURN_RUNNING) cx_list_append(&turn->streams, &stream->in_source);
  turn->first_stream = NULL;
  turn->references++;
  stream->references_turn = true;
  return stream;
}

void codex_turn_forget_events(codex_turn *turn) {
  cx_turn_drop_events(turn);
}
