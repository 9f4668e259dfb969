/* SPDX-License-Identifier: Apache-2.0 */
#include "app/courier.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/audit.h"
#include "app/config.h"
#include "app/courier_private.h"
#include "app/events.h"
#include "app/events_private.h"
#include "app/users.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "crypto/crypto.h"
#include "jobs/jobs.h"
#include "model/message.h"
#include "store/store.h"

#define QUICK_THREADS 60                /* more than there are webhooks: none waits for another; they are there only while they work */
#define SLOW_THREADS 4                  /* for targets that failed last */
#define TOLD_DELAY 20                   /* ms: what happens at once is looked at together */
#define WINDOW 200                      /* deliveries of a webhook that wait; further events wait in the store */
#define LOOK_MAX 2000                   /* events looked at in one go */
#define CURSOR_LAG 1000                 /* events that nobody wants are looked at again after a start */
#define BATCH 32                        /* results that are written together */
#define SLICE SECONDS(5)                /* then it is another webhook's turn */
#define GRACE_ATTEMPTS 3                /* so often an event is tried before those after it may overtake it */
#define BACK_OFF SECONDS(10)
#define BACK_OFF_MAX SECONDS(3600)
#define GIVE_UP DAYS(3)
#define HISTORY 1000                    /* deliveries of a webhook that are kept */
#define HISTORY_DAYS 30
#define PURGE_MAX 500
#define DISK_PAUSE SECONDS(10)

#define AT_ONCE 1                       /* of step(): there is more to do */

/* A webhook as it is told. What is in here only is lost at the end: after a start it is tried anew. */
struct hook {
    atomic_uint holders;
    struct courier *courier;
    char *name;

    /* Under the courier's lock. */
    bool removed, running, again;
    bool hurried;                       /* forget the back-off, everything is due */
    int64_t alarm;                      /* ms, wall clock; 0: none is set */
    enum { HOOK_PENDING, HOOK_OK, HOOK_DOWN, HOOK_FAULT } state;
    char code[48], cause[384];
    int64_t since, last_success, last_failure;

    /* Of whoever runs it. */
    int failures;                       /* attempts in a row that failed, whatever was sent */
    int64_t suspect;                    /* the delivery that failed since the last success; 0: none */
    bool down;                          /* another one, too: it is the target that fails */
    int64_t not_before;                 /* ms, wall clock */
    int64_t cursor, seen;               /* as stored; and how far it was looked without finding anything */
};

struct courier {
    struct station *station;
    pthread_mutex_t lock;
    struct map *hooks;                  /* by name; each holds one */
    struct jobs *quick, *slow;
    struct clients *clients;
    atomic_bool any;                    /* there are webhooks */
    atomic_bool told;                   /* a look around is on its way */
    bool started;
};

/* ---- hooks ---- */

static struct hook *hook_hold(struct hook *hook)
{
    atomic_fetch_add_explicit(&hook->holders, 1, memory_order_relaxed);
    return hook;
}

static void hook_free(struct hook *hook)
{
    if (hook == NULL || atomic_fetch_sub_explicit(&hook->holders, 1, memory_order_acq_rel) != 1)
        return;
    free(hook->name);
    free(hook);
}
MEM_FREEP(hook)

static struct hook *hook_get(struct courier *courier, const char *name)
{
    struct hook *hook;

    pthread_mutex_lock(&courier->lock);
    hook = map_get(courier->hooks, name);
    if (hook)
        hook_hold(hook);
    pthread_mutex_unlock(&courier->lock);
    return hook;
}

static void work(void *ctx);

/* With the lock. Those that failed last don't stand in the way of the others. */
static void submit(struct hook *hook)
{
    struct courier *courier = hook->courier;

    hook->running = true;
    jobs_submit(hook->state == HOOK_DOWN ? courier->slow : courier->quick, work, hook_hold(hook));
}

static void kick(struct hook *hook)
{
    struct courier *courier = hook->courier;

    pthread_mutex_lock(&courier->lock);
    if (hook->running)
        hook->again = true;
    else if (courier->started && !hook->removed)
        submit(hook);
    pthread_mutex_unlock(&courier->lock);
}

