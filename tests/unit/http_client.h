/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/http_client.h - a client without manners: raw bytes to a port of this machine, the answers back. */
#ifndef POSTERN_TEST_HTTP_CLIENT_H
#define POSTERN_TEST_HTTP_CLIENT_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_MAX (1 << 20)

struct client {
    int fd;
    char *bytes;                /* what came and isn't used yet */
    size_t len;
};

struct answer {
    int status;                 /* 0: the connection ended instead */
    char head[8192];
    char body[65536];           /* of a chunked one: the chunks as they came */
    size_t body_len;
};

__attribute__((unused))
static void client_open(struct client *client, uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct timeval patience = { .tv_sec = 10 };

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *client = (struct client){ socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), malloc(ANSWER_MAX), 0 };
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(client->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        perror("# connect");
}

__attribute__((unused))
static void client_close(struct client *client)
{
    close(client->fd);
    free(client->bytes);
}

__attribute__((unused))
static bool client_send(struct client *client, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(client->fd, bytes, len, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* False at the end. */
static bool client_more(struct client *client)
{
    ssize_t got = client->len < ANSWER_MAX - 1
        ? recv(client->fd, client->bytes + client->len, ANSWER_MAX - 1 - client->len, 0) : -1;

    if (got <= 0)
        return false;
    client->len += (size_t)got;
    client->bytes[client->len] = '\0';
    return true;
}

/* The value of a header, up to its line end, in a buffer of four; NULL when it isn't there. */
__attribute__((unused))
static const char *answer_header(const struct answer *answer, const char *name)
{
    static __thread char values[4][1024];
    static __thread int next;
    const char *line = answer->head;
    size_t len = strlen(name);

    while ((line = strstr(line, "\r\n"))) {
        line += 2;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            char *value = values[next++ % 4];

            sscanf(line + len + 1, " %1000[^\r]", value);
            return value;
        }
    }
    return NULL;
}

/* Reads one answer. `no_body`: it answers HEAD. */
__attribute__((unused))
static int client_read(struct client *client, struct answer *answer, bool no_body)
{
    const char *end, *length;
    size_t head, body;

    memset(answer, 0, sizeof(*answer));
    if (client->len == 0 && !client_more(client))
        return 0;
    client->bytes[client->len] = '\0';
    while ((end = strstr(client->bytes, "\r\n\r\n")) == NULL)
        if (!client_more(client))
            return 0;
    head = (size_t)(end - client->bytes) + 4;
    if (head >= sizeof(answer->head))
        return 0;
    memcpy(answer->head, client->bytes, head);
    if (sscanf(answer->head, "HTTP/1.%*d %d", &answer->status) != 1)
        return 0;
    length = answer_header(answer, "Content-Length");
    body = length && !no_body && answer->status != 304 ? strtoul(length, NULL, 10) : 0;
    if (answer_header(answer, "Transfer-Encoding") && !no_body) {
        while ((end = strstr(client->bytes + head, "\r\n0\r\n\r\n")) == NULL)
            if (!client_more(client))
                return answer->status = 0;
        body = (size_t)(end - client->bytes) + 7 - head;
    }
    while (client->len < head + body)
        if (!client_more(client))
            return answer->status = 0;
    answer->body_len = body;
    memcpy(answer->body, client->bytes + head, body < sizeof(answer->body) ? body : sizeof(answer->body) - 1);
    memmove(client->bytes, client->bytes + head + body, client->len - head - body);
    client->len -= head + body;
    return answer->status;
}

/* True when the server has closed, and nothing more came. */
__attribute__((unused))
static bool client_at_end(struct client *client)
{
    return client->len == 0 && !client_more(client);
}

/* One request on a connection that stays. */
__attribute__((unused))
static int client_ask(struct client *client, struct answer *answer, const char *request)
{
    if (!client_send(client, request, strlen(request)))
        return 0;
    return client_read(client, answer, strncmp(request, "HEAD ", 5) == 0);
}

/* One request on a connection of its own; `*closed` when the server closed it by itself. */
__attribute__((unused))
static int ask(uint16_t port, struct answer *answer, const char *request, bool *closed)
{
    struct timeval soon = { .tv_usec = 200000 };
    struct client client;
    int status;

    client_open(&client, port);
    status = client_ask(&client, answer, request);
    if (closed) {
        ssize_t got;

        setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
        while ((got = recv(client.fd, client.bytes, ANSWER_MAX, 0)) > 0)
            ;
        *closed = got == 0;
    }
    client_close(&client);
    return status;
}

#endif
