/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/events.h - what happened, for whoever wants to know: kept in the store, told live. DESIGN 5.
 *
 * An event is written in the transaction of what it tells, so neither is there without the other; it gets its number there,
 * and is told to listeners after the commit. */
#ifndef POSTERN_APP_EVENTS_H
#define POSTERN_APP_EVENTS_H

#include <jansson.h>
#include <stddef.h>

#include "app/event_types.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

struct component_type;
struct events;
struct message;
struct station;
struct store_event;
struct store_tx;

/* `type` is dotted: "message.received", "account.status", "mailbox.changed". `account` and `resource` ("Message/<id>") may be
 * NULL. `data` is taken, also on failure; an object, or NULL. Never a secret in it. */
int events_add(struct store_tx *tx, const char *type, const char *account, const char *resource, json_t *data, struct err *err);
/* Where there is no transaction: a write of its own, not waited for. Any thread but an HTTP handler's hot path. */
void events_note(struct station *station, const char *type, const char *account, const char *resource, json_t *data);

/* "<family>.<verb>" of a component, with what `more` (or NULL) says beside its name and type. Nothing for a type without a family. */
int events_add_component(struct store_tx *tx, const struct component_type *type, const char *verb, const char *name,
                         const json_t *more, struct err *err);
/* What the message's state says. `account`: its name by now. */
int events_add_message(struct store_tx *tx, const struct message *message, const char *account, struct err *err);

/* ---- what there was ---- */

struct events_filter {
    struct event_set types;
    const char *account;                /* NULL: any */
    const char *const *accounts;        /* those a token is limited to, NULL-terminated; NULL: all */
    int role;                           /* USER_VIEWER … */
};
bool events_wanted(const struct events_filter *filter, const struct store_event *event);

/* {"id", "at", "type", "account", "resource", "data"}. */
void events_text(const struct store_event *event, struct buf *into);

struct events_page {
    bool forward;                       /* from `at` on, in order; else before `at`, newest first (0: from the newest) */
    int64_t at;
    int limit;
};
/* Adds a JSON array to `into`. `*resume`: where the next page begins, 0: there is none. Looks at a bounded number of events. */
int events_list(struct station *station, const struct events_page *page, const struct events_filter *filter, struct buf *into,
                int64_t *resume, struct err *err);

/* ---- what happens ---- */

struct events *events_new(struct station *station);
void events_stop(struct events *events);                /* ends the thread; readers may be freed later */
void events_free(struct events *events);                /* after the store, which may still tell; NULL is fine */
void events_told(struct events *events);                /* the store committed some; from its writer thread */

#define EVENTS_FROM_NOW (-1)

struct events_subscription {
    struct events_filter filter;        /* `account` is copied, `accounts` stays the caller's */
    int64_t after;                      /* the last that is known; EVENTS_FROM_NOW */
    void (*wake)(void *ctx);            /* there is something to read; any thread, must not wait nor call back */
    int (*role)(void *ctx);             /* the role by now, as in the filter; -1: the reader may not go on */
    void *ctx;
};

/* Server-Sent Events for one listener, read on an HTTP thread. */
struct events_reader;
/* ERR_FULL when there are too many. */
int events_reader_new(struct events_reader **ret, struct station *station, const struct events_subscription *subscription,
                      struct err *err);
/* Bytes put at `at`; 0: nothing now, wake() comes; -1: the end. From the first call on wake() and role() may be called. */
ptrdiff_t events_reader_read(struct events_reader *reader, char *at, size_t max);
void events_reader_free(struct events_reader *reader);  /* wake() and role() are not called any more; NULL is fine */

#endif
