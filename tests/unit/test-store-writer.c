/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and refusing to open; jobs, savepoints, order; several processes; a disk that fails. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "state.h"

/* ---- opening ---- */

static void test_lock(void)
{
    struct err err = { 0 };
    struct store *first = state_open(true, &err), *beside;
    struct stat st = { 0 };
    char pid[32];

    ok(first != NULL, "a server opens");
    ok(stat(state_file("postern.db"), &st) == 0 && (st.st_mode & 0777) == 0600, "the database is its owner's alone");
    snprintf(pid, sizeof(pid), "%ld", (long)getpid());
    ok(state_open(true, &err) == NULL && err.code == ERR_CONFLICT, "a second one is refused");
    ok(strstr(err.text, pid) && strstr(err.text, state_dir), "naming the first one's pid and the directory");
    beside = state_open(false, &err);
    ok(beside != NULL, "a command beside it isn't");
    store_close(beside);
    store_close(first);
    first = state_open(true, &err);
    ok(first != NULL, "the lock ends with the store");
    store_close(first);
}

static void script(const char *sql)
{
    sqlite3 *db;

    if (sqlite3_open(state_file("postern.db"), &db) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        abort();
    sqlite3_close(db);
}

static void test_newer(void)
{
    struct err err = { 0 };

    store_close(state_must_open());
    script("PRAGMA user_version = 99");
    ok(state_open(false, &err) == NULL && strcmp(err.id, "storage.newer") == 0, "a newer database is refused");
    ok(strstr(err.text, "99") && strstr(err.text, "knows ") && strstr(err.text, state_file("postern.db")), "naming both versions and the file");
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    if (f == NULL)
        abort();
    fputs(text, f);
    fclose(f);
    chmod(path, 0600);
}

static void test_not_a_database(void)
{
    struct err err = { 0 };
    char garbage[4096];

    memset(garbage, 'x', sizeof(garbage));
    garbage[sizeof(garbage) - 1] = '\0';
    write_file(state_file("postern.db"), garbage);
    ok(state_open(false, &err) == NULL && err.code == ERR_STORAGE && strstr(err.text, state_file("postern.db")),
       "what is no database is refused, naming the file");
}

static void test_no_directory(void)
{
    char kept[256];
    struct err err = { 0 };

    snprintf(kept, sizeof(kept), "%s", state_dir);
    snprintf(state_dir, sizeof(state_dir), "%.200s/missing/deeper", kept);
    ok(state_open(false, &err) == NULL && err.code == ERR_STORAGE && strstr(err.text, state_dir), "no directory to be in: refused, naming it");
    snprintf(state_dir, sizeof(state_dir), "%s", kept);
}

/* ---- jobs ---- */

struct step {
    struct message *message;
    bool fail;
    int64_t *order;             /* of the done()s */
    int64_t place;
    int rc;
    enum err_code code;
};

static int step_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct step *step = ctx;
    struct message *first;

    if (store_message_add(tx, step->message, STR("x"), NULL, &first, err) < 0)
        return -1;
    return step->fail ? err_set(err, ERR_INVALID, NULL, "Told to fail.") : 0;
}

static void step_done(void *ctx, const struct err *err)
{
    struct step *step = ctx;

    step->place = ++*step->order;
    step->rc = err ? -1 : 0;
    step->code = err ? err->code : ERR_NONE;
}

static int waiting_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_message_counts(tx, "alerts", ctx, err);
}

static int64_t waiting(struct store *store)
{
    struct store_message_counts counts = { 0 };
    struct err err;

    return store_read(store, waiting_run, &counts, &err) == 0 ? counts.waiting : -1;
}

