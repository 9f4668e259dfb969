/* SPDX-License-Identifier: Apache-2.0 */
/* Between GnuTLS and net/: bytes up and down, each call with its deadline. */
#include "tls/session.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "tls/sessions.h"

#define PUSH_MAX (256 * 1024) /* bytes in one push: a flight of handshake messages, or some records */

static void note_first(struct tls_session *session, const void *bytes, size_t len)
{
    size_t room = FIRST_LEN - session->first_len;

    if (len > room)
        len = room;
    memcpy(session->first + session->first_len, bytes, len);
    session->first_len += len;
}

/* A time-out is EAGAIN, after which GnuTLS lets us try again; anything else ends the session. */
static ssize_t io_failed(struct tls_session *session)
{
    bool waits = strcmp(session->io_err->id, "protocol.timeout") == 0;

    session->io_failed = true;
    gnutls_transport_set_errno(session->gnutls, waits ? EAGAIN : EIO);
    return -1;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *buf, size_t len)
{
    struct tls_session *session = ptr;
    ssize_t n = net_raw_read(session->conn, buf, len, session->deadline, session->io_err);

    if (n < 0)
        return io_failed(session);
    if (session->first_len < FIRST_LEN)
        note_first(session, buf, (size_t)n);
    return n;
}

/* One segment for one flight: with TCP_NODELAY each write would be a packet. */
static ssize_t push(gnutls_transport_ptr_t ptr, const giovec_t *parts, int count)
{
    struct tls_session *session = ptr;
    AUTO_BUF(joined, PUSH_MAX);
    struct str bytes = str_n(parts[0].iov_base, parts[0].iov_len);
    size_t len = 0;

    for (int i = 0; i < count; i++)
        len += parts[i].iov_len;
    if (count > 1 && len <= PUSH_MAX) {
        for (int i = 0; i < count; i++)
            buf_add(&joined, str_n(parts[i].iov_base, parts[i].iov_len));
        bytes = buf_str(&joined);
    }
    if (net_raw_write(session->conn, bytes, session->deadline, session->io_err) < 0) {
        session->io_failed = true;
        gnutls_transport_set_errno(session->gnutls, EIO);
        return -1;
    }
    return (ssize_t)bytes.len; /* less than all: GnuTLS comes again with the rest */
}

static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
    struct tls_session *session = ptr;
    struct pollfd at = { .fd = net_conn_fd(session->conn), .events = POLLIN };

    return poll(&at, 1, ms > INT_MAX ? -1 : (int)ms);
}

struct tls_session *tls_session_new(struct net_conn *conn)
{
    struct tls_session *session = mem_alloc(sizeof(*session));

    session->conn = conn;
    if (gnutls_init(&session->gnutls, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL) < 0)
        abort(); /* no memory */
    gnutls_transport_set_ptr(session->gnutls, session);
    gnutls_transport_set_pull_function(session->gnutls, pull);
    gnutls_transport_set_vec_push_function(session->gnutls, push);
    gnutls_transport_set_pull_timeout_function(session->gnutls, pull_timeout);
    return session;
}

void tls_session_free(struct tls_session *session)
{
    if (session == NULL)
        return;
    gnutls_deinit(session->gnutls);
    tls_peer_free(session->peer);
    free(session->session_key);
    free(session);
}

void tls_session_begin(struct tls_session *session, int64_t deadline, struct err *io_err)
{
    session->deadline = deadline;
    session->io_failed = false;
    session->io_err = io_err;
    *io_err = (struct err){ 0 };
}

int tls_session_failed(struct tls_session *session, int rc, struct err *err)
{
    const char *peer = net_conn_peer(session->conn);

    if (session->io_failed && strcmp(session->io_err->id, "protocol.timeout") == 0) {
        if (err)
            *err = *session->io_err;
        return -1;
    }
    session->broken = true;
    if (session->io_failed) {
        if (err)
            *err = *session->io_err;
        return -1;
    }
    if (rc == GNUTLS_E_PREMATURE_TERMINATION) /* RFC 8446 6.1: without close_notify it may be cut off */
        return net_conn_closed(session->conn, err);
    if (rc == GNUTLS_E_REHANDSHAKE)
        return err_id(err, ERR_TEMPORARY, "tls.closed", NULL,
                      "%s asked for another TLS handshake in the middle, which is refused.", peer);
    if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED)
        return err_id(err, ERR_TEMPORARY, "tls.closed", NULL, "%s ended the TLS session: %s.", peer,
                      gnutls_alert_get_name(gnutls_alert_get(session->gnutls)));
    return err_id(err, ERR_TEMPORARY, "tls.closed", NULL, "The TLS session with %s broke: %s", peer,
                  gnutls_strerror(rc));
}

