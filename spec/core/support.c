#include "support.h"

#include "core/server_request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

void test_check_slice(codex_slice slice, const char *expected, const char *file, int line) {
  if (expected)
    test_check_bytes(slice.bytes, slice.length, expected, file, line);
  else
    test_check(slice.bytes == NULL, "slice.bytes == NULL", file, line);
}

void test_check_text(const char *text, const char *expected, const char *file, int line) {
  test_check_bytes(text, strlen(text), expected, file, line);
}

/* ---- a session ---- */

cx_session *open_limited(size_t max_line, size_t max_unread, unsigned max_in_flight) {
  codex_options options = {.max_line = max_line, .max_unread = max_unread, .max_in_flight = max_in_flight};
  return cx_session_new(&options);
}

cx_session *open_session(void) {
  return open_limited(CODEX_DEFAULT_MAX_LINE, CODEX_DEFAULT_MAX_UNREAD, CODEX_DEFAULT_MAX_IN_FLIGHT);
}

void feed_bytes(cx_session *session, const char *bytes, size_t length) {
  while (length > 0) {
    size_t space;
    char *room = cx_session_reserve(session, &space);
    if (!room) return;
    if (space > length) space = length;
    memcpy(room, bytes, space);
    cx_session_commit(session, space);
    bytes += space;
    length -= space;
    while (cx_session_step(session, 1000)) {
    }
  }
}

void feed(cx_session *session, const char *format, ...) {
  static char line[1 << 16];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  line[length] = '\n';
  feed_bytes(session, line, (size_t)length + 1);
}

const char *taken_output(cx_session *session) {
  static char text[1 << 18];
  cx_buffer *output = cx_session_output(session);
  size_t length = cx_buffer_length(output);
  if (length >= sizeof text) length = sizeof text - 1;
  if (length > 0) memcpy(text, cx_buffer_bytes(output), length);
  text[length] = 0;
  cx_buffer_consume(output, cx_buffer_length(output));
  return text;
}

const char *taken_ready(cx_session *session) {
  static char text[4096];
  codex_ready ready;
  size_t length = 0;
  text[0] = 0;
  while (cx_session_next_ready(session, &ready) && length < sizeof text - 64) {
    const char *comma = length ? ", " : "";
    static const char *const kinds[] = {"nothing", "request", "turn", "stream", "closed", "server request"};
    if (ready.kind == CODEX_READY_CLOSED)
      length += (size_t)sprintf(text + length, "%sclosed", comma);
    else
      length += (size_t)sprintf(text + length, "%s%s %" PRIu64, comma, kinds[ready.kind], ready.serial);
  }
  return text;
}

void fail_session(cx_session *session, codex_error_kind kind, const char *message) {
  codex_error error = {.kind = kind};
  strcpy(error.message, message);
  cx_session_fail(session, &error);
}

/* ---- requests and turns ---- */

codex_request *ask_until(cx_session *session, const char *method, double deadline) {
  return cx_session_request(session, method, "{}", 2, deadline);
}

codex_request *ask(cx_session *session, const char *method) {
  return ask_until(session, method, -1);
}

codex_request *start_turn(cx_session *session, bool keep_events) {
  return cx_session_start_turn(session, "turn/start", "{}", 2, -1, keep_events);
}

void answer_start(cx_session *session, const codex_request *request, const char *turn) {
  feed(session, "{\"id\":%" PRIu64 ",\"result\":{\"turn\":{\"id\":\"%s\",\"status\":\"inProgress\"}}}",
       codex_request_serial(request), turn);
}

codex_turn *open_turn(cx_session *session, const char *id, bool keep_events) {
  codex_request *request = start_turn(session, keep_events);
  answer_start(session, request, id);
  codex_turn *turn = codex_request_turn(request);
  codex_request_release(request);
  taken_output(session);
  return turn;
}

void turn_started(cx_session *session, const char *turn) {
  feed(session, "{\"method\":\"turn/started\",\"params\":{\"threadId\":\"th\",\"turn\":{\"id\":\"%s\"}}}",
       turn);
}

void message_delta(cx_session *session, const char *turn, const char *item, const char *text) {
  feed(session,
       "{\"method\":\"item/agentMessage/delta\",\"params\":{\"threadId\":\"th\",\"turnId\":\"%s\","
       "\"itemId\":\"%s\",\"delta\":\"%s\"}}",
       turn, item, text);
}

void message_completed(cx_session *session, const char *turn, const char *item, const char *text,
                       const char *phase) {
  feed(session,
       "{\"method\":\"item/completed\",\"params\":{\"item\":{\"type\":\"agentMessage\",\"id\":\"%s\","
       "\"text\":\"%s\",\"phase\":%s%s%s},\"threadId\":\"th\",\"turnId\":\"%s\"}}",
       item, text, phase ? "\"" : "", phase ? phase : "null", phase ? "\"" : "", turn);
}

void turn_completed(cx_session *session, const char *turn) {
  feed(session,
       "{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"th\","
       "\"turn\":{\"id\":\"%s\",\"status\":\"completed\"}}}",
       turn);
}

void send_messages(cx_session *session, const char *turn, const agent_message *messages) {
  for (int i = 0; i < 4; i++) {
    char item[] = {'m', (char)('0' + i), 0};
    if (messages[i].delta) message_delta(session, turn, item, messages[i].delta);
    if (messages[i].text) message_completed(session, turn, item, messages[i].text, messages[i].phase);
  }
}

