/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/audit.h"
#include "app/users.h"
#include "base/clock.h"
#include "base/map.h"
#include "component/json.h"
#include "model/trust_store.h"
#include "model/user.h"

#define API_USER_MAX 64                 /* bytes of http_identity.user */

/* ---- who asks, and for what ---- */

struct station *api_station(struct http_call *call)
{
    return http_context(call);
}

/* Lists of accounts that tokens are limited to, by their JSON text. They stay until the end, so that a call may go on with one
 * whose token was deleted meanwhile; there are no more than different lists. */
static pthread_mutex_t lists_lock = PTHREAD_MUTEX_INITIALIZER;
static struct map *lists;

/* One block: the pointers, then the names they point to. */
static const char **pack(const json_t *names)
{
    size_t room = (json_array_size(names) + 1) * sizeof(char *), at = room, i;
    const json_t *name;
    const char **list;

    json_array_foreach(names, i, name)
        room += json_string_length(name) + 1;
    list = mem_alloc(room);
    json_array_foreach(names, i, name) {
        list[i] = memcpy((char *)list + at, json_string_value(name), json_string_length(name));
        at += json_string_length(name) + 1;
    }
    return list;
}

/* Kept with the token's entry, so that it is worked out once. */
static void *accounts_of(struct entry *entry)
{
    const json_t *names = ((const struct token *)entry->component)->accounts;
    void *list = atomic_load(&entry->ready);

    if (list || json_array_size(names) == 0)
        return list;
    AUTO_FREE char *text = json_dumps(names, JSON_COMPACT);
    pthread_mutex_lock(&lists_lock);
    if (lists == NULL)
        lists = map_new();
    list = map_get(lists, text);
    if (list == NULL)
        map_put(lists, text, list = pack(names));
    pthread_mutex_unlock(&lists_lock);
    atomic_store(&entry->ready, list);
    return list;
}

const char *const *api_accounts(struct http_call *call)
{
    return http_identity(call)->accounts;
}

bool api_may_use(struct http_call *call, const char *account)
{
    const char *const *names = api_accounts(call);

    if (names == NULL)
        return true;
    while (*names && strcmp(*names, account) != 0)
        names++;
    return *names != NULL;
}

bool api_need_role(struct http_call *call, enum role role)
{
    struct err err;

    if (http_identity(call)->role >= role)
        return true;
    err_id(&err, ERR_FORBIDDEN, "role.needed", NULL, "This takes the role %s.", user_roles[role - 1]);
    http_answer_err(call, &err);
    return false;
}

struct actor api_actor(struct http_call *call)
{
    const struct http_identity *who = http_identity(call);

    return (struct actor){ who->user, who->address };
}

void api_audit(struct http_call *call, const char *action, const char *type, const char *name)
{
    const struct actor actor = api_actor(call);
    AUTO_FREE char *resource = mem_printf("%s/%s", type, name);

    audit_note(api_station(call), &actor, action, resource, NULL);
}

bool api_dry_run(struct http_call *call)
{
    return http_query_flag(call, "dryRun");
}

bool api_include_status(struct http_call *call)
{
    const char *include = http_query(call, "include");

    return include && strcmp(include, "status") == 0;
}

/* "token:<label>": in the audit trail nobody shall take it for a person. Cut between characters, should it be too long. */
static void name_token(const char *label, char name[API_USER_MAX + 1])
{
    size_t len;

    snprintf(name, API_USER_MAX + 1, "token:%s", label);
    for (len = strlen(name); len > 0 && !str_is_utf8(str_n(name, len)); len--)
        name[len - 1] = '\0';
}

int api_token(void *ctx, struct str text, struct http_identity *ret)
{
    struct err err;
    AUTO(entry) entry = users_token_check(ctx, text, &err);
    const struct token *token;

    if (entry == NULL)
        return -1;
    token = entry->component;
    name_token(token->label, ret->user);
    snprintf(ret->token_id, sizeof(ret->token_id), "%s", entry->name);
    ret->role = (enum role)(token->role + 1);
    ret->accounts = accounts_of(entry);
    return 0;
}

/* ---- bodies ---- */

int api_json_body(struct http_call *call, json_t **ret)
{
    struct str body = http_body(call);
    json_error_t error;
    json_t *json = json_loadb(body.p ? body.p : "", body.len, JSON_REJECT_DUPLICATES, &error);
    AUTO_FREE char *detail = NULL;

    if (json == NULL) {
        char *near = strstr(error.text, " near ");

        if (near)                       /* a piece of the body, and that may be a piece of a secret */
            *near = '\0';
        detail = mem_printf("The body is not JSON: line %d, column %d: %s.", error.line, error.column, error.text);
        http_answer_problem(call, 400, "json.syntax", NULL, detail, NULL);
        return -1;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        return api_answer_problem_at(call, "", "document.type", "The document must be a JSON object.");
    }
    *ret = json;
    return 0;
}

void api_check_members(const json_t *document, const char *known, struct problems *problems)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)document, name, value) {
        struct str rest = str_c(known), word;
        bool found = false;

        while (!found && str_split(&rest, ' ', &word))
            found = str_eq(word, str_c(name));
        if (!found) {
            AUTO_FREE char *pointer = mem_printf("/%.64s", name);

            problems_add(problems, pointer, "property.unknown", "\"%.64s\" is not known here.", name);
        }
    }
}

bool api_no_parameters(struct http_call *call)
{
    AUTO_PROBLEMS(problems);
    json_t *document;

    if (http_body(call).len == 0)
        return true;
    if (api_json_body(call, &document) < 0)
        return false;
    api_check_members(document, "", &problems);
    json_decref(document);
    if (problems.count)
        api_answer_problems(call, &problems);
    return problems.count == 0;
}

