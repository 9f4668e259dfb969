/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/session.h - what an IMAP and a POP3 session have in common: the order of opening one, and the
 * SASL exchange. For imap*.c and pop3*.c only. */
#ifndef POSTERN_MAIL_SESSION_H
#define POSTERN_MAIL_SESSION_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "mail/dialog.h"
#include "mail/sasl.h"

#define SESSION_SAID_MAX 240 /* bytes of a server's words in an error or a detail */
#define SESSION_MASK "***"

/* ---- steps ------------------------------------------------------------------------------------------ */

/* Fills `detail` with what is worth telling. */
typedef int (*session_run)(void *session, char detail[SESSION_SAID_MAX], struct err *err);

/* What a protocol does in each step; `session` is theirs. */
struct session_steps {
    session_run greeting;
    session_run capabilities; /* forgets what was offered before, and asks */
    session_run start_tls;    /* asks for it; the handshake follows */
};

/* Runs one step and reports it, `silent` only when it failed. After an error the connection is broken. */
int session_step(struct dialog *dialog, const char *name, session_run run, void *session, bool silent,
                 struct err *err);
/* resolve to capabilities, under TLS where it is wanted. */
int session_open(struct dialog *dialog, const struct session_steps *steps, void *session, struct err *err);

/* ---- logging in ------------------------------------------------------------------------------------- */

struct session_login {
    struct dialog *dialog;
    void *session;
    const char *step;    /* for err.at: "authenticate", "auth" */
    const char *command; /* "a3 AUTHENTICATE", "AUTH" */
    size_t first_max;    /* bytes of a command that may hold what is said first; 0: it may not */
    /* Reads the answer: 1 with a challenge, valid until the next; 0 when the exchange is over; -1 with err.
     */
    int (*answer)(void *session, struct str *challenge, struct err *err);
};

/* What the connection allows; `binding` must live as long as `channel` and is wiped by buf_free(). */
void session_channel(struct dialog *dialog, const char *service, struct buf *binding,
                     struct sasl_channel *channel);
/* 0: the server has given its verdict. -1: it hasn't, and won't. */
int session_exchange(const struct session_login *login, struct sasl *sasl, const char *mechanism,
                     struct err *err);
/* After a refusal: auth.binding in place of auth.refused where it may be the binding that is refused. Cyrus offers -PLUS under TLS 1.3 and
 * doesn't know tls-exporter (RFC 9266); it says so no clearer than that a password is wrong. Returns `rc`. */
int session_name_binding(const struct sasl *sasl, int rc, struct err *err);
/* A server that says yes without the proof that the mechanism asks for. */
int session_check_proof(const struct session_login *login, const struct sasl *sasl, const char *mechanism,
                        struct err *err);
/* Sends a line of which the transcript shows only `shown`. */
int session_send_masked(struct dialog *dialog, const char *step, const char *shown, struct str line,
                        struct err *err);
/* 0 unless one of them is too long for a command, or holds what none may: control characters. */
int session_check_credentials(const struct mail_auth *auth, struct err *err);
/* `list` with `name` added where the server offers a way to log in that is not SASL: sasl_choose() then knows
 * of it, by the rules of the mechanism of that name. */
void session_offer(const char *list, bool also, const char *name, char *offered, size_t size);
bool session_lists(const char *list, const char *name);

#endif
