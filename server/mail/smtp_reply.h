/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/smtp_reply.h - reads one SMTP reply, line by line. Needs no connection. */
#ifndef POSTERN_MAIL_SMTP_REPLY_H
#define POSTERN_MAIL_SMTP_REPLY_H

#include "base/buf.h"
#include "base/str.h"

/* RFC 5321 4.5.3.1.5 says 512 bytes; real servers send longer lines. */
#define SMTP_REPLY_LINE_MAX 4096
#define SMTP_REPLY_LINES_MAX 128
#define SMTP_REPLY_TEXT_MAX (16 * 1024)

enum reply_step {
    REPLY_MORE, /* another line belongs to it */
    REPLY_DONE,
    REPLY_BAD,  /* not SMTP */
    REPLY_LONG, /* too many lines, or too much text */
};

struct smtp_reply {
    int code; /* 200..599; 0 before the first line */
    int lines;
    char enhanced[12]; /* RFC 2034, RFC 3463: "5.1.1", or "" */
    struct buf text;   /* lines without codes, separated by LF */
};

void smtp_reply_init(struct smtp_reply *reply);
void smtp_reply_clear(struct smtp_reply *reply); /* for the next one */
void smtp_reply_free(struct smtp_reply *reply);

/* `line` without its line break. After anything but REPLY_MORE the reply is finished until it is cleared. */
enum reply_step smtp_reply_line(struct smtp_reply *reply, struct str line);

/* "550 5.1.1 No such user", cleaned and cut to fit; returns `said`. */
#define SMTP_SAID_MAX 240
char *smtp_said(const struct smtp_reply *reply, char said[SMTP_SAID_MAX]);

#endif
