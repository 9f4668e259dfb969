/* SPDX-License-Identifier: Apache-2.0 */
#include "http/router.h"

#include <stdio.h>
#include <stdlib.h>

#include "http/uri.h"

struct entry {
    const struct http_route *route;
    size_t count;
    char *names[HTTP_PARAMS_MAX];
};

struct node {
    char *literal;                  /* NULL: a parameter, or the root */
    struct node *next;              /* sibling */
    struct node *children;          /* literals */
    struct node *param;
    struct entry entries[HTTP_METHODS];
};

struct router {
    struct node root;
};

struct search {
    enum http_method method;
    size_t count;
    struct str segments[ROUTER_SEGMENTS_MAX];
    const struct entry *entry;
    unsigned allowed;
    size_t params;                  /* of the branch under way */
    struct str values[ROUTER_SEGMENTS_MAX];
};

static struct node *child_of(struct node *node, struct str segment)
{
    struct node *child;

    for (child = node->children; child; child = child->next)
        if (str_eq(str_c(child->literal), segment))
            return child;
    child = mem_alloc(sizeof(*child));
    child->literal = str_dup(segment);
    child->next = node->children;
    node->children = child;
    return child;
}

static int add_name(struct entry *entry, struct str name)
{
    if (name.len == 0 || entry->count == HTTP_PARAMS_MAX)
        return -1;
    for (size_t i = 0; i < entry->count; i++)
        if (str_eq(str_c(entry->names[i]), name))
            return -1;
    entry->names[entry->count++] = str_dup(name);
    return 0;
}

static void entry_clear(struct entry *entry)
{
    for (size_t i = 0; i < entry->count; i++)
        free(entry->names[i]);
    *entry = (struct entry){ 0 };
}

static int add_route(struct router *router, const struct http_route *route, struct err *err)
{
    struct entry entry = { .route = route };
    struct str rest = str_c(route->pattern), segment;
    struct node *node = &router->root;

    if (rest.p[0] != '/' || route->method >= HTTP_METHODS || route->handler == NULL)
        return err_set(err, ERR_INTERNAL, route->pattern, "The route %s isn't one.", route->pattern);
    rest = str_from(rest, 1);
    while (str_split(&rest, '/', &segment)) {
        if (segment.len >= 2 && segment.p[0] == '{' && segment.p[segment.len - 1] == '}') {
            if (add_name(&entry, str_n(segment.p + 1, segment.len - 2)) < 0) {
                entry_clear(&entry);
                return err_set(err, ERR_INTERNAL, route->pattern, "The route %s has wrong parameters.", route->pattern);
            }
            if (node->param == NULL)
                node->param = mem_alloc(sizeof(*node));
            node = node->param;
        } else {
            node = child_of(node, segment);
        }
    }
    if (node->entries[route->method].route) {
        entry_clear(&entry);
        return err_set(err, ERR_INTERNAL, route->pattern, "The route %s is there twice.", route->pattern);
    }
    node->entries[route->method] = entry;
    return 0;
}

int router_new(struct router **ret, const struct http_route *const *tables, struct err *err)
{
    struct router *router = mem_alloc(sizeof(*router));

    for (; tables && *tables; tables++)
        for (const struct http_route *route = *tables; route->pattern; route++)
            if (add_route(router, route, err) < 0) {
                router_free(router);
                return -1;
            }
    *ret = router;
    return 0;
}

static void node_clear(struct node *node)
{
    struct node *next;

    for (struct node *child = node->children; child; child = next) {
        next = child->next;
        node_clear(child);
        free(child);
    }
    if (node->param)
        node_clear(node->param);
    free(node->param);
    free(node->literal);
    for (int i = 0; i < HTTP_METHODS; i++)
        entry_clear(&node->entries[i]);
}

void router_free(struct router *router)
{
    if (router == NULL)
        return;
    node_clear(&router->root);
    free(router);
}

/* Depth is bounded by the patterns, breadth by two at each segment: a literal, then the parameter. */
static bool search_from(struct search *search, const struct node *node, size_t at)
{
    if (at == search->count) {
        for (int i = 0; i < HTTP_METHODS; i++)
            if (node->entries[i].route)
                search->allowed |= 1u << i;
        if (search->method < HTTP_METHODS && node->entries[search->method].route)
            search->entry = &node->entries[search->method];
        return search->entry != NULL;
    }
    for (const struct node *child = node->children; child; child = child->next)
        if (str_eq(str_c(child->literal), search->segments[at]) && search_from(search, child, at + 1))
            return true;
    if (node->param == NULL || search->segments[at].len == 0)
        return false;
    search->values[search->params++] = search->segments[at];
    if (search_from(search, node->param, at + 1))
        return true;
    search->params--;
    return false;
}

/* Literals are compared as sent: no client of ours encodes letters of a fixed path. */
static int split(struct str path, struct search *search)
{
    struct str segment;

    if (path.len == 0 || path.p[0] != '/')
        return 400;
    path = str_from(path, 1);
    while (str_split(&path, '/', &segment)) {
        if (search->count == ROUTER_SEGMENTS_MAX)
            return 404;
        search->segments[search->count++] = segment;
    }
    return 200;
}

static int fill(const struct search *search, struct route_match *match)
{
    size_t used = 0;

    for (size_t i = 0; i < search->entry->count; i++) {
        long len;

        if (search->values[i].len >= sizeof(match->text) - used)
            return 414;
        len = uri_decode_segment(search->values[i], match->text + used);
        if (len <= 0)
            return 400;
        match->params[i].name = search->entry->names[i];
        match->params[i].value = match->text + used;
        used += (size_t)len + 1;
    }
    match->count = search->entry->count;
    match->route = search->entry->route;
    return 200;
}

int router_match(const struct router *router, enum http_method method, struct str path, struct route_match *match)
{
    struct search search = { .method = method, .count = 0 };
    int status = split(path, &search);

    match->route = NULL;
    match->count = 0;
    match->allowed = 0;
    if (status != 200)
        return status;
    if (!search_from(&search, &router->root, 0)) {
        match->allowed = search.allowed;
        return search.allowed ? 405 : 404;
    }
    return fill(&search, match);
}

void router_allow(unsigned allowed, char text[64])
{
    size_t len = 0;

    for (int i = 0; i < HTTP_METHODS; i++) {
        if (!(allowed & 1u << i))
            continue;
        len += (size_t)snprintf(text + len, 64 - len, "%s%s, ", http_method_name((enum http_method)i),
                                i == HTTP_GET ? ", HEAD" : "");
    }
    snprintf(text + len, 64 - len, "OPTIONS");
}
