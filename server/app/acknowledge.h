/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/acknowledge.h - many received messages acknowledged at once: those named, or an account's up to a time. DESIGN 3. */
#ifndef POSTERN_APP_ACKNOWLEDGE_H
#define POSTERN_APP_ACKNOWLEDGE_H

#include "app/station.h"
#include "model/message.h"

#define ACKNOWLEDGE_IDS_MAX 500

struct acknowledge {
    struct station *station;
    struct actor actor;                 /* the strings stay the caller's until done() */
    const char *const *accounts;        /* those a token is limited to, NULL-terminated; NULL: all; the caller's until done() */
    /* Either the ids (owned) … */
    char **ids;
    size_t id_count;
    /* … or what `account` (owned) received before `before` (ms). */
    char *account;
    int64_t before;
    /* Once, on the writer thread. */
    void (*done)(struct acknowledge *acknowledge, const struct err *err);
    void *ctx;

    int64_t acknowledged;               /* how many were, by this */
    const char **unknown;               /* of the ids: those of no received messages that may be seen */
    size_t unknown_count;
};

void acknowledge_submit(struct acknowledge *acknowledge);       /* takes it, which was made by mem_alloc */

#endif
