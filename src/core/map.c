#include "map.h"

#include "buffer.h"

#include <stdlib.h>
#include <string.h>

static const char deleted[] = "";

static uint32_t hash(const cx_map *map, const char *key, size_t length) {
  uint64_t h = (map->seed ^ length) * UINT64_C(0x9E3779B97F4A7C15), block;
  for (; length >= sizeof block; key += sizeof block, length -= sizeof block) {
    memcpy(&block, key, sizeof block);
    h = (h ^ block) * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 32;
  }
  block = 0;
  memcpy(&block, key, length);
  h = (h ^ block) * UINT64_C(0x9E3779B97F4A7C15);
  return (uint32_t)(h >> 32);
}

static cx_map_slot *find(const cx_map *map, const char *key, size_t length) {
  if (map->capacity == 0) return NULL;
  for (size_t i = hash(map, key, length);; i++) {
    cx_map_slot *slot = &map->slots[i & (map->capacity - 1)];
    if (!slot->key) return NULL;
    if (slot->value && slot->length == length && memcmp(slot->key, key, length) == 0) return slot;
  }
}

static void put(cx_map *map, const char *key, size_t length, void *value) {
  size_t i = hash(map, key, length);
  while (map->slots[i & (map->capacity - 1)].key)
    i++;
  map->slots[i & (map->capacity - 1)] = (cx_map_slot){key, length, value};
  map->used++;
  map->count++;
}

/* Also what gets rid of deleted slots, so it may keep the capacity. */
static int rebuild(cx_map *map) {
  cx_map old = *map;
  map->capacity = 16;
  while (map->capacity < old.count * 4)
    map->capacity *= 2;
  map->slots = calloc(map->capacity, sizeof *map->slots);
  if (!map->slots) {
    *map = old;
    return CX_ENOMEM;
  }
  map->used = map->count = 0;
  for (size_t i = 0; i < old.capacity; i++)
    if (old.slots[i].value) put(map, old.slots[i].key, old.slots[i].length, old.slots[i].value);
  free(old.slots);
  return CX_OK;
}

void cx_map_init(cx_map *map, uint32_t seed) {
  *map = (cx_map){.seed = seed};
}

void cx_map_free(cx_map *map) {
  free(map->slots);
  cx_map_init(map, map->seed);
}

void *cx_map_get(const cx_map *map, const char *key, size_t length) {
  cx_map_slot *slot = find(map, key, length);
  return slot ? slot->value : NULL;
}

int cx_map_add(cx_map *map, const char *key, size_t length, void *value) {
  /* a quarter stays free, so that every search ends */
  if (map->used + map->capacity / 4 >= map->capacity) {
    int status = rebuild(map);
    if (status != CX_OK) return status;
  }
  put(map, key, length, value);
  return CX_OK;
}

void cx_map_remove(cx_map *map, const char *key, size_t length) {
  cx_map_slot *slot = find(map, key, length);
  if (!slot) return;
  *slot = (cx_map_slot){.key = deleted};
  map->count--;
}
