/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/client.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tls/self_signed.h"

#include "tap.h"

#define ANY "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0"
#define ONLY(version) "NORMAL:-VERS-ALL:+VERS-TLS" version

/* ---- a TLS server of the test's own, one connection at a time ---- */

enum after { ECHO, CUT, BYE, REHANDSHAKE, SHOW_BINDING, LATE };

struct server {
    const char *priority;
    enum after after;
    int fd;
    uint16_t port;
    pthread_t thread;
    gnutls_datum_t ticket_key;
    /* Of the last connection: */
    int handshake;
    bool saw_bye;
    bool resumed;
    char sni[256];
};

static gnutls_certificate_credentials_t credentials;
static char *cert_pem;

static int64_t soon(void)
{
    return clock_mono() + SECONDS(5);
}

static int staple(gnutls_session_t session, void *ptr, gnutls_datum_t *ret)
{
    (void)session;
    (void)ptr;
    ret->data = gnutls_malloc(5);
    memcpy(ret->data, "never", 5);
    ret->size = 5;
    return 0;
}

static void make_credentials(void)
{
    static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
    struct buf cert = { .max = 10000 }, key = { .max = 10000, .secret = true };
    struct err err = { 0 };
    gnutls_datum_t c, k;

    if (tls_self_signed(names, COUNT_OF(names), 30, &cert, &key, &err) < 0)
        abort();
    c = (gnutls_datum_t){ .data = (unsigned char *)cert.p, .size = (unsigned)cert.len };
    k = (gnutls_datum_t){ .data = (unsigned char *)key.p, .size = (unsigned)key.len };
    gnutls_certificate_allocate_credentials(&credentials);
    if (gnutls_certificate_set_x509_key_mem(credentials, &c, &k, GNUTLS_X509_FMT_PEM) < 0)
        abort();
    gnutls_certificate_set_ocsp_status_request_function(credentials, staple, NULL);
    cert_pem = buf_take(&cert);
    buf_free(&key);
}

static void echo(struct server *server, gnutls_session_t session)
{
    static char bytes[20000];
    ssize_t n;

    while ((n = gnutls_record_recv(session, bytes, sizeof(bytes))) > 0)
        if (gnutls_record_send(session, bytes, (size_t)n) < 0)
            break;
    server->saw_bye = n == 0;
}

static void show_binding(gnutls_session_t session)
{
    gnutls_channel_binding_t type = gnutls_protocol_get_version(session) == GNUTLS_TLS1_3
                                        ? GNUTLS_CB_TLS_EXPORTER
                                        : GNUTLS_CB_TLS_SERVER_END_POINT;
    gnutls_datum_t binding = { 0 };

    if (type ==
        GNUTLS_CB_TLS_SERVER_END_POINT) { /* GnuTLS gives it to clients only; SHA-256 for our certificate */
        gnutls_datum_t pem = { .data = (unsigned char *)cert_pem, .size = (unsigned)strlen(cert_pem) },
                       der = { 0 };
        size_t len = 32;

        binding.data = gnutls_malloc(len);
        gnutls_pem_base64_decode2("CERTIFICATE", &pem, &der);
        gnutls_fingerprint(GNUTLS_DIG_SHA256, &der, binding.data, &len);
        binding.size = (unsigned)len;
        gnutls_free(der.data);
    } else if (gnutls_session_channel_binding(session, type, &binding) < 0) {
        abort();
    }
    gnutls_record_send(session, binding.data, binding.size);
    gnutls_free(binding.data);
}

static void act(struct server *server, gnutls_session_t session)
{
    char bytes[10];

    switch (server->after) {
    case CUT:
        gnutls_record_send(session, "220 par", 7);
        break;
    case BYE:
        gnutls_record_send(session, "220 all", 7);
        gnutls_bye(session, GNUTLS_SHUT_WR);
        gnutls_record_recv(session, bytes, sizeof(bytes));
        break;
    case REHANDSHAKE:
        gnutls_rehandshake(session);
        gnutls_record_recv(session, bytes, sizeof(bytes));
        break;
    case LATE:
        usleep(150000);
        gnutls_record_send(session, "late\r\n", 6);
        echo(server, session);
        break;
    case SHOW_BINDING:
        show_binding(session);
        echo(server, session);
        break;
    case ECHO:
        echo(server, session);
    }
}

