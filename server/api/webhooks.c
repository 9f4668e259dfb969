/* SPDX-License-Identifier: Apache-2.0 */
/* /webhooks: who is told over HTTP what happens, and what became of each telling. DESIGN 5. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "app/courier.h"
#include "app/webhooks.h"
#include "base/clock.h"
#include "component/json.h"

static struct entry *find_webhook(struct http_call *call)
{
    const char *name = http_param(call, "name");
    struct entry *entry = registry_get(api_station(call)->webhooks, name);

    if (entry == NULL)
        api_answer_not_found(call, "webhook", name);
    return entry;
}

/* ---- reading ---- */

static json_t *with_status(struct http_call *call, const struct entry *entry)
{
    json_t *json = entry_json(entry);

    json_object_set_new(json, "status", courier_status(api_station(call)->courier, entry->name));
    return json;
}

static void webhook_list(struct http_call *call)
{
    bool status = api_include_status(call);

    if (status)
        http_add_header(call, "Cache-Control", "no-store");
    api_answer_list(call, api_station(call)->webhooks, status ? with_status : api_configuration);
}

static void webhook_get(struct http_call *call)
{
    AUTO(entry) entry = find_webhook(call);

    if (entry == NULL)
        return;
    if (api_include_status(call)) {
        http_add_header(call, "Cache-Control", "no-store");
        api_answer_json(call, 200, with_status(call, entry));
    } else {
        api_answer_entry(call, entry);
    }
}

/* ---- writing ---- */

/* A secret that was made is shown this once. */
static void write_done(struct config_request *request, struct config_result *result)
{
    struct http_call *call = request->ctx;
    bool made = result->secret_made && !request->dry_run &&
                (result->outcome == CONFIG_CREATED || result->outcome == CONFIG_CHANGED);
    AUTO_FREE char *location = NULL;
    json_t *json;

    if (!made) {
        api_write_done(request, result);
        return;
    }
    json = entry_json(result->after);
    json_object_set_new(json, "secret", json_string(((const struct webhook *)result->after->component)->secret.value));
    location = mem_printf("/api/v1/webhooks/%s", result->after->name);
    if (result->outcome == CONFIG_CREATED)
        http_add_header(call, "Location", location);
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_tagged_status(call, result->outcome == CONFIG_CREATED ? 201 : 200, result->after, json);
    json_decref((json_t *)request->document);
    free(request);
}

/* `name` NULL: it stands in the document. */
static void webhook_write(struct http_call *call, enum config_op op, const char *name)
{
    struct config_request *request;
    json_t *document = NULL;

    if (op != CONFIG_DELETE && api_json_body(call, &document) < 0)
        return;
    if (name == NULL)
        name = json_string_value(json_object_get(document, "name"));
    if (name == NULL) {
        api_answer_problem_at(call, "/name", "property.required", "Give the webhook a name: 1 to 64 of A-Z a-z 0-9 _ - .");
        json_decref(document);
        return;
    }
    request = api_config_request(call, op, api_station(call)->webhooks, name, document);
    request->type = &webhook_type;
    request->done = write_done;
    config_write(api_station(call), request);
}

static void webhook_post(struct http_call *call)
{
    webhook_write(call, CONFIG_CREATE, NULL);
}

static void webhook_put(struct http_call *call)
{
    webhook_write(call, CONFIG_REPLACE, http_param(call, "name"));
}

static void webhook_patch(struct http_call *call)
{
    webhook_write(call, CONFIG_PATCH, http_param(call, "name"));
}

static void webhook_delete(struct http_call *call)
{
    webhook_write(call, CONFIG_DELETE, http_param(call, "name"));
}

/* ---- deliveries ---- */

static json_t *time_json(int64_t at)
{
    char text[CLOCK_TEXT_MAX];

    return at ? json_string(clock_format(at, text)) : json_null();
}

static json_t *delivery_json(const struct delivery *delivery)
{
    return json_pack("{s:s, s:I, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:s?, s:s?}", "id", delivery->id, "event",
                     (json_int_t)delivery->event, "type", delivery->type, "state", delivery_state_names[delivery->state], "attempts",
                     (json_int_t)delivery->attempts, "createdAt", time_json(delivery->created_at), "lastAttempt",
                     time_json(delivery->last_attempt), "nextAttempt", time_json(delivery->next_attempt), "finishedAt",
                     time_json(delivery->finished_at), "status", (json_int_t)delivery->status, "ms", (json_int_t)delivery->ms, "code",
                     delivery->code, "cause", delivery->cause);
}

static int add_delivery(struct delivery *delivery, void *ctx)
{
    json_array_append_new(ctx, delivery_json(delivery));
    delivery_free(delivery);
    return 0;
}

static int read_page(struct http_call *call, struct webhooks_page *page)
{
    const char *state = http_query(call, "state");
    struct api_page at;

    if (api_page(call, &at) < 0)
        return -1;
    page->limit = at.limit;
    page->state = state ? delivery_state_from(state) : -1;
    if (state && page->state < 0)
        return api_answer_bad_query(call, "state", "waiting, delivered, failed or canceled");
    if (*at.after && (!str_to_int(str_c(at.after), &page->before) || page->before < 1))
        return api_answer_bad_query(call, "cursor", "what \"next\" of the page before gave");
    return 0;
}

