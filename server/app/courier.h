/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/courier.h - carries events to webhooks: each at least once, in order as far as possible, over restarts. DESIGN 5.
 *
 * An event that a webhook wants becomes a delivery on the disk before it is sent; a cursor there says how far that went. Each
 * webhook has one request under way at a time. Those whose target answers run on threads of their own, so that dead targets, which
 * cost time, cost only each other's. */
#ifndef POSTERN_APP_COURIER_H
#define POSTERN_APP_COURIER_H

#include <jansson.h>

#include "app/registry.h"
#include "app/station.h"

struct courier;

struct courier *courier_new(struct station *station);
/* Starts telling the webhooks there are. */
void courier_start(struct courier *courier);
/* Requests under way end at once. 0, or -1 when a worker is still there. */
int  courier_stop(struct courier *courier);
void courier_free(struct courier *courier);             /* after the store, which may still tell; NULL is fine */

void courier_told(struct courier *courier);             /* the store committed events; from its writer thread */
/* A webhook has another configuration; either may be NULL. On the writer thread. */
void courier_changed(struct courier *courier, const struct entry *before, const struct entry *after);
/* Something about targets changed (a service, a CA): those that failed are tried again. */
void courier_retry_all(struct courier *courier);
/* Whatever kept it from being told may be over: now. */
void courier_hurry(struct courier *courier, const char *webhook);

/* {state, code, cause, since, waiting, lastSuccess, lastFailure}; the caller's. */
json_t *courier_status(struct courier *courier, const char *webhook);

void courier_purge(struct courier *courier);            /* waits: old deliveries */

/* Sends a webhook.test now, whatever waits, and notes it among the deliveries. */
struct courier_test {
    struct station *station;
    struct entry *webhook;              /* held */
    struct actor actor;                 /* the strings stay the caller's until done() */
    json_t *answer;                     /* {ok, status, ms, code, cause, delivery}; freed after done() */
    void (*done)(struct courier_test *test, const struct err *err);
    void *ctx;
};
void courier_test(struct courier_test *test);           /* takes it, made by mem_alloc */

#endif
