/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of a message or a part, as far as anyone looks at them: each value is cut before it is decoded. */
#include "mail/mime_split.h"

#include <stdlib.h>

#include "mail/text.h"

#define PARAM_TEXT_MAX 4096
#define FILENAME_MAX_BYTES 255

char *mime_cleaned(const char *text, size_t max)
{
    char *copy = mem_alloc(max + 1);

    text_clean(str_c(text), copy, max + 1);
    return mem_resize(copy, strlen(copy) + 1);
}

/* RFC 5322 2.2.3: a line break before white space goes. What else a header can't have becomes a space. */
char *mime_unfolded(struct str whole, size_t max)
{
    struct str value = str_trim(mime_header_value(whole));
    size_t used = 0;
    char *text;

    value.len = value.len < max ? value.len : max;
    text = mem_alloc(value.len + 1);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.p[i];
        bool folds = c == '\n' || (c == '\r' && i + 1 < value.len && value.p[i + 1] == '\n');

        if (!folds)
            text[used++] = c == '\r' || c == '\0' ? ' ' : c;
    }
    return text;
}

char *mime_header_text(struct str head, const char *name, size_t max)
{
    struct str whole, found;

    while (mime_header_next(&head, &whole, &found))
        if (str_eq_nocase(found, str_c(name)))
            return mime_unfolded(whole, max);
    return NULL;
}

char *mime_shown(struct str whole, size_t max)
{
    AUTO_FREE char *text = mime_unfolded(whole, 4 * max);
    AUTO_G_FREE char *decoded = g_mime_utils_header_decode_text(NULL, text);

    return mime_cleaned(decoded, max);
}

char *mime_header_shown(struct str head, const char *name, size_t max)
{
    struct str whole, found;

    while (mime_header_next(&head, &whole, &found))
        if (str_eq_nocase(found, str_c(name)))
            return mime_shown(whole, max);
    return NULL;
}

/* RFC 5322 3.6.4; without brackets it was never right, and is still there. */
bool mime_next_id(struct str *rest, char **id)
{
    const char *open, *close;

    *rest = str_trim(*rest);
    open = rest->len ? memchr(rest->p, '<', rest->len) : NULL;
    close = open ? memchr(open, '>', rest->len - (size_t)(open - rest->p)) : NULL;
    if (close) {
        AUTO_FREE char *inside = mem_strndup(open + 1, (size_t)(close - open) - 1);
        AUTO_FREE char *clean = mime_cleaned(inside, 900);

        *id = mem_printf("<%s>", clean);
        *rest = str_from(*rest, (size_t)(close - rest->p) + 1);
    } else if (rest->len && open == NULL) {
        AUTO_FREE char *whole = str_dup(*rest);
        AUTO_FREE char *clean = mime_cleaned(whole, 900);

        *id = mem_printf("<%s>", clean);
        *rest = str_from(*rest, rest->len);
    } else {
        return false;
    }
    return true;
}

char *mime_type_param(const struct mime_piece *piece, const char *name)
{
    AUTO_FREE char *text = mime_header_text(piece->head, "Content-Type", PARAM_TEXT_MAX);
    AUTO_UNREF GMimeContentType *type = text ? g_mime_content_type_parse(NULL, text) : NULL;

    return type ? mem_strdup(g_mime_content_type_get_parameter(type, name)) : NULL;
}

static char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *backslash;

    path = slash ? slash + 1 : path;
    backslash = strrchr(path, '\\');
    return mime_cleaned(backslash ? backslash + 1 : path, FILENAME_MAX_BYTES);
}

static GMimeContentDisposition *disposition_of(const struct mime_piece *piece)
{
    AUTO_FREE char *text = mime_header_text(piece->head, "Content-Disposition", PARAM_TEXT_MAX);

    return text && *text ? g_mime_content_disposition_parse(NULL, text) : NULL;
}

char *mime_filename(const struct mime_piece *piece)
{
    AUTO_UNREF GMimeContentDisposition *disposition = disposition_of(piece);
    const char *name = disposition ? g_mime_content_disposition_get_parameter(disposition, "filename") : NULL;
    AUTO_FREE char *other = name && *name ? NULL : mime_type_param(piece, "name");

    name = name && *name ? name : other;
    return name && *name ? base_name(name) : NULL;
}

bool mime_is_file(const struct mime_piece *piece)
{
    AUTO_UNREF GMimeContentDisposition *disposition = disposition_of(piece);
    AUTO_FREE char *filename = mime_filename(piece);

    return filename || (disposition && g_mime_content_disposition_is_attachment(disposition));
}
