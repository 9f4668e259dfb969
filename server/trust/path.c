/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/path.h"

#include "trust/x509.h"

/* ---- the pool ---------------------------------------------------------------------------------------------------- */

static struct node *find_node(struct pool *pool, struct str der)
{
    for (size_t i = 0; i < pool->count; i++)
        if (str_eq(pool->nodes[i].der, der))
            return &pool->nodes[i];
    return NULL;
}

static struct node *add_node(struct pool *pool, struct str der, bool sent)
{
    struct node *node = &pool->nodes[pool->count];

    *node = (struct node){ .der = der, .sent = sent, .reasons = -1 };
    node->crt = x509_import(der, &node->parts);
    if (node->crt == NULL)
        return NULL;
    pool->count++;
    return node;
}

static void add_anchor(struct pool *pool, const struct anchor *anchor)
{
    struct node *node = find_node(pool, anchor->der);

    if (node == NULL && pool->count < PATH_NODES_MAX)
        node = add_node(pool, anchor->der, false);
    if (node == NULL || node->anchor_count == NODE_ANCHORS_MAX)
        return;
    for (size_t i = 0; i < node->anchor_count; i++)
        if (node->anchors[i] == anchor)
            return;
    node->anchors[node->anchor_count++] = anchor;
}

/* The anchors that this certificate names as its issuer, and itself where it is one. */
static void add_anchors_of(struct pool *pool, size_t index, const struct trust_roots *roots, enum trust_stores stores)
{
    struct der_cert parts = pool->nodes[index].parts;
    struct str der = pool->nodes[index].der;
    const struct anchor *anchor;

    for (size_t at = 0; (anchor = roots_next(roots, stores, parts.subject, &at)); )
        if (str_eq(anchor->der, der))
            add_anchor(pool, anchor);
    for (size_t at = 0; (anchor = roots_next(roots, stores, parts.issuer, &at)); )
        add_anchor(pool, anchor);
}

void pool_fill(struct pool *pool, const struct tls_peer *peer, const struct trust_roots *roots,
               enum trust_stores stores)
{
    pool->count = 0;
    pool->malformed = peer->chain_len == 0 || peer->chain_len > TLS_CHAIN_MAX;
    memset(pool->edges, EDGE_UNKNOWN, sizeof(pool->edges));

    if (pool->malformed)
        return;
    for (size_t i = 0; i < peer->chain_len; i++) {
        struct str der = str_n(peer->chain[i].der, peer->chain[i].len);

        if (find_node(pool, der) == NULL && add_node(pool, der, true) == NULL)
            pool->malformed = true;
        if (pool->count == 0)           /* without the peer's own there is nothing to judge */
            return;
    }
    for (size_t i = 0; i < pool->count; i++)        /* grows on the way: an anchor may have another above it */
        add_anchors_of(pool, i, roots, stores);
}

void pool_clear(struct pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        gnutls_x509_crt_deinit(pool->nodes[i].crt);
    pool->count = 0;
}

/* ---- edges ------------------------------------------------------------------------------------------------------- */

/* The authority key identifier of `node` is there, and it is the subject key identifier of `issuer`. */
static bool same_key_id(const struct node *node, const struct node *issuer)
{
    unsigned char authority[64], subject[64];
    size_t authority_len = sizeof(authority), subject_len = sizeof(subject);

    return gnutls_x509_crt_get_authority_key_id(node->crt, authority, &authority_len, NULL) >= 0 &&
           gnutls_x509_crt_get_subject_key_id(issuer->crt, subject, &subject_len, NULL) >= 0 &&
           str_eq(str_n(authority, authority_len), str_n(subject, subject_len));
}

static enum edge find_edge(struct node *node, struct node *issuer)
{
    if (!str_eq(node->parts.issuer, issuer->parts.subject) || !gnutls_x509_crt_check_issuer(node->crt, issuer->crt))
        return EDGE_NO;
    switch (x509_signed_by(node->crt, &node->parts, issuer->crt)) {
    case SIGNED_YES:
        return EDGE_YES;
    case SIGNED_UNKNOWN_ALGORITHM:
        node->strange = true;
        return EDGE_NO;
    case SIGNED_NO:
        break;
    }
    if (same_key_id(node, issuer))
        node->tampered = true;
    return EDGE_NO;
}

static bool edge(struct pool *pool, size_t from, size_t to)
{
    uint8_t *known = &pool->edges[from][to];

    if (*known == EDGE_UNKNOWN)
        *known = (uint8_t)find_edge(&pool->nodes[from], &pool->nodes[to]);
    return *known == EDGE_YES;
}

/* ---- ways -------------------------------------------------------------------------------------------------------- */

struct walk {
    struct pool *pool;
    path_visit *visit;
    void *ctx;
    struct path path;
    bool anchored;              /* looking for ways to anchors, or for ways that end nowhere */
    bool stopped;
    int steps, found;
};

/* A key under a name may stand in a way once only: cross-signing makes circles. */
static bool on_path(const struct path *path, const struct node *node)
{
    for (size_t i = 0; i < path->len; i++)
        if (str_eq(path->nodes[i]->parts.subject, node->parts.subject) &&
            str_eq(path->nodes[i]->parts.spki, node->parts.spki))
            return true;
    return false;
}

static void found(struct walk *walk, bool anchored)
{
    walk->path.anchored = anchored;
    walk->found++;
    if (walk->visit(&walk->path, walk->ctx) || walk->found >= PATH_VARIANTS_MAX)
        walk->stopped = true;
}

static void walk_from(struct walk *walk, size_t index)
{
    struct node *node = &walk->pool->nodes[index];
    bool dead_end = true;

    if (++walk->steps > PATH_STEPS_MAX)
        walk->stopped = true;
    if (walk->stopped || walk->path.len == PATH_LENGTH_MAX)
        return;
    walk->path.nodes[walk->path.len++] = node;
    if (walk->anchored && node->anchor_count)
        found(walk, true);

    for (size_t i = 0; i < walk->pool->count && !walk->stopped; i++)
        if (i != index && !on_path(&walk->path, &walk->pool->nodes[i]) && edge(walk->pool, index, i)) {
            dead_end = false;
            walk_from(walk, i);
        }
    if (!walk->anchored && dead_end && !walk->stopped)
        found(walk, false);
    walk->path.len--;
}

void path_each(struct pool *pool, path_visit *visit, void *ctx)
{
    struct walk walk = { .pool = pool, .visit = visit, .ctx = ctx, .anchored = true };

    walk_from(&walk, 0);
    if (walk.found || walk.stopped)
        return;
    walk = (struct walk){ .pool = pool, .visit = visit, .ctx = ctx, .anchored = false };
    walk_from(&walk, 0);
}
