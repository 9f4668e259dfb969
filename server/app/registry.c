/* SPDX-License-Identifier: Apache-2.0 */
#include "app/registry.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/encode.h"
#include "component/json.h"
#include "crypto/crypto.h"

static int add_secret(const char *path, struct secret *secret, void *ctx)
{
    struct buf *text = ctx;

    return buf_addf(text, "\n%s=%s%s", path, secret->file ? "$file:" : "", secret->file ? secret->file : secret->value ?: "");
}

/* What is stored and in no JSON (a password's hash) is configuration all the same. */
static void add_hidden(const struct component_type *type, const void *component, struct buf *text)
{
    for (const struct prop *prop = type->props; prop->name; prop++)
        if (prop->flags & PROP_HIDDEN && prop->type == PROP_STRING)
            buf_addf(text, "\n%s=%s", prop->name, *PROP_VALUE_CONST(component, prop, char *) ?: "");
}

struct entry_text {
    struct bytes *json;
    char etag[ETAG_MAX];
};

static void make_etag(const struct entry *entry, struct entry_text *made)
{
    struct buf text;
    uint8_t sum[32];

    buf_init_secret(&text, 16 * 1024 * 1024);
    buf_add(&text, bytes_str(made->json));
    component_each_secret(entry->type, entry->component, add_secret, &text);
    add_hidden(entry->type, entry->component, &text);
    crypto_key_hmac(entry->key, "etag", buf_str(&text), sum);
    hex_encode(sum, (ETAG_MAX - 1) / 2, made->etag);
    buf_free(&text);
}

static struct entry_text *text_make(const struct entry *entry)
{
    struct entry_text *made = mem_alloc(sizeof(*made));
    json_t *json = entry_json(entry);
    char *text = json_dumps(json, JSON_COMPACT);

    made->json = bytes_new(str_c(text));
    free(text);
    json_decref(json);
    make_etag(entry, made);
    return made;
}

static void text_free(struct entry_text *text)
{
    if (text == NULL)
        return;
    bytes_free(text->json);
    free(text);
}

/* Two who ask at the same time may both make it; the first one's stays. */
static const struct entry_text *text_of(const struct entry *entry)
{
    _Atomic(struct entry_text *) *at = (void *)(uintptr_t)&entry->text;
    struct entry_text *made = atomic_load(at), *none = NULL;

    if (made)
        return made;
    made = text_make(entry);
    if (atomic_compare_exchange_strong(at, &none, made))
        return made;
    text_free(made);
    return none;
}

const char *entry_etag(const struct entry *entry)
{
    return text_of(entry)->etag;
}

struct bytes *entry_bytes(const struct entry *entry)
{
    return text_of(entry)->json;
}

json_t *entry_json(const struct entry *entry)
{
    json_t *json = json_object();

    json_object_set_new(json, "name", json_string(entry->name));
    json_object_set_new(json, "type", json_string(entry->type->name));
    component_to_json(entry->type, entry->component, VIEW_CONFIG, json);
    return json;
}

struct entry *entry_new(const struct component_type *type, const char *name, void *component, const char *changed_by,
                        int64_t changed_at, const struct crypto_key *key)
{
    struct entry *entry = mem_alloc(sizeof(*entry));

    atomic_init(&entry->holders, 1);
    entry->type = type;
    entry->name = mem_strdup(name);
    entry->component = component;
    entry->changed_by = mem_strdup(changed_by);
    entry->changed_at = changed_at;
    entry->key = key;
    return entry;
}

struct entry *entry_hold(struct entry *entry)
{
    atomic_fetch_add_explicit(&entry->holders, 1, memory_order_relaxed);
    return entry;
}

void entry_free(struct entry *entry)
{
    void *ready;

    if (entry == NULL || atomic_fetch_sub_explicit(&entry->holders, 1, memory_order_acq_rel) != 1)
        return;
    ready = atomic_load(&entry->ready);
    if (ready && entry->ready_free)
        entry->ready_free(ready);
    component_free(entry->type, entry->component);
    text_free(atomic_load(&entry->text));
    free(entry->changed_by);
    free(entry->name);
    free(entry);
}

