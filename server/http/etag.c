/* SPDX-License-Identifier: Apache-2.0 */
#include "http/etag.h"

/* Takes one entity-tag off the front; its opaque part goes to `*opaque`. False when there is none. */
static bool take_tag(struct str *rest, bool *weak, struct str *opaque)
{
    size_t len = 0;

    *weak = rest->len >= 2 && rest->p[0] == 'W' && rest->p[1] == '/';
    if (*weak)
        *rest = str_from(*rest, 2);
    if (rest->len == 0 || rest->p[0] != '"')
        return false;
    *rest = str_from(*rest, 1);
    while (len < rest->len && rest->p[len] != '"') {
        unsigned char c = (unsigned char)rest->p[len++];

        if (c < 0x21 || c == 0x7f)          /* etagc: no space, no control */
            return false;
    }
    if (len == rest->len)
        return false;
    *opaque = str_n(rest->p, len);
    *rest = str_from(*rest, len + 1);
    return true;
}

static struct str skip(struct str rest)
{
    while (rest.len > 0 && (rest.p[0] == ' ' || rest.p[0] == '\t'))
        rest = str_from(rest, 1);
    return rest;
}

static bool match(struct str list, const char *etag, bool strong)
{
    struct str rest = str_trim(list), opaque;
    bool found = false, weak;

    if (etag == NULL)
        return false;
    if (str_eq(rest, STR("*")))
        return true;
    while (rest.len > 0) {
        if (rest.p[0] == ',') {             /* RFC 9110 5.6.1.2: empty elements are passed over */
            rest = skip(str_from(rest, 1));
            continue;
        }
        if (!take_tag(&rest, &weak, &opaque))
            return false;
        rest = skip(rest);
        if (rest.len > 0 && rest.p[0] != ',')
            return false;
        found = found || (!(strong && weak) && str_eq(opaque, str_c(etag)));
    }
    return found;
}

bool etag_match_strong(struct str list, const char *etag)
{
    return match(list, etag, true);
}

bool etag_match_weak(struct str list, const char *etag)
{
    return match(list, etag, false);
}

bool etag_may_write(struct str if_match, struct str if_none_match, const char *etag)
{
    if (if_match.p && !etag_match_strong(if_match, etag))
        return false;
    return !(if_none_match.p && etag_match_weak(if_none_match, etag));
}
