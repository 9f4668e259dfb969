/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/name.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>

#define LABEL_MAX 63

static bool label_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Letters, digits, hyphens and, because it is met inside many sites, underscores. */
static bool is_host_name(struct str name)
{
    struct str rest = name, label;

    if (name.len == 0 || name.len >= NAME_TEXT_MAX || name.p[name.len - 1] == '.')
        return false;
    while (str_split(&rest, '.', &label)) {
        if (label.len == 0 || label.len > LABEL_MAX)
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!label_char(label.p[i]))
                return false;
    }
    return true;
}

static bool read_address(struct name *name, const char *text)
{
    int family = AF_INET;

    name->address_len = 4;
    if (inet_pton(AF_INET, text, name->address) != 1) {
        if (inet_pton(AF_INET6, text, name->address) != 1) {
            name->address_len = 0;
            return false;
        }
        family = AF_INET6;
        name->address_len = 16;
    }
    inet_ntop(family, name->address, name->text, sizeof(name->text));
    return true;
}

static bool is_ascii(const char *text)
{
    while (*text > 0)
        text++;
    return *text == '\0';
}

/* "[2001:db8::1]", as people write it in front of a port. */
static bool read_brackets(struct name *name, const char *text)
{
    char inner[INET6_ADDRSTRLEN];
    size_t len = strlen(text);

    if (len < 3 || len - 2 >= sizeof(inner) || text[0] != '[' || text[len - 1] != ']')
        return false;
    memcpy(inner, text + 1, len - 2);
    inner[len - 2] = '\0';
    return read_address(name, inner) && name->address_len == 16;
}

bool name_read(struct name *name, const char *text)
{
    char *ascii = NULL;
    size_t len;

    *name = (struct name){ 0 };
    if (text == NULL || read_address(name, text) || read_brackets(name, text))
        return text != NULL;
    if (!is_ascii(text)) {
        if (idn2_lookup_u8((const uint8_t *)text, (uint8_t **)&ascii,
                           IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
            return false;
        text = ascii;
    }
    len = strlen(text);
    if (len > 1 && text[len - 1] == '.')        /* "mail.example.com." is the same host */
        len--;
    if (len < sizeof(name->text))
        for (size_t i = 0; i < len; i++)
            name->text[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    if (ascii)
        idn2_free(ascii);
    return len < sizeof(name->text) && is_host_name(str_c(name->text));
}

/* `rest` of "*.rest"; false when there is no wildcard, or when it would stand in front of less than two labels. */
static bool wildcard(struct str pattern, struct str *rest)
{
    if (!str_starts(pattern, STR("*.")))
        return false;
    *rest = str_from(pattern, 2);
    return rest->len && memchr(rest->p, '.', rest->len) != NULL && memchr(rest->p, '*', rest->len) == NULL;
}

/* RFC 9525 6.3: a label at a time, ASCII letters in either case. */
static bool dns_matches(struct str pattern, struct str host)
{
    struct str rest, label;

    if (str_eq_nocase(pattern, host))
        return true;
    return wildcard(pattern, &rest) && str_split(&host, '.', &label) && label.len && str_eq_nocase(host, rest);
}

bool name_in_cert(const struct name *name, const struct der_cert *cert)
{
    struct str names;
    struct der_item item;

    if (der_alt_names(cert, SIZE_MAX, &names) != NAMES_SOME)
        return false;
    while (der_next(&names, &item)) {
        if (name->address_len) {
            if (item.tag == NAME_IP && str_eq(item.content, str_n(name->address, name->address_len)))
                return true;
        } else if (item.tag == NAME_DNS && dns_matches(item.content, str_c(name->text))) {
            return true;
        }
    }
    return false;
}

static bool is_under(struct str name, struct str suffix)
{
    if (suffix.len == 0 || str_eq_nocase(name, suffix))
        return true;
    return name.len > suffix.len && str_ends_nocase(name, suffix) && name.p[name.len - suffix.len - 1] == '.';
}

bool name_under(const struct name *name, const char *suffix)
{
    struct name other;

    if (suffix[0] == '*' && suffix[1] == '.')
        suffix++;
    if (suffix[0] == '.')
        suffix++;
    if (!name_read(&other, suffix))
        return false;
    if (name->address_len || other.address_len)
        return strcmp(name->text, other.text) == 0;
    return is_under(str_c(name->text), str_c(other.text));
}

/* RFC 5280 4.2.1.10; a leading dot, which it doesn't know for DNS names, is met and means: below, and not the
 * name itself. */
bool name_pattern_under(struct str pattern, struct str suffix)
{
    if (str_starts(pattern, STR("*.")))
        pattern = str_from(pattern, suffix.len && suffix.p[0] == '.' ? 1 : 2);
    if (suffix.len && suffix.p[0] == '.')
        return str_ends_nocase(pattern, suffix) && (pattern.len > suffix.len || pattern.p[0] == '.');
    return is_under(pattern, suffix);
}

bool name_pattern_touches(struct str pattern, struct str suffix)
{
    struct str below;

    if (name_pattern_under(pattern, suffix))
        return true;
    if (!str_starts(pattern, STR("*.")))
        return false;
    below = str_from(pattern, 1);       /* ".rest": "*.rest" covers names that an exclusion under it may forbid */
    return str_ends_nocase(suffix, below);
}
