/* SPDX-License-Identifier: Apache-2.0 */
/* Telling events as they happen.
 *
 * One thread reads what was committed, once for all listeners, into a ring of finished text, and wakes those whom it concerns.
 * A reader that is behind the ring (it resumed, or is slow) reads pages from the store until it has caught up. Nobody waits for
 * a reader: it holds a bounded piece of text, and the ring goes on without it. */
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/events_private.h"
#include "app/station.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"

#define READERS_MAX 200
#define RING 1024                       /* events, each some 300 bytes */
#define PIECE (16 * 1024)               /* bytes gathered for a reader at a time */
#define PIECE_MAX (64 * 1024)           /* one more event may come on top */
#define PAGE 500                        /* events read from the store at a time */
#define PUMP_PAGE 256
#define TEXT_MAX 65536                  /* bytes of one event as it is told */
#define HEARTBEAT SECONDS(15)
#define ROLE_EVERY SECONDS(20)

struct told {
    int64_t seq;
    char *type, *account;
    struct bytes *text;
};

struct events_reader {
    struct events *events;
    struct events_reader *next, *prev;
    struct events_subscription subscription;
    char *account;
    int64_t at;                         /* the last event that was looked at; under the lock */
    int64_t newest;                     /* the last that there was when it began, or that it read from the store */
    bool joined, ended, beat, greeted;
    int64_t sent_at, checked_at;        /* clock_mono() */
    struct buf piece;                   /* of the reading thread */
    size_t piece_at;
};

struct events {
    struct station *station;
    pthread_mutex_t lock;
    pthread_t thread;
    bool runs;                          /* the thread */
    atomic_bool ends;
    atomic_bool listening;              /* somebody joined; spares the writer the call */
    int wake;                           /* an eventfd */
    struct events_reader *readers;
    size_t count;                       /* also of those that did not join yet */

    /* What was told: everything after `floor` up to `last`. */
    struct told ring[RING];
    size_t ring_at, ring_len;           /* the oldest, and how many */
    int64_t floor, last;

    struct events_notes *notes;         /* those that come without a transaction */
};

/* ---- text ---- */

static void add_sse(struct buf *into, const struct store_event *event)
{
    buf_addf(into, "id: %lld\nevent: %s\ndata: ", (long long)event->seq, event->type);
    events_text(event, into);
    buf_add_c(into, "\n\n");
}

static void add_gap(struct buf *into, int64_t from, int64_t to, int64_t go_on)
{
    AUTO_BUF(data, 128);
    struct store_event gap = { .seq = go_on, .at = clock_now(), .type = "events.gap" };

    events_gap_data(&data, from, to);
    gap.data = data.p;
    add_sse(into, &gap);
}

static struct events_filter filter_of(const struct events_reader *reader)
{
    struct events_filter filter = reader->subscription.filter;

    filter.account = reader->account;
    return filter;
}

/* ---- the ring; with the lock ---- */

static struct told *ring_item(struct events *events, size_t place)
{
    return &events->ring[(events->ring_at + place) % RING];
}

static void told_clear(struct told *told)
{
    free(told->type);
    free(told->account);
    bytes_free(told->text);
    *told = (struct told){ 0 };
}

static void ring_drop_oldest(struct events *events)
{
    struct told *oldest = ring_item(events, 0);

    events->floor = oldest->seq;
    told_clear(oldest);
    events->ring_at = (events->ring_at + 1) % RING;
    events->ring_len--;
}

static void ring_clear(struct events *events)
{
    while (events->ring_len > 0)
        ring_drop_oldest(events);
    events->ring_at = 0;
}

static void ring_add(struct events *events, struct told *told)
{
    if (events->ring_len == RING)
        ring_drop_oldest(events);
    *ring_item(events, events->ring_len++) = *told;
    events->last = told->seq;
    *told = (struct told){ 0 };
}

static bool told_wanted(const struct events_filter *filter, const struct told *told)
{
    const struct store_event event = { .type = told->type, .account = told->account };

    return events_wanted(filter, &event);
}

