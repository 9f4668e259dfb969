/* SPDX-License-Identifier: Apache-2.0 */
#include "app/verify.h"

#include <stdlib.h>
#include <string.h>

#include "app/connect.h"
#include "app/hosts.h"
#include "app/receiver.h"
#include "app/sender.h"
#include "jobs/jobs.h"
#include "mail/probe.h"
#include "model/account.h"
#include "tls/peer.h"

static enum mail_transport transport_of(const struct entry *entry)
{
    static const enum mail_transport transports[] = { [TRANSPORT_SMTP] = MAIL_SMTP, [TRANSPORT_IMAP] = MAIL_IMAP,
                                                      [TRANSPORT_POP3] = MAIL_POP3 };

    return transports[account_transport(entry->type, entry->component)];
}

static int open_incoming(struct connect *connect, struct err *err)
{
    return connect_open(connect, err) < 0 ? -1 : connect_look_at_mailbox(connect, err);
}

/* An attempt that failed over its settings, before its first step, failed at the step that needed them. */
static void add_missing_step(struct connect *connect, const struct err *err)
{
    struct mail_step step = { strcmp(err->at, "emailAuthenticator") == 0 ? "authenticate" : "resolve", 0, "", err };
    size_t count = json_array_size(connect->steps);
    json_t *last = count ? json_array_get(connect->steps, count - 1) : NULL;

    if (last == NULL || json_is_true(json_object_get(last, "ok")))
        json_array_append_new(connect->steps, connect_step_json(&step));
}

static int try_account(struct connect *connect, struct err *err)
{
    int rc;

    if (atomic_load(&connect->station->stopping))
        return err_id(err, ERR_STOPPED, "connect.stopped", NULL, "Postern is stopping.");
    rc = connect->account->type == &outgoing_account_type ? connect_open(connect, err) : open_incoming(connect, err);

    if (rc < 0 && connect->steps)
        add_missing_step(connect, err);
    if (connect->live && rc == 0)
        live_succeeded(connect->live, connect_tls_json(connect));
    else if (connect->live)
        live_failed(connect->live, err);
    return rc;
}

static json_t *answer_of(struct connect *connect, bool ok, const struct err *err)
{
    json_t *tls = connect_tls_json(connect);
    json_t *answer = json_pack("{s:b, s:O, s:o, s:o, s:o}", "ok", ok, "steps", connect->steps, "tls", tls ? tls : json_null(),
                               "certificate", hosts_certificate_json(connect->peer, 0), "challenge",
                               connect->challenge ? json_incref(connect->challenge) : json_null());

    if (!ok) {
        json_object_set_new(answer, "code", json_string(err->id));
        json_object_set_new(answer, "cause", json_string(err->text));
        json_object_set_new(answer, "advice", json_string(cause_of(err->id)->advice));
    }
    return answer;
}

static void verify_run(void *ctx)
{
    struct verify *verify = ctx;
    struct connect *connect = connect_new(verify->station, verify->account, verify->stored);
    struct err err = { 0 };
    int rc;

    connect->steps = json_array();
    rc = try_account(connect, &err);
    verify->answer = answer_of(connect, rc == 0, &err);
    connect_free(connect);
    if (rc == 0 && verify->stored) {
        sender_wake(verify->station, verify->account->name);
        receiver_relieve(verify->station, verify->account->name);
    }
    verify->done(verify);
    json_decref(verify->answer);
    entry_free(verify->account);
    free(verify);
}

void verify_submit(struct verify *verify)
{
    jobs_submit(verify->station->jobs, verify_run, verify);
}

static void nothing(struct verify *verify)
{
    (void)verify;
}

void verify_in_background(struct station *station, struct entry *account)
{
    struct verify *verify = mem_alloc(sizeof(*verify));

    verify->station = station;
    verify->account = entry_hold(account);
    verify->stored = true;
    verify->done = nothing;
    verify_submit(verify);
}

/* ---- probe ---- */

struct probing {
    struct probe *probe;
    json_t *steps;
    struct tls_peer *peer;
    struct trust_result result;
};

static void probe_step(void *ctx, const struct mail_step *step)
{
    struct probing *probing = ctx;

    json_array_append_new(probing->steps, connect_step_json(step));
}

static int probe_judge(void *ctx, const struct tls_peer *peer, struct err *err)
{
    struct probing *probing = ctx;
    const struct account *account = probing->probe->settings->component;
    struct hosts_subject subject = { account->hostname, account_port(probing->probe->settings->type, account), STORES_BOTH,
                                     account->verify_name, false };

    probing->peer = tls_peer_copy(peer);
    return hosts_judge(probing->probe->station, &subject, peer, &probing->result, err);
}

static json_t *probe_answer(const struct probing *probing, bool reached, const struct err *err)
{
    const char *words[REASON_COUNT];
    size_t count = trust_reason_words(probing->result.reasons, words);
    json_t *reasons = json_array(), *tls = json_null();
    const struct tls_peer *peer = probing->peer;
    json_t *answer;

    for (size_t i = 0; i < count; i++)
        json_array_append_new(reasons, json_string(words[i]));
    if (peer)
        tls = json_pack("{s:s, s:s, s:s}", "protocol", tls_version_name(peer->version), "cipher", peer->cipher, "keyExchange",
                        peer->key_exchange);
    answer = json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:O}", "verdict", probing->peer ? hosts_verdict(&probing->result) : "refused", "acceptable",
                       probing->peer && probing->result.acceptable, "reasons", reasons, "certificate",
                       hosts_certificate_json(peer, 0), "chain", hosts_chain_json(peer), "tls", tls, "steps", probing->steps);
    if (!reached) {
        json_object_set_new(answer, "code", json_string(err->id));
        json_object_set_new(answer, "cause", json_string(err->text));
        json_object_set_new(answer, "advice", json_string(cause_of(err->id)->advice));
    }
    return answer;
}

static void probe_run(void *ctx)
{
    struct probe *probe = ctx;
    struct probing probing = { .probe = probe, .steps = json_array() };
    struct mail_observer observer = { &probing, probe_step, NULL, probe_judge };
    struct mail_server server;
    struct err err = { 0 };
    int rc;

    connect_server(probe->settings, &server);
    rc = atomic_load(&probe->station->stopping) ? err_id(&err, ERR_STOPPED, "connect.stopped", NULL, "Postern is stopping.")
         : mail_probe(transport_of(probe->settings), &server, &observer, &err);
    probe->answer = probe_answer(&probing, rc == 0, &err);
    probe->done(probe);
    json_decref(probe->answer);
    json_decref(probing.steps);
    tls_peer_free(probing.peer);
    entry_free(probe->settings);
    free(probe);
}

void probe_submit(struct probe *probe)
{
    jobs_submit(probe->station->jobs, probe_run, probe);
}
