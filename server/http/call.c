/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler may ask about its request. */
#include <stdlib.h>

#include "http/etag.h"
#include "http/internal.h"
#include "http/uri.h"

#define DECODED_MAX (2 * URI_MAX - 1)
#define BODY_KEPT (64 << 10)            /* memory a connection keeps between requests */

struct http_call *call_new(struct http_server *server, struct listener *listener)
{
    struct http_call *call = mem_alloc(sizeof(*call));

    call->server = server;
    call->listener = listener;
    call->fd = -1;
    buf_init(&call->uri, URI_MAX);
    buf_init(&call->decoded, DECODED_MAX);
    buf_init_secret(&call->body, BODY_PRESET);
    buf_init(&call->extra, EXTRA_MAX);
    return call;
}

static void let_go_of_body(struct http_call *call)
{
    if (call->body.cap > BODY_KEPT) {
        buf_free(&call->body);
    } else if (call->body.len > 0) {    /* it may have held a password */
        buf_clear(&call->body);
    }
}

void call_reset(struct http_call *call)
{
    if (call->response)
        MHD_destroy_response(call->response);
    call->response = NULL;
    call->status = 0;
    call->close = call->is_head = call->discard = call->too_large = false;
    call->discarded = 0;
    call->route = NULL;
    call->param_count = call->query_count = 0;
    call->query_at = 0;
    buf_clear(&call->uri);
    buf_clear(&call->decoded);
    buf_clear(&call->extra);
    let_go_of_body(call);
    head_init(&call->head);
    call->request_id[0] = call->csrf[0] = '\0';
    mem_wipe(call->session, sizeof(call->session));
    call->identity.user[0] = call->identity.token_id[0] = '\0';
    call->identity.role = ROLE_NONE;
    call->identity.accounts = NULL;
    atomic_store(&call->state, CALL_RUNNING);
}

void call_free(struct http_call *call)
{
    call_reset(call);
    buf_free(&call->uri);
    buf_free(&call->decoded);
    buf_free(&call->body);
    buf_free(&call->extra);
    free(call);
}

/* Room of `len` bytes that stays where it is as long as the call; NULL when the request is unreasonable. */
static char *decoded_room(struct http_call *call, size_t len)
{
    if (call->decoded.p == NULL && buf_room(&call->decoded, DECODED_MAX) == NULL)
        return NULL;
    if (call->decoded.len + len > DECODED_MAX)
        return NULL;
    call->decoded.len += len;
    return call->decoded.p + call->decoded.len - len;
}

int call_take_params(struct http_call *call, const struct router_hit *hit)
{
    const char *pattern = call->route->pattern;

    for (size_t i = 0; i < hit->segment_count; i++) {
        const char *name = strchr(pattern, '{'), *end = name ? strchr(name, '}') : NULL;
        size_t len = end ? (size_t)(end - name) - 1 : 0;
        char *key = decoded_room(call, len + 1);
        char *value = decoded_room(call, hit->segments[i].len + 1);

        if (end == NULL || key == NULL || value == NULL || uri_decode_segment(hit->segments[i], value) < 0)
            return -1;
        memcpy(key, name + 1, len);
        key[len] = '\0';
        call->params[call->param_count++] = (struct pair){ key, value };
        pattern = end;
    }
    return 0;
}

static const char *find_pair(const struct pair *pairs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(pairs[i].name, name) == 0)
            return pairs[i].value;
    return NULL;
}

const char *http_param(struct http_call *call, const char *name)
{
    return find_pair(call->params, call->param_count, name);
}

/* A "+" is a space, as browsers' forms and URLSearchParams write it. NULL: it can't be decoded. */
static char *decode_query(struct http_call *call, struct str text)
{
    char *into = decoded_room(call, text.len + 1);

    if (into == NULL)
        return NULL;
    for (size_t i = 0; i < text.len; i++)
        into[i] = (char)(text.p[i] == '+' ? ' ' : text.p[i]);
    return uri_decode(str_n(into, text.len), into) < 0 ? NULL : into;
}

/* Names what the client sent, but not all of a long one. */
static int refuse_query(struct http_call *call, int status, const char *code, const char *name, const char *why)
{
    AUTO_FREE char *detail = mem_printf("The query parameter \"%.64s\" %s", name, why);

    http_answer_problem(call, status, code, NULL, detail, NULL);
    return -1;
}

