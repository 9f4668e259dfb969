/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/webhooks.h - webhooks as configuration, and what became of their deliveries. DESIGN 5. The telling: app/courier.h. */
#ifndef POSTERN_APP_WEBHOOKS_H
#define POSTERN_APP_WEBHOOKS_H

#include "app/station.h"
#include "component/problems.h"
#include "model/webhook.h"

struct store_tx;

/* ---- for app/config.c ---- */

/* What no property can check by itself: event types, a target that has to be named first. A secret that is missing is kept from
 * `before`, unless `document` takes it away, or made: then true. */
bool webhooks_complete(struct station *station, const struct entry *before, void *component, const json_t *document,
                       struct problems *problems);
/* In the transaction of the change: where telling begins, and what is canceled. Either may be NULL. */
int webhooks_follow(struct store_tx *tx, const struct entry *before, const struct entry *after, struct err *err);

/* Whether the WebService names the host (as in a URL, without brackets) among its webhookPrivateTargets. */
bool webhooks_is_named(const struct entry *web_service, const char *host);

/* ---- deliveries ---- */

struct webhooks_page {
    const char *webhook;
    int state;                          /* enum delivery_state; -1: any */
    int64_t before;                     /* what `resume` of the page before said; 0: from the newest */
    int limit;
};
typedef int webhooks_visit(struct delivery *delivery, void *ctx);       /* the visit owns it */
int webhooks_deliveries(struct station *station, const struct webhooks_page *page, webhooks_visit *visit, void *ctx, int64_t *resume,
                        struct err *err);
int webhooks_delivery(struct station *station, const char *webhook, const char *id, struct delivery **ret, struct err *err);

/* A finished delivery waits again, under the same id. */
struct webhooks_redeliver {
    struct station *station;
    char *webhook, *id;                 /* owned */
    struct actor actor;                 /* the strings stay the caller's until done() */
    struct delivery *delivery;          /* as it is now */
    void (*done)(struct webhooks_redeliver *request, const struct err *err);
    void *ctx;
};
void webhooks_redeliver(struct webhooks_redeliver *request);    /* takes it, made by mem_alloc */

#endif
