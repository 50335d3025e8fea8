/* A request on its way: waiting in the queue, on the wire, or done. */
#ifndef CODEX_CORE_REQUEST_H
#define CODEX_CORE_REQUEST_H

#include "buffer.h"
#include "codex.h"
#include "list.h"
#include "ready.h"

/* What may wait to be written, queued requests included. */
#define CX_MAX_OUTPUT ((size_t)256 << 20)

typedef enum cx_request_state { CX_REQUEST_QUEUED, CX_REQUEST_SENT, CX_REQUEST_DONE } cx_request_state;

struct codex_request {
  cx_request_state state;
  bool released; /* nobody waits for it */
  bool starts_turn;
  bool keep_events;
  bool initializes;
  bool exempt; /* takes long by nature: not counted against max_in_flight */
  bool joined;
  struct cx_session *session; /* NULL once done */
  uint64_t id;                /* on the wire, and its serial */
  uint64_t written;           /* its place among the requests written */
  double deadline;            /* a time, or negative */
  cx_list in_untaken;         /* exempt and written, and not known to have left the server's inbox yet */
  cx_list in_session;         /* the queue, or what is on the wire, in order */
  cx_ready ready;
  char *method;
  char *thread_id; /* of one that starts a turn; NULL: unknown */
  char *line;      /* as it will be written, until it is */
  size_t line_length;
  char *answer; /* the answer's line */
  codex_slice result, error_object;
  codex_error error;
  codex_turn *turn;
};

/* Whether a method's answer may take as long as what it runs. */
bool cx_method_takes_long(const char *method);

/* Makes a request in state QUEUED with its line built: CX_OK or CX_ENOMEM; or one without a line, and why:
 * CX_EINVAL for params that aren't JSON, CX_ELIMIT for a line longer than the queue may ever hold. params may
 * be NULL. */
int cx_request_new(codex_request **request, uint64_t id, const char *method, const char *params,
                   size_t length);

/* Keeps the thread that params name. CX_OK or CX_ENOMEM. */
int cx_request_note_thread(codex_request *request, const char *params, size_t length);

/* Takes the answer in: a copy of the line, and where result or error are. CX_OK or CX_ENOMEM. */
int cx_request_answer(codex_request *request, codex_slice line, codex_slice result, codex_slice error);

/* Ends a request that has no answer, or none that could be taken in. */
void cx_request_fail(codex_request *request, const codex_error *error);

/* Frees it, wherever it is; the session has let go of it. */
void cx_request_free(codex_request *request);

/* Appends JSON text, with spaces for its newlines, so that it can be part of a line. CX_OK, CX_ENOMEM,
 * CX_ELIMIT, or CX_EINVAL when it isn't valid JSON in UTF-8, or too deep; then something may have been
 * appended. */
int cx_write_json(cx_buffer *out, const char *text, size_t length);

/* Appends `{"method":…,"id":…,"params":…}` and a newline. id 0: a notification. As cx_write_json,
 * but on failure nothing is appended. */
int cx_write_call(cx_buffer *out, uint64_t id, const char *method, const char *params, size_t length);

#endif
