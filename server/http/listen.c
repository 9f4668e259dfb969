/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses to listen on. Our own sockets, so that an error says which address it is about. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/internal.h"
#include "http/uri.h"

#define BACKLOG 1024

int http_parse_listen(const char *text, char address[64], uint16_t *port, struct err *err)
{
    const char *colon = strrchr(text, ':');
    struct str host = str_n(text, colon ? (size_t)(colon - text) : 0);
    char literal[48];
    int64_t number;

    if (colon == NULL || colon[1] < '0' || colon[1] > '9' || !str_to_int(str_c(colon + 1), &number) || number > 65535)
        return err_set(err, ERR_INVALID, text, "Expected ADDRESS:PORT, like 127.0.0.1:8025 or [::1]:8025.");
    if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
        host = str_n(host.p + 1, host.len - 2);
    else if (memchr(host.p, ':', host.len))
        return err_set(err, ERR_INVALID, text, "An IPv6 address needs brackets: [::1]:8025.");
    if (host.len >= 48)
        return err_set(err, ERR_INVALID, text, "This isn't an IP address.");
    memcpy(address, host.p, host.len);
    address[host.len] = '\0';
    if (strcmp(address, "localhost") == 0)
        strcpy(address, "127.0.0.1");
    if (!uri_literal(address, literal))
        return err_set(err, ERR_INVALID, text, "This isn't an IP address.");
    strcpy(address, literal);
    *port = (uint16_t)number;
    return 0;
}

bool http_is_loopback(const char *address)
{
    char literal[48];

    return uri_literal(address, literal) && (strncmp(literal, "127.", 4) == 0 || strcmp(literal, "::1") == 0);
}

static socklen_t fill(const char *address, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in *four = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;

    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(port);
        return sizeof(*four);
    }
    if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(port);
        return sizeof(*six);
    }
    return 0;
}

static int fail(int fd, const char *address, uint16_t port, struct err *err)
{
    int error = errno;

    if (fd >= 0)
        close(fd);
    return err_set(err, ERR_INTERNAL, address, "Can't listen on port %u: %s.", port, strerror(error));
}

int listen_open(const char *address, uint16_t *port, struct err *err)
{
    struct sockaddr_storage at;
    socklen_t len = fill(address, *port, &at);
    int fd, on = 1;

    if (len == 0)
        return err_set(err, ERR_INVALID, address, "This isn't an IP address.");
    fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return fail(fd, address, *port, err);
    if (at.ss_family == AF_INET6 && strcmp(address, "::") != 0 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
        return fail(fd, address, *port, err);
    if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0)
        return fail(fd, address, *port, err);
    *port = ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port
                                          : ((struct sockaddr_in6 *)&at)->sin6_port);
    return fd;
}
