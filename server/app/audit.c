/* SPDX-License-Identifier: Apache-2.0 */
#include "app/audit.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/store.h"

int audit_add(struct store_tx *tx, const struct actor *actor, const char *action, const char *resource, const json_t *detail,
              struct err *err)
{
    AUTO_FREE char *text = detail ? json_dumps(detail, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    struct store_audit entry = { .at = clock_now(), .who = actor->name ? actor->name : "",
                                 .address = actor->address ? actor->address : "", .action = action, .resource = resource,
                                 .detail = text };

    return store_audit_add(tx, &entry, err);
}

struct note {
    char *who, *address, *action, *resource;
    json_t *detail;
};

static int note_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct note *note = ctx;
    const struct actor actor = { note->who, note->address };

    return audit_add(tx, &actor, note->action, note->resource, note->detail, err);
}

static void note_done(void *ctx, const struct err *err)
{
    struct note *note = ctx;

    if (err)
        log_error("audit", "\"%s\" of %s by \"%s\" could not be recorded: %s", note->action, note->resource, note->who, err->text);
    free(note->who);
    free(note->address);
    free(note->action);
    free(note->resource);
    json_decref(note->detail);
    free(note);
}

void audit_note(struct station *station, const struct actor *actor, const char *action, const char *resource, json_t *detail)
{
    struct note *note = mem_alloc(sizeof(*note));

    *note = (struct note){ mem_strdup(actor->name ? actor->name : ""), mem_strdup(actor->address ? actor->address : ""),
                           mem_strdup(action), mem_strdup(resource), detail };
    store_submit(station->store, note_run, note_done, note, false);
}
