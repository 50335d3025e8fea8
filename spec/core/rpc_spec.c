/* Messages taken apart, calls written, the server's own requests answered, and the map of who waits for what.
 */
#include "core/answers.h"
#include "core/map.h"
#include "core/message.h"
#include "core/request.h"
#include "core/schema.h"

#include "support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void rpc_spec(void);

/* ---- messages ---- */

static codex_slice slice_of(const char *text) {
  return (codex_slice){text, strlen(text)};
}

/* Scans a copy of just this size, so that the sanitizer sees a read past the end. */
static int scan(cx_message *message, const char *line, cx_buffer *scratch, char **copy) {
  size_t length = strlen(line);
  char *bytes = *copy = malloc(length ? length : 1);
  memcpy(bytes, line, length);
  return cx_message_scan(message, (codex_slice){bytes, length}, scratch);
}

static const struct kind_sample {
  cx_message_kind kind;
  const char *line;
} kind_samples[] = {
    {CX_MESSAGE_RESULT, "{\"id\":1,\"result\":{}}"},
    {CX_MESSAGE_RESULT, "{\"result\":null,\"id\":1}"},
    {CX_MESSAGE_RESULT, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[1]}"},
    {CX_MESSAGE_RESULT, "{\"id\":1,\"result\":{},\"error\":null}"},
    {CX_MESSAGE_RESULT, " { \"id\" : \"x\" , \"result\" : 0 } "},
    {CX_MESSAGE_RESULT, "{\"id\":1,\"method\":null,\"result\":0}"},
    {CX_MESSAGE_ERROR, "{\"error\":{\"code\":1},\"id\":1}"},
    {CX_MESSAGE_ERROR, "{\"id\":1,\"result\":null,\"error\":{}}"},
    {CX_MESSAGE_NOTIFICATION, "{\"method\":\"m\"}"},
    {CX_MESSAGE_NOTIFICATION, "{\"params\":{},\"method\":\"m\",\"emittedAtMs\":1}"},
    {CX_MESSAGE_NOTIFICATION, "{\"method\":\"m\",\"id\":null}"},
    {CX_MESSAGE_REQUEST, "{\"method\":\"m\",\"id\":0}"},
    {CX_MESSAGE_REQUEST, "{\"id\":\"\",\"params\":[1,2],\"method\":\"m\"}"},
    {CX_MESSAGE_REQUEST, "{\"id\":-7,\"method\":\"m\"}"},
    {CX_MESSAGE_INVALID, ""},
    {CX_MESSAGE_INVALID, "{}"},
    {CX_MESSAGE_INVALID, "[]"},
    {CX_MESSAGE_INVALID, "[{\"id\":1,\"result\":{}}]"},
    {CX_MESSAGE_INVALID, "1"},
    {CX_MESSAGE_INVALID, "\"method\""},
    {CX_MESSAGE_INVALID, "null"},
    {CX_MESSAGE_RESULT, "{\"id\":1}"},
    {CX_MESSAGE_RESULT, "{\"id\":1,\"error\":null}"},
    {CX_MESSAGE_INVALID, "{\"result\":{}}"},
    {CX_MESSAGE_INVALID, "{\"method\":1}"},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\""},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\"}}"},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\"} {}"},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\",}"},
    {CX_MESSAGE_INVALID, "{,\"method\":\"m\"}"},
    {CX_MESSAGE_INVALID, "{\"method\"}"},
    {CX_MESSAGE_INVALID, "{\"method\":}"},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\" \"id\":1}"},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\",\"params\":{\"a\":1,}}"},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\",\"params\":{]}"},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\",\"params\":{\"item\":{]}}"},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\",\"params\":"},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\",\"params\":{"},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\",\"params\":{\"a\""},
    {CX_MESSAGE_INVALID, "{\"method\":\"m\\q\"}"},
    {CX_MESSAGE_INVALID, "{method:\"m\"}"},
    {CX_MESSAGE_INVALID, "{\"id\":01,\"result\":{}}"},
    {CX_MESSAGE_INVALID, "garbage"},
};

static void lines_are_told_apart(void) {
  cx_buffer scratch;
  cx_message message;
  cx_buffer_init(&scratch, SIZE_MAX);
  for (size_t i = 0; i < COUNT(kind_samples); i++) {
    char *copy;
    check(scan(&message, kind_samples[i].line, &scratch, &copy) == CX_OK);
    check(message.kind == kind_samples[i].kind);
    if (message.kind != kind_samples[i].kind) printf("    %s\n", kind_samples[i].line);
    free(copy);
  }
  cx_buffer_free(&scratch);
}

