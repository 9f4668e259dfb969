/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/config.h - writes to configuration: checked, compared, stored, published, audited. DESIGN 5.
 *
 * A write runs alone on the store's writer thread: it sees what the writes before it published, so a lost update cannot happen
 * and preconditions hold at the moment of the commit. */
#ifndef POSTERN_APP_CONFIG_H
#define POSTERN_APP_CONFIG_H

#include "app/station.h"
#include "component/problems.h"

enum config_op { CONFIG_CREATE, CONFIG_REPLACE, CONFIG_PATCH, CONFIG_DELETE, CONFIG_RENAME };
enum config_outcome { CONFIG_FAILED, CONFIG_CREATED, CONFIG_CHANGED, CONFIG_UNCHANGED, CONFIG_DELETED };

struct store_tx;

struct config_result {
    enum config_outcome outcome;
    struct err err;                     /* CONFIG_FAILED */
    struct problems problems;           /* with ERR_INVALID */
    struct problems warnings;
    bool secret_made;                   /* the webhook's secret was made here, and may be shown this once */
    struct entry *before;               /* held; NULL when there was none */
    struct entry *after;                /* held; NULL when deleted */
    /* Held: the EmailService whose defaultOutgoingAccount follows the rename, or is emptied by a forced deletion. */
    struct entry *service_before, *service_after;
};

struct config_request {
    enum config_op op;
    struct registry *registry;
    /* For CREATE and a REPLACE that creates; NULL: by the document's "type". */
    const struct component_type *type;
    const char *name;
    const char *new_name;               /* CONFIG_RENAME */
    const json_t *document;
    bool dry_run;
    bool force;                         /* DELETE: although messages wait, or it is the default */
    bool no_create;                     /* REPLACE: of what is there only (services) */
    struct actor actor;
    /* The last word of those who know the type, on the writer thread: may refuse, or put into `component` (NULL: it is to be
     * deleted) what no document can set. NULL: nothing to say. */
    int (*last_word)(struct config_request *request, const struct entry *before, void *component, struct problems *problems,
                     struct err *err);
    void *extra;                        /* of last_word and make */
    /* For a type whose documents are not its property table: 1 and the component as the document wants it (the callee's to free,
     * also on failure); 0: it is so already; -1. NULL: by the table. On the writer thread. */
    int (*make)(struct config_request *request, const struct entry *before, void **component, struct problems *problems,
                struct err *err);
    struct station *station;            /* for both: as the writes before this one leave it; set by config_write */
    /* RFC 9110 13: whether the preconditions hold for the present ETag (NULL: there is none). NULL: no preconditions. */
    bool (*precondition)(void *ctx, const char *etag);
    /* Once, on the writer thread after the commit; `result` is freed after it. Everything the request points to stays
     * the caller's and must live until then. */
    void (*done)(struct config_request *request, struct config_result *result);
    void *ctx;
};

void config_write(struct station *station, struct config_request *request);
/* The same and waits: not for HTTP threads. The caller calls config_result_clear. */
void config_write_wait(struct station *station, struct config_request *request, struct config_result *result);
void config_result_clear(struct config_result *result);
/* {changes:[{resource, action, before, after}], unchanged:n}: what a dryRun answers. The caller's. */
json_t *config_plan(const struct config_request *request, const struct config_result *result);

/* ---- several at once ---- */

/* In one transaction, all or nothing. What is wrong is found in all of them, and told with the place of each in front. */
struct config_batch {
    struct station *station;
    struct config_request *requests;    /* in their order, each seeing what those before it did; dry_run, actor, precondition and
                                         * done are the batch's */
    const char **places;                /* pointer to each in a larger document */
    size_t count;
    bool dry_run;
    struct actor actor;
    struct config_result *results;      /* one for each request */
    struct problems problems;           /* beforehand: what makes it fail in any case. With ERR_INVALID and ERR_CONFLICT */
    struct err err;                     /* a code: it failed, and nothing was done */
    /* On the writer thread, before the first: may refuse, and still change the requests, whose registries are those of `view`. */
    int (*begin)(struct config_batch *batch, struct station *view, struct err *err);
    /* After the last, when something changed. */
    int (*end)(struct config_batch *batch, struct store_tx *tx, struct err *err);
    /* Once, on the writer thread after the commit. The caller calls config_batch_clear then, or later. */
    void (*done)(struct config_batch *batch);
    void *ctx;
};
void config_batch_write(struct config_batch *batch);
void config_batch_clear(struct config_batch *batch);            /* results and problems */
bool config_batch_changes(const struct config_batch *batch);
json_t *config_batch_plan(const struct config_batch *batch);    /* as config_plan(), with warnings */

/* The configuration as it is now: a Station of which only the registries may be used, and which changes no more. On the writer
 * thread, where no half of anything is published. */
struct station *config_view(struct station *station);
void config_view_free(struct station *view);                    /* NULL is fine */

#endif
