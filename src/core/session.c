#include "session.h"

#include "error.h"
#include "json.h"
#include "request.h"
#include "server_request.h"
#include "stream.h"
#include "subscription.h"
#include "turn.h"

#include <stdlib.h>
#include <string.h>

static void set_overflow(const cx_session *session, codex_error *error) {
  cx_error_set(error, CODEX_ERROR_OVERFLOW, 0, "more than %zu MiB would be waiting to be sent",
               session->output.max >> 20);
}

void cx_session_fail_status(cx_session *session, int status) {
  codex_error error;
  if (status == CX_ELIMIT)
    set_overflow(session, &error);
  else
    cx_error_set(&error, CODEX_ERROR_NO_MEMORY, 0, "out of memory");
  cx_session_fail(session, &error);
}

cx_session *cx_session_new(const codex_options *options) {
  cx_session *session = calloc(1, sizeof *session);
  if (!session) return NULL;
  session->max_in_flight = options->max_in_flight ? options->max_in_flight : 1;
  session->max_unread = options->max_unread;
  session->delivers = options->server_requests;
  session->next_deadline = -1;
  cx_frame_init(&session->frame, options->max_line);
  cx_buffer_init(&session->output, CX_MAX_OUTPUT);
  cx_buffer_init(&session->scratch, SIZE_MAX);
  cx_map_init(&session->sent, 0);
  /* addresses vary between runs, which is enough against prepared ids */
  uint32_t seed = (uint32_t)((uintptr_t)session >> 4);
  cx_map_init(&session->turns, seed);
  cx_usages_init(&session->usages, seed);
  cx_list_init(&session->queue);
  cx_list_init(&session->on_wire);
  cx_list_init(&session->untaken);
  cx_list_init(&session->all_turns);
  cx_list_init(&session->unclaimed);
  cx_list_init(&session->unstarted);
  cx_list_init(&session->asked);
  cx_list_init(&session->untold);
  cx_list_init(&session->streams);
  cx_list_init(&session->ready);
  cx_ready_init(&session->closed, CODEX_READY_CLOSED, 0);
  if (cx_subscriptions_open(session) == CX_OK) return session;
  cx_session_free(session);
  return NULL;
}

static codex_turn *first_turn(cx_session *session) {
  return cx_list_entry(session->all_turns.next, codex_turn, in_session);
}

void cx_session_free(cx_session *session) {
  codex_error error;
  cx_error_set(&error, CODEX_ERROR_CLOSED, 0, "the client was closed");
  cx_session_fail(session, &error);
  codex_stream_free(session->kept);
  while (!cx_list_empty(&session->ready))
    cx_list_remove(session->ready.next);
  while (!cx_list_empty(&session->all_turns)) {
    codex_turn *turn = first_turn(session);
    cx_list_remove(&turn->in_session);
    cx_list_remove(&turn->in_unclaimed);
    cx_list_remove(&turn->in_unstarted);
    turn->session = NULL;
    if (turn->references == 0) cx_turn_free(turn);
  }
  cx_map_free(&session->sent);
  cx_map_free(&session->turns);
  cx_usages_free(&session->usages);
  cx_frame_free(&session->frame);
  cx_buffer_free(&session->output);
  cx_buffer_free(&session->scratch);
  cx_beginnings_free(&session->beginnings);
  free(session);
}

/* ---- turns ---- */

static void turn_happened(cx_session *session, codex_turn *turn, unsigned what) {
  if (!(turn->watched & what)) return;
  turn->watched = 0;
  cx_ready_post(&session->ready, &turn->ready);
}

static void leave_unclaimed(cx_session *session, codex_turn *turn) {
  if (cx_list_empty(&turn->in_unclaimed)) return;
  cx_list_remove(&turn->in_unclaimed);
  session->unclaimed_count--;
  session->unclaimed_bytes -= cx_turn_held(turn);
}

