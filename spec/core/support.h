/* What the core's specs share: a session to feed, lines as the server writes them, and written accounts of
 * what came of them, which can be compared whole. */
#ifndef SPEC_SUPPORT_H
#define SPEC_SUPPORT_H

#include "core/session.h"
#include "test.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
/* A string literal as a slice. */
#define SLICE(literal) ((codex_slice){literal, sizeof(literal) - 1})

/* Whatever answers NULL for lack of memory may be asked for again. */
#define TWICE(target, call)                                                                                  \
  for (int tries = 2; !(target) && tries > 0; tries--)                                                       \
  (target) = (call)

#define check_slice(slice, expected) test_check_slice((slice), (expected), __FILE__, __LINE__)
/* Compares NUL-terminated strings; text is evaluated once. */
#define check_text(text, expected) test_check_text((text), (expected), __FILE__, __LINE__)
void test_check_text(const char *text, const char *expected, const char *file, int line);
void test_check_slice(codex_slice slice, const char *expected, const char *file, int line);

/* ---- a session ---- */

cx_session *open_session(void);
cx_session *open_limited(size_t max_line, size_t max_unread, unsigned max_in_flight);

/* Gives bytes to the session as if they had been read, and steps until nothing is left. */
void feed_bytes(cx_session *session, const char *bytes, size_t length);

/* The same for one line, whose end is added. */
__attribute__((format(printf, 2, 3))) void feed(cx_session *session, const char *format, ...);

/* Takes what is to be written; valid until the next call. */
const char *taken_output(cx_session *session);

/* Takes what became ready, as text: "request 3, turn 1, closed". */
const char *taken_ready(cx_session *session);

void fail_session(cx_session *session, codex_error_kind kind, const char *message);

/* ---- requests and turns ---- */

codex_request *ask(cx_session *session, const char *method);
codex_request *ask_until(cx_session *session, const char *method, double deadline);
codex_request *start_turn(cx_session *session, bool keep_events);

/* Answers a start with that turn's id. */
void answer_start(cx_session *session, const codex_request *request, const char *turn);

/* A turn whose start has been asked and answered; nothing of it is left to write or to report. */
codex_turn *open_turn(cx_session *session, const char *id, bool keep_events);

/* Events of a turn; texts are the contents of JSON strings. phase may be NULL. */
void turn_started(cx_session *session, const char *turn);
void message_delta(cx_session *session, const char *turn, const char *item, const char *text);
void message_completed(cx_session *session, const char *turn, const char *item, const char *text,
                       const char *phase);
void turn_completed(cx_session *session, const char *turn);

/* ---- requests of the server ---- */

#define COMMAND "item/commandExecution/requestApproval"

/* A session that gives them out. */
cx_session *open_asked(void);

/* The server asks about item "i" of a turn. id is JSON text. */
void asks(cx_session *session, const char *id, const char *turn);

codex_server_request *take(cx_session *session);

/* Asked and taken; nothing is left to report. */
codex_server_request *asked(cx_session *session, const char *id, const char *turn);

/* Events of items in turn "T": event is "started" or "completed", item JSON text; rest follows the id, as
 * JSON text that begins with a comma, or "". */
void item_event(cx_session *session, const char *event, const char *item);
void patch_updated(cx_session *session, const char *id, const char *rest);

typedef struct agent_message {
  const char *delta, *text, *phase; /* text NULL: it never completes */
} agent_message;

/* Sends four messages, m0 to m3, or as much of each as there is. */
void send_messages(cx_session *session, const char *turn, const agent_message *messages);

/* Sends a whole turn: its start, a delta, an event that nobody knows, a message, its end. */
void send_a_turn(cx_session *session, const char *turn);

/* ---- accounts ---- */

typedef struct account {
  char text[1 << 16];
  size_t length;
} account;

__attribute__((format(printf, 2, 3))) void note(account *to, const char *format, ...);
void note_request(account *to, codex_request *request);
void note_turn(account *to, codex_turn *turn);

/* Reads a stream to its end, or as far as it goes: a line for each event or piece of text, then how it ended.
 */
void note_stream(account *to, codex_stream *stream, bool text);
#define check_account(account, expected) check_bytes((account)->text, (account)->length, (expected))

/* Reads a stream into a text of its own, for one check: methods, or pieces of text, separated by commas. */
const char *methods_of(codex_stream *stream);
const char *pieces_of(codex_stream *stream);

#endif
