/* SPDX-License-Identifier: Apache-2.0 */
#include "app/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/receiver.h"
#include "app/events.h"
#include "app/oauth_expiry.h"
#include "app/sender.h"
#include "app/station.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "model/services.h"
#include "store/store.h"

/* Spares the flush its walk over the accounts while nothing happens. */
static atomic_bool any_dirty;

static void mark_dirty(struct live *live)
{
    live->dirty = true;
    atomic_store(&any_dirty, true);
}

struct lives {
    pthread_mutex_t lock;
    struct station *station;
    struct map *by_name;
};

struct lives *lives_new(struct station *station)
{
    struct lives *lives = mem_alloc(sizeof(*lives));

    lives->station = station;
    pthread_mutex_init(&lives->lock, NULL);
    lives->by_name = map_new();
    return lives;
}

void lives_free(struct lives *lives)
{
    size_t at = 0;
    struct live *live;

    if (lives == NULL)
        return;
    while ((live = map_next(lives->by_name, &at, NULL)))
        live_free(live);
    map_free(lives->by_name);
    pthread_mutex_destroy(&lives->lock);
    free(lives);
}

struct live *live_hold(struct live *live)
{
    atomic_fetch_add_explicit(&live->holders, 1, memory_order_relaxed);
    return live;
}

void live_free(struct live *live)
{
    if (live == NULL || atomic_fetch_sub_explicit(&live->holders, 1, memory_order_acq_rel) != 1)
        return;
    sender_free(live->sender);
    receiver_free(live->receiver);
    for (size_t i = 0; live->transcript && i < TRANSCRIPT_LINES; i++)
        free(live->transcript[i]);
    free(live->transcript);
    json_decref(live->last_tls);
    free(live->failure_cause);
    free(live->last_discard_cause);
    for (size_t i = 0; i < live->former_count; i++)
        free(live->former[i]);
    free(live->former);
    free(atomic_load(&live->name));
    pthread_mutex_destroy(&live->lock);
    free(live);
}

struct live *live_get(struct lives *lives, const char *name)
{
    struct live *live;

    pthread_mutex_lock(&lives->lock);
    live = map_get(lives->by_name, name);
    if (live == NULL) {
        live = mem_alloc(sizeof(*live));
        atomic_init(&live->holders, 1);
        pthread_mutex_init(&live->lock, NULL);
        atomic_init(&live->name, mem_strdup(name));
        live->station = lives->station;
        live->since = clock_now();
        map_put(lives->by_name, name, live);
    }
    live_hold(live);
    pthread_mutex_unlock(&lives->lock);
    return live;
}

const char *live_name(const struct live *live)
{
    return atomic_load(&live->name);
}

bool live_is_removed(const struct live *live)
{
    return atomic_load(&live->removed);
}

static void retire(struct live *live)
{
    if (live)
        atomic_store(&live->removed, true);
    live_free(live);
}

void lives_remove(struct lives *lives, const char *name)
{
    struct live *live;

    pthread_mutex_lock(&lives->lock);
    live = map_remove(lives->by_name, name);
    pthread_mutex_unlock(&lives->lock);
    retire(live);
}

/* What is there under the new name belonged to an account of the past. */
void lives_rename(struct lives *lives, const char *from, const char *to)
{
    struct live *live, *past = NULL;

    pthread_mutex_lock(&lives->lock);
    live = map_remove(lives->by_name, from);
    if (live) {
        live->former = mem_resize(live->former, (live->former_count + 1) * sizeof(*live->former));
        live->former[live->former_count++] = atomic_exchange(&live->name, mem_strdup(to));
        past = map_remove(lives->by_name, to);
        map_put(lives->by_name, to, live);
    }
    pthread_mutex_unlock(&lives->lock);
    retire(past);
}

static void set_text(char **at, const char *text)
{
    free(*at);
    *at = text && *text ? mem_strdup(text) : NULL;
}

