/* SPDX-License-Identifier: Apache-2.0 */
/* /accounts: IncomingAccount and OutgoingAccount, the children of the EmailService. DESIGN 5. */
#include "api/api.h"

#include <stdlib.h>

#include "app/live.h"
#include "app/outbox.h"
#include "app/receiver.h"
#include "app/sender.h"
#include "app/verify.h"
#include "base/clock.h"
#include "component/json.h"
#include "model/account.h"
#include "model/services.h"

/* A token may be limited to accounts; what it may not see is not there for it. */
static struct entry *find_account(struct http_call *call)
{
    const char *name = http_param(call, "name");
    struct entry *entry = api_may_use(call, name) ? registry_get(api_station(call)->accounts, name) : NULL;

    if (entry == NULL)
        api_answer_not_found(call, "account", name);
    return entry;
}

/* ---- reading ---- */

static json_t *with_status(struct station *station, const struct entry *entry)
{
    json_t *json = entry_json(entry), *status = live_status_json(station, entry);

    json_object_update_missing(json, status);
    json_decref(status);
    return json;
}

static void account_get(struct http_call *call)
{
    AUTO(entry) entry = find_account(call);

    if (entry == NULL)
        return;
    if (api_include_status(call)) {
        http_add_header(call, "Cache-Control", "no-store");
        api_answer_json(call, 200, with_status(api_station(call), entry));
    } else {
        api_answer_entry(call, entry);
    }
}

static void account_status(struct http_call *call)
{
    AUTO(entry) entry = find_account(call);

    if (entry == NULL)
        return;
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 200, live_status_json(api_station(call), entry));
}

static void account_transcript(struct http_call *call)
{
    AUTO(entry) entry = find_account(call);
    AUTO(live) live = NULL;

    if (entry == NULL)
        return;
    live = live_get(api_station(call)->lives, entry->name);
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 200, json_pack("{s:o, s:b}", "items", live_transcript(live), "debug",
                                         ((const struct account *)entry->component)->debug));
}

struct wanted {
    struct http_call *call;
    const struct component_type *type;
    const char *text;                   /* part of the name or hostname */
    int state;
};

static bool is_wanted(const struct entry *entry, void *ctx)
{
    const struct wanted *wanted = ctx;
    const struct account *account = entry->component;
    AUTO(live) live = NULL;

    if ((wanted->type && entry->type != wanted->type) || !api_may_use(wanted->call, entry->name))
        return false;
    if (wanted->text && strcasestr(entry->name, wanted->text) == NULL && strcasestr(account->hostname, wanted->text) == NULL)
        return false;
    if (wanted->state < 0)
        return true;
    live = live_get(api_station(wanted->call)->lives, entry->name);
    return (int)live_state(live) == wanted->state;
}

static int read_filters(struct http_call *call, struct wanted *wanted)
{
    const char *type = http_query(call, "type"), *state = http_query(call, "state");

    *wanted = (struct wanted){ call, NULL, http_query(call, "q"), -1 };
    if (type && (wanted->type = account_type_named(type)) == NULL)
        return api_answer_bad_query(call, "type", "OutgoingAccount or IncomingAccount");
    for (int i = 0; state && i < ACCOUNT_STATES; i++)
        if (strcmp(state, account_state_names[i]) == 0)
            wanted->state = i;
    if (state && wanted->state < 0)
        return api_answer_bad_query(call, "state", "one of ok, down, fault, challenged, disabled, pending");
    return 0;
}

/* The items are bytes that exist already; only the ETag is put in front of each. */
static void add_item(struct buf *list, struct station *station, const struct entry *entry, bool status)
{
    if (list->p[list->len - 1] != '[')
        buf_add_char(list, ',');
    if (!status) {
        buf_addf(list, "{\"etag\":\"%s\",", entry_etag(entry));
        buf_add(list, str_from(bytes_str(entry_bytes(entry)), 1));
    } else {
        json_t *json = with_status(station, entry);
        char *text;

        json_object_set_new(json, "etag", json_string(entry_etag(entry)));
        text = json_dumps(json, JSON_COMPACT);
        buf_add_c(list, text);
        free(text);
        json_decref(json);
    }
}

