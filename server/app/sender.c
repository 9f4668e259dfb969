/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sender.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "app/connect.h"
#include "app/live.h"
#include "app/outbox.h"
#include "app/sender_result.h"
#include "app/station.h"
#include "base/clock.h"
#include "base/log.h"
#include "jobs/jobs.h"
#include "model/account.h"
#include "store/store.h"

#define CLAIM_MAX 8                     /* messages under one lease; a kill makes so many wait for it */
#define LEASE_MS SECONDS(3600)
#define IDLE_MS 1500                    /* how long a connection waits for more before QUIT */
#define BACKLOG_PER_WORKER 4

struct sender {
    pthread_cond_t more;                /* with live->lock */
    int workers;
    int leaving;                        /* of them, those that found they are too many */
    int idle;                           /* workers that wait for more */
    uint64_t notices;                   /* counts what came, so that a worker that leaves misses nothing */
    int failures;                       /* attempts in a row that never got to a message */
    int64_t not_before;                 /* ms, wall clock: back-off of the account */
    int64_t alarm_due;                  /* ms, wall clock; 0: none is set */
    int64_t reserved;                   /* messages claimed and not yet counted, for the day's limit */
};

struct worker {
    struct station *station;
    struct live *live;                  /* held */
    struct connect *connect;            /* or NULL */
    struct message *batch[CLAIM_MAX];
    size_t count, at;
    struct result_commit *pending;      /* the result before the present message, on its way to the disk */
    bool surplus;                       /* maxConnections was lowered */
};

/* Of all accounts, also of those that are deleted meanwhile. */
static atomic_int workers_running;

void sender_free(struct sender *sender)
{
    if (sender == NULL)
        return;
    pthread_cond_destroy(&sender->more);
    free(sender);
}

/* With live->lock. */
static struct sender *sender_of(struct live *live)
{
    pthread_condattr_t attr;

    if (live->sender)
        return live->sender;
    live->sender = mem_alloc(sizeof(*live->sender));
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&live->sender->more, &attr);
    pthread_condattr_destroy(&attr);
    return live->sender;
}

/* ±20 %, so that what failed together does not come back together. */
int64_t sender_back_off(int failures)
{
    int64_t delay = SECONDS(30);
    uint32_t dice = 0;

    for (int i = 1; i < failures && delay < SECONDS(3600); i++)
        delay *= 2;
    if (delay > SECONDS(3600))
        delay = SECONDS(3600);
    if (getrandom(&dice, sizeof(dice), 0) < 0)
        dice = 500;
    return delay * 8 / 10 + delay * 4 / 10 * (int64_t)(dice % 1001) / 1000;
}

static bool may_send(struct station *station, const struct entry *entry)
{
    const struct account *account = entry ? entry->component : NULL;

    return account && entry->type == &outgoing_account_type && account->enabled && *account->hostname &&
           station_email_enabled(station) && !atomic_load(&station->stopping);
}

/* ---- when ---- */

static void work(void *ctx);

struct alarm {
    struct station *station;
    struct live *live;                  /* held */
};

static void on_alarm(void *ctx)
{
    struct alarm *alarm = ctx;
    struct live *live = alarm->live;

    pthread_mutex_lock(&live->lock);
    if (live->sender->alarm_due <= clock_now() + 50)
        live->sender->alarm_due = 0;
    pthread_mutex_unlock(&live->lock);
    if (!live_is_removed(live))
        sender_notice(alarm->station, live_name(live), 0);
    live_free(live);
    free(alarm);
}

/* With live->lock. An earlier wish gets an alarm of its own; the later one then finds nothing to do. */
static void set_alarm(struct station *station, struct live *live, int64_t due)
{
    int64_t delay = due - clock_now();
    struct alarm *alarm;

    if (live->sender->alarm_due && live->sender->alarm_due <= due)
        return;
    alarm = mem_alloc(sizeof(*alarm));
    alarm->station = station;
    alarm->live = live_hold(live);
    live->sender->alarm_due = due;
    jobs_at(station->jobs, clock_mono() + (delay > 0 ? delay : 0), on_alarm, alarm);
}

/* With live->lock. */
static void start_worker(struct station *station, struct live *live)
{
    struct worker *worker = mem_alloc(sizeof(*worker));

    worker->station = station;
    worker->live = live_hold(live);
    live->sender->workers++;
    atomic_fetch_add(&workers_running, 1);
    jobs_submit(station->jobs, work, worker);
}

