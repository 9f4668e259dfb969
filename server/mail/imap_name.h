/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/imap_name.h - text as IMAP commands carry it: names of mailboxes, and strings in quotes. */
#ifndef POSTERN_MAIL_IMAP_NAME_H
#define POSTERN_MAIL_IMAP_NAME_H

#include "base/buf.h"
#include "base/str.h"

/* UTF-8 into modified UTF-7, RFC 3501 5.1.3: ASCII without controls. -1: not UTF-8, or past the ceiling. */
int imap_utf7(struct str name, struct buf *into);
/* In quotes, with \ where it is needed. -1: it has a byte that can't stand there (NUL, CR, LF, 8-bit unless
 * `utf8`), or past the ceiling. RFC 9051 9, "quoted". */
int imap_quote(struct str text, bool utf8, struct buf *into);

#endif
