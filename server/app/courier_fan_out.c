/* SPDX-License-Identifier: Apache-2.0 */
/* From events to deliveries: what a webhook wants becomes one on the disk, with the cursor that says how far that went. */
#include "app/courier_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/events_private.h"
#include "app/users.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/message.h"

#define LOOK_MAX 2000                   /* events looked at in one go */
#define CURSOR_LAG 1000                 /* events that nobody wants are looked at again after a start */
#define HISTORY 1000                    /* deliveries of a webhook that are kept */
#define HISTORY_DAYS 30
#define PURGE_MAX 500

struct fan_out {
    struct hook *hook;
    struct entry *entry;
    const struct webhook *webhook;
    struct events_filter filter;
    const char **accounts;
    char *own;                          /* "Webhook/<name>" */
    int64_t cursor, at;                 /* as stored; looked at up to */
    int64_t room;
    int looked;
    bool more;
    struct delivery *made[COURIER_WINDOW];
    int count;
};

struct delivery *courier_delivery_new(const char *webhook, const char *type)
{
    struct delivery *delivery = mem_alloc(sizeof(*delivery));
    char id[MESSAGE_ID_LEN + 1];

    delivery->created_at = delivery->next_attempt = clock_now();
    message_id_make(id, delivery->created_at);
    snprintf(delivery->id, sizeof(delivery->id), "%s", id);
    delivery->webhook = mem_strdup(webhook);
    delivery->type = mem_strdup(type);
    return delivery;
}

static void add_delivery(struct fan_out *out, const struct store_event *event)
{
    struct delivery *delivery = courier_delivery_new(out->hook->name, event->type);
    AUTO_BUF(body, 128 * 1024);

    events_text(event, &body);
    delivery->event = event->seq;
    delivery->body = buf_take(&body);
    out->made[out->count++] = delivery;
}

/* What became of a webhook isn't told to itself: it would never end. */
static bool is_about_itself(const struct fan_out *out, const struct store_event *event)
{
    return event->resource && strcmp(event->resource, out->own) == 0 &&
           (strcmp(event->type, "webhook.failed") == 0 || strcmp(event->type, "webhook.disabled") == 0);
}

static int look_at(const struct store_event *event, void *ctx)
{
    struct fan_out *out = ctx;

    if (out->count == out->room || out->looked == LOOK_MAX) {
        out->more = out->looked == LOOK_MAX;
        return 1;
    }
    if (events_wanted(&out->filter, event) && !is_about_itself(out, event))
        add_delivery(out, event);
    out->at = event->seq;
    out->looked++;
    return 0;
}

static void add_gap(struct fan_out *out, int64_t from, int64_t to)
{
    AUTO_BUF(data, 128);
    struct store_event gap = { .seq = to, .at = clock_now(), .type = "events.gap" };

    events_gap_data(&data, from, to);
    gap.data = data.p;
    add_delivery(out, &gap);
}

static int look_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct fan_out *out = ctx;
    struct store_event_span span;
    int64_t waiting, from, to;

    if (store_webhook_cursor(tx, out->hook->name, &out->cursor, err) < 0 ||
        store_delivery_count_waiting(tx, out->hook->name, &waiting, err) < 0 || store_event_span(tx, &span, err) < 0)
        return -1;
    if (out->cursor < 0) {              /* none yet: it begins now */
        out->at = span.last;
        return 0;
    }
    out->at = out->cursor == out->hook->cursor && out->hook->seen > out->cursor ? out->hook->seen : out->cursor;
    out->room = COURIER_WINDOW - waiting;
    if (out->room <= 0)
        return 0;
    if (events_gap(&span, &out->at, &from, &to))
        add_gap(out, from, to);
    return store_event_after(tx, out->at, LOOK_MAX + 1, look_at, out, err);
}

int courier_purge_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_delivery_purge(tx, ctx, HISTORY, clock_now() - DAYS(HISTORY_DAYS), PURGE_MAX, err);
}

/* Only as long as nobody changed the webhook: it may have been disabled, or begin elsewhere. */
static int keep_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct fan_out *out = ctx;
    AUTO(entry) now = registry_get(out->hook->courier->station->webhooks, out->hook->name);
    int64_t cursor;

    if (store_webhook_cursor(tx, out->hook->name, &cursor, err) < 0)
        return -1;
    if (now != out->entry || cursor != out->cursor)
        return err_set(err, ERR_CONFLICT, NULL, "The webhook changed.");
    for (int i = 0; i < out->count; i++)
        if (store_delivery_add(tx, out->made[i], err) < 0)
            return -1;
    if (store_webhook_put_cursor(tx, out->hook->name, out->at, err) < 0)
        return -1;
    return courier_purge_run(tx, out->hook->name, err);
}

static void set_filter(struct fan_out *out)
{
    size_t count = json_array_size(out->webhook->accounts), i;
    const json_t *one;

    out->filter = (struct events_filter){ .role = USER_ADMIN, .types = { .all = json_array_size(out->webhook->events) == 0 } };
    json_array_foreach(out->webhook->events, i, one)
        event_set_add(&out->filter.types, str_c(json_string_value(one)));
    out->accounts = mem_array(count + 1, sizeof(*out->accounts));
    json_array_foreach(out->webhook->accounts, i, one)
        out->accounts[i] = json_string_value(one);
    out->filter.accounts = count ? out->accounts : NULL;
    out->own = mem_printf("Webhook/%s", out->hook->name);
}

int courier_fan_out(struct hook *hook, struct entry *entry)
{
    struct store *store = hook->courier->station->store;
    struct fan_out *out = mem_alloc(sizeof(*out));
    struct err err;
    int rc;

    out->hook = hook;
    out->entry = entry;
    out->webhook = entry->component;
    set_filter(out);
    rc = store_read(store, look_run, out, &err);
    if (rc == 0 && (out->count > 0 || out->cursor < 0 || out->at - out->cursor > CURSOR_LAG)) {
        rc = store_write(store, keep_run, out, false, &err);
        out->cursor = rc == 0 ? out->at : out->cursor;
    }
    if (rc == 0) {
        hook->cursor = out->cursor;
        hook->seen = out->at;
    } else if (err.code != ERR_CONFLICT) {
        log_warning(hook->name, "webhook: deliveries could not be stored: %s", err.text);
    }
    for (int i = 0; i < out->count; i++)
        delivery_free(out->made[i]);
    free(out->accounts);
    free(out->own);
    rc = rc < 0 ? err.code == ERR_CONFLICT ? 1 : -1 : out->more;
    free(out);
    return rc;
}
