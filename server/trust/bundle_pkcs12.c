/* SPDX-License-Identifier: Apache-2.0 */
/* PKCS#12 (RFC 7292). Taken apart bag by bag, so that nothing is derived before we know how long it takes. */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/pkcs12.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "trust/bundle.h"
#include "trust/bundle_private.h"
#include "trust/import.h"

#define BAGS_MAX 64

struct found {
    gnutls_x509_privkey_t key;
    size_t keys;
    size_t rounds;                      /* bags each have their own derivation */
    struct buf certificates;            /* PEM */
    const char *passphrase;
};

static int bad_format(struct err *err)
{
    return err_id(err, ERR_INVALID, "import.format", "/pkcs12", "This is not a PKCS#12 file that can be read. Nothing was imported.");
}

static int count_rounds(struct found *found, unsigned count, struct err *err)
{
    found->rounds += count;
    return bundle_iterations_check(found->rounds > BUNDLE_ITERATIONS_MAX ? BUNDLE_ITERATIONS_MAX + 1 : (unsigned)found->rounds, err);
}

static int key_rounds(struct found *found, const gnutls_datum_t *der, struct err *err)
{
    unsigned schema, cipher, salt_len = 0, count = 0;
    char *oid = NULL;

    gnutls_pkcs8_info(der, GNUTLS_X509_FMT_DER, &schema, &cipher, NULL, &salt_len, &count, &oid);
    gnutls_free(oid);
    return count_rounds(found, count, err);
}

static int take_key(struct found *found, const gnutls_datum_t *der, bool encrypted, struct err *err)
{
    int rc;

    if (++found->keys > 1)
        return err_id(err, ERR_INVALID, "import.keys", "/pkcs12", "There is more than one private key. Nothing was imported.");
    if (encrypted && key_rounds(found, der, err) < 0)
        return -1;
    rc = gnutls_x509_privkey_import_pkcs8(found->key, der, GNUTLS_X509_FMT_DER, found->passphrase, encrypted ? 0 : GNUTLS_PKCS_PLAIN);
    if (rc < 0 && encrypted)
        return bundle_passphrase_error(found->passphrase, err);
    return rc < 0 ? err_id(err, ERR_INVALID, "key.damaged", "/pkcs12", "The private key can't be read, or it is damaged.") : 0;
}

static int take_cert(struct found *found, const gnutls_datum_t *der, struct err *err)
{
    buf_add_c(&found->certificates, "-----BEGIN CERTIFICATE-----\n");
    base64_encode(str_n(der->data, der->size), &found->certificates);
    return buf_add_c(&found->certificates, "\n-----END CERTIFICATE-----\n") < 0 ? bad_format(err) : 0;
}

