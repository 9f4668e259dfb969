/* SPDX-License-Identifier: Apache-2.0 */
#include "app/sender_result.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/events.h"
#include "app/outbox.h"
#include "app/sender.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/store.h"

/* ---- envelope ---- */

static bool is_open(const struct message_recipient *recipient)
{
    return recipient->state != MESSAGE_SENT && recipient->state != MESSAGE_FAILED && recipient->state != MESSAGE_CANCELED;
}

void result_envelope_init(struct result_envelope *envelope, const struct message *message)
{
    size_t count = 0;

    *envelope = (struct result_envelope){ 0 };
    envelope->recipients = mem_array(message->recipient_count, sizeof(*envelope->recipients));
    envelope->results = mem_array(message->recipient_count, sizeof(*envelope->results));
    envelope->places = mem_array(message->recipient_count, sizeof(*envelope->places));
    for (size_t i = 0; i < message->recipient_count; i++) {
        if (!is_open(&message->recipients[i]))
            continue;
        envelope->recipients[count].address = message->recipients[i].address;
        envelope->places[count++] = i;
    }
    envelope->smtp = (struct smtp_envelope){ .sender = message->sender, .recipients = envelope->recipients, .count = count,
                                             .smtputf8 = message->smtputf8 };
}

void result_envelope_free(struct result_envelope *envelope)
{
    free(envelope->recipients);
    free(envelope->results);
    free(envelope->places);
    *envelope = (struct result_envelope){ 0 };
}

struct raw_query {
    int64_t seq;
    struct buf *into;
};

static int raw_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct raw_query *query = ctx;

    return store_message_raw(tx, query->seq, query->into, err);
}

int result_read_raw(struct station *station, const struct message *message, struct buf *raw, struct err *err)
{
    struct raw_query query = { message->seq, raw };

    return store_read(station->store, raw_run, &query, err);
}

/* ---- applying ---- */

static void set_text(char **at, const char *text)
{
    free(*at);
    *at = text && *text ? mem_strdup(text) : NULL;
}

static enum message_state state_after(enum smtp_class class, enum smtp_outcome outcome)
{
    switch (class) {
    case SMTP_ACCEPTED:     return outcome == SMTP_SENT ? MESSAGE_SENT : MESSAGE_DEFERRED;
    case SMTP_REJECTED:     return MESSAGE_FAILED;
    case SMTP_IN_DOUBT:     return MESSAGE_UNCERTAIN;
    default:                return MESSAGE_DEFERRED;
    }
}

static void apply_recipients(struct message *message, const struct result_envelope *envelope, enum smtp_outcome outcome)
{
    for (size_t i = 0; i < envelope->smtp.count; i++) {
        struct message_recipient *recipient = &message->recipients[envelope->places[i]];
        const struct smtp_result *result = &envelope->results[i];
        enum message_state state;

        state = state_after(result->class, outcome);
        /* An attempt that came to nothing doesn't tell what became of the one before. */
        if (recipient->state != MESSAGE_UNCERTAIN || state != MESSAGE_DEFERRED)
            recipient->state = state;
        recipient->code = result->code;
        set_text(&recipient->enhanced, result->enhanced);
        set_text(&recipient->text, result->text);
    }
}

static size_t count_in(const struct message *message, enum message_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < message->recipient_count; i++)
        count += message->recipients[i].state == state;
    return count;
}

static void finish(struct message *message, int64_t now)
{
    message->state = count_in(message, MESSAGE_SENT) ? MESSAGE_SENT : MESSAGE_FAILED;
    message->finished_at = now;
    message->next_attempt = 0;
}

/* What is still open after retryFor is given up, and says so. */
static void give_up(struct message *message, int64_t now)
{
    for (size_t i = 0; i < message->recipient_count; i++) {
        struct message_recipient *recipient = &message->recipients[i];

        if (recipient->state == MESSAGE_DEFERRED || recipient->state == MESSAGE_QUEUED)
            recipient->state = MESSAGE_FAILED;
    }
    finish(message, now);
}

/* Refused credentials, a missing setting, a certificate that waits, no token to log in with: the account is to blame, and no message
 * pays for it. */
