/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting: every address of the name in turn. */
#include "net/internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/resolve.h"

/* A silent peer (its host lost power) is noticed within two minutes on a connection that waits without a
 * deadline near. */
#define KEEPALIVE_IDLE 60 /* seconds */
#define KEEPALIVE_INTERVAL 15
#define KEEPALIVE_COUNT 4
#define UNACKNOWLEDGED_MAX 120000 /* milliseconds: the same for what we sent, as a DONE */

struct dial {
    const char *host;
    const char *target; /* "mail.example.com:465" */
    struct net_addresses all;
    size_t answered; /* index of the last tried */
    int worst_rank;  /* of the failures so far, the one that tells most */
    struct err *err;
};

static void set_int(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value)); /* none of these is needed to go on */
}

static int new_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE);
    set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL);
    set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MAX);
    return fd;
}

/* A connect to a free port of this machine may choose that very port as its own and meet itself. */
static bool met_itself(int fd)
{
    struct sockaddr_storage here = { 0 }, there = { 0 };
    socklen_t here_len = sizeof(here), there_len = sizeof(there);

    return getsockname(fd, (struct sockaddr *)&here, &here_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&there, &there_len) == 0 && here_len == there_len &&
           memcmp(&here, &there, here_len) == 0;
}

/* The socket, or -1 with errno: ETIMEDOUT when our deadline came first. */
static int connect_one(const struct net_address *address, int64_t deadline)
{
    int fd = new_socket(address->at.ss_family), error = 0;
    socklen_t len = sizeof(error);

    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&address->at, address->len) < 0) {
        error = errno;
        if (error == EINPROGRESS || error == EINTR) {
            error = ETIMEDOUT;
            if (net_wait(fd, POLLOUT, deadline) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
                error = errno;
        }
    }
    if (error == 0 && met_itself(fd))
        error = ECONNREFUSED;
    if (error == 0)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

/* A refusal says that the host is there; a time-out says more than a family without a route. */
static int rank_of(int error)
{
    return error == ECONNREFUSED || error == ECONNRESET ? 3 : error == ETIMEDOUT ? 2 : 1;
}

/* " at 192.0.2.1", " at 2001:db8::1, the last of 4 addresses"; nothing where the host is that address. */
static void where_text(const struct dial *dial, const struct net_address *address, char *text, size_t size)
{
    char ip[64];

    text[0] = '\0';
    net_address_ip(address, ip, sizeof(ip));
    if (strcmp(ip, dial->host) == 0)
        return;
    if (dial->all.count > 1)
        snprintf(text, size, " at %s, one of %zu addresses tried", ip, dial->all.count);
    else
        snprintf(text, size, " at %s", ip);
}

static void note_failure(struct dial *dial, const struct net_address *address, int error)
{
    int rank = rank_of(error);
    char where[128];

    if (rank < dial->worst_rank)
        return;
    dial->worst_rank = rank;
    where_text(dial, address, where, sizeof(where));
    if (rank == 3)
        err_id(dial->err, ERR_TEMPORARY, "connect.refused", "connect",
               "%s refused the connection%s: check the port, and whether the server runs.", dial->target,
               where);
    else if (rank == 2)
        err_id(dial->err, ERR_TEMPORARY, "connect.timeout", "connect",
               "%s didn't answer in time%s: check the port, and whether a firewall is in between.",
               dial->target, where);
    else
        err_id(dial->err, ERR_TEMPORARY, "connect.unreachable", "connect", "%s can't be reached%s: %s.",
               dial->target, where, strerror(error));
}

static int try_each(struct dial *dial, int64_t deadline, struct net_trace *trace)
{
    for (size_t i = 0; i < dial->all.count; i++) {
        int64_t now = clock_mono(), left = deadline > now ? deadline - now : 0;
        int64_t until = now + left / (int64_t)(dial->all.count - i);
        int fd;

        net_address_text(&dial->all.list[i], trace->address, sizeof(trace->address));
        dial->answered = i;
        fd = connect_one(&dial->all.list[i], until);
        if (fd >= 0)
            return fd;
        note_failure(dial, &dial->all.list[i], errno);
    }
    return -1;
}

int net_connect(struct net_conn **ret, const char *hostname, uint16_t port, int64_t deadline,
                struct net_trace *trace, struct err *err)
{
    AUTO_FREE char *host = NULL;
    AUTO_FREE char *target = NULL;
    struct net_trace unused;
    struct dial dial = { .err = err };
    char ip[64];
    int64_t start = clock_mono();
    int fd;

    if (trace == NULL)
        trace = &unused;
    *trace = (struct net_trace){ 0 };
    if (net_host_ascii(hostname, &host, err) < 0)
        return -1;
    target = mem_printf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
    dial.host = host;
    dial.target = target;
    fd = net_resolve(&dial.all, host, port, deadline, err);
    trace->resolve_ms = clock_mono() - start;
    if (fd < 0)
        return -1;
    trace->resolved = true;
    trace->addresses = (int)dial.all.count;
    start = clock_mono();
    fd = try_each(&dial, deadline, trace);
    trace->connect_ms = clock_mono() - start;
    if (fd < 0)
        return -1;
    net_address_ip(&dial.all.list[dial.answered], ip, sizeof(ip));
    *ret = net_conn_new(fd, strcmp(ip, host) == 0 ? TAKE(target) : mem_printf("%s (%s)", target, ip));
    return 0;
}
