/* SPDX-License-Identifier: Apache-2.0 */
#include "app/oauth.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "app/connect.h"
#include "app/oauth_fetch.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/map.h"
#include "crypto/crypto.h"
#include "jobs/jobs.h"

#define BACK_OFF SECONDS(2)
#define BACK_OFF_REFUSED SECONDS(15)    /* trying again helps only after somebody changed something there */
#define BACK_OFF_MAX SECONDS(300)
#define TRIES_MAX 2                     /* tokens that end at once */
#define REPLACE_EVERY SECONDS(60)
#define UNUSED_FOR SECONDS(15 * 60)
#define ENDPOINT_FOR SECONDS(24 * 3600) /* metadata is read again after it, and after a failure */
#define KEY_MAX (256 * 1024)

/* Times are clock_mono(). */
struct grant {
    char key[2 * CRYPTO_SHA256_LEN + 1];
    struct auth_oauth2 auth;            /* a copy, with the secret itself; never changed */
    struct oauth_endpoint endpoint;     /* of whoever fetches */
    int64_t endpoint_until;

    /* Under the lock. */
    unsigned holders;
    bool fetching;
    char *token;                        /* or NULL */
    int64_t renew_at, ends_at;
    int64_t used_at, replaced_at;
    uint64_t attempts;                  /* that are over */
    int failures;                       /* in a row */
    int64_t not_before;
    struct err failure;                 /* of the last attempt; ERR_NONE */
};

struct oauth {
    struct station *station;
    struct clients *clients;
    pthread_mutex_t lock;
    pthread_cond_t over;                /* some attempt */
    struct map *grants;
    bool stopping;
};

/* ---- life ---- */

struct oauth *oauth_new(struct station *station)
{
    struct oauth *oauth = mem_alloc(sizeof(*oauth));
    pthread_condattr_t attributes;

    oauth->station = station;
    oauth->clients = clients_new();
    oauth->grants = map_new();
    pthread_mutex_init(&oauth->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&oauth->over, &attributes);
    pthread_condattr_destroy(&attributes);
    return oauth;
}

void oauth_stop(struct oauth *oauth)
{
    clients_stop(oauth->clients);
    pthread_mutex_lock(&oauth->lock);
    oauth->stopping = true;
    pthread_cond_broadcast(&oauth->over);
    pthread_mutex_unlock(&oauth->lock);
}

static void grant_free(struct grant *grant)
{
    free(grant->auth.username);
    free(grant->auth.tenant);
    free(grant->auth.client_id);
    mem_free_secret(grant->auth.client_secret.value);
    free(grant->auth.scope);
    free(grant->auth.metadata_url);
    mem_free_secret(grant->token);
    free(grant);
}

void oauth_free(struct oauth *oauth)
{
    struct grant *grant;
    size_t at = 0;

    if (oauth == NULL)
        return;
    while ((grant = map_next(oauth->grants, &at, NULL)))
        grant_free(grant);
    map_free(oauth->grants);
    clients_free(oauth->clients);
    pthread_cond_destroy(&oauth->over);
    pthread_mutex_destroy(&oauth->lock);
    free(oauth);
}

/* ---- grants ---- */

/* Each text with its end, so that none runs into the next. */
static int name_grant(const struct auth_oauth2 *auth, char key[2 * CRYPTO_SHA256_LEN + 1])
{
    const char *const texts[] = { auth->tenant, auth->client_id, auth->scope, auth->metadata_url, auth->client_secret.value };
    uint8_t sum[CRYPTO_SHA256_LEN];
    struct buf all;
    int rc;

    buf_init_secret(&all, KEY_MAX);
    rc = buf_addf(&all, "%lld %lld", (long long)auth->provider, (long long)auth->grant);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        rc = rc < 0 || buf_add_char(&all, '\0') < 0 || buf_add_c(&all, texts[i]) < 0 ? -1 : 0;
    crypto_sha256(buf_str(&all), sum);
    hex_encode(sum, sizeof(sum), key);
    buf_free(&all);
    return rc;
}

static struct grant *grant_new(const struct auth_oauth2 *auth, const char *key, const struct oauth_endpoint *endpoint)
{
    struct grant *grant = mem_alloc(sizeof(*grant));

    snprintf(grant->key, sizeof(grant->key), "%s", key);
    grant->auth = (struct auth_oauth2){ .provider = auth->provider, .grant = auth->grant, .username = mem_strdup(""),
                                        .tenant = mem_strdup(auth->tenant), .client_id = mem_strdup(auth->client_id),
                                        .client_secret = { mem_strdup(auth->client_secret.value), NULL },
                                        .scope = mem_strdup(auth->scope), .metadata_url = mem_strdup(auth->metadata_url) };
    grant->endpoint = *endpoint;
    grant->endpoint_until = endpoint->token_url[0] ? INT64_MAX : 0;
    grant->replaced_at = -REPLACE_EVERY;
    return grant;
}