char *api_take_secret(json_t *document, const char *name, bool required, struct problems *problems)
{
    json_t *value = json_object_get(document, name);
    AUTO_FREE char *pointer = mem_printf("/%s", name);
    char *text = NULL;

    if (value == NULL && required)
        problems_add(problems, pointer, "property.required", "Give %s.", name);
    else if (value && !json_is_string(value))
        problems_add(problems, pointer, "property.type", "%s must be a string.", name);
    if (json_is_string(value)) {
        text = mem_strdup(json_string_value(value));
        mem_wipe((char *)json_string_value(value), json_string_length(value));  /* Jansson frees without wiping */
    }
    json_object_del(document, name);
    return text;
}

/* ---- answers ---- */

void api_answer_json(struct http_call *call, int status, json_t *taken)
{
    char *text = taken ? json_dumps(taken, JSON_COMPACT) : NULL;
    struct buf buf = { .p = text };
    struct err err;

    json_decref(taken);
    if (text == NULL) {
        err_set(&err, ERR_INTERNAL, NULL, "The answer could not be written as JSON.");
        http_answer_err(call, &err);
        return;
    }
    buf.len = buf.cap = buf.max = strlen(text);
    http_answer_buf(call, status, "application/json", &buf);
}

void api_add_etag(struct http_call *call, const char *etag)
{
    char quoted[ETAG_MAX + 2];

    snprintf(quoted, sizeof(quoted), "\"%s\"", etag);
    http_add_header(call, "ETag", quoted);
}

static void free_ready(void *ready)
{
    http_ready_free(ready);
}

/* Made once for each state of the configuration, and given to all who ask. */
static struct http_ready *ready_of(struct entry *entry)
{
    void *ready = atomic_load(&entry->ready), *none = NULL;

    if (ready)
        return ready;
    ready = http_ready_new(200, "application/json", bytes_str(entry_bytes(entry)), entry_etag(entry));
    entry->ready_free = free_ready;
    if (atomic_compare_exchange_strong(&entry->ready, &none, ready))
        return ready;
    http_ready_free(ready);
    return none;
}

void api_answer_entry(struct http_call *call, struct entry *entry)
{
    http_answer_ready(call, ready_of(entry));
}

void api_answer_tagged_status(struct http_call *call, int status, const struct entry *entry, json_t *taken)
{
    api_add_etag(call, entry_etag(entry));
    api_answer_json(call, status, taken);
}

void api_answer_tagged(struct http_call *call, const struct entry *entry, json_t *taken)
{
    if (http_method_of(call) == HTTP_GET && http_not_modified(call, entry_etag(entry))) {
        json_decref(taken);
        api_add_etag(call, entry_etag(entry));
        http_answer_empty(call, 304);
    } else {
        api_answer_tagged_status(call, 200, entry, taken);
    }
}

void api_answer_problems(struct http_call *call, const struct problems *problems)
{
    json_t *list = problems_json(problems);
    AUTO_FREE char *errors = json_dumps(list, JSON_COMPACT);
    AUTO_FREE char *detail = problems->count == 1 ? mem_strdup(problems->items[0].detail) :
                                                    mem_printf("%zu things are wrong; see errors.", problems->count);

    http_answer_problem(call, 422, problems->count == 1 ? problems->items[0].code : "invalid", NULL, detail, errors);
    json_decref(list);
}

int api_answer_problem_at(struct http_call *call, const char *pointer, const char *code, const char *detail)
{
    AUTO_PROBLEMS(problems);

    problems_add(&problems, pointer, code, "%s", detail);
    api_answer_problems(call, &problems);
    return -1;
}

int api_answer_not_found(struct http_call *call, const char *what, const char *name)
{
    struct err err;

    err_id(&err, ERR_NOT_FOUND, "notFound", NULL, "There is no %s \"%.200s\".", what, name ? name : "");
    http_answer_err(call, &err);
    return -1;
}

int api_answer_bad_query(struct http_call *call, const char *parameter, const char *right)
{
    AUTO_FREE char *detail = mem_printf("The query parameter %s must be %s.", parameter, right);

    http_answer_problem(call, 422, "query.invalid", NULL, detail, NULL);
    return -1;
}

/* ---- between resources ---- */

bool api_wants_approval(const struct entry *entry, void *call)
{
    const char *wanted = http_query(call, "approval");
    json_t *now = wanted ? prop_to_json(prop_find(entry->type->props, "approval"), entry->component) : NULL;
    bool good = wanted == NULL || strcmp(json_string_value(now) ?: "", wanted) == 0;

    json_decref(now);
    return good;
}

#define PROBES 20                       /* in a row; then one each PROBE_EVERY */
#define PROBE_EVERY SECONDS(3)

bool api_probe_allowed(struct http_call *call)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int64_t free_at;             /* when the bucket is full again */
    int64_t now = clock_mono(), wait;
    char after[16];

    pthread_mutex_lock(&lock);
    if (free_at < now)
        free_at = now;
    wait = free_at + PROBE_EVERY - (now + PROBES * PROBE_EVERY);
    if (wait <= 0)
        free_at += PROBE_EVERY;
    pthread_mutex_unlock(&lock);
    if (wait <= 0)
        return true;
    snprintf(after, sizeof(after), "%d", (int)(wait / 1000 + 1));
    http_add_header(call, "Retry-After", after);
    http_answer_problem(call, 429, "probe.rate", NULL, "Too many servers were looked at in a short time; wait a little.", NULL);
    return false;
}
