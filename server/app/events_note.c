/* SPDX-License-Identifier: Apache-2.0 */
/* Events that come without a transaction: gathered, and written together in transactions of their own. */
#include <pthread.h>
#include <stdlib.h>

#include "app/events_private.h"
#include "app/station.h"
#include "base/clock.h"
#include "base/log.h"

#define NOTES_MAX 50000                 /* waiting to be written; above it they are counted, and lost */
#define AT_ONCE 500

struct note {
    struct note *next;
    int64_t at;
    char *type, *account, *resource;
    json_t *data;
};

struct events_notes {
    struct station *station;
    pthread_mutex_t lock;
    struct note *first, **end;
    size_t count;
    uint64_t lost;
    bool writing;                       /* a job is on its way */
    struct note *batch;                 /* of that job */
};

static void note_free(struct note *note)
{
    free(note->type);
    free(note->account);
    free(note->resource);
    json_decref(note->data);
    free(note);
}

/* With the lock: the first few. */
static struct note *take_notes(struct events_notes *notes)
{
    struct note *first = notes->first, **end = &notes->first;

    for (int i = 0; *end && i < AT_ONCE; i++) {
        end = &(*end)->next;
        notes->count--;
    }
    notes->first = *end;
    *end = NULL;
    if (notes->first == NULL)
        notes->end = &notes->first;
    return first;
}

static int notes_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct events_notes *notes = ctx;
    uint64_t lost;

    pthread_mutex_lock(&notes->lock);
    if (notes->batch == NULL)
        notes->batch = take_notes(notes);
    lost = notes->lost;
    notes->lost = 0;
    pthread_mutex_unlock(&notes->lock);
    for (struct note *note = notes->batch; note; note = note->next)
        if (events_add_at(tx, note->at, note->type, note->account, note->resource, json_incref(note->data), err) < 0)
            return -1;
    return lost == 0 ? 0 : events_add(tx, "events.lost", NULL, NULL, json_pack("{s:I}", "count", (json_int_t)lost), err);
}

static void notes_done(void *ctx, const struct err *err)
{
    struct events_notes *notes = ctx;
    struct note *batch = TAKE(notes->batch);
    bool more;

    if (err && batch)
        log_warning("events", "Events could not be written: %s", err->text);
    while (batch) {
        struct note *next = batch->next;

        note_free(batch);
        batch = next;
    }
    pthread_mutex_lock(&notes->lock);
    more = notes->writing = notes->first != NULL;
    pthread_mutex_unlock(&notes->lock);
    if (more)
        store_submit(notes->station->store, notes_run, notes_done, notes, false);
}

void events_notes_add(struct events_notes *notes, const char *type, const char *account, const char *resource, json_t *data)
{
    struct note *note = mem_alloc(sizeof(*note));
    bool first = false, room;

    *note = (struct note){ NULL, clock_now(), mem_strdup(type), mem_strdup(account), mem_strdup(resource), data };
    pthread_mutex_lock(&notes->lock);
    room = notes->count < NOTES_MAX;
    if (room) {
        *notes->end = note;
        notes->end = &note->next;
        notes->count++;
        first = !notes->writing;
        notes->writing = true;
    } else {
        notes->lost++;
    }
    pthread_mutex_unlock(&notes->lock);
    if (!room)
        note_free(note);
    else if (first)
        store_submit(notes->station->store, notes_run, notes_done, notes, false);
}

struct events_notes *events_notes_new(struct station *station)
{
    struct events_notes *notes = mem_alloc(sizeof(*notes));

    notes->station = station;
    notes->end = &notes->first;
    pthread_mutex_init(&notes->lock, NULL);
    return notes;
}

void events_notes_free(struct events_notes *notes)
{
    while (notes->first) {
        struct note *next = notes->first->next;

        note_free(notes->first);
        notes->first = next;
    }
    pthread_mutex_destroy(&notes->lock);
    free(notes);
}
