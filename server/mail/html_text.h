/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/html_text.h - the words of an HTML text, for a search. */
#ifndef POSTERN_MAIL_HTML_TEXT_H
#define POSTERN_MAIL_HTML_TEXT_H

#include "base/buf.h"
#include "base/str.h"

/* Appends what a reader would see, as UTF-8 and as far as it fits: no tags, scripts, styles or comments; characters in place of
 * their names. `html` is UTF-8. Not for showing: it keeps nothing apart but words. */
void html_text(struct str html, struct buf *into);

#endif
