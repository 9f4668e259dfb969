/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/smtp_caps.h - what a server's answer to EHLO offers. */
#ifndef POSTERN_MAIL_SMTP_CAPS_H
#define POSTERN_MAIL_SMTP_CAPS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct smtp_caps {
    bool pipelining;   /* RFC 2920 */
    bool size;         /* RFC 1870 */
    bool eight_bit;    /* 8BITMIME, RFC 6152 */
    bool smtputf8;     /* RFC 6531 */
    bool dsn;          /* RFC 3461 */
    bool enhanced;     /* ENHANCEDSTATUSCODES, RFC 2034 */
    bool starttls;     /* RFC 3207 */
    bool auth_offered; /* RFC 4954 */
    int64_t size_max;  /* bytes; 0: the server names no limit */
    char auth[256];    /* mechanisms, separated by spaces */
};

/* `text` is the reply's, its lines separated by LF; the first is the server's name. RFC 5321 4.1.1.1. */
void smtp_caps_read(struct smtp_caps *caps, struct str text);

#endif
