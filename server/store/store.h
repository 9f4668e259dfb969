/* SPDX-License-Identifier: Apache-2.0 */
/* server/store/store.h - what survives. Narrow and typed; no SQL here, and no backend's types.
 *
 * Writing: jobs go to one writer thread that runs many in one transaction and commits once (group commit). A job that fails is
 * rolled back alone (savepoint); a commit that fails fails every job in it. done() is called after the commit is durable.
 * Reading: any thread, on a snapshot of its own; never waits for the writer. */
#ifndef POSTERN_STORE_STORE_H
#define POSTERN_STORE_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "component/prop.h"
#include "model/message.h"
#include "model/webhook.h"

struct crypto_key;
struct store;
struct store_tx;                /* inside a transaction: the writer's, or a reader's snapshot */

struct store_options {
    const char *state_dir;
    const struct crypto_key *key;       /* seals secrets; NULL: only for check and backup */
    bool exclusive;             /* hold the directory's lock: the server; a second one is refused (ERR_CONFLICT, names the pid) */
    int readers;                /* read connections kept, 0: default */
    /* On the writer thread, after the commit of a transaction in which events were added; must be quick. NULL: nobody wants to know. */
    void (*events_added)(void *ctx);
    void (*messages_added)(void *ctx);  /* on the writer thread after a commit with new messages; must be quick; may be NULL */
    void *ctx;
};

/* Opens or makes the database and brings it to this version's schema. Refuses a newer one, a read-only directory, a full disk,
 * each with words that name the path. */
int  store_open(struct store **ret, const struct store_options *options, struct err *err);
void store_close(struct store *store);                  /* finishes what was submitted; NULL is fine */

typedef int store_run(struct store_tx *tx, void *ctx, struct err *err);
/* On the writer thread after commit (err NULL) or failure; must be quick and must not wait for the store. */
typedef void store_done(void *ctx, const struct err *err);

/* Never blocks on the disk. `alone`: everything before is committed and done() first, and the job has a transaction to itself,
 * so it may read in-memory state that earlier jobs publish in done(). */
void store_submit(struct store *store, store_run *run, store_done *done, void *ctx, bool alone);
int  store_write(struct store *store, store_run *run, void *ctx, bool alone, struct err *err);     /* waits for the commit */
int  store_read(struct store *store, store_run *run, void *ctx, struct err *err);

/* Online, consistent copy; the target must not exist. */
int store_backup(struct store *store, const char *file, struct err *err);
int store_check(struct store *store, struct err *err);         /* integrity and foreign keys */
/* Seals every secret anew in one transaction; may be repeated. From then on the store uses `fresh`, which must outlive it. */
int store_rekey(struct store *store, const struct crypto_key *fresh, struct err *err);

/* Counts transactions of the writer. Jobs that were submitted before one began and run in it see the same number, and no job runs in
 * it that was submitted later: so what is common to them needs to be written once. */
uint64_t store_tx_number(const struct store_tx *tx);

struct store_stats { uint64_t commits, jobs, failures; int64_t database_bytes, queued_jobs; };
void store_stats(struct store *store, struct store_stats *ret);

/* ---- components: one table per type, a column per stored property (snake_case) ---------------------------------- */
/* Stored are the properties that are not READONLY, and those that are READONLY and PERSISTENT. Secrets go, sealed, into a table
 * of their own. The key is the component's name (a user's name, a host:port, a SHA-256, …). */

struct store_stamp { const char *by; int64_t at; };     /* who wrote it last, and when */

int store_put(struct store_tx *tx, const struct component_type *type, const char *name, const void *component,
              const struct store_stamp *stamp, struct err *err);                /* inserts or replaces */
int store_put_state(struct store_tx *tx, const struct component_type *type, const char *name, const void *component,
                    struct err *err);                                           /* only READONLY|PERSISTENT columns */
int store_remove(struct store_tx *tx, const struct component_type *type, const char *name, struct err *err);   /* ERR_NOT_FOUND */
int store_rename(struct store_tx *tx, const struct component_type *type, const char *from, const char *to, struct err *err);
/* *ret belongs to the caller (component_free); ERR_NOT_FOUND. */
int store_find(struct store_tx *tx, const struct component_type *type, const char *name, void **ret, struct err *err);
/* In order of name; `component` belongs to the callee when it returns 0 (go on) or 1 (stop). */
typedef int store_visit(const char *name, void *component, const struct store_stamp *stamp, void *ctx);
int store_each(struct store_tx *tx, const struct component_type *type, const char *after, store_visit *visit, void *ctx,
               struct err *err);

