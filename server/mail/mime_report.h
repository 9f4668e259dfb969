/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/mime_report.h - messages that machines write: delivery status notifications (RFC 3464, RFC 6533) and
 * automatic replies (RFC 3834).
 *
 * Anyone can write such a message about anything: what it says is told, and nothing is done about it. */
#ifndef POSTERN_MAIL_MIME_REPORT_H
#define POSTERN_MAIL_MIME_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"
#include "base/str.h"

#define REPORT_RECIPIENTS_MAX 50
#define REPORT_IDS_MAX 10

struct mime_report_recipient {
    char *final, *original; /* addresses; original: as the sender had it, or NULL */
    const char *action;     /* failed delayed delivered relayed expanded */
    char *status;           /* "5.1.1", or NULL */
    char *diagnostic;       /* the server's words, or NULL */
    char *remote_mta;       /* or NULL */
};

struct mime_report {
    struct mime_report_recipient *recipients;
    size_t recipient_count; /* one at least */
    char *reporting_mta;    /* or NULL */
    char *envelope_id;      /* the sender's ENVID (RFC 3461 4.4), or NULL */
    char *ids[REPORT_IDS_MAX]; /* what the Message-ID of the original may be, with brackets, the likeliest first */
    size_t id_count;
};

/* NULL: it is no delivery status notification. The caller's. */
struct mime_report *mime_report_read(struct str raw);
void mime_report_free(struct mime_report *report);
MEM_FREEP(mime_report)

/* Nobody wrote it: RFC 3834 5, a null return path (RFC 5321 4.5.5), or a report of a machine. */
bool mime_is_automatic(struct str raw);

#endif
