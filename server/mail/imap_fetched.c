/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/imap_fetched.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"

/* ---- values ----------------------------------------------------------------------------------------- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int month_of(struct str name)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    for (int month = 0; month < 12; month++)
        if (str_eq_nocase(name, str_n(names + 3 * month, 3)))
            return month + 1;
    return 0;
}

/* Into RFC 3339, which knows what a date is. */
bool imap_date(struct str text, int64_t *ret)
{
    static const char form[] = "99-aaa-9999 99:99:99 +9999";
    const char *p = text.p;
    char date[CLOCK_TEXT_MAX + 8];

    if (text.len != sizeof(form) - 1)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (form[i] == '9' ? !is_digit(p[i]) && !(i == 0 && p[i] == ' ')
            : form[i] == 'a' ? false
            : form[i] == '+' ? p[i] != '+' && p[i] != '-'
                             : p[i] != form[i])
            return false;
    snprintf(date, sizeof(date), "%.4s-%02d-%c%cT%.8s%.3s:%.2s", p + 7, month_of(str_n(p + 3, 3)),
             p[0] == ' ' ? '0' : p[0], p[1], p + 12, p + 21, p + 24);
    return clock_parse(str_c(date), ret);
}

bool imap_message_id(struct str header, char into[IMAP_MESSAGE_ID_MAX + 1])
{
    const char *start = header.len ? memchr(header.p, '<', header.len) : NULL;
    const char *end = start ? memchr(start, '>', header.len - (size_t)(start - header.p)) : NULL;
    size_t used = 0;

    into[0] = '\0';
    if (end == NULL)
        return false;
    for (const char *p = start; p <= end && used <= IMAP_MESSAGE_ID_MAX; p++)
        if (*p != ' ' && *p != '\t' && *p != '\r' && *p != '\n')
            into[used++] = *p;
    if (used > IMAP_MESSAGE_ID_MAX)
        used = 0;
    into[used] = '\0';
    if (used > 2 && !str_has_control(str_n(into, used)) && str_is_utf8(str_n(into, used)))
        return true;
    into[0] = '\0';
    return false;
}

static bool read_number(struct str text, int64_t max, uint64_t *ret)
{
    int64_t number;

    if (text.len == 0 || !is_digit(text.p[0]) || !str_to_int(text, &number) || number > max)
        return false;
    *ret = (uint64_t)number;
    return true;
}

/* ---- the response ----------------------------------------------------------------------------------- */

/* The list of a FETCH, or NULL. */
static const struct imap_node *items_of(const struct imap_parser *p)
{
    const struct imap_node *list = imap_first(p);

    if (p->type != IMAP_UNTAGGED || !p->has_number || strcmp(p->name, "FETCH") != 0)
        return NULL;
    return list && list->kind == IMAP_LIST ? list : NULL;
}

static bool is_named(const struct imap_parser *p, const struct imap_node *name, const char *word)
{
    return name->kind == IMAP_ATOM && str_eq_nocase(imap_node_str(p, name), str_c(word));
}

static int read_uid(const struct imap_parser *p, const struct imap_node *value, uint32_t *uid)
{
    uint64_t number;

    if (value->kind != IMAP_ATOM || !read_number(imap_node_str(p, value), UINT32_MAX, &number) ||
        number == 0 || (*uid && *uid != number))
        return -1;
    *uid = (uint32_t)number;
    return 0;
}

static int read_flags(const struct imap_parser *p, const struct imap_node *value, struct imap_fetched *ret)
{
    if (value->kind != IMAP_LIST)
        return -1;
    ret->has_flags = true;
    for (const struct imap_node *flag = imap_child(p, value); flag; flag = imap_next(p, flag)) {
        ret->seen |= is_named(p, flag, "\\Seen");
        ret->deleted |= is_named(p, flag, "\\Deleted");
    }
    return 0;
}

static int read_body(const struct imap_parser *p, const struct imap_node *value, struct imap_fetched *ret)
{
    if (ret->body != IMAP_BODY_NONE)
        return -1;
    ret->text = imap_node_str(p, value);
    if (value->kind == IMAP_STREAMED)
        ret->body = IMAP_BODY_STREAMED;
    else if (value->kind == IMAP_STRING)
        ret->body = IMAP_BODY_TEXT;
    else if (is_named(p, value, "NIL"))
        ret->body = IMAP_BODY_NIL;
    return ret->body == IMAP_BODY_NONE ? -1 : 0;
}

/* One name and its value; what we don't know is left alone. */
static int read_item(const struct imap_parser *p, const struct imap_node *name, const struct imap_node *value,
                     const char *body, struct imap_fetched *ret)
{
    struct str text = imap_node_str(p, value);

    if (name->kind != IMAP_ATOM)
        return -1;
    if (is_named(p, name, body))
        return read_body(p, value, ret);
    if (value->kind == IMAP_STREAMED)
        return -1;
    if (is_named(p, name, "UID"))
        return read_uid(p, value, &ret->uid);
    if (is_named(p, name, "FLAGS"))
        return read_flags(p, value, ret);
    if (is_named(p, name, "RFC822.SIZE"))
        ret->has_size = read_number(text, INT64_MAX, &ret->size);
    else if (is_named(p, name, "INTERNALDATE") && !imap_date(text, &ret->date))
        ret->date = 0;
    else if (str_starts_nocase(imap_node_str(p, name), STR("BODY[HEADER.FIELDS")))
        imap_message_id(text, ret->message_id);
    return 0;
}

int imap_fetched_read(const struct imap_parser *p, const char *body, struct imap_fetched *ret)
{
    const struct imap_node *list = items_of(p), *name, *value;

    *ret = (struct imap_fetched){ .text = STR("") };
    if (list == NULL || p->number == 0)
        return strcmp(p->name, "FETCH") == 0 && p->type == IMAP_UNTAGGED ? -1 : 0;
    if (imap_next(p, list))
        return -1;
    for (name = imap_child(p, list); name; name = imap_next(p, value)) {
        value = imap_next(p, name);
        if (value == NULL || read_item(p, name, value, body, ret) < 0)
            return -1;
    }
    return 1;
}

bool imap_body_follows(const struct imap_parser *p, const char *body, uint32_t *uid)
{
    const struct imap_node *list = items_of(p), *name, *value;

    *uid = 0;
    if (list == NULL || p->depth != 1)
        return false;
    for (name = imap_child(p, list); name; name = imap_next(p, value)) {
        value = imap_next(p, name);
        if (value == NULL)
            return is_named(p, name, body);
        if (is_named(p, name, "UID") && read_uid(p, value, uid) < 0)
            return false;
    }
    return false;
}
