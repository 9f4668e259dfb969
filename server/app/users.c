/* SPDX-License-Identifier: Apache-2.0 */
#include "app/users.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/audit.h"
#include "app/events.h"
#include "app/users_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "jobs/jobs.h"
#include "model/services.h"
#include "model/user.h"
#include "store/store.h"

#define HASHING_WAITING_MAX 200         /* at 2 x 20 a second: who waits longer has gone */

void users_set_text(char **at, const char *text)
{
    free(*at);
    *at = mem_strdup(text);
}

/* ---- passwords made and stored ---- */

char *users_random_password(void)
{
    /* Crockford's: nothing that looks like something else. */
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t random[20];
    char *text = mem_alloc(sizeof(random) + 4), *at = text;

    if (crypto_random(random, sizeof(random)) < 0) {
        free(text);
        return NULL;
    }
    for (size_t i = 0; i < sizeof(random); i++) {
        if (i > 0 && i % 5 == 0)
            *at++ = '-';
        *at++ = digits[random[i] & 31];
    }
    mem_wipe(random, sizeof(random));
    return text;
}

/* The first line; whatever ends it is not part of the password. */
static int read_password_file(const char *path, char **ret, struct err *err)
{
    char text[CRYPTO_PASSWORD_MAX + 3];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    int saved = errno;

    if (fd >= 0)
        close(fd);
    if (len < 0)
        return err_id(err, ERR_INVALID, "password.file", NULL, "The password file %s cannot be read: %s.", path, strerror(saved));
    text[len] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (*text && strlen(text) <= CRYPTO_PASSWORD_MAX && strlen(text) < (size_t)len + 1)
        *ret = mem_strdup(text);
    mem_wipe(text, sizeof(text));
    if (*ret == NULL)
        return err_id(err, ERR_INVALID, "password.file", NULL,
                      "The first line of the password file %s must be a password of 1 to %d bytes.", path, CRYPTO_PASSWORD_MAX);
    return 0;
}

struct put {
    struct station *station;
    const char *name;
    struct user *user;                  /* owned until published */
    const struct actor *actor;
    const char *action;
};

static int put_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct put *put = ctx;
    const struct store_stamp stamp = { put->actor->name, clock_now() };
    AUTO_FREE char *resource = mem_printf("User/%s", put->name);

    if (store_put(tx, &user_type, put->name, put->user, &stamp, err) < 0)
        return -1;
    if (audit_add(tx, put->actor, put->action, resource, NULL, err) < 0)
        return -1;
    return events_add_component(tx, &user_type, strcmp(put->action, "create") == 0 ? "created" : "changed", put->name, NULL, err);
}

static void publish(struct station *station, const char *name, struct user *user, const char *by)
{
    entry_free(registry_put(station->users, entry_new(&user_type, name, user, by, clock_now(), station->key)));
}

static int put_user(struct put *put, struct err *err)
{
    if (store_write(put->station->store, put_run, put, true, err) < 0) {
        component_free(&user_type, put->user);
        return -1;
    }
    publish(put->station, put->name, put->user, put->actor->name);
    return 0;
}

int users_set_password(struct user *user, const char *password, bool must_change, struct err *err)
{
    char *hash;

    if (crypto_password_hash(password, &hash) < 0)
        return err_id(err, ERR_INVALID, "password.long", NULL, "A password has at most %d bytes.", CRYPTO_PASSWORD_MAX);
    free(user->password_hash);
    user->password_hash = hash;
    user->password_changed_at = clock_now();
    user->must_change_password = must_change;
    return 0;
}

static struct user *admin_with(const char *password, bool must_change, struct err *err)
{
    struct user *user = component_new(&user_type);

    user->role = USER_ADMIN;
    user->created_at = clock_now();
    if (users_set_password(user, password, must_change, err) == 0)
        return user;
    component_free(&user_type, user);
    return NULL;
}

