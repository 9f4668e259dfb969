/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of lists: a cursor is the place of the last item, so that a page costs the same wherever it stands. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/encode.h"

static int read_limit(struct http_call *call, int *ret)
{
    const char *text = http_query(call, "limit");
    int64_t limit = API_LIMIT;

    if (text && (!str_to_int(str_c(text), &limit) || limit < 1 || limit > API_LIMIT_MAX))
        return api_answer_bad_query(call, "limit", "a number from 1 to 500");
    *ret = (int)limit;
    return 0;
}

/* Clients follow `next`, or take it for the cursor itself; both get the next page. */
static char *cursor_of(const char *text)
{
    const char *inside = text ? strstr(text, "cursor=") : NULL;

    if (inside)
        text = inside + strlen("cursor=");
    return text ? mem_strndup(text, strcspn(text, "&")) : NULL;
}

int api_page(struct http_call *call, struct api_page *ret)
{
    AUTO_FREE char *cursor = cursor_of(http_query(call, "cursor"));
    AUTO_BUF(after, API_CURSOR_MAX - 1);
    AUTO_BUF(standard, 4 * API_CURSOR_MAX);

    *ret = (struct api_page){ 0 };
    if (read_limit(call, &ret->limit) < 0)
        return -1;
    if (cursor == NULL || *cursor == '\0')
        return 0;
    for (const char *p = cursor; *p && standard.len < standard.max; p++)
        buf_add_char(&standard, *p == '-' ? '+' : *p == '_' ? '/' : *p);
    while (standard.len % 4)
        buf_add_char(&standard, '=');
    if (base64_decode(buf_str(&standard), &after) < 0 || after.len == 0 || !str_is_utf8(buf_str(&after)))
        return api_answer_bad_query(call, "cursor", "what \"next\" of the page before gave");
    memcpy(ret->after, after.p, after.len);
    return 0;
}

static void add_escaped(struct buf *into, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-._~:", *p);

        buf_addf(into, plain ? "%c" : "%%%02X", *p);
    }
}

/* The same request with the next cursor. */
static void next_link(struct http_call *call, const char *cursor, struct buf *text)
{
    static const char *const filters[] = { "limit", "include", "type", "state", "q", "account", "direction", "approval",
                                           "acknowledged", "since", "until", "resource" };

    buf_addf(text, "%s?cursor=%s", http_path(call), cursor);
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        const char *value = http_query(call, filters[i]);

        if (value) {
            buf_addf(text, "&%s=", filters[i]);
            add_escaped(text, value);
        }
    }
}

json_t *api_next_name_json(struct http_call *call, const char *name)
{
    AUTO_BUF(cursor, 4 * API_CURSOR_MAX);
    AUTO_BUF(link, 8192);
    AUTO_FREE char *header = NULL;

    base64url_encode(str_c(name), &cursor);
    next_link(call, cursor.p ? cursor.p : "", &link);
    header = mem_printf("<%s>; rel=\"next\"", link.p);
    http_add_header(call, "Link", header);      /* RFC 8288 */
    return json_stringn(link.p, link.len);
}

json_t *api_next_json(struct http_call *call, int64_t number)
{
    AUTO_FREE char *text = mem_printf("%lld", (long long)number);

    return api_next_name_json(call, text);
}

void api_add_next(struct http_call *call, struct buf *into, const char *name)
{
    json_t *next;

    if (name == NULL) {
        buf_add_c(into, "null");
        return;
    }
    next = api_next_name_json(call, name);
    buf_addf(into, "\"%s\"", json_string_value(next));      /* percent-encoded: nothing to escape */
    json_decref(next);
}

json_t *api_configuration(struct http_call *call, const struct entry *entry)
{
    (void)call;
    return entry_json(entry);
}

void api_answer_list(struct http_call *call, struct registry *registry, api_item *item)
{
    struct api_page at;
    struct entry **page;
    json_t *items, *next;
    size_t count;
    bool more;

    if (api_page(call, &at) < 0)
        return;
    items = json_array();
    count = registry_page(registry, at.after, (size_t)at.limit, NULL, NULL, &page, &more);
    for (size_t i = 0; i < count; i++) {
        json_t *one = item(call, page[i]);

        json_object_set_new(one, "etag", json_string(entry_etag(page[i])));
        json_array_append_new(items, one);
    }
    next = more ? api_next_name_json(call, page[count - 1]->name) : json_null();
    for (size_t i = 0; i < count; i++)
        entry_free(page[i]);
    free(page);
    api_answer_json(call, 200, json_pack("{s:o, s:o}", "items", items, "next", next));
}