static void every_beginning_of_a_line_is_invalid(void) {
  static const char line[] =
      "{\"params\":{\"turn\":{\"id\":\"\\u0061\"},\"item\":[1,{\"b\":null}],\"delta\":\"x\\n\"},"
      "\"method\":\"a\\/b\",\"id\":-1.5e2}";
  cx_buffer scratch;
  cx_message message;
  cx_buffer_init(&scratch, SIZE_MAX);
  for (size_t length = 0; length < sizeof line; length++) {
    char *copy = malloc(length + 1);
    memcpy(copy, line, length + 1);
    copy = realloc(copy, length ? length : 1);
    check(cx_message_scan(&message, (codex_slice){copy, length}, &scratch) == CX_OK);
    check(message.kind == (length == sizeof line - 1 ? CX_MESSAGE_REQUEST : CX_MESSAGE_INVALID));
    free(copy);
  }
  cx_buffer_free(&scratch);
}

/* The members that tell what an event is, in any order, decoded where they need to be. */
static const struct member_sample {
  const char *line, *method, *thread, *turn, *item, *delta;
} member_samples[] = {
    {"{\"method\":\"a/"
     "b\",\"params\":{\"threadId\":\"T\",\"turnId\":\"U\",\"itemId\":\"I\",\"delta\":\"x\\ny\"}}",
     "a/b", "T", "U", "I", "x\\ny"},
    {"{\"params\":{\"delta\":\"\",\"itemId\":\"I\",\"turnId\":\"U\",\"threadId\":\"T\"},\"method\":\"a/b\"}",
     "a/b", "T", "U", "I", ""},
    {"{\"method\":\"turn\\/completed\",\"params\":{\"turn\":{\"items\":[],\"id\":\"U\\u002d1\"}}}",
     "turn/completed", NULL, "U-1", NULL, NULL},
    {"{\"method\":\"m\",\"params\":{\"item\":{\"type\":\"x\",\"id\":\"\\\"I\\\"\"},\"threadId\":\"\\ud800\"}"
     "}",
     "m", "\xEF\xBF\xBD", NULL, "\"I\"", NULL},
    {"{\"method\":\"m\",\"params\":{\"turnId\":null,\"turn\":{\"id\":\"U\"},\"itemId\":null,\"item\":{\"id\":"
     "\"I\"}}}",
     "m", NULL, "U", "I", NULL},
    {"{\"method\":\"m\",\"params\":{\"turnId\":5,\"itemId\":{},\"threadId\":[],\"delta\":7,\"turn\":\"x\"}}",
     "m", NULL, NULL, NULL, NULL},
    {"{\"method\":\"m\",\"params\":[{\"turnId\":\"U\"}]}", "m", NULL, NULL, NULL, NULL},
    {"{\"method\":\"m\",\"turnId\":\"U\"}", "m", NULL, NULL, NULL, NULL},
    {"{\"method\":\"m\",\"params\":{\"nested\":{\"turnId\":\"U\"}}}", "m", NULL, NULL, NULL, NULL},
};

static void members_are_found_in_any_order(void) {
  cx_buffer scratch;
  cx_message message;
  cx_buffer_init(&scratch, SIZE_MAX);
  for (size_t i = 0; i < COUNT(member_samples); i++) {
    const struct member_sample *sample = &member_samples[i];
    char *copy;
    check(scan(&message, sample->line, &scratch, &copy) == CX_OK);
    check_slice(message.method, sample->method);
    check_slice(message.thread_id, sample->thread);
    check_slice(message.turn_id, sample->turn);
    check_slice(message.item_id, sample->item);
    check_slice(message.delta, sample->delta);
    free(copy);
  }
  cx_buffer_free(&scratch);
}

static void values_are_given_as_text(void) {
  static const char line[] =
      "{\"id\": \"\\u0041\" ,\"params\": { \"tokenUsage\" : {\"a\":1} , \"turn\":{ \"id\":\"U\" } },"
      "\"method\":\"m\"}";
  cx_buffer scratch;
  cx_message message;
  cx_buffer_init(&scratch, SIZE_MAX);
  check(cx_message_scan(&message, slice_of(line), &scratch) == CX_OK);
  check_slice(message.id, "\"\\u0041\"");
  check_slice(message.params, "{ \"tokenUsage\" : {\"a\":1} , \"turn\":{ \"id\":\"U\" } }");
  check_slice(message.usage, "{\"a\":1}");
  check_slice(message.turn, "{ \"id\":\"U\" }");
  check_slice(cx_json_member(message.turn, "id"), "\"U\"");
  check_slice(cx_json_member(message.turn, "none"), NULL);
  check_slice(cx_json_member(SLICE("[1]"), "id"), NULL);
  check_slice(cx_json_member((codex_slice){NULL, 0}, "id"), NULL);
  cx_buffer_free(&scratch);
}

/* Long enough for the scratch buffer to grow several times, if it did that while strings lie in it. */
#define LETTERS(letter) letter letter letter letter letter letter letter letter
#define ESCAPES(escape) LETTERS(LETTERS(escape))

