/* SPDX-License-Identifier: Apache-2.0 */
/* HTTPS: versions, the cookie's Secure, late answers, and a client that stalls in its handshake. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "http/http.h"
#include "http_client.h"
#include "tap.h"
#include "tls/self_signed.h"
#include "tls/server_cert.h"

static uint16_t port;

static void *answer_late(void *call)
{
    nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    http_answer(call, 200, "text/plain", http_body(call));
    return NULL;
}

static void on_late(struct http_call *call)
{
    pthread_t thread;

    pthread_create(&thread, NULL, answer_late, call);
    pthread_detach(thread);
}

static void on_login(struct http_call *call)
{
    struct http_identity who = { .user = "anna", .role = ROLE_VIEWER };
    char csrf[44];

    http_session_new(call, &who, csrf);
    http_answer_empty(call, http_is_tls(call) ? 204 : 500);
}

static const struct http_route routes[] = {
    { HTTP_POST, "/late", ROLE_NONE, on_late, 0, "text/plain", NULL, NULL, NULL, NULL },
    { HTTP_POST, "/login", ROLE_NONE, on_login, 0, NULL, NULL, NULL, NULL, NULL },
    { .pattern = NULL },
};
static const struct http_route *const tables[] = { routes, NULL };

/* Sends one request after another over one session; the last answer is in `into`. 0, or the number of the failure. */
static int talk(const char *priorities, const char *request, int times, char *into, size_t room)
{
    gnutls_certificate_credentials_t trust;
    gnutls_session_t session;
    struct client client;
    int rc;

    client_open(&client, port);
    gnutls_certificate_allocate_credentials(&trust);
    gnutls_init(&session, GNUTLS_CLIENT);
    gnutls_priority_set_direct(session, priorities, NULL);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust);
    gnutls_transport_set_int(session, client.fd);
    gnutls_handshake_set_timeout(session, 5000);
    do
        rc = gnutls_handshake(session);
    while (rc < 0 && !gnutls_error_is_fatal(rc));
    for (int i = 0; i < times && rc >= 0; i++) {
        size_t len = 0;
        ssize_t got = 0;

        gnutls_record_send(session, request, strlen(request));
        into[0] = '\0';
        while (strstr(into, "\r\n\r\n") == NULL || (strstr(into, "Content-Length: 5") && strstr(into, "hello") == NULL)) {
            got = gnutls_record_recv(session, into + len, room - len - 1);
            if (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED)
                continue;
            if (got <= 0)
                break;
            len += (size_t)got;
            into[len] = '\0';
        }
        rc = got <= 0 ? -1 : 0;
    }
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(trust);
    client_close(&client);
    return rc;
}

static void test_talk(void)
{
    static const char late[] = "POST /late HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 5\r\n\r\nhello";
    static const char login[] = "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\n\r\n";
    static const char foreign[] = "POST /login HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n";
    char got[8192], cookie[80];

    is_int(talk("NORMAL", late, 100, got, sizeof(got)), 0, "a hundred late answers over one session");
    ok(strstr(got, "HTTP/1.1 200") && strstr(got, "hello"), "the last of them");
    is_int(talk("NORMAL:-VERS-ALL:+VERS-TLS1.2", login, 1, got, sizeof(got)), 0, "TLS 1.2");
    ok(strstr(got, "HTTP/1.1 204") && strstr(got, "SameSite=Strict; Secure"), "a cookie for TLS only");
    snprintf(cookie, sizeof(cookie), "Set-Cookie: __Host-postern_session_%u=", port);
    ok(strstr(got, cookie) && strstr(got, "; Path=/;") && !strstr(got, "Domain"), "and for this host and port only");
    is_int(talk("NORMAL", foreign, 1, got, sizeof(got)), 0, "a page without TLS");
    ok(strstr(got, "HTTP/1.1 403") && strstr(got, "Strict-Transport-Security: max-age=31536000\r\n"), "may not write");
    ok(talk("LEGACY:-VERS-ALL:+VERS-TLS1.1", login, 1, got, sizeof(got)) < 0, "no TLS 1.1");
}

/* The name in the certificate that a client is shown. */
static void shown_name(char *name, size_t room)
{
    gnutls_certificate_credentials_t trust;
    gnutls_session_t session;
    gnutls_x509_crt_t cert;
    const gnutls_datum_t *chain;
    struct client client;
    unsigned count = 0;

    name[0] = '\0';
    client_open(&client, port);
    gnutls_certificate_allocate_credentials(&trust);
    gnutls_init(&session, GNUTLS_CLIENT);
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, trust);
    gnutls_transport_set_int(session, client.fd);
    gnutls_x509_crt_init(&cert);
    if (gnutls_handshake(session) == 0 && (chain = gnutls_certificate_get_peers(session, &count)) && count > 0 &&
        gnutls_x509_crt_import(cert, chain, GNUTLS_X509_FMT_DER) == 0)
        gnutls_x509_crt_get_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &room);
    gnutls_x509_crt_deinit(cert);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(trust);
    client_close(&client);
}

