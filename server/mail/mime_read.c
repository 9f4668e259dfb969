/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/mime_read.c - what is in a message, whoever made it and whatever for. */
#include <stdlib.h>

#include "mail/gmime.h"
#include "mail/text.h"

/* GMime makes an object of each part and each header. A message of 25 MB can have millions of them, so what
 * could become one is counted first, and a message beyond these is read no further than its headers. */
#define BOUNDARY_LINES_MAX 10000
#define HEADER_LINES_MAX 50000
#define NESTED_MAX 200 /* "message/rfc822", which GMime follows without end */

struct walk {
    struct mime_info *info;
    bool bodies;
    int parts;
    GMimeObject *wanted; /* attachment number `wanted_index`, once found; not a reference */
    size_t wanted_index;
};

/* ---- is it safe to parse? --------------------------------------------------------------------------- */

static bool looks_like_header(struct str line)
{
    size_t i = 0;

    while (i < line.len && i < 77 && line.p[i] > 0x20 && line.p[i] < 0x7f && line.p[i] != ':')
        i++;
    return i > 0 && i < line.len && line.p[i] == ':';
}

static size_t messages_in(struct str line)
{
    size_t count = 0;

    for (size_t i = 7; i < line.len; i++)
        count += line.p[i] == '/' && str_eq_nocase(str_n(line.p + i - 7, 7), STR("message"));
    return count;
}

static bool is_reasonable(struct str raw)
{
    size_t boundaries = 0, headers = 0, nested = 0;
    struct str line;

    while (str_split(&raw, '\n', &line)) {
        boundaries += str_starts(line, STR("--"));
        headers += looks_like_header(line);
        nested += messages_in(line);
        if (boundaries > BOUNDARY_LINES_MAX || headers > HEADER_LINES_MAX || nested > NESTED_MAX)
            return false;
    }
    return true;
}

static struct str only_headers(struct str raw)
{
    size_t len = mime_header_len(raw);

    return str_n(raw.p, len < MIME_HEADER_BYTES_MAX ? len : MIME_HEADER_BYTES_MAX);
}

static GMimeMessage *parse(struct str raw, bool *partial)
{
    AUTO_UNREF GMimeStream *stream = NULL;
    AUTO_UNREF GMimeParser *parser = NULL;

    gmime_start();
    *partial = !is_reasonable(raw);
    if (*partial)
        raw = only_headers(raw);
    stream = g_mime_stream_mem_new_with_buffer(raw.p, raw.len);
    parser = g_mime_parser_new_with_stream(stream);
    g_mime_parser_set_format(parser, GMIME_FORMAT_MESSAGE);
    g_mime_parser_set_persist_stream(parser, TRUE);
    return g_mime_parser_construct_message(parser, NULL);
}

/* ---- text ------------------------------------------------------------------------------------------- */

static char *cleaned(const char *text, size_t max)
{
    char *copy = mem_alloc(max + 1);

    text_clean(str_c(text), copy, max + 1);
    return mem_resize(copy, strlen(copy) + 1);
}

/* Text of several lines: valid UTF-8 whatever it was, cut at a character. */
static char *cleaned_body(const char *text)
{
    size_t len = strlen(text), used = 0;
    char *copy;

    if (len > MIME_BODY_MAX)
        len = MIME_BODY_MAX;
    copy = mem_alloc(len + 1);
    for (size_t i = 0; i < len;) {
        size_t wide = 1;

        while (wide < 4 && i + wide < len && (text[i + wide] & 0xc0) == 0x80)
            wide++;
        if (!str_is_utf8(str_n(text + i, wide)) && (text[i] & 0x80) == 0)
            wide = 1;
        if (str_is_utf8(str_n(text + i, wide))) {
            memcpy(copy + used, text + i, wide);
            used += wide;
        } else {
            copy[used++] = '?';
        }
        i += wide;
    }
    return copy;
}

