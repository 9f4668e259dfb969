/* SPDX-License-Identifier: Apache-2.0 */
/* server/component/problems.h - everything that is wrong with a document, all at once (RFC 9457 "errors"). */
#ifndef POSTERN_COMPONENT_PROBLEMS_H
#define POSTERN_COMPONENT_PROBLEMS_H

#include <jansson.h>
#include <stddef.h>

#include "base/mem.h"

#define PROBLEMS_MAX 100        /* more are counted, not kept */

struct problem {
    char *pointer;              /* RFC 6901, "/emailAuthenticator/username" */
    char *code;                 /* "property.unknown" */
    char *detail;               /* one sentence: what was wrong and what would be right */
};

struct problems {
    struct problem *items;
    size_t count;
};

void problems_add(struct problems *problems, const char *pointer, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void problems_clear(struct problems *problems);
json_t *problems_json(const struct problems *problems);         /* array of {pointer, code, detail}; the caller's */

#define AUTO_PROBLEMS(name) __attribute__((cleanup(problems_clear))) struct problems name = { 0 }

#endif
