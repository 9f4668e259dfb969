/* SPDX-License-Identifier: Apache-2.0 */
/* /trust/keys: the User Key Store. Private keys come in, and go out encrypted only. DESIGN 4. */
#include "app/keys.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "component/json.h"
#include "model/trust_store.h"

/* ---- reading ---- */

/* The private key is in no view of it. */
static json_t *key_json(struct http_call *call, const struct entry *entry)
{
    json_t *json = json_object();

    json_object_set_new(json, "id", json_string(entry->name));
    component_to_json(entry->type, entry->component, VIEW_STATUS, json);
    json_object_set_new(json, "chain", json_string(((const struct key_pair *)entry->component)->chain));
    json_object_set_new(json, "usedBy", keys_users(api_station(call), entry->name));
    json_object_set_new(json, "daysLeft", keys_days_left(entry));
    return json;
}

static void key_list(struct http_call *call)
{
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_list(call, api_station(call)->key_pairs, key_json);
}

static struct entry *find_key(struct http_call *call)
{
    const char *name = http_param(call, "name");
    struct entry *entry = registry_get(api_station(call)->key_pairs, name);

    if (entry == NULL)
        api_answer_not_found(call, "key pair", name);
    return entry;
}

/* usedBy and daysLeft move without the ETag, so nobody is told that it is as it was. */
static void key_get(struct http_call *call)
{
    AUTO(entry) entry = find_key(call);

    if (entry == NULL)
        return;
    api_add_etag(call, entry_etag(entry));
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 200, key_json(call, entry));
}

/* ---- writing ---- */

static void answer_plan(struct keys_write *write, const struct config_result *result)
{
    json_t *plan = config_plan(write->config, result);

    if (json_array_size(write->warnings))
        json_object_set(plan, "warnings", write->warnings);
    api_answer_json(write->config->ctx, 200, plan);
}

static void write_done(struct keys_write *write, const struct config_result *result)
{
    struct http_call *call = write->config->ctx;
    bool created = result->outcome == CONFIG_CREATED;
    json_t *json;

    if (result->outcome == CONFIG_FAILED) {
        api_answer_write(call, write->config, result);
        return;
    }
    if (write->config->dry_run) {
        answer_plan(write, result);
        return;
    }
    json = key_json(call, result->after);
    if (json_array_size(write->warnings))
        json_object_set(json, "warnings", write->warnings);
    if (created) {
        AUTO_FREE char *location = mem_printf("/api/v1/trust/keys/%s", result->after->name);

        http_add_header(call, "Location", location);
    }
    http_add_header(call, "Cache-Control", "no-store");
    api_add_etag(call, entry_etag(result->after));
    api_answer_json(call, created ? 201 : 200, json);
}

/* `name` is copied, `document` taken. */
static struct keys_write *write_new(struct http_call *call, enum keys_op op, const char *name, json_t *document)
{
    struct keys_write *write = mem_alloc(sizeof(*write));
    char *own = mem_strdup(name);

    write->station = api_station(call);
    write->op = op;
    write->document = document;
    write->config = api_config_request(call, op == KEYS_CERTIFICATE ? CONFIG_PATCH : CONFIG_CREATE, NULL, own,
                                       json_pack("{s:s}", "name", own));
    write->done = write_done;
    return write;
}

/* NULL: missing, and among the problems. */
static const char *name_of(const json_t *document, struct problems *problems)
{
    const char *name = json_string_value(json_object_get(document, "name"));

    if (name == NULL)
        problems_add(problems, "/name", "property.required", "Give the key pair a name: 1 to 64 of A-Z a-z 0-9 _ - .");
    return name;
}

static void key_generate(struct http_call *call)
{
    AUTO_PROBLEMS(problems);
    json_t *document;
    const char *name;

    if (api_json_body(call, &document) < 0)
        return;
    api_check_members(document, "name keyType subject commonName sans days", &problems);
    name = name_of(document, &problems);
    if (problems.count) {
        api_answer_problems(call, &problems);
        json_decref(document);
        return;
    }
    keys_write(write_new(call, KEYS_GENERATE, name, document));
}

