/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of people, in memory only: a restart logs everyone out. Found by the hash of the cookie, so neither a
 * picture of the memory nor the time of a look-up gives one away. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/map.h"
#include "crypto/crypto.h"
#include "http/internal.h"

#define SESSIONS_MAX 1000
#define IDLE_PRESET SECONDS(1800)
#define LIFE_PRESET SECONDS(12 * 3600)
#define HASH_TEXT (2 * CRYPTO_SHA256_LEN + 1)

struct session {
    char hash[HASH_TEXT];
    struct http_identity identity;
    char csrf[44];
    int64_t made, used;                 /* clock_mono() */
};

struct sessions {
    pthread_mutex_t lock;
    struct map *map;
    int64_t idle, life;
};

void sessions_set_limits(struct sessions *sessions, int64_t idle_ms, int64_t life_ms)
{
    pthread_mutex_lock(&sessions->lock);
    sessions->idle = idle_ms > 0 ? idle_ms : IDLE_PRESET;
    sessions->life = life_ms > 0 ? life_ms : LIFE_PRESET;
    pthread_mutex_unlock(&sessions->lock);
}

struct sessions *sessions_new(int64_t idle_ms, int64_t life_ms)
{
    struct sessions *sessions = mem_alloc(sizeof(*sessions));

    pthread_mutex_init(&sessions->lock, NULL);
    sessions->map = map_new();
    sessions_set_limits(sessions, idle_ms, life_ms);
    return sessions;
}

static void drop(struct sessions *sessions, struct session *session)
{
    map_remove(sessions->map, session->hash);
    mem_wipe(session, sizeof(*session));
    free(session);
}

static bool is_over(const struct sessions *sessions, const struct session *session, int64_t now)
{
    return now - session->used >= sessions->idle || now - session->made >= sessions->life;
}

/* Drops those that `which` takes; the map can't change under the loop, so it starts afresh after each. */
static void drop_all(struct sessions *sessions, bool (*which)(const struct sessions *, const struct session *, void *),
                     void *ctx)
{
    struct session *session;
    size_t at = 0;

    while ((session = map_next(sessions->map, &at, NULL))) {
        if (which(sessions, session, ctx)) {
            drop(sessions, session);
            at = 0;
        }
    }
}

static bool any(const struct sessions *sessions, const struct session *session, void *ctx)
{
    (void)sessions, (void)session, (void)ctx;
    return true;
}

static bool over(const struct sessions *sessions, const struct session *session, void *now)
{
    return is_over(sessions, session, *(int64_t *)now);
}

static bool of_user(const struct sessions *sessions, const struct session *session, void *user)
{
    (void)sessions;
    return strcmp(session->identity.user, user) == 0;
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL)
        return;
    drop_all(sessions, any, NULL);
    map_free(sessions->map);
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}

static void hash_text(struct str token, char text[HASH_TEXT])
{
    uint8_t hash[CRYPTO_SHA256_LEN];

    crypto_sha256(token, hash);
    hex_encode(hash, sizeof(hash), text);
}

bool sessions_find(struct sessions *sessions, struct str token, struct http_identity *identity, char csrf[44])
{
    struct session *session;
    char hash[HASH_TEXT], address[sizeof(identity->address)];
    int64_t now = clock_mono();

    hash_text(token, hash);
    pthread_mutex_lock(&sessions->lock);
    session = map_get(sessions->map, hash);
    if (session && is_over(sessions, session, now)) {
        drop(sessions, session);
        session = NULL;
    }
    if (session) {
        session->used = now;
        memcpy(address, identity->address, sizeof(address));
        *identity = session->identity;
        memcpy(identity->address, address, sizeof(address));
        memcpy(csrf, session->csrf, sizeof(session->csrf));
    }
    pthread_mutex_unlock(&sessions->lock);
    return session != NULL;
}

/* Makes room: what is over first, else the one that lay idle longest. */
static void make_room(struct sessions *sessions, int64_t now)
{
    struct session *session, *idlest = NULL;
    size_t at = 0;

    if (map_count(sessions->map) < SESSIONS_MAX)
        return;
    drop_all(sessions, over, &now);
    if (map_count(sessions->map) < SESSIONS_MAX)
        return;
    while ((session = map_next(sessions->map, &at, NULL)))
        if (idlest == NULL || session->used < idlest->used)
            idlest = session;
    if (idlest)
        drop(sessions, idlest);
}