struct pair {
    struct buf cert, key;
};

static struct pair make_pair(const char *name)
{
    struct pair pair;
    struct err err;

    buf_init(&pair.cert, 1 << 16);
    buf_init_secret(&pair.key, 1 << 16);
    ok(tls_self_signed(&name, 1, 30, &pair.cert, &pair.key, &err) == 0, "a certificate for %s", name);
    return pair;
}

static void *shake_hands(void *arg)
{
    char name[100];

    for (int i = 0; i < 30; i++) {
        shown_name(name, sizeof(name));
        atomic_fetch_add((atomic_int *)arg, strncmp(name, "host", 4) == 0);
    }
    return NULL;
}

/* A certificate that is replaced while the server runs. */
static void test_replace(void)
{
    struct http_listener listener = { .address = "127.0.0.1", .certificate = tls_server_cert_callback() };
    struct http_options options = { .listeners = &listener, .listener_count = 1, .tables = tables, .threads = 2 };
    struct pair one = make_pair("host-one.example"), two = make_pair("host-two.example");
    struct http_server *server = NULL;
    atomic_int good = 0;
    pthread_t threads[3];
    struct err err;
    char name[100];

    if (!ok(http_open(&server, &options, &err) == 0, "opens without one"))
        return;
    port = http_port(server, 0);
    shown_name(name, sizeof(name));
    is_str(name, "", "and then shows nothing");
    is_int(tls_server_cert_use(one.cert.p, one.key.p, &err), 1, "the first");
    shown_name(name, sizeof(name));
    is_str(name, "host-one.example", "is shown");
    is_int(tls_server_cert_use(one.cert.p, one.key.p, &err), 0, "the same again is nothing new");
    ok(tls_server_cert_use(two.cert.p, one.key.p, &err) < 0 && err.text[0], "not with another's key");
    ok(tls_server_cert_use("nonsense", two.key.p, &err) < 0, "nor nonsense");
    ok(tls_server_cert_use(two.cert.p, "nonsense", &err) < 0 && !strstr(err.text, "PRIVATE"), "of either kind");
    shown_name(name, sizeof(name));
    is_str(name, "host-one.example", "after which the first is still shown");
    for (int i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, shake_hands, &good);
    for (int i = 0; i < 10; i++) {
        tls_server_cert_use(i % 2 ? one.cert.p : two.cert.p, i % 2 ? one.key.p : two.key.p, &err);
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    is_int(atomic_load(&good), 90, "replaced under load");
    is_int(tls_server_cert_use(two.cert.p, two.key.p, &err), 1, "the second");
    shown_name(name, sizeof(name));
    is_str(name, "host-two.example", "is shown");
    http_free(server);
    buf_free(&one.cert);
    buf_free(&one.key);
    buf_free(&two.cert);
    buf_free(&two.key);
}

/* libmicrohttpd burns a core on such a client in epoll mode. */
static void test_stall(void)
{
    struct client clients[4];
    clock_t before, used;

    for (int i = 0; i < 4; i++) {
        client_open(&clients[i], port);
        client_send(&clients[i], "\x16\x03\x01\x02", 4);
    }
    before = clock();
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
    used = clock() - before;
    ok(used < CLOCKS_PER_SEC / 10, "clients that stall in the handshake cost next to nothing");
    for (int i = 0; i < 4; i++)
        client_close(&clients[i]);
}

int main(void)
{
    static const char *const names[] = { "localhost", "127.0.0.1" };
    struct http_listener listener = { .address = "127.0.0.1", .hsts = true };
    struct http_options options = { .listeners = &listener, .listener_count = 1, .tables = tables, .threads = 2 };
    struct http_server *server = NULL;
    struct buf cert, key;
    struct err err;

    buf_init(&cert, 1 << 16);
    buf_init_secret(&key, 1 << 16);
    if (!ok(tls_self_signed(names, 2, 30, &cert, &key, &err) == 0, "a certificate"))
        return done();
    listener.cert_pem = cert.p;
    listener.key_pem = "nonsense";
    ok(http_open(&server, &options, &err) < 0 && strstr(err.text, "certificate"), "a wrong key is told");
    listener.key_pem = key.p;
    if (!ok(http_open(&server, &options, &err) == 0, "opens"))
        return done();
    buf_free(&cert);                    /* not needed any more */
    buf_free(&key);
    port = http_port(server, 0);
    test_talk();
    test_stall();
    http_free(server);
    test_replace();
    return done();
}
