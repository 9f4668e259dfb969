/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/peer.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

/* ---- certificates, each once ------------------------------------------------------------------------ */

struct shared {
    size_t holders;
    size_t len;
    uint8_t der[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *all; /* struct tls_cert of which `der` lies in a struct shared */

static int compare(const void *a, const void *b)
{
    const struct tls_cert *x = a, *y = b;

    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->der, y->der, x->len);
}

static struct shared *holder_of(const struct tls_cert *cert)
{
    return (struct shared *)(cert->der - offsetof(struct shared, der));
}

static struct tls_cert hold(struct tls_cert given)
{
    struct tls_cert **found;

    pthread_mutex_lock(&lock);
    found = tfind(&given, &all, compare);
    if (found == NULL) {
        struct tls_cert *cert = mem_alloc(sizeof(*cert));
        struct shared *shared = mem_alloc(sizeof(*shared) + given.len);

        memcpy(shared->der, given.der, given.len);
        *cert = (struct tls_cert){ shared->der, given.len };
        found = tsearch(cert, &all, compare);
        if (found == NULL)
            abort(); /* no memory */
    }
    given = **found;
    holder_of(&given)->holders++;
    pthread_mutex_unlock(&lock);
    return given;
}

static void let_go(struct tls_cert cert)
{
    pthread_mutex_lock(&lock);
    if (--holder_of(&cert)->holders == 0) {
        struct tls_cert *node = *(struct tls_cert **)tfind(&cert, &all, compare);

        tdelete(&cert, &all, compare);
        free(holder_of(&cert));
        free(node);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- peers ------------------------------------------------------------------------------------------ */

void tls_peer_add(struct tls_peer *peer, const uint8_t *der, size_t len)
{
    peer->chain[peer->chain_len++] = hold((struct tls_cert){ (uint8_t *)der, len });
}

struct tls_peer *tls_peer_copy(const struct tls_peer *peer)
{
    struct tls_peer *copy = mem_copy(peer, sizeof(*peer));

    copy->name = mem_strdup(peer->name);
    copy->chain_len = 0;
    for (size_t i = 0; i < peer->chain_len; i++)
        tls_peer_add(copy, peer->chain[i].der, peer->chain[i].len);
    copy->ocsp = peer->ocsp ? mem_copy(peer->ocsp, peer->ocsp_len) : NULL;
    return copy;
}

void tls_peer_free(struct tls_peer *peer)
{
    if (peer == NULL)
        return;
    for (size_t i = 0; i < peer->chain_len; i++)
        let_go(peer->chain[i]);
    free(peer->ocsp);
    free(peer->name);
    free(peer);
}

const char *tls_version_name(enum tls_version version)
{
    static const char *const names[] = { "", "tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3" };

    return (size_t)version < COUNT_OF(names) ? names[version] : "";
}
