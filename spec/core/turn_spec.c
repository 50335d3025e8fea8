/* What a turn's events add up to, and how long it lasts. */
#include "core/turn.h"

#include "support.h"

void turn_spec(void);

/* ---- the final response ---- */

static const struct final_sample {
  agent_message messages[4];
  const char *expected;
} final_samples[] = {
    {{{NULL, NULL, NULL}}, NULL},
    {{{NULL, "one", NULL}}, "one"},
    {{{NULL, "one", NULL}, {NULL, "two", NULL}}, "two"},
    {{{NULL, "one", NULL}, {NULL, "two", "commentary"}}, "one"},
    {{{NULL, "one", "commentary"}}, NULL},
    {{{NULL, "one", "final_answer"}, {NULL, "two", NULL}}, "one"},
    {{{NULL, "one", "final_answer"}, {NULL, "two", "commentary"}}, "one"},
    {{{NULL, "one", "final_answer"}, {NULL, "two", "final_answer"}}, "two"},
    {{{NULL, "one", NULL}, {NULL, "two", "final_answer"}, {NULL, "three", NULL}}, "two"},
    {{{"joined", "", NULL}}, "joined"},
    {{{"shorter", "completed counts", NULL}}, "completed counts"},
    {{{"something else", "completed counts", NULL}}, "completed counts"},
    {{{"never completed", NULL, NULL}}, NULL},
    {{{NULL, "one", NULL}, {"never completed", NULL, NULL}}, "one"},
    {{{NULL, "", NULL}}, ""},
    {{{NULL, "one", NULL}, {NULL, "", NULL}}, ""},
    {{{NULL, "one", "final_answer"}, {NULL, "", "final_answer"}}, ""},
    {{{NULL, "\\u00e4\\n\\\"", NULL}}, "\xC3\xA4\n\""},
    {{{"\\ud83d", NULL, NULL}, {"\\ude00", "", NULL}}, "\xEF\xBF\xBD"},
};

static void the_final_response_is_chosen(void) {
  for (size_t i = 0; i < COUNT(final_samples); i++) {
    cx_session *session = open_session();
    codex_turn *turn = open_turn(session, "T", false);
    send_messages(session, "T", final_samples[i].messages);
    turn_completed(session, "T");
    check_slice(codex_turn_final_response(turn), final_samples[i].expected);
    check_slice(codex_turn_final_response(turn), final_samples[i].expected);
    codex_turn_release(turn);
    cx_session_free(session);
  }
}

static void deltas_are_joined_before_they_are_decoded(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  message_delta(session, "T", "a", "\\ud83d");
  message_delta(session, "T", "b", "other");
  message_delta(session, "T", "a", "\\ude00\xC3");
  message_delta(session, "T", "a", "\xA4");
  message_completed(session, "T", "b", "", "commentary");
  message_completed(session, "T", "a", "", NULL);
  check_slice(codex_turn_final_response(turn), "\xF0\x9F\x98\x80\xC3\xA4");
  codex_turn_release(turn);
  cx_session_free(session);
}

/* It may be asked for while the turn goes on. */
static void the_final_response_follows_the_turn(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  check_slice(codex_turn_final_response(turn), NULL);
  message_completed(session, "T", "a", "one", NULL);
  check_slice(codex_turn_final_response(turn), "one");
  message_completed(session, "T", "b", "longer than one", NULL);
  check_slice(codex_turn_final_response(turn), "longer than one");
  message_completed(session, "T", "c", "", "final_answer");
  check_slice(codex_turn_final_response(turn), "");
  codex_turn_release(turn);
  cx_session_free(session);
}

/* ---- items, usage, beginning and end ---- */

