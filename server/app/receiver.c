/* SPDX-License-Identifier: Apache-2.0 */
#include "app/receiver.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "app/outbox.h"
#include "app/receive.h"
#include "app/sender_result.h"
#include "base/clock.h"
#include "base/log.h"
#include "jobs/gate.h"
#include "jobs/watch.h"
#include "mail/imap_mailbox.h"

#define PER_SERVER 16           /* sessions at work at a time with one host:port; parked ones don't count */
#define RENEW_MS SECONDS(9 * 60)        /* RFC 9051 6.3.13 speaks of 29 minutes; routers forget earlier */
#define SHORT_LIFE SECONDS(10)  /* a connection that ends sooner after it was parked has failed */
#define RETRY_FIRST SECONDS(2)
#define RETRY_MAX SECONDS(300)  /* for a server that can't be reached: mail should flow soon after it can */
#define POLLS_MAX 5             /* on one connection in a row, while others of its server may wait */
#define START_APART 10          /* ms between accounts at a start, on average */

enum phase { RESTING, WORKING, PARKED };

struct receiver {
    struct station *station;
    enum phase phase;
    bool again;                 /* somebody woke it while it worked */
    int failures;               /* attempts in a row */
    int64_t due;                /* clock_mono() of the next poll; 0: none is wanted */
    int64_t alarm_due;          /* the earliest alarm that is set; 0: none */
    int64_t parked_at;
    struct receive *receive;    /* the open connection; the worker's while it works */
    struct receive_trouble trouble;
    struct watch watch;
    char *gate_key;             /* what the worker went in by */
};

struct receivers {
    struct watches *watches;
    struct gate *gate;
    atomic_int active;          /* accounts that aren't at rest */
};

struct receivers *receivers_new(struct station *station, struct err *err)
{
    struct receivers *receivers = mem_alloc(sizeof(*receivers));

    if (watches_open(&receivers->watches, station->jobs, err) < 0) {
        free(receivers);
        return NULL;
    }
    receivers->gate = gate_new(station->jobs, PER_SERVER);
    return receivers;
}

void receivers_free(struct receivers *receivers)
{
    if (receivers == NULL)
        return;
    watches_close(receivers->watches);
    gate_free(receivers->gate);
    free(receivers);
}

void receiver_free(struct receiver *receiver)
{
    if (receiver == NULL)
        return;
    receive_close(receiver->receive, false);
    free(receiver->gate_key);
    free(receiver);
}

/* With live->lock. */
static struct receiver *receiver_of(struct station *station, struct live *live)
{
    if (live->receiver == NULL) {
        live->receiver = mem_alloc(sizeof(*live->receiver));
        live->receiver->station = station;
    }
    return live->receiver;
}

/* ---- when ---- */

static uint32_t dice(void)
{
    uint32_t value = 0;

    if (getrandom(&value, sizeof(value), 0) < 0)
        value = (uint32_t)clock_mono();
    return value;
}

/* `ms` ± `percent`, so that what began together doesn't stay together. */
static int64_t about(int64_t ms, int percent)
{
    int64_t span = ms * percent / 100;

    return span ? ms - span + (int64_t)(dice() % (uint64_t)(2 * span + 1)) : ms;
}

/* Refused credentials wait longer: asking on and on may lock the user out. A mailbox that isn't there yet, or can only be read, or that
 * somebody else has open, locks out nobody. */
int64_t receiver_back_off(int failures, const struct err *err)
{
    int64_t delay = RETRY_FIRST;

    if (err->code == ERR_ASK || (err->code == ERR_REFUSED && strncmp(err->id, "config.", 7) != 0))
        return sender_back_off(failures);
    for (int i = 1; i < failures && delay < RETRY_MAX; i++)
        delay *= 2;
    return about(delay < RETRY_MAX ? delay : RETRY_MAX, 20);
}

static bool may_receive(struct station *station, const struct entry *entry, const struct live *live)
{
    const struct account *account = entry ? entry->component : NULL;

    return account && entry->type == &incoming_account_type && account->enabled && *account->hostname &&
           station_email_enabled(station) && !live_is_removed(live) && !atomic_load(&station->stopping);
}

