/* SPDX-License-Identifier: Apache-2.0 */
#include "model/account_props.h"

#include <string.h>

static const char *const transports[] = { "imap", "pop3", NULL };
static const char *const policies[] = { "markAsRead", "markAsUnread", "delete", NULL };
static const char *const policy_titles[] = { "Mark as read", "Leave untouched", "Delete from the server", NULL };

static const struct prop incoming_props[] = {
    ACCOUNT_CONNECTION_PROPS("110", account_port_default_incoming, transports, "pop3"),
    { .name = "mailbox", .type = PROP_STRING, .preset = "INBOX", .range = { 0, 255 }, PROP_AT(struct account, mailbox, char *),
      .group = "Messages", .doc = "IMAP: the mailbox that is read." },
    { .name = "push", .type = PROP_BOOL, .preset = "true", PROP_AT(struct account, push, bool), .group = "Messages",
      .doc = "IMAP: IDLE where the server offers it, with Pollrate as the fallback." },
    { .name = "pollrate", .type = PROP_INT, .range = { 1, 86400 }, .preset = "60", .unit = "s",
      PROP_AT(struct account, pollrate, int64_t), .group = "Messages", .doc = "How often the mailbox is checked." },
    { .name = "deliveryPolicy", .type = PROP_ENUM, .choices = policies, .titles = policy_titles, .preset = "markAsRead",
      PROP_AT(struct account, delivery_policy, int64_t), .group = "Messages",
      .doc = "What happens on the server to a message that is stored here. POP3 cannot mark: both keep." },
    { .name = "ignoreAttachments", .type = PROP_BOOL, PROP_AT(struct account, ignore_attachments, bool), .group = "Messages",
      .doc = "Store messages without their attachments." },
    { .name = "maxPerPoll", .type = PROP_INT, .range = { 1, 10000 }, .preset = "100", .unit = "messages",
      PROP_AT(struct account, max_per_poll, int64_t), .group = "Limits", .doc = "At most so many in one poll." },
    /* SQLite holds 1,000,000,000 bytes in a value and no more; one that couldn't be stored would keep back all after it. */
    { .name = "maxMessageSize", .type = PROP_INT, .range = { 1024, 943718400 }, .preset = "26214400", .unit = "bytes",
      PROP_AT(struct account, max_message_size, int64_t), .group = "Limits",
      .doc = "Larger ones are recorded with headers only and stay on the server." },
    { .name = "retention", .type = PROP_INT, .range = { 0, 36500 }, .preset = "30", .unit = "days",
      PROP_AT(struct account, retention, int64_t), .group = "Limits",
      .doc = "How long acknowledged messages are kept; 0: for ever. Unacknowledged ones are never removed." },
    ACCOUNT_DEBUG_PROP,
    ACCOUNT_STATUS_PROPS,
    { .name = "numberReceived", .type = PROP_INT, .flags = PROP_READONLY | PROP_PERSISTENT,
      PROP_AT(struct account, number_received, int64_t), .group = "Status", .doc = "Messages stored so far." },
    { .name = "unacknowledged", .type = PROP_INT, .flags = PROP_READONLY,
      PROP_AT(struct account, unacknowledged, int64_t), .group = "Status", .doc = "Messages nobody has acknowledged yet." },
    { 0 }
};

static const struct component_action incoming_actions[] = {
    { .name = "verify", .doc = "Connects and logs in step by step, and says where and why it fails." },
    { .name = "poll", .doc = "Checks the mailbox now." },
    { 0 }
};

static const char *const exclusive[][2] = { { "useSsl", "useStartTls" }, { NULL } };

static void check(const void *component, struct problems *problems)
{
    const struct account *account = component;

    if (strcmp(account->authenticator.type->name, "none") == 0)
        problems_add(problems, "/emailAuthenticator/type", "property.choice",
                     "An IncomingAccount logs in: type must be basic or oauth2.");
}

const struct component_type incoming_account_type = {
    .name = "IncomingAccount", .table = "incoming_account", .size = sizeof(struct account), .props = incoming_props,
    .actions = incoming_actions, .check = check, .exclusive = exclusive, .doc = "Receives mail from one mailbox.",
};
