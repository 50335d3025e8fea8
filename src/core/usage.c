#include "usage.h"

#include "buffer.h"

#include <stdlib.h>
#include <string.h>

typedef struct usage {
  cx_list in_order;
  size_t id_length, length;
  char bytes[]; /* the thread's id, then the text */
} usage;

void cx_usages_init(cx_usages *usages, uint32_t seed) {
  cx_map_init(&usages->threads, seed);
  cx_list_init(&usages->order);
  usages->count = 0;
}

static void forget(cx_usages *usages, usage *known) {
  cx_map_remove(&usages->threads, known->bytes, known->id_length);
  cx_list_remove(&known->in_order);
  usages->count--;
  free(known);
}

static usage *oldest(cx_usages *usages) {
  return cx_list_entry(usages->order.next, usage, in_order);
}

void cx_usages_free(cx_usages *usages) {
  while (usages->count > 0)
    forget(usages, oldest(usages));
  cx_map_free(&usages->threads);
}

codex_slice cx_usages_get(const cx_usages *usages, codex_slice thread_id) {
  const usage *known = cx_map_get(&usages->threads, thread_id.bytes, thread_id.length);
  return known ? (codex_slice){known->bytes + known->id_length, known->length} : (codex_slice){NULL, 0};
}

int cx_usages_set(cx_usages *usages, codex_slice thread_id, codex_slice text) {
  usage *known = cx_map_get(&usages->threads, thread_id.bytes, thread_id.length);
  if (thread_id.length > CX_MAX_USAGE_LENGTH || text.length > CX_MAX_USAGE_LENGTH) return CX_OK;
  usage *made = malloc(sizeof *made + thread_id.length + text.length);
  if (!made) return CX_ENOMEM;
  *made = (usage){.id_length = thread_id.length, .length = text.length};
  memcpy(made->bytes, thread_id.bytes, thread_id.length);
  memcpy(made->bytes + thread_id.length, text.bytes, text.length);
  cx_list_init(&made->in_order);
  if (known) forget(usages, known);
  if (cx_map_add(&usages->threads, made->bytes, made->id_length, made) != CX_OK) {
    free(made);
    return CX_ENOMEM;
  }
  cx_list_append(&usages->order, &made->in_order);
  if (++usages->count > CX_MAX_USAGES) forget(usages, oldest(usages));
  return CX_OK;
}
