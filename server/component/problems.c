/* SPDX-License-Identifier: Apache-2.0 */
#include "component/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A name that was cut to a length may end in half a character, and JSON takes no such text. */
static char *mended(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p;) {
        int more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc0 ? 1 : 0, have = 0;

        while (have < more && (p[1 + have] & 0xc0) == 0x80)
            have++;
        if (have < more || (*p >= 0x80 && *p < 0xc0))
            *p = '?';
        p += have == more ? 1 + more : 1;
    }
    return text;
}

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
    *problem = (struct problem){ mended(mem_strdup(pointer)), mem_strdup(code), mended(detail) };
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
