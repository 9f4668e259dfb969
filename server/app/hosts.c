/* SPDX-License-Identifier: Apache-2.0 */
#include "app/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/connect.h"
#include "app/courier.h"
#include "app/events.h"
#include "app/hosts_entry.h"
#include "app/live.h"
#include "app/receiver.h"
#include "app/sender.h"
#include "app/verify.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "component/json.h"
#include "jobs/jobs.h"
#include "model/account.h"
#include "model/services.h"
#include "store/store.h"
#include "tls/client.h"

#define RETRY_AGAIN_MS 500

struct hosts {
    struct trust *trust;
};

struct hosts *hosts_new(const char *system_file)
{
    struct hosts *hosts = mem_alloc(sizeof(*hosts));

    hosts->trust = trust_new(system_file);
    return hosts;
}

void hosts_free(struct hosts *hosts)
{
    if (hosts)
        trust_free(hosts->trust);
    free(hosts);
}

struct trust *hosts_trust(struct hosts *hosts)
{
    return hosts->trust;
}

char *hosts_id(const char *hostname, int64_t port)
{
    bool bare_v6 = strchr(hostname, ':') && hostname[0] != '[';

    return mem_printf("%s%s%s:%lld", bare_v6 ? "[" : "", hostname, bare_v6 ? "]" : "", (long long)port);
}

/* ---- writes, all on the writer thread and alone, so that two of them never meet ---- */

/* 1: changed, 0: nothing to do, -1: refused. `*host` is the callee's to change; NULL out for removal. */
typedef int change_host(struct allowed_host **host, void *ctx, struct err *err);

struct change {
    struct station *station;
    const char *id;
    change_host *apply;
    void *ctx;
    const char *action;                 /* audit; NULL: none */
    struct actor actor;
    bool dry_run;
    struct entry *before, *after;
    bool changed;
};

static const char *shown_sha256(const struct allowed_host *host)
{
    return json_string_value(json_object_get(host->certificate, "sha256")) ?: "";
}

/* What a connection saw is news when somebody has to decide who had not to before, or about something else. */
static const char *event_of_sighting(const struct allowed_host *before, const struct allowed_host *host)
{
    bool same = before && before->approval == host->approval && strcmp(shown_sha256(before), shown_sha256(host)) == 0 &&
                json_equal(before->reasons, host->reasons);

    if (host->redundant)
        return before && before->redundant ? NULL : "certificate.redundant";
    if (same)
        return NULL;
    return host->approval == APPROVAL_PENDING ? "certificate.challenge" : host->approval == APPROVAL_CHANGED ? "certificate.changed" : NULL;
}

/* `host` is NULL when it was removed. */
static int add_event(struct store_tx *tx, const struct change *change, const struct allowed_host *host, const char *resource,
                     struct err *err)
{
    const struct allowed_host *before = change->before ? change->before->component : NULL, *shown = host ? host : before;
    const char *type;

    if (host == NULL)
        type = "certificate.forgotten";
    else if (change->action)
        type = host->approval == APPROVAL_REJECTED ? "certificate.rejected" : "certificate.approved";
    else
        type = event_of_sighting(before, host);
    if (type == NULL)
        return 0;
    return events_add(tx, type, NULL, resource,
                      json_pack("{s:s, s:s, s:I, s:o, s:O, s:s}", "id", change->id, "hostname", shown->hostname, "port",
                                (json_int_t)shown->port, "approval",
                                prop_to_json(prop_find(allowed_host_type.props, "approval"), shown), "reasons", shown->reasons,
                                "sha256", shown_sha256(shown)), err);
}

int hosts_tell_decision(struct store_tx *tx, const struct entry *before, const struct entry *after, struct err *err)
{
    struct change change = { .id = after ? after->name : before->name, .before = (struct entry *)before, .action = "put" };
    AUTO_FREE char *resource = mem_printf("AllowedHost/%s", change.id);

    return add_event(tx, &change, after ? after->component : NULL, resource, err);
}

