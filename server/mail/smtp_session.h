/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/smtp_session.h - what the parts of the SMTP client share; for smtp*.c only. */
#ifndef POSTERN_MAIL_SMTP_SESSION_H
#define POSTERN_MAIL_SMTP_SESSION_H

#include "base/buf.h"
#include "mail/dialog.h"
#include "mail/smtp.h"
#include "mail/smtp_reply.h"

#define SMTP_OUT_MAX (256 * 1024) /* commands of one group, or one piece of a message */

struct smtp_session {
    struct dialog *dialog;
    struct smtp_caps caps;
    struct smtp_reply reply; /* the last one read */
    struct buf out;
    char ehlo_name[256];
    const char *mechanism; /* how we logged in; NULL: not */
    bool closing;          /* the server said 421: it takes nothing more */
    bool needs_reset;      /* a transaction was begun and not ended */
};

/* The next reply into smtp->reply, within the step's time. -1: protocol.garbage, protocol.lineTooLong,
 * protocol.timeout, connect.*; a 421 is a reply like others, and noted. `masked` (or NULL) is what the
 * transcript shows instead of the server's words. */
int smtp_read_reply(struct smtp_session *smtp, const char *step, const char *masked, struct err *err);
/* One command without its CRLF, then its reply. */
int smtp_command(struct smtp_session *smtp, const char *step, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* An error from smtp->reply: `id` unless the reply itself is out of place (protocol.unexpected) or a 421. The
 * text is "H words: said". Returns -1; the connection stays. */
int smtp_refused(struct smtp_session *smtp, enum err_code code, const char *id, const char *step,
                 const char *words, struct err *err);

int smtp_authenticate(struct smtp_session *smtp, const struct mail_auth *auth,
                      struct err *err); /* smtp_auth.c */

/* smtp_body.c: a message on its way to the wire. */
struct smtp_body {
    struct str rest;
    bool at_start; /* of a line */
};
struct smtp_facts {
    int64_t size; /* as RFC 1870 counts: with CRLF, without stuffing and dot */
    bool eight_bit;
};
void smtp_body_look(struct str message, struct smtp_facts *facts);
void smtp_body_begin(struct smtp_body *body, struct str message);
/* Adds up to about `room` bytes; true when that was all, the final dot included. RFC 5321 4.5.2 and 2.3.8. */
bool smtp_body_next(struct smtp_body *body, struct buf *out, size_t room);

#endif
