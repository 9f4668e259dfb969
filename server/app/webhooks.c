/* SPDX-License-Identifier: Apache-2.0 */
#include "app/webhooks.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "app/audit.h"
#include "app/courier.h"
#include "app/event_types.h"
#include "base/clock.h"
#include "base/encode.h"
#include "client/client.h"
#include "crypto/crypto.h"
#include "model/services.h"
#include "store/store.h"

#define WEBHOOKS_MAX 50
#define SECRET_LEN 32                   /* bytes */

/* ---- targets ---- */

static bool read_address(const char *host, struct sockaddr_storage *ret)
{
    struct sockaddr_in *four = (struct sockaddr_in *)(void *)ret;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)ret;

    *ret = (struct sockaddr_storage){ 0 };
    if (inet_pton(AF_INET, host, &four->sin_addr) == 1)
        ret->ss_family = AF_INET;
    else if (inet_pton(AF_INET6, host, &six->sin6_addr) == 1)
        ret->ss_family = AF_INET6;
    return ret->ss_family != 0;
}

static bool same_host(const char *one, const char *other)
{
    struct sockaddr_storage a, b;
    size_t len = strlen(other);

    if (read_address(one, &a)) {
        AUTO_FREE char *bare = other[0] == '[' && len > 2 ? mem_strndup(other + 1, len - 2) : mem_strdup(other);

        return read_address(bare, &b) && memcmp(&a, &b, sizeof(a)) == 0;
    }
    return str_eq_nocase(str_c(one), str_c(other));
}

bool webhooks_is_named(const struct entry *web_service, const char *host)
{
    const json_t *names = ((const struct web_service *)web_service->component)->webhook_private_targets, *name;
    size_t i;

    json_array_foreach(names, i, name)
        if (same_host(host, json_string_value(name)))
            return true;
    return false;
}

/* An address that says what it is; what a name leads to shows when it is connected to. */
static bool is_private_host(const char *host)
{
    struct sockaddr_storage address;

    if (read_address(host, &address))
        return client_is_private((const struct sockaddr *)(const void *)&address);
    return str_eq(str_c(host), STR("localhost")) || str_ends_nocase(str_c(host), STR(".localhost"));
}

/* A target that is not named any more mustn't keep anybody from disabling its webhook, or from putting back what was read. */
static bool is_as_before(const struct entry *before, const struct webhook *webhook)
{
    const struct webhook *old = before ? before->component : NULL;

    return old && strcmp(old->url, webhook->url) == 0 && (old->enabled || !webhook->enabled);
}

static void check_target(struct station *station, const struct webhook *webhook, struct problems *problems)
{
    AUTO(entry) web = registry_get(station->services, web_service_type.name);
    struct webhook_url url;

    if (*webhook->url == '\0')
        problems_add(problems, "/url", "property.required", "Give the address that events are posted to.");
    if (*webhook->url == '\0' || webhook_url_parse(webhook->url, &url) || webhooks_is_named(web, url.host))
        return;
    if (!url.tls)
        problems_add(problems, "/url", "webhook.cleartext",
                     "Plain http goes only to targets that the WebService names in webhookPrivateTargets: use https, or name \"%s\" there.",
                     url.host);
    else if (is_private_host(url.host))
        problems_add(problems, "/url", "webhook.private",
                     "\"%s\" is this machine or the inner network: the WebService must name it in webhookPrivateTargets first.", url.host);
}

/* ---- configuration ---- */

static void check_events(const struct webhook *webhook, struct problems *problems)
{
    struct event_set set = { 0 };
    const json_t *word;
    size_t i;

    json_array_foreach(webhook->events, i, word) {
        AUTO_FREE char *pointer = mem_printf("/events/%zu", i);

        if (!event_set_add(&set, str_c(json_string_value(word))))
            problems_add(problems, pointer, "event.unknown",
                         "\"%.64s\" is neither a type of event nor a prefix such as message.*; /api/v1/events/types lists them.",
                         json_string_value(word));
    }
}

static void make_secret(struct webhook *webhook)
{
    uint8_t random[SECRET_LEN];
    struct buf text;

    buf_init_secret(&text, 128);
    buf_add_c(&text, WEBHOOK_SECRET_PREFIX);
    if (crypto_random(random, sizeof(random)) < 0)
        abort();                        /* no system without random numbers may sign anything */
    base64_encode(str_n(random, sizeof(random)), &text);
    mem_wipe(random, sizeof(random));
    webhook->secret.value = buf_take(&text);
}

static bool has_secret(const struct webhook *webhook)
{
    return webhook->secret.value || webhook->secret.file;
}