static void on_alarm(void *ctx)
{
    struct hook *hook = ctx;

    pthread_mutex_lock(&hook->courier->lock);
    if (hook->alarm <= clock_now() + 50)
        hook->alarm = 0;
    pthread_mutex_unlock(&hook->courier->lock);
    if (!atomic_load(&hook->courier->station->stopping))
        kick(hook);
    hook_free(hook);
}

/* With the lock. */
static void set_alarm(struct hook *hook, int64_t due)
{
    int64_t delay = due - clock_now();

    if (hook->alarm && hook->alarm <= due)
        return;
    hook->alarm = due;
    jobs_at(hook->courier->quick, clock_mono() + (delay > 0 ? delay : 0), on_alarm, hook_hold(hook));
}

/* ---- status ---- */

static void set_state(struct hook *hook, int state, const char *code, const char *cause)
{
    int64_t now = clock_now();

    pthread_mutex_lock(&hook->courier->lock);
    if ((int)hook->state != state || strcmp(hook->code, code) != 0)
        hook->since = now;
    if (state != HOOK_OK && (int)hook->state != state)
        log_warning(hook->name, "webhook: %s: %s", code, cause);
    hook->state = state;
    snprintf(hook->code, sizeof(hook->code), "%s", code);
    snprintf(hook->cause, sizeof(hook->cause), "%s", cause);
    *(state == HOOK_OK ? &hook->last_success : &hook->last_failure) = now;
    pthread_mutex_unlock(&hook->courier->lock);
}

struct counting {
    const char *webhook;
    int64_t waiting;
};

static int count_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct counting *counting = ctx;

    return store_delivery_count_waiting(tx, counting->webhook, &counting->waiting, err);
}

static json_t *time_json(int64_t at)
{
    char text[CLOCK_TEXT_MAX];

    return at ? json_string(clock_format(at, text)) : json_null();
}

json_t *courier_status(struct courier *courier, const char *webhook)
{
    static const char *const names[] = { "pending", "ok", "down", "fault" };
    AUTO(entry) entry = registry_get(courier->station->webhooks, webhook);
    AUTO(hook) hook = hook_get(courier, webhook);
    struct counting counting = { webhook, 0 };
    bool on = entry && ((const struct webhook *)entry->component)->enabled;
    struct err err;
    json_t *status;

    if (hook == NULL)
        return json_null();
    store_read(courier->station->store, count_run, &counting, &err);
    pthread_mutex_lock(&courier->lock);
    status = json_pack("{s:s, s:s, s:s, s:o, s:I, s:o, s:o}", "state", on ? names[hook->state] : "disabled", "code",
                       on ? hook->code : "", "cause", on ? hook->cause : "The webhook is disabled.", "since", time_json(hook->since),
                       "waiting", (json_int_t)counting.waiting, "lastSuccess", time_json(hook->last_success), "lastFailure",
                       time_json(hook->last_failure));
    pthread_mutex_unlock(&courier->lock);
    return status;
}

/* ---- from events to deliveries ---- */

struct fan_out {
    struct hook *hook;
    struct entry *entry;
    const struct webhook *webhook;
    struct events_filter filter;
    const char **accounts;
    char *own;                          /* "Webhook/<name>" */
    int64_t cursor, at;                 /* as stored; looked at up to */
    int64_t room;
    int looked;
    bool more;
    struct delivery *made[WINDOW];
    int count;
};

static struct delivery *delivery_new(const char *webhook, const char *type)
{
    struct delivery *delivery = mem_alloc(sizeof(*delivery));
    char id[MESSAGE_ID_LEN + 1];

    delivery->created_at = delivery->next_attempt = clock_now();
    message_id_make(id, delivery->created_at);
    snprintf(delivery->id, sizeof(delivery->id), "%s", id);
    delivery->webhook = mem_strdup(webhook);
    delivery->type = mem_strdup(type);
    return delivery;
}

