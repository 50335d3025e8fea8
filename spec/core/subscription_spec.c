#include "core/stream.h"
#include "support.h"

#include <stdlib.h>

static void notify(cx_session *session, const char *method, const char *thread, const char *turn) {
  feed(session, "{\"method\":\"%s\",\"params\":{\"threadId\":\"%s\"%s%s%s}}", method, thread,
       turn ? ",\"turnId\":\"" : "", turn ? turn : "", turn ? "\"" : "");
}

static codex_stream *all_of(cx_session *session) {
  return cx_session_stream(session, NULL);
}

static codex_stream *outside_turns(cx_session *session) {
  return cx_session_stream(session, &(codex_filter){.outside_turns = true});
}

static void every_notification_is_delivered(void) {
  cx_session *session = open_session();
  notify(session, "before", "a", NULL);
  codex_stream *stream = all_of(session);
  check_text(methods_of(stream), "empty");
  notify(session, "one", "a", NULL);
  notify(session, "two", "a", "T");
  feed(session, "{\"method\":\"three\"}");
  check_text(methods_of(stream), "one, two, three, empty");
  turn_completed(session, "T");
  notify(session, "four", "a", NULL);
  check_text(methods_of(stream), "turn/completed, four, empty");
  codex_stream_free(stream);
  notify(session, "five", "a", NULL);
  cx_session_free(session);
}

static void filters_choose(void) {
  static const char *const methods[] = {"x", "turn/completed", NULL};
  cx_session *session = open_session();
  codex_stream *named = cx_session_stream(session, &(codex_filter){.methods = methods});
  codex_stream *threads = cx_session_stream(session, &(codex_filter){.thread_id = "th"});
  codex_stream *both = cx_session_stream(session, &(codex_filter){methods, "th", true});
  notify(session, "x", "th", "T");
  notify(session, "x", "other", NULL);
  notify(session, "x", "th", NULL);
  notify(session, "y", "th", NULL);
  feed(session, "{\"method\":\"x\",\"params\":{\"threadId\":7}}");
  turn_completed(session, "T");
  check_text(methods_of(named), "x, x, x, x, turn/completed, empty");
  check_text(methods_of(threads), "x, x, y, turn/completed, empty");
  check_text(methods_of(both), "x, empty");
  codex_stream_free(named);
  codex_stream_free(threads);
  codex_stream_free(both);
  cx_session_free(session);
}

static void the_first_reader_sees_what_was_kept(void) {
  cx_session *session = open_session();
  notify(session, "early", "a", NULL);
  notify(session, "of a turn", "a", "T");
  codex_stream *others = cx_session_stream(session, &(codex_filter){.thread_id = "a", .outside_turns = true});
  notify(session, "later", "a", NULL);
  codex_stream *first = outside_turns(session), *second = outside_turns(session);
  notify(session, "last", "a", NULL);
  check_text(methods_of(first), "early, later, last, empty");
  check_text(methods_of(second), "last, empty");
  check_text(methods_of(others), "later, last, empty");
  codex_stream_free(first);
  codex_stream_free(second);
  codex_stream_free(others);
  cx_session_free(session);
}

/* An entry is a line and what is noted beside it; how large that is shows in how much one of them takes. */
static size_t entry_size(size_t line) {
  cx_session *session = open_session();
  size_t before = cx_buffer_length(&session->kept->queue);
  feed(session, "{\"method\":\"%0*d\"}", (int)line - 13, 0);
  size_t size = cx_buffer_length(&session->kept->queue) - before;
  cx_session_free(session);
  return size;
}

static void what_is_kept_has_a_limit(void) {
  size_t line = 1000, fit = CODEX_KEPT_SIZE / entry_size(line);
  for (size_t count = fit - 1; count <= fit + 1; count++) {
    cx_session *session = open_session();
    for (size_t i = 0; i < count; i++)
      feed(session, "{\"method\":\"%0*zu\"}", (int)line - 13, i);
    codex_stream *stream = outside_turns(session);
    codex_event event;
    size_t read = 0;
    while (codex_stream_next(stream, &event) == CODEX_STREAM_EVENT) {
      if (read == 0) check((size_t)strtoul(event.method.bytes, NULL, 10) == (count > fit ? count - fit : 0));
      read++;
    }
    check(read == (count > fit ? fit : count));
    check(codex_stream_next(stream, &event) == CODEX_STREAM_EMPTY);
    codex_stream_free(stream);
    cx_session_free(session);
  }
}

/* More than is kept at all: it stays alone. */
static void one_that_is_too_large_is_kept_alone(void) {
  cx_session *session = open_session();
  notify(session, "small", "a", NULL);
  char *line = malloc(CODEX_KEPT_SIZE + 100);
  int length = sprintf(line, "{\"method\":\"large\",\"params\":\"%0*d\"}\n", (int)CODEX_KEPT_SIZE, 0);
  feed_bytes(session, line, (size_t)length);
  free(line);
  codex_stream *stream = outside_turns(session);
  check_text(methods_of(stream), "large, empty");
  codex_stream_free(stream);
  cx_session_free(session);
}