static bool account_is_to_blame(const char *code)
{
    return cause_of(code)->state != STATE_DOWN || strncmp(code, "oauth.", 6) == 0;
}

/* A message that was kept back (paused, held, challenged) for longer than retryFor is not given up at its first failure. */
static bool overdue(const struct message *message, const struct account *account, int64_t now)
{
    int64_t start = message->send_at > message->created_at ? message->send_at : message->created_at;

    if (account->retry_for > 0 && (message->last_code == NULL || account_is_to_blame(message->last_code)))
        return false;
    return now > start + SECONDS(account->retry_for);
}

static void set_cause(struct message *message, const char *code, const char *text)
{
    set_text(&message->last_code, code);
    set_text(&message->last_cause, text);
}

/* The words for the whole: the error of the attempt, or the first refusal. */
static void apply_cause(struct message *message, const struct result_envelope *envelope, const struct err *err)
{
    for (size_t i = 0; i < envelope->smtp.count; i++) {
        const struct smtp_result *result = &envelope->results[i];
        AUTO_FREE char *text = NULL;

        if (result->class == SMTP_ACCEPTED || result->class == SMTP_UNANSWERED || result->class == SMTP_IN_DOUBT)
            continue;
        text = mem_printf("%s: %s%d %s", envelope->recipients[i].address, result->code ? "" : "not sent: ", result->code,
                          result->text);
        set_cause(message, result->class == SMTP_REJECTED ? "delivery.refused" : "delivery.deferred", text);
        return;
    }
    if (err && err->id[0])
        set_cause(message, err->id, err->text);
    else
        set_cause(message, NULL, NULL);
}

void result_apply(struct message *message, const struct result_envelope *envelope, enum smtp_outcome outcome,
                  const struct err *err, const struct account *account, int64_t now)
{
    bool over = overdue(message, account, now);

    apply_recipients(message, envelope, outcome);
    apply_cause(message, envelope, outcome == SMTP_SENT ? NULL : err);
    if (count_in(message, MESSAGE_UNCERTAIN)) {
        message->state = MESSAGE_UNCERTAIN;
        message->next_attempt = account->delivery_guarantee == GUARANTEE_AT_LEAST_ONCE ?
                                now + sender_back_off((int)message->attempts) : 0;
    } else if (count_in(message, MESSAGE_DEFERRED) == 0) {
        finish(message, now);
    } else if (outcome == SMTP_LOST && err && err->code == ERR_STOPPED) {
        message->state = MESSAGE_DEFERRED;      /* we ended the connection: the message can't help it */
        message->next_attempt = now;
    } else if (over && !(outcome == SMTP_TEMPORARY && err && err->code == ERR_REFUSED)) {
        give_up(message, now);
    } else {
        message->state = MESSAGE_DEFERRED;
        message->next_attempt = now + sender_back_off((int)message->attempts);
    }
}

/* ---- writing ---- */

struct result_commit {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool finished;
    bool failed;
    struct err err;
    struct message *message;            /* the worker's; it outlives the commit */
    const struct entry *entry;
    struct live *live;
    bool news;                          /* worth an event */
};

/* A message that is put off again for the same reason is no news. */
static bool is_news(const char *code_before, const struct message *message)
{
    return message->state != MESSAGE_DEFERRED || code_before == NULL || message->last_code == NULL ||
           strcmp(code_before, message->last_code) != 0;
}

/* On the writer thread: the account was deleted with force while a worker had the message. What still waits goes with it. */
static void end_with_account(struct message *message, const struct live *live)
{
    if (!live_is_removed(live) || message->state == MESSAGE_SENT || message->state == MESSAGE_FAILED)
        return;
    for (size_t i = 0; i < message->recipient_count; i++)
        if (is_open(&message->recipients[i]))
            message->recipients[i].state = MESSAGE_CANCELED;
    message->state = MESSAGE_CANCELED;
    message->finished_at = clock_now();
    message->next_attempt = 0;
    set_cause(message, "account.deleted", "The account was deleted before the message was sent.");
}

