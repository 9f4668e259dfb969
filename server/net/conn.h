/* SPDX-License-Identifier: Apache-2.0 */
/* server/net/conn.h - one TCP connection with deadlines; a TLS layer may be put on it.
 *
 * Deadlines are clock_mono() milliseconds. Errors carry an id: config.hostname (not a name), dns.notFound
 * dns.timeout dns.failed, connect.refused connect.timeout connect.unreachable, connect.closed (closed or reset in
 * the middle); a read or write that runs out of time: protocol.timeout (after a read one may go on reading); after
 * net_conn_abort(): ERR_STOPPED, connect.aborted. The code is ERR_TEMPORARY but for the first and the last. Each
 * text names host, port and address.
 *
 * A connection belongs to one thread; only net_conn_abort() may be called from another. */
#ifndef POSTERN_NET_CONN_H
#define POSTERN_NET_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct net_conn;

/* What happened on the way, for verify's steps. */
struct net_trace {
    int64_t resolve_ms;
    int64_t connect_ms;
    int addresses;              /* how many the name has */
    char address[64];           /* "[::1]:465": the one that answered, or the last tried */
    bool resolved;              /* the resolve step succeeded */
};

/* A layer that takes over reading and writing (TLS). Return like net_conn_read and net_conn_write. */
struct net_layer {
    ssize_t (*read)(void *ctx, void *buf, size_t len, int64_t deadline, struct err *err);
    int (*write)(void *ctx, struct str bytes, int64_t deadline, struct err *err);
    void (*close)(void *ctx, bool orderly);     /* also frees ctx */
    size_t (*pending)(void *ctx);               /* bytes it holds that read() would give without the socket */
};

/* `hostname` is a DNS name (IDN is turned into A-labels) or an IP literal, with or without brackets. All addresses
 * are tried in turn, RFC 6724 order, families interleaved, each given a fair part of the time left. `trace` may be
 * NULL. */
int net_connect(struct net_conn **ret, const char *hostname, uint16_t port, int64_t deadline,
                struct net_trace *trace, struct err *err);
void net_conn_free(struct net_conn *conn);                  /* closes; orderly when nothing failed */
MEM_FREEP(net_conn)

int  net_conn_fd(const struct net_conn *conn);
/* "mail.example.com:465 (192.0.2.1)", for error texts. */
const char *net_conn_peer(const struct net_conn *conn);
bool net_conn_received(const struct net_conn *conn);        /* did the peer say anything yet */
/* The error for an end that comes too early: connect.closed, and -1. */
int  net_conn_closed(struct net_conn *conn, struct err *err);
void net_conn_abort(struct net_conn *conn);                 /* any thread: shutdown(2); reads and writes then fail */
void net_conn_set_layer(struct net_conn *conn, const struct net_layer *layer, void *ctx);
bool net_conn_has_layer(const struct net_conn *conn);
/* Its ctx when this very layer is the one on `conn`, else NULL. */
void *net_conn_layer_ctx(const struct net_conn *conn, const struct net_layer *layer);

/* Bytes read, 0 at an orderly end, -1 on error. */
ssize_t net_conn_read(struct net_conn *conn, void *buf, size_t len, int64_t deadline, struct err *err);
/* Below the layer: what TLS reads and writes. */
ssize_t net_raw_read(struct net_conn *conn, void *buf, size_t len, int64_t deadline, struct err *err);
int net_raw_write(struct net_conn *conn, struct str bytes, int64_t deadline, struct err *err);
/* All of it, or -1. */
int net_conn_write(struct net_conn *conn, struct str bytes, int64_t deadline, struct err *err);
/* One line without its CRLF (a bare LF is taken too); valid until the next read. 1 line, 0 orderly end, -1 error.
 * A line of more than `max` bytes is protocol.lineTooLong. */
int net_conn_line(struct net_conn *conn, size_t max, struct str *line, int64_t deadline, struct err *err);
/* Exactly `len` bytes (a literal). 0, or -1; an end before them is connect.closed. */
int net_conn_exact(struct net_conn *conn, void *buf, size_t len, int64_t deadline, struct err *err);
/* Bytes received and not yet taken; must be 0 when TLS starts (RFC 3207 5, CVE-2011-0411). Looks at the layer, and
 * without one at the socket too. */
size_t net_conn_pending(struct net_conn *conn);
/* Before a long wait: gives back the buffer for reading when it is empty. True: nothing was received that is still to be
 * looked at, but for the beginning of a line; the socket's readiness then tells of all that comes. */
bool net_conn_park(struct net_conn *conn);

/* True when `text` is an IPv4 or IPv6 literal (brackets allowed). */
bool net_is_ip_literal(const char *text);
/* IDNA2008 A-label form, lower case, without a final dot; IP literals unchanged but for brackets, which are taken
 * off. Refused as config.hostname: what is no name, and "127.1" or "0x7f000001", which some take for addresses. The
 * caller frees. */
int net_host_ascii(const char *hostname, char **ret, struct err *err);

#endif
