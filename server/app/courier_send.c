/* SPDX-License-Identifier: Apache-2.0 */
/* One request to one webhook: signed as Standard Webhooks has it (standardwebhooks.com), guarded, bounded. */
#include "app/courier_private.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/connect.h"
#include "app/roots.h"
#include "app/webhooks.h"
#include "base/clock.h"
#include "base/encode.h"
#include "crypto/crypto.h"
#include "model/services.h"

#define CONNECT_MS SECONDS(5)
#define TOTAL_MS SECONDS(15)
#define ANSWER_MAX (64 * 1024)          /* bytes that are read of an answer, and thrown away */

struct target {
    struct station *station;
    struct entry *webhook, *web;        /* held */
    struct client *client;
    struct buf key;                     /* secret */
};

static void fail(struct attempt *attempt, const char *code, const char *cause)
{
    attempt->good = false;
    snprintf(attempt->code, sizeof(attempt->code), "%s", code);
    snprintf(attempt->cause, sizeof(attempt->cause), "%s", cause);
}

/* ---- may we ---- */

/* The address that the connection goes to, whatever a name server said a moment before. */
static int guard(void *ctx, const char *host, const struct sockaddr *address, struct err *err)
{
    const struct target *target = ctx;
    char text[INET6_ADDRSTRLEN] = "";

    if (!client_is_private(address))
        return 0;
    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr, text, sizeof(text));
    else if (address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, text, sizeof(text));
    if (webhooks_is_named(target->web, host) || webhooks_is_named(target->web, text))
        return 0;
    return err_id(err, ERR_REFUSED, "webhook.private", NULL,
                  "%s leads to %s, which is this machine or the inner network; the WebService must name one of them in webhookPrivateTargets.",
                  host, text);
}

/* ---- whom we trust ---- */

static int make_client(struct target *target, struct clients *clients, const struct webhook_url *url, struct err *err)
{
    struct client_options options = { .cleartext = !url->tls, .guard = guard, .ctx = target };

    return roots_client(&target->client, target->station, clients, url->tls ? url->host : NULL, &options, err);
}

/* ---- the key ---- */

static int read_key(struct target *target, struct err *err)
{
    const struct webhook *webhook = target->webhook->component;
    AUTO_SECRET char *text = NULL;
    struct str rest;

    if (secret_resolve(target->station, &webhook->secret, &text, err) < 0)
        return -1;
    rest = str_c(text);
    if (str_starts(rest, STR(WEBHOOK_SECRET_PREFIX)) &&
        base64_decode(str_trim(str_from(rest, strlen(WEBHOOK_SECRET_PREFIX))), &target->key) == 0 && target->key.len > 0)
        return 0;
    return err_id(err, ERR_REFUSED, "config.secretFile", "secret", "The secret is not whsec_ and then base64.");
}

/* ---- the target ---- */

static int fill(struct target *target, struct clients *clients, struct err *err)
{
    const struct webhook *webhook = target->webhook->component;
    struct webhook_url url;
    const char *fault = webhook_url_parse(webhook->url, &url);

    if (fault)
        return err_id(err, ERR_REFUSED, "http.url", "url", "url %s", fault);
    if (!url.tls && !webhooks_is_named(target->web, url.host))
        return err_id(err, ERR_REFUSED, "webhook.cleartext", "url",
                      "Plain http goes only to targets that the WebService names in webhookPrivateTargets.");
    if (read_key(target, err) < 0)
        return -1;
    return make_client(target, clients, &url, err);
}

struct target *target_open(struct station *station, struct clients *clients, struct entry *webhook, struct attempt *failed)
{
    struct target *target = mem_alloc(sizeof(*target));
    struct err err;

    target->station = station;
    target->webhook = entry_hold(webhook);
    target->web = registry_get(station->services, web_service_type.name);
    buf_init_secret(&target->key, WEBHOOK_SECRET_MAX);
    if (fill(target, clients, &err) == 0)
        return target;
    *failed = (struct attempt){ .retry_after = -1 };
    fail(failed, err.id, err.text);
    target_close(target);
    return NULL;
}

void target_close(struct target *target)
{
    if (target == NULL)
        return;
    client_free(target->client);
    buf_free(&target->key);
    entry_free(target->webhook);
    entry_free(target->web);
    free(target);
}

bool target_is_present(const struct target *target)
{
    AUTO(entry) webhook = registry_get(target->station->webhooks, target->webhook->name);
    AUTO(entry) web = registry_get(target->station->services, web_service_type.name);

    return webhook == target->webhook && web == target->web;
}

/* ---- sending ---- */

/* webhook-signature: v1 and the HMAC-SHA256 of "id.timestamp.body", in base64. */
static void sign(const struct target *target, const struct delivery *delivery, const char *timestamp, struct buf *ret)
{
    AUTO_BUF(text, strlen(delivery->body) + 128);
    uint8_t sum[CRYPTO_SHA256_LEN];

    buf_addf(&text, "%s.%s.", delivery->id, timestamp);
    buf_add_c(&text, delivery->body);
    crypto_hmac_sha256(target->key.p, target->key.len, buf_str(&text), sum);
    buf_add_c(ret, "v1,");
    base64_encode(str_n(sum, sizeof(sum)), ret);
}

static void judge(const struct client_answer *answer, struct attempt *ret)
{
    char cause[384];

    ret->status = answer->status;
    ret->retry_after = answer->status == 429 || answer->status == 503 ? answer->retry_after : -1;
    ret->good = answer->status >= 200 && answer->status < 300;
    ret->gone = answer->status == 410;
    if (ret->good)
        return;
    if (answer->status >= 300 && answer->status < 400) {
        snprintf(cause, sizeof(cause), "The target answered %d and sends elsewhere%s%.200s; what is signed for one target goes to no other: "
                 "give the new address.", answer->status, answer->location[0] ? ": " : "", answer->location);
        fail(ret, "webhook.redirect", cause);
    } else {
        snprintf(cause, sizeof(cause), "The target answered %d.", answer->status);
        fail(ret, ret->gone ? "webhook.gone" : "webhook.status", cause);
    }
}

void target_send(struct target *target, const struct delivery *delivery, struct attempt *ret)
{
    AUTO_BUF(signature, 128);
    struct client_answer answer = { 0 };
    struct err err = { 0 };
    char timestamp[24];

    snprintf(timestamp, sizeof(timestamp), "%lld", (long long)clock_now() / 1000);
    sign(target, delivery, timestamp, &signature);
    const struct client_header headers[] = {
        { "Content-Type", "application/json" }, { "webhook-id", delivery->id }, { "webhook-timestamp", timestamp },
        { "webhook-signature", signature.p }, { NULL, NULL },
    };
    const struct client_request request = {
        .method = "POST", .url = ((const struct webhook *)target->webhook->component)->url, .headers = headers,
        .body = str_c(delivery->body), .answer_max = ANSWER_MAX, .connect_ms = CONNECT_MS, .total_ms = TOTAL_MS,
    };

    *ret = (struct attempt){ .retry_after = -1 };
    /* Who has said that it took the event, and goes on talking, has taken it. */
    if (client_send(target->client, &request, &answer, &err) == 0 || strcmp(err.id, "http.tooLarge") == 0)
        judge(&answer, ret);
    else
        fail(ret, err.id, err.text);
    ret->stopped = err.code == ERR_STOPPED;
    ret->ms = answer.ms;
    client_answer_clear(&answer);
}