/* The next tick of Pollrate, counted from 1970 so that it needs no memory. */
static int64_t next_tick(const struct account *account, int64_t now)
{
    int64_t rate = SECONDS(account->pollrate);

    return (now / rate + 1) * rate;
}

/* With live->lock. */
static void consider(struct station *station, struct live *live, const struct account *account)
{
    struct sender *sender = live->sender;

    sender->notices++;
    if (sender->idle > 0)
        pthread_cond_signal(&sender->more);
    else if (sender->workers == 0 ||
             (sender->workers - sender->leaving < account->max_connections && sender->failures == 0 &&
              live->queue_size > (int64_t)sender->workers * BACKLOG_PER_WORKER))
        start_worker(station, live);
}

void sender_notice(struct station *station, const char *name, int64_t due)
{
    AUTO(entry) entry = registry_get(station->accounts, name);
    const struct account *account = entry ? entry->component : NULL;
    AUTO(live) live = NULL;
    int64_t now = clock_now();

    if (!may_send(station, entry))
        return;
    live = live_get(station->lives, name);
    pthread_mutex_lock(&live->lock);
    sender_of(live);
    if (account->batch && due != 0)
        due = next_tick(account, due > now ? due : now);
    if (live->sender->not_before > due)
        due = live->sender->not_before;
    if (live->queue_size == 0)
        live->sender->notices++;        /* nothing to send: no connection for it */
    else if (!live->paused && due > now)
        set_alarm(station, live, due);
    else if (!live->paused)
        consider(station, live, account);
    pthread_mutex_unlock(&live->lock);
}

struct waking {
    struct station *station;
    char *account;
};

/* Also what the day's limit held, when the limit was raised meanwhile. */
static int wake_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct waking *waking = ctx;
    AUTO(entry) entry = registry_get(waking->station->accounts, waking->account);
    AUTO(live) live = NULL;
    int64_t now = clock_now(), changed;

    if (entry == NULL)
        return 0;
    live = live_get(waking->station->lives, waking->account);
    if (!live_day_is_over(live, entry->component, now) &&
        outbox_move(tx, waking->account, MESSAGE_HELD, MESSAGE_QUEUED, now, true, &changed, err) < 0)
        return -1;
    return outbox_move(tx, waking->account, MESSAGE_DEFERRED, MESSAGE_QUEUED, now, false, &changed, err);
}

static void wake_done(void *ctx, const struct err *err)
{
    struct waking *waking = ctx;

    if (err)
        log_warning(waking->account, "Waiting messages could not be woken: %s", err->text);
    sender_notice(waking->station, waking->account, 0);
    free(waking->account);
    free(waking);
}

void sender_wake(struct station *station, const char *name)
{
    AUTO(entry) entry = registry_get(station->accounts, name);
    AUTO(live) live = NULL;
    struct waking *waking;
    int64_t waiting;

    if (entry == NULL)
        return;
    live = live_get(station->lives, name);
    pthread_mutex_lock(&live->lock);
    sender_of(live)->not_before = 0;
    live->sender->failures = 0;
    waiting = live->queue_size;
    pthread_mutex_unlock(&live->lock);
    if (waiting == 0)                   /* 100,000 accounts under one EmailService: no write for nothing */
        return;
    waking = mem_alloc(sizeof(*waking));
    waking->station = station;
    waking->account = mem_strdup(name);
    store_submit(station->store, wake_run, wake_done, waking, false);
}

void sender_stir(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    if (live->sender)
        pthread_cond_broadcast(&live->sender->more);
    pthread_mutex_unlock(&live->lock);
}

bool sender_waits_until(struct live *live, int64_t until)
{
    bool waits;

    pthread_mutex_lock(&live->lock);
    waits = live->sender && live->sender->not_before == until;
    pthread_mutex_unlock(&live->lock);
    return waits;
}

/* ---- a worker ---- */

static bool stay(struct worker *worker, const struct entry *entry)
{
    bool paused;

    pthread_mutex_lock(&worker->live->lock);
    paused = worker->live->paused || worker->live->sender->not_before > clock_now();
    pthread_mutex_unlock(&worker->live->lock);
    return !paused && !live_is_removed(worker->live) && may_send(worker->station, entry);
}

