/* SPDX-License-Identifier: Apache-2.0 */
/* The call: its memory, and what a handler reads from it. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "http/etag.h"
#include "http/internal.h"

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(16) char p[];
};

int64_t mono_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* What a request leaves behind goes; what the next one needs is set in call_begin. */
static void clear(struct http_call *call)
{
    struct block *next;

    for (struct block *block = call->blocks; block; block = next) {
        next = block->next;
        mem_wipe(block->p, block->used);        /* a Set-Cookie may be there */
        free(block);
    }
    buf_free(&call->body);
    bytes_free(call->identity.accounts);
    if (call->response && !call->response_shared)
        MHD_destroy_response(call->response);
}

struct http_call *call_begin(struct listener *listener, struct conn *conn, struct MHD_Connection *connection)
{
    struct http_call *call = conn->spare;

    conn->spare = NULL;
    if (call)
        memset(call, 0, sizeof(*call));
    else
        call = mem_alloc(sizeof(*call));
    call->server = listener->server;
    call->listener = listener;
    call->conn = conn;
    call->connection = connection;
    call->started_us = mono_us();
    memcpy(call->identity.address, conn->address, sizeof(conn->address));
    atomic_init(&call->holders, 1);
    head_init(&call->head);
    return call;
}

void call_drop(struct http_call *call, struct conn *conn)
{
    if (atomic_fetch_sub(&call->holders, 1) != 1)
        return;
    clear(call);
    if (conn && conn->spare == NULL)
        conn->spare = call;
    else
        free(call);
}

void *call_alloc(struct http_call *call, size_t size)
{
    struct block *block = call->blocks;
    void *at;

    size = (size + 15) & ~(size_t)15;
    if (block == NULL || block->size - block->used < size) {
        size_t room = size > 2048 ? size : 2048;

        block = mem_alloc(sizeof(*block) + room);
        block->size = room;
        block->next = call->blocks;
        call->blocks = block;
    }
    at = block->p + block->used;
    block->used += size;
    return at;
}

enum http_method http_method_of(const struct http_call *call)
{
    return call->method;
}

const char *http_path(const struct http_call *call)
{
    return call->path;
}

const char *http_param(const struct http_call *call, const char *name)
{
    for (size_t i = 0; i < call->match.count; i++)
        if (strcmp(call->match.params[i].name, name) == 0)
            return call->match.params[i].value;
    return NULL;
}

const char *http_query(const struct http_call *call, const char *name)
{
    for (const struct query *query = call->queries; query; query = query->next)
        if (strcmp(query->name, name) == 0)
            return query->value;
    return NULL;
}

void http_each_query(const struct http_call *call, bool (*each)(void *ctx, const char *name, const char *value),
                     void *ctx)
{
    for (const struct query *query = call->queries; query; query = query->next)
        if (!each(ctx, query->name, query->value))
            return;
}

struct gather {
    struct str name;
    struct buf *into;
};

static enum MHD_Result gather_field(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                    const char *value, size_t value_len)
{
    struct gather *gather = cls;

    (void)kind;
    if (str_eq_nocase(str_n(name, name_len), gather->name)) {
        if (gather->into->p)
            buf_add_c(gather->into, ", ");
        buf_add(gather->into, str_trim(str_n(value ? value : "", value_len)));
        if (gather->into->p == NULL)
            buf_add_c(gather->into, "");
    }
    return MHD_YES;
}

const char *http_header(struct http_call *call, const char *name)
{
    AUTO_BUF(joined, 64 * 1024);
    struct gather gather = { str_c(name), &joined };
    int at = head_field_of(gather.name);
    char *text;

    if (at >= 0 && call->head.field[at].p == NULL)
        return NULL;
    if (at >= 0 && !(call->head.repeated & 1u << at)) {
        struct str value = call->head.field[at];

        text = call_alloc(call, value.len + 1);
        memcpy(text, value.p, value.len);
        return text;
    }
    MHD_get_connection_values_n(call->connection, MHD_HEADER_KIND, gather_field, &gather);
    if (joined.p == NULL)
        return NULL;
    text = call_alloc(call, joined.len + 1);
    memcpy(text, joined.p, joined.len);
    return text;
}

