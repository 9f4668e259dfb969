/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/imap_session.h - what the parts of the IMAP client share; for imap*.c only. */
#ifndef POSTERN_MAIL_IMAP_SESSION_H
#define POSTERN_MAIL_IMAP_SESSION_H

#include "mail/dialog.h"
#include "mail/imap.h"
#include "mail/imap_parse.h"
#include "mail/session.h"

#define IMAP_LINE_MAX (64 * 1024)
#define IMAP_UNTAGGED_MAX 10000 /* responses between a command and its end, besides one for each message, up to */
#define IMAP_TOLD_MAX 1000000   /* as many messages */
#define IMAP_COMMAND_MAX 8000   /* bytes; RFC 7162 4: a server takes lines of 8192 */

/* What we were told of the mailbox that is open, by whatever response. */
struct imap_view {
    bool open;
    uint32_t exists, recent;
    bool news;       /* there may be new messages, and nobody has looked yet */
    unsigned shifts; /* grows when messages went, and with them the sequence numbers of others */
    char *name;      /* as it was sent */
};

struct imap_session {
    struct dialog *dialog;
    struct imap_caps caps;
    struct imap_offer *offer; /* while it is opened */
    struct imap_parser in; /* the last response */
    unsigned commands;     /* how many were sent: the last one's tag is a<commands> */
    bool caps_known;       /* the server told them by itself, at a moment when that counts */
    bool preauth;          /* it greeted us as somebody it knows */
    bool closing;          /* it said BYE */
    const char *mechanism; /* how we logged in; NULL: not */
    char alert[160];       /* its last ALERT: shown to a person as its words, never acted on */
    int64_t deadline;      /* of the command under way, unless it `flows` */
    bool flows;
    struct dialog_flow flow;
    bool partial; /* a response has begun and isn't whole */
    bool bodies;  /* messages are on their way: what isn't IMAP may be a piece of one, and is not shown */
    bool idling;  /* between IDLE and DONE */
    unsigned unasked; /* responses since the IDLE */
    struct imap_view view;
};

/* Sees an untagged response; it may be any, at any time. RFC 9051 7. -1 with err ends the connection. */
typedef int (*imap_seen)(struct imap_session *imap, void *ctx, struct err *err);

/* Sends a tag and the command; imap_finish() or imap_answer() then. */
int imap_send(struct imap_session *imap, const char *step, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Begins a command that is sent otherwise: its tag. What a command brings may be made to flow afterwards. */
void imap_begin(struct imap_session *imap, char tag[16]);
/* The next response into imap->in, literals included. */
int imap_read(struct imap_session *imap, const char *step, bool masked, struct err *err);
/* The same without waiting: 1 it is there, 0 not yet, -1. */
int imap_try_read(struct imap_session *imap, const char *step, struct err *err);
/* What is done with any untagged response; `*count` is how many there were. 0, or -1 for BYE and for a flood. */
int imap_take_note(struct imap_session *imap, const char *step, unsigned *count, struct err *err);
/* Reads up to the end of the command (0) or a continuation (1). What is untagged goes to `seen` (or NULL). -1
 * also when the server says BYE. `masked`: what a continuation holds is not for the transcript. */
int imap_answer(struct imap_session *imap, const char *step, bool masked, imap_seen seen, void *ctx,
                struct err *err);
/* The same, where no continuation may come. */
int imap_finish(struct imap_session *imap, const char *step, imap_seen seen, void *ctx, struct err *err);
/* An error from the tagged response: "H words: said". Returns -1; the connection stays. */
int imap_refused(struct imap_session *imap, enum err_code code, const char *id, const char *step,
                 const char *words, struct err *err);
/* protocol.unexpected; breaks the connection. */
int imap_unexpected(struct imap_session *imap, const char *step, struct err *err);
/* 0 when the command went well, else protocol.refused with `words`; the connection stays. */
int imap_check(struct imap_session *imap, const char *step, const char *words, struct err *err);
/* The response says that another time may do. RFC 5530 3. */
bool imap_is_temporary(const struct imap_parser *response);
/* CAPABILITY, unless the server has just told it. */
int imap_ask_capabilities(struct imap_session *imap, struct err *err);

int imap_authenticate(struct imap_session *imap, const struct mail_auth *auth,
                      struct err *err); /* imap_auth.c */
void imap_view_note(struct imap_session *imap); /* imap_select.c: what the response tells of the mailbox */

#endif
