/* SPDX-License-Identifier: Apache-2.0 */
/* /session: log in, log out, change one's password. DESIGN 5.
 *
 * Whoever logs in with a one-time password has a session without a role until the password is changed: the only thing it opens is
 * this page. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "app/audit.h"
#include "app/users.h"
#include "base/clock.h"
#include "http/guess.h"
#include "model/services.h"
#include "model/user.h"

/* ---- guessing ---- */

/* One for the process. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct guess *guesses;

static struct guess *guesses_locked(struct station *station)
{
    AUTO(entry) entry = registry_get(station->services, user_service_type.name);
    const struct user_service *service = entry->component;

    if (guesses == NULL)
        guesses = guess_new((int)service->failures_before_lockout, SECONDS(service->lockout));
    else
        guess_set(guesses, (int)service->failures_before_lockout, SECONDS(service->lockout));
    return guesses;
}

/* Whole seconds to wait; 0: none. `count`: this is a try. It is counted before it is checked, so that many at once don't get many
 * for free; the right password wipes the slate. */
static int wait_before(struct http_call *call, const char *username, bool count)
{
    const char *address = http_identity(call)->address;
    int64_t now = clock_mono(), wait;

    pthread_mutex_lock(&lock);
    struct guess *guess = guesses_locked(api_station(call));
    wait = guess_wait(guess, username, address, now);
    if (wait == 0 && count)
        guess_failed(guess, username, address, now);
    pthread_mutex_unlock(&lock);
    return (int)((wait + 999) / 1000);
}

static void wipe_slate(struct http_call *call, const char *username)
{
    pthread_mutex_lock(&lock);
    guess_succeeded(guesses_locked(api_station(call)), username, http_identity(call)->address);
    pthread_mutex_unlock(&lock);
}

static bool may_try(struct http_call *call, const char *username)
{
    int seconds = wait_before(call, username, true);
    AUTO_FREE char *after = mem_printf("%d", seconds);
    AUTO_FREE char *detail = mem_printf("Too many wrong passwords. Try again in %d seconds.", seconds);

    if (seconds == 0)
        return true;
    http_add_header(call, "Retry-After", after);
    http_answer_problem(call, 429, "login.locked", NULL, detail, NULL);
    return false;
}

/* What was typed as a name is named only when it is one: people type passwords there. */
static void note_wrong(struct http_call *call, const char *username)
{
    struct station *station = api_station(call);
    const char *address = http_identity(call)->address;
    AUTO(entry) known = registry_get(station->users, username);
    const struct actor actor = { known ? username : "", address };
    AUTO_FREE char *resource = mem_printf("User/%s", known ? username : "");
    int seconds = wait_before(call, username, false);

    audit_note(station, &actor, "loginFailed", resource, NULL);
    if (seconds > 0)
        audit_note(station, &actor, "lockOut", resource, json_pack("{s:i}", "seconds", seconds));
}

/* ---- log-in ---- */

static json_t *session_json(struct http_call *call, const struct entry *entry, const char *csrf)
{
    const struct user *user = entry->component;
    char ends[CLOCK_TEXT_MAX];
    int64_t idle, left;

    http_session_limits(call, &idle, &left);
    return json_pack("{s:s, s:s, s:s?, s:b, s:s, s:I}", "username", entry->name, "role", user_roles[user->role], "csrfToken", csrf,
                     "mustChangePassword", user->must_change_password, "expiresAt", clock_format(clock_now() + left, ends),
                     "idleTimeout", (json_int_t)(idle / 1000));
}

static void begin_session(struct http_call *call, const struct entry *entry)
{
    const struct user *user = entry->component;
    struct http_identity who = { .role = user->must_change_password ? ROLE_NONE : (enum role)(user->role + 1) };
    char csrf[44];
    struct err err;

    snprintf(who.user, sizeof(who.user), "%s", entry->name);
    if (http_session_new(call, &who, csrf) < 0) {
        err_id(&err, ERR_FULL, "session.full", NULL, "Too many people are logged in. Try again later.");
        http_answer_err(call, &err);
        return;
    }
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 200, session_json(call, entry, csrf));
}

static void login_done(struct users_login *login, const struct err *err)
{
    struct http_call *call = login->ctx;
    const struct actor actor = { login->username, http_identity(call)->address };

    if (err) {
        if (err->code == ERR_UNAUTHORIZED)
            note_wrong(call, login->username);
        http_answer_err(call, err);
        return;
    }
    wipe_slate(call, login->username);
    users_note_login(login->station, login->username);
    AUTO_FREE char *resource = mem_printf("User/%s", login->username);
    audit_note(login->station, &actor, "login", resource, NULL);
    begin_session(call, login->user);
}

static void session_post(struct http_call *call)
{
    AUTO_PROBLEMS(problems);
    AUTO_SECRET char *username = NULL;          /* may be a password typed in the wrong place */
    AUTO_SECRET char *password = NULL;
    struct users_login *login;
    json_t *document;

    if (api_json_body(call, &document) < 0)
        return;
    username = api_take_secret(document, "username", true, &problems);
    password = api_take_secret(document, "password", true, &problems);
    api_check_members(document, "", &problems);
    json_decref(document);
    if (problems.count) {
        api_answer_problems(call, &problems);
        return;
    }
    if (!may_try(call, username))
        return;
    login = mem_alloc(sizeof(*login));
    login->station = api_station(call);
    login->username = TAKE(username);
    login->password = TAKE(password);
    login->done = login_done;
    login->ctx = call;
    users_login(login);
}

