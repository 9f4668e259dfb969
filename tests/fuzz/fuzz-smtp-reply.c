/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a server says: replies, and each as if it answered EHLO or refused a message. */
#include <stdlib.h>

#include "mail/smtp_session.h"
#include "mail/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static void use(const struct smtp_reply *reply)
{
    struct smtp_caps caps;
    char said[SMTP_SAID_MAX];

    must(reply->code >= 200 && reply->code < 600);
    must(reply->lines <= SMTP_REPLY_LINES_MAX && reply->text.len <= SMTP_REPLY_TEXT_MAX);
    must(strlen(reply->enhanced) < sizeof(reply->enhanced));
    must(reply->enhanced[0] == '\0' || reply->enhanced[0] == '0' + reply->code / 100);
    smtp_said(reply, said);
    must(str_is_utf8(str_c(said)) && !str_has_control(str_c(said)));
    smtp_caps_read(&caps, buf_str(&reply->text));
    must(caps.size_max >= 0 && str_is_utf8(str_c(caps.auth)) && !str_has_control(str_c(caps.auth)));
}

/* The same bytes as a message: what goes to the wire ends with the one dot, and no line of it is a dot. */
static void stuff(struct str message)
{
    AUTO_BUF(out, 8 << 20);
    struct smtp_body body;
    struct smtp_facts facts;
    struct str rest, line;
    int64_t bytes = 0;
    size_t dots = 0;

    smtp_body_look(message, &facts);
    smtp_body_begin(&body, message);
    while (!smtp_body_next(&body, &out, 1 + message.len % 97))
        ;
    rest = buf_str(&out);
    while (str_split(&rest, '\n', &line) && rest.p) {
        must(line.len > 0 && line.p[line.len - 1] == '\r' &&
             memchr(line.p, '\r', line.len) == line.p + line.len - 1);
        dots += str_eq(line, STR(".\r"));
        bytes += (int64_t)line.len + 1 - (line.p[0] == '.');
    }
    must(dots == 1 && str_ends_nocase(buf_str(&out), STR(".\r\n")));
    must(facts.size == bytes - 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n(data, size), line;
    struct smtp_reply reply;

    smtp_reply_init(&reply);
    while (str_split(&rest, '\n', &line)) {
        enum reply_step step = smtp_reply_line(&reply, line);

        if (step == REPLY_DONE)
            use(&reply);
        if (step != REPLY_MORE)
            smtp_reply_clear(&reply);
    }
    smtp_reply_free(&reply);
    if (size < (1 << 20))
        stuff(str_n(data, size));
    return 0;
}
