/* Answers to the server's requests, as lines. Each is appended whole or not at all; ids are JSON text, and
 * echoed as they came. */
#ifndef CODEX_CORE_ANSWERS_H
#define CODEX_CORE_ANSWERS_H

#include "buffer.h"
#include "codex.h"

/* What the server is told when nobody answers its request: never anything that grants or runs something.
 * CX_OK, CX_ENOMEM or CX_ELIMIT. */
int cx_answer_safely(cx_buffer *out, codex_slice id, codex_slice method);

/* Answers with a result (JSON text): as above, or CX_EINVAL when it isn't JSON in UTF-8. */
int cx_answer_result(cx_buffer *out, codex_slice id, const char *result, size_t length);

/* Answers with an error; CX_EINVAL when message isn't UTF-8. */
int cx_answer_error(cx_buffer *out, codex_slice id, int code, const char *message);

#endif