static void key_import(struct http_call *call)
{
    AUTO_PROBLEMS(problems);
    AUTO_SECRET char *pem = NULL;
    AUTO_SECRET char *pkcs12 = NULL;
    AUTO_SECRET char *passphrase = NULL;
    struct keys_write *write;
    json_t *document;
    const char *name;

    if (api_json_body(call, &document) < 0)
        return;
    pem = api_take_secret(document, "pem", false, &problems);
    pkcs12 = api_take_secret(document, "pkcs12", false, &problems);
    passphrase = api_take_secret(document, "passphrase", false, &problems);
    api_check_members(document, "name", &problems);
    name = name_of(document, &problems);
    if ((pem == NULL) == (pkcs12 == NULL))
        problems_add(&problems, "/pem", "property.required", "Give pem, or pkcs12 in base64.");
    if (problems.count) {
        api_answer_problems(call, &problems);
        json_decref(document);
        return;
    }
    write = write_new(call, KEYS_IMPORT, name, document);
    write->pem = TAKE(pem);
    write->pkcs12 = TAKE(pkcs12);
    write->passphrase = TAKE(passphrase);
    keys_write(write);
}

/* {"pem": …}, or the PEM itself; the caller's. NULL: answered. */
static char *certificate_of(struct http_call *call)
{
    AUTO_PROBLEMS(problems);
    const char *type = http_header(call, "Content-Type");
    struct str body = http_body(call);
    AUTO_SECRET char *pem = NULL;
    json_t *document;

    if (type && strncmp(type, "application/x-pem-file", strlen("application/x-pem-file")) == 0) {
        if (memchr(body.p, '\0', body.len) == NULL)
            return str_dup(body);
        api_answer_problem_at(call, "", "import.format", "This is not a PEM text.");
        return NULL;
    }
    if (api_json_body(call, &document) < 0)
        return NULL;
    pem = api_take_secret(document, "pem", true, &problems);
    api_check_members(document, "", &problems);
    json_decref(document);
    if (problems.count) {
        api_answer_problems(call, &problems);
        return NULL;
    }
    return TAKE(pem);
}

static void key_certificate(struct http_call *call)
{
    char *pem = certificate_of(call);
    struct keys_write *write;

    if (pem == NULL)
        return;
    write = write_new(call, KEYS_CERTIFICATE, http_param(call, "name"), NULL);
    write->pem = pem;
    keys_write(write);
}

static void key_delete(struct http_call *call)
{
    struct config_request *request = api_config_request(call, CONFIG_DELETE, api_station(call)->key_pairs, http_param(call, "name"), NULL);

    request->last_word = keys_may_delete;
    request->extra = api_station(call);
    config_write(api_station(call), request);
}

/* ---- actions ---- */

static void key_request(struct http_call *call)
{
    AUTO_PROBLEMS(problems);
    AUTO(entry) entry = find_key(call);
    AUTO_BUF(pem, 256 * 1024);
    json_t *document = NULL;
    struct err err;
    int rc;

    if (entry == NULL || (http_body(call).len && api_json_body(call, &document) < 0))
        return;
    if (document)
        api_check_members(document, "subject commonName sans", &problems);
    if (problems.count) {
        json_decref(document);
        api_answer_problems(call, &problems);
        return;
    }
    rc = keys_request(entry, document, &pem, &err);
    json_decref(document);
    if (rc < 0) {
        http_answer_err(call, &err);
        return;
    }
    api_audit(call, "request", "KeyPair", entry->name);
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 200, json_pack("{s:s}", "pem", pem.p));
}

static void export_done(struct keys_export *request, const struct err *err)
{
    struct http_call *call = request->ctx;
    AUTO_FREE char *disposition = mem_printf("attachment; filename=\"%s.%s\"", request->entry->name, request->pkcs12 ? "p12" : "pem");

    if (err) {
        http_answer_err(call, err);
        return;
    }
    http_add_header(call, "Content-Disposition", disposition);
    http_add_header(call, "Cache-Control", "no-store");
    http_answer(call, 200, request->pkcs12 ? "application/x-pkcs12" : "application/x-pem-file", buf_str(&request->bundle));
}

