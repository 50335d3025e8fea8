/* What a turn's events add up to, and what its streams see. */
#include "core/request.h"
#include "core/stream.h"
#include "core/turn.h"

#include "support.h"

#include <inttypes.h>
#include <stdlib.h>

void turn_spec(void);

/* ---- a whole turn, recorded ---- */

/* As a server would write it, with what else may stand between: another turn, blank lines, garbage, CR LF. */
static const char recorded[] =
    "{\"id\":1,\"result\":{\"userAgent\":\"x/0.169.0\",\"codexHome\":\"/h\"}}\n"
    "{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"th\",\"turns\":[]}}}\n"
    "{\"id\":2,\"result\":{\"turn\":{\"id\":\"tu\\u0072n\",\"status\":\"inProgress\",\"items\":[]}}}\r\n"
    "\n"
    "{\"method\":\"thread/status/"
    "changed\",\"params\":{\"threadId\":\"th\",\"status\":{\"type\":\"active\"}}}\n"
    "{\"method\":\"turn\\/"
    "started\",\"params\":{\"turn\":{\"id\":\"turn\"},\"threadId\":\"th\"},\"emittedAtMs\":17}\n"
    "{\"method\":\"turn/started\",\"params\":{\"turn\":{\"id\":\"other\"},\"threadId\":\"th2\"}}\n"
    "{\"method\":\"item/started\",\"params\":{\"item\":{\"type\":\"userMessage\",\"id\":\"u1\"},"
    "\"threadId\":\"th\",\"turnId\":\"turn\"}}\n"
    "{\"params\":{\"turnId\":\"turn\",\"item\":{\"id\":\"u1\",\"type\":\"userMessage\",\"content\":[]},"
    "\"threadId\":\"th\"},\"method\":\"item/completed\"}\r\n"
    "warning: not JSON {\"method\"\n"
    "{\"method\":\"item/"
    "started\",\"params\":{\"item\":{\"type\":\"agentMessage\",\"id\":\"m1\",\"text\":\"\"},"
    "\"threadId\":\"th\",\"turnId\":\"turn\"}}\n"
    "{\"method\":\"item/agentMessage/delta\",\"params\":{\"threadId\":\"th\",\"turnId\":\"turn\","
    "\"itemId\":\"m1\",\"delta\":\"Gr\xC3\xBC\"}}\n"
    "{\"id\":0,\"method\":\"item/commandExecution/requestApproval\",\"params\":{\"threadId\":\"th\","
    "\"turnId\":\"turn\",\"itemId\":\"c1\"}}\n"
    "{\"method\":\"item/agentMessage/delta\",\"params\":{\"threadId\":\"th\",\"turnId\":\"other\","
    "\"itemId\":\"m1\",\"delta\":\"not mine\"}}\n"
    "{\"method\":\"item/agentMessage/delta\",\"params\":{\"threadId\":\"th\",\"turnId\":\"turn\","
    "\"itemId\":\"m\\u0031\",\"delta\":\"\\u00dfe \\ud83d\\ude00\"}}\n"
    "{\"id\":\"a\\\"1\",\"method\":\"item/tool/call\",\"params\":{\"turnId\":\"turn\"}}\n"
    "[1,2,3]\n42\n"
    "{\"method\":\"thread/tokenUsage/updated\",\"params\":{\"threadId\":\"th\",\"turnId\":\"turn\","
    "\"tokenUsage\":{\"total\":{\"totalTokens\":5}}}}\n"
    "{\"method\":\"item/completed\",\"params\":{\"item\":{\"type\":\"agentMessage\",\"id\":\"m1\","
    "\"text\":\"Gr\xC3\xBC\xC3\x9F"
    "e \xF0\x9F\x98\x80, and more\",\"phase\":\"final_answer\"},"
    "\"threadId\":\"th\",\"turnId\":\"turn\"}}\n"
    "   \t\n"
    "{\"id\":99,\"result\":{}}\n"
    "{\"method\":\"thread/tokenUsage/updated\",\"params\":{\"threadId\":\"th\",\"turnId\":\"turn\","
    "\"tokenUsage\":{\"total\":{\"totalTokens\":9}}}}\n"
    "{\"method\":\"account/rateLimits/updated\",\"params\":{\"rateLimits\":{}}}\n"
    "{\"error\":{\"code\":-32600,\"message\":\"no \\\"such\\\" thing\"},\"id\":3}\n"
    "{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th\",\"turn\":{\"id\":\"turn\",\"items\":[],"
    "\"status\":\"completed\",\"error\":null}}}\n";

