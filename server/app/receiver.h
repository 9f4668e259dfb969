/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/receiver.h - when each mailbox is looked at: one worker an account at a time, waiting connections parked. DESIGN 2.3, 7.
 *
 * An account rests until its next poll, works, or is parked: its connection waits in IDLE and costs no thread. */
#ifndef POSTERN_APP_RECEIVER_H
#define POSTERN_APP_RECEIVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct live;
struct receiver;
struct receivers;
struct station;

struct receivers *receivers_new(struct station *station, struct err *err);
void receivers_free(struct receivers *receivers);       /* after receiver_stop_wait(); NULL is fine */

/* Poll now, whatever kept the account from it: it is new or changed, somebody asks, something about trust changed. Any thread; never
 * waits. Nothing for other kinds of account. */
void receiver_wake(struct station *station, const char *account);
/* The same, only where the last attempt failed. */
void receiver_relieve(struct station *station, const char *account);
/* The account is deleted: its connection is closed. */
void receiver_stir(struct station *station, struct live *live);
/* At start: every account, not all in one moment. */
void receiver_start_all(struct station *station);
/* When station->stopping is set: parked connections are closed, polls end after the message they are at. */
void receiver_stop_all(struct station *station);
void receiver_stop_wait(struct station *station, int64_t ms);
void receiver_free(struct receiver *receiver);          /* by the account's live */

struct receiver_stats { size_t parked; int working; };
void receiver_stats(struct station *station, struct receiver_stats *ret);

int64_t receiver_back_off(int failures, const struct err *err);         /* ms; for the tests */

#endif
