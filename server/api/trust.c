/* SPDX-License-Identifier: Apache-2.0 */
/* /trust: System Trust Store, User Trust Store, Allowed Hosts, probe. DESIGN 4. */
#include "api/api.h"

#include <stdlib.h>
#include <string.h>

#include "app/cas.h"
#include "app/hosts.h"
#include "app/verify.h"
#include "base/clock.h"
#include "component/json.h"
#include "model/account.h"

/* ---- System Trust Store ---- */

static void system_list(struct http_call *call)
{
    struct api_page at;
    int64_t from = 0, next;

    if (api_page(call, &at) < 0)
        return;
    if (*at.after && !str_to_int(str_c(at.after), &from)) {
        api_answer_bad_query(call, "cursor", "what \"next\" of the page before gave");
        return;
    }
    json_t *items = cas_system_page(api_station(call), from, at.limit, &next);

    api_answer_json(call, 200, json_pack("{s:o, s:o}", "items", items, "next", next ? api_next_json(call, next) : json_null()));
}

/* ---- User Trust Store ---- */

static json_t *ca_json(struct http_call *call, const struct entry *entry)
{
    json_t *json = json_object();

    (void)call;
    json_object_set_new(json, "id", json_string(entry->name));
    component_to_json(entry->type, entry->component, VIEW_CONFIG, json);
    component_to_json(entry->type, entry->component, VIEW_STATUS, json);
    return json;
}

static void user_list(struct http_call *call)
{
    api_answer_list(call, api_station(call)->user_cas, ca_json);
}

static void user_get(struct http_call *call)
{
    AUTO(entry) entry = registry_get(api_station(call)->user_cas, http_param(call, "id"));

    if (entry == NULL)
        api_answer_not_found(call, "certificate", http_param(call, "id"));
    else
        api_answer_tagged(call, entry, ca_json(call, entry));
}

static void add_import_plan(json_t *answer, const struct cas_import *import)
{
    json_t *changes = json_array(), *item;
    size_t i;

    json_array_foreach(import->items, i, item)
        if (json_is_true(json_object_get(item, "new")))
            json_array_append_new(changes, json_pack("{s:o, s:s, s:n, s:O}", "resource",
                                                     json_sprintf("UserCa/%s", json_string_value(json_object_get(item, "id"))), "action",
                                                     "create", "before", "after", item));
    json_object_set_new(answer, "unchanged", json_integer((json_int_t)(json_array_size(import->items) - json_array_size(changes))));
    json_object_set_new(answer, "changes", changes);
    json_object_set(answer, "impact", import->impact);
}

static void answer_import(struct cas_import *import, const struct err *err)
{
    struct http_call *call = import->ctx;
    json_t *items;

    if (err) {
        http_answer_err(call, err);
        return;
    }
    items = json_pack("{s:O, s:O}", "items", import->items, "warnings", import->warnings);
    if (import->dry_run)
        add_import_plan(items, import);
    if (import->added == 1 && !import->dry_run) {
        const char *id = json_string_value(json_object_get(json_array_get(import->items, 0), "id"));
        AUTO_FREE char *location = mem_printf("/api/v1/trust/user/%s", id);

        http_add_header(call, "Location", location);
    }
    /* One certificate is what is usually sent: its facts are then at the top as well. */
    if (json_array_size(import->items) == 1)
        json_object_update_missing(items, json_array_get(import->items, 0));
    api_answer_json(call, import->added && !import->dry_run ? 201 : 200, items);
}

static void user_import(struct http_call *call)
{
    struct cas_import *import = mem_alloc(sizeof(*import));

    import->station = api_station(call);
    import->bytes = http_body(call);
    import->media_type = http_header(call, "Content-Type");
    import->names = http_query(call, "names");
    import->dry_run = api_dry_run(call);
    import->actor = api_actor(call);
    import->done = answer_import;
    import->ctx = call;
    cas_import(import);
}

static json_t *ca_plan(const struct cas_write *write)
{
    json_t *changes = json_array();
    bool changed = write->after == NULL || strcmp(entry_etag(write->before), entry_etag(write->after)) != 0;

    if (changed)
        json_array_append_new(changes, json_pack("{s:o, s:s, s:o, s:o}", "resource", json_sprintf("UserCa/%s", write->id), "action",
                                                 write->after ? "change" : "delete", "before", ca_json(write->ctx, write->before), "after",
                                                 write->after ? ca_json(write->ctx, write->after) : json_null()));
    return json_pack("{s:o, s:i, s:O}", "changes", changes, "unchanged", !changed, "impact", write->impact);
}

static void answer_ca_write(struct cas_write *write, const struct err *err)
{
    struct http_call *call = write->ctx;

    if (err && write->problems.count)
        api_answer_problems(call, &write->problems);
    else if (err)
        http_answer_err(call, err);
    else if (write->dry_run)
        api_answer_json(call, 200, ca_plan(write));
    else if (write->after)
        api_answer_tagged(call, write->after, ca_json(call, write->after));
    else
        http_answer_empty(call, 204);
}

