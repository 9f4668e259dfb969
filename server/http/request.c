/* SPDX-License-Identifier: Apache-2.0 */
/* A request's way through: libmicrohttpd calls request_access() when the head is there, for each piece of body, when
 * the body is whole, and again after a parked connection was resumed. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/framing.h"
#include "http/internal.h"
#include "http/uri.h"

static struct http_call *call_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void enter(struct http_call *call, enum phase phase)
{
    atomic_store_explicit(&call->phase_since, clock_mono(), memory_order_relaxed);
    atomic_store_explicit(&call->phase, phase, memory_order_release);
}

/* The only place that sees the whole of it: libmicrohttpd cuts it up, in place. */
void *request_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct http_call *call = call_of(connection);
    char *mark;

    (void)cls;
    if (call == NULL)
        return NULL;
    call_reset(call);
    if (buf_add_c(&call->uri, uri) < 0 || call->uri.len == 0)
        return NULL;
    mark = memchr(call->uri.p, '?', call->uri.len);
    if (mark) {
        *mark = '\0';
        call->query_at = (size_t)(mark - call->uri.p) + 1;
    }
    return NULL;
}

struct seeing {
    struct head *head;
    struct framing framing;
};

static enum MHD_Result see_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                  const char *value, size_t value_len)
{
    struct seeing *seeing = cls;

    (void)kind;
    framing_field(&seeing->framing, str_n(name, name_len), str_n(value, value_len));
    head_add(seeing->head, str_n(name, name_len), str_n(value ? value : "", value_len));
    return MHD_YES;
}

