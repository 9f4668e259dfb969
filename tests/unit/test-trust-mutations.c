/* SPDX-License-Identifier: Apache-2.0 */
/* Valid chains with random damage: never a crash, never a verdict better than GnuTLS's own. The seed is fixed
 * and printed; TRUST_MUTATIONS=N SEED=S in the environment choose others. */
#include "trust/trust.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "base/mem.h"
#include "pki.h"
#include "tap.h"
#include "trust/cert.h"

#define HOST "mail.example.com"
#define CHAIN 3

static uint64_t state;

static unsigned pick(unsigned below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % below;
}

static time_t test_clock(time_t *at)
{
    if (at)
        *at = (time_t)(PKI_NOW / 1000);
    return (time_t)(PKI_NOW / 1000);
}

static bool accepts(const struct tls_peer *peer, size_t chain_len, const struct pki *root)
{
    gnutls_x509_crt_t crts[TLS_CHAIN_MAX];
    gnutls_x509_trust_list_t list;
    gnutls_typed_vdata_st data[] = {
        { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)GNUTLS_KP_TLS_WWW_SERVER },
        { .type = GNUTLS_DT_DNS_HOSTNAME, .data = (unsigned char *)HOST },
    };
    unsigned status = ~0u, count = 0;
    bool readable = true;

    for (size_t i = 0; i < chain_len && readable; i++) {
        gnutls_datum_t der = { peer->chain[i].der, (unsigned)peer->chain[i].len };

        gnutls_x509_crt_init(&crts[count]);
        readable = gnutls_x509_crt_import(crts[count++], &der, GNUTLS_X509_FMT_DER) >= 0;
    }
    gnutls_x509_trust_list_init(&list, 0);
    gnutls_x509_trust_list_add_cas(list, &root->crt, 1, 0);
    if (readable)
        gnutls_x509_trust_list_verify_crt2(list, crts, count, data, 2,
                                           GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM), &status, NULL);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(crts[i]);
    gnutls_x509_trust_list_deinit(list, 0);
    return readable && status == 0;
}

/* With what was sent; or without the root at its end, which nobody needs, so that damage there may be passed over. */
static bool gnutls_accepts(const struct tls_peer *peer, const struct pki *root)
{
    return accepts(peer, peer->chain_len, root) || accepts(peer, 2, root);
}

/* A copy with one to three bytes changed, or cut, or with bytes put in. */
static struct tls_cert damaged(const struct pki *from, bool really)
{
    struct tls_cert cert = { mem_alloc(from->len + 8), from->len };

    memcpy(cert.der, from->der, from->len);
    if (!really)
        return cert;
    switch (pick(8)) {
    case 0:
        cert.len -= 1 + pick(20);
        break;
    case 1: {
        unsigned at = pick((unsigned)cert.len);

        memmove(cert.der + at + 1, cert.der + at, cert.len++ - at);
        break;
    }
    default:
        for (unsigned n = 1 + pick(3); n > 0; n--)
            cert.der[pick((unsigned)cert.len)] ^= (uint8_t)(1 << pick(8));
    }
    return cert;
}

static bool consistent(const struct trust_result *result)
{
    bool good = (result->verdict == TRUST_YES) == (result->reasons == 0);

    good = good && result->acceptable == trust_reasons_acceptable(result->reasons) && result->text[0];
    return good && (result->verdict == TRUST_YES || result->verdict == TRUST_ASK || result->verdict == TRUST_NO);
}

int main(void)
{
    long rounds = getenv("TRUST_MUTATIONS") ? atol(getenv("TRUST_MUTATIONS")) : 1500, yes = 0, better = 0,
         odd = 0, untold = 0;
    struct pki root, sub, leaf;
    const struct pki *whole[CHAIN] = { &leaf, &sub, &root };
    struct trust *trust = trust_new("/nonexistent");
    struct trust_roots *roots;

    state = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 10) : 20401224;
    printf("# SEED=%llu\n", (unsigned long long)state);
    gnutls_global_set_time_function(test_clock);
    pki_make(&root, &(struct pki_spec){ .name = "Root", .ca = CA_YES, .usage = GNUTLS_KEY_KEY_CERT_SIGN });
    pki_make(&sub, &(struct pki_spec){ .name = "Sub", .ca = CA_YES, .issuer = &root, .path_len = 1,
                                       .permitted = "dns:example.com" });
    pki_make(&leaf, &(struct pki_spec){ .name = HOST, .sans = "dns:" HOST " dns:*.a.example.com", .issuer = &sub,
                                        .eku = "server" });
    trust_set_user(trust, &(struct trust_ca){ str_n(root.der, root.len), NULL }, 1, NULL);
    roots = trust_roots(trust, STORES_USER_ONLY);

    for (long i = 0; i < rounds; i++) {
        struct tls_peer peer = { .name = (char *)HOST, .chain_len = 2 + pick(2) };
        unsigned which = pick(4);       /* one in four is whole, or has the damage in a root that isn't needed */
        struct trust_result result;
        struct trust_cert *facts = NULL;

        for (size_t k = 0; k < peer.chain_len; k++)
            peer.chain[k] = damaged(whole[k], k == which);
        trust_decide(roots, STORES_USER_ONLY, &peer, NULL, NULL, PKI_NOW, &result);
        if (!consistent(&result))
            odd++;
        if (result.verdict == TRUST_YES) {
            yes++;
            better += !gnutls_accepts(&peer, &root);
        }
        /* What a person may be asked about can be shown. */
        if (trust_cert_read(&facts, str_n(peer.chain[0].der, peer.chain[0].len), NULL) < 0)
            untold += result.acceptable;
        trust_cert_free(facts);
        for (size_t k = 0; k < peer.chain_len; k++)
            free(peer.chain[k].der);
    }
    ok(yes > 0 && yes < rounds / 2, "%ld of %ld were whole", yes, rounds);
    is_int(better, 0, "never better than GnuTLS");
    is_int(odd, 0, "verdict, reasons and words agree");
    is_int(untold, 0, "no question about a certificate that can't be shown");

    trust_roots_free(roots);
    trust_free(trust);
    pki_free(&leaf);
    pki_free(&sub);
    pki_free(&root);
    return done();
}
