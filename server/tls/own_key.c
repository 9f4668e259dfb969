/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/own_key.h"

#include <arpa/inet.h>
#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "net/conn.h"

#define SERIAL_LEN 16
#define CN_MAX 64               /* RFC 5280, ub-common-name */
#define DN_MAX 1024
#define MAIL_MAX 254

static const struct {
    const char *name;
    gnutls_pk_algorithm_t algorithm;
    unsigned bits;
} types[] = {
    [OWN_ECDSA_P256] = { "ecdsa-p256", GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
    [OWN_RSA_3072] = { "rsa-3072", GNUTLS_PK_RSA, 3072 },
    [OWN_ED25519] = { "ed25519", GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519) },
};

bool own_key_type_from(struct str text, enum own_key_type *ret)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (str_eq(text, str_c(types[i].name))) {
            *ret = (enum own_key_type)i;
            return true;
        }
    return false;
}

/* ---- names ---- */

/* As it stands in subjectAltName (RFC 5280 4.2.1.6). */
struct alt_name {
    gnutls_x509_subject_alt_name_t kind;
    unsigned char ip[sizeof(struct in6_addr)];
    char *text;
    size_t len;                         /* of the address, or of the text */
};

static bool is_mail(const char *name)
{
    struct str text = str_c(name);
    const char *at = strchr(name, '@');

    if (at == NULL || at == name || at[1] == '\0' || strchr(at + 1, '@') || text.len > MAIL_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.p[i] <= ' ' || text.p[i] >= 0x7f)
            return false;
    return true;
}

static int read_host(const char *name, struct alt_name *ret, struct err *err)
{
    bool wildcard = strncmp(name, "*.", 2) == 0;
    AUTO_FREE char *ascii = NULL;

    if (net_host_ascii(name + (wildcard ? 2 : 0), &ascii, err) < 0)
        return -1;
    if (inet_pton(AF_INET, ascii, ret->ip) == 1)
        ret->len = sizeof(struct in_addr);
    else if (inet_pton(AF_INET6, ascii, ret->ip) == 1)
        ret->len = sizeof(struct in6_addr);
    if (wildcard && (ret->len || strchr(ascii, '.') == NULL))
        return err_id(err, ERR_INVALID, "key.name", NULL, "\"%.80s\" must have a domain of two labels at least behind *.", name);
    ret->kind = ret->len ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME;
    ret->text = wildcard ? mem_printf("*.%s", ascii) : TAKE(ascii);
    if (ret->kind == GNUTLS_SAN_DNSNAME)
        ret->len = strlen(ret->text);
    return 0;
}

static int read_name(const char *name, struct alt_name *ret, struct err *err)
{
    *ret = (struct alt_name){ .kind = GNUTLS_SAN_RFC822NAME };
    if (strchr(name, '@') == NULL)
        return read_host(name, ret, err);
    if (!is_mail(name))
        return err_id(err, ERR_INVALID, "key.name", NULL, "\"%.80s\" is no mail address.", name);
    ret->text = mem_strdup(name);
    ret->len = strlen(name);
    return 0;
}

static const void *bytes_of(const struct alt_name *name)
{
    return name->kind == GNUTLS_SAN_IPADDRESS ? (const void *)name->ip : name->text;
}

/* ---- what a certificate and a request for one have in common ---- */

struct paper {
    gnutls_x509_crt_t crt;
    gnutls_x509_crq_t crq;              /* one of them is NULL */
};

static int set_dn(const struct paper *paper, const char *dn)
{
    const char *rest;

    return paper->crt ? gnutls_x509_crt_set_dn(paper->crt, dn, &rest) : gnutls_x509_crq_set_dn(paper->crq, dn, &rest);
}

static int set_common_name(const struct paper *paper, const char *name)
{
    unsigned len = (unsigned)strlen(name);

    return paper->crt ? gnutls_x509_crt_set_dn_by_oid(paper->crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, len)
                      : gnutls_x509_crq_set_dn_by_oid(paper->crq, GNUTLS_OID_X520_COMMON_NAME, 0, name, len);
}

static int add_alt_name(const struct paper *paper, const struct alt_name *name)
{
    return paper->crt ? gnutls_x509_crt_set_subject_alt_name(paper->crt, name->kind, bytes_of(name), (unsigned)name->len,
                                                             GNUTLS_FSAN_APPEND)
                      : gnutls_x509_crq_set_subject_alt_name(paper->crq, name->kind, bytes_of(name), (unsigned)name->len,
                                                             GNUTLS_FSAN_APPEND);
}

