/* SPDX-License-Identifier: Apache-2.0 */
/* server/base/str.h - a view of bytes that belong to somebody else; not NUL-terminated. */
#ifndef POSTERN_BASE_STR_H
#define POSTERN_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t len;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

static inline struct str str_c(const char *s)
{
    return (struct str){ s ? s : "", s ? strlen(s) : 0 };
}

static inline struct str str_n(const void *p, size_t len)
{
    return (struct str){ p, len };
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool str_eq_nocase(struct str a, struct str b);             /* ASCII only */
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends_nocase(struct str s, struct str suffix);
struct str str_from(struct str s, size_t at);               /* the rest from `at`; empty when past the end */
struct str str_trim(struct str s);                          /* spaces, tabs, CR, LF at both ends */
/* Takes the part before `sep` off the front of `*rest`; false when `*rest` was exhausted. */
bool str_split(struct str *rest, char sep, struct str *part);
bool str_to_int(struct str s, int64_t *ret);                /* the whole of it, decimal; false on overflow */
char *str_dup(struct str s);                                /* NUL-terminated; the caller frees */

/* RFC 3629; refuses overlong forms, surrogates and NUL. */
bool str_is_utf8(struct str s);
/* True when a byte is a C0 control or DEL. */
bool str_has_control(struct str s);

#endif