static void account_list(struct http_call *call)
{
    struct station *station = api_station(call);
    struct wanted wanted;
    struct entry **page;
    struct buf list;
    struct api_page at;
    size_t count;
    bool more;

    if (api_page(call, &at) < 0 || read_filters(call, &wanted) < 0)
        return;
    count = registry_page(station->accounts, at.after, at.limit, is_wanted, &wanted, &page, &more);
    buf_init(&list, 256 * 1024 * 1024);
    buf_add_c(&list, "{\"items\":[");
    for (size_t i = 0; i < count; i++)
        add_item(&list, station, page[i], api_include_status(call));
    buf_add_c(&list, "],\"next\":");
    api_add_next(call, &list, more ? page[count - 1]->name : NULL);
    buf_add_c(&list, "}");
    for (size_t i = 0; i < count; i++)
        entry_free(page[i]);
    free(page);
    http_answer_buf(call, 200, "application/json", &list);
}

/* ---- writing ---- */

/* `document` is taken. What a limited token may not see it may not make, change or guess at either. */
static void account_write(struct http_call *call, enum config_op op, const char *name, json_t *document)
{
    if (api_may_use(call, name)) {
        config_write(api_station(call), api_config_request(call, op, api_station(call)->accounts, name, document));
        return;
    }
    api_answer_not_found(call, "account", name);
    json_decref(document);
}

static void account_create(struct http_call *call)
{
    json_t *document;
    const char *name;

    if (api_json_body(call, &document) < 0)
        return;
    name = json_string_value(json_object_get(document, "name"));
    if (name == NULL) {
        api_answer_problem_at(call, "/name", "property.required", "Give the account a name: 1 to 64 of A-Z a-z 0-9 _ - .");
        json_decref(document);
        return;
    }
    account_write(call, CONFIG_CREATE, name, document);
}

static void write_with_body(struct http_call *call, enum config_op op)
{
    json_t *document;

    if (api_json_body(call, &document) == 0)
        account_write(call, op, http_param(call, "name"), document);
}

static void account_put(struct http_call *call)
{
    write_with_body(call, CONFIG_REPLACE);
}

static void account_patch(struct http_call *call)
{
    write_with_body(call, CONFIG_PATCH);
}

static void account_delete(struct http_call *call)
{
    account_write(call, CONFIG_DELETE, http_param(call, "name"), NULL);
}

/* ---- actions ---- */

static void answer_verify(struct verify *verify)
{
    http_add_header(verify->ctx, "Cache-Control", "no-store");
    api_answer_json(verify->ctx, 200, json_incref(verify->answer));
}

static void start_verify(struct http_call *call, struct entry *entry, bool stored)
{
    struct verify *verify = mem_alloc(sizeof(*verify));

    verify->station = api_station(call);
    verify->account = entry_hold(entry);
    verify->stored = stored;
    verify->done = answer_verify;
    verify->ctx = call;
    verify_submit(verify);
}

static void act_verify(struct http_call *call, struct entry *entry)
{
    start_verify(call, entry, true);
}

static void answer_all(struct outbox_all *all, const struct err *err)
{
    struct http_call *call = all->ctx;

    if (err)
        http_answer_err(call, err);
    else if (all->what == OUTBOX_PAUSE || all->what == OUTBOX_RESUME)
        api_answer_json(call, 200, json_pack("{s:b}", "paused", all->what == OUTBOX_PAUSE));
    else
        api_answer_json(call, 200, json_pack("{s:I}", "changed", (json_int_t)all->changed));
}