/* All that came of it. */
typedef struct outcome {
  account requests, turn, stream, session;
} outcome;

typedef struct play {
  bool text;
  size_t cut, piece; /* bytes of the first piece, and of each later one */
  cx_session *session;
  codex_request *initialize, *start, *third;
  codex_turn *turn;
  codex_stream *stream;
} play;

#define RECORDED (sizeof recorded - 1)

static void open_play(play *p) {
  TWICE(p->session, open_session());
  TWICE(p->initialize, cx_session_initialize(p->session, "{}", 2, -1));
  TWICE(p->start, cx_session_start_turn(p->session, "turn/start", "{}", 2, -1, true));
  TWICE(p->third, cx_session_request(p->session, "third", "[]", 2, -1));
}

static void watch_play(play *p) {
  if (p->turn || !codex_request_done(p->start)) return;
  p->turn = codex_request_turn(p->start);
  if (!p->turn) return;
  TWICE(p->stream, codex_turn_stream(p->turn, NULL, p->text));
  codex_turn_watch(p->turn, CODEX_WATCH_END);
}

static void feed_play(play *p) {
  feed_bytes(p->session, recorded, p->cut);
  watch_play(p);
  for (size_t at = p->cut, length; at < RECORDED; at += length) {
    length = RECORDED - at < p->piece ? RECORDED - at : p->piece;
    feed_bytes(p->session, recorded + at, length);
    watch_play(p);
  }
}

static void note_session(account *to, cx_session *session) {
  const codex_statistics *s = &session->statistics;
  note(to, "%s", taken_output(session));
  note(to, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", s->lines,
       s->blank_lines, s->invalid_lines, s->unknown_ids, s->notifications, s->server_requests, s->answers);
  note(to, "%s\n", taken_ready(session));
}

static void note_play(play *p, outcome *o) {
  o->requests.length = o->turn.length = o->stream.length = o->session.length = 0;
  note_request(&o->requests, p->initialize);
  note_request(&o->requests, p->start);
  note_request(&o->requests, p->third);
  if (p->turn) codex_turn_final_response(p->turn); /* none for lack of memory is asked for again */
  if (p->turn) note_turn(&o->turn, p->turn);
  if (p->stream) note_stream(&o->stream, p->stream, p->text);
  note_session(&o->session, p->session);
}

static void close_play(play *p) {
  codex_stream_free(p->stream);
  codex_turn_release(p->turn);
  codex_request_release(p->initialize);
  codex_request_release(p->start);
  codex_request_release(p->third);
  cx_session_free(p->session);
}

static void run_play(bool text, size_t cut, size_t piece, outcome *o) {
  play p = {.text = text, .cut = cut, .piece = piece};
  open_play(&p);
  feed_play(&p);
  note_play(&p, o);
  close_play(&p);
}

static outcome reference, result;

static void check_same(const account *one, const account *other) {
  check(one->length == other->length && memcmp(one->text, other->text, one->length) == 0);
}

static void check_like_reference(void) {
  check_same(&result.requests, &reference.requests);
  check_same(&result.turn, &reference.turn);
  check_same(&result.stream, &reference.stream);
  check_same(&result.session, &reference.session);
}

