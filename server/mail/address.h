/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/address.h - one mail address, read strictly. RFC 5322 3.4, RFC 5321 4.1.2, RFC 6531. */
#ifndef POSTERN_MAIL_ADDRESS_H
#define POSTERN_MAIL_ADDRESS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"

#define ADDRESS_TEXT_MAX 1000 /* bytes of an entry, name and all */

struct address {
    char *name; /* display name, or "" */
    char *addr; /* local@domain, the domain in A-labels; or NULL */
    bool utf8;  /* the local part isn't ASCII: SMTPUTF8 is needed */
};

/* "a@example.com" or "Name <a@example.com>": exactly one mailbox. -1 with err (id "address.invalid", no
 * "at"). */
int address_parse(const char *text, struct address *ret, struct err *err);
void address_clear(struct address *address);
/* The same for an address as MAIL FROM would have it, from a query or a command line; "" and "<>" are the
 * null sender. The caller frees. */
int address_envelope(const char *text, char **ret, bool *utf8, struct err *err);

#define AUTO_ADDRESS(name) __attribute__((cleanup(address_clear))) struct address name = { 0 }

#endif
