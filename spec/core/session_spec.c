/* One connection: requests and who may be on the wire, time, limits, and the end. */
#include "core/request.h"
#include "core/turn.h"

#include "support.h"

void session_spec(void);

/* ---- requests ---- */

static void a_request_is_answered(void) {
  cx_session *session = open_session();
  codex_request *request = ask(session, "thread/list");
  check_text(taken_output(session), "{\"method\":\"thread/list\",\"id\":1,\"params\":{}}\n");
  check(!codex_request_done(request) && codex_request_serial(request) == 1);
  check_text(taken_ready(session), "");
  feed(session, "{\"id\":1,\"result\":{\"data\":[]}}");
  check_text(taken_ready(session), "request 1");
  check_text(taken_ready(session), "");
  check_slice(codex_request_result(request), "{\"data\":[]}");
  check(codex_request_error(request)->kind == CODEX_ERROR_NONE);
  check(codex_request_turn(request) == NULL);
  codex_request_release(request);
  cx_session_free(session);
}

static void answers_come_in_any_order(void) {
  cx_session *session = open_session();
  codex_request *requests[4];
  for (int i = 0; i < 4; i++)
    requests[i] = ask(session, "m");
  feed(session, "{\"id\":3,\"result\":3}");
  feed(session, "{\"error\":{\"code\":-1,\"message\":\"no\"},\"id\":1}");
  feed(session, "{\"result\":null,\"id\":4,\"error\":null}");
  feed(session, "{\"result\":2,\"emittedAtMs\":5,\"id\":2,\"jsonrpc\":\"2.0\"}");
  check_text(taken_ready(session), "request 3, request 1, request 4, request 2");
  check(codex_request_error(requests[0])->code == -1);
  check_slice(codex_request_result(requests[1]), "2");
  check_slice(codex_request_result(requests[2]), "3");
  check_slice(codex_request_result(requests[3]), "null");
  check(codex_request_error(requests[3])->kind == CODEX_ERROR_NONE);
  for (int i = 0; i < 4; i++)
    codex_request_release(requests[i]);
  cx_session_free(session);
}

static const char *const strange_answers[] = {
    "{\"id\":2,\"result\":{}}",
    "{\"id\":0,\"result\":{}}",
    "{\"id\":-1,\"result\":{}}",
    "{\"id\":\"1\",\"result\":{}}",
    "{\"id\":1.0,\"result\":{}}",
    "{\"id\":1e0,\"result\":{}}",
    "{\"id\":null,\"result\":{}}",
    "{\"id\":[1],\"result\":{}}",
    "{\"id\":18446744073709551617,\"error\":{\"code\":1,\"message\":\"x\"}}",
    "{\"id\":\"\",\"error\":{}}",
    "{\"error\":{},\"id\":true}",
};

static void answers_to_nobody_are_counted(void) {
  cx_session *session = open_session();
  codex_request *request = ask(session, "m");
  for (size_t i = 0; i < COUNT(strange_answers); i++) {
    feed(session, "%s", strange_answers[i]);
    check(session->statistics.unknown_ids == i + 1);
  }
  check(!codex_request_done(request));
  feed(session, "{\"id\":1,\"result\":1}");
  feed(session, "{\"id\":1,\"result\":2}"); /* once more */
  check(session->statistics.unknown_ids == COUNT(strange_answers) + 1);
  check_slice(codex_request_result(request), "1");
  check_text(taken_ready(session), "request 1");
  check(session->error.kind == CODEX_ERROR_NONE && session->statistics.invalid_lines == 0);
  codex_request_release(request);
  cx_session_free(session);
}

static void an_answer_without_either_is_an_error(void) {
  cx_session *session = open_session();
  codex_request *request = ask(session, "m");
  feed(session, "{\"id\":1,\"error\":null}");
  check(codex_request_done(request));
  check(codex_request_error(request)->kind == CODEX_ERROR_PROTOCOL);
  check(session->error.kind == CODEX_ERROR_NONE && session->in_flight == 0);
  codex_request_release(request);
  cx_session_free(session);
}

