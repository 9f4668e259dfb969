/* SPDX-License-Identifier: Apache-2.0 */
/* What a person uploads as certificates, and what a peer shows.
 *
 * The input is taken twice: as an upload in every format, and as damage to a good chain that is made here
 * (certificates are not stored; the same keys and dates each time make the same bytes): groups of four bytes,
 * which of the chain, where, and what to turn. */
#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "../unit/pki.h"
#include "trust/import.h"
#include "trust/trust.h"

#define CHAIN 3
#define STEPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void must_be_shown(const char *text)
{
    must(text && str_is_utf8(str_c(text)) && !str_has_control(str_c(text)));
}

static void look(const struct trust_cert *cert, struct str der)
{
    struct trust_import *again = NULL;

    must_be_shown(cert->subject);
    must_be_shown(cert->issuer);
    must_be_shown(cert->constraints);
    must_be_shown(cert->serial);
    must(cert->san_count <= TRUST_SANS_MAX && cert->path_len >= -1);
    for (size_t i = 0; i < cert->san_count; i++)
        must_be_shown(cert->sans[i].text);

    must(trust_import_parse(&again, str_c(cert->pem), TRUST_FORMAT_PEM, PKI_NOW, NULL) == 0 && again->count == 1);
    must(str_eq(str_n(again->items[0].der.der, again->items[0].der.len), der));
    trust_import_free(again);
}

static void upload(struct str bytes)
{
    for (int format = TRUST_FORMAT_AUTO; format <= TRUST_FORMAT_PKCS7; format++) {
        struct trust_import *import = NULL;
        struct err err = { 0 };

        if (trust_import_parse(&import, bytes, (enum trust_format)format, PKI_NOW, &err) < 0) {
            must(import == NULL && err.id[0] && err.text[0] && str_is_utf8(str_c(err.text)));
            continue;
        }
        must(import->count > 0 && import->count <= TRUST_IMPORT_CERTS_MAX);
        for (size_t i = 0; i < import->count; i++)
            look(import->items[i].cert, str_n(import->items[i].der.der, import->items[i].der.len));
        trust_import_free(import);
    }
}

static void decide(const struct trust_roots *roots, const struct tls_peer *peer)
{
    struct trust_exemption exemption = { TRUST_APPROVED, .has_spki = true, .accepts = ~0u, .expires_at = PKI_NOW + 1 };
    struct trust_result result, exempt;
    struct trust_cert *cert = NULL;
    struct str own = str_n(peer->chain[0].der, peer->chain[0].len);

    trust_decide(roots, STORES_USER_ONLY, peer, NULL, NULL, PKI_NOW, &result);
    must((result.verdict == TRUST_YES) == (result.reasons == 0));
    must(result.verdict == TRUST_YES || result.verdict == (result.acceptable ? TRUST_ASK : TRUST_NO));
    must_be_shown(result.text);
    must_be_shown(result.advice);
    if (trust_cert_read(&cert, own, NULL) == 0)
        look(cert, own);
    else
        must(result.verdict == TRUST_NO);
    trust_cert_free(cert);

    memcpy(exemption.spki_sha256, result.spki_sha256, sizeof(result.spki_sha256));
    trust_decide(roots, STORES_USER_ONLY, peer, NULL, &exemption, PKI_NOW, &exempt);
    must(exempt.reasons == result.reasons);
    must(exempt.verdict == (result.verdict == TRUST_ASK ? TRUST_EXEMPT : result.verdict));
}

/* ---- the good chain ---------------------------------------------------------------------------------------------- */

static struct pki chain[CHAIN];         /* the server's own, a CA in between, the root */
static struct trust_roots *roots;

static void forget(void)
{
    trust_roots_free(roots);
    for (size_t i = 0; i < CHAIN; i++)
        pki_free(&chain[i]);
}

static void prepare(void)
{
    struct trust *trust = trust_new("/nonexistent");
    struct tls_peer peer = { .name = (char *)"mail.example.com", .chain_len = CHAIN };
    struct trust_result result;

    pki_make(&chain[2], &(struct pki_spec){ .name = "Root", .ca = CA_YES, .kind = KEY_FIXED });
    pki_make(&chain[1], &(struct pki_spec){ .name = "Sub", .ca = CA_YES, .kind = KEY_FIXED, .issuer = &chain[2], .path_len = 1,
                                            .permitted = "dns:example.com ip:10.0.0.0/8 email:example.com",
                                            .excluded = "dns:a.b",
                                            .usage = GNUTLS_KEY_KEY_CERT_SIGN });
    pki_make(&chain[0], &(struct pki_spec){ .name = "mail.example.com", .kind = KEY_FIXED, .issuer = &chain[1],
                                            .eku = "server client", .usage = GNUTLS_KEY_DIGITAL_SIGNATURE,
                                            .sans = "dns:mail.example.com dns:*.example.com ip:10.0.0.1 "
                                                    "email:a@example.com" });
    trust_set_user(trust, &(struct trust_ca){ str_n(chain[2].der, chain[2].len), NULL }, 1, NULL);
    roots = trust_roots(trust, STORES_USER_ONLY);
    trust_free(trust);
    atexit(forget);

    for (size_t i = 0; i < CHAIN; i++)
        peer.chain[i] = (struct tls_cert){ chain[i].der, chain[i].len };
    trust_decide(roots, STORES_USER_ONLY, &peer, NULL, NULL, PKI_NOW, &result);
    must(result.verdict == TRUST_YES);
}

static void damage(const uint8_t *data, size_t size)
{
    struct tls_peer peer = { .name = (char *)"mail.example.com", .chain_len = CHAIN };

    for (size_t i = 0; i < CHAIN; i++)
        peer.chain[i] = (struct tls_cert){ mem_copy(chain[i].der, chain[i].len), chain[i].len };
    for (size_t at = 0; at + 4 <= size && at < 4 * STEPS_MAX; at += 4) {
        struct tls_cert *cert = &peer.chain[data[at] % CHAIN];

        cert->der[(data[at + 1] << 8 | data[at + 2]) % cert->len] ^= data[at + 3];
    }
    decide(roots, &peer);
    for (size_t i = 0; i < CHAIN; i++)
        free(peer.chain[i].der);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_peer peer = { .name = (char *)"mail.example.com", .chain_len = 1 };

    if (roots == NULL)
        prepare();
    upload(str_n(data, size));
    damage(data, size);
    if (size && size <= TLS_CERT_MAX) {
        peer.chain[0] = (struct tls_cert){ (uint8_t *)data, size };
        decide(roots, &peer);
    }
    return 0;
}
