/* SPDX-License-Identifier: Apache-2.0 */
/* /services: the four services of the Station, one component each; /tree and /types: what there is and what it is made of. */
#include "api/api.h"

#include <stdlib.h>

#include "app/https.h"
#include "app/live.h"
#include "base/clock.h"
#include "component/json.h"
#include "model/account.h"
#include "model/services.h"
#include "model/trust_store.h"

/* ---- services ---- */

static struct entry *find_service(struct http_call *call)
{
    struct entry *entry = registry_get(api_station(call)->services, http_param(call, "name"));

    if (entry == NULL)
        api_answer_not_found(call, "service", http_param(call, "name"));
    return entry;
}

static void service_list(struct http_call *call)
{
    api_answer_list(call, api_station(call)->services, api_configuration);
}

static void service_get(struct http_call *call)
{
    AUTO(entry) entry = find_service(call);

    if (entry)
        api_answer_entry(call, entry);
}

static void service_write(struct http_call *call, enum config_op op)
{
    AUTO(entry) entry = find_service(call);
    struct config_request *request;
    json_t *document;

    if (entry == NULL || api_json_body(call, &document) < 0)
        return;
    request = api_config_request(call, op, api_station(call)->services, http_param(call, "name"), document);
    request->no_create = true;
    config_write(api_station(call), request);
}

static void service_put(struct http_call *call)
{
    service_write(call, CONFIG_REPLACE);
}

static void service_patch(struct http_call *call)
{
    service_write(call, CONFIG_PATCH);
}

/* ---- tree ---- */

struct census {
    struct http_call *call;
    json_t *children;
    int64_t states[ACCOUNT_STATES];
};

static void add_account(struct entry *entry, void *ctx)
{
    struct census *census = ctx;
    AUTO(live) live = NULL;
    json_t *status, *node;

    if (!api_may_use(census->call, entry->name))
        return;
    live = live_get(api_station(census->call)->lives, entry->name);
    census->states[live_state(live)]++;
    if (census->children == NULL)
        return;
    status = live_status_object(live);
    node = json_pack("{s:s, s:s, s:o}", "name", entry->name, "type", entry->type->name, "path",
                     json_sprintf("/api/v1/accounts/%s", entry->name));
    json_object_update_missing(node, status);
    json_decref(status);
    json_array_append_new(census->children, node);
}

/* What a person should look at first. */
static const char *worst(const struct census *census)
{
    static const enum account_state order[] = { STATE_FAULT, STATE_DOWN, STATE_CHALLENGED, STATE_OK, STATE_PENDING };

    for (size_t i = 0; i < COUNT_OF(order); i++)
        if (census->states[order[i]])
            return account_state_names[order[i]];
    return census->states[STATE_DISABLED] ? account_state_names[STATE_DISABLED] : account_state_names[STATE_OK];
}

static json_t *states_json(const struct census *census)
{
    json_t *states = json_object();

    for (int i = 0; i < ACCOUNT_STATES; i++)
        json_object_set_new(states, account_state_names[i], json_integer(census->states[i]));
    return states;
}

static void service_status(struct http_call *call)
{
    AUTO(entry) entry = find_service(call);
    struct census census = { .call = call };
    json_t *status = json_object();

    if (entry == NULL) {
        json_decref(status);
        return;
    }
    if (entry->type == &email_service_type) {
        registry_each(api_station(call)->accounts, add_account, &census);
        json_object_set_new(status, "status", json_pack("{s:s, s:o}", "state", worst(&census), "accounts", states_json(&census)));
    }
    if (entry->type == &web_service_type)
        json_object_set_new(status, "status", https_status(api_station(call)));
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 200, status);
}

static json_t *node(const char *name, const char *path, json_t *children)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "name", name, "type", name, "path", path, "children", children);
}

static void count_waiting(struct entry *entry, void *ctx)
{
    const struct allowed_host *host = entry->component;
    int64_t *waiting = ctx;

    *waiting += !host->redundant && (host->approval == APPROVAL_PENDING || host->approval == APPROVAL_CHANGED);
}

static json_t *services_node(struct http_call *call, bool with_accounts)
{
    struct census census = { .call = call, .children = with_accounts ? json_array() : NULL };
    json_t *services = json_array(), *email, *certificates;
    int64_t waiting = 0;

    registry_each(api_station(call)->accounts, add_account, &census);
    registry_each(api_station(call)->allowed_hosts, count_waiting, &waiting);
    email = node("EmailService", "/api/v1/services/EmailService", with_accounts ? census.children : json_array());
    json_object_set_new(email, "state", json_string(worst(&census)));
    json_object_set_new(email, "accounts", states_json(&census));
    certificates = node("CertificateService", "/api/v1/services/CertificateService", json_array());
    json_object_set_new(certificates, "challenges", json_integer(waiting));
    json_array_append_new(services, email);
    json_array_append_new(services, certificates);
    json_array_append_new(services, node("WebService", "/api/v1/services/WebService", json_array()));
    json_array_append_new(services, node("UserService", "/api/v1/services/UserService", json_array()));
    return node("Services", "/api/v1/services", services);
}

