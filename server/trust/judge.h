/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/judge.h - everything that is wrong with a peer's certificate, along the best way to a root.
 * Private to trust/. */
#ifndef POSTERN_TRUST_JUDGE_H
#define POSTERN_TRUST_JUDGE_H

#include <stdint.h>

#include "tls/peer.h"
#include "trust/roots_private.h"

struct judgement {
    unsigned reasons;
    const struct anchor *anchor;        /* the root at the end of the way, NULL: none was found */
};

void judge(const struct trust_roots *roots, enum trust_stores stores, const struct tls_peer *peer,
           const char *name, int64_t now, struct judgement *ret);

#endif
