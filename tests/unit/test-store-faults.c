/* SPDX-License-Identifier: Apache-2.0 */
/* What once went wrong in the store, or could: each a case of its own. */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "model/account.h"
#include "model/user.h"
#include "state.h"

static struct err failure;
static char alerts[] = "alerts", users[][4] = { "ann", "bob", "cid" };

struct asking {
    const char *account, *to, *id;
    int64_t now, removed;
    int max;
    struct store_message_counts counts;
    struct message *message;
    struct message *taken[4];
    int count;
};

static int rename_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct asking *asking = ctx;

    return store_message_rename_account(tx, asking->account, asking->to, err);
}

static int counts_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_counts(tx, asking->account, &asking->counts, err);
}

static struct store_message_counts counts(struct store *store, const char *account)
{
    struct asking asking = { .account = account };

    store_read(store, counts_run, &asking, &failure);
    return asking.counts;
}

static int update_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_message_update(tx, ctx, err);
}

static int purge_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_purge(tx, asking->account, asking->now, asking->max, &asking->removed, err);
}

static int64_t purge(struct store *store, int64_t before, int max)
{
    struct asking asking = { .account = "alerts", .now = before, .max = max };

    return store_write(store, purge_run, &asking, false, &failure) == 0 ? asking.removed : -1;
}

static int take(struct message *message, void *ctx)
{
    struct asking *asking = ctx;

    asking->taken[asking->count++] = message;
    return 0;
}

static int claim_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;
    struct store_lease lease = { "me", INT64_MAX };

    return store_message_claim(tx, asking->account, &lease, asking->now, 4, take, asking, err);
}

static void add_finished(struct store *store, const char *account, enum message_state state, int64_t at)
{
    struct message *message = state_message(account, 1);

    state_add(store, message);
    message->state = state;
    message->finished_at = at;
    message->next_attempt = 0;
    store_write(store, update_run, message, false, &failure);
    message_free(message);
}

/* ---- renaming ---- */

static void test_rename_to_a_name_with_history(void)
{
    struct store *store = state_must_open();
    struct asking asking = { .account = "new", .to = "old" };

    add_finished(store, "old", MESSAGE_SENT, 10);       /* of an account that was deleted since */
    add_finished(store, "new", MESSAGE_SENT, 20);
    ok(store_write(store, rename_run, &asking, true, &failure) == 0, "a name whose former account left messages can be taken");
    store_close(store);
}

static void test_rename_under_a_worker(void)
{
    struct store *store = state_must_open();
    struct asking asking = { .account = "alerts", .to = "alarms", .now = 100 };
    struct message *message = state_message("alerts", 1);

    state_add(store, message);
    message_free(message);
    store_write(store, claim_run, &asking, false, &failure);
    store_write(store, rename_run, &asking, true, &failure);
    asking.taken[0]->state = MESSAGE_SENT;              /* the worker knows the old name only */
    asking.taken[0]->finished_at = 200;
    store_write(store, update_run, asking.taken[0], false, &failure);
    is_int(counts(store, "alarms").waiting, 0, "a message that was under way during a rename is counted where it is");
    is_int(counts(store, "alerts").waiting, 0, "and not where it was");
    message_free(asking.taken[0]);
    store_close(store);
}

/* ---- retention ---- */

static struct message *add_received(struct store *store)
{
    struct message *message = state_message("alerts", 0);

    message->direction = MESSAGE_INCOMING;
    message->state = MESSAGE_RECEIVED;
    state_add(store, message);
    return message;
}

static void acknowledge(struct store *store, struct message *message)
{
    message->acknowledged = true;
    store_write(store, update_run, message, false, &failure);
}

static void test_retention_of_received(void)
{
    struct store *store = state_must_open();
    struct message *message;

    message = add_received(store);
    acknowledge(store, message);
    message_free(message);
    is_int(purge(store, clock_now() - DAYS(30), 100), 0, "just acknowledged: kept for the retention");
    is_int(purge(store, clock_now() + 1000, 100), 1, "and removed after it");
    for (int i = 0; i < 5; i++)
        message_free(add_received(store));              /* nobody ever acknowledges these */
    message = add_received(store);
    acknowledge(store, message);
    message_free(message);
    is_int(purge(store, clock_now() + 1000, 3), 1, "unacknowledged ones at the front don't keep others for ever");
    is_int(purge(store, clock_now() + 1000, 3), 0, "and are never removed");
    store_close(store);
}

static void test_held_by_limit(void)
{
    struct store *store = state_must_open();

    for (int i = 0; i < 3; i++) {
        struct message *message = state_message("alerts", 1);

        message->state = MESSAGE_HELD;
        message->held_by_limit = i > 0;
        state_add(store, message);
        message_free(message);
    }
    is_int(counts(store, "alerts").held, 3, "held");
    is_int(counts(store, "alerts").held_by_limit, 2, "of which by the day's limit");
    store_close(store);
}

/* ---- copies ---- */

static atomic_bool enough;

