/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/framing.h - what stood between the fields of a head.
 *
 * libmicrohttpd 0.9.75 takes lines that end in a lone LF, folded lines, fields without a name, and a zero byte as the end
 * of a value; a proxy in front of us may read another request there (RFC 9112 2.2, 5.2; RFC 9110 5.5). It parses in
 * place and hands out pointers into the head, so each piece must begin where the one before lets it. Pure: no socket. */
#ifndef POSTERN_HTTP_FRAMING_H
#define POSTERN_HTTP_FRAMING_H

#include <stdbool.h>

#include "base/str.h"

struct framing {
    const char *at;                     /* where the next line should begin */
    bool broken;
};

/* `uri` as it came, but for a zero byte where its "?" was; it stood where `url` points to. */
void framing_begin(struct framing *framing, const char *method, const char *url, struct str uri, const char *version);
void framing_field(struct framing *framing, struct str name, struct str value);
/* `end` is behind the empty line. True: all is where it should be. */
bool framing_end(const struct framing *framing, const char *end);

#endif
