/* SPDX-License-Identifier: Apache-2.0 */
#include "http/framing.h"

#include <string.h>

#define LINE_END 2                      /* CR LF */

/* RFC 9112 3: one space between method, target and version; none in the target. */
void framing_begin(struct framing *framing, const char *method, const char *url, struct str uri, const char *version)
{
    const char *target = method + strlen(method) + 1;

    framing->broken = url != target || version != target + uri.len + 1;
    for (size_t i = 0; i < uri.len; i++) {
        unsigned char c = (unsigned char)uri.p[i];

        framing->broken = framing->broken || (c > 0 && c <= ' ') || c == 0x7f;
    }
    framing->at = version + strlen(version) + LINE_END;
}

/* The colon is a zero byte now; between it and the value there may be spaces and tabs. */
void framing_field(struct framing *framing, struct str name, struct str value)
{
    if (framing->broken || name.p != framing->at || value.p <= name.p + name.len) {
        framing->broken = true;
        return;
    }
    for (const char *p = name.p + name.len + 1; p < value.p; p++)
        framing->broken = framing->broken || (*p != ' ' && *p != '\t');
    framing->at = value.p + value.len + LINE_END;
}

bool framing_end(const struct framing *framing, const char *end)
{
    return !framing->broken && framing->at + LINE_END == end;
}