void live_restore(struct live *live, const struct account *stored)
{
    pthread_mutex_lock(&live->lock);
    live->last_success = stored->last_poll_success;
    live->last_failure = stored->last_poll_failure;
    set_text(&live->failure_cause, stored->last_poll_failure_cause);
    json_decref(live->last_tls);
    live->last_tls = stored->last_tls ? json_deep_copy(stored->last_tls) : NULL;
    live->paused = stored->paused;
    live->number_sent = stored->number_sent;
    live->number_sent_until = stored->number_sent_until;
    live->number_discarded = stored->number_discarded;
    live->last_discard = stored->last_discard;
    live->number_received = live->received_durably = stored->number_received;
    set_text(&live->last_discard_cause, stored->last_discard_cause);
    pthread_mutex_unlock(&live->lock);
}

bool station_email_enabled(struct station *station)
{
    AUTO(entry) service = registry_get(station->services, email_service_type.name);

    return service == NULL || ((const struct email_service *)service->component)->enabled;
}

/* With the lock. */
static void tell(struct live *live, enum account_state before)
{
    const char *name = live_name(live);
    AUTO_FREE char *resource = live->settled ? mem_printf("%s/%s", live->type->name, name) : NULL;

    if (live->settled && !live_is_removed(live))
        events_note(live->station, "account.status", name, resource,
                    json_pack("{s:s, s:s, s:s, s:s}", "from", account_state_names[before], "to", account_state_names[live->state],
                              "code", live->code, "cause", live->cause));
}

/* With the lock. */
static void set_state(struct live *live, enum account_state state, const char *code, const char *cause)
{
    bool changed = live->state != state || strcmp(live->code, code) != 0;
    enum account_state before = live->state;

    if (changed)
        live->since = clock_now();
    live->state = state;
    snprintf(live->code, sizeof(live->code), "%s", code);
    snprintf(live->cause, sizeof(live->cause), "%s", cause);
    if (changed && live->type)
        tell(live, before);
    live->settled = live->type != NULL;
}

void live_settle(struct station *station, const struct entry *entry)
{
    const struct account *account = entry->component;
    AUTO(live) live = live_get(station->lives, entry->name);

    pthread_mutex_lock(&live->lock);
    live->type = entry->type;
    if (!account->enabled)
        set_state(live, STATE_DISABLED, "", "The account is disabled.");
    else if (!station_email_enabled(station))
        set_state(live, STATE_DISABLED, "", "The EmailService is disabled.");
    else if (*account->hostname == '\0')
        set_state(live, STATE_FAULT, "config.hostname", "No hostname is given.");
    else
        set_state(live, STATE_PENDING, "", "Not tried yet.");
    pthread_mutex_unlock(&live->lock);
}

void live_succeeded(struct live *live, json_t *tls)
{
    pthread_mutex_lock(&live->lock);
    if (live->state != STATE_DISABLED)
        set_state(live, STATE_OK, "", "The last attempt succeeded.");
    live->last_success = clock_now();
    if (tls) {
        json_decref(live->last_tls);
        live->last_tls = tls;
    }
    mark_dirty(live);
    pthread_mutex_unlock(&live->lock);
}

void live_failed(struct live *live, const struct err *err)
{
    const struct cause *cause = cause_of(err->id);

    pthread_mutex_lock(&live->lock);
    if (live->state != STATE_DISABLED) {
        if (live->state != cause->state || strcmp(live->code, err->id) != 0)
            log_warning(live_name(live), "%s: %s", err->id, err->text);
        set_state(live, cause->state, err->id, err->text);
    }
    live->last_failure = clock_now();
    set_text(&live->failure_cause, err->text);
    mark_dirty(live);
    pthread_mutex_unlock(&live->lock);
}

static void turn_day(struct live *live, int64_t now)
{
    if (now < live->number_sent_until && live->number_sent_until - now <= DAYS(1) + SECONDS(2 * 3600))
        return;                         /* farther ahead: the clock was set back */
    live->number_sent = 0;
    live->number_sent_until = clock_next_midnight(now);
    mark_dirty(live);
}

