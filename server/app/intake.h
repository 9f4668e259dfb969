/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/intake.h - from the bytes of a message that was received to what is stored of it. DESIGN 2.3, 3. */
#ifndef POSTERN_APP_INTAKE_H
#define POSTERN_APP_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "model/account.h"
#include "model/message.h"

struct intake {
    struct str raw;             /* what came: the whole message, or its headers */
    bool headers_only;          /* larger than maxMessageSize: the rest stays on the server */
    int64_t size;               /* of the whole message: as the server says, where only the headers came */
    int64_t received_at;        /* ms */
};

/* The message to be stored: direction, state received, from, to, subject, Message-ID, date (`received_at` where it has none that
 * can be), size, whether it is an automatic reply (RFC 3834) or a delivery status notification (RFC 3464) with what that
 * says. Never fails: what can't be read is missing. The caller's, as is its account. With ignoreAttachments `*raw` (into `stripped`, else
 * intake->raw) is the message without them. Heavy (GMime): on a worker, never on the store's writer. */
struct message *intake_message(const struct intake *intake, const struct account *account, struct buf *stripped, struct str *raw);

/* In the writer's job that stored it, after store_message_add(): finds the sent message that a report speaks of, notes its id in
 * message->related, and adds the event message.bounced where the report says that it failed for somebody. Does nothing for any
 * other message. Nothing is changed of the sent one. */
struct store_tx;
int intake_relate(struct store_tx *tx, struct message *message, struct err *err);

#endif
