/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

void buf_init(struct buf *buf, size_t max)
{
    *buf = (struct buf){ .max = max };
}

void buf_init_secret(struct buf *buf, size_t max)
{
    *buf = (struct buf){ .max = max, .secret = true };
}

void buf_free(struct buf *buf)
{
    if (buf->secret)
        mem_wipe(buf->p, buf->cap);
    free(buf->p);
    *buf = (struct buf){ .max = buf->max, .secret = buf->secret };
}

void buf_clear(struct buf *buf)
{
    if (buf->secret)
        mem_wipe(buf->p, buf->cap);
    buf->len = 0;
    if (buf->p)
        buf->p[0] = '\0';
}

static void grow(struct buf *buf, size_t cap)
{
    char *p;

    if (!buf->secret) {
        buf->p = mem_resize(buf->p, cap);
    } else {                            /* realloc could leave a copy behind */
        p = mem_alloc(cap);
        if (buf->p) {
            memcpy(p, buf->p, buf->len + 1);
            mem_wipe(buf->p, buf->cap);
            free(buf->p);
        }
        buf->p = p;
    }
    buf->cap = cap;
}

char *buf_room(struct buf *buf, size_t len)
{
    size_t cap = buf->cap ? buf->cap : 64;

    if (len > buf->max || buf->len > buf->max - len)
        return NULL;
    while (cap < buf->len + len + 1)
        cap += cap;
    if (cap != buf->cap)
        grow(buf, cap);
    return buf->p + buf->len;
}

int buf_add(struct buf *buf, struct str bytes)
{
    char *at = buf_room(buf, bytes.len);

    if (at == NULL)
        return -1;
    if (bytes.len)
        memcpy(at, bytes.p, bytes.len);
    buf->len += bytes.len;
    buf->p[buf->len] = '\0';
    return 0;
}

int buf_add_c(struct buf *buf, const char *text)
{
    return buf_add(buf, str_c(text));
}

int buf_add_char(struct buf *buf, char c)
{
    return buf_add(buf, str_n(&c, 1));
}

int buf_addf(struct buf *buf, const char *fmt, ...)
{
    va_list args, again;
    int len, rc = -1;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    if (len >= 0 && buf_room(buf, (size_t)len)) {
        vsnprintf(buf->p + buf->len, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
        rc = 0;
    }
    va_end(again);
    va_end(args);
    return rc;
}

void buf_shift(struct buf *buf, size_t len)
{
    if (len > buf->len)
        len = buf->len;
    if (len == 0)
        return;
    memmove(buf->p, buf->p + len, buf->len - len + 1);
    buf->len -= len;
}

char *buf_take(struct buf *buf)
{
    char *p = buf->p ? buf->p : mem_strdup("");

    *buf = (struct buf){ .max = buf->max, .secret = buf->secret };
    return p;
}
