/* SPDX-License-Identifier: Apache-2.0 */
/* server/jobs/watch.h - waits for sockets without a thread for each: a job is submitted once there is something to read. */
#ifndef POSTERN_JOBS_WATCH_H
#define POSTERN_JOBS_WATCH_H

#include <stdbool.h>

#include "base/err.h"
#include "jobs/jobs.h"

struct watches;

/* The caller's, and stays where it is as long as it is watched; nothing of it is to be filled in but by watch_add(). */
struct watch {
    int fd;
    int64_t until;              /* clock_mono() */
    jobs_fn *fn;
    void *ctx;
    size_t at;                  /* its place in the heap; 0: not watched */
};

int  watches_open(struct watches **ret, struct jobs *jobs, struct err *err);
void watches_close(struct watches *watches);    /* what is still watched never fires; NULL is fine */

/* fn runs once, on a worker: when `fd` can be read or has ended, at `until`, or after watch_fire(). -1: it is not watched. */
int  watch_add(struct watches *watches, struct watch *watch, int fd, int64_t until, jobs_fn *fn, void *ctx);
/* Now, unless it is on its way already. */
void watch_fire(struct watches *watches, struct watch *watch);
size_t watches_count(struct watches *watches);

#endif
