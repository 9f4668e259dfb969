/* SPDX-License-Identifier: Apache-2.0 */
#include "pki.h"

#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY 86400

static int must(int rc, const char *what)
{
    if (rc < 0) {
        printf("Bail out! making a certificate: %s: %s\n", what, gnutls_strerror(rc));
        exit(99);
    }
    return rc;
}
#define MUST(call) must((call), #call)

static time_t day(int days)
{
    return (time_t)(PKI_NOW / 1000) + (time_t)days * DAY;
}

static gnutls_x509_privkey_t fixed_key(void)
{
    static const char public[] = "\xd7\x5a\x98\x01\x82\xb1\x0a\xb7\xd5\x4b\xfe\xd3\xc9\x64\x07\x3a"
                                 "\x0e\xe1\x72\xf3\xda\xa6\x23\x25\xaf\x02\x1a\x68\xf7\x07\x51\x1a";
    static const char secret[] = "\x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4"
                                 "\x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
    gnutls_datum_t x = { (unsigned char *)public, 32 }, k = { (unsigned char *)secret, 32 };
    gnutls_x509_privkey_t key;

    MUST(gnutls_x509_privkey_init(&key));
    MUST(gnutls_x509_privkey_import_ecc_raw(key, GNUTLS_ECC_CURVE_ED25519, &x, NULL, &k));
    return key;
}

/* RSA and DSA keys take long to make: one of each size is made once and used again. */
static gnutls_x509_privkey_t new_key(enum pki_key kind)
{
    static gnutls_x509_privkey_t kept[KEY_KINDS];
    static const struct { gnutls_pk_algorithm_t pk; unsigned bits; bool keep; } kinds[KEY_KINDS] = {
        [KEY_P256] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), false },
        [KEY_P384] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1), false },
        [KEY_P192] = { GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP192R1), false },
        [KEY_RSA2048] = { GNUTLS_PK_RSA, 2048, true },
        [KEY_RSA1024] = { GNUTLS_PK_RSA, 1024, true },
        [KEY_ED25519] = { GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519), false },
        [KEY_PSS] = { GNUTLS_PK_RSA_PSS, 2048, true },
        [KEY_DSA] = { GNUTLS_PK_DSA, 2048, true },
    };
    gnutls_x509_privkey_t key, copy;

    if (kind == KEY_FIXED)
        return fixed_key();
    if (kept[kind] == NULL) {
        MUST(gnutls_x509_privkey_init(&key));
        MUST(gnutls_x509_privkey_generate(key, kinds[kind].pk, kinds[kind].bits, 0));
        if (!kinds[kind].keep)
            return key;
        kept[kind] = key;
    }
    MUST(gnutls_x509_privkey_init(&copy));
    MUST(gnutls_x509_privkey_cpy(copy, kept[kind]));
    return copy;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

struct general_name { gnutls_x509_subject_alt_name_t type; uint8_t data[512]; size_t len; };

static void read_ip(struct general_name *name, const char *text, bool mask)
{
    char address[64];
    int bits = -1;
    const char *slash = strchr(text, '/');
    size_t half;

    snprintf(address, sizeof(address), "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
    half = inet_pton(AF_INET, address, name->data) == 1 ? 4 : inet_pton(AF_INET6, address, name->data) == 1 ? 16 : 0;
    name->len = half;
    if (!mask)
        return;
    if (slash)
        bits = atoi(slash + 1);
    for (int i = 0; i < (int)half * 8; i++)
        if (bits < 0 || i < bits)
            name->data[half + (size_t)i / 8] |= (uint8_t)(0x80 >> i % 8);
    name->len = 2 * half;
}

/* Takes the next word off the list; false at the end. */
static bool next_name(const char **list, struct general_name *name, bool mask)
{
    static const struct { const char *prefix; gnutls_x509_subject_alt_name_t type; } kinds[] = {
        { "dns:", GNUTLS_SAN_DNSNAME }, { "ip:", GNUTLS_SAN_IPADDRESS }, { "email:", GNUTLS_SAN_RFC822NAME },
        { "uri:", GNUTLS_SAN_URI },
    };
    char word[512];
    size_t len;

    if (*list == NULL)
        return false;
    *list += strspn(*list, " ");
    len = strcspn(*list, " ");
    if (len == 0)
        return false;
    snprintf(word, sizeof(word), "%.*s", (int)len, *list);
    *list += len;

    memset(name, 0, sizeof(*name));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strncmp(word, kinds[i].prefix, strlen(kinds[i].prefix)) == 0) {
            const char *text = word + strlen(kinds[i].prefix);

            name->type = kinds[i].type;
            if (name->type == GNUTLS_SAN_IPADDRESS) {
                read_ip(name, text, mask);
            } else {
                name->len = strlen(text);
                memcpy(name->data, text, name->len);
            }
        }
    return true;
}

