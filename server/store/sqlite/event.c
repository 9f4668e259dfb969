/* SPDX-License-Identifier: Apache-2.0 */
/* What happened, in the order in which it was committed. */
#include "store/sqlite/db.h"

#define PURGE_EVERY 128                 /* additions; so that each pays for as many as it brings */

/* A range of the key: costs what it removes. */
static int remove_through(struct store_tx *tx, int64_t seq, struct err *err)
{
    sqlite3_stmt *statement = db_prepare(tx->db, "DELETE FROM event WHERE seq <= ?", err);

    if (statement == NULL)
        return -1;
    bind_int(statement, 1, seq);
    return db_run(tx->db, statement, "Removing old events", err);
}

int store_event_add(struct store_tx *tx, struct store_event *event, struct err *err)
{
    sqlite3_stmt *statement = db_prepare(tx->db, "INSERT INTO event (at, type, account, resource, data) VALUES (?, ?, ?, ?, ?)", err);

    if (statement == NULL)
        return -1;
    bind_int(statement, 1, event->at);
    bind_static(statement, 2, event->type);
    bind_static(statement, 3, event->account);
    bind_static(statement, 4, event->resource);
    bind_static(statement, 5, event->data);
    if (db_run(tx->db, statement, "Writing an event", err) < 0)
        return -1;
    event->seq = sqlite3_last_insert_rowid(tx->db->handle);
    tx->events = true;
    return event->seq % PURGE_EVERY == 0 ? remove_through(tx, event->seq - STORE_EVENTS_KEPT, err) : 0;
}

int store_event_add_moved(struct store_tx *tx, const char *type, const char *account, enum message_state from,
                          enum message_state to, bool limit_only, int64_t at, struct err *err)
{
    sqlite3_stmt *statement = db_prepare(tx->db,
        "INSERT INTO event (at, type, account, resource, data) SELECT ?1, ?2, account, 'Message/' || id, "
        "'{\"id\":\"' || id || '\",\"state\":\"' || ?3 || '\"}' FROM message "
        "WHERE account = ?4 AND state = ?5 AND (?5 <> 'held' OR ?6 = 0 OR held_by_limit = 1) ORDER BY seq", err);

    if (statement == NULL)
        return -1;
    bind_int(statement, 1, at);
    bind_static(statement, 2, type);
    bind_static(statement, 3, message_state_names[to]);
    bind_static(statement, 4, account);
    bind_static(statement, 5, message_state_names[from]);
    bind_int(statement, 6, limit_only);
    if (db_run(tx->db, statement, "Writing events", err) < 0)
        return -1;
    tx->events = tx->events || sqlite3_changes(tx->db->handle) > 0;
    return 0;
}

int store_event_span(struct store_tx *tx, struct store_event_span *ret, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)", err);

    if (row == NULL || db_step(tx->db, row, "Reading events", err) < 0)
        return -1;
    *ret = (struct store_event_span){ sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1) };
    sqlite3_reset(row);
    return 0;
}

static int visit_all(struct store_tx *tx, sqlite3_stmt *row, store_event_visit *visit, void *ctx, struct err *err)
{
    int rc;

    while ((rc = db_step(tx->db, row, "Reading events", err)) == 1) {
        const struct store_event event = {
            sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1), (const char *)sqlite3_column_text(row, 2),
            (const char *)sqlite3_column_text(row, 3), (const char *)sqlite3_column_text(row, 4),
            (const char *)sqlite3_column_text(row, 5),
        };

        if (visit(&event, ctx) != 0) {
            sqlite3_reset(row);
            return 0;
        }
    }
    return rc;
}

int store_event_after(struct store_tx *tx, int64_t after, int max, store_event_visit *visit, void *ctx, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT seq, at, type, account, resource, data FROM event WHERE seq > ? "
                                           "ORDER BY seq LIMIT ?", err);

    if (row == NULL)
        return -1;
    bind_int(row, 1, after);
    bind_int(row, 2, max);
    return visit_all(tx, row, visit, ctx, err);
}

int store_event_before(struct store_tx *tx, int64_t before, int max, store_event_visit *visit, void *ctx, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT seq, at, type, account, resource, data FROM event WHERE seq < ? "
                                           "ORDER BY seq DESC LIMIT ?", err);

    if (row == NULL)
        return -1;
    bind_int(row, 1, before ? before : INT64_MAX);
    bind_int(row, 2, max);
    return visit_all(tx, row, visit, ctx, err);
}

struct oldest {
    int64_t before;                     /* ms */
    int64_t through;                    /* seq of the last that is old enough */
    int64_t count;
};

static int is_old(const struct store_event *event, void *ctx)
{
    struct oldest *oldest = ctx;

    if (event->at >= oldest->before)
        return 1;
    oldest->through = event->seq;
    oldest->count++;
    return 0;
}

/* From the oldest on, so that what remains has no hole that a reader would take for something lost. */
int store_event_purge(struct store_tx *tx, int64_t before, int max, int64_t *removed, struct err *err)
{
    struct oldest oldest = { .before = before };
    struct store_event_span span;

    *removed = 0;
    if (store_event_span(tx, &span, err) < 0 || store_event_after(tx, 0, max, is_old, &oldest, err) < 0)
        return -1;
    if (oldest.count > 0 && oldest.through == span.last) {      /* the newest says where to go on */
        oldest.through--;
        oldest.count--;
    }
    if (oldest.count == 0)
        return 0;
    *removed = oldest.count;
    return remove_through(tx, oldest.through, err);
}
