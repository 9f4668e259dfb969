/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/judge.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "trust/cert.h"
#include "trust/constraint.h"
#include "trust/name.h"
#include "trust/ocsp.h"
#include "trust/path.h"
#include "trust/reason.h"
#include "trust/x509.h"

#define EKU_MAX 100
#define OID_TEXT_MAX 128

/* RFC 5280 4.2; what GnuTLS or we judge, or what says nothing about validity. Names of policies bind nobody
 * here, because no policy is asked for; policyConstraints (2.5.29.36) could ask for one, so it isn't in the
 * list. */
static const char *const known_extensions[] = {
    "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.18", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32",
    "2.5.29.33", "2.5.29.35", "2.5.29.37", "2.5.29.54", "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24",
};

struct judging {
    const struct name *name;
    bool name_known;
    int64_t now;
    unsigned leaf;                      /* reasons of the peer's own certificate, the same on every way */
    unsigned best;
    struct path best_path;
};

/* ---- a certificate alone ----------------------------------------------------------------------------------------- */

static bool is_known(const char *oid)
{
    for (size_t i = 0; i < COUNT_OF(known_extensions); i++)
        if (strcmp(known_extensions[i], oid) == 0)
            return true;
    return false;
}

static unsigned extension_reasons(gnutls_x509_crt_t crt)
{
    char oid[OID_TEXT_MAX];
    unsigned critical, reasons = 0;
    int rc;

    for (unsigned i = 0;; i++) {
        size_t size = sizeof(oid);

        rc = gnutls_x509_crt_get_extension_info(crt, i, oid, &size, &critical);
        if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (rc == GNUTLS_E_SHORT_MEMORY_BUFFER)         /* longer than any we know */
            return reasons | REASON_CONSTRAINT;
        if (rc < 0 || gnutls_x509_crt_get_version(crt) != 3)
            return reasons | REASON_MALFORMED;
        if (critical && !is_known(oid))
            reasons |= REASON_CONSTRAINT;
    }
    return reasons;
}

