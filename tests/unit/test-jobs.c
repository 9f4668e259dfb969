/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/jobs.h"
#include "tap.h"

static atomic_int ran, running, most;

static void count_one(void *ctx)
{
    (void)ctx;
    ran++;
}

static void stay(void *ctx)
{
    int now = ++running, seen = most;

    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        continue;
    usleep(*(int *)ctx * 1000);
    running--;
    ran++;
}

static bool wait_for(const atomic_int *what, int value)
{
    for (int i = 0; i < 5000 && *what < value; i++)
        usleep(1000);
    return *what == value;
}

static void test_submit(void)
{
    struct jobs *jobs = jobs_open(4);
    struct jobs_stats stats;

    ran = 0;
    jobs_stats(jobs, &stats);
    is_int(stats.threads, 0, "no thread before there is work");
    for (int i = 0; i < 1000; i++)
        jobs_submit(jobs, count_one, NULL);
    ok(wait_for(&ran, 1000), "every job runs once");
    jobs_stats(jobs, &stats);
    ok(stats.threads >= 1 && stats.threads <= 4, "on no more threads than allowed");
    is_int((long long)stats.waiting, 0, "nothing waits");
    is_int(jobs_stop(jobs, 1000), 0, "stopped");
    jobs_free(jobs);
}

static void test_many_threads(void)
{
    struct jobs *jobs = jobs_open(3);
    int ms = 50;

    ran = most = 0;
    for (int i = 0; i < 9; i++)
        jobs_submit(jobs, stay, &ms);
    ok(wait_for(&ran, 9), "slow jobs run");
    is_int(most, 3, "as many at a time as allowed");
    jobs_stop(jobs, 1000);
    jobs_free(jobs);
}

static void submit_more(void *ctx)
{
    if (++ran < 100)
        jobs_submit(ctx, submit_more, ctx);
}

static void test_from_within(void)
{
    struct jobs *jobs = jobs_open(1);

    ran = 0;
    jobs_submit(jobs, submit_more, jobs);
    ok(wait_for(&ran, 100), "a job may submit the next, even with one thread");
    jobs_stop(jobs, 1000);
    jobs_free(jobs);
}

struct note {
    int value;
    int64_t at;
};
static struct note notes[8];
static atomic_int noted;

static void note(void *ctx)
{
    int at = noted;

    notes[at] = (struct note){ (int)(intptr_t)ctx, clock_mono() };
    noted++;
}

static void test_timers(void)
{
    static const int after[] = { 90, 30, 60, 0, 30 };
    static const int order[] = { 3, 1, 4, 2, 0 };
    struct jobs *jobs = jobs_open(1);
    int64_t start = clock_mono();
    bool ordered = true, early = false;

    noted = 0;
    for (size_t i = 0; i < COUNT_OF(after); i++)
        jobs_at(jobs, start + after[i], note, (void *)(intptr_t)i);
    ok(wait_for(&noted, (int)COUNT_OF(after)), "every timer fires");
    for (size_t i = 0; i < COUNT_OF(after); i++) {
        ordered &= notes[i].value == order[i];
        early |= notes[i].at < start + after[notes[i].value];
    }
    ok(ordered, "in order of time, and of asking where the times are the same");
    ok(!early, "none early");
    ok(notes[4].at < start + 90 + 1000, "nor late");
    jobs_stop(jobs, 1000);
    jobs_free(jobs);
}

static void test_sooner_timer(void)
{
    struct jobs *jobs = jobs_open(1);
    int64_t start = clock_mono();

    noted = 0;
    jobs_at(jobs, start + 60000, note, NULL);
    usleep(20000);
    jobs_at(jobs, start + 40, note, (void *)1);
    ok(wait_for(&noted, 1) && notes[0].value == 1, "a sooner timer does not wait for a later one");
    is_int(jobs_stop(jobs, 1000), 0, "a timer that has not fired holds nothing up");
    is_int(noted, 2, "and is run at the end, to free what it holds");
    jobs_free(jobs);
}

static void test_stop(void)
{
    struct jobs *jobs = jobs_open(1);
    int ms = 300;
    int64_t start;

    ran = 0;
    for (int i = 0; i < 5; i++)
        jobs_submit(jobs, stay, &ms);
    usleep(50000);
    start = clock_mono();
    is_int(jobs_stop(jobs, 20), -1, "the time to stop is over while something runs");
    ok(clock_mono() - start < 200, "told in time");
    is_int(jobs_stop(jobs, 5000), 0, "then it ends");
    is_int(ran, 5, "what had not begun was run too, to free what it holds");
    jobs_free(jobs);
    jobs_free(NULL);
}

int main(void)
{
    test_submit();
    test_many_threads();
    test_from_within();
    test_timers();
    test_sooner_timer();
    test_stop();
    return done();
}
