/* SPDX-License-Identifier: Apache-2.0 */
/* /messages: what was accepted for sending, what became of it, and what was received. DESIGN 3. */
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/compose.h"
#include "app/outbox.h"
#include "app/reading.h"
#include "base/clock.h"
#include "base/encode.h"
#include "model/account.h"
#include "model/message.h"
#include "model/services.h"

#define IDEMPOTENCY_KEY_MAX 255

/* ---- as JSON ---- */

static json_t *time_json(int64_t at)
{
    char text[CLOCK_TEXT_MAX];

    return at ? json_string(clock_format(at, text)) : json_null();
}

static json_t *text_json(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *item_json(const struct message *message)
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
    json_object_set_new(json, "date", time_json(message->date));
    json_object_set_new(json, "size", json_integer(message->size));
    return json;
}

static json_t *recipient_json(const struct message_recipient *recipient)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "address", recipient->address, "state", message_state_names[recipient->state],
                     "code", recipient->code ? json_integer(recipient->code) : json_null(), "enhancedCode",
                     text_json(recipient->enhanced), "text", text_json(recipient->text));
}

static json_t *message_json(const struct message *message)
{
    json_t *json = item_json(message), *recipients = json_array();

    for (size_t i = 0; i < message->recipient_count; i++)
        json_array_append_new(recipients, recipient_json(&message->recipients[i]));
    json_object_set_new(json, "messageId", text_json(message->message_id));
    json_object_set_new(json, "sender", json_string(message->sender ?: ""));
    json_object_set_new(json, "recipients", recipients);
    json_object_set_new(json, "attempts", json_integer(message->attempts));
    json_object_set_new(json, "createdAt", time_json(message->created_at));
    json_object_set_new(json, "createdBy", text_json(message->created_by));
    json_object_set_new(json, "sendAt", time_json(message->send_at));
    json_object_set_new(json, "nextAttempt", time_json(message->next_attempt));
    json_object_set_new(json, "finishedAt", time_json(message->finished_at));
    json_object_set_new(json, "lastCode", text_json(message->last_code));
    json_object_set_new(json, "lastCause", text_json(message->last_cause));
    json_object_set_new(json, "heldByLimit", json_boolean(message->held_by_limit));
    if (message->direction == MESSAGE_INCOMING)
        json_object_set_new(json, "acknowledged", json_boolean(message->acknowledged));
    return json;
}

/* ---- accepting ---- */

static void answer_post(struct outbox_post *post, const struct message *message, bool repeated, const struct err *err)
{
    struct http_call *call = post->ctx;
    AUTO_FREE char *location = NULL;

    if (err) {
        if (err->code == ERR_FULL)
            http_add_header(call, "Retry-After", "60");
        http_answer_err(call, err);
        return;
    }
    location = mem_printf("/api/v1/messages/%s", message->id);
    http_add_header(call, "Location", location);
    if (repeated)
        http_add_header(call, "Idempotency-Replayed", "true");
    /* The first answer again: always the state at acceptance. */
    api_answer_json(call, 202, json_pack("{s:s, s:o, s:s}", "id", message->id, "messageId", text_json(message->message_id),
                                         "state", "queued"));
}

static int check_key(struct http_call *call, const char *key)
{
    if (key == NULL || (*key && strlen(key) <= IDEMPOTENCY_KEY_MAX && !str_has_control(str_c(key))))
        return 0;
    api_answer_problem_at(call, "Idempotency-Key", "idempotency.key", "Idempotency-Key must have 1 to 255 characters.");
    return -1;
}

/* What identifies the request besides its key and the account: the whole of it. */
static void digest_request(struct http_call *call, struct outbox_post *post)
{
    const struct str parts[] = { str_c(http_header(call, "Content-Type") ?: ""), str_c(http_query(call, "from") ?: ""),
                                 str_c(http_query(call, "to") ?: ""), http_body(call) };

    outbox_digest(post, parts, COUNT_OF(parts));
}

