/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of parts: out of their transfer encoding (RFC 2045 6), and text into UTF-8. */
#include "mail/mime_split.h"

#include <errno.h>
#include <stdlib.h>

#define CHUNK (32 * 1024)
#define CHARSET_MAX 40

/* ---- transfer encodings ----------------------------------------------------------------------------- */

static GMimeContentEncoding encoding_of(const struct mime_piece *piece)
{
    AUTO_FREE char *text = mime_header_text(piece->head, "Content-Transfer-Encoding", 40);

    return text ? g_mime_content_encoding_from_string(text) : GMIME_CONTENT_ENCODING_DEFAULT;
}

/* Content begins behind the line "begin 644 name"; without one there is none. */
static struct str after_begin(struct str body)
{
    struct str line;

    while (str_split(&body, '\n', &line))
        if (str_starts(line, STR("begin ")))
            return body;
    return STR("");
}

static void decode_all(GMimeContentEncoding encoding, struct str body, mime_take *take, void *ctx)
{
    GMimeEncoding state;
    AUTO_FREE char *out = NULL;

    g_mime_encoding_init_decode(&state, encoding);
    out = mem_alloc(g_mime_encoding_outlen(&state, CHUNK));
    while (body.len) {
        size_t len = body.len < CHUNK ? body.len : CHUNK;
        size_t got = g_mime_encoding_step(&state, body.p, len, out);

        body = str_from(body, len);
        if (got && take(ctx, str_n(out, got)) < 0)
            return;
    }
}

void mime_decode(const struct mime_piece *piece, mime_take *take, void *ctx)
{
    GMimeContentEncoding encoding = encoding_of(piece);

    if (encoding == GMIME_CONTENT_ENCODING_UUENCODE)
        decode_all(encoding, after_begin(piece->body), take, ctx);
    else if (encoding == GMIME_CONTENT_ENCODING_BASE64 || encoding == GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE)
        decode_all(encoding, piece->body, take, ctx);
    else if (piece->body.len)
        take(ctx, piece->body);
}

static int add_len(void *ctx, struct str bytes)
{
    *(int64_t *)ctx += (int64_t)bytes.len;
    return 0;
}

int64_t mime_decoded_size(const struct mime_piece *piece)
{
    int64_t size = 0;

    mime_decode(piece, add_len, &size);
    return size;
}

struct filling {
    struct buf *into;
    bool more;
};

static int fill(void *ctx, struct str bytes)
{
    struct filling *filling = ctx;
    size_t room = filling->into->max - filling->into->len;

    filling->more = bytes.len > room;
    buf_add(filling->into, str_n(bytes.p, filling->more ? room : bytes.len));
    return filling->more ? -1 : 0;
}

bool mime_decode_into(const struct mime_piece *piece, struct buf *into)
{
    struct filling filling = { into, false };

    mime_decode(piece, fill, &filling);
    return !filling.more;
}

/* ---- text ------------------------------------------------------------------------------------------- */

/* Bytes of the character at the front; 0: it isn't UTF-8. */
static size_t character(struct str s)
{
    if (s.len && s.p[0] > 0)
        return 1;
    for (size_t len = 2; len <= 4 && len <= s.len; len++)
        if (str_is_utf8(str_n(s.p, len)))
            return len;
    return 0;
}

/* Valid UTF-8 whatever it was, cut at a character. */
static char *as_utf8(struct str text, size_t max, bool *cut)
{
    size_t used = 0;
    char *copy;

    max = text.len < max ? text.len : max;
    copy = mem_alloc(max + 1);
    while (text.len) {
        size_t wide = character(text);

        if (used + (wide ? wide : 1) > max)
            break;
        if (wide)
            memcpy(copy + used, text.p, wide);
        else
            copy[used] = '?';
        used += wide ? wide : 1;
        text = str_from(text, wide ? wide : 1);
    }
    *cut |= text.len > 0;
    return copy;
}

/* The name goes to a loader of tables, so it is one. */
static iconv_t open_charset(const char *charset)
{
    size_t len = strlen(charset);

    if (len == 0 || len > CHARSET_MAX || strspn(charset, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                                         "._:-") != len)
        return (iconv_t)-1;
    return g_mime_iconv_open("UTF-8", charset);
}

/* What the charset doesn't have becomes '?'. */
static char *convert(iconv_t from, struct str text, size_t max, bool *cut)
{
    AUTO_FREE char *into = mem_alloc(max + 1);
    char *in = (char *)(uintptr_t)text.p, *out = into;
    size_t in_left = text.len, out_left = max;

    while (in_left && out_left) {
        size_t rc = iconv(from, &in, &in_left, &out, &out_left);

        if (rc != (size_t)-1 || errno == E2BIG || out_left == 0)
            break;
        *out++ = '?';
        out_left--;
        in += in_left > 0;
        in_left -= in_left > 0;
    }
    *cut |= in_left > 0;
    return as_utf8(str_n(into, max - out_left), max, cut);
}

/* What was cut may end within a character. */
static struct str whole_characters(struct str text)
{
    size_t len = text.len;

    while (len && text.len - len < 3 && (text.p[len - 1] & 0xc0) == 0x80)
        len--;
    return len && (text.p[len - 1] & 0x80) ? str_n(text.p, len - 1) : text;
}

/* RFC 2046 4.1.2: us-ascii where nothing is said; but what isn't ASCII is something else, then. */
static char *decode_unknown(struct str text, size_t max, bool *cut)
{
    AUTO_G_FREE char *decoded = NULL;

    if (memchr(text.p, '\0', text.len) || str_is_utf8(*cut ? whole_characters(text) : text))
        return as_utf8(text, max, cut);
    decoded = g_mime_utils_decode_8bit(NULL, text.p, text.len);
    return as_utf8(str_c(decoded), max, cut);
}

static char *text_of(struct str raw, const char *charset, size_t max, bool *cut)
{
    iconv_t from = (iconv_t)-1;
    char *text;

    if (charset && str_eq_nocase(str_c(charset), STR("utf-8")))
        return as_utf8(raw, max, cut);
    if (charset && !str_eq_nocase(str_c(charset), STR("us-ascii")))
        from = open_charset(charset);
    if (from == (iconv_t)-1)
        return decode_unknown(raw, max, cut);
    text = convert(from, raw, max, cut);
    g_mime_iconv_close(from);
    return text;
}

char *mime_text(const struct mime_piece *piece, size_t max, bool *cut)
{
    AUTO_FREE char *charset = mime_type_param(piece, "charset");
    AUTO_BUF(raw, 4 * max);
    bool more = !mime_decode_into(piece, &raw);
    char *text = text_of(buf_str(&raw), charset, max, &more);

    if (cut)
        *cut |= more;
    return text;
}
