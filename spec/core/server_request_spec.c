/* The server's requests: given out, and exactly one answer goes back, whatever becomes of them. */
#include "core/answers.h"
#include "core/server_request.h"
#include "core/turn.h"
#include "support.h"

#include <stdlib.h>

void server_request_spec(void);

#define DECLINED "{\"id\":%s,\"result\":{\"decision\":\"decline\"}}\n"

static void resolves(cx_session *session, const char *id) {
  feed(session, "{\"method\":\"serverRequest/resolved\",\"params\":{\"threadId\":\"th\",\"requestId\":%s}}",
       id);
}

/* The safe answers to the ids (JSON texts, separated by blanks), as lines. */
static const char *declined(const char *ids) {
  static char lines[4096];
  char copy[256], *rest = copy;
  size_t length = 0;
  lines[0] = 0;
  strcpy(copy, ids);
  for (char *id; (id = strtok_r(rest, " ", &rest)) != NULL;)
    length += (size_t)sprintf(lines + length, DECLINED, id);
  return lines;
}

static codex_error_kind answer(cx_session *session, codex_server_request *request, const char *result) {
  return cx_session_answer(session, request, result, strlen(result));
}

/* That nothing more can be said. */
static void check_over(cx_session *session, codex_server_request *request) {
  check(!codex_server_request_open(request));
  check(answer(session, request, "{}") == CODEX_ERROR_CLOSED);
  check(cx_session_refuse(session, request, 1, "no") == CODEX_ERROR_CLOSED);
  check(cx_session_answer_safely(session, request) == CODEX_ERROR_CLOSED);
  check_text(taken_output(session), "");
}

/* ---- given out and answered ---- */

static void requests_are_given_out(void) {
  cx_session *session = open_asked();
  check(take(session) == NULL);
  feed(session, "{\"id\":\"a\\\"b\",\"params\":{\"x\":[1, 2]},\"method\":\"item\\/tool\\/call\"}");
  asks(session, "-7", "T");
  check_text(taken_ready(session), "server request 1, server request 2");
  codex_server_request *first = take(session), *second = take(session);
  check(take(session) == NULL);
  check(codex_server_request_serial(first) == 1 && codex_server_request_serial(second) == 2);
  check_slice(codex_server_request_id(first), "\"a\\\"b\"");
  check_slice(codex_server_request_method(first), "item/tool/call");
  check_slice(codex_server_request_params(first), "{\"x\":[1, 2]}");
  check_slice(codex_server_request_item(first), NULL);
  check_slice(codex_server_request_id(second), "-7");
  check_slice(codex_server_request_params(second), "{\"threadId\":\"th\",\"turnId\":\"T\",\"itemId\":\"i\"}");
  check(codex_server_request_turn(first) == 0);
  check(codex_server_request_open(first) && !codex_server_request_cancelled(first));
  check(answer(session, second, "{\"decision\":\n\"accept\"}") == CODEX_ERROR_NONE);
  check(cx_session_refuse(session, first, -32000, "not \"now\"\n") == CODEX_ERROR_NONE);
  check_text(taken_output(session),
             "{\"id\":-7,\"result\":{\"decision\": \"accept\"}}\n"
             "{\"id\":\"a\\\"b\",\"error\":{\"code\":-32000,\"message\":\"not \\\"now\\\"\\n\"}}\n");
  check_over(session, first);
  check_over(session, second);
  check(!codex_server_request_cancelled(first));
  check_text(taken_ready(session), "");
  check(session->statistics.server_requests == 2 && session->statistics.answers == 2);
  codex_server_request_release(first);
  codex_server_request_release(second);
  codex_server_request_release(NULL);
  check_text(taken_output(session), "");
  cx_session_free(session);
}

