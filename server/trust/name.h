/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/name.h - does the certificate carry this name? RFC 9525. Private to trust/. */
#ifndef POSTERN_TRUST_NAME_H
#define POSTERN_TRUST_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trust/der.h"

#define NAME_TEXT_MAX 254               /* RFC 1035: 253 and the NUL */

/* What we look for in the certificate. */
struct name {
    char text[NAME_TEXT_MAX];           /* A-labels in lower case without the last dot, or a usual IP literal */
    uint8_t address[16];
    size_t address_len;                 /* 4, 16, or 0 for a DNS name */
};

/* Of a host name (IDN becomes A-labels, RFC 5891) or an IP literal; false when it is neither. */
bool name_read(struct name *name, const char *text);
/* In the subjectAltName, never in the CN: a wildcard stands for exactly one whole left-most label. */
bool name_in_cert(const struct name *name, const struct der_cert *cert);
/* Is it `suffix` or under it? "example.com", ".example.com" and "*.example.com" mean the same; an IP literal
 * only itself. */
bool name_under(const struct name *name, const char *suffix);
/* The same for DNS names of a certificate, with or without a wildcard: is all that `pattern` covers under `suffix`? */
bool name_pattern_under(struct str pattern, struct str suffix);
/* Could anything that `pattern` covers be under `suffix`? */
bool name_pattern_touches(struct str pattern, struct str suffix);

#endif