static void start_all(struct http_call *call, struct entry *entry, enum outbox_bulk what)
{
    struct outbox_all *all = mem_alloc(sizeof(*all));

    all->station = api_station(call);
    all->what = what;
    all->account = entry_hold(entry);
    all->actor = api_actor(call);
    all->done = answer_all;
    all->ctx = call;
    outbox_all(all);
}

static void act_flush(struct http_call *call, struct entry *entry)
{
    start_all(call, entry, OUTBOX_FLUSH);
}

static void act_clear_queue(struct http_call *call, struct entry *entry)
{
    start_all(call, entry, OUTBOX_CLEAR);
}

static void act_reset_sent(struct http_call *call, struct entry *entry)
{
    start_all(call, entry, OUTBOX_RESET_SENT);
}

static void act_pause(struct http_call *call, struct entry *entry)
{
    start_all(call, entry, OUTBOX_PAUSE);
}

static void act_resume(struct http_call *call, struct entry *entry)
{
    start_all(call, entry, OUTBOX_RESUME);
}

static void act_send_test(struct http_call *call, struct entry *entry)
{
    api_message_send_test(call, entry);
}

static void act_poll(struct http_call *call, struct entry *entry)
{
    struct err err;

    if (!((const struct account *)entry->component)->enabled || !station_email_enabled(api_station(call))) {
        err_id(&err, ERR_CONFLICT, "account.disabled", NULL, "\"%s\", or the EmailService, is disabled: it opens no connection.", entry->name);
        http_answer_err(call, &err);
        return;
    }
    receiver_wake(api_station(call), entry->name);
    api_answer_json(call, 202, json_object());
}

static void act_rename(struct http_call *call, struct entry *entry)
{
    AUTO_PROBLEMS(problems);
    struct config_request *request;
    json_t *document;
    const char *name;

    (void)entry;                        /* another write may free it before ours runs */
    if (api_json_body(call, &document) < 0)
        return;
    name = json_string_value(json_object_get(document, "name"));
    api_check_members(document, "name", &problems);
    if (name == NULL)
        problems_add(&problems, "/name", "property.required", "Give the new name.");
    if (problems.count || !api_may_use(call, name)) {
        if (problems.count)
            api_answer_problems(call, &problems);
        else
            api_answer_not_found(call, "account", name);
        json_decref(document);
        return;
    }
    request = api_config_request(call, CONFIG_RENAME, api_station(call)->accounts, http_param(call, "name"), document);
    request->new_name = name;
    config_write(api_station(call), request);
}

static const struct {
    const char *name;
    enum role role;
    void (*act)(struct http_call *call, struct entry *entry);
    bool takes;                         /* parameters, which it reads itself */
    bool writes;                        /* configuration: knows dryRun */
} actions[] = {
    { "verify", ROLE_OPERATOR, act_verify, false, false },       { "sendTest", ROLE_OPERATOR, act_send_test, true, false },
    { "flush", ROLE_OPERATOR, act_flush, false, false },         { "pause", ROLE_OPERATOR, act_pause, false, false },
    { "resume", ROLE_OPERATOR, act_resume, false, false },       { "resetNumberSent", ROLE_OPERATOR, act_reset_sent, false, false },
    { "clearQueue", ROLE_ADMIN, act_clear_queue, false, false }, { "poll", ROLE_OPERATOR, act_poll, false, false },
    { "rename", ROLE_ADMIN, act_rename, true, true },
};

/* The type's table says which actions it has; rename is everybody's. */
static bool type_has(const struct component_type *type, const char *name)
{
    for (const struct component_action *action = type->actions; action && action->name; action++)
        if (strcmp(action->name, name) == 0)
            return true;
    return strcmp(name, "rename") == 0;
}

static void account_action(struct http_call *call)
{
    const char *name = http_param(call, "action");
    AUTO(entry) entry = find_account(call);

    if (entry == NULL)
        return;
    for (size_t i = 0; i < COUNT_OF(actions); i++) {
        if (strcmp(actions[i].name, name) != 0 || !type_has(entry->type, name))
            continue;
        if (!actions[i].writes && api_dry_run(call))
            api_answer_bad_query(call, "dryRun", "left out: this action can't be tried");
        else if (api_need_role(call, actions[i].role) && (actions[i].takes || api_no_parameters(call)))
            actions[i].act(call, entry);
        return;
    }
    api_answer_not_found(call, "action", name);
}

