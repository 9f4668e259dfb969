/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses, building messages, taking them as they are, reading them. */
#include <stdlib.h>

#include "mail/address.h"
#include "mail/mime.h"

#include "tap.h"

static void test_address(void)
{
    static const struct {
        const char *text, *addr, *name;
        bool utf8;
    } rows[] = {
        { "a@example.com", "a@example.com", "", false },
        { "  a@example.com ", "a@example.com", "", false },
        { "<a@example.com>", "a@example.com", "", false },
        { "Ann B <a@example.com>", "a@example.com", "Ann B", false },
        { "\"B, Ann\" <a@example.com>", "a@example.com", "B, Ann", false },
        { "=?utf-8?q?J=C3=B6rg?= <a@example.com>", "a@example.com", "J\xc3\xb6rg", false },
        { "J\xc3\xb6rg <j@b\xc3\xbc"
          "cher.example>",
          "j@xn--bcher-kva.example", "J\xc3\xb6rg", false },
        { "j\xc3\xb6rg@example.com", "j\xc3\xb6rg@example.com", "", true },
        { "\"a b\"@example.com", "\"a b\"@example.com", "", false },
        { "<a@xn--bcher-kva.example>", "a@xn--bcher-kva.example", "", false },
        { "j\xc3\xb6rg@xn--bcher-kva.example", "j\xc3\xb6rg@xn--bcher-kva.example", "", true },
        { "\"a@example.com\" <a@example.com>", "a@example.com", "a@example.com", false },
        { "a@example.com (Ann)", "a@example.com", "Ann", false },
        { "a+tag@[192.0.2.1]", "a+tag@[192.0.2.1]", "", false },
        { "root@localhost", "root@localhost", "", false },
        { "a@EXAMPLE.com", "a@example.com", "", false },
        { "", NULL, NULL, false },
        { "  ", NULL, NULL, false },
        { "nobody", NULL, NULL, false },
        { "a@", NULL, NULL, false },
        { "@example.com", NULL, NULL, false },
        { "a@b@example.com", NULL, NULL, false },
        { "a@example.com, b@example.com", NULL, NULL, false },
        { "a@example.com b@example.com", NULL, NULL, false },
        { "a@example.com;", NULL, NULL, false },
        { "friends: a@example.com, b@example.com;", NULL, NULL, false },
        { "a@example.com\r\nBcc: x@example.com", NULL, NULL, false },
        { "a\x01@example.com", NULL, NULL, false },
        { "a b@example.com", NULL, NULL, false },
        { "a..b@example.com", NULL, NULL, false },
        { ".a@example.com", NULL, NULL, false },
        { "a@exa mple.com", NULL, NULL, false },
        { "a@-example.com", NULL, NULL, false },
        { "<@relay.example:a@example.com>", NULL, NULL, false },
        { "Ann <a@example.com> extra", NULL, NULL, false },
        { "a@example.com>", NULL, NULL, false },
        { "<a@example.com", NULL, NULL, false },
        { "=?utf-8?q?x=0D=0ABcc:_y?= <a@example.com>", NULL, NULL, false },
        { "12345678901234567890123456789012345678901234567890123456789012345@example.com", NULL, NULL,
          false },
        { "\xff@example.com", NULL, NULL, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_ADDRESS(address);
        struct err err = { 0 };
        int rc = address_parse(rows[i].text, &address, &err);

        if (!ok(rows[i].addr ? rc == 0 && strcmp(address.addr, rows[i].addr) == 0 &&
                                   strcmp(address.name, rows[i].name) == 0 && address.utf8 == rows[i].utf8
                             : rc < 0 && strcmp(err.id, "address.invalid") == 0,
                "address row %zu", i))
            printf("# %s, %s, %s\n", address.addr, address.name, err.text);
    }
}

/* ---- building --------------------------------------------------------------------------------------- */

static const char *const to_a[] = { "Ann <a@example.com>" };

static void note(void *ctx, const char *pointer, const char *code, const char *detail)
{
    buf_addf(ctx, "%s %s\n", pointer, code);
    (void)detail;
}

static void test_build_refuses(void)
{
    static const char *const bad_to[] = { "a@example.com", "nobody", "b@example.com, c@example.com" };
    static const struct mime_header headers[] = {
        { "X-Fine", "yes" },
        { "X-Foo", "a\r\nBcc: b@example.com" },
        { "X/Y~Z", "\x01" },
        { "Bad Name", "x" },
        { "Bcc", "b@example.com" },
        { "content-type", "text/html" },
        { "received", "x" },
        { "X:Y", "x" },
        { "", "x" },
    };
    static const struct mime_attachment attachments[] = {
        { .filename = "a\nb", .content_type = "text/plain" },
        { .content_type = "multipart/mixed" },
        { .content_type = "text" },
        { .content_type = "text/plain\r\nX: y" },
        { .content_id = "a b" },
        { .content_type = "message/rfc822", .data = { "\xff", 1 } },
    };
    static const struct mime_draft draft = {
        .from = "me@example.com\r\nX: y",
        .to = bad_to,
        .to_count = 3,
        .reply_to = "x",
        .subject = "a\nb",
        .text = "\xff",
        .html = "\xfe",
        .headers = headers,
        .header_count = COUNT_OF(headers),
        .attachments = attachments,
        .attachment_count = COUNT_OF(attachments),
        .message_id = "<a@b>\r\nX: y",
    };
    AUTO_BUF(raw, 1 << 20);
    AUTO_BUF(notes, 1 << 16);
    AUTO_ENVELOPE(envelope);
    struct err err = { 0 };

    ok(mime_build(&draft, &raw, &envelope, note, &notes, &err) < 0 && raw.len == 0,
       "refused, nothing is built");
    is_str(err.at, "/from", "the error is the first problem");
    is_str(
        notes.p,
        "/from address.invalid\n/replyTo address.invalid\n/to/1 address.invalid\n/to/2 "
        "address.invalid\n/subject header.value\n"
        "/text message.text\n/html message.text\n/headers/X-Foo header.value\n/headers/X~1Y~0Z header.value\n"
        "/headers/Bad Name header.name\n/headers/Bcc header.reserved\n/headers/content-type header.reserved\n"
        "/headers/received header.reserved\n/headers/X:Y header.name\n/headers/ header.name\n"
        "/attachments/0/filename attachment.filename\n/attachments/1/contentType attachment.contentType\n"
        "/attachments/2/contentType attachment.contentType\n/attachments/3/contentType "
        "attachment.contentType\n"
        "/attachments/4/contentId attachment.contentId\n/attachments/5/contentType attachment.contentType\n"
        "/headers/Message-ID header.value\n",
        "and all are told");
    buf_clear(&notes);
    ok(mime_build(&(struct mime_draft){ .from = "" }, &raw, &envelope, note, &notes, &err) < 0,
       "nothing given");
    is_str(notes.p, "/from address.missing\n/to message.recipients\n", "sender and recipients are asked for");
}

static const char *build(const struct mime_draft *draft, struct buf *raw, struct mime_envelope *envelope)
{
    struct err err = { 0 };

    if (mime_build(draft, raw, envelope, NULL, NULL, &err) < 0) {
        ok(false, "builds: %s at %s", err.text, err.at);
        return "";
    }
    return raw->p;
}

static bool all_crlf(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((s.p[i] == '\n') != (i > 0 && s.p[i - 1] == '\r'))
            return false;
    return true;
}

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] & 0x80)
            return false;
    return true;
}