/* Holds the writer until released, so that what is submitted meanwhile is one batch. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool open;
};

static int gate_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct gate *gate = ctx;

    (void)tx;
    (void)err;
    pthread_mutex_lock(&gate->lock);
    while (!gate->open)
        pthread_cond_wait(&gate->change, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    return 0;
}

static void gate_done(void *ctx, const struct err *err)
{
    (void)ctx;
    (void)err;
}

static void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_signal(&gate->change);
    pthread_mutex_unlock(&gate->lock);
}

static int nothing_run(struct store_tx *tx, void *ctx, struct err *err)
{
    (void)tx;
    (void)ctx;
    (void)err;
    return 0;
}

static void test_group_commit(void)
{
    struct store *store = state_must_open();
    struct gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
    struct store_stats before, after;
    int64_t order = 0;
    struct step steps[20];
    struct err err;
    bool ordered = true, right = true;

    store_submit(store, gate_run, gate_done, &gate, true);
    while (store_stats(store, &before), before.queued_jobs > 0)
        usleep(1000);
    for (int i = 0; i < 20; i++) {
        steps[i] = (struct step){ .message = state_message("alerts", 1), .fail = i % 5 == 2, .order = &order };
        store_submit(store, step_run, step_done, &steps[i], false);
    }
    gate_open(&gate);
    store_write(store, nothing_run, NULL, true, &err);
    store_stats(store, &after);
    for (int i = 0; i < 20; i++) {
        ordered &= steps[i].place == i + 1;
        right &= steps[i].rc == (steps[i].fail ? -1 : 0) && (!steps[i].fail || steps[i].code == ERR_INVALID);
        message_free(steps[i].message);
    }
    ok(ordered, "done() in the order of submission");
    ok(right, "each job hears of itself");
    is_int(waiting(store), 16, "a job that fails takes back only its own");
    ok(after.commits - before.commits <= 3, "twenty jobs were one commit");
    store_close(store);
}

/* An alone job sees what done() of those before it published, and nobody shares its transaction. */
struct seen {
    int64_t *order;
    int64_t at;
};

static int look_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct seen *seen = ctx;

    (void)tx;
    (void)err;
    seen->at = *seen->order;
    return 0;
}

static void test_alone(void)
{
    struct store *store = state_must_open();
    struct gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
    int64_t order = 0;
    struct step steps[6];
    struct seen seen = { &order, -1 }, shared = { &order, -1 };
    struct err err;

    store_submit(store, gate_run, gate_done, &gate, false);
    for (int i = 0; i < 6; i++) {
        steps[i] = (struct step){ .message = state_message("alerts", 1), .order = &order };
        if (i == 3)
            store_submit(store, look_run, gate_done, &seen, true);
        store_submit(store, step_run, step_done, &steps[i], false);
        if (i == 4)
            store_submit(store, look_run, gate_done, &shared, false);
    }
    gate_open(&gate);
    store_write(store, nothing_run, NULL, true, &err);
    is_int(seen.at, 3, "alone: everything before is done");
    is_int(shared.at, 3, "not alone: run in one transaction with those before, which are not done yet");
    for (int i = 0; i < 6; i++)
        message_free(steps[i].message);
    store_close(store);
}

static void test_close_finishes(void)
{
    struct store *store = state_must_open();
    int64_t order = 0;
    struct step steps[50];

    for (int i = 0; i < 50; i++) {
        steps[i] = (struct step){ .message = state_message("alerts", 1), .order = &order };
        store_submit(store, step_run, step_done, &steps[i], i % 7 == 0);
    }
    store_close(store);
    is_int(order, 50, "closing finishes what was submitted");
    for (int i = 0; i < 50; i++)
        message_free(steps[i].message);
    store = state_must_open();
    is_int(waiting(store), 50, "and it is there afterwards");
    store_close(store);
}

/* ---- several threads and processes ---- */

#define EACH 100

static void *add_many(void *ctx)
{
    for (int i = 0; i < EACH; i++) {
        struct message *message = state_message("alerts", 1);

        state_add(ctx, message);
        message_free(message);
    }
    return NULL;
}

/* SQLite must not be carried over a fork: each process opens its own. */
static void test_processes(void)
{
    pid_t children[2];
    struct store *store;
    int status;

    store_close(state_must_open());
    for (size_t i = 0; i < COUNT_OF(children); i++) {
        children[i] = fork();
        if (children[i] == 0) {
            store = state_must_open();
            add_many(store);
            store_close(store);
            _exit(0);
        }
    }
    for (size_t i = 0; i < COUNT_OF(children); i++) {
        waitpid(children[i], &status, 0);
        ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "process %zu wrote beside another", i + 1);
    }
    store = state_must_open();
    is_int(waiting(store), 2 * EACH, "nothing was lost");
    store_close(store);
}

