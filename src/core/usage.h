/* What each thread has used so far, as far as the server has told: what a turn adds to. */
#ifndef CODEX_CORE_USAGE_H
#define CODEX_CORE_USAGE_H

#include "codex.h"
#include "list.h"
#include "map.h"

/* How many threads are remembered, those told of last, and how long the text for one may be. */
#define CX_MAX_USAGES 1024
#define CX_MAX_USAGE_LENGTH 4096

typedef struct cx_usages {
  cx_map threads; /* by thread id */
  cx_list order;  /* who was told of longest ago comes first */
  unsigned count;
} cx_usages;

void cx_usages_init(cx_usages *usages, uint32_t seed);
void cx_usages_free(cx_usages *usages);

/* The tokenUsage of a thread, as JSON text; bytes NULL when none is known. Valid until the next call of
 * cx_usages_set. */
codex_slice cx_usages_get(const cx_usages *usages, codex_slice thread_id);

/* Notes what a thread has used by now: CX_OK or CX_ENOMEM. */
int cx_usages_set(cx_usages *usages, codex_slice thread_id, codex_slice usage);

#endif
