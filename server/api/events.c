/* SPDX-License-Identifier: Apache-2.0 */
/* /events: what happened, as it happens (Server-Sent Events) or in pages. DESIGN 5. */
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/events.h"
#include "app/users.h"

#define PAGE_MAX ((size_t)8 << 20)

/* ---- what is asked for ---- */

static int read_types(struct http_call *call, struct event_set *types)
{
    const char *text = http_query(call, "type");
    struct str rest = str_c(text), word;

    *types = (struct event_set){ .all = text == NULL };
    while (text && str_split(&rest, ',', &word))
        if (!event_set_add(types, str_trim(word)))
            return api_answer_bad_query(call, "type", "types of events or prefixes (message.sent,account.*), which /api/v1/events/types lists");
    return 0;
}

static int read_filter(struct http_call *call, struct events_filter *filter)
{
    *filter = (struct events_filter){ .account = http_query(call, "account"), .accounts = api_accounts(call),
                                      .role = (int)http_identity(call)->role - 1 };
    if (filter->account && !component_name_ok(str_c(filter->account)))
        return api_answer_bad_query(call, "account", "the name of an account");
    return read_types(call, &filter->types);
}

/* A browser that comes back says so in the header, whatever the address said at first. */
static int read_after(struct http_call *call, bool resumes, int64_t *ret)
{
    const char *header = resumes ? http_header(call, "Last-Event-ID") : NULL, *text = header && *header ? header : http_query(call, "after");

    *ret = EVENTS_FROM_NOW;
    if (text && (!str_to_int(str_c(text), ret) || *ret < 0))
        return api_answer_bad_query(call, text == header ? "Last-Event-ID (a header)" : "after", "the id of an event");
    return 0;
}

/* ---- which form ---- */

/* RFC 9110 12.5.1: the weight of a media range in thousandths; 1000 without a q. */
static int weight_of(struct str parameters)
{
    struct str part;

    while (str_split(&parameters, ';', &part)) {
        part = str_trim(part);
        if (!str_starts_nocase(part, STR("q=")))
            continue;
        part = str_from(part, 2);
        if (part.len == 0 || part.p[0] != '0')
            return 1000;
        int weight = 0, unit = 100;
        for (size_t i = 2; i < part.len && i < 5 && part.p[i] >= '0' && part.p[i] <= '9'; i++, unit /= 10)
            weight += (part.p[i] - '0') * unit;
        return weight;
    }
    return 1000;
}

/* How much the client likes a type: by the most specific range that covers it. -1: not named. */
static int liking(const char *accept, const char *type)
{
    struct str rest = str_c(accept), range, kind = str_n(type, strcspn(type, "/") + 1);
    int best = -1, rank = -1;

    while (str_split(&rest, ',', &range)) {
        struct str name;
        int is = -1;

        str_split(&range, ';', &name);
        name = str_trim(name);
        if (str_eq_nocase(name, str_c(type)))
            is = 2;
        else if (name.len == kind.len + 1 && str_starts_nocase(name, kind) && name.p[kind.len] == '*')
            is = 1;
        else if (str_eq(name, STR("*/*")))
            is = 0;
        if (is > rank) {
            rank = is;
            best = weight_of(range);
        }
    }
    return best;
}

enum form { FORM_STREAM, FORM_PAGE, FORM_NEITHER };

static enum form form_of(struct http_call *call)
{
    const char *accept = http_header(call, "Accept");
    int stream = accept ? liking(accept, "text/event-stream") : 1000, page = accept ? liking(accept, "application/json") : 0;

    if (stream <= 0 && page <= 0)
        return FORM_NEITHER;
    return page > stream ? FORM_PAGE : FORM_STREAM;
}

/* ---- pages ---- */

/* The cursor says which way the pages run: "a7" goes on after the event 7, "7" before it. */
static int read_place(struct http_call *call, const char *cursor, struct events_page *page)
{
    int64_t after;

    if (read_after(call, false, &after) < 0)
        return -1;
    page->forward = *cursor ? *cursor == 'a' : after >= 0;
    page->at = *cursor || after < 0 ? 0 : after;
    if (*cursor && (!str_to_int(str_c(cursor + page->forward), &page->at) || page->at < 0))
        return api_answer_bad_query(call, "cursor", "what \"next\" of the page before gave");
    return 0;
}

