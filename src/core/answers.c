#include "answers.h"

#include "json.h"
#include "message.h"
#include "request.h"

#include <string.h>
#include <time.h>

typedef struct answer {
  const char *method;
  const char *body; /* the member of the answer: a result, or an error */
} answer;

#define DENIED "\"result\":{\"decision\":{\"denied\":{\"rejection\":\"not approved by the client\"}}}"

static const answer answers[] = {
    {"item/commandExecution/requestApproval", "\"result\":{\"decision\":\"decline\"}"},
    {"item/fileChange/requestApproval", "\"result\":{\"decision\":\"decline\"}"},
    {"item/permissions/requestApproval", "\"result\":{\"permissions\":{},\"scope\":\"turn\"}"},
    {"item/tool/call",
     "\"result\":{\"contentItems\":[{\"type\":\"inputText\",\"text\":\"This tool call failed: "
     "the client gave no answer to it.\"}],\"success\":false}"},
    {"item/tool/requestUserInput", "\"result\":{\"answers\":{}}"},
    {"mcpServer/elicitation/request", "\"result\":{\"action\":\"decline\",\"content\":null,\"_meta\":null}"},
    {"applyPatchApproval", DENIED},
    {"execCommandApproval", DENIED},
    {"account/chatgptAuthTokens/refresh",
     "\"error\":{\"code\":-32000,\"message\":\"the client holds no ChatGPT tokens\"}"},
    {"attestation/generate", "\"error\":{\"code\":-32000,\"message\":\"the client gives no attestations\"}"},
};

static const char unknown[] =
    "\"error\":{\"code\":-32601,\"message\":\"the client does not know this method\"}";

static const char *body_for(codex_slice method) {
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
    if (cx_slice_is(method, answers[i].method, strlen(answers[i].method))) return answers[i].body;
  return unknown;
}

static int open_answer(cx_buffer *out, codex_slice id) {
  int status = cx_buffer_append_string(out, "{\"id\":");
  if (status == CX_OK) status = cx_buffer_append(out, id.bytes, id.length);
  return status == CX_OK ? cx_buffer_append_byte(out, ',') : status;
}

/* before: how long the output was. */
static int close_answer(cx_buffer *out, size_t before, int status) {
  if (status == CX_OK) status = cx_buffer_append_string(out, "}\n");
  if (status != CX_OK) out->end = out->start + before;
  return status;
}

/* Unix seconds. */
static int write_time(cx_buffer *out) {
  int status = cx_buffer_append_string(out, "\"result\":{\"currentTimeAt\":");
  if (status == CX_OK) status = cx_json_write_integer(out, (int64_t)time(NULL));
  return status == CX_OK ? cx_buffer_append_byte(out, '}') : status;
}

int cx_answer_safely(cx_buffer *out, codex_slice id, codex_slice method) {
  size_t before = cx_buffer_length(out);
  int status = open_answer(out, id);
  if (status == CX_OK && CX_SLICE_IS(method, "currentTime/read"))
    status = write_time(out);
  else if (status == CX_OK)
    status = cx_buffer_append_string(out, body_for(method));
  return close_answer(out, before, status);
}

int cx_answer_result(cx_buffer *out, codex_slice id, const char *result, size_t length) {
  size_t before = cx_buffer_length(out);
  int status = open_answer(out, id);
  if (status == CX_OK) status = cx_buffer_append_string(out, "\"result\":");
  if (status == CX_OK) status = cx_write_json(out, result, length);
  return close_answer(out, before, status);
}

int cx_answer_error(cx_buffer *out, codex_slice id, int code, const char *message) {
  size_t before = cx_buffer_length(out);
  int status = open_answer(out, id);
  if (status == CX_OK) status = cx_buffer_append_string(out, "\"error\":{\"code\":");
  if (status == CX_OK) status = cx_json_write_integer(out, code);
  if (status == CX_OK) status = cx_buffer_append_string(out, ",\"message\":");
  if (status == CX_OK) status = cx_json_write_string(out, message, strlen(message));
  if (status == CX_OK) status = cx_buffer_append_byte(out, '}');
  return close_answer(out, before, status);
}