/* True when a call that GnuTLS interrupted should be made again: a ticket or a warning came, or time is left.
 */
static bool goes_on(struct tls_session *session, ssize_t rc)
{
    bool again = rc == GNUTLS_E_AGAIN || rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED;

    return again && !session->io_failed;
}

/* Messages without content earn no time: the peer could send them for ever. */
static int out_of_time(struct tls_session *session, struct err *err)
{
    return err_id(err, ERR_TEMPORARY, "protocol.timeout", NULL, "%s didn't answer in time.",
                  net_conn_peer(session->conn));
}

static ssize_t layer_read(void *ctx, void *buf, size_t len, int64_t deadline, struct err *err)
{
    struct tls_session *session = ctx;
    struct err io_err;
    ssize_t n;

    if (session->broken)
        return net_conn_closed(session->conn, err);
    tls_session_begin(session, deadline, &io_err);
    do {
        n = gnutls_record_recv(session->gnutls, buf, len);
        if (n < 0 && goes_on(session, n) && clock_mono() > deadline)
            return out_of_time(session, err);
    } while (n < 0 && goes_on(session, n));
    return n < 0 ? tls_session_failed(session, (int)n, err) : n;
}

static int layer_write(void *ctx, struct str bytes, int64_t deadline, struct err *err)
{
    struct tls_session *session = ctx;
    struct err io_err;

    if (session->broken)
        return net_conn_closed(session->conn, err);
    tls_session_begin(session, deadline, &io_err);
    session->wrote = true;
    while (bytes.len > 0) {
        ssize_t n = gnutls_record_send(session->gnutls, bytes.p, bytes.len);

        if (n >= 0)
            bytes = str_from(bytes, (size_t)n);
        else if (!goes_on(session, n)) {
            session->broken = true; /* half a record may be out */
            return tls_session_failed(session, (int)n, err);
        }
    }
    return 0;
}

/* Only what the caller went on with after the handshake is kept: a refused peer gets no second chance by
 * resumption. Under TLS 1.3 the ticket comes after the handshake; without one gnutls_session_get_data2 would
 * wait for it. */
static void keep(struct tls_session *session)
{
    bool ticket = gnutls_session_get_flags(session->gnutls) & GNUTLS_SFLAGS_SESSION_TICKET;
    gnutls_datum_t data = { 0 };
    struct tls_kept *kept;

    if (session->session_key == NULL || !session->wrote || session->peer == NULL ||
        (session->peer->version == TLS_VERSION_1_3 && !ticket) || session->until <= clock_now())
        return;
    if (gnutls_session_get_data2(session->gnutls, &data) < 0)
        return;
    kept = mem_alloc(sizeof(*kept));
    kept->data = mem_copy(data.data, data.size);
    kept->len = data.size;
    kept->peer = TAKE(session->peer);
    kept->until = session->until;
    kept->epoch = session->epoch;
    gnutls_memset(data.data, 0, data.size);
    gnutls_free(data.data);
    sessions_put(session->session_key, kept);
}

/* Never waits: the close_notify goes out if the socket takes it, the peer's isn't awaited. */
static void layer_close(void *ctx, bool orderly)
{
    struct tls_session *session = ctx;
    struct err io_err;

    if (orderly && !session->broken) {
        keep(session);
        tls_session_begin(session, 0, &io_err);
        gnutls_bye(session->gnutls, GNUTLS_SHUT_WR);
    }
    tls_session_free(session);
}

static size_t layer_pending(void *ctx)
{
    struct tls_session *session = ctx;

    return gnutls_record_check_pending(session->gnutls);
}

const struct net_layer tls_layer = {
    .read = layer_read, .write = layer_write, .close = layer_close, .pending = layer_pending
};