static void *keep_writing(void *store)
{
    while (!enough) {
        struct message *message = state_message("alerts", 1);

        state_add(store, message);
        message_free(message);
    }
    return NULL;
}

static int big_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct message *first, *message = state_message("alerts", 1);
    struct str *raw = ctx;
    int rc = store_message_add(tx, message, *raw, NULL, &first, err);

    message_free(message);
    return rc;
}

static void test_backup_beside_writes(void)
{
    struct store *store = state_must_open();
    struct str raw = { mem_alloc(1 << 20), 1 << 20 };
    pthread_t thread;
    int64_t start;
    int status;
    pid_t child;

    for (int i = 0; i < 40; i++)
        store_write(store, big_run, &raw, false, &failure);
    free((char *)raw.p);
    store_close(store);
    child = fork();             /* so that a backup which never ends can be ended */
    if (child == 0) {
        store = state_must_open();
        enough = false;
        pthread_create(&thread, NULL, keep_writing, store);
        _exit(store_backup(store, state_file("copy"), &failure) == 0 ? 0 : 1);
    }
    start = clock_mono();
    while (waitpid(child, &status, WNOHANG) == 0 && clock_mono() - start < SECONDS(10))
        usleep(10000);
    if (clock_mono() - start >= SECONDS(10)) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a backup ends while others write");
}

/* ---- opening ---- */

static void test_first_start_of_several(void)
{
    enum { PROCESSES = 6 };
    pid_t children[PROCESSES];
    bool good = true;
    int status;

    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct store *store = state_open(false, &failure);

            if (store == NULL)
                printf("# %s\n", failure.text);
            fflush(stdout);
            store_close(store);
            _exit(store ? 0 : 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        waitpid(children[i], &status, 0);
        good &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    ok(good, "several processes may open a directory for the first time at once");
}

static void test_foreign(void)
{
    sqlite3 *db;
    struct store *store;

    sqlite3_open(state_file("postern.db"), &db);
    sqlite3_exec(db, "CREATE TABLE recipes (name TEXT)", NULL, NULL, NULL);
    sqlite3_close(db);
    chmod(state_file("postern.db"), 0600);
    store = state_open(false, &failure);
    ok(store == NULL, "another program's database is left alone");
    store_close(store);
}

static void test_open_to_others(void)
{
    struct store *store;

    store_close(state_must_open());
    chmod(state_file("postern.db"), 0644);
    store = state_open(false, &failure);
    ok(store == NULL && strstr(failure.text, state_file("postern.db")) && strstr(failure.text, "0644"),
       "a database that others can read is refused, naming it and its mode");
    store_close(store);
}

static int put_account(struct store_tx *tx, void *ctx, struct err *err)
{
    struct store_stamp stamp = { "admin", 1 };
    struct account *account = component_new(&outgoing_account_type);
    struct variant *authenticator = &account->authenticator;
    int rc;

    ((struct auth_basic *)authenticator->value)->password.value = mem_strdup("Geheim-4711");
    rc = store_put(tx, &outgoing_account_type, ctx, account, &stamp, err);
    component_free(&outgoing_account_type, account);
    return rc;
}

static int find_account(struct store_tx *tx, void *ctx, struct err *err)
{
    struct account *account;

    if (store_find(tx, &outgoing_account_type, ctx, (void **)&account, err) < 0)
        return -1;
    component_free(&outgoing_account_type, account);
    return 0;
}

static void test_no_key(void)
{
    struct crypto_key *kept = state_key;
    struct store *store = state_must_open();
    int status;
    pid_t child;

    store_write(store, put_account, alerts, true, &failure);
    store_close(store);
    child = fork();
    if (child == 0) {
        state_key = NULL;
        store = state_must_open();
        store_read(store, find_account, alerts, &failure);
        store_write(store, put_account, alerts, true, &failure);
        store_close(store);
        _exit(0);
    }
    waitpid(child, &status, 0);
    ok(WIFEXITED(status), "without a key, a secret is an error and not a crash");
    state_key = kept;
}

static void test_rekey_goes_on(void)
{
    struct store *store = state_must_open();
    struct crypto_key *fresh = crypto_key_new_random();

    store_write(store, put_account, alerts, true, &failure);
    ok(store_rekey(store, fresh, &failure) == 0, "rekey");
    ok(store_read(store, find_account, alerts, &failure) == 0, "the store goes on with the fresh key");
    ok(store_rekey(store, fresh, &failure) == 0, "a rekey that is repeated after a crash between database and key file succeeds");
    store_close(store);
    crypto_key_free(fresh);
}

static void test_stats(void)
{
    struct store *store = state_must_open();
    struct store_stats stats;

    store_stats(store, &stats);
    ok(stats.database_bytes > 0, "the database's size is told");
    store_close(store);
}

/* ---- a statement within another of the same kind ---- */

struct nesting {
    struct store_tx *tx;
    int seen;
};

static int put_user(struct store_tx *tx, void *ctx, struct err *err)
{
    struct store_stamp stamp = { "admin", 1 };
    void *user = component_new(&user_type);
    int rc = store_put(tx, &user_type, ctx, user, &stamp, err);

    component_free(&user_type, user);
    return rc;
}

static int count_inner(const char *name, void *component, const struct store_stamp *stamp, void *ctx)
{
    (void)name;
    (void)stamp;
    (void)ctx;
    component_free(&user_type, component);
    return 0;
}

static int count_outer(const char *name, void *component, const struct store_stamp *stamp, void *ctx)
{
    struct nesting *nesting = ctx;

    (void)name;
    (void)stamp;
    component_free(&user_type, component);
    if (++nesting->seen > 10)
        return 1;
    return store_each(nesting->tx, &user_type, "", count_inner, NULL, &failure);
}

static int nested_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct nesting *nesting = ctx;

    nesting->tx = tx;
    return store_each(tx, &user_type, "", count_outer, nesting, err);
}

