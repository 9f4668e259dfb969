/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/verify.h - is an account right? Step by step, with times, cause and what to do. DESIGN 5. */
#ifndef POSTERN_APP_VERIFY_H
#define POSTERN_APP_VERIFY_H

#include <jansson.h>

#include "app/station.h"
#include "mail/security.h"

struct verify {
    struct station *station;
    struct entry *account;              /* held */
    bool stored;                        /* tells the account's status; false: settings in a request's body */
    json_t *answer;                     /* {ok, steps, tls, certificate, challenge} during done() */
    void (*done)(struct verify *verify);
    void *ctx;
};
void verify_submit(struct verify *verify);              /* takes it, made by mem_alloc; runs on a worker */

/* The same for its effect on the account's status alone; messages that wait are sent after it. */
void verify_in_background(struct station *station, struct entry *account);

/* Looks at a server's certificate and logs in nowhere. */
struct probe {
    struct station *station;
    struct entry *settings;             /* held; an account that is not stored */
    json_t *answer;                     /* {verdict, acceptable, reasons, certificate, chain, tls, steps} during done() */
    void (*done)(struct probe *probe);
    void *ctx;
};
void probe_submit(struct probe *probe);

#endif
