/* SPDX-License-Identifier: Apache-2.0 */
#include "app/outbox.h"

#include <stdlib.h>

#include "app/events.h"
#include "app/live.h"
#include "app/sender.h"
#include "base/clock.h"
#include "crypto/crypto.h"
#include "model/account.h"
#include "store/store.h"

int outbox_check(struct station *station, const struct entry *account, int64_t size, struct err *err)
{
    const struct account *config = account->component;

    if (account->type != &outgoing_account_type)
        return err_id(err, ERR_CONFLICT, "account.type", NULL, "\"%s\" is an IncomingAccount; it sends nothing.", account->name);
    if ((!config->enabled || !station_email_enabled(station)) && !config->allow_disabled_queuing)
        return err_id(err, ERR_CONFLICT, "account.disabled", NULL,
                      "\"%s\" is disabled and takes no messages. Enable it, or set allowDisabledQueuing.", account->name);
    if (size > config->max_message_size)
        return err_id(err, ERR_TOO_LARGE, "message.tooLarge", NULL,
                      "The message has %lld bytes; \"%s\" takes at most %lld (maxMessageSize).", (long long)size, account->name,
                      (long long)config->max_message_size);
    return 0;
}

/* ---- accept ---- */

void outbox_digest(struct outbox_post *post, const struct str *parts, size_t count)
{
    AUTO(crypto_hash) hash = crypto_hash_new();

    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *len = mem_printf("%zu\n", parts[i].len);

        crypto_hash_add(hash, str_c(len));
        crypto_hash_add(hash, parts[i]);
    }
    crypto_hash_end(hash, post->digest);
}

struct accept {
    struct outbox_post *post;
    struct message *first;
    bool repeated;
};

static int accept_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct accept *accept = ctx;
    struct outbox_post *post = accept->post;
    AUTO(entry) now = registry_get(post->station->accounts, post->account->name);
    struct store_idempotency once = { .user = post->user, .key = post->idempotency_key };
    struct store_message_counts counts;
    int rc;

    if (now == NULL)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no account \"%s\" any more.", post->account->name);
    memcpy(once.digest, post->digest, sizeof(once.digest));
    if (store_message_counts(tx, now->name, &counts, err) < 0)
        return -1;
    rc = store_message_add(tx, post->message, buf_str(&post->raw), post->idempotency_key ? &once : NULL, &accept->first, err);
    accept->repeated = rc == 1;
    if (rc != 0)                        /* a repetition gets the first answer, whatever the account takes by now */
        return rc < 0 ? -1 : 0;
    if (outbox_check(post->station, now, post->message->size, err) < 0)
        return -1;
    if (counts.waiting >= ((const struct account *)now->component)->max_queue_size)
        return err_id(err, ERR_FULL, "queue.full", NULL, "The queue of \"%s\" is full: %lld messages wait (maxQueueSize). Try again later.",
                      now->name, (long long)counts.waiting);
    return events_add_message(tx, post->message, now->name, err);
}

static void post_free(struct outbox_post *post)
{
    entry_free(post->account);
    message_free(post->message);
    buf_free(&post->raw);
    free(post->idempotency_key);
    free(post->user);
    free(post);
}

static void accept_done(void *ctx, const struct err *err)
{
    struct accept *accept = ctx;
    struct outbox_post *post = accept->post;

    if (err == NULL && !accept->repeated) {
        AUTO(live) live = live_get(post->station->lives, post->account->name);

        pthread_mutex_lock(&live->lock);
        live->queue_size++;
        pthread_mutex_unlock(&live->lock);
        sender_notice(post->station, post->account->name, post->message->next_attempt);
    }
    post->done(post, accept->repeated ? accept->first : post->message, accept->repeated, err);
    message_free(accept->first);
    post_free(post);
    free(accept);
}

void outbox_submit(struct outbox_post *post)
{
    struct accept *accept = mem_alloc(sizeof(*accept));

    accept->post = post;
    store_submit(post->station->store, accept_run, accept_done, accept, false);
}