static void test_nested(void)
{
    struct store *store = state_must_open();
    struct nesting nesting = { 0 };

    store_write(store, put_user, users[0], true, &failure);
    store_write(store, put_user, users[1], true, &failure);
    store_write(store, put_user, users[2], true, &failure);
    store_read(store, nested_run, &nesting, &failure);
    is_int(nesting.seen, 3, "a walk within a walk over the same type");
    store_close(store);
}

/* ---- the queue of jobs ---- */

static pthread_t submitter;
static atomic_int refused, refused_here;

static int wait_run(struct store_tx *tx, void *ctx, struct err *err)
{
    (void)tx;
    (void)err;
    while (!*(atomic_bool *)ctx)
        usleep(1000);
    return 0;
}

static void note_refusal(void *ctx, const struct err *err)
{
    (void)ctx;
    if (err && err->code == ERR_FULL) {
        refused++;
        refused_here += pthread_equal(pthread_self(), submitter);
    }
}

static void test_full(void)
{
    struct store *store = state_must_open();
    atomic_bool go = false;

    submitter = pthread_self();
    for (int i = 0; i < 21000; i++)
        store_submit(store, wait_run, note_refusal, &go, false);
    go = true;
    store_close(store);
    ok(refused >= 400 && refused <= 1000, "too many jobs: the last are refused");
    is_int(refused_here, 0, "on the writer's thread, where done() is always called");
}

static void test_batch_bytes(void)
{
    struct store *store = state_must_open();
    struct str raw = { mem_alloc(1 << 20), 1 << 20 };
    struct store_stats before, after;
    atomic_bool go = false;

    store_stats(store, &before);
    store_submit(store, wait_run, note_refusal, &go, true);
    for (int i = 0; i < 40; i++)
        store_submit(store, big_run, note_refusal, &raw, false);
    go = true;
    store_write(store, big_run, &raw, true, &failure);
    store_stats(store, &after);
    ok(after.commits - before.commits >= 6, "large jobs are not all put into one transaction (%d commits)",
       (int)(after.commits - before.commits));
    free((char *)raw.p);
    store_close(store);
}

/* ---- numbers ---- */

static int remove_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_message_remove(tx, *(int64_t *)ctx, err);
}

static void test_seq(void)
{
    struct store *store = state_must_open();
    struct message *first = state_message("alerts", 1), *second = state_message("alerts", 1);
    int64_t seq = state_add(store, first);

    store_write(store, remove_run, &seq, false, &failure);
    ok(state_add(store, second) > seq, "a seq is never used twice");
    message_free(first);
    message_free(second);
    store_close(store);
}

/* ---- a sync that failed ---- */

static int fail_sync;

int fdatasync(int fd)
{
    if (fail_sync) {
        errno = fail_sync;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

/* The commit's pages were written and only their sync failed: whoever was told "failed" must not find it done after a crash. */
static void test_failed_sync_then_killed(void)
{
    struct store *store;
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct message *message = state_message("alerts", 1);
        struct state_add add = { .message = message, .raw = STR("x") };

        store = state_must_open();
        state_add(store, message);
        message = state_message("alerts", 1);
        add.message = message;
        fail_sync = EIO;
        status = store_write(store, state_add_run, &add, false, &failure);
        usleep(50000);
        kill(getpid(), status < 0 ? SIGKILL : SIGTERM);
    }
    waitpid(child, &status, 0);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the sync failed, and the process was killed");
    store = state_must_open();
    is_int(counts(store, "alerts").waiting, 1, "what failed is not there after a restart");
    store_close(store);
}

int main(void)
{
    static void (*const tests[])(void) = {
        test_rename_to_a_name_with_history, test_rename_under_a_worker, test_retention_of_received, test_held_by_limit,
        test_backup_beside_writes, test_first_start_of_several, test_foreign, test_open_to_others, test_no_key, test_rekey_goes_on,
        test_stats, test_nested, test_full, test_batch_bytes, test_seq, test_failed_sync_then_killed,
    };

    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        state_make();
        tests[i]();
        state_remove();
    }
    crypto_key_free(state_key);
    return done();
}