static void test_build_simple(void)
{
    static const char *const cc[] = { "b@example.com", "a@example.com" }, *const bcc[] = {
        "hidden@example.com"
    };
    static const struct mime_header headers[] = { { "X-Plant", "L\xc3\xb6sung 7" },
                                                  { "References", "<x@y> <z@y>" } };
    static const struct mime_draft draft = {
        .from = "Plant <plant@example.com>",
        .to = to_a,
        .to_count = 1,
        .cc = cc,
        .cc_count = 2,
        .bcc = bcc,
        .bcc_count = 1,
        .reply_to = "ops@example.com",
        .subject = "Gr\xc3\xbc\xc3\x9f"
                   "e",
        .text = "one\ntwo\r\n.three",
        .headers = headers,
        .header_count = 2,
        .message_id = "<1@example.com>",
        .date = 1795516920250,
    };
    AUTO_BUF(raw, 1 << 20);
    AUTO_ENVELOPE(envelope);
    const char *text = build(&draft, &raw, &envelope);

    is_str(text,
           "From: Plant <plant@example.com>\r\n"
           "To: Ann <a@example.com>\r\n"
           "Cc: b@example.com, a@example.com\r\n"
           "Reply-To: ops@example.com\r\n"
           "Subject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n"
           "Date: Tue, 24 Nov 2026 10:42:00 +0000\r\n"
           "Message-ID: <1@example.com>\r\n"
           "X-Plant: =?UTF-8?B?TMO2c3VuZw==?= 7\r\n"
           "References: <x@y> <z@y>\r\n"
           "MIME-Version: 1.0\r\n"
           "Content-Type: text/plain; charset=utf-8\r\n"
           "\r\n"
           "one\r\ntwo\r\n.three\r\n",
           "a simple message");
    is_str(envelope.sender, "plant@example.com", "its sender");
    is_int((long long)envelope.count, 3, "its recipients, each once");
    is_str(envelope.recipients[2], "hidden@example.com", "bcc is in the envelope");
    ok(!envelope.smtputf8, "no SMTPUTF8 for a name or a subject");
}