static void talk(struct server *server, int fd)
{
    gnutls_session_t session;
    size_t len = sizeof(server->sni);
    unsigned type;

    gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
    gnutls_priority_set_direct(session, server->priority, NULL);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_session_ticket_enable_server(session, &server->ticket_key);
    gnutls_transport_set_int(session, fd);
    gnutls_handshake_set_timeout(session, 3000);
    do
        server->handshake = gnutls_handshake(session);
    while (server->handshake < 0 && !gnutls_error_is_fatal(server->handshake));
    memset(server->sni, 0, sizeof(server->sni));
    gnutls_server_name_get(session, server->sni, &len, &type, 0);
    server->resumed = gnutls_session_is_resumed(session);
    if (server->handshake == 0)
        act(server, session);
    else
        gnutls_alert_send_appropriate(session, server->handshake);
    gnutls_deinit(session);
}

static void *serve(void *arg)
{
    struct server *server = arg;
    int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        talk(server, fd);
        close(fd);
    }
    return NULL;
}

static void server_open(struct server *server, const char *priority)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    *server = (struct server){ .priority = priority };
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(server->fd, 5) < 0 ||
        getsockname(server->fd, (struct sockaddr *)&at, &len) < 0)
        abort();
    server->port = ntohs(at.sin_port);
    gnutls_session_ticket_key_generate(&server->ticket_key);
}

static void server_close(struct server *server)
{
    gnutls_free(server->ticket_key.data);
    close(server->fd);
}

static struct net_conn *dial_with(struct server *server, void *(*run)(void *))
{
    struct net_conn *conn = NULL;
    struct err err = { 0 };

    pthread_create(&server->thread, NULL, run, server);
    if (net_connect(&conn, "127.0.0.1", server->port, soon(), NULL, &err) < 0)
        abort();
    return conn;
}

/* Connects and shakes hands; the server's side of it ends in hang_up(). */
static struct net_conn *call(struct server *server, const struct tls_options *options, struct tls_peer **peer,
                             struct err *err)
{
    struct net_conn *conn = dial_with(server, serve);

    if (tls_client_start(conn, options, soon(), peer, err) == 0)
        return conn;
    net_conn_free(conn);
    return NULL;
}

static void hang_up(struct server *server, struct net_conn *conn)
{
    net_conn_free(conn);
    pthread_join(server->thread, NULL);
}

static bool echoes(struct net_conn *conn)
{
    struct err err = { 0 };
    struct str line;

    return net_conn_write(conn, STR("EHLO me\r\n"), soon(), &err) == 0 &&
           net_conn_line(conn, 100, &line, soon(), &err) == 1 && str_eq(line, STR("EHLO me"));
}

/* ---- versions ---- */

