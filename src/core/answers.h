/* What the server is told when nobody answers its request: never anything that grants or runs something. */
#ifndef CODEX_CORE_ANSWERS_H
#define CODEX_CORE_ANSWERS_H

#include "buffer.h"
#include "codex.h"

/* Appends the whole answering line for a request with that id (JSON text, echoed as it came) and method.
 * CX_OK, CX_ENOMEM or CX_ELIMIT; then nothing is appended. */
int cx_answer_safely(cx_buffer *out, codex_slice id, codex_slice method);

#endif
