/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/guess.h - makes guessing slow: after some failures, each further one doubles the time to wait.
 *
 * Failures are counted by user and address together, so nobody can lock another out from elsewhere. Memory is
 * bounded: the longest untouched is forgotten. Times are clock_mono() in ms. Any thread. */
#ifndef POSTERN_HTTP_GUESS_H
#define POSTERN_HTTP_GUESS_H

#include <stdint.h>

#include "base/mem.h"

struct guess;

/* The first `free_failures` cost nothing; then 1 s, 2 s, 4 s … up to `longest_ms`. */
struct guess *guess_new(int free_failures, int64_t longest_ms);
void guess_free(struct guess *guess);
MEM_FREEP(guess)
/* 0: go on; else so many ms to wait. `user` may be "". */
int64_t guess_wait(struct guess *guess, const char *user, const char *address, int64_t now);
void guess_failed(struct guess *guess, const char *user, const char *address, int64_t now);
void guess_succeeded(struct guess *guess, const char *user, const char *address);

#endif
