/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a received message: fields, reports and automatic replies, attachments left out, reports beside what was
 * sent. */
#include <jansson.h>

#include "app/events.h"
#include "app/intake.h"
#include "base/clock.h"
#include "mail/mime.h"
#include "mail/mime_report.h"
#include "mail/mime_strip.h"

#include "state.h"

#define NOW 1795516920000       /* 2026-11-24 10:42 UTC */

static struct message *take(struct str raw, bool headers_only, bool ignore, struct buf *stripped, struct str *stored)
{
    struct account account = { .ignore_attachments = ignore };
    struct intake intake = { .raw = raw, .headers_only = headers_only, .size = headers_only ? 99000000 : (int64_t)raw.len,
                             .received_at = NOW };

    return intake_message(&intake, &account, stripped, stored);
}

/* ---- fields ---- */

static void test_fields(void)
{
    static const struct {
        const char *name, *raw, *from, *to, *subject, *message_id, *sender;
        int64_t date;
    } rows[] = {
        { "an ordinary one", "Return-Path: <b@example.com>\r\nFrom: Ann <a@example.com>\r\nTo: x@example.com, Y <y@example.com>\r\n"
          "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@x>\r\nDate: Mon, 23 Nov 2026 11:42:00 +0100\r\n\r\nhi\r\n",
          "Ann <a@example.com>", "[\"x@example.com\",\"Y <y@example.com>\"]", "Gr\xc3\xbc\xc3\x9f" "e", "<1@x>", "b@example.com",
          1795430520000 },
        { "nothing at all", "", "", "[]", "", "", "", NOW },
        { "only a body", "\r\nhi\r\n", "", "[]", "", "", "", NOW },
        { "a date of the year 0", "Date: Sat, 01 Jan 0000 00:00:00 +0000\n\n", "", "[]", "", "", "", NOW },
        { "a date of the year 1", "Date: Mon, 01 Jan 0001 00:00:00 +0000\n\n", "", "[]", "", "", "", NOW },
        { "a date before all clocks", "Date: Wed, 31 Dec 1969 00:00:00 +0000\n\n", "", "[]", "", "", "", NOW },
        { "a date in the far future", "Date: Tue, 24 Nov 2126 10:42:00 +0000\n\n", "", "[]", "", "", "", NOW },
        { "a date past all numbers", "Date: Tue, 24 Nov 99999999999999 10:42:00 +0000\n\n", "", "[]", "", "", "", NOW },
        { "a clock an hour off", "Date: Tue, 24 Nov 2026 11:42:00 +0000\n\n", "", "[]", "", "", "", NOW + SECONDS(3600) },
        { "a date that is none", "Date: yesterday, \xff\n\n", "", "[]", "", "", "", NOW },
        { "eight bits in the head", "Subject: Gr\xfc\xdf" "e\nFrom: J\xc3\xb6rg <j@example.com>\n\n", "J\xc3\xb6rg <j@example.com>",
          "[]", "Gr\xc3\xbc\xc3\x9f" "e", "", "", NOW },
        { "a comment without end", "From: a@example.com (Ann\nTo: \"x\n\n", "a@example.com (Ann", "[\"\\\"x\"]", "", "", "", NOW },
        { "line breaks out of coded words", "Subject: =?utf-8?q?a=0D=0ABcc:_x?=\n\n", "", "[]", "a  Bcc: x", "", "", NOW },
        { "the null sender", "Return-Path: <>\nMessage-ID: 1@x\n\n", "", "[]", "", "<1@x>", "", NOW },
        { "two of a kind", "From: a@example.com\nFrom: b@example.com\nTo: c@example.com\nTo: d@example.com\n\n", "a@example.com",
          "[\"c@example.com\",\"d@example.com\"]", "", "", "", NOW },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_BUF(stripped, 0);
        struct str stored;
        AUTO(message) m = take(str_c(rows[i].raw), false, false, &stripped, &stored);

        if (!ok(strcmp(m->from, rows[i].from) == 0 && strcmp(m->to, rows[i].to) == 0 && strcmp(m->subject, rows[i].subject) == 0 &&
                    strcmp(m->message_id, rows[i].message_id) == 0 && strcmp(m->sender, rows[i].sender) == 0 &&
                    m->date == rows[i].date && m->state == MESSAGE_RECEIVED && m->direction == MESSAGE_INCOMING &&
                    m->size == (int64_t)stored.len && str_eq(stored, str_c(rows[i].raw)),
                "%s", rows[i].name))
            printf("# %s|%s|%s|%s|%s|%lld\n", m->from, m->to, m->subject, m->message_id, m->sender, (long long)m->date);
    }
}

