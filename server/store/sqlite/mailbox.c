/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of mailboxes on their servers. */
#include "store/sqlite/db.h"

#include <stdlib.h>
#include <string.h>

#define DOING "Keeping what is known of a mailbox"
#define READING "Reading what is known of a mailbox"
#define MAILBOXES_KEPT "5"      /* of an account that is pointed to one after the other */

static const char *const todo_names[] = { NULL, "seen", "delete", "fetch" };

static enum store_todo todo_named(const char *name)
{
    for (enum store_todo todo = TODO_SEEN; name && todo <= TODO_FETCH; todo++)
        if (strcmp(name, todo_names[todo]) == 0)
            return todo;
    return TODO_NOTHING;
}

/* ---- the mailbox ---- */

void store_mailbox_clear(struct store_mailbox *mailbox)
{
    free(mailbox->source);
    *mailbox = (struct store_mailbox){ 0 };
}

static int newest_generation(struct store_tx *tx, const char *account, int64_t *ret, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT coalesce(max(generation), 0) FROM mailbox WHERE account = ?", err);

    if (row == NULL)
        return -1;
    bind_static(row, 1, account);
    if (db_step(tx->db, row, READING, err) < 0)
        return -1;
    *ret = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    return 0;
}

int store_mailbox_find(struct store_tx *tx, const char *account, const char *source, struct store_mailbox *ret, int64_t *newest,
                       struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT source, generation, uid_validity, last_uid FROM mailbox WHERE account = ? AND source = ?", err);
    int rc;

    *ret = (struct store_mailbox){ 0 };
    if (row == NULL)
        return -1;
    bind_static(row, 1, account);
    bind_static(row, 2, source);
    rc = db_step(tx->db, row, READING, err);
    if (rc == 1) {
        *ret = (struct store_mailbox){ column_text(row, 0), sqlite3_column_int64(row, 1), (uint32_t)sqlite3_column_int64(row, 2),
                                       (uint32_t)sqlite3_column_int64(row, 3) };
        sqlite3_reset(row);
    }
    return rc < 0 ? -1 : newest_generation(tx, account, newest, err);
}

static int put_mailbox(struct store_tx *tx, const char *account, const struct store_mailbox *mailbox, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "INSERT INTO mailbox (account, source, generation, uid_validity, last_uid) VALUES (?, ?, ?, ?, ?) "
                                         "ON CONFLICT (account, source) DO UPDATE SET generation = excluded.generation, "
                                         "uid_validity = excluded.uid_validity, last_uid = excluded.last_uid", err);

    if (s == NULL)
        return -1;
    bind_static(s, 1, account);
    bind_static(s, 2, mailbox->source);
    bind_int(s, 3, mailbox->generation);
    bind_int(s, 4, mailbox->uid_validity);
    bind_int(s, 5, mailbox->last_uid);
    return db_run(tx->db, s, DOING, err);
}

int store_mailbox_put(struct store_tx *tx, const char *account, const struct store_mailbox *mailbox, struct err *err)
{
    static const char *const old[] = {
        "DELETE FROM mailbox WHERE account = ?1 AND generation NOT IN "
            "(SELECT generation FROM mailbox WHERE account = ?1 ORDER BY generation DESC LIMIT " MAILBOXES_KEPT ")",
        "DELETE FROM mailbox_message WHERE account = ?1 AND generation NOT IN (SELECT generation FROM mailbox WHERE account = ?1)",
    };

    if (put_mailbox(tx, account, mailbox, err) < 0)
        return -1;
    for (size_t i = 0; i < COUNT_OF(old); i++) {
        sqlite3_stmt *s = db_prepare(tx->db, old[i], err);

        if (s == NULL)
            return -1;
        bind_static(s, 1, account);
        if (db_run(tx->db, s, DOING, err) < 0)
            return -1;
    }
    return 0;
}

int store_mailbox_advance(struct store_tx *tx, const char *account, int64_t generation, uint32_t last_uid, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "UPDATE mailbox SET last_uid = ? WHERE account = ? AND generation = ?", err);

    if (s == NULL)
        return -1;
    bind_int(s, 1, last_uid);
    bind_static(s, 2, account);
    bind_int(s, 3, generation);
    return db_run(tx->db, s, DOING, err);
}

static int both_tables(struct store_tx *tx, const char *const changes[2], const char *first, const char *second, struct err *err)
{
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *s = db_prepare(tx->db, changes[i], err);

        if (s == NULL)
            return -1;
        bind_static(s, 1, first);
        if (second)
            bind_static(s, 2, second);
        if (db_run(tx->db, s, DOING, err) < 0)
            return -1;
    }
    return 0;
}

