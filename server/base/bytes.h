/* SPDX-License-Identifier: Apache-2.0 */
/* server/base/bytes.h - immutable bytes shared between threads, freed by the last who holds them. */
#ifndef POSTERN_BASE_BYTES_H
#define POSTERN_BASE_BYTES_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/str.h"

struct bytes {
    atomic_uint holders;
    size_t len;
    char p[];           /* NUL-terminated */
};

struct bytes *bytes_new(struct str from);           /* one holder: the caller */
struct bytes *bytes_hold(struct bytes *bytes);      /* returns `bytes` */
void bytes_free(struct bytes *bytes);               /* lets go; NULL is fine */

static inline struct str bytes_str(const struct bytes *bytes)
{
    return str_n(bytes->p, bytes->len);
}

#endif
