/* SPDX-License-Identifier: Apache-2.0 */
/* A request's head as a client may write it: the first line is an address, each further one a header field. What the
 * parsers take must hold what the rest of the server relies on. */
#include <stdlib.h>

#include "base/mem.h"
#include "http/etag.h"
#include "http/head.h"
#include "http/http.h"
#include "http/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void try_host(struct str text)
{
    struct uri_host host, again;
    char literal[48];

    if (!uri_host_parse(text, &host))
        return;
    must(host.port >= -1 && host.port <= 65535);
    must(host.host[0] != '\0' && strlen(host.host) < sizeof(host.host));
    must(host.literal == uri_literal(host.host, literal));
    if (strchr(host.host, ':') == NULL && !host.literal)        /* what came out goes in again */
        must(uri_host_parse(str_c(host.host), &again) && strcmp(again.host, host.host) == 0 && again.port == -1);
}

static void try_address(struct str text)
{
    AUTO_FREE char *into = mem_alloc(text.len + 1);
    struct str scheme, authority, rest;
    long len = uri_decode(text, into);

    if (len >= 0)
        must((size_t)len <= text.len && strlen(into) == (size_t)len && str_is_utf8(str_n(into, (size_t)len)));
    len = uri_decode_segment(text, into);
    if (len >= 0)
        must(strlen(into) == (size_t)len && (memchr(into, '/', (size_t)len) == NULL || memchr(text.p, '/', text.len)) &&
             !str_has_control(str_n(into, (size_t)len)));
    if (uri_split(text, &scheme, &authority, &rest)) {
        must(authority.len + rest.len < text.len);
        try_host(authority);
    }
}

static void try_listen(struct str text)
{
    AUTO_FREE char *copy = str_dup(text);
    char address[64], literal[48];
    uint16_t port;
    struct err err;

    if (http_parse_listen(copy, address, &port, &err) == 0)
        must(uri_literal(address, literal) && strcmp(address, literal) == 0);
}

static void try_value(struct str value)
{
    char type[64];
    int quality = head_quality(value, STR("gzip"));
    struct str cookie = head_cookie(value, STR("postern_session_8025"));

    must(quality >= 0 && quality <= 1000);
    must(cookie.p == NULL || (cookie.p >= value.p && cookie.p + cookie.len <= value.p + value.len));
    if (head_media_type(value, type, sizeof(type)))
        must(strchr(type, '/') && strchr(type, ' ') == NULL && strchr(type, ';') == NULL);
    if (head_request_id_ok(value))
        must(value.len <= 64 && head_value_ok(value));
    if (etag_match_strong(value, "a"))
        must(etag_match_weak(value, "a"));
    must(!etag_match_weak(value, NULL));
    try_host(value);
    try_listen(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n(data, size), line, name;
    struct head head;

    head_init(&head);
    if (size == 0 || !str_split(&rest, '\n', &line))
        return 0;
    try_address(line);
    while (str_split(&rest, '\n', &line)) {
        struct str value = line;

        str_split(&value, ':', &name);
        if (value.p == NULL)
            value = STR("");
        head_add(&head, name, value);
        try_value(value);
    }
    head_end(&head, size % 2 ? "HTTP/1.1" : "HTTP/1.0");
    if (head.status == 0) {
        must(!(head.chunked && head.length > 0));
        must(!(size % 2) || head.field[HEAD_HOST].p);
        must((head.repeated & (1u << HEAD_HOST | 1u << HEAD_CONTENT_LENGTH | 1u << HEAD_TRANSFER_ENCODING)) == 0);
    } else {
        must(head.status >= 400 && head.why);
    }
    return 0;
}
