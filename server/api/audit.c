/* SPDX-License-Identifier: Apache-2.0 */
/* /audit: who did what, newest first. */
#include "api/api.h"
#include "app/reading.h"
#include "base/clock.h"

struct listing {
    int64_t before;
    int limit, count;
    int64_t last;
    bool more;
    json_t *items;
};

static int add_one(const struct reading_audit *entry, void *ctx)
{
    struct listing *listing = ctx;
    char when[CLOCK_TEXT_MAX];
    json_t *detail;

    if (listing->count == listing->limit) {
        listing->more = true;
        return 1;
    }
    detail = entry->detail ? json_loads(entry->detail, 0, NULL) : NULL;
    json_array_append_new(listing->items,
                          json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:o}", "id", (json_int_t)entry->seq, "at",
                                    clock_format(entry->at, when), "user", entry->who, "address", entry->address, "action",
                                    entry->action, "resource", entry->resource, "detail", detail ? detail : json_null()));
    listing->last = entry->seq;
    listing->count++;
    return 0;
}

static void audit_list(struct http_call *call)
{
    struct listing listing = { 0 };
    struct api_page at;
    struct err err;
    json_t *next;

    if (api_page(call, &at) < 0)
        return;
    if (*at.after && (!str_to_int(str_c(at.after), &listing.before) || listing.before < 1)) {
        api_answer_bad_query(call, "cursor", "what \"next\" of the page before gave");
        return;
    }
    listing.limit = at.limit;
    listing.items = json_array();
    if (reading_audits(api_station(call), http_query(call, "resource"), listing.before, listing.limit + 1, add_one, &listing, &err) < 0) {
        json_decref(listing.items);
        http_answer_err(call, &err);
        return;
    }
    next = listing.more ? api_next_json(call, listing.last) : json_null();
    http_add_header(call, "Cache-Control", "no-store");
    api_answer_json(call, 200, json_pack("{s:o, s:o}", "items", listing.items, "next", next));
}

const struct http_route audit_routes[] = {
    { HTTP_GET, "/api/v1/audit", ROLE_OPERATOR, audit_list, .summary = "Read the audit trail, newest first",
      .query = "limit cursor resource", .answer = "AuditList" },
    { 0 }
};
