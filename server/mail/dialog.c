/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/dialog.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/encode.h"
#include "mail/text.h"
#include "net/conn.h"
#include "tls/client.h"

struct dialog {
    const char *protocol;
    struct mail_server server; /* its strings are ours */
    struct mail_observer observer;
    struct net_conn *conn;
    bool encrypted;
    bool tickets_follow; /* nothing was sent since the handshake */
    bool broken;
    pthread_mutex_t lock; /* over `conn` changing and `aborted`, for dialog_abort() */
    bool aborted;
};

static char *copy_unless_empty(const char *text)
{
    return text && *text ? mem_strdup(text) : NULL;
}

struct dialog *dialog_new(const char *protocol, const struct mail_server *server,
                          const struct mail_observer *observer)
{
    struct dialog *d = mem_alloc(sizeof(*d));

    d->protocol = protocol;
    d->server = *server;
    d->server.hostname = mem_strdup(server->hostname ? server->hostname : "");
    d->server.verify_name = copy_unless_empty(server->verify_name);
    d->server.session_key = copy_unless_empty(server->session_key);
    dialog_set_observer(d, observer);
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

static void set_conn(struct dialog *d, struct net_conn *conn)
{
    pthread_mutex_lock(&d->lock);
    d->conn = conn;
    if (conn && d->aborted)
        net_conn_abort(conn);
    pthread_mutex_unlock(&d->lock);
}

static void close_conn(struct dialog *d)
{
    struct net_conn *conn = d->conn;

    set_conn(d, NULL);
    net_conn_free(conn);
    d->encrypted = false;
}

void dialog_free(struct dialog *d)
{
    if (d == NULL)
        return;
    close_conn(d);
    pthread_mutex_destroy(&d->lock);
    free((char *)d->server.hostname);
    free((char *)d->server.verify_name);
    free((char *)d->server.session_key);
    free(d);
}

bool dialog_is_encrypted(const struct dialog *d)
{
    return d->encrypted;
}

const char *dialog_hostname(const struct dialog *d)
{
    return d->server.hostname;
}

const struct mail_server *dialog_server(const struct dialog *d)
{
    return &d->server;
}

void dialog_set_observer(struct dialog *d, const struct mail_observer *observer)
{
    d->observer = observer ? *observer : (struct mail_observer){ 0 };
}

int dialog_fd(const struct dialog *d)
{
    return d->conn ? net_conn_fd(d->conn) : -1;
}

bool dialog_is_broken(const struct dialog *d)
{
    return d->broken || d->conn == NULL;
}

void dialog_break(struct dialog *d)
{
    d->broken = true;
    if (d->conn)
        net_conn_abort(d->conn); /* so that closing doesn't wait for the other end */
}

void dialog_abort(struct dialog *d)
{
    pthread_mutex_lock(&d->lock);
    d->aborted = true;
    if (d->conn)
        net_conn_abort(d->conn);
    pthread_mutex_unlock(&d->lock);
}

static bool is_aborted(struct dialog *d)
{
    bool aborted;

    pthread_mutex_lock(&d->lock);
    aborted = d->aborted;
    pthread_mutex_unlock(&d->lock);
    return aborted;
}

int64_t dialog_deadline(const struct dialog *d)
{
    return clock_mono() + d->server.timeout_ms;
}

/* ---- what others see -------------------------------------------------------------------------------- */

bool dialog_is_shown(const struct dialog *d)
{
    return d->observer.transcript != NULL;
}

void dialog_show(struct dialog *d, enum mail_direction direction, struct str line)
{
    if (d->observer.transcript)
        d->observer.transcript(d->observer.ctx, direction, line);
}

void dialog_step(struct dialog *d, const char *name, int64_t started, const char *detail,
                 const struct err *err)
{
    struct mail_step step = {
        .name = name, .ms = clock_mono() - started, .detail = detail ? detail : "", .err = err
    };

    if (d->observer.step)
        d->observer.step(d->observer.ctx, &step);
}

/* ---- errors ----------------------------------------------------------------------------------------- */

int dialog_fail(struct dialog *d, enum err_code code, const char *id, const char *step, struct err *err,
                const char *fmt, ...)
{
    char at[64], text[sizeof(err->text)];
    va_list args;

    dialog_break(d);
    snprintf(at, sizeof(at), "%s.%s", d->protocol, step);
    if (is_aborted(d))
        return err_id(
            err, ERR_STOPPED, "connect.stopped", at,
            "The connection to %s was closed here: the account was changed, or Postern is stopping.",
            d->server.hostname);
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return err_id(err, code, id, at, "%s", text);
}

char *dialog_awaited(const char *step, char words[64])
{
    size_t used;

    if (strcmp(step, "greeting") == 0)
        return strcpy(words, "its greeting");
    if (strcmp(step, "dot") == 0)
        return strcpy(words, "its answer to the end of the message");
    if (strcmp(step, "body") == 0)
        return strcpy(words, "room for more of the message");
    used = (size_t)snprintf(words, 64, "its answer to ");
    for (const char *p = step; *p && used < 63; p++)
        words[used++] = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p;
    words[used] = '\0';
    return words;
}

/* Gives an error of the connection the place and the words of this conversation. */
static int connection_failed(struct dialog *d, const char *step, const struct err *why, struct err *err)
{
    char words[64];

    dialog_awaited(step, words);
    if (strcmp(why->id, "protocol.timeout") == 0)
        return dialog_fail(d, ERR_TEMPORARY, "protocol.timeout", step, err,
                           "%s said nothing for %g s where %s was expected.", d->server.hostname,
                           (double)d->server.timeout_ms / 1000, words);
    if (strcmp(why->id, "connect.closed") == 0)
        return dialog_fail(d, ERR_TEMPORARY, "connect.closed", step, err,
                           "%s closed the connection where %s was expected.", d->server.hostname, words);
    if (strcmp(why->id, "connect.reset") == 0)
        return dialog_fail(d, ERR_TEMPORARY, "connect.reset", step, err,
                           "%s broke the connection off where %s was expected.", d->server.hostname, words);
    if (strcmp(why->id, "protocol.lineTooLong") == 0)
        return dialog_fail(d, ERR_TEMPORARY, "protocol.lineTooLong", step, err,
                           "%s sent a line without end where %s was expected.", d->server.hostname, words);
    return dialog_fail(d, why->code ? why->code : ERR_TEMPORARY, why->id[0] ? why->id : "connect.failed",
                       step, err, "%s: %s", d->server.hostname, why->text);
}

/* ---- connecting ------------------------------------------------------------------------------------- */

static int judge(struct dialog *d, const struct tls_peer *peer, struct err *err)
{
    int64_t started = clock_mono();
    int rc;

    if (d->observer.judge == NULL)
        rc = err_id(err, ERR_INTERNAL, "cert.unjudged", NULL,
                    "Nobody was there to look at the certificate of %s.", d->server.hostname);
    else
        rc = d->observer.judge(d->observer.ctx, peer, err);
    if (rc < 0)
        dialog_break(d);
    dialog_step(d, "certificate", started, NULL, rc < 0 ? err : NULL);
    return rc;
}

static void describe(const struct tls_peer *peer, char *text, size_t size)
{
    static const char *const names[] = { "TLS", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3" };

    snprintf(text, size, "%s, %s, %s%s", names[(size_t)peer->version < COUNT_OF(names) ? peer->version : 0],
             peer->cipher, peer->key_exchange, peer->resumed ? ", resumed" : "");
}

static int handshake(struct dialog *d, struct tls_peer **peer, struct err *err)
{
    AUTO_FREE char *name = NULL;
    struct tls_options options = { .port = d->server.port,
                                   .min_version = d->server.tls_min,
                                   .session_key = d->server.session_key };
    struct err why = { 0 };

    if (net_host_ascii(d->server.verify_name ? d->server.verify_name : d->server.hostname, &name, err) < 0) {
        dialog_break(d);
        return -1;
    }
    options.name = name;
    if (tls_client_start(d->conn, &options, dialog_deadline(d), peer, &why) < 0)
        return dialog_fail(d, why.code ? why.code : ERR_TEMPORARY, why.id[0] ? why.id : "tls.handshake",
                           "tls", err, "%s", why.text);
    d->encrypted = d->tickets_follow = true;
    return 0;
}

int dialog_start_tls(struct dialog *d, struct err *err)
{
    AUTO(tls_peer) peer = NULL;
    int64_t started = clock_mono();
    struct err own = { 0 };
    char detail[192] = "";
    int rc;

    /* Where we begin with TLS, one who speaks first is no forger but a port without TLS: the handshake says so. */
    if (net_conn_received(d->conn) && net_conn_pending(d->conn) > 0)
        rc = dialog_fail(
            d, ERR_TEMPORARY, "tls.injected", "tls", &own,
            "Something was sent before the encryption began, as a forger between here and %s would do it; "
            "the connection was closed.",
            d->server.hostname);
    else
        rc = handshake(d, &peer, &own);
    if (rc == 0)
        describe(peer, detail, sizeof(detail));
    dialog_step(d, "tls", started, detail, rc < 0 ? &own : NULL);
    if (rc == 0)
        rc = judge(d, peer, &own);
    if (rc < 0 && err)
        *err = own;
    return rc;
}

static void report_connecting(struct dialog *d, const struct net_trace *trace, int64_t started,
                              const struct err *err)
{
    int64_t now = clock_mono();
    char detail[64];

    if (!trace->resolved) {
        dialog_step(d, "resolve", started, NULL, err);
        return;
    }
    snprintf(detail, sizeof(detail), "%d address%s", trace->addresses, trace->addresses == 1 ? "" : "es");
    dialog_step(d, "resolve", now - trace->resolve_ms, detail, NULL);
    dialog_step(d, "connect", now - trace->connect_ms, trace->address, err);
}

int dialog_connect(struct dialog *d, struct err *err)
{
    struct net_trace trace = { 0 };
    struct net_conn *conn = NULL;
    int64_t started = clock_mono();
    struct err why = { 0 }, own = { 0 };
    int rc;

    close_conn(d);
    d->broken = false;
    rc = net_connect(&conn, d->server.hostname, d->server.port, dialog_deadline(d), &trace, &why);
    if (rc == 0)
        set_conn(d, conn);
    if (rc < 0 || is_aborted(d))
        rc = dialog_fail(d, why.code, why.id, trace.resolved ? "connect" : "resolve", &own, "%s", why.text);
    report_connecting(d, &trace, started, rc < 0 ? &own : NULL);
    if (rc < 0 && err)
        *err = own;
    if (rc == 0 && d->server.security == SECURITY_SSL)
        return dialog_start_tls(d, err);
    return rc;
}

int dialog_channel_binding(struct dialog *d, struct buf *into)
{
    AUTO_BUF(data, 1024);
    const char *type = NULL;

    data.secret = true;
    if (!d->encrypted || tls_channel_binding(d->conn, &type, &data, NULL) < 0 ||
        strcmp(type, "tls-exporter") != 0)
        return -1;
    return base64_encode(buf_str(&data), into);
}

/* ---- talking ---------------------------------------------------------------------------------------- */

/* The server's session tickets come while we send the first command. Unless they are acknowledged at once,
 * its answer waits 40 ms for our delayed acknowledgement (its end has Nagle's algorithm). */
static void hurry_tickets(struct dialog *d)
{
    if (d->tickets_follow)
        setsockopt(net_conn_fd(d->conn), IPPROTO_TCP, TCP_QUICKACK, &(int){ 1 }, sizeof(int));
    d->tickets_follow = false;
}

int dialog_send(struct dialog *d, const char *step, struct str bytes, struct err *err)
{
    struct err why = { 0 };

    if (dialog_is_broken(d))
        err_id(&why, ERR_TEMPORARY, "connect.closed", NULL, "closed");
    if (dialog_is_broken(d) || net_conn_write(d->conn, bytes, dialog_deadline(d), &why) < 0)
        return connection_failed(d, step, &why, err);
    hurry_tickets(d);
    return 0;
}

int dialog_line(struct dialog *d, const char *step, size_t max, int64_t deadline, struct str *line,
                struct err *err)
{
    struct err why = { 0 };
    int rc = dialog_is_broken(d) ? 0 : net_conn_line(d->conn, max, line, deadline, &why);

    if (rc > 0)
        return 0;
    if (rc == 0)
        err_id(&why, ERR_TEMPORARY, "connect.closed", NULL, "closed");
    return connection_failed(d, step, &why, err);
}

int dialog_read(struct dialog *d, const char *step, char *into, size_t size, int64_t deadline,
                struct str *bytes, struct err *err)
{
    struct err why = { 0 };
    ssize_t n = dialog_is_broken(d) ? 0 : net_conn_read(d->conn, into, size, deadline, &why);

    if (n > 0) {
        *bytes = str_n(into, (size_t)n);
        return 0;
    }
    if (n == 0)
        err_id(&why, ERR_TEMPORARY, "connect.closed", NULL, "closed");
    return connection_failed(d, step, &why, err);
}

/* What a read without waiting has come to, where it brought nothing. */
static int try_again(struct dialog *d, const char *step, bool closed, struct err *why, struct err *err)
{
    if (closed)
        err_id(why, ERR_TEMPORARY, "connect.closed", NULL, "closed");
    return strcmp(why->id, "protocol.timeout") == 0 ? 0 : connection_failed(d, step, why, err);
}

int dialog_try_line(struct dialog *d, const char *step, size_t max, struct str *line, struct err *err)
{
    struct err why = { 0 };
    int rc = dialog_is_broken(d) ? 0 : net_conn_line(d->conn, max, line, 0, &why);

    return rc > 0 ? 1 : try_again(d, step, rc == 0, &why, err);
}

int dialog_try_read(struct dialog *d, const char *step, char *into, size_t size, struct str *bytes,
                    struct err *err)
{
    struct err why = { 0 };
    ssize_t n = dialog_is_broken(d) ? 0 : net_conn_read(d->conn, into, size, 0, &why);

    *bytes = str_n(into, n > 0 ? (size_t)n : 0);
    return n > 0 ? 1 : try_again(d, step, n == 0, &why, err);
}

void dialog_flow_begin(struct dialog_flow *flow)
{
    *flow = (struct dialog_flow){ .begun = clock_mono() };
}

void dialog_flow_excuse(struct dialog_flow *flow, int64_t started)
{
    flow->begun += clock_mono() - started;
}

int64_t dialog_flow_deadline(const struct dialog *d, const struct dialog_flow *flow)
{
    int64_t earned = SECONDS(flow->bytes / 1024 + flow->items);
    int64_t last = flow->begun + d->server.timeout_ms + earned, next = dialog_deadline(d);

    return next < last ? next : last;
}

bool dialog_has_more(struct dialog *d)
{
    return d->conn && net_conn_pending(d->conn) > 0;
}

bool dialog_park(struct dialog *d)
{
    return d->conn == NULL || net_conn_park(d->conn);
}

/* Under TLS whatever is readable counts as "not quiet": an alert looks no different from an answer from
 * outside. */
bool dialog_is_quiet(struct dialog *d)
{
    char byte;

    if (dialog_is_broken(d) || net_conn_pending(d->conn) > 0)
        return false;
    return recv(net_conn_fd(d->conn), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}
