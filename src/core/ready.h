/* The queue of what became ready: a node sits in each request and turn. */
#ifndef CODEX_CORE_READY_H
#define CODEX_CORE_READY_H

#include "codex.h"
#include "list.h"

typedef struct cx_ready {
  cx_list node; /* in the session's queue, or alone */
  codex_ready_kind kind;
  uint64_t serial;
} cx_ready;

static inline void cx_ready_init(cx_ready *ready, codex_ready_kind kind, uint64_t serial) {
  cx_list_init(&ready->node);
  ready->kind = kind;
  ready->serial = serial;
}

/* Queues it unless it is queued already. */
static inline void cx_ready_post(cx_list *queue, cx_ready *ready) {
  if (cx_list_empty(&ready->node)) cx_list_append(queue, &ready->node);
}

#endif
