/* SPDX-License-Identifier: Apache-2.0 */
/* A run of deliveries to one webhook: in order as far as possible, put off when they fail, given up after days. */
#include "app/courier_private.h"

#include <stdlib.h>
#include <string.h>

#include "app/config.h"
#include "app/events.h"
#include "base/clock.h"
#include "base/log.h"
#include "crypto/crypto.h"

#define BATCH 32                        /* results that are written together */
#define GRACE_ATTEMPTS 3                /* so often an event is tried before those after it may overtake it */
#define BACK_OFF SECONDS(10)
#define BACK_OFF_MAX SECONDS(3600)
#define GIVE_UP DAYS(3)

/* ---- results ---- */

struct waiting {
    struct delivery *items[COURIER_WINDOW + 1];
    bool changed[COURIER_WINDOW + 1];
    int count;
};

struct results {
    struct hook *hook;
    struct waiting *waiting;
};

static int add_failed_event(struct store_tx *tx, const struct delivery *delivery, struct err *err)
{
    AUTO_FREE char *resource = mem_printf("Webhook/%s", delivery->webhook);

    if (strncmp(delivery->type, "webhook.", 8) == 0)    /* two dead ones would go on telling each other */
        return 0;
    return events_add(tx, "webhook.failed", NULL, resource,
                      json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:s, s:s}", "webhook", delivery->webhook, "delivery", delivery->id,
                                "event", (json_int_t)delivery->event, "type", delivery->type, "attempts",
                                (json_int_t)delivery->attempts, "status", (json_int_t)delivery->status, "code", delivery->code ?: "",
                                "cause", delivery->cause ?: ""), err);
}

static int results_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct results *results = ctx;

    for (int i = 0; i < results->waiting->count; i++) {
        const struct delivery *delivery = results->waiting->items[i];

        if (!results->waiting->changed[i])
            continue;
        if (store_delivery_update(tx, delivery, err) < 0) {
            if (err->code == ERR_NOT_FOUND)     /* the webhook was deleted meanwhile */
                continue;
            return -1;
        }
        if (delivery->state == DELIVERY_FAILED && add_failed_event(tx, delivery, err) < 0)
            return -1;
    }
    return 0;
}

static int write_results(struct hook *hook, struct waiting *waiting)
{
    struct results results = { hook, waiting };
    struct err err;
    bool any = false;

    for (int i = 0; i < waiting->count; i++)
        any = any || waiting->changed[i];
    if (!any || store_write(hook->courier->station->store, results_run, &results, false, &err) == 0)
        return 0;
    log_warning(hook->name, "webhook: what became of deliveries could not be stored, they may be sent again: %s", err.text);
    return -1;
}

/* ---- one attempt ---- */

static int64_t back_off(int64_t failures)
{
    int64_t delay = BACK_OFF;
    uint16_t dice;

    for (int64_t i = 1; i < failures && delay < BACK_OFF_MAX; i++)
        delay *= 2;
    delay = delay < BACK_OFF_MAX ? delay : BACK_OFF_MAX;
    crypto_random(&dice, sizeof(dice));
    return delay * 8 / 10 + delay * 4 / 10 * (dice % 1001) / 1000;
}

static void set_text(char **at, const char *text)
{
    free(*at);
    *at = text && *text ? mem_strdup(text) : NULL;
}

void courier_note_attempt(struct delivery *delivery, const struct attempt *attempt, int64_t now)
{
    delivery->attempts++;
    delivery->last_attempt = now;
    delivery->status = attempt->status;
    delivery->ms = attempt->ms;
    set_text(&delivery->code, attempt->good ? NULL : attempt->code);
    set_text(&delivery->cause, attempt->good ? NULL : attempt->cause);
}

void courier_end(struct delivery *delivery, enum delivery_state state, int64_t now)
{
    delivery->state = state;
    delivery->finished_at = now;
    delivery->next_attempt = 0;
}

