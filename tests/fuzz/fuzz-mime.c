/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from anywhere: read, prepared for sending, searched for recipients; and each line as an address.
 */
#include <stdlib.h>

#include "mail/address.h"
#include "mail/html_text.h"
#include "mail/mime.h"
#include "mail/mime_report.h"
#include "mail/mime_strip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void fit(const char *text)
{
    must(text == NULL || (str_is_utf8(str_c(text)) && !str_has_control(str_c(text))));
}

static int keep(void *ctx, struct str bytes)
{
    return buf_add(ctx, bytes);
}

static void inspect(struct str raw)
{
    AUTO(mime_info) info = mime_inspect(raw, true);
    AUTO_BUF(content, 1 << 20);

    fit(info->message_id);
    fit(info->from);
    fit(info->subject);
    for (size_t i = 0; i < info->header_count; i++) {
        fit(info->headers[i].name);
        fit(info->headers[i].value);
    }
    must(info->text == NULL || str_is_utf8(str_c(info->text)));
    must(info->html == NULL || str_is_utf8(str_c(info->html)));
    must(info->to_count <= MIME_RECIPIENTS_MAX && info->attachment_count <= MIME_PARTS_MAX);
    for (size_t i = 0; i < info->attachment_count; i++) {
        struct mime_part part = { 0 };

        fit(info->attachments[i].filename);
        fit(info->attachments[i].content_type);
        fit(info->attachments[i].content_id);
        buf_clear(&content);
        if (i < 3 && mime_attachment_read(raw, i, keep, &content, &part, NULL) == 0) {
            must((int64_t)content.len == info->attachments[i].size);
            mime_part_clear(&part);
        }
    }
}

/* One line of valid UTF-8, or nothing. */
static void report(struct str raw)
{
    AUTO(mime_report) report = mime_report_read(raw);

    if (report == NULL)
        return;
    must(report->recipient_count > 0 && report->recipient_count <= REPORT_RECIPIENTS_MAX && report->id_count <= REPORT_IDS_MAX);
    fit(report->reporting_mta);
    fit(report->envelope_id);
    for (size_t i = 0; i < report->id_count; i++) {
        fit(report->ids[i]);
        must(str_starts(str_c(report->ids[i]), STR("<")) && str_ends_nocase(str_c(report->ids[i]), STR(">")));
    }
    for (size_t i = 0; i < report->recipient_count; i++) {
        must(report->recipients[i].final && report->recipients[i].action);
        fit(report->recipients[i].final);
        fit(report->recipients[i].original);
        fit(report->recipients[i].status);
        fit(report->recipients[i].diagnostic);
        fit(report->recipients[i].remote_mta);
    }
    mime_is_automatic(raw);
}

/* What was stripped has as many parts as before and nothing more to strip, and its headers say the same. */
static void strip(struct str raw)
{
    AUTO_BUF(once, 1 << 22);
    AUTO_BUF(twice, 1 << 22);
    AUTO(mime_info) before = NULL;
    AUTO(mime_info) after = NULL;

    if (mime_strip(raw, &once) <= 0) {
        must(once.len == 0);
        return;
    }
    before = mime_inspect(raw, false);
    after = mime_inspect(buf_str(&once), false);
    must(strcmp(before->subject, after->subject) == 0 && strcmp(before->from, after->from) == 0);
    must(mime_strip(buf_str(&once), &twice) == 0);
}

static void words(struct str raw)
{
    AUTO_BUF(words, 3000);
    AUTO_BUF(plain, 300);

    mime_words(raw, &words);
    must(str_is_utf8(buf_str(&words)));
    if (str_is_utf8(raw)) {
        html_text(raw, &plain);
        must(str_is_utf8(buf_str(&plain)));
    }
}

static void prepare(struct str raw)
{
    static const struct mime_defaults defaults = { .message_id = "<1@x>",
                                                   .from = "a@example.com",
                                                   .date = 1795516920250 };
    AUTO_BUF(once, 1 << 22);
    AUTO_BUF(twice, 1 << 22);
    AUTO_ENVELOPE(envelope);

    if (mime_prepare(raw, &defaults, &once, NULL) < 0)
        return;
    must(mime_prepare(buf_str(&once), &defaults, &twice, NULL) == 0 &&
         str_eq(buf_str(&once), buf_str(&twice)));
    if (mime_envelope_read(raw, &envelope, NULL) == 0) {
        must(envelope.count > 0);
        for (size_t i = 0; i < envelope.count; i++)
            fit(envelope.recipients[i]);
    }
}

/* An address that was taken is taken again, as it is written. */
static void address(struct str line)
{
    AUTO_FREE char *text = str_dup(line);
    AUTO_ADDRESS(first);
    AUTO_ADDRESS(again);

    if (address_parse(text, &first, NULL) < 0)
        return;
    fit(first.name);
    fit(first.addr);
    must(strpbrk(first.addr, "\r\n") == NULL);
    must(address_parse(first.addr, &again, NULL) == 0 && strcmp(first.addr, again.addr) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str raw = str_n(data, size), rest = raw, line;

    if (size > (1 << 20))
        return 0;
    inspect(raw);
    prepare(raw);
    report(raw);
    strip(raw);
    words(raw);
    for (int i = 0; i < 20 && str_split(&rest, '\n', &line); i++)
        address(line);
    return 0;
}