static int change_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct change *change = ctx;
    struct store_stamp stamp = { change->actor.name, clock_now() };
    AUTO_FREE char *resource = mem_printf("AllowedHost/%s", change->id);
    struct store_audit audit = { .at = stamp.at, .who = change->actor.name, .address = change->actor.address,
                                 .action = change->action, .resource = resource };
    struct allowed_host *host;
    int rc;

    change->before = registry_get(change->station->allowed_hosts, change->id);
    host = change->before ? component_copy(&allowed_host_type, change->before->component) : NULL;
    rc = change->apply(&host, change->ctx, err);
    if (rc <= 0) {
        component_free(&allowed_host_type, host);
        change->after = rc == 0 && change->before ? entry_hold(change->before) : NULL;
        return rc;
    }
    change->changed = true;
    if (host)
        change->after = entry_new(&allowed_host_type, change->id, host, stamp.by, stamp.at, change->station->key);
    if (change->dry_run)
        return 0;
    if (host ? store_put(tx, &allowed_host_type, change->id, host, &stamp, err) < 0
             : store_remove(tx, &allowed_host_type, change->id, err) < 0)
        return -1;
    if (change->action && store_audit_add(tx, &audit, err) < 0)
        return -1;
    return add_event(tx, change, host, resource, err);
}

static void publish(struct change *change)
{
    if (!change->changed || change->dry_run)
        return;
    if (change->after)
        entry_free(registry_put(change->station->allowed_hosts, entry_hold(change->after)));
    else
        entry_free(registry_remove(change->station->allowed_hosts, change->id));
}

static void change_free(struct change *change)
{
    entry_free(change->before);
    entry_free(change->after);
}

/* ---- judging ---- */

struct sighting {
    const struct hosts_subject *subject;
    const struct tls_peer *peer;
    const struct entry *known;          /* judged with this; NULL: without any */
    struct trust_result *result;
    struct change change;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool finished;
    struct err err;                     /* with a code: it could not be written */
};

static void decide(struct station *station, const struct hosts_subject *subject, const struct entry *known,
                   const struct tls_peer *peer, struct trust_result *result)
{
    AUTO(trust_roots) roots = trust_roots(station->hosts->trust, subject->stores);
    struct trust_exemption exemption;

    if (known)
        hosts_entry_exemption(known->component, &exemption);
    trust_decide(roots, subject->stores, peer, subject->verify_name, known ? &exemption : NULL, clock_now(), result);
}

/* A person may have decided since the look: what was judged before that must not undo it. */
static int note_sighting(struct allowed_host **host, void *ctx, struct err *err)
{
    struct sighting *sighting = ctx;
    const struct entry *now = sighting->change.before;

    (void)err;
    if (now != sighting->known)
        decide(sighting->change.station, sighting->subject, now, sighting->peer, sighting->result);
    if (now == NULL && sighting->result->verdict == TRUST_YES)
        return 0;
    if (*host == NULL) {
        *host = component_new(&allowed_host_type);
        hosts_entry_name(*host, sighting->subject->hostname, sighting->subject->port);
    }
    hosts_entry_saw(*host, sighting->peer, sighting->result, clock_now());
    return 1;
}

/* Published here, on the writer thread, before the next write looks at the entry. */
static void noted(void *ctx, const struct err *err)
{
    struct sighting *sighting = ctx;

    if (err == NULL)
        publish(&sighting->change);
    pthread_mutex_lock(&sighting->lock);
    if (err)
        sighting->err = *err;
    sighting->finished = true;
    pthread_cond_signal(&sighting->over);
    pthread_mutex_unlock(&sighting->lock);
}

static int note_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct sighting *sighting = ctx;

    return change_run(tx, &sighting->change, err);
}

/* The challenge is on the disk, and visible, before the attempt ends. */
static void note(struct station *station, const char *id, const struct hosts_subject *subject, const struct tls_peer *peer,
                 const struct entry *known, struct trust_result *result)
{
    struct sighting sighting = { subject, peer, known, result, { .station = station, .id = id, .apply = note_sighting,
                                 .actor = { "postern", NULL } }, .lock = PTHREAD_MUTEX_INITIALIZER,
                                 .over = PTHREAD_COND_INITIALIZER };

    sighting.change.ctx = &sighting;
    store_submit(station->store, note_run, noted, &sighting, true);
    pthread_mutex_lock(&sighting.lock);
    while (!sighting.finished)
        pthread_cond_wait(&sighting.over, &sighting.lock);
    pthread_mutex_unlock(&sighting.lock);
    if (sighting.err.code != ERR_NONE)
        log_warning(id, "The certificate could not be noted in Allowed Hosts: %s", sighting.err.text);
    change_free(&sighting.change);
}

