/* SPDX-License-Identifier: Apache-2.0 */
#include "app/oauth_expiry.h"

#include <stdlib.h>
#include <string.h>

#include "app/events.h"
#include "app/live.h"
#include "app/users.h"
#include "base/clock.h"
#include "jobs/jobs.h"
#include "model/account.h"

#define EVENT "account.secretExpires"
#define PAGE_MAX (64 * 1024)

int oauth_expiry_stage(int64_t left_ms)
{
    static const int stages[] = { 3, 14, 30 };

    if (left_ms <= 0)
        return 0;
    for (size_t i = 0; i < COUNT_OF(stages); i++)
        if (left_ms <= DAYS(stages[i]))
            return stages[i];
    return -1;
}

/* 0: not known, or another authenticator. */
static int64_t end_of(const struct entry *entry)
{
    const struct account *account = entry->component;

    if ((entry->type != &outgoing_account_type && entry->type != &incoming_account_type) ||
        strcmp(account->authenticator.type->name, "oauth2") != 0)
        return 0;
    return ((const struct auth_oauth2 *)account->authenticator.value)->client_secret_expires;
}

/* Whether the last one in the store says the same. */
static bool was_told(struct station *station, const char *account, const char *expires, int days)
{
    struct events_filter filter = { .account = account, .role = USER_ADMIN };
    const struct events_page page = { .limit = 1 };
    AUTO_BUF(text, PAGE_MAX);
    int64_t resume = 0;
    struct err err;
    json_t *list, *data;
    bool told;

    event_set_add(&filter.types, STR(EVENT));
    if (events_list(station, &page, &filter, &text, &resume, &err) < 0)
        return false;
    list = json_loadb(text.p, text.len, 0, NULL);
    data = json_object_get(json_array_get(list, 0), "data");
    told = json_integer_value(json_object_get(data, "days")) == days && json_is_string(json_object_get(data, "expiresAt")) &&
           strcmp(json_string_value(json_object_get(data, "expiresAt")), expires) == 0;
    json_decref(list);
    return told;
}

/* Whether this stage is new in this run; it counts as told from now on. */
static bool is_new(struct live *live, int64_t end, int stage)
{
    bool fresh;

    pthread_mutex_lock(&live->lock);
    fresh = live->secret_expires != end || live->secret_told != stage;
    live->secret_expires = end;
    live->secret_told = stage;
    pthread_mutex_unlock(&live->lock);
    return fresh;
}

void oauth_expiry_check(struct station *station, const struct entry *account)
{
    int64_t end = end_of(account);
    int stage = end ? oauth_expiry_stage(end - clock_now()) : -1;
    AUTO(live) live = NULL;
    AUTO_FREE char *resource = NULL;
    char expires[CLOCK_TEXT_MAX];

    if (stage < 0)
        return;
    live = live_get(station->lives, account->name);
    clock_format(end, expires);
    if (!is_new(live, end, stage) || was_told(station, account->name, expires, stage))
        return;
    resource = mem_printf("%s/%s", account->type->name, account->name);
    events_note(station, EVENT, account->name, resource, json_pack("{s:i, s:s}", "days", stage, "expiresAt", expires));
}

struct notice {
    struct station *station;
    char *account;
};

static void notice_run(void *ctx)
{
    struct notice *notice = ctx;
    AUTO(entry) account = registry_get(notice->station->accounts, notice->account);

    if (account && !atomic_load(&notice->station->stopping))
        oauth_expiry_check(notice->station, account);
    free(notice->account);
    free(notice);
}

void oauth_expiry_notice(struct station *station, const struct entry *account)
{
    struct notice *notice;

    if (end_of(account) == 0)
        return;
    notice = mem_alloc(sizeof(*notice));
    notice->station = station;
    notice->account = mem_strdup(account->name);
    jobs_submit(station->jobs, notice_run, notice);
}

json_t *oauth_expiry_json(const struct entry *account)
{
    int64_t end = end_of(account), left = end - clock_now();
    char expires[CLOCK_TEXT_MAX];

    if (end == 0)
        return json_object();
    return json_pack("{s:s, s:I, s:s}", "clientSecretExpires", clock_format(end, expires), "clientSecretDays",
                     (json_int_t)(left > 0 ? left / DAYS(1) : 0), "clientSecretAdvice",
                     oauth_expiry_stage(left) < 0 ? ""
                                                  : "Make a new client secret at the provider before this one ends, and give it with its end.");
}
