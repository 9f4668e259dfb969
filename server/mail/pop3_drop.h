/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/pop3_drop.h - what is done in the maildrop of an open session: list, fetch, delete. RFC 1939, 2449.
 *
 * A maildrop doesn't change during a session. Errors are those of mail/pop3.h with `at` "pop3." and uidl list retr top dele
 * quit; after one, pop3_is_broken() says whether the session can still be used. */
#ifndef POSTERN_MAIL_POP3_DROP_H
#define POSTERN_MAIL_POP3_DROP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "mail/pop3.h"

#define POP3_UID_MAX 70           /* characters 0x21 to 0x7e, RFC 1939 7 */
#define POP3_MESSAGES_MAX 1000000 /* in one maildrop; more is protocol.lineTooLong */

bool pop3_is_broken(const struct pop3_session *pop3);

struct pop3_item {
    uint32_t number;
    uint64_t size;             /* as the server says */
    char uid[POP3_UID_MAX + 1]; /* "": the server has no UIDL */
};
/* LIST and UIDL joined (in one flight where PIPELINING is offered), ascending by number; the caller frees. Two messages of one
 * UID are copies of one when they have one size (RFC 1939 7 allows that): the first stays, the others are left out. Of different
 * sizes, or with a UID too long or with other characters, or none while others have one, or a number that LIST doesn't have:
 * protocol.unexpected. */
int pop3_list(struct pop3_session *pop3, struct pop3_item **items, size_t *count, struct err *err);

/* The message, dots unstuffed, CRLF kept, piece by piece to data(), which may answer -1 with err: the connection is then
 * broken, for the rest is on its way. RETR, or TOP n 0 with `headers_only` (protocol.refused when the server has no TOP; the
 * session stays).
 * More than `max` bytes: ERR_TOO_LARGE limit.messageSize, and the connection broken. */
typedef int pop3_data(void *ctx, struct str bytes, struct err *err);
int pop3_fetch(struct pop3_session *pop3, uint32_t number, bool headers_only, uint64_t max, pop3_data *data, void *ctx,
               struct err *err);
int pop3_delete(struct pop3_session *pop3, uint32_t number, struct err *err); /* DELE: done at QUIT */
/* QUIT, with its answer awaited as any other's: 0 once the server says that it has deleted (RFC 1939 6). */
int pop3_commit(struct pop3_session *pop3, struct err *err);

#endif