/* A sorted array: a look-up is a binary search, a page starts anywhere, an insertion moves pointers (50 µs among 100,000). */
struct registry {
    pthread_rwlock_t lock;
    struct entry **items;
    size_t count, room;
};

struct registry *registry_new(void)
{
    struct registry *registry = mem_alloc(sizeof(*registry));

    pthread_rwlock_init(&registry->lock, NULL);
    return registry;
}

struct registry *registry_copy(struct registry *registry)
{
    struct registry *copy = registry_new();
    bool more;

    copy->count = registry_page(registry, "", registry_count(registry) + 16, NULL, NULL, &copy->items, &more);
    copy->room = copy->count;
    return copy;
}

void registry_free(struct registry *registry)
{
    if (registry == NULL)
        return;
    for (size_t i = 0; i < registry->count; i++)
        entry_free(registry->items[i]);
    free(registry->items);
    pthread_rwlock_destroy(&registry->lock);
    free(registry);
}

/* The first place whose name is not before `name`. */
static size_t place_of(const struct registry *registry, const char *name)
{
    size_t low = 0, high = registry->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(registry->items[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct registry *registry, size_t at, const char *name)
{
    return at < registry->count && strcmp(registry->items[at]->name, name) == 0;
}

struct entry *registry_get(struct registry *registry, const char *name)
{
    struct entry *entry = NULL;
    size_t at;

    pthread_rwlock_rdlock(&registry->lock);
    at = place_of(registry, name);
    if (is_at(registry, at, name))
        entry = entry_hold(registry->items[at]);
    pthread_rwlock_unlock(&registry->lock);
    return entry;
}

struct entry *registry_put(struct registry *registry, struct entry *entry)
{
    struct entry *before = NULL;
    size_t at;

    pthread_rwlock_wrlock(&registry->lock);
    at = place_of(registry, entry->name);
    if (is_at(registry, at, entry->name)) {
        before = registry->items[at];
    } else {
        if (registry->count == registry->room) {
            registry->room = registry->room ? registry->room * 2 : 16;
            registry->items = mem_resize(registry->items, registry->room * sizeof(*registry->items));
        }
        memmove(registry->items + at + 1, registry->items + at, (registry->count - at) * sizeof(*registry->items));
        registry->count++;
    }
    registry->items[at] = entry;
    pthread_rwlock_unlock(&registry->lock);
    return before;
}

struct entry *registry_remove(struct registry *registry, const char *name)
{
    struct entry *before = NULL;
    size_t at;

    pthread_rwlock_wrlock(&registry->lock);
    at = place_of(registry, name);
    if (is_at(registry, at, name)) {
        before = registry->items[at];
        registry->count--;
        memmove(registry->items + at, registry->items + at + 1, (registry->count - at) * sizeof(*registry->items));
    }
    pthread_rwlock_unlock(&registry->lock);
    return before;
}

size_t registry_count(struct registry *registry)
{
    size_t count;

    pthread_rwlock_rdlock(&registry->lock);
    count = registry->count;
    pthread_rwlock_unlock(&registry->lock);
    return count;
}

size_t registry_page(struct registry *registry, const char *after, size_t limit, registry_wanted *wanted, void *ctx,
                     struct entry ***ret, bool *more)
{
    struct entry **page = mem_array(limit, sizeof(*page));
    size_t count = 0, at;

    *more = false;
    pthread_rwlock_rdlock(&registry->lock);
    at = place_of(registry, after);
    if (is_at(registry, at, after))
        at++;
    for (; at < registry->count; at++) {
        if (wanted && !wanted(registry->items[at], ctx))
            continue;
        if (count == limit) {
            *more = true;
            break;
        }
        page[count++] = entry_hold(registry->items[at]);
    }
    pthread_rwlock_unlock(&registry->lock);
    *ret = page;
    return count;
}

void registry_each(struct registry *registry, registry_visit *visit, void *ctx)
{
    struct entry **all;
    bool more;
    size_t count = registry_page(registry, "", registry_count(registry) + 16, NULL, NULL, &all, &more);

    for (size_t i = 0; i < count; i++) {
        visit(all[i], ctx);
        entry_free(all[i]);
    }
    free(all);
}
