/* SPDX-License-Identifier: Apache-2.0 */
/* server/tls/sessions.h - TLS sessions kept for resumption, with what their peers had shown. Inside tls/
 * only. Any thread. */
#ifndef POSTERN_TLS_SESSIONS_H
#define POSTERN_TLS_SESSIONS_H

#include "base/mem.h"
#include "tls/peer.h"

struct tls_kept {
    uint8_t *data; /* GnuTLS's own form; holds the master secret */
    size_t len;
    struct tls_peer *peer;
    int64_t until;       /* wall clock: not resumed after it */
    unsigned long epoch; /* sessions_epoch() when the handshake began */
};

unsigned long sessions_epoch(void); /* grows with each sessions_forget() */
/* Takes `kept`; drops it when everything was forgotten since its handshake. */
void sessions_put(const char *key, struct tls_kept *kept);
/* The newest for `key`, taken out: a TLS 1.3 ticket is used once (RFC 8446 C.4). The caller frees. NULL:
 * none. */
struct tls_kept *sessions_take(const char *key);
void sessions_forget(void);

void tls_kept_free(struct tls_kept *kept);
MEM_FREEP(tls_kept)

#endif
