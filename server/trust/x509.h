/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/x509.h - what the files of trust/ ask GnuTLS about one certificate, or about one and its
 * issuer. Private to trust/. */
#ifndef POSTERN_TRUST_X509_H
#define POSTERN_TRUST_X509_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "trust/der.h"

/* One SEQUENCE without trailing bytes, in DER, that GnuTLS takes, and within our ceilings; NULL otherwise. */
gnutls_x509_crt_t x509_import(struct str der, struct der_cert *parts);

enum x509_signed { SIGNED_YES, SIGNED_NO, SIGNED_UNKNOWN_ALGORITHM };
/* Only the signature, with every algorithm that can be computed at all; how good it is, is
 * x509_signature_reasons' business. */
enum x509_signed x509_signed_by(gnutls_x509_crt_t crt, const struct der_cert *parts, gnutls_x509_crt_t issuer);

unsigned x509_key_reasons(gnutls_x509_crt_t crt);               /* REASON_WEAK_KEY, REASON_OTHER or 0 */
unsigned x509_signature_reasons(gnutls_x509_crt_t crt);         /* REASON_WEAK_SIGNATURE, REASON_OTHER or 0 */
unsigned x509_date_reasons(gnutls_x509_crt_t crt, int64_t now);
/* ms; false when they can't be read. Year 9999 is 9999-12-31T23:59:59Z. */
bool x509_dates(gnutls_x509_crt_t crt, int64_t *not_before, int64_t *not_after);

/* RFC 5280 4.2.1.9 and 4.2.1.3: version 3, cA true, and keyUsage, where present, with keyCertSign. `path_len`
 * -1: no limit. */
bool x509_is_ca(gnutls_x509_crt_t crt, int *path_len);

#endif