static void forget_turn(cx_session *session, codex_turn *turn) {
  leave_unclaimed(session, turn);
  cx_map_remove(&session->turns, turn->id.bytes, turn->id.length);
  if (turn->active_id.bytes) cx_map_remove(&session->turns, turn->active_id.bytes, turn->active_id.length);
  session->forgotten++;
  cx_turn_free(turn);
}

void codex_turn_watch(codex_turn *turn, unsigned what) {
  turn->watched |= what | CODEX_WATCH_END | CODEX_WATCH_OVERTAKEN;
  if (!turn->session) return;
  if (turn->state != CODEX_TURN_RUNNING) turn_happened(turn->session, turn, CODEX_WATCH_END);
  if (turn->overtaken) turn_happened(turn->session, turn, CODEX_WATCH_OVERTAKEN);
}

void codex_turn_release(codex_turn *turn) {
  if (!turn || --turn->references > 0) return;
  turn->watched = 0;
  cx_list_remove(&turn->ready.node);
  if (!turn->session)
    cx_turn_free(turn);
  else if (turn->state != CODEX_TURN_RUNNING)
    forget_turn(turn->session, turn);
  else
    /* it stays known, so that its events aren't taken for those of a turn yet to be claimed */
    cx_turn_drop_events(turn);
}

static codex_turn *add_turn(cx_session *session, codex_slice id, codex_slice thread_id, bool keep_events) {
  codex_turn *turn =
      cx_turn_new(session, ++session->last_turn, id, thread_id, session->max_unread, keep_events);
  if (!turn) return NULL;
  if (cx_map_add(&session->turns, turn->id.bytes, turn->id.length, turn) != CX_OK) {
    cx_turn_free(turn);
    return NULL;
  }
  cx_list_append(&session->all_turns, &turn->in_session);
  turn->born = session->written;
  turn->progress = session->now;
  return turn;
}

/* Requests are written in order and turns are kept in the order they were heard of: those that were known
 * before the oldest open start was written can't be its turn. */
static uint64_t oldest_start(const cx_session *session) {
  for (cx_list *node = session->on_wire.next; node != &session->on_wire; node = node->next) {
    const codex_request *request = cx_list_entry(node, codex_request, in_session);
    if (request->starts_turn) return request->written;
  }
  return UINT64_MAX;
}

static bool too_many_unclaimed(const cx_session *session) {
  return session->unclaimed_count > CX_MAX_UNCLAIMED_TURNS ||
         session->unclaimed_bytes > CX_MAX_UNCLAIMED_BYTES;
}

static void limit_unclaimed(cx_session *session) {
  if (!too_many_unclaimed(session)) return;
  uint64_t start = oldest_start(session);
  while (too_many_unclaimed(session)) {
    codex_turn *oldest = cx_list_entry(session->unclaimed.next, codex_turn, in_unclaimed);
    if (oldest->born >= start) return;
    session->statistics.dropped_turns++;
    forget_turn(session, oldest);
  }
}

static codex_turn *add_unclaimed(cx_session *session, const cx_message *message) {
  codex_turn *turn = add_turn(session, message->turn_id, message->thread_id, true);
  if (!turn) return NULL;
  cx_list_append(&session->unclaimed, &turn->in_unclaimed);
  session->unclaimed_count++;
  session->unclaimed_bytes += cx_turn_held(turn);
  return turn;
}

static codex_turn *claim(cx_session *session, codex_slice id, codex_slice thread_id, bool keep_events) {
  codex_turn *turn = cx_map_get(&session->turns, id.bytes, id.length);
  if (!turn) turn = add_turn(session, id, thread_id, keep_events);
  if (!turn) return NULL;
  leave_unclaimed(session, turn);
  turn->progress = session->now;
  if (!turn->claimed && !keep_events) cx_turn_drop_events(turn);
  if (!turn->claimed && !turn->started) cx_list_append(&session->unstarted, &turn->in_unstarted);
  turn->claimed = true;
  turn->references++;
  if (session->error.kind != CODEX_ERROR_NONE) cx_turn_break(turn, &session->error);
  return turn;
}

