/* SPDX-License-Identifier: Apache-2.0 */
/* server/model/trust_store.h - entries of Allowed Hosts, the User Trust Store and the User Key Store. DESIGN 4. */
#ifndef POSTERN_MODEL_TRUST_STORE_H
#define POSTERN_MODEL_TRUST_STORE_H

#include "component/prop.h"

enum approval { APPROVAL_PENDING, APPROVAL_APPROVED, APPROVAL_REJECTED, APPROVAL_CHANGED };

/* Its name is "host:port" as configured. */
struct allowed_host {
    char *hostname;
    int64_t port;
    int64_t approval;                   /* enum approval */
    json_t *reasons;                    /* what was wrong at the last look; words of trust/reason.h */
    json_t *accepts;                    /* the reasons a person accepted */
    json_t *certificate;                /* facts of the certificate shown last; null when provisioned and not yet met */
    json_t *chain;                      /* facts of the others it sent, in its order */
    json_t *previous;                   /* the certificate that was approved, where the key changed */
    char *approved_sha256;              /* hex; of the certificate that was approved, "" when the key alone was given */
    char *approved_spki_sha256;         /* hex; of the key that was approved, "" until a connection shows it */
    json_t *accounts;                   /* names that use this host and port; not stored */
    int64_t first_seen, last_seen, last_used;
    int64_t count;
    int64_t expires_at;
    char *note;
    char *approved_by;
    int64_t approved_at;
    bool redundant;                     /* the full verification passes: the exemption is no longer needed */
};
extern const struct component_type allowed_host_type;

/* Its name is the SHA-256 of the certificate, hex. */
struct user_ca {
    json_t *certificate;                /* facts with pem */
    json_t *names;                      /* host suffixes it may vouch for; empty: any */
    char *added_by;
    int64_t added_at;
};
extern const struct component_type user_ca_type;

struct key_pair {
    json_t *certificate;                /* facts with pem; null until there is one */
    char *chain;                        /* PEM, the server's own first */
    struct secret private_key;          /* PEM */
    int64_t created_at;
};
extern const struct component_type key_pair_type;

#endif
