/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/pop3_body.h"

/* Everything up to the end of the line, or to the end of the last line after which no dot follows. */
static struct str take_lines(struct pop3_body *body, struct str *in)
{
    const char *end = in->p + in->len, *p = in->p;
    struct str piece;

    body->at = POP3_BODY_LINE;
    while (body->at == POP3_BODY_LINE && p < end) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));

        p = lf ? lf + 1 : end;
        if (lf && (p == end || *p == '.'))
            body->at = POP3_BODY_START;
    }
    piece = str_n(in->p, (size_t)(p - in->p));
    *in = str_from(*in, piece.len);
    return piece;
}

/* After a dot at the beginning of a line: it was the end, or it goes and what follows stays. */
static struct str after_dot(struct pop3_body *body, struct str *in)
{
    char c = in->p[0];

    if (c == '\n' || c == '\r') {
        *in = str_from(*in, 1);
        body->at = c == '\n' ? POP3_BODY_DONE : POP3_BODY_CR;
        return STR("");
    }
    return take_lines(body, in);
}

struct str pop3_body_next(struct pop3_body *body, struct str *in)
{
    if (in->len == 0 || body->at == POP3_BODY_DONE)
        return STR("");
    switch (body->at) {
    case POP3_BODY_START:
        if (in->p[0] != '.')
            break;
        *in = str_from(*in, 1);
        body->at = POP3_BODY_DOT;
        return STR("");
    case POP3_BODY_DOT:
        return after_dot(body, in);
    case POP3_BODY_CR:
        if (in->p[0] == '\n') {
            *in = str_from(*in, 1);
            body->at = POP3_BODY_DONE;
            return STR("");
        }
        body->at = POP3_BODY_LINE;
        return STR("\r"); /* ".\r" and more is a line like others */
    default:
        break;
    }
    return take_lines(body, in);
}