/* After an outage nobody waits for the end of a back-off that was the target's fault. */
static void succeeded(struct hook *hook, struct waiting *waiting, int at, int64_t now)
{
    for (int i = 0; hook->down && i < waiting->count; i++) {
        if (i == at || waiting->items[i]->state != DELIVERY_WAITING || waiting->items[i]->next_attempt <= now)
            continue;
        waiting->items[i]->next_attempt = now;
        waiting->changed[i] = true;
    }
    hook->failures = 0;
    hook->suspect = hook->not_before = 0;
    hook->down = false;
    courier_set_state(hook, HOOK_OK, "", "The last delivery was taken.");
}

/* Something here has to be changed before it can work; nothing was sent. */
static bool is_fault(const struct attempt *attempt)
{
    return attempt->status == 0 && (strncmp(attempt->code, "webhook.", 8) == 0 || strncmp(attempt->code, "config.", 7) == 0);
}

/* True when those after it have to wait: it is to be tried again in its place a few times, or it is the target that fails and not
 * the event. */
static bool failed(struct hook *hook, struct delivery *delivery, const struct attempt *attempt, int64_t now)
{
    int64_t delay, asked = attempt->retry_after < 0 ? 0 : SECONDS(attempt->retry_after < 3600 ? attempt->retry_after : 3600);

    hook->failures++;
    hook->down = hook->down || (hook->suspect && hook->suspect != delivery->seq);
    hook->suspect = delivery->seq;
    delay = back_off(hook->down && hook->failures > delivery->attempts ? hook->failures : delivery->attempts);
    delay = delay > asked ? delay : asked;
    courier_set_state(hook, is_fault(attempt) ? HOOK_FAULT : HOOK_DOWN, attempt->code, attempt->cause);
    if (attempt->gone || now + delay > delivery->created_at + GIVE_UP)
        courier_end(delivery, DELIVERY_FAILED, now);
    else
        delivery->next_attempt = now + delay;
    if (delivery->attempts >= GRACE_ATTEMPTS && !hook->down && asked == 0 && !attempt->gone)
        return false;
    hook->not_before = now + delay;
    return true;
}

/* ---- the end of a target (410) ---- */

/* What an administrator changed meanwhile may be what mends it. */
static int only_unchanged(struct config_request *request, const struct entry *before, void *component, struct problems *problems,
                          struct err *err)
{
    (void)component, (void)problems;
    return before == request->extra ? 0 : err_id(err, ERR_CONFLICT, "conflict", NULL, "The webhook changed.");
}

static void disable(struct hook *hook, struct entry *entry, const struct delivery *delivery)
{
    struct station *station = hook->courier->station;
    AUTO_FREE char *resource = mem_printf("Webhook/%s", hook->name);
    json_t *document = json_pack("{s:b}", "enabled", 0);
    struct config_request request = { .op = CONFIG_PATCH, .registry = station->webhooks, .name = hook->name, .document = document,
                                      .actor = { "postern", "" }, .last_word = only_unchanged, .extra = entry };
    struct config_result result;

    config_write_wait(station, &request, &result);
    if (result.outcome == CONFIG_CHANGED) {
        log_warning(hook->name, "webhook: its target is gone (410), so it was disabled");
        events_note(station, "webhook.disabled", NULL, resource,
                    json_pack("{s:s, s:s, s:i}", "webhook", hook->name, "delivery", delivery->id, "status", 410));
    }
    config_result_clear(&result);
    json_decref(document);
}

/* ---- a batch ---- */

struct loading {
    const char *webhook;
    struct waiting *waiting;
};

static int load_one(struct delivery *delivery, void *ctx)
{
    struct waiting *waiting = ctx;

    waiting->items[waiting->count++] = delivery;
    return 0;
}

static int load_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct loading *loading = ctx;

    return store_delivery_waiting(tx, loading->webhook, COURIER_WINDOW + 1, load_one, loading->waiting, err);
}

/* Within its first attempts an event keeps its place. */
static bool keeps_place(const struct delivery *delivery)
{
    return delivery->attempts > 0 && delivery->attempts < GRACE_ATTEMPTS;
}

