/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/gmime.h - what mail/ shares of GMime; for address.c and mime*.c only. */
#ifndef POSTERN_MAIL_GMIME_H
#define POSTERN_MAIL_GMIME_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wundef"
#include <gmime/gmime.h>
#pragma GCC diagnostic pop

#include "base/str.h"
#include "mail/address.h"
#include "mail/mime.h"

/* Starts GMime once; before any other call of it. */
void gmime_start(void);
/* False: not to be given to GMime as addresses. */
bool gmime_can_read(const char *text);

/* Our address as GMime's; the caller unrefs. */
InternetAddress *gmime_mailbox(const struct address *address);

/* Adds unless it is there; the array has room. */
void mime_envelope_add(struct mime_envelope *envelope, const char *addr);

/* The bytes of the header section with the line break that ends the last header, without the empty line. */
size_t mime_header_len(struct str raw);
/* Takes a header with its continuation lines and line breaks off the front of `*rest`; false at the end.
 * `name` is empty for a line that isn't a header. */
bool mime_header_next(struct str *rest, struct str *whole, struct str *name);
struct str mime_header_value(struct str whole); /* what stands behind the colon, folded as it is */

static inline void gmime_unrefp(void *at)
{
    if (*(gpointer *)at)
        g_object_unref(*(gpointer *)at);
}
#define AUTO_UNREF __attribute__((cleanup(gmime_unrefp)))
static inline void gmime_g_freep(void *at)
{
    g_free(*(gpointer *)at);
}
#define AUTO_G_FREE __attribute__((cleanup(gmime_g_freep)))

#endif
