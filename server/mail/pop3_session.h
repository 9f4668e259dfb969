/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/pop3_session.h - what the parts of the POP3 client share; for pop3*.c only. */
#ifndef POSTERN_MAIL_POP3_SESSION_H
#define POSTERN_MAIL_POP3_SESSION_H

#include "mail/dialog.h"
#include "mail/pop3.h"
#include "mail/pop3_reply.h"
#include "mail/session.h"

struct pop3_session {
    struct dialog *dialog;
    struct pop3_caps caps;
    struct pop3_reply reply; /* the last one; valid until the next line is read */
    const char *mechanism;   /* how we logged in; NULL: not */
    bool closing;            /* we said QUIT */
};

/* The first line of a reply. `masked`: what a challenge holds is not for the transcript; without it a
 * challenge is out of place. */
int pop3_read(struct pop3_session *pop3, const char *step, bool masked, int64_t deadline, struct err *err);
/* A command without its CRLF, then the first line of its reply. */
int pop3_command(struct pop3_session *pop3, const char *step, const char *command, struct err *err);
/* An error from the reply: "H words: said". Returns -1; the connection stays. */
int pop3_refused(struct pop3_session *pop3, enum err_code code, const char *id, const char *step,
                 const char *words, struct err *err);
/* The reply says that another time may do. RFC 2449 8.1.1, RFC 3206 4. */
bool pop3_is_temporary(const struct pop3_reply *reply);

int pop3_authenticate(struct pop3_session *pop3, const struct mail_auth *auth,
                      struct err *err); /* pop3_auth.c */

#endif