static void add_delivery(struct fan_out *out, const struct store_event *event)
{
    struct delivery *delivery = delivery_new(out->hook->name, event->type);
    AUTO_BUF(body, 128 * 1024);

    events_text(event, &body);
    delivery->event = event->seq;
    delivery->body = buf_take(&body);
    out->made[out->count++] = delivery;
}

/* What became of a webhook isn't told to itself: it would never end. */
static bool is_about_itself(const struct fan_out *out, const struct store_event *event)
{
    return event->resource && strcmp(event->resource, out->own) == 0 &&
           (strcmp(event->type, "webhook.failed") == 0 || strcmp(event->type, "webhook.disabled") == 0);
}

static int look_at(const struct store_event *event, void *ctx)
{
    struct fan_out *out = ctx;

    if (out->count == out->room || out->looked == LOOK_MAX) {
        out->more = out->looked == LOOK_MAX;
        return 1;
    }
    if (events_wanted(&out->filter, event) && !is_about_itself(out, event))
        add_delivery(out, event);
    out->at = event->seq;
    out->looked++;
    return 0;
}

static void add_gap(struct fan_out *out, int64_t from, int64_t to)
{
    AUTO_BUF(data, 128);
    struct store_event gap = { .seq = to, .at = clock_now(), .type = "events.gap" };

    events_gap_data(&data, from, to);
    gap.data = data.p;
    add_delivery(out, &gap);
}

static int look_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct fan_out *out = ctx;
    struct store_event_span span;
    int64_t waiting, from, to;

    if (store_webhook_cursor(tx, out->hook->name, &out->cursor, err) < 0 ||
        store_delivery_count_waiting(tx, out->hook->name, &waiting, err) < 0 || store_event_span(tx, &span, err) < 0)
        return -1;
    if (out->cursor < 0) {              /* none yet: it begins now */
        out->at = span.last;
        return 0;
    }
    out->at = out->cursor == out->hook->cursor && out->hook->seen > out->cursor ? out->hook->seen : out->cursor;
    out->room = WINDOW - waiting;
    if (out->room <= 0)
        return 0;
    if (events_gap(&span, &out->at, &from, &to))
        add_gap(out, from, to);
    return store_event_after(tx, out->at, LOOK_MAX + 1, look_at, out, err);
}

static int purge_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct hook *hook = ctx;

    return store_delivery_purge(tx, hook->name, HISTORY, clock_now() - DAYS(HISTORY_DAYS), PURGE_MAX, err);
}

/* Only as long as nobody changed the webhook: it may have been disabled, or begin elsewhere. */
static int keep_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct fan_out *out = ctx;
    AUTO(entry) now = registry_get(out->hook->courier->station->webhooks, out->hook->name);
    int64_t cursor;

    if (store_webhook_cursor(tx, out->hook->name, &cursor, err) < 0)
        return -1;
    if (now != out->entry || cursor != out->cursor)
        return err_set(err, ERR_CONFLICT, NULL, "The webhook changed.");
    for (int i = 0; i < out->count; i++)
        if (store_delivery_add(tx, out->made[i], err) < 0)
            return -1;
    if (store_webhook_put_cursor(tx, out->hook->name, out->at, err) < 0)
        return -1;
    return purge_run(tx, out->hook, err);
}

static void set_filter(struct fan_out *out)
{
    size_t count = json_array_size(out->webhook->accounts), i;
    const json_t *one;

    out->filter = (struct events_filter){ .role = USER_ADMIN, .types = { .all = json_array_size(out->webhook->events) == 0 } };
    json_array_foreach(out->webhook->events, i, one)
        event_set_add(&out->filter.types, str_c(json_string_value(one)));
    out->accounts = mem_array(count + 1, sizeof(*out->accounts));
    json_array_foreach(out->webhook->accounts, i, one)
        out->accounts[i] = json_string_value(one);
    out->filter.accounts = count ? out->accounts : NULL;
    out->own = mem_printf("Webhook/%s", out->hook->name);
}

