/* SPDX-License-Identifier: Apache-2.0 */
#include "net/internal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

int net_wait(int fd, short events, int64_t deadline)
{
    struct pollfd at = { .fd = fd, .events = events };

    for (;;) {
        int64_t left = deadline - clock_mono();
        int rc = poll(&at, 1, left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);

        if (rc > 0)
            return 1;
        if (rc < 0 && errno != EINTR)
            return 1; /* the call that follows tells what is wrong */
        if (left <= 0)
            return 0;
    }
}

struct net_conn *net_conn_new(int fd, char *peer)
{
    struct net_conn *conn = mem_alloc(sizeof(*conn));

    conn->fd = fd;
    conn->peer = peer;
    return conn;
}

void net_conn_free(struct net_conn *conn)
{
    if (conn == NULL)
        return;
    if (conn->layer)
        conn->layer->close(conn->ctx, !conn->failed && !atomic_load(&conn->aborted));
    close(conn->fd);
    free(conn->in);
    free(conn->peer);
    free(conn);
}

int net_conn_fd(const struct net_conn *conn)
{
    return conn->fd;
}

const char *net_conn_peer(const struct net_conn *conn)
{
    return conn->peer;
}

bool net_conn_received(const struct net_conn *conn)
{
    return conn->received;
}

void net_conn_abort(struct net_conn *conn)
{
    atomic_store(&conn->aborted, true);
    shutdown(conn->fd, SHUT_RDWR);
}

void net_conn_set_layer(struct net_conn *conn, const struct net_layer *layer, void *ctx)
{
    conn->layer = layer;
    conn->ctx = ctx;
}

bool net_conn_has_layer(const struct net_conn *conn)
{
    return conn->layer != NULL;
}

void *net_conn_layer_ctx(const struct net_conn *conn, const struct net_layer *layer)
{
    return conn->layer == layer ? conn->ctx : NULL;
}

static int aborted(struct err *err)
{
    return err_id(err, ERR_STOPPED, "connect.aborted", NULL, "The connection was ended from here.");
}

int net_conn_closed(struct net_conn *conn, struct err *err)
{
    conn->failed = true;
    if (atomic_load(&conn->aborted))
        return aborted(err);
    return err_id(err, ERR_TEMPORARY, "connect.closed", NULL, "%s closed the connection too early.",
                  conn->peer);
}

/* Not the end of the connection: who waits for news (IMAP IDLE) may go on reading. */
static int timed_out(struct net_conn *conn, const char *what, struct err *err)
{
    if (atomic_load(&conn->aborted))
        return aborted(err);
    return err_id(err, ERR_TEMPORARY, "protocol.timeout", NULL, "%s didn't %s in time.", conn->peer, what);
}

static int broken(struct net_conn *conn, int error, struct err *err)
{
    if (error == EPIPE || error == ECONNRESET || atomic_load(&conn->aborted))
        return net_conn_closed(conn, err);
    conn->failed = true;
    return err_id(err, ERR_TEMPORARY, "connect.closed", NULL, "The connection to %s broke: %s.", conn->peer,
                  strerror(error));
}

ssize_t net_raw_read(struct net_conn *conn, void *buf, size_t len, int64_t deadline, struct err *err)
{
    for (;;) {
        ssize_t n = recv(conn->fd, buf, len, 0);

        if (n > 0)
            conn->received = true;
        if (n == 0 && atomic_load(&conn->aborted))
            return net_conn_closed(conn, err);
        if (n >= 0)
            return n;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return broken(conn, errno, err);
        if (!net_wait(conn->fd, POLLIN, deadline))
            return timed_out(conn, "answer", err);
    }
}

int net_raw_write(struct net_conn *conn, struct str bytes, int64_t deadline, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t n = send(conn->fd, bytes.p, bytes.len, MSG_NOSIGNAL);

        if (n >= 0)
            bytes = str_from(bytes, (size_t)n);
        else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!net_wait(conn->fd, POLLOUT, deadline)) {
                conn->failed = true;
                return timed_out(conn, "take what was sent", err);
            }
        } else if (errno != EINTR) {
            return broken(conn, errno, err);
        }
    }
    return 0;
}

int net_conn_write(struct net_conn *conn, struct str bytes, int64_t deadline, struct err *err)
{
    if (conn->layer == NULL)
        return net_raw_write(conn, bytes, deadline, err);
    return conn->layer->write(conn->ctx, bytes, deadline, err);
}

size_t net_conn_pending(struct net_conn *conn)
{
    size_t buffered = conn->len - conn->at;
    int waiting = 0;

    if (conn->layer)
        return buffered + conn->layer->pending(conn->ctx);
    if (ioctl(conn->fd, FIONREAD, &waiting) < 0)
        waiting = 0;
    return buffered + (size_t)waiting;
}