/* ?accounts=false: for who reads the accounts page by page. They are counted all the same. */
static void tree_get(struct http_call *call)
{
    const char *accounts = http_query(call, "accounts");
    json_t *children = json_pack("[o, o]", services_node(call, accounts == NULL || strcmp(accounts, "false") != 0),
                                 node("Logs", "/api/v1/audit", json_array()));

    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 200, node("Station", "/api/v1/tree", children));
}

/* ---- types ---- */

static void type_list(struct http_call *call)
{
    json_t *items = json_array();

    for (const struct component_type *const *type = model_types; *type; type++)
        json_array_append_new(items, json_pack("{s:s, s:s, s:o}", "name", (*type)->name, "description",
                                               (*type)->doc ? (*type)->doc : "", "schema",
                                               json_sprintf("/api/v1/types/%s", (*type)->name)));
    api_answer_json(call, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

static void type_get(struct http_call *call)
{
    const char *name = http_param(call, "type");

    for (const struct component_type *const *type = model_types; *type; type++) {
        json_t *schema;

        if (strcmp((*type)->name, name) != 0)
            continue;
        schema = component_schema(*type);
        json_object_set_new(schema, "$id", json_sprintf("/api/v1/types/%s", name));
        api_answer_json(call, 200, schema);
        return;
    }
    api_answer_not_found(call, "type", name);
}

/* ---- presets of providers ---- */

static const struct {
    const char *id, *name, *type, *host, *security, *authenticator;
    int port;
} providers[] = {
    { "microsoft365-out", "Microsoft 365", "OutgoingAccount", "smtp.office365.com", "useStartTls", "oauth2", 587 },
    { "microsoft365-in", "Microsoft 365", "IncomingAccount", "outlook.office365.com", "useSsl", "oauth2", 993 },
    { "gmail-out", "Gmail", "OutgoingAccount", "smtp.gmail.com", "useSsl", "oauth2", 465 },
    { "gmail-in", "Gmail", "IncomingAccount", "imap.gmail.com", "useSsl", "oauth2", 993 },
    { "icloud-out", "iCloud Mail", "OutgoingAccount", "smtp.mail.me.com", "useStartTls", "basic", 587 },
    { "icloud-in", "iCloud Mail", "IncomingAccount", "imap.mail.me.com", "useSsl", "basic", 993 },
    { "yahoo-out", "Yahoo Mail", "OutgoingAccount", "smtp.mail.yahoo.com", "useSsl", "basic", 465 },
    { "yahoo-in", "Yahoo Mail", "IncomingAccount", "imap.mail.yahoo.com", "useSsl", "basic", 993 },
    { "fastmail-out", "Fastmail", "OutgoingAccount", "smtp.fastmail.com", "useSsl", "basic", 465 },
    { "fastmail-in", "Fastmail", "IncomingAccount", "imap.fastmail.com", "useSsl", "basic", 993 },
    { "relay", "Relay on the local network", "OutgoingAccount", "", "useStartTls", "none", 587 },
};

static void provider_list(struct http_call *call)
{
    json_t *items = json_array();

    for (size_t i = 0; i < COUNT_OF(providers); i++)
        json_array_append_new(items, json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s}", "id", providers[i].id, "name",
                                               providers[i].name, "type", providers[i].type, "host", providers[i].host, "transport",
                                               strcmp(providers[i].type, "OutgoingAccount") == 0 ? "smtp" : "imap", "port",
                                               providers[i].port, "security", providers[i].security, "authenticator",
                                               providers[i].authenticator));
    api_answer_json(call, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

const struct http_route service_routes[] = {
    { HTTP_GET, "/api/v1/tree", ROLE_VIEWER, tree_get, .limited = true,
      .summary = "Read the component tree with each account's state", .query = "accounts?", .answer = "Tree" },
    { HTTP_GET, "/api/v1/types", ROLE_VIEWER, type_list, .limited = true, .summary = "List the component types",
      .answer = "TypeList" },
    { HTTP_GET, "/api/v1/types/{type}", ROLE_VIEWER, type_get, .limited = true,
      .summary = "Read a type's JSON Schema", .answer = "Schema" },
    { HTTP_GET, "/api/v1/providers", ROLE_VIEWER, provider_list, .limited = true,
      .summary = "List presets of well-known providers", .answer = "ProviderList" },
    { HTTP_GET, "/api/v1/services", ROLE_VIEWER, service_list, .limited = true, .summary = "List the services",
      .query = "limit cursor", .answer = "ServiceList" },
    { HTTP_GET, "/api/v1/services/{name}", ROLE_VIEWER, service_get, .limited = true,
      .summary = "Read a service's configuration", .answer = "Service" },
    { HTTP_PUT, "/api/v1/services/{name}", ROLE_ADMIN, service_put, .summary = "Replace a service's configuration",
      .query = "dryRun?", .request = "Service", .answer = "Service" },
    { HTTP_PATCH, "/api/v1/services/{name}", ROLE_OPERATOR, service_patch,
      .summary = "Change a service's configuration (JSON Merge Patch)", .query = "dryRun?", .request = "ServicePatch",
      .answer = "Service" },
    { HTTP_GET, "/api/v1/services/{name}/status", ROLE_VIEWER, service_status, .limited = true,
      .summary = "Read a service's status", .answer = "ServiceStatus" },
    { 0 }
};