struct str http_body(const struct http_call *call)
{
    return buf_str(&call->body);
}

struct buf http_body_take(struct http_call *call)
{
    struct buf body = call->body;

    buf_init(&call->body, 0);
    return body;
}

const char *http_body_type(const struct http_call *call)
{
    return call->type;
}

const struct http_identity *http_identity(const struct http_call *call)
{
    return &call->identity;
}

/* Not a secret, only unique: a random start for each run, and a count. */
const char *http_request_id(struct http_call *call)
{
    if (call->id[0] == '\0')
        snprintf(call->id, sizeof(call->id), "%s-%08lx", call->server->id_prefix,
                 atomic_fetch_add_explicit(&call->server->id_next, 1, memory_order_relaxed));
    return call->id;
}

bool http_is_tls(const struct http_call *call)
{
    return call->listener->tls;
}

const char *http_origin(struct http_call *call)
{
    const char *scheme = call->listener->tls ? "https://" : "http://";
    char *text;

    if (call->authority.len == 0)
        return call->listener->url;
    text = call_alloc(call, 8 + call->authority.len + 1);
    strcpy(text, scheme);
    memcpy(text + strlen(scheme), call->authority.p, call->authority.len);
    return text;
}

const struct http_route *http_route_of(const struct http_call *call)
{
    return call->route;
}

void *http_context(const struct http_call *call)
{
    return call->server->context;
}

struct http_server *http_server_of(const struct http_call *call)
{
    return call->server;
}

const char *http_csrf(const struct http_call *call)
{
    return call->csrf[0] ? call->csrf : NULL;
}

static enum etag_match match_field(struct http_call *call, enum head_field field, const char *name, const char *etag,
                                   bool weak)
{
    struct str value = call->head.field[field];

    if (call->head.repeated & 1u << field)
        value = str_c(http_header(call, name));
    return etag_match(value, etag, weak);
}

bool http_if_match(struct http_call *call, const char *etag)
{
    return call->head.field[HEAD_IF_MATCH].p == NULL ||
        match_field(call, HEAD_IF_MATCH, "If-Match", etag, false) == ETAG_YES;
}

bool http_if_none_match(struct http_call *call, const char *etag)
{
    return call->head.field[HEAD_IF_NONE_MATCH].p &&
        match_field(call, HEAD_IF_NONE_MATCH, "If-None-Match", etag, true) == ETAG_YES;
}

void http_session_new(struct http_call *call, const struct http_identity *who, char csrf[HTTP_CSRF_MAX])
{
    char cookie[SESSION_COOKIE_LEN + 1], field[256];

    csrf[0] = '\0';
    if (session_begin(call->server->sessions, who, clock_mono(), cookie, csrf) < 0)
        return;
    snprintf(field, sizeof(field), "%s=%s; Path=/; HttpOnly; SameSite=Strict%s", call->listener->cookie, cookie,
             call->listener->tls ? "; Secure" : "");
    http_add_header(call, "Set-Cookie", field);
    mem_wipe(cookie, sizeof(cookie));
    mem_wipe(field, sizeof(field));
}

void http_session_end(struct http_call *call)
{
    char field[160];

    session_end(call->server->sessions, head_cookie(call->head.field[HEAD_COOKIE], str_c(call->listener->cookie)));
    snprintf(field, sizeof(field), "%s=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict%s", call->listener->cookie,
             call->listener->tls ? "; Secure" : "");
    http_add_header(call, "Set-Cookie", field);
}

void http_session_end_all_of(struct http_server *server, const char *username)
{
    session_end_user(server->sessions, username);
}

size_t http_session_count(struct http_server *server)
{
    return session_count(server->sessions);
}