static void work(void *ctx);

/* With live->lock, at rest. */
static void start(struct live *live, const struct entry *entry)
{
    struct receiver *receiver = live->receiver;
    const struct account *account = entry->component;

    receiver->phase = WORKING;
    receiver->again = false;
    free(receiver->gate_key);
    receiver->gate_key = mem_printf("%s:%lld", account->hostname, (long long)account_port(entry->type, account));
    live_hold(live);
    atomic_fetch_add(&receiver->station->receivers->active, 1);
    gate_enter(receiver->station->receivers->gate, receiver->gate_key, work, live);
}

struct alarm {
    struct station *station;
    struct live *live;          /* held */
};

static void on_alarm(void *ctx);

/* With live->lock. An earlier wish gets an alarm of its own; the later one then finds nothing to do. */
static void set_alarm(struct station *station, struct live *live)
{
    struct receiver *receiver = live->receiver;
    struct alarm *alarm;

    if (receiver->due == 0 || (receiver->alarm_due && receiver->alarm_due <= receiver->due))
        return;
    alarm = mem_alloc(sizeof(*alarm));
    alarm->station = station;
    alarm->live = live_hold(live);
    receiver->alarm_due = receiver->due;
    jobs_at(station->jobs, receiver->due, on_alarm, alarm);
}

/* With live->lock: begins what is due, or sees to it that it begins later. */
static void consider(struct station *station, struct live *live)
{
    AUTO(entry) entry = registry_get(station->accounts, live_name(live));
    struct receiver *receiver = live->receiver;

    if (receiver->phase != RESTING || receiver->due == 0 || !may_receive(station, entry, live))
        return;
    if (receiver->due <= clock_mono())
        start(live, entry);
    else
        set_alarm(station, live);
}

static void on_alarm(void *ctx)
{
    struct alarm *alarm = ctx;
    struct live *live = alarm->live;

    pthread_mutex_lock(&live->lock);
    if (live->receiver->alarm_due <= clock_mono())
        live->receiver->alarm_due = 0;
    consider(alarm->station, live);
    pthread_mutex_unlock(&live->lock);
    live_free(live);
    free(alarm);
}

/* ---- waking ---- */

static void wake_at(struct station *station, const char *name, int64_t when, bool only_failed)
{
    AUTO(entry) entry = registry_get(station->accounts, name);
    AUTO(live) live = NULL;
    struct receiver *receiver;

    if (entry == NULL || entry->type != &incoming_account_type || station->receivers == NULL)
        return;
    live = live_get(station->lives, name);
    pthread_mutex_lock(&live->lock);
    receiver = receiver_of(station, live);
    if (!only_failed || receiver->failures > 0) {
        receiver->failures = 0;
        receiver->due = when;
        receiver->again = true;
        if (receiver->phase == PARKED)
            watch_fire(station->receivers->watches, &receiver->watch);
        consider(station, live);
    }
    pthread_mutex_unlock(&live->lock);
}

void receiver_wake(struct station *station, const char *account)
{
    wake_at(station, account, clock_mono(), false);
}

void receiver_relieve(struct station *station, const char *account)
{
    wake_at(station, account, clock_mono(), true);
}

void receiver_stir(struct station *station, struct live *live)
{
    pthread_mutex_lock(&live->lock);
    if (live->receiver && live->receiver->phase == PARKED)
        watch_fire(station->receivers->watches, &live->receiver->watch);
    pthread_mutex_unlock(&live->lock);
}

/* ---- at work ---- */

static void tell_success(struct receive *receive)
{
    const struct tls_peer *peer = receive->connect->peer;

    if (receive_is_void(receive))
        return;                         /* the settings that worked are not the present ones */
    /* What a resumed session rests on was told when it began. */
    live_succeeded(receive->live, peer && peer->resumed ? NULL : connect_tls_json(receive->connect));
    if (receive->received > 0)
        outbox_recount(receive->station, live_name(receive->live));
}

/* Whether somebody woke it since it was last asked. */
static bool take_wake(struct receiver *receiver, struct live *live)
{
    bool woken;

    pthread_mutex_lock(&live->lock);
    woken = receiver->again;
    receiver->again = false;
    pthread_mutex_unlock(&live->lock);
    return woken;
}

