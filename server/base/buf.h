/* SPDX-License-Identifier: Apache-2.0 */
/* server/base/buf.h - bytes that grow up to a ceiling. Reaching the ceiling is an error, never a cut. */
#ifndef POSTERN_BASE_BUF_H
#define POSTERN_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct buf {
    char *p;            /* always NUL-terminated once something was added; NULL before */
    size_t len;
    size_t cap;
    size_t max;         /* bytes, the NUL not counted */
    bool secret;        /* wipe on growth and free */
};

void buf_init(struct buf *buf, size_t max);
void buf_init_secret(struct buf *buf, size_t max);
void buf_free(struct buf *buf);                                 /* ready for use again, same ceiling */
void buf_clear(struct buf *buf);                                /* keeps the memory */

/* 0, or -1 when the ceiling would be passed; the content is then unchanged. */
int buf_add(struct buf *buf, struct str bytes);
int buf_add_c(struct buf *buf, const char *text);
int buf_add_char(struct buf *buf, char c);
int buf_addf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Room for `len` more bytes at buf->p + buf->len; the caller then adds to buf->len. NULL past the ceiling. */
char *buf_room(struct buf *buf, size_t len);
void buf_shift(struct buf *buf, size_t len);                    /* drops bytes from the front */
char *buf_take(struct buf *buf);                                /* "" at least; the caller frees */

static inline struct str buf_str(const struct buf *buf)
{
    return str_n(buf->p ? buf->p : "", buf->len);
}

static inline void buf_freep(struct buf *buf)
{
    buf_free(buf);
}
/* AUTO_BUF(name, ceiling); frees at the end of the scope. */
#define AUTO_BUF(name, ceiling) \
    __attribute__((cleanup(buf_freep))) struct buf name = { .max = (ceiling) }

#endif