static void set_sans(gnutls_x509_crt_t crt, const struct pki_spec *spec)
{
    const char *list = spec->sans;
    struct general_name name;

    if (spec->raw_san.len)
        MUST(gnutls_x509_crt_set_extension_by_oid(crt, "2.5.29.17", spec->raw_san.p, spec->raw_san.len, 0));
    while (next_name(&list, &name, false))
        MUST(gnutls_x509_crt_set_subject_alt_name(crt, name.type, name.data, (unsigned)name.len, GNUTLS_FSAN_APPEND));
}

static void set_constraints(gnutls_x509_crt_t crt, const struct pki_spec *spec)
{
    gnutls_x509_name_constraints_t constraints;
    const char *permitted = spec->permitted, *excluded = spec->excluded;
    struct general_name name;

    if (permitted == NULL && excluded == NULL)
        return;
    MUST(gnutls_x509_name_constraints_init(&constraints));
    while (next_name(&permitted, &name, true)) {
        gnutls_datum_t datum = { name.data, (unsigned)name.len };

        MUST(gnutls_x509_name_constraints_add_permitted(constraints, name.type, &datum));
    }
    while (next_name(&excluded, &name, true)) {
        gnutls_datum_t datum = { name.data, (unsigned)name.len };

        MUST(gnutls_x509_name_constraints_add_excluded(constraints, name.type, &datum));
    }
    MUST(gnutls_x509_crt_set_name_constraints(crt, constraints, 1));
    gnutls_x509_name_constraints_deinit(constraints);
}

/* ---- extensions -------------------------------------------------------------------------------------------------- */

static void set_purposes(gnutls_x509_crt_t crt, const char *eku)
{
    if (eku == NULL)
        return;
    if (strcmp(eku, "empty") == 0)
        MUST(gnutls_x509_crt_set_extension_by_oid(crt, "2.5.29.37", "\x30\x00", 2, 0));
    if (strstr(eku, "server"))
        MUST(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0));
    if (strstr(eku, "client"))
        MUST(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0));
    if (strstr(eku, "email"))
        MUST(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_EMAIL_PROTECTION, 0));
    if (strstr(eku, "ocsp"))
        MUST(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_OCSP_SIGNING, 0));
    if (strstr(eku, "any"))
        MUST(gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_ANY, 0));
}

static void set_key_ids(gnutls_x509_crt_t crt, const struct pki_spec *spec)
{
    unsigned char id[64];
    size_t len = sizeof(id);

    MUST(gnutls_x509_crt_get_key_id(crt, 0, id, &len));
    MUST(gnutls_x509_crt_set_subject_key_id(crt, id, len));
    len = sizeof(id);
    if (spec->issuer && gnutls_x509_crt_get_subject_key_id(spec->issuer->crt, id, &len, NULL) >= 0)
        MUST(gnutls_x509_crt_set_authority_key_id(crt, id, len));
}

