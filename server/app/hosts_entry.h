/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/hosts_entry.h - the life of one entry in Allowed Hosts, as functions of its values alone. DESIGN 4. */
#ifndef POSTERN_APP_HOSTS_ENTRY_H
#define POSTERN_APP_HOSTS_ENTRY_H

#include <jansson.h>

#include "base/err.h"
#include "component/problems.h"
#include "model/trust_store.h"
#include "tls/peer.h"
#include "trust/trust.h"

struct trust_cert;

void hosts_entry_name(struct allowed_host *host, const char *hostname, int64_t port);
/* What trust_decide wants to know of it. */
void hosts_entry_exemption(const struct allowed_host *host, struct trust_exemption *exemption);
/* A connection met it: facts, counts and the approval that follows from the verdict. */
void hosts_entry_saw(struct allowed_host *host, const struct tls_peer *peer, const struct trust_result *result, int64_t now);
/* Whether a connection that may go on has anything worth writing down; use is noted once a minute. */
bool hosts_entry_is_news(const struct allowed_host *host, const struct trust_result *result, int64_t now);

/* Whether a person may accept what was wrong at the last look. */
bool hosts_entry_acceptable(const struct allowed_host *host);

/* 1: changed, 0: it was so already, -1: refused with err and problems. `days_max`: the longest life of an exemption; 0: any. */
int hosts_entry_approve(struct allowed_host *host, const json_t *document, int64_t days_max, const char *by, int64_t now,
                        struct problems *problems, struct err *err);
int hosts_entry_reject(struct allowed_host *host, const json_t *document, const char *by, int64_t now,
                       struct problems *problems, struct err *err);
/* Provisions it, also before the first contact; `id` is "host:port". */
int hosts_entry_put(struct allowed_host **host, const char *id, const json_t *document, int64_t days_max, const char *by, int64_t now,
                    struct problems *problems, struct err *err);

/* What a person decided about it and what still holds, as hosts_entry_put() takes it; NULL when there is nothing. The caller's. */
json_t *hosts_entry_decision(const char *id, const struct allowed_host *host, int64_t now);

/* The peer as it was seen last, or NULL; the caller's. */
struct tls_peer *hosts_entry_peer(const struct allowed_host *host);
/* Facts of a certificate as JSON with its PEM, and back to DER (der is NULL where that fails; the caller frees it). */
json_t *hosts_certificate_json(const struct tls_peer *peer, size_t place);     /* facts, or null */
json_t *hosts_chain_json(const struct tls_peer *peer);                         /* facts of the others */
json_t *hosts_entry_cert_json(const struct trust_cert *cert);
void hosts_entry_der(const json_t *certificate, struct tls_cert *ret);

struct station;
/* Names of the accounts that use its host and port; the caller's. */
json_t *hosts_accounts_of(struct station *station, const struct allowed_host *host);

#endif
