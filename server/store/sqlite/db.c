/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

#define BUSY_MS 10000                   /* another process (a backup, a token made from the shell) may hold the lock so long */

int db_fail(struct db *db, const char *doing, struct err *err)
{
    int code = db->handle ? sqlite3_extended_errcode(db->handle) : SQLITE_CANTOPEN;
    int os = db->handle ? sqlite3_system_errno(db->handle) : 0;
    const char *words = os ? strerror(os) : db->handle ? sqlite3_errmsg(db->handle) : "cannot be opened";

    switch (code & 0xff) {
    case SQLITE_FULL:
        return err_id(err, ERR_STORAGE, "limit.diskFull", NULL, "%s failed: the disk that holds %s is full.", doing, db->path);
    case SQLITE_READONLY:
        return err_id(err, ERR_STORAGE, "storage.readOnly", NULL, "%s failed: %s is read-only.", doing, db->path);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_id(err, ERR_FULL, "storage.busy", NULL, "%s failed: another process holds %s.", doing, db->path);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return err_id(err, ERR_STORAGE, "storage.damaged", NULL, "%s failed: %s is damaged or not a database of Postern. Restore a backup.",
                      doing, db->path);
    case SQLITE_CONSTRAINT:
        return err_id(err, ERR_CONFLICT, "storage.constraint", NULL, "%s failed: %s.", doing, sqlite3_errmsg(db->handle));
    default:
        if (os == ENOSPC || os == EDQUOT)
            return err_id(err, ERR_STORAGE, "limit.diskFull", NULL, "%s failed: the disk that holds %s is full.", doing, db->path);
        return err_id(err, ERR_STORAGE, "storage.failed", NULL, "%s failed at %s: %s.", doing, db->path, words);
    }
}

int db_exec(struct db *db, const char *sql, struct err *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(db, "A statement", err);
    return 0;
}

int db_open(struct db *db, const char *path, bool writes, struct err *err)
{
    int flags = writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE;

    db->path = path;
    db->statements = map_new();
    if (sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return db_fail(db, "Opening the database", err);
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    /* A commit is one fdatasync of the log; what is in the log survives a power cut. */
    if (db_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA cache_size=-1024;"
                    "PRAGMA wal_autocheckpoint=2000; PRAGMA journal_size_limit=16777216; PRAGMA trusted_schema=OFF;"
                    "PRAGMA temp_store=MEMORY;", err) < 0)
        return err_prefix(err, "Opening the database: ");
    if (writes && sqlite3_db_readonly(db->handle, "main") != 0)
        return err_id(err, ERR_STORAGE, "storage.readOnly", NULL, "%s can't be written by this user.", path);
    /* Many readers may be kept, so each keeps little: what they read again and again is in the system's cache. */
    return writes ? 0 : db_exec(db, "PRAGMA query_only=ON; PRAGMA cache_size=-256", err);
}

void db_close(struct db *db)
{
    sqlite3_stmt *statement;
    size_t at = 0;

    while (db->statements && (statement = map_next(db->statements, &at, NULL)))
        sqlite3_finalize(statement);
    map_free(db->statements);
    if (db->handle)
        sqlite3_close(db->handle);
    *db = (struct db){ 0 };
}

sqlite3_stmt *db_prepare(struct db *db, const char *sql, struct err *err)
{
    sqlite3_stmt *statement = map_get(db->statements, sql);

    /* At work further up, in a walk that asks again: a second one, kept under a text of its own. */
    if (statement && sqlite3_stmt_busy(statement)) {
        AUTO_FREE char *again = mem_printf("%s ", sql);

        return db_prepare(db, again, err);
    }
    if (statement) {
        sqlite3_clear_bindings(statement);
        return statement;
    }
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK) {
        db_fail(db, "A statement", err);
        return NULL;
    }
    map_put(db->statements, sql, statement);
    return statement;
}

int db_word(struct db *db, const char *sql, struct err *err)
{
    sqlite3_stmt *statement = db_prepare(db, sql, err);

    return statement ? db_run(db, statement, sql, err) : -1;
}

void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

void bind_static(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

void bind_int(sqlite3_stmt *statement, int at, int64_t value)
{
    sqlite3_bind_int64(statement, at, value);
}

void bind_bytes(sqlite3_stmt *statement, int at, struct str bytes)
{
    sqlite3_bind_blob64(statement, at, bytes.p ? bytes.p : "", bytes.len, SQLITE_STATIC);
}

int db_step(struct db *db, sqlite3_stmt *statement, const char *doing, struct err *err)
{
    int rc = sqlite3_step(statement);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        db_fail(db, doing, err);
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? 0 : -1;
}

int db_run(struct db *db, sqlite3_stmt *statement, const char *doing, struct err *err)
{
    int rc = db_step(db, statement, doing, err);

    if (rc == 1)
        sqlite3_reset(statement);
    return rc < 0 ? -1 : 0;
}

char *column_text(sqlite3_stmt *statement, int at)
{
    return mem_strdup((const char *)sqlite3_column_text(statement, at));
}

struct str column_bytes(sqlite3_stmt *statement, int at)
{
    const void *bytes = sqlite3_column_blob(statement, at);

    return str_n(bytes ? bytes : "", (size_t)sqlite3_column_bytes(statement, at));
}
