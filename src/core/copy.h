/* Copying a string. Not strdup, whose allocation the tests can't make fail. */
#ifndef CODEX_CORE_COPY_H
#define CODEX_CORE_COPY_H

#include <stdlib.h>
#include <string.h>

/* A copy to be freed, or NULL when out of memory. */
static inline char *cx_copy_string(const char *string) {
  size_t size = strlen(string) + 1;
  char *copy = malloc(size);
  return copy ? memcpy(copy, string, size) : NULL;
}

#endif
