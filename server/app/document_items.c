/* SPDX-License-Identifier: Apache-2.0 */
/* What the requests for items need beyond the property tables: secrets that are there, passwords, certificates, decisions. */
#include <stdlib.h>
#include <string.h>

#include "app/connect.h"
#include "app/document_private.h"
#include "app/hosts.h"
#include "app/users.h"
#include "base/clock.h"
#include "base/encode.h"
#include "component/json.h"
#include "model/account.h"
#include "model/trust_store.h"
#include "model/webhook.h"
#include "trust/import.h"

/* ---- secrets ---- */

/* The file behind {"$file": name}; NULL: there is none, or none that can be read. */
static char *read_reference(struct station *station, const char *name)
{
    const struct secret secret = { .file = (char *)name };
    char *text = NULL;
    struct err err;

    return component_name_ok(str_c(name)) && secret_resolve(station, &secret, &text, &err) == 0 ? text : NULL;
}

static void check_references(struct station *station, const json_t *value, const char *place, struct problems *problems)
{
    const char *file = json_string_value(json_object_get(value, "$file")), *name;
    json_t *member;

    if (file && component_name_ok(str_c(file))) {       /* what is no name is a matter of the property */
        AUTO_SECRET char *text = read_reference(station, file);

        if (text == NULL)
            problems_add(problems, place, "secret.missing",
                         "There is no file \"%.64s\" in the credentials directory, or it cannot be read.", file);
        return;
    }
    json_object_foreach((json_t *)value, name, member) {
        AUTO_FREE char *inner = json_is_object(member) ? component_pointer(place, name) : NULL;

        if (inner)
            check_references(station, member, inner, problems);
    }
}

/* "passwordSet": true keeps a secret that is here; where there is none, the document alone is not enough. */
static void check_kept(const json_t *item, const json_t *made, const char *place, struct problems *problems)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)item, name, value) {
        AUTO_FREE char *inner = component_pointer(place, name);
        const json_t *now = json_object_get(made, name);

        if (json_is_object(value) && json_is_object(now))
            check_kept(value, now, inner, problems);
        else if (strlen(name) > 3 && strcmp(name + strlen(name) - 3, "Set") == 0 && json_is_true(value) && json_is_false(now))
            problems_add(problems, inner, "secret.missing", "There is no %.*s here that could be kept: give it, or false.",
                         (int)strlen(name) - 3, name);
    }
}

static int secret_last_word(struct config_request *request, const struct entry *before, void *component, struct problems *problems,
                            struct err *err)
{
    const struct component_type *type = before ? before->type : request->type;
    json_t *made;

    (void)err;
    if (component == NULL || type == NULL)
        return 0;
    /* One that is made here nobody would ever learn. */
    if (type == &webhook_type && json_object_get(request->document, "secret") == NULL && before == NULL)
        problems_add(problems, "/secret", "property.required", "Give the new webhook a secret: whsec_ and base64, or a $file.");
    made = json_object();
    component_to_json(type, component, VIEW_CONFIG, made);
    check_kept(request->document, made, "", problems);
    json_decref(made);
    return 0;
}

void document_secret_request(struct config_request *request, json_t *item, const char *place, struct document_apply *apply)
{
    const char *type = json_string_value(json_object_get(item, "type"));

    if (request->type == NULL && type)
        request->type = account_type_named(type);
    request->last_word = secret_last_word;
    check_references(apply->station, item, place, &apply->batch.problems);
}

/* ---- users ---- */

void document_user_request(struct config_request *request, json_t *item, const char *place, struct document_apply *apply)
{
    json_t *value = json_object_get(item, "password");
    const char *file = json_string_value(json_object_get(value, "$file"));
    AUTO_FREE char *at = mem_printf("%s/password", place);
    AUTO_SECRET char *password = NULL;

    if (json_is_string(value)) {
        password = mem_strdup(json_string_value(value));
        mem_wipe((char *)json_string_value(value), json_string_length(value));
    } else if (file && json_object_size(value) == 1) {
        password = read_reference(apply->station, file);
        if (password == NULL)
            problems_add(&apply->batch.problems, at, "secret.missing",
                         "There is no file \"%.64s\" in the credentials directory, or it cannot be read.", file);
    } else if (value) {
        problems_add(&apply->batch.problems, at, "property.type", "password must be a string, or {\"$file\": \"name\"}.");
    }
    json_object_del(item, "password");
    /* A document that will be refused costs no hash, and what misses one is no news. */
    users_write_prepare(apply->station, request, apply->batch.problems.count ? NULL : TAKE(password));
    if (apply->batch.problems.count)
        request->last_word = NULL;
}

