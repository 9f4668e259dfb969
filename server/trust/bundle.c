/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/bundle.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "trust/bundle_private.h"
#include "trust/import.h"
#include "trust/pem.h"
#include "trust/x509.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define KEY_TEXT_MAX ((size_t)32 * 1024)
#define ID_LEN 32

/* ---- keys ---- */

gnutls_x509_privkey_t bundle_key_new(void)
{
    gnutls_x509_privkey_t key;

    if (gnutls_x509_privkey_init(&key) < 0)
        abort(); /* no memory */
    return key;
}

static int damaged(struct err *err)
{
    return err_id(err, ERR_INVALID, "key.damaged", NULL, "The private key can't be read, or it is damaged.");
}

int bundle_key_from_pem(gnutls_x509_privkey_t *ret, const char *key_pem, struct err *err)
{
    const gnutls_datum_t text = { (unsigned char *)(uintptr_t)key_pem, (unsigned)strlen(key_pem) };
    gnutls_x509_privkey_t key = bundle_key_new();

    if (gnutls_x509_privkey_import(key, &text, GNUTLS_X509_FMT_PEM) < 0) {
        gnutls_x509_privkey_deinit(key);
        return damaged(err);
    }
    *ret = key;
    return 0;
}

int bundle_key_check(gnutls_x509_privkey_t key, struct err *err)
{
    unsigned bits = 0;

    switch (gnutls_x509_privkey_get_pk_algorithm2(key, &bits)) {
    case GNUTLS_PK_RSA:
        if (bits < RSA_BITS_MIN)
            return err_id(err, ERR_INVALID, "key.weak", NULL, "The RSA key has %u bits; fewer than %d can be broken.", bits, RSA_BITS_MIN);
        if (bits > RSA_BITS_MAX)
            return err_id(err, ERR_INVALID, "key.type", NULL, "The RSA key has %u bits; more than %d are not used.", bits, RSA_BITS_MAX);
        break;
    case GNUTLS_PK_ECDSA:
        if (bits < 256)
            return err_id(err, ERR_INVALID, "key.weak", NULL, "The key's curve has %u bits; fewer than 256 can be broken.", bits);
        break;
    case GNUTLS_PK_EDDSA_ED25519:
    case GNUTLS_PK_EDDSA_ED448:
        break;
    default:
        return err_id(err, ERR_INVALID, "key.type", NULL, "The key must be RSA, ECDSA or Ed25519.");
    }
    return gnutls_x509_privkey_verify_params(key) < 0 ? damaged(err) : 0;
}

int bundle_iterations_check(unsigned count, struct err *err)
{
    return count > BUNDLE_ITERATIONS_MAX ? err_id(err, ERR_INVALID, "import.iterations", NULL,
                                                  "The key is encrypted with %u rounds of key derivation; more than %d are not computed.",
                                                  count, BUNDLE_ITERATIONS_MAX) : 0;
}

int bundle_passphrase_error(const char *passphrase, struct err *err)
{
    if (passphrase == NULL)
        return err_id(err, ERR_INVALID, "import.passphraseNeeded", "/passphrase", "The key is encrypted: give its passphrase.");
    return err_id(err, ERR_INVALID, "import.passphrase", "/passphrase",
                  "The passphrase doesn't open the key, or the file is damaged. Nothing was imported.");
}

/* ---- the key's own certificate, and the chain behind it ---- */

static gnutls_x509_crt_t read_cert(const struct trust_import_item *item, struct der_cert *parts)
{
    return x509_import(str_n(item->der.der, item->der.len), parts);
}

static bool key_fits(gnutls_x509_privkey_t key, const struct trust_import_item *item)
{
    unsigned char of_key[ID_LEN], of_cert[ID_LEN];
    size_t key_len = ID_LEN, cert_len = ID_LEN;
    struct der_cert parts;
    gnutls_x509_crt_t crt = read_cert(item, &parts);
    bool fits = crt && gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &key_len) == 0 &&
                gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, of_cert, &cert_len) == 0 && key_len == cert_len &&
                memcmp(of_key, of_cert, key_len) == 0;

    if (crt)
        gnutls_x509_crt_deinit(crt);
    return fits;
}

