/* One connection's state, without any I/O: bytes come in, bytes go out, and what became ready is pulled.
 *
 *   in:   cx_session_reserve, cx_session_commit, then cx_session_step until it says there is nothing more
 *   out:  the bytes of cx_session_output, consumed as they are written
 *   time: cx_session_deadline says when cx_session_expire wants to be called
 *
 * Times are seconds on any clock that only goes forward; the caller's, given with each call. */
#ifndef CODEX_CORE_SESSION_H
#define CODEX_CORE_SESSION_H

#include "buffer.h"
#include "codex.h"
#include "frame.h"
#include "list.h"
#include "map.h"
#include "message.h"
#include "ready.h"
#include "usage.h"

/* Turns nobody has claimed: how many are kept, and how many bytes all of them together hold. */
#define CX_MAX_UNCLAIMED_TURNS 64
#define CX_MAX_UNCLAIMED_BYTES ((size_t)16 << 20)

typedef struct cx_session {
  codex_client *client; /* who writes the output; NULL: nobody does */
  unsigned max_in_flight;
  size_t max_unread;
  cx_frame frame;
  cx_buffer output, scratch;
  cx_beginnings beginnings;
  uint64_t forgotten; /* how many turns have been */
  cx_map sent;        /* by id: the eight bytes of codex_request.id */
  cx_map turns;       /* by turn id */
  cx_usages usages;
  cx_list queue, on_wire, all_turns, unclaimed, unstarted, ready;
  bool delivers;         /* the server's requests are given out */
  cx_list asked, untold; /* of the server, see server_request.h */
  unsigned asked_count;
  size_t asked_bytes;
  cx_list streams;    /* of the connection */
  codex_stream *kept; /* one of them: notifications outside of turns, for whoever asks first */
  cx_ready closed;
  cx_list untaken;    /* requests that take long, until an answer shows that the server has read them */
  unsigned in_flight; /* unanswered requests that don't take long */
  unsigned untaken_count;
  unsigned unclaimed_count;
  size_t unclaimed_bytes;
  size_t queued_bytes;
  uint64_t last_id, last_turn, last_stream, last_server_request, written;
  double now;           /* as of the last cx_session_expire */
  double next_deadline; /* no request ends sooner; negative: none has a deadline */
  codex_error error;    /* kind is not NONE once the connection has ended */
  codex_statistics statistics;
} cx_session;

/* Makes a session. NULL when out of memory. */
cx_session *cx_session_new(const codex_options *options);

/* Ends all requests and turns that still are open with CODEX_ERROR_CLOSED and frees the session. Objects that
 * users hold stay valid until released. */
void cx_session_free(cx_session *session);

/* Room for bytes that were read; see cx_frame_reserve. NULL: out of memory, and the session has failed. */
char *cx_session_reserve(cx_session *session, size_t *space);
void cx_session_commit(cx_session *session, size_t length);

/* Handles complete lines, about budget bytes of them and at least one; a line larger than the budget is
 * handled alone. Answers whether more lines are waiting. */
bool cx_session_step(cx_session *session, size_t budget);

/* Ends the connection: every open request and turn ends with this error. Only the first error counts. */
void cx_session_fail(cx_session *session, const codex_error *error);

/* The same for what must be sent and can't be: CX_ENOMEM or CX_ELIMIT. */
void cx_session_fail_status(cx_session *session, int status);

/* Bytes to be written; consume them with cx_buffer_consume. */
static inline cx_buffer *cx_session_output(cx_session *session) {
  return &session->output;
}

/* When the next request runs out of time; negative: never. */
double cx_session_deadline(const cx_session *session);
void cx_session_expire(cx_session *session, double now);

/* What codex_client_idle and codex_client_tell do. */
double cx_session_idle(const cx_session *session, const codex_turn *turn, double now);
void cx_session_tell(cx_session *session, const char *line, size_t length);

/* What codex_client_request and its like do; deadline is a time, or negative. */
codex_request *cx_session_request(cx_session *session, const char *method, const char *params, size_t length,
                                  double deadline);
codex_request *cx_session_start_turn(cx_session *session, const char *method, const char *params,
                                     size_t length, double deadline, bool keep_events);
codex_request *cx_session_initialize(cx_session *session, const char *params, size_t length, double deadline);
codex_error_kind cx_session_notify(cx_session *session, const char *method, const char *params,
                                   size_t length);
codex_stream *cx_session_stream(cx_session *session, const codex_filter *filter);
codex_turn *cx_session_turn(cx_session *session, const char *turn_id, size_t length, bool keep_events);
codex_turn *cx_session_child_turn(cx_session *session, const char *root_id, size_t length);
bool cx_session_next_ready(cx_session *session, codex_ready *ready);

#endif
