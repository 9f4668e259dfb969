/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody may look for in a message: its texts, and the names of its files. */
#include <stdlib.h>

#include "mail/html_text.h"
#include "mail/mime_split.h"

#define HTML_PER_TEXT 8 /* bytes of HTML that are read for each byte that is wanted */

static void add_text(const struct mime_piece *piece, struct buf *into)
{
    size_t room = into->max - into->len;
    AUTO_FREE char *text = mime_text(piece, room, NULL);

    buf_add(into, str_c(text));
}

static void add_html(const struct mime_piece *piece, struct buf *into)
{
    AUTO_FREE char *html = mime_text(piece, HTML_PER_TEXT * (into->max - into->len), NULL);

    html_text(str_c(html), into);
}

static void add_name(const struct mime_piece *piece, struct buf *into)
{
    AUTO_FREE char *name = mime_filename(piece);

    if (name)
        buf_addf(into, "%s\n", name); /* not at all where it doesn't fit */
}

void mime_words(struct str raw, struct buf *into)
{
    AUTO_PIECES(pieces);

    mime_split(raw, &pieces);
    for (size_t i = 0; i < pieces.count && into->len < into->max; i++) {
        const struct mime_piece *piece = &pieces.items[i];
        bool is_file = mime_is_file(piece);

        add_name(piece, into);
        if (!is_file && strcmp(piece->type, "text/plain") == 0)
            add_text(piece, into);
        else if (!is_file && strcmp(piece->type, "text/html") == 0)
            add_html(piece, into);
        buf_add_char(into, '\n');
    }
}
