#include "server_request.h"

#include "answers.h"
#include "json.h"
#include "request.h"
#include "turn.h"

#include <stdlib.h>
#include <string.h>

/* ---- making ---- */

static char *copy_bytes(char *to, codex_slice *slice) {
  if (!slice->bytes) return to;
  memcpy(to, slice->bytes, slice->length);
  slice->bytes = to;
  return to + slice->length;
}

static codex_slice moved(codex_slice part, codex_slice from, const char *to) {
  if (!part.bytes) return part;
  return (codex_slice){to + (part.bytes - from.bytes), part.length};
}

/* The turn that a request is asked in. */
static codex_turn *turn_of(const cx_session *session, codex_slice id) {
  return id.bytes ? cx_map_get(&session->turns, id.bytes, id.length) : NULL;
}

/* The turn on whose behalf a sub-agent's runs; any other itself. */
static const codex_turn *root_of(const cx_session *session, const codex_turn *turn) {
  const cx_text *root = &turn->root_id;
  const codex_turn *found = root->bytes ? cx_map_get(&session->turns, root->bytes, root->length) : NULL;
  return found ? found : turn;
}

/* The item that it is about. A tool's call goes by another name. */
static codex_slice item_of(const codex_turn *turn, const cx_message *message) {
  codex_slice id = message->item_id, none = {NULL, 0};
  if (!id.bytes && !cx_json_string_contents(cx_json_member(message->params, "callId"), &id)) return none;
  return turn ? cx_turn_open_item(turn, id) : none;
}

static codex_server_request *new_request(cx_session *session, const cx_message *message) {
  const codex_turn *turn = turn_of(session, message->turn_id);
  codex_slice item = item_of(turn, message);
  codex_server_request *request = calloc(1, sizeof *request);
  if (!request) return NULL;
  /* method and turn id may be decoded copies outside of the line */
  request->size = message->line.length + message->method.length + message->turn_id.length + item.length;
  request->line = malloc(request->size);
  if (!request->line) {
    free(request);
    return NULL;
  }
  codex_slice line = message->line;
  request->method = message->method;
  request->turn_id = message->turn_id;
  request->item = item;
  char *end = copy_bytes(request->line, &line);
  end = copy_bytes(end, &request->method);
  end = copy_bytes(end, &request->turn_id);
  copy_bytes(end, &request->item);
  request->id = moved(message->id, message->line, request->line);
  request->params = moved(message->params, message->line, request->line);
  request->turn = turn ? root_of(session, turn)->serial : 0;
  request->session = session;
  cx_list_init(&request->in_asked);
  cx_list_init(&request->in_untold);
  cx_ready_init(&request->ready, CODEX_READY_SERVER_REQUEST, ++session->last_server_request);
  return request;
}

static void free_request(codex_server_request *request) {
  cx_list_remove(&request->in_asked);
  cx_list_remove(&request->in_untold);
  cx_list_remove(&request->ready.node);
  free(request->line);
  free(request);
}

static bool is_full(const cx_session *session, size_t more) {
  return session->asked_count >= CX_MAX_ASKED || more > CX_MAX_ASKED_BYTES - session->asked_bytes;
}

static int answer_at_once(cx_session *session, codex_slice id, codex_slice method) {
  int status = cx_answer_safely(&session->output, id, method);
  if (status == CX_OK) session->statistics.answers++;
  return status;
}

int cx_server_requests_add(cx_session *session, const cx_message *message) {
  session->statistics.server_requests++;
  if (!session->delivers || CX_SLICE_IS(message->method, "currentTime/read"))
    return answer_at_once(session, message->id, message->method);
  codex_server_request *request = new_request(session, message);
  if (!request) return CX_ENOMEM;
  if (is_full(session, request->size)) {
    session->statistics.refused_requests++;
    int status = answer_at_once(session, request->id, request->method);
    free_request(request);
    return status;
  }
  session->asked_count++;
  session->asked_bytes += request->size;
  cx_list_append(&session->asked, &request->in_asked);
  cx_list_append(&session->untold, &request->in_untold);
  cx_ready_post(&session->ready, &request->ready);
  return CX_OK;
}

/* ---- ending ---- */

/* Lets the session forget it. Whoever holds it is told if it wasn't his own doing. */
static void leave(codex_server_request *request, bool cancelled) {
  cx_session *session = request->session;
  codex_turn *turn = turn_of(session, request->turn_id);
  if (turn) turn->progress = session->now;
  session->asked_count--;
  session->asked_bytes -= request->size;
  cx_list_remove(&request->in_asked);
  request->session = NULL;
  if (!request->taken) {
    free_request(request);
  } else if (cancelled && !request->cancelled) {
    request->cancelled = true;
    cx_ready_post(&session->ready, &request->ready);
  }
}

static codex_server_request *next_asked(const cx_list *node) {
  return cx_list_entry(node->next, codex_server_request, in_asked);
}