static int take_bag(struct found *found, gnutls_pkcs12_bag_t bag, struct err *err)
{
    int count = gnutls_pkcs12_bag_get_count(bag);

    for (int i = 0; i < count; i++) {
        int type = gnutls_pkcs12_bag_get_type(bag, (unsigned)i), rc = 0;
        gnutls_datum_t data;

        if (type < 0 || gnutls_pkcs12_bag_get_data(bag, (unsigned)i, &data) < 0)
            return bad_format(err);
        if (type == GNUTLS_BAG_PKCS8_ENCRYPTED_KEY || type == GNUTLS_BAG_PKCS8_KEY)
            rc = take_key(found, &data, type == GNUTLS_BAG_PKCS8_ENCRYPTED_KEY, err);
        else if (type == GNUTLS_BAG_CERTIFICATE)
            rc = take_cert(found, &data, err);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int open_bag(struct found *found, gnutls_pkcs12_bag_t bag, struct err *err)
{
    unsigned schema, cipher, salt_len = 0, count = 0;
    char *oid = NULL;

    if (gnutls_pkcs12_bag_get_type(bag, 0) != GNUTLS_BAG_ENCRYPTED)
        return 0;
    gnutls_pkcs12_bag_enc_info(bag, &schema, &cipher, NULL, &salt_len, &count, &oid);
    gnutls_free(oid);
    if (count_rounds(found, count, err) < 0)
        return -1;
    return gnutls_pkcs12_bag_decrypt(bag, found->passphrase) < 0 ? bundle_passphrase_error(found->passphrase, err) : 0;
}

static int take_bags(struct found *found, gnutls_pkcs12_t pkcs12, struct err *err)
{
    for (int i = 0; i < BAGS_MAX; i++) {
        gnutls_pkcs12_bag_t bag;
        int rc;

        if (gnutls_pkcs12_bag_init(&bag) < 0)
            abort(); /* no memory */
        rc = gnutls_pkcs12_get_bag(pkcs12, i, bag);
        if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            gnutls_pkcs12_bag_deinit(bag);
            return 0;
        }
        rc = rc < 0 ? bad_format(err) : open_bag(found, bag, err) < 0 ? -1 : take_bag(found, bag, err);
        gnutls_pkcs12_bag_deinit(bag);
        if (rc < 0)
            return -1;
    }
    return bad_format(err);
}

/* RFC 7292 4: what comes without a MAC may have been changed by anybody. */
static int check_mac(struct found *found, gnutls_pkcs12_t pkcs12, struct err *err)
{
    unsigned salt_len = 0, count = 0;
    char *oid = NULL;
    int rc = gnutls_pkcs12_mac_info(pkcs12, NULL, NULL, &salt_len, &count, &oid);

    gnutls_free(oid);
    if (rc < 0 && rc != GNUTLS_E_SHORT_MEMORY_BUFFER && count == 0)
        return bad_format(err);
    if (count_rounds(found, count, err) < 0)
        return -1;
    return gnutls_pkcs12_verify_mac(pkcs12, found->passphrase) < 0 ? bundle_passphrase_error(found->passphrase, err) : 0;
}

static int read_all(struct found *found, struct bundle **ret, gnutls_pkcs12_t pkcs12, struct str der, int64_t now, struct err *err)
{
    const gnutls_datum_t datum = { (unsigned char *)(uintptr_t)der.p, (unsigned)der.len };

    if (gnutls_pkcs12_import(pkcs12, &datum, GNUTLS_X509_FMT_DER, 0) < 0)
        return bad_format(err);
    if (check_mac(found, pkcs12, err) < 0 || take_bags(found, pkcs12, err) < 0)
        return -1;
    if (found->keys == 0)
        return err_id(err, ERR_INVALID, "import.noKey", "/pkcs12", "There is no private key in the file. Nothing was imported.");
    if (found->certificates.len == 0)
        return err_id(err, ERR_INVALID, "import.empty", "/pkcs12", "There is no certificate in the file. Nothing was imported.");
    return bundle_finish(ret, found->key, buf_str(&found->certificates), now, err);
}

int bundle_read_pkcs12(struct bundle **ret, struct str der, const char *passphrase, int64_t now, struct err *err)
{
    struct found found = { .key = bundle_key_new(), .passphrase = passphrase };
    gnutls_pkcs12_t pkcs12;
    int rc;

    if (gnutls_pkcs12_init(&pkcs12) < 0)
        abort(); /* no memory */
    buf_init(&found.certificates, TRUST_IMPORT_MAX);
    rc = der.len > TRUST_IMPORT_MAX ? bad_format(err) : read_all(&found, ret, pkcs12, der, now, err);
    buf_free(&found.certificates);
    gnutls_pkcs12_deinit(pkcs12);
    gnutls_x509_privkey_deinit(found.key);
    return rc;
}

/* ---- writing ---- */

static int fill_certs(gnutls_pkcs12_bag_t bag, const char *chain_pem, const char *name, const gnutls_datum_t *id)
{
    const gnutls_datum_t text = { (unsigned char *)(uintptr_t)chain_pem, (unsigned)strlen(chain_pem) };
    gnutls_x509_crt_t *certs = NULL;
    unsigned count = 0;
    int rc = gnutls_x509_crt_list_import2(&certs, &count, &text, GNUTLS_X509_FMT_PEM, 0), at;

    for (unsigned i = 0; i < count && rc >= 0; i++) {
        at = rc = gnutls_pkcs12_bag_set_crt(bag, certs[i]);
        if (rc >= 0 && i == 0)
            rc = gnutls_pkcs12_bag_set_friendly_name(bag, (unsigned)at, name);
        if (rc >= 0 && i == 0)
            rc = gnutls_pkcs12_bag_set_key_id(bag, (unsigned)at, id);
    }
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(certs[i]);
    gnutls_free(certs);
    return rc;
}

static int fill_key(gnutls_pkcs12_bag_t bag, gnutls_x509_privkey_t key, const char *passphrase, const char *name,
                    const gnutls_datum_t *id)
{
    gnutls_datum_t der = { 0 };
    int rc = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_DER, passphrase, GNUTLS_PKCS_PBES2_AES_256, &der), at;

    if (rc < 0)
        return rc;
    at = rc = gnutls_pkcs12_bag_set_data(bag, GNUTLS_BAG_PKCS8_ENCRYPTED_KEY, &der);
    gnutls_free(der.data);
    if (rc >= 0)
        rc = gnutls_pkcs12_bag_set_friendly_name(bag, (unsigned)at, name);
    return rc < 0 ? rc : gnutls_pkcs12_bag_set_key_id(bag, (unsigned)at, id);
}

