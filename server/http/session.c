/* SPDX-License-Identifier: Apache-2.0 */
#include "http/session.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/encode.h"
#include "base/map.h"

struct session {
    struct session *older, *newer;      /* by last use */
    char finder[17];
    char proof[65];
    char csrf[HTTP_CSRF_MAX];
    char username[HTTP_NAME_MAX + 1];
    enum role role;
    int64_t begun, used;
};

struct sessions {
    pthread_mutex_t lock;
    struct map *all;                    /* by finder */
    struct session *oldest, *newest;
    size_t max;
    int64_t idle, life;
};

struct sessions *sessions_new(size_t max, int64_t idle, int64_t life)
{
    struct sessions *sessions = mem_alloc(sizeof(*sessions));

    pthread_mutex_init(&sessions->lock, NULL);
    sessions->all = map_new();
    sessions->max = max;
    sessions->idle = idle;
    sessions->life = life;
    return sessions;
}

static void unlink_session(struct sessions *sessions, struct session *session)
{
    *(session->older ? &session->older->newer : &sessions->oldest) = session->newer;
    *(session->newer ? &session->newer->older : &sessions->newest) = session->older;
    session->older = session->newer = NULL;
}

static void link_newest(struct sessions *sessions, struct session *session)
{
    session->older = sessions->newest;
    *(sessions->newest ? &sessions->newest->newer : &sessions->oldest) = session;
    sessions->newest = session;
}

static void drop(struct sessions *sessions, struct session *session)
{
    unlink_session(sessions, session);
    map_remove(sessions->all, session->finder);
    mem_wipe(session, sizeof(*session));
    free(session);
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL)
        return;
    while (sessions->oldest)
        drop(sessions, sessions->oldest);
    map_free(sessions->all);
    pthread_mutex_destroy(&sessions->lock);
    free(sessions);
}

static bool is_over(const struct sessions *sessions, const struct session *session, int64_t now)
{
    return now - session->used > sessions->idle || now - session->begun > sessions->life;
}

int session_begin(struct sessions *sessions, const struct http_identity *who, int64_t now,
                  char cookie[SESSION_COOKIE_LEN + 1], char csrf[HTTP_CSRF_MAX])
{
    unsigned char random[8 + 32 + 20];
    struct session *session;

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -1;
    session = mem_alloc(sizeof(*session));
    hex_encode(random, 8, session->finder);
    hex_encode(random + 8, 32, session->proof);
    hex_encode(random + 40, 20, session->csrf);
    mem_wipe(random, sizeof(random));
    memcpy(session->username, who->username, sizeof(session->username));
    session->role = who->role;
    session->begun = session->used = now;
    memcpy(cookie, session->finder, 16);
    memcpy(cookie + 16, session->proof, 65);
    memcpy(csrf, session->csrf, HTTP_CSRF_MAX);

    pthread_mutex_lock(&sessions->lock);
    while (sessions->oldest && (map_count(sessions->all) >= sessions->max || is_over(sessions, sessions->oldest, now)))
        drop(sessions, sessions->oldest);
    map_put(sessions->all, session->finder, session);
    link_newest(sessions, session);
    pthread_mutex_unlock(&sessions->lock);
    return 0;
}

static struct session *find(struct sessions *sessions, struct str cookie)
{
    struct session *session;
    char finder[17];

    if (cookie.p == NULL || cookie.len != SESSION_COOKIE_LEN || memchr(cookie.p, '\0', cookie.len))
        return NULL;
    memcpy(finder, cookie.p, 16);
    finder[16] = '\0';
    session = map_get(sessions->all, finder);
    return session && mem_equal_secret(session->proof, cookie.p + 16, 64) ? session : NULL;
}

bool session_find(struct sessions *sessions, struct str cookie, int64_t now, struct http_identity *who,
                  char csrf[HTTP_CSRF_MAX])
{
    struct session *session;

    pthread_mutex_lock(&sessions->lock);
    session = find(sessions, cookie);
    if (session && is_over(sessions, session, now)) {
        drop(sessions, session);
        session = NULL;
    }
    if (session) {
        session->used = now;
        unlink_session(sessions, session);
        link_newest(sessions, session);
        memcpy(who->username, session->username, sizeof(who->username));
        who->role = session->role;
        who->session = true;
        memcpy(csrf, session->csrf, HTTP_CSRF_MAX);
    }
    pthread_mutex_unlock(&sessions->lock);
    return session != NULL;
}

void session_end(struct sessions *sessions, struct str cookie)
{
    struct session *session;

    pthread_mutex_lock(&sessions->lock);
    session = find(sessions, cookie);
    if (session)
        drop(sessions, session);
    pthread_mutex_unlock(&sessions->lock);
}

void session_end_user(struct sessions *sessions, const char *username)
{
    struct session *next;

    pthread_mutex_lock(&sessions->lock);
    for (struct session *session = sessions->oldest; session; session = next) {
        next = session->newer;
        if (strcmp(session->username, username) == 0)
            drop(sessions, session);
    }
    pthread_mutex_unlock(&sessions->lock);
}

size_t session_count(struct sessions *sessions)
{
    size_t count;

    pthread_mutex_lock(&sessions->lock);
    count = map_count(sessions->all);
    pthread_mutex_unlock(&sessions->lock);
    return count;
}