static char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *backslash;

    path = slash ? slash + 1 : path;
    backslash = strrchr(path, '\\');
    return cleaned(backslash ? backslash + 1 : path, 255);
}

/* ---- parts ------------------------------------------------------------------------------------------ */

static GMimeObject *embedded(GMimeObject *object)
{
    return GMIME_IS_MESSAGE_PART(object)
               ? GMIME_OBJECT(g_mime_message_part_get_message(GMIME_MESSAGE_PART(object)))
               : NULL;
}

static void write_content(GMimeObject *object, GMimeStream *stream)
{
    GMimeDataWrapper *content = GMIME_IS_PART(object) ? g_mime_part_get_content(GMIME_PART(object)) : NULL;
    GMimeObject *inner = embedded(object);

    if (content)
        g_mime_data_wrapper_write_to_stream(content, stream);
    else if (inner)
        g_mime_object_write_to_stream(inner, NULL, stream);
}

static int64_t content_size(GMimeObject *object)
{
    AUTO_UNREF GMimeStream *nowhere = g_mime_stream_null_new();

    write_content(object, nowhere);
    return (int64_t)((GMimeStreamNull *)nowhere)->written;
}

static void describe(GMimeObject *object, struct mime_part *part)
{
    GMimeContentType *type = g_mime_object_get_content_type(object);
    AUTO_G_FREE char *mime = type ? g_mime_content_type_get_mime_type(type) : NULL;
    const char *filename = GMIME_IS_PART(object) ? g_mime_part_get_filename(GMIME_PART(object)) : NULL;
    const char *id = g_mime_object_get_content_id(object);

    part->content_type = cleaned(mime ? mime : "application/octet-stream", 200);
    part->filename = filename && *filename ? base_name(filename) : NULL;
    part->content_id = id && *id ? cleaned(id, 250) : NULL;
    part->size = content_size(object);
}

void mime_part_clear(struct mime_part *part)
{
    free(part->filename);
    free(part->content_type);
    free(part->content_id);
    *part = (struct mime_part){ 0 };
}

static void add_attachment(struct walk *w, GMimeObject *object)
{
    struct mime_info *info = w->info;

    if (w->wanted == NULL && w->wanted_index == info->attachment_count)
        w->wanted = object;
    info->attachments =
        mem_resize(info->attachments, (info->attachment_count + 1) * sizeof(*info->attachments));
    info->attachments[info->attachment_count] = (struct mime_part){ 0 };
    if (w->wanted_index == SIZE_MAX) /* inspecting */
        describe(object, &info->attachments[info->attachment_count]);
    info->attachment_count++;
}

/* The first text and the first html that aren't files are the body; anything else is an attachment, so that
 * nothing is hidden. */
static bool is_body(struct walk *w, GMimeObject *object)
{
    GMimeContentType *type = g_mime_object_get_content_type(object);
    const char *disposition = g_mime_object_get_disposition(object);
    bool html = type && g_mime_content_type_is_type(type, "text", "html");
    char **at = html ? &w->info->html : &w->info->text;

    if (!GMIME_IS_TEXT_PART(object) || (!html && !g_mime_content_type_is_type(type, "text", "plain")) ||
        *at || (disposition && str_eq_nocase(str_c(disposition), STR("attachment"))) ||
        g_mime_part_get_filename(GMIME_PART(object)))
        return false;
    if (w->bodies) {
        AUTO_G_FREE char *text = g_mime_text_part_get_text(GMIME_TEXT_PART(object));

        *at = cleaned_body(text ? text : "");
    } else {
        *at = mem_strdup("");
    }
    return true;
}

