/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/etag.h - lists of entity tags (RFC 9110 8.8.3, 13.1). Pure. */
#ifndef POSTERN_HTTP_ETAG_H
#define POSTERN_HTTP_ETAG_H

#include <stdbool.h>

#include "base/str.h"

/* `list` is the value of If-Match or If-None-Match, `etag` what is there: without quotes, strong; NULL when nothing
 * is. True when one of the list is it, or the list is "*" and there is something. A malformed list matches nothing:
 * a write under If-Match is refused then, and a reader gets the whole. */
bool etag_match_strong(struct str list, const char *etag);     /* "W/" never matches */
bool etag_match_weak(struct str list, const char *etag);       /* "W/" is overlooked */

/* The value of both headers of a write; .p NULL when absent. */
bool etag_may_write(struct str if_match, struct str if_none_match, const char *etag);

#endif
