/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/resolve.h"

#include "tap.h"

/* ---- names ---- */

static void test_host(void)
{
    static const struct {
        const char *given, *ascii;
    } rows[] = {
        { "mail.example.com", "mail.example.com" },
        { "Mail.Example.COM.", "mail.example.com" },
        { "localhost", "localhost" },
        { "127.0.0.1", "127.0.0.1" },
        { "::1", "::1" },
        { "[::1]", "::1" },
        { "[2001:db8::25]", "2001:db8::25" },
        { "b\xc3\xbc"
          "cher.example",
          "xn--bcher-kva.example" },
        { "B\xc3\x9c"
          "CHER.example",
          "xn--bcher-kva.example" },
        { "fa\xc3\x9f.example", "xn--fa-hia.example" }, /* not "fass": non-transitional */
        { "\xe4\xbe\x8b\xe3\x81\x88\xe3\x80\x82\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88",
          "xn--r8jz45g.xn--zckzah" },
        { "xn--bcher-kva.example", "xn--bcher-kva.example" },
        { "plc_7.plant.local", "plc_7.plant.local" },
        { "3com.example", "3com.example" },
        { "1.2.3.x4", "1.2.3.x4" },
        { "", NULL },
        { ".", NULL },
        { "..", NULL },
        { "a..b", NULL },
        { ".a", NULL },
        { "a b", NULL },
        { "a/b", NULL },
        { "-a.example", NULL },
        { "a-.example", NULL },
        { "a\nb", NULL },
        { "user@host", NULL },
        { "host:25", NULL },
        { "[127.0.0.1]", NULL },
        { "[::1", NULL },
        { "127.1", NULL },
        { "127.0.0.256", NULL },
        { "0x7f000001", NULL },
        { "2130706433", NULL },
        { "\xff\xfe", NULL },
        { "a\xe2\x80\x8b\xe2\x80\xae.example", NULL },
        { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *ascii = NULL;
        struct err err = { 0 };
        int rc = net_host_ascii(rows[i].given, &ascii, &err);

        if (rows[i].ascii)
            is_str(ascii, rows[i].ascii, "host name");
        else
            ok(rc < 0 && ascii == NULL && strcmp(err.id, "config.hostname") == 0, "refused: %s", err.text);
    }
    ok(net_is_ip_literal("::1") && net_is_ip_literal("[::1]") && net_is_ip_literal("192.0.2.1"), "literals");
    ok(!net_is_ip_literal("localhost") && !net_is_ip_literal("[192.0.2.1]") && !net_is_ip_literal("[]") &&
           !net_is_ip_literal(""),
       "no literals");
}

/* ---- a server of the test's own ---- */

struct server {
    int fd;
    uint16_t port;
    pthread_t thread;
    void (*talk)(int fd);
};

static void *serve(void *arg)
{
    struct server *server = arg;
    int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd >= 0) {
        server->talk(fd);
        close(fd);
    }
    return NULL;
}

static void server_listen(struct server *server, int backlog)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(server->fd, backlog) < 0 ||
        getsockname(server->fd, (struct sockaddr *)&at, &len) < 0)
        abort();
    server->port = ntohs(at.sin_port);
}

static struct net_conn *server_start(struct server *server, void (*talk)(int fd))
{
    struct net_conn *conn = NULL;
    struct err err = { 0 };

    server_listen(server, 5);
    server->talk = talk;
    pthread_create(&server->thread, NULL, serve, server);
    if (net_connect(&conn, "127.0.0.1", server->port, clock_mono() + SECONDS(5), NULL, &err) < 0) {
        printf("# %s\n", err.text);
        abort();
    }
    return conn;
}

static void server_end(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->fd);
}

static void say(int fd, const char *text)
{
    if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
        printf("# the test's server could not send: %s\n", strerror(errno));
}

static void hear_the_end(int fd)
{
    char gone[256];

    while (recv(fd, gone, sizeof(gone), 0) > 0)
        ;
}

static int64_t soon(void)
{
    return clock_mono() + SECONDS(5);
}

/* ---- connecting ---- */

