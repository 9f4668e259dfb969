/* SPDX-License-Identifier: Apache-2.0 */
/* Backup and check. */
#include "store/sqlite/db.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <unistd.h>

static int make_target(const char *file, struct err *err)
{
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST)
        return err_id(err, ERR_EXISTS, "backup.target", NULL, "%s is there already; a backup overwrites nothing.", file);
    if (fd < 0)
        return err_id(err, ERR_STORAGE, errno == ENOSPC ? "limit.diskFull" : "backup.target", NULL, "%s can't be made: %s.", file,
                      strerror(errno));
    close(fd);
    return 0;
}

static int sync_one(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags), rc = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0)
        close(fd);
    return rc;
}

/* The file and its name in the directory. */
static int sync_file(const char *file, struct err *err)
{
    AUTO_FREE char *copy = mem_strdup(file);

    if (sync_one(file, 0) < 0 || sync_one(dirname(copy), O_DIRECTORY) < 0)
        return err_id(err, ERR_STORAGE, "storage.failed", NULL, "%s can't be written to the disk: %s.", file, strerror(errno));
    return 0;
}

/* In one step, on one snapshot: between steps another connection's commit would start the copy over, again and again. Writers
 * don't wait for it; the log grows meanwhile. */
static int copy_pages(struct db *from, sqlite3 *to, const char *file, struct err *err)
{
    struct db target = { .handle = to, .path = file };
    sqlite3_backup *backup;

    sqlite3_exec(to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL, NULL, NULL);      /* synced whole at the end */
    backup = sqlite3_backup_init(to, "main", from->handle, "main");
    if (backup)
        sqlite3_backup_step(backup, -1);
    if (backup == NULL || sqlite3_backup_finish(backup) != SQLITE_OK)
        return db_fail(&target, "The backup", err);
    return 0;
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
        rc = err_id(err, ERR_STORAGE, "backup.target", NULL, "%s can't be opened.", file);
    if (rc == 0)
        rc = copy_pages(&from, to, file, err);
    if (sqlite3_close(to) != SQLITE_OK && rc == 0)
        rc = err_id(err, ERR_STORAGE, "storage.failed", NULL, "%s can't be written.", file);
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