/* Held, or NULL with err; the secret is resolved meanwhile. */
static struct grant *find_grant(struct oauth *oauth, const struct auth_oauth2 *auth, struct err *err)
{
    AUTO_SECRET char *secret = NULL;
    struct auth_oauth2 resolved = *auth;
    struct oauth_endpoint endpoint;
    char key[2 * CRYPTO_SHA256_LEN + 1];
    struct grant *grant;

    if (secret_resolve(oauth->station, &auth->client_secret, &secret, err) < 0)
        return NULL;
    resolved.client_secret = (struct secret){ secret, NULL };
    if (oauth_check(&resolved, &endpoint, err) < 0)
        return NULL;
    if (name_grant(&resolved, key) < 0) {
        err_id(err, ERR_REFUSED, "config.authenticator", "emailAuthenticator", "The settings of OAuth 2 are too long.");
        return NULL;
    }
    pthread_mutex_lock(&oauth->lock);
    grant = map_get(oauth->grants, key);
    if (grant == NULL) {
        grant = grant_new(&resolved, key, &endpoint);
        map_put(oauth->grants, key, grant);
    }
    grant->holders++;
    grant->used_at = clock_mono();
    pthread_mutex_unlock(&oauth->lock);
    return grant;
}

/* With the lock. */
static bool is_idle(const struct grant *grant)
{
    return grant->holders == 0 && clock_mono() - grant->used_at > UNUSED_FOR;
}

static struct grant *take_idle(struct oauth *oauth)
{
    struct grant *grant;
    size_t at = 0;

    while ((grant = map_next(oauth->grants, &at, NULL)))
        if (is_idle(grant))
            return map_remove(oauth->grants, grant->key);
    return NULL;
}

void oauth_sweep(struct oauth *oauth)
{
    struct grant *grant;

    pthread_mutex_lock(&oauth->lock);
    while ((grant = take_idle(oauth)))
        grant_free(grant);
    pthread_mutex_unlock(&oauth->lock);
}

/* ---- fetching ---- */

static uint32_t dice(void)
{
    uint32_t value = 0;

    if (getrandom(&value, sizeof(value), 0) < 0)
        value = (uint32_t)clock_mono();
    return value;
}

static int64_t back_off(const struct grant *grant, const struct err *err, int64_t retry_after)
{
    int64_t delay = err->code == ERR_REFUSED ? BACK_OFF_REFUSED : BACK_OFF;

    for (int i = 1; i < grant->failures && delay < BACK_OFF_MAX; i++)
        delay *= 2;
    if (retry_after > 0 && retry_after < BACK_OFF_MAX / 1000 && delay < SECONDS(retry_after))
        delay = SECONDS(retry_after);
    return delay < BACK_OFF_MAX ? delay : BACK_OFF_MAX;
}

/* With the lock. Renewed at four fifths of its life, ± a twentieth, and not used for the last twentieth: it has to arrive. */
static void keep_token(struct grant *grant, struct oauth_fetched *fetched, int64_t asked_at)
{
    int64_t life = SECONDS(fetched->life), twentieth = life / 20;

    mem_free_secret(grant->token);
    grant->token = fetched->token;
    grant->renew_at = asked_at + 15 * twentieth + (int64_t)(dice() % (uint64_t)(2 * twentieth + 1));
    grant->ends_at = asked_at + 19 * twentieth;
    grant->failures = 0;
    grant->not_before = 0;
    grant->failure = (struct err){ 0 };
}

/* With the lock. A token that still lives stays. */
static void keep_failure(struct grant *grant, const struct err *err, int64_t retry_after)
{
    if (err->code != ERR_STOPPED && strcmp(grant->failure.id, err->id) != 0)
        log_warning("oauth", "%s: %s", err->id, err->text);
    grant->failures++;
    grant->failure = *err;
    grant->not_before = clock_mono() + back_off(grant, err, retry_after);
    if (grant->endpoint_until != INT64_MAX)
        grant->endpoint_until = 0;
}

/* With the lock, which is let go meanwhile; fetching is set. */
static void fetch(struct oauth *oauth, struct grant *grant)
{
    int64_t asked_at = clock_mono();
    struct oauth_fetched fetched;
    struct err err = { 0 };
    int rc;

    pthread_mutex_unlock(&oauth->lock);
    if (grant->endpoint_until <= asked_at) {
        grant->endpoint.token_url[0] = '\0';
        grant->endpoint_until = asked_at + ENDPOINT_FOR;
    }
    rc = oauth_fetch(oauth->station, oauth->clients, &grant->auth, &grant->endpoint, &fetched, &err);
    pthread_mutex_lock(&oauth->lock);
    if (rc == 0)
        keep_token(grant, &fetched, asked_at);
    else
        keep_failure(grant, &err, fetched.retry_after);
    grant->fetching = false;
    grant->attempts++;
    pthread_cond_broadcast(&oauth->over);
}

