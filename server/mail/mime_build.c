/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/encode.h"
#include "mail/gmime.h"
#include "mail/text.h"

#define SUBJECT_MAX 2000   /* bytes */
#define VALUE_MAX 8000     /* of a header */
#define LINE_MAX_BYTES 998 /* RFC 5322 2.1.1 */

struct building {
    const struct mime_draft *draft;
    mime_complain *complain;
    void *ctx;
    struct err *err;
    int wrong; /* how many complaints */
    struct address from, reply_to;
    struct address *lists[3]; /* to, cc, bcc */
};

static const struct {
    const char *name;
    const char *header;
} lists[] = { { "to", "To" }, { "cc", "Cc" }, { "bcc", NULL } };

static size_t list_count(const struct mime_draft *draft, int list)
{
    return list == 0 ? draft->to_count : list == 1 ? draft->cc_count : draft->bcc_count;
}

static const char *const *list_items(const struct mime_draft *draft, int list)
{
    return list == 0 ? draft->to : list == 1 ? draft->cc : draft->bcc;
}

/* ---- checking --------------------------------------------------------------------------------------- */

static void complain(struct building *b, const char *pointer, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void complain(struct building *b, const char *pointer, const char *code, const char *fmt, ...)
{
    char detail[384];
    va_list args;

    va_start(args, fmt);
    vsnprintf(detail, sizeof(detail), fmt, args);
    va_end(args);
    if (b->wrong++ == 0)
        err_id(b->err, ERR_INVALID, code, pointer, "%s", detail);
    if (b->complain)
        b->complain(b->ctx, pointer, code, detail);
}

static void check_address(struct building *b, const char *pointer, const char *text, struct address *into)
{
    struct err err = { 0 };

    if (address_parse(text ? text : "", into, &err) < 0)
        complain(b, pointer, "address.invalid", "%s", err.text);
}

static void check_recipients(struct building *b)
{
    size_t total = 0;

    for (int list = 0; list < 3; list++)
        total += list_count(b->draft, list);
    if (total == 0)
        complain(b, "/to", "message.recipients", "A message needs a recipient in to, cc or bcc.");
    if (total > MIME_RECIPIENTS_MAX) {
        complain(b, "/to", "message.recipients", "A message can have %d recipients; this one has %zu.",
                 MIME_RECIPIENTS_MAX, total);
        return;
    }
    for (int list = 0; list < 3; list++) {
        b->lists[list] = mem_array(list_count(b->draft, list), sizeof(struct address));
        for (size_t i = 0; i < list_count(b->draft, list); i++) {
            char pointer[32];

            snprintf(pointer, sizeof(pointer), "/%s/%zu", lists[list].name, i);
            check_address(b, pointer, list_items(b->draft, list)[i], &b->lists[list][i]);
        }
    }
}

/* What would end a header, or begin another: refused, never sent and never quietly taken out. */
static void check_line(struct building *b, const char *pointer, const char *code, const char *what,
                       const char *value, size_t max)
{
    if (value == NULL)
        return;
    if (!str_is_utf8(str_c(value)))
        complain(b, pointer, code, "%s isn't UTF-8.", what);
    else if (strpbrk(value, "\r\n"))
        complain(b, pointer, code, "%s has a line break.", what);
    else if (str_has_control(str_c(value)))
        complain(b, pointer, code, "%s has control characters.", what);
    else if (strlen(value) > max)
        complain(b, pointer, code, "%s has more than %zu bytes.", what, max);
}

/* RFC 6901: "~" and "/" in a name are written otherwise. */
static void header_pointer(const char *name, char *into, size_t size)
{
    size_t used = (size_t)snprintf(into, size, "/headers/");
    char clean[64];

    text_clean(str_c(name), clean, sizeof(clean));
    for (const char *p = clean; *p && used + 3 < size; p++)
        used += (size_t)snprintf(into + used, size - used, *p == '~' ? "~0" : *p == '/' ? "~1" : "%c", *p);
}

/* Headers that are made from something else; `use` says from what, NULL: nobody's to set. */
static const struct {
    const char *name;
    const char *use;
} reserved[] = {
    { "From", "from" },         { "To", "to" },           { "Cc", "cc" },       { "Bcc", "bcc" },
    { "Reply-To", "replyTo" },  { "Subject", "subject" }, { "Date", NULL },     { "Message-ID", NULL },
    { "MIME-Version", NULL },   { "Sender", "from" },     { "Received", NULL }, { "Return-Path", "from" },
    { "DKIM-Signature", NULL },
};
static const struct {
    const char *prefix;
    const char *use;
} reserved_prefixes[] = {
    { "Content-", "attachments" },
    { "Resent-", NULL },
    { "ARC-", NULL },
};

/* True when the name is ours; `*use` then what to use instead. */
static bool is_reserved(const char *name, const char **use)
{
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        if (str_eq_nocase(str_c(name), str_c(reserved[i].name))) {
            *use = reserved[i].use;
            return true;
        }
    for (size_t i = 0; i < COUNT_OF(reserved_prefixes); i++)
        if (str_starts_nocase(str_c(name), str_c(reserved_prefixes[i].prefix))) {
            *use = reserved_prefixes[i].use;
            return true;
        }
    return false;
}

static void check_header(struct building *b, const struct mime_header *header)
{
    const char *use = NULL;
    char pointer[160];
    bool good = *header->name != '\0' && strlen(header->name) <= 76;

    for (const char *p = header->name; *p; p++) /* RFC 5322 3.6.8 */
        good &= *p > 0x20 && *p < 0x7f && *p != ':';
    header_pointer(header->name, pointer, sizeof(pointer));
    if (!good)
        complain(b, pointer, "header.name",
                 "A header's name is 1 to 76 printable ASCII characters without a colon.");
    else if (is_reserved(header->name, &use) && use)
        complain(b, pointer, "header.reserved", "This header is made from the property %s.", use);
    else if (is_reserved(header->name, &use))
        complain(b, pointer, "header.reserved", "This header is made by Postern.");
    else
        check_line(b, pointer, "header.value", "The header's value", header->value, VALUE_MAX);
}

/* RFC 2045 5.1, for what we are ready to label a part with. */
static bool is_content_type(const char *type)
{
    size_t len = strcspn(type, "; "), slash = strcspn(type, "/");

    if (strlen(type) > 200 || slash == 0 || slash + 1 >= len ||
        memchr(type + slash + 1, '/', len - slash - 1))
        return false;
    for (size_t i = 0; type[i]; i++)
        if (type[i] < 0x20 || type[i] > 0x7e ||
            (i < len && type[i] != '/' && !isalnum((unsigned char)type[i]) && !strchr("!#$&-^_.+", type[i])))
            return false;
    return true;
}

/* RFC 2046 5.2.1: an attached message isn't encoded, so it must be fit as it is. */
static bool is_seven_bit(struct str data)
{
    size_t line = 0;

    for (size_t i = 0; i < data.len; i++) {
        line = data.p[i] == '\n' ? 0 : line + 1;
        if (line > LINE_MAX_BYTES || data.p[i] == '\0' || (data.p[i] & 0x80))
            return false;
    }
    return true;
}

static void check_attachment(struct building *b, const struct mime_attachment *a, size_t i)
{
    char pointer[64];

    snprintf(pointer, sizeof(pointer), "/attachments/%zu/filename", i);
    check_line(b, pointer, "attachment.filename", "The file name", a->filename, 255);
    snprintf(pointer, sizeof(pointer), "/attachments/%zu/contentId", i);
    check_line(b, pointer, "attachment.contentId", "The content id", a->content_id, 200);
    if (a->content_id && strpbrk(a->content_id, "<> "))
        complain(b, pointer, "attachment.contentId",
                 "The content id is written without spaces and angle brackets.");
    snprintf(pointer, sizeof(pointer), "/attachments/%zu/contentType", i);
    if (a->content_type == NULL)
        return;
    if (!is_content_type(a->content_type) || str_starts_nocase(str_c(a->content_type), STR("multipart/")))
        complain(b, pointer, "attachment.contentType",
                 "A content type looks like application/pdf; multipart types can't be attached.");
    else if (str_starts_nocase(str_c(a->content_type), STR("message/")) && !is_seven_bit(a->data))
        complain(b, pointer, "attachment.contentType",
                 "A message with 8-bit content or very long lines can be attached as "
                 "application/octet-stream.");
}

static void check(struct building *b)
{
    const struct mime_draft *d = b->draft;

    if (d->from == NULL || *d->from == '\0')
        complain(b, "/from", "address.missing",
                 "The sender is missing: give from, or set the account's From.");
    else
        check_address(b, "/from", d->from, &b->from);
    if (d->reply_to && *d->reply_to)
        check_address(b, "/replyTo", d->reply_to, &b->reply_to);
    check_recipients(b);
    check_line(b, "/subject", "header.value", "The subject", d->subject, SUBJECT_MAX);
    if (d->text && !str_is_utf8(str_c(d->text)))
        complain(b, "/text", "message.text", "The text isn't UTF-8.");
    if (d->html && !str_is_utf8(str_c(d->html)))
        complain(b, "/html", "message.text", "The html isn't UTF-8.");
    if (d->header_count > MIME_HEADERS_MAX)
        complain(b, "/headers", "header.tooMany", "A message can have %d headers of its own.",
                 MIME_HEADERS_MAX);
    for (size_t i = 0; i < d->header_count && i < MIME_HEADERS_MAX; i++)
        check_header(b, &d->headers[i]);
    if (d->attachment_count > MIME_ATTACHMENTS_MAX)
        complain(b, "/attachments", "attachment.tooMany", "A message can have %d attachments.",
                 MIME_ATTACHMENTS_MAX);
    for (size_t i = 0; i < d->attachment_count && i < MIME_ATTACHMENTS_MAX; i++)
        check_attachment(b, &d->attachments[i], i);
    check_line(b, "/headers/Message-ID", "header.value", "The message id", d->message_id,
               LINE_MAX_BYTES - 20);
}

/* ---- composing -------------------------------------------------------------------------------------- */

char *mime_message_id(const char *id, const char *from)
{
    AUTO_ADDRESS(address);
    const char *domain = NULL;

    if (from && address_parse(from, &address, NULL) == 0)
        domain = strrchr(address.addr, '@') + 1;
    return mem_printf("<%s@%s>", id, domain ? domain : "localhost");
}

static char *made_message_id(const struct mime_draft *draft)
{
    uint8_t bytes[16];
    char hex[33];

    if (draft->message_id)
        return mem_strdup(draft->message_id);
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        abort();
    return mime_message_id(hex_encode(bytes, sizeof(bytes), hex), draft->from);
}

static GMimeDataWrapper *wrap(struct str data)
{
    AUTO_UNREF GMimeStream *stream = g_mime_stream_mem_new_with_buffer(data.p, data.len);

    return g_mime_data_wrapper_new_with_stream(stream, GMIME_CONTENT_ENCODING_DEFAULT);
}

static void set_content(GMimePart *part, struct str data)
{
    AUTO_UNREF GMimeDataWrapper *content = wrap(data);

    g_mime_part_set_content(part, content);
}

/* RFC 2046 4.1.1: lines of text end with CRLF before they are encoded. */
static char *with_crlf(const char *text, size_t *len)
{
    size_t size = strlen(text), used = 0;
    char *out = mem_array(size + 2, 2);

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r' && text[i + 1] == '\n')
            continue;
        if (text[i] == '\n' || text[i] == '\r')
            out[used++] = '\r';
        out[used++] = text[i] == '\r' ? '\n' : text[i];
    }
    if (used && out[used - 1] != '\n') {
        out[used++] = '\r';
        out[used++] = '\n';
    }
    *len = used;
    return out;
}