static void test_nul(void)
{
    AUTO_BUF(stripped, 0);
    struct str stored;
    AUTO(message) m = take(STR("Subject: a\0b\nFrom: a@example.com\0\n\nx\0y"), false, false, &stripped, &stored);

    is_str(m->subject, "a b", "NUL bytes in a header");
    is_str(m->from, "a@example.com", "and in an address");
}

/* ---- automatic ---- */

static void test_automatic(void)
{
    static const struct {
        const char *head;
        bool automatic;
    } rows[] = {
        { "Subject: x", false },
        { "Auto-Submitted: no", false },
        { "Auto-Submitted: NO (really)", false },
        { "Auto-Submitted:", false },
        { "Auto-Submitted: auto-replied", true },
        { "auto-submitted: Auto-Generated", true },
        { "Auto-Submitted: auto-notified; owner-email=\"a@example.com\"", true },
        { "Auto-Submitted: nothing-we-know", true },
        { "Return-Path: <>", true },
        { "Return-Path: <a@example.com>", false },
        { "Precedence: auto_reply", true },
        { "Precedence: bulk", false },
        { "X-Autoreply: yes", true },
        { "Content-Type: multipart/report; report-type=disposition-notification; boundary=b", true },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *raw = mem_printf("%s\n\nhi\n", rows[i].head);
        AUTO_BUF(stripped, 0);
        struct str stored;
        AUTO(message) m = take(str_c(raw), false, false, &stripped, &stored);

        ok(m->automatic == rows[i].automatic, "%s", rows[i].head);
    }
}

/* ---- reports ---- */

/* As Postfix writes them. */
#define BOUNCE_HEAD \
    "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example (Mail Delivery System)\r\nTo: plant@example.com\r\n" \
    "Auto-Submitted: auto-replied\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"B\"\r\n\r\n" \
    "This is a MIME-encapsulated message.\r\n\r\n--B\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n\r\n" \
    "--B\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n"
#define BOUNCE_FIELDS \
    "Reporting-MTA: dns; mx.example\r\nX-Postfix-Queue-ID: 4X\r\nArrival-Date: Tue, 24 Nov 2026 10:42:00 +0000\r\n\r\n" \
    "Final-Recipient: rfc822; nobody@example.net\r\nOriginal-Recipient: rfc822;nobody@alias.example\r\nAction: failed\r\n" \
    "Status: 5.1.1\r\nRemote-MTA: dns; mx.example.net\r\n" \
    "Diagnostic-Code: smtp; 550 5.1.1 <nobody@example.net>: Recipient address\r\n    rejected\r\n\r\n" \
    "Final-Recipient: rfc822; late@example.net\r\nAction: delayed\r\nStatus: 4.4.1 (no answer)\r\n"
#define BOUNCE_RETURNED \
    "\r\n--B\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <sent@example.com>\r\nSubject: Kiln 3\r\n\r\nhot\r\n\r\n--B--\r\n"

static char *recipients_of(const struct mime_report *report)
{
    AUTO_BUF(text, 65536);

    for (size_t i = 0; report && i < report->recipient_count; i++) {
        const struct mime_report_recipient *r = &report->recipients[i];

        buf_addf(&text, "%s%s %s %s", i ? ", " : "", r->final, r->action, r->status ? r->status : "-");
    }
    return buf_take(&text);
}

static char *ids_of(const struct mime_report *report)
{
    AUTO_BUF(text, 65536);

    for (size_t i = 0; report && i < report->id_count; i++)
        buf_addf(&text, "%s%s", i ? " " : "", report->ids[i]);
    return buf_take(&text);
}

