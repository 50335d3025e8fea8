/* An intrusive doubly-linked list: a node can leave whichever list it is in without knowing which. */
#ifndef CODEX_CORE_LIST_H
#define CODEX_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cx_list {
  struct cx_list *previous, *next; /* of a node in no list: itself */
} cx_list;

/* The object that node is embedded in as member. */
#define cx_list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void cx_list_init(cx_list *node) {
  node->previous = node->next = node;
}

static inline bool cx_list_empty(const cx_list *node) {
  return node->next == node;
}

static inline void cx_list_append(cx_list *list, cx_list *node) {
  node->previous = list->previous;
  node->next = list;
  list->previous->next = node;
  list->previous = node;
}

static inline void cx_list_remove(cx_list *node) {
  node->previous->next = node->next;
  node->next->previous = node->previous;
  cx_list_init(node);
}

#endif