int users_first(struct station *station, const char *password_file, char **one_time, struct err *err)
{
    static const struct actor actor = { "postern", "" };
    struct put put = { station, "admin", NULL, &actor, "create" };
    AUTO_SECRET char *password = NULL;

    *one_time = NULL;
    if (registry_count(station->users) > 0)
        return 0;
    if (password_file && read_password_file(password_file, &password, err) < 0)
        return -1;
    if (password == NULL && (password = users_random_password()) == NULL)
        return err_set(err, ERR_INTERNAL, NULL, "The system gave no random numbers.");
    put.user = admin_with(password, password_file == NULL, err);
    if (put.user == NULL || put_user(&put, err) < 0)
        return -1;
    if (password_file == NULL)
        *one_time = TAKE(password);
    return 0;
}

int users_reset_password(struct station *station, const char *username, const char *fresh, const struct actor *actor,
                         struct err *err)
{
    AUTO(entry) entry = registry_get(station->users, username);
    struct put put = { station, username, NULL, actor, "resetPassword" };

    if (entry == NULL)
        return err_id(err, ERR_NOT_FOUND, "user.notFound", NULL, "There is no user \"%.64s\".", username);
    put.user = component_copy(&user_type, entry->component);
    if (users_set_password(put.user, fresh, true, err) < 0) {
        component_free(&user_type, put.user);
        return -1;
    }
    return put_user(&put, err);
}

/* ---- the pool for hashes ---- */

int users_hash_later(struct station *station, void (*fn)(void *ctx), void *ctx, struct err *err)
{
    struct jobs_stats stats;

    jobs_stats(station->hashing, &stats);
    if (stats.waiting >= HASHING_WAITING_MAX)
        return err_id(err, ERR_FULL, "login.busy", NULL, "Too many people log in at once. Try again in a few seconds.");
    jobs_submit(station->hashing, fn, ctx);
    return 0;
}

/* ---- log-in ---- */

struct find {
    const char *name;
    struct user *user;
};

static int find_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct find *find = ctx;

    return store_find(tx, &user_type, find->name, (void **)&find->user, err);
}

/* As stored: a password that the command line reset holds at once. NULL and err NONE: there is no such user. */
static struct user *find_user(struct station *station, const char *name, struct err *err)
{
    struct find find = { name, NULL };

    *err = (struct err){ 0 };
    if (!component_name_ok(str_c(name)))
        return NULL;
    if (store_read(station->store, find_run, &find, err) < 0 && err->code == ERR_NOT_FOUND)
        *err = (struct err){ 0 };
    return find.user;
}

/* What is stored is newer than what is here when another process wrote it. */
static struct entry *entry_of(struct station *station, const char *name, const struct user *user)
{
    struct entry *entry = registry_get(station->users, name);

    if (entry && strcmp(((const struct user *)entry->component)->password_hash, user->password_hash) == 0)
        return entry;
    entry_free(entry);
    return entry_new(&user_type, name, component_copy(&user_type, user), "", clock_now(), station->key);
}

static void login_free(struct users_login *login)
{
    entry_free(login->user);
    free(login->username);
    mem_free_secret(login->password);
    free(login);
}

static void login_work(void *ctx)
{
    struct users_login *login = ctx;
    struct err err;
    struct user *user = find_user(login->station, login->username, &err);
    bool good = crypto_password_verify(login->password, user ? user->password_hash : NULL);

    if (good)
        login->user = entry_of(login->station, login->username, user);
    else if (err.code == ERR_NONE)
        err_id(&err, ERR_UNAUTHORIZED, "user.wrongPassword", NULL, "The name or the password is wrong.");
    component_free(&user_type, user);
    login->done(login, good ? NULL : &err);
    login_free(login);
}

void users_login(struct users_login *login)
{
    struct err err;

    if (users_hash_later(login->station, login_work, login, &err) < 0) {
        login->done(login, &err);
        login_free(login);
    }
}

struct note {
    struct station *station;
    char *username;
    int64_t at;
};

/* Only what is stored now is written back: the rest may have changed since. */
static int note_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct note *note = ctx;
    struct user *user;
    int rc;

    if (store_find(tx, &user_type, note->username, (void **)&user, err) < 0)
        return -1;
    user->last_login = note->at;
    rc = store_put_state(tx, &user_type, note->username, user, err);
    component_free(&user_type, user);
    return rc;
}

