/* SPDX-License-Identifier: Apache-2.0 */
#include "app/acknowledge.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "app/audit.h"
#include "app/events.h"
#include "app/outbox.h"
#include "base/map.h"
#include "store/store.h"

#define BATCH 200                       /* of an account's messages in one write: others wait for it */

struct work {
    struct acknowledge *asked;
    struct map *accounts;               /* names, of those that changed */
    char found[BATCH][MESSAGE_ID_LEN + 1];
    int count;
    int64_t resume;                     /* where to look on; 0: at the end */
    int64_t now;                        /* acknowledged in this write */
};

static bool may_see(const struct acknowledge *asked, const char *account)
{
    for (const char *const *name = asked->accounts; name && *name; name++)
        if (strcmp(*name, account) == 0)
            return true;
    return asked->accounts == NULL;
}

/* One that was acknowledged before stays as it is, and is no event. */
static int take_one(struct store_tx *tx, struct work *work, struct message *message, struct err *err)
{
    AUTO_FREE char *resource = mem_printf("Message/%s", message->id);

    if (message->acknowledged)
        return 0;
    message->acknowledged = true;
    map_put(work->accounts, message->account, work);
    work->now++;
    if (store_message_update(tx, message, err) < 0)
        return -1;
    return events_add(tx, "message.acknowledged", message->account, resource,
                      json_pack("{s:s, s:s}", "id", message->id, "state", message_state_names[message->state]), err);
}

static int audit(struct store_tx *tx, const struct work *work, const char *resource, json_t *detail, struct err *err)
{
    int rc = work->now ? audit_add(tx, &work->asked->actor, "acknowledge", resource, detail, err) : 0;

    json_decref(detail);
    return rc;
}

/* ---- those that are named ---- */

static int take_id(struct store_tx *tx, struct work *work, const char *id, struct err *err)
{
    struct acknowledge *asked = work->asked;
    AUTO(message) message = NULL;
    struct err own = { 0 };

    if (store_message_find(tx, id, &message, &own) < 0 && own.code != ERR_NOT_FOUND) {
        *err = own;
        return -1;
    }
    if (message && message->direction == MESSAGE_INCOMING && may_see(asked, message->account))
        return take_one(tx, work, message, err);
    asked->unknown[asked->unknown_count++] = id;
    return 0;
}

static int ids_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct work *work = ctx;
    json_t *ids = json_array();
    int rc = 0;

    for (size_t i = 0; i < work->asked->id_count && rc == 0; i++) {
        json_array_append_new(ids, json_string(work->asked->ids[i]));
        rc = take_id(tx, work, work->asked->ids[i], err);
    }
    if (rc == 0)
        return audit(tx, work, "Message", json_pack("{s:o, s:I}", "ids", ids, "count", (json_int_t)work->now), err);
    json_decref(ids);
    return -1;
}

/* ---- an account's ---- */

static int keep(const struct message *message, void *ctx)
{
    struct work *work = ctx;

    memcpy(work->found[work->count++], message->id, sizeof(message->id));
    return 0;
}

static int account_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct work *work = ctx;
    const struct acknowledge *asked = work->asked;
    const struct store_message_filter filter = { .account = asked->account, .direction = MESSAGE_INCOMING, .state = -1,
                                                 .acknowledged = 0, .until = asked->before, .before = work->resume,
                                                 .limit = BATCH };
    AUTO_FREE char *resource = mem_printf("IncomingAccount/%s", asked->account);

    work->count = 0;
    work->now = 0;
    if (store_message_list(tx, &filter, keep, work, &work->resume, err) < 0)
        return -1;
    for (int i = 0; i < work->count; i++) {
        AUTO(message) message = NULL;

        if (store_message_find(tx, work->found[i], &message, err) < 0 || take_one(tx, work, message, err) < 0)
            return -1;
    }
    return audit(tx, work, resource, json_pack("{s:I}", "count", (json_int_t)work->now), err);
}

/* ---- both ---- */

static void recount(struct work *work)
{
    const char *name;
    size_t at = 0;

    while (map_next(work->accounts, &at, &name))
        outbox_recount(work->asked->station, name);
}

static void acknowledge_free(struct acknowledge *asked)
{
    for (size_t i = 0; i < asked->id_count; i++)
        free(asked->ids[i]);
    free(asked->ids);
    free(asked->unknown);
    free(asked->account);
    free(asked);
}

static void on_done(void *ctx, const struct err *err)
{
    struct work *work = ctx;
    struct acknowledge *asked = work->asked;

    if (err == NULL)
        asked->acknowledged += work->now;
    if (err == NULL && work->resume && !atomic_load(&asked->station->stopping)) {
        store_submit(asked->station->store, account_run, on_done, work, false);
        return;
    }
    recount(work);
    asked->done(asked, err);
    acknowledge_free(asked);
    map_free(work->accounts);
    free(work);
}

void acknowledge_submit(struct acknowledge *asked)
{
    struct work *work = mem_alloc(sizeof(*work));

    work->asked = asked;
    work->accounts = map_new();
    asked->unknown = mem_array(asked->id_count + 1, sizeof(*asked->unknown));
    store_submit(asked->station->store, asked->account ? account_run : ids_run, on_done, work, false);
}
