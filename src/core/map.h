/* A hash table from byte strings to pointers. Keys are borrowed: they live in the object that is stored. */
#ifndef CODEX_CORE_MAP_H
#define CODEX_CORE_MAP_H

#include <stddef.h>
#include <stdint.h>

typedef struct cx_map_slot {
  const char *key;
  size_t length;
  void *value; /* NULL: free, or deleted while key isn't NULL */
} cx_map_slot;

typedef struct cx_map {
  cx_map_slot *slots;
  size_t capacity; /* a power of two, or 0 */
  size_t used;     /* slots taken, the deleted ones included */
  size_t count;
  uint32_t seed;
} cx_map;

/* Makes an empty map; allocates nothing. seed varies where keys land, against keys chosen to collide. */
void cx_map_init(cx_map *map, uint32_t seed);
void cx_map_free(cx_map *map);

/* The value under key, or NULL. */
void *cx_map_get(const cx_map *map, const char *key, size_t length);

/* Adds a key that is not there yet: CX_OK or CX_ENOMEM. */
int cx_map_add(cx_map *map, const char *key, size_t length, void *value);

/* Removes a key if it is there. */
void cx_map_remove(cx_map *map, const char *key, size_t length);

#endif
