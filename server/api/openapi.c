/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI 3.1 document, from the tables of routes and of properties; nothing of it is written by hand. */
#include "api/api.h"
#include "api/schemas.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/event_types.h"
#include "component/json.h"
#include "model/services.h"

static const char *const method_names[] = { "get", "post", "put", "patch", "delete" };

static json_t *ref(const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", name));
}

static json_t *media(const char *type, json_t *schema)
{
    json_t *content = json_object();

    json_object_set_new(content, type, json_pack("{s:o}", "schema", schema));
    return content;
}

/* ---- parameters ---- */

static void add_path_parameters(const char *pattern, json_t *parameters)
{
    for (const char *open = strchr(pattern, '{'); open; open = strchr(open + 1, '{')) {
        size_t len = strcspn(open + 1, "}");

        json_array_append_new(parameters, json_pack("{s:s%, s:s, s:b, s:{s:s}}", "name", open + 1, len, "in", "path", "required", 1,
                                                    "schema", "type", "string"));
    }
}

static void add_query_parameters(const char *names, json_t *parameters)
{
    struct str rest = str_c(names), name;

    while (names && str_split(&rest, ' ', &name)) {
        bool number = str_eq(name, STR("limit")), yes = name.p[name.len - 1] == '?';

        json_array_append_new(parameters, json_pack("{s:s%, s:s, s:b, s:{s:s}}", "name", name.p, name.len - yes, "in", "query", "required",
                                                    0, "schema", "type", number ? "integer" : yes ? "boolean" : "string"));
    }
}

static void add_header(const char *name, const char *doc, json_t *parameters)
{
    json_array_append_new(parameters, json_pack("{s:s, s:s, s:b, s:s, s:{s:s}}", "name", name, "in", "header", "required", 0,
                                                "description", doc, "schema", "type", "string"));
}

static void add_header_parameters(const struct http_route *route, json_t *parameters)
{
    bool configuration = route->query && strstr(route->query, "dryRun") && route->method != HTTP_POST;

    if (configuration)
        add_header("If-Match", "Only if its ETag is one of these.", parameters);
    if (configuration && route->method == HTTP_PUT)
        add_header("If-None-Match", "*: only if it doesn't exist yet.", parameters);
    if (route->request && strcmp(route->request, "NewMessage") == 0)
        add_header("Idempotency-Key", "The same key and body give the first answer again.", parameters);
}

/* ---- bodies and answers ---- */

static json_t *request_body(const struct http_route *route)
{
    bool optional = route->request[strlen(route->request) - 1] == '?';
    AUTO_FREE char *name = mem_strndup(route->request, strlen(route->request) - optional);
    const char *types = route->media ? route->media : route->method == HTTP_PATCH ? "application/merge-patch+json" : "application/json";
    struct str rest = str_c(types), type;
    json_t *content = json_object();

    while (str_split(&rest, ' ', &type)) {
        AUTO_FREE char *key = str_dup(type);
        bool json = str_ends_nocase(type, STR("json"));

        json_object_set_new(content, key, json_pack("{s:o}", "schema", json ? ref(name) : json_pack("{s:s}", "type", "string")));
    }
    return json_pack("{s:b, s:o}", "required", !optional, "content", content);
}

static const char *reason_of(int status)
{
    return status == 201 ? "Created" : status == 202 ? "Accepted: durable from now on" : status == 204 ? "Done" : "OK";
}

/* "Account", "204", "200 message/rfc822", "200 Account, 201 Account". */
static void add_answer(struct str words, json_t *responses)
{
    struct str rest = str_trim(words), first, second = { NULL, 0 };
    json_t *response;
    int64_t status = 200;
    char key[8];

    str_split(&rest, ' ', &first);
    if (str_to_int(first, &status))
        second = rest;
    else
        second = first;
    response = json_pack("{s:s}", "description", reason_of((int)status));
    if (second.p && second.len) {
        AUTO_FREE char *name = str_dup(second);

        json_object_set_new(response, "content", strchr(name, '/') ? media(name, json_pack("{s:s}", "type", "string"))
                                                                   : media("application/json", ref(name)));
    }
    snprintf(key, sizeof(key), "%d", (int)status);
    if (json_object_get(responses, key)) {      /* another form of the same answer */
        json_object_update(json_object_get(json_object_get(responses, key), "content"), json_object_get(response, "content"));
        json_decref(response);
        return;
    }
    json_object_set_new(responses, key, response);
}

/* ?dryRun=true answers 200 with what would be done. */
static void add_plan(json_t *responses)
{
    json_t *done = json_object_get(json_object_get(json_object_get(responses, "200"), "content"), "application/json");

    if (done)
        json_object_set_new(done, "schema", json_pack("{s:[O, o]}", "anyOf", json_object_get(done, "schema"), ref("Plan")));
    else
        add_answer(STR("200 Plan"), responses);
}

static json_t *responses_of(const struct http_route *route)
{
    json_t *responses = json_object();
    struct str rest = str_c(route->answer), part;

    while (route->answer && str_split(&rest, ',', &part))
        add_answer(part, responses);
    if (route->query && strstr(route->query, "dryRun"))
        add_plan(responses);
    if (strncmp(route->pattern, "/api/", 5) == 0)
        json_object_set_new(responses, "default", json_pack("{s:s, s:o}", "description", "What was wrong, and what would be right",
                                                            "content", media("application/problem+json", ref("Problem"))));
    return responses;
}

