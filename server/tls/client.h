/* SPDX-License-Identifier: Apache-2.0 */
/* server/tls/client.h - a TLS client session on a connection. Reports what the peer showed, decides nothing.
 *
 * Errors of the handshake: tls.handshake tls.version tls.timeout tls.injected, connect.closed; later: tls.closed (the
 * peer ended or broke the session) and those of net/. An end without close_notify is connect.closed. The handshake
 * is finished without looking at the certificate; the caller asks trust/ about `peer` and says nothing secret before
 * the answer. */
#ifndef POSTERN_TLS_CLIENT_H
#define POSTERN_TLS_CLIENT_H

#include "base/err.h"
#include "net/conn.h"
#include "tls/peer.h"

struct tls_options {
    const char *name;           /* SNI (not sent for IP literals) and the name that goes into the peer */
    uint16_t port;
    enum tls_version min_version;
    const char *session_key;    /* resumption is per key ("account host:port generation"); NULL: none */
};

/* Puts a TLS layer on `conn`; from then on net_conn_* speak through it. `*peer` belongs to the caller, also
 * filled when the handshake failed late enough to know the version. Refuses bytes that arrived after the peer's
 * last answer (tls.injected); where nothing was read yet, a peer that speaks first is tls.handshake.
 *
 * A session is kept for resumption when something was written after the handshake and the connection was closed
 * in order, for an hour at most after the full handshake. `peer` of a resumed one is what the peer showed then, so
 * trust/ judges it as any other; where it now says no, forget and try once more: the certificate may be renewed. */
int tls_client_start(struct net_conn *conn, const struct tls_options *options, int64_t deadline,
                     struct tls_peer **peer, struct err *err);

/* Channel binding (RFC 9266 tls-exporter under TLS 1.3, RFC 5929 tls-server-end-point else); 0, or -1 where there
 * is none.
 * `*type` is a static string: "tls-exporter" or "tls-server-end-point". */
int tls_channel_binding(struct net_conn *conn, const char **type, struct buf *data, struct err *err);

/* Forgets every session kept for resumption: a trust decision changed. */
void tls_client_forget_sessions(void);

#endif
