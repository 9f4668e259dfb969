/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/compose.h - a message from what a client gave: JSON, or RFC 5322 as it is. DESIGN 3. */
#ifndef POSTERN_APP_COMPOSE_H
#define POSTERN_APP_COMPOSE_H

#include <jansson.h>

#include "app/station.h"
#include "base/buf.h"
#include "component/problems.h"
#include "model/message.h"

struct composed {
    struct message *message;            /* envelope, fields for lists, queued */
    struct buf raw;                     /* the bytes to send */
};
void composed_free(struct composed *composed);

/* -1: `problems` has everything that is wrong with the document (422), or is empty and `err` says why. */
int compose_json(struct composed *ret, struct station *station, const struct entry *account, const json_t *document,
                 struct problems *problems, struct err *err);
/* The envelope from the headers unless `from` and `to` (addresses separated by commas) give it. */
int compose_raw(struct composed *ret, struct station *station, const struct entry *account, struct str raw, const char *from,
                const char *to, struct problems *problems, struct err *err);

#endif
