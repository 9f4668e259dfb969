/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/sessions.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"

#define KEPT_MAX 256   /* all keys together; about 8 KB each */
#define KEPT_PER_KEY 16 /* a server's connections that come and go at a time */

struct entry {
    TAILQ_ENTRY(entry) link;
    char *key;
    struct tls_kept *kept;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static TAILQ_HEAD(entries_head, entry) entries = TAILQ_HEAD_INITIALIZER(entries); /* newest first */
static size_t entry_count;
static unsigned long epoch;

void tls_kept_free(struct tls_kept *kept)
{
    if (kept == NULL)
        return;
    mem_wipe(kept->data, kept->len);
    free(kept->data);
    tls_peer_free(kept->peer);
    free(kept);
}

/* Takes it out of the list; the lock is held. */
static struct tls_kept *detach(struct entry *entry)
{
    struct tls_kept *kept = entry->kept;

    TAILQ_REMOVE(&entries, entry, link);
    entry_count--;
    free(entry->key);
    free(entry);
    return kept;
}

/* What is too much for its key, or for all; the lock is held. */
static struct entry *surplus(const char *key)
{
    struct entry *entry;
    size_t same = 0;

    TAILQ_FOREACH(entry, &entries, link)
    if (strcmp(entry->key, key) == 0 && ++same > KEPT_PER_KEY)
        return entry;
    return entry_count > KEPT_MAX ? TAILQ_LAST(&entries, entries_head) : NULL;
}

unsigned long sessions_epoch(void)
{
    unsigned long now;

    pthread_mutex_lock(&lock);
    now = epoch;
    pthread_mutex_unlock(&lock);
    return now;
}

void sessions_put(const char *key, struct tls_kept *kept)
{
    struct entry *entry, *extra;

    pthread_mutex_lock(&lock);
    if (kept->epoch == epoch) {
        entry = mem_alloc(sizeof(*entry));
        entry->key = mem_strdup(key);
        entry->kept = TAKE(kept);
        TAILQ_INSERT_HEAD(&entries, entry, link);
        entry_count++;
        extra = surplus(key);
        if (extra)
            kept = detach(extra);
    }
    pthread_mutex_unlock(&lock);
    tls_kept_free(kept);
}

struct tls_kept *sessions_take(const char *key)
{
    struct tls_kept *kept = NULL;
    struct entry *entry;

    pthread_mutex_lock(&lock);
    TAILQ_FOREACH(entry, &entries, link)
    if (strcmp(entry->key, key) == 0) {
        kept = detach(entry);
        break;
    }
    pthread_mutex_unlock(&lock);
    if (kept && kept->until <= clock_now()) {
        tls_kept_free(kept);
        return NULL;
    }
    return kept;
}

void sessions_forget(void)
{
    pthread_mutex_lock(&lock);
    epoch++;
    while (!TAILQ_EMPTY(&entries))
        tls_kept_free(detach(TAILQ_FIRST(&entries)));
    pthread_mutex_unlock(&lock);
}
