/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/courier_private.h - what the courier's files share: a webhook as it is told, and one request to it. */
#ifndef POSTERN_APP_COURIER_PRIVATE_H
#define POSTERN_APP_COURIER_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "app/courier.h"
#include "app/station.h"
#include "client/client.h"
#include "model/webhook.h"
#include "store/store.h"

#define COURIER_WINDOW 200              /* deliveries of a webhook that wait; further events wait in the store */
#define COURIER_AT_ONCE 1               /* in place of a time: there is more to do */
#define COURIER_DISK_PAUSE SECONDS(10)

/* A webhook as it is told. What is in here only is lost at the end: after a start it is tried anew. */
struct hook {
    atomic_uint holders;
    struct courier *courier;
    char *name;

    /* Under the courier's lock. */
    bool removed, running, again;
    bool hurried;                       /* forget the back-off, everything is due */
    int64_t alarm;                      /* ms, wall clock; 0: none is set */
    enum { HOOK_PENDING, HOOK_OK, HOOK_DOWN, HOOK_FAULT } state;
    char code[48], cause[384];
    int64_t since, last_success, last_failure;

    /* Of whoever runs it. */
    int failures;                       /* attempts in a row that failed, whatever was sent */
    int64_t suspect;                    /* the delivery that failed since the last success; 0: none */
    bool down;                          /* another one, too: it is the target that fails */
    int64_t not_before;                 /* ms, wall clock */
    int64_t cursor, seen;               /* as stored; and how far it was looked without finding anything */
};

struct courier {
    struct station *station;
    pthread_mutex_t lock;
    struct map *hooks;                  /* by name; each holds one */
    struct jobs *quick, *slow;
    struct clients *clients;
    atomic_bool any;                    /* there are webhooks */
    atomic_bool told;                   /* a look around is on its way */
    bool started;                       /* and not stopped yet; under the lock */
};

struct attempt;
struct target;

void courier_set_state(struct hook *hook, int state, const char *code, const char *cause);

/* ---- courier_fan_out.c ---- */

/* Makes deliveries of what the webhook wants. 1: there may be more to look at; 0; -1. */
int courier_fan_out(struct hook *hook, struct entry *entry);
struct delivery *courier_delivery_new(const char *webhook, const char *type);   /* without a body */
int courier_purge_run(struct store_tx *tx, void *webhook, struct err *err);     /* a name: removes its old deliveries */

/* ---- courier_deliver.c ---- */

/* Sends what is due. When to go on: COURIER_AT_ONCE, a time, or 0 for when something happens. `*target` is kept for the next. */
int64_t courier_deliver(struct hook *hook, struct entry *entry, struct target **target, bool hurried, int64_t until);
void courier_note_attempt(struct delivery *delivery, const struct attempt *attempt, int64_t now);
void courier_end(struct delivery *delivery, enum delivery_state state, int64_t now);

/* ---- courier_send.c ---- */

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
