/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/pop3_body.h - takes the dots out of a message that POP3 sends, byte by byte if need be. Needs no connection.
 *
 * RFC 1939 3. Lines may be of any length, and end in CRLF or LF; they pass as they are. */
#ifndef POSTERN_MAIL_POP3_BODY_H
#define POSTERN_MAIL_POP3_BODY_H

#include "base/str.h"

struct pop3_body {
    enum {
        POP3_BODY_START, /* at the beginning of a line */
        POP3_BODY_LINE,
        POP3_BODY_DOT,   /* after a dot at the beginning */
        POP3_BODY_CR,    /* after that and a CR */
        POP3_BODY_DONE,  /* after the dot alone that ends it */
    } at;
};

/* The next piece of the message at the front of `*in`, from which it is taken. It may be empty, as where a dot was; all
 * is used up when `*in` is, and at POP3_BODY_DONE nothing more is taken. */
struct str pop3_body_next(struct pop3_body *body, struct str *in);

#endif
