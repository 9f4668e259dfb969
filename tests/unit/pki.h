/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/pki.h - certificates of any kind, made while a test runs and never stored.
 *
 * Every one is made with GnuTLS around PKI_NOW, which is far from the real clock: a verifier that looks at
 * the clock fails. */
#ifndef POSTERN_PKI_H
#define POSTERN_PKI_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define PKI_NOW ((int64_t)2240000000 * 1000)        /* in December 2040 */

/* KEY_FIXED: the same Ed25519 key (RFC 8032 7.1, test 1) every time, so a certificate has the same bytes in
 * every run. */
enum pki_key { KEY_P256, KEY_P384, KEY_P192, KEY_RSA2048, KEY_RSA1024, KEY_ED25519, KEY_DSA, KEY_PSS, KEY_FIXED, KEY_KINDS };
enum pki_ca { CA_NO, CA_YES, CA_SILENT };           /* CA_SILENT: no basicConstraints at all */

struct pki {
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
    bool borrowed_key;
    uint8_t *der;
    size_t len;
};

struct pki_spec {
    const char *name;               /* CN */
    const struct pki *issuer;       /* NULL: signs itself */
    enum pki_key kind;
    const struct pki *key_of;       /* has the same key as this one */
    int from, to;                   /* days from PKI_NOW; both 0: -30 to 365 */
    const char *sans;               /* "dns:a.example ip:192.0.2.1 email:a@b uri:x", "" or NULL: none */
    struct str raw_san;             /* DER of a whole extension instead */
    enum pki_ca ca;
    int path_len;                   /* n + 1: n; 0: none */
    unsigned usage;                 /* GNUTLS_KEY_…; 0: no keyUsage */
    const char *eku;                /* "server client email ocsp any", "empty", NULL: none */
    gnutls_digest_algorithm_t digest;       /* 0: SHA-256 */
    const char *permitted, *excluded;       /* as sans, ip with a mask: "ip:10.0.0.0/8" */
    bool v1, critical_unknown, must_staple, no_key_ids, policy_constraints;
    bool bad_signature;             /* a bit of it is turned */
    const struct pki *signed_by_key_of;     /* names the issuer, but another key signs */
};

void pki_make(struct pki *pki, const struct pki_spec *spec);
void pki_free(struct pki *pki);
/* Appends the PEM form to `into`, which has room. */
void pki_pem(const struct pki *pki, char *into, size_t size);
void pki_key_pem(const struct pki *pki, char *into, size_t size);

/* A stapled answer about `of` by `issuer`. No GnuTLS function makes one, so it is put together here. */
enum pki_ocsp { OCSP_GOOD, OCSP_REVOKED, OCSP_UNKNOWN };
size_t pki_ocsp(const struct pki *of, const struct pki *issuer, const struct pki *signer,
                enum pki_ocsp status, int from, int to, uint8_t *into, size_t size);

#endif