/* RFC 5280 4.2.1.12. No extension: any purpose. An empty one allows none, whatever GnuTLS makes of it. */
static unsigned purpose_reasons(const struct node *node)
{
    char oid[OID_TEXT_MAX];
    struct str value;
    int rc = 0;

    if (!der_extension(&node->parts, STR("\x55\x1d\x25"), &value))
        return 0;
    for (unsigned i = 0; i < EKU_MAX && rc != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE; i++) {
        size_t size = sizeof(oid);

        rc = gnutls_x509_crt_get_key_purpose_oid(node->crt, i, oid, &size, NULL);
        if (rc >= 0 && (strcmp(oid, GNUTLS_KP_TLS_WWW_SERVER) == 0 || strcmp(oid, GNUTLS_KP_ANY) == 0))
            return 0;
        if (rc < 0 && rc != GNUTLS_E_SHORT_MEMORY_BUFFER && rc != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            return REASON_MALFORMED;
    }
    return REASON_WRONG_PURPOSE;
}

static unsigned node_reasons(const struct judging *judging, struct node *node)
{
    if (node->reasons < 0)
        node->reasons = (int)(x509_date_reasons(node->crt, judging->now) | x509_key_reasons(node->crt) |
                              extension_reasons(node->crt) | purpose_reasons(node));
    return (unsigned)node->reasons;
}

static bool self_issued(const struct node *node)
{
    return str_eq(node->parts.subject, node->parts.issuer);
}

/* ---- the peer's own certificate ---------------------------------------------------------------------------------- */

/* RFC 9525; GnuTLS, which also looks at the CN, is the second opinion. */
static bool carries_name(const struct judging *judging, const struct node *leaf)
{
    const struct name *name = judging->name;

    if (!judging->name_known || !name_in_cert(name, &leaf->parts))
        return false;
    return name->address_len ? gnutls_x509_crt_check_ip(leaf->crt, name->address, (unsigned)name->address_len, 0)
                             : gnutls_x509_crt_check_hostname2(leaf->crt, name->text, 0);
}

/* RFC 5280 4.2.1.3: a server signs the key exchange, or has the client encrypt to its key. */
static bool usable_key(gnutls_x509_crt_t crt)
{
    unsigned usage = 0, critical;
    int rc = gnutls_x509_crt_get_key_usage(crt, &usage, &critical);

    if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return true;
    return rc >= 0 &&
           (usage & (GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_ENCIPHERMENT | GNUTLS_KEY_KEY_AGREEMENT));
}

static unsigned leaf_reasons(const struct judging *judging, const struct node *leaf)
{
    AUTO(trust_cert) facts = NULL;
    unsigned reasons = 0;

    /* What can't be shown to a person can't be accepted by one. */
    if (trust_cert_read(&facts, leaf->der, NULL) < 0)
        reasons |= REASON_MALFORMED;
    if (!carries_name(judging, leaf))
        reasons |= REASON_NAME_MISMATCH;
    if (!usable_key(leaf->crt))
        reasons |= REASON_WRONG_PURPOSE;
    return reasons;
}

/* RFC 7633: status_request (5) among the features that the server has to show. */
static bool must_staple(const struct node *leaf)
{
    struct str value;
    struct der_item item;

    if (!der_extension(&leaf->parts, STR("\x2b\x06\x01\x05\x05\x07\x01\x18"), &value))
        return false;
    if (!der_next_is(&value, DER_SEQUENCE, &item))
        return true;
    value = item.content;
    while (der_next(&value, &item))
        if (item.content.len == 1 && (item.content.p[0] == 5 || item.content.p[0] == 17))
            return true;
    return false;
}

/* ---- a way ------------------------------------------------------------------------------------------------------- */

/* What nodes[at] must be to have issued the one below it. */
static unsigned issuer_reasons(const struct path *path, size_t at)
{
    const struct node *issuer = path->nodes[at];
    unsigned reasons = 0;
    int path_len, between = 0;

    if (!x509_is_ca(issuer->crt, &path_len))
        reasons |= REASON_NOT_A_CA;
    for (size_t i = 0; i < at; i++) {
        const struct node *below = path->nodes[i];

        if (i > 0 && self_issued(below))        /* RFC 5280 6.1.4: key rollover certificates don't count */
            continue;
        between += i > 0;
        if (!constraint_allows(&issuer->parts, &below->parts))
            reasons |= REASON_CONSTRAINT;
    }
    return reasons | (path_len >= 0 && between > path_len ? REASON_CONSTRAINT : 0);
}

/* Signatures count except on a root's own, which proves nothing. */
static bool signature_counts(const struct path *path, size_t at)
{
    bool top = at == path->len - 1;

    return !(top && path->anchored) && !(top && at > 0 && self_issued(path->nodes[at]));
}

/* One store's anchor may be limited to names; the same certificate in the other one needn't be. */
static const struct anchor *usable_anchor(const struct judging *judging, const struct node *node)
{
    for (size_t i = 0; i < node->anchor_count; i++) {
        char **names = node->anchors[i]->names;

        if (names == NULL)
            return node->anchors[i];
        for (; judging->name_known && *names; names++)
            if (name_under(judging->name, *names))
                return node->anchors[i];
    }
    return NULL;
}

/* A way that ends where no issuer is at hand. */
static unsigned unanchored_reasons(const struct path *path)
{
    const struct node *last = path->nodes[path->len - 1];
    unsigned reasons = (last->tampered ? REASON_MALFORMED : 0) | (last->strange ? REASON_OTHER : 0);
    unsigned char key_id[64];
    size_t len = sizeof(key_id);

    if (path->len > 1 || !self_issued(last))
        return reasons | REASON_UNKNOWN_ISSUER;
    switch (x509_signed_by(last->crt, &last->parts, last->crt)) {
    case SIGNED_YES:
        return reasons | REASON_SELF_SIGNED;
    case SIGNED_UNKNOWN_ALGORITHM:
        return reasons | REASON_SELF_SIGNED | REASON_OTHER;
    case SIGNED_NO:
        break;
    }
    /* Another CA of the same name signed it, or nobody did. */
    if (gnutls_x509_crt_get_authority_key_id(last->crt, key_id, &len, NULL) < 0)
        reasons |= REASON_MALFORMED;
    return reasons | REASON_UNKNOWN_ISSUER;
}

/* Asks GnuTLS about this very way, with nothing but its root to trust. The clock is ours: dates were judged
 * already. */
static int gnutls_status(const struct path *path, unsigned *status)
{
    unsigned flags = GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS |
                     GNUTLS_VERIFY_DO_NOT_ALLOW_X509_V1_CA_CRT | GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM);
    gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
                                      .data = (unsigned char *)GNUTLS_KP_TLS_WWW_SERVER };
    gnutls_x509_crt_t chain[PATH_LENGTH_MAX], anchor = path->nodes[path->len - 1]->crt;
    size_t count = path->len > 1 ? path->len - 1 : 1;
    gnutls_x509_trust_list_t list;
    int rc;

    for (size_t i = 0; i < count; i++)
        chain[i] = path->nodes[i]->crt;
    rc = gnutls_x509_trust_list_init(&list, 0);
    if (rc < 0)
        return rc;
    rc = gnutls_x509_trust_list_add_cas(list, &anchor, 1, 0) == 1 ? 0 : -1;
    if (rc == 0)
        rc = gnutls_x509_trust_list_verify_crt2(list, chain, (unsigned)count, &purpose, 1, flags, status, NULL);
    gnutls_x509_trust_list_deinit(list, 0);
    return rc;
}

