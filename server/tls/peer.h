/* SPDX-License-Identifier: Apache-2.0 */
/* server/tls/peer.h - what a peer showed in the handshake; facts, no judgement. */
#ifndef POSTERN_TLS_PEER_H
#define POSTERN_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define TLS_CHAIN_MAX 16                /* certificates; more is refused */
#define TLS_CERT_MAX (64 * 1024)        /* bytes of DER in one certificate */

enum tls_version { TLS_VERSION_NONE, TLS_VERSION_1_0, TLS_VERSION_1_1, TLS_VERSION_1_2, TLS_VERSION_1_3 };

struct tls_cert {
    uint8_t *der;
    size_t len;
};

struct tls_peer {
    char *name;                         /* A-label or IP literal that the certificate must carry */
    uint16_t port;
    struct tls_cert chain[TLS_CHAIN_MAX];       /* the server's own first, in the order it sent them */
    size_t chain_len;
    enum tls_version version;
    char cipher[24];                    /* "AES-256-GCM" */
    char key_exchange[24];              /* "ECDHE-X25519" */
    uint8_t *ocsp;                      /* stapled answer, or NULL */
    size_t ocsp_len;
    bool resumed;
};

/* Adds a certificate to the chain, which has room. What is the same is there once for all peers that were made with this and
 * with tls_peer_copy(): the accounts of one server, and the sessions kept for it. Any thread. */
void tls_peer_add(struct tls_peer *peer, const uint8_t *der, size_t len);
struct tls_peer *tls_peer_copy(const struct tls_peer *peer);
void tls_peer_free(struct tls_peer *peer);
MEM_FREEP(tls_peer)

const char *tls_version_name(enum tls_version version);         /* "tlsv1.2", as in tlsMinProtocol */

#endif
