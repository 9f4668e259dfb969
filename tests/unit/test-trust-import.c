/* SPDX-License-Identifier: Apache-2.0 */
/* The words for reasons, the facts of certificates, and what may be imported. */
#include "trust/import.h"

#include <gnutls/gnutls.h>
#include <gnutls/pkcs7.h>
#include <stdlib.h>

#include "base/encode.h"
#include "pki.h"
#include "tap.h"
#include "trust/constraint.h"
#include "trust/name.h"
#include "trust/reason.h"

#define PEM_SIZE (64 * 1024)

static struct pki root, sub, leaf, expired, weak, sha1, named;

static void make_all(void)
{
    pki_make(&root, &(struct pki_spec){
                        .name = "Root", .ca = CA_YES, .path_len = 3, .usage = GNUTLS_KEY_KEY_CERT_SIGN });
    pki_make(&sub, &(struct pki_spec){ .name = "Sub", .ca = CA_YES, .issuer = &root });
    pki_make(&leaf, &(struct pki_spec){
                        .name = "leaf, with = and \xe2\x80\xaegnp.exe",
                        .issuer = &sub,
                        .kind = KEY_RSA2048,
                        .sans = "dns:mail.example.com ip:192.0.2.7 ip:2001:db8::1 email:a@example.com "
                                "uri:https://example.com/" });
    pki_make(&expired, &(struct pki_spec){ .name = "Old", .ca = CA_YES, .from = -20, .to = -10 });
    pki_make(&weak, &(struct pki_spec){ .name = "Weak", .ca = CA_YES, .kind = KEY_RSA1024 });
    pki_make(&sha1, &(struct pki_spec){ .name = "Sha", .ca = CA_YES, .kind = KEY_RSA2048, .digest = GNUTLS_DIG_SHA1 });
    pki_make(&named, &(struct pki_spec){ .name = "Named", .ca = CA_YES, .permitted = "dns:example.com ip:10.0.0.0/8",
                                         .excluded = "dns:.secret.example.com" });
}

static struct str der_of(const struct pki *pki)
{
    return str_n(pki->der, pki->len);
}

/* ---- reasons ----------------------------------------------------------------------------------------------------- */

static void test_reasons(void)
{
    static const char all[] =
        "self-signed unknown-issuer name-mismatch expired not-yet-valid weak-signature must-staple revoked "
        "weak-key not-a-ca wrong-purpose constraint malformed other";
    const char *words[REASON_COUNT];
    char joined[512] = "";
    bool good = true;
    AUTO_BUF(text, 512);

    for (size_t i = 0; i < trust_reason_words(~0u, words); i++)
        snprintf(joined + strlen(joined), sizeof(joined) - strlen(joined), "%s%s", i ? " " : "", words[i]);
    is_str(joined, all, "the words of DESIGN 4, in its order");
    for (size_t i = 0; i < REASON_COUNT; i++) {
        const struct trust_reason_info *info = trust_reason_of(1u << i);

        good = good && info && info->bit == 1u << i && trust_reason_from(str_c(info->word)) == 1u << i;
        good = good && info->acceptable == (i < 7) && info->acceptable == trust_reasons_acceptable(info->bit);
        good = good && info->meaning[strlen(info->meaning) - 1] == '.' &&
               info->advice[strlen(info->advice) - 1] == '.';
    }
    ok(good, "words, bits and what is acceptable agree");
    ok(trust_reason_from(STR("self-signe")) == 0 && trust_reason_from(STR("")) == 0, "other words are none");
    ok(trust_reason_of(0) == NULL && trust_reason_of(3) == NULL, "nor are several bits one");
    ok(!trust_reasons_acceptable(0) && !trust_reasons_acceptable(REASON_EXPIRED | REASON_OTHER),
       "one that isn't acceptable spoils all");
    trust_reasons_clause(REASON_SELF_SIGNED | REASON_NAME_MISMATCH | REASON_EXPIRED, &text);
    is_str(text.p, "is self-signed, does not carry the name of the host and has expired", "as a clause");
}

/* ---- facts ------------------------------------------------------------------------------------------------------- */

