/* SPDX-License-Identifier: Apache-2.0 */
/* Key pairs of our own: making them, requests, and bundles of a key and its chain in and out. */
#include "trust/bundle.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "pki.h"
#include "tap.h"
#include "tls/own_key.h"
#include "trust/import.h"
#include "trust/reason.h"

#define SIZE ((size_t)64 * 1024)
#define PASSPHRASE "a very long staple 42"

static struct pki root, sub, leaf, other, expired, weak, curve, dsa;

static void make_all(void)
{
    pki_make(&root, &(struct pki_spec){ .name = "Root", .ca = CA_YES });
    pki_make(&sub, &(struct pki_spec){ .name = "Sub", .ca = CA_YES, .issuer = &root });
    pki_make(&leaf, &(struct pki_spec){ .name = "leaf", .issuer = &sub, .kind = KEY_RSA2048, .sans = "dns:mail.example.com" });
    pki_make(&other, &(struct pki_spec){ .name = "other", .issuer = &root, .kind = KEY_P384 });
    pki_make(&expired, &(struct pki_spec){ .name = "old", .from = -20, .to = -10 });
    pki_make(&weak, &(struct pki_spec){ .name = "weak", .kind = KEY_RSA1024 });
    pki_make(&curve, &(struct pki_spec){ .name = "curve", .kind = KEY_P192 });
    pki_make(&dsa, &(struct pki_spec){ .name = "dsa", .kind = KEY_DSA });
}

/* ---- subjects ---- */

