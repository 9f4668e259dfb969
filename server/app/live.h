/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/live.h - what changes by itself: an account's status and counters, and its transcript. DESIGN 2.4. */
#ifndef POSTERN_APP_LIVE_H
#define POSTERN_APP_LIVE_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/cause.h"
#include "app/registry.h"
#include "base/err.h"
#include "model/account.h"

struct station;
struct store_tx;
struct sender;
struct receiver;

/* Goes with its account from creation to deletion, whatever the account is called meanwhile. */
struct live {
    atomic_uint holders;
    _Atomic(char *) name;               /* live_name() */
    char **former;                      /* names it had; somebody may still read them */
    size_t former_count;
    atomic_bool removed;                /* the account is deleted; set on the writer thread */
    atomic_bool unbound;                /* its server offers to bind log-ins to the channel, and can't; app/connect.c */
    pthread_mutex_t lock;
    struct station *station;            /* its events are told of changes */
    const struct component_type *type;  /* from the first live_settle() on */
    bool settled;                       /* the state is that of a running Postern: changes are told from now on */
    enum account_state state;
    char code[48];
    char cause[384];
    int64_t since;
    int64_t last_success, last_failure;
    char *failure_cause;                /* or NULL */
    json_t *last_tls;                   /* or NULL */
    int64_t secret_expires;             /* app/oauth_expiry.c: the client secret's end that secret_told is about */
    int secret_told;                    /* days before it */
    bool paused;
    int64_t queue_size;
    int64_t number_sent, number_sent_until;
    int64_t number_discarded, last_discard;
    int64_t number_received;            /* with those whose transaction is under way: what that transaction stores */
    int64_t received_durably;           /* without them: what anybody is told */
    int64_t unacknowledged;
    char *last_discard_cause;
    bool dirty;                         /* the stored state is older */
    uint64_t stored_in;                 /* store_tx_number() of the last live_store_once(); of the writer thread */
    bool flushing;                      /* being written; dirty again when that fails */
    char **transcript;                  /* ring of lines; NULL until debug */
    size_t transcript_at;
    struct sender *sender;              /* outgoing only; app/sender.c */
    struct receiver *receiver;          /* incoming only; app/receiver.c */
};

#define TRANSCRIPT_LINES 500

struct lives;
struct lives *lives_new(struct station *station);
void lives_free(struct lives *lives);
struct live *live_get(struct lives *lives, const char *name);          /* held; made when new */
struct live *live_hold(struct live *live);
void live_free(struct live *live);                                      /* lets go */
MEM_FREEP(live)
const char *live_name(const struct live *live);        /* stays as long as `live` is held */
bool live_is_removed(const struct live *live);
void lives_remove(struct lives *lives, const char *name);
void lives_rename(struct lives *lives, const char *from, const char *to);

/* At start: what was stored. */
void live_restore(struct live *live, const struct account *stored);
/* After a start or a change of the account: pending, disabled, or fault where it cannot work as it is. */
void live_settle(struct station *station, const struct entry *entry);
bool station_email_enabled(struct station *station);

void live_succeeded(struct live *live, json_t *tls /* taken; NULL: no TLS */);
void live_failed(struct live *live, const struct err *err);
void live_count_sent(struct live *live, int64_t now);                   /* restarts the count after local midnight */
void live_reset_sent(struct live *live);
int64_t live_sent_today(struct live *live, int64_t now);
/* Whether the day's limit of the account (maxSendablePerDay) is reached. */
bool live_day_is_over(struct live *live, const struct account *account, int64_t now);
enum account_state live_state(struct live *live);
int64_t live_queue_size(struct live *live);
void live_count_discarded(struct live *live, int64_t now, const char *cause);
void live_count_received(struct live *live);            /* in the transaction that stores the message */
void live_received_done(struct live *live, bool durable);       /* after it, or after it failed */
int64_t live_received(struct live *live);
int64_t live_unacknowledged(struct live *live);
void live_transcript_add(struct live *live, const char *line);
json_t *live_transcript(struct live *live);                             /* array of lines, oldest first */

/* {state, cause, code, advice, since}; the caller's. */
json_t *live_status_object(struct live *live);
/* Every read-only property. */
json_t *live_status_json(struct station *station, const struct entry *entry);
int live_store_once(struct store_tx *tx, struct live *live, const struct component_type *type, struct err *err);
int live_store(struct store_tx *tx, struct live *live, const struct component_type *type, struct err *err);
bool live_set_paused(struct live *live, bool paused);           /* whether that was a change */
/* Writes what is dirty; called by a timer and at the end. */
void lives_flush(struct station *station);

#endif