int call_take_queries(struct http_call *call)
{
    struct str rest = str_from(buf_str(&call->uri), call->query_at), item;

    if (call->query_at == 0)
        return 0;
    while (str_split(&rest, '&', &item)) {
        const char *equals = item.len ? memchr(item.p, '=', item.len) : NULL;
        size_t len = equals ? (size_t)(equals - item.p) : item.len;
        char *name, *value;

        if (item.len == 0)
            continue;
        name = decode_query(call, str_n(item.p, len));
        value = decode_query(call, str_from(item, equals ? len + 1 : len));
        if (name == NULL || value == NULL) {
            AUTO_FREE char *shown = mem_strndup(item.p, len);

            return refuse_query(call, 400, "query.syntax", name ? name : shown, "isn't properly encoded.");
        }
        if (call->query_count == QUERIES_MAX)
            return refuse_query(call, 400, "query.tooMany", name, "is one too many.");
        call->queries[call->query_count++] = (struct pair){ name, value };
    }
    return 0;
}

const char *http_query(struct http_call *call, const char *name)
{
    return find_pair(call->queries, call->query_count, name);
}

static bool is_gone(struct http_call *call)
{
    enum call_state state = atomic_load(&call->state);

    return state == CALL_ABANDONED || state == CALL_ORPHAN;
}

const char *http_header(struct http_call *call, const char *name)
{
    if (is_gone(call))
        return NULL;
    return MHD_lookup_connection_value(call->connection, MHD_HEADER_KIND, name);
}

struct joining {
    struct str name;
    struct buf *into;
};

static enum MHD_Result join(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct joining *joining = cls;

    (void)kind;
    if (str_eq_nocase(joining->name, str_c(name))) {
        if (joining->into->len > 0)
            buf_add_c(joining->into, ", ");
        buf_add_c(joining->into, value ? value : "");
    }
    return MHD_YES;
}

struct str call_list(struct http_call *call, enum head_field field, struct buf *into)
{
    struct joining joining = { field == HEAD_IF_MATCH ? STR("If-Match") : STR("If-None-Match"), into };

    if (is_gone(call))
        return (struct str){ NULL, 0 };
    if ((call->head.repeated & 1u << field) == 0)
        return call->head.field[field];
    MHD_get_connection_values(call->connection, MHD_HEADER_KIND, join, &joining);
    return buf_str(into);
}

bool http_query_flag(struct http_call *call, const char *name)
{
    const char *text = http_query(call, name);

    return text && strcmp(text, "true") == 0;
}

static bool takes_query(const struct http_route *route, const char *name, bool *flag)
{
    struct str rest = str_c(route->query), word;

    while (route->query && str_split(&rest, ' ', &word)) {
        *flag = word.len > 0 && word.p[word.len - 1] == '?';
        if (str_eq(str_n(word.p, word.len - *flag), str_c(name)))
            return true;
    }
    return *flag = false;
}

/* A write that ignored a misspelt dryRun would do what was only asked about. A reader may have parameters against
 * caches, or of a later version. */
int call_check_queries(struct http_call *call)
{
    bool write = call->method != HTTP_GET, flag;

    for (size_t i = 0; i < call->query_count; i++) {
        const struct pair *pair = &call->queries[i];
        bool known = takes_query(call->route, pair->name, &flag);

        if (write && !known)
            return refuse_query(call, 422, "query.unknown", pair->name, "isn't known here.");
        if ((write || flag) && find_pair(call->queries, i, pair->name))
            return refuse_query(call, 422, "query.repeated", pair->name, "may be there only once.");
        if (flag && strcmp(pair->value, "true") != 0 && strcmp(pair->value, "false") != 0)
            return refuse_query(call, 422, "query.invalid", pair->name, "must be true or false.");
    }
    return 0;
}

bool http_preconditions(struct http_call *call, const char *etag)
{
    AUTO_BUF(first, URI_MAX);
    AUTO_BUF(second, URI_MAX);

    return etag_may_write(call_list(call, HEAD_IF_MATCH, &first), call_list(call, HEAD_IF_NONE_MATCH, &second), etag);
}

bool http_not_modified(struct http_call *call, const char *etag)
{
    AUTO_BUF(joint, URI_MAX);
    struct str list = call_list(call, HEAD_IF_NONE_MATCH, &joint);

    return list.p && etag_match_weak(list, etag);
}

void *http_context(struct http_call *call)
{
    return call->server->options.ctx;
}

struct http_server *http_server_of(struct http_call *call)
{
    return call->server;
}

enum http_method http_method_of(struct http_call *call)
{
    return call->method;
}

const char *http_path(struct http_call *call)
{
    return call->uri.p ? call->uri.p : "";
}

struct str http_body(struct http_call *call)
{
    return buf_str(&call->body);
}

const char *http_request_id(struct http_call *call)
{
    return call->request_id;
}

const struct http_identity *http_identity(struct http_call *call)
{
    return &call->identity;
}

bool http_is_tls(struct http_call *call)
{
    return call->listener->tls;
}
