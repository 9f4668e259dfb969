/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/events.h - what happened, for whoever wants to know: kept in the store, told live. DESIGN 5.
 *
 * An event is written in the transaction of what it tells, so neither is there without the other; it gets its number there,
 * and is told to listeners after the commit. */
#ifndef POSTERN_APP_EVENTS_H
#define POSTERN_APP_EVENTS_H

#include <jansson.h>

#include "base/err.h"

struct station;
struct store_tx;

/* `type` is dotted: "message.received", "account.status", "mailbox.changed". `account` and `resource` ("Message/<id>") may be
 * NULL. `data` is taken, also on failure; an object, or NULL. Never a secret in it. */
int events_add(struct store_tx *tx, const char *type, const char *account, const char *resource, json_t *data, struct err *err);
/* Where there is no transaction: a write of its own, not waited for. Any thread but an HTTP handler's hot path. */
void events_note(struct station *station, const char *type, const char *account, const char *resource, json_t *data);

#endif
