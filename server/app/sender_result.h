/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/sender_result.h - what the server said, written to the message: the sender's bookkeeping. */
#ifndef POSTERN_APP_SENDER_RESULT_H
#define POSTERN_APP_SENDER_RESULT_H

#include "app/live.h"
#include "app/station.h"
#include "base/buf.h"
#include "mail/smtp.h"
#include "model/message.h"

/* The recipients of a message that still wait, as the session wants them. */
struct result_envelope {
    struct smtp_envelope smtp;
    struct smtp_recipient *recipients;
    struct smtp_result *results;
    size_t *places;                     /* index of each in message->recipients */
};
void result_envelope_init(struct result_envelope *envelope, const struct message *message);
void result_envelope_free(struct result_envelope *envelope);
int  result_read_raw(struct station *station, const struct message *message, struct buf *raw, struct err *err);

/* A result on its way to the disk. */
struct result_commit;
/* Applies the results to `message`, counts, and submits the write. */
struct result_commit *result_commit(struct station *station, const struct entry *entry, struct live *live,
                                    struct message *message, const struct result_envelope *envelope,
                                    enum smtp_outcome outcome, const struct err *err);
/* Writes it back as uncertain, unsent. */
struct result_commit *result_commit_leave(struct station *station, const struct entry *entry, struct live *live,
                                          struct message *message);
/* Waits for the disk: 0 and it is freed; -1 and it is still the caller's, to be settled. */
int result_commit_wait(struct result_commit *commit, struct err *err);
/* Writes it again until it is written, so that a disk that is full or failing for a while makes no message go out twice; frees it.
 * Gives up only when Postern stops. NULL is fine. */
void result_commit_settle(struct station *station, struct result_commit *commit);

/* Exposed for the tests: pure. */
void result_apply(struct message *message, const struct result_envelope *envelope, enum smtp_outcome outcome,
                  const struct err *err, const struct account *account, int64_t now);

/* Claimed and not begun: back as they were. Tried until it succeeds or Postern stops. */
void result_return(struct station *station, struct live *live, struct message *const *messages, size_t count);
/* Its delivery is uncertain, and the account is atMostOnce by now: it is left to a person. */
bool result_is_for_person(const struct message *message, const struct account *account);
/* The account could not be used: due messages become deferred until then with the cause. Overdue ones fail where it is the server
 * that could not be reached; what is wrong with the account's settings or a certificate never costs a message. */
void result_defer_due(struct station *station, const struct entry *entry, struct live *live, int64_t until,
                      const struct err *err);
/* The day's limit is reached: what waits is held until local midnight. */
void result_hold_for_day(struct station *station, const struct entry *entry);
/* After a start: messages that a process before this one had under way. Also fills queueSize of every account. */
int  result_take_over(struct station *station, struct err *err);

int64_t sender_back_off(int failures);  /* ms */

#endif
