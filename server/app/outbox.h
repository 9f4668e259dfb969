/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/outbox.h - takes messages into the queue and lets people steer them there. DESIGN 3.
 *
 * Accepted means durable: done() is called after the commit. Everything here may be called from an HTTP thread. */
#ifndef POSTERN_APP_OUTBOX_H
#define POSTERN_APP_OUTBOX_H

#include "app/station.h"
#include "base/buf.h"
#include "model/message.h"

struct store_tx;

struct outbox_post {
    struct station *station;
    struct entry *account;              /* held; an OutgoingAccount */
    struct message *message;            /* owned: recipients, headers for lists, size */
    struct buf raw;                     /* owned: the bytes to send */
    char *idempotency_key;              /* owned, or NULL */
    char *user;                         /* owned */
    uint8_t digest[32];                 /* of the request's body, for the key */
    /* Once, on the writer thread. `message` is the stored one, or that of the first request with this key. */
    void (*done)(struct outbox_post *post, const struct message *message, bool repeated, const struct err *err);
    void *ctx;
};

/* Fills post->digest: other parts, or the same ones divided otherwise, are another request. */
void outbox_digest(struct outbox_post *post, const struct str *parts, size_t count);
void outbox_submit(struct outbox_post *post);           /* takes `post`, which was made by mem_alloc */
/* The limits that need no store: size, disabled account. */
int outbox_check(struct station *station, const struct entry *account, int64_t size, struct err *err);

enum outbox_action { OUTBOX_CANCEL, OUTBOX_RETRY, OUTBOX_HOLD, OUTBOX_RELEASE, OUTBOX_ACKNOWLEDGE };
bool outbox_action_named(const char *name, enum outbox_action *ret);

struct outbox_act {
    struct station *station;
    enum outbox_action action;
    char id[MESSAGE_ID_LEN + 1];
    struct actor actor;                 /* the strings stay the caller's until done() */
    struct message *message;            /* the message after it */
    void (*done)(struct outbox_act *act, const struct err *err);
    void *ctx;
};
void outbox_act(struct outbox_act *act);                /* takes `act` */

/* store_message_move(), with events for what is canceled or held by it, or waits again after a hold. */
int outbox_move(struct store_tx *tx, const char *account, enum message_state from, enum message_state to, int64_t at,
                bool limit_only, int64_t *changed, struct err *err);

/* Sets queueSize to what the store counts, and tells the sender when the next message is due. */
void outbox_recount(struct station *station, const char *account);

enum outbox_bulk { OUTBOX_FLUSH, OUTBOX_CLEAR, OUTBOX_RESET_SENT, OUTBOX_PAUSE, OUTBOX_RESUME };
struct outbox_all {
    struct station *station;
    enum outbox_bulk what;
    struct entry *account;              /* held */
    struct actor actor;                 /* the strings stay the caller's until done() */
    int64_t changed;
    void (*done)(struct outbox_all *all, const struct err *err);
    void *ctx;
};
void outbox_all(struct outbox_all *all);                /* takes `all` */

#endif
