/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/reason.h - everything that can be wrong with a certificate, in the words of DESIGN 4.
 *
 * A set of reasons is an unsigned, one bit each; 0 means nothing is wrong. */
#ifndef POSTERN_TRUST_REASON_H
#define POSTERN_TRUST_REASON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

enum trust_reason {
    /* These a person may accept. */
    REASON_SELF_SIGNED = 1 << 0,
    REASON_UNKNOWN_ISSUER = 1 << 1,
    REASON_NAME_MISMATCH = 1 << 2,
    REASON_EXPIRED = 1 << 3,
    REASON_NOT_YET_VALID = 1 << 4,
    REASON_WEAK_SIGNATURE = 1 << 5,
    REASON_MUST_STAPLE = 1 << 6,
    /* These nobody can. */
    REASON_REVOKED = 1 << 7,
    REASON_WEAK_KEY = 1 << 8,
    REASON_NOT_A_CA = 1 << 9,
    REASON_WRONG_PURPOSE = 1 << 10,
    REASON_CONSTRAINT = 1 << 11,
    REASON_MALFORMED = 1 << 12,
    REASON_OTHER = 1 << 13,
};
#define REASON_COUNT 14
#define REASONS_ACCEPTABLE ((unsigned)REASON_REVOKED - 1)
#define REASONS_DATES ((unsigned)(REASON_EXPIRED | REASON_NOT_YET_VALID))      /* accepted only until an expiresAt */

struct trust_reason_info {
    enum trust_reason bit;
    const char *word;           /* "name-mismatch" */
    bool acceptable;
    const char *clause;         /* after "The certificate ": "is expired" */
    const char *meaning;        /* a sentence for a person */
    const char *advice;         /* what to do about it, a sentence */
};

/* REASON_COUNT rows in the order of the bits. */
extern const struct trust_reason_info trust_reasons[REASON_COUNT];

const struct trust_reason_info *trust_reason_of(unsigned bit);         /* NULL unless it is exactly one known bit */
unsigned trust_reason_from(struct str word);                           /* 0 when there is no such reason */
/* The words of a set, first bits first, into `words` (room for REASON_COUNT); answers how many. Static strings. */
size_t trust_reason_words(unsigned reasons, const char *words[REASON_COUNT]);
/* Nothing but acceptable reasons, and at least one. */
bool trust_reasons_acceptable(unsigned reasons);
/* "is self-signed, does not carry the name of the host and is expired"; -1 past the ceiling. */
int trust_reasons_clause(unsigned reasons, struct buf *into);

#endif