static void other_lines_are_skipped_and_counted(void) {
  cx_session *session = open_session();
  codex_request *request = ask(session, "m");
  static const char lines[] = "\n\r\n  \t \r\ngarbage\n[]\n42\n\"x\"\n{}\n\x1b[31merror\x1b[0m\n"
                              "{\"id\":1,\"result\":\n}\n{\"id\":1,\"result\":{}\n{\"method\":5}\n\xFF\xFE\n";
  feed_bytes(session, lines, sizeof lines - 1);
  const codex_statistics *s = &session->statistics;
  check(s->blank_lines == 3 && s->lines == 11 && s->invalid_lines == 11);
  check(!codex_request_done(request) && session->error.kind == CODEX_ERROR_NONE);
  check_text(taken_ready(session), "");
  codex_request_release(request);
  cx_session_free(session);
}

static void a_released_request_is_forgotten(void) {
  cx_session *session = open_limited(1000, 1000, 1);
  codex_request *sent = ask(session, "sent"), *queued = ask(session, "queued"), *last = ask(session, "last");
  taken_output(session);
  codex_request_release(queued); /* it is never written */
  codex_request_release(sent);
  check_text(taken_output(session), "");
  feed(session, "{\"id\":1,\"result\":{}}");
  check_text(taken_output(session), "{\"method\":\"last\",\"id\":3,\"params\":{}}\n");
  check_text(taken_ready(session), "");
  check(session->statistics.unknown_ids == 0);
  feed(session, "{\"id\":3,\"result\":{}}");
  codex_request_release(last); /* before its report is taken */
  check_text(taken_ready(session), "");
  check(session->queued_bytes == 0);
  cx_session_free(session);
}

/* ---- how many are on the wire ---- */

static void count_sent(cx_session *session, unsigned expected) {
  unsigned count = 0;
  for (const char *sent = taken_output(session); *sent; sent++)
    count += *sent == '\n';
  check(count == expected);
}

static void check_in_flight(unsigned asked) {
  enum { MAX = 4 };
  cx_session *session = open_limited(1000, 1000, MAX);
  codex_request *requests[8];
  for (unsigned i = 0; i < asked; i++)
    requests[i] = ask(session, "m");
  count_sent(session, asked < MAX ? asked : MAX);
  for (unsigned i = 0; i < asked; i++) {
    feed(session, "{\"id\":%u,\"result\":{}}", i + 1);
    count_sent(session, i + MAX < asked ? 1 : 0);
    check(codex_request_done(requests[i]));
  }
  for (unsigned i = 0; i < asked; i++)
    codex_request_release(requests[i]);
  check(session->in_flight == 0 && session->queued_bytes == 0);
  cx_session_free(session);
}

static void requests_over_the_limit_wait(void) {
  for (unsigned asked = 1; asked <= 8; asked++)
    check_in_flight(asked);
}

static void the_queue_keeps_its_order(void) {
  cx_session *session = open_limited(1000, 1000, 2);
  static const char *const methods[] = {"a", "b", "c", "d"};
  codex_request *requests[COUNT(methods)];
  for (size_t i = 0; i < COUNT(methods); i++)
    requests[i] = ask(session, methods[i]);
  check_text(taken_output(session),
             "{\"method\":\"a\",\"id\":1,\"params\":{}}\n{\"method\":\"b\",\"id\":2,\"params\":{}}\n");
  feed(session, "{\"error\":{\"code\":1,\"message\":\"x\"},\"id\":2}");
  check_text(taken_output(session), "{\"method\":\"c\",\"id\":3,\"params\":{}}\n");
  feed(session, "{\"id\":1,\"result\":{}}");
  check_text(taken_output(session), "{\"method\":\"d\",\"id\":4,\"params\":{}}\n");
  for (size_t i = 0; i < COUNT(methods); i++)
    codex_request_release(requests[i]);
  cx_session_free(session);
}

/* A request that takes long by nature holds a place only until an answer shows that the server has read it.
 */
