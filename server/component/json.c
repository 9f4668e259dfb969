/* SPDX-License-Identifier: Apache-2.0 */
#include "component/json.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

struct apply {
    const char *owner;              /* "OutgoingAccount", for words */
    const char *pointer;            /* prefix: "" or "/emailAuthenticator" */
    bool merge;                     /* RFC 7396: null is "the default" */
    struct problems *problems;
};

static char lower_ascii(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Levenshtein distance of short names, case ignored. */
static size_t distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    unsigned char row[65];

    if (la > 64 || lb > 64)
        return 99;
    for (size_t j = 0; j <= lb; j++)
        row[j] = (unsigned char)j;
    for (size_t i = 1; i <= la; i++) {
        unsigned char diagonal = row[0];

        row[0] = (unsigned char)i;
        for (size_t j = 1; j <= lb; j++) {
            unsigned cost = diagonal + (lower_ascii(a[i - 1]) != lower_ascii(b[j - 1]));

            diagonal = row[j];
            if (row[j] + 1u < cost)
                cost = row[j] + 1u;
            if (row[j - 1] + 1u < cost)
                cost = row[j - 1] + 1u;
            row[j] = (unsigned char)cost;
        }
    }
    return row[lb];
}

static void unknown_property(const struct apply *apply, const struct prop *props, const char *name, const char *pointer)
{
    const char *closest = NULL;
    size_t best = strlen(name) < 6 ? 2 : 3;     /* "foo" is nobody's "from" */

    for (const struct prop *prop = props; prop->name; prop++) {
        size_t far = distance(name, prop->name);

        if (far < best) {
            best = far;
            closest = prop->name;
        }
    }
    if (closest)
        problems_add(apply->problems, pointer, "property.unknown", "%s has no property \"%.64s\". Did you mean \"%s\"?",
                     apply->owner, name, closest);
    else
        problems_add(apply->problems, pointer, "property.unknown", "%s has no property \"%.64s\".", apply->owner, name);
}

/* "passwordSet" belongs to the secret "password". */
static const struct prop *marker_of(const struct prop *props, const char *name)
{
    size_t len = strlen(name);

    if (len < 4 || strcmp(name + len - 3, "Set") != 0)
        return NULL;
    for (const struct prop *prop = props; prop->name; prop++)
        if (prop->type == PROP_SECRET && strlen(prop->name) == len - 3 && strncmp(prop->name, name, len - 3) == 0)
            return prop;
    return NULL;
}

static void apply_marker(const struct apply *apply, const struct prop *secret, void *object, const void *before,
                         const json_t *document, const json_t *value, const char *pointer)
{
    const struct secret *old = before ? PROP_VALUE_CONST(before, secret, struct secret) : NULL;
    struct secret *now = PROP_VALUE(object, secret, struct secret);

    if (!json_is_boolean(value)) {
        problems_add(apply->problems, pointer, "property.type", "%sSet is true (keep the secret) or false (none).", secret->name);
        return;
    }
    if (json_object_get(document, secret->name))
        return;
    if (json_is_false(value)) {
        prop_set_default(secret, object);
    } else if (old && now->value == NULL && now->file == NULL) {
        now->value = mem_strdup(old->value);
        now->file = mem_strdup(old->file);
    }
}

static void apply_member(const struct apply *apply, const struct prop *prop, void *object, const void *before,
                         const json_t *value, const char *pointer)
{
    if (prop->flags & PROP_READONLY)
        problems_add(apply->problems, pointer, "property.readOnly", "%s is written by Postern and cannot be set.", prop->name);
    else if (json_is_null(value) && apply->merge)
        prop_set_default(prop, object);
    else if (prop->type == PROP_VARIANT)
        component_variant_from_json(prop, object, before, value, apply->merge, pointer, apply->problems);
    else
        prop_from_json(prop, object, value, pointer, apply->problems);
}

/* RFC 6901 3. */
char *component_pointer(const char *prefix, const char *name)
{
    AUTO_BUF(pointer, 4096);

    buf_add_c(&pointer, prefix);
    buf_add_char(&pointer, '/');
    for (const char *p = name; *p && pointer.len < 512; p++) {
        if (*p == '~' || *p == '/')
            buf_add_c(&pointer, *p == '~' ? "~0" : "~1");
        else
            buf_add_char(&pointer, *p);
    }
    return buf_take(&pointer);
}

