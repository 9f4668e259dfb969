/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/sender.h - empties an account's queue: workers on demand, one connection each, many messages on it. DESIGN 3.
 *
 * Ownership of work is in the store (leases), so a killed process loses nothing. A worker has at most one message whose result is not
 * durable yet: the final dot of the next one waits for the commit of the result before it. */
#ifndef POSTERN_APP_SENDER_H
#define POSTERN_APP_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct entry;
struct live;
struct sender;
struct station;

/* A message of the account is due at `due` (ms). Any thread; never waits. */
void sender_notice(struct station *station, const char *account, int64_t due);
/* Whatever kept the account from sending may be over (approval, changed settings, flush): forget the back-off, try now. */
void sender_wake(struct station *station, const char *account);
/* Workers that wait for more look around: the account is paused or deleted, or all is about to stop. */
void sender_stir(struct live *live);
/* Whether the account's back-off is still the one that ends at `until`, or somebody woke it since. */
bool sender_waits_until(struct live *live, int64_t until);
/* Takes over what a process before this one had under way, and starts what is due. */
int  sender_start_all(struct station *station, struct err *err);
/* Ends every worker after its present message; after `grace_ms` their connections are cut. */
void sender_stop_all(struct station *station, int64_t grace_ms);
void sender_free(struct sender *sender);

#endif
