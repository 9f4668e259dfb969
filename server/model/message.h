/* SPDX-License-Identifier: Apache-2.0 */
/* server/model/message.h - a message on its way out or in, and what became of each recipient. DESIGN 3. */
#ifndef POSTERN_MODEL_MESSAGE_H
#define POSTERN_MODEL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define MESSAGE_ID_LEN 36               /* UUID version 7, RFC 9562: sorts by time */
#define MESSAGE_RECIPIENTS_MAX 1000

enum message_direction { MESSAGE_OUTGOING, MESSAGE_INCOMING };

enum message_state {
    MESSAGE_QUEUED,         /* waits for its turn (or sendAt) */
    MESSAGE_SENDING,        /* a worker holds a lease on it */
    MESSAGE_HELD,           /* by a person, or by the day's limit (hold_until) */
    MESSAGE_DEFERRED,       /* a temporary failure; tried again at next_attempt */
    MESSAGE_SENT,           /* every recipient has a final answer and at least one took it */
    MESSAGE_FAILED,         /* nobody took it, finally */
    MESSAGE_CANCELED,
    MESSAGE_UNCERTAIN,      /* the final dot went out and no reply came back; sent again at next_attempt, or with 0 a person decides */
    MESSAGE_RECEIVED,       /* incoming only */
};
#define MESSAGE_STATES 9

extern const char *const message_state_names[];        /* NULL-terminated */
extern const char *const message_direction_names[];
/* -1 when there is no such name. */
int message_state_from(const char *name);
static inline bool message_is_waiting(enum message_state s)     /* counts in queueSize */
{
    return s == MESSAGE_QUEUED || s == MESSAGE_SENDING || s == MESSAGE_HELD || s == MESSAGE_DEFERRED || s == MESSAGE_UNCERTAIN;
}

struct message_recipient {
    char *address;
    enum message_state state;           /* queued, deferred, sent, failed, canceled, uncertain */
    int code;                           /* last SMTP code, 0: none yet */
    char *enhanced;                     /* "5.1.1", or NULL */
    char *text;                         /* the server's words, or NULL */
};

struct message {
    int64_t seq;                        /* the store's order; pages run over it */
    char id[MESSAGE_ID_LEN + 1];
    char *account;
    enum message_direction direction;
    enum message_state state;
    char *sender;                       /* envelope; "" is the null sender */
    char *from;                         /* header, for lists */
    char *to;                           /* JSON array of the header's addresses, for lists */
    char *subject;
    char *message_id;                   /* with angle brackets */
    int64_t date;                       /* ms */
    int64_t size;                       /* bytes of the raw message */
    int64_t created_at;
    int64_t send_at;                    /* 0: at once */
    int64_t next_attempt;               /* not before; ms */
    int64_t finished_at;
    int64_t attempts;
    char *last_code;                    /* machine-readable cause of the last failure, or NULL */
    char *last_cause;                   /* one sentence, or NULL */
    char *created_by;                   /* user or token */
    bool smtputf8;
    bool held_by_limit;
    bool acknowledged;                  /* incoming, as all that follow */
    bool headers_only;                  /* too large: the rest was left on the server */
    bool automatic;                     /* nobody wrote it: RFC 3834 */
    char *report;                       /* JSON of a delivery status notification (RFC 3464), or NULL */
    char *related;                      /* id of the sent message that it reports on, or NULL */
    struct message_recipient *recipients;
    size_t recipient_count;
};

struct message *message_new(void);      /* with a fresh id */
void message_free(struct message *message);
MEM_FREEP(message)
void message_id_make(char id[MESSAGE_ID_LEN + 1], int64_t now);

#endif
