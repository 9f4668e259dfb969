/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/constraint.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "trust/cert.h"
#include "trust/name.h"

#define TEXT_MAX 4096
#define SUBTREES_MAX 500                /* times TRUST_SANS_MAX comparisons at most */

enum { PERMITTED = DER_CONTEXT | DER_CONSTRUCTED | 0, EXCLUDED = DER_CONTEXT | DER_CONSTRUCTED | 1 };

/* The two lists of GeneralSubtrees; false when the extension is there and can't be read. */
static bool read_constraints(const struct der_cert *cert, struct str *permitted, struct str *excluded)
{
    struct str value, rest;
    struct der_item item;

    *permitted = *excluded = STR("");
    if (!der_extension(cert, STR("\x55\x1d\x1e"), &value))
        return true;
    if (!der_next_is(&value, DER_SEQUENCE, &item) || value.len)
        return false;
    rest = item.content;
    while (der_next(&rest, &item)) {
        if (item.tag != PERMITTED && item.tag != EXCLUDED)
            return false;
        *(item.tag == PERMITTED ? permitted : excluded) = item.content;
    }
    return rest.len == 0;
}

/* One GeneralSubtree's base; minimum and maximum are never used (RFC 5280: 0 and absent), so their presence
 * is refused. */
static bool next_base(struct str *subtrees, struct der_item *base)
{
    struct der_item subtree;
    struct str inner;

    if (!der_next_is(subtrees, DER_SEQUENCE, &subtree))
        return false;
    inner = subtree.content;
    return der_next(&inner, base) && inner.len == 0;
}

static bool address_under(struct str address, struct str base)
{
    if (base.len != 2 * address.len)
        return false;
    for (size_t i = 0; i < address.len; i++)
        if ((address.p[i] ^ base.p[i]) & base.p[address.len + i])
            return false;
    return true;
}

/* One attribute of an RDN: same type, same text in any of the string types and cases. */
static bool rdn_equal(struct str a, struct str b)
{
    struct der_item a_set, b_set, x, y;

    while (der_next(&a, &a_set) && der_next(&b, &b_set)) {
        struct str p = a_set.content, q = b_set.content;

        if (!der_next_is(&p, DER_OID, &x) || !der_next_is(&q, DER_OID, &y) || !str_eq(x.content, y.content))
            return false;
        if (!der_next(&p, &x) || !der_next(&q, &y) || !str_eq_nocase(x.content, y.content))
            return false;
    }
    return a.len == 0 && b.len == 0;
}

/* Does the Name begin with the RDNs of `base`? */
static bool directory_under(struct str name, struct str base)
{
    struct der_item item, other;

    if (!der_next_is(&name, DER_SEQUENCE, &item) || !der_next_is(&base, DER_SEQUENCE, &other))
        return false;
    name = item.content;
    base = other.content;
    while (der_next(&base, &other))
        if (!der_next(&name, &item) || !rdn_equal(item.content, other.content))
            return false;
    return base.len == 0;
}

static bool email_under(struct str email, struct str base)
{
    const char *at = memchr(email.p, '@', email.len);
    struct str host = at ? str_from(email, (size_t)(at - email.p) + 1) : email;

    if (memchr(base.p, '@', base.len))
        return str_eq_nocase(email, base);
    return base.len && base.p[0] == '.' ? str_ends_nocase(host, base) : str_eq_nocase(host, base);
}

/* Both of the same kind. What can't be compared is taken as forbidden: not under a permitted one, touching an
 * excluded one. */
static bool compare(const struct der_item *name, struct str base, bool excluded)
{
    switch (name->tag) {
    case NAME_DNS:
        return excluded ? name_pattern_touches(name->content, base) : name_pattern_under(name->content, base);
    case NAME_IP:
        return base.len == 8 || base.len == 32 ? address_under(name->content, base) : excluded;
    case NAME_DIRECTORY:
        return directory_under(name->content, base);
    case NAME_EMAIL:
        return email_under(name->content, base);
    default:
        return excluded;
    }
}

/* 1: under one of them, 0: not, -1: no subtree speaks of this kind of name, or the list can't be read (`*bad`). */
static int in_subtrees(const struct der_item *name, struct str subtrees, bool excluded, bool *bad)
{
    struct der_item base;
    int found = -1;

    for (size_t count = 0; subtrees.len; count++) {
        if (count == SUBTREES_MAX || !next_base(&subtrees, &base)) {
            *bad = true;
            return -1;
        }
        if (base.tag != name->tag)
            continue;
        if (compare(name, base.content, excluded))
            return 1;
        found = 0;
    }
    return found;
}

static bool name_allowed(const struct der_item *name, struct str permitted, struct str excluded)
{
    bool bad = false;

    return in_subtrees(name, excluded, true, &bad) != 1 && in_subtrees(name, permitted, false, &bad) != 0 && !bad;
}

bool constraint_allows(const struct der_cert *issuer, const struct der_cert *cert)
{
    struct der_item subject = { NAME_DIRECTORY, cert->subject, cert->subject }, name;
    struct str permitted, excluded, names;

    if (!read_constraints(issuer, &permitted, &excluded))
        return false;
    if (permitted.len == 0 && excluded.len == 0)
        return true;
    if (cert->subject.len > 2 && !name_allowed(&subject, permitted, excluded))
        return false;
    if (der_alt_names(cert, TRUST_SANS_MAX, &names) != NAMES_SOME)
        return true;
    while (der_next(&names, &name))
        if (!name_allowed(&name, permitted, excluded))
            return false;
    return true;
}

static void add_network(struct buf *text, struct str base)
{
    char address[INET6_ADDRSTRLEN];
    size_t half = base.len / 2, bits = 0;

    if (base.len != 8 && base.len != 32)
        return;
    inet_ntop(half == 4 ? AF_INET : AF_INET6, base.p, address, sizeof(address));
    while (bits < 8 * half && ((uint8_t)base.p[half + bits / 8] & 0x80 >> bits % 8))
        bits++;
    buf_addf(text, "ip %s/%zu", address, bits);
}

static void add_base(struct buf *text, const struct der_item *base)
{
    bool plain = !str_has_control(base->content) && str_is_utf8(base->content) && base->content.len <= NAME_TEXT_MAX;
    const char *kind = base->tag == NAME_DNS     ? "dns"
                       : base->tag == NAME_EMAIL ? "email"
                       : base->tag == NAME_URI   ? "uri"
                                                 : NULL;

    if (base->tag == NAME_IP)
        add_network(text, base->content);
    else if (kind)
        buf_addf(text, "%s %.*s", kind, plain ? (int)base->content.len : 1, plain ? base->content.p : "?");
    else
        buf_add_c(text, base->tag == NAME_DIRECTORY ? "a directory name" : "another kind of name");
}

static void add_subtrees(struct buf *text, const char *what, struct str subtrees)
{
    struct der_item base;

    while (subtrees.len && next_base(&subtrees, &base)) {
        if (text->len > TEXT_MAX - 2 * NAME_TEXT_MAX) {
            buf_add_c(text, "; and more");
            return;
        }
        buf_addf(text, "%s%s ", text->len ? "; " : "", what);
        add_base(text, &base);
    }
}

char *constraint_text(const struct der_cert *cert)
{
    struct str permitted, excluded;
    AUTO_BUF(text, TEXT_MAX);

    if (!read_constraints(cert, &permitted, &excluded))
        return mem_strdup("unreadable");
    add_subtrees(&text, "permitted", permitted);
    add_subtrees(&text, "excluded", excluded);
    return buf_take(&text);
}