static int assemble(gnutls_pkcs12_t pkcs12, gnutls_x509_privkey_t key, const char *chain_pem, const char *name, const char *passphrase)
{
    unsigned char sum[20];
    size_t len = sizeof(sum);
    gnutls_datum_t id = { sum, sizeof(sum) };
    gnutls_pkcs12_bag_t certs, keys;
    int rc;

    if (gnutls_pkcs12_bag_init(&certs) < 0 || gnutls_pkcs12_bag_init(&keys) < 0)
        abort(); /* no memory */
    if ((rc = gnutls_x509_privkey_get_key_id(key, 0, sum, &len)) < 0 || (rc = fill_certs(certs, chain_pem, name, &id)) < 0 ||
        (rc = gnutls_pkcs12_bag_encrypt(certs, passphrase, GNUTLS_PKCS_PBES2_AES_256)) < 0 ||
        (rc = gnutls_pkcs12_set_bag(pkcs12, certs)) < 0 || (rc = fill_key(keys, key, passphrase, name, &id)) < 0 ||
        (rc = gnutls_pkcs12_set_bag(pkcs12, keys)) < 0)
        ;
    else
        rc = gnutls_pkcs12_generate_mac2(pkcs12, GNUTLS_MAC_SHA256, passphrase);
    gnutls_pkcs12_bag_deinit(certs);
    gnutls_pkcs12_bag_deinit(keys);
    return rc;
}

int bundle_write_pkcs12(const char *key_pem, const char *chain_pem, const char *name, const char *passphrase, struct buf *into,
                        struct err *err)
{
    gnutls_datum_t der = { 0 };
    gnutls_x509_privkey_t key;
    gnutls_pkcs12_t pkcs12;
    int rc;

    if (bundle_key_from_pem(&key, key_pem, err) < 0)
        return -1;
    if (gnutls_pkcs12_init(&pkcs12) < 0)
        abort(); /* no memory */
    rc = assemble(pkcs12, key, chain_pem, name, passphrase);
    if (rc >= 0)
        rc = gnutls_pkcs12_export2(pkcs12, GNUTLS_X509_FMT_DER, &der);
    if (rc >= 0)
        rc = buf_add(into, str_n(der.data, der.size)) < 0 ? GNUTLS_E_SHORT_MEMORY_BUFFER : 0;
    gnutls_free(der.data);
    gnutls_pkcs12_deinit(pkcs12);
    gnutls_x509_privkey_deinit(key);
    return rc < 0 ? err_set(err, ERR_INTERNAL, NULL, "Writing the bundle failed: %s", gnutls_strerror(rc)) : 0;
}