int store_mailbox_remove(struct store_tx *tx, const char *account, struct err *err)
{
    static const char *const changes[2] = { "DELETE FROM mailbox WHERE account = ?1", "DELETE FROM mailbox_message WHERE account = ?1" };

    return both_tables(tx, changes, account, NULL, err);
}

int store_mailbox_rename_account(struct store_tx *tx, const char *from, const char *to, struct err *err)
{
    static const char *const changes[2] = { "UPDATE mailbox SET account = ?2 WHERE account = ?1",
                                            "UPDATE mailbox_message SET account = ?2 WHERE account = ?1" };

    if (strcmp(from, to) == 0)
        return 0;
    return store_mailbox_remove(tx, to, err) < 0 ? -1 : both_tables(tx, changes, from, to, err);
}

/* ---- its messages ---- */

/* With account, generation and uid bound as 1, 2 and 3. */
static sqlite3_stmt *prepare_for(struct store_tx *tx, const char *sql, const char *account, int64_t generation, const char *uid,
                                 struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, sql, err);

    if (s == NULL)
        return NULL;
    bind_static(s, 1, account);
    bind_int(s, 2, generation);
    if (uid)
        bind_static(s, 3, uid);
    return s;
}

int store_remote_add(struct store_tx *tx, const char *account, int64_t generation, const struct store_remote *remote, struct err *err)
{
    sqlite3_stmt *s = prepare_for(tx, "INSERT INTO mailbox_message (account, generation, uid, message_id, size, message, todo, attempts, "
                                      "next_attempt, missing_since) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0) "
                                      "ON CONFLICT (account, generation, uid) DO NOTHING", account, generation, remote->uid, err);

    if (s == NULL)
        return -1;
    bind_static(s, 4, remote->message_id ? remote->message_id : "");
    bind_int(s, 5, remote->size);
    bind_int(s, 6, remote->message);
    bind_static(s, 7, todo_names[remote->todo]);
    bind_int(s, 8, remote->attempts);
    bind_int(s, 9, remote->next_attempt);
    if (db_run(tx->db, s, DOING, err) < 0)
        return -1;
    return sqlite3_changes(tx->db->handle) > 0;
}

int store_remote_is_known(struct store_tx *tx, const char *account, int64_t generation, const char *uid, struct err *err)
{
    sqlite3_stmt *row = prepare_for(tx, "SELECT 1 FROM mailbox_message WHERE account = ?1 AND generation = ?2 AND uid = ?3", account,
                                    generation, uid, err);
    int rc = row ? db_step(tx->db, row, DOING, err) : -1;

    if (rc == 1)
        sqlite3_reset(row);
    return rc;
}

int store_remote_match(struct store_tx *tx, const char *account, int64_t generation, const char *message_id, int64_t size,
                       struct store_remote *ret, struct err *err)
{
    sqlite3_stmt *row = prepare_for(tx, "SELECT message, todo FROM mailbox_message WHERE account = ?1 AND generation <> ?2 AND "
                                        "message_id = ?3 AND size = ?4 LIMIT 1", account, generation, message_id, err);
    int rc;

    if (row == NULL)
        return -1;
    bind_int(row, 4, size);
    rc = db_step(tx->db, row, DOING, err);
    if (rc == 1) {
        *ret = (struct store_remote){ .message = sqlite3_column_int64(row, 0),
                                      .todo = todo_named((const char *)sqlite3_column_text(row, 1)) };
        sqlite3_reset(row);
    }
    return rc;
}

static int visit_rows(struct store_tx *tx, sqlite3_stmt *row, store_remote_visit *visit, void *ctx, struct err *err)
{
    int rc;

    while ((rc = db_step(tx->db, row, DOING, err)) == 1) {
        struct store_remote remote = {
            .uid = (const char *)sqlite3_column_text(row, 0), .message_id = (const char *)sqlite3_column_text(row, 1),
            .size = sqlite3_column_int64(row, 2), .message = sqlite3_column_int64(row, 3),
            .todo = todo_named((const char *)sqlite3_column_text(row, 4)), .attempts = sqlite3_column_int64(row, 5),
            .next_attempt = sqlite3_column_int64(row, 6), .missing_since = sqlite3_column_int64(row, 7),
        };

        if (visit(&remote, ctx) != 0) {
            sqlite3_reset(row);
            return 0;
        }
    }
    return rc;
}