static size_t characters(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static int refuse(struct err *err, const char *at, const char *wrong)
{
    return err_id(err, ERR_INVALID, "key.subject", at, "%s", wrong);
}

static int write_subject(const struct paper *paper, const struct own_subject *subject, struct err *err)
{
    const char *name = subject->common_name;

    if (name && (*name == '\0' || characters(name) > CN_MAX || !str_is_utf8(str_c(name)) || str_has_control(str_c(name))))
        return refuse(err, "/commonName", "commonName has 1 to 64 characters of one line.");
    if (subject->dn && (*subject->dn == '\0' || strlen(subject->dn) > DN_MAX || str_has_control(str_c(subject->dn)) || set_dn(paper, subject->dn) < 0))
        return refuse(err, "/subject", "subject must be a distinguished name such as CN=mail.example.com,O=Example.");
    if (name && set_common_name(paper, name) < 0)
        return refuse(err, "/commonName", "commonName can't stand in a certificate.");
    return 0;
}

static int write_name(const struct paper *paper, const struct own_subject *subject, size_t i, struct err *err)
{
    AUTO_FREE char *at = mem_printf("/sans/%zu", i);
    bool bare = subject->dn == NULL && subject->common_name == NULL;
    struct alt_name name;
    struct err wrong;
    int rc;

    if (read_name(subject->names[i], &name, &wrong) < 0)
        return err_id(err, ERR_INVALID, "key.name", at, "%s", wrong.text);
    rc = add_alt_name(paper, &name);
    if (rc == 0 && i == 0 && bare && strlen(name.text) <= CN_MAX)       /* for people; verifiers look at the names */
        rc = set_common_name(paper, name.text);
    free(name.text);
    return rc < 0 ? err_id(err, ERR_INVALID, "key.name", at, "\"%.80s\" can't stand in a certificate.", subject->names[i]) : 0;
}

static int write_names(const struct paper *paper, const struct own_subject *subject, struct err *err)
{
    if (subject->count > OWN_NAMES_MAX)
        return err_id(err, ERR_INVALID, "key.name", "/sans", "A certificate has at most %d names here.", OWN_NAMES_MAX);
    if (subject->count == 0 && subject->dn == NULL && subject->common_name == NULL)
        return err_id(err, ERR_INVALID, "key.subject", "/sans", "A certificate needs a name: give sans, commonName or subject.");
    if (write_subject(paper, subject, err) < 0)
        return -1;
    for (size_t i = 0; i < subject->count; i++)
        if (write_name(paper, subject, i, err) < 0)
            return -1;
    return 0;
}

int own_subject_check(const struct own_subject *subject, struct err *err)
{
    struct paper paper = { 0 };
    int rc;

    if (gnutls_x509_crq_init(&paper.crq) < 0)
        abort(); /* no memory */
    rc = write_names(&paper, subject, err);
    gnutls_x509_crq_deinit(paper.crq);
    return rc;
}

/* GnuTLS takes some values and stumbles over them when all is put together: hex that is no DER, for one. */
static int failed(const struct own_subject *subject, int rc, struct err *err)
{
    if (subject->dn)
        return refuse(err, "/subject", "A value of subject can't stand in a certificate.");
    return err_set(err, ERR_INTERNAL, NULL, "Making a certificate failed: %s", gnutls_strerror(rc));
}

/* ---- making ---- */

static int fill(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, enum own_key_type type, int days)
{
    /* TLS 1.2 with RSA key exchange enciphers (RFC 5280 4.2.1.3); the others only sign. */
    unsigned usage = GNUTLS_KEY_DIGITAL_SIGNATURE | (type == OWN_RSA_3072 ? GNUTLS_KEY_KEY_ENCIPHERMENT : 0);
    unsigned char serial[SERIAL_LEN], id[64];
    size_t id_len = sizeof(id);
    time_t now = time(NULL);
    int rc = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

    /* Positive and of full length (RFC 5280 4.1.2.2). */
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
    if (rc < 0)
        return rc;
    if ((rc = gnutls_x509_crt_set_version(cert, 3)) < 0 ||
        (rc = gnutls_x509_crt_set_serial(cert, serial, sizeof(serial))) < 0 ||
        (rc = gnutls_x509_crt_set_activation_time(cert, now - 3600)) < 0 ||
        (rc = gnutls_x509_crt_set_expiration_time(cert, now + (time_t)days * 86400)) < 0 ||
        (rc = gnutls_x509_crt_set_key(cert, key)) < 0 ||
        (rc = gnutls_x509_crt_set_basic_constraints(cert, 0, -1)) < 0 ||
        (rc = gnutls_x509_crt_set_key_usage(cert, usage)) < 0 ||
        (rc = gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0 ||
        (rc = gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_CLIENT, 0)) < 0 ||
        (rc = gnutls_x509_crt_get_key_id(cert, 0, id, &id_len)) < 0 ||
        (rc = gnutls_x509_crt_set_subject_key_id(cert, id, id_len)) < 0)
        return rc;
    return 0;
}

/* RFC 8032: Ed25519 has its own hash. */
static gnutls_digest_algorithm_t digest_for(gnutls_x509_privkey_t key)
{
    int algorithm = gnutls_x509_privkey_get_pk_algorithm(key);

    if (algorithm == GNUTLS_PK_EDDSA_ED448)
        return GNUTLS_DIG_SHAKE_256;
    return algorithm == GNUTLS_PK_EDDSA_ED25519 ? GNUTLS_DIG_SHA512 : GNUTLS_DIG_SHA256;
}

static int sign(const struct paper *paper, gnutls_x509_privkey_t key)
{
    gnutls_privkey_t signer;
    int rc = gnutls_privkey_init(&signer);

    if (rc < 0)
        return rc;
    rc = gnutls_privkey_import_x509(signer, key, 0);
    if (rc == 0 && paper->crt)
        rc = gnutls_x509_crt_privkey_sign(paper->crt, paper->crt, signer, digest_for(key), 0);
    else if (rc == 0)
        rc = gnutls_x509_crq_privkey_sign(paper->crq, signer, digest_for(key), 0);
    gnutls_privkey_deinit(signer);
    return rc;
}

/* PEM text into `into`, wiped where it passed. */
static int add_pem(struct buf *into, gnutls_datum_t *pem)
{
    int rc = buf_add(into, str_n(pem->data, pem->size));

    gnutls_memset(pem->data, 0, pem->size);
    gnutls_free(pem->data);
    return rc < 0 ? GNUTLS_E_SHORT_MEMORY_BUFFER : 0;
}

static int export(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, struct buf *cert_pem, struct buf *key_pem)
{
    gnutls_datum_t pem = { 0 };
    int rc = gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem);

    if (rc == 0)
        rc = add_pem(cert_pem, &pem);
    if (rc == 0)
        rc = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);
    if (rc == 0)
        rc = add_pem(key_pem, &pem);
    return rc;
}

