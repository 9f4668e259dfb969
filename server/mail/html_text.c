/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/html_text.h"

#include <stdlib.h>

#include "base/mem.h"

#define ENTITY_MAX 12

/* ---- characters by name ----------------------------------------------------------------------------- */

/* U+00A0 to U+00FF, in their order (HTML 4.01 24.2). */
static const char *const latin[] = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",    "copy",   "ordf",   "laquo",
    "not",    "shy",    "reg",    "macr",   "deg",    "plusmn", "sup2",   "sup3",   "acute",  "micro",  "para",   "middot",
    "cedil",  "sup1",   "ordm",   "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",  "Atilde",
    "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",   "Igrave", "Iacute", "Icirc",  "Iuml",
    "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde", "Ouml",   "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",
    "Uuml",   "Yacute", "THORN",  "szlig",  "agrave", "aacute", "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil",
    "egrave", "eacute", "ecirc",  "euml",   "igrave", "iacute", "icirc",  "iuml",   "eth",    "ntilde", "ograve", "oacute",
    "ocirc",  "otilde", "ouml",   "divide", "oslash", "ugrave", "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml",
};

static const struct {
    const char *name;
    uint32_t character;
} others[] = {
    { "amp", '&' },      { "lt", '<' },         { "gt", '>' },         { "quot", '"' },      { "apos", '\'' },
    { "ndash", 0x2013 }, { "mdash", 0x2014 },   { "hellip", 0x2026 },  { "bull", 0x2022 },   { "euro", 0x20ac },
    { "ldquo", 0x201c }, { "rdquo", 0x201d },   { "bdquo", 0x201e },   { "lsquo", 0x2018 },  { "rsquo", 0x2019 },
    { "sbquo", 0x201a }, { "Scaron", 0x0160 },  { "scaron", 0x0161 },  { "OElig", 0x0152 },  { "oelig", 0x0153 },
};

static uint32_t named(struct str name)
{
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (str_eq(name, str_c(others[i].name)))
            return others[i].character;
    for (size_t i = 0; i < COUNT_OF(latin); i++)
        if (str_eq(name, str_c(latin[i])))
            return (uint32_t)(0xa0 + i);
    return 0;
}

/* "#252" or "#xfc"; 0: none. */
static uint32_t numbered(struct str digits)
{
    bool hex = digits.len && (digits.p[0] == 'x' || digits.p[0] == 'X');
    char text[ENTITY_MAX + 1] = "", *end;
    unsigned long value;

    digits = str_from(digits, hex);
    if (digits.len == 0 || digits.len > ENTITY_MAX)
        return 0;
    memcpy(text, digits.p, digits.len);
    value = strtoul(text, &end, hex ? 16 : 10);
    return *end || value < 0x20 || value == 0x7f || value > 0x10ffff || (value >= 0xd800 && value < 0xe000) ? 0 : (uint32_t)value;
}

static void add_character(uint32_t c, struct buf *into)
{
    char text[4];
    size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    if (len == 1) {
        text[0] = (char)c;
    } else {
        for (size_t i = len - 1; i > 0; i--, c >>= 6)
            text[i] = (char)(0x80 | (c & 0x3f));
        text[0] = (char)(0xf00 >> len | c);
    }
    buf_add(into, str_n(text, len));
}

/* At an '&'. Answers how many bytes were taken. */
static size_t take_entity(struct str html, struct buf *into)
{
    size_t len = 1;
    uint32_t c = 0;

    while (len < html.len && len < ENTITY_MAX && html.p[len] != ';' && html.p[len] != '&' && (unsigned char)html.p[len] > ' ')
        len++;
    if (len < html.len && html.p[len] == ';')
        c = html.p[1] == '#' ? numbered(str_n(html.p + 2, len - 2)) : named(str_n(html.p + 1, len - 1));
    if (c == 0) {
        buf_add_char(into, '&');
        return 1;
    }
    if (c != 0xad) /* a hyphen that isn't seen would part a word */
        add_character(c == 0xa0 ? ' ' : c, into);
    return len + 1;
}

/* ---- tags ------------------------------------------------------------------------------------------- */

static struct str tag_name(struct str html)
{
    size_t len = 1;

    while (len < html.len && ((html.p[len] | 0x20) >= 'a' || (html.p[len] >= '0' && html.p[len] <= '9')) &&
           (html.p[len] | 0x20) <= 'z')
        len++;
    return str_n(html.p + 1, len - 1);
}

/* Tags within a word. */
static bool is_inline(struct str name)
{
    static const char *const names[] = { "b", "i", "u", "s", "a", "em", "strong", "span", "font", "small", "big", "sub", "sup",
                                         "wbr", "tt", "code", "mark" };

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eq_nocase(name, str_c(names[i])))
            return true;
    return false;
}

/* What nobody reads, up to its end. */
static const char *hidden_until(struct str name)
{
    return str_eq_nocase(name, STR("script")) ? "</script" : str_eq_nocase(name, STR("style")) ? "</style" : NULL;
}

/* Bytes up to the end of what begins with `end`, in any case; all when it doesn't come. */
static size_t past(struct str html, struct str end)
{
    for (size_t at = 0; at + end.len <= html.len; at++) {
        const char *next = memchr(html.p + at, end.p[0], html.len - at);

        if (next == NULL)
            break;
        at = (size_t)(next - html.p);
        if (at + end.len <= html.len && str_eq_nocase(str_n(html.p + at, end.len), end))
            return at + end.len;
    }
    return html.len;
}

/* At a '<' that begins a tag. Answers how many bytes were taken. */
static size_t take_tag(struct str html, struct buf *into)
{
    bool closes = html.len > 1 && html.p[1] == '/';
    struct str name = tag_name(str_from(html, closes));
    const char *hidden = closes ? NULL : hidden_until(name);
    size_t len;

    if (str_starts(html, STR("<!--")))
        return past(html, STR("-->"));
    len = past(html, STR(">"));
    if (hidden) {
        len += past(str_from(html, len), str_c(hidden));
        len += past(str_from(html, len), STR(">"));
    }
    if (!is_inline(name))
        buf_add_char(into, '\n');
    return len;
}

static bool begins_tag(struct str html)
{
    char c = html.len > 1 ? html.p[1] : ' ';

    return c == '/' || c == '!' || c == '?' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

void html_text(struct str html, struct buf *into)
{
    while (html.len && into->len < into->max) {
        size_t len = 1;

        if (html.p[0] == '<' && begins_tag(html)) {
            len = take_tag(html, into);
        } else if (html.p[0] == '&') {
            len = take_entity(html, into);
        } else {
            while (len < html.len && html.p[len] != '<' && html.p[len] != '&')
                len++;
            if (len > into->max - into->len) { /* cut at a character */
                len = into->max - into->len;
                while (len && ((unsigned char)html.p[len] & 0xc0) == 0x80)
                    len--;
                buf_add(into, str_n(html.p, len));
                return;
            }
            buf_add(into, str_n(html.p, len));
        }
        html = str_from(html, len);
    }
}
