/* SPDX-License-Identifier: Apache-2.0 */
/* /messages: what was accepted for sending, what became of it, and what was received. DESIGN 3. */
#include "api/messages.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/compose.h"
#include "app/outbox.h"
#include "base/clock.h"
#include "model/account.h"
#include "model/message.h"
#include "model/services.h"

#define IDEMPOTENCY_KEY_MAX 255

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
    api_answer_json(call, 202, json_pack("{s:s, s:o, s:s}", "id", message->id, "messageId", api_text_json(message->message_id),
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

/* ---- steering ---- */

static void answer_act(struct outbox_act *act, const struct err *err)
{
    struct http_call *call = act->ctx;

    if (err)
        http_answer_err(call, err);
    else if (http_method_of(call) == HTTP_DELETE)
        http_answer_empty(call, 204);
    else
        api_answer_json(call, 200, api_message_json(act->message));
}

static void start_act(struct http_call *call, enum outbox_action action)
{
    AUTO(message) message = api_find_message(call);
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
      .summary = "List messages, newest first; q finds words and \"phrases\" in subject, addresses and text",
      .query = "limit cursor account direction state acknowledged? since until q",
      .answer = "MessageList" },
    { HTTP_POST, "/api/v1/messages/acknowledge", ROLE_OPERATOR, message_acknowledge, .limited = true,
      .summary = "Acknowledge received messages: those named, or an account's up to a time", .request = "Acknowledgement",
      .answer = "Acknowledged" },
    { HTTP_GET, "/api/v1/messages/{id}", ROLE_VIEWER, message_get, .limited = true,
      .summary = "Read a message's state; for operators with its content, unless content=false", .query = "content?", .answer = "Message" },
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
