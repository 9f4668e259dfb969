/* SPDX-License-Identifier: Apache-2.0 */
#include "app/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/audit.h"
#include "app/hosts_entry.h"
#include "app/https.h"
#include "app/users_private.h"
#include "base/clock.h"
#include "base/encode.h"
#include "jobs/jobs.h"
#include "model/services.h"
#include "model/trust_store.h"
#include "store/store.h"
#include "tls/own_key.h"
#include "trust/bundle.h"
#include "trust/import.h"
#include "trust/reason.h"

#define KEYS_MAX 200
#define DAYS_PRESET 825                 /* the longest that every browser takes */
#define PEM_MAX ((size_t)64 * 1024)
#define BUNDLE_MAX ((size_t)1024 * 1024)

/* ---- who uses it ---- */

/* Without a key that is named, HTTPS has its own. */
static bool web_service_uses(struct station *station, const char *name)
{
    AUTO(entry) entry = registry_get(station->services, web_service_type.name);
    const struct web_service *web = entry->component;

    return strcmp(*web->https_key ? web->https_key : HTTPS_OWN, name) == 0;
}

json_t *keys_users(struct station *station, const char *name)
{
    json_t *users = json_array();

    if (web_service_uses(station, name))
        json_array_append_new(users, json_string(web_service_type.name));
    return users;
}

json_t *keys_days_left(const struct entry *entry)
{
    const struct key_pair *pair = entry->component;
    const char *until = json_string_value(json_object_get(pair->certificate, "notAfter"));
    int64_t at, left;

    if (until == NULL || !clock_parse(str_c(until), &at))
        return json_null();
    left = at - clock_now();
    return json_integer(left / DAYS(1) - (left < 0 && left % DAYS(1) != 0));
}

int keys_may_delete(struct config_request *request, const struct entry *before, void *component, struct problems *problems,
                    struct err *err)
{
    (void)component, (void)problems;
    if (!web_service_uses(request->extra, before->name))
        return 0;
    return err_id(err, ERR_CONFLICT, "key.inUse", NULL,
                  "The key pair \"%s\" is in use by the WebService, for HTTPS. Choose another httpsKey there first.", before->name);
}

/* ---- what a document says of the subject ---- */

struct wish {
    const char **names;                 /* of the document's strings */
    struct own_subject subject;
};

static const char *text_of(const json_t *document, const char *name, struct problems *problems)
{
    const json_t *value = json_object_get(document, name);

    if (value && !json_is_string(value)) {
        AUTO_FREE char *pointer = mem_printf("/%s", name);

        problems_add(problems, pointer, "property.type", "%s must be a string.", name);
    }
    return json_string_value(value);
}

static void read_sans(struct wish *wish, const json_t *sans, struct problems *problems)
{
    const json_t *san;
    size_t i;

    if (sans && !json_is_array(sans))
        problems_add(problems, "/sans", "property.type", "sans must be a list of strings.");
    wish->names = mem_array(json_array_size(sans) + 1, sizeof(*wish->names));
    json_array_foreach(sans, i, san) {
        AUTO_FREE char *pointer = mem_printf("/sans/%zu", i);

        if (json_is_string(san))
            wish->names[wish->subject.count++] = json_string_value(san);
        else
            problems_add(problems, pointer, "property.type", "A name must be a string.");
    }
    wish->subject.names = wish->names;
}

/* The caller frees wish->names. */
static void read_wish(struct wish *wish, const json_t *document, const json_t *sans, struct problems *problems)
{
    *wish = (struct wish){ .subject = { .dn = text_of(document, "subject", problems),
                                        .common_name = text_of(document, "commonName", problems) } };
    if (wish->subject.dn && wish->subject.common_name)
        problems_add(problems, "/commonName", "property.exclusive", "Give subject or commonName.");
    read_sans(wish, sans, problems);
}

/* A common name that is a host's is one of its names too: verifiers look nowhere else. */
static void complete_names(struct wish *wish)
{
    const struct own_subject host = { .names = &wish->subject.common_name, .count = 1 };
    struct err err;

    if (wish->subject.count == 0 && wish->subject.common_name && own_subject_check(&host, &err) == 0)
        wish->names[wish->subject.count++] = wish->subject.common_name;
}

/* ---- making a key pair, where passwords are hashed ---- */

static struct key_pair *pair_new(const char *chain_pem, const char *key_pem, json_t *certificate)
{
    struct key_pair *pair = component_new(&key_pair_type);

    json_decref(pair->certificate);
    pair->certificate = certificate;
    users_set_text(&pair->chain, chain_pem);
    pair->private_key.value = mem_strdup(key_pem);
    pair->created_at = clock_now();
    return pair;
}

static int make(struct keys_write *write, const struct wish *wish, enum own_key_type type, int days, struct err *err)
{
    AUTO_BUF(cert, PEM_MAX);
    struct buf key;
    int rc;

    buf_init_secret(&key, PEM_MAX);
    rc = own_key_make(type, &wish->subject, days, &cert, &key, err);
    if (rc == 0)
        write->made = pair_new(cert.p, key.p, https_facts_of(cert.p));
    buf_free(&key);
    return rc;
}