static void test_connect(void)
{
    struct server server = { 0 };
    struct net_trace trace;
    struct net_conn *conn = NULL;
    struct err err = { 0 };
    char expected[64];

    server_listen(&server, 5);
    ok(net_connect(&conn, "localhost", server.port, soon(), &trace, &err) == 0,
       "localhost, whatever its families");
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", (unsigned)server.port);
    is_str(trace.address, expected, "trace: the address that answered");
    ok(trace.resolved && trace.addresses >= 1 && trace.resolve_ms >= 0 && trace.connect_ms >= 0, "trace");
    ok(conn && strncmp(net_conn_peer(conn), "localhost:", 10) == 0 &&
           strstr(net_conn_peer(conn), " (127.0.0.1)"),
       "peer for the texts");
    ok(conn && net_conn_fd(conn) >= 0 && !net_conn_has_layer(conn) && !net_conn_received(conn),
       "fresh connection");
    net_conn_free(conn);
    conn = NULL;
    close(server.fd);
    ok(net_connect(&conn, "127.0.0.1", server.port, soon(), &trace, &err) < 0 && conn == NULL, "closed port");
    is_str(err.id, "connect.refused", "closed port: id");
    ok(strstr(err.text, expected) && err.code == ERR_TEMPORARY && trace.resolved, "closed port: %s",
       err.text);
    ok(net_connect(&conn, "localhost", server.port, soon(), NULL, &err) < 0, "closed port of a name");
    is_str(err.id, "connect.refused", "closed port of a name: id");
    ok(net_connect(&conn, "not a name", 25, soon(), &trace, &err) < 0 && err.code == ERR_INVALID &&
           !trace.resolved,
       "no name");
    ok(net_connect(&conn, "nothing.invalid", 25, soon(), &trace, &err) < 0 && !trace.resolved,
       "unknown name");
    ok(strncmp(err.id, "dns.", 4) == 0 && strstr(err.text, "nothing.invalid"), "unknown name: %s %s", err.id,
       err.text);
}

/* Nobody accepts: once its queue is full, Linux lets further connects wait. */
static void test_connect_timeout(void)
{
    struct server server = { 0 };
    struct net_conn *conns[8] = { NULL };
    struct err err = { 0 };
    int64_t start = 0;
    bool timed_out = false;

    server_listen(&server, 0);
    for (size_t i = 0; i < COUNT_OF(conns) && !timed_out; i++) {
        start = clock_mono();
        timed_out = net_connect(&conns[i], "127.0.0.1", server.port, start + 200, NULL, &err) < 0;
    }
    ok(timed_out && clock_mono() - start >= 190 && clock_mono() - start < 2000, "a silent host: %s",
       err.text);
    is_str(err.id, "connect.timeout", "a silent host: id");
    for (size_t i = 0; i < COUNT_OF(conns); i++)
        net_conn_free(conns[i]);
    close(server.fd);
}

/* ---- a resolver of the test's own: it stands before the C library's ---- */

static struct sockaddr_in6 six[2];
static struct sockaddr_in four[2];
static struct addrinfo crafted[5];

static void craft(struct addrinfo *info, void *address, socklen_t len, struct addrinfo *next)
{
    *info = (struct addrinfo){ .ai_family = ((struct sockaddr *)address)->sa_family,
                               .ai_socktype = SOCK_STREAM,
                               .ai_addr = address,
                               .ai_addrlen = len,
                               .ai_next = next };
}

/* [2001:db8::1] has no route or no answer, 127.0.0.1 comes twice; the families stand apart. */
static void craft_all(in_port_t port)
{
    for (int i = 0; i < 2; i++) {
        six[i] = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = port };
        inet_pton(AF_INET6, i ? "2001:db8::2" : "2001:db8::1", &six[i].sin6_addr);
        four[i] = (struct sockaddr_in){ .sin_family = AF_INET,
                                        .sin_port = port,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + i) };
        craft(&crafted[i], &six[i], sizeof(six[i]), &crafted[i + 1]);
        craft(&crafted[2 + i], &four[i], sizeof(four[i]), &crafted[3 + i]);
    }
    craft(&crafted[4], &four[0], sizeof(four[0]), NULL);
}

int getaddrinfo(const char *restrict host, const char *restrict port, const struct addrinfo *restrict hints,
                struct addrinfo **restrict ret)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(
            RTLD_NEXT, "getaddrinfo");

    if (strcmp(host, "slow.test") == 0) {
        usleep(300000);
        return EAI_AGAIN;
    }
    if (strcmp(host, "again.test") == 0)
        return EAI_AGAIN;
    if (strcmp(host, "none.test") == 0)
        return EAI_NONAME;
    if (strcmp(host, "several.test") == 0) {
        craft_all(htons((in_port_t)atoi(port)));
        *ret = crafted;
        return 0;
    }
    return real(host, port, hints, ret);
}

void freeaddrinfo(struct addrinfo *list)
{
    void (*real)(struct addrinfo *) = (void (*)(struct addrinfo *))dlsym(RTLD_NEXT, "freeaddrinfo");

    if (list != crafted)
        real(list);
}

