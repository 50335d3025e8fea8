#include "encode.h"

#include <string.h>

#define LONGEST 64

static unsigned min3(unsigned a, unsigned b, unsigned c) {
  unsigned least = a < b ? a : b;
  return least < c ? least : c;
}

/* The edits (one character added, dropped or changed) between two words shorter than LONGEST. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length) {
  unsigned row[LONGEST + 1];
  for (size_t j = 0; j <= b_length; j++)
    row[j] = (unsigned)j;
  for (size_t i = 1; i <= a_length; i++) {
    unsigned diagonal = row[0];
    row[0] = (unsigned)i;
    for (size_t j = 1; j <= b_length; j++) {
      unsigned above = row[j];
      row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
      diagonal = above;
    }
  }
  return row[b_length];
}

const char *cx_nearest(const char *name, const char *(*get)(const void *list, unsigned n), const void *list,
                       unsigned count) {
  size_t length = strlen(name);
  /* a third of the word may be wrong */
  unsigned best = (unsigned)(length + 5) / 3;
  const char *nearest = NULL;
  if (length >= LONGEST) return NULL;
  for (unsigned n = 0; n < count; n++) {
    const char *candidate = get(list, n);
    size_t candidate_length = strlen(candidate);
    if (candidate_length >= LONGEST) continue;
    unsigned edits = distance(name, length, candidate, candidate_length);
    if (edits >= best) continue;
    best = edits;
    nearest = candidate;
  }
  return nearest;
}
