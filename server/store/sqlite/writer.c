/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit: the writer takes what is queued, runs it in one transaction, and commits once. */
#include "store/sqlite/db.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"

#define BATCH_MAX 512                   /* jobs in one transaction */
#define BATCH_BYTES (8 * 1024 * 1024)  /* of messages in one transaction, about */
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

static void run_one(struct store *store, struct job *job)
{
    struct err err = { 0 };

    if (job->run(&store->writer, job->ctx, &err) < 0)
        fail(job, &err);
}

/* A failing job takes back only what it did itself. */
static void run_in_savepoint(struct store *store, struct job *job)
{
    struct db *db = store->writer.db;
    struct err err = { 0 };

    if (db_word(db, "SAVEPOINT job", &err) < 0) {
        fail(job, &err);
        return;
    }
    run_one(store, job);
    if (job->failed && sqlite3_get_autocommit(db->handle) == 0)
        db_word(db, "ROLLBACK TO job", NULL);
    if (sqlite3_get_autocommit(db->handle) == 0 && db_word(db, "RELEASE job", &err) < 0)
        fail(job, &err);
}

static void fail_all(struct job *first, const struct job *end, const struct err *err)
{
    for (struct job *job = first; job != end; job = job->next)
        fail(job, err);
}

/* SQLite gives up the whole transaction after some failures (disk full, I/O): then nothing of it was done. */
static bool transaction_is_gone(const struct store *store)
{
    return sqlite3_get_autocommit(store->writer.db->handle);
}

/* The pages of a commit whose sync failed may stand in the log, whole: a crash would bring to life what was answered as failed.
 * Another small commit in their place spoils them. When that fails too, the disk is gone and nothing more can be done. */
static void spoil_failed_commit(struct store *store)
{
    struct db *db = store->writer.db;
    struct err err;

    if (db_word(db, "BEGIN IMMEDIATE", &err) < 0)
        return;
    if (db_word(db, "UPDATE store_mark SET n = n + 1", &err) < 0 || db_word(db, "COMMIT", &err) < 0)
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

static void tell_what_came(struct store *store)
{
    if (store->writer.events && store->events_added)
        store->events_added(store->ctx);
    if (store->writer.messages && store->messages_added)
        store->messages_added(store->ctx);
}

/* Runs jobs from `first` on until the transaction is large, and answers the first that it did not run. */
static struct job *run_batch(struct store *store, struct job *first)
{
    struct db *db = store->writer.db;
    struct job *job = first;
    struct err err = { 0 };

    if (db_word(db, "BEGIN IMMEDIATE", &err) < 0) {
        fail_all(first, NULL, &err);
        return NULL;
    }
    store->writer.bytes = 0;
    store->writer.events = false;
    store->writer.messages = false;
    store->writer.number++;
    while (job && store->writer.bytes < BATCH_BYTES) {
        struct job *ran = job;

        if (ran == first && ran->next == NULL)
            run_one(store, ran);
        else
            run_in_savepoint(store, ran);
        job = job->next;
        if (ran->failed && first->next == NULL)
            break;
        if (transaction_is_gone(store)) {
            err = ran->err;
            if (err.code == ERR_NONE)
                err_id(&err, ERR_STORAGE, "storage.failed", NULL, "The transaction was given up by the database %s.", store->path);
            fail_all(first, job, &err);
            return job;
        }
    }
    if (first->next == NULL && first->failed) {
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        return NULL;
    }
    if (db_word(db, "COMMIT", &err) < 0) {
        err_prefix(&err, "Committing: ");
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        fail_all(first, job, &err);
        spoil_failed_commit(store);
    } else {
        tell_what_came(store);
    }
    return job;
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
    return first;
}

/* With the lock: those that were refused when they came. */
static struct job *take_refused(struct store *store)
{
    struct job *first = store->refused;

    store->refused = NULL;
    return first;
}

static void finish_all(struct store *store, struct job *first, const struct job *end, bool committed)
{
    uint64_t jobs = 0, failures = 0;

    while (first != end) {
        struct job *next = first->next;

        jobs++;
        failures += first->failed;
        finish(first);
        first = next;
    }
    if (jobs == 0)
        return;
    pthread_mutex_lock(&store->lock);
    store->stats.jobs += jobs;
    store->stats.failures += failures;
    store->stats.commits += committed;
    pthread_mutex_unlock(&store->lock);
}

static void run_all(struct store *store, struct job *first)
{
    while (first) {
        struct job *end = run_batch(store, first);

        finish_all(store, first, end, true);
        first = end;
    }
}

static void *writer_main(void *ctx)
{
    struct store *store = ctx;
    bool over = false;

    while (!over) {
        struct job *batch, *refused;

        pthread_mutex_lock(&store->lock);
        while (store->first == NULL && store->refused == NULL && !store->closing)
            pthread_cond_wait(&store->work, &store->lock);
        refused = take_refused(store);
        batch = store->first ? take_batch(store) : NULL;
        over = batch == NULL && refused == NULL;
        pthread_mutex_unlock(&store->lock);
        finish_all(store, refused, NULL, false);
        run_all(store, batch);
    }
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

    *job = (struct job){ .run = run, .done = done, .ctx = ctx, .alone = alone };
    pthread_mutex_lock(&store->lock);
    if (store->queued < QUEUED_MAX) {
        *store->last = job;
        store->last = &job->next;
        store->queued++;
    } else {                            /* told on the writer's thread: the caller may hold what done() needs */
        err_id(&job->err, ERR_FULL, "storage.busy", NULL, "Too many writes wait for the disk. Try again later.");
        job->failed = true;
        job->next = store->refused;
        store->refused = job;
    }
    pthread_cond_signal(&store->work);
    pthread_mutex_unlock(&store->lock);
}

uint64_t store_tx_number(const struct store_tx *tx)
{
    return tx->number;
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

    if (pthread_equal(pthread_self(), store->thread))
        return err_id(err, ERR_INTERNAL, "storage.internal", NULL, "A job waits for the thread that runs it.");
    store_submit(store, forward_run, forward_done, &forward, alone);
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.finished)
        pthread_cond_wait(&waiting.over, &waiting.lock);
    pthread_mutex_unlock(&waiting.lock);
    return waiting.rc;
}

static int64_t file_bytes(const struct store *store, const char *suffix)
{
    AUTO_FREE char *path = mem_printf("%s%s", store->path, suffix);
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

void store_stats(struct store *store, struct store_stats *ret)
{
    pthread_mutex_lock(&store->lock);
    *ret = store->stats;
    ret->queued_jobs = (int64_t)store->queued;
    pthread_mutex_unlock(&store->lock);
    ret->database_bytes = file_bytes(store, "") + file_bytes(store, "-wal");
}