static void ca_write(struct http_call *call, json_t *document)
{
    struct cas_write *write = mem_alloc(sizeof(*write));

    write->station = api_station(call);
    write->id = mem_strdup(http_param(call, "id"));
    write->document = document;
    write->dry_run = api_dry_run(call);
    write->actor = api_actor(call);
    write->precondition = api_precondition;
    write->done = answer_ca_write;
    write->ctx = call;
    cas_write(write);
}

static void user_patch(struct http_call *call)
{
    json_t *document;

    if (api_json_body(call, &document) == 0)
        ca_write(call, document);
}

static void user_delete(struct http_call *call)
{
    ca_write(call, NULL);
}

/* ---- Allowed Hosts ---- */

static void hosts_list(struct http_call *call)
{
    struct station *station = api_station(call);
    struct entry **page;
    struct api_page at;
    json_t *items = json_array();
    bool more;
    size_t count;

    if (api_page(call, &at) < 0) {
        json_decref(items);
        return;
    }
    count = registry_page(station->allowed_hosts, at.after, at.limit, api_wants_approval, call, &page, &more);
    for (size_t i = 0; i < count; i++) {
        json_t *item = hosts_json(station, page[i]);

        json_object_set_new(item, "etag", json_string(entry_etag(page[i])));
        json_array_append_new(items, item);
    }
    api_answer_json(call, 200, json_pack("{s:o, s:o}", "items", items, "next", more ? api_next_name_json(call, page[count - 1]->name) : json_null()));
    for (size_t i = 0; i < count; i++)
        entry_free(page[i]);
    free(page);
}

static void hosts_get(struct http_call *call)
{
    AUTO(entry) entry = registry_get(api_station(call)->allowed_hosts, http_param(call, "id"));

    if (entry == NULL)
        api_answer_not_found(call, "entry in Allowed Hosts", http_param(call, "id"));
    else
        api_answer_tagged(call, entry, hosts_json(api_station(call), entry));
}

static json_t *hosts_plan(const struct hosts_request *request)
{
    AUTO_FREE char *resource = mem_printf("AllowedHost/%s", request->id);
    json_t *changes = json_array();
    const char *action = request->after == NULL ? "delete" : request->before == NULL ? "create" : "change";

    if (request->changed)
        json_array_append_new(changes, json_pack("{s:s, s:s, s:o, s:o}", "resource", resource, "action", action, "before",
                                                 request->before ? hosts_json(request->station, request->before) : json_null(),
                                                 "after", request->after ? hosts_json(request->station, request->after) : json_null()));
    return json_pack("{s:o, s:i}", "changes", changes, "unchanged", request->changed ? 0 : 1);
}

static void answer_hosts(struct hosts_request *request, const struct err *err)
{
    struct http_call *call = request->ctx;

    if (err && request->problems.count)
        api_answer_problems(call, &request->problems);
    else if (err)
        http_answer_err(call, err);
    else if (request->dry_run)
        api_answer_json(call, 200, hosts_plan(request));
    else if (request->after == NULL)
        http_answer_empty(call, 204);
    else
        api_answer_tagged_status(call, request->op == HOSTS_PUT && request->before == NULL ? 201 : 200, request->after,
                                 hosts_json(request->station, request->after));
}

static void hosts_write(struct http_call *call, enum hosts_op op, json_t *document)
{
    struct hosts_request *request = mem_alloc(sizeof(*request));

    request->station = api_station(call);
    request->op = op;
    request->id = mem_strdup(http_param(call, "id"));
    request->document = document;
    request->dry_run = api_dry_run(call);
    request->actor = api_actor(call);
    request->precondition = api_precondition;
    request->done = answer_hosts;
    request->ctx = call;
    hosts_request(request);
}

static void hosts_put(struct http_call *call)
{
    json_t *document;

    if (api_json_body(call, &document) == 0)
        hosts_write(call, HOSTS_PUT, document);
}

static void hosts_delete(struct http_call *call)
{
    hosts_write(call, HOSTS_DELETE, NULL);
}

/* approve and reject as an action below the entry, or at the entry itself. */
static void hosts_action(struct http_call *call)
{
    const char *action = http_param(call, "action");
    bool approve = strcmp(action, "approve") == 0;
    json_t *document = NULL;

    if (!approve && strcmp(action, "reject") != 0)
        api_answer_not_found(call, "action", action);
    else if (http_body(call).len == 0 && !approve)
        hosts_write(call, HOSTS_REJECT, NULL);
    else if (api_json_body(call, &document) == 0)
        hosts_write(call, approve ? HOSTS_APPROVE : HOSTS_REJECT, document);
}

/* ---- probe ---- */

static void answer_probe(struct probe *probe)
{
    http_add_header(probe->ctx, "Cache-Control", "no-store");
    api_answer_json(probe->ctx, 200, json_incref(probe->answer));
}

#define PROBE_MEMBERS "hostname port transport useSsl useStartTls verifyName tlsMinProtocol"

