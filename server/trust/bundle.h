/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/bundle.h - a private key with its certificate and that one's issuers, as files carry them: PEM and PKCS#12.
 *
 * All or nothing, and the key fits: who gets a bundle can serve with it. Reading one may take a second (key derivation), so it is
 * nothing for a thread that others wait for. */
#ifndef POSTERN_TRUST_BUNDLE_H
#define POSTERN_TRUST_BUNDLE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define BUNDLE_CHAIN_MAX 16             /* certificates */
#define BUNDLE_ITERATIONS_MAX 2000000   /* of a key derivation: more would keep a thread for seconds */

struct trust_import;

struct bundle {
    char *key_pem;                      /* PKCS#8, not encrypted; wiped */
    char *chain_pem;                    /* the key's own certificate first, each followed by its issuer as far as there is one */
    struct trust_import *chain;         /* the same, read */
    unsigned warnings;                  /* REASON_…, of any of them: taken all the same */
    size_t left_out;                    /* certificates that are no part of the chain */
};

/* A key, encrypted or not, and certificates. `passphrase` NULL: none was given. Errors: import.empty, import.format, import.tooMany,
 * import.trailing, import.noKey, import.keys (more than one), import.passphraseNeeded, import.passphrase, import.iterations, key.type,
 * key.weak, key.damaged, key.mismatch, cert.malformed. */
int bundle_read_pem(struct bundle **ret, struct str text, const char *passphrase, int64_t now, struct err *err);
int bundle_read_pkcs12(struct bundle **ret, struct str der, const char *passphrase, int64_t now, struct err *err);
/* Certificates alone, for a key that is here already. */
int bundle_read_chain(struct bundle **ret, struct str text, const char *key_pem, int64_t now, struct err *err);
void bundle_free(struct bundle *bundle);
MEM_FREEP(bundle)

/* Does the first certificate carry the public half of the key? "key.mismatch" otherwise. */
int bundle_check(const char *key_pem, const char *chain_pem, struct err *err);

/* Encrypted with AES-256; `name` is shown by those who list a PKCS#12. */
int bundle_write_pem(const char *key_pem, const char *chain_pem, const char *passphrase, struct buf *into, struct err *err);
int bundle_write_pkcs12(const char *key_pem, const char *chain_pem, const char *name, const char *passphrase, struct buf *into,
                        struct err *err);

#endif
