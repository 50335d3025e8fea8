/* What a turn's streams see, and how much they may leave unread. */
#include "core/turn.h"

#include "support.h"

void stream_spec(void);

/* ---- text ---- */

static const struct text_sample {
  agent_message messages[4];
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

void stream_spec(void) {
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
}
