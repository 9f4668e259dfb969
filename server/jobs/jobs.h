/* SPDX-License-Identifier: Apache-2.0 */
/* server/jobs/jobs.h - threads on demand and one timer; runs jobs, knows no mail. */
#ifndef POSTERN_JOBS_JOBS_H
#define POSTERN_JOBS_JOBS_H

#include <stddef.h>
#include <stdint.h>

struct jobs;

typedef void jobs_fn(void *ctx);

/* Threads are started when there is work and end when idle; at most `threads_max` run at a time, the rest waits in order. */
struct jobs *jobs_open(int threads_max);
void jobs_submit(struct jobs *jobs, jobs_fn *fn, void *ctx);
/* Submits at clock_mono() `when` (ms). A job that must not run any more has to find that out itself. */
void jobs_at(struct jobs *jobs, int64_t when, jobs_fn *fn, void *ctx);
/* Runs what waits, timers at once: a job finds out itself that the end has come, frees what it holds and starts nothing. Waits at
 * most `grace_ms`; 0, or -1 when something still runs. */
int  jobs_stop(struct jobs *jobs, int64_t grace_ms);
void jobs_free(struct jobs *jobs);              /* after jobs_stop answered 0; NULL is fine */

struct jobs_stats { int threads, idle; size_t waiting, timers; };
void jobs_stats(struct jobs *jobs, struct jobs_stats *ret);

#endif