static int generate(struct keys_write *write, struct problems *problems, struct err *err)
{
    const json_t *type_word = json_object_get(write->document, "keyType"), *days = json_object_get(write->document, "days");
    enum own_key_type type = OWN_ECDSA_P256;
    struct wish wish;
    int rc = -1;

    read_wish(&wish, write->document, json_object_get(write->document, "sans"), problems);
    if (!json_is_string(type_word) || !own_key_type_from(str_c(json_string_value(type_word)), &type))
        problems_add(problems, "/keyType", type_word ? "property.choice" : "property.required",
                     "keyType must be ecdsa-p256, rsa-3072 or ed25519.");
    if (days && (!json_is_integer(days) || json_integer_value(days) < 1 || json_integer_value(days) > OWN_DAYS_MAX))
        problems_add(problems, "/days", "property.range", "days must be from 1 to %d.", OWN_DAYS_MAX);
    complete_names(&wish);
    if (problems->count == 0 && own_subject_check(&wish.subject, err) < 0)
        problems_add(problems, err->at, err->id, "%s", err->text);
    if (problems->count == 0)
        rc = make(write, &wish, type, days ? (int)json_integer_value(days) : DAYS_PRESET, err);
    free(wish.names);
    return rc;
}

static void warn(struct keys_write *write, const struct bundle *bundle)
{
    const char *words[REASON_COUNT];
    size_t count = trust_reason_words(bundle->warnings, words);

    for (size_t i = 0; i < count; i++) {
        const struct trust_reason_info *info = trust_reason_of(trust_reason_from(str_c(words[i])));

        json_array_append_new(write->warnings, json_pack("{s:s, s:o, s:o}", "pointer", "", "code",
                                                         json_sprintf("certificate.%s", words[i]), "detail",
                                                         json_sprintf("A certificate of the chain %s; it is taken all the same.",
                                                                      info->clause)));
    }
    if (bundle->left_out)
        json_array_append_new(write->warnings,
                              json_pack("{s:s, s:s, s:o}", "pointer", "", "code", "certificate.unrelated", "detail",
                                        json_sprintf("%d of the certificates are no part of the chain and were left out.",
                                                     (int)bundle->left_out)));
}

static int read_pkcs12(struct keys_write *write, struct bundle **ret, struct err *err)
{
    struct buf der;
    int rc;

    buf_init_secret(&der, strlen(write->pkcs12) + 4);
    rc = base64_decode(str_c(write->pkcs12), &der) < 0
        ? err_id(err, ERR_INVALID, "import.format", "/pkcs12", "pkcs12 must be the file in base64.")
        : bundle_read_pkcs12(ret, buf_str(&der), write->passphrase, clock_now(), err);
    buf_free(&der);
    return rc;
}

/* The key that is here already; whether it still is, keys_put looks again. */
static int read_for(struct keys_write *write, struct bundle **ret, struct err *err)
{
    AUTO(entry) entry = registry_get(write->station->key_pairs, write->config->name);

    if (entry == NULL)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no \"%.64s\" here.", write->config->name);
    return bundle_read_chain(ret, str_c(write->pem), ((const struct key_pair *)entry->component)->private_key.value, clock_now(), err);
}

static int read_upload(struct keys_write *write, struct err *err)
{
    AUTO(bundle) bundle = NULL;
    int rc;

    if (write->op == KEYS_CERTIFICATE)
        rc = read_for(write, &bundle, err);
    else
        rc = write->pkcs12 ? read_pkcs12(write, &bundle, err)
                           : bundle_read_pem(&bundle, str_c(write->pem), write->passphrase, clock_now(), err);
    if (rc < 0) {
        if (err->code != ERR_NOT_FOUND && err->at[0] == '\0')
            snprintf(err->at, sizeof(err->at), "%s", write->pkcs12 ? "/pkcs12" : "/pem");
        return -1;
    }
    warn(write, bundle);
    write->made = pair_new(bundle->chain_pem, bundle->key_pem, hosts_entry_cert_json(bundle->chain->items[0].cert));
    return 0;
}

/* ---- into the store ---- */

/* One is ours, the other the path of an import. */
static int check_reserved(const char *name, struct err *err)
{
    if (strcmp(name, "import") == 0)
        return err_id(err, ERR_INVALID, "name.reserved", "/name", "\"import\" can't be the name of a key pair.");
    if (strcmp(name, HTTPS_OWN) != 0)
        return 0;
    return err_id(err, ERR_CONFLICT, "key.selfMade", "/name",
                  "\"%s\" is the key pair that Postern makes and renews by itself for HTTPS; choose another name.", name);
}

static void take(struct key_pair *pair, const struct key_pair *made)
{
    json_decref(pair->certificate);
    pair->certificate = json_incref(made->certificate);
    users_set_text(&pair->chain, made->chain);
}