static void test_facts(void)
{
    AUTO(trust_cert) cert = NULL;
    AUTO(trust_cert) ca = NULL;
    AUTO(trust_cert) limited = NULL;
    unsigned char expected[32], spki[32], again[32];
    size_t len = sizeof(expected);
    struct err err;
    char pem[PEM_SIZE] = "", sans[512] = "";

    if (!ok(trust_cert_read(&cert, der_of(&leaf), &err) == 0, "facts of a server's certificate"))
        return;
    is_str(cert->subject, "CN=leaf\\, with = and ?gnp.exe", "the subject, without what turns text around");
    is_str(cert->issuer, "CN=Sub", "the issuer");
    for (size_t i = 0; i < cert->san_count; i++)
        snprintf(sans + strlen(sans), sizeof(sans) - strlen(sans), "%s:%s ",
                 trust_san_kind_name(cert->sans[i].kind), cert->sans[i].text);
    is_str(sans,
           "dns:mail.example.com ip:192.0.2.7 ip:2001:db8::1 email:a@example.com uri:https://example.com/ ",
           "the names");
    is_str(cert->key_type, "RSA", "the kind of key");
    is_int(cert->key_bits, 2048, "its bits");
    is_str(cert->signature_algorithm, "ECDSA-SHA256", "how it is signed");
    ok(cert->not_after - cert->not_before == (int64_t)395 * 86400 * 1000, "the dates");
    ok(strlen(cert->serial) == 8 && cert->serial[0] == '4', "the serial number");
    ok(!cert->is_ca && !cert->self_signed && cert->path_len == -1 && cert->constraints[0] == '\0',
       "no CA, not self-signed");
    gnutls_x509_crt_get_fingerprint(leaf.crt, GNUTLS_DIG_SHA256, expected, &len);
    ok(memcmp(cert->sha256, expected, 32) == 0, "the fingerprint");
    gnutls_x509_crt_get_key_id(leaf.crt, GNUTLS_KEYID_USE_SHA256, expected, &len);
    ok(memcmp(cert->spki_sha256, expected, 32) == 0, "the key's fingerprint");
    ok(trust_cert_fingerprints(der_of(&leaf), again, spki) == 0 && memcmp(spki, expected, 32) == 0 &&
       memcmp(again, cert->sha256, 32) == 0, "the fingerprints alone");
    pki_pem(&leaf, pem, sizeof(pem));
    is_str(cert->pem, pem, "PEM");

    trust_cert_read(&ca, der_of(&root), &err);
    ok(ca->is_ca && ca->self_signed && ca->path_len == 2 && strcmp(ca->key_type, "EC") == 0 &&
           ca->key_bits == 256,
       "a root");
    trust_cert_read(&limited, der_of(&named), &err);
    is_str(limited->constraints,
           "permitted dns example.com; permitted ip 10.0.0.0/8; excluded dns .secret.example.com",
           "constraints");

    ok(trust_cert_read(&cert, STR("rubbish"), &err) < 0 && strcmp(err.id, "cert.malformed") == 0,
       "rubbish is refused");
    ok(trust_cert_read(&cert, str_n(leaf.der, leaf.len - 1), &err) < 0, "cut off is refused");
    ok(trust_cert_read(&cert, STR(""), &err) < 0, "nothing is refused");
}

/* ---- names, piece by piece --------------------------------------------------------------------------------------- */

static void test_names(void)
{
    static const struct { const char *pattern, *suffix; bool under, touches; } patterns[] = {
        { "mail.example.com", "example.com", true, true }, { "example.com", "example.com", true, true },
        { "badexample.com", "example.com", false, false }, { "com", "example.com", false, false },
        { "MAIL.example.com", "Example.COM", true, true }, { "mail.example.com", "", true, true },
        { "*.example.com", "example.com", true, true }, { "*.example.com", "mail.example.com", false, true },
        { "*.example.com", "a.mail.example.com", false, true }, { "*.example.com", "example.org", false, false },
        { "mail.example.com", ".example.com", true, true }, { "example.com", ".example.com", false, false },
        { "*.example.com", ".example.com", true, true }, { "*.example.com", ".mail.example.com", false, true },
        { "*.com", "com", true, true },
    };
    static const struct { const char *name, *suffix; bool under; } limits[] = {
        { "mail.example.com", "example.com", true }, { "mail.example.com", ".example.com", true },
        { "mail.example.com", "*.example.com", true }, { "mail.example.com", "EXAMPLE.com.", true },
        { "badexample.com", "example.com", false }, { "192.0.2.7", "192.0.2.7", true }, { "192.0.2.7", "2.7", false },
        { "2001:db8::1", "2001:0db8::0001", true }, { "mail.example.com", "", false },
        { "xn--mller-kva.example", "m\xc3\xbcller.example", true },
    };
    static const char *const bad[] = {
        "", ".", "a..b", "a b", "a\nb", "-.\xff", "a.b..", "[1.2.3.4]", "mail.example.com:25", "*.a.b"
    };
    struct name name;
    bool good = true;

    for (size_t i = 0; i < COUNT_OF(patterns); i++) {
        struct str pattern = str_c(patterns[i].pattern), suffix = str_c(patterns[i].suffix);

        ok(name_pattern_under(pattern, suffix) == patterns[i].under &&
               name_pattern_touches(pattern, suffix) == patterns[i].touches,
           "%s and %s", patterns[i].pattern, patterns[i].suffix);
    }
    for (size_t i = 0; i < COUNT_OF(limits); i++)
        ok(name_read(&name, limits[i].name) && name_under(&name, limits[i].suffix) == limits[i].under,
           "%s is %sunder \"%s\"", limits[i].name, limits[i].under ? "" : "not ", limits[i].suffix);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (name_read(&name, bad[i]))
            good = ok(false, "\"%s\" is no name", bad[i]);
    ok(good, "what is no host name is none");
}