static void see_head(struct http_call *call, const char *method, const char *url, const char *version)
{
    const union MHD_ConnectionInfo *info;
    struct seeing seeing = { .head = &call->head };

    framing_begin(&seeing.framing, method, url, buf_str(&call->uri), version);
    MHD_get_connection_values_n(call->connection, MHD_HEADER_KIND, see_header, &seeing);
    info = MHD_get_connection_info(call->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (call->server->parses_in_place && call->uri.len > 0 && (info == NULL || !framing_end(&seeing.framing, method + info->header_size)))
        head_refuse(&call->head, 400, "The request has a line end, a space or a control character where none may be.");
    if (!head_name_ok(str_c(method)))
        head_refuse(&call->head, 400, "The method isn't one.");
}

static uint64_t mix(uint64_t x)         /* splitmix64: a counter that doesn't look like one */
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void set_request_id(struct http_call *call)
{
    struct http_server *server = call->server;
    struct str given = call->head.field[HEAD_REQUEST_ID];
    uint64_t number;

    if (head_request_id_ok(given)) {
        memcpy(call->request_id, given.p, given.len);
        call->request_id[given.len] = '\0';
        return;
    }
    number = mix(server->id_seed + atomic_fetch_add(&server->id_count, 1) * 0x9e3779b97f4a7c15u);
    for (int i = 0; i < 16; i++)
        call->request_id[i] = "0123456789abcdef"[number >> (60 - 4 * i) & 15];
    call->request_id[16] = '\0';
}

static int refuse(struct http_call *call, int status, const char *code, const char *detail)
{
    http_answer_problem(call, status, code, NULL, detail, NULL);
    return -1;
}

/* -1: none of ours. */
static int method_of(struct http_call *call, const char *name)
{
    call->is_head = strcmp(name, "HEAD") == 0;
    if (call->is_head)
        return HTTP_GET;
    for (int method = HTTP_GET; method <= HTTP_DELETE; method++)
        if (strcmp(http_method_name((enum http_method)method), name) == 0)
            return method;
    return -1;
}

static void add_allow(struct http_call *call, const struct router_hit *hit, bool asset)
{
    AUTO_BUF(list, 128);

    for (int method = HTTP_GET; method <= HTTP_DELETE; method++) {
        if (hit->by_method[method] || (method == HTTP_GET && asset)) {
            buf_addf(&list, "%s, ", http_method_name((enum http_method)method));
            if (method == HTTP_GET)
                buf_add_c(&list, "HEAD, ");
        }
    }
    buf_add_c(&list, "OPTIONS");
    http_add_header(call, "Allow", list.p);
}

static int answer_options(struct http_call *call)
{
    http_answer_empty(call, 204);
    return -1;
}

/* Finds the route, or the asset (then there is no route). */
static int route(struct http_call *call, const char *method_name, const char *path)
{
    int method = method_of(call, method_name);
    bool asset = assets_has(call->server->assets, path), options = strcmp(method_name, "OPTIONS") == 0;
    struct router_hit hit;

    call->method = method < 0 ? HTTP_GET : (enum http_method)method;
    if (options && strcmp(path, "*") == 0) {
        http_add_header(call, "Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        return answer_options(call);
    }
    if (!router_find(call->server->router, path, method, &hit) && !asset)
        return refuse(call, 404, "notFound", "There is nothing at this path.");
    if (options) {
        add_allow(call, &hit, asset);
        return answer_options(call);
    }
    if (method < 0 || (hit.by_method[method] == NULL && !(asset && method == HTTP_GET))) {
        add_allow(call, &hit, asset);
        return refuse(call, 405, "method", "This path doesn't take this method.");
    }
    call->route = hit.by_method[method];
    if (call->route && call_take_params(call, &hit) < 0)
        return refuse(call, 400, "path", "The path isn't properly encoded.");
    return call->route ? call_take_queries(call) : 0;
}

static bool has_body(const struct http_call *call)
{
    return call->head.chunked || call->head.length > 0;
}

static const char *types_of(const struct http_route *route)
{
    return route->media ? route->media : "application/json application/merge-patch+json";
}

static bool takes_type(const struct http_route *route, const char *type)
{
    struct str rest = str_c(types_of(route)), one;

    while (str_split(&rest, ' ', &one))
        if (str_eq(one, str_c(type)) || str_eq(one, STR("*/*")))
            return true;
    return false;
}

static int refuse_type(struct http_call *call)
{
    AUTO_BUF(types, 512);
    AUTO_FREE char *detail = NULL;

    for (const char *p = types_of(call->route); *p; p++)
        buf_addf(&types, *p == ' ' ? ", " : "%c", *p);
    detail = mem_printf("The Content-Type is missing, or isn't one this path takes: %s.", types.p);
    http_add_header(call, call->method == HTTP_PATCH ? "Accept-Patch" : "Accept", types.p);
    return refuse(call, 415, "mediaType", detail);
}

/* Before the body is read. */
static int check_body(struct http_call *call)
{
    const struct http_route *route = call->route;
    struct str coding = call->head.field[HEAD_CONTENT_ENCODING];
    char type[128];

    call->body.max = route->body_max ? route->body_max : BODY_PRESET;
    if (!has_body(call))
        return 0;
    if (call->head.length > call->body.max) {
        call->close = true;
        return refuse(call, 413, "tooLarge", "The body is larger than this path takes.");
    }
    if (coding.p && !str_eq_nocase(coding, STR("identity"))) {
        http_add_header(call, "Accept-Encoding", "identity");
        return refuse(call, 415, "mediaType", "Bodies are taken without a Content-Encoding.");
    }
    if (!head_media_type(call->head.field[HEAD_CONTENT_TYPE], type, sizeof(type)) || !takes_type(route, type))
        return refuse_type(call);
    return 0;
}

/* Everything that can be said from the head alone. 0: the handler may run once the body is there. */
static int judge(struct http_call *call, const char *method, const char *version)
{
    struct str scheme, authority = call->head.field[HEAD_HOST], rest;
    const char *path = http_path(call);

    head_end(&call->head, version);
    set_request_id(call);
    if (call->head.status || call->uri.len == 0) {
        call->close = true;
        if (call->head.status)
            return refuse(call, call->head.status, "request", call->head.why);
        return refuse(call, 414, "request", "The address of the request is too long.");
    }
    if (atomic_load(&call->server->stopping)) {
        call->close = true;
        return refuse(call, 503, "stopped", "The server is stopping.");
    }
    if (uri_split(str_c(path), &scheme, &authority, &rest))     /* RFC 9112 3.2.2: it overrides Host */
        path = rest.len > 0 ? rest.p : "/";
    else if (path[0] != '/' && strcmp(path, "*") != 0) {
        call->close = true;
        return refuse(call, 400, "request", "The address of the request isn't a path.");
    }
    if (call->head.field[HEAD_HOST].p && auth_host(call, call->head.field[HEAD_HOST]) < 0)
        return -1;
    if (authority.p != call->head.field[HEAD_HOST].p && auth_host(call, authority) < 0)
        return -1;
    if (route(call, method, path) < 0)
        return -1;
    if (call->route == NULL) {
        assets_answer(call, path);
        return -1;
    }
    if (auth_origin(call) < 0 || auth_caller(call) < 0 || call_check_queries(call) < 0)
        return -1;
    return check_body(call);
}

static enum MHD_Result queue(struct http_call *call)
{
    enum call_state state = atomic_load(&call->state);
    struct MHD_Response *response = call->server->stopping_answer;
    int status = 503;
    enum MHD_Result rc;

    if (state == CALL_ANSWERED) {
        response = call->response;
        status = call->status;
        call->response = NULL;
    }
    if (response == NULL)
        return MHD_NO;
    atomic_fetch_add(&call->server->by_class[status / 100 < 6 ? status / 100 : 5], 1);
    rc = MHD_queue_response(call->connection, (unsigned)status, response);
    if (state == CALL_ANSWERED)
        MHD_destroy_response(response);
    return rc;
}

static enum MHD_Result begin(struct http_call *call, struct MHD_Connection *connection, const char *method,
                             const char *url, const char *version)
{
    enter(call, PHASE_BODY);
    call->connection = connection;
    call->counted = true;
    atomic_fetch_add(&call->server->requests, 1);
    atomic_fetch_add(&call->server->open_requests, 1);
    see_head(call, method, url, version);
    if (judge(call, method, version) == 0)
        return MHD_YES;
    call->discard = true;
    if (!has_body(call) && !call->close)
        return MHD_YES;                 /* answered on the second call: the connection lives on */
    if (!call->close && !call->head.chunked && !call->head.expects && call->head.length <= BODY_DRAIN)
        return MHD_YES;
    call->linger = true;
    enter(call, PHASE_BUSY);
    return queue(call);
}

/* Not over HTTP's own way: libmicrohttpd takes no answer while a body is under way. What is far too much ends it. */
static enum MHD_Result take_body(struct http_call *call, struct str piece)
{
    if (!call->discard && buf_add(&call->body, piece) < 0) {
        call->too_large = call->discard = true;
        buf_free(&call->body);
    }
    if (call->discard)
        call->discarded += piece.len;
    atomic_fetch_add(&call->phase_since, (int64_t)(piece.len / BODY_SLOWEST));
    return call->discarded > BODY_DISCARD ? MHD_NO : MHD_YES;
}

static enum MHD_Result park(struct http_call *call)
{
    enum call_state was = CALL_RUNNING;

    MHD_suspend_connection(call->connection);
    if (!atomic_compare_exchange_strong(&call->state, &was, CALL_PARKED)) {
        MHD_resume_connection(call->connection);        /* answered between the two */
        return MHD_YES;
    }
    if (atomic_load(&call->server->abandoning)) {
        was = CALL_PARKED;
        if (atomic_compare_exchange_strong(&call->state, &was, CALL_ABANDONED))
            MHD_resume_connection(call->connection);
    }
    return MHD_YES;
}

static enum MHD_Result finish(struct http_call *call)
{
    enter(call, PHASE_BUSY);
    if (atomic_load(&call->state) != CALL_RUNNING)
        return queue(call);
    if (call->too_large) {
        call->close = true;
        refuse(call, 413, "tooLarge", "The body is larger than this path takes.");
    } else {
        call->route->handler(call);
    }
    return atomic_load(&call->state) == CALL_RUNNING ? park(call) : queue(call);
}

enum MHD_Result request_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *upload, size_t *upload_len, void **con_cls)
{
    struct http_call *call = *con_cls;

    (void)cls;
    if (call == NULL) {
        *con_cls = call = call_of(connection);
        return call ? begin(call, connection, method, url, version) : MHD_NO;
    }
    if (*upload_len > 0) {
        struct str piece = str_n(upload, *upload_len);

        *upload_len = 0;
        return take_body(call, piece);
    }
    return finish(call);
}

void request_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                       enum MHD_RequestTerminationCode why)
{
    struct http_call *call = call_of(connection);
    enum call_state state;

    (void)cls, (void)why;
    *con_cls = NULL;
    if (call == NULL || !call->counted)
        return;
    call->counted = false;
    atomic_fetch_sub(&call->server->open_requests, 1);
    enter(call, PHASE_HEAD);
    state = atomic_load(&call->state);
    if (state == CALL_ANSWERED || state == CALL_RUNNING)    /* the others belong to who has yet to answer */
        call_reset(call);
}
