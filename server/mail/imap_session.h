/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/imap_session.h - what the parts of the IMAP client share; for imap*.c only. */
#ifndef POSTERN_MAIL_IMAP_SESSION_H
#define POSTERN_MAIL_IMAP_SESSION_H

#include "mail/dialog.h"
#include "mail/imap.h"
#include "mail/imap_parse.h"
#include "mail/session.h"

#define IMAP_LINE_MAX (64 * 1024)
#define IMAP_UNTAGGED_MAX 10000 /* responses between a command and its end */

struct imap_session {
    struct dialog *dialog;
    struct imap_caps caps;
    struct imap_parser in; /* the last response */
    unsigned commands;     /* how many were sent: the last one's tag is a<commands> */
    bool caps_known;       /* the server told them by itself, at a moment when that counts */
    bool preauth;          /* it greeted us as somebody it knows */
    bool closing;          /* it said BYE */
    const char *mechanism; /* how we logged in; NULL: not */
    char alert[160];       /* its last ALERT: shown to a person as its words, never acted on */
    int64_t deadline;      /* of the command under way */
};

/* Sees an untagged response; it may be any, at any time. RFC 9051 7. */
typedef void (*imap_seen)(struct imap_session *imap, void *ctx);

/* Sends a tag and the command; imap_finish() or imap_answer() then. */
int imap_send(struct imap_session *imap, const char *step, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Begins a command that is sent otherwise: its tag. */
void imap_begin(struct imap_session *imap, char tag[16]);
/* The next response into imap->in, literals included. */
int imap_read(struct imap_session *imap, const char *step, bool masked, struct err *err);
/* Reads up to the end of the command (0) or a continuation (1). What is untagged goes to `seen` (or NULL). -1
 * also when the server says BYE. `masked`: what a continuation holds is not for the transcript. */
int imap_answer(struct imap_session *imap, const char *step, bool masked, imap_seen seen, void *ctx,
                struct err *err);
/* The same, where no continuation may come. */
int imap_finish(struct imap_session *imap, const char *step, imap_seen seen, void *ctx, struct err *err);
/* An error from the tagged response: "H words: said". Returns -1; the connection stays. */
int imap_refused(struct imap_session *imap, enum err_code code, const char *id, const char *step,
                 const char *words, struct err *err);
/* The response says that another time may do. RFC 5530 3. */
bool imap_is_temporary(const struct imap_parser *response);
/* CAPABILITY, unless the server has just told it. */
int imap_ask_capabilities(struct imap_session *imap, struct err *err);

int imap_authenticate(struct imap_session *imap, const struct mail_auth *auth,
                      struct err *err); /* imap_auth.c */

#endif