/* ---- trust ---- */

static void check_members(const json_t *item, const struct section *section, struct problems *problems)
{
    json_t *schema = section->schema();
    const json_t *known = json_object_get(schema, "properties");
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)item, name, value) {
        AUTO_FREE char *pointer = component_pointer("", name);

        if (json_object_get(known, name) == NULL)
            problems_add(problems, pointer, "property.unknown", "\"%.64s\" is not known here.", name);
    }
    json_decref(schema);
}

static const struct section *section_of(const struct component_type *type)
{
    const struct section *section = document_sections;

    while (section->type != type)
        section++;
    return section;
}

static void take_certificate(struct user_ca *ca, const char *id, const json_t *value, struct problems *problems)
{
    AUTO(trust_import) import = NULL;
    struct err err;
    char sum[65];

    if (!json_is_string(value)) {
        problems_add(problems, "/certificate", value ? "property.type" : "property.required", "certificate must be one CA's in PEM.");
    } else if (trust_import_parse(&import, str_c(json_string_value(value)), TRUST_FORMAT_PEM, clock_now(), &err) < 0 ||
               trust_import_require_cas(import, &err) < 0) {
        problems_add(problems, "/certificate", err.id, "%s", err.text);
    } else if (import->count != 1) {
        problems_add(problems, "/certificate", "certificate.count", "certificate must be one certificate, not %zu.", import->count);
    } else if (strcmp(hex_encode(import->items[0].cert->sha256, 32, sum), id) != 0) {
        problems_add(problems, "/id", "id.fixed", "id must be the certificate's SHA-256, which is %s.", sum);
    } else {
        json_decref(ca->certificate);
        ca->certificate = hosts_entry_cert_json(import->items[0].cert);
    }
}

static int make_ca(struct config_request *request, const struct entry *before, void **component, struct problems *problems,
                   struct err *err)
{
    struct user_ca *ca = before ? component_copy(&user_ca_type, before->component) : component_new(&user_ca_type);
    const json_t *certificate = json_object_get(request->document, "certificate");
    const json_t *names = json_object_get(request->document, "names");
    json_t *patch = json_object();

    (void)err;
    *component = ca;
    check_members(request->document, section_of(&user_ca_type), problems);
    if (certificate || before == NULL)
        take_certificate(ca, request->name, certificate, problems);
    json_object_set(patch, "names", names ? (json_t *)names : json_null());
    component_patch(&user_ca_type, ca, patch, problems);
    json_decref(patch);
    if (before)
        return problems->count || !json_equal(ca->names, ((const struct user_ca *)before->component)->names);
    free(ca->added_by);
    ca->added_by = mem_strdup(request->actor.name);
    ca->added_at = clock_now();
    return 1;
}

void document_ca_request(struct config_request *request, json_t *item, const char *place, struct document_apply *apply)
{
    (void)item;
    (void)place;
    (void)apply;
    request->make = make_ca;
}

/* What stands is no decision again: limits that came since do not hold for it, and a key that changed since stays a question. */
static bool stands(const struct entry *before, const json_t *item)
{
    json_t *now = before ? hosts_entry_decision(before->name, before->component, clock_now()) : NULL;
    bool same = now && json_equal(now, item);

    json_decref(now);
    return same;
}

static int make_host(struct config_request *request, const struct entry *before, void **component, struct problems *problems,
                     struct err *err)
{
    struct allowed_host *host;
    int changed;

    if (stands(before, request->document))
        return 0;
    host = before ? component_copy(&allowed_host_type, before->component) : NULL;
    changed = hosts_entry_put(&host, request->name, request->document, hosts_days_max(request->station), request->actor.name,
                              clock_now(), problems, err);
    *component = host;
    if (changed > 0 && before) {
        json_t *decision = hosts_entry_decision(request->name, host, clock_now());

        changed = !stands(before, decision);
        json_decref(decision);
    }
    return changed;
}

void document_host_request(struct config_request *request, json_t *item, const char *place, struct document_apply *apply)
{
    (void)item;
    (void)place;
    (void)apply;
    request->make = make_host;
}
