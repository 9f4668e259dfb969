/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/smtp_session.h"

/* Bytes before the first CR or LF. One pass, whatever the bytes are. */
static size_t line_len(struct str s)
{
    size_t len = 0;

    while (len < s.len && s.p[len] != '\n' && s.p[len] != '\r')
        len++;
    return len;
}

/* Bytes of the line break at the front: CRLF, a bare LF or a bare CR. A receiver that took one of the latter
 * for the end of a line could be told a second message in the first (smuggling), so all become CRLF. */
static size_t break_len(struct str s)
{
    if (s.len == 0)
        return 0;
    return s.p[0] == '\r' && s.len > 1 && s.p[1] == '\n' ? 2 : 1;
}

void smtp_body_look(struct str message, struct smtp_facts *facts)
{
    unsigned char bits = 0;
    size_t breaks = 0, broken = 0; /* line breaks, and the bytes that they are now */

    for (size_t i = 0; i < message.len; i++) {
        char c = message.p[i];

        bits |= (unsigned char)c;
        broken += c == '\n' || c == '\r';
        breaks += c == '\r' || (c == '\n' && (i == 0 || message.p[i - 1] != '\r'));
    }
    if (message.len && message.p[message.len - 1] != '\n' && message.p[message.len - 1] != '\r')
        breaks++;
    facts->size = (int64_t)(message.len - broken + 2 * breaks);
    facts->eight_bit = bits & 0x80;
}

void smtp_body_begin(struct smtp_body *body, struct str message)
{
    body->rest = message;
    body->at_start = true;
}

bool smtp_body_next(struct smtp_body *body, struct buf *out, size_t room)
{
    size_t end = out->len + room;

    while (body->rest.len && out->len < end) {
        size_t left = end - out->len;
        size_t len = line_len(str_n(body->rest.p, left < body->rest.len ? left : body->rest.len));

        if (body->at_start && body->rest.p[0] == '.')
            buf_add_char(out, '.');
        buf_add(out, str_n(body->rest.p, len));
        body->rest = str_from(body->rest, len);
        body->at_start = body->rest.len == 0 || len < left;
        if (body->at_start) {
            body->rest = str_from(body->rest, break_len(body->rest));
            buf_add_c(out, "\r\n");
        }
    }
    if (body->rest.len || out->len >= end)
        return false;
    buf_add_c(out, ".\r\n");
    return true;
}
