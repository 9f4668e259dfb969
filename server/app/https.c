/* SPDX-License-Identifier: Apache-2.0 */
#include "app/https.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "app/hosts_entry.h"
#include "app/keys.h"
#include "app/users_private.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/services.h"
#include "store/store.h"
#include "tls/self_signed.h"
#include "trust/bundle.h"
#include "trust/cert.h"
#include "trust/import.h"

#define OWN_DAYS 825                    /* the longest that every browser takes */
#define RENEW_BEFORE DAYS(30)
#define PEM_MAX (64 * 1024)

void https_pair_clear(struct https_pair *pair)
{
    free(pair->cert_pem);
    mem_free_secret(pair->key_pem);
    *pair = (struct https_pair){ 0 };
}

json_t *https_facts_of(const char *pem)
{
    AUTO(trust_import) import = NULL;
    struct err err;

    if (trust_import_parse(&import, str_c(pem), TRUST_FORMAT_PEM, clock_now(), &err) < 0 || import->count == 0)
        return json_null();
    return hosts_entry_cert_json(import->items[0].cert);
}

static bool names_all(const json_t *certificate, const char *const *names, size_t count)
{
    const json_t *sans = json_object_get(certificate, "sans"), *san;

    for (size_t i = 0; i < count; i++) {
        bool found = false;
        size_t at;

        json_array_foreach(sans, at, san)
            found = found || str_eq_nocase(str_c(json_string_value(san)), str_c(names[i]));
        if (!found)
            return false;
    }
    return true;
}

static bool still_good(const struct key_pair *pair, const char *const *names, size_t count)
{
    const char *until = json_string_value(json_object_get(pair->certificate, "notAfter"));
    int64_t at;

    return until && clock_parse(str_c(until), &at) && at > clock_now() + RENEW_BEFORE && names_all(pair->certificate, names, count);
}

static struct key_pair *make_own(const char *const *names, size_t count, struct err *err)
{
    struct key_pair *pair = component_new(&key_pair_type);
    struct buf cert, key;

    buf_init(&cert, PEM_MAX);
    buf_init_secret(&key, PEM_MAX);
    if (tls_self_signed(names, count, OWN_DAYS, &cert, &key, err) == 0) {
        json_decref(pair->certificate);
        pair->certificate = https_facts_of(cert.p);
        users_set_text(&pair->chain, cert.p);
        pair->private_key.value = mem_strdup(key.p);
        pair->created_at = clock_now();
    } else {
        component_free(&key_pair_type, pair);
        pair = NULL;
    }
    buf_free(&cert);
    buf_free(&key);
    return pair;
}

static int put_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct store_stamp stamp = { "postern", clock_now() };

    return store_put(tx, &key_pair_type, HTTPS_OWN, ctx, &stamp, err);
}

/* Held for the caller. */
static struct entry *own_entry(struct station *station, const char *const *names, size_t count, struct err *err)
{
    struct entry *entry = registry_get(station->key_pairs, HTTPS_OWN);
    struct key_pair *pair;

    if (entry && still_good(entry->component, names, count))
        return entry;
    entry_free(entry);
    pair = make_own(names, count, err);
    if (pair == NULL)
        return NULL;
    if (store_write(station->store, put_run, pair, true, err) < 0) {
        component_free(&key_pair_type, pair);
        return NULL;
    }
    entry = entry_new(&key_pair_type, HTTPS_OWN, pair, "postern", clock_now(), station->key);
    entry_free(registry_put(station->key_pairs, entry_hold(entry)));
    log_info("web", "Made a certificate for HTTPS, SHA-256 %s",
             json_string_value(json_object_get(pair->certificate, "sha256")) ?: "unknown");
    return entry;
}

