/* SPDX-License-Identifier: Apache-2.0 */
/* server/net/internal.h - what conn.c, dial.c and lines.c share. Inside net/ only. */
#ifndef POSTERN_NET_INTERNAL_H
#define POSTERN_NET_INTERNAL_H

#include <stdatomic.h>

#include "net/conn.h"

struct net_conn {
    int fd;
    char *peer;                    /* for error texts */
    const struct net_layer *layer; /* NULL: none */
    void *ctx;
    atomic_bool aborted;
    bool failed; /* no orderly close any more */
    bool received;
    /* Received and not yet taken: in[at..len). */
    char *in;
    size_t at, len, cap;
    size_t scanned; /* from `at`: looked at already, has no LF */
};

/* Waits until `fd` is ready: 1, or 0 when the deadline came first. A deadline in the past still looks once.
 */
int net_wait(int fd, short events, int64_t deadline);
struct net_conn *net_conn_new(int fd, char *peer); /* takes both */

#endif