/* The connection that was parked: 1 when a poll is worth while, 0 when not; NULL in `*at` when it is of no more use. */
static int wake_parked(struct receiver *receiver, struct receive **at, const struct entry *entry, bool woken, struct err *err)
{
    bool wanted = woken || receiver->due <= clock_mono();
    bool young = clock_mono() - receiver->parked_at < SHORT_LIFE;
    int rc;

    if ((*at)->entry != entry) {        /* changed settings: with a new connection, at once */
        receive_close(TAKE(*at), true);
        return 1;
    }
    rc = receive_awake(*at, wanted || clock_mono() - receiver->parked_at >= RENEW_MS / 2, err);
    if (rc >= 0)
        return rc || wanted;
    receive_close(TAKE(*at), false);
    return young ? -1 : 1;              /* one that lasted is simply opened again */
}

/* One poll, with the connection there is or a new one. 0 with an open connection in `*at`, or -1. */
static int poll_once(struct receiver *receiver, struct live *live, struct entry *entry, struct receive **at, struct err *err)
{
    bool woken = take_wake(receiver, live);
    int wanted = *at ? wake_parked(receiver, at, entry, woken, err) : 1;

    if (wanted < 0)
        return -1;
    if (*at == NULL && receive_open(at, receiver->station, entry, live, &receiver->trouble, err) < 0)
        return -1;
    if (wanted > 0 && receive_poll(*at, err) < 0)
        return -1;
    tell_success(*at);
    return 0;
}

static bool may_idle(const struct receive *receive)
{
    return receive->account->push && account_transport(receive->entry->type, receive->account) == TRANSPORT_IMAP &&
           imap_capabilities(receive->connect->imap)->idle && !receive_is_void(receive);
}

/* Back to rest; what is due already begins at once. */
static void rest(struct receiver *receiver, struct live *live, int64_t due)
{
    struct station *station = receiver->station;

    pthread_mutex_lock(&live->lock);
    receiver->phase = RESTING;
    if (!receiver->again)
        receiver->due = due;
    atomic_fetch_sub(&station->receivers->active, 1);
    consider(station, live);
    pthread_mutex_unlock(&live->lock);
}

static void on_watch(void *ctx)
{
    struct live *live = ctx;
    struct receiver *receiver = live->receiver;

    pthread_mutex_lock(&live->lock);
    receiver->phase = WORKING;
    pthread_mutex_unlock(&live->lock);
    gate_enter(receiver->station->receivers->gate, receiver->gate_key, work, live);
}

/* True: it is parked, and no longer this worker's. */
static bool park(struct receiver *receiver, struct live *live, struct receive *receive, int64_t due)
{
    struct station *station = receiver->station;
    int64_t until = clock_mono() + about(RENEW_MS, 5);
    bool parked;

    pthread_mutex_lock(&live->lock);
    parked = !receiver->again && !live_is_removed(live) && !atomic_load(&station->stopping);
    if (parked) {
        receiver->receive = receive;
        receiver->phase = PARKED;
        receiver->due = receive->more ? due : INT64_MAX;
        receiver->parked_at = clock_mono();
        if (receiver->due < until)
            until = receiver->due;
        if (watch_add(station->receivers->watches, &receiver->watch, imap_fd(receive->connect->imap), until, on_watch, live) < 0) {
            receiver->receive = NULL;
            receiver->phase = WORKING;
            parked = false;
        }
    }
    pthread_mutex_unlock(&live->lock);
    return parked;
}

/* After a poll that went well: waits for news on the open connection, or until the next poll without one. True: it is parked. */
static bool settle_down(struct receiver *receiver, struct live *live, struct receive *receive, int64_t *next, struct err *err)
{
    int rc = 0;

    for (int i = 0; i < POLLS_MAX && rc >= 0 && may_idle(receive); i++) {
        rc = receive_idle(receive, err);
        if (rc > 0 && park(receiver, live, receive, *next))
            return true;
        if (rc > 0)                     /* somebody woke it meanwhile */
            rc = receive_awake(receive, true, err);
        take_wake(receiver, live);
        if (rc >= 0)
            rc = receive_poll(receive, err);
        if (rc >= 0)
            tell_success(receive);
        if (i == POLLS_MAX - 1)
            *next = clock_mono();
    }
    receive_close(receive, rc >= 0);
    return false;
}

