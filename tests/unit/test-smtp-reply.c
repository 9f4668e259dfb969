/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says (replies, capabilities) and what we say to it (bodies), without a connection. */
#include <stdlib.h>

#include "mail/smtp_caps.h"
#include "mail/smtp_reply.h"
#include "mail/smtp_session.h"
#include "mail/text.h"

#include "tap.h"

static void test_reply(void)
{
    static const struct {
        const char *name;
        const char *lines; /* each ends with LF */
        enum reply_step end;
        int code;
        const char *enhanced, *text;
    } rows[] = {
        { "one line", "250 OK\n", REPLY_DONE, 250, "", "OK" },
        { "several lines", "250-mail.example.com\n250-SIZE 100\n250 HELP\n", REPLY_DONE, 250, "",
          "mail.example.com\nSIZE 100\nHELP" },
        { "digits alone", "250\n", REPLY_DONE, 250, "", "" },
        { "digits and a space", "354 \n", REPLY_DONE, 354, "", "" },
        { "enhanced code", "550 5.1.1 No such user\n", REPLY_DONE, 550, "5.1.1", "No such user" },
        { "enhanced code on each line", "550-5.7.1 Not\n550 5.7.1 here\n", REPLY_DONE, 550, "5.7.1",
          "Not\nhere" },
        { "enhanced code alone", "250 2.0.0\n", REPLY_DONE, 250, "2.0.0", "" },
        { "enhanced code of three digits", "450 4.123.456 x\n", REPLY_DONE, 450, "4.123.456", "x" },
        { "enhanced code of another class", "550 4.1.1 x\n", REPLY_DONE, 550, "", "4.1.1 x" },
        { "an IP address isn't an enhanced code", "220 2.168.1.4 ready\n", REPLY_DONE, 220, "",
          "2.168.1.4 ready" },
        { "four digits", "550 5.1.1000 x\n", REPLY_DONE, 550, "", "5.1.1000 x" },
        { "other code on a later line", "250-a\n251 b\n", REPLY_BAD, 250, "", NULL },
        { "no digits", "OK\n", REPLY_BAD, 0, "", NULL },
        { "empty line", "\n", REPLY_BAD, 0, "", NULL },
        { "code too low", "150 x\n", REPLY_BAD, 0, "", NULL },
        { "code too high", "600 x\n", REPLY_BAD, 0, "", NULL },
        { "wrong mark", "250+x\n", REPLY_BAD, 0, "", NULL },
        { "four digit code", "2500 x\n", REPLY_BAD, 0, "", NULL },
        { "unfinished", "250-a\n", REPLY_MORE, 250, "", "a" },
    };
    struct smtp_reply reply;

    smtp_reply_init(&reply);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str rest = str_c(rows[i].lines), line;
        enum reply_step step = REPLY_MORE;

        smtp_reply_clear(&reply);
        while (step == REPLY_MORE && str_split(&rest, '\n', &line) && rest.p)
            step = smtp_reply_line(&reply, line);
        ok(step == rows[i].end && reply.code == rows[i].code &&
               strcmp(reply.enhanced, rows[i].enhanced) == 0 &&
               (rows[i].text == NULL || str_eq(buf_str(&reply.text), str_c(rows[i].text))),
           "reply: %s", rows[i].name);
    }
    smtp_reply_free(&reply);
}

static void test_reply_ceilings(void)
{
    struct smtp_reply reply;
    enum reply_step step = REPLY_MORE;
    char line[1000];
    int lines = 0;

    smtp_reply_init(&reply);
    while ((step = smtp_reply_line(&reply, STR("250-x"))) == REPLY_MORE)
        lines++;
    ok(step == REPLY_LONG && lines == SMTP_REPLY_LINES_MAX, "a reply without end is cut off after %d lines",
       lines);
    smtp_reply_clear(&reply);
    memset(line, 'x', sizeof(line));
    memcpy(line, "250-", 4);
    while ((step = smtp_reply_line(&reply, str_n(line, sizeof(line)))) == REPLY_MORE)
        ;
    ok(step == REPLY_LONG && reply.text.len <= SMTP_REPLY_TEXT_MAX, "and after %d bytes",
       SMTP_REPLY_TEXT_MAX);
    smtp_reply_free(&reply);
}

