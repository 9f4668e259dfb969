/* SPDX-License-Identifier: Apache-2.0 */
/* The queue: who sends what, when, and what becomes of many messages at once. */
#include "store/sqlite/db.h"

#include <stdlib.h>
#include <string.h>

#define DUE_STATES "state IN ('queued', 'deferred', 'uncertain')"       /* as in the index message_due */

/* ---- seqs of a query, gathered before anything is changed ---- */

struct seqs {
    int64_t *items;
    size_t count;
};

static int gather(struct store_tx *tx, sqlite3_stmt *row, struct seqs *seqs, struct err *err)
{
    int rc;

    *seqs = (struct seqs){ 0 };
    while ((rc = db_step(tx->db, row, "Reading the queue", err)) == 1) {
        seqs->items = mem_resize(seqs->items, (seqs->count + 1) * sizeof(*seqs->items));
        seqs->items[seqs->count++] = sqlite3_column_int64(row, 0);
    }
    if (rc < 0) {
        free(seqs->items);
        *seqs = (struct seqs){ 0 };
    }
    return rc;
}

static int load(struct store_tx *tx, int64_t seq, struct message **ret, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT " MESSAGE_COLUMNS " FROM message WHERE seq = ?", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_int(row, 1, seq);
    rc = db_step(tx->db, row, "Reading a message", err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_id(err, ERR_NOT_FOUND, "notFound", NULL, "The message is not there any more.");
    *ret = message_of_row(row);
    sqlite3_reset(row);
    if (message_add_recipients(tx, *ret, err) == 0)
        return 0;
    message_free(*ret);
    return -1;
}

/* ---- claim ---- */

static int take(struct store_tx *tx, int64_t seq, const struct store_lease *lease, struct message **ret, struct err *err)
{
    sqlite3_stmt *s;
    enum message_state before;

    if (load(tx, seq, ret, err) < 0)
        return -1;
    before = (*ret)->state;
    (*ret)->state = MESSAGE_SENDING;
    (*ret)->attempts++;
    s = db_prepare(tx->db, "UPDATE message SET state = 'sending', attempts = attempts + 1, lease_owner = ?, lease_until = ? "
                           "WHERE seq = ?", err);
    if (s) {
        bind_static(s, 1, lease->owner);
        bind_int(s, 2, lease->until);
        bind_int(s, 3, seq);
    }
    if (s && db_run(tx->db, s, "Taking a message", err) == 0 &&
        message_count_shift(tx, (*ret)->account, before, -1, err) == 0 &&
        message_count_shift(tx, (*ret)->account, MESSAGE_SENDING, 1, err) == 0)
        return 0;
    message_free(*ret);
    return -1;
}

int store_message_claim(struct store_tx *tx, const char *account, const struct store_lease *lease, int64_t now, int max,
                        store_message_take *visit, void *ctx, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT seq FROM message WHERE account = ? AND " DUE_STATES
                                           " AND next_attempt > 0 AND next_attempt <= ? ORDER BY next_attempt, seq LIMIT ?", err);
    struct seqs seqs;
    int rc = 0;

    if (row == NULL)
        return -1;
    bind_static(row, 1, account);
    bind_int(row, 2, now);
    bind_int(row, 3, max);
    if (gather(tx, row, &seqs, err) < 0)
        return -1;
    for (size_t i = 0; i < seqs.count && rc == 0; i++) {
        struct message *message;

        rc = take(tx, seqs.items[i], lease, &message, err);
        if (rc == 0)
            visit(message, ctx);
    }
    free(seqs.items);
    return rc;
}

int store_message_orphans(struct store_tx *tx, const char *owner, int64_t now, store_message_take *visit, void *ctx, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT seq FROM message WHERE state = 'sending' AND "
                                           "(lease_owner IS NULL OR lease_owner <> ? OR lease_until < ?) ORDER BY seq", err);
    struct seqs seqs;
    int rc = 0;

    if (row == NULL)
        return -1;
    bind_static(row, 1, owner);
    bind_int(row, 2, now);
    if (gather(tx, row, &seqs, err) < 0)
        return -1;
    for (size_t i = 0; i < seqs.count && rc == 0; i++) {
        struct message *message;

        rc = load(tx, seqs.items[i], &message, err);
        if (rc == 0)
            visit(message, ctx);
    }
    free(seqs.items);
    return rc;
}

/* ---- counts ---- */

static int add_counts(struct store_tx *tx, const char *account, struct store_message_counts *ret, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT state, n FROM message_count WHERE account = ?", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_static(row, 1, account);
    while ((rc = db_step(tx->db, row, "Counting messages", err)) == 1) {
        int state = message_state_from((const char *)sqlite3_column_text(row, 0));

        if (state >= 0 && message_is_waiting((enum message_state)state))
            ret->waiting += sqlite3_column_int64(row, 1);
        if (state == MESSAGE_HELD)
            ret->held += sqlite3_column_int64(row, 1);
    }
    return rc;
}