static void tell_failure(struct receiver *receiver, struct live *live, const struct err *err, int64_t *next)
{
    if (err->code == ERR_STOPPED) {
        *next = clock_mono();           /* with the settings as they are now */
        return;
    }
    live_failed(live, err);
    pthread_mutex_lock(&live->lock);
    *next = clock_mono() + receiver_back_off(++receiver->failures, err);
    pthread_mutex_unlock(&live->lock);
}

/* True: parked. `*next` is when to poll again, otherwise. */
static bool work_on(struct receiver *receiver, struct live *live, struct entry *entry, int64_t *next)
{
    struct receive *receive = TAKE(receiver->receive);
    const struct account *account = entry->component;
    struct err err = { 0 };

    *next = clock_mono() + about(SECONDS(account->pollrate), 3);
    if (poll_once(receiver, live, entry, &receive, &err) == 0) {
        pthread_mutex_lock(&live->lock);
        receiver->failures = 0;
        pthread_mutex_unlock(&live->lock);
        err = (struct err){ 0 };        /* a first try may have failed, and the second not */
        if (settle_down(receiver, live, receive, next, &err))
            return true;
        receive = NULL;
    }
    if (err.id[0])
        tell_failure(receiver, live, &err, next);
    receive_close(receive, false);
    return false;
}

static void work(void *ctx)
{
    struct live *live = ctx;
    struct receiver *receiver = live->receiver;
    struct station *station = receiver->station;
    AUTO(entry) entry = registry_get(station->accounts, live_name(live));
    AUTO_FREE char *gate_key = mem_strdup(receiver->gate_key);
    int64_t next = 0;
    bool parked = false;

    if (may_receive(station, entry, live))
        parked = work_on(receiver, live, entry, &next);
    else
        receive_close(TAKE(receiver->receive), !atomic_load(&station->stopping));
    gate_leave(station->receivers->gate, gate_key);
    if (parked)
        return;                         /* its hold of `live` stays with it */
    rest(receiver, live, next);
    live_free(live);
}

/* ---- start and stop ---- */

struct starting {
    struct station *station;
    int64_t span;
};

static void start_one(struct entry *entry, void *ctx)
{
    const struct starting *starting = ctx;
    const struct account *account = entry->component;
    int64_t span = SECONDS(account->pollrate) < starting->span ? SECONDS(account->pollrate) : starting->span;

    if (entry->type == &incoming_account_type)
        wake_at(starting->station, entry->name, clock_mono() + (int64_t)(dice() % (uint64_t)(span + 1)), false);
}

void receiver_start_all(struct station *station)
{
    struct starting starting = { station, (int64_t)registry_count(station->accounts) * START_APART };

    registry_each(station->accounts, start_one, &starting);
}

static void stir_one(struct entry *entry, void *ctx)
{
    struct station *station = ctx;

    if (entry->type == &incoming_account_type) {
        AUTO(live) live = live_get(station->lives, entry->name);

        receiver_stir(station, live);
    }
}

void receiver_stop_all(struct station *station)
{
    if (station->receivers == NULL)
        return;
    registry_each(station->accounts, stir_one, station);
    gate_open(station->receivers->gate);
}

void receiver_stop_wait(struct station *station, int64_t ms)
{
    int64_t deadline = clock_mono() + ms;
    struct timespec nap = { 0, 5 * 1000000 };

    while (station->receivers && atomic_load(&station->receivers->active) > 0 && clock_mono() < deadline)
        nanosleep(&nap, NULL);
}

void receiver_stats(struct station *station, struct receiver_stats *ret)
{
    *ret = (struct receiver_stats){ 0 };
    if (station->receivers) {
        ret->parked = watches_count(station->receivers->watches);
        ret->working = atomic_load(&station->receivers->active) - (int)ret->parked;
    }
}