void cx_server_requests_resolve(cx_session *session, const cx_message *message) {
  codex_slice id = cx_json_member(message->params, "requestId");
  if (!id.bytes) return;
  for (const cx_list *node = &session->asked; node->next != &session->asked; node = node->next) {
    codex_server_request *request = next_asked(node);
    if (!cx_slice_is(id, request->id.bytes, request->id.length)) continue;
    leave(request, true);
    return;
  }
}

static bool is_of_turn(const codex_server_request *request, const codex_turn *turn) {
  codex_slice id = request->turn_id;
  if (!id.bytes) return false;
  return cx_slice_is(id, turn->id.bytes, turn->id.length) ||
         (turn->active_id.bytes && cx_slice_is(id, turn->active_id.bytes, turn->active_id.length));
}

int cx_server_requests_turn_over(cx_session *session, const codex_turn *turn) {
  for (cx_list *node = session->asked.next, *next; node != &session->asked; node = next) {
    codex_server_request *request = cx_list_entry(node, codex_server_request, in_asked);
    next = node->next;
    if (request->cancelled || !is_of_turn(request, turn)) continue;
    if (request->taken) {
      request->cancelled = true;
      cx_ready_post(&session->ready, &request->ready);
      continue;
    }
    int status = answer_at_once(session, request->id, request->method);
    if (status != CX_OK) return status;
    leave(request, false);
  }
  return CX_OK;
}

bool cx_server_requests_of(const cx_session *session, const codex_turn *turn) {
  for (cx_list *node = session->asked.next; node != &session->asked; node = node->next) {
    const codex_server_request *request = cx_list_entry(node, codex_server_request, in_asked);
    if (!request->cancelled && (request->turn == turn->serial || is_of_turn(request, turn))) return true;
  }
  return false;
}

void cx_server_requests_close(cx_session *session) {
  while (!cx_list_empty(&session->asked)) {
    codex_server_request *request = next_asked(&session->asked);
    answer_at_once(session, request->id, request->method);
    leave(request, true);
  }
}

void cx_server_requests_end(cx_session *session) {
  while (!cx_list_empty(&session->asked))
    leave(next_asked(&session->asked), true);
}

/* ---- answering ---- */

codex_server_request *cx_session_next_server_request(cx_session *session) {
  if (cx_list_empty(&session->untold)) return NULL;
  codex_server_request *request = cx_list_entry(session->untold.next, codex_server_request, in_untold);
  cx_list_remove(&request->in_untold);
  cx_list_remove(&request->ready.node);
  request->taken = true;
  return request;
}

/* What to make of an answer that was written, or couldn't be. */
static codex_error_kind conclude(cx_session *session, codex_server_request *request, int status) {
  switch (status) {
  case CX_OK:
    session->statistics.answers++;
    leave(request, false);
    return CODEX_ERROR_NONE;
  case CX_EINVAL: return CODEX_ERROR_INVALID_ARGUMENT;
  case CX_ELIMIT: return CODEX_ERROR_OVERFLOW;
  default: return CODEX_ERROR_NO_MEMORY;
  }
}

codex_error_kind cx_session_answer(cx_session *session, codex_server_request *request, const char *result,
                                   size_t length) {
  if (!request->session) return CODEX_ERROR_CLOSED;
  return conclude(session, request, cx_answer_result(&session->output, request->id, result, length));
}

codex_error_kind cx_session_refuse(cx_session *session, codex_server_request *request, int code,
                                   const char *message) {
  if (!request->session) return CODEX_ERROR_CLOSED;
  return conclude(session, request, cx_answer_error(&session->output, request->id, code, message));
}

codex_error_kind cx_session_answer_safely(cx_session *session, codex_server_request *request) {
  if (!request->session) return CODEX_ERROR_CLOSED;
  int status = cx_answer_safely(&session->output, request->id, request->method);
  if (status == CX_ELIMIT) cx_session_fail_status(session, status); /* it reads nothing any more */
  return conclude(session, request, status);
}

void cx_server_request_release(codex_server_request *request) {
  if (request->session) cx_session_answer_safely(request->session, request);
  /* there was no memory for the answer, and nobody is left to give it: better the end than to let the server
   * wait */
  if (request->session) cx_session_fail_status(request->session, CX_ENOMEM);
  free_request(request);
}

uint64_t codex_server_request_serial(const codex_server_request *request) {
  return request->ready.serial;
}
codex_slice codex_server_request_id(const codex_server_request *request) {
  return request->id;
}
codex_slice codex_server_request_method(const codex_server_request *request) {
  return request->method;
}
codex_slice codex_server_request_params(const codex_server_request *request) {
  return request->params;
}
codex_slice codex_server_request_item(const codex_server_request *request) {
  return request->item;
}
uint64_t codex_server_request_turn(const codex_server_request *request) {
  return request->turn;
}
bool codex_server_request_open(const codex_server_request *request) {
  return request->session != NULL;
}
bool codex_server_request_cancelled(const codex_server_request *request) {
  return request->cancelled;
}
