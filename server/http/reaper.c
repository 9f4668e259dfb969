/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that looks after connections from outside; libmicrohttpd times out silence only, not slowness. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/internal.h"

#define LINGER_MAX 64
#define LINGER_LONGEST SECONDS(3)
#define LINGER_BYTES (8 << 20)          /* read off each, at most */

struct lingerer {
    int fd;
    int64_t until;
    size_t read;
};

struct reaper {
    struct http_server *server;
    pthread_t thread;
    int wake;                           /* an eventfd */
    atomic_bool ends;
    pthread_mutex_t lock;
    struct lingerer lingerers[LINGER_MAX];
    size_t count;
};

/* A client that left in the middle of a head or a body: libmicrohttpd 0.9.75 on epoll reads what came with the end
 * of the connection, but not the end, and would keep it until its time is up. */
static bool has_left(int fd)
{
    struct pollfd end = { .fd = fd, .events = POLLRDHUP };

    return poll(&end, 1, 0) == 1;
}

/* Under the server's lock a call in its list still has its descriptor: the list is left before it is closed. */
static void reap(struct http_server *server, int64_t now)
{
    pthread_mutex_lock(&server->lock);
    for (struct http_call *call = server->calls; call; call = call->next) {
        int64_t age = now - atomic_load_explicit(&call->phase_since, memory_order_relaxed);

        if (atomic_load_explicit(&call->phase, memory_order_acquire) == PHASE_BUSY || age < SECONDS(1))
            continue;
        if (age > PHASE_LONGEST || has_left(call->fd))
            shutdown(call->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&server->lock);
}

/* True when this one is done with. */
static bool read_off(struct lingerer *lingerer, int64_t now)
{
    char waste[16384];

    while (lingerer->read < LINGER_BYTES) {
        ssize_t got = recv(lingerer->fd, waste, sizeof(waste), MSG_DONTWAIT);

        if (got == 0)
            return true;
        if (got < 0)
            return now >= lingerer->until;
        lingerer->read += (size_t)got;
    }
    return true;
}

static void serve_lingerers(struct reaper *reaper, int64_t now)
{
    pthread_mutex_lock(&reaper->lock);
    for (size_t i = reaper->count; i-- > 0;) {
        if (read_off(&reaper->lingerers[i], now)) {
            close(reaper->lingerers[i].fd);
            reaper->lingerers[i] = reaper->lingerers[--reaper->count];
        }
    }
    pthread_mutex_unlock(&reaper->lock);
}

static nfds_t fill(struct reaper *reaper, struct pollfd *polls)
{
    nfds_t count = 0;

    polls[count++] = (struct pollfd){ .fd = reaper->wake, .events = POLLIN };
    pthread_mutex_lock(&reaper->lock);
    for (size_t i = 0; i < reaper->count; i++)
        polls[count++] = (struct pollfd){ .fd = reaper->lingerers[i].fd, .events = POLLIN };
    pthread_mutex_unlock(&reaper->lock);
    return count;
}

static void *run(void *arg)
{
    struct reaper *reaper = arg;
    struct pollfd polls[LINGER_MAX + 1];
    int64_t reaped = clock_mono(), now;
    uint64_t number;

    while (!atomic_load(&reaper->ends)) {
        poll(polls, fill(reaper, polls), 1000);
        if (polls[0].revents && read(reaper->wake, &number, sizeof(number)) < 0)
            continue;
        now = clock_mono();
        serve_lingerers(reaper, now);
        if (now - reaped >= SECONDS(1)) {
            reap(reaper->server, now);
            reaped = now;
        }
    }
    return NULL;
}

struct reaper *reaper_new(struct http_server *server)
{
    struct reaper *reaper = mem_alloc(sizeof(*reaper));

    reaper->server = server;
    pthread_mutex_init(&reaper->lock, NULL);
    reaper->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (reaper->wake < 0 || pthread_create(&reaper->thread, NULL, run, reaper) != 0) {
        if (reaper->wake >= 0)
            close(reaper->wake);
        pthread_mutex_destroy(&reaper->lock);
        free(reaper);
        return NULL;
    }
    return reaper;
}

static void wake(struct reaper *reaper)
{
    uint64_t one = 1;

    if (write(reaper->wake, &one, sizeof(one)) < 0)
        return;                         /* full: it wakes anyway */
}

void reaper_free(struct reaper *reaper)
{
    if (reaper == NULL)
        return;
    atomic_store(&reaper->ends, true);
    wake(reaper);
    pthread_join(reaper->thread, NULL);
    for (size_t i = 0; i < reaper->count; i++)
        close(reaper->lingerers[i].fd);
    close(reaper->wake);
    pthread_mutex_destroy(&reaper->lock);
    free(reaper);
}

void reaper_linger(struct reaper *reaper, int fd)
{
    pthread_mutex_lock(&reaper->lock);
    if (reaper->count < LINGER_MAX) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        if (copy >= 0)
            reaper->lingerers[reaper->count++] = (struct lingerer){ copy, clock_mono() + LINGER_LONGEST, 0 };
    }
    pthread_mutex_unlock(&reaper->lock);
    wake(reaper);
}
