/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/events.h"
#include "app/hosts.h"
#include "app/hosts_entry.h"
#include "base/clock.h"
#include "base/encode.h"
#include "component/json.h"
#include "jobs/jobs.h"
#include "model/trust_store.h"
#include "store/store.h"
#include "trust/import.h"

/* ---- the present CAs, and the present ones with a change, as trust/ wants them ---- */

struct ca_list {
    struct trust_ca *cas;
    struct tls_cert *ders;
    size_t count;
};

static void list_add(struct ca_list *list, const struct user_ca *ca)
{
    size_t count = json_array_size(ca->names);
    const char **names = mem_array(count + 1, sizeof(*names));
    struct tls_cert der;

    hosts_entry_der(ca->certificate, &der);
    for (size_t i = 0; i < count; i++)
        names[i] = json_string_value(json_array_get(ca->names, i));
    list->cas = mem_resize(list->cas, (list->count + 1) * sizeof(*list->cas));
    list->ders = mem_resize(list->ders, (list->count + 1) * sizeof(*list->ders));
    list->ders[list->count] = der;
    list->cas[list->count++] = (struct trust_ca){ str_n(der.der, der.len), names };
}

static void list_clear(struct ca_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->ders[i].der);
        free((void *)list->cas[i].names);
    }
    free(list->cas);
    free(list->ders);
}

struct collect {
    struct ca_list *list;
    const char *without;
};

static void collect_one(struct entry *entry, void *ctx)
{
    const struct collect *collect = ctx;

    if (collect->without == NULL || strcmp(entry->name, collect->without) != 0)
        list_add(collect->list, entry->component);
}

int hosts_load_cas(struct station *station, struct err *err)
{
    struct ca_list list = { 0 };
    struct collect collect = { &list, NULL };
    int rc;

    registry_each(station->user_cas, collect_one, &collect);
    rc = trust_set_user(hosts_trust(station->hosts), list.cas, list.count, err);
    list_clear(&list);
    return rc;
}

/* ---- import ---- */

struct importing {
    struct cas_import *import;
    struct trust_import *parsed;
    json_t *names;
    struct entry **fresh;               /* one for each certificate that is new */
    size_t fresh_count;
};

static int parse_names(const char *text, json_t **ret, struct err *err)
{
    struct str rest = str_c(text), part;

    *ret = json_array();
    while (text && *text && str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.len == 0 || part.len > 253 || str_has_control(part))
            return err_id(err, ERR_INVALID, "names.format", "names", "names is a list of host suffixes separated by commas.");
        json_array_append_new(*ret, json_stringn(part.p, part.len));
    }
    return 0;
}

static void warn(struct cas_import *import, const struct trust_import_item *item, const char *id)
{
    const char *words[REASON_COUNT];
    size_t count = trust_reason_words(item->warnings, words);

    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *code = mem_printf("certificate.%s", words[i]);
        const struct trust_reason_info *info = trust_reason_of(trust_reason_from(str_c(words[i])));

        json_array_append_new(import->warnings, json_pack("{s:s, s:s, s:o}", "code", code, "pointer", "", "detail",
                                                          json_sprintf("Certificate %zu (%.16s…) %s; it is taken all the same.",
                                                                       item->position, id, info->clause)));
    }
}

static void take_item(struct importing *importing, const struct trust_import_item *item)
{
    struct cas_import *import = importing->import;
    char id[65];
    AUTO(entry) there = registry_get(import->station->user_cas, hex_encode(item->cert->sha256, 32, id));
    json_t *shown;

    for (size_t i = 0; i < importing->fresh_count; i++)
        if (strcmp(importing->fresh[i]->name, id) == 0)
            return;                     /* twice in one file */

    warn(import, item, id);
    shown = json_pack("{s:s, s:o, s:O, s:b}", "id", id, "certificate", hosts_entry_cert_json(item->cert), "names",
                      there ? ((const struct user_ca *)there->component)->names : importing->names, "new", there == NULL);
    json_array_append_new(import->items, shown);
    if (there)
        return;
    struct user_ca *ca = component_new(&user_ca_type);

    json_decref(ca->names);
    ca->names = json_deep_copy(importing->names);
    ca->certificate = hosts_entry_cert_json(item->cert);
    free(ca->added_by);
    ca->added_by = mem_strdup(import->actor.name);
    ca->added_at = clock_now();
    importing->fresh[importing->fresh_count++] = entry_new(&user_ca_type, id, ca, import->actor.name, ca->added_at,
                                                           import->station->key);
    import->added++;
}

