/* SPDX-License-Identifier: Apache-2.0 */
/* What libmicrohttpd calls: for the head, for each piece of the body, for the whole, and after a resume. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/etag.h"
#include "http/internal.h"

static const char *const method_names[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };
static const char *const role_names[] = { "none", "viewer", "operator", "admin" };

const char *http_method_name(enum http_method method)
{
    return method < HTTP_METHODS ? method_names[method] : "?";
}

const char *role_name(enum role role)
{
    return role_names[role];
}

/* ---- the head ---- */

static void add_query(struct http_call *call, struct str name, struct str value)
{
    struct query *query = call_alloc(call, sizeof(*query)), **at = &call->queries;
    char *text = call_alloc(call, name.len + value.len + 2);

    if (++call->query_count > QUERY_MAX || uri_decode(name, text) < 0 ||
        uri_decode(value, text + name.len + 1) < 0) {
        call->bad_query = true;
        return;
    }
    query->name = text;
    query->value = text + name.len + 1;
    while (*at)
        at = &(*at)->next;
    *at = query;
}

static enum MHD_Result read_field(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                  const char *value, size_t value_len)
{
    struct http_call *call = cls;

    if (kind == MHD_HEADER_KIND)
        head_add(&call->head, str_n(name, name_len), str_n(value, value ? value_len : 0));
    else
        add_query(call, str_n(name, name_len), str_n(value ? value : "", value ? value_len : 0));
    return call->bad_query ? MHD_NO : MHD_YES;
}

/* False: not a method of ours. TRACE and CONNECT are known, and taken nowhere. */
static bool read_method(struct http_call *call, const char *method)
{
    for (int i = 0; i < HTTP_METHODS; i++)
        if (strcmp(method, method_names[i]) == 0) {
            call->method = (enum http_method)i;
            return true;
        }
    call->is_head = strcmp(method, "HEAD") == 0;
    call->is_options = strcmp(method, "OPTIONS") == 0;
    call->method = call->is_head ? HTTP_GET : HTTP_METHODS;
    return call->is_head || call->is_options || strcmp(method, "TRACE") == 0 || strcmp(method, "CONNECT") == 0;
}

static void answer_allow(struct http_call *call, unsigned allowed)
{
    char allow[64];

    router_allow(allowed, allow);
    http_add_header(call, "Allow", allow);
    if (!call->is_options) {
        call_refuse(call, 405, "method", "This path doesn't take this method.");
        return;
    }
    call->refused = true;
    http_answer_empty(call, 204);
}

/* Sets route or file, or refuses. */
static void find_route(struct http_call *call)
{
    int status = call->is_options && call->path[0] == '*' ? 405
        : router_match(call->server->router, call->method, str_c(call->path), &call->match);
    struct http_ready *file;

    if (status == 200) {
        call->route = call->match.route;
        return;
    }
    file = status == 404 || (status == 405 && call->method == HTTP_GET)
        ? statics_find(call->server->statics, call->path, call->head.field[HEAD_ACCEPT_ENCODING]) : NULL;
    if (file && call->method == HTTP_GET)
        call->file = file;
    else if (call->path[0] == '*')
        answer_allow(call, (1u << HTTP_METHODS) - 1);
    else if (status == 405 || file)
        answer_allow(call, call->match.allowed | (file ? 1u << HTTP_GET : 0));
    else if (status == 404)
        call_refuse(call, 404, "notFound", "There is nothing here.");
    else if (status == 414)
        call_refuse(call, 414, "request.target", "A part of the path is too long.");
    else
        call_refuse(call, 400, "request.target", "A part of the path isn't percent-encoded UTF-8, or hides a slash.");
}

static void check_conditions(struct http_call *call)
{
    static const enum head_field conditions[] = { HEAD_IF_MATCH, HEAD_IF_NONE_MATCH };

    for (size_t i = 0; i < COUNT_OF(conditions); i++) {
        struct str field = call->head.field[conditions[i]];

        if (field.p && etag_match(field, NULL, true) == ETAG_MALFORMED) {
            call_refuse(call, 400, "request.condition", "If-Match and If-None-Match take quoted entity tags, or *.");
            return;
        }
    }
}

static void screen(struct http_call *call, const char *url, const char *method, const char *version)
{
    bool known = read_method(call, method);

    MHD_get_connection_values_n(call->connection, MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND, read_field, call);
    head_end(&call->head, version);
    if (head_request_id_ok(call->head.field[HEAD_REQUEST_ID])) {
        memcpy(call->id, call->head.field[HEAD_REQUEST_ID].p, call->head.field[HEAD_REQUEST_ID].len);
        call->own_id = true;
    }
    if (call->head.status || !known) {
        call->close = true;
        if (call->head.status)
            call_refuse(call, call->head.status, "request.head", call->head.why);
        else
            call_refuse(call, 501, "method", "This method isn't known here.");
        return;
    }
    if (guard_target(call, url) < 0 || guard_host(call) < 0)
        return;
    if (call->bad_query) {
        call_refuse(call, 400, "request.query", "The query isn't percent-encoded UTF-8, or is too long.");
        return;
    }
    find_route(call);
    if (call->route && !call->refused && guard_origin(call) == 0 && guard_identity(call) == 0 &&
        guard_body(call) == 0)
        check_conditions(call);
}

