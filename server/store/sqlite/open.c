/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/log.h"
#include "store/sqlite/migrations.h"

#define READERS_KEPT 4

/* ---- the directory ---- */

static int hold_lock(struct store *store, struct err *err)
{
    AUTO_FREE char *path = mem_printf("%s/lock", store->state_dir);
    char pid[32] = "";
    ssize_t got;

    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return err_id(err, ERR_STORAGE, "state.unwritable", NULL, "%s cannot be opened: %s.", path, strerror(errno));
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        got = pread(store->lock_fd, pid, sizeof(pid) - 1, 0);
        pid[got > 0 ? strcspn(pid, "\n") : 0] = '\0';
        return err_id(err, ERR_CONFLICT, "state.inUse", NULL, "Another postern (pid %s) uses the state directory %s. Stop it first.",
                      *pid ? pid : "unknown", store->state_dir);
    }
    snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
    if (ftruncate(store->lock_fd, 0) < 0 || pwrite(store->lock_fd, pid, strlen(pid), 0) < 0)
        return err_id(err, ERR_STORAGE, errno == ENOSPC ? "limit.diskFull" : "state.unwritable", NULL, "%s cannot be written: %s.",
                      path, strerror(errno));
    return 0;
}

/* Made before SQLite sees it, so that it, its log and its index are nobody else's to read. */
static int make_file(struct store *store, struct err *err)
{
    int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), dir;

    if (fd < 0)
        return err_id(err, ERR_STORAGE, "state.unwritable", NULL, "%s cannot be opened: %s.", store->path, strerror(errno));
    close(fd);
    dir = open(store->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        fsync(dir);
        close(dir);
    }
    return 0;
}

/* ---- migrations ---- */

static int read_version(struct db *db, int *version, struct err *err)
{
    sqlite3_stmt *statement = db_prepare(db, "PRAGMA user_version", err);

    if (statement == NULL || db_step(db, statement, "Reading the schema's version", err) < 0)
        return -1;
    *version = sqlite3_column_int(statement, 0);
    sqlite3_reset(statement);
    return 0;
}

static int apply(struct db *db, const struct migration *migration, struct err *err)
{
    AUTO_FREE char *version = mem_printf("PRAGMA user_version=%d", migration->number);

    if (db_exec(db, "BEGIN IMMEDIATE", err) < 0)
        return -1;
    if (db_exec(db, migration->sql, err) < 0 || db_exec(db, version, err) < 0 || db_exec(db, "COMMIT", err) < 0) {
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        return err_prefix(err, "Migration %s: ", migration->name);
    }
    return 0;
}

static int migrate(struct store *store, struct err *err)
{
    struct db *db = store->writer.db;
    int version, newest = 0;

    for (const struct migration *migration = migrations; migration->number; migration++)
        newest = migration->number;
    if (read_version(db, &version, err) < 0)
        return -1;
    if (version > newest)
        return err_id(err, ERR_STORAGE, "storage.newer", NULL,
                      "%s was written by a newer Postern (schema %d, this one knows %d). Install that version, or restore a backup made by this one.",
                      store->path, version, newest);
    for (const struct migration *migration = migrations; migration->number; migration++)
        if (migration->number > version && apply(db, migration, err) < 0)
            return -1;
    return 0;
}

/* ---- open and close ---- */

static int open_all(struct store *store, bool exclusive, struct err *err)
{
    if (exclusive && hold_lock(store, err) < 0)
        return -1;
    if (make_file(store, err) < 0)
        return -1;
    store->writer = (struct store_tx){ .store = store, .db = mem_alloc(sizeof(struct db)), .writes = true };
    if (db_open(store->writer.db, store->path, true, err) < 0 || migrate(store, err) < 0)
        return -1;
    return writer_start(store, err);
}

int store_open(struct store **ret, const struct store_options *options, struct err *err)
{
    struct store *store = mem_alloc(sizeof(*store));

    store->state_dir = mem_strdup(options->state_dir);
    store->path = mem_printf("%s/postern.db", options->state_dir);
    store->key = options->key;
    store->lock_fd = -1;
    store->last = &store->first;
    store->readers_max = options->readers ? options->readers : READERS_KEPT;
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->readers_lock, NULL);
    pthread_cond_init(&store->work, NULL);
    if (open_all(store, options->exclusive, err) < 0) {
        store_close(store);
        return -1;
    }
    *ret = store;
    return 0;
}

static void reader_free(struct store_tx *reader)
{
    db_close(reader->db);
    free(reader->db);
    free(reader);
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    writer_stop(store);
    while (store->readers) {
        struct store_tx *reader = store->readers;

        store->readers = reader->next;
        reader_free(reader);
    }
    if (store->writer.db) {
        db_close(store->writer.db);
        free(store->writer.db);
    }
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    pthread_cond_destroy(&store->work);
    pthread_mutex_destroy(&store->readers_lock);
    pthread_mutex_destroy(&store->lock);
    free(store->path);
    free(store->state_dir);
    free(store);
}

/* ---- readers ---- */

static struct store_tx *take_reader(struct store *store, struct err *err)
{
    struct store_tx *reader;

    pthread_mutex_lock(&store->readers_lock);
    reader = store->readers;
    if (reader) {
        store->readers = reader->next;
        store->readers_kept--;
    }
    pthread_mutex_unlock(&store->readers_lock);
    if (reader)
        return reader;
    reader = mem_alloc(sizeof(*reader));
    reader->store = store;
    reader->db = mem_alloc(sizeof(*reader->db));
    if (db_open(reader->db, store->path, false, err) == 0)
        return reader;
    reader_free(reader);
    return NULL;
}

static void give_reader(struct store *store, struct store_tx *reader)
{
    pthread_mutex_lock(&store->readers_lock);
    if (store->readers_kept < store->readers_max) {
        reader->next = store->readers;
        store->readers = reader;
        store->readers_kept++;
        reader = NULL;
    }
    pthread_mutex_unlock(&store->readers_lock);
    if (reader)
        reader_free(reader);
}

int store_read(struct store *store, store_run *run, void *ctx, struct err *err)
{
    struct store_tx *reader = take_reader(store, err);
    int rc;

    if (reader == NULL)
        return -1;
    rc = db_exec(reader->db, "BEGIN", err);
    if (rc == 0) {
        rc = run(reader, ctx, err);
        sqlite3_exec(reader->db->handle, "COMMIT", NULL, NULL, NULL);
    }
    give_reader(store, reader);
    return rc;
}
