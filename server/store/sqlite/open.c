/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "store/sqlite/migrations.h"

#define READERS_KEPT 16                 /* opening one costs as much as a hundred short reads */

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

/* Mail and password hashes are in it. root may work on another user's: SQLite gives the files it makes to that user. */
static int refuse_file(int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return err_id(err, ERR_STORAGE, "state.file", NULL, "%s is not a plain file.", path);
    if (st.st_uid != geteuid() && geteuid() != 0)
        return err_id(err, ERR_STORAGE, "state.owner", NULL, "%s belongs to user %lu instead of %lu, who runs Postern; mend it with: chown %lu %s",
                      path, (unsigned long)st.st_uid, (unsigned long)geteuid(), (unsigned long)geteuid(), path);
    if (st.st_mode & 077)
        return err_id(err, ERR_STORAGE, "state.permissions", NULL,
                      "%s has mode %04o, which is open to more than its owner; mend it with: chmod 0600 %s", path,
                      (unsigned)(st.st_mode & 07777), path);
    return 0;
}

/* Made before SQLite sees it, so that it, its log and its index are nobody else's to read. */
static int make_file(struct store *store, struct err *err)
{
    int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), dir;

    if (fd < 0)
        return err_id(err, ERR_STORAGE, "state.unwritable", NULL, "%s cannot be opened: %s.", store->path, strerror(errno));
    if (refuse_file(fd, store->path, err) < 0) {
        close(fd);
        return -1;
    }
    close(fd);
    dir = open(store->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir >= 0) {
        fsync(dir);
        close(dir);
    }
    return 0;
}

/* ---- migrations ---- */

static int read_number(struct db *db, const char *sql, int *ret, struct err *err)
{
    sqlite3_stmt *statement = db_prepare(db, sql, err);

    if (statement == NULL || db_step(db, statement, "Reading the schema's version", err) < 0)
        return -1;
    *ret = sqlite3_column_int(statement, 0);
    sqlite3_reset(statement);
    return 0;
}

/* In the transaction, since another process may just have done the same. 1: done, 0: nothing left to do. */
static int apply_next(struct db *db, struct err *err)
{
    const struct migration *next = migrations;
    int version, tables, newest = 0;
    AUTO_FREE char *set = NULL;

    if (read_number(db, "PRAGMA user_version", &version, err) < 0 ||
        read_number(db, "SELECT count(*) FROM sqlite_schema", &tables, err) < 0)
        return -1;
    if (version == 0 && tables > 0)
        return err_id(err, ERR_STORAGE, "storage.foreign", NULL, "%s is another program's database. Move it away.", db->path);
    for (const struct migration *migration = migrations; migration->number; migration++)
        newest = migration->number;
    if (version > newest)
        return err_id(err, ERR_STORAGE, "storage.newer", NULL,
                      "%s was written by a newer Postern (schema %d, this one knows %d). Install that version, or restore a backup made by this one.",
                      db->path, version, newest);
    while (next->number && next->number <= version)
        next++;
    if (next->number == 0)
        return 0;
    set = mem_printf("PRAGMA user_version=%d", next->number);
    if (db_exec(db, next->sql, err) < 0 || db_exec(db, set, err) < 0)
        return err_prefix(err, "Migration %s: ", next->name);
    return 1;
}

static int migrate(struct store *store, struct err *err)
{
    struct db *db = store->writer.db;
    int rc;

    do {
        if (db_word(db, "BEGIN IMMEDIATE", err) < 0)
            return -1;
        rc = apply_next(db, err);
        if (rc >= 0 && db_word(db, "COMMIT", err) < 0)
            rc = -1;
        if (rc < 0)
            sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    } while (rc > 0);
    return rc;
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
    store->events_added = options->events_added;
    store->messages_added = options->messages_added;
    store->ctx = options->ctx;
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
    rc = db_word(reader->db, "BEGIN", err);
    if (rc == 0) {
        rc = run(reader, ctx, err);
        db_word(reader->db, "COMMIT", NULL);
    }
    give_reader(store, reader);
    return rc;
}
