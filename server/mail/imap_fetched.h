/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/imap_fetched.h - what a FETCH response tells of a message. Needs no connection. RFC 9051 7.5.2. */
#ifndef POSTERN_MAIL_IMAP_FETCHED_H
#define POSTERN_MAIL_IMAP_FETCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "mail/imap_parse.h"

#define IMAP_MESSAGE_ID_MAX 998 /* bytes; RFC 5322 2.1.1: no line is longer */

enum imap_body {
    IMAP_BODY_NONE,     /* not mentioned */
    IMAP_BODY_NIL,      /* the server has none to give */
    IMAP_BODY_TEXT,     /* in quotes: `text` */
    IMAP_BODY_STREAMED, /* a literal, which the sink had */
};

/* Zero, false, empty: not told. */
struct imap_fetched {
    uint32_t uid;
    bool has_size, has_flags;
    uint64_t size;
    int64_t date; /* ms; 0 also where it is unreadable */
    bool seen, deleted;
    char message_id[IMAP_MESSAGE_ID_MAX + 1]; /* "<a@b>"; "": none that could be used */
    enum imap_body body;
    struct str text; /* belongs to the response */
};

/* 1: it is one; 0: another response; -1: a FETCH that nobody could use. `body`: the name of what was asked for, as "BODY[]". */
int imap_fetched_read(const struct imap_parser *response, const char *body, struct imap_fetched *ret);
/* Within a response: the literal that comes next is `body`. `*uid`: of which message, 0 where that stands behind it. */
bool imap_body_follows(const struct imap_parser *so_far, const char *body, uint32_t *uid);

/* "17-Jul-1996 02:44:25 -0700", RFC 9051 9, date-time; false: not one, or not in 1970 to 9999. */
bool imap_date(struct str text, int64_t *ret);
/* From "Message-ID: <a@b>", folded or not. False: there is none that could be used. */
bool imap_message_id(struct str header, char into[IMAP_MESSAGE_ID_MAX + 1]);

#endif
