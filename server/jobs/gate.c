/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/gate.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

struct waiting {
    struct waiting *next;
    jobs_fn *fn;
    void *ctx;
};

struct room {
    int inside;
    struct waiting *first, **last;
};

struct gate {
    pthread_mutex_t lock;
    struct jobs *jobs;
    struct map *rooms;          /* by key; those that are not empty */
    int max;
    bool opened;
};

struct gate *gate_new(struct jobs *jobs, int max)
{
    struct gate *gate = mem_alloc(sizeof(*gate));

    pthread_mutex_init(&gate->lock, NULL);
    gate->jobs = jobs;
    gate->rooms = map_new();
    gate->max = max;
    return gate;
}

void gate_free(struct gate *gate)
{
    struct room *room;
    size_t at = 0;

    if (gate == NULL)
        return;
    while ((room = map_next(gate->rooms, &at, NULL)))
        free(room);
    map_free(gate->rooms);
    pthread_mutex_destroy(&gate->lock);
    free(gate);
}

/* With the lock. */
static struct room *room_of(struct gate *gate, const char *key)
{
    struct room *room = map_get(gate->rooms, key);

    if (room)
        return room;
    room = mem_alloc(sizeof(*room));
    room->last = &room->first;
    map_put(gate->rooms, key, room);
    return room;
}

static void wait_in(struct room *room, jobs_fn *fn, void *ctx)
{
    struct waiting *waiting = mem_alloc(sizeof(*waiting));

    waiting->fn = fn;
    waiting->ctx = ctx;
    *room->last = waiting;
    room->last = &waiting->next;
}

/* With the lock. */
static void admit_first(struct gate *gate, struct room *room)
{
    struct waiting *first = room->first;

    room->first = first->next;
    if (room->first == NULL)
        room->last = &room->first;
    room->inside++;
    jobs_submit(gate->jobs, first->fn, first->ctx);
    free(first);
}

void gate_enter(struct gate *gate, const char *key, jobs_fn *fn, void *ctx)
{
    struct room *room;

    pthread_mutex_lock(&gate->lock);
    room = room_of(gate, key);
    if (room->inside < gate->max || gate->opened) {
        room->inside++;
        jobs_submit(gate->jobs, fn, ctx);
    } else {
        wait_in(room, fn, ctx);
    }
    pthread_mutex_unlock(&gate->lock);
}

void gate_leave(struct gate *gate, const char *key)
{
    struct room *room;

    pthread_mutex_lock(&gate->lock);
    room = map_get(gate->rooms, key);
    room->inside--;
    if (room->first && room->inside < gate->max)
        admit_first(gate, room);
    else if (room->inside == 0 && room->first == NULL)
        free(map_remove(gate->rooms, key));
    pthread_mutex_unlock(&gate->lock);
}

void gate_open(struct gate *gate)
{
    struct room *room;
    size_t at = 0;

    pthread_mutex_lock(&gate->lock);
    gate->opened = true;
    while ((room = map_next(gate->rooms, &at, NULL)))
        while (room->first)
            admit_first(gate, room);
    pthread_mutex_unlock(&gate->lock);
}