/* ---- messages ------------------------------------------------------------------------------------------------- */

struct store_idempotency { const char *user, *key; uint8_t digest[32]; };

/* Adds with its recipients and raw bytes; sets message->seq. With an idempotency key already used: 1 and `*first` is the message of
 * the first answer (the caller's) when the digest is the same; -1 ERR_INVALID "idempotency.mismatch" when not. */
int store_message_add(struct store_tx *tx, struct message *message, struct str raw, const struct store_idempotency *once,
                      struct message **first, struct err *err);
int store_message_find(struct store_tx *tx, const char *id, struct message **ret, struct err *err);     /* with recipients */
int store_message_raw(struct store_tx *tx, int64_t seq, struct buf *into, struct err *err);
/* The same piece by piece, of any size; 1 from `take`: enough. -1 from it is the answer. */
typedef int store_take_piece(void *ctx, struct str piece, struct err *err);
int store_message_pieces(struct store_tx *tx, int64_t seq, store_take_piece *take, void *ctx, struct err *err);

/* The sent message of that Message-ID (with brackets), the newest if there are several: 1 and `id`, or 0. */
int store_message_sent(struct store_tx *tx, const char *message_id, char id[MESSAGE_ID_LEN + 1], struct err *err);
/* The message `seq` speaks of the message `id`. */
int store_message_relate(struct store_tx *tx, int64_t seq, const char *id, struct err *err);
/* Messages that speak of `id`, newest first, without recipients; `message` stays the caller's of the visit. */
typedef int store_message_visit(const struct message *message, void *ctx);
int store_message_related(struct store_tx *tx, const char *id, int limit, store_message_visit *visit, void *ctx, struct err *err);

struct store_message_filter {
    const char *account;        /* NULL: any */
    int direction, state;       /* -1: any */
    const char *text;           /* words, each the beginning of one, and "phrases": all of them in the message; NULL: any */
    const char *const *accounts;        /* a token's accounts, NULL-terminated; NULL: all */
    int64_t before;             /* seq of the last item of the page before; 0: from the newest */
    int limit;
    int acknowledged;           /* received ones: 1 or 0; -1: any, and sent ones */
    int64_t since, until;       /* when it was received or accepted, ms; 0: any */
};
/* Newest first; without recipients. `message` stays the caller's of the visit. The cost does not grow with the table: a search
 * looks at a bounded number of rows and says in `*resume` where to go on (0: the end was reached). */
int store_message_list(struct store_tx *tx, const struct store_message_filter *filter, store_message_visit *visit, void *ctx,
                       int64_t *resume, struct err *err);

/* Takes up to `max` due messages (queued, deferred or uncertain, 0 < next_attempt <= now) of the account, oldest due first, marks them sending under a lease,
 * counts the attempt, and gives them with recipients to `visit` (which owns them). */
struct store_lease { const char *owner; int64_t until; };
typedef int store_message_take(struct message *message, void *ctx);
int store_message_claim(struct store_tx *tx, const char *account, const struct store_lease *lease, int64_t now, int max,
                        store_message_take *visit, void *ctx, struct err *err);
/* Writes state, next_attempt, finished_at, attempts, last_*, held_by_limit and each recipient's result; ends the lease. */
int store_message_update(struct store_tx *tx, const struct message *message, struct err *err);
int store_message_remove(struct store_tx *tx, int64_t seq, struct err *err);
/* Every message in `sending` whose lease is not `owner`'s or ran out before `now`: to `visit`, which changes it with
 * store_message_update. At start: what a killed process had under way. */
int store_message_orphans(struct store_tx *tx, const char *owner, int64_t now, store_message_take *visit, void *ctx, struct err *err);

struct store_message_counts {
    int64_t waiting, held, held_by_limit;
    int64_t due_next;           /* earliest next_attempt of queued/deferred, 0 none */
    int64_t unacknowledged;     /* received ones that nobody has acknowledged */
};
int store_message_counts(struct store_tx *tx, const char *account, struct store_message_counts *ret, struct err *err);
/* Messages of the account in `from` become `to` with next_attempt `at`; answers how many. Only limit-held ones when `limit_only`. */
int store_message_move(struct store_tx *tx, const char *account, enum message_state from, enum message_state to, int64_t at,
                       bool limit_only, int64_t *changed, struct err *err);
