/* SPDX-License-Identifier: Apache-2.0 */
/* Outside the API: is it alive, is it ready, how is it doing. */
#include "api/api.h"

#include <stdio.h>
#include <unistd.h>

#include "app/live.h"
#include "app/reading.h"
#include "app/receiver.h"
#include "base/clock.h"
#include "model/account.h"

static void healthz(struct http_call *call)
{
    api_answer_json(call, 200, json_pack("{s:s}", "status", "ok"));
}

static void readyz(struct http_call *call)
{
    struct station *station = api_station(call);
    struct err err;

    if (atomic_load(&station->stopping))
        http_answer_problem(call, 503, "stopping", "Stopping", "Postern is stopping.", NULL);
    else if (reading_store_works(station, &err) < 0)
        http_answer_err(call, &err);
    else
        api_answer_json(call, 200, json_pack("{s:s}", "status", "ready"));
}

/* ---- metrics in Prometheus' text format ---- */

static int64_t live_sent_now(struct live *live)
{
    return live_sent_today(live, clock_now());
}

/* What is told of each account of a kind. */
static const struct per_account {
    const char *name, *type, *help;
    const struct component_type *kind;
    int64_t (*value)(struct live *live);
} per_account[] = {
    { "postern_account_queue_size", "gauge", "Messages that wait.", &outgoing_account_type, live_queue_size },
    { "postern_account_sent_today", "gauge", "Messages sent since local midnight.", &outgoing_account_type, live_sent_now },
    { "postern_account_received_total", "counter", "Messages received.", &incoming_account_type, live_received },
    { "postern_account_unacknowledged", "gauge", "Received messages that nobody has acknowledged.", &incoming_account_type,
      live_unacknowledged },
};

struct gathering {
    struct station *station;
    struct buf *text;
    const struct per_account *told;
    int64_t states[ACCOUNT_STATES];
};

static void count_state(struct entry *entry, void *ctx)
{
    struct gathering *gathering = ctx;
    AUTO(live) live = live_get(gathering->station->lives, entry->name);

    gathering->states[live_state(live)]++;
}

/* Names have no character that the format would need escaped. */
static void tell_account(struct entry *entry, void *ctx)
{
    struct gathering *gathering = ctx;
    AUTO(live) live = live_get(gathering->station->lives, entry->name);

    if (entry->type == gathering->told->kind)
        buf_addf(gathering->text, "%s{account=\"%s\"} %lld\n", gathering->told->name, entry->name,
                 (long long)gathering->told->value(live));
}

static void metric(struct buf *text, const char *name, const char *type, const char *help, int64_t value)
{
    buf_addf(text, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", name, help, name, type, name, (long long)value);
}

static int64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long total = 0, resident = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%ld %ld", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static void metrics(struct http_call *call)
{
    struct station *station = api_station(call);
    struct gathering gathering = { .station = station };
    struct receiver_stats receivers;
    struct reading_stats stats;
    struct http_stats http;
    struct buf text;

    buf_init(&text, 64 * 1024 * 1024);
    gathering.text = &text;
    reading_stats(station, &stats);
    receiver_stats(station, &receivers);
    http_stats(http_server_of(call), &http);
    for (size_t i = 0; i < COUNT_OF(per_account); i++) {
        gathering.told = &per_account[i];
        buf_addf(&text, "# HELP %s %s\n# TYPE %s %s\n", per_account[i].name, per_account[i].help, per_account[i].name, per_account[i].type);
        registry_each(station->accounts, tell_account, &gathering);
    }
    registry_each(station->accounts, count_state, &gathering);
    buf_add_c(&text, "# HELP postern_accounts Accounts by state.\n# TYPE postern_accounts gauge\n");
    for (int i = 0; i < ACCOUNT_STATES; i++)
        buf_addf(&text, "postern_accounts{state=\"%s\"} %lld\n", account_state_names[i], (long long)gathering.states[i]);
    buf_add_c(&text, "# HELP postern_http_responses_total Answers by class of status.\n# TYPE postern_http_responses_total counter\n");
    for (int i = 1; i < 6; i++)
        buf_addf(&text, "postern_http_responses_total{class=\"%dxx\"} %llu\n", i, (unsigned long long)http.by_class[i]);
    metric(&text, "postern_http_connections", "gauge", "Open HTTP connections.", (int64_t)http.open_connections);
    metric(&text, "postern_store_commits_total", "counter", "Transactions committed.", (int64_t)stats.commits);
    metric(&text, "postern_store_jobs_total", "counter", "Writes run in them.", (int64_t)stats.writes);
    metric(&text, "postern_store_failures_total", "counter", "Writes that failed.", (int64_t)stats.failures);
    metric(&text, "postern_store_queued", "gauge", "Writes that wait.", stats.writes_waiting);
    metric(&text, "postern_workers", "gauge", "Worker threads.", stats.workers);
    metric(&text, "postern_receiving", "gauge", "Accounts whose mailbox is looked at now.", receivers.working);
    metric(&text, "postern_parked_connections", "gauge", "Connections that wait for the server to speak.", (int64_t)receivers.parked);
    metric(&text, "process_start_time_seconds", "gauge", "When the process started.", station->started_at / 1000);
    metric(&text, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    http_answer_buf(call, 200, "text/plain; version=0.0.4; charset=utf-8", &text);
}

const struct http_route health_routes[] = {
    { HTTP_GET, "/healthz", ROLE_NONE, healthz, .summary = "Is the process alive", .answer = "Health" },
    { HTTP_GET, "/readyz", ROLE_NONE, readyz, .summary = "Can it do its work", .answer = "Health" },
    { HTTP_GET, "/metrics", ROLE_NONE, metrics, .summary = "Metrics for Prometheus", .answer = "200 text/plain" },
    { 0 }
};
