/* SPDX-License-Identifier: Apache-2.0 */
/* Routes as a tree of path segments, made once. */
#include <stdlib.h>

#include "base/log.h"
#include "http/internal.h"

struct node {
    struct str name;                    /* of the route table; .p NULL: "{…}" */
    struct node *next, *children;       /* literal ones first, so they win */
    const struct http_route *by_method[HTTP_DELETE + 1];
    bool ends;                          /* some route ends here */
};

struct router {
    struct node root;
};

static struct node *child_for(struct node *parent, struct str segment)
{
    bool any = segment.len > 0 && segment.p[0] == '{';
    struct node **at = &parent->children, *node;

    while (*at && (*at)->name.p && !(!any && str_eq((*at)->name, segment)))
        at = &(*at)->next;
    if (*at && (any ? (*at)->name.p == NULL : (*at)->name.p != NULL))
        return *at;
    node = mem_alloc(sizeof(*node));
    node->name = any ? (struct str){ NULL, 0 } : segment;
    node->next = *at;
    *at = node;
    return node;
}

static void add_route(struct router *router, const struct http_route *route)
{
    struct str rest = str_from(str_c(route->pattern), 1), segment;
    struct node *node = &router->root;

    while (str_split(&rest, '/', &segment))
        node = child_for(node, segment);
    if (node->by_method[route->method])
        log_error("http", "Two routes for %s %s", http_method_name(route->method), route->pattern);
    node->by_method[route->method] = route;
    node->ends = true;
}

struct router *router_new(const struct http_route *const *tables)
{
    struct router *router = mem_alloc(sizeof(*router));

    for (; tables && *tables; tables++)
        for (const struct http_route *route = *tables; route->pattern; route++)
            add_route(router, route);
    return router;
}

static void free_children(struct node *node)
{
    while (node->children) {
        struct node *child = node->children;

        node->children = child->next;
        free_children(child);
        free(child);
    }
}

void router_free(struct router *router)
{
    if (router == NULL)
        return;
    free_children(&router->root);
    free(router);
}

/* `rest` begins after a slash; `method` -1: any. The tree is as deep as the longest pattern, and so is the recursion. */
static const struct node *find(const struct node *node, struct str rest, int method, struct router_hit *hit)
{
    const char *slash = rest.len ? memchr(rest.p, '/', rest.len) : NULL;
    struct str segment = str_n(rest.p, slash ? (size_t)(slash - rest.p) : rest.len);

    for (const struct node *child = node->children; child; child = child->next) {
        const struct node *end;

        if (child->name.p && !str_eq(child->name, segment))
            continue;
        if (child->name.p == NULL) {
            if (segment.len == 0 || hit->segment_count == PARAMS_MAX)
                continue;
            hit->segments[hit->segment_count++] = segment;
        }
        if (slash)
            end = find(child, str_from(rest, segment.len + 1), method, hit);
        else
            end = child->ends && (method < 0 || child->by_method[method]) ? child : NULL;
        if (end)
            return end;
        hit->segment_count -= child->name.p == NULL;
    }
    return NULL;
}

/* A literal segment wins where it takes the method: POST /accounts/verify is not GET /accounts/{name} of one called so. */
bool router_find(const struct router *router, const char *path, int method, struct router_hit *hit)
{
    const struct node *node = NULL;

    *hit = (struct router_hit){ .segment_count = 0 };
    if (path[0] != '/')
        return false;
    if (method >= 0)
        node = find(&router->root, str_c(path + 1), method, hit);
    if (node == NULL)
        node = find(&router->root, str_c(path + 1), -1, hit);
    if (node == NULL)
        return false;
    memcpy(hit->by_method, node->by_method, sizeof(hit->by_method));
    return true;
}

const char *http_method_name(enum http_method method)
{
    static const char *const names[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

    return names[method];
}
