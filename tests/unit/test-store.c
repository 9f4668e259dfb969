/* SPDX-License-Identifier: Apache-2.0 */
/* The store as a whole: opening, group commit, components and their secrets, copies. */
#include <pthread.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "component/json.h"
#include "model/account.h"
#include "model/services.h"
#include "model/trust_store.h"
#include "model/user.h"
#include "state.h"

/* ---- the tables and the property tables ---- */

static bool is_stored(const struct prop *prop)
{
    return prop->type != PROP_SECRET && (!(prop->flags & PROP_READONLY) || prop->flags & PROP_PERSISTENT);
}

static const char *column_type(const struct prop *prop)
{
    return prop->type == PROP_BOOL || prop->type == PROP_INT || prop->type == PROP_TIME ? "INTEGER" : "TEXT";
}

static bool has_column(sqlite3 *db, const char *table, const char *column, const char *type)
{
    sqlite3_stmt *stmt;
    bool found;

    sqlite3_prepare_v2(db, "SELECT 1 FROM pragma_table_info(?) WHERE name = ? AND type = ?", -1, &stmt, NULL);
    sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 2, column, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 3, type, -1, SQLITE_STATIC);
    found = sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return found;
}

static bool has_prop(const struct component_type *type, const char *column)
{
    static const char *const own[] = { "name", "changed_at", "changed_by" };

    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (strcmp(own[i], column) == 0)
            return true;
    for (const struct prop *prop = type->props; prop->name; prop++) {
        AUTO_FREE char *name = prop_column(prop);

        if (is_stored(prop) && strcmp(name, column) == 0)
            return true;
    }
    return false;
}

static void check_type(sqlite3 *db, const struct component_type *type)
{
    bool good = true;
    sqlite3_stmt *stmt;

    for (const struct prop *prop = type->props; prop->name; prop++) {
        AUTO_FREE char *column = prop_column(prop);

        if (is_stored(prop) && !has_column(db, type->table, column, column_type(prop))) {
            printf("# %s has no %s column \"%s\"\n", type->table, column_type(prop), column);
            good = false;
        }
    }
    sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_info(?)", -1, &stmt, NULL);
    sqlite3_bind_text(stmt, 1, type->table, -1, SQLITE_STATIC);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        if (!has_prop(type, (const char *)sqlite3_column_text(stmt, 0))) {
            printf("# %s has no property for the column \"%s\"\n", type->name, sqlite3_column_text(stmt, 0));
            good = false;
        }
    }
    sqlite3_finalize(stmt);
    ok(good, "columns of %s are the properties of %s", type->table, type->name);
}

static sqlite3 *look_inside(void)
{
    sqlite3 *db;

    if (sqlite3_open_v2(state_file("postern.db"), &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        abort();
    return db;
}

static void test_columns(void)
{
    struct store *store = state_must_open();
    sqlite3 *db = look_inside();

    for (const struct component_type *const *type = model_types; *type; type++)
        if ((*type)->table)
            check_type(db, *type);
    sqlite3_close(db);
    store_close(store);
}

/* ---- components ---- */

struct component_job {
    const struct component_type *type;
    const char *name, *other;
    void *component;
    char seen[256];
};

static int put_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct component_job *job = ctx;
    struct store_stamp stamp = { "admin", 1234 };

    return store_put(tx, job->type, job->name, job->component, &stamp, err);
}

static int find_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct component_job *job = ctx;

    return store_find(tx, job->type, job->name, &job->component, err);
}

static int remove_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct component_job *job = ctx;

    return store_remove(tx, job->type, job->name, err);
}

static int rename_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct component_job *job = ctx;

    return store_rename(tx, job->type, job->name, job->other, err);
}

static int put_state_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct component_job *job = ctx;

    return store_put_state(tx, job->type, job->name, job->component, err);
}

static void *find(struct store *store, const struct component_type *type, const char *name, struct err *err)
{
    struct component_job job = { .type = type, .name = name };

    return store_read(store, find_run, &job, err) == 0 ? job.component : NULL;
}

static struct account *sample_account(void)
{
    struct account *account = component_new(&outgoing_account_type);
    json_t *patch = json_pack("{s:s, s:b, s:i, s:s, s:s, s:{s:s, s:s, s:s}}", "hostname", "mail.example.com", "useSsl", 1, "port", 465,
                              "tlsMinProtocol", "tlsv1.3", "from", "Kiln \xc3\xb6 <kiln@example.com>", "emailAuthenticator", "type", "basic",
                              "username", "plant", "password", "Geheim-4711-xyz");
    AUTO_PROBLEMS(problems);