static void a_recorded_turn_adds_up(void) {
  run_play(true, RECORDED, 1, &result);
  check_account(&result.turn,
                "turn: turn\nthread: th\ncompleted, started\n"
                "item: {\"id\":\"u1\",\"type\":\"userMessage\",\"content\":[]}\n"
                "item: {\"type\":\"agentMessage\",\"id\":\"m1\",\"text\":\"Gr\xC3\xBC\xC3\x9F"
                "e \xF0\x9F\x98\x80, and "
                "more\",\"phase\":\"final_answer\"}\n"
                "first usage: {\"total\":{\"totalTokens\":5}}\nlast usage: {\"total\":{\"totalTokens\":9}}\n"
                "completion: {\"id\":\"turn\",\"items\":[],\"status\":\"completed\",\"error\":null}\n"
                "final response: Gr\xC3\xBC\xC3\x9F"
                "e \xF0\x9F\x98\x80, and more\n");
  check_account(&result.stream, "m1: Gr\xC3\xBC\nm1: \xC3\x9F"
                                "e \xF0\x9F\x98\x80\nm1: , and more\nend\n");
  check_account(&result.requests,
                "initialize 1\nresult: {\"userAgent\":\"x/0.169.0\",\"codexHome\":\"/h\"}\n"
                "turn/start 2\nresult: {\"turn\":{\"id\":\"tu\\u0072n\",\"status\":\"inProgress\","
                "\"items\":[]}}\n"
                "third 3\nresult: none\nerror 9: no \"such\" thing\n");
  check_account(
      &result.session,
      "{\"method\":\"initialize\",\"id\":1,\"params\":{}}\n{\"method\":\"turn/"
      "start\",\"id\":2,\"params\":{}}\n"
      "{\"method\":\"third\",\"id\":3,\"params\":[]}\n{\"method\":\"initialized\"}\n"
      "{\"id\":0,\"result\":{\"decision\":\"decline\"}}\n"
      "{\"id\":\"a\\\"1\",\"result\":{\"contentItems\":[{\"type\":\"inputText\",\"text\":\"This tool call "
      "failed: the client gave no answer to it.\"}],\"success\":false}}\n"
      "24 2 3 1 15 2 2\nrequest 1, request 2, request 3, turn 1\n");
}

static void a_stream_gives_each_event_once_in_order(void) {
  run_play(false, RECORDED, 1, &result);
  size_t events = 0;
  for (size_t i = 0; i < result.stream.length; i++)
    events += result.stream.text[i] == '\n';
  check(events == 10 + 1);
  check(strstr(result.stream.text, "turn/started\t{\"turn\":{\"id\":\"turn\"},\"threadId\":\"th\"}\t"
                                   "{\"method\":\"turn\\/started\"") == result.stream.text);
  check(!strstr(result.stream.text, "not mine"));
}

/* A turn or request that is watched later is reported later, so the order of reports isn't compared. */
static void check_all_cuts(bool text) {
  run_play(text, RECORDED, 1, &reference);
  for (size_t cut = 0; cut < RECORDED; cut++) {
    run_play(text, cut, RECORDED, &result);
    check_like_reference();
  }
  static const size_t pieces[] = {1, 2, 3, 7, 64, 251};
  for (size_t i = 0; i < COUNT(pieces); i++) {
    run_play(text, 0, pieces[i], &result);
    check_like_reference();
  }
}

static void cuts_make_no_difference(void) {
  check_all_cuts(false);
  check_all_cuts(true);
}

/* ---- the same with memory running out ---- */

static play failing;

static bool begins_like(const account *part, size_t length, const account *whole) {
  return length <= whole->length && memcmp(part->text, whole->text, length) == 0;
}

static void check_failed_request(codex_request *request) {
  check(codex_request_done(request));
  codex_error_kind kind = codex_request_error(request)->kind;
  check(kind == CODEX_ERROR_NONE || kind == CODEX_ERROR_RPC || kind == CODEX_ERROR_NO_MEMORY);
  check((kind == CODEX_ERROR_NONE) == (codex_request_result(request).bytes != NULL));
  check((kind == CODEX_ERROR_RPC) == (codex_request_error_object(request).bytes != NULL));
}