/* The account that these settings would be; its property tables do the checking. */
static struct entry *probe_settings(struct http_call *call, const json_t *document, struct problems *problems)
{
    const char *transport = json_string_value(json_object_get(document, "transport"));
    const struct component_type *type = transport && strcmp(transport, "smtp") != 0 ? &incoming_account_type : &outgoing_account_type;
    json_t *settings = json_object();
    struct account *account;
    struct str rest = STR(PROBE_MEMBERS), word;

    api_check_members(document, PROBE_MEMBERS, problems);
    while (str_split(&rest, ' ', &word)) {
        AUTO_FREE char *name = str_dup(word);

        if (json_object_get(document, name))
            json_object_set(settings, name, json_object_get(document, name));
    }
    account = component_replace(type, NULL, settings, problems);
    account_follow_port(type, NULL, account, json_object_get(settings, "port") != NULL);
    component_check(type, account, problems);
    if (*account->hostname == '\0')
        problems_add(problems, "/hostname", "property.required", "Give the hostname.");
    if (!account->use_ssl && !account->use_start_tls)
        problems_add(problems, "/useSsl", "property.required", "A certificate is shown with useSsl or useStartTls: set one of them.");
    json_decref(settings);
    return entry_new(type, "probe", account, "", clock_now(), api_station(call)->key);
}

static void trust_probe(struct http_call *call)
{
    AUTO_PROBLEMS(problems);
    AUTO(entry) settings = NULL;
    struct probe *probe;
    json_t *document;

    if (!api_probe_allowed(call) || api_json_body(call, &document) < 0)
        return;
    settings = probe_settings(call, document, &problems);
    json_decref(document);
    if (problems.count) {
        api_answer_problems(call, &problems);
        return;
    }
    api_audit(call, "probe", "Host", ((const struct account *)settings->component)->hostname);
    probe = mem_alloc(sizeof(*probe));
    probe->station = api_station(call);
    probe->settings = entry_hold(settings);
    probe->done = answer_probe;
    probe->ctx = call;
    probe_submit(probe);
}

#define CERTIFICATE_TYPES "application/x-pem-file application/pkix-cert application/pkcs7-mime application/x-x509-ca-cert " \
                          "application/octet-stream text/plain"

const struct http_route trust_routes[] = {
    { HTTP_GET, "/api/v1/trust/system", ROLE_VIEWER, system_list, .summary = "List the System Trust Store",
      .query = "limit cursor", .answer = "CertificateList" },
    { HTTP_GET, "/api/v1/trust/user", ROLE_VIEWER, user_list, .summary = "List the User Trust Store", .query = "limit cursor",
      .answer = "UserCaList" },
    { HTTP_POST, "/api/v1/trust/user", ROLE_ADMIN, user_import, .body_max = 10 * 1024 * 1024, .media = CERTIFICATE_TYPES,
      .summary = "Import CAs", .query = "dryRun? names", .request = "Certificate", .answer = "200 Import, 201 Import" },
    { HTTP_GET, "/api/v1/trust/user/{id}", ROLE_VIEWER, user_get, .summary = "Read an imported CA", .answer = "UserCa" },
    { HTTP_PATCH, "/api/v1/trust/user/{id}", ROLE_ADMIN, user_patch, .summary = "Limit a CA to host names", .query = "dryRun?",
      .request = "UserCaPatch", .answer = "UserCa" },
    { HTTP_DELETE, "/api/v1/trust/user/{id}", ROLE_ADMIN, user_delete, .summary = "Delete an imported CA", .query = "dryRun?",
      .answer = "204" },
    { HTTP_GET, "/api/v1/trust/allowed-hosts", ROLE_VIEWER, hosts_list, .summary = "List Allowed Hosts",
      .query = "limit cursor approval", .answer = "AllowedHostList" },
    { HTTP_GET, "/api/v1/trust/allowed-hosts/{id}", ROLE_VIEWER, hosts_get, .summary = "Read an entry", .answer = "AllowedHost" },
    { HTTP_PUT, "/api/v1/trust/allowed-hosts/{id}", ROLE_ADMIN, hosts_put, .summary = "Provision an entry, also before the first contact",
      .query = "dryRun?", .request = "Exemption", .answer = "200 AllowedHost, 201 AllowedHost" },
    { HTTP_DELETE, "/api/v1/trust/allowed-hosts/{id}", ROLE_ADMIN, hosts_delete, .summary = "Forget an entry",
      .query = "dryRun?", .answer = "204" },
    { HTTP_POST, "/api/v1/trust/allowed-hosts/{id}/actions/{action}", ROLE_ADMIN, hosts_action, .summary = "Approve or reject",
      .query = "dryRun?", .request = "Decision", .answer = "AllowedHost" },
    { HTTP_POST, "/api/v1/trust/allowed-hosts/{id}/{action}", ROLE_ADMIN, hosts_action, .summary = "Approve or reject (short form)",
      .query = "dryRun?", .request = "Decision", .answer = "AllowedHost" },
    { HTTP_POST, "/api/v1/trust/probe", ROLE_ADMIN, trust_probe, .summary = "Look at a server's certificate without logging in",
      .request = "Probe", .answer = "ProbeResult" },
    { 0 }
};
