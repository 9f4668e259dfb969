/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a message, line by line where lines matter. */
#include "mail/mime_split.h"

#include <stdlib.h>

#define BOUNDARY_MAX 200 /* RFC 2046 5.1.1 has 70 */
#define TYPE_MAX 4096

struct splitter {
    struct str raw;
    struct mime_pieces *ret;
    struct {
        int piece;
        char *boundary;
        size_t len;
    } open[MIME_DEPTH_MAX]; /* multiparts around the present place */
    int count;
    uint32_t firsts[256]; /* first bytes of their boundaries: how many */
};

/* ---- lines ------------------------------------------------------------------------------------------ */

static size_t line_end(struct str raw, size_t at)
{
    const char *end = at < raw.len ? memchr(raw.p + at, '\n', raw.len - at) : NULL;

    return end ? (size_t)(end - raw.p) + 1 : raw.len;
}

static bool is_blank(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r' && line.p[i] != '\n')
            return false;
    return true;
}

/* RFC 2046 5.1.1: "--", the boundary, "--" behind the last part, and white space that says nothing. The innermost
 * multipart is asked first; one that is open further out ends those in it. */
static int delimiter_at(const struct splitter *s, size_t at, bool *last)
{
    struct str rest = str_from(s->raw, at);

    if (rest.len < 3 || rest.p[0] != '-' || rest.p[1] != '-' || s->firsts[(unsigned char)rest.p[2]] == 0)
        return -1;
    rest = str_from(rest, 2);
    for (int i = s->count - 1; i >= 0; i--) {
        struct str after;

        if (rest.p[0] != s->open[i].boundary[0] || rest.len < s->open[i].len ||
            memcmp(rest.p, s->open[i].boundary, s->open[i].len) != 0)
            continue;
        after = str_from(rest, s->open[i].len);
        after.len = line_end(after, 0);
        *last = str_starts(after, STR("--"));
        if (is_blank(str_from(after, *last ? 2 : 0)))
            return i;
    }
    return -1;
}

/* The next line, from the line that begins at `*at` on, that ends a part; `*at` is then its beginning. */
static int next_delimiter(const struct splitter *s, size_t *at, bool *last)
{
    int which = delimiter_at(s, *at, last);

    while (which < 0) {
        *at = line_end(s->raw, *at);
        if (*at == s->raw.len)
            return -1;
        which = delimiter_at(s, *at, last);
    }
    return which;
}

/* ---- parts ------------------------------------------------------------------------------------------ */

/* Where the headers that begin at `at` end, and where the body begins. A delimiter among them ends both. */
static size_t head_end(const struct splitter *s, size_t at, size_t *body)
{
    bool last;

    while (at < s->raw.len) {
        size_t end = line_end(s->raw, at);

        if (is_blank(str_n(s->raw.p + at, end - at))) {
            *body = end;
            return at;
        }
        if (delimiter_at(s, at, &last) >= 0)
            break;
        at = end;
    }
    *body = at;
    return at;
}

/* RFC 2045 5.2 and RFC 2046 5.1.5: what a part is that doesn't say. */
static const char *preset_type(const struct splitter *s, int parent)
{
    return parent >= 0 && strcmp(s->ret->items[parent].type, "multipart/digest") == 0 ? "message/rfc822" : "text/plain";
}

static char *lower(char *text)
{
    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    return text;
}

static char *read_type(struct str head, char **boundary)
{
    AUTO_FREE char *text = mime_header_text(head, "Content-Type", TYPE_MAX);
    AUTO_UNREF GMimeContentType *type = text ? g_mime_content_type_parse(NULL, text) : NULL;
    AUTO_G_FREE char *mime = type ? g_mime_content_type_get_mime_type(type) : NULL;

    if (mime == NULL || strchr(text, '/') == NULL)
        return NULL;
    if (str_starts_nocase(str_c(mime), STR("multipart/")))
        *boundary = mem_strdup(g_mime_content_type_get_parameter(type, "boundary"));
    return lower(mime_cleaned(mime, 200));
}