/* ---- one message ---- */

bool outbox_action_named(const char *name, enum outbox_action *ret)
{
    static const char *const names[] = { "cancel", "retry", "hold", "release", "acknowledge" };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum outbox_action)i;
            return true;
        }
    }
    return false;
}

static void set_open_recipients(struct message *message, enum message_state state)
{
    for (size_t i = 0; i < message->recipient_count; i++) {
        enum message_state *now = &message->recipients[i].state;

        if (*now != MESSAGE_SENT && (*now != MESSAGE_FAILED || state == MESSAGE_QUEUED))
            *now = state;
    }
}

static int refuse_state(const struct message *message, const char *action, struct err *err)
{
    return err_id(err, ERR_CONFLICT, "message.state", NULL, "The message is %s; %s is not possible then.",
                  message_state_names[message->state], action);
}

static int act_on(struct message *message, enum outbox_action action, struct err *err)
{
    enum message_state state = message->state;
    int64_t now = clock_now();

    if (message->direction == MESSAGE_INCOMING ? action != OUTBOX_ACKNOWLEDGE : action == OUTBOX_ACKNOWLEDGE)
        return err_id(err, ERR_CONFLICT, "message.direction", NULL, message->direction == MESSAGE_INCOMING ?
                      "A received message can only be acknowledged." : "Only a received message can be acknowledged.");
    switch (action) {
    case OUTBOX_CANCEL:
        if (!message_is_waiting(state) || state == MESSAGE_SENDING)
            return refuse_state(message, "cancel", err);
        message->state = MESSAGE_CANCELED;
        message->finished_at = now;
        set_open_recipients(message, MESSAGE_CANCELED);
        return 0;
    case OUTBOX_RETRY:
        if (state != MESSAGE_DEFERRED && state != MESSAGE_FAILED && state != MESSAGE_UNCERTAIN && state != MESSAGE_QUEUED)
            return refuse_state(message, "retry", err);
        message->state = MESSAGE_QUEUED;
        message->next_attempt = now;
        message->finished_at = 0;
        set_open_recipients(message, MESSAGE_QUEUED);
        return 0;
    case OUTBOX_HOLD:
        if (state != MESSAGE_QUEUED && state != MESSAGE_DEFERRED)
            return refuse_state(message, "hold", err);
        message->state = MESSAGE_HELD;
        message->held_by_limit = false;
        return 0;
    case OUTBOX_RELEASE:
        if (state != MESSAGE_HELD)
            return refuse_state(message, "release", err);
        message->state = MESSAGE_QUEUED;
        message->next_attempt = message->send_at > now ? message->send_at : now;
        message->held_by_limit = false;
        return 0;
    case OUTBOX_ACKNOWLEDGE:
        message->acknowledged = true;
        return 0;
    }
    return 0;
}

/* Nobody would ever send what goes back into the queue of a deleted account. */
static int check_account(const struct outbox_act *act, struct err *err)
{
    AUTO(entry) account = registry_get(act->station->accounts, act->message->account);

    if (account || (act->action != OUTBOX_RETRY && act->action != OUTBOX_RELEASE))
        return 0;
    return err_id(err, ERR_CONFLICT, "account.deleted", NULL, "The message's account \"%s\" doesn't exist any more.",
                  act->message->account);
}

static int add_event(struct store_tx *tx, const struct outbox_act *act, struct err *err)
{
    const struct message *message = act->message;
    AUTO_FREE char *resource = NULL;

    if (act->action != OUTBOX_ACKNOWLEDGE)
        return events_add_message(tx, message, message->account, err);
    resource = mem_printf("Message/%s", message->id);
    return events_add(tx, "message.acknowledged", message->account, resource,
                      json_pack("{s:s, s:s}", "id", message->id, "state", message_state_names[message->state]), err);
}

struct acting {
    struct outbox_act *act;
    struct store_message_counts counts; /* of its account, once it is done */
};

