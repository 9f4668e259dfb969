/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/constraint.h - name constraints (RFC 5280 4.2.1.10), stricter than GnuTLS alone. Private to
 * trust/.
 *
 * GnuTLS judges them too, and both must agree. Here in addition: a wildcard that covers an excluded name,
 * directory names, and constraints on kinds of names that can't be compared. */
#ifndef POSTERN_TRUST_CONSTRAINT_H
#define POSTERN_TRUST_CONSTRAINT_H

#include <stdbool.h>

#include "trust/der.h"

/* May the CA `issuer` vouch for the names of `cert`, which stands somewhere below it? */
bool constraint_allows(const struct der_cert *issuer, const struct der_cert *cert);
/* For people: "permitted dns example.com; excluded ip 10.0.0.0/8"; "" for none. The caller frees. */
char *constraint_text(const struct der_cert *cert);

#endif