static void apply_members(const struct apply *apply, const struct prop *props, void *object, const void *before,
                          const json_t *document)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)document, name, value) {
        AUTO_FREE char *pointer = component_pointer(apply->pointer, name);
        const struct prop *prop = prop_find(props, name);
        const struct prop *secret = prop ? NULL : marker_of(props, name);

        if (strcmp(name, "type") == 0 || (apply->pointer[0] == '\0' && strcmp(name, "name") == 0))
            continue;
        if (prop && !(prop->flags & PROP_HIDDEN))
            apply_member(apply, prop, object, before, value, pointer);
        else if (secret)
            apply_marker(apply, secret, object, before, document, value, pointer);
        else
            unknown_property(apply, props, name, pointer);
    }
}

static const struct variant_type *variant_named(const struct prop *prop, const char *name)
{
    for (const struct variant_type *type = prop->variants; type->name; type++)
        if (strcmp(type->name, name) == 0)
            return type;
    return NULL;
}

/* A change of type keeps what both types have, but never a secret: it was meant for the other. */
static void change_type(const struct prop *prop, void *object, const struct variant_type *type)
{
    struct variant *variant = PROP_VALUE(object, prop, struct variant);
    json_t *old = component_variant_to_json(prop, object, VIEW_STORED);

    variant_set(prop, object, type);
    for (const struct prop *member = type->props; member->name; member++) {
        json_t *value = json_object_get(old, member->name);
        AUTO_PROBLEMS(ignored);

        if (value && member->type != PROP_SECRET)
            prop_from_json(member, variant->value, value, "", &ignored);
    }
    json_decref(old);
}

static void name_types(const struct prop *prop, const char *pointer, struct problems *problems)
{
    AUTO_BUF(list, 1024);

    for (const struct variant_type *type = prop->variants; type->name; type++)
        buf_addf(&list, "%s%s", type == prop->variants ? "" : ", ", type->name);
    problems_add(problems, pointer, "property.choice", "type must be one of: %s.", list.p);
}

int component_variant_from_json(const struct prop *prop, void *object, const void *before, const json_t *value, bool merge,
                                const char *pointer, struct problems *problems)
{
    struct variant *variant = PROP_VALUE(object, prop, struct variant);
    const struct variant *old = before ? PROP_VALUE_CONST(before, prop, struct variant) : NULL;
    const json_t *named = json_object_get(value, "type");
    const struct variant_type *type;
    size_t count = problems->count;

    if (!json_is_object(value)) {
        problems_add(problems, pointer, "property.type", "%s must be an object with a \"type\".", prop->name);
        return -1;
    }
    if (named)
        type = json_is_string(named) ? variant_named(prop, json_string_value(named)) : NULL;
    else
        type = merge && variant->type ? variant->type : prop->variants;
    if (type == NULL) {
        AUTO_FREE char *at = component_pointer(pointer, "type");

        name_types(prop, at, problems);
        return -1;
    }
    if (!merge || variant->type == NULL)
        variant_set(prop, object, type);
    else if (variant->type != type)
        change_type(prop, object, type);

    struct apply apply = { type->name, pointer, merge, problems };
    apply_members(&apply, type->props, variant->value, old && old->type == type ? old->value : NULL, value);
    return problems->count == count ? 0 : -1;
}

void component_patch(const struct component_type *type, void *component, const json_t *patch, struct problems *problems)
{
    struct apply apply = { type->name, "", true, problems };

    apply_members(&apply, type->props, component, NULL, patch);
}

void *component_replace(const struct component_type *type, const void *before, const json_t *document,
                        struct problems *problems)
{
    struct apply apply = { type->name, "", false, problems };
    void *component = component_new(type);

    apply_members(&apply, type->props, component, before, document);
    return component;
}

static void check_props(const struct prop *props, const void *object, const char *prefix, struct problems *problems)
{
    for (const struct prop *prop = props; prop->name; prop++) {
        const char *fault = prop->check ? prop->check(object, prop) : NULL;
        AUTO_FREE char *pointer = component_pointer(prefix, prop->name);

        if (fault)
            problems_add(problems, pointer, "property.invalid", "%s %s", prop->name, fault);
        if (prop->type == PROP_VARIANT) {
            const struct variant *variant = PROP_VALUE_CONST(object, prop, struct variant);

            check_props(variant->type->props, variant->value, pointer, problems);
        }
    }
}

static void check_exclusive(const struct component_type *type, const void *component, struct problems *problems)
{
    for (const char *const (*pair)[2] = type->exclusive; pair && (*pair)[0]; pair++) {
        const struct prop *a = prop_find(type->props, (*pair)[0]), *b = prop_find(type->props, (*pair)[1]);

        if (!*PROP_VALUE_CONST(component, a, bool) || !*PROP_VALUE_CONST(component, b, bool))
            continue;
        for (int i = 0; i < 2; i++) {
            AUTO_FREE char *pointer = component_pointer("", (*pair)[i]);

            problems_add(problems, pointer, "property.exclusive", "%s and %s exclude each other: set one of them to false.",
                         a->name, b->name);
        }
    }
}

