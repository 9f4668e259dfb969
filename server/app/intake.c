/* SPDX-License-Identifier: Apache-2.0 */
#include "app/intake.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/clock.h"
#include "mail/mime.h"
#include "mail/mime_report.h"
#include "mail/mime_strip.h"

#define TO_BYTES_MAX (16 * 1024)        /* of the addresses in lists */
#define LINE_BYTES_MAX 1000
#define CLOCKS_APART DAYS(2)            /* a date later than that in the future is no date */
#define STRIP_EXTRA (1024 * 1024)       /* what is said in place of attachments may be longer than they are */

/* ---- fields ------------------------------------------------------------------------------------------------------- */

static void set(json_t *json, const char *name, const char *text)
{
    json_object_set_new(json, name, text ? json_string(text) : json_null());
}

static char *addresses_json(char *const *items, size_t count)
{
    json_t *list = json_array();
    size_t bytes = 0;
    char *text;

    for (size_t i = 0; i < count && (bytes += strlen(items[i])) <= TO_BYTES_MAX; i++)
        json_array_append_new(list, json_string(items[i]));
    text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

/* A sender's clock may be wrong, or its writer a liar. */
static int64_t date_of(int64_t said, int64_t received_at)
{
    return said > 0 && said < received_at + CLOCKS_APART ? said : received_at;
}

/* ---- reports ------------------------------------------------------------------------------------------------------ */

static json_t *recipient_json(const struct mime_report_recipient *recipient)
{
    json_t *json = json_object();

    set(json, "address", recipient->final);
    set(json, "originalAddress", recipient->original);
    set(json, "action", recipient->action);
    set(json, "status", recipient->status);
    set(json, "diagnostic", recipient->diagnostic);
    set(json, "remoteMta", recipient->remote_mta);
    return json;
}

/* What is stored of a report, and shown. */
static char *report_json(const struct mime_report *report)
{
    json_t *json = json_object(), *recipients = json_array(), *ids = json_array();
    char *text;

    for (size_t i = 0; i < report->recipient_count; i++)
        json_array_append_new(recipients, recipient_json(&report->recipients[i]));
    for (size_t i = 0; i < report->id_count; i++)
        json_array_append_new(ids, json_string(report->ids[i]));
    json_object_set_new(json, "recipients", recipients);
    json_object_set_new(json, "messageIds", ids);
    set(json, "envelopeId", report->envelope_id);
    set(json, "reportingMta", report->reporting_mta);
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

static void read_message(struct message *message, const struct intake *intake)
{
    AUTO(mime_info) info = mime_inspect_headers(intake->raw);
    AUTO(mime_report) report = intake->headers_only ? NULL : mime_report_read(intake->raw);

    message->sender = mem_strdup(info->return_path ? info->return_path : "");
    message->from = mem_strdup(info->from);
    message->to = addresses_json(info->to, info->to_count);
    message->subject = mem_strdup(info->subject);
    message->message_id = mem_strdup(info->message_id ? info->message_id : "");
    message->date = date_of(info->date, intake->received_at);
    message->automatic = report || mime_is_automatic(intake->raw);
    message->report = report ? report_json(report) : NULL;
}

struct message *intake_message(const struct intake *intake, const struct account *account, struct buf *stripped, struct str *raw)
{
    struct message *message = message_new();

    message->direction = MESSAGE_INCOMING;
    message->state = MESSAGE_RECEIVED;
    message->created_at = intake->received_at;
    message->size = intake->size;
    message->headers_only = intake->headers_only;
    read_message(message, intake);
    *raw = intake->raw;
    if (account->ignore_attachments && !intake->headers_only) {
        stripped->max = intake->raw.len + STRIP_EXTRA;
        if (mime_strip(intake->raw, stripped) > 0)
            *raw = buf_str(stripped);
    }
    return message;
}
