/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema 2020-12 from the property table; what the sheet needs beyond it are annotations that start with "x-". */
#include <stdio.h>
#include <stdlib.h>

#include "component/json.h"

static json_t *strings(const char *const *list)
{
    json_t *array = json_array();

    for (; list && *list; list++)
        json_array_append_new(array, json_string(*list));
    return array;
}

static json_t *nullable(const char *type)
{
    return json_pack("[s, s]", type, "null");
}

static void set_string(json_t *schema, const struct prop *prop, const char *format)
{
    json_object_set_new(schema, "type", json_string("string"));
    if (prop->range.max)
        json_object_set_new(schema, "maxLength", json_integer(prop->range.max));
    if (format)
        json_object_set_new(schema, "x-format", json_string(format));
    if (prop->type == PROP_TEXT)
        json_object_set_new(schema, "x-multiline", json_true());
}

static json_t *props_schema(const struct prop *props, const struct component_type *owner);

static json_t *variant_schema(const struct variant_type *type, const struct component_type *owner)
{
    json_t *schema = json_object(), *members = props_schema(type->props, owner);
    AUTO_FREE char *title = type->title ? mem_strdup(type->title) : prop_title(type->name);
    json_t *tag = json_pack("{s:s, s:s, s:i}", "const", type->name, "title", "Type", "x-order", 0);

    json_object_set_new(schema, "title", json_string(title));
    json_object_set_new(schema, "description", json_string(type->doc ? type->doc : ""));
    json_object_set_new(schema, "type", json_string("object"));
    json_object_set_new(members, "type", tag);
    json_object_set_new(schema, "properties", members);
    json_object_set_new(schema, "required", json_pack("[s]", "type"));
    json_object_set_new(schema, "additionalProperties", json_false());
    return schema;
}

static void set_variants(json_t *schema, const struct prop *prop, const struct component_type *owner)
{
    json_t *list = json_array();

    for (const struct variant_type *type = prop->variants; type->name; type++)
        if (type->only == NULL || owner == NULL || type->only == owner)
            json_array_append_new(list, variant_schema(type, owner));
    json_object_set_new(schema, "oneOf", list);
    json_object_set_new(schema, "x-discriminator", json_string("type"));
}

static void set_type(json_t *schema, const struct prop *prop, const struct component_type *owner)
{
    switch (prop->type) {
    case PROP_BOOL:
        json_object_set_new(schema, "type", json_string("boolean"));
        break;
    case PROP_INT:
        json_object_set_new(schema, "type", json_string("integer"));
        if (prop->range.min || prop->range.max) {
            json_object_set_new(schema, "minimum", json_integer(prop->range.min));
            json_object_set_new(schema, "maximum", json_integer(prop->range.max));
        }
        break;
    case PROP_ENUM:
        json_object_set_new(schema, "type", json_string("string"));
        json_object_set_new(schema, "enum", strings(prop->choices));
        if (prop->titles)
            json_object_set_new(schema, "x-enumTitles", strings(prop->titles));
        break;
    case PROP_TIME:
        json_object_set_new(schema, "type", nullable("string"));
        json_object_set_new(schema, "format", json_string("date-time"));
        json_object_set_new(schema, "x-format", json_string("time"));
        break;
    case PROP_STRING:
    case PROP_TEXT:
        set_string(schema, prop, NULL);
        break;
    case PROP_HOST:
        set_string(schema, prop, "host");
        break;
    case PROP_MAILBOX:
        set_string(schema, prop, "mailbox");
        break;
    case PROP_STRINGS:
        json_object_set_new(schema, "type", json_string("array"));
        json_object_set_new(schema, "items", json_pack("{s:s}", "type", "string"));
        break;
    case PROP_SECRET:
        json_object_set_new(schema, "oneOf", json_pack("[{s:s}, {s:s, s:{s:{s:s}}, s:[s], s:b}]", "type", "string", "type",
                                                       "object", "properties", "$file", "type", "string", "required", "$file",
                                                       "additionalProperties", 0));
        json_object_set_new(schema, "writeOnly", json_true());
        json_object_set_new(schema, "x-secret", json_true());
        break;
    case PROP_VARIANT:
        set_variants(schema, prop, owner);
        break;
    case PROP_JSON:
        json_object_set_new(schema, "type", json_pack("[s, s, s]", "object", "array", "null"));
        break;
    }
}

static void set_default(json_t *schema, const struct prop *prop)
{
    size_t size = prop->at + sizeof(struct variant) + sizeof(struct secret);
    AUTO_FREE void *scratch = mem_alloc(size);
    json_t *value;

    if (prop->type == PROP_SECRET || prop->flags & PROP_READONLY)
        return;
    prop_set_default(prop, scratch);
    if (prop->type == PROP_VARIANT) {
        value = json_object();
        json_object_set_new(value, "type", json_string(PROP_VALUE(scratch, prop, struct variant)->type->name));
    } else {
        value = prop_to_json(prop, scratch);
    }
    json_object_set_new(schema, "default", value);
    prop_release(prop, scratch);
}