static void set_extensions(gnutls_x509_crt_t crt, const struct pki_spec *spec)
{
    static const uint8_t feature[] = { 0x30, 0x03, 0x02, 0x01, 0x05 };          /* RFC 7633: status_request */
    static const uint8_t explicit_policy[] = { 0x30, 0x03, 0x80, 0x01, 0x00 };

    if (spec->ca != CA_SILENT)
        MUST(gnutls_x509_crt_set_basic_constraints(crt, spec->ca == CA_YES, spec->path_len - 1));
    set_sans(crt, spec);
    set_constraints(crt, spec);
    set_purposes(crt, spec->eku);
    if (spec->usage)
        MUST(gnutls_x509_crt_set_key_usage(crt, spec->usage));
    if (!spec->no_key_ids)
        set_key_ids(crt, spec);
    if (spec->must_staple)
        MUST(gnutls_x509_crt_set_extension_by_oid(crt, "1.3.6.1.5.5.7.1.24", feature, sizeof(feature), 0));
    if (spec->critical_unknown)
        MUST(gnutls_x509_crt_set_extension_by_oid(crt, "1.3.6.1.4.1.55555.1", "\x05\x00", 2, 1));
    if (spec->policy_constraints)
        MUST(gnutls_x509_crt_set_extension_by_oid(crt, "2.5.29.36", explicit_policy, sizeof(explicit_policy), 1));
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static void sign(gnutls_x509_crt_t crt, const struct pki *issuer, gnutls_x509_privkey_t key,
                 gnutls_digest_algorithm_t digest)
{
    gnutls_privkey_t signer;
    int pk = gnutls_x509_privkey_get_pk_algorithm(key);

    if (pk == GNUTLS_PK_EDDSA_ED25519)
        digest = GNUTLS_DIG_SHA512;
    MUST(gnutls_privkey_init(&signer));
    MUST(gnutls_privkey_import_x509(signer, key, 0));
    MUST(gnutls_x509_crt_privkey_sign(crt, issuer ? issuer->crt : crt, signer,
                                      digest ? digest : GNUTLS_DIG_SHA256, 0));
    gnutls_privkey_deinit(signer);
}

static void take_der(struct pki *pki, const struct pki_spec *spec)
{
    gnutls_datum_t der;

    MUST(gnutls_x509_crt_export2(pki->crt, GNUTLS_X509_FMT_DER, &der));
    pki->der = malloc(der.size);
    pki->len = der.size;
    memcpy(pki->der, der.data, der.size);
    gnutls_free(der.data);
    if (spec->bad_signature)
        pki->der[pki->len - 3] ^= 1;

    /* A certificate under construction has no raw names in it; only one that was read can be used to verify. */
    gnutls_x509_crt_deinit(pki->crt);
    der = (gnutls_datum_t){ pki->der, (unsigned)pki->len };
    MUST(gnutls_x509_crt_init(&pki->crt));
    if (gnutls_x509_crt_import(pki->crt, &der, GNUTLS_X509_FMT_DER) < 0) {
        /* Meant to be broken: the bytes are enough. */
        gnutls_x509_crt_deinit(pki->crt);
        pki->crt = NULL;
    }
}

void pki_make(struct pki *pki, const struct pki_spec *spec)
{
    static unsigned serial;
    uint8_t number[4];
    bool dated = spec->from || spec->to;

    *pki = (struct pki){ 0 };
    pki->borrowed_key = spec->key_of != NULL;
    pki->key = spec->key_of ? spec->key_of->key : new_key(spec->kind);
    MUST(gnutls_x509_crt_init(&pki->crt));
    MUST(gnutls_x509_crt_set_version(pki->crt, spec->v1 ? 1 : 3));
    serial++;
    for (int i = 0; i < 4; i++)
        number[i] = (uint8_t)(i == 0 ? 0x40 : serial >> (24 - 8 * i));
    MUST(gnutls_x509_crt_set_serial(pki->crt, number, sizeof(number)));
    MUST(gnutls_x509_crt_set_activation_time(pki->crt, day(dated ? spec->from : -30)));
    MUST(gnutls_x509_crt_set_expiration_time(pki->crt, day(dated ? spec->to : 365)));
    MUST(gnutls_x509_crt_set_dn_by_oid(pki->crt, GNUTLS_OID_X520_COMMON_NAME, 0, spec->name,
                                       (unsigned)strlen(spec->name)));
    MUST(gnutls_x509_crt_set_key(pki->crt, pki->key));
    if (!spec->v1)
        set_extensions(pki->crt, spec);
    sign(pki->crt, spec->issuer,
         spec->signed_by_key_of ? spec->signed_by_key_of->key
         : spec->issuer         ? spec->issuer->key
                                : pki->key,
         spec->digest);
    take_der(pki, spec);
}

void pki_free(struct pki *pki)
{
    if (pki->crt)
        gnutls_x509_crt_deinit(pki->crt);
    if (!pki->borrowed_key && pki->key)
        gnutls_x509_privkey_deinit(pki->key);
    free(pki->der);
    *pki = (struct pki){ 0 };
}

static void append(const gnutls_datum_t *text, char *into, size_t size)
{
    size_t at = strlen(into);

    snprintf(into + at, size - at, "%.*s", (int)text->size, text->data);
}

void pki_pem(const struct pki *pki, char *into, size_t size)
{
    gnutls_datum_t der = { pki->der, (unsigned)pki->len }, pem;

    MUST(gnutls_pem_base64_encode2("CERTIFICATE", &der, &pem));
    append(&pem, into, size);
    gnutls_free(pem.data);
}

void pki_key_pem(const struct pki *pki, char *into, size_t size)
{
    gnutls_datum_t pem;

    MUST(gnutls_x509_privkey_export2_pkcs8(pki->key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem));
    append(&pem, into, size);
    gnutls_free(pem.data);
}

/* ---- OCSP, RFC 6960 4.2.1 ---------------------------------------------------------------------------------------- */

struct der { uint8_t p[8192]; size_t len; };

static void add(struct der *der, const void *bytes, size_t len)
{
    if (der->len + len > sizeof(der->p))
        abort();
    memcpy(der->p + der->len, bytes, len);
    der->len += len;
}

static void add_item(struct der *der, uint8_t tag, const void *bytes, size_t len)
{
    uint8_t head[4] = { tag, 0x82, (uint8_t)(len >> 8), (uint8_t)len };

    if (len < 128)
        add(der, (uint8_t[]){ tag, (uint8_t)len }, 2);
    else if (len < 256)
        add(der, (uint8_t[]){ tag, 0x81, (uint8_t)len }, 3);
    else
        add(der, head, 4);
    add(der, bytes, len);
}

static void wrap(struct der *der, uint8_t tag)
{
    struct der inner = *der;

    der->len = 0;
    add_item(der, tag, inner.p, inner.len);
}

static void add_time(struct der *der, int days)
{
    char text[32];
    time_t at = day(days);
    struct tm tm;

    gmtime_r(&at, &tm);
    strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
    add_item(der, 0x18, text, strlen(text));
}

/* CertID with SHA-1, as every responder uses it. */
static void add_cert_id(struct der *der, const struct pki *of, const struct pki *issuer)
{
    static const uint8_t sha1[] = { 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00 };
    struct der id = { .len = 0 };
    uint8_t hash[20], serial[64], key[64];
    size_t serial_len = sizeof(serial), key_len = sizeof(key);
    gnutls_datum_t dn;

    add(&id, sha1, sizeof(sha1));
    MUST(gnutls_x509_crt_get_raw_issuer_dn(of->crt, &dn));
    MUST(gnutls_hash_fast(GNUTLS_DIG_SHA1, dn.data, dn.size, hash));
    gnutls_free(dn.data);
    add_item(&id, 0x04, hash, sizeof(hash));
    MUST(gnutls_x509_crt_get_subject_key_id(issuer->crt, key, &key_len, NULL));     /* SHA-1 of the key, as mostly */
    add_item(&id, 0x04, key, key_len);
    MUST(gnutls_x509_crt_get_serial(of->crt, serial, &serial_len));
    add_item(&id, 0x02, serial, serial_len);
    wrap(&id, 0x30);
    add(der, id.p, id.len);
}

static void make_response_data(struct der *data, const struct pki *of, const struct pki *issuer,
                               const struct pki *signer, enum pki_ocsp status, int from, int to)
{
    struct der single = { .len = 0 }, part = { .len = 0 };
    gnutls_datum_t dn;

    add_cert_id(&single, of, issuer);
    if (status == OCSP_REVOKED) {
        add_time(&part, from);
        add_item(&single, 0xa1, part.p, part.len);
    } else {
        add_item(&single, status == OCSP_GOOD ? 0x80 : 0x82, "", 0);
    }
    add_time(&single, from);
    part.len = 0;
    add_time(&part, to);
    add_item(&single, 0xa0, part.p, part.len);
    wrap(&single, 0x30);
    wrap(&single, 0x30);

    MUST(gnutls_x509_crt_get_raw_dn(signer->crt, &dn));
    add_item(data, 0xa1, dn.data, dn.size);
    gnutls_free(dn.data);
    add_time(data, from);
    add(data, single.p, single.len);
    wrap(data, 0x30);
}

size_t pki_ocsp(const struct pki *of, const struct pki *issuer, const struct pki *signer,
                enum pki_ocsp status, int from, int to, uint8_t *into, size_t size)
{
    static const uint8_t ecdsa_sha256[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };
    static const uint8_t basic[] = { 0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01 };
    struct der data = { .len = 0 }, response = { .len = 0 }, bits = { .len = 0 }, outer = { .len = 0 };
    gnutls_privkey_t key;
    gnutls_datum_t signature;

    make_response_data(&data, of, issuer, signer, status, from, to);
    MUST(gnutls_privkey_init(&key));
    MUST(gnutls_privkey_import_x509(key, signer->key, 0));
    MUST(gnutls_privkey_sign_data2(key, GNUTLS_SIGN_ECDSA_SHA256, 0,
                                   &(gnutls_datum_t){ data.p, (unsigned)data.len }, &signature));
    gnutls_privkey_deinit(key);
    add(&bits, "", 1);
    add(&bits, signature.data, signature.size);
    gnutls_free(signature.data);

    add(&response, data.p, data.len);
    add(&response, ecdsa_sha256, sizeof(ecdsa_sha256));
    add_item(&response, 0x03, bits.p, bits.len);
    if (signer != issuer) {
        struct der certs = { .len = 0 };

        add(&certs, signer->der, signer->len);
        wrap(&certs, 0x30);
        add_item(&response, 0xa0, certs.p, certs.len);
    }
    wrap(&response, 0x30);
    wrap(&response, 0x04);
    add(&outer, basic, sizeof(basic));
    add(&outer, response.p, response.len);
    wrap(&outer, 0x30);
    wrap(&outer, 0xa0);
    bits = outer;
    outer.len = 0;
    add(&outer, "\x0a\x01\x00", 3);
    add(&outer, bits.p, bits.len);
    wrap(&outer, 0x30);
    if (outer.len > size)
        abort();
    memcpy(into, outer.p, outer.len);
    return outer.len;
}
