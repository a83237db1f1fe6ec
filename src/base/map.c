/* map: open addressing over an array of entries in order of insertion. Slots hold entry numbers + 1, so iteration is
 * the plain array and a lookup touches one slot and one entry. Removal closes the gap in the array (O(n), rare). */
#include "base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

struct entry {
    char *key;
    void *value;
    uint64_t hash;
};

struct map {
    struct entry *entries;
    size_t n_entries;
    size_t capacity; /* of entries; the slots are twice as many, a power of two */
    uint32_t *slots;
};

struct map *map_new(void)
{
    return calloc(1, sizeof(struct map));
}

void map_free(struct map *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->n_entries; i++)
        free(map->entries[i].key);
    free(map->entries);
    free(map->slots);
    free(map);
}

static uint32_t *slot_of(const struct map *map, const char *key, uint64_t hash)
{
    size_t mask = map->capacity * 2 - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &map->slots[at];
        if (*slot == 0)
            return slot;
        const struct entry *entry = &map->entries[*slot - 1];
        if (entry->hash == hash && strcmp(entry->key, key) == 0)
            return slot;
    }
}

static void refill(struct map *map)
{
    memset(map->slots, 0, map->capacity * 2 * sizeof(*map->slots));
    for (size_t i = 0; i < map->n_entries; i++)
        *slot_of(map, map->entries[i].key, map->entries[i].hash) = (uint32_t)(i + 1);
}

static int grow(struct map *map)
{
    size_t capacity = map->capacity ? map->capacity * 2 : 8;
    uint32_t *slots = calloc(capacity * 2, sizeof(*slots));
    struct entry *entries = realloc(map->entries, capacity * sizeof(*entries));
    if (entries)
        map->entries = entries;
    if (!entries || !slots) {
        free(slots);
        return KD_ENOMEM;
    }
    free(map->slots);
    map->slots = slots;
    map->capacity = capacity;
    refill(map);
    return 0;
}

int map_set(struct map *map, const char *key, void *value)
{
    if (map->n_entries == map->capacity && grow(map))
        return KD_ENOMEM;
    uint64_t hash = str_hash(key, strlen(key));
    uint32_t *slot = slot_of(map, key, hash);
    if (*slot) {
        map->entries[*slot - 1].value = value;
        return 0;
    }
    char *copy = strdup(key);
    if (!copy)
        return KD_ENOMEM;
    map->entries[map->n_entries] = (struct entry){copy, value, hash};
    *slot = (uint32_t)++map->n_entries;
    return 0;
}

void *map_get(const struct map *map, const char *key)
{
    if (!map->capacity)
        return NULL;
    uint32_t slot = *slot_of(map, key, str_hash(key, strlen(key)));
    return slot ? map->entries[slot - 1].value : NULL;
}

void *map_remove(struct map *map, const char *key)
{
    if (!map->capacity)
        return NULL;
    uint32_t slot = *slot_of(map, key, str_hash(key, strlen(key)));
    if (!slot)
        return NULL;
    struct entry *entry = &map->entries[slot - 1];
    void *value = entry->value;
    free(entry->key);
    memmove(entry, entry + 1, (map->n_entries - slot) * sizeof(*entry));
    map->n_entries--;
    refill(map);
    return value;
}

size_t map_count(const struct map *map)
{
    return map->n_entries;
}

const char *map_key(const struct map *map, size_t i)
{
    return map->entries[i].key;
}

void *map_value(const struct map *map, size_t i)
{
    return map->entries[i].value;
}
