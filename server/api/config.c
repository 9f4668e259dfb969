/* SPDX-License-Identifier: Apache-2.0 */
/* /config: the whole configuration as one document, out and in. DESIGN 5. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "app/document.h"
#include "model/user.h"

#define DOCUMENT_MAX ((size_t)64 << 20) /* bytes: 30,000 accounts */

/* For people and for diff: a line for each value, in an order of its own. */
static void answer_document(struct http_call *call, const json_t *document)
{
    char *text = json_dumps(document, JSON_INDENT(2) | JSON_SORT_KEYS);
    struct buf body;
    size_t len = strlen(text);

    buf_init(&body, len + 1);
    buf_add(&body, str_n(text, len));
    buf_add_char(&body, '\n');
    free(text);
    http_answer_buf(call, 200, "application/json", &body);
}

static void read_done(struct document_read *read, const struct err *err)
{
    struct http_call *call = read->ctx;

    if (err) {
        http_answer_err(call, err);
        return;
    }
    api_add_etag(call, read->etag);
    if (http_not_modified(call, read->etag))
        http_answer_empty(call, 304);
    else
        answer_document(call, read->document);
}

static void config_get(struct http_call *call)
{
    struct document_read *read = mem_alloc(sizeof(*read));

    *read = (struct document_read){ .station = api_station(call), .done = read_done, .ctx = call };
    document_read(read);
}

static void config_schema(struct http_call *call)
{
    api_answer_json(call, 200, document_schema());
}

/* ---- applying ---- */

static void log_out(struct http_call *call, const struct document_apply *apply)
{
    for (size_t i = 0; !apply->dry_run && i < apply->batch.count; i++)
        if (api_must_log_out(&apply->batch.results[i]))
            http_session_end_user(http_server_of(call), apply->batch.requests[i].name);
}

static void answer_fault(struct http_call *call, const struct document_apply *apply, const struct err *err)
{
    json_t *list;
    AUTO_FREE char *errors = NULL;

    if (apply->batch.problems.count == 0 || (err->code != ERR_INVALID && err->code != ERR_CONFLICT)) {
        http_answer_err(call, err);
    } else if (err->code == ERR_INVALID) {
        api_answer_problems(call, &apply->batch.problems);
    } else {
        list = problems_json(&apply->batch.problems);
        errors = json_dumps(list, JSON_COMPACT);
        json_decref(list);
        http_answer_problem(call, 409, err->id, NULL, err->text, errors);
    }
}

static void apply_done(struct document_apply *apply, const struct err *err)
{
    struct http_call *call = apply->ctx;
    json_t *plan;

    if (err) {
        answer_fault(call, apply, err);
        return;
    }
    log_out(call, apply);
    plan = config_batch_plan(&apply->batch);
    if (apply->dry_run)
        json_object_set_new(plan, "planToken", json_string(apply->plan_token));
    api_add_etag(call, apply->etag);
    api_answer_json(call, 200, plan);
}

static void config_put(struct http_call *call)
{
    struct document_apply *apply;
    json_t *document;

    if (api_json_body(call, &document) < 0)
        return;
    apply = mem_alloc(sizeof(*apply));
    *apply = (struct document_apply){ .station = api_station(call), .document = document, .dry_run = api_dry_run(call),
                                      .prune = http_query_flag(call, "prune"), .force = http_query_flag(call, "force"),
                                      .token = http_query(call, "plan"), .actor = api_actor(call),
                                      .precondition = api_precondition, .done = apply_done, .ctx = call };
    document_apply(apply);
}

const struct http_route config_routes[] = {
    { HTTP_GET, "/api/v1/config", ROLE_ADMIN, config_get, .summary = "Export the configuration: everything but secrets, as one document",
      .answer = "Config" },
    { HTTP_PUT, "/api/v1/config", ROLE_ADMIN, config_put, .body_max = DOCUMENT_MAX,
      .summary = "Apply a document of the configuration, all or nothing, and tell what it changed", .query = "dryRun? prune? force? plan",
      .request = "Config", .answer = "Plan" },
    { HTTP_GET, "/api/v1/config/schema", ROLE_VIEWER, config_schema, .limited = true,
      .summary = "Read the JSON Schema of the document", .answer = "Schema" },
    { 0 }
};
