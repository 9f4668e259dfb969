/* SPDX-License-Identifier: Apache-2.0 */
#include "app/event_types.h"

#include <string.h>

#include "app/users.h"
#include "base/mem.h"
#include "model/account.h"
#include "model/services.h"
#include "model/trust_store.h"
#include "model/user.h"
#include "model/webhook.h"

#define EVERYBODY USER_VIEWER
#define COMPONENT "name type"
#define CHANGED COMPONENT " properties"

const struct event_type event_types[] = {
    { "account.changed", EVERYBODY, "An account has another configuration.", CHANGED },
    { "account.created", EVERYBODY, "An account was made.", COMPONENT },
    { "account.deleted", EVERYBODY, "An account was deleted.", COMPONENT },
    { "account.renamed", EVERYBODY, "An account has another name.", COMPONENT " from" },
    { "account.secretExpires", EVERYBODY,
      "The client secret that an account gets its tokens with ends in 30, 14 or 3 days, or has ended.", "days expiresAt" },
    { "account.status", EVERYBODY, "An account's state or its code changed.", "from to code cause" },
    { "certificate.approved", EVERYBODY, "Somebody approved a certificate in Allowed Hosts.",
      "id hostname port approval reasons sha256" },
    { "certificate.challenge", EVERYBODY, "A certificate that cannot be verified waits for somebody's decision.",
      "id hostname port approval reasons sha256" },
    { "certificate.changed", EVERYBODY, "A server shows another key than the approved one; its mail waits for a decision.",
      "id hostname port approval reasons sha256" },
    { "certificate.forgotten", EVERYBODY, "An entry of Allowed Hosts was deleted.", "id hostname port approval reasons sha256" },
    { "certificate.redundant", EVERYBODY, "A host passes verification without its exemption, which may be deleted.",
      "id hostname port approval reasons sha256" },
    { "certificate.rejected", EVERYBODY, "Somebody rejected a certificate in Allowed Hosts.",
      "id hostname port approval reasons sha256" },
    { "config.applied", USER_ADMIN, "A document of the configuration was applied, and changed something.",
      "created changed deleted unchanged" },
    { "events.gap", EVERYBODY, "The events from one id to another cannot be told any more.", "from to" },
    { "events.lost", EVERYBODY, "So many events came at once that some were not kept.", "count" },
    { "keyPair.changed", EVERYBODY, "An entry of the User Key Store changed.", CHANGED },
    { "keyPair.created", EVERYBODY, "A key pair came into the User Key Store.", COMPONENT },
    { "keyPair.deleted", EVERYBODY, "A key pair was deleted from the User Key Store.", COMPONENT },
    { "mailbox.changed", EVERYBODY, "An account reads another mailbox, or another server's, from now on.",
      "uidValidity messages known" },
    { "mailbox.messageSkipped", EVERYBODY, "A message cannot be stored for the time being, and stays on the server.",
      "uid size code cause" },
    { "mailbox.messagesLeft", EVERYBODY, "Messages that were to be removed stay on the server, marked as deleted.", "cause" },
    { "mailbox.uidValidityChanged", EVERYBODY, "A mailbox numbers its messages anew (UIDVALIDITY); those that are known were found again.",
      "uidValidity messages known" },
    { "message.acknowledged", EVERYBODY, "A received message was acknowledged.", "id state" },
    { "message.bounced", EVERYBODY, "A delivery status notification came about a message that was sent.",
      "report reportAccount messageId subject recipients" },
    { "message.canceled", EVERYBODY, "A message was canceled before it was sent.", "id state code cause" },
    { "message.deferred", EVERYBODY, "A message could not be sent for the time being, or for another reason than before.",
      "id state attempts code cause nextAttempt" },
    { "message.failed", EVERYBODY, "A message was given up: no recipient's server took it.", "id state attempts code cause" },
    { "message.held", EVERYBODY, "A message is held, by a person or by the day's limit.", "id state" },
    { "message.queued", EVERYBODY, "A message was taken into the queue, or put back into it.", "id state" },
    { "message.received", EVERYBODY, "A message was received and stored.", "id from subject messageId size" },
    { "message.sent", EVERYBODY, "A message was taken by the server of at least one recipient, and no other is open.",
      "id state attempts failedRecipients" },
    { "message.uncertain", EVERYBODY, "The connection was lost after the message and before the server's reply.",
      "id state attempts code cause nextAttempt" },
    { "service.changed", EVERYBODY, "A service has another configuration.", CHANGED },
    { "token.created", USER_ADMIN, "An API token was made.", "name role" },
    { "token.deleted", USER_ADMIN, "An API token was deleted.", COMPONENT },
    { "user.changed", USER_ADMIN, "A user changed, or has another password.", CHANGED },
    { "user.created", USER_ADMIN, "A user was made.", COMPONENT },
    { "user.deleted", USER_ADMIN, "A user was deleted.", COMPONENT },
    { "userCa.changed", EVERYBODY, "The names that a certificate authority of the User Trust Store is limited to changed.", CHANGED },
    { "userCa.created", EVERYBODY, "A certificate authority came into the User Trust Store.", COMPONENT },
    { "userCa.deleted", EVERYBODY, "A certificate authority was deleted from the User Trust Store.", COMPONENT },
    { "webhook.changed", USER_OPERATOR, "A webhook has another configuration.", CHANGED },
    { "webhook.created", USER_OPERATOR, "A webhook was made.", COMPONENT },
    { "webhook.deleted", USER_OPERATOR, "A webhook was deleted.", COMPONENT },
    { "webhook.disabled", USER_OPERATOR, "A webhook's target said that it is gone (410), and the webhook was disabled.",
      "webhook delivery status" },
    { "webhook.failed", USER_OPERATOR, "An event was given up: the webhook's target did not take it in time.",
      "webhook delivery event type attempts status code cause" },
    { "webhook.test", USER_OPERATOR, "Sent to one webhook when somebody tests it.", "webhook" },
    { 0 }
};