static void submit(struct http_call *call, const struct entry *account, struct composed *composed)
{
    const char *key = http_header(call, "Idempotency-Key");
    struct outbox_post *post;
    struct err err;

    if (key == NULL && outbox_check(api_station(call), account, (int64_t)composed->raw.len, &err) < 0) {
        composed_free(composed);
        http_answer_err(call, &err);
        return;
    }
    post = mem_alloc(sizeof(*post));
    post->station = api_station(call);
    post->account = entry_hold((struct entry *)account);
    post->message = TAKE(composed->message);
    post->message->account = mem_strdup(account->name);
    post->message->created_by = mem_strdup(api_actor(call).name);
    post->raw = composed->raw;
    composed->raw = (struct buf){ 0 };
    post->idempotency_key = mem_strdup(key);
    post->user = mem_strdup(api_actor(call).name);
    if (key)
        digest_request(call, post);
    post->done = answer_post;
    post->ctx = call;
    composed_free(composed);
    outbox_submit(post);
}

static bool is_rfc822(struct http_call *call)
{
    const char *type = http_header(call, "Content-Type");

    return type && str_starts_nocase(str_c(type), STR("message/rfc822"));
}

static void post_to(struct http_call *call, const struct entry *account)
{
    const char *key = http_header(call, "Idempotency-Key");
    AUTO_PROBLEMS(problems);
    struct composed composed = { 0 };
    struct err err;
    json_t *document;
    int rc;

    if (check_key(call, key) < 0)
        return;
    if (is_rfc822(call)) {
        rc = compose_raw(&composed, api_station(call), account, http_body(call), http_query(call, "from"),
                         http_query(call, "to"), &problems, &err);
    } else {
        if (api_json_body(call, &document) < 0)
            return;
        rc = compose_json(&composed, api_station(call), account, document, &problems, &err);
        json_decref(document);
    }
    if (rc == 0)
        submit(call, account, &composed);
    else if (problems.count)
        api_answer_problems(call, &problems);
    else
        http_answer_err(call, &err);
}

static void message_post_to_account(struct http_call *call)
{
    const char *name = http_param(call, "name");
    AUTO(entry) account = api_may_use(call, name) ? registry_get(api_station(call)->accounts, name) : NULL;

    if (account == NULL)
        api_answer_not_found(call, "account", name);
    else
        post_to(call, account);
}

static void message_post(struct http_call *call)
{
    struct station *station = api_station(call);
    AUTO(entry) service = registry_get(station->services, email_service_type.name);
    const char *name = ((const struct email_service *)service->component)->default_outgoing_account;
    AUTO(entry) account = *name && api_may_use(call, name) ? registry_get(station->accounts, name) : NULL;
    struct err err;

    if (account) {
        post_to(call, account);
        return;
    }
    err_id(&err, ERR_CONFLICT, "account.noDefault", NULL, *name ? "The default outgoing account \"%s\" does not exist, or is not yours to use." :
           "The EmailService has no defaultOutgoingAccount%s. Set it, or post to /api/v1/accounts/{name}/messages.", name);
    http_answer_err(call, &err);
}

/* NULL: the account's From. Without one, the name it logs in with where that is an address, else the receiver: a test must be
 * possible before all is set up. */
static const char *test_sender(const struct entry *entry, const char *to)
{
    const struct account *account = entry->component;
    const struct auth_basic *basic = account_basic(account);

    if (account->from && *account->from)
        return NULL;
    if (basic && basic->username && strchr(basic->username, '@'))
        return basic->username;
    return strchr(to, '@') ? to : "postmaster@localhost";       /* then what is wrong is said about `to` alone */
}

