/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/x509.h"

#include <gnutls/abstract.h>

#include "base/clock.h"
#include "crypto/crypto.h"
#include "tls/peer.h"
#include "trust/cert.h"
#include "trust/reason.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 16384              /* a larger one only costs us time */
#define EC_BITS_MIN 224
#define PSS_SALT_DEFAULT 20
#define END_OF_TIME ((int64_t)253402300799 * 1000)      /* 9999-12-31T23:59:59Z */

/* GnuTLS decodes strictly too; this also keeps what follows the certificate out of its fingerprint. */
gnutls_x509_crt_t x509_import(struct str der, struct der_cert *parts)
{
    gnutls_datum_t datum = { (unsigned char *)der.p, (unsigned)der.len };
    gnutls_x509_crt_t crt;

    if (der.len > TLS_CERT_MAX || !der_cert(der, parts))
        return NULL;
    if (parts->subject.len > TRUST_DN_MAX || parts->issuer.len > TRUST_DN_MAX)
        return NULL;
    if (gnutls_x509_crt_init(&crt) < 0)
        return NULL;
    if (gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_DER) < 0) {
        gnutls_x509_crt_deinit(crt);
        return NULL;
    }
    return crt;
}

/* RFC 4055 3.1: RSASSA-PSS-params, where saltLength is [2] and 20 unless given. */
static unsigned pss_salt(const struct der_cert *parts)
{
    struct str rest = parts->algorithm, params;
    struct der_item item;

    if (!der_next_is(&rest, DER_OID, &item) || !der_next_is(&rest, DER_SEQUENCE, &item))
        return PSS_SALT_DEFAULT;
    params = item.content;
    while (der_next(&params, &item))
        if (item.tag == (DER_CONTEXT | DER_CONSTRUCTED | 2)) {
            struct str inner = item.content;
            unsigned salt = 0;

            if (!der_next_is(&inner, DER_INTEGER, &item) || item.content.len > 2)
                return PSS_SALT_DEFAULT;
            for (size_t i = 0; i < item.content.len; i++)
                salt = salt << 8 | (uint8_t)item.content.p[i];
            return salt;
        }
    return PSS_SALT_DEFAULT;
}

/* GnuTLS reads the salt's length from a certificate when it verifies a chain, not when it is given bytes and a key. */
static int set_pss(gnutls_pubkey_t key, int algorithm, const struct der_cert *parts)
{
    gnutls_digest_algorithm_t digest = gnutls_sign_get_hash_algorithm((gnutls_sign_algorithm_t)algorithm);
    gnutls_x509_spki_t params;
    int rc;

    if (gnutls_sign_get_pk_algorithm((gnutls_sign_algorithm_t)algorithm) != GNUTLS_PK_RSA_PSS)
        return 0;
    rc = gnutls_x509_spki_init(&params);
    if (rc < 0)
        return rc;
    gnutls_x509_spki_set_rsa_pss_params(params, digest, pss_salt(parts));
    rc = gnutls_pubkey_set_spki(key, params, 0);
    gnutls_x509_spki_deinit(params);
    return rc;
}

enum x509_signed x509_signed_by(gnutls_x509_crt_t crt, const struct der_cert *parts, gnutls_x509_crt_t issuer)
{
    unsigned char bytes[RSA_BITS_MAX / 8];
    size_t len = sizeof(bytes);
    gnutls_datum_t signature = { bytes, 0 };
    gnutls_datum_t tbs = { (unsigned char *)parts->tbs.p, (unsigned)parts->tbs.len };
    gnutls_pubkey_t key;
    int algorithm, rc;

    algorithm = gnutls_x509_crt_get_signature_algorithm(crt);
    if (algorithm <= GNUTLS_SIGN_UNKNOWN || gnutls_x509_crt_get_signature(crt, (char *)bytes, &len) < 0)
        return SIGNED_UNKNOWN_ALGORITHM;
    signature.size = (unsigned)len;
    if (gnutls_pubkey_init(&key) < 0)
        return SIGNED_UNKNOWN_ALGORITHM;
    rc = gnutls_pubkey_import_x509(key, issuer, 0);
    if (rc >= 0)
        rc = set_pss(key, algorithm, parts);
    if (rc >= 0)
        rc = gnutls_pubkey_verify_data2(key, (gnutls_sign_algorithm_t)algorithm,
                                        GNUTLS_VERIFY_ALLOW_BROKEN | GNUTLS_VERIFY_ALLOW_SIGN_WITH_SHA1, &tbs,
                                        &signature);
    gnutls_pubkey_deinit(key);

