/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/pop3_reply.h"

#include <string.h>

#include "base/mem.h"
#include "mail/text.h"

/* `word` and then the end of the line or a space. */
static bool takes(struct str *line, struct str word)
{
    if (!str_starts_nocase(*line, word) || (line->len > word.len && line->p[word.len] != ' '))
        return false;
    *line = str_trim(str_from(*line, word.len));
    return true;
}

/* RFC 2449 8: "[" and a code of visible characters "]" at the front. */
static void take_code(struct pop3_reply *reply)
{
    const char *end;

    if (reply->text.len == 0 || reply->text.p[0] != '[')
        return;
    end = memchr(reply->text.p, ']', reply->text.len);
    if (end == NULL)
        return;
    reply->code = str_n(reply->text.p + 1, (size_t)(end - reply->text.p) - 1);
    reply->text = str_trim(str_from(reply->text, reply->code.len + 2));
}

void pop3_reply_read(struct pop3_reply *reply, struct str line)
{
    *reply = (struct pop3_reply){ .status = POP3_GARBAGE, .code = STR(""), .text = STR("") };
    if (takes(&line, STR("+OK")))
        reply->status = POP3_OK;
    else if (takes(&line, STR("-ERR")))
        reply->status = POP3_ERR;
    else if (takes(&line, STR("+")))
        reply->status = POP3_CONTINUE;
    else
        return;
    reply->text = line;
    if (reply->status != POP3_CONTINUE)
        take_code(reply);
}

bool pop3_has_code(const struct pop3_reply *reply, const char *code)
{
    struct str c = str_c(code);

    return str_starts_nocase(reply->code, c) && (reply->code.len == c.len || reply->code.p[c.len] == '/');
}

bool pop3_unstuff(struct str line, struct str *content)
{
    if (line.len > 0 && line.p[0] == '.') {
        if (line.len == 1)
            return false;
        line = str_from(line, 1);
    }
    *content = line;
    return true;
}

bool pop3_read_stat(struct str text, uint32_t *count, uint64_t *bytes)
{
    struct str first, second;
    int64_t messages, octets;

    if (!str_split(&text, ' ', &first) || !str_split(&text, ' ', &second))
        return false;
    if (!str_to_int(first, &messages) || !str_to_int(second, &octets) || messages < 0 ||
        messages > UINT32_MAX || octets < 0)
        return false;
    *count = (uint32_t)messages;
    *bytes = (uint64_t)octets;
    return true;
}

/* ---- capabilities ----------------------------------------------------------------------------------- */

void pop3_caps_add(struct pop3_caps *caps, struct str line)
{
    const struct {
        const char *word;
        bool *flag;
    } flags[] = {
        { "STLS", &caps->stls },
        { "USER", &caps->user },
        { "TOP", &caps->top },
        { "UIDL", &caps->uidl },
        { "PIPELINING", &caps->pipelining },
    };
    struct str rest = str_trim(line), word;

    text_append(caps->all, sizeof(caps->all), rest);
    if (!str_split(&rest, ' ', &word))
        return;
    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (str_eq_nocase(word, str_c(flags[i].word)))
            *flags[i].flag = true;
    if (!str_eq_nocase(word, STR("SASL")))
        return;
    while (str_split(&rest, ' ', &word))
        text_append(caps->auth, sizeof(caps->auth), word);
}
