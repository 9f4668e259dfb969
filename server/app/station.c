/* SPDX-License-Identifier: Apache-2.0 */
#include "app/station.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/courier.h"
#include "app/events.h"
#include "app/hosts.h"
#include "app/live.h"
#include "app/oauth.h"
#include "app/oauth_expiry.h"
#include "app/receiver.h"
#include "app/outbox.h"
#include "app/rekey.h"
#include "app/search.h"
#include "app/sender.h"
#include "app/users.h"
#include "app/verify.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "component/json.h"
#include "crypto/crypto.h"
#include "jobs/jobs.h"
#include "model/account.h"
#include "model/services.h"
#include "model/trust_store.h"
#include "model/user.h"
#include "model/webhook.h"
#include "store/store.h"

#define WORKERS_MAX 256
#define FLUSH_EVERY SECONDS(2)
#define PURGE_EVERY SECONDS(3600)
#define SECRETS_EVERY SECONDS(3600)
#define PURGE_BATCH 1000
#define PURGE_MESSAGES 200               /* in one write: their words go with them, which takes a third of a millisecond each */
#define EVENT_DAYS 30
#define PARSING_THREADS 2

/* ---- opening ---- */

static int make_state_dir(const char *dir, struct err *err)
{
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return err_id(err, ERR_STORAGE, "state.unwritable", NULL, "The state directory %s cannot be made: %s.", dir, strerror(errno));
    if (access(dir, W_OK | X_OK) < 0)
        return err_id(err, ERR_STORAGE, "state.unwritable", NULL, "The state directory %s cannot be written to: %s.", dir,
                      strerror(errno));
    return 0;
}

/* The key is made only beside a database that is not there yet: a lost key must not be papered over by a new one. */
static int open_key(struct station *station, struct err *err)
{
    AUTO_FREE char *path = mem_printf("%s/key", station->state_dir);
    AUTO_FREE char *database = mem_printf("%s/postern.db", station->state_dir);

    if (access(path, F_OK) < 0 && access(database, F_OK) < 0 && crypto_key_create(path, err) < 0 && err->code != ERR_EXISTS)
        return -1;
    return crypto_key_load(&station->key, path, err);
}

struct loading {
    struct station *station;
    const struct component_type *type;
    struct registry *registry;
};

static int load_one(const char *name, void *component, const struct store_stamp *stamp, void *ctx)
{
    const struct loading *loading = ctx;
    struct station *station = loading->station;
    struct entry *entry = entry_new(loading->type, name, component, stamp->by, stamp->at, station->key);

    if (loading->registry == station->accounts) {
        AUTO(live) live = live_get(station->lives, name);

        live_restore(live, component);
    }
    entry_free(registry_put(loading->registry, entry));
    return 0;
}

static int load_all(struct store_tx *tx, void *ctx, struct err *err)
{
    struct station *station = ctx;
    const struct loading loadings[] = {
        { station, &email_service_type, station->services }, { station, &web_service_type, station->services },
        { station, &user_service_type, station->services }, { station, &certificate_service_type, station->services },
        { station, &outgoing_account_type, station->accounts }, { station, &incoming_account_type, station->accounts },
        { station, &allowed_host_type, station->allowed_hosts }, { station, &user_ca_type, station->user_cas },
        { station, &key_pair_type, station->key_pairs }, { station, &user_type, station->users },
        { station, &token_type, station->tokens }, { station, &webhook_type, station->webhooks },
    };

    for (size_t i = 0; i < COUNT_OF(loadings); i++)
        if (store_each(tx, loadings[i].type, "", load_one, (void *)&loadings[i], err) < 0)
            return -1;
    return 0;
}

/* A service exists without being written: at its defaults. */
static void add_services(struct station *station)
{
    for (const struct component_type *const *type = service_types; *type; type++) {
        AUTO(entry) there = registry_get(station->services, (*type)->name);

        if (there == NULL)
            entry_free(registry_put(station->services,
                                    entry_new(*type, (*type)->name, component_new(*type), "postern", clock_now(), station->key)));
    }
}

static void name_host(struct station *station)
{
    char name[256] = "";
    uint8_t random[16];
    char hex[33];

    if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
        snprintf(name, sizeof(name), "localhost");
    station->host_name = mem_strdup(name);
    crypto_random(random, sizeof(random));
    snprintf(station->lease_owner, sizeof(station->lease_owner), "%s", hex_encode(random, sizeof(random), hex));
}