/* A connection that ran out of memory says so to whoever still waits, and has told no lies before. */
static void check_failed_play(play *p) {
  static const char ending[] = "broken\n";
  check(p->session->error.kind == CODEX_ERROR_NO_MEMORY);
  check_failed_request(p->initialize);
  check_failed_request(p->start);
  check_failed_request(p->third);
  check((codex_request_error(p->start)->kind == CODEX_ERROR_NONE) == (p->turn != NULL));
  if (!p->turn) return;
  if (codex_turn_state_of(p->turn) == CODEX_TURN_COMPLETED) {
    check_same(&result.turn, &reference.turn);
    check_same(&result.stream, &reference.stream);
  } else {
    check(codex_turn_state_of(p->turn) == CODEX_TURN_BROKEN);
    check(codex_turn_error(p->turn)->kind == CODEX_ERROR_NO_MEMORY);
    size_t length = result.stream.length - (sizeof ending - 1);
    check(result.stream.length >= sizeof ending - 1 && strcmp(result.stream.text + length, ending) == 0);
    check(begins_like(&result.stream, length, &reference.stream));
  }
}

static void play_failing(void) {
  play p = {.text = failing.text, .cut = failing.cut, .piece = failing.piece};
  open_play(&p);
  feed_play(&p);
  note_play(&p, &result);
  if (p.session->error.kind == CODEX_ERROR_NONE)
    check_like_reference();
  else
    check_failed_play(&p);
  close_play(&p);
}

static void memory_runs_out_anywhere(void) {
  static const size_t pieces[] = {RECORDED, 100};
  for (int text = 0; text < 2; text++)
    for (size_t i = 0; i < COUNT(pieces); i++) {
      failing = (play){.text = text, .cut = 0, .piece = pieces[i]};
      run_play(text, 0, pieces[i], &reference);
      test_each_allocation_failing(play_failing);
    }
}

static const char *const some_methods[] = {"item/completed", "turn/completed", NULL};

/* Claims by id, filtered and later streams, a replay. */
static void claim_with_little_memory(void) {
  cx_session *session = NULL;
  codex_turn *turn = NULL;
  codex_stream *first = NULL, *second = NULL, *replay = NULL;
  TWICE(session, open_session());
  TWICE(turn, cx_session_turn(session, "T", 1, true));
  TWICE(first, codex_turn_stream(turn, some_methods, false));
  TWICE(second, codex_turn_stream(turn, NULL, true));
  message_delta(session, "T", "m", "a\\n");
  message_completed(session, "T", "m", "a\\nb", NULL);
  turn_completed(session, "T");
  TWICE(replay, codex_turn_stream(turn, NULL, false));
  codex_turn_final_response(turn);
  if (session->error.kind == CODEX_ERROR_NONE) {
    account pieces = {.length = 0};
    note_stream(&pieces, second, true);
    check_account(&pieces, "m: a\n\nm: b\nend\n");
    check_text(methods_of(first), "item/completed, turn/completed, end");
    check_slice(codex_turn_final_response(turn), "a\nb");
  } else {
    check(session->error.kind == CODEX_ERROR_NO_MEMORY &&
          codex_turn_error(turn)->kind == CODEX_ERROR_NO_MEMORY);
  }
  codex_stream_free(first);
  codex_stream_free(replay);
  codex_turn_release(turn);
  cx_session_free(session);
  codex_stream_free(second);
}

static void memory_runs_out_in_claims_and_streams(void) {
  test_each_allocation_failing(claim_with_little_memory);
}

/* A stream that couldn't be opened leaves the events that are kept as they were. */
static void a_stream_that_fails_changes_nothing(void) {
  for (long n = 0; n < 3; n++) {
    cx_session *session = open_session();
    codex_turn *turn = open_turn(session, "T", true);
    test_fail_allocation(n);
    check(codex_turn_stream(turn, some_methods, true) == NULL);
    check(test_allocation_failed());
    turn_started(session, "T");
    turn_completed(session, "T");
    codex_stream *stream = codex_turn_stream(turn, NULL, false);
    check_text(methods_of(stream), "turn/started, turn/completed, end");
    codex_stream_free(stream);
    codex_turn_release(turn);
    cx_session_free(session);
  }
  test_fail_allocation(-1);
}

/* ---- the final response ---- */

typedef struct message {
  const char *delta, *text, *phase; /* text NULL: it never completes */
} message;

