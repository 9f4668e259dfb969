/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/document.h - the whole configuration as one document: read, compared, applied. DESIGN 5, /config. */
#ifndef POSTERN_APP_DOCUMENT_H
#define POSTERN_APP_DOCUMENT_H

#include <jansson.h>

#include "app/config.h"
#include "app/station.h"

#define DOCUMENT_TOKEN_MAX 65           /* 64 hex digits */

/* ---- reading ---- */

/* Everything but secrets, sorted; the caller's. `view` as of config_view(). */
json_t *document_json(struct station *view);
/* Of the configuration, secrets included. */
void document_etag(struct station *view, char etag[ETAG_MAX]);
/* JSON Schema 2020-12 of the document; the caller's. */
json_t *document_schema(void);

struct document_read {
    struct station *station;
    char etag[ETAG_MAX];
    json_t *document;                   /* done() may take it */
    void (*done)(struct document_read *read, const struct err *err);        /* on a worker */
    void *ctx;
    struct station *view;
};
void document_read(struct document_read *read);         /* takes it, made by mem_alloc */

/* ---- applying ---- */

struct document_apply {
    struct station *station;
    json_t *document;                   /* owned */
    bool dry_run;
    bool prune;                         /* what is in none of the document's sections goes */
    bool force;                         /* with prune: although messages wait, or it is the default */
    const char *token;                  /* the caller's: of the plan that is meant; NULL: any */
    struct actor actor;
    bool (*precondition)(void *ctx, const char *etag);          /* as in app/config.h */
    struct config_batch batch;          /* results, problems */
    char etag[ETAG_MAX];                /* after it; with dry_run: now */
    char plan_token[DOCUMENT_TOKEN_MAX];
    void (*done)(struct document_apply *apply, const struct err *err);      /* on a worker, or at once; then it is freed */
    void *ctx;

    char digest[DOCUMENT_TOKEN_MAX];    /* of the document and of how it is applied */
};
void document_apply(struct document_apply *apply);      /* takes it, made by mem_alloc */

#endif
