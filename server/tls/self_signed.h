/* SPDX-License-Identifier: Apache-2.0 */
/* server/tls/self_signed.h - a certificate of our own making, until a real one is given. */
#ifndef POSTERN_TLS_SELF_SIGNED_H
#define POSTERN_TLS_SELF_SIGNED_H

#include "base/buf.h"
#include "base/err.h"

/* ECDSA P-256, for TLS servers. `names` are DNS names and IP literals (brackets allowed), at least one; valid
 * from an hour ago (clocks differ) for `days`. `key_pem` is PKCS #8 and must be a secret buffer. */
int tls_self_signed(const char *const *names, size_t n, int days, struct buf *cert_pem, struct buf *key_pem,
                    struct err *err);

#endif
