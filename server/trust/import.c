/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/import.h"

#include <gnutls/gnutls.h>
#include <gnutls/pkcs7.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/encode.h"
#include "trust/pem.h"
#include "trust/reason.h"
#include "trust/x509.h"

#define SUBJECT_SHOWN 120

static const struct { const char *type; enum trust_format format; } media_types[] = {
    { "", TRUST_FORMAT_AUTO },
    { "application/octet-stream", TRUST_FORMAT_AUTO },
    { "application/x-pem-file", TRUST_FORMAT_PEM },
    { "application/pem-certificate-chain", TRUST_FORMAT_PEM },          /* RFC 8555 */
    { "text/plain", TRUST_FORMAT_PEM },
    { "application/pkix-cert", TRUST_FORMAT_DER },                      /* RFC 2585 */
    { "application/x-x509-ca-cert", TRUST_FORMAT_AUTO },                /* browsers: DER or PEM */
    { "application/x-x509-user-cert", TRUST_FORMAT_AUTO },
    { "application/pkcs7-mime", TRUST_FORMAT_PKCS7 },                   /* RFC 8551 */
    { "application/x-pkcs7-mime", TRUST_FORMAT_PKCS7 },
    { "application/x-pkcs7-certificates", TRUST_FORMAT_PKCS7 },
};

bool trust_format_from_media_type(struct str media_type, enum trust_format *ret)
{
    for (size_t i = 0; i < COUNT_OF(media_types); i++)
        if (str_eq_nocase(media_type, str_c(media_types[i].type))) {
            *ret = media_types[i].format;
            return true;
        }
    return false;
}

static int bad(struct err *err, const char *id, const char *text)
{
    return err_id(err, ERR_INVALID, id, NULL, "%s", text);
}

static int private_key(struct err *err)
{
    return bad(err, "import.privateKey",
               "The upload holds a private key. Nothing was imported. A private key belongs nowhere but on its "
               "own server: upload the certificates alone, and think about replacing this key.");
}

/* ---- one certificate --------------------------------------------------------------------------------------------- */

/* Where we are in the upload, for the error. */
struct place {
    size_t position;
    size_t line;                /* of a PEM text; 0: none */
};

static bool already_there(const struct trust_import *import, const struct trust_cert *cert)
{
    for (size_t i = 0; i < import->count; i++)
        if (memcmp(import->items[i].cert->sha256, cert->sha256, sizeof(cert->sha256)) == 0)
            return true;
    return false;
}

static unsigned warnings_of(struct str der, int64_t now)
{
    struct der_cert parts;
    gnutls_x509_crt_t crt = x509_import(der, &parts);
    unsigned reasons;

    if (crt == NULL)
        return 0;
    reasons = x509_key_reasons(crt) | x509_signature_reasons(crt) | x509_date_reasons(crt, now);
    gnutls_x509_crt_deinit(crt);
    return reasons & (REASONS_DATES | REASON_WEAK_KEY | REASON_WEAK_SIGNATURE);
}

static int add_cert(struct trust_import *import, struct str der, struct place place, int64_t now, struct err *err)
{
    struct trust_import_item *item;
    struct trust_cert *cert;
    char line[40] = "";

    if (place.position > TRUST_IMPORT_CERTS_MAX)
        return err_id(err, ERR_TOO_LARGE, "import.tooMany", NULL, "There are more than %d certificates in the upload. "
                      "Nothing was imported.", TRUST_IMPORT_CERTS_MAX);
    if (trust_cert_read(&cert, der, err) < 0) {
        if (place.line)
            snprintf(line, sizeof(line), " (line %zu)", place.line);
        return err_prefix(err, "Certificate %zu of the upload%s: ", place.position, line);
    }
    if (already_there(import, cert)) {
        trust_cert_free(cert);
        return 0;
    }

    import->items = mem_resize(import->items, (import->count + 1) * sizeof(*import->items));
    item = &import->items[import->count++];
    *item = (struct trust_import_item){ .cert = cert, .position = place.position };
    item->der = (struct tls_cert){ mem_copy(der.p, der.len), der.len };
    item->warnings = warnings_of(der, now);
    return 0;
}

/* ---- DER and PKCS#7 ---------------------------------------------------------------------------------------------- */

/* PKCS#8, encrypted or not, PKCS#1 and SEC 1 start like this: a SEQUENCE of a small INTEGER and a key, or of
 * an algorithm and an OCTET STRING. A certificate and a PKCS#7 never do. */
