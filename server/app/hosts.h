/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/hosts.h - Allowed Hosts and the User Trust Store in use: judge a peer, raise a challenge, take the answer. DESIGN 4. */
#ifndef POSTERN_APP_HOSTS_H
#define POSTERN_APP_HOSTS_H

#include <jansson.h>

#include "app/hosts_entry.h"
#include "app/station.h"
#include "component/problems.h"
#include "model/trust_store.h"
#include "trust/trust.h"

struct hosts;
struct store_tx;
struct tls_peer;

struct hosts *hosts_new(const char *system_file);
void hosts_free(struct hosts *hosts);
/* Gives trust/ the User Trust Store as it is stored now. */
int  hosts_load_cas(struct station *station, struct err *err);
struct trust *hosts_trust(struct hosts *hosts);

/* "host:port" as configured; an IPv6 literal in brackets. The caller frees. */
char *hosts_id(const char *hostname, int64_t port);

/* Where the judgement is about. */
struct hosts_subject {
    const char *hostname;               /* as typed */
    int64_t port;
    enum trust_stores stores;
    const char *verify_name;            /* or "" */
    bool record;                        /* false: a probe, which leaves no trace in Allowed Hosts */
};
/* The session was resumed, so the certificate judged is the one of an earlier handshake: nothing is recorded; the caller tries once
 * more with a whole handshake. */
#define HOSTS_RESUMED "cert.resumed"

/* 0 to go on. -1 with err cert.challenge, cert.changed, cert.rejected, cert.refused (or HOSTS_RESUMED); the host is then recorded, durably, whether or
 * not anyone is looking. Not on an HTTP thread or the writer: it may wait for the store. `*result` is always filled. */
int hosts_judge(struct station *station, const struct hosts_subject *subject, const struct tls_peer *peer,
                struct trust_result *result, struct err *err);
/* The same question without consequences, for connections that are open already. */
bool hosts_would_go_on(struct station *station, const struct hosts_subject *subject, const struct tls_peer *peer);

/* ---- for the API: an entry and what is done to it ---- */

/* The whole entry as DESIGN 4 has it, with id and accounts; the caller's. */
json_t *hosts_json(struct station *station, const struct entry *entry);

enum hosts_op { HOSTS_APPROVE, HOSTS_REJECT, HOSTS_PUT, HOSTS_DELETE };

struct hosts_request {
    struct station *station;
    enum hosts_op op;
    char *id;                           /* owned */
    json_t *document;                   /* owned, or NULL */
    bool dry_run;
    struct actor actor;                 /* the strings stay the caller's until done() */
    bool (*precondition)(void *ctx, const char *etag);         /* NULL: none; as in app/config.h */
    struct problems problems;           /* with ERR_INVALID */
    struct entry *before, *after;       /* held during done() */
    bool changed;
    void (*done)(struct hosts_request *request, const struct err *err);
    void *ctx;
};
void hosts_request(struct hosts_request *request);      /* takes `request`, made by mem_alloc */

/* The longest life of an exemption in days, by the CertificateService; 0: any. */
int64_t hosts_days_max(struct station *station);
/* For app/config.c, in the transaction of the change: tells what somebody decided. Either may be NULL. */
int hosts_tell_decision(struct store_tx *tx, const struct entry *before, const struct entry *after, struct err *err);

/* Something about trust changed: sessions are not resumed, open connections are judged again, waiting accounts try at once. */
void hosts_changed(struct station *station);

/* "trusted", "exempt" or "refused": the words of probe and of what-if. Static. */
const char *hosts_verdict(const struct trust_result *result);
/* Which accounts and exemptions would be judged otherwise under these user CAs: [{account|allowedHost, before, after}]. */
json_t *hosts_impact(struct station *station, const struct trust_ca *cas, size_t count);

#endif
