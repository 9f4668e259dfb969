/* SPDX-License-Identifier: Apache-2.0 */
#include "http/head.h"

#include <string.h>

#define FIELDS_MAX 100

enum kind { ONE, LIST };

static const struct {
    struct str name;
    enum kind kind;                     /* ONE: a second is refused */
} fields[HEAD_FIELDS] = {
    [HEAD_HOST] = { { "Host", 4 }, ONE },
    [HEAD_CONTENT_LENGTH] = { { "Content-Length", 14 }, ONE },
    [HEAD_TRANSFER_ENCODING] = { { "Transfer-Encoding", 17 }, ONE },
    [HEAD_CONTENT_TYPE] = { { "Content-Type", 12 }, ONE },
    [HEAD_CONTENT_ENCODING] = { { "Content-Encoding", 16 }, LIST },
    [HEAD_AUTHORIZATION] = { { "Authorization", 13 }, ONE },
    [HEAD_COOKIE] = { { "Cookie", 6 }, ONE },
    [HEAD_ORIGIN] = { { "Origin", 6 }, ONE },
    [HEAD_SEC_FETCH_SITE] = { { "Sec-Fetch-Site", 14 }, ONE },
    [HEAD_CSRF] = { { "X-CSRF-Token", 12 }, ONE },
    [HEAD_REQUEST_ID] = { { "X-Request-Id", 12 }, ONE },
    [HEAD_EXPECT] = { { "Expect", 6 }, ONE },
    [HEAD_IF_MATCH] = { { "If-Match", 8 }, LIST },
    [HEAD_IF_NONE_MATCH] = { { "If-None-Match", 13 }, LIST },
    [HEAD_ACCEPT] = { { "Accept", 6 }, LIST },
    [HEAD_ACCEPT_ENCODING] = { { "Accept-Encoding", 15 }, LIST },
};

/* RFC 9110 5.6.2: tchar. */
static bool is_token_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        (c > 0x20 && c < 0x7f && strchr("!#$%&'*+-.^_`|~", c));
}

bool head_name_ok(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_token_char((unsigned char)name.p[i]))
            return false;
    return name.len > 0;
}

/* RFC 9110 5.5: neither line ends nor other controls, but tabs. */
bool head_value_ok(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

int head_field_of(struct str name)
{
    for (int i = 0; i < HEAD_FIELDS; i++)
        if (fields[i].name.len == name.len && (fields[i].name.p[0] | 0x20) == (name.p[0] | 0x20) &&
            str_eq_nocase(fields[i].name, name))
            return i;
    return -1;
}

void head_init(struct head *head)
{
    *head = (struct head){ .status = 0 };
}

void head_refuse(struct head *head, int status, const char *why)
{
    if (head->status == 0) {
        head->status = status;
        head->why = why;
    }
}

void head_add(struct head *head, struct str name, struct str value)
{
    int at;

    if (++head->count > FIELDS_MAX) {
        head_refuse(head, 431, "The request has too many header fields.");
        return;
    }
    if (!head_name_ok(name)) {
        head_refuse(head, 400, "A header field has a name that isn't one.");
        return;
    }
    if (!head_value_ok(value)) {
        head_refuse(head, 400, "A header field has a control character in its value.");
        return;
    }
    at = head_field_of(name);
    if (at < 0)
        return;
    if (head->field[at].p == NULL) {
        head->field[at] = str_trim(str_n(value.p ? value.p : "", value.len));
        return;
    }
    if (fields[at].kind == ONE)
        head_refuse(head, 400, "A header field is repeated that may be there only once.");
    head->repeated |= 1u << at;
}

/* RFC 9112 6.2: digits only; "5, 5" and "+5" are two readings waiting to happen. */
static bool parse_length(struct str text, uint64_t *ret)
{
    *ret = 0;
    if (text.len == 0 || text.len > 18)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        *ret = *ret * 10 + (uint64_t)(text.p[i] - '0');
    }
    return true;
}