static int make(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, enum own_key_type type, const struct own_subject *subject,
                int days, struct err *err)
{
    const struct paper paper = { .crt = cert };
    int rc;

    if (write_names(&paper, subject, err) < 0)          /* before the slow part */
        return -1;
    rc = gnutls_x509_privkey_generate(key, types[type].algorithm, types[type].bits, 0);
    if (rc == 0)
        rc = fill(cert, key, type, days);
    if (rc == 0)
        rc = sign(&paper, key);
    return rc < 0 ? failed(subject, rc, err) : 0;
}

int own_key_make(enum own_key_type type, const struct own_subject *subject, int days, struct buf *cert_pem, struct buf *key_pem,
                 struct err *err)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t cert;
    int rc;

    if (days < 1 || days > OWN_DAYS_MAX)
        return err_id(err, ERR_INVALID, "property.range", "/days", "days must be from 1 to %d.", OWN_DAYS_MAX);
    if (gnutls_x509_crt_init(&cert) < 0 || gnutls_x509_privkey_init(&key) < 0)
        abort(); /* no memory */
    rc = make(cert, key, type, subject, days, err);
    if (rc == 0 && export(cert, key, cert_pem, key_pem) < 0)
        rc = err_set(err, ERR_INTERNAL, NULL, "Writing a certificate failed.");
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_privkey_deinit(key);
    return rc;
}

/* ---- requests ---- */

static int fill_request(const struct paper *paper, gnutls_x509_privkey_t key, const char *key_pem, struct buf *pem)
{
    const gnutls_datum_t text = { (unsigned char *)(uintptr_t)key_pem, (unsigned)strlen(key_pem) };
    gnutls_datum_t made = { 0 };
    int rc = gnutls_x509_privkey_import(key, &text, GNUTLS_X509_FMT_PEM);

    if (rc == 0)
        rc = gnutls_x509_crq_set_version(paper->crq, 1);
    if (rc == 0)
        rc = gnutls_x509_crq_set_key(paper->crq, key);
    if (rc == 0)
        rc = sign(paper, key);
    if (rc == 0)
        rc = gnutls_x509_crq_export2(paper->crq, GNUTLS_X509_FMT_PEM, &made);
    return rc < 0 ? rc : add_pem(pem, &made);
}

int own_key_request(const char *key_pem, const struct own_subject *subject, struct buf *pem, struct err *err)
{
    gnutls_x509_privkey_t key;
    struct paper paper = { 0 };
    int rc;

    if (gnutls_x509_crq_init(&paper.crq) < 0 || gnutls_x509_privkey_init(&key) < 0)
        abort(); /* no memory */
    rc = write_names(&paper, subject, err);
    if (rc == 0) {
        rc = fill_request(&paper, key, key_pem, pem);
        if (rc < 0)
            failed(subject, rc, err);
    }
    gnutls_x509_crq_deinit(paper.crq);
    gnutls_x509_privkey_deinit(key);
    return rc < 0 ? -1 : 0;
}
