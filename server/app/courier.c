/* SPDX-License-Identifier: Apache-2.0 */
#include "app/courier.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/audit.h"
#include "app/courier_private.h"
#include "app/events.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "jobs/jobs.h"

#define QUICK_THREADS 60                /* more than there are webhooks: none waits for another; they are there only while they work */
#define SLOW_THREADS 4                  /* for targets that failed last */
#define TOLD_DELAY 20                   /* ms: what happens at once is looked at together */
#define SLICE SECONDS(5)                /* then it is another webhook's turn */

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

void courier_set_state(struct hook *hook, int state, const char *code, const char *cause)
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

/* ---- running ---- */

/* When to go on: COURIER_AT_ONCE, a time, or 0 for when something happens. */
static int64_t step(struct hook *hook, struct target **target, bool hurried, int64_t until)
{
    AUTO(entry) entry = registry_get(hook->courier->station->webhooks, hook->name);
    int64_t next;
    int more;

    if (entry == NULL || !((const struct webhook *)entry->component)->enabled || atomic_load(&hook->courier->station->stopping))
        return 0;
    more = courier_fan_out(hook, entry);
    next = courier_deliver(hook, entry, target, hurried, until);
    if (more > 0 && next != COURIER_AT_ONCE && hook->not_before <= clock_now())
        return COURIER_AT_ONCE;
    return more < 0 && next == 0 ? clock_now() + COURIER_DISK_PAUSE : next;
}

static void work(void *ctx)
{
    struct hook *hook = ctx;
    struct courier *courier = hook->courier;
    int64_t until = clock_mono() + SLICE, next;
    struct target *target = NULL;
    bool hurried;

    do {
        pthread_mutex_lock(&courier->lock);
        hurried = hook->hurried;
        hook->hurried = hook->again = false;
        pthread_mutex_unlock(&courier->lock);
        next = step(hook, &target, hurried, until);
    } while (next == COURIER_AT_ONCE && clock_mono() < until && hook->failures == 0 && !atomic_load(&courier->station->stopping));
    target_close(target);
    pthread_mutex_lock(&courier->lock);
    hook->running = false;
    if (courier->started && !hook->removed && (hook->again || next == COURIER_AT_ONCE))
        submit(hook);
    else if (courier->started && !hook->removed && next > 0)
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

    if (store_write(hook->courier->station->store, courier_purge_run, hook->name, false, &err) < 0)
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
    return courier_purge_run(tx, delivery->webhook, err);
}

static struct delivery *test_delivery(const char *webhook)
{
    struct delivery *delivery = courier_delivery_new(webhook, "webhook.test");
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
    courier_note_attempt(delivery, &attempt, clock_now());
    courier_end(delivery, attempt.good ? DELIVERY_DELIVERED : DELIVERY_FAILED, clock_now());
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
    bool started;
    int rc;

    pthread_mutex_lock(&courier->lock);
    started = courier->started;
    courier->started = false;           /* no job that holds a webhook comes any more */
    pthread_mutex_unlock(&courier->lock);
    if (!started)
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
