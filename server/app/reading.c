/* SPDX-License-Identifier: Apache-2.0 */
#include "app/reading.h"

#include "jobs/jobs.h"
#include "model/message.h"
#include "store/store.h"

/* ---- messages ---- */

struct finding {
    const char *id;
    struct message *message;
    struct buf *raw;
};

static int find_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct finding *finding = ctx;

    if (store_message_find(tx, finding->id, &finding->message, err) < 0)
        return -1;
    return finding->raw ? store_message_raw(tx, finding->message->seq, finding->raw, err) : 0;
}

int reading_message(struct station *station, const char *id, struct message **ret, struct buf *raw, struct err *err)
{
    struct finding finding = { id, NULL, raw };

    if (store_read(station->store, find_run, &finding, err) < 0) {
        message_free(finding.message);
        return -1;
    }
    *ret = finding.message;
    return 0;
}

struct listing {
    struct store_message_filter filter;
    reading_visit *visit;
    void *ctx;
    int64_t *resume;
};

static int list_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct listing *listing = ctx;

    return store_message_list(tx, &listing->filter, listing->visit, listing->ctx, listing->resume, err);
}

int reading_messages(struct station *station, const struct reading_filter *filter, reading_visit *visit, void *ctx, int64_t *resume,
                     struct err *err)
{
    struct listing listing = {
        .filter = { .account = filter->account, .direction = filter->direction, .state = filter->state, .text = filter->text,
                    .accounts = filter->accounts, .before = filter->before, .limit = filter->limit,
                    .acknowledged = filter->acknowledged, .since = filter->since, .until = filter->until },
        .visit = visit, .ctx = ctx, .resume = resume,
    };

    *resume = 0;
    return store_read(station->store, list_run, &listing, err);
}

struct reports {
    const char *id;
    int limit;
    reading_visit *visit;
    void *ctx;
};

static int reports_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct reports *reports = ctx;

    return store_message_related(tx, reports->id, reports->limit, reports->visit, reports->ctx, err);
}

int reading_reports(struct station *station, const char *id, int limit, reading_visit *visit, void *ctx, struct err *err)
{
    struct reports reports = { id, limit, visit, ctx };

    return store_read(station->store, reports_run, &reports, err);
}

/* ---- the audit trail ---- */

struct trail {
    const char *resource;
    int64_t before;
    int limit;
    reading_audit_visit *visit;
    void *ctx;
};

static int trail_one(const struct store_audit *stored, void *ctx)
{
    const struct trail *trail = ctx;
    const struct reading_audit entry = { stored->seq, stored->at, stored->who, stored->address, stored->action, stored->resource,
                                         stored->detail };

    return trail->visit(&entry, trail->ctx);
}

static int trail_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct trail *trail = ctx;

    return store_audit_list(tx, trail->resource, trail->before, trail->limit, trail_one, trail, err);
}

int reading_audits(struct station *station, const char *resource, int64_t before, int limit, reading_audit_visit *visit, void *ctx,
                   struct err *err)
{
    struct trail trail = { resource, before, limit, visit, ctx };

    return store_read(station->store, trail_run, &trail, err);
}

/* ---- how it does ---- */

static int ping(struct store_tx *tx, void *ctx, struct err *err)
{
    struct store_message_counts counts;

    (void)ctx;
    return store_message_counts(tx, "", &counts, err);
}

int reading_store_works(struct station *station, struct err *err)
{
    return store_read(station->store, ping, NULL, err);
}

void reading_stats(struct station *station, struct reading_stats *ret)
{
    struct store_stats store;
    struct jobs_stats jobs;

    store_stats(station->store, &store);
    jobs_stats(station->jobs, &jobs);
    *ret = (struct reading_stats){ .commits = store.commits, .writes = store.jobs, .failures = store.failures,
                                   .writes_waiting = store.queued_jobs, .workers = jobs.threads };
}
