/* SPDX-License-Identifier: Apache-2.0 */
/* The table of event types, filters, and how the store keeps events and deliveries. */
#include <stdlib.h>

#include "app/events.h"
#include "app/events_private.h"
#include "app/users.h"
#include "base/clock.h"
#include "model/services.h"
#include "model/trust_store.h"
#include "store/store.h"
#include "tap.h"

#include "state.h"

/* ---- types ---- */

static void test_table(void)
{
    bool sorted = true, words = true, found = true;

    for (const struct event_type *type = event_types; type->name; type++) {
        sorted = sorted && (type == event_types || strcmp(type[-1].name, type->name) < 0);
        words = words && type->doc && type->doc[strlen(type->doc) - 1] == '.' && type->data;
        found = found && &event_types[event_type_find(type->name)] == type;
    }
    ok(sorted, "the table is sorted: it is searched in halves");
    ok(words, "each type has its words");
    ok(found && event_type_find("message") == -1 && event_type_find("") == -1 && event_type_find("zzz") == -1, "and is found");
}

/* Types that are put together from a family and a verb, or from a message's state. */
static void test_made_types(void)
{
    static const char *const verbs[] = { "created", "changed", "deleted" };

    for (const struct component_type *const *type = model_types; *type; type++) {
        const char *family = event_family(*type);
        bool good = family || *type == &allowed_host_type;

        for (size_t i = 0; family && i < COUNT_OF(verbs); i++) {
            AUTO_FREE char *name = mem_printf("%s.%s", family, verbs[i]);
            bool possible = strcmp(verbs[i], "changed") == 0 ? strcmp(family, "token") != 0 : strcmp(family, "service") != 0;

            good = good && (event_type_find(name) >= 0) == possible;
        }
        ok(good, "%s: what becomes of one is in the table", (*type)->name);
    }
    for (int state = 0; state < MESSAGE_STATES; state++) {
        AUTO_FREE char *name = mem_printf("message.%s", message_state_names[state]);

        ok((event_type_find(name) >= 0) == (state != MESSAGE_SENDING), "%s", name);
    }
}