    component_patch(&outgoing_account_type, account, patch, &problems);
    json_decref(patch);
    account->paused = true;
    account->number_sent = 77;
    account->last_tls = json_pack("{s:s}", "protocol", "TLSv1.3");
    return account;
}

static bool same(const struct component_type *type, const void *a, const void *b)
{
    json_t *left = json_object(), *right = json_object();
    bool equal;

    component_to_json(type, a, VIEW_CONFIG, left);
    component_to_json(type, b, VIEW_CONFIG, right);
    component_to_json(type, a, VIEW_STATUS, left);
    component_to_json(type, b, VIEW_STATUS, right);
    equal = json_equal(left, right);
    json_decref(left);
    json_decref(right);
    return equal;
}

static void test_components(void)
{
    struct store *store = state_must_open();
    struct component_job job = { .type = &outgoing_account_type, .name = "alerts", .component = sample_account() };
    struct account *account = job.component, *back;
    struct err err = { 0 };

    ok(store_write(store, put_run, &job, true, &err) == 0, "put");
    store_close(store);
    store = state_must_open();
    back = find(store, job.type, "alerts", &err);
    ok(back && same(job.type, account, back), "kept over a reopening, every property");
    is_str(account_basic(back)->password.value, "Geheim-4711-xyz", "the secret too");
    component_free(job.type, back);

    account->number_sent = 78;
    free(account->hostname);
    account->hostname = mem_strdup("elsewhere.example.com");
    ok(store_write(store, put_state_run, &job, false, &err) == 0, "put_state");
    back = find(store, job.type, "alerts", &err);
    is_int(back->number_sent, 78, "put_state writes what the server counts");
    is_str(back->hostname, "mail.example.com", "and nothing else");
    component_free(job.type, back);

    job.other = "alarms";
    ok(store_write(store, rename_run, &job, true, &err) == 0, "rename");
    back = find(store, job.type, "alarms", &err);
    is_str(back ? account_basic(back)->password.value : "", "Geheim-4711-xyz", "the secret can be opened under the new name");
    component_free(job.type, back);
    ok(find(store, job.type, "alerts", &err) == NULL && err.code == ERR_NOT_FOUND, "nothing under the old");
    ok(store_write(store, remove_run, &job, true, &err) < 0 && err.code == ERR_NOT_FOUND, "removing what is not there");
    job.name = "alarms";
    ok(store_write(store, remove_run, &job, true, &err) == 0, "remove");
    ok(store_write(store, put_state_run, &job, true, &err) < 0 && err.code == ERR_NOT_FOUND, "put_state makes nothing");
    component_free(job.type, job.component);
    store_close(store);
}

/* Every type at its defaults goes in and comes out. */
static void test_every_type(void)
{
    struct store *store = state_must_open();

    for (const struct component_type *const *type = model_types; *type; type++) {
        struct component_job job = { .type = *type, .name = "x", .component = component_new(*type) };
        struct err err = { 0 };
        void *back;

        if ((*type)->table == NULL)
            continue;
        store_write(store, put_run, &job, true, &err);
        back = find(store, *type, "x", &err);
        ok(back && same(*type, job.component, back), "%s in and out", (*type)->name);
        if (back == NULL)
            printf("# %s\n", err.text);
        component_free(*type, job.component);
        component_free(*type, back);
    }
    store_close(store);
}

static int note_name(const char *name, void *component, const struct store_stamp *stamp, void *ctx)
{
    struct component_job *job = ctx;
    size_t len = strlen(job->seen);

    snprintf(job->seen + len, sizeof(job->seen) - len, "%s/%s/%lld ", name, stamp->by, (long long)stamp->at);
    component_free(job->type, component);
    return strcmp(name, "c") == 0 ? 1 : 0;
}

static int each_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct component_job *job = ctx;

    return store_each(tx, job->type, "a", note_name, job, err);
}

static void test_each(void)
{
    static const char *const names[] = { "d", "b", "a", "c" };
    struct store *store = state_must_open();
    struct component_job job = { .type = &user_type, .component = component_new(&user_type) };
    struct err err = { 0 };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        job.name = names[i];
        store_write(store, put_run, &job, true, &err);
    }
    component_free(&user_type, job.component);
    ok(store_read(store, each_run, &job, &err) == 0, "each");
    is_str(job.seen, "b/admin/1234 c/admin/1234 ", "in order of name, after the one given, until told to stop");
    store_close(store);
}

/* ---- secrets ---- */