void api_message_send_test(struct http_call *call, const struct entry *account)
{
    AUTO_PROBLEMS(problems);
    struct composed composed = { 0 };
    json_t *document, *message, *to;
    struct err err;
    char when[CLOCK_TEXT_MAX];

    if (api_json_body(call, &document) < 0)
        return;
    to = json_object_get(document, "to");
    api_check_members(document, "to", &problems);
    if (!json_is_string(to))
        problems_add(&problems, "/to", to ? "property.type" : "property.required",
                     "Give the address (to) the test message goes to.");
    if (problems.count) {
        api_answer_problems(call, &problems);
        json_decref(document);
        return;
    }
    message = json_pack("{s:O, s:s*, s:s, s:o}", "to", to, "from", test_sender(account, json_string_value(to)), "subject",
                        "Test message from Postern", "text",
                        json_sprintf("This is a test message from Postern.\n\nAccount: %s\nSent: %s\n", account->name,
                                     clock_format(clock_now(), when)));
    if (compose_json(&composed, api_station(call), account, message, &problems, &err) == 0)
        submit(call, account, &composed);
    else if (problems.count)
        api_answer_problems(call, &problems);
    else
        http_answer_err(call, &err);
    json_decref(message);
    json_decref(document);
}

/* ---- reading ---- */

/* The caller's; NULL: answered. */
static struct message *find_message(struct http_call *call, struct buf *raw)
{
    const char *id = http_param(call, "id");
    struct message *message = NULL;
    struct err err = { 0 };

    if (reading_message(api_station(call), id, &message, raw, &err) == 0 && api_may_use(call, message->account))
        return message;
    if (message || err.code == ERR_NOT_FOUND)
        api_answer_not_found(call, "message", id);
    else
        http_answer_err(call, &err);
    message_free(message);
    return NULL;
}

static void message_get(struct http_call *call)
{
    AUTO(message) message = find_message(call, NULL);

    if (message)
        api_answer_json(call, 200, message_json(message));
}

static void message_raw(struct http_call *call)
{
    AUTO_BUF(raw, API_MESSAGE_MAX);
    AUTO(message) message = find_message(call, &raw);

    if (message == NULL)
        return;
    http_add_header(call, "Content-Disposition", "attachment; filename=\"message.eml\"");
    http_answer_buf(call, 200, "message/rfc822", &raw);
}

/* Never under the type the sender chose: a browser must not run it here. The type is told beside it. */
static void answer_attachment(struct http_call *call, struct str raw, size_t number)
{
    struct compose_part part;
    struct err err;

    if (compose_attachment(raw, number, &part, &err) < 0) {
        http_answer_err(call, &err);
        return;
    }
    http_add_header(call, "Content-Disposition", part.disposition);
    http_add_header(call, "X-Attachment-Type", part.content_type);
    http_answer_buf(call, 200, "application/octet-stream", &part.data);
    compose_part_free(&part);
}

static void message_attachment(struct http_call *call)
{
    AUTO_BUF(raw, API_MESSAGE_MAX);
    AUTO(message) message = find_message(call, &raw);
    int64_t number;

    if (message == NULL)
        return;
    if (!str_to_int(str_c(http_param(call, "n")), &number) || number < 0 || number > 10000) {
        api_answer_not_found(call, "attachment", http_param(call, "n"));
        return;
    }
    answer_attachment(call, buf_str(&raw), (size_t)number);
}

/* ---- lists ---- */

static int list_one(const struct message *message, void *ctx)
{
    json_array_append_new(ctx, item_json(message));
    return 0;
}

static int read_choice(struct http_call *call, const char *name, const char *const *choices, int *ret)
{
    const char *text = http_query(call, name);

    *ret = -1;
    for (int i = 0; text && choices[i]; i++)
        if (strcmp(choices[i], text) == 0)
            *ret = i;
    return text && *ret < 0 ? api_answer_bad_query(call, name, "one of the names in the document") : 0;
}

