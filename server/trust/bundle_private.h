/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/bundle_private.h - what the files of bundle.h share. */
#ifndef POSTERN_TRUST_BUNDLE_PRIVATE_H
#define POSTERN_TRUST_BUNDLE_PRIVATE_H

#include <gnutls/x509.h>

#include "trust/bundle.h"

gnutls_x509_privkey_t bundle_key_new(void);
/* PKCS#8 or the older forms in PEM; the caller deinits. */
int bundle_key_from_pem(gnutls_x509_privkey_t *ret, const char *key_pem, struct err *err);
/* Whether we serve with such a key: key.type, key.weak, key.damaged. */
int bundle_key_check(gnutls_x509_privkey_t key, struct err *err);
int bundle_iterations_check(unsigned count, struct err *err);
/* GnuTLS's answer to a passphrase. */
int bundle_passphrase_error(const char *passphrase, struct err *err);

/* `certificates`: a PEM text of nothing but them. Sorts them behind the key. */
int bundle_finish(struct bundle **ret, gnutls_x509_privkey_t key, struct str certificates, int64_t now, struct err *err);

#endif
