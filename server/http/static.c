/* SPDX-License-Identifier: Apache-2.0 */
/* The web pages, built into the program, each made into its answers once. */
#include <stdlib.h>

#include "http/assets.h"
#include "http/etag.h"
#include "http/internal.h"

struct static_file {
    struct http_ready *ready[3];            /* by enum coding; NULL: not there in this one */
};

/* A strong ETag names bytes, and compressed ones are others. */
static struct http_ready *make(const struct asset *asset, enum coding coding)
{
    static const char *const names[] = { "", "gzip", "br" };
    const unsigned char *p = coding == CODING_BR ? asset->br : coding == CODING_GZIP ? asset->gzip : asset->plain;
    size_t len = coding == CODING_BR ? asset->br_len : coding == CODING_GZIP ? asset->gzip_len : asset->plain_len;
    char *etag, none[1] = "";
    struct http_ready *ready;

    if (p == NULL && coding != CODING_IDENTITY)
        return NULL;
    etag = mem_printf("%s%s%s", asset->etag, coding == CODING_IDENTITY ? "" : "-", names[coding]);
    ready = ready_new_static(asset->type, str_n(p ? (const char *)p : none, p ? len : 0), etag,
                             asset->immutable ? "public, max-age=31536000, immutable" : "no-cache", names[coding]);
    free(etag);
    return ready;
}

struct map *statics_new(const struct asset *assets, size_t count)
{
    struct map *statics = map_new();

    for (size_t i = 0; i < count; i++) {
        struct static_file *file = mem_alloc(sizeof(*file));

        for (int coding = CODING_IDENTITY; coding <= CODING_BR; coding++)
            file->ready[coding] = make(&assets[i], (enum coding)coding);
        map_put(statics, assets[i].path, file);
    }
    return statics;
}

void statics_free(struct map *statics)
{
    struct static_file *file;
    size_t at = 0;

    if (statics == NULL)
        return;
    while ((file = map_next(statics, &at, NULL))) {
        for (int coding = CODING_IDENTITY; coding <= CODING_BR; coding++)
            http_ready_free(file->ready[coding]);
        free(file);
    }
    map_free(statics);
}

struct http_ready *statics_find(struct map *statics, const char *path, struct str accept_encoding)
{
    const struct static_file *file = map_get(statics, path);

    if (file == NULL)
        return NULL;
    return file->ready[coding_choose(accept_encoding, file->ready[CODING_GZIP], file->ready[CODING_BR])];
}