codex_turn *cx_session_turn(cx_session *session, const char *turn_id, size_t length, bool keep_events) {
  return claim(session, (codex_slice){turn_id, length}, (codex_slice){"", 0}, keep_events);
}

codex_turn *cx_session_child_turn(cx_session *session, const char *root_id, size_t length) {
  for (cx_list *node = session->unclaimed.next; node != &session->unclaimed; node = node->next) {
    const codex_turn *turn = cx_list_entry(node, codex_turn, in_unclaimed);
    codex_slice id = {turn->id.bytes, turn->id.length}, root = {turn->root_id.bytes, turn->root_id.length};
    if (root.bytes && cx_slice_is(root, root_id, length) && !cx_slice_is(id, root_id, length))
      return claim(session, id, (codex_slice){"", 0}, true);
  }
  return NULL;
}

/* ---- lines from the server ---- */

/* What was noted is right for as long as no turn has been forgotten. */
static codex_turn *find_turn(cx_session *session, const cx_message *message) {
  cx_note *note = message->note;
  if (note && note->owner && note->when == session->forgotten) return note->owner;
  codex_turn *turn = cx_map_get(&session->turns, message->turn_id.bytes, message->turn_id.length);
  if (note) *note = (cx_note){turn, session->forgotten};
  return turn;
}

/* A turn of this thread has ended: one that was to come first should have started by now. */
static void note_overtaken(cx_session *session, const codex_turn *ended) {
  for (cx_list *node = session->unstarted.next; node != &session->unstarted; node = node->next) {
    codex_turn *turn = cx_list_entry(node, codex_turn, in_unstarted);
    codex_slice thread_id = {turn->thread_id.bytes, turn->thread_id.length};
    if (turn == ended || !cx_slice_is(thread_id, ended->thread_id.bytes, ended->thread_id.length)) continue;
    turn->overtaken = true;
    turn_happened(session, turn, CODEX_WATCH_OVERTAKEN);
  }
}

/* A review runs under another id than its start was answered with: all that is told of that one is its
 * turn/started, which names the review as its root. *turn stays NULL if this is no such event. */
static int find_review(cx_session *session, const cx_message *message, codex_turn **turn) {
  codex_slice root;
  if (!CX_SLICE_IS(message->method, "turn/started")) return CX_OK;
  if (!cx_json_string_contents(cx_json_member(message->turn, "rootTurnId"), &root)) return CX_OK;
  codex_turn *review = cx_map_get(&session->turns, root.bytes, root.length);
  if (!review || review->active_id.bytes || review->state != CODEX_TURN_RUNNING) return CX_OK;
  codex_slice thread_id = codex_turn_thread_id(review);
  if (thread_id.length == 0 || !cx_slice_is(message->thread_id, thread_id.bytes, thread_id.length))
    return CX_OK;
  if (cx_turn_set_active_id(review, message->turn_id) != CX_OK) return CX_ENOMEM;
  int status = cx_map_add(&session->turns, review->active_id.bytes, review->active_id.length, review);
  if (status == CX_OK) *turn = review;
  return status;
}

/* A turn adds to what its thread had used before. */
static int note_usage(cx_session *session, const cx_message *message, codex_turn *turn) {
  if (!message->usage.bytes || !message->thread_id.bytes) return CX_OK;
  codex_slice before = cx_usages_get(&session->usages, message->thread_id);
  int status = turn && before.bytes ? cx_turn_start_usage(turn, before) : CX_OK;
  return status == CX_OK ? cx_usages_set(&session->usages, message->thread_id, message->usage) : status;
}

/* Finds the turn that a notification belongs to; NULL: none. */
static int route(cx_session *session, const cx_message *message, codex_turn **turn) {
  *turn = find_turn(session, message);
  int status = *turn ? CX_OK : find_review(session, message, turn);
  if (status == CX_OK) status = note_usage(session, message, *turn);
  /* on resume, the last old turn's usage comes again: no turn is running */
  if (status != CX_OK || *turn || CX_SLICE_IS(message->method, "thread/tokenUsage/updated")) return status;
  *turn = add_unclaimed(session, message);
  return *turn ? CX_OK : CX_ENOMEM;
}

