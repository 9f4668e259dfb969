/* SPDX-License-Identifier: Apache-2.0 */
/* server/model/account.h - OutgoingAccount and IncomingAccount. DESIGN 2. */
#ifndef POSTERN_MODEL_ACCOUNT_H
#define POSTERN_MODEL_ACCOUNT_H

#include "component/json.h"
#include "component/prop.h"

enum account_transport { TRANSPORT_SMTP, TRANSPORT_IMAP, TRANSPORT_POP3 };
enum account_stores { STORES_SYSTEM_AND_USER, STORES_USER, STORES_SYSTEM };
enum account_guarantee { GUARANTEE_AT_LEAST_ONCE, GUARANTEE_AT_MOST_ONCE };
enum account_policy { POLICY_MARK_AS_READ, POLICY_MARK_AS_UNREAD, POLICY_DELETE };

/* What both kinds have. The kinds share one struct: a row that only one of them has stays at zero in the other. */
struct account {
    bool enabled;
    char *hostname;
    int64_t port;                       /* 1 to 65535, or -1: the usual one; account_port() resolves it */
    int64_t transport;                  /* index into the kind's choices; account_transport() */
    bool use_ssl;
    bool use_start_tls;
    int64_t tls_min_protocol;           /* index: tlsv1.0, tlsv1.1, … */
    char *verify_name;
    int64_t trust_stores;               /* enum account_stores */
    struct variant authenticator;
    bool allow_cleartext_auth;
    int64_t connection_timeout;         /* s */
    int64_t pollrate;                   /* s */
    bool debug;
    char *description;
    int64_t max_message_size;           /* bytes */
    int64_t retention;                  /* days, 0: for ever */

    /* outgoing */
    char *from;
    char *reply_to;
    int64_t max_queue_size;
    int64_t max_sendable_per_day;       /* 0: no limit */
    bool allow_disabled_queuing;
    bool batch;
    int64_t max_connections;
    int64_t retry_for;                  /* s */
    int64_t delivery_guarantee;         /* enum account_guarantee */

    /* incoming */
    char *mailbox;
    bool push;
    int64_t delivery_policy;            /* enum account_policy */
    int64_t max_per_poll;
    bool ignore_attachments;

    /* what the server writes */
    json_t *status;                     /* {state, cause, code, since} */
    int64_t last_poll_success;
    int64_t last_poll_failure;
    char *last_poll_failure_cause;
    json_t *last_tls;
    bool paused;
    int64_t queue_size;
    int64_t number_sent;
    int64_t number_sent_until;          /* the local midnight at which numberSent restarts */
    int64_t number_discarded;
    int64_t last_discard;
    char *last_discard_cause;
    int64_t number_received;
    int64_t unacknowledged;
};

extern const struct component_type outgoing_account_type;
extern const struct component_type incoming_account_type;
extern const char *const account_tls_versions[];

/* NULL when `name` is neither kind. */
const struct component_type *account_type_named(const char *name);

enum account_transport account_transport(const struct component_type *type, const struct account *account);
/* The usual port for transport and security (DESIGN 2.2). */
int64_t account_usual_port(enum account_transport transport, bool use_ssl, bool use_start_tls);
/* The port to connect to: `port`, or the usual one for -1. */
int64_t account_port(const struct component_type *type, const struct account *account);

/* After a write: when transport or security changed, `port` was not given and stood at the usual one for the old setting, it
 * moves to the usual one for the new. `before` NULL: a creation, compared with the type's defaults. */
void account_follow_port(const struct component_type *type, const struct account *before, struct account *account, bool port_given);
/* Adds port.unusual and the like: what is allowed and worth knowing. */
void account_warnings(const struct component_type *type, const struct account *account, struct problems *warnings);

/* ---- emailAuthenticator (DESIGN 2.5) ---- */
struct auth_basic {
    char *username;
    struct secret password;
    int64_t mechanism;                  /* index into auth_mechanisms; 0: auto */
};
struct auth_oauth2 {
    int64_t provider;
    int64_t grant;
    char *username;
    char *tenant;
    char *client_id;
    struct secret client_secret;
    int64_t client_secret_expires;
    char *scope;
    char *metadata_url;
};
extern const struct variant_type account_authenticators[];
extern const char *const auth_mechanisms[];     /* "auto", "SCRAM-SHA-256-PLUS", … */

/* NULL when the authenticator is of another type. */
const struct auth_basic *account_basic(const struct account *account);
const char *account_username(const struct account *account);   /* "" when there is none */
bool account_authenticates(const struct account *account);     /* false for type none */

#endif
