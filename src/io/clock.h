/* The clock that deadlines are measured on. */
#ifndef CODEX_IO_CLOCK_H
#define CODEX_IO_CLOCK_H

#include <time.h>

/* Seconds since some fixed moment; only goes forward. */
static inline double cx_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