static int commit_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct result_commit *commit = ctx;

    end_with_account(commit->message, commit->live);
    if (store_message_update(tx, commit->message, err) < 0 ||
        (commit->news && events_add_message(tx, commit->message, live_name(commit->live), err) < 0))
        return -1;
    if (commit->message->state != MESSAGE_SENT && commit->message->state != MESSAGE_FAILED)
        return 0;
    if (live_store_once(tx, commit->live, commit->entry->type, err) < 0 && err->code != ERR_NOT_FOUND)
        return -1;
    return 0;
}

static void commit_done(void *ctx, const struct err *err)
{
    struct result_commit *commit = ctx;

    pthread_mutex_lock(&commit->lock);
    commit->finished = true;
    commit->failed = err != NULL;
    if (err)
        commit->err = *err;
    pthread_cond_signal(&commit->over);
    pthread_mutex_unlock(&commit->lock);
}

static struct result_commit *submit(struct station *station, const struct entry *entry, struct live *live, struct message *message,
                                    bool news)
{
    struct result_commit *commit = mem_alloc(sizeof(*commit));

    pthread_mutex_init(&commit->lock, NULL);
    pthread_cond_init(&commit->over, NULL);
    commit->message = message;
    commit->entry = entry;
    commit->live = live;
    commit->news = news;
    store_submit(station->store, commit_run, commit_done, commit, false);
    return commit;
}

struct result_commit *result_commit_leave(struct station *station, const struct entry *entry, struct live *live,
                                          struct message *message)
{
    message->attempts--;                /* not an attempt after all */
    message->state = MESSAGE_UNCERTAIN;
    message->next_attempt = 0;
    return submit(station, entry, live, message, false);
}

struct result_commit *result_commit(struct station *station, const struct entry *entry, struct live *live,
                                    struct message *message, const struct result_envelope *envelope,
                                    enum smtp_outcome outcome, const struct err *err)
{
    AUTO_FREE char *code_before = mem_strdup(message->last_code);
    int64_t now = clock_now();

    result_apply(message, envelope, outcome, err, entry->component, now);
    if (message->state == MESSAGE_SENT)
        live_count_sent(live, now);
    else if (message->state == MESSAGE_FAILED)
        live_count_discarded(live, now, message->last_cause);
    return submit(station, entry, live, message, is_news(code_before, message));
}

static void commit_free(struct result_commit *commit)
{
    pthread_cond_destroy(&commit->over);
    pthread_mutex_destroy(&commit->lock);
    free(commit);
}

int result_commit_wait(struct result_commit *commit, struct err *err)
{
    int rc;

    pthread_mutex_lock(&commit->lock);
    while (!commit->finished)
        pthread_cond_wait(&commit->over, &commit->lock);
    rc = commit->failed && commit->err.code != ERR_NOT_FOUND ? -1 : 0;
    if (rc < 0)
        *err = commit->err;
    pthread_mutex_unlock(&commit->lock);
    if (rc == 0)
        commit_free(commit);
    return rc;
}

#define DISK_PAUSE_MS 250               /* between two tries at a disk that fails */

static void pause_for_disk(void)
{
    struct timespec nap = { 0, DISK_PAUSE_MS * 1000000 };

    nanosleep(&nap, NULL);
}

void result_commit_settle(struct station *station, struct result_commit *commit)
{
    struct err err;
    bool told = false;

    while (commit && result_commit_wait(commit, &err) < 0) {
        if (!told)
            log_error(commit->entry->name, "A result could not be written and is tried again: %s", err.text);
        told = true;
        if (atomic_load(&station->stopping)) {
            commit_free(commit);
            return;
        }
        pause_for_disk();
        commit->finished = commit->failed = false;
        store_submit(station->store, commit_run, commit_done, commit, false);
    }
}

/* ---- several at once ---- */

struct several {
    struct live *live;
    struct message *const *messages;
    size_t count;
};