struct renewal {
    struct oauth *oauth;
    struct grant *grant;                /* held */
};

static void renew_run(void *ctx)
{
    struct renewal *renewal = ctx;

    pthread_mutex_lock(&renewal->oauth->lock);
    fetch(renewal->oauth, renewal->grant);
    renewal->grant->holders--;
    pthread_mutex_unlock(&renewal->oauth->lock);
    free(renewal);
}

/* With the lock. Who asks meanwhile gets the token that still lives. */
static void renew_early(struct oauth *oauth, struct grant *grant)
{
    struct renewal *renewal;

    if (grant->fetching || clock_mono() < grant->renew_at || clock_mono() < grant->not_before || oauth->stopping)
        return;
    renewal = mem_alloc(sizeof(*renewal));
    renewal->oauth = oauth;
    renewal->grant = grant;
    grant->holders++;
    grant->fetching = true;
    jobs_submit(oauth->station->jobs, renew_run, renewal);
}

/* ---- asking ---- */

/* With the lock; whoever fetches has a deadline, and so has who waits for it. */
static int wait_for_other(struct oauth *oauth, const struct grant *grant, struct err *err)
{
    int64_t until = clock_mono() + OAUTH_FETCH_MS + SECONDS(5);
    struct timespec deadline = { until / 1000, until % 1000 * 1000000 };
    uint64_t attempts = grant->attempts;

    while (!oauth->stopping && grant->attempts == attempts)
        if (pthread_cond_timedwait(&oauth->over, &oauth->lock, &deadline) != 0 && grant->attempts == attempts)
            return err_id(err, ERR_TEMPORARY, "oauth.unreachable", "emailAuthenticator", "The authorization server did not answer in time.");
    return 0;
}

static int fail_again(const struct grant *grant, struct err *err)
{
    *err = grant->failure;
    return -1;
}

/* With the lock: until there is a token, or an attempt has failed that was not over when we came. */
static int get(struct oauth *oauth, struct grant *grant, bool urgent, struct err *err)
{
    uint64_t came = grant->attempts;

    while (grant->token == NULL || clock_mono() >= grant->ends_at) {
        if (oauth->stopping)
            return err_id(err, ERR_STOPPED, "connect.stopped", NULL, "Postern is stopping.");
        if (!grant->fetching && grant->failure.code != ERR_NONE &&
            (grant->attempts != came || (!urgent && clock_mono() < grant->not_before)))
            return fail_again(grant, err);
        if (grant->attempts - came >= TRIES_MAX)
            return err_id(err, ERR_TEMPORARY, "oauth.answer", "emailAuthenticator",
                          "The authorization server's tokens have ended by the time they arrive.");
        if (grant->fetching) {
            if (wait_for_other(oauth, grant, err) < 0)
                return -1;
        } else {
            grant->fetching = true;
            fetch(oauth, grant);
        }
    }
    return 0;
}

static void let_go(struct oauth *oauth, struct grant *grant)
{
    grant->holders--;
    pthread_mutex_unlock(&oauth->lock);
}

int oauth_token(struct oauth *oauth, const struct auth_oauth2 *auth, bool urgent, char **ret, struct err *err)
{
    struct grant *grant = find_grant(oauth, auth, err);
    int rc;

    if (grant == NULL)
        return -1;
    pthread_mutex_lock(&oauth->lock);
    rc = get(oauth, grant, urgent, err);
    if (rc == 0) {
        *ret = mem_strdup(grant->token);
        renew_early(oauth, grant);
    }
    let_go(oauth, grant);
    return rc;
}

/* With the lock: whether the token is gone, or another one than the refused. */
static bool drop(struct grant *grant, const char *token)
{
    if (grant->token && strcmp(grant->token, token) != 0)
        return true;
    if (!grant->fetching && clock_mono() - grant->replaced_at < REPLACE_EVERY)
        return false;
    if (!grant->fetching)               /* else the next one is on its way */
        grant->replaced_at = clock_mono();
    mem_free_secret(TAKE(grant->token));
    return true;
}

int oauth_replace(struct oauth *oauth, const struct auth_oauth2 *auth, const char *token, char **ret)
{
    struct err err;
    struct grant *grant = find_grant(oauth, auth, &err);
    int rc = -1;

    if (grant == NULL)
        return -1;
    pthread_mutex_lock(&oauth->lock);
    if (drop(grant, token) && get(oauth, grant, false, &err) == 0 && strcmp(grant->token, token) != 0) {
        *ret = mem_strdup(grant->token);
        rc = 0;
    }
    let_go(oauth, grant);
    return rc;
}