static void test_resolve(void)
{
    static const struct {
        const char *host, *id;
    } rows[] = {
        { "slow.test", "dns.timeout" },
        { "again.test", "dns.failed" },
        { "none.test", "dns.notFound" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t start = clock_mono();
        struct net_conn *conn = NULL;
        struct net_trace trace;
        struct err err = { 0 };

        ok(net_connect(&conn, rows[i].host, 25, start + 100, &trace, &err) < 0 &&
               clock_mono() - start < 250 && err.code == ERR_TEMPORARY && !trace.resolved,
           "%s: %s", rows[i].host, err.text);
        is_str(err.id, rows[i].id, rows[i].host);
    }
    usleep(350000); /* the abandoned lookup ends and frees what it holds */
}

static void test_resolve_limit(void)
{
    struct err err = { 0 };
    int64_t start = clock_mono();
    struct net_conn *conn = NULL;
    int refused = 0;

    for (int i = 0; i < 70; i++) {
        net_connect(&conn, "slow.test", 25, start, NULL, &err);
        refused += strcmp(err.id, "dns.failed") == 0;
    }
    ok(refused == 6 && clock_mono() - start < 250, "hanging lookups are limited: %s", err.text);
    usleep(400000);
}

static void test_interleave(void)
{
    static const char *const expected[] = { "[2001:db8::1]:25", "127.0.0.1:25", "[2001:db8::2]:25",
                                            "127.0.0.2:25" };
    struct net_addresses all;
    struct err err = { 0 };
    char text[64];

    ok(net_resolve(&all, "several.test", 25, soon(), &err) == 0 && all.count == 4,
       "several addresses, each once");
    for (size_t i = 0; i < all.count && i < COUNT_OF(expected); i++)
        is_str(net_address_text(&all.list[i], text, sizeof(text)), expected[i], "families in turn");
}

static void test_connect_several(void)
{
    struct server server = { 0 };
    struct net_trace trace;
    AUTO(net_conn) conn = NULL;
    struct err err = { 0 };
    int64_t start = clock_mono();
    char expected[64];

    server_listen(&server, 5);
    ok(net_connect(&conn, "several.test", server.port, start + 2000, &trace, &err) == 0 &&
           clock_mono() - start < 1500,
       "a dead address first: the next is tried in time");
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", (unsigned)server.port);
    is_str(trace.address, expected, "and answers");
    is_int(trace.addresses, 4, "trace: how many there are");
    close(server.fd);
    net_conn_free(TAKE(conn));
    ok(net_connect(&conn, "several.test", server.port, clock_mono() + 400, &trace, &err) < 0,
       "none answers: %s", err.text);
    is_str(err.id, "connect.refused", "the failure that tells most");
}

/* ---- lines ---- */

static void talk_lines(int fd)
{
    static const char text[] = "220-one\r\n220 two\nlast\r\n\r\n12345six\r\n";

    for (const char *p = text; *p; p++) {
        if (send(fd, p, 1, MSG_NOSIGNAL) < 0)
            return;
        usleep(500);
    }
    hear_the_end(fd);
}

static void test_lines(void)
{
    static const char *const expected[] = { "220-one", "220 two", "last", "" };
    struct server server;
    AUTO(net_conn) conn = server_start(&server, talk_lines);
    struct err err = { 0 };
    struct str line;
    char five[6] = "";

    for (size_t i = 0; i < COUNT_OF(expected); i++)
        ok(net_conn_line(conn, 100, &line, soon(), &err) == 1 && str_eq(line, str_c(expected[i])),
           "a byte at a time: \"%s\"", expected[i]);
    ok(net_conn_exact(conn, five, 5, soon(), &err) == 0 && strcmp(five, "12345") == 0, "exactly five bytes");
    ok(net_conn_line(conn, 100, &line, soon(), &err) == 1 && str_eq(line, STR("six")),
       "and the line after them");
    ok(net_conn_received(conn), "something was received");
    net_conn_free(TAKE(conn));
    server_end(&server);
}

static void talk_at_once(int fd)
{
    say(fd, "one\r\ntwo\r\nrest");
    usleep(50000);
    shutdown(fd, SHUT_WR);
    hear_the_end(fd);
}

static void test_pending(void)
{
    struct server server;
    AUTO(net_conn) conn = server_start(&server, talk_at_once);
    struct err err = { 0 };
    struct str line;
    char rest[10];

    usleep(20000);
    is_int((long long)net_conn_pending(conn), 14, "pending looks at the socket");
    ok(!net_conn_received(conn), "without reading from it");
    ok(net_conn_line(conn, 3, &line, soon(), &err) == 1 && str_eq(line, STR("one")),
       "a line of just the limit");
    ok(!net_conn_park(conn), "with a line in its buffer nothing is parked");
    is_int((long long)net_conn_pending(conn), 9, "pending counts the buffer");
    ok(net_conn_read(conn, rest, 5, soon(), &err) == 5 && memcmp(rest, "two\r\n", 5) == 0,
       "read takes from the buffer");
    ok(!net_conn_park(conn), "nor with bytes that weren't looked at");
    ok(net_conn_line(conn, 100, &line, soon(), &err) < 0, "an end in the middle of a line");
    is_str(err.id, "connect.closed", "its id");
    ok(net_conn_park(conn), "the beginning of a line may wait");
    ok(net_conn_read(conn, rest, sizeof(rest), soon(), &err) == 4 &&
           net_conn_read(conn, rest, sizeof(rest), soon(), &err) == 0,
       "read: what is left, and the end");
    ok(net_conn_park(conn) && net_conn_line(conn, 100, &line, soon(), &err) == 0, "line: an orderly end");
    ok(net_conn_exact(conn, rest, 1, soon(), &err) < 0 && strcmp(err.id, "connect.closed") == 0,
       "exact: too early");
    net_conn_free(TAKE(conn));
    server_end(&server);
}

static void talk_long(int fd)
{
    char chunk[8192];

    memset(chunk, 'x', sizeof(chunk));
    say(fd, "12345678901\r\n");
    for (int i = 0; i < 1000 && send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) > 0; i++)
        ;
    hear_the_end(fd);
}