/* The place in the ring of the first that is after `at`. */
static size_t ring_find(struct events *events, int64_t at)
{
    size_t low = 0, high = events->ring_len;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (ring_item(events, middle)->seq <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- the thread that tells ---- */

static void ring_the_bell(struct events *events)
{
    uint64_t one = 1;

    if (write(events->wake, &one, sizeof(one)) < 0)
        return;                         /* full: it wakes anyway */
}

void events_told(struct events *events)
{
    if (atomic_load(&events->listening))
        ring_the_bell(events);
}

struct pump {
    struct told items[PUMP_PAGE];
    size_t count;
    bool rights;                        /* something that may take away a right */
};

static int pump_one(const struct store_event *event, void *ctx)
{
    struct pump *pump = ctx;
    AUTO_BUF(text, TEXT_MAX);

    add_sse(&text, event);
    pump->items[pump->count++] = (struct told){ event->seq, mem_strdup(event->type), mem_strdup(event->account),
                                                bytes_new(buf_str(&text)) };
    pump->rights = pump->rights || strncmp(event->type, "token.", 6) == 0 || strncmp(event->type, "user.", 5) == 0;
    return 0;
}

struct pumping {
    struct pump *pump;
    int64_t after;
};

static int pump_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct pumping *pumping = ctx;

    return store_event_after(tx, pumping->after, PUMP_PAGE, pump_one, pumping->pump, err);
}

static void wake(struct events_reader *reader)
{
    reader->subscription.wake(reader->subscription.ctx);
}

/* With the lock. Whom nothing of it concerns goes on without being woken. */
static void tell(struct events_reader *reader, const struct pump *pump, int64_t before)
{
    const struct events_filter filter = filter_of(reader);

    for (size_t i = 0; i < pump->count; i++) {
        if (pump->items[i].seq > reader->at && told_wanted(&filter, &pump->items[i])) {
            wake(reader);
            return;
        }
    }
    if (reader->at >= before && reader->at < pump->items[pump->count - 1].seq)
        reader->at = pump->items[pump->count - 1].seq;
}

/* With the lock. */
static void check_role(struct events_reader *reader, int64_t now)
{
    int role = reader->subscription.role(reader->subscription.ctx);

    reader->checked_at = now;
    if (role >= 0)
        reader->subscription.filter.role = role;
    if (role >= 0 || reader->ended)
        return;
    reader->ended = true;
    wake(reader);
}

/* What was read after `before`. Meanwhile the ring may have begun anew, elsewhere: then it is read again. */
static void publish(struct events *events, struct pump *pump, int64_t before)
{
    pthread_mutex_lock(&events->lock);
    if (events->last != before) {
        pthread_mutex_unlock(&events->lock);
        return;
    }
    for (struct events_reader *reader = events->readers; reader; reader = reader->next) {
        if (pump->rights)
            check_role(reader, clock_mono());
        tell(reader, pump, before);
    }
    for (size_t i = 0; i < pump->count; i++)
        ring_add(events, &pump->items[i]);
    pthread_mutex_unlock(&events->lock);
}

/* Everything that was committed since. */
static void pump(struct events *events)
{
    struct pump *page = mem_alloc(sizeof(*page));
    struct pumping pumping = { page, 0 };
    struct err err;
    size_t count;

    do {
        pthread_mutex_lock(&events->lock);
        pumping.after = events->last;
        pthread_mutex_unlock(&events->lock);
        page->count = 0;
        page->rights = false;
        if (store_read(events->station->store, pump_run, &pumping, &err) < 0)
            log_warning("events", "What happened could not be read: %s", err.text);
        count = page->count;
        if (count > 0)
            publish(events, page, pumping.after);
        for (size_t i = 0; i < count; i++)
            told_clear(&page->items[i]);
    } while (count > 0 && !atomic_load(&events->ends));
    free(page);
}

/* With the lock. */
static void tend(struct events *events, int64_t now)
{
    for (struct events_reader *reader = events->readers; reader; reader = reader->next) {
        if (now - reader->checked_at >= ROLE_EVERY)
            check_role(reader, now);
        if (now - reader->sent_at >= HEARTBEAT && !reader->beat) {
            reader->beat = true;
            wake(reader);
        }
    }
}

/* The first time that somebody listens again after nobody did, the ring begins anew: see join(). */
static bool anybody(struct events *events)
{
    bool any;

    pthread_mutex_lock(&events->lock);
    any = events->readers != NULL;
    atomic_store(&events->listening, any);
    if (!any)
        ring_clear(events);
    pthread_mutex_unlock(&events->lock);
    return any;
}

static void *run(void *ctx)
{
    struct events *events = ctx;
    struct pollfd bell = { .fd = events->wake, .events = POLLIN };
    int64_t looked = 0;
    uint64_t rung;

    while (!atomic_load(&events->ends)) {
        bool any = anybody(events), news = poll(&bell, 1, any ? 1000 : -1) > 0;
        int64_t now = clock_mono();

        if (news && read(events->wake, &rung, sizeof(rung)) < 0)
            continue;
        /* Also unasked: another process (a token made from the shell) tells nobody. */
        if (anybody(events) && (news || now - looked >= HEARTBEAT)) {
            looked = now;
            pump(events);
        }
        pthread_mutex_lock(&events->lock);
        tend(events, now);
        pthread_mutex_unlock(&events->lock);
    }
    return NULL;
}

/* ---- readers ---- */

static int newest_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_event_span(tx, ctx, err);
}