static struct station *station_new(const struct station_options *options)
{
    struct station *station = mem_alloc(sizeof(*station));
    const char *credentials = options->credentials_dir ? options->credentials_dir : getenv("CREDENTIALS_DIRECTORY");

    station->state_dir = mem_strdup(options->state_dir);
    station->credentials_dir = credentials ? mem_strdup(credentials) : mem_printf("%s/credentials", options->state_dir);
    station->accounts = registry_new();
    station->services = registry_new();
    station->users = registry_new();
    station->tokens = registry_new();
    station->user_cas = registry_new();
    station->allowed_hosts = registry_new();
    station->key_pairs = registry_new();
    station->webhooks = registry_new();
    station->lives = lives_new(station);
    station->events = events_new(station);
    station->courier = courier_new(station);
    station->oauth = oauth_new(station);
    station->search = search_new(station);
    station->started_at = clock_now();
    name_host(station);
    return station;
}

static void on_events(void *ctx)
{
    struct station *station = ctx;

    events_told(station->events);
    courier_told(station->courier);
}

static void on_messages(void *ctx)
{
    search_notice(((struct station *)ctx)->search);
}

static int open_store(struct station *station, const struct station_options *options, struct err *err)
{
    const struct store_options store = { .state_dir = station->state_dir, .key = station->key, .exclusive = options->exclusive,
                                         .events_added = on_events, .messages_added = on_messages, .ctx = station };

    if (store_open(&station->store, &store, err) < 0)
        return -1;
    return store_read(station->store, load_all, station, err);
}

/* A rekey was cut off between its commit and the change of the key files: the next key is the right one. */
static int open_store_with_next_key(struct station *station, const struct station_options *options, struct err *err)
{
    AUTO_FREE char *next = rekey_next_path(station->state_dir);

    store_close(TAKE(station->store));
    crypto_key_free(TAKE(station->key));
    if (crypto_key_load(&station->key, next, err) < 0 || open_store(station, options, err) < 0)
        return -1;
    return options->exclusive ? rekey_swap(station->state_dir, NULL, err) : 0;
}

static int fill(struct station *station, const struct station_options *options, struct err *err)
{
    AUTO_FREE char *next = rekey_next_path(station->state_dir);
    AUTO(entry) service = NULL;

    if (make_state_dir(station->state_dir, err) < 0 || open_key(station, err) < 0)
        return -1;
    if (open_store(station, options, err) < 0 &&
        (strcmp(err->id, "seal.otherKey") != 0 || access(next, F_OK) < 0 || open_store_with_next_key(station, options, err) < 0))
        return -1;
    add_services(station);
    service = registry_get(station->services, certificate_service_type.name);
    station->hosts = hosts_new(((const struct certificate_service *)service->component)->system_trust_store);
    return hosts_load_cas(station, err);
}

int station_open(struct station **ret, const struct station_options *options, struct err *err)
{
    struct station *station = station_new(options);

    if (fill(station, options, err) < 0) {
        station_free(station);
        return -1;
    }
    *ret = station;
    return 0;
}

/* ---- consequences of a changed configuration ---- */

static void settle(struct entry *entry, void *ctx)
{
    live_settle(ctx, entry);
}

static void settle_and_wake(struct entry *entry, void *ctx)
{
    live_settle(ctx, entry);
    if (entry->type == &outgoing_account_type)
        sender_wake(ctx, entry->name);
    else
        receiver_wake(ctx, entry->name);
}

static bool is_account(const struct entry *entry)
{
    return entry->type == &outgoing_account_type || entry->type == &incoming_account_type;
}

static bool is_service(const struct entry *entry)
{
    for (const struct component_type *const *type = service_types; *type; type++)
        if (entry->type == *type)
            return true;
    return false;
}

static int gather_secret(const char *path, struct secret *secret, void *ctx)
{
    return buf_addf(ctx, "%s=%s%s\n", path, secret->file ? "$file:" : "", secret->file ?: secret->value ?: "");
}

/* Everything that decides whether and how the account connects, as text. */
static void gather_connection(const struct entry *entry, struct buf *into)
{
    json_t *json = entry_json(entry);
    char *text;

    for (const struct prop *prop = entry->type->props; prop->name; prop++)
        if (strcmp(prop->name, "enabled") != 0 && (prop->group == NULL || (strcmp(prop->group, "Connection") != 0 &&
                                                                            strcmp(prop->group, "Email Authenticator") != 0)))
            json_object_del(json, prop->name);
    json_object_del(json, "name");
    text = json_dumps(json, JSON_COMPACT);
    buf_add_c(into, text);
    free(text);
    json_decref(json);
    component_each_secret(entry->type, entry->component, gather_secret, into);
}