static const struct {
    const char *name, *raw, *recipients, *ids;
} reports[] = {
    { "postfix", BOUNCE_HEAD BOUNCE_FIELDS BOUNCE_RETURNED, "nobody@example.net failed 5.1.1, late@example.net delayed 4.4.1",
      "<sent@example.com>" },
    { "headers only", "Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/delivery-status\n\n"
      "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822;a@example.net\nAction: Delivered\nStatus: 2.0.0\n\n"
      "--B\nContent-Type: text/rfc822-headers\n\nSubject: x\nMessage-ID:\n <sent@example.com>\n--B--\n",
      "a@example.net delivered 2.0.0", "<sent@example.com>" },
    { "no original: what it answers", "In-Reply-To: <3@x>\nReferences: <1@x> <2@x>\n <3@x>\n"
      "Content-Type: multipart/report; boundary=B\n\n"
      "--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822;a@example.net\n"
      "Action: relayed\nStatus: 2.1.5\n\n--B--\n", "a@example.net relayed 2.1.5", "<3@x> <3@x> <2@x> <1@x>" },
    { "in UTF-8", "Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/global-delivery-status\n"
      "Content-Transfer-Encoding: 8bit\n\nReporting-MTA: dns; x\n\nFinal-Recipient: utf-8; j\\x{F6}rg@b\xc3\xbc" "cher.example\n"
      "Action: expanded\nStatus: 2.0.0\n\n--B\nContent-Type: message/global-headers\n\nMessage-ID: <u@x>\n\n--B--\n",
      "j\xc3\xb6rg@b\xc3\xbc" "cher.example expanded 2.0.0", "<u@x>" },
    { "base64", "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: message/delivery-status\n"
      "Content-Transfer-Encoding: base64\n\nUmVwb3J0aW5nLU1UQTogZG5zOyB4CgpGaW5hbC1SZWNpcGllbnQ6IHJmYzgyMjsgYUB4CkFjdGlvbjog\n"
      "ZmFpbGVkClN0YXR1czogNS4wLjAK\n--B--\n", "a@x failed 5.0.0", "" },
    { "one group for all", "Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/delivery-status\n\n"
      "Reporting-MTA: dns; x\nFinal-Recipient: rfc822;a@x\nAction: failed\nStatus: 5.2.2\n--B--\n", "a@x failed 5.2.2", "" },
    { "no action: the status tells", "Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/delivery-status\n\n"
      "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822;a@x\nStatus: 4.2.2\n--B--\n", "a@x delayed 4.2.2", "" },
    { "an action nobody knows", "Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/delivery-status\n\n"
      "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822;a@x\nAction: failedly\nStatus: 5.2.2\n--B--\n", "", "" },
    { "a status that is none", "Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/delivery-status\n\n"
      "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822;a@x\nAction: failed\nStatus: 5.2\n--B--\n", "a@x failed -", "" },
    { "a person's message", "In-Reply-To: <sent@example.com>\nContent-Type: text/plain\n\nFinal-Recipient: rfc822;a@x\nAction: failed\n",
      "", "" },
    { "a read receipt", "Content-Type: multipart/report; report-type=disposition-notification; boundary=B\n\n--B\n"
      "Content-Type: message/disposition-notification\n\nFinal-Recipient: rfc822;a@x\nDisposition: manual-action/MDN-sent-manually;"
      " displayed\n--B--\n", "", "" },
};

static void test_reports(void)
{
    for (size_t i = 0; i < COUNT_OF(reports); i++) {
        AUTO(mime_report) report = mime_report_read(str_c(reports[i].raw));
        AUTO_FREE char *recipients = recipients_of(report), *ids = ids_of(report);

        if (!ok(strcmp(recipients, reports[i].recipients) == 0 && strcmp(ids, reports[i].ids) == 0, "report: %s", reports[i].name))
            printf("# %s | %s\n", recipients, ids);
    }
}

static void test_report_fields(void)
{
    AUTO(mime_report) report = mime_report_read(STR(BOUNCE_HEAD BOUNCE_FIELDS BOUNCE_RETURNED));

    is_str(report->reporting_mta, "mx.example", "reporting MTA");
    is_str(report->recipients[0].original, "nobody@alias.example", "original recipient");
    is_str(report->recipients[0].remote_mta, "mx.example.net", "remote MTA");
    is_str(report->recipients[0].diagnostic, "550 5.1.1 <nobody@example.net>: Recipient address    rejected", "diagnostic");
    ok(report->recipients[1].diagnostic == NULL && report->recipients[1].original == NULL, "what isn't told");
}

static void test_endless_report(void)
{
    AUTO_BUF(raw, 32 << 20);
    AUTO(mime_report) report = NULL;

    buf_add_c(&raw, "Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n");
    while (raw.len < (20 << 20))
        buf_add_c(&raw, "\nFinal-Recipient: rfc822;a@x\nAction: failed\nStatus: 5.2.2\n");
    report = mime_report_read(buf_str(&raw));
    ok(report && report->recipient_count == REPORT_RECIPIENTS_MAX, "endless recipients are cut");
}

/* ---- attachments ---- */