static int handle_notification(cx_session *session, const cx_message *message) {
  session->statistics.notifications++;
  int published = cx_subscriptions_publish(session, message);
  if (CX_SLICE_IS(message->method, "serverRequest/resolved")) cx_server_requests_resolve(session, message);
  if (published != CX_OK || !message->turn_id.bytes) return published;
  codex_turn *turn;
  int status = route(session, message, &turn);
  if (status != CX_OK || !turn) return status;
  unsigned happened;
  size_t held = cx_turn_held(turn);
  status = cx_turn_collect(turn, message, &happened);
  if (!turn->claimed) session->unclaimed_bytes += cx_turn_held(turn) - held; /* it may have become less */
  if (turn->started || happened & CODEX_WATCH_END) cx_list_remove(&turn->in_unstarted);
  if (happened & CODEX_WATCH_END) {
    note_overtaken(session, turn);
    int answered = cx_server_requests_turn_over(session, turn);
    if (status == CX_OK) status = answered;
  }
  turn_happened(session, turn, happened);
  if (turn->references == 0 && turn->claimed && turn->state != CODEX_TURN_RUNNING)
    forget_turn(session, turn);
  else if (!turn->claimed)
    limit_unclaimed(session); /* which may free this very turn */
  return status;
}

static void send_queued(cx_session *session);

static void leave_untaken(cx_session *session, codex_request *request) {
  if (cx_list_empty(&request->in_untaken)) return;
  cx_list_remove(&request->in_untaken);
  session->untaken_count--;
}

/* The server reads in order: whoever was written before a request that is answered has been read. */
static void note_taken(cx_session *session, uint64_t written) {
  while (!cx_list_empty(&session->untaken)) {
    codex_request *oldest = cx_list_entry(session->untaken.next, codex_request, in_untaken);
    if (oldest->written > written) return;
    leave_untaken(session, oldest);
  }
}

static void leave_wire(cx_session *session, codex_request *request) {
  leave_untaken(session, request);
  cx_list_remove(&request->in_session);
  cx_map_remove(&session->sent, (const char *)&request->id, sizeof request->id);
  if (!request->exempt) session->in_flight--;
}

static void report(cx_session *session, codex_request *request) {
  if (request->released)
    cx_request_free(request);
  else
    cx_ready_post(&session->ready, &request->ready);
}

static int adopt_turn(cx_session *session, codex_request *request, codex_slice result) {
  codex_slice id = cx_json_member(cx_json_member(result, "turn"), "id");
  int status = cx_json_decode_string(&id, &session->scratch);
  if (status != CX_OK || !id.bytes) return status;
  codex_turn *known = cx_map_get(&session->turns, id.bytes, id.length);
  request->joined = known && known->claimed;
  if (request->joined || request->released) return CX_OK;
  codex_slice thread_id = {request->thread_id ? request->thread_id : "", 0};
  thread_id.length = strlen(thread_id.bytes);
  request->turn = claim(session, id, thread_id, request->keep_events);
  return request->turn ? CX_OK : CX_ENOMEM;
}

static int take_answer(cx_session *session, codex_request *request, const cx_message *message) {
  codex_error error;
  int status = CX_OK;
  if (!message->result.bytes && !message->error.bytes) {
    cx_error_set(&error, CODEX_ERROR_PROTOCOL, 0, "%s: the answer holds neither a result nor an error",
                 request->method);
    cx_request_fail(request, &error);
    return CX_OK;
  }
  if (request->starts_turn && message->result.bytes) status = adopt_turn(session, request, message->result);
  if (status != CX_OK) return status;
  return cx_request_answer(request, message->line, message->result, message->error);
}