/* A PUT that says nothing of the secret keeps it: the same document may be put again and again. */
static bool complete_secret(const struct entry *before, struct webhook *webhook, const json_t *document)
{
    const struct webhook *old = before ? before->component : NULL;
    bool taken_away = json_object_get(document, "secret") || json_is_false(json_object_get(document, "secretSet"));

    if (has_secret(webhook))
        return false;
    if (old && has_secret(old) && !taken_away) {
        webhook->secret.value = mem_strdup(old->secret.value);
        webhook->secret.file = mem_strdup(old->secret.file);
        return false;
    }
    make_secret(webhook);
    return true;
}

bool webhooks_complete(struct station *station, const struct entry *before, void *component, const json_t *document,
                       struct problems *problems)
{
    if (before == NULL && registry_count(station->webhooks) >= WEBHOOKS_MAX)
        problems_add(problems, "", "webhook.tooMany", "There are %d webhooks already, and can't be more.", WEBHOOKS_MAX);
    check_events(component, problems);
    if (!is_as_before(before, component))
        check_target(station, component, problems);
    return complete_secret(before, component, document);
}

static bool is_on(const struct entry *entry)
{
    return entry && ((const struct webhook *)entry->component)->enabled;
}

int webhooks_follow(struct store_tx *tx, const struct entry *before, const struct entry *after, struct err *err)
{
    struct store_event_span span;

    if (after == NULL)
        return store_webhook_forget(tx, before->name, err);
    if (is_on(before) && !is_on(after))
        return store_delivery_cancel_waiting(tx, after->name, clock_now(), err);
    if (is_on(before) || !is_on(after))
        return 0;
    if (store_event_span(tx, &span, err) < 0)
        return -1;
    return store_webhook_put_cursor(tx, after->name, span.last, err);
}

/* ---- deliveries ---- */

struct listing {
    const struct webhooks_page *page;
    webhooks_visit *visit;
    void *ctx;
    int64_t *resume;
};

static int list_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct listing *listing = ctx;

    return store_delivery_list(tx, listing->page->webhook, listing->page->state, listing->page->before, listing->page->limit,
                               listing->visit, listing->ctx, listing->resume, err);
}

int webhooks_deliveries(struct station *station, const struct webhooks_page *page, webhooks_visit *visit, void *ctx, int64_t *resume,
                        struct err *err)
{
    struct listing listing = { page, visit, ctx, resume };

    return store_read(station->store, list_run, &listing, err);
}

struct finding {
    const char *webhook, *id;
    struct delivery **ret;
};

static int find_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct finding *finding = ctx;

    return store_delivery_find(tx, finding->webhook, finding->id, finding->ret, err);
}

int webhooks_delivery(struct station *station, const char *webhook, const char *id, struct delivery **ret, struct err *err)
{
    struct finding finding = { webhook, id, ret };

    return store_read(station->store, find_run, &finding, err);
}

static int redeliver_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct webhooks_redeliver *request = ctx;
    AUTO(entry) entry = registry_get(request->station->webhooks, request->webhook);
    AUTO_FREE char *resource = mem_printf("Webhook/%s", request->webhook);
    struct delivery *delivery;
    json_t *detail;
    int rc;

    if (entry == NULL)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no webhook \"%.64s\".", request->webhook);
    if (store_delivery_find(tx, request->webhook, request->id, &request->delivery, err) < 0)
        return -1;
    delivery = request->delivery;
    if (delivery->state == DELIVERY_WAITING)
        return err_id(err, ERR_CONFLICT, "delivery.state", NULL, "The delivery waits already.");
    if (!is_on(entry))
        return err_id(err, ERR_CONFLICT, "webhook.disabled", NULL, "The webhook \"%s\" is disabled; enable it first.", entry->name);
    delivery->state = DELIVERY_WAITING;
    delivery->attempts = 0;
    delivery->created_at = delivery->next_attempt = clock_now();        /* it has its days again */
    delivery->finished_at = 0;
    if (store_delivery_update(tx, delivery, err) < 0)
        return -1;
    detail = json_pack("{s:s}", "delivery", delivery->id);
    rc = audit_add(tx, &request->actor, "redeliver", resource, detail, err);
    json_decref(detail);
    return rc;
}

static void redeliver_done(void *ctx, const struct err *err)
{
    struct webhooks_redeliver *request = ctx;

    if (err == NULL)
        courier_hurry(request->station->courier, request->webhook);
    request->done(request, err);
    delivery_free(request->delivery);
    free(request->webhook);
    free(request->id);
    free(request);
}

void webhooks_redeliver(struct webhooks_redeliver *request)
{
    store_submit(request->station->store, redeliver_run, redeliver_done, request, false);
}