static void long_requests_free_their_place(void) {
  cx_session *session = open_limited(1000, 1000, 2);
  static const char *const methods[] = {"a", "command/exec", "b", "c"};
  codex_request *requests[COUNT(methods)];
  for (size_t i = 0; i < COUNT(methods); i++)
    requests[i] = ask(session, methods[i]);
  check_text(
      taken_output(session),
      "{\"method\":\"a\",\"id\":1,\"params\":{}}\n{\"method\":\"command/exec\",\"id\":2,\"params\":{}}\n");
  feed(session, "{\"id\":1,\"result\":{}}"); /* written before it, so it shows nothing */
  check_text(taken_output(session), "{\"method\":\"b\",\"id\":3,\"params\":{}}\n");
  feed(session, "{\"id\":3,\"result\":{}}");
  check_text(taken_output(session), "{\"method\":\"c\",\"id\":4,\"params\":{}}\n");
  check(!codex_request_done(requests[1]));
  for (size_t i = 0; i < COUNT(methods); i++)
    codex_request_release(requests[i]);
  cx_session_free(session);
}

/* When only such requests fill the places, something cheap is asked, whose answer shows that they were read.
 */
static void long_requests_alone_are_probed(void) {
  cx_session *session = open_limited(1000, 1000, 2);
  codex_request *requests[5];
  for (size_t i = 0; i < COUNT(requests); i++)
    requests[i] = ask(session, "command/exec");
  check_text(taken_output(session),
             "{\"method\":\"command/exec\",\"id\":1,\"params\":{}}\n"
             "{\"method\":\"command/exec\",\"id\":2,\"params\":{}}\n"
             "{\"method\":\"thread/loaded/list\",\"id\":4,\"params\":{\"limit\":1}}\n");
  feed(session, "{\"id\":4,\"result\":{\"data\":[]}}");
  check_text(taken_output(session),
             "{\"method\":\"command/exec\",\"id\":3,\"params\":{}}\n"
             "{\"method\":\"command/exec\",\"id\":5,\"params\":{}}\n"
             "{\"method\":\"thread/loaded/list\",\"id\":7,\"params\":{\"limit\":1}}\n");
  feed(session, "{\"id\":5,\"result\":{}}"); /* itself an answer, which shows as much */
  check_text(taken_output(session), "{\"method\":\"command/exec\",\"id\":6,\"params\":{}}\n");
  for (size_t i = 0; i < COUNT(requests); i++)
    codex_request_release(requests[i]);
  cx_session_free(session);
}

static void ask_long_ones(void) {
  cx_session *session = NULL;
  codex_request *requests[4] = {NULL};
  TWICE(session, open_limited(1000, 1000, 2));
  for (int i = 0; i < 4; i++)
    TWICE(requests[i], ask(session, "command/exec"));
  for (int id = 1; id <= 8; id++)
    feed(session, "{\"id\":%d,\"result\":{}}", id);
  for (int i = 0; i < 4; i++) {
    codex_error_kind kind = codex_request_error(requests[i])->kind;
    check(codex_request_done(requests[i]));
    check(kind == CODEX_ERROR_NONE || (kind == CODEX_ERROR_NO_MEMORY && test_allocation_failed()));
    codex_request_release(requests[i]);
  }
  check(session->in_flight == 0 && session->untaken_count == 0 && session->queued_bytes == 0);
  cx_session_free(session);
}

static void asking_may_lack_memory(void) {
  test_each_allocation_failing(ask_long_ones);
}

static void some_request_is_always_sent(void) {
  cx_session *session = open_limited(1000, 1000, 0);
  codex_request *request = ask(session, "m");
  check_text(taken_output(session), "{\"method\":\"m\",\"id\":1,\"params\":{}}\n");
  codex_request_release(request);
  cx_session_free(session);
}

static void many_are_answered(void) {
  enum { MANY = 3000 };
  static codex_request *requests[MANY];
  cx_session *session = open_session();
  for (int i = 0; i < MANY; i++)
    requests[i] = ask(session, "m");
  for (int i = 0; i < MANY; i++) {
    check(session->in_flight == (unsigned)(MANY - i < 64 ? MANY - i : 64));
    feed(session, "{\"id\":%d,\"result\":%d}", i + 1, i);
    check(codex_request_done(requests[i]));
    codex_request_release(requests[i]);
  }
  check(session->statistics.unknown_ids == 0 && session->in_flight == 0);
  cx_session_free(session);
}

/* ---- time ---- */

