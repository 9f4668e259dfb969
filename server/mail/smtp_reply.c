/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/smtp_reply.h"

#include <stdio.h>

#include "mail/text.h"

void smtp_reply_init(struct smtp_reply *reply)
{
    *reply = (struct smtp_reply){ 0 };
    buf_init(&reply->text, SMTP_REPLY_TEXT_MAX);
}

void smtp_reply_clear(struct smtp_reply *reply)
{
    reply->code = reply->lines = 0;
    reply->enhanced[0] = '\0';
    buf_clear(&reply->text);
}

void smtp_reply_free(struct smtp_reply *reply)
{
    buf_free(&reply->text);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int reply_code(struct str line)
{
    if (line.len < 3 || line.p[0] < '2' || line.p[0] > '5' || !is_digit(line.p[1]) || !is_digit(line.p[2]))
        return -1;
    return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0';
}

/* One to three digits at `*at`, which moves past them. */
static bool number(struct str s, size_t *at)
{
    size_t start = *at;

    while (*at < s.len && *at - start < 3 && is_digit(s.p[*at]))
        ++*at;
    return *at > start;
}

/* RFC 3463 2: class "." subject "." detail, the class agreeing with the reply's. Bytes, or 0. */
static size_t enhanced_len(struct str text, int code)
{
    size_t at = 2;

    if (text.len < 5 || text.p[0] != '0' + code / 100 || text.p[0] == '3' || text.p[1] != '.')
        return 0;
    if (!number(text, &at) || at >= text.len || text.p[at++] != '.' || !number(text, &at))
        return 0;
    return at == text.len || text.p[at] == ' ' ? at : 0;
}

static struct str take_enhanced(struct smtp_reply *reply, struct str text)
{
    size_t len = enhanced_len(text, reply->code);

    if (len == 0)
        return text;
    if (reply->enhanced[0] == '\0') {
        memcpy(reply->enhanced, text.p, len);
        reply->enhanced[len] = '\0';
    }
    return str_from(text, len + 1);
}

/* RFC 5321 4.2: three digits, then '-' if more lines follow or ' ' on the last, which may also be the digits
 * alone. */
enum reply_step smtp_reply_line(struct smtp_reply *reply, struct str line)
{
    int code = reply_code(line);
    char mark = line.len > 3 ? line.p[3] : ' ';

    if (code < 0 || (mark != '-' && mark != ' ') || (reply->lines > 0 && code != reply->code))
        return REPLY_BAD;
    reply->code = code;
    if (++reply->lines > SMTP_REPLY_LINES_MAX)
        return REPLY_LONG;
    if (reply->lines > 1 && buf_add_char(&reply->text, '\n') < 0)
        return REPLY_LONG;
    if (buf_add(&reply->text, take_enhanced(reply, str_from(line, 4))) < 0)
        return REPLY_LONG;
    return mark == '-' ? REPLY_MORE : REPLY_DONE;
}

char *smtp_said(const struct smtp_reply *reply, char said[SMTP_SAID_MAX])
{
    int used =
        snprintf(said, SMTP_SAID_MAX, "%d %s%s", reply->code, reply->enhanced, reply->enhanced[0] ? " " : "");

    text_clean(buf_str(&reply->text), said + used, SMTP_SAID_MAX - (size_t)used);
    return said;
}
