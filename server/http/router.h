/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/router.h - from a method and a path to a route. Built once, then only read. */
#ifndef POSTERN_HTTP_ROUTER_H
#define POSTERN_HTTP_ROUTER_H

#include "http/http.h"

#define ROUTER_SEGMENTS_MAX 16
#define ROUTER_TEXT_MAX 640         /* bytes of decoded parameters of one path, NULs counted */

struct router;

struct route_match {
    const struct http_route *route;
    unsigned allowed;               /* bit 1 << enum http_method: what this path takes, when it takes not this method */
    size_t count;
    struct {
        const char *name;           /* lives in the router */
        const char *value;          /* lives in `text` */
    } params[HTTP_PARAMS_MAX];
    char text[ROUTER_TEXT_MAX];
};

/* `tables` ends with NULL, each table with a route whose pattern is NULL. Refused: two routes for the same method and
 * paths, patterns that don't begin with '/', that have more than HTTP_PARAMS_MAX parameters or the same one twice. */
int router_new(struct router **ret, const struct http_route *const *tables, struct err *err);
void router_free(struct router *router);

/* 200 with `match->route`; 404; 405 with `allowed`; 400 for what isn't a path; 414 when a parameter is too long.
 * A literal segment wins over a parameter where both take the method. With HTTP_METHODS for the method a known path
 * is always 405: that is how OPTIONS is answered. */
int router_match(const struct router *router, enum http_method method, struct str path, struct route_match *match);

/* "GET, HEAD, OPTIONS"; room for 64. */
void router_allow(unsigned allowed, char text[64]);

#endif