static void time_runs_out(void) {
  cx_session *session = open_limited(1000, 1000, 1);
  check(cx_session_deadline(session) < 0);
  codex_request *late = ask_until(session, "late", 30), *never = ask(session, "never");
  codex_request *soon = ask_until(session, "soon", 10);
  taken_output(session);
  check(cx_session_deadline(session) == 10);
  cx_session_expire(session, 9.999);
  check_text(taken_ready(session), "");
  cx_session_expire(session, 10); /* in the queue */
  check_text(taken_ready(session), "request 3");
  check(codex_request_error(soon)->kind == CODEX_ERROR_TIMEOUT);
  check_text(codex_request_error(soon)->message, "soon: the server did not answer in time");
  check(cx_session_deadline(session) == 30);
  check_text(taken_output(session), "");
  cx_session_expire(session, 31); /* on the wire: its place is free */
  check_text(taken_ready(session), "request 1");
  check_text(taken_output(session), "{\"method\":\"never\",\"id\":2,\"params\":{}}\n");
  check(cx_session_deadline(session) < 0);
  feed(session, "{\"id\":1,\"result\":{}}"); /* too late */
  check(session->statistics.unknown_ids == 1);
  check_slice(codex_request_result(late), NULL);
  feed(session, "{\"id\":2,\"result\":{}}");
  check(codex_request_done(never) && session->queued_bytes == 0);
  codex_request_release(late);
  codex_request_release(never);
  codex_request_release(soon);
  codex_request *answered = ask_until(session, "answered", 50);
  check(cx_session_deadline(session) == 50);
  feed(session, "{\"id\":4,\"result\":{}}");
  check(cx_session_deadline(session) < 0);
  codex_request_release(answered);
  cx_session_free(session);
}

static void a_released_request_runs_out_of_time_in_silence(void) {
  cx_session *session = open_limited(1000, 1000, 1);
  codex_request *waiting = NULL;
  codex_request_release(ask_until(session, "m", 1));
  waiting = ask(session, "n");
  cx_session_expire(session, 2);
  check_text(taken_ready(session), "");
  check(session->in_flight == 1 && waiting->state == CX_REQUEST_SENT);
  codex_request_release(waiting);
  cx_session_free(session);
}

static void a_start_that_ran_out_of_time_has_no_turn(void) {
  cx_session *session = open_session();
  codex_request *request = cx_session_start_turn(session, "turn/start", "{}", 2, 5, true);
  cx_session_expire(session, 5);
  answer_start(session, request, "T");
  turn_started(session, "T");
  check(codex_request_turn(request) == NULL);
  check(session->statistics.unknown_ids == 1);
  codex_turn *turn = cx_session_turn(session, "T", 1, true); /* it can be claimed all the same */
  check(codex_turn_started(turn));
  codex_turn_release(turn);
  codex_request_release(request);
  cx_session_free(session);
}

/* ---- what is sent ---- */

static void initialized_follows_initialize(void) {
  cx_session *session = open_session();
  codex_request *first = cx_session_initialize(session, "{\"clientInfo\":{}}", 17, -1);
  check_text(taken_output(session), "{\"method\":\"initialize\",\"id\":1,\"params\":{\"clientInfo\":{}}}\n");
  feed(session, "{\"error\":{\"code\":-32600,\"message\":\"no\"},\"id\":1}");
  check_text(taken_output(session), "");
  codex_request *second = cx_session_initialize(session, "{}", 2, -1);
  taken_output(session);
  feed(session, "{\"id\":2,\"result\":{}}");
  check_text(taken_output(session), "{\"method\":\"initialized\"}\n");
  check(codex_request_done(second) && codex_request_error(second)->kind == CODEX_ERROR_NONE);
  codex_request_release(first);
  codex_request_release(second);
  cx_session_free(session);
}

static void initialized_follows_even_a_released_initialize(void) {
  cx_session *session = open_session();
  codex_request_release(cx_session_initialize(session, "{}", 2, -1));
  taken_output(session);
  feed(session, "{\"id\":1,\"result\":{}}");
  check_text(taken_output(session), "{\"method\":\"initialized\"}\n");
  check_text(taken_ready(session), "");
  cx_session_free(session);
}

static void notifications_are_sent(void) {
  cx_session *session = open_session();
  check(cx_session_notify(session, "a/b", NULL, 0) == CODEX_ERROR_NONE);
  check(cx_session_notify(session, "c", "{\"x\":\n1}", 8) == CODEX_ERROR_NONE);
  check_text(taken_output(session), "{\"method\":\"a/b\"}\n{\"method\":\"c\",\"params\":{\"x\": 1}}\n");
  check(cx_session_notify(session, "c", "{", 1) == CODEX_ERROR_INVALID_ARGUMENT);
  check(cx_session_notify(session, "c", "\"\xFF\"", 3) == CODEX_ERROR_INVALID_ARGUMENT);
  check_text(taken_output(session), "");
  cx_session_free(session);
}

