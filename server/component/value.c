/* SPDX-License-Identifier: Apache-2.0 */
/* One value from JSON or text, and back. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "component/json.h"

#define STRING_MAX 1024

static const char *type_words(const struct prop *prop)
{
    switch (prop->type) {
    case PROP_BOOL:     return "true or false";
    case PROP_INT:      return "an integer";
    case PROP_ENUM:     return "one of the names it lists";
    case PROP_TIME:     return "an RFC 3339 time such as \"2026-11-24T10:42:00Z\", or null";
    case PROP_STRINGS:  return "an array of strings";
    case PROP_SECRET:   return "a string, or {\"$file\": \"name\"}";
    case PROP_VARIANT:  return "an object with a \"type\"";
    case PROP_HOST:     return "a DNS name or IP address as a string";
    default:            return "a string";
    }
}

static int wrong_type(const struct prop *prop, const char *pointer, struct problems *problems)
{
    problems_add(problems, pointer, "property.type", "%s must be %s.", prop->name, type_words(prop));
    return -1;
}

static int from_int(const struct prop *prop, int64_t *at, const json_t *value, const char *pointer,
                    struct problems *problems)
{
    json_int_t number;

    if (!json_is_integer(value))
        return wrong_type(prop, pointer, problems);
    number = json_integer_value(value);
    if ((prop->range.min || prop->range.max) && (number < prop->range.min || number > prop->range.max)) {
        problems_add(problems, pointer, "property.range", "%s must be between %lld and %lld%s%s; %lld is not.", prop->name,
                     (long long)prop->range.min, (long long)prop->range.max, prop->unit ? " " : "",
                     prop->unit ? prop->unit : "", (long long)number);
        return -1;
    }
    *at = number;
    return 0;
}

static int from_enum(const struct prop *prop, int64_t *at, const json_t *value, const char *pointer,
                     struct problems *problems)
{
    const char *text = json_string_value(value);

    for (int64_t i = 0; text && prop->choices[i]; i++) {
        if (strcmp(prop->choices[i], text) == 0) {
            *at = i;
            return 0;
        }
    }
    AUTO_BUF(list, 4096);
    for (int i = 0; prop->choices[i]; i++)
        buf_addf(&list, "%s%s", i ? ", " : "", prop->choices[i]);
    problems_add(problems, pointer, text ? "property.choice" : "property.type", "%s must be one of: %s.", prop->name,
                 list.p);
    return -1;
}

static bool ip_literal(const char *text)
{
    unsigned char address[16];
    size_t len = strlen(text);
    char bare[64];

    if (len > 2 && len < sizeof(bare) && text[0] == '[' && text[len - 1] == ']') {
        snprintf(bare, sizeof(bare), "%.*s", (int)len - 2, text + 1);
        return inet_pton(AF_INET6, bare, address) == 1;
    }
    return inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1;
}

/* Syntax only (RFC 1123 2.1, 253 bytes, labels of 63); whether an IDN can be looked up is net/'s to say. */
bool component_host_ok(const char *text)
{
    struct str rest = str_c(text), label;

    if (*text == '\0' || ip_literal(text))
        return true;
    if (rest.len > 253)
        return false;
    if (rest.p[rest.len - 1] == '.')
        rest.len--;
    while (str_split(&rest, '.', &label)) {
        if (label.len < 1 || label.len > 63 || label.p[0] == '-' || label.p[label.len - 1] == '-')
            return false;
        for (size_t i = 0; i < label.len; i++) {
            unsigned char c = (unsigned char)label.p[i];

            if (c < 0x80 && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-' &&
                c != '_')
                return false;
        }
    }
    return true;
}

