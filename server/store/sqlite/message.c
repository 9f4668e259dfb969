/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: adding, finding, changing. What changes a state also moves the counts, in the same transaction. */
#include "store/sqlite/db.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "store/sqlite/search.h"

#define PIECE_BYTES (256 * 1024)

/* ---- rows ---- */

static int state_of(const char *name)
{
    int state = name ? message_state_from(name) : -1;

    return state < 0 ? MESSAGE_FAILED : state;
}

struct message *message_of_row(sqlite3_stmt *row)
{
    struct message *message = mem_alloc(sizeof(*message));
    const char *id = (const char *)sqlite3_column_text(row, 1), *direction = (const char *)sqlite3_column_text(row, 3);

    message->seq = sqlite3_column_int64(row, 0);
    memcpy(message->id, id, strnlen(id, MESSAGE_ID_LEN));
    message->account = column_text(row, 2);
    message->direction = strcmp(direction, "incoming") == 0 ? MESSAGE_INCOMING : MESSAGE_OUTGOING;
    message->state = (enum message_state)state_of((const char *)sqlite3_column_text(row, 4));
    message->sender = column_text(row, 5);
    message->from = column_text(row, 6);
    message->to = column_text(row, 7);
    message->subject = column_text(row, 8);
    message->message_id = column_text(row, 9);
    message->date = sqlite3_column_int64(row, 10);
    message->size = sqlite3_column_int64(row, 11);
    message->created_at = sqlite3_column_int64(row, 12);
    message->created_by = column_text(row, 13);
    message->send_at = sqlite3_column_int64(row, 14);
    message->next_attempt = sqlite3_column_int64(row, 15);
    message->finished_at = sqlite3_column_int64(row, 16);
    message->attempts = sqlite3_column_int64(row, 17);
    message->last_code = column_text(row, 18);
    message->last_cause = column_text(row, 19);
    message->smtputf8 = sqlite3_column_int(row, 20) != 0;
    message->held_by_limit = sqlite3_column_int(row, 21) != 0;
    message->acknowledged = sqlite3_column_int(row, 22) != 0;
    message->headers_only = sqlite3_column_int(row, 23) != 0;
    message->automatic = sqlite3_column_int(row, 24) != 0;
    message->report = column_text(row, 25);
    message->related = column_text(row, 26);
    return message;
}

int message_add_recipients(struct store_tx *tx, struct message *message, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT address, state, code, enhanced, text FROM recipient WHERE message = ? "
                                           "ORDER BY position", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_int(row, 1, message->seq);
    while ((rc = db_step(tx->db, row, "Reading a message", err)) == 1) {
        struct message_recipient *recipient;

        message->recipients = mem_resize(message->recipients, (message->recipient_count + 1) * sizeof(*message->recipients));
        recipient = &message->recipients[message->recipient_count++];
        *recipient = (struct message_recipient){ column_text(row, 0),
                                                 (enum message_state)state_of((const char *)sqlite3_column_text(row, 1)),
                                                 sqlite3_column_int(row, 2), column_text(row, 3), column_text(row, 4) };
    }
    return rc;
}

int message_count_shift(struct store_tx *tx, const char *account, const char *state, int64_t by, struct err *err)
{
    sqlite3_stmt *statement;

    if (by == 0)
        return 0;
    statement = db_prepare(tx->db, "INSERT INTO message_count (account, state, n) VALUES (?, ?, ?) "
                                   "ON CONFLICT (account, state) DO UPDATE SET n = message_count.n + excluded.n", err);
    if (statement == NULL)
        return -1;
    bind_static(statement, 1, account);
    bind_static(statement, 2, state);
    bind_int(statement, 3, by);
    return db_run(tx->db, statement, "Counting messages", err);
}

/* Where one message is counted: its state, and some of those in it once more. */
struct counted {
    enum message_state state;
    bool by_limit, acknowledged;
};

static const char *second_count(const struct counted *counted)
{
    if (counted->state == MESSAGE_HELD && counted->by_limit)
        return STATE_HELD_BY_LIMIT;
    return counted->state == MESSAGE_RECEIVED && !counted->acknowledged ? STATE_UNACKNOWLEDGED : NULL;
}

