/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: the one way from a call to its response, the fields that every response has, problem documents. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "http/internal.h"

static const struct {
    enum err_code code;
    int status;
    const char *id;                 /* where the error has none of its own */
} statuses[] = {
    { ERR_NONE, 500, "internal" },
    { ERR_INTERNAL, 500, "internal" },
    { ERR_SYNTAX, 400, "syntax" },
    { ERR_INVALID, 422, "invalid" },
    { ERR_UNAUTHORIZED, 401, "unauthorized" },
    { ERR_FORBIDDEN, 403, "forbidden" },
    { ERR_NOT_FOUND, 404, "notFound" },
    { ERR_EXISTS, 409, "exists" },
    { ERR_CONFLICT, 409, "conflict" },
    { ERR_PRECONDITION, 412, "precondition" },
    { ERR_TOO_LARGE, 413, "tooLarge" },
    { ERR_MEDIA_TYPE, 415, "mediaType" },
    { ERR_RATE, 429, "rate" },
    { ERR_FULL, 503, "full" },
    { ERR_STORAGE, 507, "storage" },
    { ERR_TEMPORARY, 503, "temporary" },
    { ERR_REFUSED, 502, "refused" },
    { ERR_ASK, 409, "challenged" },
    { ERR_STOPPED, 503, "stopped" },
};

static size_t status_row(enum err_code code)
{
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        if (statuses[i].code == code)
            return i;
    return 0;
}

int http_status_of(enum err_code code)
{
    return statuses[status_row(code)].status;
}

/* ---- who answers, and when ---- */

static void unlist(struct http_server *server, struct http_call **list, struct http_call *call)
{
    if (call->next)
        call->next->prev = call->prev;
    if (call->prev)
        call->prev->next = call->next;
    else if (*list == call)
        *list = call->next;
    call->next = call->prev = NULL;
    if (list == &server->kept && --server->kept_count == 0)
        pthread_cond_broadcast(&server->quiet);
}

static void enlist(struct http_server *server, struct http_call **list, struct http_call *call)
{
    call->prev = NULL;
    call->next = *list;
    if (*list)
        (*list)->prev = call;
    *list = call;
    if (list == &server->kept)
        server->kept_count++;
}

/* True: this thread answers. */
static bool claim(struct http_call *call)
{
    int open = CALL_OPEN, kept = CALL_KEPT;

    return atomic_compare_exchange_strong(&call->state, &open, CALL_FILLING) ||
        atomic_compare_exchange_strong(&call->state, &kept, CALL_FILLING_KEPT);
}

/* Too late: the server stopped and gave 503, or the handler answered twice. */
static void discard(struct http_call *call, struct MHD_Response *response, bool shared)
{
    struct http_server *server = call->server;

    if (!shared)
        MHD_destroy_response(response);
    if (!atomic_exchange(&call->handed, false)) {
        log_error("http", "A request was answered twice.");
        return;
    }
    pthread_mutex_lock(&server->lock);
    unlist(server, &server->orphans, call);
    pthread_mutex_unlock(&server->lock);
    call_drop(call, NULL);
}

/* The connection stays suspended, and so the call alive, until this has resumed it. */
static void resume(struct http_call *call, bool orphan)
{
    struct http_server *server = call->server;

    pthread_mutex_lock(&server->lock);
    MHD_resume_connection(call->connection);
    unlist(server, &server->kept, call);
    if (orphan) {
        enlist(server, &server->orphans, call);
        pthread_mutex_unlock(&server->lock);
        return;
    }
    atomic_store(&call->handed, false);
    pthread_mutex_unlock(&server->lock);
    call_drop(call, NULL);
}

static void publish(struct http_call *call, int status, struct MHD_Response *response, bool shared, bool orphan)
{
    call->status = status;
    call->response = response;
    call->response_shared = shared;
    if (atomic_exchange(&call->state, CALL_ANSWERED) == CALL_FILLING_KEPT)
        resume(call, orphan);
}

void call_answer(struct http_call *call, int status, struct MHD_Response *response, bool shared)
{
    if (claim(call))
        publish(call, status, response, shared, false);
    else
        discard(call, response, shared);
}

enum MHD_Result call_keep(struct http_call *call)
{
    struct http_server *server = call->server;
    int open = CALL_OPEN, filling = CALL_FILLING;

    pthread_mutex_lock(&server->lock);
    atomic_store(&call->handed, true);
    atomic_fetch_add(&call->holders, 1);
    enlist(server, &server->kept, call);
    pthread_mutex_unlock(&server->lock);
    MHD_suspend_connection(call->connection);
    if (atomic_compare_exchange_strong(&call->state, &open, CALL_KEPT)) {
        if (server->stopping)
            call_orphan_all(server);
    } else if (!atomic_compare_exchange_strong(&call->state, &filling, CALL_FILLING_KEPT)) {
        resume(call, false);                    /* answered meanwhile, and not resumed by who did */
    }
    return MHD_YES;
}

/* Stopping: whoever was to answer finds that it was done. */
void call_orphan_all(struct http_server *server)
{
    for (;;) {
        struct http_call *call;
        int kept = CALL_KEPT;

        pthread_mutex_lock(&server->lock);
        for (call = server->kept; call; call = call->next, kept = CALL_KEPT)
            if (atomic_compare_exchange_strong(&call->state, &kept, CALL_FILLING_KEPT))
                break;
        pthread_mutex_unlock(&server->lock);
        if (call == NULL)
            return;
        publish(call, 503, response_empty(call), false, true);
    }
}

/* ---- what every response carries ---- */