/* With the lock. */
static int start_thread(struct events *events, struct err *err)
{
    if (events->runs)
        return 0;
    if (atomic_load(&events->ends))
        return err_id(err, ERR_STOPPED, "stopped", NULL, "Postern is stopping.");
    if (pthread_create(&events->thread, NULL, run, events) != 0)
        return err_id(err, ERR_INTERNAL, "thread", NULL, "The thread that tells events cannot be started.");
    events->runs = true;
    return 0;
}

static int take_place(struct events *events, struct err *err)
{
    int rc;

    pthread_mutex_lock(&events->lock);
    if (events->count >= READERS_MAX)
        rc = err_id(err, ERR_FULL, "events.tooMany", NULL, "%d listeners hear events already, and there can't be more. Try again later.",
                    READERS_MAX);
    else
        rc = start_thread(events, err);
    events->count += rc == 0;
    pthread_mutex_unlock(&events->lock);
    return rc;
}

int events_reader_new(struct events_reader **ret, struct station *station, const struct events_subscription *subscription,
                      struct err *err)
{
    struct events *events = station->events;
    struct events_reader *reader;
    struct store_event_span span;

    if (store_read(station->store, newest_run, &span, err) < 0 || take_place(events, err) < 0)
        return -1;
    reader = mem_alloc(sizeof(*reader));
    reader->events = events;
    reader->subscription = *subscription;
    reader->account = mem_strdup(subscription->filter.account);
    reader->newest = span.last;
    reader->at = subscription->after == EVENTS_FROM_NOW ? reader->newest : subscription->after;
    reader->sent_at = reader->checked_at = clock_mono();
    buf_init(&reader->piece, PIECE_MAX);
    *ret = reader;
    return 0;
}

/* With the lock. */
static void join(struct events_reader *reader)
{
    struct events *events = reader->events;

    reader->joined = true;
    if (events->readers == NULL) {
        ring_clear(events);
        events->floor = events->last = reader->newest;
    }
    reader->next = events->readers;
    if (reader->next)
        reader->next->prev = reader;
    events->readers = reader;
    atomic_store(&events->listening, true);
    ring_the_bell(events);              /* what came since reader->newest was read */
}

void events_reader_free(struct events_reader *reader)
{
    struct events *events;

    if (reader == NULL)
        return;
    events = reader->events;
    pthread_mutex_lock(&events->lock);
    if (reader->joined) {
        *(reader->prev ? &reader->prev->next : &events->readers) = reader->next;
        if (reader->next)
            reader->next->prev = reader->prev;
    }
    events->count--;
    pthread_mutex_unlock(&events->lock);
    buf_free(&reader->piece);
    free(reader->account);
    free(reader);
}

/* With the lock; false when the reader is behind the ring. */
static bool read_ring(struct events_reader *reader)
{
    struct events *events = reader->events;
    const struct events_filter filter = filter_of(reader);

    if (reader->at < events->floor)
        return false;
    for (size_t i = ring_find(events, reader->at); i < events->ring_len && reader->piece.len < PIECE; i++) {
        struct told *told = ring_item(events, i);

        if (told_wanted(&filter, told))
            buf_add(&reader->piece, bytes_str(told->text));
        reader->at = told->seq;
    }
    return true;
}

struct catching {
    struct events_reader *reader;
    struct events_filter filter;
    int64_t at;
    int looked;
    bool full;
};