static int keep(void *ctx, struct str bytes)
{
    return buf_add(ctx, bytes);
}

static void test_build_parts(void)
{
    static const char binary[] = "\0\n\r\n\xff.\n";
    static const struct mime_attachment attachments[] = {
        { .filename = "logo.png", .content_type = "image/png", .content_id = "logo@x", .data = { "PNG", 3 } },
        { .filename = "r\xc3\xa9sum\xc3\xa9.bin", .data = { binary, sizeof(binary) - 1 } },
        { .filename = "fwd.eml",
          .content_type = "message/rfc822",
          .data = { "Subject: inner\n\nbody\n", 20 } },
    };
    struct mime_draft draft = {
        .from = "me@example.com",
        .to = to_a,
        .to_count = 1,
        .text = "\xe4\xb8\xad\xe6\x96\x87\n\xe4\xb8\xad\xe6\x96\x87",
        .html = "<img src=\"cid:logo@x\">",
        .attachments = attachments,
        .attachment_count = 3,
    };
    AUTO_BUF(raw, 1 << 20);
    AUTO_BUF(data, 1 << 20);
    AUTO_ENVELOPE(envelope);
    AUTO(mime_info) info = NULL;
    struct mime_part part = { 0 };
    struct err err = { 0 };

    build(&draft, &raw, &envelope);
    ok(all_crlf(buf_str(&raw)) && is_ascii(buf_str(&raw)), "CRLF and 7-bit throughout");
    info = mime_inspect(buf_str(&raw), true);
    is_str(info->text, "\xe4\xb8\xad\xe6\x96\x87\r\n\xe4\xb8\xad\xe6\x96\x87\r\n", "the text comes back");
    is_str(info->html, "<img src=\"cid:logo@x\">\r\n", "and the html");
    ok(strstr(raw.p, "multipart/mixed") && strstr(raw.p, "multipart/alternative") &&
           strstr(raw.p, "multipart/related"),
       "the structure");
    is_int((long long)info->attachment_count, 3, "attachments");
    is_str(info->attachments[0].content_id, "logo@x", "content id");
    is_str(info->attachments[0].filename, "logo.png", "file name of the image");
    is_str(info->attachments[1].filename, "r\xc3\xa9sum\xc3\xa9.bin", "file name beyond ASCII");
    is_str(info->attachments[1].content_type, "application/octet-stream", "content type by default");
    is_int(info->attachments[1].size, sizeof(binary) - 1, "decoded size");
    is_str(info->attachments[2].content_type, "message/rfc822", "an attached message stays one");
    ok(mime_attachment_read(buf_str(&raw), 1, keep, &data, &part, &err) == 0 &&
           str_eq(buf_str(&data), str_n(binary, sizeof(binary) - 1)),
       "binary content is exact");
    is_str(part.filename, "r\xc3\xa9sum\xc3\xa9.bin", "and described");
    mime_part_clear(&part);
    buf_clear(&data);
    ok(mime_attachment_read(buf_str(&raw), 2, keep, &data, NULL, &err) == 0 && strstr(data.p, "Subject: inner"),
       "the attached message");
    ok(mime_attachment_read(buf_str(&raw), 3, keep, &data, NULL, &err) < 0 && err.code == ERR_NOT_FOUND,
       "there is no fourth");
    raw.max = 100;
    buf_free(&raw);
    ok(mime_build(&draft, &raw, &envelope, NULL, NULL, &err) < 0 && strcmp(err.id, "limit.messageSize") == 0,
       "the ceiling holds");
}