static GMimeObject *text_part(const char *subtype, const char *text)
{
    GMimePart *part = g_mime_part_new_with_type("text", subtype);
    size_t len;
    AUTO_FREE char *lines = with_crlf(text, &len);

    g_mime_object_set_content_type_parameter(GMIME_OBJECT(part), "charset", "utf-8");
    set_content(part, str_n(lines, len));
    g_mime_part_set_content_encoding(
        part, g_mime_part_get_best_content_encoding(part, GMIME_ENCODING_CONSTRAINT_7BIT));
    return GMIME_OBJECT(part);
}

static GMimeObject *attachment_part(const struct mime_attachment *a, bool related)
{
    AUTO_UNREF GMimeContentType *type =
        g_mime_content_type_parse(NULL, a->content_type ? a->content_type : "application/octet-stream");
    GMimePart *part = g_mime_part_new();
    bool message = a->content_type && str_starts_nocase(str_c(a->content_type), STR("message/"));

    g_mime_object_set_content_type(GMIME_OBJECT(part), type);
    g_mime_object_set_disposition(GMIME_OBJECT(part),
                                  related ? GMIME_DISPOSITION_INLINE : GMIME_DISPOSITION_ATTACHMENT);
    if (a->filename && *a->filename)
        g_mime_part_set_filename(part, a->filename);
    if (a->content_id && *a->content_id)
        g_mime_part_set_content_id(part, a->content_id);
    set_content(part, a->data);
    g_mime_part_set_content_encoding(part,
                                     message ? GMIME_CONTENT_ENCODING_7BIT : GMIME_CONTENT_ENCODING_BASE64);
    return GMIME_OBJECT(part);
}

