/* SPDX-License-Identifier: Apache-2.0 */
/* Answers made once and sent many times. */
#include <stdlib.h>

#include "http/internal.h"

struct http_ready {
    atomic_uint holders;
    int status;
    char *ctype, *etag;
    size_t len;
    char body[];
};

struct http_ready *http_ready_new(int status, const char *ctype, struct str body, const char *etag)
{
    struct http_ready *ready = mem_alloc(sizeof(*ready) + body.len);

    atomic_init(&ready->holders, 1);
    ready->status = status;
    ready->ctype = mem_strdup(ctype);
    ready->etag = mem_strdup(etag);
    ready->len = body.len;
    if (body.len > 0)
        memcpy(ready->body, body.p, body.len);
    return ready;
}

struct http_ready *http_ready_hold(struct http_ready *ready)
{
    atomic_fetch_add(&ready->holders, 1);
    return ready;
}

void http_ready_free(struct http_ready *ready)
{
    if (ready == NULL || atomic_fetch_sub(&ready->holders, 1) > 1)
        return;
    free(ready->ctype);
    free(ready->etag);
    free(ready);
}

static void let_go(void *cls)
{
    http_ready_free(cls);
}

/* The response around the body is made anew each time, for it carries the request's id; the body isn't copied. */
void http_answer_ready(struct http_call *call, struct http_ready *ready)
{
    const char *cache = ready->etag ? "no-cache" : NULL;
    struct MHD_Response *response;

    if (ready->etag && call->method == HTTP_GET && ready->status == 200 && http_not_modified(call, ready->etag)) {
        response = MHD_create_response_from_buffer(0, (void *)(uintptr_t)"", MHD_RESPMEM_PERSISTENT);
        answer_give(call, 304, answer_dress_unchanged(call, response, ready->etag, cache));
        return;
    }
    response = MHD_create_response_from_buffer_with_free_callback_cls(ready->len, ready->body, let_go,
                                                                      http_ready_hold(ready));
    answer_give(call, ready->status, answer_dress(call, response, ready->ctype, ready->etag, cache));
}