static json_t *operation(const struct http_route *route)
{
    static const char *const roles[] = { "none", "viewer", "operator", "admin" };
    AUTO_FREE char *id = mem_printf("%s%s", method_names[route->method], route->pattern);
    json_t *op = json_object(), *parameters = json_array();

    for (char *p = id; *p; p++)
        if (strchr("/{}.-", *p))
            *p = '_';
    add_path_parameters(route->pattern, parameters);
    add_query_parameters(route->query, parameters);
    add_header_parameters(route, parameters);
    json_object_set_new(op, "operationId", json_string(id));
    json_object_set_new(op, "summary", json_string(route->summary ? route->summary : ""));
    json_object_set_new(op, "x-role", json_string(roles[route->role]));
    json_object_set_new(op, "parameters", parameters);
    if (route->request)
        json_object_set_new(op, "requestBody", request_body(route));
    json_object_set_new(op, "responses", responses_of(route));
    if (route->role == ROLE_NONE)
        json_object_set_new(op, "security", json_array());
    return op;
}

static json_t *paths(void)
{
    json_t *all = json_object();

    for (const struct http_route *const *table = api_routes; *table; table++) {
        for (const struct http_route *route = *table; route->pattern; route++) {
            json_t *path = json_object_get(all, route->pattern);

            if (path == NULL) {
                path = json_object();
                json_object_set_new(all, route->pattern, path);
            }
            json_object_set_new(path, method_names[route->method], operation(route));
        }
    }
    return all;
}

/* Every type, with its words: the table has them once. */
static void describe_events(json_t *schemas)
{
    json_t *type = json_object_get(json_object_get(json_object_get(schemas, "Event"), "properties"), "type"), *names = json_array();
    AUTO_BUF(words, 64 * 1024);

    buf_add_c(&words, "What happened. Later versions tell more types.\n");
    for (const struct event_type *event = event_types; event->name; event++) {
        buf_addf(&words, "\n- `%s`: %s", event->name, event->doc);
        if (*event->data)
            buf_addf(&words, " data: %s", event->data);
        json_array_append_new(names, json_string(event->name));
    }
    json_object_set_new(type, "description", json_string(words.p));
    json_object_set_new(type, "examples", names);
}

/* What we send, for those who receive it. */
static json_t *webhooks(void)
{
    json_t *parameters = json_array(), *post;

    add_header("webhook-id", "The same in each attempt: what came before under it is the same event.", parameters);
    add_header("webhook-timestamp", "Seconds since 1970, of this attempt.", parameters);
    add_header("webhook-signature", "v1, and the base64 of the HMAC-SHA256 of \"id.timestamp.body\" under the bytes that follow whsec_ in "
               "base64 in the webhook's secret (Standard Webhooks).", parameters);
    post = json_pack("{s:s, s:s, s:o, s:{s:b, s:o}, s:{s:{s:s}, s:{s:s}, s:{s:s}}}", "operationId", "webhook", "summary",
                     "An event, posted to the URL of each webhook that wants it", "parameters", parameters, "requestBody", "required", 1,
                     "content", media("application/json", ref("Event")), "responses", "2XX", "description", "Taken", "410",
                     "description", "There is no such target any more: the webhook is disabled", "default", "description",
                     "Not taken: it is sent again, after Retry-After at the earliest (429, 503)");
    return json_pack("{s:{s:o}}", "event", "post", post);
}

static json_t *document(void)
{
    json_t *schemas = schemas_json(), *all;

    schemas_add_components(schemas);
    describe_events(schemas);
    all = json_pack("{s:s, s:{s:s, s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:o, s:{s:o, s:{s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}}}, s:[{s:[]}, {s:[]}]}",
                    "openapi", "3.1.0", "info", "title", "Postern", "version", "1", "description",
                    "Mail accounts, their messages and their certificates.", "license", "name", "Apache-2.0", "identifier",
                    "Apache-2.0", "servers", "url", "/", "paths", paths(), "components", "schemas", schemas, "securitySchemes",
                    "token", "type", "http", "scheme", "bearer", "session", "type", "apiKey", "in", "cookie", "name",
                    "postern_session_8025", "description",
                    "Named for the port of the server; over HTTPS with __Host- before it.", "security", "token", "session");
    json_object_set_new(all, "webhooks", webhooks());
    return all;
}

static struct bytes *text;

static void make_text(void)
{
    json_t *json = document();
    char *dump = json_dumps(json, JSON_INDENT(1));

    text = bytes_new(str_c(dump));
    free(dump);
    json_decref(json);
}

static void openapi_get(struct http_call *call)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_text);
    http_answer_bytes(call, 200, "application/json", bytes_hold(text));
}

const struct http_route openapi_routes[] = {
    { HTTP_GET, "/api/v1/openapi.json", ROLE_NONE, openapi_get, .summary = "This document", .answer = "Schema" },
    { 0 }
};
