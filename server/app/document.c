/* SPDX-License-Identifier: Apache-2.0 */
#include "app/document_private.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "app/hosts_entry.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "component/json.h"
#include "crypto/crypto.h"
#include "jobs/jobs.h"
#include "model/account.h"
#include "model/services.h"
#include "model/trust_store.h"
#include "model/user.h"
#include "model/webhook.h"
#include "store/store.h"

/* ---- items ---- */

static json_t *host_item(const struct entry *entry)
{
    return hosts_entry_decision(entry->name, entry->component, clock_now());
}

static json_t *ca_item(const struct entry *entry)
{
    const struct user_ca *ca = entry->component;

    return json_pack("{s:s, s:O, s:O}", "id", entry->name, "names", ca->names, "certificate",
                     json_object_get(ca->certificate, "pem"));
}

/* ---- their schemas ---- */

/* What a client may set: read-only properties are no configuration. */
static json_t *type_schema(const struct component_type *type)
{
    json_t *schema = component_schema(type), *properties = json_object_get(schema, "properties"), *value;
    const char *name;
    void *next;

    json_object_del(schema, "$schema");
    json_object_del(schema, "x-actions");
    json_object_foreach_safe(properties, next, name, value)
        if (json_is_true(json_object_get(value, "readOnly")))
            json_object_del(properties, name);
    json_object_set_new(schema, "required", json_pack("[s]", "name"));
    return schema;
}

static json_t *any_of(const struct component_type *const *types)
{
    json_t *list = json_array();

    for (; *types; types++) {
        json_t *schema = type_schema(*types);

        json_array_append_new(json_object_get(schema, "required"), json_string("type"));
        json_array_append_new(list, schema);
    }
    return json_pack("{s:o}", "oneOf", list);
}

static json_t *account_schema(void)
{
    const struct component_type *const kinds[] = { &outgoing_account_type, &incoming_account_type, NULL };

    return any_of(kinds);
}

static json_t *service_schema(void)
{
    json_t *schema = any_of(service_types), *one;
    size_t i;

    json_array_foreach(json_object_get(schema, "oneOf"), i, one)
        json_object_set_new(json_object_get(one, "properties"), "name", json_pack("{s:s}", "const", service_types[i]->name));
    return schema;
}

static json_t *webhook_schema(void)
{
    return type_schema(&webhook_type);
}

static json_t *user_schema(void)
{
    json_t *schema = type_schema(&user_type);
    json_t *file = json_pack("{s:s, s:{s:{s:s}}, s:[s], s:b}", "type", "object", "properties", "$file", "type", "string", "required",
                             "$file", "additionalProperties", 0);

    json_object_set_new(json_object_get(schema, "properties"), "password",
                        json_pack("{s:s, s:b, s:[{s:s}, o]}", "description",
                                  "A new user needs one; without it a user keeps the present one.", "writeOnly", 1, "anyOf", "type",
                                  "string", file));
    return schema;
}

static json_t *strings(void)
{
    return json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "string");
}

static json_t *host_schema(void)
{
    json_t *properties = json_pack("{s:{s:s, s:s}, s:{s:[s, s]}, s:o, s:{s:[s, s], s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:i}}",
                                   "id", "type", "string", "description", "host:port as configured.", "approval", "enum", "approved",
                                   "rejected", "accepts", strings(), "expiresAt", "type", "string", "null", "format", "date-time",
                                   "note", "type", "string", "sha256", "type", "string", "spkiSha256", "type", "string", "hostname",
                                   "type", "string", "port", "minimum", 1);

    return json_pack("{s:s, s:s, s:s, s:o, s:[s, s], s:b}", "title", "AllowedHost", "description",
                     "What a person decided about a certificate.", "type", "object", "properties", properties, "required", "id",
                     "approval", "additionalProperties", 0);
}

static json_t *ca_schema(void)
{
    json_t *properties = json_pack("{s:{s:s, s:s}, s:o, s:{s:s, s:s}}", "id", "type", "string", "pattern", "^[0-9a-f]{64}$", "names",
                                   strings(), "certificate", "type", "string", "description", "PEM.");

    return json_pack("{s:s, s:s, s:s, s:o, s:[s], s:b}", "title", "UserCa", "description", "A root of the User Trust Store.", "type",
                     "object", "properties", properties, "required", "id", "additionalProperties", 0);
}

/* ---- sections ---- */

