/* SPDX-License-Identifier: Apache-2.0 */
/* Writes to configuration: from a request to app/config.h and back to an answer. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"

bool api_precondition(void *ctx, const char *etag)
{
    return http_preconditions(ctx, etag);
}

/* An operator may change what the property table says, and nothing else. */
static int operator_only(struct config_request *request, const struct entry *before, void *component, struct problems *problems,
                         struct err *err)
{
    const char *name;
    json_t *value;

    (void)problems;
    if (component == NULL || request->op != CONFIG_PATCH)
        return err_id(err, ERR_FORBIDDEN, "role.needed", NULL, "This takes the role admin.");
    json_object_foreach((json_t *)request->document, name, value) {
        const struct prop *prop = prop_find(before->type->props, name);

        if (prop && !(prop->flags & (PROP_OPERATOR | PROP_READONLY)))
            return err_id(err, ERR_FORBIDDEN, "role.needed", NULL, "To change %s takes the role admin.", name);
    }
    return 0;
}

struct config_request *api_config_request(struct http_call *call, enum config_op op, struct registry *registry, const char *name,
                                          json_t *document)
{
    struct config_request *request = mem_alloc(sizeof(*request));

    request->op = op;
    request->registry = registry;
    request->name = name;
    request->document = document;
    request->dry_run = api_dry_run(call);
    request->force = http_query_flag(call, "force");
    request->actor = api_actor(call);
    request->last_word = http_identity(call)->role >= ROLE_ADMIN ? NULL : operator_only;
    request->precondition = api_precondition;
    request->done = api_write_done;
    request->ctx = call;
    return request;
}

static void answer_plan(struct http_call *call, const struct config_request *request, const struct config_result *result)
{
    json_t *plan = config_plan(request, result);

    if (result->warnings.count)
        json_object_set_new(plan, "warnings", problems_json(&result->warnings));
    api_answer_json(call, 200, plan);
}

/* The entry's bytes; the warnings become one more member. */
static void answer_entry(struct http_call *call, int status, const struct entry *entry, const struct problems *warnings)
{
    AUTO_FREE char *text = NULL;
    struct str json = bytes_str(entry_bytes(entry));
    struct buf body;
    json_t *list;

    api_add_etag(call, entry_etag(entry));
    if (warnings->count == 0) {
        http_answer_bytes(call, status, "application/json", bytes_hold(entry_bytes(entry)));
        return;
    }
    list = problems_json(warnings);
    text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    buf_init(&body, json.len + strlen(text) + 16);
    buf_add(&body, str_n(json.p, json.len - 1));
    buf_addf(&body, ",\"warnings\":%s}", text);
    http_answer_buf(call, status, "application/json", &body);
}

/* A POST to the collection names the new member; a PUT made what its path says. */
static void add_location(struct http_call *call, const char *name)
{
    const char *path = http_path(call);
    size_t len = strlen(path);
    AUTO_FREE char *location = NULL;

    while (len > 1 && path[len - 1] == '/')
        len--;
    location = http_method_of(call) == HTTP_POST ? mem_printf("%.*s/%s", (int)len, path, name) : mem_strdup(path);
    http_add_header(call, "Location", location);
}

void api_answer_write(struct http_call *call, const struct config_request *request, const struct config_result *result)
{
    if (result->outcome == CONFIG_FAILED) {
        if (result->problems.count && result->err.code == ERR_INVALID)
            api_answer_problems(call, &result->problems);
        else
            http_answer_err(call, &result->err);
    } else if (request->dry_run) {
        answer_plan(call, request, result);
    } else if (result->outcome == CONFIG_DELETED) {
        http_answer_empty(call, 204);
    } else {
        if (result->outcome == CONFIG_CREATED)
            add_location(call, request->name);
        answer_entry(call, result->outcome == CONFIG_CREATED ? 201 : 200, result->after, &result->warnings);
    }
}

void api_write_done(struct config_request *request, struct config_result *result)
{
    api_answer_write(request->ctx, request, result);
    json_decref((json_t *)request->document);
    free(request);
}