static json_t *dependent_json(const struct prop *prop)
{
    const struct dependent_default *dependent = prop->dependent;
    json_t *table = json_array();

    for (const char *const (*row)[8] = dependent->rows; (*row)[0]; row++) {
        json_t *when = json_object();
        int64_t number = 0;
        int i = 0;

        for (; dependent->on[i]; i++) {
            const char *text = (*row)[i];

            json_object_set_new(when, dependent->on[i], strcmp(text, "true") == 0 ? json_true() :
                                strcmp(text, "false") == 0 ? json_false() : json_string(text));
        }
        str_to_int(str_c((*row)[i]), &number);
        json_array_append_new(table, json_pack("{s:o, s:I}", "when", when, "value", (json_int_t)number));
    }
    return json_pack("{s:o, s:o}", "on", strings(dependent->on), "table", table);
}

static json_t *prop_schema(const struct prop *prop, int order, const struct component_type *owner)
{
    AUTO_FREE char *title = prop_title(prop->name);
    json_t *schema = json_object();

    json_object_set_new(schema, "title", json_string(title));
    json_object_set_new(schema, "description", json_string(prop->doc ? prop->doc : ""));
    set_type(schema, prop, owner);
    set_default(schema, prop);
    json_object_set_new(schema, "x-order", json_integer(order));
    if (prop->group)
        json_object_set_new(schema, "x-group", json_string(prop->group));
    if (prop->refers)
        json_object_set_new(schema, "x-refers", json_string(prop->refers));
    if (prop->unit)
        json_object_set_new(schema, "x-unit", json_string(prop->unit));
    if (prop->flags & PROP_READONLY)
        json_object_set_new(schema, "readOnly", json_true());
    if (prop->flags & PROP_OPERATOR)
        json_object_set_new(schema, "x-role", json_string("operator"));
    if (prop->dependent)
        json_object_set_new(schema, "x-dependentDefault", dependent_json(prop));
    return schema;
}

static json_t *props_schema(const struct prop *props, const struct component_type *owner)
{
    json_t *members = json_object();
    int order = 1;

    for (const struct prop *prop = props; prop->name; prop++) {
        if (prop->flags & PROP_HIDDEN)
            continue;
        json_object_set_new(members, prop->name, prop_schema(prop, order, owner));
        if (prop->type == PROP_SECRET) {
            char marker[80];

            snprintf(marker, sizeof(marker), "%sSet", prop->name);
            json_object_set_new(members, marker,
                                json_pack("{s:s, s:s, s:i, s:b}", "type", "boolean", "description",
                                          "Whether the secret is there. Sent back as true it stays, as false it goes.", "x-order",
                                          order, "x-marker", 1));
        }
        order++;
    }
    return members;
}

static json_t *actions_schema(const struct component_type *type)
{
    json_t *list = json_array();

    for (const struct component_action *action = type->actions; action && action->name; action++) {
        AUTO_FREE char *title = prop_title(action->name);
        json_t *params = json_pack("{s:s, s:o, s:b}", "type", "object", "properties",
                                   action->params ? props_schema(action->params, NULL) : json_object(), "additionalProperties", 0);
        json_t *required = json_array();

        for (const struct prop *prop = action->params; prop && prop->name; prop++)
            if (prop->flags & PROP_REQUIRED)
                json_array_append_new(required, json_string(prop->name));
        json_object_set_new(params, "required", required);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", action->name, "title", title, "description",
                                              action->doc, "role", action->admin ? "admin" : "operator", "parameters", params));
    }
    return list;
}

json_t *component_schema(const struct component_type *type)
{
    json_t *members = props_schema(type->props, type), *exclusive = json_array();
    json_t *schema = json_object();

    json_object_set_new(schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    json_object_set_new(schema, "title", json_string(type->name));
    json_object_set_new(schema, "description", json_string(type->doc ? type->doc : ""));
    json_object_set_new(schema, "type", json_string("object"));
    json_object_set_new(members, "name", json_pack("{s:s, s:s, s:s, s:i, s:b}", "type", "string", "pattern",
                                                   "^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$", "description",
                                                   "Unique among siblings; changed only by the rename action.", "x-order", 0,
                                                   "x-hidden", 1));
    json_object_set_new(members, "type", json_pack("{s:s, s:i, s:b}", "const", type->name, "x-order", 0, "x-hidden", 1));
    json_object_set_new(schema, "properties", members);
    json_object_set_new(schema, "additionalProperties", json_false());
    for (const char *const (*pair)[2] = type->exclusive; pair && (*pair)[0]; pair++)
        json_array_append_new(exclusive, json_pack("[s, s]", (*pair)[0], (*pair)[1]));
    json_object_set_new(schema, "x-exclusive", exclusive);
    json_object_set_new(schema, "x-actions", actions_schema(type));
    return schema;
}
