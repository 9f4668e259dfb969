/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/smtp.h - an SMTP client session: opened once, many messages, RFC 5321.
 *
 * A session belongs to one thread at a time; only smtp_abort() may be called from another. Errors are those
 * of mail/dialog.h and mail/sasl.h, and protocol.greeting protocol.garbage protocol.unexpected
 * protocol.refused tls.starttlsMissing tls.starttlsRefused auth.refused auth.temporary auth.required
 * limit.messageSize protocol.smtputf8Missing protocol.eightBitMimeMissing. `at` is "smtp." and the command:
 * greeting ehlo helo starttls tls auth mail rcpt data body dot. */
#ifndef POSTERN_MAIL_SMTP_H
#define POSTERN_MAIL_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "mail/observer.h"
#include "mail/security.h"
#include "mail/smtp_caps.h"

struct smtp_session;

/* ---- the session ------------------------------------------------------------------------------------ */

/* Nothing happens yet. `ehlo_name` is our own host name or NULL. Everything is copied but the observer's ctx.
 */
struct smtp_session *smtp_new(const struct mail_server *server, const struct mail_observer *observer,
                              const char *ehlo_name);
/* Connects, secures, greets and logs in. After an error the session is good for nothing but smtp_free(). */
int smtp_open(struct smtp_session *smtp, const struct mail_auth *auth, struct err *err);
void smtp_quit(struct smtp_session *smtp); /* says QUIT and waits a second at most; then smtp_free() it */
void smtp_free(struct smtp_session *smtp); /* closes; NULL is fine */
static inline void smtp_session_freep(struct smtp_session **at)
{
    smtp_free(*at);
}
void smtp_abort(struct smtp_session *smtp); /* any thread: what is under way ends with connect.stopped */

/* Before a session that was idle is used again: false when the server closed it or said 421 meanwhile. */
bool smtp_is_usable(struct smtp_session *smtp);
int smtp_fd(const struct smtp_session *smtp); /* for parking on epoll; readable means: no longer usable */
void smtp_set_observer(struct smtp_session *smtp, const struct mail_observer *observer);
const struct smtp_caps *smtp_capabilities(const struct smtp_session *smtp);

/* ---- a message -------------------------------------------------------------------------------------- */

struct smtp_recipient {
    const char *address; /* A-label domain; a non-ASCII local part needs SMTPUTF8 */
    const char *notify;  /* RFC 3461 4.1: "NEVER", "SUCCESS,FAILURE"; NULL: not said */
};

struct smtp_envelope {
    const char *sender; /* "": the null sender */
    const struct smtp_recipient *recipients;
    size_t count;
    bool smtputf8;     /* the message's own headers need it */
    int64_t max_size;  /* bytes; a larger message is refused here; 0: no ceiling */
    const char *ret;   /* RFC 3461 4.3: "FULL" or "HDRS"; NULL: not said */
    const char *envid; /* RFC 3461 4.4; NULL: not said */
    /* Asked once the server wants the message and all of it but the last piece was sent; the piece with the
     * final dot goes out after 0. -1: the connection is dropped without the dot and the outcome is SMTP_LOST
     * with its err. May be NULL. */
    int (*before_dot)(void *ctx, struct err *err);
    void *ctx;
};

enum smtp_class {
    SMTP_UNANSWERED, /* no answer that counts: try again */
    SMTP_ACCEPTED,
    SMTP_DEFERRED, /* 4xx: try again */
    SMTP_REJECTED, /* 5xx: final */
    SMTP_IN_DOUBT, /* the final dot went out and its answer never came */
};

struct smtp_result { /* one for each recipient, in order */
    enum smtp_class class;
    int code;          /* 0: not from the server */
    char enhanced[12]; /* "5.1.1", or "" */
    char text[256];    /* the server's words, cleaned */
};

enum smtp_outcome {
    SMTP_SENT,      /* taken for one recipient at least; the results tell for which */
    SMTP_TEMPORARY, /* taken for nobody, and for one at least it may be later */
    SMTP_PERMANENT, /* refused for everybody */
    SMTP_UNCERTAIN, /* the connection was lost after the final dot and before its answer */
    SMTP_LOST,      /* the connection was lost before the dot: certainly not delivered, try again */
};

/* `message` is RFC 5322; bare CR and LF become CRLF, dots are stuffed. `results` has room for
 * envelope->count. `err` is filled unless the outcome is SMTP_SENT. ERR_REFUSED with SMTP_TEMPORARY: the
 * account's settings are to blame, not the message. After SMTP_UNCERTAIN and SMTP_LOST the session is good
 * for nothing; otherwise ask smtp_is_usable(). */
enum smtp_outcome smtp_send(struct smtp_session *smtp, const struct smtp_envelope *envelope,
                            struct str message, struct smtp_result *results, struct err *err);

#endif