/* 1: there may be more to look at; 0; -1. */
static int fan_out(struct hook *hook, struct entry *entry)
{
    struct store *store = hook->courier->station->store;
    struct fan_out *out = mem_alloc(sizeof(*out));
    struct err err;
    int rc;

    out->hook = hook;
    out->entry = entry;
    out->webhook = entry->component;
    set_filter(out);
    rc = store_read(store, look_run, out, &err);
    if (rc == 0 && (out->count > 0 || out->cursor < 0 || out->at - out->cursor > CURSOR_LAG)) {
        rc = store_write(store, keep_run, out, false, &err);
        out->cursor = rc == 0 ? out->at : out->cursor;
    }
    if (rc == 0) {
        hook->cursor = out->cursor;
        hook->seen = out->at;
    } else if (err.code != ERR_CONFLICT) {
        log_warning(hook->name, "webhook: deliveries could not be stored: %s", err.text);
    }
    for (int i = 0; i < out->count; i++)
        delivery_free(out->made[i]);
    free(out->accounts);
    free(out->own);
    rc = rc < 0 ? err.code == ERR_CONFLICT ? 1 : -1 : out->more;
    free(out);
    return rc;
}

/* ---- results ---- */

struct waiting {
    struct delivery *items[WINDOW + 1];
    bool changed[WINDOW + 1];
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

static void note_attempt(struct delivery *delivery, const struct attempt *attempt, int64_t now)
{
    delivery->attempts++;
    delivery->last_attempt = now;
    delivery->status = attempt->status;
    delivery->ms = attempt->ms;
    set_text(&delivery->code, attempt->good ? NULL : attempt->code);
    set_text(&delivery->cause, attempt->good ? NULL : attempt->cause);
}

static void end(struct delivery *delivery, enum delivery_state state, int64_t now)
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
    set_state(hook, HOOK_OK, "", "The last delivery was taken.");
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
    set_state(hook, is_fault(attempt) ? HOOK_FAULT : HOOK_DOWN, attempt->code, attempt->cause);
    if (attempt->gone || now + delay > delivery->created_at + GIVE_UP)
        end(delivery, DELIVERY_FAILED, now);
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

    return store_delivery_waiting(tx, loading->webhook, WINDOW + 1, load_one, loading->waiting, err);
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
    note_attempt(delivery, &attempt, now);
    if (attempt.good) {
        end(delivery, DELIVERY_DELIVERED, now);
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
            return AT_ONCE;
        if (!send_one(batch, i))
            return batch->ends ? AT_ONCE : batch->hook->not_before;
        if (delivery->state == DELIVERY_WAITING)
            next = next == 0 || delivery->next_attempt < next ? delivery->next_attempt : next;
    }
    return batch->sent > 0 ? AT_ONCE : next;            /* what succeeded may have made others due */
}

static int64_t deliver(struct hook *hook, struct entry *entry, struct target **target, bool hurried, int64_t until)
{
    struct waiting *waiting = mem_alloc(sizeof(*waiting));
    struct loading loading = { hook->name, waiting };
    struct batch batch = { .hook = hook, .entry = entry, .waiting = waiting, .target = target };
    int64_t next = clock_now() + DISK_PAUSE;
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
            next = clock_now() + DISK_PAUSE;
        if (batch.gone)
            disable(hook, entry, batch.gone);
    }
    for (int i = 0; i < waiting->count; i++)
        delivery_free(waiting->items[i]);
    free(waiting);
    return next;
}

/* ---- running ---- */

/* When to go on: AT_ONCE, a time, or 0 for when something happens. */
static int64_t step(struct hook *hook, struct target **target, bool hurried, int64_t until)
{
    AUTO(entry) entry = registry_get(hook->courier->station->webhooks, hook->name);
    int64_t next;
    int more;

    if (entry == NULL || !((const struct webhook *)entry->component)->enabled || atomic_load(&hook->courier->station->stopping))
        return 0;
    more = fan_out(hook, entry);
    next = deliver(hook, entry, target, hurried, until);
    if (more > 0 && next != AT_ONCE && hook->not_before <= clock_now())
        return AT_ONCE;
    return more < 0 && next == 0 ? clock_now() + DISK_PAUSE : next;
}

