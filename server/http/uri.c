/* SPDX-License-Identifier: Apache-2.0 */
#include "http/uri.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* RFC 3986 2.1. */
static long decode(struct str in, char *into, bool segment)
{
    size_t len = 0;
    bool plain = true;

    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.p[i];

        if (c == '%') {
            int high = in.len - i > 2 ? hex(in.p[i + 1]) : -1;
            int low = high >= 0 ? hex(in.p[i + 2]) : -1;

            if (low < 0)
                return -1;
            c = (unsigned char)(high << 4 | low);
            i += 2;
            if (segment && c == '/')
                return -1;
        }
        if (c == '\0' || (segment && (c < 0x20 || c == 0x7f)))
            return -1;
        plain = plain && c < 0x80;
        into[len++] = (char)c;
    }
    into[len] = '\0';
    return plain || str_is_utf8(str_n(into, len)) ? (long)len : -1;
}

long uri_decode(struct str in, char *into)
{
    return decode(in, into, false);
}

long uri_decode_segment(struct str in, char *into)
{
    return decode(in, into, true);
}

bool uri_literal(const char *text, char into[48])
{
    struct in6_addr six;
    struct in_addr four;

    if (inet_pton(AF_INET, text, &four) == 1)
        return inet_ntop(AF_INET, &four, into, 48) != NULL;
    if (inet_pton(AF_INET6, text, &six) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&six))
        return inet_ntop(AF_INET, &six.s6_addr[12], into, 48) != NULL;
    return inet_ntop(AF_INET6, &six, into, 48) != NULL;
}

static bool parse_port(struct str text, int *port)
{
    int64_t value;

    *port = -1;
    if (text.len == 0)                      /* RFC 3986 3.2.3: "host:" is the default port */
        return true;
    if (text.len > 5 || text.p[0] == '+' || text.p[0] == '-' || !str_to_int(text, &value) || value > 65535)
        return false;
    *port = (int)value;
    return true;
}

/* Letters, digits and what names have; no escapes, no user information. */
static bool copy_name(struct str name, char into[256])
{
    if (name.len == 0 || name.len > 253 || name.p[0] == '.' || memmem(name.p, name.len, "..", 2))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'))
            return false;
        into[i] = c;
    }
    into[name.len] = '\0';
    if (into[name.len - 1] == '.')                  /* "localhost." is the same host */
        into[name.len - 1] = '\0';
    return true;
}

bool uri_host_parse(struct str text, struct uri_host *ret)
{
    const char *end;
    struct str host = text, port = STR("");
    char literal[48];

    *ret = (struct uri_host){ .port = -1 };
    if (text.len == 0)
        return false;
    if (text.p[0] == '[') {
        end = memchr(text.p, ']', text.len);
        if (end == NULL || end - text.p > 46)
            return false;
        memcpy(ret->host, text.p + 1, (size_t)(end - text.p) - 1);
        port = str_from(text, (size_t)(end - text.p) + 1);
        if (port.len > 0 && port.p[0] != ':')
            return false;
        if (strlen(ret->host) != (size_t)(end - text.p) - 1 || strchr(ret->host, ':') == NULL ||
            !uri_literal(ret->host, literal))
            return false;
        memcpy(ret->host, literal, sizeof(literal));
        ret->literal = true;
    } else {
        end = memchr(text.p, ':', text.len);
        if (end) {
            host = str_n(text.p, (size_t)(end - text.p));
            port = str_from(text, host.len);
        }
        if (!copy_name(host, ret->host))
            return false;
        ret->literal = uri_literal(ret->host, literal);
    }
    return parse_port(str_from(port, port.len > 0), &ret->port);
}

bool uri_split(struct str uri, struct str *scheme, struct str *authority, struct str *rest)
{
    const char *slash;

    if (str_starts_nocase(uri, STR("http://")))
        *scheme = STR("http");
    else if (str_starts_nocase(uri, STR("https://")))
        *scheme = STR("https");
    else
        return false;
    uri = str_from(uri, scheme->len + 3);
    slash = uri.len ? memchr(uri.p, '/', uri.len) : NULL;
    *authority = str_n(uri.p, slash ? (size_t)(slash - uri.p) : uri.len);
    *rest = str_from(uri, authority->len);
    return authority->len > 0;
}
