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
        message_count_shift(tx, (*ret)->account, message_state_names[before], -1, err) == 0 &&
        message_count_shift(tx, (*ret)->account, message_state_names[MESSAGE_SENDING], 1, err) == 0)
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
        const char *name = (const char *)sqlite3_column_text(row, 0);
        int state = message_state_from(name);

        if (strcmp(name, STATE_HELD_BY_LIMIT) == 0)
            ret->held_by_limit = sqlite3_column_int64(row, 1);
        if (strcmp(name, STATE_UNACKNOWLEDGED) == 0)
            ret->unacknowledged = sqlite3_column_int64(row, 1);
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

static int count_held_by_limit(struct store_tx *tx, const char *account, int64_t *ret, struct err *err)
{
    struct store_message_counts counts = { 0 };

    if (add_counts(tx, account, &counts, err) < 0)
        return -1;
    *ret = counts.held_by_limit;
    return 0;
}


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
    int64_t by_limit = 0;

    if (from == MESSAGE_HELD && count_held_by_limit(tx, account, &by_limit, err) < 0)
        return -1;
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
    if (message_count_shift(tx, account, message_state_names[from], -*changed, err) < 0 ||
        message_count_shift(tx, account, STATE_HELD_BY_LIMIT, -by_limit, err) < 0)
        return -1;
    if (to == MESSAGE_HELD && limit_only && message_count_shift(tx, account, STATE_HELD_BY_LIMIT, *changed, err) < 0)
        return -1;
    return message_count_shift(tx, account, message_state_names[to], *changed, err);
}

int store_message_purge(struct store_tx *tx, const char *account, int64_t before, int max, int64_t *removed, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT seq FROM message WHERE account = ? AND finished_at > 0 AND finished_at < ? "
                                           "ORDER BY finished_at LIMIT ?", err);
    struct seqs seqs;
    int rc = 0;

    *removed = 0;
    if (row == NULL)
        return -1;
    bind_static(row, 1, account);
    bind_int(row, 2, before);
    bind_int(row, 3, max);
    if (gather(tx, row, &seqs, err) < 0)
        return -1;
    for (size_t i = 0; i < seqs.count && rc == 0; i++)
        rc = store_message_remove(tx, seqs.items[i], err);
    if (rc == 0)
        *removed = (int64_t)seqs.count;
    free(seqs.items);
    return rc;
}

/* A former account of that name may have left messages: the counts are added up. A key that both used stays with the message
 * that has it, since both are of the past by then. */
int store_message_rename_account(struct store_tx *tx, const char *from, const char *to, struct err *err)
{
    static const char *const changes[] = {
        "INSERT INTO message_count (account, state, n) SELECT ?1, state, n FROM message_count WHERE account = ?2 "
            "ON CONFLICT (account, state) DO UPDATE SET n = message_count.n + excluded.n",
        "DELETE FROM message_count WHERE ?1 <> ?2 AND account = ?2",
        "DELETE FROM idempotency WHERE account = ?1 AND EXISTS (SELECT 1 FROM idempotency AS other WHERE other.account = ?2 "
            "AND other.by_user = idempotency.by_user AND other.key = idempotency.key)",
        "UPDATE idempotency SET account = ?1 WHERE account = ?2",
        "UPDATE message SET account = ?1 WHERE account = ?2",
    };

    if (strcmp(from, to) == 0)
        return 0;
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        sqlite3_stmt *s = db_prepare(tx->db, changes[i], err);

        if (s == NULL)
            return -1;
        bind_static(s, 1, to);
        bind_static(s, 2, from);
        if (db_run(tx->db, s, "Renaming an account", err) < 0)
            return -1;
    }
    return 0;
}