/* Everything is due. */
static void hurry(struct hook *hook, struct waiting *waiting, int64_t now)
{
    hook->failures = 0;
    hook->suspect = hook->not_before = 0;
    hook->down = false;
    for (int i = 0; i < waiting->count; i++) {
        waiting->changed[i] = waiting->items[i]->next_attempt > now;
        if (waiting->changed[i])
            waiting->items[i]->next_attempt = now;
    }
}

struct batch {
    struct hook *hook;
    struct entry *entry;
    struct waiting *waiting;
    struct target **target;             /* kept from one batch to the next */
    int sent;
    bool ends;                          /* stopped, changed, or it is another's turn */
    const struct delivery *gone;        /* the one that was answered so */
};

/* False: nothing further in this batch. */
static bool send_one(struct batch *batch, int at)
{
    struct delivery *delivery = batch->waiting->items[at];
    struct attempt attempt = { .retry_after = -1 };
    int64_t now;

    if (*batch->target == NULL)
        *batch->target = target_open(batch->hook->courier->station, batch->hook->courier->clients, batch->entry, &attempt);
    if (*batch->target && !target_is_present(*batch->target)) {
        target_close(TAKE(*batch->target));
        batch->ends = true;
        return false;
    }
    if (*batch->target)
        target_send(*batch->target, delivery, &attempt);
    if (attempt.stopped) {
        batch->ends = true;
        return false;
    }
    now = clock_now();
    batch->sent++;
    batch->waiting->changed[at] = true;
    courier_note_attempt(delivery, &attempt, now);
    if (attempt.good) {
        courier_end(delivery, DELIVERY_DELIVERED, now);
        succeeded(batch->hook, batch->waiting, at, now);
        return true;
    }
    if (attempt.gone)
        batch->gone = delivery;
    return !failed(batch->hook, delivery, &attempt, now);
}

/* In order. When to go on: 0 for when something happens. */
static int64_t send_batch(struct batch *batch, int64_t until)
{
    struct waiting *waiting = batch->waiting;
    int64_t next = 0;

    for (int i = 0; i < waiting->count; i++) {
        struct delivery *delivery = waiting->items[i];

        if (delivery->next_attempt > clock_now()) {
            next = next == 0 || delivery->next_attempt < next ? delivery->next_attempt : next;
            if (keeps_place(delivery))
                break;
            continue;
        }
        if (batch->sent == BATCH || clock_mono() > until)
            return COURIER_AT_ONCE;
        if (!send_one(batch, i))
            return batch->ends ? COURIER_AT_ONCE : batch->hook->not_before;
        if (delivery->state == DELIVERY_WAITING)
            next = next == 0 || delivery->next_attempt < next ? delivery->next_attempt : next;
    }
    return batch->sent > 0 ? COURIER_AT_ONCE : next;            /* what succeeded may have made others due */
}

int64_t courier_deliver(struct hook *hook, struct entry *entry, struct target **target, bool hurried, int64_t until)
{
    struct waiting *waiting = mem_alloc(sizeof(*waiting));
    struct loading loading = { hook->name, waiting };
    struct batch batch = { .hook = hook, .entry = entry, .waiting = waiting, .target = target };
    int64_t next = clock_now() + COURIER_DISK_PAUSE;
    struct err err;

    if (!hurried && hook->not_before > clock_now()) {
        next = hook->not_before;
    } else if (store_read(hook->courier->station->store, load_run, &loading, &err) < 0) {
        log_warning(hook->name, "webhook: deliveries could not be read: %s", err.text);
    } else {
        if (hurried)
            hurry(hook, waiting, clock_now());
        next = send_batch(&batch, until);
        if (write_results(hook, waiting) < 0)
            next = clock_now() + COURIER_DISK_PAUSE;
        if (batch.gone)
            disable(hook, entry, batch.gone);
    }
    for (int i = 0; i < waiting->count; i++)
        delivery_free(waiting->items[i]);
    free(waiting);
    return next;
}
