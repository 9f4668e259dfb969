/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: bytes, problems, and the headers that every one of them has. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "http/internal.h"

#define PROBLEM_MAX (1 << 20)
#define HSTS "max-age=31536000"         /* a year; other hosts of the domain are none of our business */

static const struct pair security[] = {
    { "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
      "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'" },
    { "X-Content-Type-Options", "nosniff" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Permissions-Policy", "camera=(), geolocation=(), microphone=()" },
};

/* One table of what becomes of an error. The rest is ours: 500. */
static const struct {
    enum err_code code;
    int status;
    const char *id;
} statuses[] = {
    { ERR_SYNTAX, 400, "syntax" }, { ERR_UNAUTHORIZED, 401, "unauthorized" }, { ERR_FORBIDDEN, 403, "forbidden" },
    { ERR_NOT_FOUND, 404, "notFound" }, { ERR_EXISTS, 409, "exists" }, { ERR_CONFLICT, 409, "conflict" },
    { ERR_PRECONDITION, 412, "precondition" }, { ERR_TOO_LARGE, 413, "tooLarge" },
    { ERR_MEDIA_TYPE, 415, "mediaType" }, { ERR_INVALID, 422, "invalid" }, { ERR_RATE, 429, "rate" },
    { ERR_ASK, 409, "ask" }, { ERR_REFUSED, 502, "refused" }, { ERR_TEMPORARY, 503, "temporary" },
    { ERR_FULL, 503, "full" }, { ERR_STOPPED, 503, "stopped" }, { ERR_STORAGE, 507, "storage" },
};

int http_status_of(enum err_code code)
{
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        if (statuses[i].code == code)
            return statuses[i].status;
    return 500;
}

static const char *id_of(enum err_code code)
{
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        if (statuses[i].code == code)
            return statuses[i].id;
    return "internal";
}

/* The next pair of `extra` at `*at`; false at the end. */
static bool next_extra(const struct http_call *call, size_t *at, struct pair *pair)
{
    if (*at >= call->extra.len)
        return false;
    pair->name = call->extra.p + *at;
    pair->value = pair->name + strlen(pair->name) + 1;
    *at = (size_t)(pair->value - call->extra.p) + strlen(pair->value) + 1;
    return true;
}

const char *answer_extra(const struct http_call *call, const char *name)
{
    struct pair pair;
    size_t at = 0;

    while (next_extra(call, &at, &pair))
        if (str_eq_nocase(str_c(pair.name), str_c(name)))
            return pair.value;
    return NULL;
}

static void remove_extra(struct http_call *call, const char *name)
{
    size_t from = 0, at = 0;
    struct pair pair;

    while (next_extra(call, &at, &pair)) {
        if (str_eq_nocase(str_c(pair.name), str_c(name))) {
            memmove(call->extra.p + from, call->extra.p + at, call->extra.len - at);
            call->extra.len -= at - from;
            at = from;
        }
        from = at;
    }
}

void http_add_header(struct http_call *call, const char *name, const char *value)
{
    struct str text = str_c(value);

    if (!head_name_ok(str_c(name)) || !head_value_ok(text) || call->extra.len + strlen(name) + text.len + 2 > EXTRA_MAX) {
        log_error("http", "Left out the header %s: its value can't be sent", name);
        return;
    }
    if (!str_eq_nocase(str_c(name), STR("Set-Cookie")))
        remove_extra(call, name);
    buf_add(&call->extra, str_n(name, strlen(name) + 1));
    buf_add(&call->extra, text);
    buf_add_char(&call->extra, '\0');
}

static void add(struct http_call *call, struct MHD_Response *response, const char *name, const char *value)
{
    if (call->extra.len == 0 || answer_extra(call, name) == NULL)
        MHD_add_response_header(response, name, value);
}

static void add_validators(struct http_call *call, struct MHD_Response *response, const char *etag, const char *cache)
{
    char quoted[160];

    if (etag && snprintf(quoted, sizeof(quoted), "\"%s\"", etag) < (int)sizeof(quoted))
        add(call, response, "ETag", quoted);
    if (cache == NULL)
        cache = answer_extra(call, "ETag") ? "no-cache" : "no-store";
    add(call, response, "Cache-Control", cache);
}

static void add_last(struct http_call *call, struct MHD_Response *response)
{
    struct pair pair;
    size_t at = 0;

    if (call->request_id[0])
        MHD_add_response_header(response, "X-Request-Id", call->request_id);
    while (next_extra(call, &at, &pair))
        MHD_add_response_header(response, pair.name, pair.value);
    if (call->close)
        MHD_add_response_header(response, "Connection", "close");
}

struct MHD_Response *answer_dress(struct http_call *call, struct MHD_Response *response, const char *ctype,
                                  const char *etag, const char *cache)
{
    if (response == NULL)               /* out of memory */
        return NULL;
    if (ctype)
        add(call, response, "Content-Type", ctype);
    add_validators(call, response, etag, cache);
    for (size_t i = 0; i < COUNT_OF(security); i++)
        add(call, response, security[i].name, security[i].value);
    if (call->listener->hsts)
        add(call, response, "Strict-Transport-Security", HSTS);
    add_last(call, response);
    return response;
}

/* RFC 9110 15.4.5, RFC 9111 4.3.4: the reader keeps the headers it has, so the others aren't sent again. */
struct MHD_Response *answer_dress_unchanged(struct http_call *call, struct MHD_Response *response, const char *etag,
                                            const char *cache)
{
    if (response == NULL)
        return NULL;
    add_validators(call, response, etag, cache);
    add_last(call, response);
    return response;
}

/* The one place where a call changes hands back. After the exchange it may already serve another request. */
void answer_give(struct http_call *call, int status, struct MHD_Response *response)
{
    struct MHD_Connection *connection = call->connection;
    enum call_state old = atomic_load(&call->state);

    for (;;) {
        enum call_state new = old == CALL_ABANDONED ? CALL_DROPPED : CALL_ANSWERED;

        if (old == CALL_ORPHAN) {
            call->response = response;
            call_free(call);
            return;
        }
        if (old == CALL_ANSWERED || old == CALL_DROPPED) {
            log_error("http", "A call was answered twice");
            if (response)
                MHD_destroy_response(response);
            return;
        }
        call->response = response;
        call->status = status;
        if (atomic_compare_exchange_strong(&call->state, &old, new))
            break;
    }
    if (old == CALL_PARKED)
        MHD_resume_connection(connection);
}

static void give(struct http_call *call, int status, const char *ctype, struct MHD_Response *response)
{
    answer_give(call, status, answer_dress(call, response, ctype, NULL, NULL));
}

void http_answer(struct http_call *call, int status, const char *ctype, struct str body)
{
    give(call, status, ctype, MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)(body.len ? body.p : ""),
                                                              MHD_RESPMEM_MUST_COPY));
}

