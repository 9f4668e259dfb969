/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/self_signed.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <time.h>

#include "net/conn.h"

#define SERIAL_LEN 16
#define CN_MAX 64 /* RFC 5280, ub-common-name */

static int add_name(gnutls_x509_crt_t cert, const char *name)
{
    unsigned char ip[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, name, ip) == 1)
        return gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_IPADDRESS, ip, sizeof(struct in_addr),
                                                    GNUTLS_FSAN_APPEND);
    if (inet_pton(AF_INET6, name, ip) == 1)
        return gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_IPADDRESS, ip, sizeof(struct in6_addr),
                                                    GNUTLS_FSAN_APPEND);
    return gnutls_x509_crt_set_subject_alt_name(cert, GNUTLS_SAN_DNSNAME, name, (unsigned)strlen(name),
                                                GNUTLS_FSAN_APPEND);
}

static int add_names(gnutls_x509_crt_t cert, const char *const *names, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        AUTO_FREE char *name = NULL;
        int rc;

        if (net_host_ascii(names[i], &name, err) < 0)
            return -1;
        rc = add_name(cert, name);
        if (rc == 0 && i == 0 && strlen(name) <= CN_MAX) /* for people; verifiers look at the names above */
            rc = gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                               (unsigned)strlen(name));
        if (rc < 0)
            return err_set(err, ERR_INTERNAL, NULL, "Naming %s in a certificate failed: %s", name,
                           gnutls_strerror(rc));
    }
    return 0;
}

static int fill(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, int days)
{
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
        (rc = gnutls_x509_crt_set_key_usage(cert, GNUTLS_KEY_DIGITAL_SIGNATURE)) < 0 ||
        (rc = gnutls_x509_crt_set_key_purpose_oid(cert, GNUTLS_KP_TLS_WWW_SERVER, 0)) < 0 ||
        (rc = gnutls_x509_crt_get_key_id(cert, 0, id, &id_len)) < 0 ||
        (rc = gnutls_x509_crt_set_subject_key_id(cert, id, id_len)) < 0)
        return rc;
    return 0;
}

static int sign(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key)
{
    gnutls_privkey_t signer;
    int rc = gnutls_privkey_init(&signer);

    if (rc < 0)
        return rc;
    rc = gnutls_privkey_import_x509(signer, key, 0);
    if (rc == 0)
        rc = gnutls_x509_crt_privkey_sign(cert, cert, signer, GNUTLS_DIG_SHA256, 0);
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

static int export(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, struct buf *cert_pem,
                  struct buf *key_pem)
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

static int make(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, const char *const *names, size_t n,
                int days, struct err *err)
{
    int rc = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);

    if (rc == 0)
        rc = fill(cert, key, days);
    if (rc < 0)
        return err_set(err, ERR_INTERNAL, NULL, "Making a certificate failed: %s", gnutls_strerror(rc));
    if (add_names(cert, names, n, err) < 0)
        return -1;
    rc = sign(cert, key);
    return rc < 0 ? err_set(err, ERR_INTERNAL, NULL, "Signing a certificate failed: %s", gnutls_strerror(rc))
                  : 0;
}

int tls_self_signed(const char *const *names, size_t n, int days, struct buf *cert_pem, struct buf *key_pem,
                    struct err *err)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t cert;
    int rc;

    if (n == 0 || days < 1)
        return err_set(err, ERR_INVALID, NULL, "A certificate needs a name and a day to be valid on.");
    if (gnutls_x509_crt_init(&cert) < 0 || gnutls_x509_privkey_init(&key) < 0)
        abort(); /* no memory */
    rc = make(cert, key, names, n, days, err);
    if (rc == 0 && export(cert, key, cert_pem, key_pem) < 0)
        rc = err_set(err, ERR_INTERNAL, NULL, "Writing a certificate failed.");
    gnutls_x509_crt_deinit(cert);
    gnutls_x509_privkey_deinit(key);
    return rc;
}