static void message_list(struct http_call *call)
{
    struct reading_filter filter = { .account = http_query(call, "account"), .text = http_query(call, "q"),
                                     .accounts = api_accounts(call) };
    struct api_page at;
    struct err err;
    int64_t resume;
    json_t *items;

    if (api_page(call, &at) < 0 || read_choice(call, "direction", message_direction_names, &filter.direction) < 0 ||
        read_choice(call, "state", message_state_names, &filter.state) < 0)
        return;
    if (*at.after && !str_to_int(str_c(at.after), &filter.before)) {
        api_answer_bad_query(call, "cursor", "what \"next\" of the page before gave");
        return;
    }
    filter.limit = at.limit;
    items = json_array();
    if (reading_messages(api_station(call), &filter, list_one, items, &resume, &err) < 0) {
        json_decref(items);
        http_answer_err(call, &err);
        return;
    }
    api_answer_json(call, 200, json_pack("{s:o, s:o}", "items", items, "next", resume ? api_next_json(call, resume) : json_null()));
}

/* ---- steering ---- */

static void answer_act(struct outbox_act *act, const struct err *err)
{
    struct http_call *call = act->ctx;

    if (err)
        http_answer_err(call, err);
    else if (http_method_of(call) == HTTP_DELETE)
        http_answer_empty(call, 204);
    else
        api_answer_json(call, 200, message_json(act->message));
}

static void start_act(struct http_call *call, enum outbox_action action)
{
    AUTO(message) message = find_message(call, NULL);
    struct outbox_act *act;

    if (message == NULL)
        return;
    act = mem_alloc(sizeof(*act));
    act->station = api_station(call);
    act->action = action;
    snprintf(act->id, sizeof(act->id), "%s", message->id);
    act->actor = api_actor(call);
    act->done = answer_act;
    act->ctx = call;
    outbox_act(act);
}

static void message_delete(struct http_call *call)
{
    start_act(call, OUTBOX_CANCEL);
}

static void message_action(struct http_call *call)
{
    const char *name = http_param(call, "action");
    enum outbox_action action;

    if (outbox_action_named(name, &action))
        start_act(call, action);
    else
        api_answer_not_found(call, "action", name);
}

#define MESSAGE_TYPES "application/json message/rfc822"

const struct http_route message_routes[] = {
    { HTTP_POST, "/api/v1/accounts/{name}/messages", ROLE_OPERATOR, message_post_to_account, .limited = true,
      .body_max = API_MESSAGE_MAX, .media = MESSAGE_TYPES, .summary = "Queue a message for sending",
      .query = "from to", .request = "NewMessage", .answer = "202 Accepted" },
    { HTTP_POST, "/api/v1/messages", ROLE_OPERATOR, message_post, .limited = true, .body_max = API_MESSAGE_MAX,
      .media = MESSAGE_TYPES, .summary = "Queue a message with the default outgoing account", .query = "from to",
      .request = "NewMessage", .answer = "202 Accepted" },
    { HTTP_GET, "/api/v1/messages", ROLE_VIEWER, message_list, .limited = true,
      .summary = "List messages, newest first", .query = "limit cursor account direction state q",
      .answer = "MessageList" },
    { HTTP_GET, "/api/v1/messages/{id}", ROLE_VIEWER, message_get, .limited = true,
      .summary = "Read a message's state", .answer = "Message" },
    { HTTP_GET, "/api/v1/messages/{id}/raw", ROLE_OPERATOR, message_raw, .limited = true,
      .summary = "Read the message itself", .answer = "200 message/rfc822" },
    { HTTP_GET, "/api/v1/messages/{id}/attachments/{n}", ROLE_OPERATOR, message_attachment, .limited = true,
      .summary = "Read an attachment", .answer = "200 */*" },
    { HTTP_DELETE, "/api/v1/messages/{id}", ROLE_OPERATOR, message_delete, .limited = true,
      .summary = "Cancel a message that waits", .answer = "204" },
    { HTTP_POST, "/api/v1/messages/{id}/actions/{action}", ROLE_OPERATOR, message_action, .limited = true,
      .summary = "Retry, hold, release, cancel or acknowledge", .request = "ActionParameters?", .answer = "Message" },
    { 0 }
};