static void test_versions(void)
{
    static const struct {
        const char *server;
        enum tls_version min, got;
        const char *id, *says;
    } rows[] = {
        { ANY, TLS_VERSION_1_0, TLS_VERSION_1_3, NULL, NULL },
        { ANY, TLS_VERSION_1_3, TLS_VERSION_1_3, NULL, NULL },
        { ONLY("1.0"), TLS_VERSION_1_0, TLS_VERSION_1_0, NULL, NULL },
        { ONLY("1.1"), TLS_VERSION_1_0, TLS_VERSION_1_1, NULL, NULL },
        { ONLY("1.1"), TLS_VERSION_1_1, TLS_VERSION_1_1, NULL, NULL },
        { ONLY("1.2"), TLS_VERSION_1_0, TLS_VERSION_1_2, NULL, NULL },
        { ONLY("1.2"), TLS_VERSION_1_2, TLS_VERSION_1_2, NULL, NULL },
        { ONLY("1.3"), TLS_VERSION_1_2, TLS_VERSION_1_3, NULL, NULL },
        { ONLY("1.0"), TLS_VERSION_1_1, TLS_VERSION_1_0, "tls.version", "TLS 1.1 is the lowest" },
        { ONLY("1.0"), TLS_VERSION_1_2, TLS_VERSION_1_0, "tls.version", "TLS 1.2 is the lowest" },
        { ONLY("1.1"), TLS_VERSION_1_2, TLS_VERSION_1_1, "tls.version", "nothing newer than TLS 1.1" },
        { ONLY("1.2"), TLS_VERSION_1_3, TLS_VERSION_NONE, "tls.version", "TLS 1.3 is the lowest" },
        { ONLY("1.1"), TLS_VERSION_NONE, TLS_VERSION_1_1, "tls.version", "TLS 1.2 is the lowest" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(tls_peer) peer = NULL;
        struct tls_options options = { .name = "localhost", .min_version = rows[i].min };
        struct err err = { 0 };
        struct server server;
        struct net_conn *conn;

        server_open(&server, rows[i].server);
        conn = call(&server, &options, &peer, &err);
        if (rows[i].id == NULL) {
            ok(conn && peer && peer->version == rows[i].got, "%s, at least %s: %s", rows[i].server,
               tls_version_name(rows[i].min), peer ? tls_version_name(peer->version) : err.text);
            ok(peer && peer->cipher[0] && peer->key_exchange[0] && conn && echoes(conn), "  %s %s",
               peer->cipher, peer->key_exchange);
        } else {
            ok(conn == NULL && strstr(err.text, rows[i].says) != NULL, "%s, at least %s: %s", rows[i].server,
               tls_version_name(rows[i].min), err.text);
            is_str(err.id, rows[i].id, "  its id");
            ok((peer ? peer->version : TLS_VERSION_NONE) == rows[i].got, "  the version the server chose");
        }
        hang_up(&server, conn);
        server_close(&server);
    }
    is_str(tls_version_name(TLS_VERSION_1_3), "tlsv1.3", "version name");
}

/* ---- what is reported ---- */

static bool is_our_cert(const struct tls_cert *cert)
{
    gnutls_datum_t der = { .data = cert->der, .size = (unsigned)cert->len }, pem = { 0 };
    bool same;

    if (gnutls_pem_base64_encode2("CERTIFICATE", &der, &pem) < 0)
        return false;
    same = strncmp((char *)pem.data, cert_pem, strlen("-----BEGIN CERTIFICATE-----")) == 0 &&
           strlen((char *)pem.data) == strlen(cert_pem) && strcmp((char *)pem.data, cert_pem) == 0;
    gnutls_free(pem.data);
    return same;
}

static void test_report(void)
{
    static const struct {
        const char *name, *peer, *sni;
    } rows[] = {
        { "localhost", "localhost", "localhost" },
        { "127.0.0.1", "127.0.0.1", "" },
        { "[::1]", "::1", "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(tls_peer) peer = NULL;
        AUTO(tls_peer) copy = NULL;
        struct tls_options options = { .name = rows[i].name, .port = 465, .min_version = TLS_VERSION_1_2 };
        struct err err = { 0 };
        struct server server;

        server_open(&server, ANY);
        hang_up(&server, call(&server, &options, &peer, &err));
        if (!ok(peer != NULL, "handshake with %s", rows[i].name))
            continue;
        copy = tls_peer_copy(peer);
        is_str(copy->name, rows[i].peer, "the peer's name");
        is_str(server.sni, rows[i].sni, "the name asked for");
        ok(copy->port == 465 && copy->chain_len == 1 && !copy->resumed && is_our_cert(&copy->chain[0]),
           "port and chain");
        ok(copy != peer && copy->chain[0].der == peer->chain[0].der, "the certificate is there once");
        is_str(copy->key_exchange, "ECDHE-SECP256R1", "key exchange");
        is_str(copy->cipher, "AES-256-GCM", "cipher");
        ok(copy->ocsp_len == 5 && memcmp(copy->ocsp, "never", 5) == 0, "stapled answer");
        ok(server.saw_bye, "an orderly close says so");
        server_close(&server);
    }
}

/* ---- resumption ---- */

/* One connection under `key`; true when it was resumed and told the chain all the same. */
static bool once(struct server *server, const char *key, const char *name, enum tls_version min, bool go_on)
{
    AUTO(tls_peer) peer = NULL;
    struct tls_options options = { .name = name, .min_version = min, .session_key = key };
    struct err err = { 0 };
    struct net_conn *conn = call(server, &options, &peer, &err);
    bool resumed = peer && peer->resumed;

    if (conn == NULL || (go_on && !echoes(conn)))
        printf("# the connection failed: %s\n", err.text);
    hang_up(server, conn);
    if (peer && (peer->chain_len != 1 || !is_our_cert(&peer->chain[0]) || peer->ocsp_len != 5 ||
                 !peer->key_exchange[0] || server->resumed != resumed))
        printf("# the peer is not what it was\n");
    else
        return resumed;
    return !resumed;
}

static void test_resumption(void)
{
    static const char *const servers[] = { ONLY("1.3"), ONLY("1.2") };

    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        struct server server;

        tls_client_forget_sessions();
        server_open(&server, servers[i]);
        ok(!once(&server, "a", "localhost", TLS_VERSION_1_2, false), "%s: first", servers[i]);
        ok(!once(&server, "a", "localhost", TLS_VERSION_1_2, true), "not kept where the caller didn't go on");
        ok(once(&server, "a", "localhost", TLS_VERSION_1_2, true), "resumed");
        ok(once(&server, "a", "localhost", TLS_VERSION_1_2, true), "and again");
        ok(!once(&server, "b", "localhost", TLS_VERSION_1_2, true), "not under another key");
        ok(!once(&server, NULL, "localhost", TLS_VERSION_1_2, true), "not without a key");
        ok(!once(&server, "a", "127.0.0.1", TLS_VERSION_1_2, true), "not under another name");
        ok(once(&server, "b", "localhost", TLS_VERSION_1_2, true), "the other key has its own");
        tls_client_forget_sessions();
        ok(!once(&server, "b", "localhost", TLS_VERSION_1_2, true), "all forgotten");
        server_close(&server);
    }
}

static void test_forget_while_open(void)
{
    AUTO(tls_peer) peer = NULL;
    struct tls_options options = { .name = "localhost", .min_version = TLS_VERSION_1_2, .session_key = "c" };
    struct err err = { 0 };
    struct server server;
    struct net_conn *conn;

    server_open(&server, ANY);
    conn = call(&server, &options, &peer, &err);
    echoes(conn);
    tls_client_forget_sessions();
    hang_up(&server, conn);
    ok(!once(&server, "c", "localhost", TLS_VERSION_1_2, true),
       "a session begun before forgetting isn't kept after it");
    server_close(&server);

    server_open(&server, ONLY("1.2"));
    once(&server, "d", "localhost", TLS_VERSION_1_2, true);
    server.priority = ANY;
    ok(!once(&server, "d", "localhost", TLS_VERSION_1_3, true),
       "a kept session under the lowest version isn't used");
    server_close(&server);
}

/* More keys than are kept: the oldest go, nothing breaks. */
static void test_kept_ceiling(void)
{
    struct server server;
    char key[16];

    tls_client_forget_sessions();
    server_open(&server, ONLY("1.2"));
    for (int i = 0; i < 260; i++) {
        snprintf(key, sizeof(key), "key %d", i);
        once(&server, key, "localhost", TLS_VERSION_1_2, true);
    }
    ok(!once(&server, "key 0", "localhost", TLS_VERSION_1_2, true), "the oldest is gone");
    ok(once(&server, "key 259", "localhost", TLS_VERSION_1_2, true), "the newest is there");
    server_close(&server);
    tls_client_forget_sessions();
}

/* ---- channel binding ---- */

static void test_binding(void)
{
    static const struct {
        const char *server, *type;
    } rows[] = {
        { ONLY("1.3"), "tls-exporter" },
        { ONLY("1.2"), "tls-server-end-point" },
        { ONLY("1.2"), "tls-server-end-point" }, /* resumed */
    };
    struct server server;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(tls_peer) peer = NULL;
        AUTO_BUF(ours, 100);
        struct tls_options options = { .name = "localhost",
                                       .min_version = TLS_VERSION_1_2,
                                       .session_key = "binding" };
        struct err err = { 0 };
        const char *type = NULL;
        struct net_conn *conn;
        char theirs[32];

        if (i < 2)
            server_open(&server, rows[i].server);
        server.after = SHOW_BINDING;
        conn = call(&server, &options, &peer, &err);
        ok(tls_channel_binding(conn, &type, &ours, &err) == 0 && peer->resumed == (i == 2), "binding %s",
           err.text);
        is_str(type, rows[i].type, "its type");
        ok(net_conn_exact(conn, theirs, sizeof(theirs), soon(), &err) == 0 &&
               str_eq(str_n(theirs, sizeof(theirs)), buf_str(&ours)),
           "both ends have the same");
        net_conn_write(conn, STR("go on"), soon(), &err);
        hang_up(&server, conn);
        if (i != 1)
            server_close(&server);
    }
}

