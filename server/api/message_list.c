/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in lists, and many acknowledged at once. */
#include "api/messages.h"

#include <stdlib.h>

#include "app/acknowledge.h"
#include "app/content.h"
#include "app/reading.h"
#include "base/clock.h"

#define SEARCH_BYTES_MAX 500

/* ---- what is asked for ---- */

static int read_choice(struct http_call *call, const char *name, const char *const *choices, int *ret)
{
    const char *text = http_query(call, name);

    *ret = -1;
    for (int i = 0; text && choices[i]; i++)
        if (strcmp(choices[i], text) == 0)
            *ret = i;
    return text && *ret < 0 ? api_answer_bad_query(call, name, "one of the names in the document") : 0;
}

static int read_time(struct http_call *call, const char *name, int64_t *ret)
{
    const char *text = http_query(call, name);

    *ret = 0;
    if (text && (!clock_parse(str_c(text), ret) || *ret == 0))
        return api_answer_bad_query(call, name, "a time as RFC 3339 has it (2026-11-24T10:42:00Z)");
    return 0;
}

static int read_text(struct http_call *call, const char **ret)
{
    *ret = http_query(call, "q");
    if (*ret && strlen(*ret) > SEARCH_BYTES_MAX)
        return api_answer_bad_query(call, "q", "at most 500 bytes");
    if (*ret && str_trim(str_c(*ret)).len == 0)
        *ret = NULL;
    return 0;
}

static int read_filter(struct http_call *call, struct reading_filter *filter)
{
    struct api_page at;

    *filter = (struct reading_filter){ .account = http_query(call, "account"), .accounts = api_accounts(call) };
    filter->acknowledged = http_query(call, "acknowledged") ? http_query_flag(call, "acknowledged") : -1;
    if (api_page(call, &at) < 0 || read_choice(call, "direction", message_direction_names, &filter->direction) < 0 ||
        read_choice(call, "state", message_state_names, &filter->state) < 0 || read_time(call, "since", &filter->since) < 0 ||
        read_time(call, "until", &filter->until) < 0 || read_text(call, &filter->text) < 0)
        return -1;
    filter->limit = at.limit;
    if (*at.after && !str_to_int(str_c(at.after), &filter->before))
        return api_answer_bad_query(call, "cursor", "what \"next\" of the page before gave");
    return 0;
}

/* ---- lists ---- */

static int list_one(const struct message *message, void *ctx)
{
    json_array_append_new(ctx, api_message_item(message));
    return 0;
}

static void answer_list(struct http_call *call, const struct reading_filter *filter)
{
    json_t *items = json_array();
    struct err err;
    int64_t resume;

    if (reading_messages(api_station(call), filter, list_one, items, &resume, &err) < 0) {
        json_decref(items);
        http_answer_err(call, &err);
        return;
    }
    api_answer_json(call, 200, json_pack("{s:o, s:o}", "items", items, "next", resume ? api_next_json(call, resume) : json_null()));
}

struct search {
    struct http_call *call;
    struct reading_filter filter;       /* its strings are the call's */
};

static void on_search(void *ctx)
{
    struct search *search = ctx;

    answer_list(search->call, &search->filter);
    free(search);
}

/* A search may take longer than a thread of HTTP should. */
void message_list(struct http_call *call)
{
    struct reading_filter filter;
    struct search *search;

    if (read_filter(call, &filter) < 0)
        return;
    if (filter.text == NULL) {
        answer_list(call, &filter);
        return;
    }
    search = mem_alloc(sizeof(*search));
    *search = (struct search){ call, filter };
    content_later(api_station(call), on_search, search);
}

/* ---- acknowledging ---- */

static void answer_acknowledged(struct acknowledge *acknowledge, const struct err *err)
{
    struct http_call *call = acknowledge->ctx;
    json_t *unknown;

    if (err) {
        http_answer_err(call, err);
        return;
    }
    unknown = json_array();
    for (size_t i = 0; i < acknowledge->unknown_count; i++)
        json_array_append_new(unknown, json_string(acknowledge->unknown[i]));
    api_answer_json(call, 200, json_pack("{s:I, s:o}", "acknowledged", (json_int_t)acknowledge->acknowledged, "unknown", unknown));
}

static void check_ids(const json_t *ids, struct problems *problems)
{
    const json_t *id;
    size_t i;

    if (!json_is_array(ids) || json_array_size(ids) == 0 || json_array_size(ids) > ACKNOWLEDGE_IDS_MAX)
        problems_add(problems, "/ids", "property.type", "Give a list of 1 to 500 ids of received messages.");
    json_array_foreach(ids, i, id) {
        AUTO_FREE char *pointer = mem_printf("/ids/%zu", i);

        if (!json_is_string(id))
            problems_add(problems, pointer, "property.type", "An id is a string.");
    }
}

static int64_t check_account(const json_t *document, struct problems *problems)
{
    const json_t *account = json_object_get(document, "account"), *before = json_object_get(document, "before");
    int64_t at = 0;

    if (!json_is_string(account))
        problems_add(problems, "/account", account ? "property.type" : "property.required",
                     "Give the ids of messages, or the account whose messages are to be acknowledged.");
    if (!json_is_string(before) || !clock_parse(str_c(json_string_value(before)), &at) || at == 0)
        problems_add(problems, "/before", before ? "property.type" : "property.required",
                     "Give the time (RFC 3339) up to which messages were received that are to be acknowledged.");
    return at;
}

static void take_ids(struct acknowledge *acknowledge, const json_t *ids)
{
    const json_t *id;
    size_t i;

    acknowledge->ids = mem_array(json_array_size(ids), sizeof(char *));
    json_array_foreach(ids, i, id)
        acknowledge->ids[acknowledge->id_count++] = mem_strdup(json_string_value(id));
}

static void submit(struct http_call *call, const json_t *document, int64_t before)
{
    struct acknowledge *acknowledge = mem_alloc(sizeof(*acknowledge));
    const json_t *ids = json_object_get(document, "ids");

    acknowledge->station = api_station(call);
    acknowledge->actor = api_actor(call);
    acknowledge->accounts = api_accounts(call);
    acknowledge->done = answer_acknowledged;
    acknowledge->ctx = call;
    acknowledge->before = before;
    if (ids)
        take_ids(acknowledge, ids);
    else
        acknowledge->account = mem_strdup(json_string_value(json_object_get(document, "account")));
    acknowledge_submit(acknowledge);
}

/* Of a deleted account as well: its messages are still there. */
void message_acknowledge(struct http_call *call)
{
    AUTO_PROBLEMS(problems);
    json_t *document;
    const char *account;
    int64_t before = 0;

    if (api_json_body(call, &document) < 0)
        return;
    account = json_string_value(json_object_get(document, "account"));
    if (json_object_get(document, "ids")) {
        api_check_members(document, "ids", &problems);
        check_ids(json_object_get(document, "ids"), &problems);
    } else {
        api_check_members(document, "account before", &problems);
        before = check_account(document, &problems);
    }
    if (problems.count)
        api_answer_problems(call, &problems);
    else if (account && !api_may_use(call, account))
        api_answer_not_found(call, "account", account);
    else
        submit(call, document, before);
    json_decref(document);
}
