/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/head.h - the head of a request, judged: what would let two readers see two different requests is refused.
 *
 * libmicrohttpd takes the first of repeated Content-Length, Transfer-Encoding or Host fields and goes on; a proxy in
 * front of us may take the last. So every field passes here (RFC 9112 3.2, 5, 6.1, 6.3). Pure: no socket. */
#ifndef POSTERN_HTTP_HEAD_H
#define POSTERN_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum head_field {
    HEAD_HOST, HEAD_CONTENT_LENGTH, HEAD_TRANSFER_ENCODING, HEAD_CONTENT_TYPE, HEAD_CONTENT_ENCODING,
    HEAD_AUTHORIZATION, HEAD_COOKIE, HEAD_ORIGIN, HEAD_SEC_FETCH_SITE, HEAD_CSRF, HEAD_REQUEST_ID, HEAD_EXPECT,
    HEAD_IF_MATCH, HEAD_IF_NONE_MATCH, HEAD_ACCEPT, HEAD_ACCEPT_ENCODING,
    HEAD_FIELDS
};

struct head {
    struct str field[HEAD_FIELDS];      /* .p NULL: absent */
    unsigned repeated;                  /* bit 1 << field: a list came in several fields; only the first is here */
    unsigned count;
    uint64_t length;                    /* of the body, when there is no chunked */
    bool chunked;
    bool expects;                       /* waits for 100 Continue */
    int status;                         /* 0: fine so far; else what to refuse it with */
    const char *why;
};

void head_init(struct head *head);
void head_add(struct head *head, struct str name, struct str value);
/* After the last field; sets status and why. */
void head_end(struct head *head, const char *version);
/* For what others see; the first reason counts. `why` stays. */
void head_refuse(struct head *head, int status, const char *why);
/* Index of a known field by its name in any case, or -1. */
int head_field_of(struct str name);

/* A request id that may go into our logs and answers: 1 to 64 of A-Z a-z 0-9 . _ - */
bool head_request_id_ok(struct str id);
/* RFC 6265 5.4: the value of a cookie in a Cookie field; .p NULL when it isn't there. */
struct str head_cookie(struct str field, struct str name);
/* RFC 9110 8.3.1: type/subtype in lower case without parameters; false when it isn't one, or too long. */
bool head_media_type(struct str field, char *into, size_t room);
/* RFC 9110 12.5.3: how much an Accept-Encoding wants a coding, in thousandths; 0: not at all. */
int head_quality(struct str field, struct str coding);
/* Is a name or value fit to go into an answer's head? */
bool head_name_ok(struct str name);
bool head_value_ok(struct str value);

#endif