static int return_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct several *several = ctx;

    for (size_t i = 0; i < several->count; i++) {
        several->messages[i]->state = count_in(several->messages[i], MESSAGE_UNCERTAIN) ? MESSAGE_UNCERTAIN : MESSAGE_QUEUED;
        several->messages[i]->next_attempt = clock_now();
        end_with_account(several->messages[i], several->live);
        if (store_message_update(tx, several->messages[i], err) < 0 ||
            (several->messages[i]->state == MESSAGE_CANCELED &&
             events_add_message(tx, several->messages[i], live_name(several->live), err) < 0))
            return -1;
    }
    return 0;
}

void result_return(struct station *station, struct live *live, struct message *const *messages, size_t count)
{
    struct several several = { live, messages, count };
    struct err err;

    for (size_t i = 0; i < count; i++)
        messages[i]->attempts--;        /* not an attempt after all */

    while (store_write(station->store, return_run, &several, false, &err) < 0) {
        if (err.code == ERR_NOT_FOUND || atomic_load(&station->stopping))
            return;
        pause_for_disk();
    }
}

#define DEFER_MAX 100                   /* messages that show the cause; the others simply wait */

struct defer {
    struct station *station;
    const struct entry *entry;
    struct live *live;
    int64_t until;
    const struct err *cause;
    struct store_tx *tx;
    struct err *err;
    struct message *taken[DEFER_MAX];
    size_t count;
    size_t failed;
};

static int defer_take(struct message *message, void *ctx)
{
    struct defer *defer = ctx;

    defer->taken[defer->count++] = message;
    return 0;
}

bool result_is_for_person(const struct message *message, const struct account *account)
{
    return account->delivery_guarantee == GUARANTEE_AT_MOST_ONCE && count_in(message, MESSAGE_UNCERTAIN) > 0;
}

/* An uncertain message stays one: it is never given up silently, but after retryFor it is left to a person. */
static void defer_one(struct defer *defer, struct message *message, int64_t now)
{
    const struct account *account = defer->entry->component;
    bool over = overdue(message, account, now) && !account_is_to_blame(defer->cause->id);

    set_cause(message, defer->cause->id, defer->cause->text);
    if (count_in(message, MESSAGE_UNCERTAIN)) {
        message->state = MESSAGE_UNCERTAIN;
        message->next_attempt = over || result_is_for_person(message, account) ? 0 : defer->until;
    } else if (over) {
        give_up(message, now);
        defer->failed++;
    } else {
        message->state = MESSAGE_DEFERRED;
        message->next_attempt = defer->until;
    }
}

static int defer_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct defer *defer = ctx;
    struct store_lease lease = { defer->station->lease_owner, clock_now() };
    int64_t now = clock_now();

    if (live_is_removed(defer->live) || !sender_waits_until(defer->live, defer->until))
        return 0;                       /* deleted, or woken meanwhile: they are tried at once */
    if (store_message_claim(tx, live_name(defer->live), &lease, now, DEFER_MAX, defer_take, defer, err) < 0)
        return -1;
    for (size_t i = 0; i < defer->count; i++) {
        struct message *message = defer->taken[i];
        AUTO_FREE char *code_before = mem_strdup(message->last_code);
        bool uncertain = count_in(message, MESSAGE_UNCERTAIN) > 0;

        defer_one(defer, message, now);
        if (store_message_update(tx, message, err) < 0 ||
            (!uncertain && is_news(code_before, message) && events_add_message(tx, message, live_name(defer->live), err) < 0))
            return -1;
    }
    return 0;
}

void result_defer_due(struct station *station, const struct entry *entry, struct live *live, int64_t until,
                      const struct err *cause)
{
    struct defer *defer = mem_alloc(sizeof(*defer));
    struct err err;

    defer->station = station;
    defer->entry = entry;
    defer->live = live;
    defer->until = until;
    defer->cause = cause;
    if (store_write(station->store, defer_run, defer, false, &err) < 0)
        log_warning(entry->name, "The cause could not be noted at the waiting messages: %s", err.text);
    else
        for (size_t i = 0; i < defer->failed; i++)
            live_count_discarded(live, clock_now(), cause->text);
    for (size_t i = 0; i < defer->count; i++)
        message_free(defer->taken[i]);
    free(defer);
}

struct hold {
    const char *account;
    int64_t midnight;
    int64_t changed;
};