static void walk(struct walk *w, GMimeObject *object, int depth)
{
    if (object == NULL)
        return;
    if (++w->parts > MIME_PARTS_MAX || depth > MIME_DEPTH_MAX) {
        w->info->partial = true;
        return;
    }
    if (GMIME_IS_MULTIPART(object)) {
        int count = g_mime_multipart_get_count(GMIME_MULTIPART(object));

        for (int i = 0; i < count && w->parts <= MIME_PARTS_MAX; i++)
            walk(w, g_mime_multipart_get_part(GMIME_MULTIPART(object), i), depth + 1);
    } else if (!is_body(w, object)) {
        add_attachment(w, object);
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
            (*items)[(*count)++] = cleaned(text ? text : "", 500);
        }
    }
}

static char *first_address(InternetAddressList *list)
{
    char **items = NULL, *first;
    size_t count = 0;

    add_addresses(list, &items, &count, 0);
    first = count ? items[0] : NULL;
    for (size_t i = 1; i < count; i++)
        free(items[i]);
    free(items);
    return first;
}

static void read_headers(GMimeMessage *message, struct mime_info *info)
{
    const char *subject = g_mime_message_get_subject(message), *id = g_mime_message_get_message_id(message);
    GDateTime *date = g_mime_message_get_date(message);

    info->subject = cleaned(subject ? subject : "", 2000);
    if (id && *id) {
        AUTO_FREE char *clean = cleaned(id, 900);

        info->message_id = mem_printf("<%s>", clean);
    }
    if (date && g_date_time_to_unix(date) > 0)
        info->date = g_date_time_to_unix(date) * 1000;
    info->from = first_address(g_mime_message_get_from(message));
    info->reply_to = first_address(g_mime_message_get_reply_to(message));
    add_addresses(g_mime_message_get_to(message), &info->to, &info->to_count, 0);
    add_addresses(g_mime_message_get_cc(message), &info->cc, &info->cc_count, 0);
}

/* ---- both ------------------------------------------------------------------------------------------- */

struct mime_info *mime_inspect_headers(struct str raw)
{
    return mime_inspect(only_headers(raw), false);
}

struct mime_info *mime_inspect(struct str raw, bool bodies)
{
    struct mime_info *info = mem_alloc(sizeof(*info));
    AUTO_UNREF GMimeMessage *message = parse(raw, &info->partial);
    struct walk w = { .info = info, .bodies = bodies, .wanted_index = SIZE_MAX };

    if (message) {
        read_headers(message, info);
        if (!info->partial)
            walk(&w, g_mime_message_get_mime_part(message), 0);
    }
    if (!bodies) {
        free(TAKE(info->text));
        free(TAKE(info->html));
    }
    if (info->from == NULL)
        info->from = mem_strdup("");
    if (info->subject == NULL)
        info->subject = mem_strdup("");
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
    free(info->to);
    free(info->cc);
    free(info->attachments);
    free(info->message_id);
    free(info->from);
    free(info->reply_to);
    free(info->subject);
    free(info->text);
    free(info->html);
    free(info);
}

int mime_attachment_read(struct str raw, size_t n, struct buf *into, struct mime_part *part, struct err *err)
{
    AUTO(mime_info) info = mem_alloc(sizeof(*info));
    AUTO_UNREF GMimeMessage *message = parse(raw, &info->partial);
    AUTO_UNREF GMimeStream *stream = g_mime_stream_mem_new();
    struct walk w = { .info = info, .wanted_index = n };
    const GByteArray *bytes;

    if (message && !info->partial && n < MIME_PARTS_MAX)
        walk(&w, g_mime_message_get_mime_part(message), 0);
    if (w.wanted == NULL)
        return err_id(err, ERR_NOT_FOUND, "message.attachment", NULL, "The message has no attachment %zu.",
                      n);
    write_content(w.wanted, stream);
    bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    if (buf_add(into, str_n(bytes->data, bytes->len)) < 0)
        return err_id(err, ERR_TOO_LARGE, "limit.messageSize", NULL,
                      "The attachment has %u bytes; %zu is the most.", bytes->len, into->max);
    if (part)
        describe(w.wanted, part);
    return 0;
}