static bool looks_like_key(struct str der)
{
    struct der_item outer, first, second;
    struct str inner;

    if (!der_next_is(&der, DER_SEQUENCE, &outer))
        return false;
    inner = outer.content;
    if (!der_next(&inner, &first) || !der_next(&inner, &second))
        return false;
    if (first.tag == DER_INTEGER)       /* PKCS#1, #8, SEC 1; and PKCS#12, which carries a key too */
        return first.content.len == 1 && (uint8_t)first.content.p[0] <= 3;
    return first.tag == DER_SEQUENCE && second.tag == 0x04 && inner.len == 0;
}

static int import_der(struct trust_import *import, struct str der, int64_t now, struct err *err)
{
    struct str rest = der;
    struct der_item item;

    if (looks_like_key(der))
        return private_key(err);
    if (der_next_is(&rest, DER_SEQUENCE, &item) && rest.len)
        return err_id(err, ERR_INVALID, "import.trailing", NULL,
                      "There are %zu bytes behind the certificate. DER holds one certificate and nothing else; "
                      "upload several as PEM. Nothing was imported.",
                      rest.len);
    return add_cert(import, der, (struct place){ .position = 1 }, now, err);
}

static int each_in_pkcs7(struct trust_import *import, gnutls_pkcs7_t pkcs7, size_t *position, int64_t now,
                         struct err *err)
{
    int count = gnutls_pkcs7_get_crt_count(pkcs7);