/* It comes into its counts (by 1) or leaves them (by -1). */
static int count_one(struct store_tx *tx, const char *account, const struct counted *counted, int by, struct err *err)
{
    const char *second = second_count(counted);

    if (second && message_count_shift(tx, account, second, by, err) < 0)
        return -1;
    return message_count_shift(tx, account, message_state_names[counted->state], by, err);
}

static struct counted counted_as(const struct message *message)
{
    return (struct counted){ message->state, message->held_by_limit, message->acknowledged };
}

/* What a person still has to acknowledge is not finished; once acknowledged, its retention begins. */
static int64_t finished_at(const struct message *message)
{
    if (message->state != MESSAGE_RECEIVED)
        return message->finished_at;
    return !message->acknowledged ? 0 : message->finished_at ? message->finished_at : clock_now();
}

/* ---- adding ---- */

static int insert_message(struct store_tx *tx, struct message *m, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "INSERT INTO message (id, account, direction, state, sender, \"from\", \"to\", subject, "
                                 "message_id, date, size, created_at, created_by, send_at, next_attempt, finished_at, attempts, "
                                 "last_code, last_cause, smtputf8, held_by_limit, acknowledged, headers_only, automatic, report, related) "
                                 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", err);

    if (s == NULL)
        return -1;
    bind_static(s, 1, m->id);
    bind_static(s, 2, m->account);
    bind_static(s, 3, message_direction_names[m->direction]);
    bind_static(s, 4, message_state_names[m->state]);
    bind_static(s, 5, m->sender ? m->sender : "");
    bind_static(s, 6, m->from ? m->from : "");
    bind_static(s, 7, m->to ? m->to : "[]");
    bind_static(s, 8, m->subject ? m->subject : "");
    bind_static(s, 9, m->message_id ? m->message_id : "");
    bind_int(s, 10, m->date);
    bind_int(s, 11, m->size);
    bind_int(s, 12, m->created_at);
    bind_static(s, 13, m->created_by ? m->created_by : "");
    bind_int(s, 14, m->send_at);
    bind_int(s, 15, m->next_attempt);
    bind_int(s, 16, finished_at(m));
    bind_int(s, 17, m->attempts);
    bind_static(s, 18, m->last_code);
    bind_static(s, 19, m->last_cause);
    bind_int(s, 20, m->smtputf8);
    bind_int(s, 21, m->held_by_limit);
    bind_int(s, 22, m->acknowledged);
    bind_int(s, 23, m->headers_only);
    bind_int(s, 24, m->automatic);
    bind_static(s, 25, m->report);
    bind_static(s, 26, m->related);
    if (db_run(tx->db, s, "Storing a message", err) < 0)
        return -1;
    m->seq = sqlite3_last_insert_rowid(tx->db->handle);
    return 0;
}

static int insert_recipients(struct store_tx *tx, const struct message *message, struct err *err)
{
    for (size_t i = 0; i < message->recipient_count; i++) {
        const struct message_recipient *recipient = &message->recipients[i];
        sqlite3_stmt *s = db_prepare(tx->db, "INSERT INTO recipient (message, position, address, state, code, enhanced, text) "
                                             "VALUES (?, ?, ?, ?, ?, ?, ?)", err);

        if (s == NULL)
            return -1;
        bind_int(s, 1, message->seq);
        bind_int(s, 2, (int64_t)i);
        bind_static(s, 3, recipient->address);
        bind_static(s, 4, message_state_names[recipient->state]);
        bind_int(s, 5, recipient->code);
        bind_static(s, 6, recipient->enhanced);
        bind_static(s, 7, recipient->text);
        if (db_run(tx->db, s, "Storing a message", err) < 0)
            return -1;
    }
    return 0;
}

static int insert_body(struct store_tx *tx, const struct message *message, struct str raw, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "INSERT INTO message_body (message, raw) VALUES (?, ?)", err);

    if (s == NULL)
        return -1;
    bind_int(s, 1, message->seq);
    bind_bytes(s, 2, raw);
    return db_run(tx->db, s, "Storing a message", err);
}

