/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/mime_read.c - what is in a message, whoever made it and whatever for. */
#include <stdlib.h>

#include "mail/mime_split.h"
#include "mail/text.h"

#define ADDRESSES_MAX (64 * 1024) /* of the bytes of a header */
#define SUBJECT_MAX 2000
#define DATE_END 253402300800 /* s: the year 10000 */
#define DEFAULT_TYPE "application/octet-stream"

/* ---- parts ------------------------------------------------------------------------------------------ */

static void describe(const struct mime_piece *piece, struct mime_part *part)
{
    AUTO_FREE char *id = mime_header_text(piece->head, "Content-ID", 300);
    struct str rest = str_c(id);
    AUTO_FREE char *first = NULL;

    part->content_type = mem_strdup(*piece->type ? piece->type : DEFAULT_TYPE);
    part->filename = mime_filename(piece);
    part->size = mime_decoded_size(piece);
    if (id && mime_next_id(&rest, &first)) {
        first[strlen(first) - 1] = '\0';
        part->content_id = first[1] ? mime_cleaned(first + 1, 250) : NULL;
    }
}

void mime_part_clear(struct mime_part *part)
{
    free(part->filename);
    free(part->content_type);
    free(part->content_id);
    *part = (struct mime_part){ 0 };
}

/* The first text and the first html that aren't files are the body; anything else is an attachment, so that
 * nothing is hidden. */
enum mime_role mime_role_next(struct mime_roles *roles, const struct mime_piece *piece)
{
    bool html = strcmp(piece->type, "text/html") == 0, text = strcmp(piece->type, "text/plain") == 0;
    bool *had = html ? &roles->html : &roles->text;

    if (piece->multipart)
        return MIME_CONTAINER;
    if ((!html && !text) || *had || mime_is_file(piece))
        return MIME_ATTACHMENT;
    *had = true;
    return html ? MIME_HTML : MIME_TEXT;
}

static void read_parts(const struct mime_pieces *pieces, struct mime_info *info, bool bodies)
{
    struct mime_roles roles = { 0 };

    for (size_t i = 0; i < pieces->count; i++) {
        const struct mime_piece *piece = &pieces->items[i];

        switch (mime_role_next(&roles, piece)) {
        case MIME_CONTAINER:
            break;
        case MIME_TEXT:
            info->text = bodies ? mime_text(piece, MIME_BODY_MAX, &info->partial) : NULL;
            break;
        case MIME_HTML:
            info->html = bodies ? mime_text(piece, MIME_BODY_MAX, &info->partial) : NULL;
            break;
        case MIME_ATTACHMENT:
            info->attachments =
                mem_resize(info->attachments, (info->attachment_count + 1) * sizeof(*info->attachments));
            info->attachments[info->attachment_count] = (struct mime_part){ 0 };
            describe(piece, &info->attachments[info->attachment_count++]);
        }
    }
}

/* ---- headers ---------------------------------------------------------------------------------------- */

static void add_addresses(InternetAddressList *list, char ***items, size_t *count, int depth)
{
    int many = list && depth < 3 ? internet_address_list_length(list) : 0;

    for (int i = 0; i < many && *count < MIME_RECIPIENTS_MAX; i++) {
        InternetAddress *one = internet_address_list_get_address(list, i);

        if (INTERNET_ADDRESS_IS_GROUP(one)) {
            add_addresses(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(one)), items, count,
                          depth + 1);
        } else {
            AUTO_G_FREE char *text = internet_address_to_string(one, NULL, FALSE);

            *items = mem_resize(*items, (*count + 1) * sizeof(char *));
            (*items)[(*count)++] = mime_cleaned(text ? text : "", 500);
        }
    }
}

/* All headers of the name: there should be one (RFC 5322 3.6), and a second would hide somebody. */
static void read_addresses(struct str head, const char *name, char ***items, size_t *count)
{
    struct str whole, found;

    while (mime_header_next(&head, &whole, &found)) {
        AUTO_FREE char *text = str_eq_nocase(found, str_c(name)) ? mime_unfolded(whole, ADDRESSES_MAX) : NULL;
        AUTO_UNREF InternetAddressList *list =
            text && *text && gmime_can_read(text) ? internet_address_list_parse(NULL, text) : NULL;

        if (list)
            add_addresses(list, items, count, 0);
        else if (text && *text && *count < MIME_RECIPIENTS_MAX) {
            *items = mem_resize(*items, (*count + 1) * sizeof(char *));
            (*items)[(*count)++] = mime_cleaned(text, 500);
        }
    }
}

static char *first_address(struct str head, const char *name)
{
    char **items = NULL, *first;
    size_t count = 0;

    read_addresses(head, name, &items, &count);
    first = count ? items[0] : NULL;
    for (size_t i = 1; i < count; i++)
        free(items[i]);
    free(items);
    return first;
}

/* GMime takes "0001" for 2001, as RFC 5322 4.3 wants it of "01". */
static bool has_odd_year(const char *text)
{
    for (const char *p = text; *p; p++) {
        size_t digits = strspn(p, "0123456789");

        if (digits > 2 && *p == '0' && (p == text || (p[-1] != '+' && p[-1] != '-')))
            return true;
        p += digits ? digits - 1 : 0;
    }
    return false;
}