static void test_caps(void)
{
    struct smtp_caps caps;

    smtp_caps_read(&caps,
                   STR("mail.example.com SIZE 7\nPIPELINING\nsize 10240000\nSTARTTLS\nAUTH PLAIN login\n"
                       "ENHANCEDSTATUSCODES\n8BITMIME\nDSN\nSMTPUTF8\nCHUNKING"));
    ok(caps.pipelining && caps.size && caps.starttls && caps.enhanced && caps.eight_bit && caps.dsn &&
           caps.smtputf8,
       "capabilities in either case");
    is_int(caps.size_max, 10240000, "the largest message");
    is_str(caps.auth, "PLAIN login", "mechanisms");
    smtp_caps_read(&caps, STR("mail.example.com"));
    ok(!caps.pipelining && !caps.auth_offered && caps.size_max == 0, "nothing offered, nothing kept");
    smtp_caps_read(&caps, STR("x\nSIZE\nAUTH\nSTARTTLSX"));
    ok(caps.size && caps.size_max == 0 && caps.auth_offered && caps.auth[0] == '\0' && !caps.starttls,
       "bare keywords");
    smtp_caps_read(&caps, STR("x\nSIZE -5\nAUTH=LOGIN\nSIZE 99999999999999999999"));
    ok(caps.size_max == 0, "a size that is no size is no limit");
    is_str(caps.auth, "LOGIN", "AUTH= from before the standard");
}

static void test_body(void)
{
    static const struct {
        const char *name;
        struct str message;
        const char *wire;
        long long size;
        bool eight_bit;
    } rows[] = {
        { "plain", { "a\r\nb\r\n", 6 }, "a\r\nb\r\n.\r\n", 6, false },
        { "empty", { "", 0 }, ".\r\n", 0, false },
        { "no line break at the end", { "a", 1 }, "a\r\n.\r\n", 3, false },
        { "bare LF", { "a\nb\n", 4 }, "a\r\nb\r\n.\r\n", 6, false },
        { "bare CR", { "a\rb\r", 4 }, "a\r\nb\r\n.\r\n", 6, false },
        { "dots at the start of lines",
          { ".\r\n..\r\na.b\r\n", 12 },
          "..\r\n...\r\na.b\r\n.\r\n",
          12,
          false },
        { "an end smuggled in with LF", { "a\n.\nMAIL", 8 }, "a\r\n..\r\nMAIL\r\n.\r\n", 12, false },
        { "an end smuggled in with CR", { "a\r.\rMAIL", 8 }, "a\r\n..\r\nMAIL\r\n.\r\n", 12, false },
        { "8-bit", { "gr\xc3\xbc\xc3\x9f\r\n", 8 }, "gr\xc3\xbc\xc3\x9f\r\n.\r\n", 8, true },
        { "CR CR LF", { "a\r\r\nb", 5 }, "a\r\n\r\nb\r\n.\r\n", 8, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (size_t room = 1; room <= 64; room += 9) {
            AUTO_BUF(out, 4096);
            struct smtp_body body;
            struct smtp_facts facts;
            int pieces = 0;

            smtp_body_look(rows[i].message, &facts);
            smtp_body_begin(&body, rows[i].message);
            while (!smtp_body_next(&body, &out, room) && pieces < 1000)
                pieces++;
            if (!ok(str_eq(buf_str(&out), str_c(rows[i].wire)) && facts.size == rows[i].size &&
                        facts.eight_bit == rows[i].eight_bit,
                    "body: %s, in pieces of %zu", rows[i].name, room))
                printf("# %s, %lld bytes\n", out.p, (long long)facts.size);
        }
}

static void test_text(void)
{
    char text[8];

    is_str(text_clean(STR(" a\r\nb\x01 "), text, sizeof(text)), "a  b", "controls become spaces");
    is_str(text_clean(STR("\xfc\xc3\xbc"), text, sizeof(text)), "?\xc3\xbc", "what isn't UTF-8 becomes ?");
    is_str(text_clean(STR("123456\xc3\xbc"), text, sizeof(text)), "123456", "cut at a character");
    is_str(text_clean(STR(""), text, sizeof(text)), "", "nothing stays nothing");
}

int main(void)
{
    test_reply();
    test_reply_ceilings();
    test_caps();
    test_body();
    test_text();
    return done();
}