static void note_done(void *ctx, const struct err *err)
{
    struct note *note = ctx;
    AUTO(entry) entry = registry_get(note->station->users, note->username);

    if (err == NULL && entry) {
        struct user *user = component_copy(&user_type, entry->component);

        user->last_login = note->at;
        entry_free(registry_put(note->station->users, entry_new(&user_type, note->username, user, entry->changed_by,
                                                                entry->changed_at, note->station->key)));
    } else if (err && err->code != ERR_NOT_FOUND) {
        log_warning("users", "The log-in of \"%s\" could not be noted: %s", note->username, err->text);
    }
    free(note->username);
    free(note);
}

void users_note_login(struct station *station, const char *username)
{
    struct note *note = mem_alloc(sizeof(*note));

    *note = (struct note){ station, mem_strdup(username), clock_now() };
    store_submit(station->store, note_run, note_done, note, true);
}

/* ---- a new password for oneself ---- */

struct change {
    struct users_password *request;
    struct user *user;                  /* as it will be */
    char *old_hash;                     /* of the password that was checked */
};

void users_check_password(struct station *station, const char *pointer, const char *password, struct problems *problems)
{
    AUTO(entry) service = registry_get(station->services, user_service_type.name);
    int64_t least = ((const struct user_service *)service->component)->min_password_length;
    size_t characters = 0;

    for (const char *p = password; *p; p++)
        characters += ((unsigned char)*p & 0xc0) != 0x80;       /* UTF-8: all but what continues a character */
    if ((int64_t)characters < least)
        problems_add(problems, pointer, "password.short", "A password has at least %lld characters.", (long long)least);
    if (strlen(password) > CRYPTO_PASSWORD_MAX)
        problems_add(problems, pointer, "password.long", "A password has at most %d bytes.", CRYPTO_PASSWORD_MAX);
}

static void password_end(struct users_password *request, const struct err *err)
{
    request->done(request, err);
    problems_clear(&request->problems);
    free(request->username);
    mem_free_secret(request->old);
    mem_free_secret(request->fresh);
    free(request);
}

static int change_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct change *change = ctx;
    struct users_password *request = change->request;
    struct put put = { request->station, request->username, change->user, &request->actor, "changePassword" };
    struct user *now;
    bool same;

    if (store_find(tx, &user_type, request->username, (void **)&now, err) < 0)
        return -1;
    same = strcmp(now->password_hash, change->old_hash) == 0;
    component_free(&user_type, now);
    if (!same)
        return err_id(err, ERR_CONFLICT, "password.changed", NULL, "The password was changed meanwhile.");
    return put_run(tx, &put, err);
}

static void change_done(void *ctx, const struct err *err)
{
    struct change *change = ctx;
    struct users_password *request = change->request;

    if (err == NULL)
        publish(request->station, request->username, TAKE(change->user), request->actor.name);
    component_free(&user_type, change->user);
    free(change->old_hash);
    free(change);
    password_end(request, err);
}

/* Adds to the request's problems. */
static void check_change(struct users_password *request, const struct user *user)
{
    if (!crypto_password_verify(request->old, user ? user->password_hash : NULL)) {
        request->wrong = true;
        problems_add(&request->problems, "/old", "password.wrong", "The present password is wrong.");
        return;
    }
    users_check_password(request->station, "/new", request->fresh, &request->problems);
    if (strcmp(request->old, request->fresh) == 0)
        problems_add(&request->problems, "/new", "password.same", "The new password is the present one.");
}

static void password_work(void *ctx)
{
    struct users_password *request = ctx;
    struct change *change = mem_alloc(sizeof(*change));
    struct err err;

    change->request = request;
    change->user = find_user(request->station, request->username, &err);
    if (err.code == ERR_NONE)
        check_change(request, change->user);
    if (request->problems.count)
        err_id(&err, ERR_INVALID, request->problems.items[0].code, request->problems.items[0].pointer, "%s",
               request->problems.items[0].detail);
    if (err.code == ERR_NONE) {
        change->old_hash = mem_strdup(change->user->password_hash);
        users_set_password(change->user, request->fresh, false, &err);
    }
    if (err.code == ERR_NONE)
        store_submit(request->station->store, change_run, change_done, change, true);
    else
        change_done(change, &err);
}

void users_change_password(struct users_password *request)
{
    struct err err;

    if (users_hash_later(request->station, password_work, request, &err) < 0)
        password_end(request, &err);
}
