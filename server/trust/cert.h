/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/cert.h - the facts of one certificate, for people and for JSON; no judgement.
 *
 * Every text is UTF-8 without control characters, so it may be shown, logged and stored as it is. */
#ifndef POSTERN_TRUST_CERT_H
#define POSTERN_TRUST_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define TRUST_SANS_MAX 1000             /* more in one certificate is malformed */
#define TRUST_DN_MAX 4096               /* bytes of DER in one subject or issuer */

enum trust_san_kind { SAN_DNS, SAN_IP, SAN_EMAIL, SAN_URI, SAN_OTHER };

struct trust_san {
    enum trust_san_kind kind;
    char *text;                         /* "mail.example.com", "192.0.2.1", "2001:db8::1"; SAN_OTHER: "other" */
};

struct trust_cert {
    char *subject, *issuer;             /* RFC 4514 text */
    struct trust_san *sans;
    size_t san_count;
    char *serial;                       /* hex, lower case, no separators */
    int64_t not_before, not_after;      /* ms; year 9999 where there is no end */
    char key_type[16];                  /* "RSA", "RSA-PSS", "EC", "ED25519", "ED448", "DSA", "unknown" */
    unsigned key_bits;
    char signature_algorithm[32];       /* "RSA-SHA256", "ECDSA-SHA384", …; "unknown" */
    uint8_t sha256[32];                 /* of the whole certificate */
    uint8_t spki_sha256[32];            /* of its public key: stays when it is renewed with the same key */
    char *pem;
    bool is_ca;                         /* basicConstraints says so, and keyUsage allows signing certificates */
    bool self_signed;                   /* subject is issuer, and its own key verifies the signature */
    int path_len;                       /* -1: no limit */
    char *constraints;                  /* on names: "permitted dns example.com; excluded ip 10.0.0.0/8", or "" */
};

const char *trust_san_kind_name(enum trust_san_kind kind);      /* "dns", "ip", "email", "uri", "other" */

/* *ret belongs to the caller. Not a certificate, or past a ceiling: ERR_INVALID "cert.malformed". */
int trust_cert_read(struct trust_cert **ret, struct str der, struct err *err);
void trust_cert_free(struct trust_cert *cert);
MEM_FREEP(trust_cert)

/* The two fingerprints alone; -1 when it isn't a certificate. */
int trust_cert_fingerprints(struct str der, uint8_t sha256[32], uint8_t spki_sha256[32]);

#endif