/* Removes up to `max` messages that were finished (or acknowledged) before `before`; answers how many. */
int store_message_purge(struct store_tx *tx, const char *account, int64_t before, int max, int64_t *removed, struct err *err);
int store_message_rename_account(struct store_tx *tx, const char *from, const char *to, struct err *err);

/* ---- words of messages ------------------------------------------------------------------------------------------ */
/* Written behind the messages in order of seq, so that a search finds them; what isn't there yet is found by subject, from and to. */

/* Messages that have yet to be taken in, in order. 1 from `visit`: enough. */
int store_search_next(struct store_tx *tx, int max, store_message_visit *visit, void *ctx, struct err *err);
struct store_search_words { int64_t seq; const char *subject, *from, *to, *body; };
/* Takes it in, and notes that everything up to it was; in order of seq. A message that has gone meanwhile is passed over. */
int store_search_add(struct store_tx *tx, const struct store_search_words *words, struct err *err);

/* ---- mailboxes: what is known of the servers' side, so that each message is received once ------------------------ */

struct store_mailbox {
    char *source;               /* server, user and mailbox as configured; NULL: never read */
    int64_t generation;         /* of the rows below; one of its own, and another one when its UIDs become others */
    uint32_t uid_validity;      /* IMAP */
    uint32_t last_uid;          /* IMAP: every message up to it is known */
};
void store_mailbox_clear(struct store_mailbox *mailbox);
/* `*newest`: the greatest generation of any mailbox of the account, 0 when it never read one. */
int store_mailbox_find(struct store_tx *tx, const char *account, const char *source, struct store_mailbox *ret, int64_t *newest,
                       struct err *err);
/* Also forgets the rows of generations that are no mailbox's any more, and all but the newest few mailboxes. */
int store_mailbox_put(struct store_tx *tx, const char *account, const struct store_mailbox *mailbox, struct err *err);
int store_mailbox_advance(struct store_tx *tx, const char *account, int64_t generation, uint32_t last_uid, struct err *err);
int store_mailbox_remove(struct store_tx *tx, const char *account, struct err *err);           /* with its rows */
int store_mailbox_rename_account(struct store_tx *tx, const char *from, const char *to, struct err *err);

/* What is still to be done about a message on the server. */
enum store_todo { TODO_NOTHING, TODO_SEEN /* mark as read */, TODO_DELETE, TODO_FETCH /* it could not be fetched; again later */ };

struct store_remote {
    const char *uid;            /* of IMAP in decimal; of POP3 as UIDL has it */
    const char *message_id;     /* "": none */
    int64_t size;               /* as the server says */
    int64_t message;            /* its seq; 0: none */
    enum store_todo todo;
    int64_t attempts, next_attempt;     /* of TODO_FETCH */
    int64_t missing_since;      /* when the server was first found not to list it; 0: it does */
};
/* 1: added; 0: the UID is known already, and nothing was changed. */
int store_remote_add(struct store_tx *tx, const char *account, int64_t generation, const struct store_remote *remote, struct err *err);
int store_remote_is_known(struct store_tx *tx, const char *account, int64_t generation, const char *uid, struct err *err);      /* 1, 0 */
/* 1 with todo and seq of a message of this Message-ID and size, of any other generation; 0: there is none. */
int store_remote_match(struct store_tx *tx, const char *account, int64_t generation, const char *message_id, int64_t size,
                       struct store_remote *ret, struct err *err);
/* What is to be done by `now`, at most `max`; the strings live during the visit. */
typedef int store_remote_visit(const struct store_remote *remote, void *ctx);
int store_remote_todo(struct store_tx *tx, const char *account, int64_t generation, enum store_todo todo, int64_t now, int max,
                      store_remote_visit *visit, void *ctx, struct err *err);
int store_remote_each(struct store_tx *tx, const char *account, int64_t generation, store_remote_visit *visit, void *ctx, struct err *err);
int store_remote_count(struct store_tx *tx, const char *account, int64_t generation, int64_t *ret, struct err *err);
/* Writes todo, message, attempts and next_attempt; it isn't missing. */
int store_remote_update(struct store_tx *tx, const char *account, int64_t generation, const struct store_remote *remote, struct err *err);
int store_remote_finish(struct store_tx *tx, const char *account, int64_t generation, const char *uid, struct err *err);        /* todo: nothing */
int store_remote_there(struct store_tx *tx, const char *account, int64_t generation, const char *uid, struct err *err);         /* it isn't missing */
int store_remote_remove(struct store_tx *tx, const char *account, int64_t generation, const char *uid, struct err *err);
/* The server doesn't list it: since `now`, unless that was noted before; the row goes when that was before `before`. */
int store_remote_missing(struct store_tx *tx, const char *account, int64_t generation, const char *uid, int64_t now, int64_t before,
                         struct err *err);

