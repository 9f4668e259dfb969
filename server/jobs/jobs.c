/* SPDX-License-Identifier: Apache-2.0 */
#include "jobs/jobs.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define STACK_BYTES (512 * 1024)
#define IDLE_MS 10000                   /* an idle thread ends after it */

struct job {
    struct job *next;
    jobs_fn *fn;
    void *ctx;
};

struct timer {
    int64_t when;
    uint64_t order;                     /* two at the same time run in the order they were asked for */
    jobs_fn *fn;
    void *ctx;
};

struct jobs {
    pthread_mutex_t lock;
    pthread_cond_t work;                /* there is a job, or the end */
    pthread_cond_t tick;                /* the earliest timer changed, or the end */
    pthread_cond_t gone;                /* a thread ended */
    struct job *first, **last;
    size_t waiting;
    struct timer *heap;                 /* earliest first */
    size_t timers, room;
    uint64_t order;
    int threads, idle, threads_max;
    bool stopping;
    bool clock_runs;
    pthread_t clock_thread;
};

static void cond_init_mono(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

static int wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t when)
{
    struct timespec at = { when / 1000, when % 1000 * 1000000 };

    return pthread_cond_timedwait(cond, lock, &at);
}

struct jobs *jobs_open(int threads_max)
{
    struct jobs *jobs = mem_alloc(sizeof(*jobs));

    pthread_mutex_init(&jobs->lock, NULL);
    cond_init_mono(&jobs->work);
    cond_init_mono(&jobs->tick);
    cond_init_mono(&jobs->gone);
    jobs->last = &jobs->first;
    jobs->threads_max = threads_max;
    return jobs;
}

/* ---- threads ---- */

/* With the lock. NULL: this thread should end. */
static struct job *next_job(struct jobs *jobs)
{
    int64_t until = clock_mono() + IDLE_MS;
    struct job *job;
    int rc = 0;

    jobs->idle++;
    while (jobs->first == NULL && !jobs->stopping && rc == 0)
        rc = wait_until(&jobs->work, &jobs->lock, until);
    jobs->idle--;
    job = jobs->first;
    if (job) {
        jobs->first = job->next;
        if (jobs->first == NULL)
            jobs->last = &jobs->first;
        jobs->waiting--;
    }
    return job;
}