static void a_reader_that_falls_behind_overflows(void) {
  cx_session *session = open_limited(100000, 500, 2);
  codex_stream *slow = all_of(session), *quick = all_of(session);
  codex_stream_watch(slow);
  for (int i = 0; i < 20; i++) {
    notify(session, "x", "a", NULL);
    check_text(methods_of(quick), "x, empty");
  }
  check_text(methods_of(slow), "overflow");
  check_text(taken_ready(session), "stream 2");
  codex_stream_free(slow);
  codex_stream_free(quick);
  cx_session_free(session);
}

static void a_watch_is_for_once(void) {
  cx_session *session = open_session();
  codex_stream *stream = all_of(session);
  notify(session, "x", "a", NULL);
  check_text(taken_ready(session), "");
  codex_stream_watch(stream);
  check_text(taken_ready(session), "stream 2");
  notify(session, "x", "a", NULL);
  check_text(taken_ready(session), "");
  check_text(methods_of(stream), "x, x, empty");
  codex_stream_watch(stream);
  check_text(taken_ready(session), "");
  notify(session, "x", "a", NULL);
  notify(session, "x", "a", NULL);
  check_text(taken_ready(session), "stream 2");
  codex_stream_watch(stream);
  codex_stream_free(stream); /* with its readiness still queued */
  check_text(taken_ready(session), "");
  cx_session_free(session);
}

static void check_end(codex_error_kind kind, const char *expected) {
  cx_session *session = open_session();
  codex_stream *stream = all_of(session), *unread = all_of(session);
  codex_stream_watch(stream);
  notify(session, "x", "a", NULL);
  check_text(methods_of(stream), "x, empty");
  taken_ready(session);
  codex_stream_watch(stream);
  fail_session(session, kind, "over");
  check_text(taken_ready(session), "stream 2, closed");
  check_text(methods_of(stream), expected);
  codex_stream *late = all_of(session);
  codex_stream_watch(late);
  check_text(methods_of(late), expected);
  codex_stream_free(late);
  codex_stream_free(stream);
  cx_session_free(session);
  codex_stream_watch(unread); /* outlives its connection */
  check_text(methods_of(unread), kind == CODEX_ERROR_CLOSED ? "x, end" : "x, broken");
  codex_stream_free(unread);
}

static void the_end_of_the_connection_ends_them(void) {
  check_end(CODEX_ERROR_CLOSED, "end");
  check_end(CODEX_ERROR_TRANSPORT_CLOSED, "broken");
}

static void open_and_read(void) {
  cx_session *session = open_session();
  if (!session) return;
  static const char *const methods[] = {"x", NULL};
  codex_stream *stream = NULL, *kept = NULL;
  TWICE(stream, cx_session_stream(session, &(codex_filter){methods, "a", false}));
  TWICE(kept, cx_session_stream(session, &(codex_filter){.methods = methods, .outside_turns = true}));
  notify(session, "x", "a", NULL);
  if (session->error.kind == CODEX_ERROR_NONE) {
    check_text(methods_of(stream), "x, empty");
    check_text(methods_of(kept), "x, empty");
  }
  codex_stream_free(stream);
  codex_stream_free(kept);
  cx_session_free(session);
}

static void memory_may_run_out(void) {
  test_each_allocation_failing(open_and_read);
}

/* ---- what turns tell besides ---- */

static void an_error_event(cx_session *session, const char *turn, const char *message, bool again) {
  feed(session,
       "{\"method\":\"error\",\"params\":{\"threadId\":\"th\",\"turnId\":\"%s\",\"willRetry\":%s,"
       "\"error\":{\"message\":\"%s\"}}}",
       turn, again ? "true" : "false", message);
}

static void a_turn_tells_why_the_server_tries_again(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  turn_started(session, "T");
  check_slice(codex_turn_retrying(turn), NULL);
  an_error_event(session, "T", "one", true);
  an_error_event(session, "T", "two", true);
  check_slice(codex_turn_retrying(turn), "{\"message\":\"two\"}");
  message_delta(session, "T", "m", "on it goes");
  check_slice(codex_turn_retrying(turn), NULL);
  an_error_event(session, "T", "three", true);
  an_error_event(session, "T", "four", false);
  check_slice(codex_turn_retrying(turn), NULL);
  codex_turn_release(turn);
  cx_session_free(session);
}

static codex_turn *open_turn_of(cx_session *session, const char *thread, const char *id) {
  char params[64];
  int length = snprintf(params, sizeof params, "{\"input\":[],\"threadId\":\"%s\"}", thread);
  codex_request *request = cx_session_start_turn(session, "turn/start", params, (size_t)length, -1, false);
  answer_start(session, request, id);
  codex_turn *turn = codex_request_turn(request);
  codex_request_release(request);
  taken_ready(session);
  return turn;
}