static void test_build_utf8(void)
{
    static const char *const to[] = { "j\xc3\xb6rg@b\xc3\xbc"
                                      "cher.example" };
    struct mime_draft draft = { .from = "me@example.com", .to = to, .to_count = 1 };
    AUTO_BUF(raw, 1 << 20);
    AUTO_ENVELOPE(envelope);
    AUTO_ENVELOPE(hidden);
    AUTO_FREE char *id = mime_message_id("7", "Me <me@b\xc3\xbc"
                                              "cher.example>");

    ok(strstr(build(&draft, &raw, &envelope), "\r\nTo: j\xc3\xb6rg@xn--bcher-kva.example\r\n") &&
           envelope.smtputf8,
       "a local part beyond ASCII needs SMTPUTF8, the domain doesn't");
    buf_clear(&raw);
    draft = (struct mime_draft){ .from = "me@example.com", .bcc = to, .bcc_count = 1, .subject = "" };
    build(&draft, &raw, &hidden);
    ok(!hidden.smtputf8 && is_ascii(buf_str(&raw)), "hidden, it says nothing about the message");
    is_str(id, "<7@xn--bcher-kva.example>", "message id");
}

static void test_long_lines(void)
{
    AUTO_BUF(text, 1 << 20);
    AUTO_BUF(raw, 1 << 20);
    AUTO_ENVELOPE(envelope);
    struct mime_draft draft = { .from = "me@example.com", .to = to_a, .to_count = 1 };
    struct str rest, line;
    size_t longest = 0;

    for (int i = 0; i < 3000; i++)
        buf_add_c(&text, "x ");
    draft.text = draft.subject = NULL;
    draft.text = text.p;
    build(&draft, &raw, &envelope);
    rest = buf_str(&raw);
    while (str_split(&rest, '\n', &line))
        longest = line.len > longest ? line.len : longest;
    ok(longest < 1000, "no line is longer than RFC 5322 allows (%zu)", longest);
}

/* ---- as given --------------------------------------------------------------------------------------- */