static void test_too_long(void)
{
    struct server server;
    AUTO(net_conn) conn = server_start(&server, talk_long);
    struct err err = { 0 };
    struct str line;

    ok(net_conn_line(conn, 10, &line, soon(), &err) < 0, "a line one byte too long");
    is_str(err.id, "protocol.lineTooLong", "its id");
    ok(net_conn_line(conn, 20000, &line, soon(), &err) < 0 && strcmp(err.id, "protocol.lineTooLong") == 0,
       "a line without end");
    net_conn_free(TAKE(conn));
    server_end(&server);
}

/* ---- deadlines and broken connections ---- */

static void talk_not(int fd)
{
    hear_the_end(fd);
}

static void talk_late(int fd)
{
    usleep(300000);
    say(fd, "late\r\n");
    hear_the_end(fd);
}

static void test_silence(void)
{
    struct server server;
    AUTO(net_conn) conn = server_start(&server, talk_late);
    struct err err = { 0 };
    struct str line;
    int64_t start = clock_mono();

    ok(net_conn_line(conn, 100, &line, start + 100, &err) < 0, "a silent server");
    ok(clock_mono() - start >= 100 && clock_mono() - start < 1000, "ends at the deadline");
    is_str(err.id, "protocol.timeout", "silence: id");
    ok(strstr(err.text, "127.0.0.1:") != NULL, "silence: %s", err.text);
    start = clock_mono();
    ok(net_conn_line(conn, 100, &line, start - 100, &err) < 0 && clock_mono() - start < 100,
       "a deadline in the past");
    ok(net_conn_line(conn, 100, &line, soon(), &err) == 1 && str_eq(line, STR("late")),
       "one may go on waiting");
    net_conn_free(TAKE(conn));
    server_end(&server);
}

static void talk_drip(int fd)
{
    for (int i = 0; i < 100 && send(fd, "x", 1, MSG_NOSIGNAL) == 1; i++)
        usleep(20000);
}

static void test_drip(void)
{
    struct server server;
    AUTO(net_conn) conn = server_start(&server, talk_drip);
    struct err err = { 0 };
    struct str line;
    int64_t start = clock_mono();

    ok(net_conn_line(conn, 1000, &line, start + 150, &err) < 0 && clock_mono() - start < 1000,
       "dripping earns no more time");
    is_str(err.id, "protocol.timeout", "drip: id");
    net_conn_free(TAKE(conn));
    server_end(&server);
}

static void talk_never_reading(int fd)
{
    (void)fd;
    usleep(400000);
}

static void test_write_timeout(void)
{
    struct server server;
    AUTO(net_conn) conn = server_start(&server, talk_never_reading);
    AUTO_FREE char *much = mem_alloc(16 * 1024 * 1024);
    struct err err = { 0 };
    int64_t start = clock_mono();

    ok(net_conn_write(conn, str_n(much, 16 * 1024 * 1024), start + 150, &err) < 0 &&
           clock_mono() - start < 390,
       "a server that takes nothing");
    is_str(err.id, "protocol.timeout", "takes nothing: id");
    net_conn_free(TAKE(conn));
    server_end(&server);
}