static void odd_items_are_kept_as_they_are(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  static const char *const items[] = {"{}",       "{\"type\":\"agentMessage\"}",
                                      "null",     "[1]",
                                      "\"text\"", "{\"type\":\"agentMessage\",\"id\":\"x\",\"text\":5}"};
  for (size_t i = 0; i < COUNT(items); i++)
    feed(session, "{\"method\":\"item/completed\",\"params\":{\"turnId\":\"T\",\"item\":%s}}", items[i]);
  feed(session, "{\"method\":\"item/completed\",\"params\":{\"turnId\":\"T\"}}");
  feed(session, "{\"method\":\"item/agentMessage/delta\",\"params\":{\"turnId\":\"T\",\"delta\":{}}}");
  check(codex_turn_item_count(turn) == COUNT(items));
  for (size_t i = 0; i < COUNT(items); i++)
    check_slice(codex_turn_item(turn, i), items[i]);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void many_items_are_kept_in_order(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  for (int i = 0; i < 500; i++)
    feed(session, "{\"method\":\"item/completed\",\"params\":{\"turnId\":\"T\",\"item\":{\"id\":\"%d\"}}}",
         i);
  check(codex_turn_item_count(turn) == 500);
  check_slice(codex_turn_item(turn, 499), "{\"id\":\"499\"}");
  codex_turn_release(turn);
  cx_session_free(session);
}

static void usage_is_kept_first_and_last(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  check_slice(codex_turn_first_usage(turn), NULL);
  check_slice(codex_turn_last_usage(turn), NULL);
  for (int i = 1; i <= 3; i++)
    feed(session,
         "{\"method\":\"thread/tokenUsage/updated\",\"params\":{\"turnId\":\"T\",\"tokenUsage\":%d}}", i);
  check_slice(codex_turn_first_usage(turn), "1");
  check_slice(codex_turn_last_usage(turn), "3");
  turn_completed(session, "T");
  feed(session, "{\"method\":\"thread/tokenUsage/updated\",\"params\":{\"turnId\":\"T\",\"tokenUsage\":4}}");
  check_slice(codex_turn_last_usage(turn), "3");
  codex_turn_release(turn);
  cx_session_free(session);
}

static void an_old_turns_usage_makes_no_turn(void) {
  cx_session *session = open_session();
  feed(session,
       "{\"method\":\"thread/tokenUsage/updated\",\"params\":{\"turnId\":\"old\",\"tokenUsage\":4}}");
  check(cx_list_empty(&session->all_turns));
  cx_session_free(session);
}

static const struct start_sample {
  const char *line;
  bool started;
} start_samples[] = {
    {"{\"method\":\"turn/started\",\"params\":{\"turn\":{\"id\":\"T\"}}}", true},
    {"{\"method\":\"item/started\",\"params\":{\"turnId\":\"T\",\"item\":{}}}", true},
    {"{\"method\":\"item/agentMessage/"
     "delta\",\"params\":{\"turnId\":\"T\",\"itemId\":\"m\",\"delta\":\"x\"}}",
     true},
    {"{\"method\":\"item/agentMessage/delta\",\"params\":{\"turnId\":\"T\"}}", true},
    {"{\"method\":\"item/completed\",\"params\":{\"turnId\":\"T\"}}", true},
    {"{\"method\":\"error\",\"params\":{\"turnId\":\"T\",\"willRetry\":true}}", false},
    {"{\"method\":\"thread/tokenUsage/updated\",\"params\":{\"turnId\":\"T\",\"tokenUsage\":{}}}", false},
    {"{\"method\":\"item/started\",\"params\":{\"turnId\":\"U\",\"item\":{}}}", false},
};

static void what_shows_that_a_turn_runs(void) {
  for (size_t i = 0; i < COUNT(start_samples); i++) {
    cx_session *session = open_session();
    codex_turn *turn = open_turn(session, "T", false);
    taken_ready(session);
    codex_turn_watch(turn, CODEX_WATCH_STARTED);
    feed(session, "%s", start_samples[i].line);
    check(codex_turn_started(turn) == start_samples[i].started);
    check((strcmp(taken_ready(session), "turn 1") == 0) == start_samples[i].started);
    codex_turn_release(turn);
    cx_session_free(session);
  }
}

static void a_turn_learns_its_thread(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  check_slice(codex_turn_thread_id(turn), "");
  turn_started(session, "T");
  check_slice(codex_turn_thread_id(turn), "th");
  codex_turn_release(turn);
  cx_session_free(session);
}

static void nothing_follows_the_completion(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true);
  turn_started(session, "T");
  turn_completed(session, "T");
  message_completed(session, "T", "m", "late", NULL);
  turn_completed(session, "T");
  check(codex_turn_state_of(turn) == CODEX_TURN_COMPLETED);
  check(codex_turn_item_count(turn) == 0);
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  check_text(methods_of(stream), "turn/started, turn/completed, end");
  codex_stream_free(stream);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void a_broken_turn_keeps_what_it_had(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  message_completed(session, "T", "m", "half", NULL);
  fail_session(session, CODEX_ERROR_TRANSPORT_CLOSED, "gone");
  check(codex_turn_state_of(turn) == CODEX_TURN_BROKEN);
  check(codex_turn_error(turn)->kind == CODEX_ERROR_TRANSPORT_CLOSED);
  check_slice(codex_turn_final_response(turn), "half");
  check(codex_turn_item_count(turn) == 1);
  check_slice(codex_turn_completion(turn), NULL);
  codex_stream *later = codex_turn_stream(turn, NULL, false);
  check_text(methods_of(later), "broken");
  check_text(methods_of(stream), "item/completed, broken");
  codex_stream_free(later);
  codex_stream_free(stream);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* The server may send more than anybody wants to hold: the turn goes on, but says so. */
static void collection_has_a_limit(void) {
  for (int over = 0; over < 2; over++) {
    cx_session *session = open_session();
    codex_turn *turn = open_turn(session, "T", false);
    turn->collected = CX_MAX_COLLECTED - strlen("{\"id\":1}") + (size_t)over;
    feed(session, "{\"method\":\"item/completed\",\"params\":{\"turnId\":\"T\",\"item\":{\"id\":1}}}");
    feed(session, "{\"method\":\"item/completed\",\"params\":{\"turnId\":\"T\",\"item\":{}}}");
    check(codex_turn_item_count(turn) == (over ? 0 : 1));
    check(codex_turn_error(turn)->kind == CODEX_ERROR_OVERFLOW);
    turn_completed(session, "T");
    check(codex_turn_state_of(turn) == CODEX_TURN_COMPLETED);
    codex_turn_release(turn);
    cx_session_free(session);
  }
}

/* Deltas are let go once their message is complete. */
static void deltas_count_until_their_message_completes(void) {
  static const char item[] = "{\"type\":\"agentMessage\",\"id\":\"m\",\"text\":\"abcdef\",\"phase\":null}";
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  message_delta(session, "T", "m", "abc");
  message_delta(session, "T", "m", "def");
  check(turn->collected == 6);
  message_completed(session, "T", "m", "abcdef", NULL);
  check_slice(codex_turn_item(turn, 0), item);
  check(turn->collected == sizeof item - 1 && turn->partial_count == 0);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* ---- letting go ---- */

typedef struct holdings {
  cx_session *session;
  codex_request *request;
  codex_turn *turn;
  codex_stream *stream;
} holdings;

static void let_go(holdings *h, unsigned which) {
  switch (which) {
  case 0: cx_session_free(h->session); break;
  case 1: codex_request_release(h->request); break;
  case 2: codex_turn_release(h->turn); break;
  default: codex_stream_free(h->stream); break;
  }
}

/* The order is a number of four digits to the base 4; those with a digit twice are no order. */
static void check_order(unsigned order, bool completed) {
  unsigned seen = 0, rest = order;
  for (int i = 0; i < 4; i++, rest /= 4)
    seen |= 1u << rest % 4;
  if (seen != 15) return;
  holdings h = {.session = open_session()};
  h.request = start_turn(h.session, true);
  answer_start(h.session, h.request, "T");
  h.turn = codex_request_turn(h.request);
  turn_started(h.session, "T");
  h.stream = codex_turn_stream(h.turn, NULL, false);
  codex_turn_watch(h.turn, CODEX_WATCH_EVENTS);
  message_delta(h.session, "T", "m", "x");
  if (completed) turn_completed(h.session, "T");
  bool open = true;
  for (int i = 0; i < 4; i++, order /= 4) {
    let_go(&h, order % 4);
    open &= order % 4 != 0;
    if (open) message_delta(h.session, "T", "m", "y");
    if (open) taken_ready(h.session);
  }
}

static void things_are_let_go_in_any_order(void) {
  for (unsigned order = 0; order < 256; order++) {
    check_order(order, false);
    check_order(order, true);
  }
}

static const char *const only_items[] = {"item/completed", NULL};

static void what_is_held_outlives_the_session(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true), *done = open_turn(session, "U", true);
  codex_request *open = ask(session, "m");
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  turn_started(session, "T");
  send_a_turn(session, "U");
  cx_session_free(session);
  check(codex_request_done(open) && codex_request_error(open)->kind == CODEX_ERROR_CLOSED);
  check(codex_turn_error(turn)->kind == CODEX_ERROR_CLOSED);
  check_text(methods_of(stream), "turn/started, broken");
  codex_turn_watch(turn, CODEX_WATCH_END);
  codex_stream *kept = codex_turn_stream(done, only_items, false),
               *replay = codex_turn_stream(done, NULL, false);
  check_slice(codex_turn_final_response(done), "x");
  check_text(methods_of(kept), "item/completed, end");
  check_text(methods_of(replay), "turn/completed, end");
  codex_turn_release(done);
  codex_turn_release(turn);
  codex_request_release(open);
  codex_stream_free(stream);
  codex_stream_free(kept);
  codex_stream_free(replay);
}

static void a_left_stream_changes_nothing(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, true), *again = NULL;
  message_delta(session, "T", "m", "a");
  codex_stream_free(stream);
  message_delta(session, "T", "m", "b");
  again = codex_turn_stream(turn, NULL, true);
  message_completed(session, "T", "m", "ab", NULL);
  turn_completed(session, "T");
  check_slice(codex_turn_final_response(turn), "ab");
  check_text(pieces_of(again), "end");
  codex_stream_free(again);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* A turn let go while it runs is known until its end, so that nobody mistakes its events for a new turn's. */
static void an_abandoned_turn_is_known_until_its_end(void) {
  cx_session *session = open_session();
  codex_turn_release(open_turn(session, "T", true));
  turn_started(session, "T");
  check(session->unclaimed_count == 0 && session->turns.count == 1);
  codex_turn *again = cx_session_turn(session, "T", 1, true);
  message_completed(session, "T", "m", "x", NULL);
  check_slice(codex_turn_final_response(again), "x");
  codex_turn_release(again);
  turn_completed(session, "T");
  check(session->turns.count == 0);
  codex_turn *late = cx_session_turn(session, "T", 1, false);
  check(codex_turn_state_of(late) == CODEX_TURN_RUNNING);
  codex_turn_release(late);
  cx_session_free(session);
}

/* ---- watching ---- */

static void a_watch_is_reported_once(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  taken_ready(session);
  turn_started(session, "T");
  check_text(taken_ready(session), ""); /* not asked for */
  codex_turn_watch(turn, CODEX_WATCH_EVENTS);
  codex_turn_watch(turn, CODEX_WATCH_EVENTS);
  check_text(taken_ready(session), ""); /* only what happens next */
  message_delta(session, "T", "m", "x");
  message_delta(session, "T", "m", "x");
  check_text(taken_ready(session), "turn 1");
  message_delta(session, "T", "m", "x");
  check_text(taken_ready(session), "");
  codex_turn_watch(turn, CODEX_WATCH_END);
  message_delta(session, "T", "m", "x");
  check_text(taken_ready(session), "");
  turn_completed(session, "T");
  check_text(taken_ready(session), "turn 1");
  codex_turn_watch(turn, CODEX_WATCH_EVENTS); /* it has ended: at once */
  check_text(taken_ready(session), "turn 1");
  check_text(taken_ready(session), "");
  codex_stream_free(stream);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void only_wanted_events_are_reported(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, true);
  taken_ready(session);
  codex_turn_watch(turn, CODEX_WATCH_EVENTS);
  turn_started(session, "T");
  check_text(taken_ready(session), "");
  message_delta(session, "T", "m", "x");
  check_text(taken_ready(session), "turn 1");
  codex_stream_free(stream);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void every_watch_includes_the_end(void) {
  for (unsigned what = 0; what < 4; what++) {
    cx_session *session = open_session();
    codex_turn *turn = open_turn(session, "T", false), *other = open_turn(session, "U", false);
    taken_ready(session);
    codex_turn_watch(turn, what);
    codex_turn_watch(other, what);
    turn_completed(session, "T");
    check_text(taken_ready(session), "turn 1");
    fail_session(session, CODEX_ERROR_TRANSPORT_CLOSED, "gone");
    check_text(taken_ready(session), "turn 2, closed");
    codex_turn_release(turn);
    codex_turn_release(other);
    cx_session_free(session);
  }
}

static void a_released_turn_is_not_reported(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false), *other = open_turn(session, "U", false);
  taken_ready(session);
  codex_turn_watch(turn, CODEX_WATCH_STARTED);
  codex_turn_watch(other, CODEX_WATCH_STARTED);
  turn_started(session, "T");
  codex_turn_release(turn);
  codex_turn_release(other);
  turn_started(session, "U");
  turn_completed(session, "T");
  check_text(taken_ready(session), "");
  cx_session_free(session);
}

void turn_spec(void) {
  it("chooses the final response", the_final_response_is_chosen);
  it("joins deltas before decoding them", deltas_are_joined_before_they_are_decoded);
  it("follows the turn with the final response", the_final_response_follows_the_turn);
  it("keeps odd items as they are", odd_items_are_kept_as_they_are);
  it("keeps many items in order", many_items_are_kept_in_order);
  it("keeps the first and the last usage", usage_is_kept_first_and_last);
  it("makes no turn out of an old turn's usage", an_old_turns_usage_makes_no_turn);
  it("knows what shows that a turn runs", what_shows_that_a_turn_runs);
  it("learns the thread from the first event that tells", a_turn_learns_its_thread);
  it("lets nothing follow the completion", nothing_follows_the_completion);
  it("keeps what a broken turn had", a_broken_turn_keeps_what_it_had);
  it("limits what a turn collects", collection_has_a_limit);
  it("counts deltas until their message completes", deltas_count_until_their_message_completes);
  it("lets things go in any order", things_are_let_go_in_any_order);
  it("keeps what is held beyond the session", what_is_held_outlives_the_session);
  it("isn't disturbed by a stream that is left", a_left_stream_changes_nothing);
  it("knows an abandoned turn until its end", an_abandoned_turn_is_known_until_its_end);
  it("reports a watch once", a_watch_is_reported_once);
  it("reports only events that a stream wants", only_wanted_events_are_reported);
  it("reports the end to every watch", every_watch_includes_the_end);
  it("doesn't report a turn that was let go", a_released_turn_is_not_reported);
}
