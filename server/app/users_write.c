/* SPDX-License-Identifier: Apache-2.0 */
/* Users as configuration: their passwords, which no document holds, and the last administrator, who stays. */
#include <stdlib.h>
#include <string.h>

#include "app/users_private.h"
#include "base/clock.h"
#include "crypto/crypto.h"
#include "model/user.h"
#include "store/store.h"

struct write {
    struct station *station;
    struct config_request *request;
    char *password;                     /* or NULL */
    char *hash;                         /* of `password` */
    char *kept_hash;                    /* the user's present one, when `password` is the present password */
    void (*done)(struct config_request *request, struct config_result *result);
};

/* ---- on the writer thread ---- */

struct admins {
    const char *but;
    size_t count;
};

static void count_admin(struct entry *entry, void *ctx)
{
    struct admins *admins = ctx;

    if (((const struct user *)entry->component)->role == USER_ADMIN && strcmp(entry->name, admins->but) != 0)
        admins->count++;
}

static int keep_an_admin(struct station *station, const struct entry *before, const struct user *after, struct err *err)
{
    struct admins others = { before ? before->name : "", 0 };

    if (before == NULL || ((const struct user *)before->component)->role != USER_ADMIN ||
        (after && after->role == USER_ADMIN))
        return 0;
    registry_each(station->users, count_admin, &others);
    if (others.count == 0)
        return err_id(err, ERR_CONFLICT, "user.lastAdmin", NULL,
                      "\"%s\" is the last administrator, and there must be one. Make another user an administrator first.",
                      before->name);
    return 0;
}

static void keep_state(struct user *after, const struct user *before)
{
    users_set_text(&after->password_hash, before->password_hash);
    after->must_change_password = before->must_change_password;
    after->created_at = before->created_at;
    after->last_login = before->last_login;
    after->password_changed_at = before->password_changed_at;
}

/* The same password again is no change: it keeps its hash, and with it the ETag. */
static void put_hash(const struct write *write, struct user *after)
{
    if (write->kept_hash && strcmp(write->kept_hash, after->password_hash) == 0)
        return;
    users_set_text(&after->password_hash, write->hash);
    after->password_changed_at = clock_now();
    after->must_change_password = false;
}

static int last_word(struct config_request *request, const struct entry *before, void *component, struct problems *problems,
                     struct err *err)
{
    const struct write *write = request->extra;
    struct user *after = component;

    if (keep_an_admin(request->station, before, after, err) < 0)
        return -1;
    if (after == NULL)
        return 0;
    if (before)
        keep_state(after, before->component);
    else
        after->created_at = clock_now();
    if (write->password)
        users_check_password(request->station, "/password", write->password, problems);
    else if (before == NULL)
        problems_add(problems, "/password", "property.required", "Give the new user a password.");
    if (write->hash)
        put_hash(write, after);
    return 0;
}

static void write_free(struct write *write)
{
    mem_free_secret(write->password);
    free(write->hash);
    free(write->kept_hash);
    free(write);
}

static void write_done(struct config_request *request, struct config_result *result)
{
    struct write *write = request->extra;

    write->done(request, result);       /* which frees the request */
    write_free(write);
}

void users_write_end(struct config_request *request)
{
    write_free(request->extra);
}

/* ---- on the pool for hashes ---- */

static void make_hashes(struct write *write)
{
    AUTO(entry) entry = registry_get(write->station->users, write->request->name);
    const struct user *user = entry ? entry->component : NULL;

    if (user && crypto_password_verify(write->password, user->password_hash))
        write->kept_hash = mem_strdup(user->password_hash);
    /* One that is too long makes none, and is refused by last_word(). */
    crypto_password_hash(write->password, &write->hash);
}

static void hash_work(void *ctx)
{
    struct write *write = ctx;
    AUTO_PROBLEMS(problems);

    /* A password that will be refused costs no hash. */
    users_check_password(write->station, "/password", write->password, &problems);
    if (problems.count == 0)
        make_hashes(write);
    config_write(write->station, write->request);
}