static void work(void *ctx)
{
    struct hook *hook = ctx;
    struct courier *courier = hook->courier;
    int64_t until = clock_mono() + SLICE, next;
    struct target *target = NULL;
    bool hurried, stopping;

    do {
        pthread_mutex_lock(&courier->lock);
        hurried = hook->hurried;
        hook->hurried = hook->again = false;
        pthread_mutex_unlock(&courier->lock);
        next = step(hook, &target, hurried, until);
    } while (next == AT_ONCE && clock_mono() < until && hook->failures == 0 && !atomic_load(&courier->station->stopping));
    target_close(target);
    stopping = atomic_load(&courier->station->stopping);
    pthread_mutex_lock(&courier->lock);
    hook->running = false;
    if (!stopping && !hook->removed && (hook->again || next == AT_ONCE))
        submit(hook);
    else if (!stopping && !hook->removed && next > 0)
        set_alarm(hook, next);
    pthread_mutex_unlock(&courier->lock);
    hook_free(hook);
}

/* ---- what happens ---- */

static void each_hook(struct courier *courier, void (*visit)(struct hook *hook))
{
    struct hook **all, *hook;
    size_t at = 0, count = 0;

    pthread_mutex_lock(&courier->lock);
    all = mem_array(map_count(courier->hooks) + 1, sizeof(struct hook *));
    while ((hook = map_next(courier->hooks, &at, NULL)))
        all[count++] = hook_hold(hook);
    pthread_mutex_unlock(&courier->lock);
    for (size_t i = 0; i < count; i++) {
        visit(all[i]);
        hook_free(all[i]);
    }
    free(all);
}

static void look_around(void *ctx)
{
    struct courier *courier = ctx;

    atomic_store(&courier->told, false);
    if (!atomic_load(&courier->station->stopping))
        each_hook(courier, kick);
}

void courier_told(struct courier *courier)
{
    if (atomic_load(&courier->any) && !atomic_exchange(&courier->told, true))
        jobs_at(courier->quick, clock_mono() + TOLD_DELAY, look_around, courier);
}

static void hurry_hook(struct hook *hook)
{
    pthread_mutex_lock(&hook->courier->lock);
    hook->hurried = true;
    pthread_mutex_unlock(&hook->courier->lock);
    kick(hook);
}

void courier_hurry(struct courier *courier, const char *webhook)
{
    AUTO(hook) hook = hook_get(courier, webhook);

    if (hook)
        hurry_hook(hook);
}

void courier_retry_all(struct courier *courier)
{
    each_hook(courier, hurry_hook);
}

static struct hook *add_hook(struct courier *courier, const char *name)
{
    struct hook *hook = mem_alloc(sizeof(*hook));

    atomic_init(&hook->holders, 1);
    hook->courier = courier;
    hook->name = mem_strdup(name);
    hook->since = clock_now();
    snprintf(hook->cause, sizeof(hook->cause), "Nothing was sent yet.");
    pthread_mutex_lock(&courier->lock);
    map_put(courier->hooks, name, hook);
    pthread_mutex_unlock(&courier->lock);
    return hook;
}

static void remove_hook(struct courier *courier, const char *name)
{
    struct hook *hook;

    pthread_mutex_lock(&courier->lock);
    hook = map_remove(courier->hooks, name);
    if (hook)
        hook->removed = true;
    pthread_mutex_unlock(&courier->lock);
    hook_free(hook);
}

void courier_changed(struct courier *courier, const struct entry *before, const struct entry *after)
{
    if (after == NULL)
        remove_hook(courier, before->name);
    else if (before == NULL)
        add_hook(courier, after->name);
    atomic_store(&courier->any, registry_count(courier->station->webhooks) > 0);
    if (after)
        courier_hurry(courier, after->name);
}

/* ---- old deliveries ---- */

static void purge_hook(struct hook *hook)
{
    struct err err;

    if (store_write(hook->courier->station->store, purge_run, hook, false, &err) < 0)
        log_warning(hook->name, "webhook: old deliveries could not be removed: %s", err.text);
}

void courier_purge(struct courier *courier)
{
    each_hook(courier, purge_hook);
}

