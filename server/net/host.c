/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <idn2.h>
#include <stdlib.h>

#define NAME_MAX_LEN 253 /* RFC 1035 2.3.4, as text without the final dot */
#define LABEL_MAX_LEN 63
#define INPUT_MAX 1024 /* of a name before it is turned into A-labels */

/* The literal without brackets (they belong to IPv6 only), or NULL. */
static char *literal(const char *text)
{
    size_t len = strlen(text);
    bool brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';
    char *inner = brackets ? mem_strndup(text + 1, len - 2) : mem_strdup(text);
    unsigned char address[sizeof(struct in6_addr)];

    if ((!brackets && inet_pton(AF_INET, inner, address) == 1) || inet_pton(AF_INET6, inner, address) == 1)
        return inner;
    free(inner);
    return NULL;
}

bool net_is_ip_literal(const char *text)
{
    AUTO_FREE char *inner = literal(text);

    return inner != NULL;
}

static int not_a_name(const char *hostname, const char *why, struct err *err)
{
    return err_id(err, ERR_INVALID, "config.hostname", NULL, "\"%s\" is no host name: %s.", hostname, why);
}

static bool label_char(char c) /* the underscore isn't RFC 952, but inside networks it is used */
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

static const char *label_wrong(struct str label)
{
    if (label.len == 0)
        return "a part between dots is empty";
    if (label.len > LABEL_MAX_LEN)
        return "a part between dots has more than 63 characters";
    if (label.p[0] == '-' || label.p[label.len - 1] == '-')
        return "a part begins or ends with a hyphen";
    for (size_t i = 0; i < label.len; i++)
        if (!label_char(label.p[i]))
            return "it has a character that names can't have";
    return NULL;
}

/* "127.1" and "0x7f.1" are addresses for inet_aton and so for getaddrinfo; what looks like a name must not be
 * one. */
static bool looks_like_number(struct str label)
{
    bool hex = label.len > 2 && label.p[0] == '0' && (label.p[1] | 0x20) == 'x';

    for (size_t i = hex ? 2 : 0; i < label.len; i++)
        if (!(hex ? isxdigit((unsigned char)label.p[i]) : isdigit((unsigned char)label.p[i])))
            return false;
    return true;
}

static const char *name_wrong(struct str name)
{
    struct str rest = name, label = { 0 };
    const char *wrong;

    if (name.len == 0)
        return "it is empty";
    if (name.len > NAME_MAX_LEN)
        return "it has more than 253 characters";
    if (name.p[name.len - 1] == '.')
        return "a part between dots is empty";
    while (str_split(&rest, '.', &label)) {
        wrong = label_wrong(label);
        if (wrong)
            return wrong;
    }
    return looks_like_number(label) ? "it looks like an IP address and isn't a whole one" : NULL;
}

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

/* IDNA2008 with the mapping of UTS 46, non-transitional: ß stays ß. */
static int to_a_labels(const char *hostname, char **ret, struct err *err)
{
    char *ascii = NULL;
    int rc;

    if (!str_is_utf8(str_c(hostname)))
        return not_a_name("?", "it isn't UTF-8", err);
    rc = idn2_to_ascii_8z(hostname, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc != IDN2_OK)
        return not_a_name(hostname, idn2_strerror(rc), err);
    *ret = mem_strdup(ascii);
    idn2_free(ascii);
    return 0;
}

int net_host_ascii(const char *hostname, char **ret, struct err *err)
{
    AUTO_FREE char *name = NULL;
    const char *wrong;
    size_t len = strlen(hostname);

    if (len > INPUT_MAX)
        return not_a_name("…", "it is too long", err);
    name = literal(hostname);
    if (name) {
        *ret = TAKE(name);
        return 0;
    }
    if (is_ascii(hostname))
        name = mem_strdup(hostname);
    else if (to_a_labels(hostname, &name, err) < 0)
        return -1;
    len = strlen(name);
    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
    for (char *p = name; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    wrong = name_wrong(str_c(name));
    if (wrong)
        return not_a_name(hostname, wrong, err);
    *ret = TAKE(name);
    return 0;
}
