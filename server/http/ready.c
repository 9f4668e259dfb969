/* SPDX-License-Identifier: Apache-2.0 */
/* Answers made once and given often: libmicrohttpd counts who still sends a response, so any number may. */
#include <stdio.h>
#include <stdlib.h>

#include "http/internal.h"

struct http_ready {
    atomic_uint holders;
    int status;
    struct MHD_Response *full, *same;       /* `same`: the 304; NULL without an ETag */
    struct bytes *bytes;                    /* NULL: `text` is static */
    struct str text;
    char *etag, *type;
    const char *cache, *coding;
};

/* The page may use what it brings itself and nothing else; nobody may frame it. */
static const char *const fixed[][2] = {
    { "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
      "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'" },
    { "X-Content-Type-Options", "nosniff" },
    { "Referrer-Policy", "no-referrer" },
    { "Cross-Origin-Opener-Policy", "same-origin" },
    { "Cross-Origin-Resource-Policy", "same-origin" },
    { "Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()" },
};

void response_add_fixed(struct MHD_Response *response)
{
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        MHD_add_response_header(response, fixed[i][0], fixed[i][1]);
}

static void let_go(void *bytes)
{
    bytes_free(bytes);
}

static struct MHD_Response *body_of(const struct http_ready *ready)
{
    static char nothing[1];
    void *at = ready->text.len ? (void *)(uintptr_t)ready->text.p : nothing;

    if (ready->bytes)
        return MHD_create_response_from_buffer_with_free_callback_cls(ready->text.len, at, let_go,
                                                                      bytes_hold(ready->bytes));
    return MHD_create_response_from_buffer(ready->text.len, at, MHD_RESPMEM_PERSISTENT);
}

static void add_fields(const struct http_ready *ready, struct MHD_Response *response, bool with_content)
{
    char quoted[160];

    if (ready->etag && (size_t)snprintf(quoted, sizeof(quoted), "\"%s\"", ready->etag) < sizeof(quoted))
        MHD_add_response_header(response, "ETag", quoted);
    if (ready->coding) {
        MHD_add_response_header(response, "Vary", "Accept-Encoding");
        if (with_content && ready->coding[0])
            MHD_add_response_header(response, "Content-Encoding", ready->coding);
    }
    if (with_content && ready->type)
        MHD_add_response_header(response, "Content-Type", ready->type);
}

static struct MHD_Response *make(const struct http_ready *ready, bool same)
{
    struct MHD_Response *response =
        same ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT) : body_of(ready);

    response_add_fixed(response);
    MHD_add_response_header(response, "Cache-Control", ready->cache);
    add_fields(ready, response, !same);
    return response;
}

static struct http_ready *ready_make(struct http_ready from)
{
    struct http_ready *ready = mem_copy(&from, sizeof(from));

    atomic_init(&ready->holders, 1);
    ready->full = make(ready, false);
    ready->same = ready->etag && ready->status == 200 ? make(ready, true) : NULL;
    return ready;
}

struct http_ready *http_ready_new(int status, const char *type, struct bytes *bytes, const char *etag)
{
    return ready_make((struct http_ready){ .status = status, .bytes = bytes, .text = bytes_str(bytes),
                      .etag = mem_strdup(etag), .type = mem_strdup(type), .cache = etag ? "no-cache" : "no-store" });
}

struct http_ready *ready_new_static(const char *type, struct str bytes, const char *etag, const char *cache,
                                    const char *coding)
{
    return ready_make((struct http_ready){ .status = 200, .text = bytes, .etag = mem_strdup(etag),
                      .type = mem_strdup(type), .cache = cache, .coding = coding });
}

struct http_ready *http_ready_hold(struct http_ready *ready)
{
    atomic_fetch_add_explicit(&ready->holders, 1, memory_order_relaxed);
    return ready;
}

void http_ready_free(struct http_ready *ready)
{
    if (ready == NULL || atomic_fetch_sub_explicit(&ready->holders, 1, memory_order_acq_rel) != 1)
        return;
    MHD_destroy_response(ready->full);
    if (ready->same)
        MHD_destroy_response(ready->same);
    bytes_free(ready->bytes);
    free(ready->etag);
    free(ready->type);
    free(ready);
}

/* One for this call alone, which has fields of its own. */
static struct MHD_Response *make_own(struct http_call *call, const struct http_ready *ready, bool same)
{
    struct MHD_Response *response =
        same ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT) : body_of(ready);

    if (!call->has_cache_control)
        http_add_header(call, "Cache-Control", ready->cache);
    add_fields(ready, response, !same);
    return response_finish(call, response, NULL);
}

void http_answer_ready(struct http_call *call, struct http_ready *ready)
{
    bool same = ready->same && call->method == HTTP_GET && http_if_none_match(call, ready->etag);
    int status = same ? 304 : ready->status;

    if (call->own_id || call->added || call->close || call->listener->hsts)
        call_answer(call, status, make_own(call, ready, same), NULL);
    else
        call_answer(call, status, same ? ready->same : ready->full, http_ready_hold(ready));
}
