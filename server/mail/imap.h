/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/imap.h - an IMAP client session. RFC 9051, and RFC 3501 for older servers.
 *
 * A session belongs to one thread at a time; only imap_abort() may be called from another. Errors are those
 * of mail/dialog.h and mail/sasl.h, and protocol.greeting protocol.garbage protocol.unexpected
 * protocol.refused connect.closed (BYE) tls.starttlsMissing tls.starttlsRefused tls.preauth auth.refused
 * auth.temporary config.mailbox. `at` is "imap." and the command: greeting capability starttls tls
 * authenticate login select. Referrals are not followed. */
#ifndef POSTERN_MAIL_IMAP_H
#define POSTERN_MAIL_IMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "mail/imap_caps.h"
#include "mail/observer.h"
#include "mail/security.h"

struct imap_session;

/* Nothing happens yet. Everything is copied but the observer's ctx. */
struct imap_session *imap_new(const struct mail_server *server, const struct mail_observer *observer);
/* Connects, secures, greets and logs in; without `auth` (NULL, or of type none) it stops before the login.
 * After an error the session is good for nothing but imap_free(). */
int imap_open(struct imap_session *imap, const struct mail_auth *auth, struct err *err);
void imap_logout(struct imap_session *imap); /* waits a second at most; then imap_free() it */
void imap_free(struct imap_session *imap);   /* closes; NULL is fine */
static inline void imap_session_freep(struct imap_session **at)
{
    imap_free(*at);
}
void imap_abort(struct imap_session *imap); /* any thread: what is under way ends with connect.stopped */

bool imap_is_usable(struct imap_session *imap); /* nothing came meanwhile, and the server is there */
int imap_fd(const struct imap_session *imap);   /* for parking on epoll */
void imap_set_observer(struct imap_session *imap, const struct mail_observer *observer);
const struct imap_caps *imap_capabilities(const struct imap_session *imap);

struct imap_mailbox {
    uint32_t exists;       /* messages */
    uint32_t uid_validity; /* 0: the server has none, and its UIDs last for this session only */
    uint32_t uid_next;     /* 0: not told */
    uint64_t mod_seq;      /* HIGHESTMODSEQ, RFC 7162; 0: none */
    bool read_only;
    bool can_mark; /* \Seen can be set for good */
};

/* The step "mailbox": SELECT, or EXAMINE when `read_only`. `name` is UTF-8. `mailbox` may be NULL. */
int imap_select(struct imap_session *imap, const char *name, bool read_only, struct imap_mailbox *mailbox,
                struct err *err);

#endif