#define TYPES (COUNT_OF(event_types) - 1)
_Static_assert(TYPES <= 128, "struct event_set has a bit for each");

int event_type_find(const char *name)
{
    size_t low = 0, high = TYPES;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(event_types[middle].name, name);

        if (order == 0)
            return (int)middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

const char *event_family(const struct component_type *type)
{
    static const struct { const struct component_type *type; const char *family; } families[] = {
        { &outgoing_account_type, "account" }, { &incoming_account_type, "account" }, { &email_service_type, "service" },
        { &certificate_service_type, "service" }, { &web_service_type, "service" }, { &user_service_type, "service" },
        { &user_ca_type, "userCa" }, { &key_pair_type, "keyPair" }, { &user_type, "user" }, { &token_type, "token" },
        { &webhook_type, "webhook" },
    };

    for (size_t i = 0; i < COUNT_OF(families); i++)
        if (families[i].type == type)
            return families[i].family;
    return NULL;
}

static void add_bit(struct event_set *set, size_t type)
{
    set->bits[type / 64] |= (uint64_t)1 << type % 64;
}

bool event_set_add(struct event_set *set, struct str word)
{
    bool prefix = word.len > 1 && str_ends_nocase(word, STR(".*")), found = false;

    if (str_eq(word, STR("*"))) {
        set->all = true;
        return true;
    }
    for (size_t i = 0; i < TYPES; i++) {
        struct str name = str_c(event_types[i].name);

        if (prefix ? !str_starts(name, str_n(word.p, word.len - 1)) : !str_eq(name, word))
            continue;
        add_bit(set, i);
        found = true;
    }
    return found;
}

bool event_set_has(const struct event_set *set, int type)
{
    return set->all || (type >= 0 && set->bits[type / 64] >> type % 64 & 1);
}
