/* SPDX-License-Identifier: Apache-2.0 */
#include "app/config_private.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/audit.h"
#include "app/events.h"
#include "app/hosts.h"
#include "app/live.h"
#include "app/outbox.h"
#include "app/webhooks.h"
#include "base/clock.h"
#include "component/json.h"
#include "model/account.h"
#include "model/services.h"
#include "model/trust_store.h"
#include "store/store.h"

static bool is_account(const struct component_type *type)
{
    return type == &outgoing_account_type || type == &incoming_account_type;
}

static int not_found(const struct write *write, struct err *err)
{
    return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no \"%s\" here.", write->request->name);
}

/* The type is given at creation and fixed. */
static const struct component_type *type_for(struct write *write, struct err *err)
{
    const struct config_request *request = write->request;
    const json_t *named = json_object_get(request->document, "type");
    const struct component_type *type = request->type;

    if (write->result.before) {
        type = write->result.before->type;
        if (named && (!json_is_string(named) || strcmp(json_string_value(named), type->name) != 0))
            problems_add(&write->result.problems, "/type", "type.fixed",
                         "type is given at creation and fixed: \"%s\" is of type %s.", request->name, type->name);
        return type;
    }
    if (type == NULL && json_is_string(named))
        type = account_type_named(json_string_value(named));
    if (type == NULL) {
        problems_add(&write->result.problems, "/type", named ? "property.choice" : "property.required",
                     "type must be OutgoingAccount or IncomingAccount.");
        err_set(err, ERR_INVALID, "/type", "type must be OutgoingAccount or IncomingAccount.");
    }
    return type;
}

static void check_name(struct write *write)
{
    const json_t *named = json_object_get(write->request->document, "name");

    if (!component_name_ok(str_c(write->request->name)))
        problems_add(&write->result.problems, "/name", "name.format",
                     "A name has 1 to 64 of A-Z a-z 0-9 _ - . and does not start with a dot.");
    else if (named && (!json_is_string(named) || strcmp(json_string_value(named), write->request->name) != 0))
        problems_add(&write->result.problems, "/name", "name.fixed",
                     "name must be \"%s\", as in the path; use the rename action to change it.", write->request->name);
}

static void check_https_key(struct write *write, const struct web_service *web)
{
    AUTO(entry) pair = *web->https_key ? registry_get(write->station->key_pairs, web->https_key) : NULL;

    if (*web->https_key && pair == NULL)
        problems_add(&write->result.problems, "/httpsKey", "reference.missing", "The User Key Store has no \"%s\".", web->https_key);
}

/* References between components, which no type can check by itself. */
static void check_references(struct write *write, const struct component_type *type, const void *component)
{
    const struct email_service *service = component;
    AUTO(entry) account = NULL;

    if (type == &web_service_type)
        check_https_key(write, component);
    if (type != &email_service_type || *service->default_outgoing_account == '\0')
        return;
    account = registry_get(write->station->accounts, service->default_outgoing_account);
    if (account == NULL || account->type != &outgoing_account_type)
        problems_add(&write->result.problems, "/defaultOutgoingAccount", "reference.missing",
                     "There is no OutgoingAccount \"%s\".", service->default_outgoing_account);
}

static void *changed_component(struct write *write, const struct component_type *type)
{
    const struct config_request *request = write->request;
    const struct entry *before = write->result.before;
    bool port_given = json_object_get(request->document, "port") && !json_is_null(json_object_get(request->document, "port"));
    void *component;

    if (request->op == CONFIG_PATCH) {
        component = component_copy(type, before->component);
        component_patch(type, component, request->document, &write->result.problems);
    } else {
        component = component_replace(type, before ? before->component : NULL, request->document, &write->result.problems);
    }
    if (is_account(type)) {
        account_follow_port(type, request->op == CONFIG_PATCH ? before->component : NULL, component, port_given);
        account_warnings(type, component, &write->result.warnings);
    }
    component_check(type, component, &write->result.problems);
    if (type == &webhook_type)
        write->result.secret_made = webhooks_complete(write->station, before, component, request->document, &write->result.problems);
    check_references(write, type, component);
    return component;
}

/* Which properties, never their values. */
static json_t *audit_detail(const struct write *write)
{
    const struct entry *before = write->result.before, *after = write->result.after;

    if (write->request->op == CONFIG_RENAME)
        return json_pack("{s:s}", "to", write->request->new_name);
    if (before == NULL || after == NULL)
        return NULL;
    return json_pack("{s:o}", "properties", component_differing(after->type, before->component, after->component));
}