/* ---- import ------------------------------------------------------------------------------------------------------ */

static char *text_of(const char *before, const char *a, const char *between, const char *b)
{
    return mem_printf("%s%s%s%s", before, a, between, b);
}

static void refused(const char *name, struct str bytes, enum trust_format format, const char *id, const char *words)
{
    struct trust_import *import = NULL;
    struct err err = { 0 };
    bool good = trust_import_parse(&import, bytes, format, PKI_NOW, &err) < 0 && strcmp(err.id, id) == 0 &&
                strstr(err.text, words);

    if (!ok(good, "refused: %s", name))
        printf("# %s: %s\n", err.id, err.text);
    trust_import_free(import);
}

static void taken(const char *name, struct str bytes, enum trust_format format, size_t count, unsigned warnings)
{
    struct trust_import *import = NULL;
    struct err err = { 0 };
    bool good = trust_import_parse(&import, bytes, format, PKI_NOW, &err) == 0 && import->count == count;

    if (!ok(good && import->items[0].warnings == warnings, "taken: %s", name))
        printf("# %s: %s, %zu\n", err.id, err.text, import ? import->count : 0);
    trust_import_free(import);
}

static void test_pem(void)
{
    char one[PEM_SIZE] = "", two[PEM_SIZE] = "", key[PEM_SIZE] = "";
    char *text, *at;

    pki_pem(&root, one, sizeof(one));
    pki_pem(&root, two, sizeof(two));
    pki_pem(&sub, two, sizeof(two));
    pki_key_pem(&root, key, sizeof(key));

    taken("one in PEM", str_c(one), TRUST_FORMAT_PEM, 1, 0);
    taken("two in PEM", str_c(two), TRUST_FORMAT_PEM, 2, 0);
    taken("PEM without being told", str_c(two), TRUST_FORMAT_AUTO, 2, 0);
    text = text_of("# The site's root\r\nIssuer: a\r\n\r\n", two, "\r\n\t\n", one);
    taken("with words between them, one twice", str_c(text), TRUST_FORMAT_PEM, 2, 0);
    free(text);

    text = text_of("", two, "\n", "and a last word");
    refused("words after the last", str_c(text), TRUST_FORMAT_PEM, "import.trailing", "follows the last");
    free(text);
    text = text_of("", two, "", "-----BEGIN CERTIFICATE-----\nMIIB");
    refused("the last is cut off", str_c(text), TRUST_FORMAT_PEM, "import.format", "no end");
    free(text);
    text = text_of("", two, "", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    refused("the third is damaged", str_c(text), TRUST_FORMAT_PEM, "cert.malformed",
            "Certificate 3 of the upload (line ");
    free(text);
    text = text_of("", two, "", "-----BEGIN CERTIFICATE-----\nM!IB\n-----END CERTIFICATE-----\n");
    refused("the third isn't base64", str_c(text), TRUST_FORMAT_PEM, "cert.malformed", "not base64");
    free(text);
    text = text_of("", two, "", "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n");
    refused("a certificate request", str_c(text), TRUST_FORMAT_PEM, "import.format", "CERTIFICATE REQUEST");
    free(text);
    text = text_of("", two, "", key);
    refused("a private key among them", str_c(text), TRUST_FORMAT_PEM, "import.privateKey", "private key");
    at = strstr(text, "-----END PRIVATE");
    *at = '\0';
    refused("a private key that is cut off", str_c(text), TRUST_FORMAT_PEM, "import.privateKey", "private key");
    free(text);
    refused("an encrypted private key", STR("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n"),
            TRUST_FORMAT_AUTO, "import.privateKey", "private key");
    refused("nothing", STR(""), TRUST_FORMAT_PEM, "import.empty", "empty");
    refused("white space", STR(" \r\n\n"), TRUST_FORMAT_AUTO, "import.empty", "empty");
    refused("other text", STR("hello"), TRUST_FORMAT_PEM, "import.empty", "no certificate");
    refused("DER sent as PEM", der_of(&root), TRUST_FORMAT_PEM, "import.format", "application/pkix-cert");
    refused("PEM sent as DER", str_c(one), TRUST_FORMAT_DER, "import.format", "application/x-pem-file");

    memset(key, 0, sizeof(key));
    pki_pem(&expired, key, sizeof(key));
    taken("an expired one", str_c(key), TRUST_FORMAT_PEM, 1, REASON_EXPIRED);
    memset(key, 0, sizeof(key));
    pki_pem(&weak, key, sizeof(key));
    taken("a weak one", str_c(key), TRUST_FORMAT_PEM, 1, REASON_WEAK_KEY);
    memset(key, 0, sizeof(key));
    pki_pem(&sha1, key, sizeof(key));
    taken("one signed with SHA-1", str_c(key), TRUST_FORMAT_PEM, 1, REASON_WEAK_SIGNATURE);
}

static void test_der(void)
{
    uint8_t bytes[8192], key[4096];
    size_t len = sizeof(key);

    memcpy(bytes, root.der, root.len);
    taken("DER", der_of(&root), TRUST_FORMAT_DER, 1, 0);
    taken("DER without being told", der_of(&root), TRUST_FORMAT_AUTO, 1, 0);
    memcpy(bytes + root.len, sub.der, sub.len);
    refused("two in DER", str_n(bytes, root.len + sub.len), TRUST_FORMAT_DER, "import.trailing",
            "behind the certificate");
    refused("two in DER without being told", str_n(bytes, root.len + sub.len), TRUST_FORMAT_AUTO,
            "import.trailing", "behind");
    refused("DER that is cut off", str_n(bytes, root.len - 1), TRUST_FORMAT_DER, "cert.malformed", "Certificate 1");
    gnutls_x509_privkey_export_pkcs8(leaf.key, GNUTLS_X509_FMT_DER, NULL, GNUTLS_PKCS_PLAIN, key, &len);
    refused("a private key in DER", str_n(key, len), TRUST_FORMAT_DER, "import.privateKey", "private key");
    len = sizeof(key);
    gnutls_x509_privkey_export_pkcs8(leaf.key, GNUTLS_X509_FMT_DER, "secret", GNUTLS_PKCS_PBES2_AES_256, key, &len);
    refused("an encrypted private key in DER", str_n(key, len), TRUST_FORMAT_AUTO, "import.privateKey", "private key");
    len = sizeof(key);
    gnutls_x509_privkey_export(leaf.key, GNUTLS_X509_FMT_DER, key, &len);
    refused("an RSA key in DER", str_n(key, len), TRUST_FORMAT_PKCS7, "import.privateKey", "private key");
    len = sizeof(key);
    gnutls_x509_privkey_export(root.key, GNUTLS_X509_FMT_DER, key, &len);
    refused("an EC key in DER", str_n(key, len), TRUST_FORMAT_DER, "import.privateKey", "private key");
    refused("rubbish", STR("\x30\x82\xff\xff rubbish"), TRUST_FORMAT_DER, "cert.malformed", "not a certificate");
}

static void test_pkcs7(void)
{
    gnutls_pkcs7_t pkcs7;
    gnutls_datum_t der, pem;
    uint8_t longer[8192];

    gnutls_pkcs7_init(&pkcs7);
    gnutls_pkcs7_set_crt(pkcs7, root.crt);
    gnutls_pkcs7_set_crt(pkcs7, sub.crt);
    gnutls_pkcs7_export2(pkcs7, GNUTLS_X509_FMT_DER, &der);
    gnutls_pkcs7_export2(pkcs7, GNUTLS_X509_FMT_PEM, &pem);
    gnutls_pkcs7_deinit(pkcs7);

    taken("PKCS#7", str_n(der.data, der.size), TRUST_FORMAT_PKCS7, 2, 0);
    taken("PKCS#7 without being told", str_n(der.data, der.size), TRUST_FORMAT_AUTO, 2, 0);
    taken("PKCS#7 in PEM", str_n(pem.data, pem.size), TRUST_FORMAT_PKCS7, 2, 0);
    memcpy(longer, der.data, der.size);
    memcpy(longer + der.size, "more", 4);
    refused("PKCS#7 and more", str_n(longer, der.size + 4), TRUST_FORMAT_PKCS7, "import.format", "something follows");
    refused("PKCS#7 cut off", str_n(longer, der.size - 9), TRUST_FORMAT_PKCS7, "import.format", "not PKCS#7");
    refused("a certificate sent as PKCS#7", der_of(&root), TRUST_FORMAT_PKCS7, "import.format", "not PKCS#7");
    gnutls_free(der.data);
    gnutls_free(pem.data);

    refused("PKCS#7 without certificates",
            STR("\x30\x23\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x16\x30\x14\x02\x01\x01\x31\x00"
                "\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\x31\x00"),
            TRUST_FORMAT_PKCS7, "import.empty", "no certificate");
}

static void test_ceilings(void)
{
    char one[PEM_SIZE] = "", *many;
    size_t len, times = 10000;

    pki_pem(&root, one, sizeof(one));
    len = strlen(one);
    many = mem_alloc(times * len + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(many + i * len, one, len);
    taken("1,000 times the same", str_n(many, 1000 * len), TRUST_FORMAT_PEM, 1, 0);
    refused("10,000 certificates", str_n(many, times * len), TRUST_FORMAT_PEM, "import.tooMany", "more than 1000");
    free(many);
    many = mem_alloc(TRUST_IMPORT_MAX + 1);
    memset(many, '\n', TRUST_IMPORT_MAX + 1);
    refused("more than 10 MB", str_n(many, TRUST_IMPORT_MAX + 1), TRUST_FORMAT_PEM, "import.tooLarge",
            "larger than 10 MB");
    free(many);
}

static void test_cas_only(void)
{
    char text[PEM_SIZE] = "";
    AUTO(trust_import) cas = NULL;
    AUTO(trust_import) mixed = NULL;
    struct err err = { 0 };

    pki_pem(&root, text, sizeof(text));
    trust_import_parse(&cas, str_c(text), TRUST_FORMAT_PEM, PKI_NOW, &err);
    ok(trust_import_require_cas(cas, &err) == 0, "CAs may be imported");
    pki_pem(&leaf, text, sizeof(text));
    trust_import_parse(&mixed, str_c(text), TRUST_FORMAT_PEM, PKI_NOW, &err);
    ok(trust_import_require_cas(mixed, &err) < 0 && strcmp(err.id, "import.notCa") == 0,
       "a server's certificate may not");
    ok(strstr(err.text, "Certificate 2") && strstr(err.text, "Allowed Hosts") && strstr(err.text, "leaf"),
       "the error names it and points to Allowed Hosts");
}

static void test_media_types(void)
{
    static const struct { const char *type; int format;
    } table[] = {
        { "application/x-pem-file", TRUST_FORMAT_PEM },
        { "Application/PKIX-Cert", TRUST_FORMAT_DER },
        { "application/pkcs7-mime", TRUST_FORMAT_PKCS7 },
        { "", TRUST_FORMAT_AUTO },
        { "application/json", -1 },
        { "text/html", -1 },
    };

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        enum trust_format format;
        bool known = trust_format_from_media_type(str_c(table[i].type), &format);

        ok(known ? (int)format == table[i].format : table[i].format == -1, "media type \"%s\"", table[i].type);
    }
}

int main(void)
{
    struct pki *all[] = { &leaf, &sub, &root, &expired, &weak, &sha1, &named };

    make_all();
    test_reasons();
    test_facts();
    test_names();
    test_media_types();
    test_pem();
    test_der();
    test_pkcs7();
    test_cas_only();
    test_ceilings();
    for (size_t i = 0; i < COUNT_OF(all); i++)
        pki_free(all[i]);
    return done();
}
