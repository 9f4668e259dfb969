/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on their way into the store: each with what makes it known, in one transaction. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/events.h"
#include "app/intake.h"
#include "app/receive.h"
#include "base/clock.h"

#define UNDER_WAY_MAX 64                        /* messages of one connection */
#define UNDER_WAY_BYTES (8 * 1024 * 1024)

struct receipt *receipt_new(struct receive *receive, bool headers_only, int64_t size)
{
    struct receipt *receipt = mem_alloc(sizeof(*receipt));

    receipt->receive = receive;
    receipt->headers_only = headers_only;
    receipt->size = size;
    spool_init(&receipt->spool, receive->station->state_dir);
    return receipt;
}

void receipt_free(struct receipt *receipt)
{
    if (receipt == NULL)
        return;
    spool_free(&receipt->spool);
    buf_free(&receipt->stripped);
    message_free(receipt->message);
    free(receipt);
}

int receipt_add(struct receipt *receipt, struct str bytes, struct err *err)
{
    return spool_add(&receipt->spool, bytes, err);
}

/* A message whose body stays on the server, whatever the policy, stays as it is there. */
static enum store_todo todo_of(const struct receipt *receipt)
{
    const struct account *account = receipt->receive->account;

    if (receipt->headers_only)
        return TODO_NOTHING;
    switch ((enum account_policy)account->delivery_policy) {
    case POLICY_DELETE:
        return TODO_DELETE;
    case POLICY_MARK_AS_READ:           /* POP3 can't mark */
        return account_transport(receipt->receive->entry->type, account) == TRANSPORT_IMAP ? TODO_SEEN : TODO_NOTHING;
    default:
        return TODO_NOTHING;
    }
}

/* ---- on the writer thread ---- */

static int tell(struct store_tx *tx, const struct message *message, struct err *err)
{
    AUTO_FREE char *resource = mem_printf("Message/%s", message->id);

    return events_add(tx, "message.received", message->account, resource,
                      json_pack("{s:s, s:s, s:s, s:s, s:I}", "id", message->id, "from", message->from ?: "", "subject",
                                message->subject ?: "", "messageId", message->message_id ?: "", "size", (json_int_t)message->size), err);
}

/* Of one that is too large the body stays on the server. */
static int tell_too_large(struct store_tx *tx, const struct receipt *receipt, struct err *err)
{
    return events_add(tx, "mailbox.messageSkipped", receipt->message->account, NULL,
                      json_pack("{s:s, s:s, s:I, s:s, s:s}", "uid", receipt->uid, "id", receipt->message->id, "size",
                                (json_int_t)receipt->size, "code", "limit.messageSize", "cause",
                                "The message is larger than Max Message Size: only its headers are here, and it stays on the server."), err);
}

static int receipt_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct receipt *receipt = ctx;
    struct receive *receive = receipt->receive;
    struct message *message = receipt->message;
    struct store_remote remote = { .uid = receipt->uid, .message_id = message->message_id, .size = receipt->size,
                                   .todo = todo_of(receipt) };
    int64_t generation = receive->mailbox.generation;
    int known;

    receipt->outcome = 0;
    if (receive_is_void(receive))
        return receive_stopped(err);
    free(message->account);
    message->account = mem_strdup(live_name(receive->live));
    known = store_remote_is_known(tx, message->account, generation, receipt->uid, err);
    if (known < 0 || (known && !receipt->again))
        return known < 0 ? -1 : 0;
    if (store_message_add(tx, message, receipt->raw, NULL, NULL, err) < 0)
        return -1;
    remote.message = message->seq;
    if ((known ? store_remote_update(tx, message->account, generation, &remote, err)
               : store_remote_add(tx, message->account, generation, &remote, err)) < 0)
        return -1;
    if (intake_relate(tx, message, err) < 0 || tell(tx, message, err) < 0 ||
        (receipt->headers_only && tell_too_large(tx, receipt, err) < 0))
        return -1;
    receipt->outcome = 1;
    live_count_received(receive->live);
    return live_store(tx, receive->live, receive->entry->type, err);
}

static void receipt_done(void *ctx, const struct err *err)
{
    struct receipt *receipt = ctx;
    struct receive *receive = receipt->receive;
    bool stored = err == NULL && receipt->outcome == 1;
    size_t bytes = receipt->spool.len;

    if (receipt->outcome == 1)
        live_received_done(receive->live, stored);
    receipt_free(receipt);
    pthread_mutex_lock(&receive->lock);
    receive->received += stored;
    if (err && !receive->failed)
        receive->err = *err;
    receive->failed |= err != NULL;
    receive->under_way--;
    receive->bytes -= bytes;
    pthread_cond_broadcast(&receive->less);
    pthread_mutex_unlock(&receive->lock);
}

/* ---- on the worker ---- */

static int first_failure(struct receive *receive, struct err *err)
{
    if (!receive->failed)
        return 0;
    if (err)
        *err = receive->err;
    return -1;
}

/* Takes a place, unless one before it failed. */
static int take_place(struct receive *receive, size_t bytes, struct err *err)
{
    int rc;

    pthread_mutex_lock(&receive->lock);
    while (receive->under_way > 0 && (receive->under_way >= UNDER_WAY_MAX || receive->bytes + bytes > UNDER_WAY_BYTES))
        pthread_cond_wait(&receive->less, &receive->lock);
    rc = first_failure(receive, err);
    if (rc == 0) {
        receive->under_way++;
        receive->bytes += bytes;
    }
    pthread_mutex_unlock(&receive->lock);
    return rc;
}

static int read_it(struct receipt *receipt, struct err *err)
{
    struct intake intake = { .headers_only = receipt->headers_only, .size = receipt->size, .received_at = clock_now() };

    if (spool_look(&receipt->spool, &intake.raw, err) < 0)
        return -1;
    if (!receipt->headers_only)
        intake.size = (int64_t)intake.raw.len;
    buf_init(&receipt->stripped, intake.raw.len + 64 * 1024);
    receipt->message = intake_message(&intake, receipt->receive->account, &receipt->stripped, &receipt->raw);
    return 0;
}

int receipt_store(struct receipt *receipt, const char *uid, struct err *err)
{
    struct receive *receive = receipt->receive;

    snprintf(receipt->uid, sizeof(receipt->uid), "%s", uid);
    if (read_it(receipt, err) < 0 || take_place(receive, receipt->spool.len, err) < 0) {
        receipt_free(receipt);
        return -1;
    }
    store_submit(receive->station->store, receipt_run, receipt_done, receipt, false);
    return 0;
}

int receive_wait(struct receive *receive, struct err *err)
{
    int rc;

    pthread_mutex_lock(&receive->lock);
    while (receive->under_way > 0)
        pthread_cond_wait(&receive->less, &receive->lock);
    rc = first_failure(receive, err);
    pthread_mutex_unlock(&receive->lock);
    return rc;
}