static void check_body(struct head *head, bool old)
{
    struct str length = head->field[HEAD_CONTENT_LENGTH], coding = head->field[HEAD_TRANSFER_ENCODING];

    if (coding.p && length.p)
        head_refuse(head, 400, "Content-Length and Transfer-Encoding exclude each other.");
    if (coding.p && old)
        head_refuse(head, 400, "HTTP/1.0 has no Transfer-Encoding.");
    if (coding.p && !str_eq_nocase(coding, STR("chunked")))
        head_refuse(head, 501, "The only Transfer-Encoding known here is chunked.");
    head->chunked = coding.p != NULL;
    if (length.p && !parse_length(length, &head->length))
        head_refuse(head, 400, "Content-Length isn't a number.");
}

void head_end(struct head *head, const char *version)
{
    bool old = strcmp(version, "HTTP/1.0") == 0;

    if (!old && strcmp(version, "HTTP/1.1") != 0)
        head_refuse(head, 505, "HTTP/1.1 is spoken here.");
    check_body(head, old);
    if (head->field[HEAD_HOST].p == NULL && !old)
        head_refuse(head, 400, "The Host field is missing.");
    if (head->field[HEAD_EXPECT].p) {
        if (!str_eq_nocase(head->field[HEAD_EXPECT], STR("100-continue")))
            head_refuse(head, 417, "The only expectation known here is 100-continue.");
        head->expects = true;
    }
}

bool head_request_id_ok(struct str id)
{
    if (id.p == NULL || id.len == 0 || id.len > 64)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    return true;
}

struct str head_cookie(struct str field, struct str name)
{
    struct str pair;

    while (field.p && str_split(&field, ';', &pair)) {
        pair = str_trim(pair);
        if (pair.len > name.len && pair.p[name.len] == '=' && str_starts(pair, name))
            return str_from(pair, name.len + 1);
    }
    return (struct str){ NULL, 0 };
}

bool head_media_type(struct str field, char *into, size_t room)
{
    const char *end = field.len ? memchr(field.p, ';', field.len) : NULL;
    struct str type = str_trim(str_n(field.p, end ? (size_t)(end - field.p) : field.len));
    const char *slash = type.len ? memchr(type.p, '/', type.len) : NULL;

    if (slash == NULL || type.len >= room || !head_name_ok(str_n(type.p, (size_t)(slash - type.p))) ||
        !head_name_ok(str_from(type, (size_t)(slash - type.p) + 1)))
        return false;
    for (size_t i = 0; i < type.len; i++)
        into[i] = (char)(type.p[i] >= 'A' && type.p[i] <= 'Z' ? type.p[i] | 0x20 : type.p[i]);
    into[type.len] = '\0';
    return true;
}

/* ";q=0.5" among the parameters of an element; 1000 without, 0 when it isn't a weight. */
static int weight(struct str params)
{
    struct str param;
    int value = 0, unit = 1000;

    while (str_split(&params, ';', &param)) {
        param = str_trim(param);
        if (!str_starts_nocase(param, STR("q=")))
            continue;
        param = str_from(param, 2);
        if (param.len == 0 || param.len > 5 || (param.len > 1 && param.p[1] != '.'))
            return 0;
        for (size_t i = 0; i < param.len; i++) {
            if (i == 1)
                continue;
            if (param.p[i] < '0' || param.p[i] > '9')
                return 0;
            value += (param.p[i] - '0') * unit;
            unit /= 10;
        }
        return value > 1000 ? 1000 : value;
    }
    return 1000;
}

int head_quality(struct str field, struct str coding)
{
    struct str element, name;
    int any = 0;

    while (field.p && str_split(&field, ',', &element)) {
        if (!str_split(&element, ';', &name))
            continue;
        name = str_trim(name);
        if (str_eq_nocase(name, coding))
            return weight(element);
        if (str_eq(name, STR("*")))
            any = weight(element);
    }
    return any;
}