#define PARTS \
    "Subject: x\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\nhello\r\n--B\r\n\r\nthe text\r\n--B\r\n" \
    "Content-Type: image/png; name=\"a.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--B\r\n" \
    "Content-Type: text/plain\r\n\r\nthe footer\r\n--B\r\n"

static const struct {
    const char *name, *raw, *stored;    /* NULL: as it is */
} strips[] = {
    { "an image", PARTS "Content-Type: application/pdf\r\n\r\n%PDF\r\n--B--\r\nbye\r\n",
      "Subject: x\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\nhello\r\n--B\r\n\r\nthe text\r\n--B\r\n"
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n[Attachment left out: a.png, image/png, 3 bytes]\r\n"
      "--B\r\nContent-Type: text/plain\r\n\r\nthe footer\r\n--B\r\n"
      "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n[Attachment left out: application/pdf, 4 bytes]\r\n"
      "--B--\r\nbye\r\n" },
    { "no attachment", "Subject: x\n\nhi\n", NULL },
    { "text and html", "Content-Type: multipart/alternative; boundary=B\n\n--B\n\na\n--B\nContent-Type: text/html\n\nb\n--B--\n", NULL },
    { "a message that is one", "Subject: x\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\nX-Y: z\n\nAAAA\n",
      "Subject: x\nX-Y: z\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
      "[Attachment left out: application/pdf, 3 bytes]\n" },
    { "an empty one", "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: image/png\n\n--B--\n",
      "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/plain; charset=utf-8\n"
      "Content-Transfer-Encoding: 8bit\n\n[Attachment left out: image/png, 0 bytes]\n--B--\n" },
    { "a text that is a file", "Content-Type: multipart/mixed; boundary=B\n\n--B\n\na\n--B\n"
      "Content-Disposition: attachment; filename*=utf-8''%C3%BC%0A.txt\n\nsecret\n--B--\n",
      "Content-Type: multipart/mixed; boundary=B\n\n--B\n\na\n--B\nContent-Type: text/plain; charset=utf-8\n"
      "Content-Transfer-Encoding: 8bit\n\n[Attachment left out: \xc3\xbc .txt, text/plain, 6 bytes]\n--B--\n" },
    { "no end", "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: image/png\n\nxyz",
      "Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: text/plain; charset=utf-8\n"
      "Content-Transfer-Encoding: 8bit\n\n[Attachment left out: image/png, 3 bytes]" },
    { "encrypted", "Content-Type: application/pkcs7-mime; name=smime.p7m\n\nMIIB\n", NULL },
    { "encrypted with PGP", "Content-Type: multipart/encrypted; boundary=B\n\n--B\nContent-Type: application/octet-stream\n\nx\n--B--\n",
      NULL },
    { "a report keeps what it says", "Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/delivery-status\n\n"
      "Reporting-MTA: dns; x\n--B\nContent-Type: message/rfc822\n\nSubject: y\n\n--B--\n",
      "Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n"
      "--B\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n[Attachment left out: message/rfc822, 11 bytes]\n"
      "--B--\n" },
};

static void test_strip(void)
{
    for (size_t i = 0; i < COUNT_OF(strips); i++) {
        AUTO_BUF(stripped, 0);
        struct str stored;
        AUTO(message) m = take(str_c(strips[i].raw), false, true, &stripped, &stored);
        const char *expected = strips[i].stored ? strips[i].stored : strips[i].raw;

        if (!ok(str_eq(stored, str_c(expected)) && m->size == (int64_t)strlen(strips[i].raw), "without attachments: %s", strips[i].name))
            printf("# %.*s\n", (int)stored.len, stored.p);
    }
}

static void test_strip_not(void)
{
    AUTO_BUF(raw, 1 << 20);
    AUTO_BUF(stripped, 0);
    struct str stored;

    buf_add_c(&raw, "Content-Type: multipart/mixed; boundary=B\n\n");
    for (int i = 0; i < 600; i++)
        buf_add_c(&raw, "--B\nContent-Type: image/png\n\nx\n");
    {
        AUTO(message) many = take(buf_str(&raw), false, true, &stripped, &stored);

        ok(str_eq(stored, buf_str(&raw)), "too many parts to be sure: kept whole");
    }
    {
        AUTO(message) kept = take(str_c(strips[0].raw), false, false, &stripped, &stored);

        ok(str_eq(stored, str_c(strips[0].raw)), "kept where attachments aren't to be ignored");
    }
    {
        AUTO(message) head = take(STR("Subject: large\nContent-Type: application/pdf\n\n"), true, true, &stripped, &stored);

        ok(head->headers_only && head->size == 99000000 && head->report == NULL && strcmp(head->subject, "large") == 0 &&
               stored.len == 46, "headers only");
    }
}

