/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit: the writer takes what is queued, runs it in one transaction, and commits once. */
#include "store/sqlite/db.h"

#include <stdlib.h>

#include "base/log.h"

#define BATCH_MAX 512                   /* jobs in one transaction */
#define QUEUED_MAX 20000

static void finish(struct job *job)
{
    job->done(job->ctx, job->failed ? &job->err : NULL);
    free(job);
}

static void fail(struct job *job, const struct err *err)
{
    if (!job->failed)
        job->err = *err;
    job->failed = true;
}

/* A failing job takes back only what it did itself. */
static void run_in_savepoint(struct store *store, struct job *job)
{
    struct db *db = store->writer.db;
    struct err err = { 0 };

    if (db_exec(db, "SAVEPOINT job", &err) < 0) {
        fail(job, &err);
        return;
    }
    if (job->run(&store->writer, job->ctx, &err) < 0) {
        fail(job, &err);
        sqlite3_exec(db->handle, "ROLLBACK TO job", NULL, NULL, NULL);
    }
    sqlite3_exec(db->handle, "RELEASE job", NULL, NULL, NULL);
}

static void fail_all(struct job *first, const struct err *err)
{
    for (struct job *job = first; job; job = job->next)
        fail(job, err);
}

/* SQLite gives up the whole transaction after some failures (disk full, I/O): then nothing of it was done. */
static bool transaction_is_gone(const struct store *store)
{
    return sqlite3_get_autocommit(store->writer.db->handle);
}

static void run_batch(struct store *store, struct job *first)
{
    struct db *db = store->writer.db;
    struct err err = { 0 };

    if (db_exec(db, "BEGIN IMMEDIATE", &err) < 0) {
        fail_all(first, &err);
        return;
    }
    for (struct job *job = first; job; job = job->next) {
        run_in_savepoint(store, job);
        if (transaction_is_gone(store)) {
            err = job->err;
            if (err.code == ERR_NONE)
                err_id(&err, ERR_STORAGE, "storage.failed", NULL, "The transaction was given up by the database.");
            fail_all(first, &err);
            return;
        }
    }
    if (db_exec(db, "COMMIT", &err) < 0) {
        err_prefix(&err, "Committing: ");
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        fail_all(first, &err);
    }
}

/* With the lock: a job that wants to be alone, or those up to the next that does. */
static struct job *take_batch(struct store *store)
{
    struct job *first = store->first, **end = &store->first;
    int count = 0;

    while (*end && count < BATCH_MAX && (count == 0 || !(*end)->alone)) {
        bool alone = (*end)->alone;

        end = &(*end)->next;
        count++;
        if (alone)
            break;
    }
    store->first = *end;
    *end = NULL;
    if (store->first == NULL)
        store->last = &store->first;
    store->queued -= (size_t)count;
    store->stats.jobs += (uint64_t)count;
    store->stats.commits++;
    return first;
}

static void finish_all(struct store *store, struct job *first)
{
    while (first) {
        struct job *next = first->next;

        if (first->failed)
            store->stats.failures++;
        finish(first);
        first = next;
    }
}

static void *writer_main(void *ctx)
{
    struct store *store = ctx;

    pthread_mutex_lock(&store->lock);
    for (;;) {
        struct job *batch;

        while (store->first == NULL && !store->closing)
            pthread_cond_wait(&store->work, &store->lock);
        if (store->first == NULL)
            break;
        batch = take_batch(store);
        pthread_mutex_unlock(&store->lock);
        run_batch(store, batch);
        finish_all(store, batch);
        pthread_mutex_lock(&store->lock);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

int writer_start(struct store *store, struct err *err)
{
    if (pthread_create(&store->thread, NULL, writer_main, store) != 0)
        return err_id(err, ERR_INTERNAL, "thread", NULL, "The store's writer thread cannot be started.");
    store->thread_runs = true;
    return 0;
}

void writer_stop(struct store *store)
{
    if (!store->thread_runs)
        return;
    pthread_mutex_lock(&store->lock);
    store->closing = true;
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->lock);
    pthread_join(store->thread, NULL);
    store->thread_runs = false;
}

void store_submit(struct store *store, store_run *run, store_done *done, void *ctx, bool alone)
{
    struct job *job = mem_alloc(sizeof(*job));
    bool full;

    *job = (struct job){ .run = run, .done = done, .ctx = ctx, .alone = alone };
    pthread_mutex_lock(&store->lock);
    full = store->queued >= QUEUED_MAX || store->closing;
    if (!full) {
        *store->last = job;
        store->last = &job->next;
        store->queued++;
        pthread_cond_signal(&store->work);
    }
    pthread_mutex_unlock(&store->lock);
    if (full) {
        err_id(&job->err, ERR_FULL, "storage.busy", NULL, "Too many writes wait for the disk. Try again later.");
        job->failed = true;
        finish(job);
    }
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool finished;
    int rc;
    struct err *err;
};

static void wake(void *ctx, const struct err *err)
{
    struct waiting *waiting = ctx;

    pthread_mutex_lock(&waiting->lock);
    waiting->finished = true;
    waiting->rc = err ? -1 : 0;
    if (err && waiting->err)
        *waiting->err = *err;
    pthread_cond_signal(&waiting->over);
    pthread_mutex_unlock(&waiting->lock);
}

struct forward {
    store_run *run;
    void *ctx;
    struct waiting *waiting;
};

static int forward_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct forward *forward = ctx;

    return forward->run(tx, forward->ctx, err);
}

static void forward_done(void *ctx, const struct err *err)
{
    wake(((struct forward *)ctx)->waiting, err);
}

int store_write(struct store *store, store_run *run, void *ctx, bool alone, struct err *err)
{
    struct waiting waiting = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0, err };
    struct forward forward = { run, ctx, &waiting };

    store_submit(store, forward_run, forward_done, &forward, alone);
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.finished)
        pthread_cond_wait(&waiting.over, &waiting.lock);
    pthread_mutex_unlock(&waiting.lock);
    return waiting.rc;
}

void store_stats(struct store *store, struct store_stats *ret)
{
    pthread_mutex_lock(&store->lock);
    *ret = store->stats;
    ret->queued_jobs = (int64_t)store->queued;
    pthread_mutex_unlock(&store->lock);
}