/* Enough to refuse what can never be a mailbox; the message builder parses it by RFC 5322. */
static bool mailbox_ok(const char *text)
{
    const char *open = strrchr(text, '<');
    struct str address = open ? str_c(open + 1) : str_c(text);
    const char *at;

    if (*text == '\0')
        return true;
    if (open) {
        if (address.len < 1 || address.p[address.len - 1] != '>')
            return false;
        address.len--;
    }
    at = address.len ? memrchr(address.p, '@', address.len) : NULL;
    if (at == NULL || at == address.p || at == address.p + address.len - 1)
        return false;
    return memchr(address.p, ' ', address.len) == NULL && memchr(address.p, ',', address.len) == NULL;
}

static const char *string_fault(const struct prop *prop, struct str text)
{
    size_t max = prop->range.max ? (size_t)prop->range.max : prop->type == PROP_TEXT ? 16 * STRING_MAX : STRING_MAX;

    if (text.len > max)
        return "is too long";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if ((c < 0x20 || c == 0x7f) && !(prop->type == PROP_TEXT && (c == '\n' || c == '\t' || c == '\r')))
            return "must not contain control characters or line breaks";
    }
    if (prop->type == PROP_HOST && !component_host_ok(text.p))
        return "must be a DNS name or an IP address, without a scheme, port or path";
    if (prop->type == PROP_MAILBOX && !mailbox_ok(text.p))
        return "must be an address such as plant@example.com or Plant <plant@example.com>";
    return NULL;
}

static int from_string(const struct prop *prop, char **at, const json_t *value, const char *pointer,
                       struct problems *problems)
{
    struct str text = { json_string_value(value), json_string_length(value) };
    const char *fault;

    if (!json_is_string(value))
        return wrong_type(prop, pointer, problems);
    fault = string_fault(prop, text);
    if (fault) {
        problems_add(problems, pointer, "property.format", "%s %s.", prop->name, fault);
        return -1;
    }
    free(*at);
    *at = str_dup(text);
    return 0;
}

static int from_time(const struct prop *prop, int64_t *at, const json_t *value, const char *pointer,
                     struct problems *problems)
{
    if (json_is_null(value)) {
        *at = 0;
        return 0;
    }
    if (!json_is_string(value) || !clock_parse(str_c(json_string_value(value)), at))
        return wrong_type(prop, pointer, problems);
    return 0;
}

static int from_strings(const struct prop *prop, json_t **at, const json_t *value, const char *pointer,
                        struct problems *problems)
{
    size_t max = prop->range.max ? (size_t)prop->range.max : 1000;
    size_t i;
    json_t *item;

    if (!json_is_array(value))
        return wrong_type(prop, pointer, problems);
    if (json_array_size(value) > max) {
        problems_add(problems, pointer, "property.tooMany", "%s takes at most %zu entries.", prop->name, max);
        return -1;
    }
    json_array_foreach((json_t *)value, i, item) {
        if (!json_is_string(item) || json_string_length(item) > STRING_MAX || str_has_control(str_c(json_string_value(item))))
            return wrong_type(prop, pointer, problems);
    }
    json_decref(*at);
    *at = json_deep_copy(value);
    return 0;
}

static int from_secret(const struct prop *prop, struct secret *at, const json_t *value, const char *pointer,
                       struct problems *problems)
{
    const char *text = json_string_value(value), *file = json_string_value(json_object_get(value, "$file"));

    if (file && (json_object_size(value) != 1 || !component_name_ok(str_c(file)))) {
        problems_add(problems, pointer, "secret.file",
                     "%s: $file names a file in the credentials directory: A-Z a-z 0-9 _ - . and no path.", prop->name);
        return -1;
    }
    if (text == NULL && file == NULL)
        return wrong_type(prop, pointer, problems);
    if (text && (strlen(text) > 16 * STRING_MAX)) {
        problems_add(problems, pointer, "property.format", "%s is too long.", prop->name);
        return -1;
    }
    mem_free_secret(at->value);
    free(at->file);
    *at = (struct secret){ text && *text ? mem_strdup(text) : NULL, mem_strdup(file) };
    return 0;
}

