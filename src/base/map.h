/* Map from strings to pointers; insertion order is kept for iteration. Not thread-safe. */
#ifndef KD_BASE_MAP_H
#define KD_BASE_MAP_H

#include <stddef.h>

struct map;

struct map *map_new(void);
/* Frees the map, not the values; accepts NULL. */
void map_free(struct map *map);
/* Replaces an earlier value of the key. Copies the key. 0 or KD_ENOMEM. */
int map_set(struct map *map, const char *key, void *value);
/* NULL if absent. */
void *map_get(const struct map *map, const char *key);
/* Returns the removed value or NULL. */
void *map_remove(struct map *map, const char *key);
size_t map_count(const struct map *map);
/* The i-th entry in order of insertion, 0 <= i < count. */
const char *map_key(const struct map *map, size_t i);
void *map_value(const struct map *map, size_t i);

#endif