static const struct final_sample {
  message messages[4];
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

static void send_messages(cx_session *session, const char *turn, const message *messages) {
  for (int i = 0; i < 4; i++) {
    char item[] = {'m', (char)('0' + i), 0};
    if (messages[i].delta) message_delta(session, turn, item, messages[i].delta);
    if (messages[i].text) message_completed(session, turn, item, messages[i].text, messages[i].phase);
  }
}

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

/* ---- text ---- */

static const struct text_sample {
  message messages[4];
  const char *expected;
} text_samples[] = {
    {{{NULL, NULL, NULL}}, "end"},
    {{{"one", "one", NULL}}, "m0:one, end"},
    {{{"one", "one and more", NULL}}, "m0:one, m0: and more, end"},
    {{{NULL, "all at once", NULL}}, "m0:all at once, end"},
    {{{"one", "different", NULL}}, "m0:one, end"},
    {{{"longer than it", "longer", NULL}}, "m0:longer than it, end"},
    {{{"one", "", NULL}}, "m0:one, end"},
    {{{NULL, "", NULL}}, "end"},
    {{{"a", NULL, NULL}, {"b", "b", NULL}, {"c", "cd", "commentary"}}, "m0:a, m1:b, m2:c, m2:d, end"},
    {{{"\\u00e4", "\xC3\xA4\\u00f6", NULL}}, "m0:\xC3\xA4, m0:\xC3\xB6, end"},
    {{{"\xC3\xA4\xF0\x9F", "\xC3\xA4\xF0\x9F\x98\x80", NULL}}, "m0:\xC3\xA4\xEF\xBF\xBD, end"},
    {{{"\\ud83d\\ude00", "\\ud83d\\ude00!\\n", NULL}}, "m0:\xF0\x9F\x98\x80, m0:!\n, end"},
    {{{"\\\"", "\\u0022\\/", NULL}}, "m0:\", m0:/, end"},
};

static void text_comes_in_pieces(void) {
  for (size_t i = 0; i < COUNT(text_samples); i++) {
    cx_session *session = open_session();
    codex_turn *turn = open_turn(session, "T", true);
    codex_stream *now = codex_turn_stream(turn, NULL, true); /* keeps only text */
    codex_turn *kept_turn = open_turn(session, "U", true);   /* keeps all until it is asked */
    send_messages(session, "T", text_samples[i].messages);
    send_messages(session, "U", text_samples[i].messages);
    turn_completed(session, "T");
    turn_completed(session, "U");
    codex_stream *kept = codex_turn_stream(kept_turn, NULL, true);
    check_text(pieces_of(now), text_samples[i].expected);
    check_text(pieces_of(kept), text_samples[i].expected);
    codex_stream_free(now);
    codex_stream_free(kept);
    codex_turn_release(turn);
    codex_turn_release(kept_turn);
    cx_session_free(session);
  }
}

static void an_empty_piece_is_text_all_the_same(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, true);
  codex_slice piece, item;
  message_delta(session, "T", "m", "");
  check(codex_stream_next_text(stream, &piece, &item) == CODEX_STREAM_EVENT);
  check_slice(piece, "");
  check_slice(item, "m");
  codex_stream_free(stream);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void a_late_reader_of_text_gets_what_comes(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  message_delta(session, "T", "m", "missed, ");
  codex_stream *stream = codex_turn_stream(turn, NULL, true);
  message_delta(session, "T", "m", "heard");
  message_completed(session, "T", "m", "missed, heard.", NULL);
  check_text(pieces_of(stream), "m:heard, m:., empty");
  codex_stream_free(stream);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* ---- which events a stream sees ---- */

static const char *const only_items[] = {"item/completed", NULL};
static const char *const nothing[] = {NULL};
static const char *const items_and_end[] = {"turn/completed", "item/completed", "no/such", NULL};

static const struct filter_sample {
  const char *const *methods;
  const char *expected;
} filter_samples[] = {
    {NULL, "turn/started, item/agentMessage/delta, future/event, item/completed, turn/completed, end"},
    {only_items, "item/completed, end"},
    {nothing, "end"},
    {items_and_end, "item/completed, turn/completed, end"},
};

static void send_a_turn(cx_session *session, const char *turn) {
  turn_started(session, turn);
  message_delta(session, turn, "m", "x");
  feed(session, "{\"method\":\"future\\/event\",\"params\":{\"turnId\":\"%s\",\"new\":[{}]}}", turn);
  message_completed(session, turn, "m", "x", NULL);
  turn_completed(session, turn);
}

static void methods_are_filtered(void) {
  for (size_t i = 0; i < COUNT(filter_samples); i++) {
    cx_session *session = open_session();
    codex_turn *turn = open_turn(session, "T", true), *kept_turn = open_turn(session, "U", true);
    codex_stream *now = codex_turn_stream(turn, filter_samples[i].methods, false);
    send_a_turn(session, "T");
    send_a_turn(session, "U");
    codex_stream *kept = codex_turn_stream(kept_turn, filter_samples[i].methods, false);
    check_text(methods_of(now), filter_samples[i].expected);
    check_text(methods_of(kept), filter_samples[i].expected);
    check_text(methods_of(kept), "end"); /* and again */
    codex_stream_free(now);
    codex_stream_free(kept);
    codex_turn_release(turn);
    codex_turn_release(kept_turn);
    cx_session_free(session);
  }
}

static void an_event_has_its_parts(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  codex_event event;
  static const char line[] = " { \"params\" : {\"turnId\":\"\\u0054\"} , \"method\":\"a\\/b\" } ";
  feed(session, "%s", line);
  feed(session, "{\"method\":\"warning\",\"params\":{\"threadId\":\"th\"}}");
  check(codex_stream_next(stream, &event) == CODEX_STREAM_EVENT);
  check_slice(event.method, "a/b");
  check_slice(event.params, "{\"turnId\":\"\\u0054\"}");
  check_slice(event.line, line);
  check(codex_stream_next(stream, &event) == CODEX_STREAM_EMPTY);
  codex_stream_free(stream);
  codex_turn_release(turn);
  cx_session_free(session);
}

/* Also where the new event takes just as much room as the one that was given, and its place. */
static void every_event_wakes(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  codex_event event;
  for (int i = 0; i < 1000; i++) {
    codex_turn_watch(turn, CODEX_WATCH_EVENTS);
    message_delta(session, "T", "m", "x");
    check_text(taken_ready(session), "turn 1");
    check(codex_stream_next(stream, &event) == CODEX_STREAM_EVENT);
  }
  codex_stream_free(stream);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void what_was_given_stays(void) {
  cx_session *session = open_limited(1 << 20, 2000, 64);
  codex_turn *turn = open_turn(session, "T", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, false), *text = codex_turn_stream(turn, NULL, true);
  codex_event event;
  codex_slice piece, item;
  message_delta(session, "T", "m", "kept");
  message_delta(session, "T", "m", "waits");
  check(codex_stream_next(stream, &event) == CODEX_STREAM_EVENT);
  check(codex_stream_next_text(text, &piece, &item) == CODEX_STREAM_EVENT);
  for (int i = 0; i < 100; i++) /* until both streams have overflowed */
    message_delta(session, "T", "m", "something else that takes the place of what was there");
  check_slice(event.method, "item/agentMessage/delta");
  check(event.params.bytes > event.line.bytes && strstr(event.params.bytes, "kept"));
  check_slice(piece, "kept");
  check_slice(item, "m");
  check(codex_stream_next(stream, &event) == CODEX_STREAM_OVERFLOW);
  check(codex_stream_next_text(text, &piece, &item) == CODEX_STREAM_OVERFLOW);
  codex_stream_free(stream);
  codex_stream_free(text);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void the_first_stream_sees_all_later_ones_what_comes(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true);
  turn_started(session, "T");
  message_delta(session, "T", "m", "x");
  codex_stream *first = codex_turn_stream(turn, NULL, false);
  codex_stream *second = codex_turn_stream(turn, NULL, false);
  message_completed(session, "T", "m", "x", NULL);
  turn_completed(session, "T");
  codex_stream *third = codex_turn_stream(turn, NULL, false);
  check_text(methods_of(first), "turn/started, item/agentMessage/delta, item/completed, turn/completed, end");
  check_text(methods_of(second), "item/completed, turn/completed, end");
  check_text(methods_of(third), "turn/completed, end");
  codex_stream_free(first);
  codex_stream_free(second);
  codex_stream_free(third);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void without_kept_events_only_what_comes(void) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false), *forgotten = open_turn(session, "U", true);
  turn_started(session, "T");
  turn_started(session, "U");
  codex_turn_forget_events(forgotten);
  codex_turn_forget_events(forgotten);
  codex_stream *streams[] = {codex_turn_stream(turn, NULL, false), codex_turn_stream(forgotten, NULL, false)};
  message_delta(session, "T", "m", "x");
  message_delta(session, "U", "m", "x");
  codex_turn_forget_events(forgotten); /* an open stream stays */
  for (int i = 0; i < 2; i++) {
    check_text(methods_of(streams[i]), "item/agentMessage/delta, empty");
    codex_stream_free(streams[i]);
  }
  codex_turn_release(turn);
  codex_turn_release(forgotten);
  cx_session_free(session);
}

/* The completion is given again as it came, whatever the ids hold. */
static void a_completion_is_replayed(void) {
  static const char params[] =
      "{\"extra\":1,\"threadId\":\"a\\\"b\\\\\",\"turn\":{\"id\":\"T\",\"status\":\"failed\"}}";
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", false);
  codex_event event;
  codex_slice piece, item;
  feed(session, "{\"method\":\"turn/completed\",\"params\":%s}", params);
  for (int i = 0; i < 2; i++) {
    codex_stream *stream = codex_turn_stream(turn, NULL, false);
    check(codex_stream_next(stream, &event) == CODEX_STREAM_EVENT);
    check_slice(event.method, "turn/completed");
    check_slice(event.params, params);
    check(codex_stream_next(stream, &event) == CODEX_STREAM_END);
    codex_stream_free(stream);
  }
  codex_stream *text = codex_turn_stream(turn, NULL, true);
  check(codex_stream_next_text(text, &piece, &item) == CODEX_STREAM_END);
  codex_stream_free(text);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void turns_dont_mix(void) {
  cx_session *session = open_session();
  codex_turn *a = open_turn(session, "A", true), *b = open_turn(session, "B", true);
  turn_started(session, "A");
  turn_started(session, "B");
  message_delta(session, "A", "m", "of A");
  message_delta(session, "B", "m", "of B");
  message_completed(session, "B", "m", "of B!", NULL);
  turn_completed(session, "B");
  check(codex_turn_state_of(a) == CODEX_TURN_RUNNING);
  message_completed(session, "A", "m", "of A?", NULL);
  turn_completed(session, "A");
  codex_stream *text_a = codex_turn_stream(a, NULL, true), *text_b = codex_turn_stream(b, NULL, true);
  check_text(pieces_of(text_a), "m:of A, m:?, end");
  check_text(pieces_of(text_b), "m:of B, m:!, end");
  check_slice(codex_turn_final_response(a), "of A?");
  check_slice(codex_turn_final_response(b), "of B!");
  codex_stream_free(text_a);
  codex_stream_free(text_b);
  codex_turn_release(a);
  codex_turn_release(b);
  cx_session_free(session);
}

/* ---- the unread limit ---- */

/* What an event takes, which is more than its line: the limit is tried out around two of them. */
static size_t measure_delta(const char *text) {
  cx_session *session = open_session();
  codex_turn *turn = open_turn(session, "T", true);
  message_delta(session, "T", "m", text);
  size_t size = cx_turn_unread(turn);
  codex_turn_release(turn);
  cx_session_free(session);
  return size;
}

static void check_unread(size_t limit, bool overflows) {
  cx_session *session = open_limited(100000, limit, 64);
  codex_turn *turn = open_turn(session, "T", true), *same = open_turn(session, "U", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, false),
               *other = codex_turn_stream(turn, only_items, false);
  for (int i = 0; i < 2; i++) {
    message_delta(session, "T", "m", "0123456789");
    message_delta(session, "U", "m", "0123456789");
  }
  const char *expected = overflows ? "overflow" : "item/agentMessage/delta, item/agentMessage/delta, empty";
  check_text(methods_of(stream), expected);
  codex_stream *kept = codex_turn_stream(same, NULL, false); /* what was kept for it has the limit too */
  check_text(methods_of(kept), expected);
  message_completed(session, "T", "m", "0123456789", NULL);
  check_text(methods_of(stream), overflows ? "overflow" : "item/completed, empty");
  check_text(methods_of(other), "item/completed, empty"); /* which had less to read */
  turn_completed(session, "T");
  check(codex_turn_error(turn)->kind == CODEX_ERROR_NONE);
  check_slice(codex_turn_final_response(turn), "0123456789");
  check_text(methods_of(other), "end");
  codex_stream_free(stream);
  codex_stream_free(other);
  codex_stream_free(kept);
  codex_turn_release(turn);
  codex_turn_release(same);
  cx_session_free(session);
}

static void unread_events_have_a_limit(void) {
  size_t size = measure_delta("0123456789");
  check_unread(2 * size - 1, true);
  check_unread(2 * size, false);
  check_unread(2 * size + 200, false);
}

/* What was read no longer counts, the event last given out included. */
static void read_events_dont_count(void) {
  size_t size = measure_delta("0123456789");
  cx_session *session = open_limited(100000, 2 * size, 64);
  codex_turn *turn = open_turn(session, "T", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  codex_event event;
  message_delta(session, "T", "m", "0123456789");
  for (int i = 0; i < 100; i++) {
    message_delta(session, "T", "m", "0123456789");
    check(codex_stream_next(stream, &event) == CODEX_STREAM_EVENT);
  }
  message_delta(session, "T", "m", "0123456789");
  check(codex_stream_next(stream, &event) == CODEX_STREAM_EVENT);
  codex_stream_free(stream);
  codex_turn_release(turn);
  cx_session_free(session);
}

static void a_single_event_may_be_larger(void) {
  cx_session *session = open_limited(100000, 10, 64);
  codex_turn *turn = open_turn(session, "T", true);
  codex_stream *stream = codex_turn_stream(turn, NULL, false);
  for (int i = 0; i < 3; i++) {
    message_delta(session, "T", "m", "a long text, longer than the limit");
    check_text(methods_of(stream), "item/agentMessage/delta, empty");
  }
  turn_started(session, "T");
  turn_completed(session, "T");
  check_text(methods_of(stream), "overflow");
  codex_stream_free(stream);
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
  it("adds a recorded turn up", a_recorded_turn_adds_up);
  it("streams each event of it once, in order", a_stream_gives_each_event_once_in_order);
  it("doesn't care where the bytes of a turn are cut", cuts_make_no_difference);
  it("is right or says that memory is out", memory_runs_out_anywhere);
  it("is right or says that memory is out, in claims and streams", memory_runs_out_in_claims_and_streams);
  it("isn't changed by a stream that memory didn't reach for", a_stream_that_fails_changes_nothing);
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
  it("gives text in pieces, and the rest at the end", text_comes_in_pieces);
  it("gives an empty piece as empty text", an_empty_piece_is_text_all_the_same);
  it("gives a late reader of text what comes", a_late_reader_of_text_gets_what_comes);
  it("filters methods", methods_are_filtered);
  it("gives an event's method, params and line", an_event_has_its_parts);
  it("leaves what was given untouched by what comes", what_was_given_stays);
  it("reports every event that comes", every_event_wakes);
  it("gives the first stream all events, later ones what comes",
     the_first_stream_sees_all_later_ones_what_comes);
  it("keeps no events unasked", without_kept_events_only_what_comes);
  it("replays the completion of a turn that has ended", a_completion_is_replayed);
  it("keeps turns apart", turns_dont_mix);
  it("limits unread events", unread_events_have_a_limit);
  it("doesn't count what was read", read_events_dont_count);
  it("lets a single event be larger than the limit", a_single_event_may_be_larger);
  it("lets things go in any order", things_are_let_go_in_any_order);
  it("keeps what is held beyond the session", what_is_held_outlives_the_session);
  it("isn't disturbed by a stream that is left", a_left_stream_changes_nothing);
  it("knows an abandoned turn until its end", an_abandoned_turn_is_known_until_its_end);
  it("reports a watch once", a_watch_is_reported_once);
  it("reports only events that a stream wants", only_wanted_events_are_reported);
  it("reports the end to every watch", every_watch_includes_the_end);
  it("doesn't report a turn that was let go", a_released_turn_is_not_reported);
}
