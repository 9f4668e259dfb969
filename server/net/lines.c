/* SPDX-License-Identifier: Apache-2.0 */
/* Reading through the buffer: lines, and exact numbers of bytes. */
#include "net/internal.h"

#include <stdlib.h>

#define CHUNK 4096           /* bytes asked for at a time */
#define KEEP_MAX (4 * CHUNK) /* an idle connection keeps no larger buffer */

static size_t waiting(const struct net_conn *conn)
{
    return conn->len - conn->at;
}

/* From the socket or the layer over it. */
static ssize_t take(struct net_conn *conn, void *buf, size_t len, int64_t deadline, struct err *err)
{
    if (conn->layer == NULL)
        return net_raw_read(conn, buf, len, deadline, err);
    return conn->layer->read(conn->ctx, buf, len, deadline, err);
}

static void make_room(struct net_conn *conn)
{
    if (conn->at > 0) {
        memmove(conn->in, conn->in + conn->at, waiting(conn));
        conn->len = waiting(conn);
        conn->at = 0;
    }
    if (conn->len == 0 && conn->cap > KEEP_MAX) {
        free(conn->in);
        conn->in = NULL;
        conn->cap = 0;
    }
    if (conn->cap - conn->len < CHUNK) {
        conn->cap = conn->cap ? conn->cap * 2 : CHUNK;
        conn->in = mem_resize(conn->in, conn->cap);
    }
}

static ssize_t fill(struct net_conn *conn, int64_t deadline, struct err *err)
{
    ssize_t n;

    make_room(conn);
    n = take(conn, conn->in + conn->len, conn->cap - conn->len, deadline, err);
    if (n > 0)
        conn->len += (size_t)n;
    return n;
}

bool net_conn_park(struct net_conn *conn)
{
    if (waiting(conn) == 0) {
        free(conn->in);
        conn->in = NULL;
        conn->at = conn->len = conn->cap = conn->scanned = 0;
    }
    return waiting(conn) == conn->scanned && (conn->layer == NULL || conn->layer->pending(conn->ctx) == 0);
}

ssize_t net_conn_read(struct net_conn *conn, void *buf, size_t len, int64_t deadline, struct err *err)
{
    size_t n = waiting(conn);

    if (n == 0)
        return take(conn, buf, len, deadline, err);
    if (n > len)
        n = len;
    memcpy(buf, conn->in + conn->at, n);
    conn->at += n;
    conn->scanned = 0;
    return (ssize_t)n;
}

int net_conn_exact(struct net_conn *conn, void *buf, size_t len, int64_t deadline, struct err *err)
{
    char *at = buf;

    while (len > 0) {
        ssize_t n = net_conn_read(conn, at, len, deadline, err);

        if (n < 0)
            return -1;
        if (n == 0)
            return net_conn_closed(conn, err);
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int too_long(struct net_conn *conn, size_t max, struct err *err)
{
    conn->failed = true;
    return err_id(err, ERR_TEMPORARY, "protocol.lineTooLong", NULL, "%s sent a line of more than %zu bytes.",
                  conn->peer, max);
}

/* The line that ends before `lf`; takes it out of the buffer, where it stays readable until the next read. */
static struct str line_before(struct net_conn *conn, const char *lf)
{
    struct str line = str_n(conn->in + conn->at, (size_t)(lf - conn->in) - conn->at);

    conn->at += line.len + 1;
    conn->scanned = 0;
    if (line.len > 0 && line.p[line.len - 1] == '\r')
        line.len--;
    return line;
}

int net_conn_line(struct net_conn *conn, size_t max, struct str *line, int64_t deadline, struct err *err)
{
    for (;;) {
        size_t have = waiting(conn), seen = conn->scanned;
        const char *lf = have > seen ? memchr(conn->in + conn->at + seen, '\n', have - seen) : NULL;
        ssize_t n;

        if (lf) {
            *line = line_before(conn, lf);
            return line->len > max ? too_long(conn, max, err) : 1;
        }
        if (have > max + 1) /* the CR may be there already */
            return too_long(conn, max, err);
        conn->scanned = have;
        n = fill(conn, deadline, err);
        if (n < 0)
            return -1;
        if (n == 0)
            return have > 0 ? net_conn_closed(conn, err) : 0;
    }
}