static struct entry *present_entry(const struct worker *worker)
{
    return registry_get(worker->station->accounts, live_name(worker->live));
}

/* Between two messages: paused, disabled and deleted mean at once. */
static bool may_go_on(struct worker *worker)
{
    AUTO(entry) entry = present_entry(worker);

    return stay(worker, entry);
}

/* One of those that are too many since maxConnections was lowered; each finds out under the lock, so that enough stay. */
static bool is_surplus(struct worker *worker, const struct account *account)
{
    struct sender *sender = worker->live->sender;

    pthread_mutex_lock(&worker->live->lock);
    worker->surplus = sender->workers - sender->leaving > account->max_connections;
    sender->leaving += worker->surplus;
    pthread_mutex_unlock(&worker->live->lock);
    return worker->surplus;
}

/* Whether the day's limit is reached; then what waits is held. */
static bool day_is_over(struct worker *worker, const struct entry *entry)
{
    if (!live_day_is_over(worker->live, entry->component, clock_now()))
        return false;
    result_hold_for_day(worker->station, entry);
    return true;
}

/* Nothing could be tried: the messages that were due show why, and the account waits. */
static void give_up_for_now(struct worker *worker, const struct entry *entry, const struct err *err)
{
    struct sender *sender = worker->live->sender;
    int64_t until;

    if (err->code == ERR_STOPPED)
        return;
    live_failed(worker->live, err);
    pthread_mutex_lock(&worker->live->lock);
    until = sender->not_before = clock_now() + sender_back_off(++sender->failures);
    pthread_mutex_unlock(&worker->live->lock);
    result_defer_due(worker->station, entry, worker->live, until, err);
}

/* An open session with the account's present settings; -1 when there is none to be had now. */
static int get_session(struct worker *worker, struct entry *entry)
{
    struct err err = { 0 };

    if (worker->connect && (strcmp(entry_etag(worker->connect->account), entry_etag(entry)) != 0 ||
                            !smtp_is_usable(worker->connect->smtp))) {
        connect_free(worker->connect);
        worker->connect = NULL;
    }
    if (worker->connect)
        return 0;
    worker->connect = connect_new(worker->station, entry, true);
    if (connect_open(worker->connect, &err) == 0) {
        live_succeeded(worker->live, connect_tls_json(worker->connect));
        pthread_mutex_lock(&worker->live->lock);
        worker->live->sender->failures = 0;
        pthread_mutex_unlock(&worker->live->lock);
        return 0;
    }
    connect_free(worker->connect);
    worker->connect = NULL;
    give_up_for_now(worker, entry, &err);
    return -1;
}

/* How many messages may still go out today; reserves them. */
static int reserve(struct worker *worker, const struct account *account)
{
    int wanted = account->delivery_guarantee == GUARANTEE_AT_MOST_ONCE ? 1 : CLAIM_MAX;
    int64_t sent = live_sent_today(worker->live, clock_now()), left;
    struct sender *sender = worker->live->sender;

    pthread_mutex_lock(&worker->live->lock);
    left = account->max_sendable_per_day ? account->max_sendable_per_day - sent - sender->reserved : wanted;
    if (left < wanted)
        wanted = left > 0 ? (int)left : 0;
    sender->reserved += wanted;
    pthread_mutex_unlock(&worker->live->lock);
    return wanted;
}

static void unreserve(struct worker *worker, int64_t count)
{
    pthread_mutex_lock(&worker->live->lock);
    worker->live->sender->reserved -= count;
    pthread_mutex_unlock(&worker->live->lock);
}

static int take(struct message *message, void *ctx)
{
    struct worker *worker = ctx;

    worker->batch[worker->count++] = message;
    return 0;
}

struct claim {
    struct worker *worker;
    const struct entry *entry;
    int max;
};

/* On the writer thread, where configuration is published: nothing is sent with settings that are not the present ones. */
static int claim_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct claim *claim = ctx;
    struct station *station = claim->worker->station;
    struct store_lease lease = { station->lease_owner, clock_now() + LEASE_MS };
    AUTO(entry) present = present_entry(claim->worker);

    if (present != claim->entry || live_is_removed(claim->worker->live))
        return 0;
    return store_message_claim(tx, claim->entry->name, &lease, clock_now(), claim->max, take, claim->worker, err);
}

