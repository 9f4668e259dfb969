/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/mime_strip.h - a message without its attachments. */
#ifndef POSTERN_MAIL_MIME_STRIP_H
#define POSTERN_MAIL_MIME_STRIP_H

#include "base/buf.h"
#include "base/str.h"

/* Appends the message with each attachment replaced by a short text that says what was left out; every other byte stays as
 * it was. 1: done; 0: there is nothing to leave out, or the message is encrypted or more than was looked at, and is to be
 * kept whole; -1: it doesn't fit `into`. */
int mime_strip(struct str raw, struct buf *into);

#endif
