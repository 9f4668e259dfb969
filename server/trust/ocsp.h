/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/ocsp.h - the stapled OCSP answer (RFC 6960, RFC 7633). Private to trust/. */
#ifndef POSTERN_TRUST_OCSP_H
#define POSTERN_TRUST_OCSP_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* `response` empty: none came. `issuer` NULL: not known. REASON_REVOKED, REASON_MUST_STAPLE or 0. What came
 * and isn't valid counts as missing even where none was `required`, as it does for GnuTLS. */
unsigned ocsp_reasons(struct str response, gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer, bool required,
                      int64_t now);

#endif
