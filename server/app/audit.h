/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/audit.h - the audit trail: who did what, when and from where. DESIGN 1, Logs. */
#ifndef POSTERN_APP_AUDIT_H
#define POSTERN_APP_AUDIT_H

#include <jansson.h>

#include "app/station.h"

struct store_tx;

/* In the transaction of what it tells about. `resource` is "User/alice"; `detail` stays the caller's and may be NULL. */
int audit_add(struct store_tx *tx, const struct actor *actor, const char *action, const char *resource, const json_t *detail,
              struct err *err);
/* For what stores nothing else: written soon, and nobody waits for it. Takes `detail`, which may be NULL. */
void audit_note(struct station *station, const struct actor *actor, const char *action, const char *resource, json_t *detail);

#endif