static struct write *write_new(struct station *station, struct config_request *request, char *password)
{
    struct write *write = mem_alloc(sizeof(*write));

    *write = (struct write){ .station = station, .request = request, .password = password, .done = request->done };
    request->extra = write;
    request->last_word = last_word;
    return write;
}

void users_write_prepare(struct station *station, struct config_request *request, char *password)
{
    struct write *write = write_new(station, request, password);

    if (password)
        make_hashes(write);
}

void users_write(struct station *station, struct config_request *request, char *password)
{
    struct write *write = write_new(station, request, password);
    struct config_result refused = { .outcome = CONFIG_FAILED };

    request->done = write_done;
    if (password == NULL)
        config_write(station, request);
    else if (users_hash_later(station, hash_work, write, &refused.err) < 0)
        write_done(request, &refused);
}

/* ---- what another process wrote ---- */

struct reread {
    struct station *station;
    struct registry *users, *tokens;    /* as stored */
    void (*changed)(const char *username, void *ctx);
    void *ctx;
};

static int reread_one(struct reread *reread, struct registry *into, const struct component_type *type, const char *name,
                      void *component, const struct store_stamp *stamp)
{
    entry_free(registry_put(into, entry_new(type, name, component, stamp->by, stamp->at, reread->station->key)));
    return 0;
}

static int reread_user(const char *name, void *component, const struct store_stamp *stamp, void *ctx)
{
    struct reread *reread = ctx;

    return reread_one(reread, reread->users, &user_type, name, component, stamp);
}

static int reread_token(const char *name, void *component, const struct store_stamp *stamp, void *ctx)
{
    struct reread *reread = ctx;

    return reread_one(reread, reread->tokens, &token_type, name, component, stamp);
}

static int reread_run(struct store_tx *tx, void *ctx, struct err *err)
{
    if (store_each(tx, &user_type, "", reread_user, ctx, err) < 0)
        return -1;
    return store_each(tx, &token_type, "", reread_token, ctx, err);
}

static void look_at_user(struct entry *entry, void *ctx)
{
    struct reread *reread = ctx;
    AUTO(entry) now = registry_get(reread->users, entry->name);

    if (now == NULL)
        entry_free(registry_remove(reread->station->users, entry->name));
    if ((now == NULL || strcmp(entry_etag(now), entry_etag(entry)) != 0) && reread->changed)
        reread->changed(entry->name, reread->ctx);
}

static void look_at_token(struct entry *entry, void *ctx)
{
    struct reread *reread = ctx;
    AUTO(entry) now = registry_get(reread->tokens, entry->name);

    if (now == NULL)
        entry_free(registry_remove(reread->station->tokens, entry->name));
}

static void take_user(struct entry *entry, void *ctx)
{
    entry_free(registry_put(((struct station *)ctx)->users, entry_hold(entry)));
}

static void take_token(struct entry *entry, void *ctx)
{
    entry_free(registry_put(((struct station *)ctx)->tokens, entry_hold(entry)));
}

static void reread_done(void *ctx, const struct err *err)
{
    struct reread *reread = ctx;

    if (err == NULL) {
        registry_each(reread->station->users, look_at_user, reread);
        registry_each(reread->station->tokens, look_at_token, reread);
        registry_each(reread->users, take_user, reread->station);
        registry_each(reread->tokens, take_token, reread->station);
    }
    registry_free(reread->users);
    registry_free(reread->tokens);
    free(reread);
}

void users_reread(struct station *station, void (*changed)(const char *username, void *ctx), void *ctx)
{
    struct reread *reread = mem_alloc(sizeof(*reread));

    *reread = (struct reread){ station, registry_new(), registry_new(), changed, ctx };
    store_submit(station->store, reread_run, reread_done, reread, true);
}