static int refuse(const struct hosts_subject *subject, const struct trust_result *result, struct err *err)
{
    static const char *const ids[] = { [TRUST_ASK] = "cert.challenge", [TRUST_CHANGED] = "cert.changed",
                                       [TRUST_REJECTED] = "cert.rejected", [TRUST_NO] = "cert.refused" };
    bool ask = result->verdict == TRUST_ASK || result->verdict == TRUST_CHANGED;

    (void)subject;
    return err_id(err, ask ? ERR_ASK : ERR_REFUSED, ids[result->verdict], "certificate", "%s", result->text);
}

int hosts_judge(struct station *station, const struct hosts_subject *subject, const struct tls_peer *peer,
                struct trust_result *result, struct err *err)
{
    AUTO_FREE char *id = hosts_id(subject->hostname, subject->port);
    AUTO(entry) known = registry_get(station->allowed_hosts, id);
    bool good;

    decide(station, subject, known, peer, result);
    good = result->verdict == TRUST_YES || result->verdict == TRUST_EXEMPT;
    if (!good && peer->resumed)
        return err_id(err, ERR_TEMPORARY, HOSTS_RESUMED, "certificate", "%s", result->text);
    if (subject->record && (!good || (known && hosts_entry_is_news(known->component, result, clock_now()))))
        note(station, id, subject, peer, known, result);
    good = result->verdict == TRUST_YES || result->verdict == TRUST_EXEMPT;
    return good ? 0 : refuse(subject, result, err);
}

bool hosts_would_go_on(struct station *station, const struct hosts_subject *subject, const struct tls_peer *peer)
{
    AUTO_FREE char *id = hosts_id(subject->hostname, subject->port);
    AUTO(entry) known = registry_get(station->allowed_hosts, id);
    struct trust_result result;

    decide(station, subject, known, peer, &result);
    return result.verdict == TRUST_YES || result.verdict == TRUST_EXEMPT;
}

/* ---- as JSON ---- */

struct users_of {
    const struct allowed_host *host;
    json_t *names;
};

static void add_user(struct entry *entry, void *ctx)
{
    struct users_of *users = ctx;
    const struct account *account = entry->component;

    if (account_port(entry->type, account) == users->host->port && strcmp(account->hostname, users->host->hostname) == 0)
        json_array_append_new(users->names, json_string(entry->name));
}

json_t *hosts_accounts_of(struct station *station, const struct allowed_host *host)
{
    struct users_of users = { host, json_array() };

    registry_each(station->accounts, add_user, &users);
    return users.names;
}

json_t *hosts_json(struct station *station, const struct entry *entry)
{
    json_t *json = json_object();

    json_object_set_new(json, "id", json_string(entry->name));
    component_to_json(entry->type, entry->component, VIEW_CONFIG, json);
    component_to_json(entry->type, entry->component, VIEW_STATUS, json);
    json_object_set_new(json, "accounts", hosts_accounts_of(station, entry->component));
    json_object_set_new(json, "acceptable", json_boolean(hosts_entry_acceptable(entry->component)));
    return json;
}

/* ---- the API's requests ---- */

int64_t hosts_days_max(struct station *station)
{
    AUTO(entry) service = registry_get(station->services, certificate_service_type.name);

    return ((const struct certificate_service *)service->component)->exemption_days_max;
}

static int apply_request(struct allowed_host **host, void *ctx, struct err *err)
{
    struct hosts_request *request = ctx;

    if (request->op != HOSTS_PUT && *host == NULL)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no entry \"%s\" in Allowed Hosts.", request->id);
    switch (request->op) {
    case HOSTS_APPROVE:
        return hosts_entry_approve(*host, request->document, hosts_days_max(request->station), request->actor.name, clock_now(),
                                   &request->problems, err);
    case HOSTS_REJECT:
        return hosts_entry_reject(*host, request->document, request->actor.name, clock_now(), &request->problems, err);
    case HOSTS_PUT:
        return hosts_entry_put(host, request->id, request->document, hosts_days_max(request->station), request->actor.name, clock_now(),
                               &request->problems, err);
    case HOSTS_DELETE:
        component_free(&allowed_host_type, *host);
        *host = NULL;
        return 1;
    }
    return -1;
}

struct requested {
    struct hosts_request *request;
    struct change change;
};

static int request_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct requested *requested = ctx;
    struct hosts_request *request = requested->request;
    AUTO(entry) now = registry_get(request->station->allowed_hosts, request->id);

    if (request->precondition && !request->precondition(request->ctx, now ? entry_etag(now) : NULL))
        return err_id(err, ERR_PRECONDITION, "precondition.failed", NULL, "\"%s\" was changed since you read it; read it again.",
                      request->id);
    return change_run(tx, &requested->change, err);
}

