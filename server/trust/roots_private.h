/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/roots_private.h - how trust.c finds a root. Private to trust/. */
#ifndef POSTERN_TRUST_ROOTS_PRIVATE_H
#define POSTERN_TRUST_ROOTS_PRIVATE_H

#include "trust/der.h"
#include "trust/roots.h"

/* Only what is needed to find it; GnuTLS sees the few that a chain leads to. */
struct anchor {
    struct str der;
    struct str subject;                 /* part of `der` */
    uint8_t sha256[32];
    char **names;                       /* host suffixes, NULL-terminated; NULL: any */
    bool user;
};

/* The first at or after `*at` whose subject this is, among the stores; `*at` starts at 0 and goes on. NULL:
 * no more. */
const struct anchor *roots_next(const struct trust_roots *roots, enum trust_stores stores, struct str subject,
                                size_t *at);

#endif