/* Ids are nothing but bytes to be echoed; of a request without params there are none. */
static void requests_may_lack_everything(void) {
  cx_session *session = open_asked();
  feed(session, "{\"id\":0,\"method\":\"spec/unknown\"}");
  codex_server_request *request = take(session);
  check_slice(codex_server_request_params(request), NULL);
  check_slice(codex_server_request_item(request), NULL);
  codex_server_request_release(request);
  check_text(taken_output(session), "{\"id\":0,\"error\":{\"code\":-32601,\"message\":\"the client does not "
                                    "know this method\"}}\n");
  cx_session_free(session);
}

static void taking_takes_readiness_along(void) {
  cx_session *session = open_asked();
  asks(session, "1", "T");
  asks(session, "2", "T");
  codex_server_request *first = take(session);
  check_text(taken_ready(session), "server request 2");
  resolves(session, "2"); /* nobody has taken it: it is as if it had never come */
  check(take(session) == NULL);
  codex_server_request_release(first);
  cx_session_free(session);
}

/* Among what else becomes ready they come as they came. */
static void readiness_keeps_its_order(void) {
  cx_session *session = open_asked();
  codex_turn *turn = open_turn(session, "T", false);
  taken_ready(session);
  codex_request *request = ask(session, "m");
  codex_turn_watch(turn, CODEX_WATCH_STARTED);
  asks(session, "1", "T");
  turn_started(session, "T");
  asks(session, "2", "T");
  feed(session, "{\"id\":%d,\"result\":{}}", (int)codex_request_serial(request));
  check_text(taken_ready(session), "server request 1, turn 1, server request 2, request 2");
  codex_server_request *first = take(session), *second = take(session);
  resolves(session, "2");
  resolves(session, "1");
  check_text(taken_ready(session), "server request 2, server request 1");
  codex_server_request_release(first);
  codex_server_request_release(second);
  codex_request_release(request);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void one_that_is_let_go_is_answered_safely(void) {
  cx_session *session = open_asked();
  codex_server_request *request = asked(session, "1", "T");
  check_text(taken_output(session), "");
  codex_server_request_release(request);
  check_text(taken_output(session), declined("1"));
  check(session->statistics.answers == 1);
  check(session->asked_count == 0 && session->asked_bytes == 0);
  cx_session_free(session);
}

static void it_can_be_answered_safely(void) {
  cx_session *session = open_asked();
  codex_server_request *request = asked(session, "1", "T");
  check(cx_session_answer_safely(session, request) == CODEX_ERROR_NONE);
  check_text(taken_output(session), declined("1"));
  check_over(session, request);
  codex_server_request_release(request);
  check_text(taken_output(session), "");
  cx_session_free(session);
}

static void a_malformed_answer_leaves_it_open(void) {
  static const char *const malformed[] = {"",    "{",           "{}{}",   "nope",     "{\"a\":\"\xFF\"}",
                                          "01",  "[1,]",        "\"\n\"", "\"\\q\"",  "\"\xED\xA0\x80\"",
                                          "1 2", "\"\\ud800\"", "{a:1}",  "{\"a\" 1}"};
  cx_session *session = open_asked();
  codex_server_request *request = asked(session, "1", "T");
  for (size_t i = 0; i < COUNT(malformed); i++)
    check(answer(session, request, malformed[i]) == CODEX_ERROR_INVALID_ARGUMENT);
  check(cx_session_refuse(session, request, 1, "\xFF") == CODEX_ERROR_INVALID_ARGUMENT);
  check(codex_server_request_open(request) && session->statistics.answers == 0);
  check_text(taken_output(session), "");
  check(answer(session, request, " null ") == CODEX_ERROR_NONE);
  check_text(taken_output(session), "{\"id\":1,\"result\": null }\n");
  codex_server_request_release(request);
  cx_session_free(session);
}

/* More than may wait to be written. */
static void an_answer_that_is_too_large_leaves_it_open(void) {
  cx_session *session = open_asked();
  codex_server_request *request = asked(session, "1", "T");
  session->output.max = strlen(declined("1"));
  check(answer(session, request, "{\"decision\":\"acceptForSession\"}") == CODEX_ERROR_OVERFLOW);
  check(cx_session_refuse(session, request, 1, "rather a long sentence") == CODEX_ERROR_OVERFLOW);
  check(codex_server_request_open(request));
  codex_server_request_release(request);
  check_text(taken_output(session), declined("1"));
  check(session->error.kind == CODEX_ERROR_NONE);
  cx_session_free(session);
}

/* A server that reads nothing any more can't be told even that. */
static void a_safe_answer_that_does_not_fit_ends_the_connection(void) {
  cx_session *session = open_asked();
  codex_server_request *request = asked(session, "1", "T"), *other = asked(session, "2", "T");
  session->output.max = strlen(declined("1")) - 1;
  check(cx_session_answer_safely(session, request) == CODEX_ERROR_OVERFLOW);
  check(session->error.kind == CODEX_ERROR_OVERFLOW);
  check_over(session, request);
  check_over(session, other);
  check(codex_server_request_cancelled(other));
  codex_server_request_release(request);
  codex_server_request_release(other);
  cx_session_free(session);
}

static void the_time_is_told_by_the_session(void) {
  cx_session *session = open_asked();
  feed(session, "{\"id\":3,\"method\":\"currentTime/read\",\"params\":{}}");
  check_text(taken_ready(session), "");
  check(take(session) == NULL);
  check(strncmp(taken_output(session), "{\"id\":3,\"result\":{\"currentTimeAt\":", 34) == 0);
  check(session->statistics.answers == 1 && session->asked_count == 0);
  cx_session_free(session);
}

/* ---- withdrawn ---- */

static void withdrawn_before_it_was_taken(void) {
  cx_session *session = open_asked();
  asks(session, "1", "T");
  asks(session, "\"1\"", "T");
  resolves(session, "1");
  check_text(taken_ready(session), "server request 2");
  codex_server_request *request = take(session);
  check_slice(codex_server_request_id(request), "\"1\"");
  check(!codex_server_request_cancelled(request));
  codex_server_request_release(request);
  check_text(taken_output(session), declined("\"1\""));
  check(session->asked_count == 0 && session->asked_bytes == 0);
  cx_session_free(session);
}

static void withdrawn_after_it_was_taken(void) {
  cx_session *session = open_asked();
  codex_server_request *number = asked(session, "1", "T"), *text = asked(session, "\"1\"", "T");
  resolves(session, "\"1\"");
  check_text(taken_ready(session), "server request 2");
  check(codex_server_request_cancelled(text) && !codex_server_request_cancelled(number));
  check_over(session, text);
  resolves(session, "\"1\"");
  check_text(taken_ready(session), "");
  resolves(session, "1");
  check_text(taken_ready(session), "server request 1");
  codex_server_request_release(number);
  codex_server_request_release(text);
  check_text(taken_output(session), "");
  check(session->statistics.answers == 0);
  cx_session_free(session);
}

static void what_is_over_can_not_be_withdrawn(void) {
  cx_session *session = open_asked();
  codex_server_request *request = asked(session, "1", "T");
  answer(session, request, "{}");
  taken_output(session);
  resolves(session, "1"); /* as the server does after each answer */
  check_text(taken_ready(session), "");
  check(!codex_server_request_cancelled(request));
  codex_server_request_release(request);
  resolves(session, "1");
  cx_session_free(session);
}

static void other_ids_withdraw_nothing(void) {
  static const char *const others[] = {"2", "\"1\"", "10", "-1", "1.0", "null", "{\"id\":1}", "[1]", "true"};
  cx_session *session = open_asked();
  codex_server_request *request = asked(session, "1", "T");
  for (size_t i = 0; i < COUNT(others); i++)
    resolves(session, others[i]);
  feed(session, "{\"method\":\"serverRequest/resolved\",\"params\":{\"threadId\":\"th\"}}");
  feed(session, "{\"method\":\"serverRequest/resolved\",\"params\":[1]}");
  feed(session, "{\"method\":\"serverRequest/resolved\"}");
  feed(session, "{\"method\":\"serverRequest/resolving\",\"params\":{\"requestId\":1}}");
  check(codex_server_request_open(request) && !codex_server_request_cancelled(request));
  check_text(taken_ready(session), "");
  codex_server_request_release(request);
  check_text(taken_output(session), declined("1"));
  cx_session_free(session);
}

/* ---- its turn ---- */

static void its_turn_ends_before_it_was_taken(void) {
  cx_session *session = open_asked();
  asks(session, "1", "T");
  asks(session, "2", "other");
  feed(session, "{\"id\":3,\"method\":\"" COMMAND "\",\"params\":{}}");
  turn_completed(session, "T");
  check_text(taken_output(session), declined("1"));
  check_text(taken_ready(session), "server request 2, server request 3");
  resolves(session, "1");
  check(session->asked_count == 2);
  codex_server_request *second = take(session), *third = take(session);
  check(take(session) == NULL);
  codex_server_request_release(second);
  codex_server_request_release(third);
  check_text(taken_output(session), declined("2 3"));
  cx_session_free(session);
}

static void its_turn_ends_after_it_was_taken(void) {
  cx_session *session = open_asked();
  codex_server_request *resolved = asked(session, "1", "T"), *answered = asked(session, "2", "T"),
                       *released = asked(session, "3", "T"), *other = asked(session, "4", "other");
  turn_completed(session, "T");
  check_text(taken_output(session), "");
  check_text(taken_ready(session), "server request 1, server request 2, server request 3");
  check(codex_server_request_cancelled(released) && codex_server_request_open(released));
  check(!codex_server_request_cancelled(other));
  resolves(session, "1");
  check_text(taken_ready(session), "");
  check_over(session, resolved);
  check(answer(session, answered, "{}") == CODEX_ERROR_NONE);
  check_text(taken_output(session), "{\"id\":2,\"result\":{}}\n");
  check_over(session, answered);
  codex_server_request_release(released);
  check_text(taken_output(session), declined("3"));
  turn_completed(session, "T");
  check_text(taken_ready(session), "");
  codex_server_request_release(resolved);
  codex_server_request_release(answered);
  codex_server_request_release(other);
  check(session->asked_count == 0 && session->asked_bytes == 0);
  cx_session_free(session);
}

/* What was asked of it is told even when the user let go of it before it is over. */
static void a_released_turn_still_ends_what_is_asked_in_it(void) {
  cx_session *session = open_asked();
  codex_turn_release(open_turn(session, "T", false));
  codex_server_request *request = asked(session, "1", "T");
  asks(session, "2", "T");
  taken_ready(session);
  turn_completed(session, "T");
  check(codex_server_request_cancelled(request));
  check_text(taken_output(session), declined("2"));
  check_text(taken_ready(session), "server request 1");
  turn_completed(session, "T"); /* nobody knows it any more */
  check_text(taken_ready(session), "");
  codex_server_request_release(request);
  cx_session_free(session);
}

/* A review runs under another id, and the server may ask under either. */
static void of_a_review_both_ids_count(void) {
  cx_session *session = open_asked();
  codex_turn *review = open_turn(session, "R", false);
  message_delta(session, "R", "i", "on it"); /* by which its thread is known */
  feed(session, "{\"method\":\"turn/started\",\"params\":{\"threadId\":\"th\",\"turn\":{\"id\":\"X\","
                "\"rootTurnId\":\"R\"}}}");
  taken_ready(session);
  codex_server_request *own = asked(session, "1", "R"), *active = asked(session, "2", "X");
  check(codex_server_request_turn(own) == codex_turn_serial(review));
  check(codex_server_request_turn(active) == codex_turn_serial(review));
  asks(session, "3", "X");
  asks(session, "4", "R");
  taken_ready(session);
  turn_completed(session, "R");
  check(codex_server_request_cancelled(own) && codex_server_request_cancelled(active));
  check_text(taken_output(session), declined("3 4"));
  codex_server_request_release(own);
  codex_server_request_release(active);
  codex_turn_release(review);
  cx_session_free(session);
}

static void started_for(cx_session *session, const char *turn, const char *root) {
  feed(session,
       "{\"method\":\"turn/started\",\"params\":{\"threadId\":\"thread of %s\",\"turn\":{\"id\":\"%s\","
       "\"rootTurnId\":\"%s\"}}}",
       turn, turn, root);
}

static void a_sub_agents_request_names_the_users_turn(void) {
  cx_session *session = open_asked();
  codex_turn *turn = open_turn(session, "T", false);
  taken_ready(session);
  started_for(session, "child", "T");
  started_for(session, "orphan", "gone");
  codex_server_request *own = asked(session, "1", "T"), *childs = asked(session, "2", "child"),
                       *orphans = asked(session, "3", "orphan"), *unknown = asked(session, "4", "unheard of");
  check(codex_server_request_turn(own) == codex_turn_serial(turn));
  check(codex_server_request_turn(childs) == codex_turn_serial(turn));
  check(codex_server_request_turn(orphans) == 3);
  check(codex_server_request_turn(unknown) == 0);
  turn_completed(session, "child"); /* that is the turn it is asked in */
  check(codex_server_request_cancelled(childs) && !codex_server_request_cancelled(own));
  codex_server_request_release(own);
  codex_server_request_release(childs);
  codex_server_request_release(orphans);
  codex_server_request_release(unknown);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* ---- the end of the connection ---- */

static void closing_answers_all(void) {
  cx_session *session = open_asked();
  codex_server_request *taken = asked(session, "1", "T"), *over = asked(session, "2", "U");
  turn_completed(session, "U");
  asks(session, "3", "T");
  taken_ready(session);
  cx_server_requests_close(session);
  check_text(taken_output(session), declined("1 2 3"));
  check_text(taken_ready(session), "server request 1");
  check(codex_server_request_cancelled(taken));
  check_over(session, taken);
  check_over(session, over);
  check(take(session) == NULL);
  check(session->asked_count == 0 && session->asked_bytes == 0);
  cx_server_requests_close(session);
  codex_server_request_release(taken);
  codex_server_request_release(over);
  check_text(taken_output(session), "");
  cx_session_free(session);
}

static void a_connection_that_fails_leaves_nothing_open(void) {
  cx_session *session = open_asked();
  codex_server_request *taken = asked(session, "1", "T");
  asks(session, "2", "T");
  fail_session(session, CODEX_ERROR_TRANSPORT_CLOSED, "gone");
  check_text(taken_ready(session), "server request 1, closed");
  check(codex_server_request_cancelled(taken));
  check_over(session, taken);
  check(take(session) == NULL);
  asks(session, "3", "T");
  check(take(session) == NULL);
  check_text(taken_output(session), "");
  codex_server_request_release(taken);
  check(session->statistics.answers == 0);
  cx_session_free(session);
}

static void requests_outlive_their_session(void) {
  cx_session *session = open_asked();
  codex_server_request *unread = asked(session, "1", "T"), *told = asked(session, "2", "T"),
                       *answered = asked(session, "3", "T");
  asks(session, "4", "T");
  resolves(session, "2"); /* its readiness is still queued when the session goes */
  answer(session, answered, "{}");
  cx_session_free(session);
  codex_server_request *const all[] = {unread, told, answered};
  for (size_t i = 0; i < COUNT(all); i++) {
    check(!codex_server_request_open(all[i]));
    check(codex_server_request_cancelled(all[i]) == (all[i] != answered));
    check(codex_server_request_serial(all[i]) == i + 1);
    check_slice(codex_server_request_method(all[i]), COMMAND);
    codex_server_request_release(all[i]);
  }
}

/* ---- limits ---- */

static void so_many_may_be_open(void) {
  cx_session *session = open_asked();
  char id[32];
  for (unsigned n = 1; n <= CX_MAX_ASKED + 1; n++) {
    sprintf(id, "%u", n);
    asks(session, id, "T");
    bool refused = n > CX_MAX_ASKED;
    check(session->statistics.refused_requests == refused);
    check_text(taken_output(session), refused ? declined(id) : "");
  }
  check(session->asked_count == CX_MAX_ASKED);
  codex_server_request_release(take(session));
  check_text(taken_output(session), declined("1"));
  asks(session, "\"again\"", "T");
  asks(session, "\"too_many\"", "T");
  check_text(taken_output(session), declined("\"too_many\""));
  check(session->statistics.refused_requests == 2);
  check(session->statistics.server_requests == CX_MAX_ASKED + 3);
  cx_server_requests_close(session);
  check(session->statistics.answers == session->statistics.server_requests);
  cx_session_free(session);
}

/* A request of a turn, with so many bytes in it that are of no use. */
static void asks_at_length(cx_session *session, int id, size_t padding) {
  char *line = malloc(padding + 200);
  int length =
      sprintf(line, "{\"id\":%d,\"method\":\"" COMMAND "\",\"params\":{\"turnId\":\"T\",\"x\":\"", id);
  memset(line + length, 'x', padding);
  size_t end = (size_t)length + padding;
  end += (size_t)sprintf(line + end, "\"}}\n");
  feed_bytes(session, line, end);
  free(line);
}

static void so_many_bytes_may_be_open(void) {
  for (size_t over = 0; over <= 2; over++) {
    cx_session *session = open_asked();
    asks_at_length(session, 1, 0);
    size_t least = session->asked_bytes;
    asks_at_length(session, 2, CX_MAX_ASKED_BYTES / 2);
    size_t left = CX_MAX_ASKED_BYTES - session->asked_bytes;
    asks_at_length(session, 3, left - least - 1 + over);
    check(session->statistics.refused_requests == (over == 2));
    check_text(taken_output(session), over == 2 ? declined("3") : "");
    if (over < 2) check(session->asked_bytes == CX_MAX_ASKED_BYTES - 1 + over);
    resolves(session, "2");
    asks_at_length(session, 4, CX_MAX_ASKED_BYTES / 4);
    check(session->statistics.refused_requests == (over == 2));
    cx_server_requests_close(session);
    check(session->asked_bytes == 0 && session->asked_count == 0);
    cx_session_free(session);
  }
}

/* ---- without memory ---- */

/* How many answers to an id are among what was written. */
static unsigned answers_to(const char *output, int id) {
  char start[32];
  unsigned count = 0;
  size_t length = (size_t)sprintf(start, "{\"id\":%d,", id);
  for (const char *line = output; *line; line = strchr(line, '\n') + 1)
    count += strncmp(line, start, length) == 0;
  return count;
}

/* What is asked here: answered, refused, answered safely, let go, over before it was taken and after,
 * withdrawn, and open at the end. */
enum { ANSWERED = 1, REFUSED, SAFE, LET_GO, EARLY, LATE, WITHDRAWN, LEFT, LAST = LEFT };

static void ask_all(cx_session *session) {
  char id[16];
  for (int i = 1; i <= LAST; i++) {
    sprintf(id, "%d", i);
    asks(session, id, i == EARLY ? "E" : i == LATE ? "L" : "T");
  }
}

static void use_all(cx_session *session, codex_server_request **requests) {
  codex_server_request *request = requests[ANSWERED];
  if (request && answer(session, request, "{\"decision\":\"accept\"}") == CODEX_ERROR_NO_MEMORY)
    check(answer(session, request, "{\"decision\":\"accept\"}") != CODEX_ERROR_NO_MEMORY);
  request = requests[REFUSED];
  if (request && cx_session_refuse(session, request, 1, "no") == CODEX_ERROR_NO_MEMORY)
    check(cx_session_refuse(session, request, 1, "no") != CODEX_ERROR_NO_MEMORY);
  request = requests[SAFE];
  if (request && cx_session_answer_safely(session, request) == CODEX_ERROR_NO_MEMORY)
    check(cx_session_answer_safely(session, request) != CODEX_ERROR_NO_MEMORY);
  codex_server_request_release(requests[LET_GO]);
  requests[LET_GO] = NULL;
  turn_completed(session, "L");
  resolves(session, "7");
}

/* Whatever fails, no request has two answers, and unless the connection has ended each has one. */
static void lose_no_answer(void) {
  cx_session *session = open_asked();
  if (!session) return;
  codex_server_request *requests[LAST + 1] = {NULL};
  item_event(session, "started", "{\"id\":\"i\",\"changes\":[1]}");
  patch_updated(session, "i", ",\"changes\":[1,2]");
  ask_all(session);
  turn_completed(session, "E");
  for (codex_server_request *request; (request = take(session)) != NULL;)
    requests[codex_server_request_id(request).bytes[0] - '0'] = request; /* no zero byte follows */
  use_all(session, requests);
  bool ended = session->error.kind != CODEX_ERROR_NONE;
  check(!ended || test_allocation_failed());
  bool failed_before = test_allocation_failed();
  cx_server_requests_close(session);
  bool all = !ended && test_allocation_failed() == failed_before; /* who leaves may leave without a word */
  const char *output = taken_output(session);
  for (int i = 1; i <= LAST; i++) {
    check(answers_to(output, i) <= 1);
    if (all && i != WITHDRAWN) check(answers_to(output, i) == 1);
    codex_server_request_release(requests[i]);
  }
  check_text(taken_output(session), "");
  if (all) check(session->statistics.answers == LAST - 1);
  cx_session_free(session);
}

static void no_answer_is_lost_without_memory(void) {
  test_each_allocation_failing(lose_no_answer);
}

/* Letting go can't be tried again: what then can't be said ends the connection, rather than let the server
 * wait.
 */
static void let_go_without_memory(void) {
  cx_session *session = open_asked();
  if (!session) return;
  asks(session, "1", "T");
  codex_server_request *request = take(session);
  bool before = session->error.kind != CODEX_ERROR_NONE;
  codex_server_request_release(request);
  bool ended = session->error.kind != CODEX_ERROR_NONE;
  check(before || !request || answers_to(taken_output(session), 1) == !ended);
  check(session->asked_count == 0);
  cx_session_free(session);
}

static void letting_go_without_memory_leaves_nobody_waiting(void) {
  test_each_allocation_failing(let_go_without_memory);
}

/* ---- answers as lines ---- */

static int write_result(cx_buffer *out) {
  return cx_answer_result(out, SLICE("\"x\""), "{\n\"a\":[1,\r\n2]}", 14);
}

static int write_error(cx_buffer *out) {
  return cx_answer_error(out, SLICE("7"), -32601, "a \"b\"\n\xC3\xA4");
}

static const struct writer {
  int (*write)(cx_buffer *out);
  const char *line;
} writers[] = {
    {write_result, "{\"id\":\"x\",\"result\":{ \"a\":[1,  2]}}\n"},
    {write_error, "{\"id\":7,\"error\":{\"code\":-32601,\"message\":\"a \\\"b\\\"\\n\xC3\xA4\"}}\n"},
};

static void answers_come_whole_or_not_at_all(void) {
  for (size_t i = 0; i < COUNT(writers); i++) {
    size_t length = strlen(writers[i].line);
    for (size_t max = 1; max <= length + 1; max++) {
      cx_buffer out;
      cx_buffer_init(&out, max + 4);
      cx_buffer_append_string(&out, "...\n");
      check(writers[i].write(&out) == (max < length ? CX_ELIMIT : CX_OK));
      check_bytes(cx_buffer_bytes(&out), 4, "...\n");
      check_bytes(cx_buffer_bytes(&out) + 4, cx_buffer_length(&out) - 4, max < length ? "" : writers[i].line);
      cx_buffer_free(&out);
    }
  }
}

static void refuse_and_append_nothing(void) {
  cx_buffer out;
  cx_buffer_init(&out, SIZE_MAX);
  check(cx_answer_result(&out, SLICE("1"), "{\"a\":", 5) == CX_EINVAL);
  check(cx_answer_result(&out, SLICE("1"), "\"\xFF\"", 3) == CX_EINVAL);
  check(cx_answer_error(&out, SLICE("1"), 1, "\xFF") == CX_EINVAL);
  char deep[2 * 127];
  memset(deep, '[', 127);
  memset(deep + 127, ']', 127);
  check(cx_answer_result(&out, SLICE("1"), deep, sizeof deep) == CX_EINVAL);
  check(cx_buffer_length(&out) == 0);
  cx_buffer_free(&out);
}

static void write_both(void) {
  cx_buffer out;
  for (size_t i = 0; i < COUNT(writers); i++) {
    cx_buffer_init(&out, SIZE_MAX);
    int status = writers[i].write(&out);
    check(status == CX_OK || (status == CX_ENOMEM && test_allocation_failed()));
    check_bytes(status == CX_OK ? cx_buffer_bytes(&out) : "", cx_buffer_length(&out),
                status == CX_OK ? writers[i].line : "");
    cx_buffer_free(&out);
  }
}

static void answers_may_lack_memory(void) {
  test_each_allocation_failing(write_both);
}

void server_request_spec(void) {
  it("gives the server's requests out, and takes one answer each", requests_are_given_out);
  it("gives out a request of which there is nothing but a method", requests_may_lack_everything);
  it("reports none that has been taken, or withdrawn before", taking_takes_readiness_along);
  it("reports requests among what else becomes ready, in order", readiness_keeps_its_order);
  it("answers safely for one that is let go", one_that_is_let_go_is_answered_safely);
  it("answers safely when told to", it_can_be_answered_safely);
  it("keeps one open whose answer is malformed", a_malformed_answer_leaves_it_open);
  it("keeps one open whose answer is too large", an_answer_that_is_too_large_leaves_it_open);
  it("ends a connection that takes not even the safe answer",
     a_safe_answer_that_does_not_fit_ends_the_connection);
  it("tells the time without asking anybody", the_time_is_told_by_the_session);
  it("forgets one that is withdrawn before it was taken", withdrawn_before_it_was_taken);
  it("says so when one is withdrawn after it was taken", withdrawn_after_it_was_taken);
  it("takes no withdrawal of what has its answer", what_is_over_can_not_be_withdrawn);
  it("withdraws none for another's id", other_ids_withdraw_nothing);
  it("answers at once what nobody has taken when its turn ends", its_turn_ends_before_it_was_taken);
  it("leaves the answer to whoever has taken it when its turn ends", its_turn_ends_after_it_was_taken);
  it("tells of a turn's end though its user let go of it", a_released_turn_still_ends_what_is_asked_in_it);
  it("knows a review by both of its ids", of_a_review_both_ids_count);
  it("names the user's turn for a sub-agent's request", a_sub_agents_request_names_the_users_turn);
  it("answers all when the client is shut down", closing_answers_all);
  it("answers none when the connection has ended", a_connection_that_fails_leaves_nothing_open);
  it("lets request objects outlive the session", requests_outlive_their_session);
  it("limits how many are open", so_many_may_be_open);
  it("limits how many bytes are open", so_many_bytes_may_be_open);
  it("loses no answer for lack of memory", no_answer_is_lost_without_memory);
  it("leaves nobody waiting when it is let go without memory",
     letting_go_without_memory_leaves_nobody_waiting);
  it("writes answers whole or not at all", answers_come_whole_or_not_at_all);
  it("writes nothing of an answer that isn't JSON", refuse_and_append_nothing);
  it("takes back an answer that memory didn't reach for", answers_may_lack_memory);
}