/* Settings in the body, nothing stored. A name that exists lends its secrets where <secret>Set says so. */
static void accounts_verify(struct http_call *call)
{
    struct station *station = api_station(call);
    AUTO_PROBLEMS(problems);
    AUTO(entry) known = NULL;
    AUTO(entry) entry = NULL;
    const struct component_type *type;
    const char *name, *named;
    json_t *document;
    void *component;

    if (api_json_body(call, &document) < 0)
        return;
    name = json_string_value(json_object_get(document, "name"));
    named = json_string_value(json_object_get(document, "type"));
    known = name && api_may_use(call, name) ? registry_get(station->accounts, name) : NULL;
    type = known ? known->type : named ? account_type_named(named) : NULL;
    if (type == NULL) {
        api_answer_problem_at(call, "/type", "property.required", "type must be OutgoingAccount or IncomingAccount.");
        json_decref(document);
        return;
    }
    component = component_replace(type, known ? known->component : NULL, document, &problems);
    account_follow_port(type, NULL, component, json_object_get(document, "port") != NULL);
    component_check(type, component, &problems);
    entry = entry_new(type, name ? name : "unnamed", component, "", clock_now(), station->key);
    json_decref(document);
    if (problems.count)
        api_answer_problems(call, &problems);
    else
        start_verify(call, entry, false);
}

const struct http_route account_routes[] = {
    { HTTP_GET, "/api/v1/accounts", ROLE_VIEWER, account_list, .limited = true, .summary = "List the accounts",
      .query = "limit cursor type state q include", .answer = "AccountList" },
    { HTTP_POST, "/api/v1/accounts", ROLE_ADMIN, account_create, .limited = true, .summary = "Create an account",
      .query = "dryRun?", .request = "Account", .answer = "201 Account" },
    { HTTP_POST, "/api/v1/accounts/verify", ROLE_ADMIN, accounts_verify,
      .summary = "Verify settings that are not stored", .request = "Account", .answer = "Verification" },
    { HTTP_GET, "/api/v1/accounts/{name}", ROLE_VIEWER, account_get, .limited = true,
      .summary = "Read an account's configuration", .query = "include", .answer = "Account" },
    { HTTP_PUT, "/api/v1/accounts/{name}", ROLE_ADMIN, account_put, .limited = true,
      .summary = "Create or replace an account", .query = "dryRun?", .request = "Account",
      .answer = "200 Account, 201 Account" },
    { HTTP_PATCH, "/api/v1/accounts/{name}", ROLE_OPERATOR, account_patch, .limited = true,
      .summary = "Change an account (JSON Merge Patch)", .query = "dryRun?", .request = "AccountPatch",
      .answer = "Account" },
    { HTTP_DELETE, "/api/v1/accounts/{name}", ROLE_ADMIN, account_delete, .limited = true,
      .summary = "Delete an account", .query = "dryRun? force?", .answer = "204" },
    { HTTP_GET, "/api/v1/accounts/{name}/status", ROLE_VIEWER, account_status, .limited = true,
      .summary = "Read an account's status", .answer = "AccountStatus" },
    { HTTP_GET, "/api/v1/accounts/{name}/transcript", ROLE_OPERATOR, account_transcript, .limited = true,
      .summary = "Read the protocol transcript kept by debug", .answer = "Transcript" },
    { HTTP_POST, "/api/v1/accounts/{name}/actions/{action}", ROLE_OPERATOR, account_action, .limited = true,
      .summary = "Run an action", .query = "dryRun?", .request = "ActionParameters?",
      .answer = "200 ActionResult, 202 Accepted" },
    { 0 }
};