void http_answer_buf(struct http_call *call, int status, const char *ctype, struct buf *body)
{
    struct bytes *copy;
    size_t len = body->len;

    if (!body->secret) {
        give(call, status, ctype, MHD_create_response_from_buffer(len, buf_take(body), MHD_RESPMEM_MUST_FREE));
        return;
    }
    copy = bytes_new(buf_str(body));
    buf_free(body);
    http_answer_bytes(call, status, ctype, copy);
}

static void free_bytes(void *cls)
{
    bytes_free(cls);
}

void http_answer_bytes(struct http_call *call, int status, const char *ctype, struct bytes *body)
{
    give(call, status, ctype,
         MHD_create_response_from_buffer_with_free_callback_cls(body->len, body->p, free_bytes, body));
}

void http_answer_file(struct http_call *call, int status, const char *ctype, int fd, uint64_t size)
{
    struct MHD_Response *response = MHD_create_response_from_fd64(size, fd);

    if (response == NULL)
        close(fd);
    give(call, status, ctype, response);
}

void http_answer_empty(struct http_call *call, int status)
{
    give(call, status, NULL, MHD_create_response_from_buffer(0, (void *)(uintptr_t)"", MHD_RESPMEM_PERSISTENT));
}

static void add_json_text(struct buf *into, const char *name, const char *value)
{
    bool whole = str_is_utf8(str_c(value));

    buf_addf(into, ",\"%s\":\"", name);
    for (; *value; value++) {
        unsigned char c = (unsigned char)*value;

        if (c == '"' || c == '\\')
            buf_addf(into, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            buf_addf(into, "\\u%04x", c);
        else
            buf_add_char(into, (char)(c < 0x80 || whole ? c : '?'));
    }
    buf_add_char(into, '"');
}

void http_answer_problem(struct http_call *call, int status, const char *code, const char *title, const char *detail,
                         const char *errors)
{
    struct buf body;

    buf_init(&body, PROBLEM_MAX);
    buf_addf(&body, "{\"type\":\"about:blank\",\"status\":%d", status);
    add_json_text(&body, "title", title ? title : MHD_get_reason_phrase_for((unsigned)status));
    if (detail)
        add_json_text(&body, "detail", detail);
    if (code)
        add_json_text(&body, "code", code);
    add_json_text(&body, "requestId", call->request_id);
    if (errors && (buf_add_c(&body, ",\"errors\":") < 0 || buf_add_c(&body, errors) < 0))
        log_warning("http", "A list of errors was too long for its answer");
    if (buf_add_char(&body, '}') < 0) {
        buf_free(&body);
        http_answer_empty(call, status);
        return;
    }
    if (status == 401 && answer_extra(call, "WWW-Authenticate") == NULL)
        http_add_header(call, "WWW-Authenticate", "Bearer");
    http_answer_buf(call, status, "application/problem+json", &body);
}

void http_answer_err(struct http_call *call, const struct err *err)
{
    const char *id = err->id[0] ? err->id : id_of(err->code);
    int status = http_status_of(err->code);
    AUTO_BUF(errors, 4096);
    AUTO_FREE char *list = NULL;

    if (status == 500) {
        log_error("http", "%s %s (%s): %s%s%s", http_method_name(call->method), http_path(call), call->request_id,
                  err->at, err->at[0] ? ": " : "", err->text);
        http_answer_problem(call, 500, "internal", NULL, "Something went wrong here; the log says what.", NULL);
        return;
    }
    if (err->at[0] == '/') {
        add_json_text(&errors, "pointer", err->at);
        add_json_text(&errors, "code", id);
        add_json_text(&errors, "detail", err->text);
        errors.p[0] = '{';              /* where the first comma was */
        list = mem_printf("[%s}]", errors.p);
    }
    http_answer_problem(call, status, id, NULL, err->text, list);
}