static void work_out_impact(struct importing *importing)
{
    struct ca_list list = { 0 };
    struct collect collect = { &list, NULL };

    registry_each(importing->import->station->user_cas, collect_one, &collect);
    for (size_t i = 0; i < importing->fresh_count; i++)
        list_add(&list, importing->fresh[i]->component);
    importing->import->impact = hosts_impact(importing->import->station, list.cas, list.count);
    list_clear(&list);
}

/* On a worker: ten megabytes of certificates would keep the writer from everything else. */
static int read_upload(struct importing *importing, struct err *err)
{
    struct cas_import *import = importing->import;
    enum trust_format format = TRUST_FORMAT_AUTO;

    if (import->media_type) {
        struct str rest = str_c(import->media_type), type;

        str_split(&rest, ';', &type);
        trust_format_from_media_type(str_trim(type), &format);
    }
    if (parse_names(import->names, &importing->names, err) < 0 ||
        trust_import_parse(&importing->parsed, import->bytes, format, clock_now(), err) < 0)
        return -1;
    return trust_import_require_cas(importing->parsed, err);
}

static void take_items(struct importing *importing)
{
    importing->fresh = mem_array(importing->parsed->count, sizeof(*importing->fresh));
    for (size_t i = 0; i < importing->parsed->count; i++)
        take_item(importing, &importing->parsed->items[i]);
}

static int import_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct importing *importing = ctx;
    struct cas_import *import = importing->import;

    take_items(importing);
    for (size_t i = 0; i < importing->fresh_count; i++) {
        struct entry *entry = importing->fresh[i];
        struct store_stamp stamp = { import->actor.name, entry->changed_at };
        AUTO_FREE char *resource = mem_printf("UserCa/%s", entry->name);
        struct store_audit audit = { .at = entry->changed_at, .who = import->actor.name, .address = import->actor.address,
                                     .action = "import", .resource = resource };

        if (store_put(tx, &user_ca_type, entry->name, entry->component, &stamp, err) < 0 || store_audit_add(tx, &audit, err) < 0 ||
            events_add_component(tx, &user_ca_type, "created", entry->name, NULL, err) < 0)
            return -1;
    }
    return 0;
}

static void import_done(void *ctx, const struct err *err)
{
    struct importing *importing = ctx;
    struct cas_import *import = importing->import;
    struct err failed;

    for (size_t i = 0; i < importing->fresh_count; i++) {
        if (err == NULL && !import->dry_run)
            entry_free(registry_put(import->station->user_cas, entry_hold(importing->fresh[i])));
        entry_free(importing->fresh[i]);
    }
    if (err == NULL && !import->dry_run && import->added) {
        if (hosts_load_cas(import->station, &failed) < 0)
            err = &failed;
        hosts_changed(import->station);
    }
    import->done(import, err);
    json_decref(import->items);
    json_decref(import->warnings);
    json_decref(import->impact);
    json_decref(importing->names);
    trust_import_free(importing->parsed);
    free(importing->fresh);
    free(import);
    free(importing);
}

static void import_prepare(void *ctx)
{
    struct importing *importing = ctx;
    struct err err;

    if (read_upload(importing, &err) < 0) {
        import_done(importing, &err);
    } else if (importing->import->dry_run) {
        take_items(importing);
        work_out_impact(importing);
        import_done(importing, NULL);
    } else {
        store_submit(importing->import->station->store, import_run, import_done, importing, true);
    }
}

void cas_import(struct cas_import *import)
{
    struct importing *importing = mem_alloc(sizeof(*importing));

    import->items = json_array();
    import->warnings = json_array();
    importing->import = import;
    jobs_submit(import->station->jobs, import_prepare, importing);
}

