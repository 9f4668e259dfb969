/* SPDX-License-Identifier: Apache-2.0 */
/* A document becomes one request for each item, and, with prune, one for each thing that no item names; all of them one batch. */
#include <stdlib.h>
#include <string.h>

#include "app/audit.h"
#include "app/document_private.h"
#include "app/events.h"
#include "app/users.h"
#include "base/encode.h"
#include "base/map.h"
#include "component/json.h"
#include "crypto/crypto.h"
#include "jobs/jobs.h"
#include "model/services.h"
#include "model/user.h"
#include "model/webhook.h"

/* ---- from the document to requests ---- */

/* In which order the writes are made, so that each finds what it refers to and the last administrator is not missed. What goes
 * for good and is referred to by nothing makes room first. */
enum rank { RANK_SERVICE, RANK_ACCOUNT, RANK_EMAIL, RANK_GONE, RANK_TRUST, RANK_WEBHOOK, RANK_ADMIN, RANK_USER, RANK_GONE_LAST };

struct planned {
    struct config_request request;
    const struct section *section;
    char *place;                        /* "/accounts/3" */
    enum rank rank;
    size_t at;                          /* order of the document, within a rank */
    bool prepared;                      /* users_write_prepare() was called */
};

struct plan {
    struct document_apply *apply;
    struct planned *items;
    size_t count, room;
    struct map *named;                  /* "section/name" */
};

static struct planned *plan_add(struct plan *plan, const struct section *section, const char *place, enum rank rank)
{
    struct planned *planned;

    if (plan->count == plan->room) {
        plan->room = plan->room ? plan->room * 2 : 64;
        plan->items = mem_resize(plan->items, plan->room * sizeof(*plan->items));
    }
    planned = &plan->items[plan->count];
    *planned = (struct planned){ .section = section, .place = mem_strdup(place), .rank = rank, .at = plan->count++ };
    planned->request.type = section->type;
    return planned;
}

static enum rank rank_of(const struct section *section, const char *name, const json_t *item)
{
    const char *role = json_string_value(json_object_get(item, "role"));

    if (section->fixed)
        return strcmp(name, email_service_type.name) == 0 ? RANK_EMAIL : RANK_SERVICE;
    if (section->type == NULL)
        return RANK_ACCOUNT;
    if (section->type == &user_type)
        return role && strcmp(role, user_roles[USER_ADMIN]) == 0 ? RANK_ADMIN : RANK_USER;
    return section->type == &webhook_type ? RANK_WEBHOOK : RANK_TRUST;
}

static const char *name_of(struct plan *plan, const struct section *section, const json_t *item, const char *place)
{
    struct problems *problems = &plan->apply->batch.problems;
    const char *name = json_string_value(json_object_get(item, section->key));
    AUTO_FREE char *at = mem_printf("%s/%s", place, section->key);
    AUTO_FREE char *key = name ? mem_printf("%s/%s", section->name, name) : NULL;
    const char *first = key ? map_get(plan->named, key) : NULL;

    if (!json_is_object(item))
        problems_add(problems, place, "property.type", "An item of %s must be an object.", section->name);
    else if (name == NULL)
        problems_add(problems, at, json_object_get(item, section->key) ? "property.type" : "property.required",
                     "%s must be a string that names the item.", section->key);
    else if (first)
        problems_add(problems, at, "name.twice", "\"%.64s\" is there already: %s.", name, first);
    return name && first == NULL ? name : NULL;
}

/* The section says what its items are; the type may be repeated. */
static void check_type(struct plan *plan, const struct section *section, const json_t *item, const char *place)
{
    const json_t *type = json_object_get(item, "type");
    AUTO_FREE char *at = mem_printf("%s/type", place);

    if (type && section->type && strcmp(json_string_value(type) ?: "", section->type->name) != 0)
        problems_add(&plan->apply->batch.problems, at, "property.choice", "type must be %s here.", section->type->name);
}

