/* SPDX-License-Identifier: Apache-2.0 */
/* server/tls/own_key.h - key pairs of our own: made with a certificate that vouches for itself, and requests for a better one. */
#ifndef POSTERN_TLS_OWN_KEY_H
#define POSTERN_TLS_OWN_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define OWN_NAMES_MAX 100
#define OWN_DAYS_MAX 3650

enum own_key_type { OWN_ECDSA_P256, OWN_RSA_3072, OWN_ED25519 };
bool own_key_type_from(struct str text, enum own_key_type *ret);        /* "ecdsa-p256", "rsa-3072", "ed25519" */

/* Whom a certificate is about. */
struct own_subject {
    const char *dn;                     /* RFC 4514: "CN=mail.example.com,O=Example"; or NULL */
    const char *common_name;            /* instead of it, as it is; or NULL */
    const char *const *names;           /* DNS names (the left-most label may be *), IP literals, mail addresses */
    size_t count;
};

/* 0, or -1 with the place of the first that can't stand in a certificate: "/subject", "/commonName", "/sans/2". */
int own_subject_check(const struct own_subject *subject, struct err *err);

/* For TLS servers and clients, signed by itself, valid from an hour ago (clocks differ) for `days`. `key_pem` is PKCS #8 and must be a
 * secret buffer. RSA takes seconds. */
int own_key_make(enum own_key_type type, const struct own_subject *subject, int days, struct buf *cert_pem, struct buf *key_pem,
                 struct err *err);
/* PKCS #10 (RFC 2986) for the key in `key_pem`, as PEM. */
int own_key_request(const char *key_pem, const struct own_subject *subject, struct buf *pem, struct err *err);

#endif