static int handle_answer(cx_session *session, const cx_message *message) {
  char *end = NULL;
  uint64_t id = strtoull(message->id.bytes, &end, 10);
  codex_request *request = NULL;
  if (end == message->id.bytes + message->id.length && message->id.bytes[0] != '-')
    request = cx_map_get(&session->sent, (const char *)&id, sizeof id);
  if (!request) {
    session->statistics.unknown_ids++;
    return CX_OK;
  }
  int status = take_answer(session, request, message);
  if (status != CX_OK) return status;
  note_taken(session, request->written);
  leave_wire(session, request);
  if (request->initializes && request->result.bytes)
    status = cx_write_call(&session->output, 0, "initialized", NULL, 0);
  report(session, request);
  send_queued(session);
  return status;
}

static bool is_blank(codex_slice line) {
  const char *end = line.bytes + line.length;
  return cx_json_skip_space(line.bytes, end) == end;
}

static int handle_line(cx_session *session, codex_slice line) {
  cx_message message;
  if (is_blank(line)) {
    session->statistics.blank_lines++;
    return CX_OK;
  }
  session->statistics.lines++;
  int status = cx_message_scan_next(&message, line, &session->scratch, &session->beginnings);
  if (status != CX_OK) return status;
  switch (message.kind) {
  case CX_MESSAGE_NOTIFICATION: return handle_notification(session, &message);
  case CX_MESSAGE_REQUEST: return cx_server_requests_add(session, &message);
  case CX_MESSAGE_RESULT:
  case CX_MESSAGE_ERROR: return handle_answer(session, &message);
  default: session->statistics.invalid_lines++; return CX_OK;
  }
}

char *cx_session_reserve(cx_session *session, size_t *space) {
  char *room = cx_frame_reserve(&session->frame, space);
  if (!room) cx_session_fail_status(session, CX_ENOMEM);
  return room;
}

void cx_session_commit(cx_session *session, size_t length) {
  cx_frame_commit(&session->frame, length);
}

static void fail_line_limit(cx_session *session) {
  codex_error error;
  cx_error_set(&error, CODEX_ERROR_PROTOCOL, 0, "the server sent a line of more than %zu bytes",
               session->frame.max_line);
  cx_session_fail(session, &error);
}

bool cx_session_step(cx_session *session, size_t budget) {
  size_t handled = 0;
  codex_slice line;
  while (session->error.kind == CODEX_ERROR_NONE) {
    int status = cx_frame_peek(&session->frame, &line);
    if (status == CX_EINVAL) return false;
    if (status == CX_ELIMIT) {
      fail_line_limit(session);
      break;
    }
    if (handled > 0 && handled + line.length > budget) return true;
    cx_frame_take(&session->frame);
    handled += line.length + 1;
    status = handle_line(session, line);
    if (status != CX_OK) cx_session_fail_status(session, status);
  }
  cx_frame_clear(&session->frame); /* nobody will ask for what still comes */
  return false;
}

/* ---- the end ---- */

static void fail_request(cx_session *session, codex_request *request, const codex_error *error) {
  cx_list_remove(&request->in_session);
  cx_request_fail(request, error);
  report(session, request);
}

void cx_session_fail(cx_session *session, const codex_error *error) {
  if (session->error.kind != CODEX_ERROR_NONE) return;
  session->error = *error;
  while (!cx_list_empty(&session->on_wire)) {
    codex_request *request = cx_list_entry(session->on_wire.next, codex_request, in_session);
    leave_wire(session, request);
    fail_request(session, request, error);
  }
  while (!cx_list_empty(&session->queue))
    fail_request(session, cx_list_entry(session->queue.next, codex_request, in_session), error);
  session->queued_bytes = 0;
  for (cx_list *node = session->all_turns.next, *next; node != &session->all_turns; node = next) {
    codex_turn *turn = cx_list_entry(node, codex_turn, in_session);
    next = node->next;
    cx_turn_break(turn, error);
    turn_happened(session, turn, CODEX_WATCH_END);
    if (turn->references == 0) forget_turn(session, turn);
  }
  cx_server_requests_end(session);
  cx_subscriptions_end(session);
  cx_ready_post(&session->ready, &session->closed);
}

/* ---- requests ---- */

