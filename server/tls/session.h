/* SPDX-License-Identifier: Apache-2.0 */
/* server/tls/session.h - one TLS session, and what client.c, report.c and layer.c do with it. Inside tls/
 * only. */
#ifndef POSTERN_TLS_SESSION_H
#define POSTERN_TLS_SESSION_H

#include <gnutls/gnutls.h>

#include "tls/client.h"

/* The first bytes from the peer, up to the version in a ServerHello (RFC 5246 6.2.1, 7.4.1.3): they tell what
 * a failed handshake was about. */
#define FIRST_LEN 11

struct tls_session {
    gnutls_session_t gnutls;
    struct net_conn *conn;
    int64_t deadline;  /* of the call under way, for pull and push */
    struct err *io_err; /* where the call under way keeps what net/ said */
    bool io_failed;
    bool broken; /* no orderly close, no resumption */
    bool wrote;  /* the caller went on after the handshake, so it trusts the peer */
    uint8_t first[FIRST_LEN];
    size_t first_len;
    char *session_key; /* NULL: is not resumed */
    unsigned long epoch;
    int64_t until;         /* how long it may be resumed */
    struct tls_peer *peer; /* kept only with a session_key */
};

/* layer.c */
extern const struct net_layer tls_layer;
struct tls_session *tls_session_new(struct net_conn *conn);
void tls_session_free(struct tls_session *session);
MEM_FREEP(tls_session)
/* Before each call into GnuTLS; `io_err` must live until it was looked at. */
void tls_session_begin(struct tls_session *session, int64_t deadline, struct err *io_err);
/* How the last call into GnuTLS failed; -1. */
int tls_session_failed(struct tls_session *session, int rc, struct err *err);

/* report.c */
enum tls_version tls_version_of(gnutls_protocol_t protocol);
/* What the handshake agreed on and the peer showed; `peer` has its name and port. */
int tls_report(struct tls_session *session, struct tls_peer *peer, struct err *err);
void tls_report_parameters(struct tls_session *session, struct tls_peer *peer); /* without the certificates */
/* Why the handshake failed; -1. `peer` gets the version that the peer chose, where it told. */
int tls_handshake_failed(struct tls_session *session, int rc, enum tls_version min, struct tls_peer *peer,
                         struct err *err);

#endif
