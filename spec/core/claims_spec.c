/* Turns of one connection: who claims them, by which id, and what is kept of those that nobody has claimed.
 */
#include "core/request.h"
#include "core/turn.h"

#include "support.h"

#include <time.h>

void claims_spec(void);

/* ---- turns and their claims ---- */

/* The server may be done before it answers. */
static void a_turn_may_end_before_it_is_known(void) {
  for (int keep = 0; keep < 2; keep++) {
    cx_session *session = open_session();
    codex_request *request = start_turn(session, keep);
    turn_started(session, "T");
    message_delta(session, "T", "m", "x");
    message_completed(session, "T", "m", "xy", NULL);
    feed(session,
         "{\"method\":\"thread/tokenUsage/updated\",\"params\":{\"turnId\":\"T\",\"tokenUsage\":4}}");
    turn_completed(session, "T");
    check_text(taken_ready(session), "");
    answer_start(session, request, "T");
    check_text(taken_ready(session), "request 1");
    codex_turn *turn = codex_request_turn(request);
    codex_turn_watch(turn, CODEX_WATCH_END);
    check_text(taken_ready(session), "turn 1");
    check(!codex_request_joined(request) && codex_turn_started(turn));
    check(codex_turn_state_of(turn) == CODEX_TURN_COMPLETED);
    check(codex_turn_item_count(turn) == 1);
    check_slice(codex_turn_last_usage(turn), "4");
    check_slice(codex_turn_final_response(turn), "xy");
    codex_stream *stream = codex_turn_stream(turn, NULL, false);
    check_text(methods_of(stream), keep ? "turn/started, item/agentMessage/delta, item/completed, "
                                          "thread/tokenUsage/updated, turn/completed, end"
                                        : "turn/completed, end");
    codex_stream_free(stream);
    codex_request_release(request);
    codex_turn_release(turn);
    check(session->turns.count == 0);
    cx_session_free(session);
  }
}