/* ---- ends, proper and not ---- */

static void test_ends(void)
{
    AUTO(tls_peer) peer = NULL;
    struct tls_options options = { .name = "localhost", .min_version = TLS_VERSION_1_2 };
    struct err err = { 0 };
    struct server server;
    struct net_conn *conn;
    char bytes[20];

    server_open(&server, ANY);
    server.after = BYE;
    conn = call(&server, &options, &peer, &err);
    ok(net_conn_read(conn, bytes, sizeof(bytes), soon(), &err) == 7 &&
           net_conn_read(conn, bytes, sizeof(bytes), soon(), &err) == 0,
       "an orderly end");
    hang_up(&server, conn);
    tls_peer_free(TAKE(peer));

    server.after = CUT;
    conn = call(&server, &options, &peer, &err);
    ok(net_conn_read(conn, bytes, sizeof(bytes), soon(), &err) == 7 &&
           net_conn_read(conn, bytes, sizeof(bytes), soon(), &err) < 0,
       "a cut: %s", err.text);
    is_str(err.id, "connect.closed", "a cut: id");
    ok(net_conn_write(conn, STR("x"), soon(), &err) < 0 && strcmp(err.id, "connect.closed") == 0,
       "nothing goes out after it");
    hang_up(&server, conn);
    tls_peer_free(TAKE(peer));
    server_close(&server);

    server_open(&server, ONLY("1.2"));
    server.after = REHANDSHAKE;
    conn = call(&server, &options, &peer, &err);
    ok(net_conn_read(conn, bytes, sizeof(bytes), soon(), &err) < 0 && strcmp(err.id, "tls.closed") == 0,
       "renegotiation: %s", err.text);
    hang_up(&server, conn);
    server_close(&server);
}