void send_a_turn(cx_session *session, const char *turn) {
  turn_started(session, turn);
  message_delta(session, turn, "m", "x");
  feed(session, "{\"method\":\"future\\/event\",\"params\":{\"turnId\":\"%s\",\"new\":[{}]}}", turn);
  message_completed(session, turn, "m", "x", NULL);
  turn_completed(session, turn);
}

/* ---- accounts ---- */

void note(account *to, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  size_t room = sizeof to->text - to->length;
  int length = vsnprintf(to->text + to->length, room, format, arguments);
  va_end(arguments);
  to->length += (size_t)length < room ? (size_t)length : room - 1;
}

static void note_slice(account *to, const char *name, codex_slice slice) {
  if (slice.bytes)
    note(to, "%s: %.*s\n", name, (int)slice.length, slice.bytes);
  else
    note(to, "%s: none\n", name);
}

static void note_error(account *to, const codex_error *error) {
  if (error->kind != CODEX_ERROR_NONE) note(to, "error %d: %s\n", (int)error->kind, error->message);
}

void note_request(account *to, codex_request *request) {
  note(to, "%s %" PRIu64 "%s\n", codex_request_method(request), codex_request_serial(request),
       codex_request_done(request) ? "" : " open");
  note_slice(to, "result", codex_request_result(request));
  note_error(to, codex_request_error(request));
}

void note_turn(account *to, codex_turn *turn) {
  static const char *const states[] = {"running", "completed", "broken"};
  note_slice(to, "turn", codex_turn_id(turn));
  note_slice(to, "thread", codex_turn_thread_id(turn));
  note(to, "%s%s\n", states[codex_turn_state_of(turn)], codex_turn_started(turn) ? ", started" : "");
  for (size_t i = 0; i < codex_turn_item_count(turn); i++)
    note_slice(to, "item", codex_turn_item(turn, i));
  note_slice(to, "first usage", codex_turn_first_usage(turn));
  note_slice(to, "last usage", codex_turn_last_usage(turn));
  note_slice(to, "completion", codex_turn_completion(turn));
  note_slice(to, "final response", codex_turn_final_response(turn));
  note_error(to, codex_turn_error(turn));
}

static const char *const endings[] = {"", "empty", "end", "broken", "overflow", "no memory"};

static codex_stream_result note_next(account *to, codex_stream *stream, bool text) {
  codex_event event;
  codex_slice piece, item;
  codex_stream_result result =
      text ? codex_stream_next_text(stream, &piece, &item) : codex_stream_next(stream, &event);
  if (result != CODEX_STREAM_EVENT) return result;
  if (text)
    note(to, "%.*s: %.*s\n", (int)item.length, item.bytes, (int)piece.length, piece.bytes);
  else
    note(to, "%.*s\t%.*s\t%.*s\n", (int)event.method.length, event.method.bytes, (int)event.params.length,
         event.params.bytes, (int)event.line.length, event.line.bytes);
  return result;
}

void note_stream(account *to, codex_stream *stream, bool text) {
  codex_stream_result result;
  unsigned retries = 3;
  do
    result = note_next(to, stream, text);
  while (result == CODEX_STREAM_EVENT || (result == CODEX_STREAM_NO_MEMORY && retries-- > 0));
  note(to, "%s\n", endings[result]);
}

const char *methods_of(codex_stream *stream) {
  static account list;
  codex_event event;
  codex_stream_result result;
  list.length = 0;
  while ((result = codex_stream_next(stream, &event)) == CODEX_STREAM_EVENT)
    note(&list, "%.*s, ", (int)event.method.length, event.method.bytes);
  note(&list, "%s", endings[result]);
  return list.text;
}

const char *pieces_of(codex_stream *stream) {
  static account list;
  codex_slice piece, item;
  codex_stream_result result;
  list.length = 0;
  while ((result = codex_stream_next_text(stream, &piece, &item)) == CODEX_STREAM_EVENT)
    note(&list, "%.*s:%.*s, ", (int)item.length, item.bytes, (int)piece.length, piece.bytes);
  note(&list, "%s", endings[result]);
  return list.text;
}

/* ---- requests of the server ---- */

cx_session *open_asked(void) {
  codex_options options = {.max_line = CODEX_DEFAULT_MAX_LINE,
                           .max_unread = CODEX_DEFAULT_MAX_UNREAD,
                           .max_in_flight = CODEX_DEFAULT_MAX_IN_FLIGHT,
                           .server_requests = true};
  return cx_session_new(&options);
}

void asks(cx_session *session, const char *id, const char *turn) {
  feed(session,
       "{\"method\":\"" COMMAND "\",\"id\":%s,\"params\":{\"threadId\":\"th\",\"turnId\":\"%s\","
       "\"itemId\":\"i\"}}",
       id, turn);
}

codex_server_request *take(cx_session *session) {
  return cx_session_next_server_request(session);
}

codex_server_request *asked(cx_session *session, const char *id, const char *turn) {
  asks(session, id, turn);
  codex_server_request *request = take(session);
  check_text(taken_ready(session), "");
  return request;
}

void item_event(cx_session *session, const char *event, const char *item) {
  feed(session, "{\"method\":\"item/%s\",\"params\":{\"threadId\":\"th\",\"turnId\":\"T\",\"item\":%s}}",
       event, item);
}

void patch_updated(cx_session *session, const char *id, const char *rest) {
  feed(session,
       "{\"method\":\"item/fileChange/patchUpdated\",\"params\":{\"threadId\":\"th\",\"turnId\":\"T\","
       "\"itemId\":\"%s\"%s}}",
       id, rest);
}