static void add_part(GMimeMultipart *multipart, GMimeObject *part)
{
    g_mime_multipart_add(multipart, part);
    g_object_unref(part);
}

static GMimeMultipart *multipart(const char *subtype, GMimeObject *first)
{
    GMimeMultipart *parts = g_mime_multipart_new_with_subtype(subtype);

    add_part(parts, first);
    return parts;
}

static bool is_related(const struct mime_draft *draft, const struct mime_attachment *a)
{
    return draft->html && a->content_id && *a->content_id;
}

/* RFC 2387: the html and the images in it. */
static GMimeObject *html_part(const struct mime_draft *draft)
{
    GMimeObject *html = text_part("html", draft->html);
    GMimeMultipart *related = NULL;

    for (size_t i = 0; i < draft->attachment_count; i++) {
        if (!is_related(draft, &draft->attachments[i]))
            continue;
        if (related == NULL) {
            related = multipart("related", html);
            g_mime_object_set_content_type_parameter(GMIME_OBJECT(related), "type", "text/html");
        }
        add_part(related, attachment_part(&draft->attachments[i], true));
    }
    return related ? GMIME_OBJECT(related) : html;
}

static GMimeObject *body_part(const struct mime_draft *draft)
{
    GMimeMultipart *alternative;

    if (draft->html == NULL)
        return text_part("plain", draft->text ? draft->text : "");
    if (draft->text == NULL)
        return html_part(draft);
    alternative = multipart("alternative", text_part("plain", draft->text));
    add_part(alternative, html_part(draft));
    return GMIME_OBJECT(alternative);
}