static int hold_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct hold *hold = ctx;
    int64_t deferred = 0;

    if (outbox_move(tx, hold->account, MESSAGE_QUEUED, MESSAGE_HELD, hold->midnight, true, &hold->changed, err) < 0 ||
        outbox_move(tx, hold->account, MESSAGE_DEFERRED, MESSAGE_HELD, hold->midnight, true, &deferred, err) < 0)
        return -1;
    hold->changed += deferred;
    return 0;
}

void result_hold_for_day(struct station *station, const struct entry *entry)
{
    struct hold hold = { entry->name, clock_next_midnight(clock_now()), 0 };
    struct err err;

    if (store_write(station->store, hold_run, &hold, false, &err) < 0)
        log_warning(entry->name, "Messages over the day's limit could not be held: %s", err.text);
    else if (hold.changed)
        log_info(entry->name, "The limit of messages per day is reached; what waits is held until midnight.");
}

/* ---- after a start ---- */

struct takeover {
    struct station *station;
    struct message **messages;
    size_t count;
};

static int takeover_take(struct message *message, void *ctx)
{
    struct takeover *takeover = ctx;

    takeover->messages = mem_resize(takeover->messages, (takeover->count + 1) * sizeof(*takeover->messages));
    takeover->messages[takeover->count++] = message;
    return 0;
}

/* Its connection died with the process: whether the last dot went out, nobody knows. */
static void take_over(struct station *station, struct message *message, int64_t now)
{
    AUTO(entry) entry = registry_get(station->accounts, message->account);
    const struct account *account = entry ? entry->component : NULL;

    set_cause(message, "delivery.interrupted", "Postern ended while this message was being sent.");
    if (account == NULL) {
        message->state = MESSAGE_CANCELED;
        message->finished_at = now;
        message->next_attempt = 0;
    } else if (account->delivery_guarantee == GUARANTEE_AT_MOST_ONCE) {
        message->state = MESSAGE_UNCERTAIN;
        message->next_attempt = 0;
    } else {
        message->state = MESSAGE_QUEUED;
        message->next_attempt = now;
    }
}

static int takeover_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct takeover *takeover = ctx;
    int64_t now = clock_now();

    if (store_message_orphans(tx, takeover->station->lease_owner, now, takeover_take, takeover, err) < 0)
        return -1;
    for (size_t i = 0; i < takeover->count; i++) {
        take_over(takeover->station, takeover->messages[i], now);
        if (store_message_update(tx, takeover->messages[i], err) < 0 ||
            (takeover->messages[i]->state != MESSAGE_QUEUED &&
             events_add_message(tx, takeover->messages[i], takeover->messages[i]->account, err) < 0))
            return -1;
    }
    return 0;
}

struct sizes {
    struct station *station;
    struct store_tx *tx;
    struct err *err;
    int rc;
};

static void size_one(struct entry *entry, void *ctx)
{
    struct sizes *sizes = ctx;
    AUTO(live) live = live_get(sizes->station->lives, entry->name);
    struct store_message_counts counts = { 0 };

    if (sizes->rc == 0)
        sizes->rc = store_message_counts(sizes->tx, entry->name, &counts, sizes->err);
    pthread_mutex_lock(&live->lock);
    live->queue_size = counts.waiting;
    live->unacknowledged = counts.unacknowledged;
    pthread_mutex_unlock(&live->lock);
}

static int sizes_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct station *station = ctx;
    struct sizes sizes = { station, tx, err, 0 };

    registry_each(station->accounts, size_one, &sizes);
    return sizes.rc;
}

int result_take_over(struct station *station, struct err *err)
{
    struct takeover takeover = { .station = station };
    int rc = store_write(station->store, takeover_run, &takeover, true, err);

    if (rc == 0 && takeover.count)
        log_info("queue", "%zu messages were under way when Postern ended; they are taken up again.", takeover.count);
    for (size_t i = 0; i < takeover.count; i++)
        message_free(takeover.messages[i]);
    free(takeover.messages);
    return rc < 0 ? -1 : store_read(station->store, sizes_run, station, err);
}
