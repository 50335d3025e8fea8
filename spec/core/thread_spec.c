/* What the core knows of a thread beyond its turns: what it had used before one, and that a review runs under
 * another id than its own. */
#include "core/turn.h"
#include "core/usage.h"

#include "support.h"

#include <stdlib.h>

void thread_spec(void);

/* ---- usage ---- */

static void used(cx_session *session, const char *thread, const char *turn, int total) {
  feed(session,
       "{\"method\":\"thread/tokenUsage/updated\",\"params\":{\"threadId\":\"%s\",\"turnId\":\"%s\","
       "\"tokenUsage\":%d}}",
       thread, turn, total);
}

static void a_turn_knows_what_was_used_before_it(void) {
  cx_session *session = open_session();
  codex_turn *first = open_turn(session, "T1", false);
  used(session, "th", "T1", 10);
  used(session, "th", "T1", 20);
  check_slice(codex_turn_prior_usage(first), NULL);
  check_slice(codex_turn_first_usage(first), "10");
  turn_completed(session, "T1");
  codex_turn *second = open_turn(session, "T2", false);
  check_slice(codex_turn_prior_usage(second), NULL);
  used(session, "other", "T9", 500);
  used(session, "th", "T2", 20);
  used(session, "th", "T2", 35);
  check_slice(codex_turn_prior_usage(second), "20");
  check_slice(codex_turn_first_usage(second), "20");
  check_slice(codex_turn_last_usage(second), "35");
  codex_turn_release(first);
  codex_turn_release(second);
  cx_session_free(session);
}

/* A thread that is resumed repeats the usage of a turn that nobody knows. */
static void an_unknown_turns_usage_counts_as_before(void) {
  cx_session *session = open_session();
  used(session, "th", "old", 70);
  codex_turn *turn = open_turn(session, "T", false);
  used(session, "th", "T", 70);
  check_slice(codex_turn_prior_usage(turn), "70");
  codex_turn_release(turn);
  cx_session_free(session);
}

static codex_slice thread_name(int n) {
  static char name[16];
  return (codex_slice){name, (size_t)sprintf(name, "thread %d", n)};
}

static void only_the_latest_threads_are_remembered(void) {
  cx_usages usages;
  cx_usages_init(&usages, 1);
  for (int n = 0; n < CX_MAX_USAGES; n++)
    check(cx_usages_set(&usages, thread_name(n), SLICE("1")) == CX_OK);
  check(cx_usages_set(&usages, thread_name(0), SLICE("22")) == CX_OK);
  check(usages.count == CX_MAX_USAGES);
  check(cx_usages_set(&usages, SLICE("one more"), SLICE("3")) == CX_OK);
  check(usages.count == CX_MAX_USAGES);
  check_slice(cx_usages_get(&usages, thread_name(0)), "22");
  check_slice(cx_usages_get(&usages, thread_name(1)), NULL);
  check_slice(cx_usages_get(&usages, thread_name(2)), "1");
  check_slice(cx_usages_get(&usages, SLICE("one more")), "3");
  cx_usages_free(&usages);
}

static void a_text_that_is_too_long_is_not_kept(void) {
  cx_usages usages;
  cx_usages_init(&usages, 1);
  char *text = calloc(1, CX_MAX_USAGE_LENGTH + 1);
  codex_slice longest = {text, CX_MAX_USAGE_LENGTH}, longer = {text, CX_MAX_USAGE_LENGTH + 1};
  check(cx_usages_set(&usages, SLICE("th"), longest) == CX_OK);
  check(cx_usages_set(&usages, SLICE("th"), longer) == CX_OK);
  check(cx_usages_get(&usages, SLICE("th")).length == CX_MAX_USAGE_LENGTH);
  check(cx_usages_set(&usages, longer, SLICE("1")) == CX_OK);
  check(usages.count == 1);
  free(text);
  cx_usages_free(&usages);
}

static void usages_with_little_memory(void) {
  cx_usages usages;
  cx_usages_init(&usages, 1);
  for (int n = 0; n < 20; n++)
    if (cx_usages_set(&usages, thread_name(n), SLICE("1")) != CX_OK) check(test_allocation_failed());
  cx_usages_free(&usages);
}