static void read_item(struct plan *plan, const struct section *section, json_t *item, size_t i)
{
    AUTO_FREE char *place = mem_printf("/%s/%zu", section->name, i);
    const char *name = name_of(plan, section, item, place);
    AUTO_FREE char *key = name ? mem_printf("%s/%s", section->name, name) : NULL;
    struct planned *planned;

    check_type(plan, section, item, place);
    if (name == NULL)
        return;
    planned = plan_add(plan, section, place, rank_of(section, name, item));
    map_put(plan->named, key, planned->place);
    planned->request.op = CONFIG_REPLACE;
    planned->request.name = name;
    planned->request.document = item;
    planned->request.no_create = section->fixed;
}

static void read_document(struct plan *plan)
{
    struct problems *problems = &plan->apply->batch.problems;
    const char *name;
    json_t *value, *item;
    size_t i;

    json_object_foreach(plan->apply->document, name, value) {
        const struct section *section = document_sections;
        AUTO_FREE char *place = component_pointer("", name);

        while (section->name && strcmp(section->name, name) != 0)
            section++;
        if (section->name == NULL)
            problems_add(problems, place, "property.unknown", "\"%.64s\" is no section of the document.", name);
        else if (!json_is_array(value))
            problems_add(problems, place, "property.type", "%s must be an array.", name);
        else
            json_array_foreach(value, i, item)
                read_item(plan, section, item, i);
    }
}

static void prepare_requests(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        struct planned *planned = &plan->items[i];

        if (planned->section->request)
            planned->section->request(&planned->request, (json_t *)planned->request.document, planned->place, plan->apply);
        planned->prepared = planned->section->type == &user_type;
    }
}

/* ---- what no item names ---- */

struct pruning {
    struct plan *plan;
    const struct section *section;
};

static void prune_one(struct entry *entry, void *ctx)
{
    const struct pruning *pruning = ctx;
    const struct section *section = pruning->section;
    AUTO_FREE char *key = mem_printf("%s/%s", section->name, entry->name);
    AUTO_FREE char *place = mem_printf("/%s", section->name);
    bool last = section->type == NULL || section->type == &user_type;
    json_t *item = section->item(entry);
    struct planned *planned;

    if (item && map_get(pruning->plan->named, key) == NULL) {
        planned = plan_add(pruning->plan, section, place, last ? RANK_GONE_LAST : RANK_GONE);
        planned->request.op = CONFIG_DELETE;
        planned->request.name = mem_strdup(entry->name);
        planned->request.force = pruning->plan->apply->force;
        if (section->type == &user_type)
            users_write_prepare(pruning->plan->apply->station, &planned->request, NULL);
        planned->prepared = section->type == &user_type;
    }
    json_decref(item);
}

/* A section that the document does not have is none of its business. */
static void prune(struct plan *plan, struct station *view)
{
    for (const struct section *section = document_sections; section->name; section++) {
        struct pruning pruning = { plan, section };

        if (!section->fixed && json_object_get(plan->apply->document, section->name))
            registry_each(document_registry(view, section), prune_one, &pruning);
    }
}

/* ---- the batch ---- */

static int by_rank(const void *a, const void *b)
{
    const struct planned *left = a, *right = b;

    if (left->rank != right->rank)
        return left->rank < right->rank ? -1 : 1;
    return left->at < right->at ? -1 : left->at > right->at;
}

static void fill_batch(struct plan *plan, struct station *view)
{
    struct config_batch *batch = &plan->apply->batch;

    if (plan->count)
        qsort(plan->items, plan->count, sizeof(*plan->items), by_rank);
    batch->count = plan->count;
    batch->requests = mem_array(plan->count + 1, sizeof(*batch->requests));
    batch->places = mem_array(plan->count + 1, sizeof(*batch->places));
    for (size_t i = 0; i < plan->count; i++) {
        batch->requests[i] = plan->items[i].request;
        batch->requests[i].registry = document_registry(view, plan->items[i].section);
        batch->places[i] = plan->items[i].place;
    }
}

static void make_token(struct document_apply *apply)
{
    AUTO_FREE char *text = mem_printf("%s\n%s", apply->etag, apply->digest);
    uint8_t sum[32];

    crypto_key_hmac(apply->station->key, "plan", str_c(text), sum);
    hex_encode(sum, sizeof(sum), apply->plan_token);
}

