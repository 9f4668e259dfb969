/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/uri.h - percent-encoding, authorities and addresses, as pure functions. */
#ifndef POSTERN_HTTP_URI_H
#define POSTERN_HTTP_URI_H

#include <stdbool.h>

#include "base/str.h"

/* Decodes into `into` (room for in.len + 1, may be in.p itself) and ends it with NUL. The length, or -1 for an invalid
 * escape, an encoded or plain NUL, or what isn't UTF-8 in the end. */
long uri_decode(struct str in, char *into);
/* The same for a path segment: also refuses encoded slashes and control characters. */
long uri_decode_segment(struct str in, char *into);

/* RFC 9110 7.2: host [ ":" port ]. `host` is lower case without brackets; port -1 when none is given. */
struct uri_host {
    char host[256];
    int port;
    bool literal;           /* an IP literal */
};
bool uri_host_parse(struct str text, struct uri_host *ret);

/* "scheme://authority[/rest]"; false when there is no "://" or the scheme isn't http(s). */
bool uri_split(struct str uri, struct str *scheme, struct str *authority, struct str *rest);

/* IPv6 literals in one form, "::ffff:127.0.0.1" as IPv4; false when it isn't an IP literal. Room for 46. */
bool uri_literal(const char *text, char into[48]);

#endif
