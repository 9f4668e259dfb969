/* SPDX-License-Identifier: Apache-2.0 */
/* server/base/map.h - names to pointers, a hash table with keyed hashing. Not locked. */
#ifndef POSTERN_BASE_MAP_H
#define POSTERN_BASE_MAP_H

#include <stddef.h>

struct map;

struct map *map_new(void);
void map_free(struct map *map);                                 /* the values belong to the caller */
void *map_get(const struct map *map, const char *key);          /* NULL when not there */
void *map_put(struct map *map, const char *key, void *value);   /* copies the key; returns the value it replaced */
void *map_remove(struct map *map, const char *key);             /* returns the removed value, or NULL */
size_t map_count(const struct map *map);
/* Any order. `*at` starts at 0; returns NULL at the end. The map must not change meanwhile. */
void *map_next(const struct map *map, size_t *at, const char **key);

#endif