static void a_turn_that_was_overtaken_is_noticed(void) {
  cx_session *session = open_session();
  codex_turn *here = open_turn_of(session, "th", "X"), *elsewhere = open_turn_of(session, "other", "Y");
  check_slice(codex_turn_thread_id(here), "th");
  turn_started(session, "R");
  check(!codex_turn_overtaken(here));
  turn_completed(session, "R");
  check_text(taken_ready(session), "");
  codex_turn_watch(here, CODEX_WATCH_STARTED);
  check_text(taken_ready(session), "turn 1");
  codex_turn_watch(elsewhere, CODEX_WATCH_STARTED);
  check_text(taken_ready(session), "");
  check(codex_turn_overtaken(here) && !codex_turn_overtaken(elsewhere));
  check(!codex_turn_overtaken(here));
  codex_turn_watch(here, CODEX_WATCH_STARTED);
  turn_completed(session, "Q");
  check_text(taken_ready(session), "turn 1");
  check(codex_turn_overtaken(here));
  turn_started(session, "X");
  turn_completed(session, "S");
  check(!codex_turn_overtaken(here));
  turn_completed(session, "X");
  codex_turn_release(here);
  codex_turn_release(elsewhere);
  turn_completed(session, "Z");
  cx_session_free(session);
}

static void started_for(cx_session *session, const char *turn, const char *root) {
  feed(session,
       "{\"method\":\"turn/"
       "started\",\"params\":{\"threadId\":\"thread of %s\",\"turn\":{\"id\":\"%s\","
       "\"rootTurnId\":\"%s\"}}}",
       turn, turn, root);
}

static void turns_of_sub_agents_are_found(void) {
  cx_session *session = open_session();
  check(cx_session_child_turn(session, "T", 1) == NULL);
  started_for(session, "T", "T");
  started_for(session, "one", "T");
  started_for(session, "other", "U");
  started_for(session, "two", "T");
  turn_completed(session, "one");
  codex_turn *one = cx_session_child_turn(session, "T", 1), *two = cx_session_child_turn(session, "T", 1);
  check_slice(codex_turn_id(one), "one");
  check_slice(codex_turn_id(two), "two");
  check(cx_session_child_turn(session, "T", 1) == NULL);
  codex_stream *stream = codex_turn_stream(one, NULL, false);
  check_text(methods_of(stream), "turn/started, turn/completed, end");
  codex_stream_free(stream);
  codex_turn_release(one);
  codex_turn_release(two);
  cx_session_free(session);
}

static void a_stopped_stream_takes_in_no_more(void) {
  cx_session *session = open_session();
  codex_stream *stream = cx_session_stream(session, &(codex_filter){.thread_id = "th"});
  feed(session, "{\"method\":\"a\",\"params\":{\"threadId\":\"th\"}}");
  codex_stream_stop(stream);
  codex_stream_stop(stream);
  feed(session, "{\"method\":\"b\",\"params\":{\"threadId\":\"th\"}}");
  check_text(methods_of(stream), "a, end");
  fail_session(session, CODEX_ERROR_TRANSPORT_CLOSED, "gone");
  check_text(methods_of(stream), "end");
  codex_stream_free(stream);
  cx_session_free(session);
}

static void stopping_wakes_who_waits(void) {
  cx_session *session = open_session();
  codex_stream *stream = cx_session_stream(session, NULL);
  codex_ready ready;
  codex_stream_watch(stream);
  check(!cx_session_next_ready(session, &ready));
  codex_stream_stop(stream);
  check(cx_session_next_ready(session, &ready) && ready.kind == CODEX_READY_STREAM);
  codex_stream_free(stream);
  cx_session_free(session);
}

void subscription_spec(void) {
  it("delivers every notification from then on", every_notification_is_delivered);
  it("delivers what its filter names", filters_choose);
  it("keeps what is outside of turns for the first reader", the_first_reader_sees_what_was_kept);
  it("limits what is kept, and forgets the oldest", what_is_kept_has_a_limit);
  it("keeps a notification that is too large alone", one_that_is_too_large_is_kept_alone);
  it("overflows for a reader that falls behind", a_reader_that_falls_behind_overflows);
  it("says once that there is something to read", a_watch_is_for_once);
  it("ends with the connection", the_end_of_the_connection_ends_them);
  it("survives a lack of memory", memory_may_run_out);
  it("tells why the server tries again", a_turn_tells_why_the_server_tries_again);
  it("finds the turns of sub-agents", turns_of_sub_agents_are_found);
  it("notices a turn that another one has overtaken", a_turn_that_was_overtaken_is_noticed);
  it("can be stopped, and keeps what is unread", a_stopped_stream_takes_in_no_more);
  it("wakes who waits for it when it is stopped", stopping_wakes_who_waits);
}