static const struct refused_sample {
  const char *method, *params;
} refused_samples[] = {
    {"m", "{"},     {"m", ""}, {"m", "{}{}"}, {"m", "{\"a\":\"\xFF\"}"}, {"m", "{\"a\":\"\\ud800\"}"},
    {"\xFF", "{}"},
};

/* Refused, and answered at once like any other failure. */
static void bad_params_are_refused(void) {
  for (size_t i = 0; i < COUNT(refused_samples); i++) {
    cx_session *session = open_session();
    const struct refused_sample *sample = &refused_samples[i];
    codex_request *request =
        cx_session_request(session, sample->method, sample->params, strlen(sample->params), 7);
    check(request != NULL);
    check(codex_request_done(request) && codex_request_error(request)->kind == CODEX_ERROR_INVALID_ARGUMENT);
    check_text(codex_request_method(request), sample->method);
    check_text(taken_output(session), "");
    check_text(taken_ready(session), "request 1");
    check(cx_session_deadline(session) < 0 && session->error.kind == CODEX_ERROR_NONE);
    codex_request_release(request);
    cx_session_free(session);
  }
}

/* What waits to be written is limited: in the queue and in the output together. */
static void the_output_has_a_limit(void) {
  static const char line[] = "{\"method\":\"m\",\"id\":1,\"params\":{}}\n";
  enum { LENGTH = sizeof line - 1 };
  for (int extra = -1; extra <= 1; extra++) {
    cx_session *session = open_limited(1000, 1000, 1);
    session->output.max = (size_t)(3 * LENGTH + extra);
    codex_request *requests[4];
    for (int i = 0; i < 4; i++)
      requests[i] = ask(session, "m");
    int fit = extra < 0 ? 2 : 3;
    for (int i = 0; i < 4; i++)
      check(codex_request_done(requests[i]) == (i >= fit));
    check(codex_request_error(requests[3])->kind == CODEX_ERROR_OVERFLOW);
    check(cx_session_notify(session, "a long notification indeed", NULL, 0) == CODEX_ERROR_OVERFLOW);
    taken_output(session);
    feed(session, "{\"id\":1,\"result\":{}}");
    check_text(taken_output(session), "{\"method\":\"m\",\"id\":2,\"params\":{}}\n");
    check(session->error.kind == CODEX_ERROR_NONE);
    for (int i = 0; i < 4; i++)
      codex_request_release(requests[i]);
    cx_session_free(session);
  }
}

/* A server that asks and asks without reading: answers must not be dropped, nor memory be eaten. */
static void answers_nobody_reads_end_the_connection(void) {
  cx_session *session = open_session();
  codex_request *request = ask(session, "m"), *later;
  session->output.max = 200;
  for (int i = 0; i < 10; i++)
    feed(session, "{\"id\":%d,\"method\":\"execCommandApproval\",\"params\":{}}", i);
  check(session->error.kind == CODEX_ERROR_OVERFLOW);
  check(cx_buffer_length(&session->output) <= 200);
  check(codex_request_error(request)->kind == CODEX_ERROR_OVERFLOW);
  later = ask(session, "m");
  check(codex_request_error(later)->kind == CODEX_ERROR_OVERFLOW);
  codex_request_release(request);
  codex_request_release(later);
  cx_session_free(session);
}

/* Answers may fill the output beyond what queued requests left of it. */
static void answers_crowd_out_requests(void) {
  cx_session *session = open_limited(1000, 1000, 1);
  session->output.max = 200;
  codex_request *sent = ask(session, "m"), *queued = ask(session, "queued"), *refused;
  taken_output(session);
  for (int i = 0; i < 4; i++)
    feed(session, "{\"id\":%d,\"method\":\"item/fileChange/requestApproval\",\"params\":{}}", i);
  refused = ask(session, "m");
  check(codex_request_done(refused) && codex_request_error(refused)->kind == CODEX_ERROR_OVERFLOW);
  check(session->error.kind == CODEX_ERROR_NONE);
  feed(session, "{\"id\":1,\"result\":{}}"); /* the queued one would have to be written now */
  check(session->error.kind == CODEX_ERROR_OVERFLOW);
  check(codex_request_error(queued)->kind == CODEX_ERROR_OVERFLOW);
  codex_request_release(sent);
  codex_request_release(queued);
  codex_request_release(refused);
  cx_session_free(session);
}

