/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/import.h - certificates from what a person uploads: PEM (one or many), DER or PKCS#7.
 *
 * All or nothing: one bad certificate refuses the whole, and the error names its place. */
#ifndef POSTERN_TRUST_IMPORT_H
#define POSTERN_TRUST_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tls/peer.h"
#include "trust/cert.h"

#define TRUST_IMPORT_MAX (10 * 1024 * 1024)     /* bytes */
#define TRUST_IMPORT_CERTS_MAX 1000

enum trust_format { TRUST_FORMAT_AUTO, TRUST_FORMAT_PEM, TRUST_FORMAT_DER, TRUST_FORMAT_PKCS7 };

struct trust_import_item {
    struct tls_cert der;
    struct trust_cert *cert;            /* cert->is_ca false: point to Allowed Hosts instead */
    unsigned warnings;                  /* REASON_EXPIRED, NOT_YET_VALID, WEAK_SIGNATURE, WEAK_KEY: taken all the same */
    size_t position;                    /* 1, 2, …: its place in the upload */
};

struct trust_import {
    struct trust_import_item *items;    /* each certificate once, in the order of the upload */
    size_t count;
};

/* By the media type without parameters: application/x-pem-file, application/pkix-cert, application/pkcs7-mime
 * and their usual other names; application/octet-stream and an empty one are TRUST_FORMAT_AUTO. false: none
 * of these. */
bool trust_format_from_media_type(struct str media_type, enum trust_format *ret);

/* *ret belongs to the caller. Errors: import.empty, import.tooLarge, import.tooMany, import.privateKey, import.format,
 * import.trailing, cert.malformed. `now` only for the warnings. */
int trust_import_parse(struct trust_import **ret, struct str bytes, enum trust_format format, int64_t now,
                       struct err *err);
void trust_import_free(struct trust_import *import);
MEM_FREEP(trust_import)

/* 0, or -1 naming the first certificate that isn't a CA (ERR_INVALID "import.notCa"), with a pointer to
 * Allowed Hosts. */
int trust_import_require_cas(const struct trust_import *import, struct err *err);

#endif
