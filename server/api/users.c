/* SPDX-License-Identifier: Apache-2.0 */
/* /users: people who may log in. A password goes in with the configuration and never comes out. DESIGN 5. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "app/users.h"
#include "component/json.h"
#include "model/user.h"

static json_t *user_status_json(struct http_call *call, const struct entry *entry)
{
    json_t *json = entry_json(entry);

    (void)call;
    component_to_json(entry->type, entry->component, VIEW_STATUS, json);
    return json;
}

static void users_list(struct http_call *call)
{
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_list(call, api_station(call)->users, api_include_status(call) ? user_status_json : api_configuration);
}

static void user_get(struct http_call *call)
{
    AUTO(entry) entry = registry_get(api_station(call)->users, http_param(call, "name"));

    if (entry == NULL) {
        api_answer_not_found(call, "user", http_param(call, "name"));
    } else if (api_include_status(call)) {
        http_add_header(call, "Cache-Control", "no-store");
        api_answer_json(call, 200, user_status_json(call, entry));
    } else {
        api_answer_entry(call, entry);
    }
}

/* Who lost rights, or whose password is another, is logged out: a session remembers what it may do. */
bool api_must_log_out(const struct config_result *result)
{
    const struct user *before, *after;

    if (result->before == NULL || result->before->type != &user_type || result->outcome == CONFIG_FAILED ||
        result->outcome == CONFIG_UNCHANGED)
        return false;
    if (result->after == NULL)
        return true;
    before = result->before->component;
    after = result->after->component;
    return before->role != after->role || strcmp(before->password_hash, after->password_hash) != 0;
}

static void write_done(struct config_request *request, struct config_result *result)
{
    if (!request->dry_run && api_must_log_out(result))
        http_session_end_user(http_server_of(request->ctx), request->name);
    api_write_done(request, result);
}

/* `name` NULL: it stands in the document. */
static void user_write(struct http_call *call, enum config_op op, const char *name)
{
    AUTO_PROBLEMS(problems);
    struct config_request *request;
    json_t *document = NULL;
    char *password = NULL;

    if (op != CONFIG_DELETE && api_json_body(call, &document) < 0)
        return;
    if (document)
        password = api_take_secret(document, "password", false, &problems);
    if (name == NULL)
        name = json_string_value(json_object_get(document, "name"));
    if (name == NULL)
        problems_add(&problems, "/name", "property.required", "Give the user a name: 1 to 64 of A-Z a-z 0-9 _ - .");
    if (problems.count) {
        api_answer_problems(call, &problems);
        mem_free_secret(password);
        json_decref(document);
        return;
    }
    request = api_config_request(call, op, api_station(call)->users, name, document);
    request->type = &user_type;
    request->done = write_done;
    users_write(api_station(call), request, password);
}

static void user_post(struct http_call *call)
{
    user_write(call, CONFIG_CREATE, NULL);
}

static void user_put(struct http_call *call)
{
    user_write(call, CONFIG_REPLACE, http_param(call, "name"));
}

static void user_patch(struct http_call *call)
{
    user_write(call, CONFIG_PATCH, http_param(call, "name"));
}

static void user_delete(struct http_call *call)
{
    user_write(call, CONFIG_DELETE, http_param(call, "name"));
}

const struct http_route user_routes[] = {
    { HTTP_GET, "/api/v1/users", ROLE_ADMIN, users_list, .summary = "List the users", .query = "limit cursor include",
      .answer = "UserList" },
    { HTTP_POST, "/api/v1/users", ROLE_ADMIN, user_post, .summary = "Create a user", .query = "dryRun?", .request = "User",
      .answer = "201 User" },
    { HTTP_GET, "/api/v1/users/{name}", ROLE_ADMIN, user_get, .summary = "Read a user", .query = "include", .answer = "User" },
    { HTTP_PUT, "/api/v1/users/{name}", ROLE_ADMIN, user_put, .summary = "Create or replace a user", .query = "dryRun?",
      .request = "User", .answer = "200 User, 201 User" },
    { HTTP_PATCH, "/api/v1/users/{name}", ROLE_ADMIN, user_patch, .summary = "Change a user (JSON Merge Patch)",
      .query = "dryRun?", .request = "UserPatch", .answer = "User" },
    { HTTP_DELETE, "/api/v1/users/{name}", ROLE_ADMIN, user_delete, .summary = "Delete a user", .query = "dryRun?",
      .answer = "204" },
    { 0 }
};