static void test_prepare(void)
{
    static const struct {
        const char *name, *raw, *expected, *id;
    } rows[] = {
        { "complete: untouched",
          "Message-ID: <1@x>\r\nDate: now\r\nFrom: a@example.com\r\nReply-To: "
          "b@example.com\r\n\r\nbody\n.\r\n",
          "Message-ID: <1@x>\r\nDate: now\r\nFrom: a@example.com\r\nReply-To: "
          "b@example.com\r\n\r\nbody\n.\r\n",
          NULL },
        { "what is missing is put in front", "Subject: x\n\nbody",
          "From: Plant <plant@example.com>\r\nReply-To: ops@example.com\r\nDate: Tue, 24 Nov 2026 10:42:00 "
          "+0000\r\n"
          "Message-ID: <2@x>\r\nSubject: x\n\nbody",
          NULL },
        { "Bcc goes, folded and twice",
          "From: a@example.com\r\nReply-To: a@example.com\r\nBCC: b@example.com,\r\n c@example.com\r\nDate: "
          "d\r\n"
          "bcc : d@example.com\r\nMessage-Id: <1@x>\r\n\r\nBcc: stays@example.com\r\n",
          "From: a@example.com\r\nReply-To: a@example.com\r\nDate: d\r\nMessage-Id: <1@x>\r\n\r\nBcc: "
          "stays@example.com\r\n",
          NULL },
        { "an empty one is filled in",
          "From: a@example.com\nReply-To: a@example.com\nDate:\nMessage-ID: <1@x>\n\n",
          "Date: Tue, 24 Nov 2026 10:42:00 +0000\r\nFrom: a@example.com\nReply-To: "
          "a@example.com\nMessage-ID: <1@x>\n\n",
          NULL },
        { "no headers", "\r\nbody", NULL, "message.headers" },
        { "empty", "", NULL, "message.headers" },
        { "a line that isn't a header", "From: a@example.com\r\nwhat is this\r\n\r\n", NULL,
          "message.headers" },
        { "a name with a space", "From: a@example.com\r\nX Y: z\r\n\r\n", NULL, "message.headers" },
    };
    static const struct mime_defaults defaults = { .message_id = "<2@x>",
                                                   .from = "Plant <plant@example.com>",
                                                   .reply_to = "ops@example.com",
                                                   .date = 1795516920250 };
    AUTO_BUF(small, 10);
    struct err err = { 0 };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_BUF(out, 4096);
        int rc;

        err = (struct err){ 0 };
        rc = mime_prepare(str_c(rows[i].raw), &defaults, &out, &err);
        if (!ok(rows[i].expected ? rc == 0 && strcmp(out.p, rows[i].expected) == 0
                                 : rc < 0 && strcmp(err.id, rows[i].id) == 0,
                "prepare: %s", rows[i].name))
            printf("# %s\n# %s\n", out.p, err.text);
    }
    ok(mime_prepare(STR("From: a@example.com\n\n\0"), &defaults, &small, &err) < 0 &&
           strcmp(err.id, "message.invalid") == 0,
       "NUL bytes");
    ok(mime_prepare(STR("Subject: more than fits\n\n"), &defaults, &small, &err) < 0 &&
           err.code == ERR_TOO_LARGE,
       "the ceiling holds");
}