/* ---- what is read ---- */

static void check_line_limit(size_t length, const char *end, bool accepted) {
  static const char prefix[] = "{\"id\":1,\"result\":\"";
  char line[200];
  cx_session *session = open_limited(100, 1000, 1);
  codex_request *request = ask(session, "m");
  memset(line, 'x', sizeof line);
  memcpy(line, prefix, sizeof prefix - 1);
  memcpy(line + length - 2, "\"}", 2);
  strcpy(line + length, end);
  feed_bytes(session, line, strlen(line));
  check(codex_request_done(request));
  check(codex_request_error(request)->kind == (accepted ? CODEX_ERROR_NONE : CODEX_ERROR_PROTOCOL));
  check(session->error.kind == codex_request_error(request)->kind);
  codex_request_release(request);
  cx_session_free(session);
}

static void lines_have_a_limit(void) {
  for (size_t length = 98; length < 103; length++) {
    check_line_limit(length, "\n", length <= 100);
    check_line_limit(length, "\r\n", length <= 100);
  }
}

/* Lines are handled in portions, so that a flood doesn't hold everything up. */
static void steps_have_a_budget(void) {
  cx_session *session = open_session();
  size_t space;
  char *room = cx_session_reserve(session, &space);
  int steps = 1;
  memset(room, '\n', 1000);
  cx_session_commit(session, 1000);
  while (cx_session_step(session, 100))
    steps++;
  check(steps == 10);
  check(session->statistics.blank_lines == 1000);
  room = cx_session_reserve(session, &space);
  memset(room, ' ', 500);
  room[499] = '\n';
  cx_session_commit(session, 500);
  check(!cx_session_step(session, 1)); /* one line, however long */
  check(session->statistics.blank_lines == 1001);
  cx_session_free(session);
}

/* ---- the end ---- */

static void a_failure_reaches_everybody_and_stays(void) {
  cx_session *session = open_limited(1000, 1000, 2);
  codex_turn *turn = open_turn(session, "T", false), *unwatched = open_turn(session, "U", false);
  codex_request *requests[4];
  for (int i = 0; i < 3; i++)
    requests[i] = ask_until(session, "m", 5); /* the last one waits */
  codex_turn_watch(turn, CODEX_WATCH_STARTED);
  taken_ready(session);
  fail_session(session, CODEX_ERROR_TRANSPORT_CLOSED, "gone");
  check_text(taken_ready(session), "request 3, request 4, request 5, turn 1, closed");
  fail_session(session, CODEX_ERROR_CLOSED, "another");
  check_text(taken_ready(session), "");
  requests[3] = start_turn(session, true);
  check_text(taken_ready(session), "request 6");
  for (int i = 0; i < 4; i++) {
    check(codex_request_done(requests[i]));
    check(codex_request_error(requests[i])->kind == CODEX_ERROR_TRANSPORT_CLOSED);
    check_text(codex_request_error(requests[i])->message, "gone");
    codex_request_release(requests[i]);
  }
  check(cx_session_notify(session, "n", NULL, 0) == CODEX_ERROR_TRANSPORT_CLOSED);
  check_text(codex_turn_error(unwatched)->message, "gone");
  codex_turn *late = cx_session_turn(session, "V", 1, true);
  check(codex_turn_state_of(late) == CODEX_TURN_BROKEN);
  check_text(codex_turn_error(late)->message, "gone");
  codex_turn_watch(late, CODEX_WATCH_EVENTS);
  check_text(taken_ready(session), "turn 3");
  cx_session_expire(session, 10);
  check(cx_session_deadline(session) < 0);
  codex_turn_release(turn);
  codex_turn_release(unwatched);
  codex_turn_release(late);
  cx_session_free(session);
}