static void many_escaped_strings_dont_disturb_each_other(void) {
  static const char line[] = "{\"method\":\"" ESCAPES("\\u006d") "\",\"params\":{\"threadId\":\"" ESCAPES(
      "\\u0074") "\",\"turnId\":\"" ESCAPES("\\ud800") "\",\"itemId\":\"" ESCAPES("\\\\") "\"}}";
  cx_buffer scratch;
  cx_message message;
  cx_buffer_init(&scratch, SIZE_MAX);
  int status = cx_message_scan(&message, slice_of(line), &scratch);
  if (status != CX_OK) status = cx_message_scan(&message, slice_of(line), &scratch);
  check(status == CX_OK);
  check_slice(message.method, ESCAPES("m"));
  check_slice(message.thread_id, ESCAPES("t"));
  check_slice(message.turn_id, ESCAPES("\xEF\xBF\xBD"));
  check_slice(message.item_id, ESCAPES("\\"));
  cx_buffer_free(&scratch);
}

static void scratch_may_lack_memory(void) {
  test_each_allocation_failing(many_escaped_strings_dont_disturb_each_other);
}

/* What the line before began with may be remembered, but must never show. */
static const char *const delta_lines[] = {
    "{\"method\":\"item/agentMessage/"
    "delta\",\"params\":{\"threadId\":\"T\",\"turnId\":\"U\",\"itemId\":\"I\",\"delta\":\"abc\"}}",
    "{\"method\":\"item/agentMessage/"
    "delta\",\"params\":{\"threadId\":\"T\",\"turnId\":\"U\",\"itemId\":\"I\",\"delta\":\"\"}}",
    "{\"method\":\"item/agentMessage/"
    "delta\",\"params\":{\"threadId\":\"T\",\"turnId\":\"U\",\"itemId\":\"I\",\"delta\":\"d\",\"turnId\":"
    "\"V\"}}",
    "{\"method\":\"item/agentMessage/"
    "delta\",\"params\":{\"threadId\":\"T\",\"turnId\":\"U\",\"itemId\":\"I\",\"delta\":\"x\",\"delta\":"
    "\"y\\n\"}}",
    "{\"params\":{\"delta\":\"\\u0041\",\"itemId\":\"I\",\"turnId\":\"U\"},\"method\":\"item/agentMessage/"
    "delta\",\"id\":5}",
    "{\"params\":{\"delta\":\"a\"},\"params\":{\"turn\":{\"id\":\"U\"},\"delta\":\"b\"},\"method\":\"m\"}",
    "{\"params\":{\"turnId\":null,\"delta\":\"a\",\"turn\":{\"id\":\"\\u0055\"}},\"method\":\"m\"}",
    "{\"method\":\"m\",\"params\":{\"itemId\":\"\\u0049\",\"delta\":\"a\"}} ",
    "{\"id\":1,\"method\":\"m\",\"params\":{\"delta\":\"a\"}}",
    "{\"method\":\"\",\"params\":{\"turnId\":\"\",\"delta\":\"a\",\"item\":{\"id\":\"I\"}}}",
    "{\"method\":\"m\",\"params\":{\"delta\":5,\"turnId\":\"U\"}}",
};