static void test_subjects(void)
{
    static const struct {
        const char *dn, *common_name;
        const char *names[4];
        const char *at;                 /* NULL: fine */
    } rows[] = {
        { NULL, NULL, { "mail.example.com" }, NULL },
        { NULL, NULL, { "*.example.com", "192.0.2.1", "[2001:db8::1]" }, NULL },
        { NULL, NULL, { "plant@example.com" }, NULL },
        { "CN=a,O=b", NULL, { NULL }, NULL },
        { NULL, "Press, 7", { NULL }, NULL },
        { NULL, NULL, { "b\xc3\xbc" "cher.example" }, NULL },
        { NULL, NULL, { NULL }, "/sans" },
        { NULL, NULL, { "a", "a b" }, "/sans/1" },
        { NULL, NULL, { "*.com" }, "/sans/0" },
        { NULL, NULL, { "*.192.0.2.1" }, "/sans/0" },
        { NULL, NULL, { "a.*.example" }, "/sans/0" },
        { NULL, NULL, { "@" }, "/sans/0" },
        { NULL, NULL, { "a@b\xc3\xbc" }, "/sans/0" },
        { "nonsense", NULL, { NULL }, "/subject" },
        { "CN=a\nb", NULL, { NULL }, "/subject" },
        { NULL, "", { NULL }, "/commonName" },
        { NULL, "a\x01", { NULL }, "/commonName" },
        { NULL, "0123456789012345678901234567890123456789012345678901234567890123x", { NULL }, "/commonName" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct own_subject subject = { rows[i].dn, rows[i].common_name, rows[i].names, 0 };
        struct err err = { 0 };
        int rc;

        while (subject.count < 4 && rows[i].names[subject.count])
            subject.count++;
        rc = own_subject_check(&subject, &err);
        ok(rc == 0 ? rows[i].at == NULL : rows[i].at && strcmp(err.at, rows[i].at) == 0 && err.id[0], "subject %zu: %s", i,
           rc < 0 ? err.text : "good");
    }
}

/* ---- made, and out and in again ---- */

static void is_same(const char *what, int rc, const struct bundle *bundle, const struct buf *cert, const struct err *err)
{
    ok(rc == 0 && bundle->chain->count == 1 && strcmp(bundle->chain_pem, cert->p) == 0, "%s: %s", what, rc < 0 ? err->text : "comes back");
}

static void round_trip(enum own_key_type type, const char *name)
{
    static const char *const names[] = { "mail.example.com" };
    const struct own_subject subject = { .names = names, .count = 1 };
    AUTO(bundle) pem = NULL;
    AUTO(bundle) pkcs12 = NULL;
    AUTO_BUF(cert, SIZE);
    AUTO_BUF(request, SIZE);
    AUTO_BUF(out, SIZE);
    struct buf key;
    struct err err = { 0 };
    int rc;

    buf_init_secret(&key, SIZE);
    ok(own_key_make(type, &subject, 30, &cert, &key, &err) == 0 && bundle_check(key.p, cert.p, &err) == 0, "%s: made, and fits", name);
    ok(own_key_request(key.p, &subject, &request, &err) == 0 && strstr(request.p, "CERTIFICATE REQUEST"), "a request");
    rc = bundle_write_pem(key.p, cert.p, PASSPHRASE, &out, &err);
    ok(rc == 0 && strstr(out.p, "ENCRYPTED PRIVATE KEY"), "encrypted PEM");
    rc = bundle_read_pem(&pem, buf_str(&out), PASSPHRASE, PKI_NOW, &err);
    is_same("PEM", rc, pem, &cert, &err);
    buf_clear(&out);
    rc = bundle_write_pkcs12(key.p, cert.p, "name", PASSPHRASE, &out, &err);
    if (rc == 0)
        rc = bundle_read_pkcs12(&pkcs12, buf_str(&out), PASSPHRASE, PKI_NOW, &err);
    is_same("PKCS#12", rc, pkcs12, &cert, &err);
    for (size_t cut = 0; cut < out.len; cut += 97) {
        struct bundle *none = NULL;

        if (bundle_read_pkcs12(&none, str_n(out.p, cut), PASSPHRASE, PKI_NOW, &err) == 0 || none)
            ok(false, "cut after %zu bytes", cut);
        bundle_free(none);
    }
    buf_free(&key);
}

/* ---- what is taken, and what isn't ---- */

/* Its public half is right, and what it signs is not. */
static void test_unsound(void)
{
    gnutls_datum_t m, e, d, p, q, u, wrong = { (unsigned char *)"\x01\x01\x01", 3 }, pem = { 0 };
    gnutls_x509_privkey_t key;
    AUTO_BUF(text, SIZE);
    char cert[8192] = "";
    struct bundle *none = NULL;
    struct err err = { 0 };
    bool made;

    gnutls_x509_privkey_init(&key);
    gnutls_x509_privkey_export_rsa_raw(leaf.key, &m, &e, &d, &p, &q, &u);
    made = gnutls_x509_privkey_import_rsa_raw(key, &m, &e, &wrong, &p, &q, &u) == 0 &&
           gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem) == 0;
    pki_pem(&leaf, cert, sizeof(cert));
    buf_add(&text, str_n(pem.data, pem.size));
    buf_add_c(&text, cert);
    ok(made && bundle_read_pem(&none, buf_str(&text), NULL, PKI_NOW, &err) < 0 && none == NULL, "a key that signs wrongly");
    is_str(err.id, "key.damaged", "says so");
    gnutls_datum_t *all[] = { &m, &e, &d, &p, &q, &u, &pem };

    for (size_t i = 0; i < COUNT_OF(all); i++)
        gnutls_free(all[i]->data);
    gnutls_x509_privkey_deinit(key);
}