/* In the audit trail, and as an event. */
static int record(struct store_tx *tx, const struct write *write, const char *action, const char *verb, struct err *err)
{
    const struct config_request *request = write->request;
    const struct entry *before = write->result.before, *after = write->result.after, *shown = after ? after : before;
    AUTO_FREE char *resource = mem_printf("%s/%s", shown->type->name, request->name);
    bool renamed = request->op == CONFIG_RENAME;
    json_t *detail = audit_detail(write), *more = renamed ? json_pack("{s:s}", "from", request->name) : json_incref(detail);
    int rc = audit_add(tx, &request->actor, action, resource, detail, err);

    if (rc == 0)
        rc = shown->type == &allowed_host_type ? hosts_tell_decision(tx, before, after, err)
                                               : events_add_component(tx, shown->type, verb, shown->name, more, err);
    if (rc == 0 && shown->type == &webhook_type)
        rc = webhooks_follow(tx, before, after, err);
    json_decref(detail);
    json_decref(more);
    return rc;
}

/* The row holds counters beside the configuration; a new configuration leaves them as they are. */
static int keep_counters(struct store_tx *tx, const struct write *write, struct err *err)
{
    AUTO(live) live = NULL;

    if (!is_account(write->result.after->type) || write->result.before == NULL)
        return 0;
    live = live_get(write->station->lives, write->request->name);
    return live_store(tx, live, write->result.after->type, err);
}

static int store_change(struct store_tx *tx, struct write *write, struct err *err)
{
    const struct entry *after = write->result.after;
    struct store_stamp stamp = { after->changed_by, after->changed_at };

    write->result.outcome = write->result.before ? CONFIG_CHANGED : CONFIG_CREATED;
    if (write->request->dry_run)
        return 0;
    if (store_put(tx, after->type, after->name, after->component, &stamp, err) < 0 || keep_counters(tx, write, err) < 0)
        return -1;
    return write->result.before ? record(tx, write, "change", "changed", err) : record(tx, write, "create", "created", err);
}

static int leave(struct write *write)
{
    entry_free(write->result.after);
    write->result.after = entry_hold(write->result.before);
    write->result.outcome = CONFIG_UNCHANGED;
    return 0;
}

static int write_component(struct store_tx *tx, struct write *write, struct err *err)
{
    struct config_request *request = write->request;
    const struct component_type *type;
    void *component = NULL;
    int changed;

    if (request->op == CONFIG_CREATE && write->result.before)
        return err_id(err, ERR_EXISTS, "name.taken", "/name", "The name \"%s\" is taken.", request->name);
    if ((request->op == CONFIG_PATCH || request->no_create) && write->result.before == NULL)
        return not_found(write, err);
    if (!json_is_object(request->document))
        return err_id(err, ERR_INVALID, "document.type", "", "The document must be a JSON object.");
    if (request->make == NULL)
        check_name(write);
    type = type_for(write, err);
    if (type == NULL)
        return -1;
    changed = request->make ? request->make(request, write->result.before, &component, &write->result.problems, err) : 1;
    if (changed <= 0) {
        component_free(type, component);
        return changed < 0 ? -1 : leave(write);
    }
    if (request->make == NULL)
        component = changed_component(write, type);
    if (request->last_word &&
        request->last_word(write->request, write->result.before, component, &write->result.problems, err) < 0) {
        component_free(type, component);
        return -1;
    }
    write->result.after = entry_new(type, request->name, component, request->actor.name, clock_now(), write->station->key);
    if (write->result.problems.count)
        return err_id(err, ERR_INVALID, write->result.problems.items[0].code, write->result.problems.items[0].pointer, "%s",
                      write->result.problems.items[0].detail);
    if (write->result.before && request->make == NULL &&
        strcmp(entry_etag(write->result.before), entry_etag(write->result.after)) == 0)
        return leave(write);
    return store_change(tx, write, err);
}

/* The EmailService refers to the account by its name: to `to` from now on; "" for nothing. */
static int follow_default(struct store_tx *tx, struct write *write, const char *to, struct err *err)
{
    const struct config_request *request = write->request;
    AUTO(entry) service = registry_get(write->station->services, email_service_type.name);
    struct email_service *changed;
    struct store_stamp stamp = { request->actor.name, clock_now() };
    struct store_audit audit = { .at = stamp.at, .who = request->actor.name, .address = request->actor.address,
                                 .action = "change", .resource = "EmailService/EmailService" };

    if (service == NULL || !is_account(write->result.before->type) ||
        strcmp(((const struct email_service *)service->component)->default_outgoing_account, request->name) != 0)
        return 0;
    changed = component_copy(&email_service_type, service->component);
    free(changed->default_outgoing_account);
    changed->default_outgoing_account = mem_strdup(to);
    write->result.service_after = entry_new(&email_service_type, service->name, changed, stamp.by, stamp.at, write->station->key);
    write->result.service_before = TAKE(service);
    if (request->dry_run)
        return 0;
    if (store_put(tx, &email_service_type, write->result.service_after->name, changed, &stamp, err) < 0)
        return -1;
    if (store_audit_add(tx, &audit, err) < 0)
        return -1;
    return events_add_component(tx, &email_service_type, "changed", write->result.service_after->name, NULL, err);
}

