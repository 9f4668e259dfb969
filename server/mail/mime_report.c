/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/mime_report.h"

#include <stdlib.h>

#include "mail/mime_split.h"

#define STATUS_BYTES_MAX (256 * 1024) /* of a message/delivery-status */
#define RETURNED_BYTES_MAX (64 * 1024) /* of a returned message: its headers are what matters */
#define ADDRESS_BYTES_MAX 320
#define WORDS_MAX 400
#define NAME_MAX_BYTES 255
#define ID_HEADER_MAX (8 * 1024)

/* ---- fields ----------------------------------------------------------------------------------------- */

/* RFC 3464 2.1.2: "type; value". */
static char *untyped(char *text)
{
    char *semicolon = text ? strchr(text, ';') : NULL, *value;

    if (semicolon == NULL)
        return text;
    value = str_dup(str_trim(str_c(semicolon + 1)));
    free(text);
    return value;
}

static char *field(struct str group, const char *name, size_t max)
{
    char *text = mime_header_shown(group, name, max);

    if (text == NULL || *text)
        return text;
    free(text);
    return NULL;
}

static void add_utf8(char *text, size_t *used, unsigned long c)
{
    if (c < 0x80) {
        text[(*used)++] = (char)c;
    } else if (c < 0x800) {
        text[(*used)++] = (char)(0xc0 | c >> 6);
        text[(*used)++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        text[(*used)++] = (char)(0xe0 | c >> 12);
        text[(*used)++] = (char)(0x80 | (c >> 6 & 0x3f));
        text[(*used)++] = (char)(0x80 | (c & 0x3f));
    } else {
        text[(*used)++] = (char)(0xf0 | c >> 18);
        text[(*used)++] = (char)(0x80 | (c >> 12 & 0x3f));
        text[(*used)++] = (char)(0x80 | (c >> 6 & 0x3f));
        text[(*used)++] = (char)(0x80 | (c & 0x3f));
    }
}

/* RFC 6533 3, utf-8-addr-xtext: "\x{F6}". It is never longer decoded. */
static void decode_utf8_address(char *text)
{
    size_t used = 0;

    for (const char *p = text; *p;) {
        char *end = NULL;
        unsigned long c = strncmp(p, "\\x{", 3) == 0 ? strtoul(p + 3, &end, 16) : 0;

        if (end && *end == '}' && end > p + 3 && end <= p + 9 && c >= 0x20 && c != 0x7f && c < 0x110000) {
            add_utf8(text, &used, c);
            p = end + 1;
        } else {
            text[used++] = *p++;
        }
    }
    text[used] = '\0';
}

static char *address_field(struct str group, const char *name)
{
    char *text = field(group, name, ADDRESS_BYTES_MAX), *clean;
    bool utf8 = text && str_starts_nocase(str_c(text), STR("utf-8"));

    text = untyped(text);
    if (text == NULL || *text == '\0') {
        free(text);
        return NULL;
    }
    if (utf8)
        decode_utf8_address(text);
    clean = mime_cleaned(text, ADDRESS_BYTES_MAX);
    free(text);
    return clean;
}

/* RFC 3464 2.3.3; where it is missing the status tells (RFC 3463 3.1). */
static const char *read_action(struct str group, const char *status)
{
    static const char *const actions[] = { "failed", "delayed", "delivered", "relayed", "expanded" };
    AUTO_FREE char *text = mime_header_text(group, "Action", 40);

    for (size_t i = 0; text && i < COUNT_OF(actions); i++) {
        size_t len = strlen(actions[i]);

        if (str_starts_nocase(str_c(text), str_c(actions[i])) && strchr(" (\t", text[len]))
            return actions[i];
    }
    if (text || status == NULL)
        return NULL;
    return status[0] == '5' ? actions[0] : status[0] == '4' ? actions[1] : actions[2];
}

/* "5.1.1", whatever comment stands behind it. */
static char *read_status(struct str group)
{
    char *text = mime_header_text(group, "Status", 40);
    size_t len = text ? strspn(text, "0123456789.") : 0;

    if (len >= 5 && len <= 9 && text[0] >= '2' && text[0] <= '5' && text[1] == '.') {
        text[len] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

/* ---- message/delivery-status ------------------------------------------------------------------------ */

static void recipient_clear(struct mime_report_recipient *recipient)
{
    free(recipient->final);
    free(recipient->original);
    free(recipient->status);
    free(recipient->diagnostic);
    free(recipient->remote_mta);
}

static void read_recipient(struct str group, struct mime_report *report)
{
    struct mime_report_recipient one = { .final = address_field(group, "Final-Recipient"),
                                         .original = address_field(group, "Original-Recipient"),
                                         .status = read_status(group) };

    one.action = read_action(group, one.status);
    if (one.final == NULL)
        one.final = mem_strdup(one.original);
    if (one.final == NULL || one.action == NULL || report->recipient_count == REPORT_RECIPIENTS_MAX) {
        recipient_clear(&one);
        return;
    }
    one.diagnostic = untyped(field(group, "Diagnostic-Code", WORDS_MAX));
    one.remote_mta = untyped(field(group, "Remote-MTA", NAME_MAX_BYTES));
    report->recipients = mem_resize(report->recipients, (report->recipient_count + 1) * sizeof(one));
    report->recipients[report->recipient_count++] = one;
}

/* The next group of fields, which ends at an empty line. */
static bool next_group(struct str *rest, struct str *group)
{
    struct str line;

    while (rest->len) { /* empty lines before it */
        struct str after = *rest;

        str_split(&after, '\n', &line);
        if (str_trim(line).len)
            break;
        *rest = after;
    }
    group->p = rest->p;
    group->len = mime_header_len(*rest);
    *rest = str_from(*rest, group->len);
    return group->len > 0;
}

static void read_status_part(const struct mime_piece *piece, struct mime_report *report)
{
    AUTO_BUF(text, STATUS_BYTES_MAX);
    struct str rest, group;
    bool first = true;

    mime_decode_into(piece, &text);
    rest = buf_str(&text);
    while (next_group(&rest, &group)) {
        if (first) {
            report->reporting_mta = untyped(field(group, "Reporting-MTA", NAME_MAX_BYTES));
            report->envelope_id = field(group, "Original-Envelope-Id", NAME_MAX_BYTES);
        }
        /* RFC 3464 2.1 has the recipients in groups of their own; some put the only one into the first. */
        read_recipient(group, report);
        first = false;
    }
}

/* ---- which message it was --------------------------------------------------------------------------- */

static void add_ids(struct mime_report *report, struct str head, const char *name, bool last_first)
{
    AUTO_FREE char *text = mime_header_text(head, name, ID_HEADER_MAX);
    struct str rest = str_c(text);
    char *id;
    size_t first = report->id_count;

    while (text && report->id_count < REPORT_IDS_MAX && mime_next_id(&rest, &id)) {
        for (size_t i = last_first ? report->id_count : first; last_first && i > first; i--)
            report->ids[i] = report->ids[i - 1];
        report->ids[last_first ? first : report->id_count] = id;
        report->id_count++;
    }
}

static bool is_returned(const struct mime_piece *piece)
{
    static const char *const types[] = { "message/rfc822", "text/rfc822-headers", "message/rfc822-headers",
                                         "message/global", "message/global-headers" };

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(piece->type, types[i]) == 0)
            return true;
    return false;
}

static void read_returned(const struct mime_piece *piece, struct mime_report *report)
{
    AUTO_BUF(text, RETURNED_BYTES_MAX);

    mime_decode_into(piece, &text);
    add_ids(report, str_n(buf_str(&text).p, mime_header_len(buf_str(&text))), "Message-ID", false);
}

/* ---- the whole -------------------------------------------------------------------------------------- */

static bool is_status(const struct mime_piece *piece)
{
    return strcmp(piece->type, "message/delivery-status") == 0 ||
           strcmp(piece->type, "message/global-delivery-status") == 0;
}

/* RFC 6522 wants multipart/report; the type of the part alone says it as well. */
static const struct mime_piece *status_part(const struct mime_pieces *pieces)
{
    for (size_t i = 0; i < pieces->count; i++)
        if (is_status(&pieces->items[i]))
            return &pieces->items[i];
    return NULL;
}

struct mime_report *mime_report_read(struct str raw)
{
    AUTO_PIECES(pieces);
    AUTO(mime_report) report = NULL;
    const struct mime_piece *status;

    mime_split(raw, &pieces);
    status = status_part(&pieces);
    if (status == NULL)
        return NULL;
    report = mem_alloc(sizeof(*report));
    read_status_part(status, report);
    if (report->recipient_count == 0)
        return NULL;
    for (size_t i = 1; i < pieces.count; i++)
        if (is_returned(&pieces.items[i]))
            read_returned(&pieces.items[i], report);
    add_ids(report, pieces.items[0].head, "In-Reply-To", false);
    add_ids(report, pieces.items[0].head, "References", true);
    return TAKE(report);
}

void mime_report_free(struct mime_report *report)
{
    if (report == NULL)
        return;
    for (size_t i = 0; i < report->recipient_count; i++)
        recipient_clear(&report->recipients[i]);
    for (size_t i = 0; i < report->id_count; i++)
        free(report->ids[i]);
    free(report->recipients);
    free(report->reporting_mta);
    free(report->envelope_id);
    free(report);
}

/* ---- automatic -------------------------------------------------------------------------------------- */

static bool header_starts(struct str head, const char *name, const char *value)
{
    AUTO_FREE char *text = mime_header_text(head, name, 200);

    return text && str_starts_nocase(str_c(text), str_c(value));
}

/* RFC 3834 5: "auto-generated", "auto-replied" or what else is registered (RFC 5436: "auto-notified"); "no" is a person. */
static bool says_automatic(struct str head)
{
    AUTO_FREE char *text = mime_header_text(head, "Auto-Submitted", 200);
    size_t word = text ? strcspn(text, " \t;(") : 0;

    return word > 0 && !str_eq_nocase(str_n(text, word), STR("no"));
}

bool mime_is_automatic(struct str raw)
{
    struct str head = str_n(raw.p, mime_header_len(raw));
    AUTO_FREE char *type = NULL;

    head.len = head.len < MIME_HEADER_BYTES_MAX ? head.len : MIME_HEADER_BYTES_MAX;
    type = mime_header_text(head, "Content-Type", 200);
    return says_automatic(head) || header_starts(head, "Return-Path", "<>") ||
           header_starts(head, "Precedence", "auto_reply") || header_starts(head, "X-Autoreply", "") ||
           header_starts(head, "X-Autorespond", "") ||
           (type && str_starts_nocase(str_c(type), STR("multipart/report")));
}