/* 1 with `*first`, 0 when the key is new, -1. */
static int find_key(struct store_tx *tx, const struct message *message, const struct store_idempotency *once,
                    struct message **first, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT i.digest, m.id FROM idempotency i JOIN message m ON m.seq = i.message "
                                           "WHERE i.account = ? AND i.by_user = ? AND i.key = ?", err);
    char id[MESSAGE_ID_LEN + 1] = "";
    struct str digest;
    bool same;
    int rc;

    if (row == NULL)
        return -1;
    bind_static(row, 1, message->account);
    bind_static(row, 2, once->user);
    bind_static(row, 3, once->key);
    rc = db_step(tx->db, row, "Looking up an Idempotency-Key", err);
    if (rc <= 0)
        return rc;
    digest = column_bytes(row, 0);
    same = digest.len == sizeof(once->digest) && memcmp(digest.p, once->digest, digest.len) == 0;
    memcpy(id, sqlite3_column_text(row, 1), MESSAGE_ID_LEN);
    sqlite3_reset(row);
    if (!same)
        return err_id(err, ERR_INVALID, "idempotency.mismatch", "Idempotency-Key",
                      "This Idempotency-Key was used for another message. Use a new key for a new message.");
    return store_message_find(tx, id, first, err) < 0 ? -1 : 1;
}

static int insert_key(struct store_tx *tx, const struct message *message, const struct store_idempotency *once, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "INSERT INTO idempotency (account, by_user, key, digest, message) VALUES (?, ?, ?, ?, ?)", err);

    if (s == NULL)
        return -1;
    bind_static(s, 1, message->account);
    bind_static(s, 2, once->user);
    bind_static(s, 3, once->key);
    bind_bytes(s, 4, str_n(once->digest, sizeof(once->digest)));
    bind_int(s, 5, message->seq);
    return db_run(tx->db, s, "Keeping an Idempotency-Key", err);
}

int store_message_add(struct store_tx *tx, struct message *message, struct str raw, const struct store_idempotency *once,
                      struct message **first, struct err *err)
{
    int rc = once ? find_key(tx, message, once, first, err) : 0;
    struct counted counted = counted_as(message);

    if (rc != 0)
        return rc;
    if (insert_message(tx, message, err) < 0 || insert_recipients(tx, message, err) < 0 || insert_body(tx, message, raw, err) < 0 ||
        count_one(tx, message->account, &counted, 1, err) < 0)
        return -1;
    tx->bytes += (int64_t)raw.len;
    tx->messages = true;
    return once ? insert_key(tx, message, once, err) : 0;
}

/* ---- finding ---- */

int store_message_find(struct store_tx *tx, const char *id, struct message **ret, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT " MESSAGE_COLUMNS " FROM message WHERE id = ?", err);
    struct message *message;
    int rc;

    if (row == NULL)
        return -1;
    bind_static(row, 1, id);
    rc = db_step(tx->db, row, "Reading a message", err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no message \"%.64s\".", id);
    message = message_of_row(row);
    sqlite3_reset(row);
    if (message_add_recipients(tx, message, err) < 0) {
        message_free(message);
        return -1;
    }
    *ret = message;
    return 0;
}

int store_message_raw(struct store_tx *tx, int64_t seq, struct buf *into, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT raw FROM message_body WHERE message = ?", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_int(row, 1, seq);
    rc = db_step(tx->db, row, "Reading a message", err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "The message has no content any more.");
    rc = buf_add(into, column_bytes(row, 0));
    sqlite3_reset(row);
    return rc < 0 ? err_id(err, ERR_TOO_LARGE, "limit.messageSize", NULL, "The message is too large to be read.") : 0;
}

static int read_pieces(struct store_tx *tx, sqlite3_blob *blob, store_take_piece *take, void *ctx, struct err *err)
{
    AUTO_FREE char *piece = mem_alloc(PIECE_BYTES);
    int size = sqlite3_blob_bytes(blob), rc = 0;

    for (int at = 0; at < size && rc == 0;) {
        int len = size - at < PIECE_BYTES ? size - at : PIECE_BYTES;

        if (sqlite3_blob_read(blob, piece, len, at) != SQLITE_OK)
            return db_fail(tx->db, "Reading a message", err);
        rc = take(ctx, str_n(piece, (size_t)len), err);
        at += len;
    }
    return rc < 0 ? -1 : 0;
}