static void *thread_main(void *ctx)
{
    struct jobs *jobs = ctx;
    struct job *job;

    pthread_mutex_lock(&jobs->lock);
    while ((job = next_job(jobs))) {
        pthread_mutex_unlock(&jobs->lock);
        job->fn(job->ctx);
        free(job);
        pthread_mutex_lock(&jobs->lock);
    }
    jobs->threads--;
    pthread_cond_broadcast(&jobs->gone);
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static int start_thread(struct jobs *jobs, pthread_t *thread, void *(*main)(void *))
{
    pthread_attr_t attr;
    int rc;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    rc = pthread_create(thread, &attr, main, jobs);
    pthread_attr_destroy(&attr);
    return rc;
}

/* With the lock. */
static void add_thread(struct jobs *jobs)
{
    pthread_t thread;

    if ((size_t)jobs->idle >= jobs->waiting || jobs->threads >= jobs->threads_max)
        return;
    if (start_thread(jobs, &thread, thread_main) == 0) {
        pthread_detach(thread);
        jobs->threads++;
    } else if (jobs->threads == 0) {
        log_error("jobs", "No thread can be started; work waits until one can.");
    }
}

/* With the lock. */
static void enqueue(struct jobs *jobs, jobs_fn *fn, void *ctx)
{
    struct job *job = mem_alloc(sizeof(*job));

    job->fn = fn;
    job->ctx = ctx;
    *jobs->last = job;
    jobs->last = &job->next;
    jobs->waiting++;
    add_thread(jobs);
    pthread_cond_signal(&jobs->work);
}

void jobs_submit(struct jobs *jobs, jobs_fn *fn, void *ctx)
{
    pthread_mutex_lock(&jobs->lock);
    enqueue(jobs, fn, ctx);
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- the timer: a binary heap and a thread that waits for its top ---- */

static bool earlier(const struct timer *a, const struct timer *b)
{
    return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static void swap(struct timer *a, struct timer *b)
{
    struct timer c = *a;

    *a = *b;
    *b = c;
}

static void heap_add(struct jobs *jobs, const struct timer *timer)
{
    size_t at = jobs->timers;

    if (jobs->timers == jobs->room) {
        jobs->room = jobs->room ? jobs->room * 2 : 16;
        jobs->heap = mem_resize(jobs->heap, jobs->room * sizeof(*jobs->heap));
    }
    jobs->heap[jobs->timers++] = *timer;
    for (; at > 0 && earlier(&jobs->heap[at], &jobs->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&jobs->heap[at], &jobs->heap[(at - 1) / 2]);
}

static struct timer heap_take(struct jobs *jobs)
{
    struct timer top = jobs->heap[0];
    size_t at = 0;

    jobs->heap[0] = jobs->heap[--jobs->timers];
    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= jobs->timers)
            return top;
        if (child + 1 < jobs->timers && earlier(&jobs->heap[child + 1], &jobs->heap[child]))
            child++;
        if (!earlier(&jobs->heap[child], &jobs->heap[at]))
            return top;
        swap(&jobs->heap[child], &jobs->heap[at]);
        at = child;
    }
}

static void *clock_main(void *ctx)
{
    struct jobs *jobs = ctx;

    pthread_mutex_lock(&jobs->lock);
    while (!jobs->stopping) {
        if (jobs->timers == 0) {
            pthread_cond_wait(&jobs->tick, &jobs->lock);
        } else if (jobs->heap[0].when > clock_mono()) {
            wait_until(&jobs->tick, &jobs->lock, jobs->heap[0].when);
        } else {
            struct timer timer = heap_take(jobs);

            enqueue(jobs, timer.fn, timer.ctx);
        }
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

void jobs_at(struct jobs *jobs, int64_t when, jobs_fn *fn, void *ctx)
{
    struct timer timer = { when, 0, fn, ctx };

    pthread_mutex_lock(&jobs->lock);
    timer.order = jobs->order++;
    heap_add(jobs, &timer);
    if (!jobs->clock_runs && !jobs->stopping)
        jobs->clock_runs = start_thread(jobs, &jobs->clock_thread, clock_main) == 0;
    pthread_cond_signal(&jobs->tick);
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- the end ---- */

int jobs_stop(struct jobs *jobs, int64_t grace_ms)
{
    int64_t until = clock_mono() + grace_ms;
    bool join;
    int left;

    pthread_mutex_lock(&jobs->lock);
    jobs->stopping = true;
    join = jobs->clock_runs;
    jobs->clock_runs = false;
    while (jobs->timers) {              /* they free what they hold, and find out themselves that it is over */
        struct timer timer = heap_take(jobs);

        enqueue(jobs, timer.fn, timer.ctx);
    }
    pthread_cond_broadcast(&jobs->work);
    pthread_cond_broadcast(&jobs->tick);
    while (jobs->threads > 0 && wait_until(&jobs->gone, &jobs->lock, until) == 0)
        continue;
    left = jobs->threads;
    pthread_mutex_unlock(&jobs->lock);
    if (join)
        pthread_join(jobs->clock_thread, NULL);
    return left == 0 ? 0 : -1;
}

void jobs_free(struct jobs *jobs)
{
    if (jobs == NULL)
        return;
    free(jobs->heap);
    pthread_cond_destroy(&jobs->work);
    pthread_cond_destroy(&jobs->tick);
    pthread_cond_destroy(&jobs->gone);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

void jobs_stats(struct jobs *jobs, struct jobs_stats *ret)
{
    pthread_mutex_lock(&jobs->lock);
    *ret = (struct jobs_stats){ jobs->threads, jobs->idle, jobs->waiting, jobs->timers };
    pthread_mutex_unlock(&jobs->lock);
}