/* ---- audit ---------------------------------------------------------------------------------------------------- */

struct store_audit { int64_t seq, at; const char *who, *address, *action, *resource, *detail; /* detail: JSON or NULL */ };
int store_audit_add(struct store_tx *tx, const struct store_audit *entry, struct err *err);
typedef int store_audit_visit(const struct store_audit *entry, void *ctx);
/* `resource`: of this one alone; NULL: of all. */
int store_audit_list(struct store_tx *tx, const char *resource, int64_t before, int limit, store_audit_visit *visit, void *ctx,
                     struct err *err);

/* ---- events --------------------------------------------------------------------------------------------------- */

#define STORE_EVENTS_KEPT 100000        /* the newest; adding removes what is older, a little at a time */

struct store_event { int64_t seq, at; const char *type, *account, *resource, *data; /* data: JSON; the last three may be NULL */ };
int store_event_add(struct store_tx *tx, struct store_event *event, struct err *err);         /* sets event->seq */
/* One for each message of the account in `from`: what store_message_move would move. */
int store_event_add_moved(struct store_tx *tx, const char *type, const char *account, enum message_state from,
                          enum message_state to, bool limit_only, int64_t at, struct err *err);
/* The first and the last that are there; 0, 0 when there never was one. */
struct store_event_span { int64_t first, last; };
int store_event_span(struct store_tx *tx, struct store_event_span *ret, struct err *err);
/* In order, those after `after`; the visit answers 1 when it has enough. At most `max` rows. */
typedef int store_event_visit(const struct store_event *event, void *ctx);
int store_event_after(struct store_tx *tx, int64_t after, int max, store_event_visit *visit, void *ctx, struct err *err);
/* Newest first, those before `before` (0: from the newest). */
int store_event_before(struct store_tx *tx, int64_t before, int max, store_event_visit *visit, void *ctx, struct err *err);
/* Removes those older than `before`, at most `max` and never the newest; answers how many. */
int store_event_purge(struct store_tx *tx, int64_t before, int max, int64_t *removed, struct err *err);

/* ---- webhooks: how far each was told, and what became of it --------------------------------------------------- */

int store_webhook_put_cursor(struct store_tx *tx, const char *webhook, int64_t event, struct err *err);
int store_webhook_cursor(struct store_tx *tx, const char *webhook, int64_t *event, struct err *err);    /* -1 in *event: has none */
int store_webhook_forget(struct store_tx *tx, const char *webhook, struct err *err);           /* cursor and deliveries */

int store_delivery_add(struct store_tx *tx, struct delivery *delivery, struct err *err);       /* sets delivery->seq */
int store_delivery_update(struct store_tx *tx, const struct delivery *delivery, struct err *err);      /* ERR_NOT_FOUND */
int store_delivery_find(struct store_tx *tx, const char *webhook, const char *id, struct delivery **ret, struct err *err);
/* The visit owns what it is given, and answers 1 when it has enough. */
typedef int store_delivery_visit(struct delivery *delivery, void *ctx);
int store_delivery_waiting(struct store_tx *tx, const char *webhook, int max, store_delivery_visit *visit, void *ctx,
                           struct err *err);                                    /* in order */
/* Newest first, those before `before` (0: from the newest) in `state` (-1: any). Looks at a bounded number of rows and says in
 * `*resume` where to go on (0: the end was reached). */
int store_delivery_list(struct store_tx *tx, const char *webhook, int state, int64_t before, int limit, store_delivery_visit *visit,
                        void *ctx, int64_t *resume, struct err *err);
int store_delivery_count_waiting(struct store_tx *tx, const char *webhook, int64_t *ret, struct err *err);
int store_delivery_cancel_waiting(struct store_tx *tx, const char *webhook, int64_t at, struct err *err);
/* Removes finished ones: all but the newest `keep`, and those made before `before`; at most `max`. */
int store_delivery_purge(struct store_tx *tx, const char *webhook, int keep, int64_t before, int max, struct err *err);

#endif
