/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration as a client may write it: the first line names a component type, each further one is a JSON document,
 * taken as a merge patch and as a replacement. What was accepted is valid, says what it said when it is read back,
 * and has changed nothing that only the server writes. */
#include <stdlib.h>

#include "base/mem.h"
#include "component/json.h"
#include "model/account.h"
#include "model/services.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static json_t *view(const struct component_type *type, const void *component, enum component_view which)
{
    json_t *json = json_object();
    char *text;

    component_to_json(type, component, which, json);
    text = json_dumps(json, JSON_COMPACT);
    must(text != NULL);
    free(text);
    return json;
}

static void same_view(const struct component_type *type, const void *a, const void *b, enum component_view which)
{
    json_t *left = view(type, a, which), *right = view(type, b, which);

    must(json_equal(left, right));
    json_decref(left);
    json_decref(right);
}

struct secrets {
    const struct secret *found[8];
    size_t count;
};

static int collect(const char *path, struct secret *secret, void *ctx)
{
    struct secrets *all = ctx;

    (void)path;
    must(all->count < COUNT_OF(all->found));
    all->found[all->count++] = secret;
    return 0;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void same_secrets(const struct component_type *type, void *a, void *b)
{
    struct secrets left = { 0 }, right = { 0 };

    component_each_secret(type, a, collect, &left);
    component_each_secret(type, b, collect, &right);
    must(left.count == right.count);
    for (size_t i = 0; i < left.count; i++)
        must(same_text(left.found[i]->value, right.found[i]->value) && same_text(left.found[i]->file, right.found[i]->file));
}

/* Every complaint reaches the client, in words that JSON can carry. */
static void look_at(const struct problems *problems)
{
    json_t *list = problems_json(problems);
    const char *pointer;
    json_t *item;
    size_t i;

    must(json_array_size(list) == (problems->count < PROBLEMS_MAX ? problems->count : PROBLEMS_MAX));
    json_array_foreach(list, i, item) {
        pointer = json_string_value(json_object_get(item, "pointer"));
        must(pointer && (*pointer == '\0' || *pointer == '/'));
        must(json_string_length(json_object_get(item, "code")) && json_string_length(json_object_get(item, "detail")));
    }
    json_decref(list);
}

/* What a GET would answer may be sent back as it is, by PUT and by PATCH, and nothing changes: not even a secret. */
static void send_back(const struct component_type *type, void *component)
{
    AUTO_PROBLEMS(problems);
    json_t *config = view(type, component, VIEW_CONFIG);
    void *put = component_replace(type, component, config, &problems);
    void *patched = component_copy(type, component);

    component_check(type, put, &problems);
    component_patch(type, patched, config, &problems);
    component_check(type, patched, &problems);
    must(problems.count == 0);
    same_view(type, component, put, VIEW_CONFIG);
    same_view(type, component, patched, VIEW_CONFIG);
    same_secrets(type, component, put);
    same_secrets(type, component, patched);
    component_free(type, put);
    component_free(type, patched);
    json_decref(config);
}

/* Takes `component`, returns what it is afterwards. */
static void *patch(const struct component_type *type, void *component, const json_t *document)
{
    AUTO_PROBLEMS(problems);
    void *after = component_copy(type, component), *twice;

    component_patch(type, after, document, &problems);
    same_view(type, component, after, VIEW_STATUS);
    component_check(type, after, &problems);
    look_at(&problems);
    if (problems.count) {
        component_free(type, after);
        return component;
    }
    send_back(type, after);
    twice = component_copy(type, after);
    component_patch(type, twice, document, &problems);
    must(problems.count == 0);
    same_view(type, after, twice, VIEW_CONFIG);
    same_secrets(type, after, twice);
    component_free(type, twice);
    component_free(type, component);
    return after;
}

static void replace(const struct component_type *type, const void *before, const json_t *document)
{
    AUTO_PROBLEMS(problems);
    void *after = component_replace(type, before, document, &problems);

    component_check(type, after, &problems);
    look_at(&problems);
    if (problems.count == 0)
        send_back(type, after);
    component_free(type, after);
}

static const struct component_type *type_named(struct str name)
{
    for (const struct component_type *const *type = model_types; *type; type++)
        if (str_eq(str_c((*type)->name), name))
            return *type;
    return &outgoing_account_type;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n(data, size), line;
    const struct component_type *type;
    void *component;

    if (size > (1 << 18) || !str_split(&rest, '\n', &line))
        return 0;
    type = type_named(line);
    component = component_new(type);
    while (str_split(&rest, '\n', &line)) {
        json_t *document = json_loadb(line.len ? line.p : "", line.len, JSON_REJECT_DUPLICATES, NULL);

        if (json_is_object(document)) {
            replace(type, component, document);
            component = patch(type, component, document);
        }
        json_decref(document);
    }
    component_free(type, component);
    return 0;
}