static GMimeObject *whole_part(const struct mime_draft *draft)
{
    GMimeObject *body = body_part(draft);
    GMimeMultipart *mixed = NULL;

    for (size_t i = 0; i < draft->attachment_count; i++) {
        if (is_related(draft, &draft->attachments[i]))
            continue;
        if (mixed == NULL)
            mixed = multipart("mixed", body);
        add_part(mixed, attachment_part(&draft->attachments[i], false));
    }
    return mixed ? GMIME_OBJECT(mixed) : body;
}

static void add_mailbox(InternetAddressList *list, const struct address *address)
{
    AUTO_UNREF InternetAddress *mailbox = gmime_mailbox(address);

    internet_address_list_add(list, mailbox);
}

static void add_headers(struct building *b, GMimeMessage *message)
{
    static const GMimeAddressType types[] = { GMIME_ADDRESS_TYPE_TO, GMIME_ADDRESS_TYPE_CC };
    const struct mime_draft *d = b->draft;
    AUTO_FREE char *id = made_message_id(d);
    GMimeObject *object = GMIME_OBJECT(message);
    char date[CLOCK_TEXT_MAX];

    add_mailbox(g_mime_message_get_from(message), &b->from);
    for (int list = 0; list < 2; list++)
        for (size_t i = 0; i < list_count(d, list); i++)
            add_mailbox(g_mime_message_get_addresses(message, types[list]), &b->lists[list][i]);
    if (b->reply_to.addr)
        add_mailbox(g_mime_message_get_reply_to(message), &b->reply_to);
    if (d->subject)
        g_mime_message_set_subject(message, d->subject, "utf-8");
    g_mime_object_set_header(object, "Date", clock_format_mail(d->date ? d->date : clock_now(), date), NULL);
    g_mime_object_set_header(object, "Message-ID", id, NULL);
    for (size_t i = 0; i < d->header_count; i++)
        g_mime_object_append_header(object, d->headers[i].name,
                                    d->headers[i].value ? d->headers[i].value : "", "utf-8");
}

