/* SPDX-License-Identifier: Apache-2.0 */
#include "http/guess.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"

#define ENTRIES_MAX 4096
#define FORGET_AFTER SECONDS(3600)

struct entry {
    char key[192];
    int failures;
    int64_t until;                      /* locked until */
    int64_t touched;
    struct entry *newer, *older;
};

struct guess {
    pthread_mutex_t lock;
    int free_failures;
    int64_t longest;
    struct map *map;
    struct entry *newest, *oldest;      /* by last failure */
};

struct guess *guess_new(int free_failures, int64_t longest_ms)
{
    struct guess *guess = mem_alloc(sizeof(*guess));

    pthread_mutex_init(&guess->lock, NULL);
    guess->free_failures = free_failures;
    guess->longest = longest_ms;
    guess->map = map_new();
    return guess;
}

static void unlink_entry(struct guess *guess, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &guess->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &guess->oldest) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void link_newest(struct guess *guess, struct entry *entry)
{
    entry->older = guess->newest;
    *(guess->newest ? &guess->newest->newer : &guess->oldest) = entry;
    guess->newest = entry;
}

static void forget(struct guess *guess, struct entry *entry)
{
    unlink_entry(guess, entry);
    map_remove(guess->map, entry->key);
    free(entry);
}

void guess_free(struct guess *guess)
{
    if (guess == NULL)
        return;
    while (guess->oldest)
        forget(guess, guess->oldest);
    map_free(guess->map);
    pthread_mutex_destroy(&guess->lock);
    free(guess);
}

/* An address has no space in it, so the two can't be mistaken for another pair. */
static void make_key(const char *user, const char *address, char key[192])
{
    snprintf(key, 192, "%.63s %.120s", address, user);
}

int64_t guess_wait(struct guess *guess, const char *user, const char *address, int64_t now)
{
    struct entry *entry;
    int64_t wait = 0;
    char key[192];

    make_key(user, address, key);
    pthread_mutex_lock(&guess->lock);
    entry = map_count(guess->map) ? map_get(guess->map, key) : NULL;
    if (entry && entry->until > now)
        wait = entry->until - now;
    pthread_mutex_unlock(&guess->lock);
    return wait;
}

static void lock_out(const struct guess *guess, struct entry *entry, int64_t now)
{
    int over = entry->failures - guess->free_failures;
    int64_t wait = over <= 0 ? 0 : over > 40 ? guess->longest : SECONDS(1) << (over - 1);

    entry->until = now + (wait < guess->longest ? wait : guess->longest);
}

void guess_failed(struct guess *guess, const char *user, const char *address, int64_t now)
{
    struct entry *entry;
    char key[192];

    make_key(user, address, key);
    pthread_mutex_lock(&guess->lock);
    entry = map_get(guess->map, key);
    if (entry && now - entry->touched > FORGET_AFTER && now > entry->until)
        entry->failures = 0;
    if (entry) {
        unlink_entry(guess, entry);
    } else {
        if (map_count(guess->map) >= ENTRIES_MAX)
            forget(guess, guess->oldest);
        entry = mem_alloc(sizeof(*entry));
        memcpy(entry->key, key, sizeof(key));
        map_put(guess->map, key, entry);
    }
    link_newest(guess, entry);
    entry->failures++;
    entry->touched = now;
    lock_out(guess, entry, now);
    pthread_mutex_unlock(&guess->lock);
}

void guess_succeeded(struct guess *guess, const char *user, const char *address)
{
    struct entry *entry;
    char key[192];

    make_key(user, address, key);
    pthread_mutex_lock(&guess->lock);
    entry = map_count(guess->map) ? map_get(guess->map, key) : NULL;
    if (entry)
        forget(guess, entry);
    pthread_mutex_unlock(&guess->lock);
}
