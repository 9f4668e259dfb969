/* SPDX-License-Identifier: Apache-2.0 */
/* server/jobs/gate.h - at most so many at a time of what has a key in common; the rest waits in order, and costs no thread. */
#ifndef POSTERN_JOBS_GATE_H
#define POSTERN_JOBS_GATE_H

#include "jobs/jobs.h"

struct gate;

struct gate *gate_new(struct jobs *jobs, int max);
void gate_free(struct gate *gate);              /* when nobody is in it; NULL is fine */
/* Submits once there is room; whoever ran so calls gate_leave() with the same key, once. */
void gate_enter(struct gate *gate, const char *key, jobs_fn *fn, void *ctx);
void gate_leave(struct gate *gate, const char *key);
/* From now on nobody waits: all are submitted at once. */
void gate_open(struct gate *gate);

#endif
