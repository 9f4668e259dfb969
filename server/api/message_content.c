/* SPDX-License-Identifier: Apache-2.0 */
/* /messages/{id}: one message, what is in it, and what was reported on it. */
#include "api/messages.h"

#include "app/content.h"
#include "app/reading.h"

#define REPORTS_MAX 50

struct message *api_find_message(struct http_call *call)
{
    const char *id = http_param(call, "id");
    struct message *message = NULL;
    struct err err = { 0 };

    if (reading_message(api_station(call), id, &message, NULL, &err) == 0 && api_may_use(call, message->account))
        return message;
    if (message || err.code == ERR_NOT_FOUND)
        api_answer_not_found(call, "message", id);
    else
        http_answer_err(call, &err);
    message_free(message);
    return NULL;
}

/* ---- reports ---- */

struct reports {
    struct http_call *call;
    json_t *list;
};

static int add_report(const struct message *message, void *ctx)
{
    struct reports *reports = ctx;
    json_t *said = message->report ? json_loads(message->report, 0, NULL) : NULL;

    if (said && api_may_use(reports->call, message->account))
        json_array_append_new(reports->list, json_pack("{s:s, s:s, s:o, s:s, s:O}", "id", message->id, "account", message->account,
                                                       "date", api_time_json(message->date), "from", message->from, "recipients",
                                                       json_object_get(said, "recipients")));
    json_decref(said);
    return 0;
}

/* A token that may not use the other account learns nothing of what is there. */
static void hide_related(struct http_call *call, const struct message *message, json_t *json)
{
    AUTO(message) sent = NULL;

    if (message->related && (reading_message(api_station(call), message->related, &sent, NULL, NULL) < 0 ||
                             !api_may_use(call, sent->account)))
        json_object_set_new(json, "related", json_null());
}

static json_t *whole_json(struct http_call *call, const struct message *message)
{
    struct reports reports = { call, json_array() };
    json_t *json = api_message_json(message);
    struct err err;

    hide_related(call, message, json);
    if (message->direction == MESSAGE_OUTGOING &&
        reading_reports(api_station(call), message->id, REPORTS_MAX, add_report, &reports, &err) == 0)
        json_object_set(json, "reports", reports.list);
    json_decref(reports.list);
    return json;
}

/* ---- content ---- */

static void start(struct http_call *call, struct message *message, enum content_part part, size_t number,
                  void (*done)(struct content *content, const struct err *err))
{
    struct content *content = mem_alloc(sizeof(*content));

    content->station = api_station(call);
    content->message = message;
    content->part = part;
    content->number = number;
    content->done = done;
    content->ctx = call;
    content_read(content);
}

static void answer_told(struct content *content, const struct err *err)
{
    struct http_call *call = content->ctx;
    json_t *json;

    if (err) {
        http_answer_err(call, err);
        return;
    }
    json = whole_json(call, content->message);
    json_object_update(json, content->told);
    api_answer_json(call, 200, json);
}

/* Whoever waits for a message's state may do without the work. */
static bool wants_content(struct http_call *call)
{
    return http_identity(call)->role >= ROLE_OPERATOR && (http_query(call, "content") == NULL || http_query_flag(call, "content"));
}

void message_get(struct http_call *call)
{
    struct message *message = api_find_message(call);

    if (message == NULL)
        return;
    if (wants_content(call)) {
        start(call, message, CONTENT_TOLD, 0, answer_told);
        return;
    }
    api_answer_json(call, 200, whole_json(call, message));
    message_free(message);
}

/* Never under the type the sender chose: a browser must not run it here. The type is told beside it. */
static void answer_bytes(struct content *content, const struct err *err)
{
    struct http_call *call = content->ctx;
    const char *type = content->part == CONTENT_RAW ? content->content_type : "application/octet-stream";

    if (err) {
        http_answer_err(call, err);
        return;
    }
    http_add_header(call, "Content-Disposition", content->disposition);
    if (content->part == CONTENT_ATTACHMENT)
        http_add_header(call, "X-Attachment-Type", content->content_type);
    if (content->bytes.fd < 0) {
        http_answer_buf(call, 200, type, &content->bytes.head);
        return;
    }
    http_answer_file(call, 200, type, content->bytes.fd, content->bytes.len);
    content->bytes.fd = -1;
}

void message_raw(struct http_call *call)
{
    struct message *message = api_find_message(call);

    if (message)
        start(call, message, CONTENT_RAW, 0, answer_bytes);
}

void message_attachment(struct http_call *call)
{
    struct message *message = api_find_message(call);
    int64_t number;

    if (message == NULL)
        return;
    if (str_to_int(str_c(http_param(call, "n")), &number) && number >= 0 && number <= 10000) {
        start(call, message, CONTENT_ATTACHMENT, (size_t)number, answer_bytes);
        return;
    }
    api_answer_not_found(call, "attachment", http_param(call, "n"));
    message_free(message);
}