static int act_run(struct store_tx *tx, void *ctx, struct err *err)
{
    static const char *const actions[] = { "cancel", "retry", "hold", "release", "acknowledge" };
    struct acting *acting = ctx;
    struct outbox_act *act = acting->act;
    AUTO_FREE char *resource = mem_printf("Message/%s", act->id);
    struct store_audit audit = { .at = clock_now(), .who = act->actor.name, .address = act->actor.address,
                                 .action = actions[act->action], .resource = resource };

    if (store_message_find(tx, act->id, &act->message, err) < 0 || check_account(act, err) < 0)
        return -1;
    if (act->message->acknowledged && act->action == OUTBOX_ACKNOWLEDGE)        /* by somebody before */
        return store_message_counts(tx, act->message->account, &acting->counts, err);
    if (act_on(act->message, act->action, err) < 0 || store_message_update(tx, act->message, err) < 0 ||
        add_event(tx, act, err) < 0 || store_message_counts(tx, act->message->account, &acting->counts, err) < 0)
        return -1;
    return store_audit_add(tx, &audit, err);
}

/* What a job counted, told when it is done: done() comes in the order of the jobs, so the last one told is the truth. */
static void publish_counts(struct station *station, const char *account, const struct store_message_counts *counts)
{
    AUTO(entry) entry = registry_get(station->accounts, account);
    AUTO(live) live = entry ? live_get(station->lives, account) : NULL;

    if (live == NULL)
        return;
    pthread_mutex_lock(&live->lock);
    live->queue_size = counts->waiting;
    live->unacknowledged = counts->unacknowledged;
    pthread_mutex_unlock(&live->lock);
    if (counts->due_next)
        sender_notice(station, account, counts->due_next);
}

struct recount {
    struct station *station;
    char *account;
    struct store_message_counts counts;
};

static int recount_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct recount *recount = ctx;

    return store_message_counts(tx, recount->account, &recount->counts, err);
}

static void recount_done(void *ctx, const struct err *err)
{
    struct recount *recount = ctx;

    if (err == NULL)
        publish_counts(recount->station, recount->account, &recount->counts);
    free(recount->account);
    free(recount);
}

void outbox_recount(struct station *station, const char *account)
{
    struct recount *recount = mem_alloc(sizeof(*recount));

    recount->station = station;
    recount->account = mem_strdup(account);
    store_submit(station->store, recount_run, recount_done, recount, false);
}

static void act_done(void *ctx, const struct err *err)
{
    struct acting *acting = ctx;
    struct outbox_act *act = acting->act;

    if (err == NULL)
        publish_counts(act->station, act->message->account, &acting->counts);
    act->done(act, err);
    message_free(act->message);
    free(act);
    free(acting);
}

void outbox_act(struct outbox_act *act)
{
    struct acting *acting = mem_alloc(sizeof(*acting));

    acting->act = act;
    store_submit(act->station->store, act_run, act_done, acting, false);
}

/* ---- all of an account's ---- */

int outbox_move(struct store_tx *tx, const char *account, enum message_state from, enum message_state to, int64_t at,
                bool limit_only, int64_t *changed, struct err *err)
{
    const char *type = to == MESSAGE_CANCELED ? "message.canceled" : to == MESSAGE_HELD ? "message.held" :
                       from == MESSAGE_HELD ? "message.queued" : NULL;

    if (type && store_event_add_moved(tx, type, account, from, to, limit_only, clock_now(), err) < 0)
        return -1;
    return store_message_move(tx, account, from, to, at, limit_only, changed, err);
}

/* A pause is on the disk before it is answered. */
static int store_paused(struct store_tx *tx, struct outbox_all *all, struct err *err)
{
    AUTO(live) live = live_get(all->station->lives, all->account->name);

    all->changed = live_set_paused(live, all->what == OUTBOX_PAUSE);
    return live_store(tx, live, all->account->type, err);
}

