#include "answers.h"

#include "message.h"

#include <string.h>

typedef struct answer {
  const char *method;
  const char *body; /* the member of the answer: a result, or an error */
} answer;

#define DENIED                                                                                               \
  "\"result\":{\"decision\":{\"denied\":{\"rejection\":\"the client has no handler for approvals\"}}}"

static const answer answers[] = {
    {"item/commandExecution/requestApproval", "\"result\":{\"decision\":\"decline\"}"},
    {"item/fileChange/requestApproval", "\"result\":{\"decision\":\"decline\"}"},
    {"item/permissions/requestApproval", "\"result\":{\"permissions\":{},\"scope\":\"turn\"}"},
    {"item/tool/call",
     "\"result\":{\"contentItems\":[{\"type\":\"inputText\",\"text\":\"This tool is not available: "
     "the client has no handler for it.\"}],\"success\":false}"},
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

int cx_answer_safely(cx_buffer *out, codex_slice id, codex_slice method) {
  static const char open[] = "{\"id\":";
  const char *body = body_for(method);
  size_t length = sizeof open + id.length + strlen(body) + 3;
  int status = cx_buffer_reserve(out, length); /* once, so that the line comes whole or not at all */
  if (status != CX_OK) return status;
  cx_buffer_append_string(out, open);
  cx_buffer_append(out, id.bytes, id.length);
  cx_buffer_append_byte(out, ',');
  cx_buffer_append_string(out, body);
  cx_buffer_append_string(out, "}\n");
  return CX_OK;
}