static bool issued_by(const struct trust_import_item *item, const struct trust_import_item *issuer)
{
    struct der_cert parts, above;
    gnutls_x509_crt_t crt = read_cert(item, &parts), ca = read_cert(issuer, &above);
    bool is = crt && ca && str_eq(parts.issuer, above.subject) && x509_signed_by(crt, &parts, ca) == SIGNED_YES;

    if (crt)
        gnutls_x509_crt_deinit(crt);
    if (ca)
        gnutls_x509_crt_deinit(ca);
    return is;
}

static void swap(struct trust_import *chain, size_t a, size_t b)
{
    struct trust_import_item item = chain->items[a];

    chain->items[a] = chain->items[b];
    chain->items[b] = item;
}

/* Each behind the one it vouches for (RFC 8446 4.4.2); how many of them there are. The first is in its place. */
static size_t sort_chain(struct trust_import *chain)
{
    size_t sorted = 1;

    for (size_t i = sorted; i < chain->count; i++) {
        if (!issued_by(&chain->items[sorted - 1], &chain->items[i]))
            continue;
        swap(chain, sorted, i);
        i = sorted++;
    }
    return sorted;
}

static int find_own(struct trust_import *chain, gnutls_x509_privkey_t key, struct err *err)
{
    for (size_t i = 0; i < chain->count; i++)
        if (key_fits(key, &chain->items[i])) {
            swap(chain, 0, i);
            return 0;
        }
    return err_id(err, ERR_INVALID, "key.mismatch", NULL,
                  "The private key fits none of the certificates; the first is about \"%.100s\". Nothing was changed.",
                  chain->items[0].cert->subject);
}

static gnutls_sign_algorithm_t signature_of(gnutls_x509_privkey_t key)
{
    int algorithm = gnutls_x509_privkey_get_pk_algorithm(key);

    if (algorithm == GNUTLS_PK_EDDSA_ED25519)
        return GNUTLS_SIGN_EDDSA_ED25519;
    if (algorithm == GNUTLS_PK_EDDSA_ED448)
        return GNUTLS_SIGN_EDDSA_ED448;
    return algorithm == GNUTLS_PK_RSA ? GNUTLS_SIGN_RSA_SHA256 : GNUTLS_SIGN_ECDSA_SHA256;
}

static int sign_something(gnutls_x509_privkey_t key, gnutls_privkey_t signer, gnutls_x509_crt_t crt, gnutls_pubkey_t public)
{
    const gnutls_datum_t text = { (unsigned char *)(uintptr_t)"postern", 7 };
    gnutls_datum_t signature = { 0 };
    int rc;

    if ((rc = gnutls_privkey_import_x509(signer, key, 0)) < 0 || (rc = gnutls_pubkey_import_x509(public, crt, 0)) < 0 ||
        (rc = gnutls_privkey_sign_data2(signer, signature_of(key), 0, &text, &signature)) < 0)
        return rc;
    rc = gnutls_pubkey_verify_data2(public, signature_of(key), 0, &text, &signature);
    gnutls_free(signature.data);
    return rc;
}

/* That the public halves are the same doesn't say that the private one is sound: a handshake would be the first to notice. */
static int prove(gnutls_x509_privkey_t key, const struct trust_import_item *own, struct err *err)
{
    gnutls_privkey_t signer;
    gnutls_pubkey_t public;
    struct der_cert parts;
    gnutls_x509_crt_t crt = read_cert(own, &parts);
    int rc;

    if (crt == NULL || gnutls_privkey_init(&signer) < 0 || gnutls_pubkey_init(&public) < 0)
        abort(); /* it was read before; no memory */
    rc = sign_something(key, signer, crt, public);
    gnutls_privkey_deinit(signer);
    gnutls_pubkey_deinit(public);
    gnutls_x509_crt_deinit(crt);
    return rc < 0 ? damaged(err) : 0;
}

static char *pem_of(const struct trust_import *chain)
{
    AUTO_BUF(text, (size_t)2 * BUNDLE_CHAIN_MAX * TLS_CERT_MAX);

    for (size_t i = 0; i < chain->count; i++)
        buf_add_c(&text, chain->items[i].cert->pem);
    return buf_take(&text);
}

static int read_certificates(struct trust_import **ret, struct str text, int64_t now, struct err *err)
{
    AUTO(trust_import) chain = NULL;

    if (trust_import_parse(&chain, text, TRUST_FORMAT_PEM, now, err) < 0)
        return -1;
    if (chain->count > BUNDLE_CHAIN_MAX)
        return err_id(err, ERR_TOO_LARGE, "import.tooMany", NULL,
                      "There are %zu certificates; a key has at most %d: its own and those of its issuers. Nothing was imported.",
                      chain->count, BUNDLE_CHAIN_MAX);
    *ret = TAKE(chain);
    return 0;
}