int http_add_header(struct http_call *call, const char *name, const char *value)
{
    struct added *added, **at = &call->added;
    size_t name_len = strlen(name), value_len = strlen(value);
    char *text;

    if (!head_name_ok(str_n(name, name_len)) || !head_value_ok(str_n(value, value_len)))
        return -1;
    added = call_alloc(call, sizeof(*added));
    text = call_alloc(call, name_len + value_len + 2);
    added->name = memcpy(text, name, name_len + 1);
    added->value = memcpy(text + name_len + 1, value, value_len + 1);
    while (*at)
        at = &(*at)->next;
    *at = added;
    if (str_eq_nocase(str_c(name), STR("Cache-Control")))
        call->has_cache_control = true;
    if (str_eq_nocase(str_c(name), STR("ETag")))
        call->has_etag = true;
    return 0;
}

int http_add_etag(struct http_call *call, const char *etag)
{
    char quoted[160];

    if ((size_t)snprintf(quoted, sizeof(quoted), "\"%s\"", etag) >= sizeof(quoted))
        return -1;
    return http_add_header(call, "ETag", quoted);
}

struct MHD_Response *response_finish(struct http_call *call, struct MHD_Response *response, const char *type)
{
    response_add_fixed(response);
    if (type)
        MHD_add_response_header(response, "Content-Type", type);
    if (!call->has_cache_control)
        MHD_add_response_header(response, "Cache-Control", call->has_etag ? "no-cache" : "no-store");
    if (call->listener->hsts)
        MHD_add_response_header(response, "Strict-Transport-Security", "max-age=31536000");
    if (call->close)
        MHD_add_response_header(response, "Connection", "close");
    MHD_add_response_header(response, "X-Request-Id", http_request_id(call));
    for (const struct added *added = call->added; added; added = added->next)
        MHD_add_response_header(response, added->name, added->value);
    return response;
}

struct MHD_Response *response_empty(struct http_call *call)
{
    return response_finish(call, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), NULL);
}

static void *some(struct str bytes)
{
    static char nothing[1];

    return bytes.p && bytes.len ? (void *)(uintptr_t)bytes.p : nothing;
}

void http_answer(struct http_call *call, int status, const char *type, struct str bytes)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(bytes.len, some(bytes), MHD_RESPMEM_MUST_COPY);

    call_answer(call, status, response_finish(call, response, type), false);
}

static void let_go(void *bytes)
{
    bytes_free(bytes);
}

void http_answer_bytes(struct http_call *call, int status, const char *type, struct bytes *bytes)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(bytes->len, bytes->p, let_go, bytes);

    call_answer(call, status, response_finish(call, response, type), false);
}

static void free_buf(void *cls)
{
    struct buf *buf = cls;

    buf_free(buf);
    free(buf);
}

void http_answer_buf(struct http_call *call, int status, const char *type, struct buf *buf)
{
    struct buf *taken = mem_copy(buf, sizeof(*buf));
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(taken->len, some(buf_str(taken)), free_buf, taken);

    buf_init(buf, buf->max);
    call_answer(call, status, response_finish(call, response, type), false);
}

void http_answer_empty(struct http_call *call, int status)
{
    call_answer(call, status, response_empty(call), false);
}

/* ---- problem documents, RFC 9457 ---- */

/* ,"key":"text" - without the comma at the beginning of an object. */
static void add_json(struct buf *buf, const char *key, const char *text)
{
    buf_addf(buf, "%s\"%s\":\"", buf->len && buf->p[buf->len - 1] != '{' ? "," : "", key);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_addf(buf, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            buf_addf(buf, "\\u%04x", (unsigned)*text);
        else
            buf_add_char(buf, *text);
    }
    buf_add_char(buf, '"');
}

void http_answer_problem(struct http_call *call, int status, const char *title, const char *detail, const char *code,
                         const char *errors)
{
    struct buf buf;

    buf_init(&buf, HTTP_BODY_MAX);
    buf_addf(&buf, "{\"status\":%d", status);
    add_json(&buf, "title", title ? title : MHD_get_reason_phrase_for((unsigned)status));
    if (code && code[0])
        add_json(&buf, "code", code);
    if (detail && detail[0])
        add_json(&buf, "detail", detail);
    add_json(&buf, "requestId", http_request_id(call));
    if (errors && buf_addf(&buf, ",\"errors\":%s", errors) < 0)
        log_warning("http", "An answer had more errors than fit.");
    buf_add_char(&buf, '}');
    http_answer_buf(call, status, "application/problem+json", &buf);
}

/* Where in the document, when the error says so: only these are about a document. */
static bool has_pointer(const struct err *err)
{
    return err->at[0] && (err->at[0] == '/' || err->code == ERR_INVALID || err->code == ERR_EXISTS);
}

void http_answer_err(struct http_call *call, const struct err *err)
{
    size_t row = status_row(err->code);
    const char *code = err->id[0] ? err->id : statuses[row].id;
    char pointer[sizeof(err->at) + 1];
    AUTO_BUF(errors, 4096);

    if (statuses[row].status == 500)
        log_error("http", "%s: %s", http_request_id(call), err->text);
    if (has_pointer(err)) {
        snprintf(pointer, sizeof(pointer), "%s%s", err->at[0] == '/' ? "" : "/", err->at);
        buf_add_c(&errors, "[{");
        add_json(&errors, "pointer", pointer);
        add_json(&errors, "code", code);
        add_json(&errors, "detail", err->text);
        buf_add_c(&errors, "}]");
    }
    http_answer_problem(call, statuses[row].status, NULL, err->text, code, errors.len ? errors.p : NULL);
}

void call_refuse(struct http_call *call, int status, const char *code, const char *detail)
{
    call->refused = true;
    http_answer_problem(call, status, NULL, detail, code, NULL);
}
