/* SPDX-License-Identifier: Apache-2.0 */
/* server/store/sqlite/db.h - a connection with its prepared statements; for this folder only. */
#ifndef POSTERN_STORE_SQLITE_DB_H
#define POSTERN_STORE_SQLITE_DB_H

#include <pthread.h>
#include <sqlite3.h>

#include "store/store.h"

struct map;

struct db {
    sqlite3 *handle;
    struct map *statements;     /* by their text */
    const char *path;
};

struct store_tx {
    struct store *store;
    struct db *db;
    bool writes;
    int64_t bytes;              /* of messages, in this transaction */
    uint64_t number;            /* of this transaction */
    bool events;                /* some were added in it */
    bool messages;              /* some were added in it */
    struct store_tx *next;      /* in the pool of readers */
};

struct job {
    struct job *next;
    store_run *run;
    store_done *done;
    void *ctx;
    bool alone;
    bool failed;
    struct err err;
};

struct store {
    char *state_dir;
    char *path;
    _Atomic(const struct crypto_key *) key;     /* a rekey changes it */
    int lock_fd;
    struct store_tx writer;
    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, **last;
    struct job *refused;
    size_t queued;
    bool closing;
    struct store_stats stats;
    void (*events_added)(void *ctx);
    void (*messages_added)(void *ctx);
    void *ctx;
    pthread_mutex_t readers_lock;
    struct store_tx *readers;   /* idle ones */
    int readers_kept, readers_max;
};

int  db_open(struct db *db, const char *path, bool writes, struct err *err);
void db_close(struct db *db);
/* err from the connection's last failure; returns -1. `doing` completes "…: disk is full": "Writing the message". */
int  db_fail(struct db *db, const char *doing, struct err *err);
int  db_exec(struct db *db, const char *sql, struct err *err);
int  db_word(struct db *db, const char *sql, struct err *err);         /* BEGIN, COMMIT and the like: prepared once */

/* A prepared statement, reset and with nothing bound; belongs to the connection. NULL with err. */
sqlite3_stmt *db_prepare(struct db *db, const char *sql, struct err *err);
void bind_text(sqlite3_stmt *statement, int at, const char *text);     /* NULL: SQL NULL; copied */
void bind_static(sqlite3_stmt *statement, int at, const char *text);   /* not copied: must live until the step */
void bind_int(sqlite3_stmt *statement, int at, int64_t value);
void bind_bytes(sqlite3_stmt *statement, int at, struct str bytes);    /* not copied */
/* Runs a statement that answers no rows; resets it. */
int  db_run(struct db *db, sqlite3_stmt *statement, const char *doing, struct err *err);
/* 1: a row, 0: the end (and reset), -1: failed (and reset). */
int  db_step(struct db *db, sqlite3_stmt *statement, const char *doing, struct err *err);
char *column_text(sqlite3_stmt *statement, int at);                    /* the caller frees; NULL for SQL NULL */
struct str column_bytes(sqlite3_stmt *statement, int at);              /* valid until the next step */

int  writer_start(struct store *store, struct err *err);
void writer_stop(struct store *store);

/* message.c, for queue.c and list.c: the columns of a message in one order. */
#define MESSAGE_COLUMNS \
    "seq, id, account, direction, state, sender, \"from\", \"to\", subject, message_id, date, size, created_at, created_by, " \
    "send_at, next_attempt, finished_at, attempts, last_code, last_cause, smtputf8, held_by_limit, acknowledged, " \
    "headers_only, automatic, report, related"
struct message *message_of_row(sqlite3_stmt *statement);
int message_add_recipients(struct store_tx *tx, struct message *message, struct err *err);
int message_count_shift(struct store_tx *tx, const char *account, const char *state, int64_t by, struct err *err);
/* In message_count only: those among "held", and among "received". */
#define STATE_HELD_BY_LIMIT "heldByLimit"
#define STATE_UNACKNOWLEDGED "unacknowledged"

#endif