static void answer_page(struct http_call *call, const struct events_filter *filter)
{
    struct events_page page = { 0 };
    struct api_page asked;
    char place[32];
    int64_t resume;
    struct buf body;
    struct err err;

    if (api_page(call, &asked) < 0 || read_place(call, asked.after, &page) < 0)
        return;
    page.limit = asked.limit;
    buf_init(&body, PAGE_MAX);
    buf_add_c(&body, "{\"items\":");
    if (events_list(api_station(call), &page, filter, &body, &resume, &err) < 0) {
        buf_free(&body);
        http_answer_err(call, &err);
        return;
    }
    snprintf(place, sizeof(place), "%s%lld", page.forward ? "a" : "", (long long)resume);
    buf_add_c(&body, ",\"next\":");
    api_add_next(call, &body, resume ? place : NULL);
    buf_add_char(&body, '}');
    http_add_header(call, "Cache-Control", "no-store");
    http_answer_buf(call, 200, "application/json", &body);
}

/* ---- streams ---- */

struct stream {
    struct station *station;
    struct http_server *server;
    struct http_ticket ticket;          /* of the session, or "" */
    char token_id[33];                  /* of the token, or "" */
    struct events_reader *reader;
    struct http_wake *wake;
};

static void wake(void *ctx)
{
    http_stream_wake(((struct stream *)ctx)->wake);
}

static int role_now(void *ctx)
{
    struct stream *stream = ctx;

    if (stream->token_id[0])
        return users_token_role(stream->station, stream->token_id);
    return (int)http_session_role(stream->server, &stream->ticket) - 1;
}

static ptrdiff_t read_stream(void *ctx, char *at, size_t max)
{
    return events_reader_read(((struct stream *)ctx)->reader, at, max);
}

static void close_stream(void *ctx)
{
    struct stream *stream = ctx;

    events_reader_free(stream->reader);
    http_wake_free(stream->wake);
    free(stream);
}

static struct stream *stream_new(struct http_call *call)
{
    struct stream *stream = mem_alloc(sizeof(*stream));

    stream->station = api_station(call);
    stream->server = http_server_of(call);
    http_session_ticket(call, &stream->ticket);
    snprintf(stream->token_id, sizeof(stream->token_id), "%s", http_identity(call)->token_id);
    return stream;
}

static void answer_stream(struct http_call *call, const struct events_filter *filter)
{
    struct events_subscription subscription = { .filter = *filter, .wake = wake, .role = role_now };
    struct stream *stream;
    struct err err;

    if (read_after(call, true, &subscription.after) < 0)
        return;
    subscription.ctx = stream = stream_new(call);
    if (events_reader_new(&stream->reader, stream->station, &subscription, &err) < 0) {
        free(stream);
        if (err.code == ERR_FULL)
            http_add_header(call, "Retry-After", "30");
        http_answer_err(call, &err);
        return;
    }
    http_add_header(call, "Cache-Control", "no-store");
    http_add_header(call, "X-Accel-Buffering", "no");       /* a proxy would wait for a full buffer */
    http_answer_stream(call, "text/event-stream", &(struct http_stream){ read_stream, close_stream, stream }, &stream->wake);
}

static void events_get(struct http_call *call)
{
    struct events_filter filter;
    enum form form = form_of(call);

    if (form == FORM_NEITHER)
        http_answer_problem(call, 406, "accept", NULL, "Events are told as text/event-stream or as application/json.", NULL);
    else if (read_filter(call, &filter) == 0)
        form == FORM_PAGE ? answer_page(call, &filter) : answer_stream(call, &filter);
}

/* ---- types ---- */

static void types_get(struct http_call *call)
{
    static const char *const roles[] = { "viewer", "operator", "admin" };
    json_t *items = json_array();

    for (const struct event_type *type = event_types; type->name; type++)
        json_array_append_new(items, json_pack("{s:s, s:s, s:s}", "name", type->name, "description", type->doc, "role",
                                               roles[type->role]));
    api_answer_json(call, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

const struct http_route event_routes[] = {
    { HTTP_GET, "/api/v1/events", ROLE_VIEWER, events_get, .limited = true,
      .summary = "Hear what happens (Server-Sent Events), or read what happened (application/json)",
      .query = "type account after limit cursor", .answer = "200 EventList, 200 text/event-stream" },
    { HTTP_GET, "/api/v1/events/types", ROLE_VIEWER, types_get, .limited = true, .summary = "List the types of events",
      .answer = "EventTypeList" },
    { 0 }
};
