/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/watch.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define EVENTS_MAX 64
#define STACK_BYTES (128 * 1024)

struct watches {
    pthread_mutex_t lock;
    struct jobs *jobs;
    int epoll, bell;            /* bell: an eventfd that says "look at the heap again, or end" */
    struct watch **heap;        /* earliest first; the first place stays free, so that 0 can mean "not in it" */
    size_t count, room;
    struct watch **by_fd;       /* NULL: not watched */
    size_t fds;
    bool closing;
    pthread_t thread;
};

/* ---- the heap, with the lock ---- */

static void place(struct watches *w, struct watch *watch, size_t at)
{
    w->heap[at] = watch;
    watch->at = at;
}

static void sift_up(struct watches *w, size_t at)
{
    struct watch *watch = w->heap[at];

    for (; at > 1 && w->heap[at / 2]->until > watch->until; at /= 2)
        place(w, w->heap[at / 2], at);
    place(w, watch, at);
}

static void sift_down(struct watches *w, size_t at)
{
    struct watch *watch = w->heap[at];

    for (size_t child; (child = at * 2) <= w->count; at = child) {
        if (child < w->count && w->heap[child + 1]->until < w->heap[child]->until)
            child++;
        if (w->heap[child]->until >= watch->until)
            break;
        place(w, w->heap[child], at);
    }
    place(w, watch, at);
}

static void heap_add(struct watches *w, struct watch *watch)
{
    if (w->count + 2 > w->room) {       /* the first place stays free */
        w->room = w->room ? w->room * 2 : 16;
        w->heap = mem_resize(w->heap, w->room * sizeof(struct watch *));
    }
    place(w, watch, ++w->count);
    sift_up(w, w->count);
}

static void heap_remove(struct watches *w, struct watch *watch)
{
    size_t at = watch->at;
    struct watch *last = w->heap[w->count--];

    watch->at = 0;
    if (last == watch)
        return;
    place(w, last, at);
    sift_up(w, at);
    sift_down(w, last->at);
}

/* ---- firing ---- */

/* With the lock: whoever takes it out of the heap submits it, and nobody else. */
static void fire(struct watches *w, struct watch *watch)
{
    heap_remove(w, watch);
    w->by_fd[watch->fd] = NULL;
    epoll_ctl(w->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    jobs_submit(w->jobs, watch->fn, watch->ctx);
}

static void fire_due(struct watches *w)
{
    int64_t now = clock_mono();

    while (w->count > 0 && w->heap[1]->until <= now)
        fire(w, w->heap[1]);
}

static int wait_ms(const struct watches *w)
{
    int64_t left = w->count > 0 ? w->heap[1]->until - clock_mono() : INT_MAX;

    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* An event that was fetched just before its watch was fired may meet another watch of the same file number: that one then looks
 * for nothing, which does no harm. */
static void take_event(struct watches *w, int fd)
{
    if ((size_t)fd < w->fds && w->by_fd[fd])
        fire(w, w->by_fd[fd]);
}

static void *watch_main(void *ctx)
{
    struct epoll_event events[EVENTS_MAX];
    struct watches *w = ctx;
    uint64_t rings;

    pthread_mutex_lock(&w->lock);
    while (!w->closing) {
        int ms = wait_ms(w), count;

        pthread_mutex_unlock(&w->lock);
        count = epoll_wait(w->epoll, events, EVENTS_MAX, ms);
        pthread_mutex_lock(&w->lock);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != w->bell)
                take_event(w, events[i].data.fd);
            else if (read(w->bell, &rings, sizeof(rings)) < 0)
                continue;
        }
        fire_due(w);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- open and close ---- */

static void ring(struct watches *w)
{
    uint64_t one = 1;

    if (write(w->bell, &one, sizeof(one)) < 0)
        return;                         /* it is full of rings: it will wake up */
}

static int start(struct watches *w)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = w->bell };
    pthread_attr_t attr;
    int rc;

    if (w->epoll < 0 || w->bell < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->bell, &event) < 0)
        return -1;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    rc = pthread_create(&w->thread, &attr, watch_main, w);
    pthread_attr_destroy(&attr);
    return rc == 0 ? 0 : -1;
}

static void release(struct watches *w)
{
    if (w->epoll >= 0)
        close(w->epoll);
    if (w->bell >= 0)
        close(w->bell);
    free(w->heap);
    free(w->by_fd);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

int watches_open(struct watches **ret, struct jobs *jobs, struct err *err)
{
    struct watches *w = mem_alloc(sizeof(*w));

    pthread_mutex_init(&w->lock, NULL);
    w->jobs = jobs;
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (start(w) < 0) {
        release(w);
        return err_id(err, ERR_INTERNAL, "thread", NULL, "Idle connections can't be watched: %s.", strerror(errno));
    }
    *ret = w;
    return 0;
}

void watches_close(struct watches *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_mutex_unlock(&w->lock);
    ring(w);
    pthread_join(w->thread, NULL);
    release(w);
}

/* ---- watching ---- */

static void remember(struct watches *w, struct watch *watch)
{
    size_t fd = (size_t)watch->fd;

    if (fd >= w->fds) {
        size_t fds = fd + 64;

        w->by_fd = mem_resize(w->by_fd, fds * sizeof(struct watch *));
        memset(w->by_fd + w->fds, 0, (fds - w->fds) * sizeof(struct watch *));
        w->fds = fds;
    }
    w->by_fd[fd] = watch;
    heap_add(w, watch);
}

int watch_add(struct watches *w, struct watch *watch, int fd, int64_t until, jobs_fn *fn, void *ctx)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.fd = fd };
    bool first;
    int rc;

    pthread_mutex_lock(&w->lock);
    *watch = (struct watch){ fd, until, fn, ctx, 0 };
    rc = epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event);
    if (rc == 0)
        remember(w, watch);
    first = watch->at == 1;
    pthread_mutex_unlock(&w->lock);
    if (first)
        ring(w);
    return rc;
}

void watch_fire(struct watches *w, struct watch *watch)
{
    pthread_mutex_lock(&w->lock);
    if (watch->at > 0)
        fire(w, watch);
    pthread_mutex_unlock(&w->lock);
}

size_t watches_count(struct watches *w)
{
    size_t count;

    pthread_mutex_lock(&w->lock);
    count = w->count;
    pthread_mutex_unlock(&w->lock);
    return count;
}
