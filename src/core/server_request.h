/* The server's own requests: what it asks, until exactly one answer has gone back.
 *
 * One that is open is in its session's list. It leaves it with its answer, or when the server says that none
 * is wanted any more, or when the connection ends. */
#ifndef CODEX_CORE_SERVER_REQUEST_H
#define CODEX_CORE_SERVER_REQUEST_H

#include "session.h"

/* How many may be open at once, and how many bytes all of them together hold. Beyond that each is answered
 * safely as it comes. */
#define CX_MAX_ASKED 1024u
#define CX_MAX_ASKED_BYTES ((size_t)64 << 20)

struct codex_server_request {
  cx_session *session; /* NULL: it isn't open */
  cx_list in_asked;    /* all that are open */
  cx_list in_untold;   /* those that nobody has taken yet, oldest first */
  cx_ready ready;
  bool taken; /* a user holds it */
  bool cancelled;
  uint64_t turn; /* serial of the user's turn, 0: unknown */
  char *line;    /* the item is behind it */
  size_t size;
  codex_slice id, method, params, turn_id, item;
};

/* Takes in a request: to be given out, or answered at once. CX_OK, CX_ENOMEM or CX_ELIMIT. */
int cx_server_requests_add(cx_session *session, const cx_message *message);

/* Ends the one that serverRequest/resolved names: it needs no answer any more. */
void cx_server_requests_resolve(cx_session *session, const cx_message *message);

/* What is open of a turn that has ended is wanted by nobody. The server still resolves it, mostly, so that
 * its answer is left to whoever has taken it. CX_OK, CX_ENOMEM or CX_ELIMIT. */
int cx_server_requests_turn_over(cx_session *session, const codex_turn *turn);

/* Whether one is open that is asked for this turn, or for a sub-agent's of it. */
bool cx_server_requests_of(const cx_session *session, const codex_turn *turn);

/* Answers safely all that are open. */
void cx_server_requests_close(cx_session *session);

/* Ends all that are open, unanswered. */
void cx_server_requests_end(cx_session *session);

/* What codex_client_next_server_request and its like do. */
codex_server_request *cx_session_next_server_request(cx_session *session);
codex_error_kind cx_session_answer(cx_session *session, codex_server_request *request, const char *result,
                                   size_t length);
codex_error_kind cx_session_refuse(cx_session *session, codex_server_request *request, int code,
                                   const char *message);
codex_error_kind cx_session_answer_safely(cx_session *session, codex_server_request *request);
void cx_server_request_release(codex_server_request *request);

#endif
