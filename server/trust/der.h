/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/der.h - walks over DER (X.690) where GnuTLS does not show what we need. Views only, nothing is
 * copied. */
#ifndef POSTERN_TRUST_DER_H
#define POSTERN_TRUST_DER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
    DER_BOOLEAN = 0x01, DER_INTEGER = 0x02, DER_OID = 0x06, DER_SEQUENCE = 0x30,
    DER_CONTEXT = 0x80, DER_CONSTRUCTED = 0x20,
};

struct der_item {
    unsigned tag;               /* the identifier octet; tags above 30 are not read */
    struct str content;
    struct str whole;           /* with tag and length */
};

/* Takes the next item off the front of `*rest`, which must not be part of `*item`; false at its end and where it
 * isn't DER. */
bool der_next(struct str *rest, struct der_item *item);
bool der_next_is(struct str *rest, unsigned tag, struct der_item *item);       /* and it must have this tag */
/* `bytes` is one SEQUENCE and nothing else. */
bool der_is_one(struct str bytes);

/* The parts of a Certificate (RFC 5280 4.1); false where it isn't one. Names are whole items, as GnuTLS gives them. */
struct der_cert {
    struct str tbs, issuer, subject, spki;
    struct str algorithm;       /* of the signature: content of its AlgorithmIdentifier */
    struct str extensions;      /* content of the SEQUENCE, empty when there are none */
};
bool der_cert(struct str der, struct der_cert *cert);
/* The value (content of the OCTET STRING) of the extension whose OID has this encoding. */
bool der_extension(const struct der_cert *cert, struct str oid, struct str *value);

/* RFC 5280 4.2.1.6 GeneralName: context tags. */
enum { NAME_EMAIL = 0x81, NAME_DNS = 0x82, NAME_DIRECTORY = 0xa4, NAME_URI = 0x86, NAME_IP = 0x87 };
enum der_names { NAMES_NONE, NAMES_SOME, NAMES_MALFORMED };
/* The subjectAltName's content, ready for der_next: at most `max` names, addresses of 4 or 16 bytes, no NUL
 * in any text. */
enum der_names der_alt_names(const struct der_cert *cert, size_t max, struct str *names);

#endif