#define REGISTRY(member) .registry = offsetof(struct station, member)

const struct section document_sections[] = {
    { .name = "accounts", .key = "name", REGISTRY(accounts), .item = entry_json, .schema = account_schema,
      .request = document_secret_request },
    { .name = "allowedHosts", .key = "id", REGISTRY(allowed_hosts), .type = &allowed_host_type, .item = host_item,
      .schema = host_schema, .request = document_host_request },
    { .name = "services", .key = "name", REGISTRY(services), .item = entry_json, .schema = service_schema, .fixed = true },
    { .name = "userCas", .key = "id", REGISTRY(user_cas), .type = &user_ca_type, .item = ca_item, .schema = ca_schema,
      .request = document_ca_request },
    { .name = "users", .key = "name", REGISTRY(users), .type = &user_type, .item = entry_json, .schema = user_schema,
      .request = document_user_request },
    { .name = "webhooks", .key = "name", REGISTRY(webhooks), .type = &webhook_type, .item = entry_json, .schema = webhook_schema,
      .request = document_secret_request },
    { 0 }
};

struct registry *document_registry(struct station *station, const struct section *section)
{
    return *(struct registry **)(void *)((char *)station + section->registry);
}

json_t *document_schema(void)
{
    json_t *properties = json_object();

    for (const struct section *section = document_sections; section->name; section++)
        json_object_set_new(properties, section->name, json_pack("{s:s, s:o}", "type", "array", "items", section->schema()));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:b}", "$schema", "https://json-schema.org/draft/2020-12/schema", "$id",
                     "/api/v1/config/schema", "title", "Config", "description",
                     "The whole configuration. What is absent is left as it is; an item in a section is replaced as a whole.", "type",
                     "object", "properties", properties, "additionalProperties", 0);
}

/* ---- the document ---- */

struct export {
    const struct section *section;
    json_t *items;
    struct buf *text;
};

static void add_item(struct entry *entry, void *ctx)
{
    const struct export *export = ctx;
    json_t *item = export->section->item(entry);

    if (item)
        json_array_append_new(export->items, item);
}

json_t *document_json(struct station *view)
{
    json_t *document = json_object();

    for (const struct section *section = document_sections; section->name; section++) {
        struct export export = { section, json_array(), NULL };

        registry_each(document_registry(view, section), add_item, &export);
        json_object_set_new(document, section->name, export.items);
    }
    return document;
}

/* An exemption's own ETag speaks of sightings too, which are no configuration. */
static void add_tag(struct entry *entry, void *ctx)
{
    const struct export *export = ctx;
    AUTO_FREE char *text = NULL;
    json_t *item;

    if (entry->type != &allowed_host_type) {
        buf_addf(export->text, "%s/%s=%s\n", export->section->name, entry->name, entry_etag(entry));
        return;
    }
    item = export->section->item(entry);
    text = item ? json_dumps(item, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(item);
    if (text)
        buf_addf(export->text, "%s/%s\n", export->section->name, text);
}

void document_etag(struct station *view, char etag[ETAG_MAX])
{
    AUTO_BUF(text, (size_t)512 << 20);
    uint8_t sum[32];

    for (const struct section *section = document_sections; section->name; section++) {
        struct export export = { section, NULL, &text };

        registry_each(document_registry(view, section), add_tag, &export);
    }
    crypto_key_hmac(view->key, "config", buf_str(&text), sum);
    hex_encode(sum, (ETAG_MAX - 1) / 2, etag);
}

/* ---- reading: the registries on the writer thread, where nothing is half published; the text on a worker ---- */

static int nothing_run(struct store_tx *tx, void *ctx, struct err *err)
{
    (void)tx;
    (void)ctx;
    (void)err;
    return 0;
}

static void read_work(void *ctx)
{
    struct document_read *read = ctx;

    document_etag(read->view, read->etag);
    read->document = document_json(read->view);
    read->done(read, NULL);
    json_decref(read->document);
    config_view_free(read->view);
    free(read);
}

static void read_done(void *ctx, const struct err *err)
{
    struct document_read *read = ctx;

    if (err) {
        read->done(read, err);
        free(read);
        return;
    }
    read->view = config_view(read->station);
    jobs_submit(read->station->jobs, read_work, read);
}

void document_read(struct document_read *read)
{
    store_submit(read->station->store, nothing_run, read_done, read, true);
}