/* ---- change and delete ---- */

static int change_names(struct cas_write *write, struct err *err)
{
    struct user_ca *ca = component_copy(&user_ca_type, write->before->component);

    component_patch(&user_ca_type, ca, write->document, &write->problems);
    write->after = entry_new(&user_ca_type, write->id, ca, write->actor.name, clock_now(), write->station->key);
    if (write->problems.count)
        return err_id(err, ERR_INVALID, write->problems.items[0].code, write->problems.items[0].pointer, "%s",
                      write->problems.items[0].detail);
    return 0;
}

static void work_out_write(struct cas_write *write)
{
    struct ca_list list = { 0 };
    struct collect collect = { &list, write->id };

    registry_each(write->station->user_cas, collect_one, &collect);
    if (write->after)
        list_add(&list, write->after->component);
    write->impact = hosts_impact(write->station, list.cas, list.count);
    list_clear(&list);
}

static int write_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct cas_write *write = ctx;
    struct store_stamp stamp = { write->actor.name, clock_now() };
    AUTO_FREE char *resource = mem_printf("UserCa/%s", write->id);
    struct store_audit audit = { .at = stamp.at, .who = write->actor.name, .address = write->actor.address,
                                 .action = write->document ? "change" : "delete", .resource = resource };

    write->before = registry_get(write->station->user_cas, write->id);
    if (write->before == NULL)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no \"%s\" in the User Trust Store.", write->id);
    if (write->precondition && !write->precondition(write->ctx, entry_etag(write->before)))
        return err_id(err, ERR_PRECONDITION, "precondition.failed", NULL, "It was changed since you read it; read it again.");
    if (write->document && change_names(write, err) < 0)
        return -1;
    write->unchanged = write->after && strcmp(entry_etag(write->before), entry_etag(write->after)) == 0;
    if (write->dry_run) {
        work_out_write(write);
        return 0;
    }
    if (write->unchanged)
        return 0;
    if (write->after ? store_put(tx, &user_ca_type, write->id, write->after->component, &stamp, err) < 0
                     : store_remove(tx, &user_ca_type, write->id, err) < 0)
        return -1;
    if (store_audit_add(tx, &audit, err) < 0)
        return -1;
    return events_add_component(tx, &user_ca_type, write->after ? "changed" : "deleted", write->id, NULL, err);
}

static void write_done(void *ctx, const struct err *err)
{
    struct cas_write *write = ctx;
    struct err failed;

    if (err == NULL && !write->dry_run && !write->unchanged) {
        entry_free(write->after ? registry_put(write->station->user_cas, entry_hold(write->after))
                                : registry_remove(write->station->user_cas, write->id));
        if (hosts_load_cas(write->station, &failed) < 0)
            err = &failed;
        hosts_changed(write->station);
    }
    write->done(write, err);
    problems_clear(&write->problems);
    json_decref(write->document);
    json_decref(write->impact);
    entry_free(write->before);
    entry_free(write->after);
    free(write->id);
    free(write);
}

void cas_write(struct cas_write *write)
{
    store_submit(write->station->store, write_run, write_done, write, true);
}

/* ---- the system's ---- */

json_t *cas_system_page(struct station *station, int64_t from, int limit, int64_t *next)
{
    AUTO(trust_roots) roots = trust_roots(hosts_trust(station->hosts), STORES_BOTH);
    int64_t count = (int64_t)trust_roots_system_count(roots), at = from < 0 ? 0 : from;
    json_t *items = json_array();
    struct err err;

    for (; at < count && at < from + limit; at++) {
        AUTO(trust_cert) cert = NULL;
        char id[65];

        if (trust_cert_read(&cert, trust_roots_system(roots, (size_t)at), &err) < 0)
            continue;
        json_array_append_new(items, json_pack("{s:s, s:o}", "id", hex_encode(cert->sha256, 32, id), "certificate",
                                               hosts_entry_cert_json(cert)));
    }
    *next = at < count ? at : 0;
    return items;
}
