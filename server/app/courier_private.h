/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/courier_private.h - one request to one webhook. */
#ifndef POSTERN_APP_COURIER_PRIVATE_H
#define POSTERN_APP_COURIER_PRIVATE_H

#include "app/station.h"
#include "client/client.h"
#include "model/webhook.h"

struct attempt {
    bool good;
    bool stopped;                       /* by us: it doesn't count */
    bool gone;                          /* 410: the target is not there any more, and wants to be asked no more */
    int status;                         /* 0: no answer */
    int64_t ms, retry_after;            /* s; -1: not said */
    char code[48], cause[384];          /* where it isn't good */
};

/* A connection to a webhook's target, with its key and whom it trusts, as configured when it was made. */
struct target;
/* NULL with `failed` filled: it can't be told anything as it is configured. */
struct target *target_open(struct station *station, struct clients *clients, struct entry *webhook, struct attempt *failed);
void target_close(struct target *target);               /* NULL is fine */
/* Whether the configuration is still the one that it was made with. */
bool target_is_present(const struct target *target);
void target_send(struct target *target, const struct delivery *delivery, struct attempt *ret);

#endif
