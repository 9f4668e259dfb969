/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against a server that says what it is told to, and which addresses are private. TLS: tests/api/test-webhooks.py. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/client.h"
#include "tap.h"

/* ---- private addresses ---- */

static bool is_private(const char *text)
{
    struct sockaddr_in six4 = { .sin_family = AF_INET };
    struct sockaddr_in6 six6 = { .sin6_family = AF_INET6 };

    if (inet_pton(AF_INET, text, &six4.sin_addr) == 1)
        return client_is_private((struct sockaddr *)&six4);
    if (inet_pton(AF_INET6, text, &six6.sin6_addr) != 1)
        abort();
    return client_is_private((struct sockaddr *)&six6);
}

static void test_private(void)
{
    static const char *const inside[] = {
        "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1",
        "198.19.255.255", "198.51.100.1", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1",
        "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::127.0.0.1", "::8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "100::1",
        "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::", "3fff::1", "4000::1",
        "5f00::1", "fc00::1", "fd12:3456:789a::1", "fe80::1", "fec0::1", "ff02::1",
    };
    static const char *const outside[] = {
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
        "169.253.0.1", "169.255.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "192.167.255.255", "192.169.0.1", "198.17.255.255",
        "198.20.0.1", "223.255.255.255", "2606:4700:4700::1111", "2001:4860:4860::8888", "2001:200::1", "::ffff:8.8.8.8",
        "64:ff9b::808:808", "2002:808:808::1", "2a00:1450::1", "3ffe::1",
    };
    const struct sockaddr local = { .sa_family = AF_UNIX };

    for (size_t i = 0; i < COUNT_OF(inside); i++)
        ok(is_private(inside[i]), "%s is private", inside[i]);
    for (size_t i = 0; i < COUNT_OF(outside); i++)
        ok(!is_private(outside[i]), "%s is not", outside[i]);
    ok(client_is_private(&local), "nor is what has no IP address out in the world");
}

/* ---- a server ---- */

struct server {
    int listener;
    uint16_t port;
    pthread_t thread;
    const char *answer;                 /* NULL: says nothing */
    size_t times;                       /* the answer is sent so often, for large ones */
    const char *again;                  /* of `times`: what is repeated */
    char seen[8192];                    /* the last request */
    bool greets;                        /* says it without being asked, and leaves */
    int connections;
};

static void serve_one(struct server *server, int fd)
{
    size_t len = 0;
    ssize_t got;

    for (;;) {
        char *end;

        server->seen[len] = '\0';
        end = strstr(server->seen, "\r\n\r\n");
        if (end && server->answer && (strstr(server->seen, "Content-Length: 4") == NULL || strlen(end + 4) >= 4)) {
            if (send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL) < 0)
                return;
            for (size_t i = 0; i < server->times; i++)
                if (send(fd, server->again, strlen(server->again), MSG_NOSIGNAL) < 0)
                    return;
            if (strstr(server->answer, "Content-Length") == NULL)
                return;
            len = 0;
        }
        got = recv(fd, server->seen + len, sizeof(server->seen) - 1 - len, 0);
        if (got <= 0)
            return;
        len += (size_t)got;
    }
}

static void *serve(void *ctx)
{
    struct server *server = ctx;
    int fd;

    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        server->connections++;
        if (!server->greets)
            serve_one(server, fd);
        else if (send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL) < 0)
            abort();
        close(fd);
    }
    return NULL;
}

static void server_start(struct server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);

    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server->listener, (struct sockaddr *)&address, len) < 0 || listen(server->listener, 16) < 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &len) < 0)
        abort();
    server->port = ntohs(address.sin_port);
    pthread_create(&server->thread, NULL, serve, server);
}

static void server_stop(struct server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    close(server->listener);
    pthread_join(server->thread, NULL);
}

static struct client *make(struct clients *clients, struct client_options options)
{
    struct client *client = NULL;
    struct err err;

    if (client_new(&client, clients, &options, &err) < 0) {
        printf("# %s\n", err.text);
        abort();
    }
    return client;
}

/* ---- answers ---- */

