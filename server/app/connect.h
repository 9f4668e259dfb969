/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/connect.h - from an account to an open session, whichever protocol it speaks: settings, secrets, trust decision,
 * status. Used by sending and verify. */
#ifndef POSTERN_APP_CONNECT_H
#define POSTERN_APP_CONNECT_H

#include <jansson.h>

#include "app/live.h"
#include "app/station.h"
#include "mail/imap.h"
#include "mail/observer.h"
#include "mail/pop3.h"
#include "mail/security.h"
#include "mail/smtp.h"

struct tls_peer;
struct connect_protocol;                /* connect.c: what differs between them */

/* One use of an account's settings. */
struct connect {
    struct station *station;
    struct entry *account;              /* held */
    struct live *live;                  /* held; NULL for settings that are not stored */
    const struct connect_protocol *protocol;
    union {                             /* as `protocol` says; NULL until connect_open() */
        void *session;
        struct smtp_session *smtp;
        struct imap_session *imap;
        struct pop3_session *pop3;
    };
    struct tls_peer *peer;              /* what the server showed, once it did */
    bool unbound;                       /* it is known that the server can't bind log-ins */
    bool trusted;                       /* a trust store vouches for it: no exemption was needed */
    json_t *steps;                      /* verify: filled as it goes; NULL otherwise */
    json_t *challenge;                  /* verify: the Allowed Hosts entry that waits, or NULL */
    struct mail_observer observer;
    struct connect *next;               /* the open ones, for hosts_recheck */
    bool open;
};

struct connect *connect_new(struct station *station, struct entry *account, bool stored);
void connect_cut(struct connect *connect);              /* without ceremony: what follows ends at once */
void connect_free(struct connect *connect);             /* closes the session politely where it can; NULL is fine */
MEM_FREEP(connect)

/* Opens the session that the account's transport asks for: resolve to authenticate. */
int connect_open(struct connect *connect, struct err *err);
/* Incoming: is the mailbox there? Changes nothing in it. */
int connect_look_at_mailbox(struct connect *connect, struct err *err);
/* lastTls, or NULL without TLS; the caller's. */
json_t *connect_tls_json(const struct connect *connect);

/* The account's settings in the words of mail/. `*secret` is the caller's (mem_free_secret) and lives as long as `auth`. */
void connect_server(const struct entry *account, struct mail_server *server);
int  connect_auth(struct connect *connect, struct mail_auth *auth, char **secret, struct err *err);
/* {name, ok, ms, detail, code?, advice?}: a step as verify answers it; the caller's. */
json_t *connect_step_json(const struct mail_step *step);

/* Cuts every open connection: the process is stopping. */
void connect_abort_all(struct station *station);
/* Judges every open connection again, after something was deleted; those that would not be opened now are cut. */
void connect_recheck(struct station *station);

/* A secret by value or from the credentials directory; *ret is the caller's (mem_free_secret). */
struct secret;
int secret_resolve(const struct station *station, const struct secret *secret, char **ret, struct err *err);

#endif
