/* The end of what the server wrote to stderr: a ring of CODEX_STDERR_SIZE bytes, and what a person wants to
 * read of it. */
#ifndef CODEX_IO_TAIL_H
#define CODEX_IO_TAIL_H

#include "codex.h"

typedef struct cx_tail {
  char *ring; /* CODEX_STDERR_SIZE bytes; NULL until something came */
  size_t end; /* bytes written in all */
  char *text; /* CODEX_STDERR_SIZE bytes: the ring unrolled, without colour codes */
} cx_tail;

void cx_tail_init(cx_tail *tail);
void cx_tail_free(cx_tail *tail);

/* Adds bytes; drops them when out of memory, as losing a diagnosis is better than losing the connection. */
void cx_tail_append(cx_tail *tail, const char *bytes, size_t length);

/* What is kept, without terminal escape sequences; from the start of a line where older bytes were dropped.
 * Valid until the next call. */
codex_slice cx_tail_text(cx_tail *tail);

/* Of such a text, what went wrong in the program's own words: its last `Error: …` paragraph, else its last
 * line. */
codex_slice cx_tail_sentence(codex_slice text);

#endif