static bool bytes_in_file(const char *file, const char *needle)
{
    FILE *f = fopen(file, "rb");
    size_t len = strlen(needle), have = 0;
    char *all;
    long size;
    bool found;

    if (f == NULL)
        return false;
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    rewind(f);
    all = mem_alloc((size_t)size + 1);
    have = fread(all, 1, (size_t)size, f);
    fclose(f);
    found = memmem(all, have, needle, len) != NULL;
    free(all);
    return found;
}

static void test_secrets(void)
{
    struct store *store = state_must_open();
    struct component_job job = { .type = &outgoing_account_type, .name = "alerts", .component = sample_account() };
    struct crypto_key *right = state_key, *wrong = crypto_key_new_random();
    struct err err = { 0 };
    sqlite3 *db;

    store_write(store, put_run, &job, true, &err);
    ok(bytes_in_file(state_file("postern.db-wal"), "mail.example.com"), "the log holds what was written");
    ok(!bytes_in_file(state_file("postern.db-wal"), "Geheim-4711"), "but not the secret");
    store_close(store);
    ok(bytes_in_file(state_file("postern.db"), "mail.example.com"), "the database holds what was written");
    ok(!bytes_in_file(state_file("postern.db"), "Geheim-4711"), "but not the secret either");

    state_key = wrong;
    store = state_must_open();
    ok(find(store, job.type, "alerts", &err) == NULL && strcmp(err.id, "seal.otherKey") == 0, "another key opens nothing");
    ok(strstr(err.text, "alerts") && !strstr(err.text, "Geheim"), "and says whose secret it was");
    store_close(store);
    state_key = right;
    crypto_key_free(wrong);

    db = look_inside();
    sqlite3_exec(db, "INSERT INTO outgoing_account SELECT * FROM outgoing_account WHERE 0; "
                     "UPDATE secret SET name = 'thief'; UPDATE outgoing_account SET name = 'thief'", NULL, NULL, NULL);
    sqlite3_close(db);
    store = state_must_open();
    ok(find(store, job.type, "thief", &err) == NULL && strcmp(err.id, "seal.damaged") == 0, "a seal moved to another name is not opened");
    store_close(store);
    component_free(job.type, job.component);
}

static void test_rekey(void)
{
    struct store *store = state_must_open();
    struct component_job job = { .type = &outgoing_account_type, .name = "alerts", .component = sample_account() };
    struct crypto_key *old = state_key, *fresh = crypto_key_new_random();
    struct err err = { 0 };
    struct account *back;

    store_write(store, put_run, &job, true, &err);
    ok(store_rekey(store, fresh, &err) == 0, "rekey");
    store_close(store);
    store = state_must_open();
    ok(find(store, job.type, "alerts", &err) == NULL, "the old key opens nothing any more");
    store_close(store);
    state_key = fresh;
    store = state_must_open();
    back = find(store, job.type, "alerts", &err);
    is_str(back ? account_basic(back)->password.value : "", "Geheim-4711-xyz", "the fresh one does");
    store_close(store);
    component_free(job.type, back);
    component_free(job.type, job.component);
    state_key = old;
    crypto_key_free(fresh);
}

/* ---- copies ---- */

static void test_backup(void)
{
    struct store *store = state_must_open();
    struct component_job job = { .type = &outgoing_account_type, .name = "alerts", .component = sample_account() };
    char target[320], kept[256];
    struct err err = { 0 };
    struct stat st = { 0 };
    struct account *back;

    snprintf(target, sizeof(target), "%s", state_file("copy"));
    store_write(store, put_run, &job, true, &err);
    ok(store_check(store, &err) == 0, "check finds nothing");
    ok(store_backup(store, target, &err) == 0, "backup");
    ok(stat(target, &st) == 0 && (st.st_mode & 0777) == 0600, "the copy is its owner's alone");
    ok(store_backup(store, target, &err) < 0 && err.code == ERR_EXISTS && strstr(err.text, target), "a backup overwrites nothing");
    store_close(store);

    snprintf(kept, sizeof(kept), "%s", state_dir);
    snprintf(state_dir, sizeof(state_dir), "%.200s/second", kept);
    mkdir(state_dir, 0700);
    rename(target, state_file("postern.db"));
    store = state_must_open();
    back = find(store, job.type, "alerts", &err);
    ok(back && same(job.type, job.component, back), "the copy opens and holds the account");
    component_free(job.type, back);
    store_close(store);
    snprintf(state_dir, sizeof(state_dir), "%s", kept);
    component_free(job.type, job.component);
}

int main(void)
{
    static void (*const tests[])(void) = { test_columns, test_components, test_every_type, test_each, test_secrets, test_rekey,
                                           test_backup };

    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        state_make();
        tests[i]();
        state_remove();
    }
    crypto_key_free(state_key);
    return done();
}