static int refuse_waiting(struct store_tx *tx, const struct write *write, struct err *err)
{
    struct store_message_counts counts;

    if (write->result.before->type != &outgoing_account_type || write->request->force)
        return 0;
    if (store_message_counts(tx, write->request->name, &counts, err) < 0)
        return -1;
    if (counts.waiting > 0)
        return err_id(err, ERR_CONFLICT, "account.messagesWaiting", NULL,
                      "Messages of \"%s\" still wait (%lld). Send or cancel them first, or delete with ?force=true, which cancels them.",
                      write->request->name, (long long)counts.waiting);
    return 0;
}

static int refuse_default(const struct write *write, struct err *err)
{
    if (write->result.service_after == NULL || write->request->force)
        return 0;
    return err_id(err, ERR_CONFLICT, "account.isDefault", NULL,
                  "\"%s\" is the defaultOutgoingAccount of the EmailService. Choose another one first, or delete with ?force=true, "
                  "which leaves none.", write->request->name);
}

static int cancel_waiting(struct store_tx *tx, const char *account, struct err *err)
{
    static const enum message_state waiting[] = { MESSAGE_QUEUED, MESSAGE_HELD, MESSAGE_DEFERRED, MESSAGE_UNCERTAIN };
    int64_t changed;

    for (size_t i = 0; i < COUNT_OF(waiting); i++)
        if (outbox_move(tx, account, waiting[i], MESSAGE_CANCELED, clock_now(), false, &changed, err) < 0)
            return -1;
    return 0;
}

static int delete_component(struct store_tx *tx, struct write *write, struct err *err)
{
    const struct config_request *request = write->request;

    if (write->result.before == NULL)
        return not_found(write, err);
    if (follow_default(tx, write, "", err) < 0 || refuse_default(write, err) < 0 || refuse_waiting(tx, write, err) < 0 ||
        (request->last_word &&
         request->last_word(write->request, write->result.before, NULL, &write->result.problems, err) < 0))
        return -1;
    write->result.outcome = CONFIG_DELETED;
    if (request->dry_run)
        return 0;
    if (write->result.before->type == &outgoing_account_type && cancel_waiting(tx, request->name, err) < 0)
        return -1;
    if (write->result.before->type == &incoming_account_type && store_mailbox_remove(tx, request->name, err) < 0)
        return -1;
    if (store_remove(tx, write->result.before->type, request->name, err) < 0)
        return -1;
    return record(tx, write, "delete", "deleted", err);
}

static int rename_component(struct store_tx *tx, struct write *write, struct err *err)
{
    const struct config_request *request = write->request;
    const struct entry *before = write->result.before;
    AUTO(entry) taken = registry_get(request->registry, request->new_name);

    if (before == NULL)
        return not_found(write, err);
    if (!component_name_ok(str_c(request->new_name)))
        return err_id(err, ERR_INVALID, "name.format", "/name",
                      "A name has 1 to 64 of A-Z a-z 0-9 _ - . and does not start with a dot.");
    if (taken)
        return err_id(err, ERR_EXISTS, "name.taken", "/name", "The name \"%s\" is taken.", request->new_name);
    write->result.after = entry_new(before->type, request->new_name, component_copy(before->type, before->component),
                                    request->actor.name, clock_now(), write->station->key);
    write->result.outcome = CONFIG_CHANGED;
    if (follow_default(tx, write, request->new_name, err) < 0)
        return -1;
    if (request->dry_run)
        return 0;
    if (store_rename(tx, before->type, request->name, request->new_name, err) < 0 ||
        store_message_rename_account(tx, request->name, request->new_name, err) < 0 ||
        store_mailbox_rename_account(tx, request->name, request->new_name, err) < 0)
        return -1;
    return record(tx, write, "rename", "renamed", err);
}