static void test_waiting(void)
{
    static char much[1000000], back[1000000];
    AUTO(tls_peer) peer = NULL;
    struct tls_options options = { .name = "localhost",
                                   .min_version = TLS_VERSION_1_2,
                                   .session_key = "waiting" };
    struct err err = { 0 };
    struct server server;
    struct net_conn *conn;
    struct str line;
    int64_t start = clock_mono();
    bool same = true;

    server_open(&server, ANY);
    server.after = LATE;
    conn = call(&server, &options, &peer, &err);
    ok(net_conn_line(conn, 100, &line, clock_mono() + 50, &err) < 0 && clock_mono() - start < 140,
       "a time-out under TLS");
    is_str(err.id, "protocol.timeout", "its id");
    ok(net_conn_line(conn, 100, &line, soon(), &err) == 1 && str_eq(line, STR("late")),
       "and one may go on waiting");
    for (size_t i = 0; i < sizeof(much); i++)
        much[i] = (char)(i * 7 + i / 1000);
    for (size_t i = 0; i < sizeof(much) && same; i += 100000)
        same = net_conn_write(conn, str_n(much + i, 100000), soon(), &err) == 0 &&
               net_conn_exact(conn, back + i, 100000, soon(), &err) == 0;
    ok(same && memcmp(much, back, sizeof(much)) == 0, "a megabyte there and back");
    ok(net_conn_has_layer(conn) && net_conn_pending(conn) == 0, "nothing pending");
    net_conn_abort(conn);
    ok(net_conn_line(conn, 100, &line, soon(), &err) < 0 && err.code == ERR_STOPPED, "aborted: %s", err.text);
    hang_up(&server, conn);
    server_close(&server);
}

/* ---- handshakes that fail ---- */

static void plainly(struct server *server, const char *text, bool hang)
{
    int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
    char gone[2000];

    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        abort();
    while (hang && recv(fd, gone, sizeof(gone), 0) > 0)
        ;
    if (!hang)
        (void)!recv(fd, gone, sizeof(gone), 0);
    close(fd);
}

static void *say_nothing(void *arg)
{
    plainly(arg, "", true);
    return NULL;
}

static void *say_and_close(void *arg)
{
    plainly(arg, "", false);
    return NULL;
}

static void *say_greeting(void *arg)
{
    plainly(arg, "220 mail.example.com ESMTP\r\n", true);
    return NULL;
}

static void *say_http(void *arg)
{
    plainly(arg, "HTTP/1.0 400 Bad Request\r\n\r\n", false);
    return NULL;
}

static void *say_alert(void *arg)
{
    plainly(arg, "\x15\x03\x01\x1", false);
    return NULL;
}

