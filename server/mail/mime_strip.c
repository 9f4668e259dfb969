/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/mime_strip.h"

#include <stdlib.h>

#include "mail/mime_split.h"

/* What a machine says to a machine, in a few bytes: kept (RFC 3464, RFC 8098, RFC 5965). */
static bool is_small_report(const struct mime_piece *piece)
{
    static const char *const types[] = { "message/delivery-status", "message/global-delivery-status",
                                         "message/disposition-notification", "message/feedback-report",
                                         "text/rfc822-headers", "message/global-headers" };

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(piece->type, types[i]) == 0)
            return true;
    return false;
}

static bool is_text(const struct mime_piece *piece)
{
    return (strcmp(piece->type, "text/plain") == 0 || strcmp(piece->type, "text/html") == 0) && !mime_is_file(piece);
}

/* Then what looks like an attachment is the message: RFC 1847, RFC 8551. */
static bool is_encrypted(const struct mime_pieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++) {
        const char *type = pieces->items[i].type;

        if (strcmp(type, "multipart/encrypted") == 0 || strcmp(type, "application/pkcs7-mime") == 0 ||
            strcmp(type, "application/x-pkcs7-mime") == 0)
            return true;
    }
    return false;
}

static void add_words(const struct mime_piece *piece, struct buf *into)
{
    AUTO_FREE char *filename = mime_filename(piece);

    buf_addf(into, "[Attachment left out: %s%s%s, %lld bytes]", filename ? filename : "", filename ? ", " : "",
             piece->type, (long long)mime_decoded_size(piece));
}

/* In place of the part: its own headers say nothing about what stands there now. */
static int replace_part(const struct mime_piece *piece, const char *eol, struct buf *into)
{
    AUTO_BUF(words, 4096);

    add_words(piece, &words);
    return buf_addf(into, "Content-Type: text/plain; charset=utf-8%sContent-Transfer-Encoding: 8bit%s%s%s", eol, eol, eol,
                    words.p);
}

/* The message is an attachment as a whole: its headers stay but for those of the content. */
static int replace_all(const struct mime_piece *piece, const char *eol, struct buf *into)
{
    struct str head = piece->head, whole, name;
    size_t start = into->len;
    int rc = 0;

    while (rc == 0 && mime_header_next(&head, &whole, &name))
        if (!str_starts_nocase(name, STR("Content-")))
            rc = buf_add(into, whole);
    if (rc == 0 && into->len > start && into->p[into->len - 1] != '\n') /* the message ends with it */
        rc = buf_add_c(into, eol);
    return rc < 0 || replace_part(piece, eol, into) < 0 ? -1 : buf_add_c(into, eol);
}

static int copy_and_replace(struct str raw, const struct mime_pieces *pieces, const char *eol, struct buf *into)
{
    const char *from = raw.p;
    struct mime_roles roles = { 0 };
    int replaced = 0;

    for (size_t i = 0; i < pieces->count; i++) {
        const struct mime_piece *piece = &pieces->items[i];

        if (mime_role_next(&roles, piece) != MIME_ATTACHMENT || is_text(piece) || is_small_report(piece))
            continue;
        if (i == 0)
            return replace_all(piece, eol, into) < 0 ? -1 : 1;
        if (buf_add(into, str_n(from, (size_t)(piece->whole.p - from))) < 0 || replace_part(piece, eol, into) < 0)
            return -1;
        from = piece->whole.p + piece->whole.len;
        if (from < raw.p + raw.len && *from != '\r' && *from != '\n' && buf_add_c(into, eol) < 0) /* it was empty */
            return -1;
        replaced = 1;
    }
    if (replaced == 0)
        return 0;
    return buf_add(into, str_n(from, (size_t)(raw.p + raw.len - from))) < 0 ? -1 : 1;
}

int mime_strip(struct str raw, struct buf *into)
{
    const char *line = raw.len ? memchr(raw.p, '\n', raw.len) : NULL;
    const char *eol = line && line > raw.p && line[-1] == '\r' ? "\r\n" : "\n";
    size_t len = into->len;
    AUTO_PIECES(pieces);
    int rc;

    mime_split(raw, &pieces);
    if (pieces.partial || is_encrypted(&pieces))
        return 0;
    rc = copy_and_replace(raw, &pieces, eol, into);
    if (rc <= 0)
        into->len = len;
    return rc;
}