static void test_sets(void)
{
    static const struct { const char *word, *has, *hasnt; bool good; } rows[] = {
        { "message.sent", "message.sent", "message.failed", true }, { "message.*", "message.sent", "mailbox.messageSkipped", true },
        { "user.*", "user.created", "userCa.created", true }, { "*", "events.gap", NULL, true },
        { "", NULL, "message.sent", false }, { ".*", NULL, "message.sent", false }, { "message", NULL, "message.sent", false },
        { "message.", NULL, "message.sent", false }, { "mess*", NULL, "message.sent", false }, { "none.*", NULL, "message.sent", false },
        { "message.sent.*", NULL, "message.sent", false }, { "MESSAGE.*", NULL, "message.sent", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct event_set set = { 0 };
        bool good = event_set_add(&set, str_c(rows[i].word));

        ok(good == rows[i].good && (!rows[i].has || event_set_has(&set, event_type_find(rows[i].has))) &&
           (!rows[i].hasnt || !event_set_has(&set, event_type_find(rows[i].hasnt))), "the word \"%s\"", rows[i].word);
    }
}

static void test_filter(void)
{
    static const char *const accounts[] = { "a", "b", NULL };
    const struct store_event sent = { .type = "message.sent", .account = "a" }, user = { .type = "user.created" };
    const struct store_event future = { .type = "nobody.knows", .account = "a" };
    struct events_filter filter = { .types = { .all = true }, .role = USER_VIEWER };

    ok(events_wanted(&filter, &sent) && !events_wanted(&filter, &user) && !events_wanted(&filter, &future), "a viewer");
    filter.role = USER_ADMIN;
    ok(events_wanted(&filter, &user) && events_wanted(&filter, &future), "an administrator, also of what a later version wrote");
    filter.accounts = accounts;
    ok(events_wanted(&filter, &sent) && !events_wanted(&filter, &user), "a limited token");
    filter.account = "b";
    ok(!events_wanted(&filter, &sent), "another account");
}

static void test_text(void)
{
    const struct store_event odd = { 7, 1000, "account.created", "a\"b\\c\n", NULL, NULL };
    AUTO_BUF(text, 1024);
    json_t *json;

    events_text(&odd, &text);
    json = json_loads(text.p, 0, NULL);
    is_str(json_string_value(json_object_get(json, "account")), odd.account, "whatever is in a name");
    ok(json_is_null(json_object_get(json, "data")) && json_is_null(json_object_get(json, "resource")), "nothing is null");
    json_decref(json);
}

static void test_gap(void)
{
    static const struct { int64_t first, last, at, from, to, go_on; } rows[] = {
        { 0, 0, 0, 0, 0, 0 }, { 1, 5, 0, 0, 0, 0 }, { 1, 5, 5, 0, 0, 5 }, { 4, 9, 3, 0, 0, 3 }, { 4, 9, 2, 3, 3, 3 },
        { 4, 9, 0, 1, 3, 3 }, { 4, 9, 12, 10, 12, 9 }, { 0, 0, 3, 1, 3, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct store_event_span span = { rows[i].first, rows[i].last };
        int64_t at = rows[i].at, from = 0, to = 0;
        bool gap = events_gap(&span, &at, &from, &to);

        ok(gap == (rows[i].to > 0) && from == rows[i].from && to == rows[i].to && at == rows[i].go_on,
           "after %lld of %lld to %lld", (long long)rows[i].at, (long long)rows[i].first, (long long)rows[i].last);
    }
}

/* ---- the store ---- */

struct adding {
    int count;
    int64_t at;
    bool fails;
    int64_t last;
};

static int add_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct adding *adding = ctx;

    for (int i = 0; i < adding->count; i++) {
        struct store_event event = { .at = adding->at, .type = "service.changed" };

        if (store_event_add(tx, &event, err) < 0)
            return -1;
        adding->last = event.seq;
    }
    return adding->fails ? err_set(err, ERR_CONFLICT, NULL, "No.") : 0;
}

static int64_t add(struct store *store, int count, int64_t at, bool fails)
{
    struct adding adding = { count, at, fails, 0 };
    struct err err;

    return store_write(store, add_run, &adding, false, &err) < 0 ? -1 : adding.last;
}

static int span_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_event_span(tx, ctx, err);
}

static struct store_event_span span_of(struct store *store)
{
    struct store_event_span span = { -1, -1 };
    struct err err;

    store_read(store, span_run, &span, &err);
    return span;
}

static int purge_run(struct store_tx *tx, void *ctx, struct err *err)
{
    int64_t *io = ctx;

    return store_event_purge(tx, io[0], (int)io[1], &io[2], err);
}

static int64_t purge(struct store *store, int64_t before, int max)
{
    int64_t io[3] = { before, max, -1 };
    struct err err;

    store_write(store, purge_run, io, false, &err);
    return io[2];
}

static atomic_int told;

static void on_events(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&told, 1);
}

static void test_store(void)
{
    struct store_options options = { .state_dir = state_dir, .key = state_key, .events_added = on_events };
    struct store_event_span span;
    struct store *store;
    struct err err;

    if (store_open(&store, &options, &err) < 0)
        abort();
    span = span_of(store);
    ok(span.first == 0 && span.last == 0, "none at first");
    is_int(add(store, 3, 100, false), 3, "numbered from one on");
    is_int(atomic_load(&told), 1, "told once for a transaction");
    is_int(add(store, 2, 100, true), -1, "one that fails");
    span = span_of(store);
    ok(span.first == 1 && span.last == 3 && atomic_load(&told) == 1, "leaves none, and none is told");
    is_int(add(store, 5, 200, false), 8, "and its numbers are given again: nobody saw them");
    is_int(purge(store, 150, 2), 2, "no more at a time than asked for");
    is_int(purge(store, 150, 100), 1, "the old ones");
    is_int(purge(store, 1000, 100), 4, "not the newest");
    span = span_of(store);
    ok(span.first == 8 && span.last == 8, "which says where to go on");
    is_int(purge(store, 1000, 100), 0, "nothing is left to do");
    store_close(store);
}

/* ---- deliveries ---- */

struct listed {
    char ids[256];
    int64_t resume;
};