/* Nothing may pass that GnuTLS refuses; where we found reasons already, it only adds those that it alone looks for. */
static unsigned second_opinion(const struct path *path, unsigned reasons)
{
    static const struct { unsigned bit, reason; } map[] = {
        { GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE, REASON_CONSTRAINT },
        { GNUTLS_CERT_UNKNOWN_CRIT_EXTENSIONS, REASON_CONSTRAINT },
        { GNUTLS_CERT_PURPOSE_MISMATCH, REASON_WRONG_PURPOSE },
        { GNUTLS_CERT_REVOKED, REASON_REVOKED },
        { GNUTLS_CERT_SIGNER_NOT_CA, REASON_NOT_A_CA },
    };
    unsigned status = 0, more = 0;

    if (gnutls_status(path, &status) < 0)
        return reasons ? reasons : REASON_OTHER;
    for (size_t i = 0; i < COUNT_OF(map); i++)
        if (status & map[i].bit)
            more |= map[i].reason;
    /* GnuTLS counts a keyUsage without certificate signing among the constraints. */
    if ((reasons | more) & REASON_NOT_A_CA)
        more &= ~(unsigned)REASON_CONSTRAINT;
    return reasons | more ? reasons | more : status ? REASON_OTHER : 0;
}

static unsigned path_reasons(struct judging *judging, const struct path *path)
{
    unsigned reasons = judging->leaf;

    for (size_t i = 0; i < path->len; i++) {
        reasons |= node_reasons(judging, path->nodes[i]);
        if (signature_counts(path, i))
            reasons |= x509_signature_reasons(path->nodes[i]->crt);
        if (i > 0)
            reasons |= issuer_reasons(path, i);
    }
    if (!path->anchored)
        return reasons | unanchored_reasons(path);
    if (usable_anchor(judging, path->nodes[path->len - 1]) == NULL)
        reasons |= REASON_CONSTRAINT;
    return second_opinion(path, reasons);
}

/* ---- the best of them -------------------------------------------------------------------------------------------- */

/* Reasons that nobody can accept weigh most, then their number. */
static int weight(unsigned reasons)
{
    return 100 * __builtin_popcount(reasons & ~REASONS_ACCEPTABLE) + __builtin_popcount(reasons);
}

static bool visit(const struct path *path, void *ctx)
{
    struct judging *judging = ctx;
    unsigned reasons = path_reasons(judging, path);

    if (judging->best_path.len == 0 || weight(reasons) < weight(judging->best)) {
        judging->best = reasons;
        judging->best_path = *path;
    }
    return reasons == 0;
}

static void judge_pool(struct pool *pool, struct judging *judging, const struct tls_peer *peer, struct judgement *ret)
{
    const struct path *path = &judging->best_path;
    gnutls_x509_crt_t issuer = NULL;
    const struct node *leaf = &pool->nodes[0], *last;

    judging->leaf = leaf_reasons(judging, leaf) | (pool->malformed ? REASON_MALFORMED : 0);
    path_each(pool, visit, judging);
    if (path->len == 0) {               /* too long or too tangled for us */
        ret->reasons = judging->leaf | REASON_UNKNOWN_ISSUER | REASON_OTHER;
        return;
    }

    last = path->nodes[path->len - 1];
    if (path->len > 1 || self_issued(leaf))
        issuer = path->nodes[path->len > 1]->crt;
    ret->reasons = judging->best | ocsp_reasons(str_n(peer->ocsp, peer->ocsp_len), leaf->crt, issuer,
                                                must_staple(leaf), judging->now);
    if (path->anchored) {
        ret->anchor = usable_anchor(judging, last);
        if (ret->anchor == NULL)
            ret->anchor = last->anchors[0];
    }
}

void judge(const struct trust_roots *roots, enum trust_stores stores, const struct tls_peer *peer,
           const char *name, int64_t now, struct judgement *ret)
{
    struct pool *pool = mem_alloc(sizeof(*pool));
    struct name wanted;
    struct judging judging = { .name = &wanted, .now = now };

    *ret = (struct judgement){ 0 };
    judging.name_known = name_read(&wanted, name);
    pool_fill(pool, peer, roots, stores);
    if (pool->count && pool->nodes[0].sent)
        judge_pool(pool, &judging, peer, ret);
    else
        ret->reasons = REASON_MALFORMED;
    pool_clear(pool);
    free(pool);
}