static const struct row {
    const char *name, *answer, *again;
    size_t times;
    int status;                         /* 0: it fails */
    const char *id;
    const char *body;
} rows[] = {
    { "an answer", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", NULL, 0, 200, NULL, "hi" },
    { "none", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", NULL, 0, 204, NULL, "" },
    { "in pieces", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", NULL, 0, 200, NULL, "hi" },
    { "a redirect is an answer", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", NULL, 0, 302, NULL, "" },
    { "an error, too", "HTTP/1.1 500 Oops\r\nContent-Length: 1\r\n\r\nx", NULL, 0, 500, NULL, "x" },
    { "what is packed stays packed", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", NULL, 0, 200, NULL, "abc" },
    { "a body without end", "HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 100000, 0, "http.tooLarge", NULL },
    { "a head without end", "HTTP/1.1 200 OK\r\n", "X-More: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n", 100000, 0, "http.tooLarge", NULL },
    { "a line without end", "HTTP/1.1 200 OK\r\nX: ", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 100000, 0, NULL, NULL },
    { "no HTTP", "220 mail.example.com ESMTP\r\n", NULL, 0, 0, "http.garbage", NULL },
    { "half an answer", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhi", NULL, 0, 0, "connect.closed", NULL },
    { "nothing", "", NULL, 0, 0, "connect.closed", NULL },
};

static void test_answers(void)
{
    struct clients *clients = clients_new();
    struct client *client = make(clients, (struct client_options){ .cleartext = true });
    struct server server = { .listener = -1 };
    AUTO_FREE char *url = NULL;

    server_start(&server);
    url = mem_printf("http://127.0.0.1:%u/x", server.port);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct client_answer answer = { 0 };
        struct err err = { 0 };
        int rc;

        server.answer = row->answer;
        server.again = row->again;
        server.times = row->times;
        rc = client_send(client, &(struct client_request){ .url = url, .answer_max = 100000, .total_ms = 20000 }, &answer, &err);
        ok(row->status ? rc == 0 && answer.status == row->status && str_eq(buf_str(&answer.body), str_c(row->body))
                       : rc < 0 && (row->id == NULL || strcmp(err.id, row->id) == 0), "%s", row->name);
        if (rc < 0 && row->id && strcmp(err.id, row->id) != 0)
            printf("# %s: %s\n", err.id, err.text);
        if (answer.status == 302)
            is_str(answer.location, "http://127.0.0.1:1/", "where it would have led");
        client_answer_clear(&answer);
    }
    client_free(client);
    server_stop(&server);
    clients_free(clients);
}

static int refuse(void *ctx, const char *host, const struct sockaddr *address, struct err *err)
{
    snprintf(ctx, 64, "%s", host);
    return client_is_private(address) ? err_id(err, ERR_REFUSED, "test.private", NULL, "Private.") : 0;
}

static void fails(struct client *client, const char *url, int64_t total_ms, const char *id, const char *name)
{
    struct client_answer answer = { 0 };
    struct err err = { 0 };

    if (!ok(client_send(client, &(struct client_request){ .url = url, .total_ms = total_ms }, &answer, &err) < 0 &&
            strcmp(err.id, id) == 0, "%s", name))
        printf("# %s: %s\n", err.id, err.text);
    client_answer_clear(&answer);
}

static void test_failures(void)
{
    struct clients *clients = clients_new();
    struct client *open = make(clients, (struct client_options){ .cleartext = true });
    struct client *closed = make(clients, (struct client_options){ .cleartext = false });
    char host[64] = "";
    struct client *guarded = make(clients, (struct client_options){ .cleartext = true, .guard = refuse, .ctx = host });
    struct server server = { .listener = -1 };
    AUTO_FREE char *url = NULL, *named = NULL, *tls = NULL;

    server_start(&server);
    url = mem_printf("http://127.0.0.1:%u/", server.port);
    named = mem_printf("http://LocalHost:%u/", server.port);
    fails(open, "http://127.0.0.1:1/", 0, "connect.refused", "nobody listens");
    fails(closed, url, 0, "http.url", "http where only https is allowed");
    fails(open, "ftp://127.0.0.1/", 0, "http.url", "another protocol");
    fails(open, "file:///etc/passwd", 0, "http.url", "a file");
    fails(open, "http://user:password@127.0.0.1:1/", 0, "http.url", "a user");
    fails(open, "http://[::1", 0, "http.url", "no URL");
    fails(guarded, url, 0, "test.private", "the guard refuses an address");
    fails(guarded, named, 0, "test.private", "also one that a name led to");
    ok(strcasecmp(host, "localhost") == 0, "and is told the name");
    fails(guarded, "http://0x7f.1:1/", 0, "test.private", "however the address is written");
    fails(guarded, "http://2130706433:1/", 0, "test.private", "as a number");
    is_int(server.connections, 0, "no connection was made for all that");
    server.answer = NULL;
    fails(open, url, 300, "http.timeout", "no answer in time");
    server_stop(&server);
    server = (struct server){ .listener = -1, .answer = "no TLS\r\n", .greets = true };
    server_start(&server);
    tls = mem_printf("https://127.0.0.1:%u/", server.port);
    client_free(open);
    open = make(clients, (struct client_options){ .cleartext = true });
    fails(open, tls, 0, "tls.handshake", "https where there is none");
    server_stop(&server);
    client_free(open);
    client_free(closed);
    client_free(guarded);
    clients_free(clients);
}

static void test_request(void)
{
    static const struct client_header headers[] = { { "X-One", "1" }, { "Content-Type", "text/plain" }, { NULL, NULL } };
    struct clients *clients = clients_new();
    struct client *client;
    struct server server = { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\nRetry-After: 7\r\nContent-Type: x/y\r\n\r\n" };
    struct client_answer answer = { 0 };
    AUTO_FREE char *url = NULL;
    struct err err;

    setenv("http_proxy", "http://127.0.0.1:1/", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1/", 1);
    client = make(clients, (struct client_options){ .cleartext = true });
    server_start(&server);
    url = mem_printf("http://127.0.0.1:%u/path?q=1", server.port);
    for (int i = 0; i < 3; i++) {
        client_send(client, &(struct client_request){ .method = "POST", .url = url, .headers = headers, .body = STR("body") }, &answer, &err);
        ok(answer.status == 200 && answer.retry_after == 7 && strcmp(answer.content_type, "x/y") == 0, "an answer");
    }
    ok(str_starts(str_c(server.seen), STR("POST /path?q=1 HTTP/1.1\r\n")) && strstr(server.seen, "\r\n\r\nbody"), "what was asked for");
    ok(strstr(server.seen, "X-One: 1\r\n") && strstr(server.seen, "Content-Type: text/plain\r\n") && !strstr(server.seen, "Expect"), "headers");
    ok(!strstr(server.seen, "Cookie"), "no cookie is kept");
    is_int(server.connections, 1, "the connection is");
    client_send(client, &(struct client_request){ .url = url }, &answer, &err);
    ok(str_starts(str_c(server.seen), STR("GET ")) && !strstr(server.seen, "X-One"), "the next request has nothing of the one before");
    client_send(client, &(struct client_request){ .method = "DELETE", .url = url }, &answer, &err);
    ok(str_starts(str_c(server.seen), STR("DELETE ")), "another method");
    client_answer_clear(&answer);
    client_free(client);
    server_stop(&server);
    clients_free(clients);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

static void *stop_soon(void *ctx)
{
    nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL);
    clients_stop(ctx);
    return NULL;
}

static void test_stop(void)
{
    struct clients *clients = clients_new();
    struct client *client = make(clients, (struct client_options){ .cleartext = true });
    struct server server = { .answer = NULL };
    struct client_answer answer = { 0 };
    AUTO_FREE char *url = NULL;
    struct err err = { 0 };
    int64_t began = clock_mono();
    pthread_t thread;

    server_start(&server);
    url = mem_printf("http://127.0.0.1:%u/", server.port);
    pthread_create(&thread, NULL, stop_soon, clients);
    ok(client_send(client, &(struct client_request){ .url = url }, &answer, &err) < 0 && err.code == ERR_STOPPED, "stopped");
    ok(clock_mono() - began < 10000, "at once");
    ok(client_send(client, &(struct client_request){ .url = url }, &answer, &err) < 0 && err.code == ERR_STOPPED, "and nothing afterwards");
    pthread_join(thread, NULL);
    client_answer_clear(&answer);
    client_free(client);
    server_stop(&server);
    clients_free(clients);
}

int main(void)
{
    test_private();
    test_answers();
    test_failures();
    test_request();
    test_stop();
    return done();
}
