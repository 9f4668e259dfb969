/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/der.h"

/* X.690 8.1.3: definite lengths in their shortest form. */
static bool length_at(struct str bytes, size_t *at, size_t *length)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    size_t octets;

    if (*at >= bytes.len)
        return false;
    *length = p[(*at)++];
    if (*length < 0x80)
        return true;

    octets = *length & 0x7f;
    if (octets == 0 || octets > 4 || bytes.len - *at < octets || p[*at] == 0)
        return false;
    *length = 0;
    while (octets--)
        *length = *length << 8 | p[(*at)++];
    return *length >= 0x80;
}

bool der_next(struct str *rest, struct der_item *item)
{
    size_t at = 1, length;

    if (rest->len < 2 || ((uint8_t)rest->p[0] & 0x1f) == 0x1f)
        return false;
    item->tag = (uint8_t)rest->p[0];
    if (!length_at(*rest, &at, &length) || rest->len - at < length)
        return false;

    item->content = str_n(rest->p + at, length);
    item->whole = str_n(rest->p, at + length);
    *rest = str_from(*rest, at + length);
    return true;
}

bool der_next_is(struct str *rest, unsigned tag, struct der_item *item)
{
    return der_next(rest, item) && item->tag == tag;
}

bool der_is_one(struct str bytes)
{
    struct der_item item;

    return der_next_is(&bytes, DER_SEQUENCE, &item) && bytes.len == 0;
}

static bool tbs_parts(struct str tbs, struct der_cert *cert)
{
    struct der_item item;
    struct str rest = tbs;

    if (!der_next(&rest, &item))
        return false;
    if (item.tag == (DER_CONTEXT | DER_CONSTRUCTED | 0) && !der_next(&rest, &item))     /* version */
        return false;
    if (item.tag != DER_INTEGER || !der_next_is(&rest, DER_SEQUENCE, &item))             /* serial, algorithm */
        return false;
    if (!der_next_is(&rest, DER_SEQUENCE, &item))
        return false;
    cert->issuer = item.whole;
    if (!der_next_is(&rest, DER_SEQUENCE, &item) || !der_next_is(&rest, DER_SEQUENCE, &item))    /* validity */
        return false;
    cert->subject = item.whole;
    if (!der_next_is(&rest, DER_SEQUENCE, &item))
        return false;
    cert->spki = item.whole;

    while (der_next(&rest, &item))
        if (item.tag == (DER_CONTEXT | DER_CONSTRUCTED | 3)) {
            struct str inner = item.content;

            if (!der_next_is(&inner, DER_SEQUENCE, &item) || inner.len)
                return false;
            cert->extensions = item.content;
        }
    return rest.len == 0;
}

bool der_cert(struct str der, struct der_cert *cert)
{
    struct der_item outer, tbs;
    struct str rest = der, inner;

    *cert = (struct der_cert){ 0 };
    if (!der_next_is(&rest, DER_SEQUENCE, &outer) || rest.len)
        return false;
    inner = outer.content;
    if (!der_next_is(&inner, DER_SEQUENCE, &tbs))
        return false;
    cert->tbs = tbs.whole;
    if (!der_next_is(&inner, DER_SEQUENCE, &outer))
        return false;
    cert->algorithm = outer.content;
    return tbs_parts(tbs.content, cert);
}

bool der_extension(const struct der_cert *cert, struct str oid, struct str *value)
{
    struct str rest = cert->extensions;
    struct der_item extension, item;

    while (der_next_is(&rest, DER_SEQUENCE, &extension)) {
        struct str inner = extension.content;

        if (!der_next_is(&inner, DER_OID, &item) || !str_eq(item.content, oid))
            continue;
        if (!der_next(&inner, &item) || (item.tag == DER_BOOLEAN && !der_next(&inner, &item)))
            return false;
        *value = item.content;
        return item.tag == 0x04;
    }
    return false;
}

/* A NUL ends a name for a careless reader: "mail.example.com\0.evil.example" must never be taken for the former. */
static bool name_ok(const struct der_item *name)
{
    switch (name->tag) {
    case NAME_IP:
        return name->content.len == 4 || name->content.len == 16;
    case NAME_DNS: case NAME_EMAIL: case NAME_URI:
        return memchr(name->content.p, 0, name->content.len) == NULL;
    default:
        return true;
    }
}

enum der_names der_alt_names(const struct der_cert *cert, size_t max, struct str *names)
{
    struct str value, rest;
    struct der_item item;
    size_t count = 0;

    if (!der_extension(cert, STR("\x55\x1d\x11"), &value))
        return NAMES_NONE;
    if (!der_next_is(&value, DER_SEQUENCE, &item) || value.len || item.content.len == 0)
        return NAMES_MALFORMED;
    *names = rest = item.content;
    while (der_next(&rest, &item))
        if (!name_ok(&item) || ++count > max)
            return NAMES_MALFORMED;
    return rest.len ? NAMES_MALFORMED : NAMES_SOME;
}