int store_message_pieces(struct store_tx *tx, int64_t seq, store_take_piece *take, void *ctx, struct err *err)
{
    sqlite3_blob *blob = NULL;
    int rc = sqlite3_blob_open(tx->db->handle, "main", "message_body", "raw", seq, 0, &blob);

    if (rc == SQLITE_OK)
        rc = read_pieces(tx, blob, take, ctx, err);
    else if (rc == SQLITE_ERROR)        /* no such row */
        rc = err_id(err, ERR_NOT_FOUND, "notFound", NULL, "The message has no content any more.");
    else
        rc = db_fail(tx->db, "Reading a message", err);
    sqlite3_blob_close(blob);
    return rc;
}

/* ---- changing ---- */

/* Where it is counted now. The account may have got another name while a worker had the message. */
struct present {
    char *account;
    struct counted counted;
};

static int read_present(struct store_tx *tx, int64_t seq, struct present *present, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT account, state, held_by_limit, acknowledged FROM message WHERE seq = ?", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_int(row, 1, seq);
    rc = db_step(tx->db, row, "Reading a message", err);
    if (rc == 0)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "The message is not there any more.");
    if (rc < 0)
        return -1;
    present->account = column_text(row, 0);
    present->counted = (struct counted){ (enum message_state)state_of((const char *)sqlite3_column_text(row, 1)),
                                         sqlite3_column_int(row, 2) != 0, sqlite3_column_int(row, 3) != 0 };
    sqlite3_reset(row);
    return 0;
}

static int update_recipients(struct store_tx *tx, const struct message *message, struct err *err)
{
    for (size_t i = 0; i < message->recipient_count; i++) {
        const struct message_recipient *recipient = &message->recipients[i];
        sqlite3_stmt *s = db_prepare(tx->db, "UPDATE recipient SET state = ?, code = ?, enhanced = ?, text = ? "
                                             "WHERE message = ? AND position = ?", err);

        if (s == NULL)
            return -1;
        bind_static(s, 1, message_state_names[recipient->state]);
        bind_int(s, 2, recipient->code);
        bind_static(s, 3, recipient->enhanced);
        bind_static(s, 4, recipient->text);
        bind_int(s, 5, message->seq);
        bind_int(s, 6, (int64_t)i);
        if (db_run(tx->db, s, "Writing a result", err) < 0)
            return -1;
    }
    return 0;
}

static int update_message(struct store_tx *tx, const struct message *message, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "UPDATE message SET state = ?, next_attempt = ?, finished_at = ?, attempts = ?, last_code = ?, "
                                         "last_cause = ?, held_by_limit = ?, acknowledged = ?, lease_owner = NULL, lease_until = 0 "
                                         "WHERE seq = ?", err);

    if (s == NULL)
        return -1;
    bind_static(s, 1, message_state_names[message->state]);
    bind_int(s, 2, message->next_attempt);
    bind_int(s, 3, finished_at(message));
    bind_int(s, 4, message->attempts);
    bind_static(s, 5, message->last_code);
    bind_static(s, 6, message->last_cause);
    bind_int(s, 7, message->held_by_limit);
    bind_int(s, 8, message->acknowledged);
    bind_int(s, 9, message->seq);
    return db_run(tx->db, s, "Writing a result", err);
}

int store_message_update(struct store_tx *tx, const struct message *message, struct err *err)
{
    struct counted counted = counted_as(message);
    struct present present;
    int rc;

    if (read_present(tx, message->seq, &present, err) < 0)
        return -1;
    rc = update_message(tx, message, err);
    if (rc == 0)
        rc = update_recipients(tx, message, err);
    if (rc == 0 && (present.counted.state != counted.state || second_count(&present.counted) != second_count(&counted))) {
        rc = count_one(tx, present.account, &present.counted, -1, err);
        if (rc == 0)
            rc = count_one(tx, present.account, &counted, 1, err);
    }
    free(present.account);
    return rc;
}

int store_message_remove(struct store_tx *tx, int64_t seq, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "DELETE FROM message WHERE seq = ?", err);
    struct present present;
    int rc;

    if (s == NULL || read_present(tx, seq, &present, err) < 0)
        return -1;
    bind_int(s, 1, seq);
    rc = db_run(tx->db, s, "Removing a message", err);
    if (rc == 0)
        rc = search_remove(tx, seq, err);
    if (rc == 0)
        rc = count_one(tx, present.account, &present.counted, -1, err);
    free(present.account);
    return rc;
}
