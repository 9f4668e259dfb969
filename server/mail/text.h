/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/text.h - what a server said, made fit for an error, a log line or JSON. */
#ifndef POSTERN_MAIL_TEXT_H
#define POSTERN_MAIL_TEXT_H

#include <stddef.h>

#include "base/str.h"

/* Line breaks and other controls become spaces, what is not UTF-8 becomes '?', and what does not fit is cut
 * at a character. Returns `into`, which is NUL-terminated. */
char *text_clean(struct str from, char *into, size_t size);

/* Adds a word to a list separated by spaces; one that isn't fit to be shown, or doesn't fit, is left out. */
void text_append(char *list, size_t size, struct str word);

#endif