static void send_request(cx_session *session, codex_request *request) {
  int status = cx_map_add(&session->sent, (const char *)&request->id, sizeof request->id, request);
  if (status == CX_OK) status = cx_buffer_append(&session->output, request->line, request->line_length);
  if (status != CX_OK) {
    cx_map_remove(&session->sent, (const char *)&request->id, sizeof request->id);
    cx_session_fail_status(session, status);
    return;
  }
  cx_list_remove(&request->in_session);
  cx_list_append(&session->on_wire, &request->in_session);
  request->state = CX_REQUEST_SENT;
  request->written = ++session->written;
  session->queued_bytes -= request->line_length;
  if (request->exempt) {
    cx_list_append(&session->untaken, &request->in_untaken);
    session->untaken_count++;
  } else {
    session->in_flight++;
  }
  free(request->line);
  request->line = NULL;
}

/* Asks something cheap whose answer shows that all before it has been read. Nobody waits for the answer. */
static void send_probe(cx_session *session) {
  codex_request *probe;
  if (cx_request_new(&probe, ++session->last_id, "thread/loaded/list", "{\"limit\":1}", 11) != CX_OK) {
    cx_session_fail_status(session, CX_ENOMEM);
    return;
  }
  probe->session = session;
  probe->released = true;
  session->queued_bytes += probe->line_length;
  cx_list_append(&session->queue, &probe->in_session);
  send_request(session, probe);
}

/* The server loses requests that come in bursts, so its inbox is never given more than max_in_flight. */
static void send_queued(cx_session *session) {
  while (session->error.kind == CODEX_ERROR_NONE && !cx_list_empty(&session->queue)) {
    if (session->in_flight + session->untaken_count >= session->max_in_flight) {
      if (session->in_flight == 0) send_probe(session);
      return;
    }
    send_request(session, cx_list_entry(session->queue.next, codex_request, in_session));
  }
}

static void refuse(const cx_session *session, codex_request *request, int status) {
  codex_error error;
  if (status == CX_ELIMIT)
    set_overflow(session, &error);
  else
    cx_error_set(&error, CODEX_ERROR_INVALID_ARGUMENT, 0,
                 "the parameters are not JSON text in UTF-8, or nested more than %d deep",
                 CX_JSON_MAX_SENT_DEPTH);
  cx_request_fail(request, &error);
}

static void note_deadline(cx_session *session, codex_request *request, double deadline) {
  request->deadline = deadline;
  if (deadline >= 0 && (session->next_deadline < 0 || deadline < session->next_deadline))
    session->next_deadline = deadline;
}

/* A request that can't be sent is answered at once, with what is wrong, so that there is one way to learn of
 * failure. */
static codex_request *enqueue(cx_session *session, codex_request *request, int status, double deadline) {
  request->session = session;
  if (session->error.kind != CODEX_ERROR_NONE) {
    cx_request_fail(request, &session->error);
  } else if (status != CX_OK) {
    refuse(session, request, status);
  } else {
    note_deadline(session, request, deadline);
    cx_list_append(&session->queue, &request->in_session);
    session->queued_bytes += request->line_length;
    send_queued(session);
    if (request->state != CX_REQUEST_DONE) return request;
  }
  cx_ready_post(&session->ready, &request->ready);
  return request;
}

/* What may still be queued or written. Answers to the server are written even beyond this. */
static size_t room_left(const cx_session *session) {
  size_t waiting = session->queued_bytes + cx_buffer_length(&session->output);
  return waiting < session->output.max ? session->output.max - waiting : 0;
}

static codex_request *make_request(cx_session *session, const char *method, const char *params, size_t length,
                                   int *status) {
  codex_request *request;
  *status = cx_request_new(&request, session->last_id + 1, method, params, length);
  if (*status == CX_ENOMEM) return NULL;
  if (*status == CX_OK && request->line_length > room_left(session)) *status = CX_ELIMIT;
  session->last_id++;
  return request;
}

codex_request *cx_session_request(cx_session *session, const char *method, const char *params, size_t length,
                                  double deadline) {
  int status;
  codex_request *request = make_request(session, method, params, length, &status);
  return request ? enqueue(session, request, status, deadline) : NULL;
}