/* ---- a test ---- */

static int test_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct delivery *delivery = ctx;

    if (store_delivery_add(tx, delivery, err) < 0)
        return -1;
    return store_delivery_purge(tx, delivery->webhook, HISTORY, clock_now() - DAYS(HISTORY_DAYS), PURGE_MAX, err);
}

static struct delivery *test_delivery(const char *webhook)
{
    struct delivery *delivery = delivery_new(webhook, "webhook.test");
    AUTO_FREE char *resource = mem_printf("Webhook/%s", webhook), *data = mem_printf("{\"webhook\":\"%s\"}", webhook);
    const struct store_event event = { .at = delivery->created_at, .type = "webhook.test", .resource = resource, .data = data };
    AUTO_BUF(body, 4096);

    events_text(&event, &body);
    delivery->body = buf_take(&body);
    return delivery;
}

static void test_end(struct courier_test *test, const struct err *err)
{
    test->done(test, err);
    json_decref(test->answer);
    entry_free(test->webhook);
    free(test);
}

static void test_work(void *ctx)
{
    struct courier_test *test = ctx;
    struct station *station = test->station;
    struct delivery *delivery = test_delivery(test->webhook->name);
    struct attempt attempt = { .retry_after = -1 };
    struct target *target = target_open(station, station->courier->clients, test->webhook, &attempt);
    AUTO_FREE char *resource = mem_printf("Webhook/%s", test->webhook->name);
    struct err err;
    int rc = 0;

    if (target)
        target_send(target, delivery, &attempt);
    target_close(target);
    note_attempt(delivery, &attempt, clock_now());
    end(delivery, attempt.good ? DELIVERY_DELIVERED : DELIVERY_FAILED, clock_now());
    if (attempt.stopped)
        rc = err_id(&err, ERR_STOPPED, "stopped", NULL, "Postern is stopping.");
    else
        rc = store_write(station->store, test_run, delivery, false, &err);
    if (rc == 0) {
        audit_note(station, &test->actor, "test", resource, NULL);
        test->answer = json_pack("{s:b, s:i, s:I, s:s, s:s, s:s}", "ok", attempt.good, "status", attempt.status, "ms",
                                 (json_int_t)attempt.ms, "code", attempt.code, "cause", attempt.cause, "delivery", delivery->id);
    }
    delivery_free(delivery);
    test_end(test, rc == 0 ? NULL : &err);
}

void courier_test(struct courier_test *test)
{
    jobs_submit(test->station->courier->quick, test_work, test);
}

/* ---- life ---- */

struct courier *courier_new(struct station *station)
{
    struct courier *courier = mem_alloc(sizeof(*courier));

    courier->station = station;
    courier->hooks = map_new();
    pthread_mutex_init(&courier->lock, NULL);
    return courier;
}

static void add_entry(struct entry *entry, void *ctx)
{
    add_hook(ctx, entry->name);
}

void courier_start(struct courier *courier)
{
    courier->clients = clients_new();
    courier->quick = jobs_open(QUICK_THREADS);
    courier->slow = jobs_open(SLOW_THREADS);
    registry_each(courier->station->webhooks, add_entry, courier);
    courier->started = true;
    atomic_store(&courier->any, registry_count(courier->station->webhooks) > 0);
    each_hook(courier, kick);
}

int courier_stop(struct courier *courier)
{
    int rc;

    if (!courier->started)
        return 0;
    clients_stop(courier->clients);
    rc = jobs_stop(courier->slow, SECONDS(5));
    return jobs_stop(courier->quick, SECONDS(5)) < 0 ? -1 : rc;
}

void courier_free(struct courier *courier)
{
    struct hook *hook;
    size_t at = 0;

    if (courier == NULL)
        return;
    jobs_free(courier->quick);
    jobs_free(courier->slow);
    while ((hook = map_next(courier->hooks, &at, NULL)))
        hook_free(hook);
    map_free(courier->hooks);
    clients_free(courier->clients);
    pthread_mutex_destroy(&courier->lock);
    free(courier);
}
