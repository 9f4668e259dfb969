/* SPDX-License-Identifier: Apache-2.0 */
/* Backup and check. */
#include "store/sqlite/db.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PAGES_A_STEP 256

static int make_target(const char *file, struct err *err)
{
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return err_id(err, errno == EEXIST ? ERR_EXISTS : ERR_STORAGE, "backup.target", NULL, errno == EEXIST ?
                      "%s is there already; a backup overwrites nothing." : "%s cannot be made.", file);
    close(fd);
    return 0;
}

static int sync_file(const char *file, struct err *err)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC), rc = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0)
        close(fd);
    return rc < 0 ? err_id(err, ERR_STORAGE, "storage.failed", NULL, "%s cannot be written to the disk: %s.", file, strerror(errno)) : 0;
}

static int copy_pages(struct db *from, sqlite3 *to, const char *file, struct err *err)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from->handle, "main");
    int rc = backup ? SQLITE_OK : SQLITE_ERROR;

    while (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
        rc = sqlite3_backup_step(backup, PAGES_A_STEP);
        if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
            sqlite3_sleep(10);
    }
    if (backup)
        sqlite3_backup_finish(backup);
    return rc == SQLITE_DONE ? 0 : err_id(err, ERR_STORAGE, "backup.failed", NULL, "The backup to %s failed: %s.", file, sqlite3_errstr(rc));
}

int store_backup(struct store *store, const char *file, struct err *err)
{
    struct db from = { 0 };
    sqlite3 *to = NULL;
    int rc;

    if (make_target(file, err) < 0)
        return -1;
    rc = db_open(&from, store->path, false, err);
    if (rc == 0 && sqlite3_open_v2(file, &to, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        rc = err_id(err, ERR_STORAGE, "backup.target", NULL, "%s cannot be opened.", file);
    if (rc == 0)
        rc = copy_pages(&from, to, file, err);
    sqlite3_close(to);
    db_close(&from);
    if (rc == 0)
        rc = sync_file(file, err);
    if (rc < 0)
        unlink(file);
    return rc;
}

static int check_run(struct store_tx *tx, void *ctx, struct err *err)
{
    static const char *const pragmas[] = { "PRAGMA integrity_check(1)", "PRAGMA foreign_key_check" };

    (void)ctx;
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *statement = db_prepare(tx->db, pragmas[i], err);
        int rc = statement ? db_step(tx->db, statement, "Checking the database", err) : -1;
        const char *word;

        if (rc < 0)
            return -1;
        word = rc == 1 ? (const char *)sqlite3_column_text(statement, 0) : "ok";
        if (strcmp(word, "ok") != 0) {
            err_id(err, ERR_STORAGE, "storage.damaged", NULL, "%s is damaged: %s. Restore a backup.", tx->store->path, word);
            sqlite3_reset(statement);
            return -1;
        }
        sqlite3_reset(statement);
    }
    return 0;
}

int store_check(struct store *store, struct err *err)
{
    return store_read(store, check_run, NULL, err);
}
