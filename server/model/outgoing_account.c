/* SPDX-License-Identifier: Apache-2.0 */
#include "model/account_props.h"

static const char *const transports[] = { "smtp", NULL };
static const char *const guarantees[] = { "atLeastOnce", "atMostOnce", NULL };
static const char *const guarantee_titles[] = { "At least once", "At most once", NULL };

static const struct prop outgoing_props[] = {
    ACCOUNT_CONNECTION_PROPS("25", account_port_default_outgoing, transports, "smtp"),
    { .name = "from", .type = PROP_MAILBOX, PROP_AT(struct account, from, char *), .group = "Messages",
      .doc = "Sender of messages that bring none." },
    { .name = "replyTo", .type = PROP_MAILBOX, PROP_AT(struct account, reply_to, char *), .group = "Messages",
      .doc = "Reply-To of messages that bring none." },
    { .name = "batch", .type = PROP_BOOL, PROP_AT(struct account, batch, bool), .group = "Messages",
      .doc = "Wait for the next Pollrate tick and send all over one connection, rather than at once." },
    { .name = "pollrate", .type = PROP_INT, .range = { 1, 86400 }, .preset = "60", .unit = "s",
      PROP_AT(struct account, pollrate, int64_t), .group = "Messages", .doc = "With Batch: how often the queue is sent." },
    { .name = "deliveryGuarantee", .type = PROP_ENUM, .choices = guarantees, .titles = guarantee_titles,
      .preset = "atLeastOnce", PROP_AT(struct account, delivery_guarantee, int64_t), .group = "Messages",
      .doc = "What happens to a message whose reply was lost: sent again, or left to a person." },
    { .name = "retryFor", .type = PROP_INT, .range = { 0, 31536000 }, .preset = "432000", .unit = "s",
      PROP_AT(struct account, retry_for, int64_t), .group = "Messages",
      .doc = "How long temporary failures are retried." },
    { .name = "maxQueueSize", .type = PROP_INT, .range = { 1, 10000000 }, .preset = "10000",
      PROP_AT(struct account, max_queue_size, int64_t), .group = "Limits", .unit = "messages",
      .doc = "A full queue refuses the new message; nothing is dropped." },
    { .name = "maxMessageSize", .type = PROP_INT, .range = { 1024, 1073741824 }, .preset = "26214400", .unit = "bytes",
      PROP_AT(struct account, max_message_size, int64_t), .group = "Limits", .doc = "Larger messages are refused." },
    { .name = "maxSendablePerDay", .type = PROP_INT, .range = { 0, 100000000 }, .preset = "0", .unit = "messages",
      PROP_AT(struct account, max_sendable_per_day, int64_t), .group = "Limits",
      .doc = "0: no limit. At the limit messages wait, held, for local midnight." },
    { .name = "maxConnections", .type = PROP_INT, .range = { 1, 100 }, .preset = "2",
      PROP_AT(struct account, max_connections, int64_t), .group = "Limits",
      .doc = "Connections at a time; each carries many messages." },
    { .name = "allowDisabledQueuing", .type = PROP_BOOL, PROP_AT(struct account, allow_disabled_queuing, bool),
      .group = "Limits", .doc = "A disabled account still takes messages into its queue." },
    { .name = "retention", .type = PROP_INT, .range = { 0, 36500 }, .preset = "30", .unit = "days",
      PROP_AT(struct account, retention, int64_t), .group = "Limits",
      .doc = "How long finished messages are kept; 0: for ever." },
    ACCOUNT_DEBUG_PROP,
    ACCOUNT_STATUS_PROPS,
    { .name = "paused", .type = PROP_BOOL, .flags = PROP_READONLY | PROP_PERSISTENT, PROP_AT(struct account, paused, bool),
      .group = "Status", .doc = "Paused by the pause action: messages wait until resume." },
    { .name = "queueSize", .type = PROP_INT, .flags = PROP_READONLY, PROP_AT(struct account, queue_size, int64_t),
      .group = "Status", .doc = "Messages that wait." },
    { .name = "numberSent", .type = PROP_INT, .flags = PROP_READONLY | PROP_PERSISTENT,
      PROP_AT(struct account, number_sent, int64_t), .group = "Status", .doc = "Sent since local midnight." },
    { .name = "numberSentUntil", .type = PROP_TIME, .flags = PROP_READONLY | PROP_PERSISTENT,
      PROP_AT(struct account, number_sent_until, int64_t), .group = "Status", .doc = "When numberSent restarts." },
    { .name = "numberDiscarded", .type = PROP_INT, .flags = PROP_READONLY | PROP_PERSISTENT,
      PROP_AT(struct account, number_discarded, int64_t), .group = "Status",
      .doc = "Messages that ended without being delivered." },
    { .name = "lastDiscard", .type = PROP_TIME, .flags = PROP_READONLY | PROP_PERSISTENT,
      PROP_AT(struct account, last_discard, int64_t), .group = "Status", .doc = "When that last happened." },
    { .name = "lastDiscardCause", .type = PROP_STRING, .flags = PROP_READONLY | PROP_PERSISTENT,
      PROP_AT(struct account, last_discard_cause, char *), .group = "Status", .doc = "Why." },
    { 0 }
};

struct send_test { char *to; };
static const struct prop send_test_params[] = {
    { .name = "to", .type = PROP_MAILBOX, PROP_AT(struct send_test, to, char *), .flags = PROP_REQUIRED,
      .doc = "Where the test message goes." },
    { 0 }
};

static const struct component_action outgoing_actions[] = {
    { .name = "verify", .doc = "Connects and logs in step by step, and says where and why it fails." },
    { .name = "sendTest", .doc = "Queues a test message.", .params = send_test_params },
    { .name = "flush", .doc = "Tries everything that waits for a retry now." },
    { .name = "pause", .doc = "Sends nothing until resumed; messages wait." },
    { .name = "resume", .doc = "Ends a pause, also one after refused credentials." },
    { .name = "resetNumberSent", .doc = "Starts the day's count at 0; messages held by the limit go on." },
    { .name = "clearQueue", .doc = "Cancels every message that waits.", .admin = true },
    { 0 }
};

static const char *const exclusive[][2] = { { "useSsl", "useStartTls" }, { NULL } };

const struct component_type outgoing_account_type = {
    .name = "OutgoingAccount", .table = "outgoing_account", .size = sizeof(struct account), .props = outgoing_props,
    .actions = outgoing_actions, .exclusive = exclusive, .doc = "Sends mail through one server.",
};