static void drop_batch(struct worker *worker)
{
    for (size_t i = 0; i < worker->count; i++) {
        message_free(worker->batch[i]);
        worker->batch[i] = NULL;
    }
    worker->count = worker->at = 0;
}

/* 1: there is a batch; 0: nothing is due; -1: the store failed. */
static int get_batch(struct worker *worker, const struct entry *entry)
{
    struct claim claim = { worker, entry, reserve(worker, entry->component) };
    struct err err;

    drop_batch(worker);
    if (claim.max == 0)                 /* others have what may still go out today */
        return 0;
    if (store_write(worker->station->store, claim_run, &claim, false, &err) < 0) {
        log_warning(entry->name, "Messages could not be taken from the queue: %s", err.text);
        drop_batch(worker);
        unreserve(worker, claim.max);
        return -1;
    }
    unreserve(worker, claim.max - (int64_t)worker->count);
    return worker->count > 0;
}

/* The dot of this message waits until the result of the one before it is on the disk. */
static int before_dot(void *ctx, struct err *err)
{
    struct worker *worker = ctx;

    if (worker->pending && result_commit_wait(worker->pending, err) < 0)
        return -1;
    worker->pending = NULL;
    return 0;
}

/* 0: go on with the session; -1: it is of no more use. */
static int send_one(struct worker *worker, const struct entry *entry, struct message *message)
{
    struct result_envelope envelope;
    struct err err = { 0 };
    enum smtp_outcome outcome;
    AUTO_BUF(raw, 1100 * 1024 * 1024);

    if (result_is_for_person(message, entry->component)) {
        result_commit_settle(worker->station, TAKE(worker->pending));
        worker->pending = result_commit_leave(worker->station, entry, worker->live, message);
        unreserve(worker, 1);
        return 0;
    }
    if (result_read_raw(worker->station, message, &raw, &err) < 0) {
        log_error(entry->name, "Message %s could not be read: %s", message->id, err.text);
        outcome = SMTP_LOST;
        result_envelope_init(&envelope, message);
    } else {
        result_envelope_init(&envelope, message);
        envelope.smtp.before_dot = before_dot;
        envelope.smtp.ctx = worker;
        outcome = smtp_send(worker->connect->smtp, &envelope.smtp, buf_str(&raw), envelope.results, &err);
    }
    result_commit_settle(worker->station, TAKE(worker->pending));       /* where no dot was reached */
    if (outcome == SMTP_TEMPORARY && err.code == ERR_REFUSED)
        give_up_for_now(worker, entry, &err);
    else if (err.code != ERR_STOPPED && outcome != SMTP_SENT && outcome != SMTP_PERMANENT && !smtp_is_usable(worker->connect->smtp))
        live_failed(worker->live, &err);        /* it is the server that failed, not the message */
    worker->pending = result_commit(worker->station, entry, worker->live, message, &envelope, outcome, &err);
    unreserve(worker, 1);
    result_envelope_free(&envelope);
    return outcome == SMTP_LOST || outcome == SMTP_UNCERTAIN || !smtp_is_usable(worker->connect->smtp) ? -1 : 0;
}

/* What was claimed and not begun goes back untouched. */
static void return_rest(struct worker *worker)
{
    size_t rest = worker->count - worker->at;

    result_commit_settle(worker->station, TAKE(worker->pending));
    if (rest > 0) {
        result_return(worker->station, worker->live, worker->batch + worker->at, rest);
        unreserve(worker, (int64_t)rest);
    }
    drop_batch(worker);
}

static void send_batch(struct worker *worker, const struct entry *entry)
{
    int usable = 0;

    while (worker->at < worker->count && usable == 0 && may_go_on(worker))
        usable = send_one(worker, entry, worker->batch[worker->at++]);
    return_rest(worker);
    outbox_recount(worker->station, live_name(worker->live));
    if (usable < 0) {
        connect_free(worker->connect);
        worker->connect = NULL;
    }
}

/* Keeps the connection a little for what may come; false when the worker should leave. */
static bool wait_for_more(struct worker *worker, uint64_t seen)
{
    struct sender *sender = worker->live->sender;
    int64_t deadline = clock_mono() + IDLE_MS;
    struct timespec until = { deadline / 1000, deadline % 1000 * 1000000 };
    bool more;

    pthread_mutex_lock(&worker->live->lock);
    sender->idle++;
    while (sender->notices == seen && !worker->live->paused && !live_is_removed(worker->live) &&
           !atomic_load(&worker->station->stopping) &&
           pthread_cond_timedwait(&sender->more, &worker->live->lock, &until) == 0)
        continue;
    sender->idle--;
    more = sender->notices != seen;
    pthread_mutex_unlock(&worker->live->lock);
    return more;
}

