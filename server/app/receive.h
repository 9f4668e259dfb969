/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/receive.h - one connection to a mailbox: what is new goes into the store, what is stored is marked or deleted on the
 * server, in this order, always. DESIGN 2.3. For receiver.c and receive*.c only. */
#ifndef POSTERN_APP_RECEIVE_H
#define POSTERN_APP_RECEIVE_H

#include <pthread.h>

#include "app/connect.h"
#include "app/live.h"
#include "app/station.h"
#include "base/spool.h"
#include "model/account.h"
#include "store/store.h"

/* What went wrong with a message, remembered from connection to connection: one that can't be fetched must not keep back the others. */
struct receive_trouble {
    char uid[80];               /* the one under suspicion; "": none */
    int times;                  /* in a row that fetching it failed */
    bool too_large;             /* it was larger than the server had said: only its headers */
};

struct receive {
    struct station *station;
    struct live *live;          /* held */
    struct entry *entry;        /* held: the configuration it was opened with */
    const struct account *account;
    struct connect *connect;
    struct receive_trouble *trouble;    /* the receiver's */
    struct store_mailbox mailbox;       /* as it is stored */
    int64_t newest;             /* generation of any mailbox of the account */
    bool renumbered;            /* the mailbox is the one it was, its UIDs aren't */
    struct imap_mailbox imap;   /* as the server told; IMAP */
    bool selected, looked;
    bool idling;
    bool more;                  /* the last poll ended at maxPerPoll */
    int64_t received;           /* stored by the last poll */

    /* Messages on their way to the disk. */
    pthread_mutex_t lock;
    pthread_cond_t less;
    int under_way;
    size_t bytes;
    bool failed;                /* with err */
    struct err err;
};

/* Connects and logs in. */
int  receive_open(struct receive **ret, struct station *station, struct entry *entry, struct live *live,
                  struct receive_trouble *trouble, struct err *err);
/* `politely`: with the protocol's good-bye; NULL is fine. */
void receive_close(struct receive *receive, bool politely);
/* One poll. */
int  receive_poll(struct receive *receive, struct err *err);

/* IMAP with push: 1 when it now waits for the server to speak and its socket may be watched; 0 when there is news, and a poll is worth
 * while; -1 err. */
int  receive_idle(struct receive *receive, struct err *err);
/* After that, when the socket could be read: 1 when a poll is worth while, 0 when not, -1. `renew`: the wait begins anew either way. */
int  receive_awake(struct receive *receive, bool renew, struct err *err);

/* ---- between the files ---- */

int receive_imap(struct receive *receive, struct err *err);
int receive_pop3(struct receive *receive, struct err *err);
/* The settings were changed, the account is gone, or all is about to stop. */
bool receive_is_void(const struct receive *receive);
int  receive_stopped(struct err *err);                  /* -1 */
/* What is stored about the mailbox, for the first poll of a connection. `uid_validity` 0 for POP3. 1: it is another one than was read
 * before, or has other UIDs; what is known of those is still there under their generations, and receive->mailbox is the new one, not yet
 * stored. */
int receive_look(struct receive *receive, uint32_t uid_validity, struct err *err);
/* Its UIDs have become others after all: as if receive_look() had said 1. */
void receive_renumber(struct receive *receive);
/* Stores receive->mailbox; from then on older generations are forgotten. Tells how many messages were `matched`, where the UIDs changed. */
int receive_adopted(struct receive *receive, int64_t matched, int64_t messages, struct err *err);
/* Those of `remotes` that are known from the mailbox before this generation are known in it. Adds to `*matched`. */
int receive_match(struct receive *receive, const struct store_remote *remotes, size_t count, int64_t *matched, struct err *err);

/* A message that comes in. */
struct receipt {
    struct receive *receive;
    struct spool spool;
    char uid[80];
    int64_t size;               /* as the server says */
    bool headers_only;
    bool again;                 /* it is known as one that could not be fetched */
    struct message *message;
    struct buf stripped;
    struct str raw;
    int outcome;                /* 1: stored; 0: it was known */
};
struct receipt *receipt_new(struct receive *receive, bool headers_only, int64_t size);
void receipt_free(struct receipt *receipt);
int  receipt_add(struct receipt *receipt, struct str bytes, struct err *err);
/* Takes it, reads it, and submits it; waits while too much is under way. -1 as well when one before it failed. */
int  receipt_store(struct receipt *receipt, const char *uid, struct err *err);
/* Until all that were submitted are durable. */
int  receive_wait(struct receive *receive, struct err *err);

/* Notes that a message can't be fetched: tried again later, alone. */
int receive_skip(struct receive *receive, const char *uid, int64_t size, int64_t attempts, const struct err *why, struct err *err);
/* 0: go on with the others; -1: not suspicious enough yet, the poll ends with `why`. */
int receive_suspect(struct receive *receive, const char *uid, int64_t size, const struct err *why);

/* A list of UIDs with what else is worth knowing, gathered from a walk. */
struct receive_list {
    struct receive_row {
        char *uid;
        int64_t size, attempts, next_attempt, missing_since;
        enum store_todo todo;
    } *rows;
    size_t count;
};
void receive_list_add(struct receive_list *list, const struct receive_row *row);        /* copies */
void receive_list_clear(struct receive_list *list);
int  receive_todo(struct receive *receive, enum store_todo todo, int max, struct receive_list *list, struct err *err);
int  receive_known(struct receive *receive, struct receive_list *list, struct err *err);       /* all of them */
enum receive_end { RECEIVE_DONE, RECEIVE_GONE, RECEIVE_MISSING, RECEIVE_THERE };
/* DONE: nothing is left to do about them; GONE: they are forgotten; MISSING, THERE: the server doesn't, or does, list them. */
int  receive_settle(struct receive *receive, const struct receive_list *list, enum receive_end end, struct err *err);

#endif