static void delivery_list(struct http_call *call)
{
    AUTO(entry) entry = find_webhook(call);
    struct webhooks_page page = { 0 };
    int64_t resume;
    json_t *items;
    struct err err;

    if (entry == NULL || read_page(call, &page) < 0)
        return;
    page.webhook = entry->name;
    items = json_array();
    if (webhooks_deliveries(api_station(call), &page, add_delivery, items, &resume, &err) < 0) {
        json_decref(items);
        http_answer_err(call, &err);
        return;
    }
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 200, json_pack("{s:o, s:o}", "items", items, "next", resume ? api_next_json(call, resume) : json_null()));
}

static void delivery_get(struct http_call *call)
{
    AUTO(delivery) delivery = NULL;
    struct err err;
    json_t *json;

    if (webhooks_delivery(api_station(call), http_param(call, "name"), http_param(call, "id"), &delivery, &err) < 0) {
        http_answer_err(call, &err);
        return;
    }
    json = delivery_json(delivery);
    json_object_set_new(json, "body", json_loads(delivery->body, 0, NULL) ?: json_null());
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 200, json);
}

static void redelivered(struct webhooks_redeliver *request, const struct err *err)
{
    struct http_call *call = request->ctx;

    if (err)
        http_answer_err(call, err);
    else
        api_answer_json(call, 200, delivery_json(request->delivery));
}

static void delivery_redeliver(struct http_call *call)
{
    struct webhooks_redeliver *request;

    if (!api_no_parameters(call))
        return;
    request = mem_alloc(sizeof(*request));
    request->station = api_station(call);
    request->webhook = mem_strdup(http_param(call, "name"));
    request->id = mem_strdup(http_param(call, "id"));
    request->actor = api_actor(call);
    request->done = redelivered;
    request->ctx = call;
    webhooks_redeliver(request);
}

/* ---- a test ---- */

static void tested(struct courier_test *test, const struct err *err)
{
    struct http_call *call = test->ctx;

    http_add_header(call, "Cache-Control", "no-store");
    if (err)
        http_answer_err(call, err);
    else
        api_answer_json(call, 200, json_incref(test->answer));
}

static void webhook_test(struct http_call *call)
{
    struct entry *entry = api_no_parameters(call) ? find_webhook(call) : NULL;
    struct courier_test *test;

    if (entry == NULL)
        return;
    test = mem_alloc(sizeof(*test));
    test->station = api_station(call);
    test->webhook = entry;
    test->actor = api_actor(call);
    test->done = tested;
    test->ctx = call;
    courier_test(test);
}

#define PATH "/api/v1/webhooks"

const struct http_route webhook_routes[] = {
    { HTTP_GET, PATH, ROLE_OPERATOR, webhook_list, .summary = "List the webhooks", .query = "limit cursor include",
      .answer = "WebhookList" },
    { HTTP_POST, PATH, ROLE_ADMIN, webhook_post, .summary = "Create a webhook; a secret that was made is shown once",
      .query = "dryRun?", .request = "Webhook", .answer = "201 Webhook" },
    { HTTP_GET, PATH "/{name}", ROLE_OPERATOR, webhook_get, .summary = "Read a webhook's configuration", .query = "include",
      .answer = "Webhook" },
    { HTTP_PUT, PATH "/{name}", ROLE_ADMIN, webhook_put, .summary = "Create or replace a webhook", .query = "dryRun?",
      .request = "Webhook", .answer = "200 Webhook, 201 Webhook" },
    { HTTP_PATCH, PATH "/{name}", ROLE_ADMIN, webhook_patch, .summary = "Change a webhook (JSON Merge Patch)", .query = "dryRun?",
      .request = "WebhookPatch", .answer = "Webhook" },
    { HTTP_DELETE, PATH "/{name}", ROLE_ADMIN, webhook_delete, .summary = "Delete a webhook and its deliveries", .query = "dryRun?",
      .answer = "204" },
    { HTTP_POST, PATH "/{name}/actions/test", ROLE_OPERATOR, webhook_test, .summary = "Send a webhook.test now, and say what came of it",
      .request = "ActionParameters?", .answer = "WebhookTest" },
    { HTTP_GET, PATH "/{name}/deliveries", ROLE_OPERATOR, delivery_list, .summary = "List a webhook's deliveries, newest first",
      .query = "limit cursor state", .answer = "DeliveryList" },
    { HTTP_GET, PATH "/{name}/deliveries/{id}", ROLE_OPERATOR, delivery_get, .summary = "Read a delivery with what is sent",
      .answer = "Delivery" },
    { HTTP_POST, PATH "/{name}/deliveries/{id}/actions/redeliver", ROLE_OPERATOR, delivery_redeliver,
      .summary = "Deliver again what was delivered or given up", .request = "ActionParameters?", .answer = "Delivery" },
    { 0 }
};