static void test_pem(void)
{
    static const struct {
        const char *name;
        const struct pki *key, *certs[4];
        const char *tail;
        const char *id;                 /* NULL: taken */
        size_t count, left_out;
        unsigned warnings;
    } rows[] = {
        { "in order", &leaf, { &leaf, &sub, &root }, "", NULL, 3, 0, 0 },
        { "in another order", &leaf, { &root, &sub, &leaf }, "", NULL, 3, 0, 0 },
        { "without its issuer", &leaf, { &leaf, &root }, "", NULL, 1, 1, 0 },
        { "with a stranger", &leaf, { &other, &leaf, &sub }, "", NULL, 2, 1, 0 },
        { "a curve", &other, { &other }, "", NULL, 1, 0, 0 },
        { "expired", &expired, { &expired }, "", NULL, 1, 0, REASON_EXPIRED },
        { "another's key", &other, { &leaf, &sub }, "", "key.mismatch", 0, 0, 0 },
        { "an issuer's key", &sub, { &leaf, &root }, "", "key.mismatch", 0, 0, 0 },
        { "RSA 1024", &weak, { &weak }, "", "key.weak", 0, 0, 0 },
        { "P-192", &curve, { &curve }, "", "key.weak", 0, 0, 0 },
        { "DSA", &dsa, { &dsa }, "", "key.type", 0, 0, 0 },
        { "no key", NULL, { &leaf }, "", "import.noKey", 0, 0, 0 },
        { "no certificate", &leaf, { NULL }, "", "import.empty", 0, 0, 0 },
        { "text behind", &leaf, { &leaf }, "x", "import.trailing", 0, 0, 0 },
        { "no end", &leaf, { &leaf }, "-----BEGIN CERTIFICATE-----\n", "import.format", 0, 0, 0 },
        { "a broken certificate", &leaf, { &leaf }, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "cert.malformed", 0, 0, 0 },
        { "a second key", &leaf, { &leaf }, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "import.keys", 0, 0, 0 },
        { "a broken key", NULL, { &leaf }, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "key.damaged", 0, 0, 0 },
        { "a locked key", NULL, { &leaf }, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
          "import.passphraseNeeded", 0, 0, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *text = mem_alloc(SIZE);
        struct bundle *bundle = NULL;
        struct err err = { 0 };
        int rc;

        if (rows[i].key)
            pki_key_pem(rows[i].key, text, SIZE);
        for (size_t k = 0; k < 4 && rows[i].certs[k]; k++)
            pki_pem(rows[i].certs[k], text, SIZE);
        strcat(text, rows[i].tail);
        rc = bundle_read_pem(&bundle, str_c(text), NULL, PKI_NOW, &err);
        if (rows[i].id)
            ok(rc < 0 && bundle == NULL && strcmp(err.id, rows[i].id) == 0 && err.text[0], "%s: %s", rows[i].name, err.id);
        else
            ok(rc == 0 && bundle->chain->count == rows[i].count && bundle->left_out == rows[i].left_out &&
               bundle->warnings == rows[i].warnings && bundle_check(bundle->key_pem, bundle->chain_pem, &err) == 0,
               "%s: %s", rows[i].name, rc < 0 ? err.text : "taken");
        bundle_free(bundle);
        mem_free_secret(text);
    }
}

static void test_passphrases(void)
{
    char *key = mem_alloc(SIZE), *cert = mem_alloc(SIZE);
    AUTO_BUF(pem, SIZE);
    AUTO_BUF(pkcs12, SIZE);
    struct bundle *none = NULL;
    struct err err = { 0 };

    pki_key_pem(&leaf, key, SIZE);
    pki_pem(&leaf, cert, SIZE);
    bundle_write_pem(key, cert, PASSPHRASE, &pem, &err);
    bundle_write_pkcs12(key, cert, "x", PASSPHRASE, &pkcs12, &err);
    ok(bundle_read_pem(&none, buf_str(&pem), "wrong", PKI_NOW, &err) < 0, "wrong for PEM");
    is_str(err.id, "import.passphrase", "says so");
    ok(bundle_read_pem(&none, buf_str(&pem), NULL, PKI_NOW, &err) < 0, "none for PEM");
    is_str(err.id, "import.passphraseNeeded", "says so");
    ok(bundle_read_pkcs12(&none, buf_str(&pkcs12), "wrong", PKI_NOW, &err) < 0, "wrong for PKCS#12");
    is_str(err.id, "import.passphrase", "says so");
    ok(bundle_read_pkcs12(&none, buf_str(&pkcs12), NULL, PKI_NOW, &err) < 0, "none for PKCS#12");
    is_str(err.id, "import.passphraseNeeded", "says so");
    ok(none == NULL, "nothing came of it");
    mem_free_secret(key);
    free(cert);
}

int main(void)
{
    gnutls_global_init();
    make_all();
    test_subjects();
    round_trip(OWN_ECDSA_P256, "ecdsa-p256");
    round_trip(OWN_RSA_3072, "rsa-3072");
    round_trip(OWN_ED25519, "ed25519");
    test_unsound();
    test_pem();
    test_passphrases();
    struct pki *all[] = { &root, &sub, &leaf, &other, &expired, &weak, &curve, &dsa };

    for (size_t i = 0; i < COUNT_OF(all); i++)
        pki_free(all[i]);
    return done();
}