static int batch_begin(struct config_batch *batch, struct station *view, struct err *err)
{
    struct plan *plan = batch->ctx;
    struct document_apply *apply = plan->apply;

    document_etag(view, apply->etag);
    make_token(apply);
    if (apply->precondition && !apply->precondition(apply->ctx, apply->etag))
        return err_id(err, ERR_PRECONDITION, "precondition.failed", NULL,
                      "The configuration was changed since you read it; read it again.");
    if (apply->token && strcmp(apply->token, apply->plan_token) != 0)
        return err_id(err, ERR_CONFLICT, "plan.stale", NULL,
                      "The configuration was changed since that plan, or it was the plan of another document: plan again.");
    if (apply->prune)
        prune(plan, view);
    fill_batch(plan, view);
    return 0;
}

static int batch_end(struct config_batch *batch, struct store_tx *tx, struct err *err)
{
    int counts[CONFIG_DELETED + 1] = { 0 };
    json_t *detail;
    int rc;

    for (size_t i = 0; i < batch->count; i++)
        counts[batch->results[i].outcome]++;
    detail = json_pack("{s:i, s:i, s:i, s:i}", "created", counts[CONFIG_CREATED], "changed", counts[CONFIG_CHANGED], "deleted",
                       counts[CONFIG_DELETED], "unchanged", counts[CONFIG_UNCHANGED]);
    rc = audit_add(tx, &batch->actor, "apply", "Config/config", detail, err);
    return rc < 0 ? (json_decref(detail), -1) : events_add(tx, "config.applied", NULL, "Config/config", detail, err);
}

static void plan_free(struct plan *plan)
{
    struct document_apply *apply = plan->apply;

    config_batch_clear(&apply->batch);
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->items[i].prepared)
            users_write_end(&plan->items[i].request);
        if (plan->items[i].request.op == CONFIG_DELETE)
            free((char *)plan->items[i].request.name);
        free(plan->items[i].place);
    }
    free(plan->items);
    map_free(plan->named);
    free(apply->batch.requests);
    free(apply->batch.places);
    json_decref(apply->document);
    free(apply);
    free(plan);
}

static void answer_work(void *ctx)
{
    struct plan *plan = ctx;
    struct document_apply *apply = plan->apply;

    apply->done(apply, apply->batch.err.code == ERR_NONE ? NULL : &apply->batch.err);
    plan_free(plan);
}

static void batch_done(struct config_batch *batch)
{
    struct plan *plan = batch->ctx;

    if (batch->err.code == ERR_NONE && !batch->dry_run)
        document_etag(plan->apply->station, plan->apply->etag);
    jobs_submit(batch->station->jobs, answer_work, plan);
}

/* Which document, and what is to become of it: a token is good for the same only. The text has secrets in it. */
static void make_digest(struct document_apply *apply)
{
    char *text = json_dumps(apply->document, JSON_COMPACT | JSON_SORT_KEYS);
    uint8_t sum[32];

    crypto_key_hmac(apply->station->key, apply->prune ? apply->force ? "plan.force" : "plan.prune" : "plan.document", str_c(text),
                    sum);
    hex_encode(sum, sizeof(sum), apply->digest);
    mem_free_secret(text);
}

static void prepare_work(void *ctx)
{
    struct document_apply *apply = ctx;
    struct plan *plan = mem_alloc(sizeof(*plan));

    *plan = (struct plan){ .apply = apply, .named = map_new() };
    make_digest(apply);
    apply->batch.station = apply->station;
    apply->batch.dry_run = apply->dry_run;
    apply->batch.actor = apply->actor;
    apply->batch.begin = batch_begin;
    apply->batch.end = batch_end;
    apply->batch.done = batch_done;
    apply->batch.ctx = plan;
    read_document(plan);
    prepare_requests(plan);
    config_batch_write(&apply->batch);
}

void document_apply(struct document_apply *apply)
{
    struct err err;

    if (users_hash_later(apply->station, prepare_work, apply, &err) == 0)
        return;
    apply->done(apply, &err);
    json_decref(apply->document);
    free(apply);
}