codex_request *cx_session_start_turn(cx_session *session, const char *method, const char *params,
                                     size_t length, double deadline, bool keep_events) {
  int status;
  codex_request *request = make_request(session, method, params, length, &status);
  if (!request) return NULL;
  request->starts_turn = true;
  request->keep_events = keep_events;
  if (status == CX_OK) status = cx_request_note_thread(request, params, length);
  return enqueue(session, request, status, deadline);
}

codex_request *cx_session_initialize(cx_session *session, const char *params, size_t length,
                                     double deadline) {
  int status;
  codex_request *request = make_request(session, "initialize", params, length, &status);
  if (!request) return NULL;
  request->initializes = true;
  return enqueue(session, request, status, deadline);
}

codex_error_kind cx_session_notify(cx_session *session, const char *method, const char *params,
                                   size_t length) {
  if (session->error.kind != CODEX_ERROR_NONE) return session->error.kind;
  size_t before = cx_buffer_length(&session->output);
  int status = cx_write_call(&session->output, 0, method, params, length);
  if (status == CX_OK && cx_buffer_length(&session->output) > session->output.max - session->queued_bytes) {
    session->output.end = session->output.start + before;
    status = CX_ELIMIT;
  }
  switch (status) {
  case CX_OK: return CODEX_ERROR_NONE;
  case CX_ELIMIT: return CODEX_ERROR_OVERFLOW;
  case CX_EINVAL: return CODEX_ERROR_INVALID_ARGUMENT;
  default: return CODEX_ERROR_NO_MEMORY;
  }
}

void codex_request_release(codex_request *request) {
  if (!request) return;
  request->released = true;
  if (request->state == CX_REQUEST_SENT) return; /* its answer is still to come */
  if (request->state == CX_REQUEST_QUEUED) request->session->queued_bytes -= request->line_length;
  cx_request_free(request);
}

double cx_session_deadline(const cx_session *session) {
  /* next_deadline may be that of one that was answered meanwhile */
  bool none_open = cx_list_empty(&session->on_wire) && cx_list_empty(&session->queue);
  return none_open ? -1 : session->next_deadline;
}

static void expire_list(cx_session *session, cx_list *list, double now) {
  codex_error error;
  for (cx_list *node = list->next, *next; node != list; node = next) {
    codex_request *request = cx_list_entry(node, codex_request, in_session);
    next = node->next;
    if (request->deadline < 0) continue;
    if (request->deadline > now) {
      note_deadline(session, request, request->deadline);
      continue;
    }
    if (request->state == CX_REQUEST_SENT)
      leave_wire(session, request);
    else
      session->queued_bytes -= request->line_length;
    cx_error_set(&error, CODEX_ERROR_TIMEOUT, 0, "%s: the server did not answer in time", request->method);
    fail_request(session, request, &error);
  }
}

void cx_session_expire(cx_session *session, double now) {
  session->now = now;
  if (session->next_deadline < 0 || session->next_deadline > now) return;
  session->next_deadline = -1;
  expire_list(session, &session->on_wire, now);
  expire_list(session, &session->queue, now);
  send_queued(session);
}

double cx_session_idle(const cx_session *session, const codex_turn *turn, double now) {
  if (turn->state != CODEX_TURN_RUNNING || cx_turn_works(turn) || cx_server_requests_of(session, turn))
    return -1;
  return now > turn->progress ? now - turn->progress : 0;
}

void cx_session_tell(cx_session *session, const char *line, size_t length) {
  if (session->error.kind != CODEX_ERROR_NONE) return;
  int status = handle_line(session, (codex_slice){line, length});
  if (status != CX_OK) cx_session_fail_status(session, status);
}

bool cx_session_next_ready(cx_session *session, codex_ready *ready) {
  if (cx_list_empty(&session->ready)) return false;
  cx_ready *first = cx_list_entry(session->ready.next, cx_ready, node);
  cx_list_remove(&first->node);
  *ready = (codex_ready){first->kind, first->serial};
  return true;
}