/* Whether what the status says may be different now: a new description doesn't make a challenge go away. */
bool station_reconnects(const struct entry *before, const struct entry *after)
{
    struct buf old, new;
    bool otherwise;

    if (before == NULL)
        return true;
    buf_init_secret(&old, 1024 * 1024);
    buf_init_secret(&new, 1024 * 1024);
    gather_connection(before, &old);
    gather_connection(after, &new);
    otherwise = !str_eq(buf_str(&old), buf_str(&new));
    buf_free(&old);
    buf_free(&new);
    return otherwise;
}

static void forget(struct station *station, const char *name)
{
    AUTO(live) live = live_get(station->lives, name);

    lives_remove(station->lives, name);
    sender_stir(live);
    receiver_stir(station, live);
}

static void use_system_store(struct station *station, const struct certificate_service *before,
                             const struct certificate_service *after)
{
    if (strcmp(before->system_trust_store, after->system_trust_store) == 0)
        return;
    trust_set_system(hosts_trust(station->hosts), after->system_trust_store);
    hosts_changed(station);
}

/* Another certificate for HTTPS: the WebService is as good as changed. */
static void follow_key(struct station *station, const struct entry *pair)
{
    AUTO(entry) web = registry_get(station->services, web_service_type.name);

    if (station->service_changed && strcmp(((const struct web_service *)web->component)->https_key, pair->name) == 0)
        station->service_changed(station->service_ctx, web);
}

/* On the writer thread, right after the commit. */
static void on_change(struct station *station, const struct entry *before, const struct entry *after)
{
    const struct entry *shown = after ? after : before;

    if (after && station->service_changed && is_service(after))
        station->service_changed(station->service_ctx, after);
    if (shown->type == &webhook_type) {
        courier_changed(station->courier, before, after);
    } else if (shown->type == &key_pair_type) {
        follow_key(station, shown);
    } else if (shown->type == &web_service_type) {
        courier_retry_all(station->courier);
    } else if (shown->type == &certificate_service_type) {
        use_system_store(station, before->component, after->component);
    } else if (shown->type == &email_service_type) {
        if (before && ((const struct email_service *)before->component)->enabled ==
                          ((const struct email_service *)after->component)->enabled)
            return;
        registry_each(station->accounts, settle_and_wake, station);
    } else if (is_account(shown)) {
        if (before && after && strcmp(before->name, after->name) != 0)
            lives_rename(station->lives, before->name, after->name);
        else if (after == NULL)
            forget(station, before->name);
        if (after && station_reconnects(before, after)) {
            live_settle(station, after);
            oauth_expiry_notice(station, after);
        }
        if (after && after->type == &outgoing_account_type)
            sender_wake(station, after->name);
        else if (after)
            receiver_wake(station, after->name);
    }
}

/* ---- running ---- */

static void on_flush(void *ctx)
{
    struct station *station = ctx;

    lives_flush(station);
    oauth_sweep(station->oauth);
    if (!atomic_load(&station->stopping))
        jobs_at(station->jobs, clock_mono() + FLUSH_EVERY, on_flush, station);
}

struct purge {
    const struct entry *entry;
    int64_t removed;
};

static int purge_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct purge *purge = ctx;
    const struct account *account = purge->entry->component;

    return store_message_purge(tx, purge->entry->name, clock_now() - DAYS(account->retention), PURGE_MESSAGES, &purge->removed, err);
}

static void purge_account(struct station *station, const struct entry *entry)
{
    struct purge purge = { entry, 0 };
    struct err err;

    do {
        if (store_write(station->store, purge_run, &purge, false, &err) < 0) {
            log_warning(entry->name, "Old messages could not be removed: %s", err.text);
            return;
        }
    } while (purge.removed == PURGE_MESSAGES && !atomic_load(&station->stopping));
}

/* Messages held by the day's limit go on after midnight. */
static int release_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct entry *entry = ctx;
    int64_t changed;

    return outbox_move(tx, entry->name, MESSAGE_HELD, MESSAGE_QUEUED, clock_now(), true, &changed, err);
}

static void release_one(struct entry *entry, void *ctx)
{
    struct station *station = ctx;
    AUTO(live) live = live_get(station->lives, entry->name);
    const struct account *account = entry->component;
    struct err err;

    if (live_queue_size(live) == 0 || live_day_is_over(live, account, clock_now()))
        return;
    if (store_write(station->store, release_run, entry, false, &err) == 0)
        sender_notice(station, entry->name, clock_now());       /* not 0: with batch they wait for the tick */
}

