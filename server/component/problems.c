/* SPDX-License-Identifier: Apache-2.0 */
#include "component/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void problems_add(struct problems *problems, const char *pointer, const char *code, const char *fmt, ...)
{
    struct problem *problem;
    char *detail = NULL;
    va_list args;

    if (problems->count++ >= PROBLEMS_MAX)
        return;
    va_start(args, fmt);
    if (vasprintf(&detail, fmt, args) < 0)
        abort();
    va_end(args);
    problems->items = mem_resize(problems->items, problems->count * sizeof(*problems->items));
    problem = &problems->items[problems->count - 1];
    *problem = (struct problem){ mem_strdup(pointer), mem_strdup(code), detail };
}

static size_t kept(const struct problems *problems)
{
    return problems->count < PROBLEMS_MAX ? problems->count : PROBLEMS_MAX;
}

void problems_clear(struct problems *problems)
{
    for (size_t i = 0; i < kept(problems); i++) {
        free(problems->items[i].pointer);
        free(problems->items[i].code);
        free(problems->items[i].detail);
    }
    free(problems->items);
    *problems = (struct problems){ 0 };
}

json_t *problems_json(const struct problems *problems)
{
    json_t *list = json_array();

    for (size_t i = 0; i < kept(problems); i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "pointer", problems->items[i].pointer, "code",
                                              problems->items[i].code, "detail", problems->items[i].detail));
    return list;
}
