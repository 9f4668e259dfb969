/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/peer.h"

#include <stdlib.h>

struct tls_peer *tls_peer_copy(const struct tls_peer *peer)
{
    struct tls_peer *copy = mem_copy(peer, sizeof(*peer));

    copy->name = mem_strdup(peer->name);
    for (size_t i = 0; i < peer->chain_len; i++)
        copy->chain[i].der = mem_copy(peer->chain[i].der, peer->chain[i].len);
    copy->ocsp = peer->ocsp ? mem_copy(peer->ocsp, peer->ocsp_len) : NULL;
    return copy;
}

void tls_peer_free(struct tls_peer *peer)
{
    if (peer == NULL)
        return;
    for (size_t i = 0; i < peer->chain_len; i++)
        free(peer->chain[i].der);
    free(peer->ocsp);
    free(peer->name);
    free(peer);
}

const char *tls_version_name(enum tls_version version)
{
    static const char *const names[] = { "", "tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3" };

    return (size_t)version < COUNT_OF(names) ? names[version] : "";
}