int prop_from_json(const struct prop *prop, void *object, const json_t *value, const char *pointer,
                   struct problems *problems)
{
    switch (prop->type) {
    case PROP_BOOL:
        if (!json_is_boolean(value))
            return wrong_type(prop, pointer, problems);
        *PROP_VALUE(object, prop, bool) = json_is_true(value);
        return 0;
    case PROP_INT:
        return from_int(prop, PROP_VALUE(object, prop, int64_t), value, pointer, problems);
    case PROP_ENUM:
        return from_enum(prop, PROP_VALUE(object, prop, int64_t), value, pointer, problems);
    case PROP_TIME:
        return from_time(prop, PROP_VALUE(object, prop, int64_t), value, pointer, problems);
    case PROP_STRING:
    case PROP_TEXT:
    case PROP_HOST:
    case PROP_MAILBOX:
        return from_string(prop, PROP_VALUE(object, prop, char *), value, pointer, problems);
    case PROP_STRINGS:
        return from_strings(prop, PROP_VALUE(object, prop, json_t *), value, pointer, problems);
    case PROP_SECRET:
        return from_secret(prop, PROP_VALUE(object, prop, struct secret), value, pointer, problems);
    case PROP_JSON:
        json_decref(*PROP_VALUE(object, prop, json_t *));
        *PROP_VALUE(object, prop, json_t *) = json_is_null(value) ? NULL : json_deep_copy(value);
        return 0;
    case PROP_VARIANT:
        return component_variant_from_json(prop, object, NULL, value, false, pointer, problems);
    }
    return -1;
}

/* Text is what a preset or a command line gives: numbers and words as they are, structures as JSON. */
int prop_from_text(const struct prop *prop, void *object, const char *text, struct problems *problems)
{
    char pointer[80];
    json_t *value = NULL;
    int64_t number;
    int rc;

    snprintf(pointer, sizeof(pointer), "/%s", prop->name);
    switch (prop->type) {
    case PROP_BOOL:
        value = strcmp(text, "true") == 0 ? json_true() : strcmp(text, "false") == 0 ? json_false() : json_null();
        break;
    case PROP_INT:
        value = str_to_int(str_c(text), &number) ? json_integer(number) : json_null();
        break;
    case PROP_STRINGS:
    case PROP_VARIANT:
    case PROP_JSON:
        value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        break;
    case PROP_TIME:
        value = *text ? json_string(text) : json_null();
        break;
    default:
        value = json_string(text);
    }
    if (value == NULL)
        return wrong_type(prop, pointer, problems);
    rc = prop_from_json(prop, object, value, pointer, problems);
    json_decref(value);
    return rc;
}

json_t *prop_to_json(const struct prop *prop, const void *object)
{
    const struct secret *secret;
    char text[CLOCK_TEXT_MAX];
    json_t *json;
    int64_t at;

    switch (prop->type) {
    case PROP_BOOL:
        return json_boolean(*PROP_VALUE_CONST(object, prop, bool));
    case PROP_INT:
        return json_integer(*PROP_VALUE_CONST(object, prop, int64_t));
    case PROP_ENUM:
        return json_string(prop->choices[*PROP_VALUE_CONST(object, prop, int64_t)]);
    case PROP_TIME:
        at = *PROP_VALUE_CONST(object, prop, int64_t);
        return at ? json_string(clock_format(at, text)) : json_null();
    case PROP_STRING:
    case PROP_TEXT:
    case PROP_HOST:
    case PROP_MAILBOX:
        return json_string(*PROP_VALUE_CONST(object, prop, char *) ?: "");
    case PROP_STRINGS:
        json = *PROP_VALUE_CONST(object, prop, json_t *);
        return json ? json_deep_copy(json) : json_array();
    case PROP_JSON:
        json = *PROP_VALUE_CONST(object, prop, json_t *);
        return json ? json_deep_copy(json) : json_null();
    case PROP_SECRET:                   /* only ever whether it is there */
        secret = PROP_VALUE_CONST(object, prop, struct secret);
        return json_boolean(secret->value || secret->file);
    case PROP_VARIANT:
        return component_variant_to_json(prop, object, VIEW_CONFIG);
    }
    return json_null();
}
