#include "request.h"

#include "copy.h"
#include "error.h"
#include "json.h"
#include "message.h"
#include "turn.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Methods whose answer may take as long as what they run. The server has taken them when it answers later
 * ones. */
static const char *const long_methods[] = {
    "command/exec",    "mcpServer/tool/call", "thread/sample",         "plugin/install",
    "marketplace/add", "marketplace/upgrade", "thread/realtime/start",
};

bool cx_method_takes_long(const char *method) {
  for (size_t i = 0; i < sizeof long_methods / sizeof *long_methods; i++)
    if (strcmp(method, long_methods[i]) == 0) return true;
  return false;
}

/* The server doesn't answer at all where this isn't so. */
static bool is_json(const char *text, size_t length) {
  cx_json_reader reader;
  cx_json_token token;
  cx_json_reader_init(&reader, text, length, CX_JSON_STRICT);
  do
    token = cx_json_next(&reader);
  while (token != CX_JSON_END && token != CX_JSON_ERROR && reader.depth <= CX_JSON_MAX_SENT_DEPTH);
  return token == CX_JSON_END;
}

int cx_write_json(cx_buffer *out, const char *text, size_t length) {
  if (!is_json(text, length)) return CX_EINVAL;
  int status = cx_buffer_append(out, text, length);
  if (status != CX_OK) return status;
  /* inside strings there are none, or it would not be JSON */
  for (size_t i = out->end - length; i < out->end; i++)
    if (out->data[i] == '\n' || out->data[i] == '\r') out->data[i] = ' ';
  return CX_OK;
}

int cx_write_call(cx_buffer *out, uint64_t id, const char *method, const char *params, size_t length) {
  size_t before = cx_buffer_length(out);
  int status = cx_buffer_append_string(out, "{\"method\":");
  if (status == CX_OK) status = cx_json_write_string(out, method, strlen(method));
  if (status == CX_OK && id != 0) {
    status = cx_buffer_append_string(out, ",\"id\":");
    if (status == CX_OK) status = cx_json_write_integer(out, (int64_t)id);
  }
  if (status == CX_OK && params) {
    status = cx_buffer_append_string(out, ",\"params\":");
    if (status == CX_OK) status = cx_write_json(out, params, length);
  }
  if (status == CX_OK) status = cx_buffer_append_string(out, "}\n");
  if (status != CX_OK) out->end = out->start + before;
  return status;
}

int cx_request_new(codex_request **result, uint64_t id, const char *method, const char *params,
                   size_t length) {
  codex_request *request = calloc(1, sizeof *request);
  if (!request) return CX_ENOMEM;
  cx_buffer line;
  cx_buffer_init(&line, CX_MAX_OUTPUT);
  request->id = id;
  request->deadline = -1;
  request->exempt = cx_method_takes_long(method);
  cx_list_init(&request->in_session);
  cx_list_init(&request->in_untaken);
  cx_ready_init(&request->ready, CODEX_READY_REQUEST, id);
  request->method = cx_copy_string(method);
  int status = request->method ? cx_write_call(&line, id, method, params, length) : CX_ENOMEM;
  if (status == CX_ENOMEM) {
    cx_buffer_free(&line);
    cx_request_free(request);
    return CX_ENOMEM;
  }
  request->line = line.data;
  request->line_length = line.end;
  *result = request;
  return status;
}

int cx_request_note_thread(codex_request *request, const char *params, size_t length) {
  codex_slice id;
  if (!cx_json_string_contents(cx_json_member((codex_slice){params, length}, "threadId"), &id)) return CX_OK;
  request->thread_id = malloc(id.length + 1);
  if (!request->thread_id) return CX_ENOMEM;
  memcpy(request->thread_id, id.bytes, id.length);
  request->thread_id[id.length] = '\0';
  return CX_OK;
}

static void finish(codex_request *request) {
  request->state = CX_REQUEST_DONE;
  request->session = NULL;
  free(request->line);
  request->line = NULL;
}

/* 0 for what isn't a code. */
static int read_code(codex_slice code) {
  cx_json_reader reader;
  cx_json_reader_init(&reader, code.bytes, code.length, CX_JSON_LENIENT);
  if (cx_json_next(&reader) != CX_JSON_INTEGER) return 0;
  return reader.integer >= INT_MIN && reader.integer <= INT_MAX ? (int)reader.integer : 0;
}

/* The server's code and message, for a person; the whole object stays at hand. */
static int read_error(codex_request *request) {
  cx_buffer text;
  codex_slice contents;
  cx_buffer_init(&text, SIZE_MAX);
  int number = read_code(cx_json_member(request->error_object, "code")), status = CX_OK;
  if (cx_json_string_contents(cx_json_member(request->error_object, "message"), &contents))
    status = cx_json_unescape(contents.bytes, contents.length, CX_JSON_LENIENT, &text);
  size_t length = cx_buffer_length(&text);
  if (length > CODEX_ERROR_MESSAGE_SIZE) length = CODEX_ERROR_MESSAGE_SIZE;
  if (length > 0)
    cx_error_set(&request->error, CODEX_ERROR_RPC, number, "%.*s", (int)length, cx_buffer_bytes(&text));
  else
    cx_error_set(&request->error, CODEX_ERROR_RPC, number, "%s", "the server gave no message");
  cx_buffer_free(&text);
  return status;
}

static codex_slice moved(codex_slice part, codex_slice from, const char *to) {
  if (!part.bytes) return part;
  return (codex_slice){to + (part.bytes - from.bytes), part.length};
}

int cx_request_answer(codex_request *request, codex_slice line, codex_slice result, codex_slice error) {
  char *copy = malloc(line.length);
  if (!copy) return CX_ENOMEM;
  memcpy(copy, line.bytes, line.length);
  request->answer = copy;
  if (error.bytes) {
    request->error_object = moved(error, line, copy);
    int status = read_error(request);
    if (status != CX_OK) return status;
  } else {
    request->result = moved(result, line, copy);
  }
  finish(request);
  return CX_OK;
}

void cx_request_fail(codex_request *request, const codex_error *error) {
  codex_turn_release(request->turn);
  request->turn = NULL;
  request->error_object = (codex_slice){NULL, 0};
  request->error = *error;
  finish(request);
}

void cx_request_free(codex_request *request) {
  cx_list_remove(&request->in_session);
  cx_list_remove(&request->in_untaken);
  cx_list_remove(&request->ready.node);
  codex_turn_release(request->turn);
  free(request->method);
  free(request->thread_id);
  free(request->line);
  free(request->answer);
  free(request);
}

uint64_t codex_request_serial(const codex_request *request) {
  return request->id;
}
bool codex_request_done(const codex_request *request) {
  return request->state == CX_REQUEST_DONE;
}
const char *codex_request_method(const codex_request *request) {
  return request->method;
}
codex_slice codex_request_result(const codex_request *request) {
  return request->result;
}
const codex_error *codex_request_error(const codex_request *request) {
  return &request->error;
}
codex_slice codex_request_error_object(const codex_request *request) {
  return request->error_object;
}
bool codex_request_joined(const codex_request *request) {
  return request->joined;
}

codex_turn *codex_request_turn(codex_request *request) {
  if (request->turn) request->turn->references++;
  return request->turn;
}