/* A multipart without a boundary has no parts: what is in it is shown as it stands there. */
static void read_kind(struct splitter *s, int index)
{
    struct mime_piece *piece = &s->ret->items[index];
    AUTO_FREE char *boundary = NULL;
    size_t len;

    piece->type = read_type(piece->head, &boundary);
    if (piece->type == NULL)
        piece->type = mem_strdup(preset_type(s, piece->parent));
    len = boundary ? strlen(boundary) : 0;
    if (!str_starts(str_c(piece->type), STR("multipart/")))
        return;
    if (len == 0 || len > BOUNDARY_MAX) {
        free(piece->type);
        piece->type = mem_strdup("text/plain");
        return;
    }
    piece->multipart = true;
    if (s->count == MIME_DEPTH_MAX) {
        s->ret->partial = true;
        return;
    }
    s->firsts[(unsigned char)boundary[0]]++;
    s->open[s->count].piece = index;
    s->open[s->count].len = len;
    s->open[s->count++].boundary = TAKE(boundary);
}

/* Answers where its body begins. */
static size_t begin(struct splitter *s, size_t at)
{
    int parent = s->count ? s->open[s->count - 1].piece : -1, index = (int)s->ret->count++;
    size_t body, end = head_end(s, at, &body);

    s->ret->items[index] = (struct mime_piece){
        .whole = str_n(s->raw.p + at, 0),
        .head = str_n(s->raw.p + at, end - at),
        .body = str_n(s->raw.p + body, 0),
        .parent = parent,
        .depth = s->count,
    };
    if (s->ret->items[index].head.len > MIME_HEADER_BYTES_MAX) {
        s->ret->items[index].head.len = MIME_HEADER_BYTES_MAX;
        s->ret->partial = true;
    }
    read_kind(s, index);
    return body;
}

/* The line break before a delimiter is the delimiter's. */
static void end_piece(struct splitter *s, int index, size_t at)
{
    struct mime_piece *piece = &s->ret->items[index];
    size_t body = (size_t)(piece->body.p - s->raw.p), start = (size_t)(piece->whole.p - s->raw.p);

    if (at > body && at < s->raw.len && s->raw.p[at - 1] == '\n')
        at--;
    if (at > body && at < s->raw.len && s->raw.p[at] == '\n' && s->raw.p[at - 1] == '\r')
        at--;
    piece->body.len = at > body ? at - body : 0;
    piece->whole.len = (at > body ? at : body) - start;
}

/* Ends the multiparts in the one at `keep` of the open ones, and their last part. */
static void end_open(struct splitter *s, int keep, size_t at)
{
    while (s->count > keep) {
        end_piece(s, s->open[--s->count].piece, at);
        s->firsts[(unsigned char)s->open[s->count].boundary[0]]--;
        free(s->open[s->count].boundary);
    }
}

void mime_split(struct str raw, struct mime_pieces *ret)
{
    struct splitter s = { .raw = raw, .ret = ret };
    size_t at;
    int which, leaf = 0;
    bool last;

    gmime_start();
    *ret = (struct mime_pieces){ .items = mem_array(MIME_PARTS_MAX, sizeof(*ret->items)) };
    at = begin(&s, 0);
    if (s.count)
        leaf = -1;
    while (s.count && (which = next_delimiter(&s, &at, &last)) >= 0) {
        if (leaf >= 0)
            end_piece(&s, leaf, at);
        leaf = -1;
        end_open(&s, last ? which : which + 1, at);
        if (!last && ret->count == MIME_PARTS_MAX) {
            ret->partial = true;
            break;
        }
        at = line_end(raw, at);
        if (!last) {
            int open = s.count;

            leaf = (int)ret->count;
            at = begin(&s, at);
            if (s.count > open)
                leaf = -1;
        }
    }
    if (leaf >= 0)
        end_piece(&s, leaf, raw.len);
    end_open(&s, 0, raw.len);
}

void mime_pieces_clear(struct mime_pieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++)
        free(pieces->items[i].type);
    free(pieces->items);
    *pieces = (struct mime_pieces){ 0 };
}