static void a_turn_may_begin_before_it_is_known(void) {
  cx_session *session = open_session();
  codex_request *request = start_turn(session, true);
  turn_started(session, "T");
  answer_start(session, request, "T");
  codex_turn *turn = codex_request_turn(request);
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  turn_completed(session, "T");
  check_text(methods_of(stream), "turn/started, turn/completed, end");
  codex_stream_free(stream);
  codex_request_release(request);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* A review's turn/started carries another id than everything else. */
static void a_review_goes_by_the_id_of_its_answer(void) {
  cx_session *session = open_session();
  codex_request *request = cx_session_start_turn(session, "review/start", "{}", 2, -1, true);
  answer_start(session, request, "R");
  codex_turn *turn = codex_request_turn(request);
  feed(session, "{\"method\":\"item/"
                "started\",\"params\":{\"turnId\":\"R\",\"item\":{\"type\":\"enteredReviewMode\"}}}");
  turn_started(session, "another");
  message_completed(session, "R", "m", "fine", NULL);
  turn_completed(session, "R");
  check(codex_turn_started(turn) && codex_turn_state_of(turn) == CODEX_TURN_COMPLETED);
  check_slice(codex_turn_final_response(turn), "fine");
  check_slice(codex_turn_id(turn), "R");
  check(session->unclaimed_count == 1);
  codex_request_release(request);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* A start on a busy thread is answered with the id of the turn that runs. */
static void a_running_turn_is_joined(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  codex_request *request = start_turn(session, true);
  answer_start(session, request, "T");
  check(codex_request_joined(request) && codex_request_turn(request) == NULL);
  check(codex_request_error(request)->kind == CODEX_ERROR_NONE);
  turn_completed(session, "T");
  codex_request_release(request);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void an_answer_without_a_turn_gives_none(void) {
  static const char *const results[] = {
      "{}", "null", "[]", "{\"turn\":null}", "{\"turn\":{\"id\":5}}", "{\"turn\":\"T\"}"};
  for (size_t i = 0; i < COUNT(results); i++) {
    cx_session *session = open_session();
    codex_request *request = start_turn(session, true);
    feed(session, "{\"id\":1,\"result\":%s}", results[i]);
    check(codex_request_done(request) && codex_request_error(request)->kind == CODEX_ERROR_NONE);
    check(codex_request_turn(request) == NULL && !codex_request_joined(request));
    codex_request_release(request);
    cx_session_free(session);
  }
}

static void an_error_gives_no_turn(void) {
  cx_session *session = open_session();
  codex_request *request = start_turn(session, true);
  feed(session, "{\"error\":{\"code\":1,\"message\":\"no\"},\"result\":{\"turn\":{\"id\":\"T\"}},\"id\":1}");
  check(codex_request_error(request)->kind == CODEX_ERROR_RPC);
  check(codex_request_turn(request) == NULL && session->turns.count == 0);
  codex_request_release(request);
  cx_session_free(session);
}

static void ids_with_escapes_are_the_same_ids(void) {
  cx_session *session = open_session();
  codex_request *request = start_turn(session, false);
  feed(session, "{\"id\":1,\"result\":{\"turn\":{\"id\":\"\\u0054\\/1\"}}}");
  codex_turn *turn = codex_request_turn(request);
  check_slice(codex_turn_id(turn), "T/1");
  turn_completed(session, "T\\/1");
  check(codex_turn_state_of(turn) == CODEX_TURN_COMPLETED);
  codex_request_release(request);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void a_released_start_claims_nothing(void) {
  cx_session *session = open_session();
  codex_request *request = start_turn(session, true);
  codex_request_release(request);
  turn_started(session, "T");
  feed(session, "{\"id\":1,\"result\":{\"turn\":{\"id\":\"T\"}}}");
  check_text(taken_ready(session), "");
  codex_turn *turn = cx_session_turn(session, "T", 1, true);
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  check_text(methods_of(stream), "turn/started, empty");
  codex_stream_free(stream);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void turns_are_claimed_by_id(void) {
  cx_session *session = open_session();
  codex_turn *turn = cx_session_turn(session, "T", 1, false), *same = cx_session_turn(session, "T", 1, true);
  check(turn == same && codex_turn_serial(turn) == 1);
  turn_started(session, "T");
  check(codex_turn_started(turn));
  codex_turn_release(turn);
  turn_completed(session, "T");
  check(codex_turn_state_of(same) == CODEX_TURN_COMPLETED);
  codex_turn_release(same);
  cx_session_free(session);
}

/* ---- turns that nobody claims ---- */

static void start_numbered(cx_session *session, unsigned from, unsigned to) {
  char id[20];
  for (unsigned i = from; i < to; i++) {
    sprintf(id, "turn %u", i);
    turn_started(session, id);
  }
}

static bool is_kept(cx_session *session, unsigned number) {
  char id[20];
  sprintf(id, "turn %u", number);
  return cx_map_get(&session->turns, id, strlen(id)) != NULL;
}

static void unclaimed_turns_are_limited_in_number(void) {
  cx_session *session = open_session();
  start_numbered(session, 0, CX_MAX_UNCLAIMED_TURNS);
  check(session->unclaimed_count == CX_MAX_UNCLAIMED_TURNS && is_kept(session, 0));
  check(session->statistics.dropped_turns == 0);
  start_numbered(session, CX_MAX_UNCLAIMED_TURNS, CX_MAX_UNCLAIMED_TURNS + 1);
  check(session->unclaimed_count == CX_MAX_UNCLAIMED_TURNS);
  check(!is_kept(session, 0) && is_kept(session, 1) && is_kept(session, CX_MAX_UNCLAIMED_TURNS));
  check(session->statistics.dropped_turns == 1);
  cx_session_free(session);
}

/* Gives a turn an item of about that many bytes. */
static void send_item(cx_session *session, const char *turn, size_t size) {
  static char line[CX_MAX_UNCLAIMED_BYTES];
  int length =
      sprintf(line, "{\"method\":\"item/completed\",\"params\":{\"turnId\":\"%s\",\"item\":\"", turn);
  memset(line + length, 'x', size);
  strcpy(line + length + size, "\"}}\n");
  feed_bytes(session, line, (size_t)length + size + 4);
}

static void unclaimed_turns_are_limited_in_bytes(void) {
  cx_session *session = open_limited(CODEX_DEFAULT_MAX_LINE, (size_t)1 << 30, 64);
  turn_started(session, "turn 0");
  turn_started(session, "turn 1");
  send_item(session, "turn 0", CX_MAX_UNCLAIMED_BYTES / 4);
  check(is_kept(session, 0) && is_kept(session, 1));
  for (int i = 0; i < 4; i++)
    send_item(session, "turn 1", CX_MAX_UNCLAIMED_BYTES / 8);
  check(!is_kept(session, 0));
  check(session->statistics.dropped_turns > 0);
  cx_session_free(session);
}

/* Events over a stream's limit are dropped, but the items would still be collected. */
static void unclaimed_items_count_too(void) {
  cx_session *session = open_limited(CODEX_DEFAULT_MAX_LINE, 1000, 64);
  size_t most = 0;
  for (int i = 0; i < 20; i++) {
    send_item(session, "turn 0", (size_t)2 << 20);
    codex_turn *turn = cx_map_get(&session->turns, "turn 0", 6);
    if (turn && turn->collected > most) most = turn->collected;
  }
  check(most <= CX_MAX_UNCLAIMED_BYTES);
  cx_session_free(session);
}

static void claimed_bytes_no_longer_count(void) {
  cx_session *session = open_limited(CODEX_DEFAULT_MAX_LINE, (size_t)1 << 30, 64);
  send_item(session, "turn 0", CX_MAX_UNCLAIMED_BYTES / 4);
  codex_turn *turn = cx_session_turn(session, "turn 0", 6, true);
  for (int i = 0; i < 4; i++)
    send_item(session, "turn 0", CX_MAX_UNCLAIMED_BYTES / 4);
  turn_started(session, "turn 1");
  send_item(session, "turn 1", CX_MAX_UNCLAIMED_BYTES / 4);
  check(is_kept(session, 1) && session->statistics.dropped_turns == 0);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* A start that is on the wire may still claim any turn heard of since it was written, and no other. */
static void an_open_start_protects_its_turn(void) {
  cx_session *session = open_session();
  start_numbered(session, 0, 10);
  codex_request *request = start_turn(session, true);
  start_numbered(session, 10, 100);
  for (unsigned i = 0; i < 100; i++)
    check(is_kept(session, i) == (i >= 10));
  feed(session, "{\"id\":1,\"result\":{\"turn\":{\"id\":\"turn 10\"}}}");
  codex_turn *turn = codex_request_turn(request);
  check(codex_turn_started(turn));
  start_numbered(session, 100, 101);
  check(session->unclaimed_count == CX_MAX_UNCLAIMED_TURNS);
  check(is_kept(session, 10) && !is_kept(session, 11) && is_kept(session, 100));
  codex_request_release(request);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* Seconds of processor time that many events of unclaimed turns take while a start is open. */
static void a_flood_of_unclaimed_turns_is_handled_in_linear_time(void) {
  enum { TURNS = 3000, ROUNDS = 10 };
  cx_session *session = open_session();
  codex_request *request = start_turn(session, true);
  clock_t before = clock();
  for (unsigned round = 0; round < ROUNDS; round++)
    start_numbered(session, 0, TURNS);
  double seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
  check(session->unclaimed_count == TURNS);
  check(seconds < 2);
  if (seconds >= 2) printf("    %.1f s\n", seconds);
  codex_request_release(request);
  cx_session_free(session);
}

static void a_thousand_turns_are_open(void) {
  enum { MANY = 1000 };
  static codex_turn *turns[MANY];
  cx_session *session = open_session();
  char id[20];
  for (int i = 0; i < MANY; i++) {
    sprintf(id, "turn %d", i);
    turns[i] = open_turn(session, id, true);
    codex_turn_watch(turns[i], CODEX_WATCH_END);
  }
  taken_ready(session);
  for (int round = 0; round < 5; round++)
    for (int i = 0; i < MANY; i++) {
      sprintf(id, "turn %d", i);
      message_delta(session, id, "m", round ? "x" : id);
    }
  for (int i = MANY - 1; i >= 0; i--) {
    sprintf(id, "turn %d", i);
    message_completed(session, id, "m", id, NULL);
    turn_completed(session, id);
    check_slice(codex_turn_final_response(turns[i]), id);
    codex_turn_release(turns[i]);
  }
  check(session->turns.count == 0 && cx_list_empty(&session->all_turns));
  cx_session_free(session);
}

/* The lines begin alike, and yet aren't the forgotten turn's any more. */
static void deltas_dont_reach_a_forgotten_turn(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "t1", false);
  for (int i = 0; i < 3; i++)
    message_delta(session, "t1", "m", "a");
  turn_completed(session, "t1");
  codex_turn_release(turn);
  check(session->turns.count == 0);
  for (int i = 0; i < 3; i++)
    message_delta(session, "t1", "m", "b");
  turn = open_turn(session, "t1", false);
  message_completed(session, "t1", "m", "", NULL);
  turn_completed(session, "t1");
  check_slice(codex_turn_final_response(turn), "bbb");
  codex_turn_release(turn);
  cx_session_free(session);
}

static void the_last_id_of_a_line_counts(void) {
  cx_session *session = open_session();
  codex_turn *one = open_turn(session, "t1", false), *other = open_turn(session, "t2", false);
  for (int i = 0; i < 3; i++)
    message_delta(session, "t1", "m", "a");
  feed(session, "{\"method\":\"item/agentMessage/delta\",\"params\":{\"threadId\":\"th\",\"turnId\":\"t1\","
                "\"itemId\":\"m\",\"delta\":\"b\",\"turnId\":\"t2\"}}");
  message_delta(session, "t1", "m", "a");
  message_completed(session, "t1", "m", "", NULL);
  message_completed(session, "t2", "m", "", NULL);
  check_slice(codex_turn_final_response(one), "aaaa");
  check_slice(codex_turn_final_response(other), "b");
  codex_turn_release(one);
  codex_turn_release(other);
  cx_session_free(session);
}

void claims_spec(void) {
  it("claims a turn that has ended before it was known", a_turn_may_end_before_it_is_known);
  it("claims a turn that has begun before it was known", a_turn_may_begin_before_it_is_known);
  it("knows a review by the id of its answer", a_review_goes_by_the_id_of_its_answer);
  it("says that a start joined a running turn", a_running_turn_is_joined);
  it("gives no turn where the answer has none", an_answer_without_a_turn_gives_none);
  it("gives no turn where the answer is an error", an_error_gives_no_turn);
  it("takes ids with escapes for the same ids", ids_with_escapes_are_the_same_ids);
  it("claims nothing for a released start", a_released_start_claims_nothing);
  it("claims turns by id", turns_are_claimed_by_id);
  it("keeps so many unclaimed turns, then drops the oldest", unclaimed_turns_are_limited_in_number);
  it("keeps so many bytes of unclaimed turns", unclaimed_turns_are_limited_in_bytes);
  it("counts the items of unclaimed turns too", unclaimed_items_count_too);
  it("doesn't count claimed turns", claimed_bytes_no_longer_count);
  it("never drops a turn that an open start could claim", an_open_start_protects_its_turn);
  it("handles a flood of unclaimed turns in linear time",
     a_flood_of_unclaimed_turns_is_handled_in_linear_time);
  it("keeps a thousand turns open", a_thousand_turns_are_open);
  it("has deltas reach no turn that was forgotten", deltas_dont_reach_a_forgotten_turn);
  it("goes by the last of a line's turn ids", the_last_id_of_a_line_counts);
}