int config_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct write *write = ctx;
    struct config_request *request = write->request;

    request->station = write->station;
    write->result.before = registry_get(request->registry, request->name);
    if (request->precondition && !request->precondition(request->ctx, write->result.before ? entry_etag(write->result.before) : NULL))
        return err_id(err, ERR_PRECONDITION, "precondition.failed", NULL, write->result.before ?
                      "\"%s\" was changed since you read it (or exists already); read it again." :
                      "\"%s\" does not exist, so it cannot match.", request->name);
    switch (request->op) {
    case CONFIG_DELETE: return delete_component(tx, write, err);
    case CONFIG_RENAME: return rename_component(tx, write, err);
    default:            return write_component(tx, write, err);
    }
}

void config_publish(struct write *write)
{
    struct config_request *request = write->request;
    struct config_result *result = &write->result;

    if (request->dry_run || result->outcome == CONFIG_UNCHANGED || result->outcome == CONFIG_FAILED)
        return;
    if (result->outcome == CONFIG_DELETED || request->op == CONFIG_RENAME)
        entry_free(registry_remove(request->registry, request->name));
    if (result->after)
        entry_free(registry_put(request->registry, entry_hold(result->after)));
    if (result->service_after)
        entry_free(registry_put(write->station->services, entry_hold(result->service_after)));
    if (write->station->accounts_changed)
        write->station->accounts_changed(write->station, result->before, result->after);
}

static void done(void *ctx, const struct err *err)
{
    struct write *write = ctx;

    if (err) {
        write->result.outcome = CONFIG_FAILED;
        write->result.err = *err;
    }
    config_publish(write);
    write->request->done(write->request, &write->result);
    config_result_clear(&write->result);
    free(write);
}

void config_write(struct station *station, struct config_request *request)
{
    struct write *write = mem_alloc(sizeof(*write));

    write->station = station;
    write->request = request;
    store_submit(station->store, config_run, done, write, true);
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool finished;
    struct config_result *result;
};

static void wake(struct config_request *request, struct config_result *result)
{
    struct waiting *waiting = request->ctx;

    pthread_mutex_lock(&waiting->lock);
    *waiting->result = *result;
    *result = (struct config_result){ 0 };
    waiting->finished = true;
    pthread_cond_signal(&waiting->over);
    pthread_mutex_unlock(&waiting->lock);
}

void config_write_wait(struct station *station, struct config_request *request, struct config_result *result)
{
    struct waiting waiting = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, result };

    request->done = wake;
    request->ctx = &waiting;
    config_write(station, request);
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.finished)
        pthread_cond_wait(&waiting.over, &waiting.lock);
    pthread_mutex_unlock(&waiting.lock);
}

void config_result_clear(struct config_result *result)
{
    problems_clear(&result->problems);
    problems_clear(&result->warnings);
    entry_free(result->before);
    entry_free(result->after);
    entry_free(result->service_before);
    entry_free(result->service_after);
    *result = (struct config_result){ 0 };
}

static json_t *shown(const struct entry *entry)
{
    if (entry == NULL)
        return json_null();
    if (entry->type != &allowed_host_type)
        return entry_json(entry);
    return hosts_entry_decision(entry->name, entry->component, 0) ?: json_null();
}

/* A secret shows in neither before nor after: `properties` tells that it is another one. */
static json_t *plan_item(const struct component_type *type, const char *name, const char *action, const struct entry *before,
                         const struct entry *after)
{
    AUTO_FREE char *resource = mem_printf("%s/%s", type->name, name);
    json_t *item = json_pack("{s:s, s:s, s:o, s:o}", "resource", resource, "action", action, "before", shown(before), "after",
                             shown(after));

    if (before && after && type != &allowed_host_type)
        json_object_set_new(item, "properties", component_differing(type, before->component, after->component));
    if (before && after && is_account(type) && strcmp(action, "rename") != 0)
        json_object_set_new(item, "reconnects", json_boolean(station_reconnects(before, after)));
    return item;
}

void config_plan_add(const struct config_request *request, const struct config_result *result, json_t *changes)
{
    static const char *const actions[] = { "", "create", "change", "", "delete" };
    const struct entry *named = result->after ? result->after : result->before;

    if (result->outcome != CONFIG_UNCHANGED)
        json_array_append_new(changes, plan_item(named->type, request->name,
                                                 request->op == CONFIG_RENAME ? "rename" : actions[result->outcome],
                                                 result->before, result->after));
    if (result->service_after)
        json_array_append_new(changes, plan_item(&email_service_type, result->service_after->name, "change",
                                                 result->service_before, result->service_after));
}

json_t *config_plan(const struct config_request *request, const struct config_result *result)
{
    json_t *changes = json_array();

    config_plan_add(request, result, changes);
    return json_pack("{s:o, s:i}", "changes", changes, "unchanged", result->outcome == CONFIG_UNCHANGED ? 1 : 0);
}