static void memory_runs_out_for_usages(void) {
  test_each_allocation_failing(usages_with_little_memory);
}

/* ---- reviews ---- */

static void review_started(cx_session *session, const char *thread, const char *id, const char *root) {
  feed(session,
       "{\"method\":\"turn/started\",\"params\":{\"threadId\":\"%s\",\"turn\":{\"id\":\"%s\","
       "\"rootTurnId\":\"%s\"}}}",
       thread, id, root);
}

static void item_started(cx_session *session, const char *turn) {
  feed(session,
       "{\"method\":\"item/started\",\"params\":{\"threadId\":\"th\",\"turnId\":\"%s\",\"item\":{}}}", turn);
}

static void a_review_is_one_turn_under_two_ids(void) {
  cx_session *session = open_session();
  codex_turn *review = open_turn(session, "R", true);
  item_started(session, "R");
  check(codex_turn_started(review));
  check_slice(codex_turn_active_id(review), "R");
  codex_turn_watch(review, CODEX_WATCH_STARTED);
  check_text(taken_ready(session), "");
  review_started(session, "th", "inner", "R");
  check_slice(codex_turn_active_id(review), "inner");
  check_slice(codex_turn_id(review), "R");
  check_text(taken_ready(session), "turn 1");
  item_started(session, "inner");
  turn_completed(session, "R");
  check(codex_turn_state_of(review) == CODEX_TURN_COMPLETED);
  check(session->unclaimed_count == 0);
  codex_stream *stream = codex_turn_stream(review, NULL, false);
  check_text(methods_of(stream), "item/started, turn/started, item/started, turn/completed, end");
  codex_stream_free(stream);
  codex_turn_release(review);
  check(cx_list_empty(&session->all_turns));
  check(session->turns.count == 0);
  cx_session_free(session);
}

static void other_starts_are_turns_of_their_own(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  item_started(session, "T");
  review_started(session, "sub-agent's", "A", "T");
  review_started(session, "th", "B", "unknown");
  turn_started(session, "C");
  check_slice(codex_turn_active_id(turn), "T");
  check(session->unclaimed_count == 3);
  turn_completed(session, "T");
  review_started(session, "th", "D", "T"); /* as of a goal: the turn it goes back to has ended */
  check_slice(codex_turn_active_id(turn), "T");
  check(session->unclaimed_count == 4);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void a_review_may_begin_before_its_start_is_answered(void) {
  cx_session *session = open_session();
  codex_request *request = start_turn(session, true);
  item_started(session, "R");
  review_started(session, "th", "inner", "R");
  answer_start(session, request, "R");
  codex_turn *review = codex_request_turn(request);
  check_slice(codex_turn_active_id(review), "inner");
  check(session->unclaimed_count == 0);
  codex_request_release(request);
  codex_turn_release(review);
  cx_session_free(session);
}

static void review_with_little_memory(void) {
  cx_session *session = NULL;
  codex_turn *review = NULL;
  TWICE(session, open_session());
  TWICE(review, cx_session_turn(session, "R", 1, false));
  item_started(session, "R");
  used(session, "th", "R", 1);
  review_started(session, "th", "inner", "R");
  turn_completed(session, "R");
  check((codex_turn_state_of(review) == CODEX_TURN_COMPLETED) == (session->error.kind == CODEX_ERROR_NONE));
  codex_turn_release(review);
  cx_session_free(session);
}

static void memory_runs_out_for_reviews(void) {
  test_each_allocation_failing(review_with_little_memory);
}

void thread_spec(void) {
  it("tells a turn what its thread had used before", a_turn_knows_what_was_used_before_it);
  it("takes an unknown turn's usage for what came before", an_unknown_turns_usage_counts_as_before);
  it("remembers the usage of the latest threads only", only_the_latest_threads_are_remembered);
  it("doesn't keep a usage that is too long", a_text_that_is_too_long_is_not_kept);
  it("copes with too little memory for usages", memory_runs_out_for_usages);
  it("takes a review for one turn under two ids", a_review_is_one_turn_under_two_ids);
  it("takes other starts for turns of their own", other_starts_are_turns_of_their_own);
  it("knows a review that begins before its start is answered",
     a_review_may_begin_before_its_start_is_answered);
  it("copes with too little memory for a review", memory_runs_out_for_reviews);
}
