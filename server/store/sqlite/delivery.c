/* SPDX-License-Identifier: Apache-2.0 */
/* How far each webhook was told, and what became of each telling. */
#include "store/sqlite/db.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_MAX 2000                   /* rows that a page by state looks at */
#define COLUMNS "seq, id, webhook, event, type, body, state, attempts, created_at, next_attempt, last_attempt, finished_at, " \
                "status, ms, code, cause"

/* ---- cursors ---- */

int store_webhook_put_cursor(struct store_tx *tx, const char *webhook, int64_t event, struct err *err)
{
    sqlite3_stmt *statement = db_prepare(tx->db, "INSERT INTO webhook_cursor (webhook, event) VALUES (?, ?) "
                                                 "ON CONFLICT (webhook) DO UPDATE SET event = excluded.event", err);

    if (statement == NULL)
        return -1;
    bind_static(statement, 1, webhook);
    bind_int(statement, 2, event);
    return db_run(tx->db, statement, "Writing how far a webhook was told", err);
}

int store_webhook_cursor(struct store_tx *tx, const char *webhook, int64_t *event, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT event FROM webhook_cursor WHERE webhook = ?", err);
    int rc;

    *event = -1;
    if (row == NULL)
        return -1;
    bind_static(row, 1, webhook);
    rc = db_step(tx->db, row, "Reading how far a webhook was told", err);
    if (rc == 1) {
        *event = sqlite3_column_int64(row, 0);
        sqlite3_reset(row);
    }
    return rc < 0 ? -1 : 0;
}

static int run_for(struct store_tx *tx, const char *sql, const char *webhook, struct err *err)
{
    sqlite3_stmt *statement = db_prepare(tx->db, sql, err);

    if (statement == NULL)
        return -1;
    bind_static(statement, 1, webhook);
    return db_run(tx->db, statement, "Forgetting a webhook", err);
}

int store_webhook_forget(struct store_tx *tx, const char *webhook, struct err *err)
{
    if (run_for(tx, "DELETE FROM webhook_cursor WHERE webhook = ?", webhook, err) < 0)
        return -1;
    return run_for(tx, "DELETE FROM webhook_delivery WHERE webhook = ?", webhook, err);
}

/* ---- deliveries ---- */

static struct delivery *delivery_of_row(sqlite3_stmt *row)
{
    struct delivery *delivery = mem_alloc(sizeof(*delivery));
    const char *id = (const char *)sqlite3_column_text(row, 1), *state = (const char *)sqlite3_column_text(row, 6);
    int known = state ? delivery_state_from(state) : -1;

    delivery->seq = sqlite3_column_int64(row, 0);
    memcpy(delivery->id, id, strnlen(id, DELIVERY_ID_MAX - 1));
    delivery->webhook = column_text(row, 2);
    delivery->event = sqlite3_column_int64(row, 3);
    delivery->type = column_text(row, 4);
    delivery->body = column_text(row, 5);
    delivery->state = known < 0 ? DELIVERY_FAILED : (enum delivery_state)known;
    delivery->attempts = sqlite3_column_int64(row, 7);
    delivery->created_at = sqlite3_column_int64(row, 8);
    delivery->next_attempt = sqlite3_column_int64(row, 9);
    delivery->last_attempt = sqlite3_column_int64(row, 10);
    delivery->finished_at = sqlite3_column_int64(row, 11);
    delivery->status = sqlite3_column_int64(row, 12);
    delivery->ms = sqlite3_column_int64(row, 13);
    delivery->code = column_text(row, 14);
    delivery->cause = column_text(row, 15);
    return delivery;
}

int store_delivery_add(struct store_tx *tx, struct delivery *delivery, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "INSERT INTO webhook_delivery (id, webhook, event, type, body, state, attempts, created_at, "
                                         "next_attempt, last_attempt, finished_at, status, ms, code, cause) "
                                         "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", err);

    if (s == NULL)
        return -1;
    bind_static(s, 1, delivery->id);
    bind_static(s, 2, delivery->webhook);
    bind_int(s, 3, delivery->event);
    bind_static(s, 4, delivery->type);
    bind_static(s, 5, delivery->body);
    bind_static(s, 6, delivery_state_names[delivery->state]);
    bind_int(s, 7, delivery->attempts);
    bind_int(s, 8, delivery->created_at);
    bind_int(s, 9, delivery->next_attempt);
    bind_int(s, 10, delivery->last_attempt);
    bind_int(s, 11, delivery->finished_at);
    bind_int(s, 12, delivery->status);
    bind_int(s, 13, delivery->ms);
    bind_static(s, 14, delivery->code);
    bind_static(s, 15, delivery->cause);
    if (db_run(tx->db, s, "Storing a delivery", err) < 0)
        return -1;
    delivery->seq = sqlite3_last_insert_rowid(tx->db->handle);
    return 0;
}

