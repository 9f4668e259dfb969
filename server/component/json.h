/* SPDX-License-Identifier: Apache-2.0 */
/* server/component/json.h - components from JSON and to JSON, by their property tables. */
#ifndef POSTERN_COMPONENT_JSON_H
#define POSTERN_COMPONENT_JSON_H

#include "component/problems.h"
#include "component/prop.h"

/* RFC 7396 on a component: absent stays, null becomes the default, a secret that is absent stays. `name` and `type` are the
 * caller's and skipped. A member <secret>Set is taken as "leave it" (true) or "none" (false). */
void component_patch(const struct component_type *type, void *component, const json_t *patch, struct problems *problems);
/* PUT: absent means default; secrets of `before` (or NULL) survive where <secret>Set is true. */
void *component_replace(const struct component_type *type, const void *before, const json_t *document, struct problems *problems);
/* Runs every check: each value's, then the type's. */
void component_check(const struct component_type *type, const void *component, struct problems *problems);

enum component_view {
    VIEW_CONFIG,            /* everything a client may set; secrets as <name>Set */
    VIEW_STATUS,            /* the read-only properties */
    VIEW_STORED,            /* of one PROP_VARIANT or the like: no secrets, no Set markers */
};
/* Adds the properties of the view to `into` in table order. */
void component_to_json(const struct component_type *type, const void *component, enum component_view view, json_t *into);

/* Prefix, '/' and the name, in which '~' and '/' are escaped; the caller frees. */
char *component_pointer(const char *prefix, const char *name);

/* One value. Parsing adds to `problems` under `pointer` and returns -1. */
int prop_from_json(const struct prop *prop, void *component, const json_t *value, const char *pointer, struct problems *problems);
json_t *prop_to_json(const struct prop *prop, const void *component);
int prop_from_text(const struct prop *prop, void *component, const char *text, struct problems *problems);
void prop_set_default(const struct prop *prop, void *component);

/* The object of a PROP_VARIANT. `before` (or NULL) is the component whose secrets may survive; `merge`: absent members stay. */
int component_variant_from_json(const struct prop *prop, void *component, const void *before, const json_t *value, bool merge,
                                const char *pointer, struct problems *problems);
json_t *component_variant_to_json(const struct prop *prop, const void *component, enum component_view view);

/* Names of the properties, secrets among them, in which the configurations differ; an array that is the caller's. */
json_t *component_differing(const struct component_type *type, const void *a, const void *b);

/* Visits every secret, variants included; `path` is "emailAuthenticator.password". */
typedef int secret_visit(const char *path, struct secret *secret, void *ctx);
int component_each_secret(const struct component_type *type, void *component, secret_visit *visit, void *ctx);

/* JSON Schema 2020-12 with the sheet's annotations. The caller owns the answer. */
json_t *component_schema(const struct component_type *type);

#endif