void live_count_sent(struct live *live, int64_t now)
{
    pthread_mutex_lock(&live->lock);
    turn_day(live, now);
    live->number_sent++;
    mark_dirty(live);
    pthread_mutex_unlock(&live->lock);
}

int64_t live_sent_today(struct live *live, int64_t now)
{
    int64_t sent;

    pthread_mutex_lock(&live->lock);
    turn_day(live, now);
    sent = live->number_sent;
    pthread_mutex_unlock(&live->lock);
    return sent;
}

bool live_day_is_over(struct live *live, const struct account *account, int64_t now)
{
    return account->max_sendable_per_day && live_sent_today(live, now) >= account->max_sendable_per_day;
}

enum account_state live_state(struct live *live)
{
    enum account_state state;

    pthread_mutex_lock(&live->lock);
    state = live->state;
    pthread_mutex_unlock(&live->lock);
    return state;
}

static int64_t read_number(struct live *live, const int64_t *at)
{
    int64_t number;

    pthread_mutex_lock(&live->lock);
    number = *at;
    pthread_mutex_unlock(&live->lock);
    return number;
}

int64_t live_queue_size(struct live *live)
{
    return read_number(live, &live->queue_size);
}

int64_t live_received(struct live *live)
{
    return read_number(live, &live->received_durably);
}

int64_t live_unacknowledged(struct live *live)
{
    return read_number(live, &live->unacknowledged);
}

void live_count_discarded(struct live *live, int64_t now, const char *cause)
{
    pthread_mutex_lock(&live->lock);
    live->number_discarded++;
    live->last_discard = now;
    set_text(&live->last_discard_cause, cause);
    mark_dirty(live);
    pthread_mutex_unlock(&live->lock);
}

void live_count_received(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    live->number_received++;
    mark_dirty(live);
    pthread_mutex_unlock(&live->lock);
}

/* A message is told of once it is durable, not while it is being written. */
void live_received_done(struct live *live, bool durable)
{
    pthread_mutex_lock(&live->lock);
    if (durable)
        live->received_durably++;
    else
        live->number_received--;
    mark_dirty(live);
    pthread_mutex_unlock(&live->lock);
}

bool live_set_paused(struct live *live, bool paused)
{
    bool changed;

    pthread_mutex_lock(&live->lock);
    changed = live->paused != paused;
    live->paused = paused;
    mark_dirty(live);
    pthread_mutex_unlock(&live->lock);
    return changed;
}

void live_reset_sent(struct live *live)
{
    pthread_mutex_lock(&live->lock);
    live->number_sent = 0;
    mark_dirty(live);
    pthread_mutex_unlock(&live->lock);
}

void live_transcript_add(struct live *live, const char *line)
{
    char when[CLOCK_TEXT_MAX];

    pthread_mutex_lock(&live->lock);
    if (live->transcript == NULL)
        live->transcript = mem_array(TRANSCRIPT_LINES, sizeof(*live->transcript));
    free(live->transcript[live->transcript_at]);
    live->transcript[live->transcript_at] = mem_printf("%s %s", clock_format(clock_now(), when), line);
    live->transcript_at = (live->transcript_at + 1) % TRANSCRIPT_LINES;
    pthread_mutex_unlock(&live->lock);
}

json_t *live_transcript(struct live *live)
{
    json_t *lines = json_array();

    pthread_mutex_lock(&live->lock);
    for (size_t i = 0; live->transcript && i < TRANSCRIPT_LINES; i++) {
        const char *line = live->transcript[(live->transcript_at + i) % TRANSCRIPT_LINES];

        if (line)
            json_array_append_new(lines, json_string(line));
    }
    pthread_mutex_unlock(&live->lock);
    return lines;
}

static json_t *status_object(const struct live *live)
{
    char since[CLOCK_TEXT_MAX];

    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "state", account_state_names[live->state], "cause", live->cause, "code",
                     live->code, "advice", live->code[0] ? cause_of(live->code)->advice : "", "since",
                     clock_format(live->since, since));
}

