/* SPDX-License-Identifier: Apache-2.0 */
/* Adding events, and reading those that there were. */
#include "app/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/events_private.h"
#include "app/station.h"
#include "app/users.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/message.h"

#define DATA_MAX 16384                  /* bytes of an event's data; nearly all are far smaller */
#define LOOK_MAX 20000                  /* events that a page looks at: about 20 ms */

/* ---- adding ---- */

static int add(struct store_tx *tx, int64_t at, const char *type, const char *account, const char *resource, const char *data,
               struct err *err)
{
    struct store_event event = { .at = at, .type = type, .account = account, .resource = resource, .data = data };

    if (event_type_find(type) < 0) {
        log_error("events", "An event of the unknown type %s was left out", type);
        return 0;
    }
    if (data && strlen(data) > DATA_MAX)
        event.data = "{\"tooLarge\":true}";     /* what it is about can be read at its resource */
    return store_event_add(tx, &event, err);
}

int events_add_at(struct store_tx *tx, int64_t at, const char *type, const char *account, const char *resource, json_t *data,
                  struct err *err)
{
    AUTO_FREE char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;

    json_decref(data);
    return add(tx, at, type, account, resource, text, err);
}

int events_add(struct store_tx *tx, const char *type, const char *account, const char *resource, json_t *data, struct err *err)
{
    return events_add_at(tx, clock_now(), type, account, resource, data, err);
}

int events_add_component(struct store_tx *tx, const struct component_type *type, const char *verb, const char *name,
                         const json_t *more, struct err *err)
{
    const char *family = event_family(type);
    AUTO_FREE char *event = mem_printf("%s.%s", family ?: "", verb);
    AUTO_FREE char *resource = mem_printf("%s/%s", type->name, name);
    json_t *data;

    if (family == NULL)
        return 0;
    data = json_pack("{s:s, s:s}", "name", name, "type", type->name);
    if (more)
        json_object_update(data, (json_t *)more);
    return events_add(tx, event, strcmp(family, "account") == 0 ? name : NULL, resource, data, err);
}

static size_t count_failed(const struct message *message)
{
    size_t count = 0;

    for (size_t i = 0; i < message->recipient_count; i++)
        count += message->recipients[i].state == MESSAGE_FAILED;
    return count;
}

static json_t *cause_json(const struct message *message)
{
    char when[CLOCK_TEXT_MAX];
    json_t *data = json_pack("{s:s, s:s, s:I, s:s, s:s}", "id", message->id, "state", message_state_names[message->state], "attempts",
                             (json_int_t)message->attempts, "code", message->last_code ?: "", "cause", message->last_cause ?: "");

    if (message->next_attempt)
        json_object_set_new(data, "nextAttempt", json_string(clock_format(message->next_attempt, when)));
    return data;
}

static bool has_cause(const struct message *message)
{
    return message->state == MESSAGE_DEFERRED || message->state == MESSAGE_FAILED || message->state == MESSAGE_UNCERTAIN ||
           (message->state == MESSAGE_CANCELED && message->last_code);
}

/* Each message that is accepted and each that is sent comes here: written without a JSON object, since nothing in it needs escapes. */
int events_add_message(struct store_tx *tx, const struct message *message, const char *account, struct err *err)
{
    const char *state = message_state_names[message->state];
    char type[32], resource[64], data[160];
    size_t failed = message->state == MESSAGE_SENT ? count_failed(message) : 0;
    int len;

    snprintf(type, sizeof(type), "message.%s", state);
    snprintf(resource, sizeof(resource), "Message/%s", message->id);
    if (has_cause(message))
        return events_add(tx, type, account, resource, cause_json(message), err);
    len = snprintf(data, sizeof(data), "{\"id\":\"%s\",\"state\":\"%s\"", message->id, state);
    if (message->state == MESSAGE_SENT)
        len += snprintf(data + len, sizeof(data) - (size_t)len, ",\"attempts\":%lld", (long long)message->attempts);
    if (failed)
        len += snprintf(data + len, sizeof(data) - (size_t)len, ",\"failedRecipients\":%zu", failed);
    snprintf(data + len, sizeof(data) - (size_t)len, "}");
    return add(tx, clock_now(), type, account, resource, data, err);
}

/* ---- as text ---- */