static void forget(struct sessions *sessions, const char *token)
{
    struct session *session;
    char hash[HASH_TEXT];

    if (token[0] == '\0')
        return;
    hash_text(str_c(token), hash);
    pthread_mutex_lock(&sessions->lock);
    session = map_get(sessions->map, hash);
    if (session)
        drop(sessions, session);
    pthread_mutex_unlock(&sessions->lock);
}

static void set_cookie(struct http_call *call, const char *token, const char *more)
{
    char cookie[160];

    snprintf(cookie, sizeof(cookie), "%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s", call->listener->cookie, token,
             http_is_tls(call) ? "; Secure" : "", more);
    http_add_header(call, "Set-Cookie", cookie);
    mem_wipe(cookie, sizeof(cookie));
}

int http_session_new(struct http_call *call, const struct http_identity *identity, char csrf[44])
{
    struct sessions *sessions = call->server->sessions;
    AUTO_SECRET char *token = NULL, *csrf_token = NULL;
    struct session *session;
    int64_t now = clock_mono();

    if (crypto_token(&token) < 0 || crypto_token(&csrf_token) < 0)
        return -1;
    forget(sessions, call->session);    /* whoever logs in anew leaves the old session */
    session = mem_alloc(sizeof(*session));
    hash_text(str_c(token), session->hash);
    session->identity = *identity;
    session->made = session->used = now;
    memcpy(session->csrf, csrf_token, sizeof(session->csrf));
    memcpy(csrf, csrf_token, sizeof(session->csrf));
    pthread_mutex_lock(&sessions->lock);
    make_room(sessions, now);
    map_put(sessions->map, session->hash, session);
    pthread_mutex_unlock(&sessions->lock);
    set_cookie(call, token, "");
    return 0;
}

void http_session_ticket(struct http_call *call, struct http_ticket *ret)
{
    _Static_assert(sizeof(ret->text) == HASH_TEXT, "a ticket is the hash of the cookie");

    ret->text[0] = '\0';
    if (call->session[0])
        hash_text(str_c(call->session), ret->text);
}

enum role http_session_role(struct http_server *server, const struct http_ticket *ticket)
{
    struct sessions *sessions = server->sessions;
    const struct session *session;
    enum role role = ROLE_NONE;

    pthread_mutex_lock(&sessions->lock);
    session = map_get(sessions->map, ticket->text);
    if (session && !is_over(sessions, session, clock_mono()))
        role = session->identity.role;
    pthread_mutex_unlock(&sessions->lock);
    return role;
}

const char *http_session_csrf(struct http_call *call)
{
    return call->csrf[0] ? call->csrf : NULL;
}

void http_session_limits(struct http_call *call, int64_t *idle, int64_t *left)
{
    struct sessions *sessions = call->server->sessions;
    const struct session *session = NULL;
    char hash[HASH_TEXT];

    hash_text(str_c(call->session), hash);
    pthread_mutex_lock(&sessions->lock);
    if (call->session[0])
        session = map_get(sessions->map, hash);
    *idle = sessions->idle;
    *left = session ? session->made + sessions->life - clock_mono() : sessions->life;
    pthread_mutex_unlock(&sessions->lock);
}

void http_session_end(struct http_call *call)
{
    forget(call->server->sessions, call->session);
    set_cookie(call, "", "; Max-Age=0");
}

void http_session_end_user(struct http_server *server, const char *user)
{
    struct sessions *sessions = server->sessions;

    pthread_mutex_lock(&sessions->lock);
    drop_all(sessions, of_user, (void *)(uintptr_t)user);
    pthread_mutex_unlock(&sessions->lock);
}

void http_session_set_role(struct http_server *server, const char *user, enum role role)
{
    struct sessions *sessions = server->sessions;
    struct session *session;
    size_t at = 0;

    pthread_mutex_lock(&sessions->lock);
    while ((session = map_next(sessions->map, &at, NULL)))
        if (strcmp(session->identity.user, user) == 0)
            session->identity.role = role;
    pthread_mutex_unlock(&sessions->lock);
}
