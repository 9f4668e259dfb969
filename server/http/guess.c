/* SPDX-License-Identifier: Apache-2.0 */
#include "http/guess.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"

#define ENTRIES_MAX 4096                /* of each kind */
#define FORGET_AFTER SECONDS(3600)
#define KEY_MAX 192

enum kind { PAIR, ADDRESS, USER, KINDS };

struct entry {
    char key[KEY_MAX];
    int failures;
    bool known;                         /* a pair that was right once */
    int64_t until;                      /* locked until */
    int64_t touched;
    struct entry *newer, *older;
};

struct table {
    struct map *map;
    struct entry *newest, *oldest;      /* by last failure or success */
};

struct guess {
    pthread_mutex_t lock;
    int free_failures;
    int64_t longest;
    struct table tables[KINDS];
};

struct guess *guess_new(int free_failures, int64_t longest_ms)
{
    struct guess *guess = mem_alloc(sizeof(*guess));

    pthread_mutex_init(&guess->lock, NULL);
    guess->free_failures = free_failures;
    guess->longest = longest_ms;
    for (int kind = 0; kind < KINDS; kind++)
        guess->tables[kind].map = map_new();
    return guess;
}

void guess_set(struct guess *guess, int free_failures, int64_t longest_ms)
{
    pthread_mutex_lock(&guess->lock);
    guess->free_failures = free_failures;
    guess->longest = longest_ms;
    pthread_mutex_unlock(&guess->lock);
}

/* ---- entries ---- */

static void unlink_entry(struct table *table, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &table->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &table->oldest) = entry->newer;
    entry->newer = entry->older = NULL;
}

static void link_newest(struct table *table, struct entry *entry)
{
    entry->older = table->newest;
    *(table->newest ? &table->newest->newer : &table->oldest) = entry;
    table->newest = entry;
}

static void forget(struct table *table, struct entry *entry)
{
    unlink_entry(table, entry);
    map_remove(table->map, entry->key);
    free(entry);
}

void guess_free(struct guess *guess)
{
    if (guess == NULL)
        return;
    for (int kind = 0; kind < KINDS; kind++) {
        while (guess->tables[kind].oldest)
            forget(&guess->tables[kind], guess->tables[kind].oldest);
        map_free(guess->tables[kind].map);
    }
    pthread_mutex_destroy(&guess->lock);
    free(guess);
}

/* Whoever has one IPv6 address has 2^64 of them (RFC 6177). */
static void network_of(const char *address, char into[INET6_ADDRSTRLEN])
{
    struct in6_addr six;

    if (inet_pton(AF_INET6, address, &six) != 1) {
        snprintf(into, INET6_ADDRSTRLEN, "%s", address);
        return;
    }
    memset(&six.s6_addr[8], 0, 8);
    inet_ntop(AF_INET6, &six, into, INET6_ADDRSTRLEN);
}

/* An address has no space in it, so the two can't be mistaken for another pair. */
static void make_key(enum kind kind, const char *user, const char *address, char key[KEY_MAX])
{
    if (kind == PAIR)
        snprintf(key, KEY_MAX, "%.63s %.120s", address, user);
    else if (kind == ADDRESS)
        network_of(address, key);
    else
        snprintf(key, KEY_MAX, "%.120s", user);
}

static struct entry *find(struct guess *guess, enum kind kind, const char *user, const char *address)
{
    struct table *table = &guess->tables[kind];
    char key[KEY_MAX];

    if (map_count(table->map) == 0)
        return NULL;
    make_key(kind, user, address, key);
    return map_get(table->map, key);
}

/* The newest from now on. */
static struct entry *find_or_make(struct guess *guess, enum kind kind, const char *user, const char *address)
{
    struct table *table = &guess->tables[kind];
    struct entry *entry = find(guess, kind, user, address);

    if (entry) {
        unlink_entry(table, entry);
    } else {
        if (map_count(table->map) >= ENTRIES_MAX)
            forget(table, table->oldest);
        entry = mem_alloc(sizeof(*entry));
        make_key(kind, user, address, entry->key);
        map_put(table->map, entry->key, entry);
    }
    link_newest(table, entry);
    return entry;
}

static int kinds_for(const char *user)
{
    return *user ? KINDS : PAIR + 1;
}

/* ---- counting ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int free_of(const struct guess *guess, enum kind kind)
{
    return guess->free_failures * (kind == PAIR ? 1 : kind == ADDRESS ? GUESS_ADDRESS_FACTOR : GUESS_USER_FACTOR);
}

static int64_t longest_of(const struct guess *guess, enum kind kind)
{
    return kind == PAIR ? guess->longest
                        : least(guess->longest, kind == ADDRESS ? GUESS_ADDRESS_LONGEST : GUESS_USER_LONGEST);
}

int64_t guess_wait(struct guess *guess, const char *user, const char *address, int64_t now)
{
    int64_t wait = 0;

    pthread_mutex_lock(&guess->lock);
    for (int kind = 0; kind < kinds_for(user); kind++) {
        struct entry *entry = find(guess, (enum kind)kind, user, address);

        if (entry && entry->until - now > wait)
            wait = entry->until - now;
        if (entry && entry->known)
            break;
    }
    pthread_mutex_unlock(&guess->lock);
    return wait;
}

static void count(struct guess *guess, enum kind kind, struct entry *entry, int64_t now)
{
    int64_t longest = longest_of(guess, kind), wait;
    int over;

    if (now - entry->touched > FORGET_AFTER && now > entry->until)
        entry->failures = 0;
    over = ++entry->failures - free_of(guess, kind);
    wait = over <= 0 ? 0 : over > 40 ? longest : least(SECONDS(1) << (over - 1), longest);
    entry->until = now + wait;
    entry->touched = now;
}

void guess_failed(struct guess *guess, const char *user, const char *address, int64_t now)
{
    pthread_mutex_lock(&guess->lock);
    for (int kind = 0; kind < kinds_for(user); kind++)
        count(guess, (enum kind)kind, find_or_make(guess, (enum kind)kind, user, address), now);
    pthread_mutex_unlock(&guess->lock);
}

void guess_succeeded(struct guess *guess, const char *user, const char *address)
{
    struct entry *pair;
    int slips;

    pthread_mutex_lock(&guess->lock);
    pair = find_or_make(guess, PAIR, user, address);
    slips = pair->failures;
    pair->known = true;
    for (int kind = 0; kind < kinds_for(user); kind++) {
        struct entry *entry = find(guess, (enum kind)kind, user, address);

        if (entry == NULL)
            continue;
        entry->failures = entry->failures > slips ? entry->failures - slips : 0;
        if (entry->failures <= free_of(guess, (enum kind)kind))
            entry->until = 0;
    }
    pthread_mutex_unlock(&guess->lock);
}
