/* SPDX-License-Identifier: Apache-2.0 */
#include "app/search.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "jobs/jobs.h"
#include "mail/mime.h"
#include "store/store.h"

#define PAUSE SECONDS(1)                /* between a notice and the look */
#define PAUSE_AFTER_FAILURE SECONDS(60)
#define BUSY_RATE 100                   /* writes of others in a second; then words get a tenth of the writer's time */
#define SHARE 10
#define BATCH 20                        /* messages in one write */
#define BATCH_TEXT (256 * 1024)         /* bytes of text in one write, about: others wait for it */
#define TEXT_MAX (64 * 1024)            /* of one message */
#define RAW_MAX (4 * 1024 * 1024)       /* of one message, from its beginning */

struct search {
    struct station *station;
    atomic_bool due;                    /* a look is on its way, or happens */
    atomic_bool again;                  /* messages came since it began */
    uint64_t writes;                    /* of the store, when the last batch began */
    int64_t began;                      /* clock_mono() */
};

struct taken {
    int64_t seq;
    char *subject, *from, *to;
    struct buf body;
};

struct batch {
    struct taken items[BATCH];
    int count;
    size_t text;
    struct buf raw;                     /* of the message that is read */
    int64_t want;
};

static void batch_clear(struct batch *batch)
{
    for (int i = 0; i < batch->count; i++) {
        free(batch->items[i].subject);
        free(batch->items[i].from);
        free(batch->items[i].to);
        buf_free(&batch->items[i].body);
    }
    batch->count = 0;
    batch->text = 0;
}

/* ---- reading ---- */

static int take_row(const struct message *message, void *ctx)
{
    struct batch *batch = ctx;
    struct taken *taken = &batch->items[batch->count++];

    *taken = (struct taken){ message->seq, mem_strdup(message->subject), mem_strdup(message->from), mem_strdup(message->to),
                             { .max = TEXT_MAX } };
    return 0;
}

static int next_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_search_next(tx, BATCH, take_row, ctx, err);
}

static int take_piece(void *ctx, struct str piece, struct err *err)
{
    struct buf *raw = ctx;
    size_t room = raw->max - raw->len;

    (void)err;
    buf_add(raw, str_n(piece.p, piece.len < room ? piece.len : room));
    return raw->len == raw->max;
}

/* A message without content has words in its row all the same. */
static int raw_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct batch *batch = ctx;

    if (store_message_pieces(tx, batch->want, take_piece, &batch->raw, err) == 0 || err->code == ERR_NOT_FOUND)
        return 0;
    return -1;
}

static int read_words(struct store *store, struct batch *batch, struct taken *taken, struct err *err)
{
    buf_clear(&batch->raw);
    batch->want = taken->seq;
    if (store_read(store, raw_run, batch, err) < 0)
        return -1;
    mime_words(buf_str(&batch->raw), &taken->body);
    batch->text += taken->body.len;
    return 0;
}

/* ---- writing ---- */

static int write_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct batch *batch = ctx;

    for (int i = 0; i < batch->count; i++) {
        const struct taken *taken = &batch->items[i];
        const struct store_search_words words = { taken->seq, taken->subject, taken->from, taken->to,
                                                  taken->body.p ? taken->body.p : "" };

        if (store_search_add(tx, &words, err) < 0)
            return -1;
    }
    return 0;
}

static int write_batch(struct store *store, struct batch *batch, int count, struct err *err)
{
    struct batch part = *batch;

    part.count = count;
    return count > 0 ? store_write(store, write_run, &part, false, err) : 0;
}

/* 1: there may be more, 0: nothing was left, -1. */
static int take_batch(struct search *search, struct batch *batch, struct err *err)
{
    struct store *store = search->station->store;
    int done = 0;

    if (store_read(store, next_run, batch, err) < 0)
        return -1;
    while (done < batch->count && batch->text < BATCH_TEXT) {
        if (read_words(store, batch, &batch->items[done], err) < 0)
            return -1;
        done++;
    }
    if (write_batch(store, batch, done, err) < 0)
        return -1;
    return batch->count > 0;
}

/* ---- when ---- */

static void on_look(void *ctx);

static void on_due(void *ctx)
{
    struct search *search = ctx;

    if (!atomic_load(&search->station->stopping))
        jobs_submit(search->station->parsing, on_look, search);
}

static void look_at(struct search *search, int64_t pause)
{
    jobs_at(search->station->jobs, clock_mono() + pause, on_due, search);
}

static void begin(struct search *search)
{
    struct store_stats stats;

    store_stats(search->station->store, &stats);
    search->writes = stats.jobs;
    search->began = clock_mono();
}

/* How long to leave the writer to others, who wait for what they write: the more there are of them, the less words matter. */
static int64_t pause_after(const struct search *search)
{
    int64_t took = clock_mono() - search->began + 1, others;
    struct store_stats stats;

    store_stats(search->station->store, &stats);
    others = (int64_t)(stats.jobs - search->writes) - 1;
    return others * 1000 / took > BUSY_RATE ? took * SHARE : 0;
}

/* 0: nothing was left; or, -1 or 1, when to go on. */
static int take_some(struct search *search, int64_t *pause, struct err *err)
{
    struct batch batch = { .raw = { .max = RAW_MAX } };
    int rc;

    do {
        begin(search);
        rc = take_batch(search, &batch, err);
        batch_clear(&batch);
        *pause = rc < 0 ? PAUSE_AFTER_FAILURE : pause_after(search);
    } while (rc > 0 && *pause == 0 && !atomic_load(&search->station->stopping));
    buf_free(&batch.raw);
    return rc;
}

static void on_look(void *ctx)
{
    struct search *search = ctx;
    struct err err = { 0 };
    int64_t pause;
    int rc;

    if (atomic_load(&search->station->stopping))
        return;
    atomic_store(&search->again, false);
    rc = take_some(search, &pause, &err);
    if (rc < 0)
        log_warning("search", "Messages could not be taken into the index: %s", err.text);
    if (rc != 0) {
        look_at(search, pause);
        return;
    }
    atomic_store(&search->due, false);
    if (atomic_load(&search->again))
        search_notice(search);
}

void search_notice(struct search *search)
{
    struct station *station = search->station;

    atomic_store(&search->again, true);
    if (station->parsing && !atomic_load(&station->stopping) && !atomic_exchange(&search->due, true))
        look_at(search, PAUSE);
}

struct search *search_new(struct station *station)
{
    struct search *search = mem_alloc(sizeof(*search));

    search->station = station;
    return search;
}

void search_free(struct search *search)
{
    free(search);
}