static void test_envelope(void)
{
    static const struct {
        const char *name, *raw, *sender, *recipients, *at;
        bool utf8;
    } rows[] = {
        { "To, Cc, Bcc",
          "From: Me <me@example.com>\nTo: a@example.com, \"B, b\" <b@example.com>\nCc: a@example.com,\n "
          "c@example.com\n"
          "Bcc: d@example.com\n\nTo: e@example.com\n",
          "me@example.com", "a@example.com b@example.com c@example.com d@example.com", NULL, false },
        { "a group", "From: me@example.com\nTo: friends: a@example.com, b@example.com;, c@example.com\n\n",
          "me@example.com", "a@example.com b@example.com c@example.com", NULL, false },
        { "nobody disclosed", "From: me@example.com\nTo: undisclosed-recipients:;\nBcc: a@example.com\n\n",
          "me@example.com", "a@example.com", NULL, false },
        { "Sender", "From: a@example.com, b@example.com\nSender: b@example.com\nTo: c@example.com\n\n",
          "b@example.com", "c@example.com", NULL, false },
        { "no From", "To: a@example.com\n\n", "", "a@example.com", NULL, false },
        { "IDN",
          "From: me@example.com\nTo: j\xc3\xb6rg@b\xc3\xbc"
          "cher.example\n\n",
          "me@example.com", "j\xc3\xb6rg@xn--bcher-kva.example", NULL, true },
        { "nobody", "From: me@example.com\n\n", NULL, NULL, "/to", false },
        { "not an address", "From: me@example.com\nTo: a@example.com, nobody\n\n", NULL, NULL, "/to", false },
        { "not an address in Cc", "From: me@example.com\nTo: a@example.com\nCc: @\n\n", NULL, NULL, "/cc",
          false },
        { "not an address in From", "From: nobody\nTo: a@example.com\n\n", NULL, NULL, "/from", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_ENVELOPE(envelope);
        AUTO_BUF(joined, 4096);
        struct err err = { 0 };
        int rc = mime_envelope_read(str_c(rows[i].raw), &envelope, &err);

        for (size_t k = 0; k < envelope.count; k++)
            buf_addf(&joined, "%s%s", k ? " " : "", envelope.recipients[k]);
        if (!ok(rows[i].sender
                    ? rc == 0 && strcmp(envelope.sender, rows[i].sender) == 0 &&
                          strcmp(joined.p, rows[i].recipients) == 0 && envelope.smtputf8 == rows[i].utf8
                    : rc < 0 && strcmp(err.at, rows[i].at) == 0,
                "envelope: %s", rows[i].name))
            printf("# %s: %s, %s %s\n", envelope.sender, joined.p, err.at, err.text);
    }
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static void test_inspect(void)
{
    AUTO(mime_info)
    info = mime_inspect(STR("Message-ID: <1@x>\nFrom: =?utf-8?q?J=C3=B6rg?= <j@example.com>\nTo: "
                            "a@example.com, B <b@example.com>\n"
                            "Cc: g: c@example.com;\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\n =?utf-8?q?!?=\nDate: "
                            "Tue, 24 Nov 2026 11:42:00 +0100\n"
                            "Content-Type: text/plain; charset=iso-8859-1\n\ngr\xfc\xdf\n"),
                        true);
    AUTO(mime_info) nothing = mime_inspect(STR(""), true);
    AUTO(mime_info) rubbish = mime_inspect(STR("\xff\xfe\x01\x02\n\n\n"), false);
    AUTO(mime_info)
    path = mime_inspect(STR("Content-Type: text/plain; name=\"..\\\\..\\\\etc/passwd\"\nContent-Disposition: "
                            "attachment\n\nx"),
                        false);

    AUTO(mime_info)
    headers = mime_inspect_headers(
        STR("Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nbody\n--b\n"));

    ok(strcmp(headers->subject, "x") == 0 && headers->attachment_count == 0, "headers alone");
    is_str(info->message_id, "<1@x>", "message id");
    is_str(info->from, "J\xc3\xb6rg <j@example.com>", "from");
    ok(info->to_count == 2 && strcmp(info->to[1], "B <b@example.com>") == 0, "to");
    ok(info->cc_count == 1 && strcmp(info->cc[0], "c@example.com") == 0, "cc, out of its group");
    is_str(info->subject,
           "Gr\xc3\xbc\xc3\x9f"
           "e!",
           "subject");
    is_int(info->date, 1795516920000, "date");
    is_str(info->text, "gr\xc3\xbc\xc3\x9f\n", "text in UTF-8");
    ok(nothing->message_id == NULL && strcmp(nothing->from, "") == 0 && nothing->attachment_count == 0,
       "nothing in nothing");
    ok(rubbish->date == 0 && rubbish->text == NULL, "rubbish is no message and no trouble");
    is_str(path->attachment_count ? path->attachments[0].filename : NULL, "passwd",
           "a file name is never a path");
}

/* Content-Type lines open one level each; `levels` of them. */
static void nest(struct buf *raw, int levels, const char *type)
{
    for (int i = 0; i < levels; i++)
        if (strcmp(type, "message") == 0)
            buf_add_c(raw, "Content-Type: message/rfc822\n\n");
        else
            buf_addf(raw, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
    buf_add_c(raw, "\nend\n");
}

static void test_hostile(void)
{
    static const struct {
        const char *name, *type;
        int levels;
        bool partial;
    } rows[] = {
        { "messages in messages", "message", 20, false },
        { "very many messages in messages", "message", 100000, false },
        { "parts in parts", "multipart", 10, false },
        { "too many parts in parts", "multipart", 1000, true },
        { "very many parts in parts", "multipart", 100000, true },
    };
    AUTO_BUF(raw, 32 << 20);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(mime_info) info = NULL;

        buf_clear(&raw);
        nest(&raw, rows[i].levels, rows[i].type);
        info = mime_inspect(buf_str(&raw), true);
        ok(info->partial == rows[i].partial, "%s", rows[i].name);
    }
    for (int kind = 0; kind < 3; kind++) {
        static const char *const lines[] = { "--b\n", "x:\n", "--b\nx:\n\n" };
        static const bool partial[] = { true, false, true };
        AUTO(mime_info) info = NULL;

        buf_clear(&raw);
        buf_add_c(&raw, "Content-Type: multipart/mixed; boundary=b\n\n");
        while (raw.len < (20 << 20))
            buf_add_c(&raw, lines[kind]);
        info = mime_inspect(buf_str(&raw), true);
        ok(info->partial == partial[kind], "20 MB of \"%.2s\"", lines[kind]);
    }
    buf_clear(&raw);
    while (raw.len < (2 << 20))
        buf_add_c(&raw, "To: a@example.com\n");
    {
        AUTO(mime_info) info = mime_inspect(buf_str(&raw), true);
        AUTO_ENVELOPE(envelope);
        struct err err = { 0 };

        ok(info->partial && info->to_count <= MIME_RECIPIENTS_MAX, "100,000 headers");
        ok(mime_envelope_read(buf_str(&raw), &envelope, &err) < 0, "are no envelope");
    }
}

/* Content that costs more to decode than it should: each is decoded in about the time of a look at it, or this test doesn't end. */
static void test_hostile_content(void)
{
    static const struct {
        const char *name, *head, *line;
        size_t attachments;
    } rows[] = {
        { "begin without end", "Content-Type: application/x\nContent-Transfer-Encoding: x-uuencode\n\n", "begin ", 1 },
        { "broken base64", "Content-Type: application/x\nContent-Transfer-Encoding: base64\n\n", "AA!=A\n", 1 },
        { "broken quoted-printable", "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n", "=4=\n", 0 },
        { "boundaries of nobody", "Content-Type: multipart/mixed; boundary=bb\n\n", "\n--", 0 },
        { "prefixes of a boundary", "Content-Type: multipart/mixed; boundary=bb\n\n", "--b\n", 0 },
        { "a tag in a tag", "Content-Type: text/html\n\n", "<a", 0 },
        { "one header", "Subject: ", "=?utf-8?q?a?= ", 0 },
    };
    AUTO_BUF(raw, 32 << 20);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(mime_info) info = NULL;
        AUTO_BUF(words, 64 * 1024);

        buf_clear(&raw);
        buf_add_c(&raw, rows[i].head);
        while (raw.len < (25 << 20))
            buf_add_c(&raw, rows[i].line);
        info = mime_inspect(buf_str(&raw), true);
        mime_words(buf_str(&raw), &words);
        ok(info->attachment_count == rows[i].attachments, "25 MB: %s", rows[i].name);
    }
}

static void test_nested_groups(void)
{
    AUTO_BUF(raw, 1 << 20);
    AUTO(mime_info) info = NULL;

    buf_add_c(&raw, "To: ");
    for (int i = 0; i < 30000; i++)
        buf_add_c(&raw, "a:");
    buf_add_c(&raw, "\n\nx\n");
    info = mime_inspect(buf_str(&raw), false);
    ok(info->to_count == 1, "groups in groups are one address that isn't one");
}

static void test_text(void)
{
    static const struct {
        const char *name, *head, *body, *text;
    } rows[] = {
        { "nothing is said: ASCII", "X: y", "abc", "abc" },
        { "nothing is said: UTF-8", "X: y", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
        { "nothing is said: something else", "X: y", "gr\xfc\xdf", "gr\xc3\xbc\xc3\x9f" },
        { "said to be ASCII", "Content-Type: text/plain; charset=us-ascii", "gr\xc3\xbc", "gr\xc3\xbc" },
        { "said to be UTF-8", "Content-Type: text/plain; charset=UTF-8", "gr\xfc", "gr?" },
        { "windows-1252", "Content-Type: text/plain; charset=windows-1252", "\x80", "\xe2\x82\xac" },
        { "utf-16", "Content-Type: text/plain; charset=utf-16le", "a\xe4", "\xee\x91\xa1" },
        { "a charset nobody knows", "Content-Type: text/plain; charset=x-nobody", "gr\xfc", "gr\xc3\xbc" },
        { "a charset that is a path", "Content-Type: text/plain; charset=\"../../x\"", "abc", "abc" },
        { "base64", "Content-Transfer-Encoding: BASE64", "YWJj\n", "abc" },
        { "base64 with rubbish", "Content-Transfer-Encoding: base64", "YW!!Jj\n", "abc" },
        { "quoted-printable", "Content-Transfer-Encoding: quoted-printable", "a=\nb=3D=4=", "ab==4=" },
        { "uuencode", "Content-Transfer-Encoding: x-uuencode", "begin 644 a\n#86)C\n`\nend\n", "abc" },
        { "uuencode without a beginning", "Content-Transfer-Encoding: uuencode", "#86)C\n`\n", "" },
        { "an encoding nobody knows", "Content-Transfer-Encoding: rot13", "abc", "abc" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *raw = mem_printf("%s\n\n%s", rows[i].head, rows[i].body);
        AUTO(mime_info) info = mime_inspect(str_c(raw), true);

        is_str(info->text, rows[i].text, rows[i].name);
    }
    {
        AUTO(mime_info) info = mime_inspect(STR("Content-Type: text/plain\n\na\0b"), true);

        is_str(info->text, "a?b", "NUL bytes");
    }
}

static void test_words(void)
{
    static const struct {
        const char *raw, *words;
    } rows[] = {
        { "Subject: x\n\nhello\n", "hello\n\n" },
        { "Content-Type: text/html\n\n<p>Gr&uuml;&#xdf;e<br>a<b>b</b>c&nbsp;d &amp; e &unknown; &#0; <script>x</script><style>y</style>"
          "<!-- z -->in <i\n", "\nGr\xc3\xbc\xc3\x9f" "e\nabc d & e &unknown; &#0; \n\nin \n" },
        { "Content-Type: text/html\n\n1 < 2 > 1 <", "1 < 2 > 1 <\n" },
        { "Content-Type: text/html\n\nso&shy;fa", "sofa\n" },
        { "Content-Type: application/pdf; name=\"a b.pdf\"\n\nxyz", "a b.pdf\n\n" },
        { "Content-Type: multipart/mixed; boundary=b\n\nno\n--b\n\none\n--b\nContent-Type: text/html\n\n<p>two\n--b\nContent-Type: "
          "image/png\n\nx\n--b--\nno", "\none\n\ntwo\n\n" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_BUF(words, 1000);

        mime_words(str_c(rows[i].raw), &words);
        is_str(words.p, rows[i].words, "words of a message");
    }
}

int main(void)
{
    test_address();
    test_build_refuses();
    test_build_simple();
    test_build_parts();
    test_build_utf8();
    test_long_lines();
    test_prepare();
    test_envelope();
    test_inspect();
    test_hostile();
    test_hostile_content();
    test_nested_groups();
    test_text();
    test_words();
    return done();
}