static void test_failed(void)
{
    static const struct {
        const char *name, *id;
        void *(*run)(void *);
    } rows[] = {
        { "silence", "tls.timeout", say_nothing },        { "closed", "connect.closed", say_and_close },
        { "a greeting", "tls.handshake", say_greeting },  { "HTTP", "tls.handshake", say_http },
        { "half a record", "connect.closed", say_alert },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(tls_peer) peer = NULL;
        struct tls_options options = { .name = "localhost", .min_version = TLS_VERSION_1_2 };
        struct err err = { 0 };
        struct server server;
        struct net_conn *conn;
        int64_t start = clock_mono();

        server_open(&server, ANY);
        conn = dial_with(&server, rows[i].run);
        ok(tls_client_start(conn, &options, start + 300, &peer, &err) < 0 && clock_mono() - start < 1000,
           "%s: %s", rows[i].name, err.text);
        is_str(err.id, rows[i].id, rows[i].name);
        ok(peer == NULL && !net_conn_has_layer(conn) && err.code == ERR_TEMPORARY &&
               strstr(err.text, "127.0.0.1:"),
           "  and no layer");
        hang_up(&server, conn);
        server_close(&server);
    }
}

static void *say_injected(void *arg)
{
    plainly(arg, "220 ready\r\n250 injected\r\n", true);
    return NULL;
}

static void test_injected(void)
{
    AUTO(tls_peer) peer = NULL;
    struct tls_options options = { .name = "localhost", .min_version = TLS_VERSION_1_2 };
    struct err err = { 0 };
    struct server server;
    struct net_conn *conn;
    struct str line;

    server_open(&server, ANY);
    conn = dial_with(&server, say_injected);
    ok(net_conn_line(conn, 100, &line, soon(), &err) == 1 &&
           tls_client_start(conn, &options, soon(), &peer, &err) < 0,
       "injected: %s", err.text);
    is_str(err.id, "tls.injected", "injected: id");
    ok(tls_channel_binding(conn, &(const char *){ NULL }, &(struct buf){ .max = 100 }, &err) < 0,
       "no TLS, no binding");
    hang_up(&server, conn);
    server_close(&server);
}

/* ---- our own certificate ---- */

static void test_self_signed(void)
{
    static const char *const bad[] = { "not a name" };
    AUTO_BUF(cert, 10000);
    AUTO_BUF(tight, 10);
    struct buf key = { .max = 10000, .secret = true };
    gnutls_datum_t pem = { .data = (unsigned char *)cert_pem, .size = (unsigned)strlen(cert_pem) };
    struct err err = { 0 };
    gnutls_x509_crt_t crt;
    time_t now = time(NULL);
    unsigned usage = 0;

    gnutls_x509_crt_init(&crt);
    ok(gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) == 0, "a certificate");
    ok(gnutls_x509_crt_check_hostname(crt, "localhost") && gnutls_x509_crt_check_hostname(crt, "127.0.0.1") &&
           gnutls_x509_crt_check_hostname(crt, "::1") && !gnutls_x509_crt_check_hostname(crt, "example.com"),
       "with its names");
    ok(gnutls_x509_crt_check_issuer(crt, crt) && gnutls_x509_crt_get_ca_status(crt, NULL) == 0,
       "self-signed, not a CA");
    ok(gnutls_x509_crt_get_activation_time(crt) < now &&
           gnutls_x509_crt_get_expiration_time(crt) > now + 29 * 86400 &&
           gnutls_x509_crt_get_expiration_time(crt) <= now + 30 * 86400,
       "for thirty days");
    ok(gnutls_x509_crt_get_key_usage(crt, &usage, NULL) == 0 && usage == GNUTLS_KEY_DIGITAL_SIGNATURE &&
           gnutls_x509_crt_check_key_purpose(crt, GNUTLS_KP_TLS_WWW_SERVER, 0),
       "for TLS servers");
    gnutls_x509_crt_deinit(crt);
    ok(tls_self_signed(NULL, 0, 30, &cert, &key, &err) < 0 &&
           tls_self_signed(bad, 1, 30, &cert, &key, &err) < 0 && strstr(err.text, "not a name"),
       "refused: %s", err.text);
    ok(tls_self_signed(&(const char *){ "localhost" }, 1, 30, &tight, &key, &err) < 0, "ceiling");
    buf_free(&key);
}

int main(void)
{
    make_credentials();
    test_self_signed();
    test_versions();
    test_report();
    test_resumption();
    test_forget_while_open();
    test_kept_ceiling();
    test_binding();
    test_ends();
    test_waiting();
    test_failed();
    test_injected();
    tls_client_forget_sessions();
    gnutls_certificate_free_credentials(credentials);
    free(cert_pem);
    return done();
}