static bool same_slice(codex_slice a, codex_slice b) {
  if (!a.bytes || !b.bytes) return a.bytes == b.bytes;
  return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

static bool same_message(const cx_message *a, const cx_message *b) {
  if (a->kind != b->kind) return false;
  if (a->kind == CX_MESSAGE_INVALID) return true;
  const codex_slice one[] = {a->id,      a->method,  a->params, a->result, a->error, a->thread_id,
                             a->turn_id, a->item_id, a->delta,  a->item,   a->turn,  a->usage};
  const codex_slice two[] = {b->id,      b->method,  b->params, b->result, b->error, b->thread_id,
                             b->turn_id, b->item_id, b->delta,  b->item,   b->turn,  b->usage};
  for (size_t i = 0; i < COUNT(one); i++)
    if (!same_slice(one[i], two[i])) return false;
  return true;
}

static uint32_t next_random(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  return *state ^= *state << 5;
}

static size_t spoil(char *line, size_t length, uint32_t *state) {
  static const char bytes[] = "\"\\{},:ax";
  size_t at = next_random(state) % length;
  switch (next_random(state) % 5) {
  case 0: line[at] = bytes[next_random(state) % (sizeof bytes - 1)]; return length;
  case 1: memmove(line + at, line + at + 1, length - at - 1); return length - 1;
  case 2: return at + 1;
  default: return length;
  }
}

static void what_came_before_doesnt_show(void) {
  cx_buffer scratch, other;
  cx_message message, expected;
  cx_beginnings beginnings = {.count = 0};
  uint32_t state = 2463534242u;
  cx_buffer_init(&scratch, SIZE_MAX);
  cx_buffer_init(&other, SIZE_MAX);
  for (int i = 0; i < 50000; i++) {
    const char *sample = delta_lines[next_random(&state) % COUNT(delta_lines)];
    char *copy = malloc(strlen(sample));
    memcpy(copy, sample, strlen(sample));
    codex_slice line = {copy, spoil(copy, strlen(sample), &state)};
    check(cx_message_scan_next(&message, line, &scratch, &beginnings) == CX_OK);
    check(cx_message_scan(&expected, line, &other) == CX_OK);
    check(same_message(&message, &expected));
    free(copy);
  }
  cx_beginnings_free(&beginnings);
  cx_buffer_free(&scratch);
  cx_buffer_free(&other);
}

/* The lines of so many turns, a delta of each in turn; every 100 rounds there are new messages. */
static unsigned beginnings_after(unsigned turns, unsigned rounds) {
  cx_buffer scratch, other;
  cx_message message, expected;
  cx_beginnings beginnings = {.count = 0};
  cx_buffer_init(&scratch, SIZE_MAX);
  cx_buffer_init(&other, SIZE_MAX);
  for (unsigned round = 0; round < rounds; round++) {
    for (unsigned turn = 0; turn < turns; turn++) {
      char text[512];
      int length = snprintf(text, sizeof text,
                            "{\"method\":\"item/agentMessage/delta\",\"params\":{\"threadId\":"
                            "\"019a0000-0000-7000-8000-%012x\",\"turnId\":\"019a0000-0000-7000-8000-%012x\","
                            "\"itemId\":\"msg_%u\",\"delta\":\"%u \"},\"emittedAtMs\":1}",
                            turn, turn, round / 100, round);
      codex_slice line = {text, (size_t)length};
      check(cx_message_scan_next(&message, line, &scratch, &beginnings) == CX_OK);
      check(cx_message_scan(&expected, line, &other) == CX_OK);
      check(same_message(&message, &expected));
    }
  }
  unsigned count = beginnings.count;
  cx_beginnings_free(&beginnings);
  cx_buffer_free(&scratch);
  cx_buffer_free(&other);
  return count;
}

static void many_messages_at_once_are_remembered(void) {
  check(beginnings_after(1, 20000) == 0);
  check(beginnings_after(2, 200) == 16);
  check(beginnings_after(5000, 5) == CX_MAX_BEGINNINGS);
}

/* ---- calls ---- */

static const struct call_sample {
  uint64_t id;
  const char *method, *params, *line; /* line NULL: refused */
} call_samples[] = {
    {1, "thread/list", "{}", "{\"method\":\"thread/list\",\"id\":1,\"params\":{}}\n"},
    {9223372036854775807u, "m", NULL, "{\"method\":\"m\",\"id\":9223372036854775807}\n"},
    {0, "initialized", NULL, "{\"method\":\"initialized\"}\n"},
    {0, "n", "[1,\"\xC3\xA4\"]", "{\"method\":\"n\",\"params\":[1,\"\xC3\xA4\"]}\n"},
    {1, "with \"quotes\"", "null", "{\"method\":\"with \\\"quotes\\\"\",\"id\":1,\"params\":null}\n"},
    {1, "m", "{\n\"a\":\r\n[1,\n2]\n}\n", "{\"method\":\"m\",\"id\":1,\"params\":{ \"a\":  [1, 2] } }\n"},
    {1, "m", " {\"a\":\"\\n\"}", "{\"method\":\"m\",\"id\":1,\"params\": {\"a\":\"\\n\"}}\n"},
    {1, "m", "", NULL},
    {1, "m", "{", NULL},
    {1, "m", "{}{}", NULL},
    {1, "m", "{}x", NULL},
    {1, "m", "{\"a\":1,}", NULL},
    {1, "m", "{a:1}", NULL},
    {1, "m", "nan", NULL},
    {1, "m", "\"a\nb\"", NULL},
    {1, "m", "{\"a\":\"\xFF\"}", NULL},
    {1, "m", "{\"a\":\"\xC3\"}", NULL},
    {1, "m", "{\"a\":\"\xED\xA0\x80\"}", NULL},
    {1, "m", "{\"a\":\"\\ud800\"}", NULL}, /* the server wouldn't answer at all */
    {1, "m", "{}\xC3\xA4", NULL},
    {1, "bad \xFF", "{}", NULL},
};

static void calls_are_one_valid_line(void) {
  cx_buffer out;
  cx_buffer_init(&out, 1000);
  for (size_t i = 0; i < COUNT(call_samples); i++) {
    const struct call_sample *sample = &call_samples[i];
    size_t length = sample->params ? strlen(sample->params) : 0;
    int status = cx_write_call(&out, sample->id, sample->method, sample->params, length);
    check(status == (sample->line ? CX_OK : CX_EINVAL));
    check_bytes(cx_buffer_length(&out) ? cx_buffer_bytes(&out) : "", cx_buffer_length(&out),
                sample->line ? sample->line : "");
    cx_buffer_clear(&out);
  }
  cx_buffer_free(&out);
}

static const char call_before[] = "before\n";

static void a_call_comes_whole_or_not_at_all(void) {
  static const char line[] = "before\n{\"method\":\"m\",\"id\":1,\"params\":{\"a\":[1,2,3]}}\n";
  for (size_t max = sizeof call_before - 1; max <= sizeof line; max++) {
    cx_buffer out;
    cx_buffer_init(&out, max);
    check(cx_buffer_append_string(&out, call_before) == CX_OK);
    int status = cx_write_call(&out, 1, "m", "{\"a\":[1,2,3]}", 13);
    bool fits = max >= sizeof line - 1;
    check(status == (fits ? CX_OK : CX_ELIMIT));
    check_bytes(cx_buffer_bytes(&out), cx_buffer_length(&out), fits ? line : call_before);
    cx_buffer_free(&out);
  }
}

static void write_a_long_call(void) {
  static char params[3000];
  cx_buffer out;
  memset(params, ' ', sizeof params);
  params[0] = '{', params[sizeof params - 1] = '}';
  cx_buffer_init(&out, SIZE_MAX);
  if (cx_buffer_append_string(&out, call_before) != CX_OK) {
    check(test_allocation_failed());
    return;
  }
  int status = cx_write_call(&out, 1, "m", params, sizeof params);
  check(status == CX_OK || (status == CX_ENOMEM && test_allocation_failed()));
  size_t whole = sizeof call_before - 1 + strlen("{\"method\":\"m\",\"id\":1,\"params\":}\n") + sizeof params;
  check(cx_buffer_length(&out) == (status == CX_OK ? whole : sizeof call_before - 1));
  cx_buffer_free(&out);
}

static void calls_may_lack_memory(void) {
  test_each_allocation_failing(write_a_long_call);
}

static void params_have_a_depth(void) {
  static char params[200000];
  static const size_t depths[] = {125, 126, 127, 100000};
  cx_buffer out;
  cx_buffer_init(&out, SIZE_MAX);
  for (size_t i = 0; i < COUNT(depths); i++) {
    memset(params, '[', depths[i]);
    memset(params + depths[i], ']', depths[i]);
    int status = cx_write_call(&out, 1, "m", params, 2 * depths[i]);
    check(status == (depths[i] <= 126 ? CX_OK : CX_EINVAL));
  }
  cx_buffer_free(&out);
}

/* ---- one request by itself ---- */

static void make_request(void) {
  codex_request *request = NULL;
  int status = cx_request_new(&request, 7, "thread/list", "{}", 2);
  if (status != CX_OK) {
    check(status == CX_ENOMEM && test_allocation_failed());
    return;
  }
  check_bytes(request->line, request->line_length, "{\"method\":\"thread/list\",\"id\":7,\"params\":{}}\n");
  check_text(codex_request_method(request), "thread/list");
  check(!codex_request_done(request));
  cx_request_free(request);
}

/* What waits to be written may move to the front of its storage to make room. */
static void a_call_is_one_line_wherever_it_lands(void) {
  static const char params[] = "[\n1,\n2]", other[64] = {0};
  char call[64];
  cx_buffer out;
  cx_buffer_init(&out, SIZE_MAX);
  for (size_t waiting = 1; waiting < sizeof other; waiting++) {
    cx_buffer_free(&out);
    check(cx_buffer_append(&out, other, waiting) == CX_OK);
    cx_buffer_consume(&out, waiting - 1);
    size_t before = cx_buffer_length(&out);
    check(cx_write_call(&out, 0, "m", params, sizeof params - 1) == CX_OK);
    snprintf(call, sizeof call, "%.*s", (int)(cx_buffer_length(&out) - before),
             cx_buffer_bytes(&out) + before);
    check(strcmp(call, "{\"method\":\"m\",\"params\":[ 1, 2]}\n") == 0);
  }
  cx_buffer_free(&out);
}

static void requests_may_lack_memory(void) {
  test_each_allocation_failing(make_request);
}

static const struct error_sample {
  const char *object, *message;
  int code;
} error_samples[] = {
    {"{\"code\":-32600,\"message\":\"Not initialized\"}", "Not initialized", -32600},
    {"{\"message\":\"a \\u201cb\\u201d\\n\",\"data\":{\"code\":1},\"code\":5}",
     "a \xE2\x80\x9C"
     "b\xE2\x80\x9D\n",
     5},
    {"{\"code\":\"x\"}", "the server gave no message", 0},
    {"{\"code\":1,\"message\":\"\"}", "the server gave no message", 1},
    {"{\"code\":1,\"message\":{}}", "the server gave no message", 1},
    {"\"oops\"", "the server gave no message", 0},
    {"[]", "the server gave no message", 0},
    {"{\"code\":1,\"message\":\"\\ud800\"}", "\xEF\xBF\xBD", 1},
};

static void errors_are_read(void) {
  for (size_t i = 0; i < COUNT(error_samples); i++) {
    const struct error_sample *sample = &error_samples[i];
    cx_session *session = open_session();
    codex_request *request = ask(session, "m");
    feed(session, "{\"error\":%s,\"id\":1}", sample->object);
    const codex_error *error = codex_request_error(request);
    check(codex_request_done(request) && error->kind == CODEX_ERROR_RPC && error->code == sample->code);
    check_text(error->message, sample->message);
    check_slice(codex_request_error_object(request), sample->object);
    check_slice(codex_request_result(request), NULL);
    codex_request_release(request);
    cx_session_free(session);
  }
}

/* A message that is cut is cut between characters. */
static void long_messages_are_cut(void) {
  static char text[2 * CODEX_ERROR_MESSAGE_SIZE + 1];
  for (size_t i = 0; i + 1 < sizeof text; i += 2)
    memcpy(text + i, "\xC3\xA4", 3);
  for (size_t shift = 0; shift < 2; shift++) {
    cx_session *session = open_session();
    codex_request *request = ask(session, "m");
    feed(session, "{\"error\":{\"code\":1,\"message\":\"%s%s\"},\"id\":1}", shift ? "x" : "", text);
    const char *message = codex_request_error(request)->message;
    check(strlen(message) >= CODEX_ERROR_MESSAGE_SIZE - 2);
    check((strlen(message) - shift) % 2 == 0);
    codex_request_release(request);
    cx_session_free(session);
  }
}

/* ---- answers ---- */

#define DENIED "\"result\":{\"decision\":{\"denied\":{\"rejection\":\"not approved by the client\"}}}"

static const struct answer_sample {
  const char *method, *body;
} answer_samples[] = {
    {"item/commandExecution/requestApproval", "\"result\":{\"decision\":\"decline\"}"},
    {"item/fileChange/requestApproval", "\"result\":{\"decision\":\"decline\"}"},
    {"item/permissions/requestApproval", "\"result\":{\"permissions\":{},\"scope\":\"turn\"}"},
    {"item/tool/call", "\"result\":{\"contentItems\":[{\"type\":\"inputText\",\"text\":\"This tool call "
                       "failed: the client gave no answer to it.\"}],\"success\":false}"},
    {"item/tool/requestUserInput", "\"result\":{\"answers\":{}}"},
    {"mcpServer/elicitation/request", "\"result\":{\"action\":\"decline\",\"content\":null,\"_meta\":null}"},
    {"applyPatchApproval", DENIED},
    {"execCommandApproval", DENIED},
    {"account/chatgptAuthTokens/refresh",
     "\"error\":{\"code\":-32000,\"message\":\"the client holds no ChatGPT tokens\"}"},
    {"attestation/generate", "\"error\":{\"code\":-32000,\"message\":\"the client gives no attestations\"}"},
    {"item/unheard/of", "\"error\":{\"code\":-32601,\"message\":\"the client does not know this method\"}"},
    {"item\\/tool\\/requestUserInput", "\"result\":{\"answers\":{}}"},
};

static void server_requests_get_the_safe_answer(void) {
  cx_session *session = open_session();
  char expected[1000];
  for (size_t i = 0; i < COUNT(answer_samples); i++) {
    feed(session, "{\"id\":%zu,\"method\":\"%s\",\"params\":{\"turnId\":\"T\"}}", i,
         answer_samples[i].method);
    sprintf(expected, "{\"id\":%zu,%s}\n", i, answer_samples[i].body);
    check_text(taken_output(session), expected);
  }
  check(session->statistics.answers == COUNT(answer_samples));
  check(session->statistics.server_requests == COUNT(answer_samples));
  check_text(taken_ready(session), "");
  cx_session_free(session);
}

static void the_time_is_told(void) {
  cx_session *session = open_session();
  long long before = (long long)time(NULL), told = 0;
  char end[8] = "";
  feed(session, "{\"id\":0,\"method\":\"currentTime/read\",\"params\":{\"threadId\":\"t\"}}");
  check(sscanf(taken_output(session), "{\"id\":0,\"result\":{\"currentTimeAt\":%lld%7s", &told, end) == 2);
  check(told >= before && told <= (long long)time(NULL));
  check_text(end, "}}");
  cx_session_free(session);
}

static bool fits(cx_type_id id, codex_slice value);

static bool fits_struct(const cx_type *type, codex_slice value) {
  if (value.bytes[0] != '{') return false;
  for (unsigned n = 0; n < type->count; n++) {
    const cx_field *field = cx_schema_field(type, n);
    codex_slice member = cx_json_member(value, cx_schema_string(field->wire, NULL));
    if (!member.bytes && field->required) return false;
    if (!member.bytes || (field->nullable && member.bytes[0] == 'n')) continue;
    if (!fits(field->type, member)) return false;
  }
  return true;
}

static bool fits_enum(const cx_type *type, codex_slice value) {
  for (unsigned n = 0; n < type->count; n++)
    if (cx_json_is_string(value, cx_schema_string(cx_schema_enum_value(type, n), NULL))) return true;
  return false;
}

static bool fits_choice(const cx_type *type, codex_slice value) {
  for (unsigned n = 0; n < type->count; n++)
    if (fits(cx_schema_alternative(type, n), value)) return true;
  return false;
}

static bool fits_tagged(const cx_type *type, codex_slice value) {
  codex_slice tag;
  if (!cx_json_string_contents(cx_json_member(value, cx_schema_string(type->tag, NULL)), &tag)) return false;
  int variant = cx_schema_find_variant(type, tag.bytes, tag.length);
  return variant >= 0 && fits(cx_schema_variant_type(type, (unsigned)variant), value);
}

/* Whether JSON text is what the schema says; as far as our answers need it. */
static bool fits(cx_type_id id, codex_slice value) {
  const cx_type *type = cx_schema_type(id);
  switch (type->kind) {
  case CX_TYPE_ANY: return true;
  case CX_TYPE_NULL: return value.bytes[0] == 'n';
  case CX_TYPE_BOOLEAN: return value.bytes[0] == 't' || value.bytes[0] == 'f';
  case CX_TYPE_INTEGER:
  case CX_TYPE_NUMBER: return value.bytes[0] == '-' || (value.bytes[0] >= '0' && value.bytes[0] <= '9');
  case CX_TYPE_STRING: return value.bytes[0] == '"';
  case CX_TYPE_ENUM: return fits_enum(type, value);
  case CX_TYPE_ARRAY: return value.bytes[0] == '[';
  case CX_TYPE_MAP: return value.bytes[0] == '{';
  case CX_TYPE_STRUCT: return fits_struct(type, value);
  case CX_TYPE_TAGGED: return fits_tagged(type, value);
  default: return fits_choice(type, value);
  }
}

static void check_answer(const cx_method *method) {
  cx_buffer out;
  cx_buffer_init(&out, 10000);
  size_t length;
  const char *name = cx_schema_string(method->name, &length);
  check(cx_answer_safely(&out, SLICE("1"), (codex_slice){name, length}) == CX_OK);
  codex_slice line = {cx_buffer_bytes(&out), cx_buffer_length(&out) - 1};
  codex_slice result = cx_json_member(line, "result"), error = cx_json_member(line, "error");
  check((result.bytes != NULL) != (error.bytes != NULL));
  bool valid = result.bytes ? fits(method->result, result)
                            : cx_json_member(error, "code").bytes && cx_json_member(error, "message").bytes;
  check(valid);
  if (!valid) printf("    %s\n", name);
  cx_buffer_free(&out);
}

static void safe_answers_fit_the_schema(void) {
  const cx_method *method;
  unsigned count = 0;
  for (unsigned i = 0; (method = cx_schema_method_at(i)) != NULL; i++) {
    if (method->kind != CX_METHOD_SERVER_REQUEST) continue;
    check_answer(method);
    count++;
  }
  check(count >= 11);
  for (size_t i = 0; i + 2 < COUNT(answer_samples); i++)
    check(cx_schema_method(CX_METHOD_SERVER_REQUEST, answer_samples[i].method,
                           strlen(answer_samples[i].method)));
}

static const char *const ids[] = {
    "0",
    "7",
    "-1",
    "-0",
    "9223372036854775807",
    "-99999999999999999999",
    "1.5",
    "\"\"",
    "\"a\"",
    "\"a\\\"b\\u0000\\n\"",
    "\"\xC3\xA4\"",
};

static void ids_are_echoed_as_they_came(void) {
  cx_session *session = open_session();
  char expected[1000];
  for (size_t i = 0; i < COUNT(ids); i++) {
    feed(session, "{\"method\":\"execCommandApproval\",\"params\":{},\"id\": %s }", ids[i]);
    sprintf(expected, "{\"id\":%s," DENIED "}\n", ids[i]);
    check_text(taken_output(session), expected);
  }
  cx_session_free(session);
}

static void an_answer_comes_whole_or_not_at_all(void) {
  cx_buffer out;
  int status = CX_ELIMIT;
  static const char line[] = "{\"id\":1," DENIED "}\n";
  for (size_t max = 1; status == CX_ELIMIT && max < 200; max++) {
    cx_buffer_init(&out, max);
    status = cx_answer_safely(&out, SLICE("1"), SLICE("execCommandApproval"));
    check_bytes(status == CX_OK ? cx_buffer_bytes(&out) : "", cx_buffer_length(&out),
                status == CX_OK ? line : "");
    cx_buffer_free(&out);
  }
  check(status == CX_OK);
}

/* ---- the map ---- */

typedef struct pair {
  char key[16];
  bool there;
} pair;

/* What is added or removed at random is there or not, as a plain array says. */
static void the_map_agrees_with_an_array(void) {
  static pair pairs[600];
  cx_map map;
  uint32_t state = 2463534242u;
  size_t count = 0;
  cx_map_init(&map, 17);
  for (size_t i = 0; i < COUNT(pairs); i++) {
    sprintf(pairs[i].key, "key %zu", i);
    pairs[i].there = false;
  }
  for (int turn = 0; turn < 40000; turn++) {
    /* swings between few and many, so that it grows and shrinks */
    size_t range = turn / 5000 % 2 ? 20 : COUNT(pairs);
    pair *p = &pairs[next_random(&state) % range];
    void *found = cx_map_get(&map, p->key, strlen(p->key));
    check(found == (p->there ? p : NULL));
    if (p->there)
      cx_map_remove(&map, p->key, strlen(p->key));
    else if (cx_map_add(&map, p->key, strlen(p->key), p) != CX_OK)
      check(!"memory");
    p->there = !p->there;
    count += p->there ? 1 : (size_t)-1;
  }
  check(map.count == count);
  for (size_t i = 0; i < COUNT(pairs); i++)
    check(cx_map_get(&map, pairs[i].key, strlen(pairs[i].key)) == (pairs[i].there ? &pairs[i] : NULL));
  cx_map_free(&map);
}

/* Millions come and go while few are there: its size must follow what is there. */
static void the_map_stays_small(void) {
  cx_map map;
  uint64_t ids_there[64] = {0};
  cx_map_init(&map, 0);
  for (uint64_t id = 1; id < 200000; id++) {
    uint64_t *slot = &ids_there[id % 64];
    if (*slot) cx_map_remove(&map, (const char *)slot, sizeof *slot);
    *slot = id;
    check(cx_map_add(&map, (const char *)slot, sizeof *slot, slot) == CX_OK);
  }
  check(map.count == 64 && map.capacity <= 512);
  cx_map_free(&map);
}

static void an_empty_map_holds_nothing(void) {
  cx_map map;
  cx_map_init(&map, 1);
  check(cx_map_get(&map, "x", 1) == NULL);
  cx_map_remove(&map, "x", 1);
  check(cx_map_add(&map, "", 0, &map) == CX_OK);
  check(cx_map_get(&map, "", 0) == &map);
  cx_map_remove(&map, "", 0);
  check(cx_map_get(&map, "", 0) == NULL);
  check(cx_map_add(&map, "", 0, &map) == CX_OK);
  check(cx_map_get(&map, "", 0) == &map);
  check(cx_map_get(&map, "x", 1) == NULL);
  cx_map_free(&map);
  check(cx_map_get(&map, "", 0) == NULL);
}

static void fill_a_map(void) {
  static const char keys[] = "abcdefghijklmnopqrstuvwxyz";
  cx_map map;
  cx_map_init(&map, 1);
  for (const char *key = keys; *key; key++) {
    int status = cx_map_add(&map, key, 1, (void *)(uintptr_t)key);
    if (status != CX_OK) check(test_allocation_failed() && cx_map_get(&map, key, 1) == NULL);
    if (status != CX_OK) check(cx_map_add(&map, key, 1, (void *)(uintptr_t)key) == CX_OK);
  }
  for (const char *key = keys; *key; key++)
    check(cx_map_get(&map, key, 1) == key);
  cx_map_free(&map);
}

static void the_map_may_lack_memory(void) {
  test_each_allocation_failing(fill_a_map);
}

void rpc_spec(void) {
  it("tells requests, notifications, results, errors and garbage apart", lines_are_told_apart);
  it("takes no beginning of a line for the whole", every_beginning_of_a_line_is_invalid);
  it("finds the members that matter in any order, decoded", members_are_found_in_any_order);
  it("gives values as text", values_are_given_as_text);
  it("decodes several escaped strings of a line", many_escaped_strings_dont_disturb_each_other);
  it("reads a line the same, whatever came before", what_came_before_doesnt_show);
  it("remembers how lines begin of as many messages as come at once", many_messages_at_once_are_remembered);
  it("says so when there is no memory to decode", scratch_may_lack_memory);
  it("writes calls as one valid line, or refuses", calls_are_one_valid_line);
  it("writes one line wherever there is room", a_call_is_one_line_wherever_it_lands);
  it("writes a call whole or not at all", a_call_comes_whole_or_not_at_all);
  it("takes back a call that memory didn't reach for", calls_may_lack_memory);
  it("refuses params nested too deeply", params_have_a_depth);
  it("makes a request or says that memory is out", requests_may_lack_memory);
  it("reads the server's errors", errors_are_read);
  it("cuts long messages between characters", long_messages_are_cut);
  it("answers each server request with the safe answer", server_requests_get_the_safe_answer);
  it("tells the server the time", the_time_is_told);
  it("gives answers that fit the server's schema", safe_answers_fit_the_schema);
  it("echoes ids exactly", ids_are_echoed_as_they_came);
  it("answers whole or not at all", an_answer_comes_whole_or_not_at_all);
  it("keeps a map that agrees with an array", the_map_agrees_with_an_array);
  it("keeps the map small", the_map_stays_small);
  it("finds nothing in an empty map", an_empty_map_holds_nothing);
  it("adds to a map or says that memory is out", the_map_may_lack_memory);
}
