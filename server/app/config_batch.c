/* SPDX-License-Identifier: Apache-2.0 */
/* Several writes in one job. They run against a view: a Station whose registries are copies, which each write changes for those
 * after it; what is published after the commit is the same, in the real ones. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "app/config_private.h"
#include "app/hosts.h"
#include "model/trust_store.h"
#include "store/store.h"

/* ---- views ---- */

static const size_t registries[] = {
    offsetof(struct station, accounts), offsetof(struct station, services), offsetof(struct station, users),
    offsetof(struct station, user_cas), offsetof(struct station, allowed_hosts), offsetof(struct station, webhooks),
};

static struct registry **registry_at(struct station *station, size_t i)
{
    return (struct registry **)(void *)((char *)station + registries[i]);
}

struct station *config_view(struct station *station)
{
    struct station *view = mem_alloc(sizeof(*view));

    *view = *station;
    for (size_t i = 0; i < COUNT_OF(registries); i++)
        *registry_at(view, i) = registry_copy(*registry_at(station, i));
    return view;
}

void config_view_free(struct station *view)
{
    for (size_t i = 0; view && i < COUNT_OF(registries); i++)
        registry_free(*registry_at(view, i));
    free(view);
}

static struct registry *real_one(struct station *station, struct station *view, const struct registry *registry)
{
    for (size_t i = 0; i < COUNT_OF(registries); i++)
        if (*registry_at(view, i) == registry)
            return *registry_at(station, i);
    return NULL;
}

/* ---- the job ---- */

struct job {
    struct config_batch *batch;
    struct station *view;
};

static void show_in_view(const struct job *job, const struct config_request *request, const struct config_result *result)
{
    if (result->outcome == CONFIG_DELETED)
        entry_free(registry_remove(request->registry, request->name));
    else if (result->after)
        entry_free(registry_put(request->registry, entry_hold(result->after)));
    if (result->service_after)
        entry_free(registry_put(job->view->services, entry_hold(result->service_after)));
}

/* At its place in the larger document. */
static void add_problem(struct problems *to, const char *at, const char *pointer, const char *code, const char *detail)
{
    AUTO_FREE char *place = mem_printf("%s%s%s", at, *pointer && *pointer != '/' ? "/" : "", pointer);

    problems_add(to, place, code, "%s", detail);
}

static void add_problems(struct problems *to, const char *at, const struct problems *problems)
{
    for (size_t i = 0; i < problems->count && i < PROBLEMS_MAX; i++)
        add_problem(to, at, problems->items[i].pointer, problems->items[i].code, problems->items[i].detail);
}

/* 0: the others may still be looked at; -1: it is not the document's fault. Only what is in another state than it should be is a
 * conflict; whatever else one write would be refused for is something wrong with the document. */
static int take_fault(struct config_batch *batch, size_t i, const struct err *fault)
{
    const struct problems *problems = &batch->results[i].problems;

    if (fault->code == ERR_STORAGE || fault->code == ERR_INTERNAL)
        return -1;
    add_problems(&batch->problems, batch->places[i], problems);
    if (problems->count == 0)
        add_problem(&batch->problems, batch->places[i], fault->at, fault->id, fault->text);
    if (batch->err.code == ERR_NONE || fault->code != ERR_CONFLICT)
        batch->err = *fault;
    if (fault->code != ERR_CONFLICT)
        batch->err.code = ERR_INVALID;
    return 0;
}

/* After the first fault nothing will be kept, so that the others are only looked at. */
static int run_one(struct store_tx *tx, const struct job *job, size_t i, struct err *err)
{
    struct config_batch *batch = job->batch;
    struct write write = { job->view, &batch->requests[i], { 0 } };
    struct err fault = { 0 };
    int rc;

    write.request->dry_run = batch->dry_run || batch->problems.count;
    write.request->actor = batch->actor;
    rc = config_run(tx, &write, &fault);
    batch->results[i] = write.result;
    if (rc == 0)
        show_in_view(job, write.request, &write.result);
    else if (take_fault(batch, i, &fault) < 0)
        *err = fault;
    return err->code == ERR_NONE ? 0 : -1;
}

static int job_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct job *job = ctx;
    struct config_batch *batch = job->batch;

    *err = (struct err){ 0 };
    job->view = config_view(batch->station);
    if (batch->begin(batch, job->view, err) < 0)
        return -1;
    batch->results = mem_array(batch->count + 1, sizeof(*batch->results));
    if (batch->problems.count)
        err_id(&batch->err, ERR_INVALID, batch->problems.items[0].code, batch->problems.items[0].pointer, "%s",
               batch->problems.items[0].detail);
    for (size_t i = 0; i < batch->count; i++)
        if (run_one(tx, job, i, err) < 0)
            return -1;
    if (batch->err.code != ERR_NONE) {
        *err = batch->err;
        return -1;
    }
    return batch->dry_run || !config_batch_changes(batch) ? 0 : batch->end(batch, tx, err);
}

static bool is_trust(const struct entry *entry)
{
    return entry && (entry->type == &user_ca_type || entry->type == &allowed_host_type);
}

static void publish_all(const struct job *job)
{
    struct config_batch *batch = job->batch;
    bool trust = false;
    struct err err;

    for (size_t i = 0; i < batch->count; i++) {
        struct write write = { batch->station, &batch->requests[i], batch->results[i] };

        write.request->registry = real_one(batch->station, job->view, write.request->registry);
        config_publish(&write);
        trust = trust || (write.result.outcome != CONFIG_UNCHANGED && (is_trust(write.result.before) || is_trust(write.result.after)));
    }
    if (!trust)
        return;
    if (hosts_load_cas(batch->station, &err) < 0)
        batch->err = err;
    hosts_changed(batch->station);
}

static void job_done(void *ctx, const struct err *err)
{
    struct job *job = ctx;

    if (err)
        job->batch->err = *err;
    else if (!job->batch->dry_run)
        publish_all(job);
    config_view_free(job->view);
    job->batch->done(job->batch);
    free(job);
}

void config_batch_write(struct config_batch *batch)
{
    struct job *job = mem_alloc(sizeof(*job));

    job->batch = batch;
    store_submit(batch->station->store, job_run, job_done, job, true);
}

void config_batch_clear(struct config_batch *batch)
{
    for (size_t i = 0; batch->results && i < batch->count; i++)
        config_result_clear(&batch->results[i]);
    free(batch->results);
    batch->results = NULL;
    problems_clear(&batch->problems);
}

/* ---- what it comes to ---- */

bool config_batch_changes(const struct config_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (batch->results[i].outcome != CONFIG_UNCHANGED)
            return true;
    return false;
}

json_t *config_batch_plan(const struct config_batch *batch)
{
    json_t *changes = json_array(), *plan;
    int unchanged = 0;
    AUTO_PROBLEMS(warnings);

    for (size_t i = 0; i < batch->count; i++) {
        config_plan_add(&batch->requests[i], &batch->results[i], changes);
        unchanged += batch->results[i].outcome == CONFIG_UNCHANGED;
        add_problems(&warnings, batch->places[i], &batch->results[i].warnings);
    }
    plan = json_pack("{s:o, s:i}", "changes", changes, "unchanged", unchanged);
    if (warnings.count)
        json_object_set_new(plan, "warnings", problems_json(&warnings));
    return plan;
}