static int take_id(struct delivery *delivery, void *ctx)
{
    struct listed *listed = ctx;

    strncat(listed->ids, delivery->id, sizeof(listed->ids) - strlen(listed->ids) - 1);
    delivery_free(delivery);
    return 0;
}

static int deliveries_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct listed listed = { "", 0 };
    struct delivery *found;
    int64_t count, cursor;

    (void)ctx;
    for (int i = 0; i < 6; i++) {
        struct delivery delivery = { .webhook = (char[]){ i == 5 ? 'o' : 'w', 0 }, .event = i, .type = (char[]){ "x" },
                                     .body = (char[]){ "{}" }, .state = i % 2 ? DELIVERY_DELIVERED : DELIVERY_WAITING, .created_at = 100 + i };

        snprintf(delivery.id, sizeof(delivery.id), "%d", i);
        if (store_delivery_add(tx, &delivery, err) < 0)
            return -1;
    }
    store_delivery_waiting(tx, "w", 10, take_id, &listed, err);
    is_str(listed.ids, "024", "those that wait, in order");
    listed.ids[0] = '\0';
    store_delivery_list(tx, "w", -1, 0, 2, take_id, &listed, &listed.resume, err);
    is_str(listed.ids, "43", "a page, newest first");
    listed.ids[0] = '\0';
    store_delivery_list(tx, "w", DELIVERY_DELIVERED, listed.resume, 2, take_id, &listed, &listed.resume, err);
    is_str(listed.ids, "1", "the next one, of a state");
    is_int(listed.resume, 0, "the last one");
    ok(store_delivery_find(tx, "o", "1", &found, err) < 0 && err->code == ERR_NOT_FOUND, "not under another webhook");
    if (store_delivery_find(tx, "w", "1", &found, err) < 0)
        return -1;
    found->code = mem_strdup("x.y");
    found->status = 500;
    store_delivery_update(tx, found, err);
    delivery_free(found);
    store_delivery_find(tx, "w", "1", &found, err);
    ok(found->status == 500 && strcmp(found->code, "x.y") == 0 && found->created_at == 101, "updated");
    delivery_free(found);
    store_delivery_purge(tx, "w", 3, 0, 100, err);
    listed.ids[0] = '\0';
    store_delivery_list(tx, "w", -1, 0, 10, take_id, &listed, &listed.resume, err);
    is_str(listed.ids, "4320", "what waits is not purged");
    store_delivery_purge(tx, "w", 100, 104, 100, err);
    store_delivery_cancel_waiting(tx, "w", 999, err);
    store_delivery_count_waiting(tx, "w", &count, err);
    is_int(count, 0, "canceled");
    listed.ids[0] = '\0';
    store_delivery_list(tx, "w", DELIVERY_CANCELED, 0, 10, take_id, &listed, &listed.resume, err);
    is_str(listed.ids, "420", "those that waited; the old delivered one is gone");
    store_webhook_cursor(tx, "w", &cursor, err);
    is_int(cursor, -1, "no cursor");
    store_webhook_put_cursor(tx, "w", 5, err);
    store_webhook_put_cursor(tx, "w", 7, err);
    store_webhook_cursor(tx, "w", &cursor, err);
    is_int(cursor, 7, "a cursor");
    store_webhook_forget(tx, "w", err);
    store_webhook_cursor(tx, "w", &cursor, err);
    listed.ids[0] = '\0';
    store_delivery_list(tx, "w", -1, 0, 10, take_id, &listed, &listed.resume, err);
    ok(cursor == -1 && listed.ids[0] == '\0' && store_delivery_find(tx, "o", "5", &found, err) == 0, "one is forgotten, not the other");
    delivery_free(found);
    return 0;
}

static void test_deliveries(void)
{
    struct store *store = state_must_open();
    struct err err;

    is_int(store_write(store, deliveries_run, NULL, false, &err), 0, "deliveries");
    store_close(store);
}

int main(void)
{
    static void (*const tests[])(void) = { test_table, test_made_types, test_sets, test_filter, test_text, test_gap, test_store,
                                           test_deliveries };

    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        state_make();
        tests[i]();
        state_remove();
    }
    crypto_key_free(state_key);
    return done();
}
