/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/cas.h - the User Trust Store: import, limit, delete, each with what it would change; and the system's list. DESIGN 4. */
#ifndef POSTERN_APP_CAS_H
#define POSTERN_APP_CAS_H

#include <jansson.h>

#include "app/station.h"
#include "base/str.h"
#include "component/problems.h"

/* An upload of one or many; all or nothing. */
struct cas_import {
    struct station *station;
    struct str bytes;                   /* the caller's until done() */
    const char *media_type;             /* or NULL */
    const char *names;                  /* host suffixes, separated by commas; or NULL */
    bool dry_run;
    struct actor actor;
    json_t *items;                      /* each certificate: id, certificate, names, new */
    json_t *warnings;
    json_t *impact;                     /* what would be judged otherwise */
    int added;
    void (*done)(struct cas_import *import, const struct err *err);
    void *ctx;
};
void cas_import(struct cas_import *import);     /* takes it, made by mem_alloc */

/* A change of `names` (document) or a deletion (NULL). */
struct cas_write {
    struct station *station;
    char *id;                           /* owned: SHA-256, hex */
    json_t *document;                   /* owned */
    bool dry_run;
    struct actor actor;
    bool (*precondition)(void *ctx, const char *etag);
    struct problems problems;
    struct entry *before, *after;       /* held during done() */
    bool unchanged;                     /* it was so already: nothing is written, nothing reconnects */
    json_t *impact;
    void (*done)(struct cas_write *write, const struct err *err);
    void *ctx;
};
void cas_write(struct cas_write *write);        /* takes it */

/* A page of the System Trust Store from place `from`; `*next` is 0 at the end. The caller's. */
json_t *cas_system_page(struct station *station, int64_t from, int limit, int64_t *next);

#endif