    if (rc >= 0)
        return SIGNED_YES;
    return rc == GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM || rc == GNUTLS_E_UNKNOWN_PK_ALGORITHM ||
                   rc == GNUTLS_E_UNIMPLEMENTED_FEATURE || rc == GNUTLS_E_ECC_UNSUPPORTED_CURVE
               ? SIGNED_UNKNOWN_ALGORITHM : SIGNED_NO;
}

/* An exponent of 1 makes every signature "valid"; an even one is no RSA key. */
static bool rsa_exponent_bad(gnutls_x509_crt_t crt)
{
    gnutls_datum_t modulus = { NULL, 0 }, exponent = { NULL, 0 };
    unsigned value = 0;
    bool bad;

    if (gnutls_x509_crt_get_pk_rsa_raw(crt, &modulus, &exponent) < 0)
        return true;
    for (unsigned i = 0; i < exponent.size; i++)
        value = (value > 0xffff ? 0x10000 : value << 8) | exponent.data[i];
    bad = value < 3 || exponent.size == 0 || exponent.data[exponent.size - 1] % 2 == 0;
    gnutls_free(modulus.data);
    gnutls_free(exponent.data);
    return bad;
}

unsigned x509_key_reasons(gnutls_x509_crt_t crt)
{
    unsigned bits = 0;

    switch (gnutls_x509_crt_get_pk_algorithm(crt, &bits)) {
    case GNUTLS_PK_RSA:
        if (bits <= RSA_BITS_MAX && rsa_exponent_bad(crt))
            return REASON_WEAK_KEY;
        /* fall through */
    case GNUTLS_PK_RSA_PSS:
        return bits < RSA_BITS_MIN ? REASON_WEAK_KEY : bits > RSA_BITS_MAX ? REASON_OTHER : 0;
    case GNUTLS_PK_ECDSA:
        return bits < EC_BITS_MIN ? REASON_WEAK_KEY : 0;
    case GNUTLS_PK_EDDSA_ED25519:
    case GNUTLS_PK_EDDSA_ED448:
        return 0;
    case GNUTLS_PK_DSA:
        return REASON_WEAK_KEY;
    default:
        return REASON_OTHER;
    }
}

unsigned x509_signature_reasons(gnutls_x509_crt_t crt)
{
    int algorithm = gnutls_x509_crt_get_signature_algorithm(crt);
    gnutls_digest_algorithm_t digest;

    if (algorithm <= GNUTLS_SIGN_UNKNOWN)
        return REASON_OTHER;
    digest = gnutls_sign_get_hash_algorithm((gnutls_sign_algorithm_t)algorithm);
    if (digest == GNUTLS_DIG_MD2 || digest == GNUTLS_DIG_MD5 || digest == GNUTLS_DIG_SHA1 ||
        digest == GNUTLS_DIG_RMD160)
        return REASON_WEAK_SIGNATURE;
    return gnutls_sign_is_secure2((gnutls_sign_algorithm_t)algorithm, GNUTLS_SIGN_FLAG_SECURE_FOR_CERTS)
               ? 0 : REASON_WEAK_SIGNATURE;
}

bool x509_dates(gnutls_x509_crt_t crt, int64_t *not_before, int64_t *not_after)
{
    time_t from = gnutls_x509_crt_get_activation_time(crt), to = gnutls_x509_crt_get_expiration_time(crt);

    if (from == (time_t)-1 || to == (time_t)-1)
        return false;
    *not_before = SECONDS(from);
    *not_after = to == GNUTLS_X509_NO_WELL_DEFINED_EXPIRATION ? END_OF_TIME : SECONDS(to);
    return true;
}

unsigned x509_date_reasons(gnutls_x509_crt_t crt, int64_t now)
{
    int64_t from, to;

    if (!x509_dates(crt, &from, &to))
        return REASON_MALFORMED;
    /* RFC 5280 4.1.2.5: valid through notAfter, inclusive, to the second. */
    return (now < from ? REASON_NOT_YET_VALID : 0) | (now >= to + SECONDS(1) ? REASON_EXPIRED : 0);
}

bool x509_is_ca(gnutls_x509_crt_t crt, int *path_len)
{
    unsigned critical, ca = 0, usage = 0;
    int limit = -1, rc;

    rc = gnutls_x509_crt_get_basic_constraints(crt, &critical, &ca, &limit);
    if (path_len)
        *path_len = rc < 0 ? -1 : limit;
    if (rc < 0 || !ca || gnutls_x509_crt_get_version(crt) != 3)
        return false;
    rc = gnutls_x509_crt_get_key_usage(crt, &usage, &critical);
    if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return true;
    return rc >= 0 && (usage & GNUTLS_KEY_KEY_CERT_SIGN);
}