/* 0: none that can be. */
static int64_t read_date(struct str head)
{
    AUTO_FREE char *text = mime_header_text(head, "Date", 200);
    GDateTime *date = text && *text && !has_odd_year(text) ? g_mime_utils_header_decode_date(text) : NULL;
    int64_t at = date ? g_date_time_to_unix(date) : 0;

    if (date)
        g_date_time_unref(date);
    return at > 0 && at < DATE_END ? at * 1000 : 0;
}

/* RFC 5321 4.4: the envelope's sender, as the last server noted it. */
static char *read_return_path(struct str head)
{
    AUTO_FREE char *text = mime_header_text(head, "Return-Path", 400);
    struct str rest = str_c(text);
    AUTO_FREE char *path = NULL;

    if (text == NULL || !mime_next_id(&rest, &path))
        return NULL;
    path[strlen(path) - 1] = '\0';
    return mem_strdup(path + 1);
}

static void read_headers(struct str head, struct mime_info *info)
{
    AUTO_FREE char *id = mime_header_text(head, "Message-ID", 1000);
    struct str rest = str_c(id);

    if (id && !mime_next_id(&rest, &info->message_id))
        info->message_id = NULL;
    info->subject = mime_header_shown(head, "Subject", SUBJECT_MAX);
    info->date = read_date(head);
    info->from = first_address(head, "From");
    info->reply_to = first_address(head, "Reply-To");
    info->return_path = read_return_path(head);
    read_addresses(head, "To", &info->to, &info->to_count);
    read_addresses(head, "Cc", &info->cc, &info->cc_count);
    if (info->from == NULL)
        info->from = mem_strdup("");
    if (info->subject == NULL)
        info->subject = mem_strdup("");
}

/* Every header there is, as far as that is of use to anybody. */
static void show_headers(struct str head, struct mime_info *info)
{
    struct str whole, name;
    size_t bytes = 0;

    info->headers = mem_array(MIME_SHOWN_HEADERS_MAX, sizeof(*info->headers));
    while (mime_header_next(&head, &whole, &name)) {
        AUTO_FREE char *given = str_dup(name);
        AUTO_FREE char *value = NULL;

        if (name.len == 0)
            continue;
        if (info->header_count == MIME_SHOWN_HEADERS_MAX || bytes > MIME_SHOWN_BYTES_MAX) {
            info->partial = true;
            return;
        }
        value = mime_shown(whole, MIME_SHOWN_VALUE_MAX);
        bytes += name.len + strlen(value);
        info->headers[info->header_count].name = mime_cleaned(given, 200);
        info->headers[info->header_count++].value = TAKE(value);
    }
}

/* ---- both ------------------------------------------------------------------------------------------- */

struct mime_info *mime_inspect_headers(struct str raw)
{
    struct mime_info *info = mem_alloc(sizeof(*info));
    size_t len = mime_header_len(raw);

    gmime_start();
    read_headers(str_n(raw.p, len < MIME_HEADER_BYTES_MAX ? len : MIME_HEADER_BYTES_MAX), info);
    return info;
}

struct mime_info *mime_inspect(struct str raw, bool bodies)
{
    struct mime_info *info = mem_alloc(sizeof(*info));
    AUTO_PIECES(pieces);

    mime_split(raw, &pieces);
    info->partial = pieces.partial;
    read_headers(pieces.items[0].head, info);
    read_parts(&pieces, info, bodies);
    if (bodies)
        show_headers(pieces.items[0].head, info);
    return info;
}

void mime_info_free(struct mime_info *info)
{
    if (info == NULL)
        return;
    for (size_t i = 0; i < info->to_count; i++)
        free(info->to[i]);
    for (size_t i = 0; i < info->cc_count; i++)
        free(info->cc[i]);
    for (size_t i = 0; i < info->attachment_count; i++)
        mime_part_clear(&info->attachments[i]);
    for (size_t i = 0; i < info->header_count; i++) {
        free(info->headers[i].name);
        free(info->headers[i].value);
    }
    free(info->headers);
    free(info->to);
    free(info->cc);
    free(info->attachments);
    free(info->message_id);
    free(info->from);
    free(info->reply_to);
    free(info->return_path);
    free(info->subject);
    free(info->text);
    free(info->html);
    free(info);
}

static const struct mime_piece *attachment(const struct mime_pieces *pieces, size_t n)
{
    struct mime_roles roles = { 0 };

    for (size_t i = 0; i < pieces->count; i++)
        if (mime_role_next(&roles, &pieces->items[i]) == MIME_ATTACHMENT && n-- == 0)
            return &pieces->items[i];
    return NULL;
}

int mime_attachment_read(struct str raw, size_t n, mime_take *take, void *ctx, struct mime_part *part,
                         struct err *err)
{
    AUTO_PIECES(pieces);
    const struct mime_piece *piece;

    mime_split(raw, &pieces);
    piece = attachment(&pieces, n);
    if (piece == NULL)
        return err_id(err, ERR_NOT_FOUND, "message.attachment", NULL, "The message has no attachment %zu.",
                      n);
    mime_decode(piece, take, ctx);
    if (part)
        describe(piece, part);
    return 0;
}