    for (int i = 0; i < count; i++) {
        gnutls_datum_t raw = { NULL, 0 };
        int rc = gnutls_pkcs7_get_crt_raw2(pkcs7, (unsigned)i, &raw);

        if (rc < 0)
            return err_id(err, ERR_INVALID, "cert.malformed", NULL,
                          "Certificate %zu of the upload can't be read.", *position + 1);
        rc = add_cert(import, str_n(raw.data, raw.size), (struct place){ .position = ++*position }, now, err);
        gnutls_free(raw.data);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int import_pkcs7(struct trust_import *import, struct str der, size_t *position, int64_t now, struct err *err)
{
    gnutls_datum_t datum = { (unsigned char *)der.p, (unsigned)der.len };
    gnutls_pkcs7_t pkcs7;
    int rc;

    if (looks_like_key(der))
        return private_key(err);
    if (!der_is_one(der))
        return bad(err, "import.format", "This is not PKCS#7 in DER, or something follows it. Nothing was imported.");
    if (gnutls_pkcs7_init(&pkcs7) < 0)
        return err_set(err, ERR_INTERNAL, NULL, "Reading PKCS#7 failed.");
    rc = gnutls_pkcs7_import(pkcs7, &datum, GNUTLS_X509_FMT_DER);
    if (rc < 0)
        bad(err, "import.format", "This is not PKCS#7 with certificates. Nothing was imported.");
    else
        rc = each_in_pkcs7(import, pkcs7, position, now, err);
    gnutls_pkcs7_deinit(pkcs7);
    return rc < 0 ? -1 : 0;
}

/* ---- PEM --------------------------------------------------------------------------------------------------------- */

static int import_block(struct trust_import *import, const struct pem_block *block, size_t *position, int64_t now,
                        struct err *err)
{
    struct buf der;
    int rc;

    buf_init(&der, block->base64.len + 4);
    if (base64_decode(block->base64, &der) < 0)
        rc = err_id(err, ERR_INVALID, "cert.malformed", NULL,
                    "The block that begins in line %zu is not base64. Nothing was imported.",
                    block->line);
    else if (str_eq(block->label, STR("PKCS7")) || str_eq(block->label, STR("CMS")))
        rc = import_pkcs7(import, buf_str(&der), position, now, err);
    else
        rc = add_cert(import, buf_str(&der), (struct place){ ++*position, block->line }, now, err);
    buf_free(&der);
    return rc;
}

static bool holds_certificates(struct str label)
{
    return str_eq(label, STR("CERTIFICATE")) || str_eq(label, STR("X509 CERTIFICATE")) ||
           str_eq(label, STR("PKCS7")) || str_eq(label, STR("CMS"));
}

static int no_more_blocks(struct str rest, size_t blocks, struct err *err)
{
    if (blocks == 0)
        return bad(err, "import.empty", "There is no certificate in the upload: a PEM text has \"-----BEGIN CERTIFICATE-----\".");
    if (str_trim(rest).len)
        return bad(err, "import.trailing", "Something follows the last certificate. Nothing was imported.");
    return 0;
}

static int import_pem(struct trust_import *import, struct str text, int64_t now, struct err *err)
{
    struct pem pem;
    struct pem_block block;
    size_t position = 0, blocks = 0;
    enum pem_step step;

    pem_start(&pem, text);
    while ((step = pem_next(&pem, &block)) == PEM_BLOCK) {
        blocks++;
        if (!holds_certificates(block.label))
            return err_id(err, ERR_INVALID, "import.format", NULL,
                          "Line %zu begins \"%.*s\", which is not a certificate. Nothing was imported.",
                          block.line, (int)block.label.len, block.label.p);
        if (import_block(import, &block, &position, now, err) < 0)
            return -1;
    }
    if (step == PEM_BAD)
        return err_id(err, ERR_INVALID, "import.format", NULL,
                      "The block that begins in line %zu has no end. Nothing was imported.",
                      block.line);
    return no_more_blocks(pem.rest, blocks, err);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* A ContentInfo begins with an OID, a certificate never does. */
static bool is_pkcs7(struct str der)
{
    struct der_item item, first;
    struct str inner;

    if (!der_next_is(&der, DER_SEQUENCE, &item))
        return false;
    inner = item.content;
    return der_next_is(&inner, DER_OID, &first);
}

static bool contains(struct str text, struct str part)
{
    return memmem(text.p, text.len, part.p, part.len) != NULL;
}

static int import_as(struct trust_import *import, struct str bytes, enum trust_format format, int64_t now,
                     struct err *err)
{
    bool pem = !der_is_one(bytes) && contains(bytes, STR("-----BEGIN "));
    size_t position = 0;

    if (pem && contains(bytes, STR("PRIVATE KEY-----")))
        return private_key(err);
    if (pem && format != TRUST_FORMAT_DER)
        return import_pem(import, bytes, now, err);

    switch (format) {
    case TRUST_FORMAT_PEM:
        return der_is_one(bytes)
                   ? bad(err, "import.format", "This is DER and not PEM. Send it as application/pkix-cert.")
                   : no_more_blocks(bytes, 0, err);
    case TRUST_FORMAT_DER:
        return pem ? bad(err, "import.format", "This is PEM and not DER. Send it as application/x-pem-file.")
                   : import_der(import, bytes, now, err);
    case TRUST_FORMAT_PKCS7:
        return import_pkcs7(import, bytes, &position, now, err);
    case TRUST_FORMAT_AUTO:
        break;
    }
    return is_pkcs7(bytes) ? import_pkcs7(import, bytes, &position, now, err) : import_der(import, bytes, now, err);
}

int trust_import_parse(struct trust_import **ret, struct str bytes, enum trust_format format, int64_t now,
                       struct err *err)
{
    AUTO(trust_import) import = mem_alloc(sizeof(*import));

    if (bytes.len > TRUST_IMPORT_MAX)
        return err_id(err, ERR_TOO_LARGE, "import.tooLarge", NULL, "The upload is larger than %d MB.",
                      TRUST_IMPORT_MAX / 1024 / 1024);
    if (str_trim(bytes).len == 0)
        return bad(err, "import.empty", "The upload is empty.");
    if (import_as(import, bytes, format, now, err) < 0)
        return -1;
    if (import->count == 0)
        return bad(err, "import.empty", "There is no certificate in the upload.");
    *ret = TAKE(import);
    return 0;
}

void trust_import_free(struct trust_import *import)
{
    if (import == NULL)
        return;
    for (size_t i = 0; i < import->count; i++) {
        free(import->items[i].der.der);
        trust_cert_free(import->items[i].cert);
    }
    free(import->items);
    free(import);
}

/* Bytes of `text` that fit into an error beside its own words, cut between characters. */
static int shortened(const char *text)
{
    size_t len = strlen(text);

    if (len > SUBJECT_SHOWN) {
        len = SUBJECT_SHOWN;
        while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    return (int)len;
}

int trust_import_require_cas(const struct trust_import *import, struct err *err)
{
    for (size_t i = 0; i < import->count; i++)
        if (!import->items[i].cert->is_ca)
            return err_id(err, ERR_INVALID, "import.notCa", NULL,
                          "Certificate %zu of the upload (%.*s) is not a CA, so it can't vouch for others. "
                          "Nothing was imported. To trust one server's own certificate, accept it in Allowed "
                          "Hosts.",
                          import->items[i].position, shortened(import->items[i].cert->subject),
                          import->items[i].cert->subject);
    return 0;
}
