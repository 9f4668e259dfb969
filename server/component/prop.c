/* SPDX-License-Identifier: Apache-2.0 */
#include "component/prop.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/buf.h"
#include "component/json.h"

static void secret_clear(struct secret *secret)
{
    mem_free_secret(secret->value);
    free(secret->file);
    *secret = (struct secret){ 0 };
}

static void props_free(const struct prop *props, void *object);
static void props_copy(const struct prop *props, void *to, const void *from);

static void variant_clear(struct variant *variant)
{
    if (variant->type) {
        props_free(variant->type->props, variant->value);
        free(variant->value);
    }
    *variant = (struct variant){ 0 };
}

static void value_free(const struct prop *prop, void *object)
{
    switch (prop->type) {
    case PROP_BOOL:
    case PROP_INT:
    case PROP_ENUM:
    case PROP_TIME:
        break;
    case PROP_STRING:
    case PROP_TEXT:
    case PROP_HOST:
    case PROP_MAILBOX:
        free(*PROP_VALUE(object, prop, char *));
        *PROP_VALUE(object, prop, char *) = NULL;
        break;
    case PROP_STRINGS:
    case PROP_JSON:
        json_decref(*PROP_VALUE(object, prop, json_t *));
        *PROP_VALUE(object, prop, json_t *) = NULL;
        break;
    case PROP_SECRET:
        secret_clear(PROP_VALUE(object, prop, struct secret));
        break;
    case PROP_VARIANT:
        variant_clear(PROP_VALUE(object, prop, struct variant));
        break;
    }
}

static void variant_copy(struct variant *to, const struct variant *from)
{
    to->type = from->type;
    to->value = from->type ? mem_alloc(from->type->size) : NULL;
    if (from->type)
        props_copy(from->type->props, to->value, from->value);
}

static void value_copy(const struct prop *prop, void *to, const void *from)
{
    const struct secret *secret;

    switch (prop->type) {
    case PROP_BOOL:
        *PROP_VALUE(to, prop, bool) = *PROP_VALUE_CONST(from, prop, bool);
        break;
    case PROP_INT:
    case PROP_ENUM:
    case PROP_TIME:
        *PROP_VALUE(to, prop, int64_t) = *PROP_VALUE_CONST(from, prop, int64_t);
        break;
    case PROP_STRING:
    case PROP_TEXT:
    case PROP_HOST:
    case PROP_MAILBOX:
        *PROP_VALUE(to, prop, char *) = mem_strdup(*PROP_VALUE_CONST(from, prop, char *));
        break;
    case PROP_STRINGS:
    case PROP_JSON:
        *PROP_VALUE(to, prop, json_t *) = json_deep_copy(*PROP_VALUE_CONST(from, prop, json_t *));
        break;
    case PROP_SECRET:
        secret = PROP_VALUE_CONST(from, prop, struct secret);
        *PROP_VALUE(to, prop, struct secret) =
            (struct secret){ mem_strdup(secret->value), mem_strdup(secret->file) };
        break;
    case PROP_VARIANT:
        variant_copy(PROP_VALUE(to, prop, struct variant), PROP_VALUE_CONST(from, prop, struct variant));
        break;
    }
}

static void props_free(const struct prop *props, void *object)
{
    for (const struct prop *prop = props; prop->name; prop++)
        value_free(prop, object);
}

static void props_copy(const struct prop *props, void *to, const void *from)
{
    for (const struct prop *prop = props; prop->name; prop++)
        value_copy(prop, to, from);
}

void variant_set(const struct prop *prop, void *object, const struct variant_type *type)
{
    struct variant *variant = PROP_VALUE(object, prop, struct variant);

    variant_clear(variant);
    variant->type = type;
    variant->value = mem_alloc(type->size);
    for (const struct prop *member = type->props; member->name; member++)
        prop_set_default(member, variant->value);
}

/* Presets pass the parser that input passes, so a preset that input could not say is a mistake in the table. */
void prop_set_default(const struct prop *prop, void *object)
{
    AUTO_PROBLEMS(problems);

    value_free(prop, object);
    if (prop->preset) {
        if (prop_from_text(prop, object, prop->preset, &problems) < 0)
            abort();
        return;
    }
    switch (prop->type) {
    case PROP_BOOL:
        *PROP_VALUE(object, prop, bool) = false;
        break;
    case PROP_INT:
    case PROP_ENUM:
    case PROP_TIME:
        *PROP_VALUE(object, prop, int64_t) = 0;
        break;
    case PROP_STRING:
    case PROP_TEXT:
    case PROP_HOST:
    case PROP_MAILBOX:
        *PROP_VALUE(object, prop, char *) = mem_strdup("");
        break;
    case PROP_STRINGS:
        *PROP_VALUE(object, prop, json_t *) = json_array();
        break;
    case PROP_VARIANT:
        variant_set(prop, object, prop->variants);
        break;
    case PROP_SECRET:
    case PROP_JSON:
        break;
    }
}

void prop_release(const struct prop *prop, void *object)
{
    value_free(prop, object);
}

void *component_new(const struct component_type *type)
{
    void *component = mem_alloc(type->size);

    for (const struct prop *prop = type->props; prop->name; prop++)
        prop_set_default(prop, component);
    return component;
}

void *component_copy(const struct component_type *type, const void *from)
{
    void *component = mem_alloc(type->size);

    props_copy(type->props, component, from);
    return component;
}

void component_free(const struct component_type *type, void *component)
{
    if (component == NULL)
        return;
    props_free(type->props, component);
    free(component);
}

const struct prop *prop_find(const struct prop *props, const char *name)
{
    for (const struct prop *prop = props; prop->name; prop++)
        if (strcmp(prop->name, name) == 0)
            return prop;
    return NULL;
}

char *prop_column(const struct prop *prop)
{
    AUTO_BUF(column, 256);

    for (const char *p = prop->name; *p; p++) {
        if (isupper((unsigned char)*p))
            buf_add_char(&column, '_');
        buf_add_char(&column, (char)tolower((unsigned char)*p));
    }
    return buf_take(&column);
}

char *prop_title(const char *name)
{
    AUTO_BUF(title, 256);

    for (const char *p = name; *p; p++) {
        if (p > name && isupper((unsigned char)*p))
            buf_add_char(&title, ' ');
        buf_add_char(&title, p == name ? (char)toupper((unsigned char)*p) : *p);
    }
    return buf_take(&title);
}

bool component_name_ok(struct str name)
{
    if (name.len < 1 || name.len > 64 || name.p[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.p[i];

        if (c >= 0x80 || (!isalnum(c) && c != '_' && c != '-' && c != '.'))
            return false;
    }
    return true;
}
