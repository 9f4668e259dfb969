/* SPDX-License-Identifier: Apache-2.0 */
/* Messages as JSON. */
#include "api/messages.h"

#include "base/clock.h"

json_t *api_time_json(int64_t at)
{
    char text[CLOCK_TEXT_MAX];

    return at ? json_string(clock_format(at, text)) : json_null();
}

json_t *api_text_json(const char *text)
{
    return text && *text ? json_string(text) : json_null();
}

static void add_received(json_t *json, const struct message *message)
{
    json_object_set_new(json, "acknowledged", json_boolean(message->acknowledged));
    json_object_set_new(json, "automatic", json_boolean(message->automatic));
    json_object_set_new(json, "headersOnly", json_boolean(message->headers_only));
    json_object_set_new(json, "isReport", json_boolean(message->report != NULL));
    json_object_set_new(json, "related", api_text_json(message->related));
}

json_t *api_message_item(const struct message *message)
{
    json_t *to = message->to ? json_loads(message->to, JSON_DECODE_ANY, NULL) : NULL;
    json_t *json = json_object();

    json_object_set_new(json, "id", json_string(message->id));
    json_object_set_new(json, "account", json_string(message->account));
    json_object_set_new(json, "direction", json_string(message_direction_names[message->direction]));
    json_object_set_new(json, "state", json_string(message_state_names[message->state]));
    json_object_set_new(json, "from", json_string(message->from ?: ""));
    json_object_set_new(json, "to", to ? to : json_array());
    json_object_set_new(json, "subject", json_string(message->subject ?: ""));
    json_object_set_new(json, "date", api_time_json(message->date));
    json_object_set_new(json, "size", json_integer(message->size));
    if (message->direction == MESSAGE_INCOMING)
        add_received(json, message);
    return json;
}

static json_t *recipient_json(const struct message_recipient *recipient)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "address", recipient->address, "state", message_state_names[recipient->state],
                     "code", recipient->code ? json_integer(recipient->code) : json_null(), "enhancedCode",
                     api_text_json(recipient->enhanced), "text", api_text_json(recipient->text));
}

static void add_report(json_t *json, const struct message *message)
{
    json_t *report = message->report ? json_loads(message->report, 0, NULL) : NULL;

    if (report)
        json_object_set_new(json, "report", report);
}

json_t *api_message_json(const struct message *message)
{
    json_t *json = api_message_item(message), *recipients = json_array();

    for (size_t i = 0; i < message->recipient_count; i++)
        json_array_append_new(recipients, recipient_json(&message->recipients[i]));
    json_object_set_new(json, "messageId", api_text_json(message->message_id));
    json_object_set_new(json, "sender", json_string(message->sender ?: ""));
    json_object_set_new(json, "recipients", recipients);
    json_object_set_new(json, "attempts", json_integer(message->attempts));
    json_object_set_new(json, "createdAt", api_time_json(message->created_at));
    json_object_set_new(json, "createdBy", api_text_json(message->created_by));
    json_object_set_new(json, "sendAt", api_time_json(message->send_at));
    json_object_set_new(json, "nextAttempt", api_time_json(message->next_attempt));
    json_object_set_new(json, "finishedAt", api_time_json(message->finished_at));
    json_object_set_new(json, "lastCode", api_text_json(message->last_code));
    json_object_set_new(json, "lastCause", api_text_json(message->last_cause));
    json_object_set_new(json, "heldByLimit", json_boolean(message->held_by_limit));
    if (message->direction == MESSAGE_INCOMING)
        add_report(json, message);
    return json;
}