static size_t characters(const char *text)
{
    size_t count = 0;

    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void check_passphrase(const char *passphrase, struct problems *problems)
{
    if (passphrase && characters(passphrase) < KEYS_PASSPHRASE_MIN)
        problems_add(problems, "/passphrase", "passphrase.short", "The passphrase has at least %d characters.", KEYS_PASSPHRASE_MIN);
    else if (passphrase && (strlen(passphrase) > KEYS_PASSPHRASE_MAX || str_has_control(str_c(passphrase))))
        problems_add(problems, "/passphrase", "passphrase.format", "The passphrase is one line of at most %d bytes.", KEYS_PASSPHRASE_MAX);
}

static void key_export(struct http_call *call)
{
    AUTO_PROBLEMS(problems);
    AUTO(entry) entry = find_key(call);
    AUTO_SECRET char *passphrase = NULL;
    struct keys_export *request;
    json_t *document;
    const char *format;
    bool pkcs12;

    if (entry == NULL || api_json_body(call, &document) < 0)
        return;
    passphrase = api_take_secret(document, "passphrase", true, &problems);
    check_passphrase(passphrase, &problems);
    api_check_members(document, "format", &problems);
    format = json_string_value(json_object_get(document, "format"));
    pkcs12 = format == NULL || strcmp(format, "pkcs12") == 0;
    if (json_object_get(document, "format") && (format == NULL || (!pkcs12 && strcmp(format, "pem") != 0)))
        problems_add(&problems, "/format", "property.choice", "format must be pkcs12 or pem.");
    json_decref(document);
    if (problems.count) {
        api_answer_problems(call, &problems);
        return;
    }
    request = mem_alloc(sizeof(*request));
    request->station = api_station(call);
    request->entry = TAKE(entry);
    request->pkcs12 = pkcs12;
    request->passphrase = TAKE(passphrase);
    request->actor = api_actor(call);
    request->done = export_done;
    request->ctx = call;
    keys_export(request);
}

#define PATH "/api/v1/trust/keys"
#define LARGE (10 * 1024 * 1024)

const struct http_route key_routes[] = {
    { HTTP_GET, PATH, ROLE_VIEWER, key_list, .summary = "List the User Key Store", .query = "limit cursor", .answer = "KeyPairList" },
    { HTTP_POST, PATH, ROLE_ADMIN, key_generate, .summary = "Make a key pair with a certificate that it signs itself",
      .query = "dryRun?", .request = "NewKeyPair", .answer = "201 KeyPair" },
    { HTTP_POST, PATH "/import", ROLE_ADMIN, key_import, .body_max = LARGE,
      .summary = "Import a key pair with its chain: PEM, or PKCS#12 in base64", .query = "dryRun?", .request = "KeyPairImport",
      .answer = "201 KeyPair" },
    { HTTP_GET, PATH "/{name}", ROLE_VIEWER, key_get, .summary = "Read a key pair: its certificate, who uses it, how long it lasts",
      .answer = "KeyPair" },
    { HTTP_DELETE, PATH "/{name}", ROLE_ADMIN, key_delete, .summary = "Delete a key pair that nothing uses", .query = "dryRun?",
      .answer = "204" },
    { HTTP_PUT, PATH "/{name}/certificate", ROLE_ADMIN, key_certificate, .body_max = LARGE,
      .media = "application/json application/x-pem-file", .summary = "Give a key pair the certificate that a CA made for it",
      .query = "dryRun?", .request = "KeyPairCertificate", .answer = "KeyPair" },
    { HTTP_POST, PATH "/{name}/actions/request", ROLE_ADMIN, key_request, .summary = "Make a certificate request (PKCS#10) for a CA",
      .request = "KeyPairSubject?", .answer = "CertificateRequest" },
    { HTTP_POST, PATH "/{name}/actions/export", ROLE_ADMIN, key_export, .summary = "Export a key pair, encrypted with a passphrase",
      .request = "KeyPairExport", .answer = "200 application/x-pkcs12, 200 application/x-pem-file" },
    { 0 }
};