static void forget_rest(struct bundle *bundle, size_t kept)
{
    struct trust_import *chain = bundle->chain;

    bundle->left_out = chain->count - kept;
    while (chain->count > kept) {
        struct trust_import_item *item = &chain->items[--chain->count];

        free(item->der.der);
        trust_cert_free(item->cert);
    }
}

int bundle_finish(struct bundle **ret, gnutls_x509_privkey_t key, struct str certificates, int64_t now, struct err *err)
{
    AUTO(bundle) bundle = mem_alloc(sizeof(*bundle));
    gnutls_datum_t pem = { 0 };

    if (bundle_key_check(key, err) < 0 || read_certificates(&bundle->chain, certificates, now, err) < 0 ||
        find_own(bundle->chain, key, err) < 0 || prove(key, &bundle->chain->items[0], err) < 0)
        return -1;
    forget_rest(bundle, sort_chain(bundle->chain));
    for (size_t i = 0; i < bundle->chain->count; i++)
        bundle->warnings |= bundle->chain->items[i].warnings;
    if (gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem) < 0)
        return damaged(err);
    bundle->key_pem = mem_strndup((const char *)pem.data, pem.size);
    gnutls_memset(pem.data, 0, pem.size);
    gnutls_free(pem.data);
    bundle->chain_pem = pem_of(bundle->chain);
    *ret = TAKE(bundle);
    return 0;
}

void bundle_free(struct bundle *bundle)
{
    if (bundle == NULL)
        return;
    mem_free_secret(bundle->key_pem);
    free(bundle->chain_pem);
    trust_import_free(bundle->chain);
    free(bundle);
}

int bundle_read_chain(struct bundle **ret, struct str text, const char *key_pem, int64_t now, struct err *err)
{
    gnutls_x509_privkey_t key;
    int rc;

    if (bundle_key_from_pem(&key, key_pem, err) < 0)
        return -1;
    rc = bundle_finish(ret, key, text, now, err);
    gnutls_x509_privkey_deinit(key);
    return rc;
}

int bundle_check(const char *key_pem, const char *chain_pem, struct err *err)
{
    AUTO(trust_import) chain = NULL;
    gnutls_x509_privkey_t key;
    bool fits;

    if (read_certificates(&chain, str_c(chain_pem), 0, err) < 0 || bundle_key_from_pem(&key, key_pem, err) < 0)
        return -1;
    fits = key_fits(key, &chain->items[0]);
    gnutls_x509_privkey_deinit(key);
    return fits ? 0 : err_id(err, ERR_INVALID, "key.mismatch", NULL, "The private key doesn't fit its certificate.");
}

/* ---- PEM ---- */

static bool is_key(struct str label)
{
    return str_ends_nocase(label, STR("PRIVATE KEY"));
}

/* From its BEGIN to its END. */
static struct str whole(const struct pem *pem, const struct pem_block *block)
{
    const char *from = block->label.p - strlen("-----BEGIN ");

    return str_n(from, (size_t)(pem->rest.p - from));
}

/* Lines stay, so that errors name the right one. */
static void blank(struct buf *text, struct str source, struct str part)
{
    char *at = text->p + (part.p - source.p);

    for (size_t i = 0; i < part.len; i++)
        if (at[i] != '\n')
            at[i] = ' ';
}

static bool contains(struct str text, struct str part)
{
    return memmem(text.p, text.len, part.p, part.len) != NULL;
}

static int pem_rounds(const gnutls_datum_t *text, struct err *err)
{
    unsigned schema, cipher, salt_len = 0, count = 0;
    char *oid = NULL;
    int rc = gnutls_pkcs8_info(text, GNUTLS_X509_FMT_PEM, &schema, &cipher, NULL, &salt_len, &count, &oid);

    gnutls_free(oid);
    (void)rc;                           /* what can't be told, can't be decrypted either */
    return bundle_iterations_check(count, err);
}

