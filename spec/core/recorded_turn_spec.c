/* A whole turn as a server writes it, cut anywhere, and with memory running out anywhere. */
#include "support.h"

#include <inttypes.h>

void recorded_turn_spec(void);

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

void recorded_turn_spec(void) {
  it("adds a recorded turn up", a_recorded_turn_adds_up);
  it("streams each event of it once, in order", a_stream_gives_each_event_once_in_order);
  it("doesn't care where the bytes of a turn are cut", cuts_make_no_difference);
  it("is right or says that memory is out", memory_runs_out_anywhere);
  it("is right or says that memory is out, in claims and streams", memory_runs_out_in_claims_and_streams);
  it("isn't changed by a stream that memory didn't reach for", a_stream_that_fails_changes_nothing);
}