int https_pair_get(struct station *station, const char *const *names, size_t count, struct https_pair *ret, struct err *err)
{
    AUTO(entry) service = registry_get(station->services, web_service_type.name);
    const char *chosen = ((const struct web_service *)service->component)->https_key;
    AUTO(entry) entry = *chosen ? registry_get(station->key_pairs, chosen) : own_entry(station, names, count, err);
    const struct key_pair *pair;

    if (entry == NULL)
        return *chosen ? err_id(err, ERR_NOT_FOUND, "web.httpsKey", "/httpsKey",
                                "The User Key Store has no \"%s\", which the WebService names as its httpsKey.", chosen) : -1;
    pair = entry->component;
    if (*pair->chain == '\0' || pair->private_key.value == NULL)
        return err_id(err, ERR_INVALID, "web.httpsKey", "/httpsKey", "The key pair \"%s\" has no certificate yet.", entry->name);
    *ret = (struct https_pair){ mem_strdup(pair->chain), mem_strdup(pair->private_key.value) };
    return 0;
}

/* ---- how it is ---- */

static pthread_mutex_t note_lock = PTHREAD_MUTEX_INITIALIZER;
static struct err noted;                /* code ERR_NONE: it is shown, or nobody asked for HTTPS */

void https_note(const struct err *err)
{
    pthread_mutex_lock(&note_lock);
    noted = err ? *err : (struct err){ 0 };
    pthread_mutex_unlock(&note_lock);
}

static int check_dates(const struct key_pair *pair, struct err *err)
{
    const char *from = json_string_value(json_object_get(pair->certificate, "notBefore"));
    const char *until = json_string_value(json_object_get(pair->certificate, "notAfter"));
    int64_t at;

    if (from && clock_parse(str_c(from), &at) && at > clock_now())
        return err_id(err, ERR_INVALID, "certificate.not-yet-valid", NULL, "The certificate for HTTPS is not valid before %s.", from);
    if (until && clock_parse(str_c(until), &at) && at < clock_now())
        return err_id(err, ERR_INVALID, "certificate.expired", NULL, "The certificate for HTTPS has expired, on %s.", until);
    return 0;
}

/* Looked at afresh: a certificate runs out without anybody's doing. */
static int check_pair(const struct entry *entry, const char *name, struct err *err)
{
    const struct key_pair *pair = entry ? entry->component : NULL;

    if (pair == NULL)
        return err_id(err, ERR_NOT_FOUND, "web.httpsKey", NULL, "The User Key Store has no \"%s\".", name);
    if (*pair->chain == '\0' || pair->private_key.value == NULL)
        return err_id(err, ERR_INVALID, "web.httpsKey", NULL, "The key pair \"%s\" has no certificate yet.", name);
    if (bundle_check(pair->private_key.value, pair->chain, err) < 0 || check_dates(pair, err) < 0)
        return -1;
    pthread_mutex_lock(&note_lock);
    *err = noted;
    pthread_mutex_unlock(&note_lock);
    return err->code == ERR_NONE ? 0 : -1;
}

json_t *https_status(struct station *station)
{
    AUTO(entry) service = registry_get(station->services, web_service_type.name);
    const char *chosen = ((const struct web_service *)service->component)->https_key, *name = *chosen ? chosen : HTTPS_OWN;
    AUTO(entry) entry = registry_get(station->key_pairs, name);
    json_t *status = json_pack("{s:s, s:s}", "state", "ok", "httpsKey", name);
    struct err err = { 0 };

    if (entry == NULL && *chosen == '\0')        /* made when there is HTTPS to be spoken */
        return status;
    if (check_pair(entry, name, &err) < 0)
        json_object_update_new(status, json_pack("{s:s, s:s, s:s, s:s}", "state", "fault", "code", err.id[0] ? err.id : "web.httpsKey",
                                                 "cause", err.text, "advice", "Give the key pair a valid certificate, or choose another "
                                                 "httpsKey; until then HTTPS shows what it has."));
    if (entry) {
        json_object_set(status, "notAfter", json_object_get(((const struct key_pair *)entry->component)->certificate, "notAfter"));
        json_object_set_new(status, "daysLeft", keys_days_left(entry));
    }
    return status;
}
