/* SPDX-License-Identifier: Apache-2.0
 * server/http/assets.h - the web pages built into the program.
 *
 * web/build.mjs writes the one file that defines these (web/assets.c). Everything lives in read-only data for as
 * long as the program runs; nobody frees it. Each asset is there as it is, and compressed where that made it smaller
 * (NULL and 0 otherwise). The start page has the path "/".
 */
#ifndef POSTERN_HTTP_ASSETS_H
#define POSTERN_HTTP_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

struct asset {
    const char *path;           /* "/assets/app-1a2b3c.js" */
    const char *type;           /* Content-Type */
    const char *etag;           /* hex, no quotes */
    bool immutable;             /* hashed name: may be cached for ever */
    const unsigned char *plain, *gzip, *br;
    size_t plain_len, gzip_len, br_len;
};

extern const struct asset assets[];
extern const size_t assets_count;

#endif
