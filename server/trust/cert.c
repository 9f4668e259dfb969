/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/cert.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/encode.h"
#include "crypto/crypto.h"
#include "tls/peer.h"
#include "trust/constraint.h"
#include "trust/x509.h"

#define PEM_COLUMNS 64
#define SERIAL_MAX 64           /* RFC 5280 allows 20 octets; some issue more */

const char *trust_san_kind_name(enum trust_san_kind kind)
{
    static const char *const names[] = { "dns", "ip", "email", "uri", "other" };

    return names[kind];
}

/* Bytes of the UTF-8 sequence at `p`, or 0. */
static size_t sequence(struct str rest)
{
    for (size_t len = 1; len <= 4 && len <= rest.len; len++)
        if (str_is_utf8(str_n(rest.p, len)))
            return len;
    return 0;
}

/* C0, C1, and what turns text around or hides it: a subject must not be able to dress up as another. */
static bool disguises(const uint8_t *p, size_t len)
{
    if (len == 1)
        return p[0] < 0x20 || p[0] == 0x7f;
    if (len == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    if (len != 3 || p[0] != 0xe2)
        return len == 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf;
    return (p[1] == 0x80 && ((p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae))) ||
           (p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf);
}

/* What a peer wrote, fit to be shown. The caller frees. */
static char *shown(struct str text)
{
    char *out = mem_alloc(text.len + 1);
    size_t at = 0;

    while (text.len) {
        size_t len = sequence(text);

        if (len == 0 || disguises((const uint8_t *)text.p, len))
            out[at++] = '?';
        else
            memcpy(out + at, text.p, len), at += len;
        text = str_from(text, len ? len : 1);
    }
    return out;
}

static int read_dn(gnutls_x509_crt_t crt, int (*get)(gnutls_x509_crt_t, gnutls_datum_t *, unsigned), char **ret)
{
    gnutls_datum_t dn = { NULL, 0 };
    int rc = get(crt, &dn, 0);

    if (rc < 0 && rc != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return -1;
    *ret = shown(rc < 0 ? STR("") : str_n(dn.data, dn.size));
    gnutls_free(dn.data);
    return 0;
}

static struct trust_san san_from(const struct der_item *name)
{
    char text[INET6_ADDRSTRLEN];

    switch (name->tag) {
    case NAME_DNS:
        return (struct trust_san){ SAN_DNS, shown(name->content) };
    case NAME_EMAIL:
        return (struct trust_san){ SAN_EMAIL, shown(name->content) };
    case NAME_URI:
        return (struct trust_san){ SAN_URI, shown(name->content) };
    case NAME_IP:
        inet_ntop(name->content.len == 4 ? AF_INET : AF_INET6, name->content.p, text, sizeof(text));
        return (struct trust_san){ SAN_IP, mem_strdup(text) };
    default:
        return (struct trust_san){ SAN_OTHER, mem_strdup("other") };
    }
}

static int read_sans(const struct der_cert *parts, struct trust_cert *cert)
{
    struct str names, rest;
    struct der_item name;
    enum der_names some = der_alt_names(parts, TRUST_SANS_MAX, &names);

    if (some != NAMES_SOME)
        return some == NAMES_NONE ? 0 : -1;
    rest = names;
    for (cert->san_count = 0; der_next(&rest, &name); )
        cert->san_count++;
    cert->sans = mem_array(cert->san_count, sizeof(*cert->sans));
    rest = names;
    for (size_t i = 0; der_next(&rest, &name); i++)
        cert->sans[i] = san_from(&name);
    return 0;
}

static int read_serial(gnutls_x509_crt_t crt, char **ret)
{
    uint8_t serial[SERIAL_MAX];
    size_t len = sizeof(serial);

    if (gnutls_x509_crt_get_serial(crt, serial, &len) < 0)
        return -1;
    *ret = hex_encode(serial, len, mem_alloc(2 * len + 1));
    return 0;
}

static void read_algorithms(gnutls_x509_crt_t crt, struct trust_cert *cert)
{
    const char *type = "unknown", *signature = NULL;
    int algorithm = gnutls_x509_crt_get_signature_algorithm(crt);

    switch (gnutls_x509_crt_get_pk_algorithm(crt, &cert->key_bits)) {
    case GNUTLS_PK_RSA:             type = "RSA"; break;
    case GNUTLS_PK_RSA_PSS:         type = "RSA-PSS"; break;
    case GNUTLS_PK_DSA:             type = "DSA"; break;
    case GNUTLS_PK_ECDSA:           type = "EC"; break;
    case GNUTLS_PK_EDDSA_ED25519:   type = "ED25519"; break;
    case GNUTLS_PK_EDDSA_ED448:     type = "ED448"; break;
    default:                        cert->key_bits = 0; break;
    }
    if (algorithm > GNUTLS_SIGN_UNKNOWN)
        signature = gnutls_sign_get_name((gnutls_sign_algorithm_t)algorithm);
    snprintf(cert->key_type, sizeof(cert->key_type), "%s", type);
    snprintf(cert->signature_algorithm, sizeof(cert->signature_algorithm), "%s", signature ? signature : "unknown");
}

static char *pem_of(struct str der)
{
    AUTO_BUF(base64, 2 * TLS_CERT_MAX);
    AUTO_BUF(pem, 2 * TLS_CERT_MAX + 128);

    base64_encode(der, &base64);
    buf_add_c(&pem, "-----BEGIN CERTIFICATE-----\n");
    for (size_t at = 0; at < base64.len; at += PEM_COLUMNS) {
        struct str line = str_from(buf_str(&base64), at);

        line.len = line.len < PEM_COLUMNS ? line.len : PEM_COLUMNS;
        buf_add(&pem, line);
        buf_add_char(&pem, '\n');
    }
    buf_add_c(&pem, "-----END CERTIFICATE-----\n");
    return buf_take(&pem);
}

static int fill(struct trust_cert *cert, gnutls_x509_crt_t crt, struct str der, const struct der_cert *parts)
{
    if (read_dn(crt, gnutls_x509_crt_get_dn3, &cert->subject) < 0 ||
        read_dn(crt, gnutls_x509_crt_get_issuer_dn3, &cert->issuer) < 0)
        return -1;
    if (read_sans(parts, cert) < 0 || read_serial(crt, &cert->serial) < 0)
        return -1;
    if (!x509_dates(crt, &cert->not_before, &cert->not_after))
        return -1;

    read_algorithms(crt, cert);
    crypto_sha256(der, cert->sha256);
    crypto_sha256(parts->spki, cert->spki_sha256);
    cert->pem = pem_of(der);
    cert->is_ca = x509_is_ca(crt, &cert->path_len);
    cert->self_signed = str_eq(parts->subject, parts->issuer) && x509_signed_by(crt, parts, crt) == SIGNED_YES;
    cert->constraints = constraint_text(parts);
    return 0;
}

int trust_cert_read(struct trust_cert **ret, struct str der, struct err *err)
{
    AUTO(trust_cert) cert = mem_alloc(sizeof(*cert));
    struct der_cert parts;
    gnutls_x509_crt_t crt = x509_import(der, &parts);
    int rc;

    if (crt == NULL)
        return err_id(err, ERR_INVALID, "cert.malformed", NULL, "This is not a certificate, or it is damaged.");
    rc = fill(cert, crt, der, &parts);
    gnutls_x509_crt_deinit(crt);
    if (rc < 0)
        return err_id(err, ERR_INVALID, "cert.malformed", NULL,
                      "The certificate holds something that can't be read: a name, a date or the serial number.");
    *ret = TAKE(cert);
    return 0;
}

void trust_cert_free(struct trust_cert *cert)
{
    if (cert == NULL)
        return;
    for (size_t i = 0; i < cert->san_count; i++)
        free(cert->sans[i].text);
    free(cert->sans);
    free(cert->subject);
    free(cert->issuer);
    free(cert->serial);
    free(cert->pem);
    free(cert->constraints);
    free(cert);
}

int trust_cert_fingerprints(struct str der, uint8_t sha256[32], uint8_t spki_sha256[32])
{
    struct der_cert parts;
    gnutls_x509_crt_t crt = x509_import(der, &parts);

    if (crt == NULL)
        return -1;
    gnutls_x509_crt_deinit(crt);
    crypto_sha256(der, sha256);
    crypto_sha256(parts.spki, spki_sha256);
    return 0;
}