/* ---- the session there is ---- */

/* These routes are open to all, so that nobody has checked this yet. */
static bool csrf_ok(struct http_call *call)
{
    const char *ours = http_session_csrf(call), *given = http_header(call, "X-CSRF-Token");

    return http_method_of(call) == HTTP_GET ||
           (ours && given && strlen(ours) == strlen(given) && mem_equal_secret(ours, given, strlen(ours)));
}

/* The user behind the call; NULL: answered 401, or 403 for a token. */
static struct entry *session_user(struct http_call *call)
{
    const struct http_identity *who = http_identity(call);
    struct entry *entry = *who->token_id == '\0' && *who->user ? registry_get(api_station(call)->users, who->user) : NULL;
    struct err err;

    if (entry && csrf_ok(call))
        return entry;
    if (entry)
        err_id(&err, ERR_FORBIDDEN, "csrf", NULL, "The X-CSRF-Token field is missing or isn't that of the session.");
    else if (*who->token_id)
        err_id(&err, ERR_FORBIDDEN, "session.token", NULL, "This is for people who logged in, not for API tokens.");
    else
        err_id(&err, ERR_UNAUTHORIZED, "session.none", NULL, "You are not logged in.");
    entry_free(entry);
    http_answer_err(call, &err);
    return NULL;
}

static void session_get(struct http_call *call)
{
    const struct http_identity *who = http_identity(call);
    AUTO(entry) entry = NULL;

    http_add_header(call, "Cache-Control", "no-store");
    if (*who->token_id) {
        api_answer_json(call, 200, json_pack("{s:s, s:s, s:n, s:b}", "username", who->user, "role", user_roles[who->role - 1],
                                             "csrfToken", "mustChangePassword", false));
        return;
    }
    entry = session_user(call);
    if (entry)
        api_answer_json(call, 200, session_json(call, entry, http_session_csrf(call)));
}

static void session_delete(struct http_call *call)
{
    AUTO(entry) entry = session_user(call);

    if (entry == NULL)
        return;
    api_audit(call, "logout", "User", entry->name);
    http_session_end(call);
    http_answer_empty(call, 204);
}

/* Everywhere: one's own sessions, or, for an administrator, those of ?user=. */
static void sessions_delete(struct http_call *call)
{
    AUTO(entry) entry = session_user(call);
    AUTO_FREE char *user = NULL;

    if (entry == NULL)
        return;
    user = mem_strdup(http_query(call, "user") ?: entry->name);
    if (strcmp(user, entry->name) != 0 && !api_need_role(call, ROLE_ADMIN))
        return;
    api_audit(call, "logoutEverywhere", "User", user);
    if (strcmp(user, entry->name) == 0)
        http_session_end(call);
    http_session_end_user(http_server_of(call), user);
    http_answer_empty(call, 204);
}

/* ---- a new password ---- */

static void password_done(struct users_password *request, const struct err *err)
{
    struct http_call *call = request->ctx;
    AUTO(entry) entry = NULL;

    if (request->wrong)
        note_wrong(call, request->username);
    else
        wipe_slate(call, request->username);
    if (err && request->problems.count) {
        api_answer_problems(call, &request->problems);
        return;
    }
    entry = err ? NULL : registry_get(request->station->users, request->username);
    if (entry == NULL) {
        http_answer_err(call, err);
        return;
    }
    /* Whoever had the old password is out; this one goes on with a session of its own. */
    http_session_end_user(http_server_of(call), entry->name);
    begin_session(call, entry);
}

static void password_put(struct http_call *call)
{
    AUTO(entry) entry = session_user(call);
    AUTO_PROBLEMS(problems);
    AUTO_SECRET char *old = NULL;
    AUTO_SECRET char *fresh = NULL;
    struct users_password *request;
    json_t *document;

    if (entry == NULL || api_json_body(call, &document) < 0)
        return;
    old = api_take_secret(document, "old", true, &problems);
    fresh = api_take_secret(document, "new", true, &problems);
    api_check_members(document, "", &problems);
    json_decref(document);
    if (problems.count) {
        api_answer_problems(call, &problems);
        return;
    }
    if (!may_try(call, entry->name))
        return;
    request = mem_alloc(sizeof(*request));
    request->station = api_station(call);
    request->username = mem_strdup(entry->name);
    request->old = TAKE(old);
    request->fresh = TAKE(fresh);
    request->actor = api_actor(call);
    request->done = password_done;
    request->ctx = call;
    users_change_password(request);
}

#define SMALL (16 * 1024)

const struct http_route session_routes[] = {
    { HTTP_POST, "/api/v1/session", ROLE_NONE, session_post, .body_max = SMALL, .summary = "Log in", .request = "Login",
      .answer = "Session" },
    { HTTP_GET, "/api/v1/session", ROLE_NONE, session_get, .summary = "Who am I", .answer = "Session" },
    { HTTP_DELETE, "/api/v1/session", ROLE_NONE, session_delete, .summary = "Log out", .answer = "204" },
    { HTTP_DELETE, "/api/v1/sessions", ROLE_NONE, sessions_delete, .summary = "Log out everywhere", .query = "user",
      .answer = "204" },
    { HTTP_PUT, "/api/v1/session/password", ROLE_NONE, password_put, .body_max = SMALL, .summary = "Change one's password",
      .request = "PasswordChange", .answer = "Session" },
    { 0 }
};