static void talk_reset(int fd)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void test_reset(void)
{
    struct server server;
    AUTO(net_conn) conn = server_start(&server, talk_reset);
    struct err err = { 0 };
    struct str line;
    int rc = 0;

    ok(net_conn_line(conn, 100, &line, soon(), &err) < 0, "reset");
    is_str(err.id, "connect.closed", "reset: id");
    for (int i = 0; i < 100 && rc == 0; i++)
        rc = net_conn_write(conn, STR("to nobody\r\n"), soon(), &err);
    ok(rc < 0 && strcmp(err.id, "connect.closed") == 0, "writing after it: no signal, an error");
    net_conn_free(TAKE(conn));
    server_end(&server);
}

static void *abort_soon(void *arg)
{
    usleep(50000);
    net_conn_abort(arg);
    return NULL;
}

static void test_abort(void)
{
    struct server server;
    AUTO(net_conn) conn = server_start(&server, talk_not);
    struct err err = { 0 };
    struct str line;
    pthread_t other;
    int64_t start = clock_mono();

    pthread_create(&other, NULL, abort_soon, conn);
    ok(net_conn_line(conn, 100, &line, soon(), &err) < 0 && clock_mono() - start < 1000,
       "abort wakes the reader");
    pthread_join(other, NULL);
    ok(err.code == ERR_STOPPED, "abort: stopped");
    ok(net_conn_write(conn, STR("x"), soon(), &err) < 0 && err.code == ERR_STOPPED, "and the writer");
    net_conn_free(TAKE(conn));
    server_end(&server);
}

/* ---- a layer ---- */

static int layer_closed = -1;
static size_t layer_holds;

static ssize_t layer_read(void *ctx, void *buf, size_t len, int64_t deadline, struct err *err)
{
    ssize_t n = net_raw_read(ctx, buf, len, deadline, err);

    for (ssize_t i = 0; i < n; i++)
        ((char *)buf)[i] ^= 0x20;
    return n;
}

static int layer_write(void *ctx, struct str bytes, int64_t deadline, struct err *err)
{
    return net_raw_write(ctx, str_from(bytes, 1), deadline, err);
}

static void layer_close(void *ctx, bool orderly)
{
    (void)ctx;
    layer_closed = orderly;
}

static size_t layer_pending(void *ctx)
{
    (void)ctx;
    return layer_holds;
}

static void talk_echo(int fd)
{
    char bytes[100];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

    if (n > 0)
        send(fd, bytes, (size_t)n, MSG_NOSIGNAL);
    hear_the_end(fd);
}

static void test_layer(void)
{
    static const struct net_layer layer = { layer_read, layer_write, layer_close, layer_pending };
    struct server server;
    AUTO(net_conn) conn = server_start(&server, talk_echo);
    struct err err = { 0 };
    char got[4];

    net_conn_set_layer(conn, &layer, conn);
    ok(net_conn_has_layer(conn) && net_conn_write(conn, STR("-abcd"), soon(), &err) == 0 &&
           net_conn_exact(conn, got, 4, soon(), &err) == 0 && memcmp(got, "ABCD", 4) == 0,
       "a layer reads and writes");
    ok(net_conn_pending(conn) == 0 && net_conn_park(conn), "a layer that holds nothing back");
    layer_holds = 3;
    ok(net_conn_pending(conn) == 3 && !net_conn_park(conn), "a layer that does");
    layer_holds = 0;
    net_conn_free(TAKE(conn));
    is_int(layer_closed, 1, "and is closed in order");
    server_end(&server);

    conn = server_start(&server, talk_reset);
    net_conn_set_layer(conn, &layer, conn);
    ok(net_conn_layer_ctx(conn, &layer) == conn && net_conn_layer_ctx(conn, &layer + 1) == NULL,
       "a layer is known again");
    ok(net_conn_exact(conn, got, 4, soon(), &err) < 0, "a layer over a broken connection");
    net_conn_free(TAKE(conn));
    is_int(layer_closed, 0, "is closed without order");
    server_end(&server);
}

int main(void)
{
    test_host();
    test_connect();
    test_connect_timeout();
    test_resolve();
    test_resolve_limit();
    test_interleave();
    test_connect_several();
    test_lines();
    test_pending();
    test_too_long();
    test_silence();
    test_drip();
    test_write_timeout();
    test_reset();
    test_abort();
    test_layer();
    return done();
}
