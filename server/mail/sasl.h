/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/sasl.h - who we are, told the way the server understands best and gives away least. RFC 4422.
 *
 * Knows no protocol: SMTP, IMAP and POP3 wrap the same base64 in their own lines. Errors: auth.cleartext
 * auth.noMechanism auth.channelBinding auth.refused auth.credentials; none of them holds a secret. */
#ifndef POSTERN_MAIL_SASL_H
#define POSTERN_MAIL_SASL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "mail/security.h"

#define SASL_TEXT_MAX (32 * 1024) /* bytes of base64 in one line; RFC 4954 4 asks for 12288 */
#define SASL_ROUNDS_MAX 8         /* challenges; no mechanism here needs more than three */

struct sasl;

/* What the connection allows. */
struct sasl_channel {
    const char *hostname;
    uint16_t port;
    const char *service; /* "smtp", "imap", "pop" */
    bool encrypted;
    bool allow_cleartext;
    const char *binding; /* base64 of tls-exporter data; NULL: there is none */
};

/* The name to use, static; `offered` is what the server lists, separated by spaces. DESIGN 2.5. NULL with
 * err. */
const char *sasl_choose(const struct mail_auth *auth, const struct sasl_channel *channel, const char *offered,
                        struct err *err);

/* `*ret` belongs to the caller, and keeps its own copy of what it needs. */
int sasl_start(struct sasl **ret, const char *mechanism, const struct mail_auth *auth,
               const struct sasl_channel *channel, struct err *err);
void sasl_free(struct sasl *sasl); /* wipes; NULL is fine */
MEM_FREEP(sasl)

/* True when we speak first: sasl_step() with an empty challenge gives the initial response. */
bool sasl_is_client_first(const struct sasl *sasl);
/* Answers a challenge, both in base64 without line break; the answer may be empty. -1: give the exchange up.
 */
int sasl_step(struct sasl *sasl, struct str challenge, struct buf *answer, struct err *err);
/* True once the server has proved what the mechanism asks it to prove: only then is its "yes" worth
 * something. */
bool sasl_is_complete(const struct sasl *sasl);
/* The mechanism, a -PLUS one, bound the log-in to the channel. */
bool sasl_is_bound(const struct sasl *sasl);
/* What the server gave as the reason in the exchange itself (OAuth), cleaned; "" when nothing. */
const char *sasl_reason(const struct sasl *sasl);

#endif