struct bulk {
    struct outbox_all *all;
    struct store_message_counts counts; /* of the account, once it is done */
};

static int all_run(struct store_tx *tx, void *ctx, struct err *err)
{
    static const enum message_state waiting[] = { MESSAGE_QUEUED, MESSAGE_DEFERRED, MESSAGE_HELD, MESSAGE_UNCERTAIN };
    static const char *const actions[] = { "flush", "clearQueue", "resetNumberSent", "pause", "resume" };
    struct bulk *bulk = ctx;
    struct outbox_all *all = bulk->all;
    const char *name = all->account->name;
    AUTO(entry) present = registry_get(all->station->accounts, name);
    int64_t now = clock_now(), changed = 0;
    AUTO_FREE char *resource = mem_printf("%s/%s", all->account->type->name, name);
    struct store_audit audit = { .at = now, .who = all->actor.name, .address = all->actor.address,
                                 .action = actions[all->what], .resource = resource };

    if (present == NULL)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no account \"%s\" any more.", name);
    switch (all->what) {
    case OUTBOX_FLUSH:
        if (outbox_move(tx, name, MESSAGE_DEFERRED, MESSAGE_QUEUED, now, false, &all->changed, err) < 0)
            return -1;
        /* With atMostOnce what is uncertain waits for a person, message by message. */
        if (((const struct account *)all->account->component)->delivery_guarantee == GUARANTEE_AT_LEAST_ONCE &&
            outbox_move(tx, name, MESSAGE_UNCERTAIN, MESSAGE_QUEUED, now, false, &changed, err) < 0)
            return -1;
        all->changed += changed;
        break;
    case OUTBOX_CLEAR:
        for (size_t i = 0; i < COUNT_OF(waiting); i++) {
            if (outbox_move(tx, name, waiting[i], MESSAGE_CANCELED, now, false, &changed, err) < 0)
                return -1;
            all->changed += changed;
        }
        break;
    case OUTBOX_RESET_SENT:
        if (outbox_move(tx, name, MESSAGE_HELD, MESSAGE_QUEUED, now, true, &all->changed, err) < 0)
            return -1;
        break;
    case OUTBOX_PAUSE:
    case OUTBOX_RESUME:
        break;
    }
    if ((all->what == OUTBOX_PAUSE || all->what == OUTBOX_RESUME) && store_paused(tx, all, err) < 0)
        return -1;
    if (store_message_counts(tx, name, &bulk->counts, err) < 0)
        return -1;
    return store_audit_add(tx, &audit, err);
}

/* The workers look around; what could not be written is taken back. */
static void tell_paused(const struct outbox_all *all, const struct err *err)
{
    AUTO(entry) entry = registry_get(all->station->accounts, all->account->name);
    AUTO(live) live = entry ? live_get(all->station->lives, all->account->name) : NULL;

    if (live == NULL)
        return;
    if (err && all->changed)
        live_set_paused(live, all->what == OUTBOX_RESUME);
    sender_stir(live);
}

static void all_done(void *ctx, const struct err *err)
{
    struct bulk *bulk = ctx;
    struct outbox_all *all = bulk->all;

    if (all->what == OUTBOX_PAUSE || all->what == OUTBOX_RESUME)
        tell_paused(all, err);
    if (err == NULL) {
        publish_counts(all->station, all->account->name, &bulk->counts);
        if (all->what == OUTBOX_RESET_SENT) {
            AUTO(live) live = live_get(all->station->lives, all->account->name);

            live_reset_sent(live);
        }
        if (all->what != OUTBOX_CLEAR && all->what != OUTBOX_PAUSE)
            sender_wake(all->station, all->account->name);
    }
    all->done(all, err);
    entry_free(all->account);
    free(all);
    free(bulk);
}

void outbox_all(struct outbox_all *all)
{
    struct bulk *bulk = mem_alloc(sizeof(*bulk));

    bulk->all = all;
    store_submit(all->station->store, all_run, all_done, bulk, false);
}