int store_message_counts(struct store_tx *tx, const char *account, struct store_message_counts *ret, struct err *err)
{
    sqlite3_stmt *row;
    int rc;

    *ret = (struct store_message_counts){ 0 };
    if (add_counts(tx, account, ret, err) < 0)
        return -1;
    row = db_prepare(tx->db, "SELECT next_attempt FROM message WHERE account = ? AND " DUE_STATES
                             " AND next_attempt > 0 ORDER BY next_attempt LIMIT 1", err);
    if (row == NULL)
        return -1;
    bind_static(row, 1, account);
    rc = db_step(tx->db, row, "Reading the queue", err);
    if (rc == 1) {
        ret->due_next = sqlite3_column_int64(row, 0);
        sqlite3_reset(row);
    }
    return rc < 0 ? -1 : 0;
}

/* ---- many at once ---- */

static int move_recipients(struct store_tx *tx, const char *account, enum message_state from, enum message_state to, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "UPDATE recipient SET state = ? WHERE state NOT IN ('sent', 'failed', 'canceled') AND "
                                         "message IN (SELECT seq FROM message WHERE account = ? AND state = ?)", err);

    if (s == NULL)
        return -1;
    bind_static(s, 1, message_state_names[to]);
    bind_static(s, 2, account);
    bind_static(s, 3, message_state_names[from]);
    return db_run(tx->db, s, "Changing messages", err);
}

int store_message_move(struct store_tx *tx, const char *account, enum message_state from, enum message_state to, int64_t at,
                       bool limit_only, int64_t *changed, struct err *err)
{
    sqlite3_stmt *s;

    if (to == MESSAGE_CANCELED && move_recipients(tx, account, from, to, err) < 0)
        return -1;
    s = db_prepare(tx->db, "UPDATE message SET state = ?1, next_attempt = CASE WHEN ?1 = 'held' THEN next_attempt "
                           "WHEN ?2 > send_at THEN ?2 ELSE send_at END, "
                           "finished_at = CASE WHEN ?1 = 'canceled' THEN ?2 ELSE 0 END, "
                           "held_by_limit = CASE WHEN ?1 = 'held' THEN ?3 ELSE 0 END "
                           "WHERE account = ?4 AND state = ?5 AND (?5 <> 'held' OR ?3 = 0 OR held_by_limit = 1)", err);
    if (s == NULL)
        return -1;
    bind_static(s, 1, message_state_names[to]);
    bind_int(s, 2, at);
    bind_int(s, 3, limit_only);
    bind_static(s, 4, account);
    bind_static(s, 5, message_state_names[from]);
    if (db_run(tx->db, s, "Changing messages", err) < 0)
        return -1;
    *changed = sqlite3_changes64(tx->db->handle);
    return message_count_shift(tx, account, from, -*changed, err) < 0 ? -1 : message_count_shift(tx, account, to, *changed, err);
}

/* Looks at the oldest of each state only, so that a purge costs the same in a large table. */
static int purge_state(struct store_tx *tx, const char *account, enum message_state state, int64_t before, int max, int64_t *removed,
                       struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "DELETE FROM message WHERE seq IN (SELECT seq FROM (SELECT seq, finished_at, acknowledged "
                                         "FROM message WHERE account = ?1 AND state = ?2 ORDER BY seq LIMIT ?3) AS oldest "
                                         "WHERE finished_at < ?4 AND (?2 <> 'received' OR acknowledged = 1))", err);
    int64_t count;

    if (s == NULL)
        return -1;
    bind_static(s, 1, account);
    bind_static(s, 2, message_state_names[state]);
    bind_int(s, 3, max);
    bind_int(s, 4, before);
    if (db_run(tx->db, s, "Removing old messages", err) < 0)
        return -1;
    count = sqlite3_changes64(tx->db->handle);
    *removed += count;
    return message_count_shift(tx, account, state, -count, err);
}

int store_message_purge(struct store_tx *tx, const char *account, int64_t before, int max, int64_t *removed, struct err *err)
{
    static const enum message_state finished[] = { MESSAGE_SENT, MESSAGE_FAILED, MESSAGE_CANCELED, MESSAGE_RECEIVED };

    *removed = 0;
    for (size_t i = 0; i < COUNT_OF(finished); i++)
        if (purge_state(tx, account, finished[i], before, max, removed, err) < 0)
            return -1;
    return 0;
}

int store_message_rename_account(struct store_tx *tx, const char *from, const char *to, struct err *err)
{
    static const char *const updates[] = {
        "UPDATE message SET account = ? WHERE account = ?",
        "UPDATE idempotency SET account = ? WHERE account = ?",
        "UPDATE message_count SET account = ? WHERE account = ?",
    };
    sqlite3_stmt *stale = db_prepare(tx->db, "DELETE FROM message_count WHERE account = ? AND n = 0", err);

    if (stale == NULL)
        return -1;
    bind_static(stale, 1, to);          /* an account of that name was there once, and left its zeros */
    if (db_run(tx->db, stale, "Renaming an account", err) < 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF(updates); i++) {
        sqlite3_stmt *s = db_prepare(tx->db, updates[i], err);

        if (s == NULL)
            return -1;
        bind_static(s, 1, to);
        bind_static(s, 2, from);
        if (db_run(tx->db, s, "Renaming an account", err) < 0)
            return -1;
    }
    return 0;
}
