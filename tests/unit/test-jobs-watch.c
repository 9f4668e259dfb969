/* SPDX-License-Identifier: Apache-2.0 */
/* Gates let so many in and the others wait in order; watches fire once, for whichever reason. */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "jobs/gate.h"
#include "jobs/watch.h"
#include "tap.h"

#define PATIENCE 10000          /* ms */

static bool wait_for(const atomic_int *what, int value)
{
    for (int i = 0; i < PATIENCE && *what < value; i++)
        usleep(1000);
    return *what == value;
}

/* ---- gates ---- */

static struct gate *gate;
static atomic_int inside, most, passed;
static atomic_bool closed;
static int order[100];

struct visitor {
    const char *key;
    int number;
};

static void visit(void *ctx)
{
    struct visitor *visitor = ctx;
    int now = ++inside, seen = most;

    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
        continue;
    while (atomic_load(&closed))
        usleep(1000);
    order[passed] = visitor->number;
    inside--;
    passed++;
    gate_leave(gate, visitor->key);
}

static void test_gate(void)
{
    struct jobs *jobs = jobs_open(20);
    struct visitor visitors[100];

    gate = gate_new(jobs, 3);
    closed = true;
    for (int i = 0; i < 100; i++) {
        visitors[i] = (struct visitor){ i % 2 ? "a" : "b", i };
        gate_enter(gate, visitors[i].key, visit, &visitors[i]);
    }
    ok(wait_for(&inside, 6), "three of each key are let in");
    usleep(20000);
    is_int(inside, 6, "and no more");
    closed = false;
    ok(wait_for(&passed, 100), "then all the others");
    is_int(most, 6, "never more than three of a key at a time");
    is_int(jobs_stop(jobs, PATIENCE), 0, "stopped");
    gate_free(gate);
    jobs_free(jobs);
}

static void test_gate_in_order(void)
{
    struct jobs *jobs = jobs_open(20);
    struct visitor visitors[50];
    bool in_order = true;

    gate = gate_new(jobs, 1);
    passed = most = 0;
    for (int i = 0; i < 50; i++) {
        visitors[i] = (struct visitor){ "one", i };
        gate_enter(gate, "one", visit, &visitors[i]);
    }
    ok(wait_for(&passed, 50), "one at a time");
    for (int i = 0; i < 50; i++)
        in_order = in_order && order[i] == i;
    ok(in_order, "in the order they came");
    jobs_stop(jobs, PATIENCE);
    gate_free(gate);
    jobs_free(jobs);
}

static void test_gate_open(void)
{
    struct jobs *jobs = jobs_open(20);
    struct visitor visitors[10];

    gate = gate_new(jobs, 1);
    passed = inside = 0;
    closed = true;
    for (int i = 0; i < 10; i++) {
        visitors[i] = (struct visitor){ "one", i };
        gate_enter(gate, "one", visit, &visitors[i]);
    }
    gate_open(gate);
    ok(wait_for(&inside, 10), "an open gate keeps nobody waiting");
    closed = false;
    ok(wait_for(&passed, 10), "and all come through");
    jobs_stop(jobs, PATIENCE);
    gate_free(gate);
    jobs_free(jobs);
}

/* ---- watches ---- */

static atomic_int fired;

static void note(void *ctx)
{
    atomic_fetch_add((atomic_int *)ctx, 1);
    fired++;
}

static void test_reasons(struct watches *watches)
{
    struct watch read_it = { 0 }, ended = { 0 }, late = { 0 }, asked = { 0 };
    atomic_int times[4] = { 0 };
    int pair[4][2];

    fired = 0;
    for (int i = 0; i < 4; i++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair[i]) < 0)
            abort();
    watch_add(watches, &read_it, pair[0][0], clock_mono() + 1000000, note, &times[0]);
    watch_add(watches, &ended, pair[1][0], clock_mono() + 1000000, note, &times[1]);
    watch_add(watches, &late, pair[2][0], clock_mono() + 50, note, &times[2]);
    watch_add(watches, &asked, pair[3][0], clock_mono() + 1000000, note, &times[3]);
    ok(write(pair[0][1], "x", 1) == 1 && wait_for(&times[0], 1), "fires when there is something to read");
    shutdown(pair[1][1], SHUT_WR);
    ok(wait_for(&times[1], 1), "fires at the end");
    ok(wait_for(&times[2], 1), "fires in time");
    watch_fire(watches, &asked);
    watch_fire(watches, &asked);
    ok(wait_for(&times[3], 1), "fires when asked");
    usleep(20000);
    is_int(fired, 4, "each once");
    is_int((long long)watches_count(watches), 0, "nothing is watched any more");
    watch_add(watches, &read_it, pair[0][0], clock_mono() + 1000000, note, &times[0]);
    ok(wait_for(&times[0], 2), "what is there already is seen when it is watched again");
    for (int i = 0; i < 4; i++) {
        close(pair[i][0]);
        close(pair[i][1]);
    }
}

#define MANY 300

/* Added in any order of time, some fired meanwhile: the heap keeps them in order. */
static void test_many(struct watches *watches)
{
    static struct watch many[MANY];
    static atomic_int times[MANY];
    int fds[MANY][2], wrong = 0;

    fired = 0;
    for (int i = 0; i < MANY; i++) {
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]) < 0)
            abort();
        watch_add(watches, &many[i], fds[i][0], clock_mono() + (i * 37) % 300 + 20, note, &times[i]);
    }
    for (int i = 0; i < MANY; i += 3)
        watch_fire(watches, &many[i]);
    for (int i = 1; i < MANY; i += 3)
        wrong += write(fds[i][1], "x", 1) != 1;
    ok(wait_for(&fired, MANY), "all of them fire");
    usleep(20000);
    for (int i = 0; i < MANY; i++) {
        wrong += times[i] != 1;
        close(fds[i][0]);
        close(fds[i][1]);
    }
    is_int(wrong, 0, "each once");
}

int main(void)
{
    struct jobs *jobs = jobs_open(8);
    struct watches *watches = NULL;
    struct err err;

    test_gate();
    test_gate_in_order();
    test_gate_open();
    is_int(watches_open(&watches, jobs, &err), 0, "watches opened");
    test_reasons(watches);
    test_many(watches);
    watches_close(watches);
    is_int(jobs_stop(jobs, PATIENCE), 0, "stopped");
    jobs_free(jobs);
    return done();
}