json_t *live_status_object(struct live *live)
{
    json_t *status;

    pthread_mutex_lock(&live->lock);
    status = status_object(live);
    pthread_mutex_unlock(&live->lock);
    return status;
}

/* Into a component of the account's type, where the property table finds it. */
static struct account *snapshot(struct live *live, const struct component_type *type)
{
    struct account *account = component_new(type);

    pthread_mutex_lock(&live->lock);
    turn_day(live, clock_now());
    account->status = status_object(live);
    account->last_poll_success = live->last_success;
    account->last_poll_failure = live->last_failure;
    account->last_tls = live->last_tls ? json_deep_copy(live->last_tls) : NULL;
    free(account->last_poll_failure_cause);
    account->last_poll_failure_cause = mem_strdup(live->failure_cause ?: "");
    if (type == &outgoing_account_type) {
        account->paused = live->paused;
        account->queue_size = live->queue_size;
        account->number_sent = live->number_sent;
        account->number_sent_until = live->number_sent_until;
        account->number_discarded = live->number_discarded;
        account->last_discard = live->last_discard;
        free(account->last_discard_cause);
        account->last_discard_cause = mem_strdup(live->last_discard_cause ?: "");
    } else {
        account->number_received = live->number_received;
        account->unacknowledged = live->unacknowledged;
    }
    pthread_mutex_unlock(&live->lock);
    return account;
}

json_t *live_status_json(struct station *station, const struct entry *entry)
{
    AUTO(live) live = live_get(station->lives, entry->name);
    struct account *account = snapshot(live, entry->type);
    json_t *json = json_object();

    account->number_received = live_received(live);
    component_to_json(entry->type, account, VIEW_STATUS, json);
    component_free(entry->type, account);
    json_object_update_missing_new(json, oauth_expiry_json(entry));
    return json;
}

int live_store(struct store_tx *tx, struct live *live, const struct component_type *type, struct err *err)
{
    struct account *account = snapshot(live, type);
    int rc = store_put_state(tx, type, live_name(live), account, err);

    component_free(type, account);
    return rc;
}

/* Who counts before submitting a job has counted before the transaction began: the first of them writes for all. */
int live_store_once(struct store_tx *tx, struct live *live, const struct component_type *type, struct err *err)
{
    if (live->stored_in == store_tx_number(tx))
        return 0;
    if (live_store(tx, live, type, err) < 0)
        return -1;
    live->stored_in = store_tx_number(tx);
    return 0;
}

struct flush {
    struct station *station;
    struct store_tx *tx;
    struct err *err;
    int rc;
};

static void store_one(struct entry *entry, void *ctx)
{
    struct flush *flush = ctx;
    AUTO(live) live = live_get(flush->station->lives, entry->name);
    bool dirty;

    pthread_mutex_lock(&live->lock);
    dirty = live->flushing = live->dirty;
    live->dirty = false;
    pthread_mutex_unlock(&live->lock);
    if (dirty && flush->rc == 0 && live_store(flush->tx, live, entry->type, flush->err) < 0 && flush->err->code != ERR_NOT_FOUND)
        flush->rc = -1;
}

static int store_dirty(struct store_tx *tx, void *ctx, struct err *err)
{
    struct station *station = ctx;
    struct flush flush = { station, tx, err, 0 };

    registry_each(station->accounts, store_one, &flush);
    return flush.rc;
}

static void dirty_again(struct entry *entry, void *ctx)
{
    AUTO(live) live = live_get(((struct station *)ctx)->lives, entry->name);

    pthread_mutex_lock(&live->lock);
    if (live->flushing)
        mark_dirty(live);
    pthread_mutex_unlock(&live->lock);
}

void lives_flush(struct station *station)
{
    struct err err;

    if (!atomic_exchange(&any_dirty, false) || store_write(station->store, store_dirty, station, false, &err) == 0)
        return;
    log_warning("store", "The accounts' counters could not be written: %s", err.text);
    registry_each(station->accounts, dirty_again, station);
}