static void on_midnight(void *ctx)
{
    struct station *station = ctx;

    if (atomic_load(&station->stopping))
        return;
    registry_each(station->accounts, release_one, station);
    jobs_at(station->jobs, clock_mono() + clock_next_midnight(clock_now()) - clock_now() + 100, on_midnight, station);
}

static void purge_one(struct entry *entry, void *ctx)
{
    if (((const struct account *)entry->component)->retention > 0)
        purge_account(ctx, entry);
}

static int purge_events_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_event_purge(tx, clock_now() - DAYS(EVENT_DAYS), PURGE_BATCH, ctx, err);
}

static void purge_events(struct station *station)
{
    int64_t removed;
    struct err err;

    do {
        if (store_write(station->store, purge_events_run, &removed, false, &err) < 0) {
            log_warning("events", "Old events could not be removed: %s", err.text);
            return;
        }
    } while (removed >= PURGE_BATCH - 1 && !atomic_load(&station->stopping));
}

static void on_purge(void *ctx)
{
    struct station *station = ctx;

    if (atomic_load(&station->stopping))        /* a job that waited runs then, only to free what it holds */
        return;
    registry_each(station->accounts, purge_one, station);
    purge_events(station);
    courier_purge(station->courier);
    jobs_at(station->jobs, clock_mono() + PURGE_EVERY, on_purge, station);
}

static void watch_secret(struct entry *entry, void *ctx)
{
    oauth_expiry_check(ctx, entry);
}

static void on_secrets(void *ctx)
{
    struct station *station = ctx;

    if (atomic_load(&station->stopping))
        return;
    registry_each(station->accounts, watch_secret, station);
    jobs_at(station->jobs, clock_mono() + SECRETS_EVERY, on_secrets, station);
}

int station_start(struct station *station, struct err *err)
{
    station->jobs = jobs_open(WORKERS_MAX);
    station->hashing = jobs_open(USERS_HASHING_THREADS);
    station->parsing = jobs_open(PARSING_THREADS);
    station->accounts_changed = on_change;
    station->receivers = receivers_new(station, err);
    if (station->receivers == NULL)
        return -1;
    registry_each(station->accounts, settle, station);
    if (sender_start_all(station, err) < 0)
        return -1;
    receiver_start_all(station);
    courier_start(station->courier);
    jobs_at(station->jobs, clock_mono() + FLUSH_EVERY, on_flush, station);
    jobs_at(station->jobs, clock_mono() + SECONDS(1), on_midnight, station);
    jobs_at(station->jobs, clock_mono() + SECONDS(60), on_purge, station);
    jobs_at(station->jobs, clock_mono() + SECONDS(2), on_secrets, station);
    search_notice(station->search);
    return 0;
}

void station_stop(struct station *station, int64_t grace_ms)
{
    atomic_store(&station->stopping, true);
    if (station->jobs == NULL)
        return;
    oauth_stop(station->oauth);
    receiver_stop_all(station);
    sender_stop_all(station, grace_ms);
    receiver_stop_wait(station, SECONDS(5));
    events_stop(station->events);
    station->stuck = courier_stop(station->courier) < 0;
    station->stuck = station->stuck || jobs_stop(station->hashing, SECONDS(5)) < 0 || jobs_stop(station->jobs, SECONDS(5)) < 0 ||
                     jobs_stop(station->parsing, SECONDS(5)) < 0;       /* last: what the others start runs there */
    lives_flush(station);
}

void station_free(struct station *station)
{
    if (station == NULL)
        return;
    store_close(station->store);
    if (station->stuck)                 /* a worker still looks at it; the process is about to end anyway */
        return;
    receivers_free(station->receivers);
    jobs_free(station->hashing);
    jobs_free(station->parsing);
    search_free(station->search);
    jobs_free(station->jobs);
    courier_free(station->courier);
    events_free(station->events);
    oauth_free(station->oauth);
    hosts_free(station->hosts);
    lives_free(station->lives);
    registry_free(station->accounts);
    registry_free(station->services);
    registry_free(station->users);
    registry_free(station->tokens);
    registry_free(station->user_cas);
    registry_free(station->allowed_hosts);
    registry_free(station->key_pairs);
    registry_free(station->webhooks);
    crypto_key_free(station->key);
    free(station->host_name);
    free(station->credentials_dir);
    free(station->state_dir);
    free(station);
}
