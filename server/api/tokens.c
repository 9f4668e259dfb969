/* SPDX-License-Identifier: Apache-2.0 */
/* /tokens: API tokens, shown once. DESIGN 5. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "app/users.h"
#include "base/clock.h"
#include "component/json.h"
#include "model/user.h"

#define TOKEN_LABEL_MAX 64              /* bytes; the property's own limit, told by the member's name */

static json_t *time_json(int64_t at)
{
    char text[CLOCK_TEXT_MAX];

    return at ? json_string(clock_format(at, text)) : json_null();
}

/* `name` is what people call it; the id is what it is found by. */
static json_t *token_json(struct http_call *call, const struct entry *entry)
{
    const struct token *token = entry->component;

    (void)call;
    return json_pack("{s:s, s:s, s:s, s:O, s:o, s:s, s:o}", "id", entry->name, "name", token->label, "role",
                     user_roles[token->role], "accounts", token->accounts, "expiresAt", time_json(token->expires_at),
                     "createdBy", token->created_by, "createdAt", time_json(token->created_at));
}

static json_t *token_status_json(struct http_call *call, const struct entry *entry)
{
    const struct token *token = entry->component;
    json_t *json = token_json(call, entry);

    json_object_set_new(json, "lastUsed", time_json(__atomic_load_n(&token->last_used, __ATOMIC_RELAXED)));
    return json;
}

static void tokens_list(struct http_call *call)
{
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_list(call, api_station(call)->tokens, api_include_status(call) ? token_status_json : token_json);
}

static void token_get(struct http_call *call)
{
    AUTO(entry) entry = registry_get(api_station(call)->tokens, http_param(call, "id"));

    if (entry == NULL) {
        api_answer_not_found(call, "token", http_param(call, "id"));
    } else if (api_include_status(call)) {
        http_add_header(call, "Cache-Control", "no-store");
        api_answer_json(call, 200, token_status_json(call, entry));
    } else {
        api_answer_tagged(call, entry, token_json(call, entry));
    }
}

/* ---- making one ---- */

static void create_done(struct users_token *request, const struct err *err)
{
    struct http_call *call = request->ctx;
    AUTO_FREE char *location = NULL;
    json_t *json;

    if (err) {
        http_answer_err(call, err);
        return;
    }
    json = token_json(call, request->entry);
    json_object_set_new(json, "token", json_string(request->text));
    location = mem_printf("/api/v1/tokens/%s", request->entry->name);
    http_add_header(call, "Location", location);
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 201, json);
}

/* In the table the name is the label: `name` is every component's own. NULL: answered. */
static struct token *read_token(struct http_call *call)
{
    AUTO_PROBLEMS(problems);
    struct token *token;
    json_t *document, *name;

    if (api_json_body(call, &document) < 0)
        return NULL;
    name = json_object_get(document, "name");
    if (name && !json_is_string(name))
        problems_add(&problems, "/name", "property.type", "name must be a string.");
    else if (name && json_string_length(name) > TOKEN_LABEL_MAX)
        problems_add(&problems, "/name", "property.length", "name has at most %d bytes.", TOKEN_LABEL_MAX);
    else if (name && json_object_get(document, "label") == NULL)
        json_object_set(document, "label", name);
    token = component_replace(&token_type, NULL, document, &problems);
    component_check(&token_type, token, &problems);
    if (problems.count == 0)
        users_token_problems(token, &problems);
    json_decref(document);
    if (problems.count == 0)
        return token;
    component_free(&token_type, token);
    api_answer_problems(call, &problems);
    return NULL;
}

static void token_post(struct http_call *call)
{
    struct token *token = read_token(call);
    struct users_token *request;

    if (token == NULL)
        return;
    if (api_dry_run(call)) {
        api_answer_json(call, 200, json_pack("{s:[{s:s, s:s, s:n, s:{s:s, s:s, s:O, s:o}}], s:i}", "changes", "resource", "Token",
                                             "action", "create", "before", "after", "name", token->label, "role",
                                             user_roles[token->role], "accounts", token->accounts, "expiresAt",
                                             time_json(token->expires_at), "unchanged", 0));
        component_free(&token_type, token);
        return;
    }
    request = mem_alloc(sizeof(*request));
    request->station = api_station(call);
    request->token = token;
    request->actor = api_actor(call);
    request->done = create_done;
    request->ctx = call;
    users_token_create(request);
}

static void token_delete(struct http_call *call)
{
    struct station *station = api_station(call);

    config_write(station, api_config_request(call, CONFIG_DELETE, station->tokens, http_param(call, "id"), NULL));
}

const struct http_route token_routes[] = {
    { HTTP_GET, "/api/v1/tokens", ROLE_ADMIN, tokens_list, .summary = "List the API tokens", .query = "limit cursor include",
      .answer = "TokenList" },
    { HTTP_POST, "/api/v1/tokens", ROLE_ADMIN, token_post, .summary = "Create an API token; it is shown once",
      .query = "dryRun?", .request = "NewToken", .answer = "201 Token" },
    { HTTP_GET, "/api/v1/tokens/{id}", ROLE_ADMIN, token_get, .summary = "Read about an API token", .query = "include",
      .answer = "Token" },
    { HTTP_DELETE, "/api/v1/tokens/{id}", ROLE_ADMIN, token_delete, .summary = "Delete an API token; it ends at once",
      .query = "dryRun?", .answer = "204" },
    { 0 }
};
