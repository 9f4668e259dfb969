/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/reading.h - what is stored, for those who look: messages, the audit trail, and how the machinery does. Changes nothing;
 * never waits for a write. */
#ifndef POSTERN_APP_READING_H
#define POSTERN_APP_READING_H

#include <stddef.h>
#include <stdint.h>

#include "app/station.h"
#include "base/buf.h"
#include "base/err.h"

struct message;

/* With recipients, and with its bytes when `raw` isn't NULL. *ret belongs to the caller; ERR_NOT_FOUND. */
int reading_message(struct station *station, const char *id, struct message **ret, struct buf *raw, struct err *err);

struct reading_filter {
    const char *account;                /* NULL: any */
    int direction, state;               /* -1: any */
    const char *text;                   /* words and "phrases", all of them in the message; NULL: any */
    const char *const *accounts;        /* a token's accounts, NULL-terminated; NULL: all */
    int64_t before;                     /* what `resume` of the page before said; 0: from the newest */
    int limit;
    int acknowledged;                   /* received ones: 1 or 0; -1: any, and sent ones */
    int64_t since, until;               /* when it came, ms; 0: any */
};
typedef int reading_visit(const struct message *message, void *ctx);
/* Newest first, without recipients. `*resume`: where the next page begins; 0: there is none. */
int reading_messages(struct station *station, const struct reading_filter *filter, reading_visit *visit, void *ctx, int64_t *resume,
                     struct err *err);

/* What was reported on the sent message `id`, newest first. */
int reading_reports(struct station *station, const char *id, int limit, reading_visit *visit, void *ctx, struct err *err);

struct reading_audit {
    int64_t seq, at;
    const char *who, *address, *action, *resource;
    const char *detail;                 /* JSON or NULL */
};
typedef int reading_audit_visit(const struct reading_audit *entry, void *ctx);       /* 1: enough */
/* Newest first, those before `before` (0: from the newest), of one `resource` or (NULL) of all. */
int reading_audits(struct station *station, const char *resource, int64_t before, int limit, reading_audit_visit *visit, void *ctx,
                   struct err *err);

/* 0: the store answers. */
int reading_store_works(struct station *station, struct err *err);

struct reading_stats {
    uint64_t commits, writes, failures;
    int64_t writes_waiting;
    int workers;
};
void reading_stats(struct station *station, struct reading_stats *ret);

#endif