/* config_request.last_word, on the writer thread. */
static int put(struct config_request *request, const struct entry *before, void *component, struct problems *problems, struct err *err)
{
    struct keys_write *write = request->extra;
    struct key_pair *pair = component;

    if (check_reserved(request->name, err) < 0)
        return -1;
    if (before) {
        take(pair, write->made);
        return bundle_check(pair->private_key.value, pair->chain, err);
    }
    if (registry_count(write->station->key_pairs) >= KEYS_MAX)
        problems_add(problems, "", "key.tooMany", "There are %d key pairs already, and can't be more.", KEYS_MAX);
    take(pair, write->made);
    pair->private_key.value = mem_strdup(write->made->private_key.value);
    pair->created_at = write->made->created_at;
    return 0;
}

static void finish(struct keys_write *write, const struct config_result *result)
{
    write->done(write, result);
    if (write->made)
        component_free(&key_pair_type, write->made);
    json_decref((json_t *)write->config->document);
    free((char *)write->config->name);
    free(write->config);
    json_decref(write->document);
    json_decref(write->warnings);
    mem_free_secret(write->pem);
    mem_free_secret(write->pkcs12);
    mem_free_secret(write->passphrase);
    free(write);
}

static void stored(struct config_request *request, struct config_result *result)
{
    finish(request->extra, result);
}

static void prepare(void *ctx)
{
    struct keys_write *write = ctx;
    struct config_result result = { .outcome = CONFIG_FAILED };
    int rc = write->op == KEYS_GENERATE ? generate(write, &result.problems, &result.err) : read_upload(write, &result.err);

    if (rc == 0) {
        config_write(write->station, write->config);
    } else {
        if (result.problems.count)
            result.err.code = ERR_INVALID;
        finish(write, &result);
    }
    config_result_clear(&result);
}

void keys_write(struct keys_write *write)
{
    write->config->type = &key_pair_type;
    write->config->registry = write->station->key_pairs;
    write->config->last_word = put;
    write->config->extra = write;
    write->config->done = stored;
    write->warnings = json_array();
    jobs_submit(write->station->hashing, prepare, write);
}

/* ---- requests ---- */

static bool is_plain(const char *san)
{
    const struct own_subject one = { .names = &san, .count = 1 };
    struct err err;

    return own_subject_check(&one, &err) == 0;
}

/* Names of the certificate that a request can carry: a URI, for one, is not asked for again. */
static json_t *present_names(const struct key_pair *pair)
{
    const json_t *sans = json_object_get(pair->certificate, "sans"), *san;
    json_t *names = json_array();
    size_t i;

    json_array_foreach(sans, i, san)
        if (is_plain(json_string_value(san)))
            json_array_append(names, (json_t *)san);
    return names;
}

static const char *subject_of(const struct key_pair *pair)
{
    const char *subject = json_string_value(json_object_get(pair->certificate, "subject"));

    return subject && *subject ? subject : NULL;
}

int keys_request(const struct entry *entry, const json_t *document, struct buf *pem, struct err *err)
{
    AUTO_PROBLEMS(problems);
    const struct key_pair *pair = entry->component;
    const json_t *given = json_object_get(document, "sans");
    json_t *sans = given ? json_incref((json_t *)given) : present_names(pair);
    struct wish wish;
    int rc;

    read_wish(&wish, document, sans, &problems);
    if (wish.subject.dn == NULL && wish.subject.common_name == NULL && given == NULL)
        wish.subject.dn = subject_of(pair);
    complete_names(&wish);
    rc = problems.count ? err_id(err, ERR_INVALID, problems.items[0].code, problems.items[0].pointer, "%s", problems.items[0].detail)
                        : own_key_request(pair->private_key.value, &wish.subject, pem, err);
    free(wish.names);
    json_decref(sans);
    return rc;
}

/* ---- export ---- */

static void export_done(void *ctx, const struct err *err)
{
    struct keys_export *request = ctx;

    request->done(request, err);
    buf_free(&request->bundle);
    entry_free(request->entry);
    mem_free_secret(request->passphrase);
    free(request);
}

static int export_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct keys_export *request = ctx;
    AUTO_FREE char *resource = mem_printf("KeyPair/%s", request->entry->name);
    json_t *detail = json_pack("{s:s}", "format", request->pkcs12 ? "pkcs12" : "pem");
    int rc = audit_add(tx, &request->actor, "export", resource, detail, err);

    json_decref(detail);
    return rc;
}

static void export_prepare(void *ctx)
{
    struct keys_export *request = ctx;
    const struct key_pair *pair = request->entry->component;
    int rc;

    buf_init(&request->bundle, BUNDLE_MAX);
    if (request->pkcs12)
        rc = bundle_write_pkcs12(pair->private_key.value, pair->chain, request->entry->name, request->passphrase, &request->bundle,
                                 &request->err);
    else
        rc = bundle_write_pem(pair->private_key.value, pair->chain, request->passphrase, &request->bundle, &request->err);
    if (rc < 0)
        export_done(request, &request->err);
    else
        store_submit(request->station->store, export_run, export_done, request, true);
}

void keys_export(struct keys_export *request)
{
    jobs_submit(request->station->hashing, export_prepare, request);
}