static void request_free(struct hosts_request *request)
{
    problems_clear(&request->problems);
    json_decref(request->document);
    free(request->id);
    free(request);
}

static void request_done(void *ctx, const struct err *err)
{
    struct requested *requested = ctx;
    struct hosts_request *request = requested->request;

    if (err == NULL) {
        publish(&requested->change);
        request->before = requested->change.before;
        request->after = requested->change.after;
        request->changed = requested->change.changed;
        if (request->changed && !request->dry_run)
            hosts_changed(request->station);
    }
    request->done(request, err);
    change_free(&requested->change);
    request_free(request);
    free(requested);
}

void hosts_request(struct hosts_request *request)
{
    static const char *const actions[] = { "approve", "reject", "put", "delete" };
    struct requested *requested = mem_alloc(sizeof(*requested));

    requested->request = request;
    requested->change = (struct change){ .station = request->station, .id = request->id, .apply = apply_request, .ctx = request,
                                         .action = actions[request->op], .actor = request->actor, .dry_run = request->dry_run };
    store_submit(request->station->store, request_run, request_done, requested, true);
}

/* ---- consequences ---- */

/* An account that waits for a person, or failed over a certificate, tries again; the others lose nothing by waiting. */
static bool waits_for_trust(struct live *live)
{
    bool waits;

    pthread_mutex_lock(&live->lock);
    waits = strncmp(live->code, "cert.", 5) == 0;
    pthread_mutex_unlock(&live->lock);
    return waits;
}

static void retry_waiting(struct entry *entry, void *ctx)
{
    struct station *station = ctx;
    AUTO(live) live = live_get(station->lives, entry->name);

    if (waits_for_trust(live) && entry->type == &incoming_account_type)
        receiver_wake(station, entry->name);
    else if (waits_for_trust(live))
        verify_in_background(station, entry);
}

static void retry_again(void *ctx)
{
    struct station *station = ctx;

    if (!atomic_load(&station->stopping))
        registry_each(station->accounts, retry_waiting, station);
}

/* Twice: an attempt that was judged just before the change tells its account only now. Not on this thread, which writes: there may
 * be many accounts. */
void hosts_changed(struct station *station)
{
    tls_client_forget_sessions();
    connect_recheck(station);
    courier_retry_all(station->courier);
    jobs_submit(station->jobs, retry_again, station);
    jobs_at(station->jobs, clock_mono() + RETRY_AGAIN_MS, retry_again, station);
}

/* ---- what if ---- */

const char *hosts_verdict(const struct trust_result *result)
{
    return result->verdict == TRUST_YES ? "trusted" : result->verdict == TRUST_EXEMPT ? "exempt" : "refused";
}

struct impact {
    struct station *station;
    const struct trust_roots *now, *then;
    json_t *list;
};

static void add_impact(struct entry *entry, void *ctx)
{
    struct impact *impact = ctx;
    const struct allowed_host *host = entry->component;
    AUTO(tls_peer) peer = hosts_entry_peer(host);
    struct trust_exemption exemption;
    struct trust_result before, after;

    if (peer == NULL)
        return;
    hosts_entry_exemption(host, &exemption);
    trust_decide(impact->now, STORES_BOTH, peer, NULL, &exemption, clock_now(), &before);
    trust_decide(impact->then, STORES_BOTH, peer, NULL, &exemption, clock_now(), &after);
    if (strcmp(hosts_verdict(&before), hosts_verdict(&after)) == 0)
        return;
    json_array_append_new(impact->list, json_pack("{s:s, s:o, s:s, s:s}", "allowedHost", entry->name, "accounts",
                                                  hosts_accounts_of(impact->station, host), "before",
                                                  hosts_verdict(&before), "after",
                                                  hosts_verdict(&after)));
}

json_t *hosts_impact(struct station *station, const struct trust_ca *cas, size_t count)
{
    AUTO(trust_roots) now = trust_roots(station->hosts->trust, STORES_BOTH);
    AUTO(trust_roots) then = NULL;
    struct impact impact = { station, now, NULL, json_array() };
    struct err err;

    if (trust_roots_make(&then, now, cas, count, &err) < 0)
        return impact.list;
    impact.then = then;
    registry_each(station->allowed_hosts, add_impact, &impact);
    return impact.list;
}