static void add_string(struct buf *into, const char *name, const char *value)
{
    buf_addf(into, "\"%s\":", name);
    if (value == NULL) {
        buf_add_c(into, "null");
        return;
    }
    buf_add_char(into, '"');
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;

        if (c == '"' || c == '\\')
            buf_addf(into, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_addf(into, "\\u%04x", c);
        else
            buf_add_char(into, (char)c);
    }
    buf_add_char(into, '"');
}

void events_text(const struct store_event *event, struct buf *into)
{
    char when[CLOCK_TEXT_MAX];

    buf_addf(into, "{\"id\":%lld,\"at\":\"%s\",\"type\":\"%s\",", (long long)event->seq, clock_format(event->at, when), event->type);
    add_string(into, "account", event->account);
    buf_add_char(into, ',');
    add_string(into, "resource", event->resource);
    buf_addf(into, ",\"data\":%s}", event->data ?: "null");
}

/* ---- who is told what ---- */

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

bool events_wanted(const struct events_filter *filter, const struct store_event *event)
{
    int type = event_type_find(event->type);

    if (!event_set_has(&filter->types, type) || filter->role < (type < 0 ? USER_ADMIN : event_types[type].role))
        return false;
    if (filter->account && (event->account == NULL || strcmp(filter->account, event->account) != 0))
        return false;
    return filter->accounts == NULL || (event->account && is_one_of(event->account, filter->accounts));
}

/* ---- pages ---- */

struct listing {
    const struct events_page *page;
    const struct events_filter *filter;
    struct buf *into;
    int64_t *resume;
    int64_t last;
    int looked, given;
};

static int list_one(const struct store_event *event, void *ctx)
{
    struct listing *listing = ctx;

    if (listing->given == listing->page->limit) {
        *listing->resume = listing->last;
        return 1;
    }
    listing->last = event->seq;
    listing->looked++;
    if (!events_wanted(listing->filter, event))
        return 0;
    if (listing->given++ > 0)
        buf_add_char(listing->into, ',');
    events_text(event, listing->into);
    return 0;
}

static void add_gap(struct listing *listing, int64_t from, int64_t to)
{
    AUTO_BUF(data, 128);
    struct store_event gap = { .seq = to, .at = clock_now(), .type = "events.gap" };

    events_gap_data(&data, from, to);
    gap.data = data.p;
    events_text(&gap, listing->into);
    listing->given++;
}

static int list_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct listing *listing = ctx;
    const struct events_page *page = listing->page;
    struct store_event_span span;
    int64_t from, to, at = page->at;
    int rc;

    if (store_event_span(tx, &span, err) < 0)
        return -1;
    if (page->forward && events_gap(&span, &at, &from, &to))
        add_gap(listing, from, to);
    rc = page->forward ? store_event_after(tx, at, LOOK_MAX, list_one, listing, err)
                       : store_event_before(tx, at, LOOK_MAX, list_one, listing, err);
    if (rc == 0 && listing->looked == LOOK_MAX)
        *listing->resume = listing->last;
    return rc;
}

int events_list(struct station *station, const struct events_page *page, const struct events_filter *filter, struct buf *into,
                int64_t *resume, struct err *err)
{
    struct listing listing = { .page = page, .filter = filter, .into = into, .resume = resume };
    int rc;

    *resume = 0;
    buf_add_char(into, '[');
    rc = store_read(station->store, list_run, &listing, err);
    if (rc == 0 && buf_add_char(into, ']') < 0)
        return err_id(err, ERR_TOO_LARGE, "limit.page", NULL, "The page is too large; ask for fewer events.");
    return rc;
}

/* ---- what cannot be told any more ---- */

bool events_gap(const struct store_event_span *span, int64_t *at, int64_t *from, int64_t *to)
{
    bool ahead = *at > span->last;      /* a backup was restored meanwhile */

    if (!ahead && *at + 1 >= span->first)
        return false;
    *from = (ahead ? span->last : *at) + 1;
    *to = ahead ? *at : span->first - 1;
    *at = ahead ? span->last : *to;
    return true;
}

void events_gap_data(struct buf *into, int64_t from, int64_t to)
{
    buf_addf(into, "{\"from\":%lld,\"to\":%lld}", (long long)from, (long long)to);
}
