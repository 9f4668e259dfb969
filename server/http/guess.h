/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/guess.h - makes guessing slow: after some failures, each further one doubles the time to wait.
 *
 * Failures are counted three times: for the user from this address; for the address, which may try many users; for the
 * user, whom many addresses may try. The last never locks for long, and where the right user came from before only the
 * first counts, so nobody can keep another out from elsewhere. Memory is bounded: the longest untouched is forgotten.
 * Times are clock_mono() in ms. Any thread. */
#ifndef POSTERN_HTTP_GUESS_H
#define POSTERN_HTTP_GUESS_H

#include <stdint.h>

#include "base/mem.h"

#define GUESS_ADDRESS_FACTOR 4          /* times the free failures of one user from one address */
#define GUESS_USER_FACTOR 10
#define GUESS_ADDRESS_LONGEST INT64_C(300000)   /* ms, or less where `longest_ms` is less */
#define GUESS_USER_LONGEST INT64_C(30000)

struct guess;

/* The first `free_failures` cost nothing; then 1 s, 2 s, 4 s … up to `longest_ms`. */
struct guess *guess_new(int free_failures, int64_t longest_ms);
void guess_free(struct guess *guess);
MEM_FREEP(guess)
/* From now on; what is counted stays. */
void guess_set(struct guess *guess, int free_failures, int64_t longest_ms);
/* 0: go on; else so many ms to wait. `user` may be "": then the address is all that counts, like a pair. */
int64_t guess_wait(struct guess *guess, const char *user, const char *address, int64_t now);
void guess_failed(struct guess *guess, const char *user, const char *address, int64_t now);
/* The failures of this user from here were slips, and are taken back everywhere. */
void guess_succeeded(struct guess *guess, const char *user, const char *address);

#endif
