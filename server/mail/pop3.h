/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/pop3.h - a POP3 client session. RFC 1939, 2449, 2595, 5034.
 *
 * A session belongs to one thread at a time; only pop3_abort() may be called from another. Errors are those
 * of mail/dialog.h and mail/sasl.h, and protocol.greeting protocol.garbage protocol.unexpected
 * protocol.refused tls.starttlsMissing tls.starttlsRefused auth.refused auth.temporary. `at` is "pop3." and
 * the command: greeting capa stls tls auth user pass stat. */
#ifndef POSTERN_MAIL_POP3_H
#define POSTERN_MAIL_POP3_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "mail/observer.h"
#include "mail/pop3_reply.h"
#include "mail/security.h"

struct pop3_session;

/* Nothing happens yet. Everything is copied but the observer's ctx. */
struct pop3_session *pop3_new(const struct mail_server *server, const struct mail_observer *observer);
/* Connects, secures, greets and logs in; without `auth` (NULL, or of type none) it stops before the login.
 * After an error the session is good for nothing but pop3_free(). */
int pop3_open(struct pop3_session *pop3, const struct mail_auth *auth, struct err *err);
/* Says QUIT, which commits what was deleted (RFC 1939 6), and waits a second at most; then pop3_free() it. */
void pop3_quit(struct pop3_session *pop3);
void pop3_free(struct pop3_session *pop3); /* closes; NULL is fine */
static inline void pop3_session_freep(struct pop3_session **at)
{
    pop3_free(*at);
}
void pop3_abort(struct pop3_session *pop3); /* any thread: what is under way ends with connect.stopped */

bool pop3_is_usable(struct pop3_session *pop3); /* nothing came meanwhile, and the server is there */
void pop3_set_observer(struct pop3_session *pop3, const struct mail_observer *observer);
const struct pop3_caps *pop3_capabilities(const struct pop3_session *pop3);

struct pop3_drop {
    uint32_t count; /* messages */
    uint64_t bytes;
};
/* The step "mailbox": STAT. `drop` may be NULL. */
int pop3_stat(struct pop3_session *pop3, struct pop3_drop *drop, struct err *err);

#endif