/* ---- reports beside what was sent ---- */

static char told[1024];

int events_add(struct store_tx *tx, const char *type, const char *account, const char *resource, json_t *data, struct err *err)
{
    const char *address = json_string_value(json_object_get(json_array_get(json_object_get(data, "recipients"), 0), "address"));

    (void)tx;
    (void)err;
    snprintf(told, sizeof(told), "%s %s %s %s", type, account, resource, address);
    json_decref(data);
    return 0;
}

struct receive {
    struct message *message;
    struct str raw;
};

static int receive_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct receive *receive = ctx;

    return store_message_add(tx, receive->message, receive->raw, NULL, NULL, err) < 0 ? -1
                                                                                      : intake_relate(tx, receive->message, err);
}

static struct message *receive(struct store *store, struct str raw)
{
    AUTO_BUF(stripped, 0);
    struct receive job = { .raw = raw };
    struct err err = { 0 };

    told[0] = '\0';
    job.message = take(raw, false, false, &stripped, &job.raw);
    job.message->account = mem_strdup("inbox");
    if (store_write(store, receive_run, &job, false, &err) < 0)
        printf("# %s: %s\n", err.id, err.text);
    return job.message;
}

struct seen {
    const char *id;
    struct message *message;
    char reports[256];
};

static int note_report(const struct message *message, void *ctx)
{
    struct seen *seen = ctx;

    strncat(seen->reports, message->id, sizeof(seen->reports) - strlen(seen->reports) - 1);
    return 0;
}

static int see(struct store_tx *tx, void *ctx, struct err *err)
{
    struct seen *seen = ctx;

    return store_message_find(tx, seen->id, &seen->message, err) < 0 ? -1
                                                                     : store_message_related(tx, seen->id, 10, note_report, seen, err);
}

static void test_relate(void)
{
    struct store *store;
    struct message *sent, *other;
    struct err err;

    state_make();
    store = state_must_open();
    other = state_message("alerts", 1);
    state_add(store, other);
    sent = state_message("alerts", 1);
    free(sent->message_id);
    sent->message_id = mem_strdup("<sent@example.com>");
    state_add(store, sent);
    {
        AUTO(message) bounce = receive(store, STR(BOUNCE_HEAD BOUNCE_FIELDS BOUNCE_RETURNED));
        AUTO_FREE char *expected = mem_printf("message.bounced alerts Message/%s nobody@example.net", sent->id);
        struct seen now = { .id = sent->id }, stored = { .id = bounce->id };

        is_str(bounce->related, sent->id, "a report is related to what was sent");
        is_str(told, expected, "and an event says so");
        ok(store_read(store, see, &now, &err) == 0 && store_read(store, see, &stored, &err) == 0, "both are there");
        is_str(now.reports, bounce->id, "the sent message has its report");
        is_str(stored.message->related, sent->id, "stored");
        ok(stored.message->report && stored.message->automatic && !stored.message->headers_only, "with what it says");
        ok(now.message->state == MESSAGE_QUEUED && now.message->recipients[0].state == MESSAGE_QUEUED && now.message->report == NULL,
           "nothing is changed of the sent one");
        message_free(now.message);
        message_free(stored.message);
    }
    {
        AUTO(message) delayed = receive(store, STR("In-Reply-To: <sent@example.com>\nContent-Type: multipart/report; boundary=B\n\n"
                                                   "--B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n"
                                                   "Final-Recipient: rfc822;a@x\nAction: delayed\nStatus: 4.2.2\n--B--\n"));
        AUTO(message) foreign = receive(store, STR(BOUNCE_HEAD BOUNCE_FIELDS "\r\n--B--\r\n"));
        AUTO(message) plain = receive(store, STR("In-Reply-To: <sent@example.com>\n\nthanks\n"));

        is_str(delayed->related, sent->id, "a delay is related as well");
        is_str(told, "", "and is no event");
        ok(foreign->related == NULL && foreign->report, "a report on what isn't ours");
        ok(plain->related == NULL && plain->report == NULL, "an answer of a person");
    }
    message_free(sent);
    message_free(other);
    store_close(store);
    state_remove();
}

int main(void)
{
    test_fields();
    test_nul();
    test_automatic();
    test_reports();
    test_report_fields();
    test_endless_report();
    test_strip();
    test_strip_not();
    test_relate();
    return done();
}