static void nothing_is_heard_after_a_failure(void) {
  cx_session *session = open_session();
  codex_request *request = ask(session, "m");
  taken_output(session);
  fail_session(session, CODEX_ERROR_PROTOCOL, "bad");
  feed(session, "{\"id\":1,\"result\":{}}");
  feed(session, "{\"id\":0,\"method\":\"execCommandApproval\"}");
  turn_started(session, "T");
  check(session->statistics.lines == 0 && cx_list_empty(&session->all_turns));
  check_text(taken_output(session), "");
  check_slice(codex_request_result(request), NULL);
  codex_request_release(request);
  cx_session_free(session);
}

/* What came before the line that was too long still counts. */
static void a_failure_between_lines_keeps_those_before(void) {
  cx_session *session = open_limited(60, 1000, 2);
  codex_request *one = ask(session, "m"), *two = ask(session, "m");
  static const char lines[] = "{\"id\":1,\"result\":{}}\n"
                              "{\"method\":\"a line that is longer than sixty bytes, which is too much\"}\n"
                              "{\"id\":2,\"result\":{}}\n";
  feed_bytes(session, lines, sizeof lines - 1);
  check(codex_request_error(one)->kind == CODEX_ERROR_NONE);
  check(codex_request_error(two)->kind == CODEX_ERROR_PROTOCOL);
  check_text(codex_request_error(two)->message, "the server sent a line of more than 60 bytes");
  check_text(taken_ready(session), "request 1, request 2, closed");
  codex_request_release(one);
  codex_request_release(two);
  cx_session_free(session);
}

static void what_is_held_is_ended_by_free(void) {
  cx_session *session = open_limited(1000, 1000, 1);
  codex_request *sent = ask(session, "m"), *queued = ask(session, "m"), *start = start_turn(session, true);
  codex_request_release(ask(session, "released in the queue"));
  cx_session_free(session);
  codex_request *requests[] = {sent, queued, start};
  for (int i = 0; i < 3; i++) {
    check(codex_request_done(requests[i]) && codex_request_error(requests[i])->kind == CODEX_ERROR_CLOSED);
    check(codex_request_turn(requests[i]) == NULL);
    codex_request_release(requests[i]);
  }
  codex_request_release(NULL);
  codex_turn_release(NULL);
  codex_stream_free(NULL);
}

void session_spec(void) {
  it("has a request answered", a_request_is_answered);
  it("takes answers in any order, members too", answers_come_in_any_order);
  it("counts answers to nobody", answers_to_nobody_are_counted);
  it("takes an answer with neither result nor error for an error", an_answer_without_either_is_an_error);
  it("skips and counts lines that are no messages", other_lines_are_skipped_and_counted);
  it("forgets a released request", a_released_request_is_forgotten);
  it("lets requests over the limit wait", requests_over_the_limit_wait);
  it("keeps the queue in order", the_queue_keeps_its_order);
  it("frees the place of a long request once it was read", long_requests_free_their_place);
  it("probes long requests that fill all places", long_requests_alone_are_probed);
  it("asks on or says that memory is out", asking_may_lack_memory);
  it("sends something even with a limit of none", some_request_is_always_sent);
  it("gets thousands answered", many_are_answered);
  it("lets time run out, in the queue and on the wire", time_runs_out);
  it("lets a released request run out of time in silence", a_released_request_runs_out_of_time_in_silence);
  it("gives no turn to a start that ran out of time", a_start_that_ran_out_of_time_has_no_turn);
  it("sends initialized when initialize succeeded", initialized_follows_initialize);
  it("sends initialized even when nobody waits", initialized_follows_even_a_released_initialize);
  it("sends notifications", notifications_are_sent);
  it("refuses params that aren't JSON in UTF-8", bad_params_are_refused);
  it("limits what waits to be written", the_output_has_a_limit);
  it("ends when its answers aren't read", answers_nobody_reads_end_the_connection);
  it("refuses requests that answers have crowded out", answers_crowd_out_requests);
  it("limits lines", lines_have_a_limit);
  it("handles lines in portions", steps_have_a_budget);
  it("tells everybody of a failure, and goes on telling", a_failure_reaches_everybody_and_stays);
  it("hears nothing after a failure", nothing_is_heard_after_a_failure);
  it("keeps what came before a failure", a_failure_between_lines_keeps_those_before);
  it("ends what is held when it is freed", what_is_held_is_ended_by_free);
}