static uint64_t notices_seen(struct worker *worker)
{
    uint64_t seen;

    pthread_mutex_lock(&worker->live->lock);
    seen = worker->live->sender->notices;
    pthread_mutex_unlock(&worker->live->lock);
    return seen;
}

struct due {
    const char *account;
    struct store_message_counts counts;
};

static int due_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct due *due = ctx;

    return store_message_counts(tx, due->account, &due->counts, err);
}

/* When the next message of the account is due; 0: none waits. */
static int64_t next_due(struct worker *worker)
{
    struct due due = { live_name(worker->live), { 0 } };
    struct err err;

    return store_read(worker->station->store, due_run, &due, &err) < 0 ? clock_now() + SECONDS(30) : due.counts.due_next;
}

/* No connection is opened for nothing, and one that was lost says so until the next message is due. */
static bool worth_a_connection(struct worker *worker)
{
    int64_t due = worker->connect ? 1 : next_due(worker);

    return due != 0 && due <= clock_now();
}

static uint64_t work_through(struct worker *worker)
{
    for (;;) {
        uint64_t seen = notices_seen(worker);
        AUTO(entry) entry = present_entry(worker);
        int got;

        if (!stay(worker, entry) || is_surplus(worker, entry->component) || !worth_a_connection(worker) ||
            day_is_over(worker, entry) || get_session(worker, entry) < 0)
            return seen;
        got = get_batch(worker, entry);
        if (got > 0)
            send_batch(worker, entry);
        else if (got < 0 || ((const struct account *)entry->component)->batch || !wait_for_more(worker, seen))
            return seen;
    }
}

/* When this worker has left: an alarm for what waits, a new worker for what came meanwhile. */
static void leave(struct worker *worker, uint64_t seen)
{
    AUTO(entry) entry = present_entry(worker);
    int64_t due = next_due(worker), now = clock_now();
    bool missed;

    if (due && entry && live_day_is_over(worker->live, entry->component, now))
        due = clock_next_midnight(now);         /* what is uncertain is not held: it is due all the time */
    pthread_mutex_lock(&worker->live->lock);
    worker->live->sender->workers--;
    worker->live->sender->leaving -= worker->surplus;
    missed = worker->live->sender->notices != seen;
    pthread_mutex_unlock(&worker->live->lock);
    if (live_is_removed(worker->live))
        return;
    if (missed && may_send(worker->station, entry))
        sender_notice(worker->station, live_name(worker->live), 0);
    else if (due)
        sender_notice(worker->station, live_name(worker->live), due > now ? due : now + 100);
}

static void work(void *ctx)
{
    struct worker *worker = ctx;
    uint64_t seen = work_through(worker);

    connect_free(worker->connect);
    leave(worker, seen);
    live_free(worker->live);
    free(worker);
    atomic_fetch_sub(&workers_running, 1);
}

/* ---- start and stop ---- */

static void start_one(struct entry *entry, void *ctx)
{
    struct station *station = ctx;
    AUTO(live) live = live_get(station->lives, entry->name);

    if (live_queue_size(live) > 0)
        sender_notice(station, entry->name, clock_now());
}

int sender_start_all(struct station *station, struct err *err)
{
    if (result_take_over(station, err) < 0)
        return -1;
    registry_each(station->accounts, start_one, station);
    return 0;
}

static void stir_one(struct entry *entry, void *ctx)
{
    AUTO(live) live = live_get(((struct station *)ctx)->lives, entry->name);

    sender_stir(live);
}

static void wait_for_workers(int64_t ms)
{
    int64_t deadline = clock_mono() + ms;
    struct timespec nap = { 0, 5 * 1000000 };

    while (atomic_load(&workers_running) > 0 && clock_mono() < deadline)
        nanosleep(&nap, NULL);
}

void sender_stop_all(struct station *station, int64_t grace_ms)
{
    registry_each(station->accounts, stir_one, station);        /* those that wait for more */
    wait_for_workers(grace_ms);
    connect_abort_all(station);
    wait_for_workers(SECONDS(5));
}
