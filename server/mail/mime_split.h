/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/mime_split.h - where the parts of a message are; for mime*.c only. RFC 2045, RFC 2046.
 *
 * A part is where it stands in the message: nothing is copied but its type, so what a hostile message costs is
 * bounded by MIME_PARTS_MAX, MIME_DEPTH_MAX and one look at each of its bytes. What is inside of a message that is
 * attached isn't looked at. */
#ifndef POSTERN_MAIL_MIME_SPLIT_H
#define POSTERN_MAIL_MIME_SPLIT_H

#include "base/buf.h"
#include "base/str.h"
#include "mail/gmime.h"

struct mime_piece {
    struct str whole; /* headers and body */
    struct str head;  /* without the empty line; cut at MIME_HEADER_BYTES_MAX */
    struct str body;  /* as it stands there: encoded */
    char *type;       /* "text/plain", in lower case */
    int parent;       /* of the pieces; -1: the message */
    int depth;
    bool multipart; /* its parts follow */
};

struct mime_pieces {
    struct mime_piece *items; /* in their order; the first is the message */
    size_t count;
    bool partial; /* there is more than was looked at */
};

/* What a part is to a reader; asked for one after the other, in their order. */
enum mime_role { MIME_CONTAINER, MIME_TEXT, MIME_HTML, MIME_ATTACHMENT };
struct mime_roles {
    bool text, html;
};
enum mime_role mime_role_next(struct mime_roles *roles, const struct mime_piece *piece);

void mime_split(struct str raw, struct mime_pieces *ret);
void mime_pieces_clear(struct mime_pieces *pieces);
#define AUTO_PIECES(name) __attribute__((cleanup(mime_pieces_clear))) struct mime_pieces name = { 0 }

/* ---- headers ---------------------------------------------------------------------------------------- */

/* The value of the first header of the name, unfolded and trimmed, cut at `max` bytes; NULL: not there. The caller
 * frees. */
char *mime_header_text(struct str head, const char *name, size_t max);
/* Decoded (RFC 2047) and made fit to be shown; NULL: not there. */
char *mime_shown(struct str whole, size_t max); /* of a header as it stands there */
char *mime_header_shown(struct str head, const char *name, size_t max);
/* The value of a header as it stands there, name and all. */
char *mime_unfolded(struct str whole, size_t max);
/* Like text_clean(), in memory of its own. */
char *mime_cleaned(const char *text, size_t max);
/* The next "<id@host>" of an unfolded value, brackets included; a value without any is one as a whole. False at the
 * end. */
bool mime_next_id(struct str *rest, char **id);

/* A parameter of Content-Type or Content-Disposition (RFC 2231), or NULL. The caller frees. */
char *mime_type_param(const struct mime_piece *piece, const char *name);
char *mime_filename(const struct mime_piece *piece);
bool mime_is_file(const struct mime_piece *piece); /* Content-Disposition says so, or it has a file name */

/* ---- bodies ----------------------------------------------------------------------------------------- */

void mime_decode(const struct mime_piece *piece, mime_take *take, void *ctx);
int64_t mime_decoded_size(const struct mime_piece *piece);
/* As much as fits; false: there is more. */
bool mime_decode_into(const struct mime_piece *piece, struct buf *into);
/* Text of a text part in UTF-8 whatever it was, cut at a character; `*cut` (may be NULL) is set then. The caller
 * frees. */
char *mime_text(const struct mime_piece *piece, size_t max, bool *cut);

#endif