/* Encrypted as PKCS#8 or in OpenSSL's older way (RFC 1421 4.6.1.1). */
static int read_key(gnutls_x509_privkey_t key, struct str text, struct str label, const char *passphrase, struct err *err)
{
    bool pkcs8 = str_eq(label, STR("ENCRYPTED PRIVATE KEY")), encrypted = pkcs8 || contains(text, STR("Proc-Type: 4,ENCRYPTED"));
    const gnutls_datum_t datum = { (unsigned char *)(uintptr_t)text.p, (unsigned)text.len };
    int rc;

    if (text.len > KEY_TEXT_MAX)
        return damaged(err);
    if (encrypted && passphrase == NULL)
        return bundle_passphrase_error(NULL, err);
    if (pkcs8 && pem_rounds(&datum, err) < 0)
        return -1;
    rc = encrypted ? gnutls_x509_privkey_import2(key, &datum, GNUTLS_X509_FMT_PEM, passphrase, 0)
                   : gnutls_x509_privkey_import(key, &datum, GNUTLS_X509_FMT_PEM);
    if (rc < 0)
        return encrypted ? bundle_passphrase_error(passphrase, err) : damaged(err);
    return 0;
}

static int more_than_one(struct err *err)
{
    return err_id(err, ERR_INVALID, "import.keys", NULL, "There is more than one private key. Nothing was imported.");
}

/* Takes the key out of the copy, whose certificates are left. */
static int split_pem(gnutls_x509_privkey_t key, struct str text, struct buf *copy, const char *passphrase, struct err *err)
{
    struct pem_block block;
    struct pem pem;
    enum pem_step step;
    size_t keys = 0;

    pem_start(&pem, text);
    while ((step = pem_next(&pem, &block)) == PEM_BLOCK) {
        bool parameters = str_eq(block.label, STR("EC PARAMETERS"));

        if (!is_key(block.label) && !parameters)
            continue;
        if (!parameters && ++keys > 1)
            return more_than_one(err);
        if (!parameters && read_key(key, whole(&pem, &block), block.label, passphrase, err) < 0)
            return -1;
        blank(copy, text, whole(&pem, &block));
    }
    if (step == PEM_BAD)
        return err_id(err, ERR_INVALID, "import.format", NULL, "The block that begins in line %zu has no end. Nothing was imported.",
                      block.line);
    return keys ? 0 : err_id(err, ERR_INVALID, "import.noKey", NULL,
                             "There is no private key: a PEM text has \"-----BEGIN PRIVATE KEY-----\". Nothing was imported.");
}

int bundle_read_pem(struct bundle **ret, struct str text, const char *passphrase, int64_t now, struct err *err)
{
    gnutls_x509_privkey_t key;
    struct buf copy;
    int rc;

    if (text.len > TRUST_IMPORT_MAX)
        return err_id(err, ERR_TOO_LARGE, "import.tooLarge", NULL, "The upload is larger than %d MB.", TRUST_IMPORT_MAX / 1024 / 1024);
    if (memchr(text.p, '\0', text.len))
        return err_id(err, ERR_INVALID, "import.format", NULL, "This is not a PEM text.");
    buf_init_secret(&copy, text.len);
    buf_add(&copy, text);
    key = bundle_key_new();
    rc = split_pem(key, text, &copy, passphrase, err);
    if (rc == 0)
        rc = bundle_finish(ret, key, buf_str(&copy), now, err);
    gnutls_x509_privkey_deinit(key);
    buf_free(&copy);
    return rc;
}

/* Ours to free. */
static int encrypted_key(const char *key_pem, gnutls_x509_crt_fmt_t format, const char *passphrase, gnutls_datum_t *ret, struct err *err)
{
    gnutls_x509_privkey_t key;
    int rc;

    if (bundle_key_from_pem(&key, key_pem, err) < 0)
        return -1;
    rc = gnutls_x509_privkey_export2_pkcs8(key, format, passphrase, GNUTLS_PKCS_PBES2_AES_256, ret);
    gnutls_x509_privkey_deinit(key);
    return rc < 0 ? err_set(err, ERR_INTERNAL, NULL, "Encrypting the key failed: %s", gnutls_strerror(rc)) : 0;
}

int bundle_write_pem(const char *key_pem, const char *chain_pem, const char *passphrase, struct buf *into, struct err *err)
{
    gnutls_datum_t key = { 0 };
    int rc;

    if (encrypted_key(key_pem, GNUTLS_X509_FMT_PEM, passphrase, &key, err) < 0)
        return -1;
    rc = buf_add(into, str_n(key.data, key.size)) < 0 || buf_add_c(into, chain_pem) < 0 ? -1 : 0;
    gnutls_free(key.data);
    return rc < 0 ? err_set(err, ERR_INTERNAL, NULL, "The bundle is too large.") : 0;
}
