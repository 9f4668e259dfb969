/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/registry.h - components as they are now, by name; immutable entries that are replaced whole.
 *
 * Readers (HTTP threads, workers) hold an entry as long as they look at it; a write publishes a new one. */
#ifndef POSTERN_APP_REGISTRY_H
#define POSTERN_APP_REGISTRY_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/bytes.h"
#include "component/prop.h"

struct crypto_key;

#define ETAG_MAX 33             /* 32 hex digits */

struct entry {
    atomic_uint holders;
    const struct component_type *type;
    char *name;
    void *component;            /* of `type`; immutable */
    const struct crypto_key *key;       /* of the ETag; outlives the entry */
    _Atomic(struct entry_text *) text;  /* made when somebody asks first: most of 100,000 accounts are never asked for */
    char *changed_by;
    int64_t changed_at;
    _Atomic(void *) ready;      /* api/ keeps a prepared answer here, freed with the entry by ready_free, if set */
    void (*ready_free)(void *ready);
};

/* Takes `component`. `key` keys the ETag, so that it tells nothing of the secrets it covers. */
struct entry *entry_new(const struct component_type *type, const char *name, void *component, const char *changed_by,
                        int64_t changed_at, const struct crypto_key *key);
struct entry *entry_hold(struct entry *entry);
void entry_free(struct entry *entry);           /* lets go; NULL is fine */
MEM_FREEP(entry)
const char *entry_etag(const struct entry *entry);      /* of the configuration, secrets included; changes with nothing else */
struct bytes *entry_bytes(const struct entry *entry);   /* the configuration as clients see it; the entry's */
json_t *entry_json(const struct entry *entry);  /* the configuration with name and type; the caller's */

struct registry;

struct registry *registry_new(void);
struct registry *registry_copy(struct registry *registry);        /* of the same entries, held */
void registry_free(struct registry *registry);
struct entry *registry_get(struct registry *registry, const char *name);       /* held for the caller, or NULL */
/* Takes the caller's hold; returns the entry it replaced (the caller lets it go), or NULL. */
struct entry *registry_put(struct registry *registry, struct entry *entry);
struct entry *registry_remove(struct registry *registry, const char *name);    /* the caller lets it go; NULL when not there */
size_t registry_count(struct registry *registry);
/* Entries in order of name after `after` ("" from the first) that `wanted` (or NULL) likes, at most `limit`, each held for the
 * caller; the caller frees `*ret` too. `*more` says whether others follow. */
typedef bool registry_wanted(const struct entry *entry, void *ctx);
size_t registry_page(struct registry *registry, const char *after, size_t limit, registry_wanted *wanted, void *ctx,
                     struct entry ***ret, bool *more);

/* Every entry there is now, in order of name; the registry may change meanwhile. */
typedef void registry_visit(struct entry *entry, void *ctx);
void registry_each(struct registry *registry, registry_visit *visit, void *ctx);

#endif