/* ---- the body ---- */

/* Answering before the body was read costs the connection; a small body is cheaper. */
static bool is_refused_at_once(const struct http_call *call)
{
    const struct head *head = &call->head;

    if (!call->refused)
        return false;
    return head->status || head->expects || head->chunked || head->length > DISCARD_SMALL;
}

/* MHD_NO ends the connection: for one that dribbles, and for one that doesn't stop. */
static enum MHD_Result take_body(struct http_call *call, const char *data, size_t *size)
{
    int64_t ms = (mono_us() - call->started_us) / 1000;

    call->body_seen += *size;
    if (ms > call->server->idle + (int64_t)(call->body_seen / BODY_RATE))
        return MHD_NO;
    if (!call->refused && call->route && !call->over) {
        if (call->body.len == 0 && call->head.length > *size)
            buf_room(&call->body, call->head.length);
        call->over = buf_add(&call->body, str_n(data, *size)) < 0;
        if (call->over)
            buf_free(&call->body);
    }
    *size = 0;
    return call->body_seen > DISCARD_MAX && (call->over || call->route == NULL) ? MHD_NO : MHD_YES;
}

/* ---- the whole ---- */

static enum MHD_Result send_answer(struct http_call *call)
{
    enum MHD_Result sent = MHD_queue_response(call->connection, (unsigned)call->status, call->response);

    return sent;
}

static void run(struct http_call *call)
{
    call->dispatched = true;
    if (call->refused)
        return;
    if (atomic_load_explicit(&call->server->stopping, memory_order_relaxed)) {
        call->close = true;
        call_refuse(call, 503, "stopping", "The server is stopping.");
    } else if (call->over) {
        call->close = true;
        call_refuse(call, 413, "tooLarge", "The body is larger than what may come here.");
    } else if (call->file) {
        http_answer_ready(call, call->file);
    } else {
        call->route->handler(call);
    }
}

enum MHD_Result dispatch_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                 const char *version, const char *data, size_t *size, void **con_cls)
{
    struct http_call *call = *con_cls;

    if (call == NULL) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        struct conn *conn = info->socket_context;

        *con_cls = call = call_begin(cls, conn, connection);
        atomic_store_explicit(&conn->idle_since, 0, memory_order_relaxed);
        screen(call, url, method, version);
        return is_refused_at_once(call) ? send_answer(call) : MHD_YES;
    }
    if (*size)
        return take_body(call, data, size);
    if (!call->dispatched)
        run(call);
    return atomic_load(&call->state) == CALL_ANSWERED ? send_answer(call) : call_keep(call);
}

void dispatch_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                        enum MHD_RequestTerminationCode why)
{
    struct http_call *call = *con_cls;
    struct http_server *server;
    int class;

    (void)cls;
    (void)connection;
    if (call == NULL)
        return;
    *con_cls = NULL;
    server = call->server;
    class = why == MHD_REQUEST_TERMINATED_COMPLETED_OK ? call->status / 100 : 0;
    atomic_fetch_add_explicit(&server->requests[class < 6 ? class : 0], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&server->duration_us, (unsigned long)(mono_us() - call->started_us),
                              memory_order_relaxed);
    atomic_store_explicit(&call->conn->idle_since, clock_mono(), memory_order_relaxed);
    if (is_refused_at_once(call) || (call->close && call->over))
        linger_add(server->linger, call->conn->fd);
    call_drop(call, call->conn);
}

/* ---- connections ---- */

static void address_text(const struct sockaddr *address, char text[48])
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;

    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, 48);
    else if (address && address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], text, 48);
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &six->sin6_addr, text, 48);
}

static void opened(struct listener *listener, struct MHD_Connection *connection, void **socket_context)
{
    struct http_server *server = listener->server;
    struct conn *conn = mem_alloc(sizeof(*conn));

    conn->listener = listener;
    conn->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    address_text(MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
                 conn->address);
    atomic_init(&conn->idle_since, clock_mono());
    pthread_mutex_lock(&server->lock);
    conn->next = server->conns;
    if (conn->next)
        conn->next->prev = conn;
    server->conns = conn;
    server->conn_count++;
    pthread_mutex_unlock(&server->lock);
    *socket_context = conn;
}

void dispatch_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                         enum MHD_ConnectionNotificationCode what)
{
    struct listener *listener = cls;
    struct conn *conn = *socket_context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        opened(listener, connection, socket_context);
        return;
    }
    if (conn == NULL)
        return;
    pthread_mutex_lock(&listener->server->lock);
    if (conn->next)
        conn->next->prev = conn->prev;
    *(conn->prev ? &conn->prev->next : &listener->server->conns) = conn->next;
    listener->server->conn_count--;
    pthread_mutex_unlock(&listener->server->lock);
    *socket_context = NULL;
    free(conn->spare);
    free(conn);
}
