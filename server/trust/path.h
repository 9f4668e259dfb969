/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/path.h - the ways from a peer's certificate up to a root, through what it sent and what we
 * have. Private to trust/.
 *
 * RFC 4158: extra, missing, reordered and cross-signed certificates are all met, so every way is tried (up to
 * a limit) and the best one counts. An edge is there only where the signature is right. */
#ifndef POSTERN_TRUST_PATH_H
#define POSTERN_TRUST_PATH_H

#include <gnutls/x509.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/peer.h"
#include "trust/der.h"
#include "trust/roots_private.h"

#define PATH_ANCHORS_MAX 32
#define PATH_NODES_MAX (TLS_CHAIN_MAX + PATH_ANCHORS_MAX)
#define PATH_LENGTH_MAX 10              /* certificates, the root counted */
#define PATH_VARIANTS_MAX 16            /* ways judged */
#define PATH_STEPS_MAX 500              /* steps taken to find them */
#define NODE_ANCHORS_MAX 4

struct node {
    gnutls_x509_crt_t crt;
    struct str der;
    struct der_cert parts;
    bool sent;                          /* by the peer; otherwise only an anchor */
    const struct anchor *anchors[NODE_ANCHORS_MAX];     /* the same certificate may be in both stores */
    size_t anchor_count;
    bool tampered;                      /* its issuer is at hand, and the signature is wrong */
    bool strange;                       /* its issuer is at hand, and the signature's algorithm unknown */
    int reasons;                        /* what is wrong with it alone, wherever it stands; -1: not judged yet */
};

enum edge { EDGE_UNKNOWN, EDGE_NO, EDGE_YES };

struct pool {
    struct node nodes[PATH_NODES_MAX];  /* the peer's own first */
    size_t count;
    uint8_t edges[PATH_NODES_MAX][PATH_NODES_MAX];      /* enum edge: [i][j], i was issued by j */
    bool malformed;                     /* something that was sent is no certificate */
};

struct path {
    struct node *nodes[PATH_LENGTH_MAX];                /* the peer's own first */
    size_t len;
    bool anchored;                      /* the last one is an anchor */
};

/* Imports the chain and finds the anchors that matter. The pool refers to the peer's and the roots' memory. */
void pool_fill(struct pool *pool, const struct tls_peer *peer, const struct trust_roots *roots,
               enum trust_stores stores);
void pool_clear(struct pool *pool);

/* Gives every way that ends in an anchor to `visit`, until it answers true; where there is none at all, every
 * way that ends where no issuer is at hand. The pool's first certificate must be readable. */
typedef bool path_visit(const struct path *path, void *ctx);
void path_each(struct pool *pool, path_visit *visit, void *ctx);

#endif