static void test_threads(void)
{
    struct store *store = state_must_open();
    pthread_t threads[8];

    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_create(&threads[i], NULL, add_many, store);
    for (int i = 0; i < 50; i++)
        if (waiting(store) < 0)
            abort();
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    is_int(waiting(store), (int64_t)COUNT_OF(threads) * EACH, "eight threads and a reader");
    store_close(store);
}

static void test_kill(void)
{
    struct store *store;
    int status, pipes[2];
    char byte;
    long confirmed = 0;
    pid_t child;

    if (pipe(pipes) < 0)
        abort();
    child = fork();
    if (child == 0) {
        store = state_must_open();
        for (;;) {
            struct message *message = state_message("alerts", 1);

            state_add(store, message);
            message_free(message);
            if (write(pipes[1], ".", 1) != 1)
                _exit(1);
        }
    }
    close(pipes[1]);
    while (confirmed < 200 && read(pipes[0], &byte, 1) == 1)
        confirmed++;
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    while (read(pipes[0], &byte, 1) == 1)
        confirmed++;
    close(pipes[0]);
    store = state_must_open();
    ok(waiting(store) >= confirmed && waiting(store) <= confirmed + 1, "killed: what was confirmed is there, and at most one more");
    store_close(store);
}

/* ---- a disk that fails ---- */

static int fail_sync;           /* errno, 0: works */
static int fail_write;
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);

/* In place of the C library's: SQLite calls it by name. */
int fdatasync(int fd)
{
    if (fail_sync) {
        errno = fail_sync;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static ssize_t failing_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    if (fail_write) {
        errno = fail_write;
        return -1;
    }
    return real_pwrite(fd, bytes, len, at);
}

static void hook_writes(bool on)
{
    static const char *const names[] = { "pwrite", "pwrite64" };
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        sqlite3_syscall_ptr real = vfs->xGetSystemCall(vfs, names[i]);

        if (real && on)
            real_pwrite = (ssize_t (*)(int, const void *, size_t, off_t))real;
        if (real)
            vfs->xSetSystemCall(vfs, names[i], on ? (sqlite3_syscall_ptr)failing_pwrite : NULL);
    }
}

static void expect_failure(struct store *store, const char *id, const char *name)
{
    struct message *message = state_message("alerts", 1);
    struct state_add add = { .message = message, .raw = STR("x") };
    struct err err = { 0 };

    ok(store_write(store, state_add_run, &add, false, &err) < 0 && err.code == ERR_STORAGE, "%s: the job fails", name);
    is_str(err.id, id, name);
    ok(strstr(err.text, state_file("postern.db")) != NULL, "%s: names the file", name);
    message_free(message);
}

static void test_faults(void)
{
    static const struct { int sync, write; const char *id, *name; } faults[] = {
        { EIO, 0, "storage.failed", "sync EIO" },
        { 0, EIO, "storage.failed", "write EIO" },
        { 0, ENOSPC, "limit.diskFull", "write ENOSPC" },
    };
    struct store *store;
    struct message *message;
    int64_t expected = 1;

    hook_writes(true);
    store = state_must_open();
    message = state_message("alerts", 1);
    state_add(store, message);
    message_free(message);
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        fail_sync = faults[i].sync;
        fail_write = faults[i].write;
        expect_failure(store, faults[i].id, faults[i].name);
        expect_failure(store, faults[i].id, faults[i].name);
        fail_sync = fail_write = 0;
        message = state_message("alerts", 1);
        state_add(store, message);
        message_free(message);
        is_int(waiting(store), ++expected, "works again, and what failed is not there");
    }
    store_close(store);
    hook_writes(false);
    store = state_must_open();
    is_int(waiting(store), expected, "nor after a reopening");
    store_close(store);
}

int main(void)
{
    static void (*const tests[])(void) = { test_lock, test_newer, test_not_a_database, test_no_directory, test_group_commit, test_alone,
                                           test_close_finishes, test_processes, test_threads, test_kill, test_faults };

    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        state_make();
        tests[i]();
        state_remove();
    }
    crypto_key_free(state_key);
    return done();
}