static int catch_one(const struct store_event *event, void *ctx)
{
    struct catching *catching = ctx;

    if (catching->reader->piece.len >= PIECE) {
        catching->full = true;
        return 1;
    }
    if (events_wanted(&catching->filter, event))
        add_sse(&catching->reader->piece, event);
    catching->at = event->seq;
    catching->looked++;
    return 0;
}

static int catch_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct catching *catching = ctx;
    struct store_event_span span;
    int64_t from, to;

    if (store_event_span(tx, &span, err) < 0)
        return -1;
    if (events_gap(&span, &catching->at, &from, &to))
        add_gap(&catching->reader->piece, from, to, catching->at);
    if (store_event_after(tx, catching->at, PAGE, catch_one, catching, err) < 0)
        return -1;
    if (!catching->full && catching->looked < PAGE && catching->at < span.last)
        catching->at = span.last;
    return 0;
}

/* A page from the store, without the lock. Where nothing of it is wanted a comment goes out, so that the next page is asked for. */
static int read_store(struct events_reader *reader, struct events_filter filter, int64_t at)
{
    struct catching catching = { .reader = reader, .filter = filter, .at = at };
    struct events *events = reader->events;
    struct err err;

    if (store_read(events->station->store, catch_run, &catching, &err) < 0) {
        log_warning("events", "A listener could not be told what happened: %s", err.text);
        return -1;
    }
    if (reader->piece.len == 0)
        buf_add_c(&reader->piece, ":\n\n");
    pthread_mutex_lock(&events->lock);
    reader->at = catching.at;
    if (reader->newest < reader->at)
        reader->newest = reader->at;
    pthread_mutex_unlock(&events->lock);
    return 0;
}

/* With the lock. The id lets a browser resume from here, though nothing was told; a block without data is no event. */
static void add_beat(struct events_reader *reader)
{
    if (!reader->greeted)
        buf_addf(&reader->piece, "retry: 2000\n: events of Postern\nid: %lld\n\n", (long long)reader->at);
    else
        buf_addf(&reader->piece, ":\nid: %lld\n\n", (long long)reader->at);
    reader->greeted = true;
    reader->beat = false;
}

/* Fills the piece; -1: the end. */
static int refill(struct events_reader *reader)
{
    struct events *events = reader->events;
    struct events_filter filter;
    bool ends, behind = false;
    int64_t at;

    buf_free(&reader->piece);
    reader->piece_at = 0;
    pthread_mutex_lock(&events->lock);
    if (!reader->joined)
        join(reader);
    ends = reader->ended || atomic_load(&events->ends);
    if (!reader->greeted)
        add_beat(reader);
    else if (!ends)
        behind = reader->at > events->last ? reader->at > reader->newest : !read_ring(reader);
    if (!behind && reader->piece.len == 0 && reader->beat)
        add_beat(reader);
    filter = filter_of(reader);
    at = reader->at;
    pthread_mutex_unlock(&events->lock);
    return ends ? -1 : behind ? read_store(reader, filter, at) : 0;
}

ptrdiff_t events_reader_read(struct events_reader *reader, char *at, size_t max)
{
    size_t len;

    if (reader->piece_at == reader->piece.len && refill(reader) < 0)
        return -1;
    len = reader->piece.len - reader->piece_at;
    len = len < max ? len : max;
    if (len == 0)
        return 0;
    memcpy(at, reader->piece.p + reader->piece_at, len);
    reader->piece_at += len;
    pthread_mutex_lock(&reader->events->lock);
    reader->sent_at = clock_mono();
    pthread_mutex_unlock(&reader->events->lock);
    return (ptrdiff_t)len;
}

void events_note(struct station *station, const char *type, const char *account, const char *resource, json_t *data)
{
    events_notes_add(station->events->notes, type, account, resource, data);
}

/* ---- life ---- */

struct events *events_new(struct station *station)
{
    struct events *events = mem_alloc(sizeof(*events));

    events->station = station;
    events->notes = events_notes_new(station);
    events->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&events->lock, NULL);
    return events;
}

void events_stop(struct events *events)
{
    atomic_store(&events->ends, true);
    ring_the_bell(events);
    if (events->runs)
        pthread_join(events->thread, NULL);
    events->runs = false;
}

void events_free(struct events *events)
{
    if (events == NULL)
        return;
    events_stop(events);
    events_notes_free(events->notes);
    ring_clear(events);
    if (events->wake >= 0)
        close(events->wake);
    pthread_mutex_destroy(&events->lock);
    free(events);
}