#define REMOTE_COLUMNS "uid, message_id, size, message, todo, attempts, next_attempt, missing_since"

int store_remote_todo(struct store_tx *tx, const char *account, int64_t generation, enum store_todo todo, int64_t now, int max,
                      store_remote_visit *visit, void *ctx, struct err *err)
{
    sqlite3_stmt *row = prepare_for(tx, "SELECT " REMOTE_COLUMNS " FROM mailbox_message WHERE account = ?1 AND generation = ?2 AND "
                                        "todo = ?3 AND next_attempt <= ?4 LIMIT ?5", account, generation, todo_names[todo], err);

    if (row == NULL)
        return -1;
    bind_int(row, 4, now);
    bind_int(row, 5, max);
    return visit_rows(tx, row, visit, ctx, err);
}

int store_remote_each(struct store_tx *tx, const char *account, int64_t generation, store_remote_visit *visit, void *ctx, struct err *err)
{
    sqlite3_stmt *row = prepare_for(tx, "SELECT " REMOTE_COLUMNS " FROM mailbox_message WHERE account = ?1 AND generation = ?2", account,
                                    generation, NULL, err);

    return row ? visit_rows(tx, row, visit, ctx, err) : -1;
}

int store_remote_count(struct store_tx *tx, const char *account, int64_t generation, int64_t *ret, struct err *err)
{
    sqlite3_stmt *row = prepare_for(tx, "SELECT count(*) FROM mailbox_message WHERE account = ?1 AND generation = ?2", account,
                                    generation, NULL, err);

    if (row == NULL || db_step(tx->db, row, DOING, err) < 0)
        return -1;
    *ret = sqlite3_column_int64(row, 0);
    sqlite3_reset(row);
    return 0;
}

int store_remote_update(struct store_tx *tx, const char *account, int64_t generation, const struct store_remote *remote, struct err *err)
{
    sqlite3_stmt *s = prepare_for(tx, "UPDATE mailbox_message SET todo = ?4, message = ?5, attempts = ?6, next_attempt = ?7, missing_since = 0 "
                                      "WHERE account = ?1 AND generation = ?2 AND uid = ?3", account, generation, remote->uid, err);

    if (s == NULL)
        return -1;
    bind_static(s, 4, todo_names[remote->todo]);
    bind_int(s, 5, remote->message);
    bind_int(s, 6, remote->attempts);
    bind_int(s, 7, remote->next_attempt);
    return db_run(tx->db, s, DOING, err);
}

static int run_for(struct store_tx *tx, const char *sql, const char *account, int64_t generation, const char *uid, struct err *err)
{
    sqlite3_stmt *s = prepare_for(tx, sql, account, generation, uid, err);

    return s ? db_run(tx->db, s, DOING, err) : -1;
}

int store_remote_finish(struct store_tx *tx, const char *account, int64_t generation, const char *uid, struct err *err)
{
    return run_for(tx, "UPDATE mailbox_message SET todo = NULL WHERE account = ?1 AND generation = ?2 AND uid = ?3", account, generation,
                   uid, err);
}

int store_remote_there(struct store_tx *tx, const char *account, int64_t generation, const char *uid, struct err *err)
{
    return run_for(tx, "UPDATE mailbox_message SET missing_since = 0 WHERE account = ?1 AND generation = ?2 AND uid = ?3", account,
                   generation, uid, err);
}

int store_remote_remove(struct store_tx *tx, const char *account, int64_t generation, const char *uid, struct err *err)
{
    return run_for(tx, "DELETE FROM mailbox_message WHERE account = ?1 AND generation = ?2 AND uid = ?3", account, generation, uid, err);
}

int store_remote_missing(struct store_tx *tx, const char *account, int64_t generation, const char *uid, int64_t now, int64_t before,
                         struct err *err)
{
    sqlite3_stmt *s = prepare_for(tx, "DELETE FROM mailbox_message WHERE account = ?1 AND generation = ?2 AND uid = ?3 AND "
                                      "missing_since > 0 AND missing_since < ?4", account, generation, uid, err);

    if (s == NULL)
        return -1;
    bind_int(s, 4, before);
    if (db_run(tx->db, s, DOING, err) < 0)
        return -1;
    s = prepare_for(tx, "UPDATE mailbox_message SET missing_since = ?4 WHERE account = ?1 AND generation = ?2 AND uid = ?3 AND "
                        "missing_since = 0", account, generation, uid, err);
    if (s == NULL)
        return -1;
    bind_int(s, 4, now);
    return db_run(tx->db, s, DOING, err);
}