void component_check(const struct component_type *type, const void *component, struct problems *problems)
{
    check_props(type->props, component, "", problems);
    check_exclusive(type, component, problems);
    if (type->check)
        type->check(component, problems);
}

static void add_secret(const struct prop *prop, const void *object, json_t *into)
{
    const struct secret *secret = PROP_VALUE_CONST(object, prop, struct secret);
    char marker[80];

    snprintf(marker, sizeof(marker), "%sSet", prop->name);
    if (secret->file)                   /* a reference is not a secret: it may be seen */
        json_object_set_new(into, prop->name, json_pack("{s:s}", "$file", secret->file));
    json_object_set_new(into, marker, json_boolean(secret->value || secret->file));
}

static void props_to_json(const struct prop *props, const void *object, enum component_view view, json_t *into)
{
    for (const struct prop *prop = props; prop->name; prop++) {
        bool readonly = prop->flags & PROP_READONLY;

        if (readonly != (view == VIEW_STATUS) || prop->flags & PROP_HIDDEN)
            continue;
        if (prop->type != PROP_SECRET)
            json_object_set_new(into, prop->name, prop->type == PROP_VARIANT ?
                                component_variant_to_json(prop, object, view) : prop_to_json(prop, object));
        else if (view == VIEW_CONFIG)
            add_secret(prop, object, into);
    }
}

json_t *component_variant_to_json(const struct prop *prop, const void *object, enum component_view view)
{
    const struct variant *variant = PROP_VALUE_CONST(object, prop, struct variant);
    json_t *json = json_object();

    json_object_set_new(json, "type", json_string(variant->type->name));
    props_to_json(variant->type->props, variant->value, view, json);
    return json;
}

void component_to_json(const struct component_type *type, const void *component, enum component_view view, json_t *into)
{
    props_to_json(type->props, component, view, into);
}

static int each_secret(const struct prop *props, void *object, const char *prefix, secret_visit *visit, void *ctx)
{
    for (const struct prop *prop = props; prop->name; prop++) {
        AUTO_FREE char *path = NULL;
        int rc = 0;

        if (prop->type == PROP_SECRET || prop->type == PROP_VARIANT)    /* most are neither, and a start asks for all */
            path = mem_printf("%s%s%s", prefix, *prefix ? "." : "", prop->name);
        if (prop->type == PROP_SECRET) {
            rc = visit(path, PROP_VALUE(object, prop, struct secret), ctx);
        } else if (prop->type == PROP_VARIANT) {
            struct variant *variant = PROP_VALUE(object, prop, struct variant);

            rc = variant->type ? each_secret(variant->type->props, variant->value, path, visit, ctx) : 0;
        }
        if (rc < 0)
            return rc;
    }
    return 0;
}

int component_each_secret(const struct component_type *type, void *component, secret_visit *visit, void *ctx)
{
    return each_secret(type->props, component, "", visit, ctx);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ?: "", b ?: "") == 0;
}

static bool differs(const struct prop *prop, const void *a, const void *b)
{
    const struct secret *one = PROP_VALUE_CONST(a, prop, struct secret), *other = PROP_VALUE_CONST(b, prop, struct secret);
    const struct variant *kind = PROP_VALUE_CONST(a, prop, struct variant), *other_kind = PROP_VALUE_CONST(b, prop, struct variant);
    json_t *left, *right;
    bool equal;

    if (prop->type == PROP_SECRET)
        return !same_text(one->value, other->value) || !same_text(one->file, other->file);
    if (prop->type == PROP_VARIANT) {
        if (kind->type != other_kind->type)
            return true;
        for (const struct prop *inside = kind->type->props; inside->name; inside++)
            if (differs(inside, kind->value, other_kind->value))
                return true;
        return false;
    }
    left = prop_to_json(prop, a);
    right = prop_to_json(prop, b);
    equal = json_equal(left, right);
    json_decref(left);
    json_decref(right);
    return !equal;
}

json_t *component_differing(const struct component_type *type, const void *a, const void *b)
{
    json_t *names = json_array();

    for (const struct prop *prop = type->props; prop->name; prop++)
        if (!(prop->flags & (PROP_READONLY | PROP_HIDDEN)) && differs(prop, a, b))
            json_array_append_new(names, json_string(prop->name));
    return names;
}
