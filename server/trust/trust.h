/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/trust.h - may we go on with the peer that showed this certificate? DESIGN 4.
 *
 * The one place that decides. At least as strict as GnuTLS: nothing is TRUST_YES that GnuTLS, asked about the
 * same path, refuses. */
#ifndef POSTERN_TRUST_TRUST_H
#define POSTERN_TRUST_TRUST_H

#include <stdbool.h>
#include <stdint.h>

#include "tls/peer.h"
#include "trust/reason.h"
#include "trust/roots.h"

enum trust_verdict {
    TRUST_YES,              /* the full verification passes */
    TRUST_EXEMPT,           /* it doesn't, and a person accepted exactly that for this key */
    TRUST_ASK,              /* a person may accept it and hasn't: nothing known, a new reason, an ended exemption */
    TRUST_CHANGED,          /* another key than the one that was approved; a person may accept the new one */
    TRUST_REJECTED,         /* a person refused this key */
    TRUST_NO,               /* a reason that nobody can accept */
};

/* As model's enum approval. */
enum trust_approval { TRUST_PENDING, TRUST_APPROVED, TRUST_REFUSED, TRUST_KEY_CHANGED };

/* What a person said about this host and port. */
struct trust_exemption {
    enum trust_approval approval;
    bool has_spki, has_cert;            /* which of the two fingerprints is known; the key's counts where both are */
    uint8_t spki_sha256[32];
    uint8_t cert_sha256[32];
    unsigned accepts;                   /* reasons */
    int64_t expires_at;                 /* 0: none */
};

struct trust_result {
    enum trust_verdict verdict;
    unsigned reasons;                   /* all of them */
    bool acceptable;                    /* a person may accept these reasons */
    bool redundant;                     /* TRUST_YES although there is an exemption: it may be deleted */
    bool anchored;                      /* a path to a trusted root was found (whatever else is wrong) */
    bool user_anchor;                   /* … and it is of the User Trust Store */
    uint8_t anchor_sha256[32];          /* … this one */
    uint8_t sha256[32], spki_sha256[32];        /* of the peer's own certificate; zeros when it can't be read */
    char text[384];                     /* one sentence for a person: what is wrong */
    char advice[640];                   /* what to do about it */
};

/* Pure: no disk, no network, no clock. `verify_name` stands in for the peer's name where an account has one
 * (NULL or "": the peer's). An exemption in TRUST_KEY_CHANGED still covers the key that was approved, should
 * the server show that one again. */
void trust_decide(const struct trust_roots *roots, enum trust_stores stores, const struct tls_peer *peer,
                  const char *verify_name, const struct trust_exemption *exemption, int64_t now,
                  struct trust_result *result);

/* "yes", "exempt", "ask", "changed", "rejected", "no" */
const char *trust_verdict_name(enum trust_verdict verdict);

#endif