int store_delivery_update(struct store_tx *tx, const struct delivery *delivery, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "UPDATE webhook_delivery SET state = ?, attempts = ?, next_attempt = ?, last_attempt = ?, "
                                         "finished_at = ?, status = ?, ms = ?, code = ?, cause = ? WHERE seq = ?", err);

    if (s == NULL)
        return -1;
    bind_static(s, 1, delivery_state_names[delivery->state]);
    bind_int(s, 2, delivery->attempts);
    bind_int(s, 3, delivery->next_attempt);
    bind_int(s, 4, delivery->last_attempt);
    bind_int(s, 5, delivery->finished_at);
    bind_int(s, 6, delivery->status);
    bind_int(s, 7, delivery->ms);
    bind_static(s, 8, delivery->code);
    bind_static(s, 9, delivery->cause);
    bind_int(s, 10, delivery->seq);
    if (db_run(tx->db, s, "Writing what became of a delivery", err) < 0)
        return -1;
    if (sqlite3_changes(tx->db->handle) == 0)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "The delivery is not there any more.");
    return 0;
}

int store_delivery_find(struct store_tx *tx, const char *webhook, const char *id, struct delivery **ret, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT " COLUMNS " FROM webhook_delivery WHERE id = ? AND webhook = ?", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_static(row, 1, id);
    bind_static(row, 2, webhook);
    rc = db_step(tx->db, row, "Reading a delivery", err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no delivery \"%.40s\".", id);
    *ret = delivery_of_row(row);
    sqlite3_reset(row);
    return 0;
}

int store_delivery_waiting(struct store_tx *tx, const char *webhook, int max, store_delivery_visit *visit, void *ctx,
                           struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT " COLUMNS " FROM webhook_delivery WHERE webhook = ? AND state = 'waiting' "
                                           "ORDER BY seq LIMIT ?", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_static(row, 1, webhook);
    bind_int(row, 2, max);
    while ((rc = db_step(tx->db, row, "Reading deliveries", err)) == 1) {
        if (visit(delivery_of_row(row), ctx) == 0)
            continue;
        sqlite3_reset(row);
        return 0;
    }
    return rc;
}

int store_delivery_list(struct store_tx *tx, const char *webhook, int state, int64_t before, int limit, store_delivery_visit *visit,
                        void *ctx, int64_t *resume, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT " COLUMNS " FROM webhook_delivery WHERE webhook = ? AND seq < ? "
                                           "ORDER BY seq DESC LIMIT ?", err);
    int looks = state < 0 ? limit + 1 : LOOK_MAX, looked = 0, given = 0, rc;
    int64_t last = 0;

    *resume = 0;
    if (row == NULL)
        return -1;
    bind_static(row, 1, webhook);
    bind_int(row, 2, before ? before : INT64_MAX);
    bind_int(row, 3, looks);
    while ((rc = db_step(tx->db, row, "Reading deliveries", err)) == 1) {
        if (given == limit) {
            *resume = last;
            sqlite3_reset(row);
            return 0;
        }
        last = sqlite3_column_int64(row, 0);
        looked++;
        if (state >= 0 && strcmp((const char *)sqlite3_column_text(row, 6), delivery_state_names[state]) != 0)
            continue;
        visit(delivery_of_row(row), ctx);
        given++;
    }
    if (rc == 0 && looked == looks)
        *resume = last;
    return rc;
}

int store_delivery_count_waiting(struct store_tx *tx, const char *webhook, int64_t *ret, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT count(*) FROM webhook_delivery WHERE webhook = ? AND state = 'waiting'", err);

    if (row == NULL)
        return -1;
    bind_static(row, 1, webhook);
    if (db_step(tx->db, row, "Counting deliveries", err) < 0)
        return -1;
    *ret = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    return 0;
}

int store_delivery_cancel_waiting(struct store_tx *tx, const char *webhook, int64_t at, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "UPDATE webhook_delivery SET state = 'canceled', next_attempt = 0, finished_at = ? "
                                         "WHERE webhook = ? AND state = 'waiting'", err);

    if (s == NULL)
        return -1;
    bind_int(s, 1, at);
    bind_static(s, 2, webhook);
    return db_run(tx->db, s, "Canceling deliveries", err);
}

/* The newest are counted off in the index; then what is past them or too old goes, oldest first. */
int store_delivery_purge(struct store_tx *tx, const char *webhook, int keep, int64_t before, int max, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "DELETE FROM webhook_delivery WHERE seq IN (SELECT seq FROM (SELECT seq, state, created_at "
                                         "FROM webhook_delivery WHERE webhook = ?1 ORDER BY seq LIMIT ?4) AS oldest "
                                         "WHERE state <> 'waiting' AND (created_at < ?3 OR seq <= coalesce((SELECT seq FROM "
                                         "webhook_delivery WHERE webhook = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2), 0)))", err);

    if (s == NULL)
        return -1;
    bind_static(s, 1, webhook);
    bind_int(s, 2, keep);
    bind_int(s, 3, before);
    bind_int(s, 4, max);
    return db_run(tx->db, s, "Removing old deliveries", err);
}
