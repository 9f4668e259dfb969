/* SPDX-License-Identifier: Apache-2.0 */
/* server/api/api.h - what the resources share: bodies in, answers out, pages, preconditions, who asks. DESIGN 5.
 *
 * A handler answers at once or hands its call to something that answers later; each api_answer…() is the call's one answer, after
 * which nothing of the call may be touched. Those that return int return -1, so that `return api_answer…` fits. */
#ifndef POSTERN_API_API_H
#define POSTERN_API_API_H

#include <jansson.h>

#include "app/config.h"
#include "app/station.h"
#include "base/buf.h"
#include "component/problems.h"
#include "http/http.h"

#define API_MESSAGE_MAX ((size_t)48 << 20)      /* bytes of a request with a message: 26 MiB in base64, and then some */
#define API_LIMIT 50
#define API_LIMIT_MAX 500
#define API_CURSOR_MAX 320

/* NULL-terminated: every table of routes there is. */
extern const struct http_route *const api_routes[];

/* ---- who asks, and for what ---- */

struct station *api_station(struct http_call *call);
/* A token limited to accounts: their names, NULL-terminated, they stay; NULL: not limited. */
const char *const *api_accounts(struct http_call *call);
bool api_may_use(struct http_call *call, const char *account);
bool api_need_role(struct http_call *call, enum role role);     /* false: answered 403 */
struct actor api_actor(struct http_call *call);           /* valid as long as the call */
/* Takes note of what stores nothing else; nobody waits for it. */
void api_audit(struct http_call *call, const char *action, const char *type, const char *name);
bool api_dry_run(struct http_call *call);
bool api_include_status(struct http_call *call);                /* ?include=status */
/* The token of an Authorization header: http_options.check_token; `ctx` is the station. */
int  api_token(void *ctx, struct str text, struct http_identity *ret);

/* ---- bodies ---- */

/* 0 and `*ret` (the caller's, an object); or -1 when it is answered: 400 with line and column, 422. */
int api_json_body(struct http_call *call, json_t **ret);
/* Adds a problem for each member of `document` that is not in `known` (words between spaces). */
void api_check_members(const json_t *document, const char *known, struct problems *problems);
/* No body, or {}: of an action that takes no parameters. False: answered. */
bool api_no_parameters(struct http_call *call);
/* Takes the string `name` out of `document` and wipes it there; NULL and a problem when it is no string, or when it is missing
 * and `required`. mem_free_secret. */
char *api_take_secret(json_t *document, const char *name, bool required, struct problems *problems);

/* ---- answers ---- */

void api_answer_json(struct http_call *call, int status, json_t *taken);
void api_add_etag(struct http_call *call, const char *etag);    /* before the answer; without quotes */
/* The configuration of `entry` as it is: bytes that exist already, ETag, 304. */
void api_answer_entry(struct http_call *call, struct entry *entry);
/* `taken` under the ETag of `entry`; 304 for a GET whose client has it. */
void api_answer_tagged(struct http_call *call, const struct entry *entry, json_t *taken);
void api_answer_tagged_status(struct http_call *call, int status, const struct entry *entry, json_t *taken);
void api_answer_problems(struct http_call *call, const struct problems *problems);      /* 422 with all of them */
int  api_answer_problem_at(struct http_call *call, const char *pointer, const char *code, const char *detail);  /* 422 with one */
int  api_answer_not_found(struct http_call *call, const char *what, const char *name);
int  api_answer_bad_query(struct http_call *call, const char *parameter, const char *right);    /* 422 */

/* ---- pages ---- */

struct api_page {
    char after[API_CURSOR_MAX];         /* what the cursor says: the last of the page before; "" from the start */
    int limit;
};
int api_page(struct http_call *call, struct api_page *ret);     /* -1: answered 422 */
/* `next` of a page: the link to what comes after `name` (or a number); also adds the Link header. */
json_t *api_next_name_json(struct http_call *call, const char *name);
json_t *api_next_json(struct http_call *call, int64_t number);
void api_add_next(struct http_call *call, struct buf *into, const char *name /* NULL: null */);
/* A whole page of a registry, each item with its etag. */
typedef json_t *api_item(struct http_call *call, const struct entry *entry);
void api_answer_list(struct http_call *call, struct registry *registry, api_item *item);
json_t *api_configuration(struct http_call *call, const struct entry *entry);   /* an item that is its configuration */

/* ---- writes to configuration ---- */

/* For config_write(): precondition, dryRun and actor from the call, api_answer_write() as the answer. Takes `document` (or NULL);
 * `name` must live as long as call and document. For those who are not administrators, a PATCH of what an operator may set. */
struct config_request *api_config_request(struct http_call *call, enum config_op op, struct registry *registry, const char *name,
                                          json_t *document);
/* 201 with Location, 200, 204; the plan of a dryRun; or what was wrong. Frees neither. */
void api_answer_write(struct http_call *call, const struct config_request *request, const struct config_result *result);
/* The `done` that api_config_request() sets: answers and frees the request. */
void api_write_done(struct config_request *request, struct config_result *result);
/* RFC 9110 13; `ctx` is the call. */
bool api_precondition(void *ctx, const char *etag);

/* ---- between resources ---- */

bool api_must_log_out(const struct config_result *result);      /* whom it is about, if it is a user; users.c */
void api_message_send_test(struct http_call *call, const struct entry *account);        /* messages.c */
bool api_wants_approval(const struct entry *entry, void *call);         /* ?approval= on Allowed Hosts */
bool api_probe_allowed(struct http_call *call);                         /* false: answered 429 */

#endif
