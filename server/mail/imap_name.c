/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/imap_name.h"

#include <stdint.h>

/* Bits on their way into base64 with "," for "/" and no padding. */
struct shift {
    struct buf *into;
    uint32_t bits;
    int count;
    bool open; /* after "&" */
};

static int put_digit(struct shift *shift, uint32_t value)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

    return buf_add_char(shift->into, digits[value & 63]);
}

static int put_unit(struct shift *shift, uint32_t unit)
{
    shift->bits = shift->bits << 16 | unit;
    shift->count += 16;
    while (shift->count >= 6) {
        shift->count -= 6;
        if (put_digit(shift, shift->bits >> shift->count) < 0)
            return -1;
    }
    return 0;
}

static int put_character(struct shift *shift, uint32_t c)
{
    if (!shift->open && buf_add_char(shift->into, '&') < 0)
        return -1;
    shift->open = true;
    if (c < 0x10000)
        return put_unit(shift, c);
    c -= 0x10000;
    return put_unit(shift, 0xd800 | c >> 10) < 0 ? -1 : put_unit(shift, 0xdc00 | (c & 0x3ff));
}

static int close_shift(struct shift *shift)
{
    if (!shift->open)
        return 0;
    if (shift->count > 0 && put_digit(shift, shift->bits << (6 - shift->count)) < 0)
        return -1;
    *shift = (struct shift){ .into = shift->into };
    return buf_add_char(shift->into, '-');
}

/* The character at the front of valid UTF-8, which moves on. */
static uint32_t take_character(struct str *s)
{
    unsigned char first = (unsigned char)s->p[0];
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint32_t c = len == 1 ? first : first & (0xffu >> (len + 1));

    for (size_t i = 1; i < len; i++)
        c = c << 6 | ((unsigned char)s->p[i] & 0x3f);
    *s = str_from(*s, len);
    return c;
}

int imap_utf7(struct str name, struct buf *into)
{
    struct shift shift = { .into = into };

    if (!str_is_utf8(name))
        return -1;
    while (name.len > 0) {
        uint32_t c = take_character(&name);
        int rc;

        if (c < 0x20 || c >= 0x7f)
            rc = put_character(&shift, c);
        else if (close_shift(&shift) < 0)
            rc = -1;
        else
            rc = c == '&' ? buf_add_c(into, "&-") : buf_add_char(into, (char)c);
        if (rc < 0)
            return -1;
    }
    return close_shift(&shift);
}

int imap_quote(struct str text, bool utf8, struct buf *into)
{
    if (buf_add_char(into, '"') < 0)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];

        if (c == '\0' || c == '\r' || c == '\n' || ((unsigned char)c >= 0x80 && !utf8))
            return -1;
        if ((c == '"' || c == '\\') && buf_add_char(into, '\\') < 0)
            return -1;
        if (buf_add_char(into, c) < 0)
            return -1;
    }
    return buf_add_char(into, '"');
}
