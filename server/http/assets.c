/* SPDX-License-Identifier: Apache-2.0 */
/* The web pages built in: the smallest form the reader takes, and a year's keep for hashed names. */
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "http/internal.h"

struct asset_index {
    struct map *map;                    /* path to asset */
};

struct asset_index *asset_index_new(const struct asset *list, size_t count)
{
    struct asset_index *index = mem_alloc(sizeof(*index));

    index->map = map_new();
    for (size_t i = 0; i < count; i++)
        map_put(index->map, list[i].path, (void *)(uintptr_t)&list[i]);
    return index;
}

void asset_index_free(struct asset_index *index)
{
    if (index == NULL)
        return;
    map_free(index->map);
    free(index);
}

bool assets_has(const struct asset_index *index, const char *path)
{
    return map_count(index->map) > 0 && map_get(index->map, path) != NULL;
}

struct form {
    const char *coding;                 /* NULL: as it is */
    const unsigned char *bytes;
    size_t len;
};

static struct form choose(const struct asset *asset, struct str accepts)
{
    int br = asset->br ? head_quality(accepts, STR("br")) : 0;
    int gzip = asset->gzip ? head_quality(accepts, STR("gzip")) : 0;

    if (br > 0 && br >= gzip)
        return (struct form){ "br", asset->br, asset->br_len };
    if (gzip > 0)
        return (struct form){ "gzip", asset->gzip, asset->gzip_len };
    return (struct form){ NULL, asset->plain, asset->plain_len };
}

void assets_answer(struct http_call *call, const char *path)
{
    const struct asset *asset = map_get(call->server->assets->map, path);
    struct form form = choose(asset, call->head.field[HEAD_ACCEPT_ENCODING]);
    const char *cache = asset->immutable ? "public, max-age=31536000, immutable" : "no-cache";
    struct MHD_Response *response;
    char etag[100];                     /* strong, so each form has its own */
    int status = 200;

    snprintf(etag, sizeof(etag), "%.80s%s%s", asset->etag, form.coding ? "-" : "", form.coding ? form.coding : "");
    if (http_not_modified(call, etag)) {
        status = 304;
        form.len = 0;
    } else if (form.coding) {
        http_add_header(call, "Content-Encoding", form.coding);
    }
    http_add_header(call, "Vary", "Accept-Encoding");
    response = MHD_create_response_from_buffer(form.len, (void *)(uintptr_t)form.bytes, MHD_RESPMEM_PERSISTENT);
    answer_give(call, status, answer_dress(call, response, status == 200 ? asset->type : NULL, etag, cache));
}
