/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"

struct slot {
    char *key;          /* NULL: free */
    void *value;
    uint64_t hash;
};

struct map {
    struct slot *slots;
    size_t size;        /* a power of two */
    size_t count;
    uint64_t seed;
};

/* FNV-1a over a random seed and a final mix: names come from clients, so the seed keeps them from choosing collisions. */
static uint64_t hash_of(const struct map *map, const char *key)
{
    uint64_t h = map->seed ^ 0xcbf29ce484222325u;

    for (; *key; key++)
        h = (h ^ (unsigned char)*key) * 0x100000001b3u;
    h ^= map->seed >> 32 ^ h >> 29;
    return h * 0x9e3779b97f4a7c15u;
}

struct map *map_new(void)
{
    struct map *map = mem_alloc(sizeof(*map));

    map->size = 16;
    map->slots = mem_array(map->size, sizeof(*map->slots));
    if (getrandom(&map->seed, sizeof(map->seed), 0) < 0)
        map->seed = (uint64_t)(uintptr_t)map;
    return map;
}

void map_free(struct map *map)
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->size; i++)
        free(map->slots[i].key);
    free(map->slots);
    free(map);
}

static struct slot *find(const struct map *map, const char *key, uint64_t hash)
{
    size_t at = hash >> 20 & (map->size - 1);

    while (map->slots[at].key && (map->slots[at].hash != hash || strcmp(map->slots[at].key, key) != 0))
        at = (at + 1) & (map->size - 1);
    return &map->slots[at];
}

void *map_get(const struct map *map, const char *key)
{
    return find(map, key, hash_of(map, key))->value;
}

static void grow(struct map *map)
{
    struct slot *old = map->slots;
    size_t size = map->size;

    map->size *= 2;
    map->slots = mem_array(map->size, sizeof(*map->slots));
    for (size_t i = 0; i < size; i++)
        if (old[i].key)
            *find(map, old[i].key, old[i].hash) = old[i];
    free(old);
}

void *map_put(struct map *map, const char *key, void *value)
{
    uint64_t hash = hash_of(map, key);
    struct slot *slot;
    void *before;

    if ((map->count + 1) * 4 > map->size * 3)
        grow(map);
    slot = find(map, key, hash);
    before = slot->value;
    if (slot->key == NULL) {
        slot->key = mem_strdup(key);
        slot->hash = hash;
        map->count++;
    }
    slot->value = value;
    return before;
}

/* Open addressing without tombstones: what follows the hole is put in again. */
void *map_remove(struct map *map, const char *key)
{
    struct slot *slot = find(map, key, hash_of(map, key));
    void *value = slot->value;
    size_t at;

    if (slot->key == NULL)
        return NULL;
    free(slot->key);
    *slot = (struct slot){ 0 };
    map->count--;
    at = (size_t)(slot - map->slots);
    for (;;) {
        struct slot moved;

        at = (at + 1) & (map->size - 1);
        if (map->slots[at].key == NULL)
            return value;
        moved = map->slots[at];
        map->slots[at] = (struct slot){ 0 };
        *find(map, moved.key, moved.hash) = moved;
    }
}

size_t map_count(const struct map *map)
{
    return map->count;
}

void *map_next(const struct map *map, size_t *at, const char **key)
{
    while (*at < map->size) {
        const struct slot *slot = &map->slots[(*at)++];

        if (slot->key) {
            if (key)
                *key = slot->key;
            return slot->value;
        }
    }
    return NULL;
}