static GMimeFormatOptions *dos_lines;

static void make_dos_lines(void)
{
    dos_lines = g_mime_format_options_new();
    g_mime_format_options_set_newline_format(dos_lines, GMIME_NEWLINE_FORMAT_DOS);
}

static int compose(struct building *b, struct buf *into)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    AUTO_UNREF GMimeMessage *message = g_mime_message_new(FALSE);
    AUTO_UNREF GMimeStream *stream = g_mime_stream_mem_new();
    AUTO_UNREF GMimeObject *body = whole_part(b->draft);
    const GByteArray *bytes;

    pthread_once(&once, make_dos_lines);
    add_headers(b, message);
    g_mime_message_set_mime_part(message, body);
    g_mime_object_write_to_stream(GMIME_OBJECT(message), dos_lines, stream);
    bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(stream));
    if (buf_add(into, str_n(bytes->data, bytes->len)) < 0)
        return err_id(b->err, ERR_TOO_LARGE, "limit.messageSize", NULL,
                      "The message has %u bytes; %zu is the most.", bytes->len, into->max);
    return 0;
}

/* ---- the envelope ----------------------------------------------------------------------------------- */

void mime_envelope_clear(struct mime_envelope *envelope)
{
    for (size_t i = 0; i < envelope->count; i++)
        free(envelope->recipients[i]);
    free(envelope->recipients);
    free(envelope->sender);
    *envelope = (struct mime_envelope){ 0 };
}

static void fill_envelope(struct building *b, struct mime_envelope *envelope)
{
    size_t room = 0;

    *envelope = (struct mime_envelope){ .sender = mem_strdup(b->from.addr),
                                        .smtputf8 = b->from.utf8 || b->reply_to.utf8 };
    for (int list = 0; list < 3; list++)
        room += list_count(b->draft, list);
    envelope->recipients = mem_array(room, sizeof(char *));
    for (int list = 0; list < 3; list++)
        for (size_t i = 0; i < list_count(b->draft, list); i++) {
            envelope->smtputf8 |= b->lists[list][i].utf8 && lists[list].header;
            mime_envelope_add(envelope, b->lists[list][i].addr);
        }
}

static void forget(struct building *b)
{
    address_clear(&b->from);
    address_clear(&b->reply_to);
    for (int list = 0; list < 3; list++) {
        for (size_t i = 0; b->lists[list] && i < list_count(b->draft, list); i++)
            address_clear(&b->lists[list][i]);
        free(b->lists[list]);
    }
}

int mime_build(const struct mime_draft *draft, struct buf *into, struct mime_envelope *envelope,
               mime_complain *complain_to, void *ctx, struct err *err)
{
    struct building b = { .draft = draft, .complain = complain_to, .ctx = ctx, .err = err };
    int rc = -1;

    gmime_start();
    check(&b);
    if (b.wrong == 0)
        rc = compose(&b, into);
    if (rc == 0)
        fill_envelope(&b, envelope);
    forget(&b);
    return rc;
}
