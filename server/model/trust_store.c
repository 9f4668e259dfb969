/* SPDX-License-Identifier: Apache-2.0 */
#include "model/trust_store.h"

#define KEPT (PROP_READONLY | PROP_PERSISTENT)

static const char *const approvals[] = { "pending", "approved", "rejected", "changed", NULL };

static const struct prop allowed_host_props[] = {
    { .name = "hostname", .type = PROP_STRING, .flags = KEPT, PROP_AT(struct allowed_host, hostname, char *),
      .doc = "As typed in the account." },
    { .name = "port", .type = PROP_INT, .flags = KEPT, PROP_AT(struct allowed_host, port, int64_t), .doc = "The port." },
    { .name = "approval", .type = PROP_ENUM, .choices = approvals, .flags = KEPT,
      PROP_AT(struct allowed_host, approval, int64_t), .doc = "Whether a person decided, and how." },
    { .name = "reasons", .type = PROP_STRINGS, PROP_AT(struct allowed_host, reasons, json_t *),
      .doc = "Everything that was wrong with the certificate." },
    { .name = "accepts", .type = PROP_STRINGS, PROP_AT(struct allowed_host, accepts, json_t *),
      .doc = "The reasons that were accepted." },
    { .name = "certificate", .type = PROP_JSON, .flags = KEPT, PROP_AT(struct allowed_host, certificate, json_t *),
      .doc = "The certificate shown last." },
    { .name = "chain", .type = PROP_JSON, .flags = KEPT, PROP_AT(struct allowed_host, chain, json_t *),
      .doc = "What the server sent beside it." },
    { .name = "previous", .type = PROP_JSON, .flags = KEPT, PROP_AT(struct allowed_host, previous, json_t *),
      .doc = "The approved certificate, where the key changed since." },
    { .name = "approvedSha256", .type = PROP_STRING, PROP_AT(struct allowed_host, approved_sha256, char *),
      .doc = "Fingerprint of the certificate that was approved." },
    { .name = "approvedSpkiSha256", .type = PROP_STRING, .flags = KEPT,
      PROP_AT(struct allowed_host, approved_spki_sha256, char *), .doc = "Fingerprint of the public key that was approved." },
    { .name = "accounts", .type = PROP_STRINGS, .flags = PROP_READONLY, PROP_AT(struct allowed_host, accounts, json_t *),
      .doc = "Accounts that use this host and port." },
    { .name = "firstSeen", .type = PROP_TIME, PROP_AT(struct allowed_host, first_seen, int64_t),
      .doc = "When this certificate was first refused." },
    { .name = "lastSeen", .type = PROP_TIME, .flags = KEPT, PROP_AT(struct allowed_host, last_seen, int64_t),
      .doc = "When it was last seen." },
    { .name = "count", .type = PROP_INT, .flags = KEPT, PROP_AT(struct allowed_host, count, int64_t),
      .doc = "How often it was seen." },
    { .name = "lastUsed", .type = PROP_TIME, .flags = KEPT, PROP_AT(struct allowed_host, last_used, int64_t),
      .doc = "When a connection last relied on the exemption." },
    { .name = "expiresAt", .type = PROP_TIME, PROP_AT(struct allowed_host, expires_at, int64_t),
      .doc = "When the exemption ends by itself." },
    { .name = "note", .type = PROP_TEXT, PROP_AT(struct allowed_host, note, char *),
      .doc = "Why it was approved, in the approver's words." },
    { .name = "approvedBy", .type = PROP_STRING, .flags = KEPT, PROP_AT(struct allowed_host, approved_by, char *),
      .doc = "Who decided." },
    { .name = "approvedAt", .type = PROP_TIME, .flags = KEPT, PROP_AT(struct allowed_host, approved_at, int64_t),
      .doc = "When." },
    { .name = "redundant", .type = PROP_BOOL, .flags = KEPT, PROP_AT(struct allowed_host, redundant, bool),
      .doc = "The full verification passes now: the exemption is no longer needed." },
    { 0 }
};

static const struct component_action allowed_host_actions[] = {
    { .name = "approve", .doc = "Accepts the certificate whose fingerprint is repeated.", .admin = true },
    { .name = "reject", .doc = "Refuses it; the accounts stay as they are until the server shows another.", .admin = true },
    { 0 }
};

const struct component_type allowed_host_type = {
    .name = "AllowedHost", .table = "allowed_host", .size = sizeof(struct allowed_host), .props = allowed_host_props,
    .actions = allowed_host_actions, .doc = "An exemption, or a question that waits for a person.",
};

static const struct prop user_ca_props[] = {
    { .name = "certificate", .type = PROP_JSON, .flags = KEPT, PROP_AT(struct user_ca, certificate, json_t *),
      .doc = "The CA's certificate." },
    { .name = "names", .type = PROP_STRINGS, .range = { 0, 100 }, PROP_AT(struct user_ca, names, json_t *),
      .doc = "Host suffixes this CA may vouch for; empty: any." },
    { .name = "addedBy", .type = PROP_STRING, .flags = KEPT, PROP_AT(struct user_ca, added_by, char *), .doc = "Who imported it." },
    { .name = "addedAt", .type = PROP_TIME, .flags = KEPT, PROP_AT(struct user_ca, added_at, int64_t), .doc = "When." },
    { 0 }
};
const struct component_type user_ca_type = {
    .name = "UserCa", .table = "user_ca", .size = sizeof(struct user_ca), .props = user_ca_props,
    .doc = "A root that the administrator imported.",
};

static const struct prop key_pair_props[] = {
    { .name = "certificate", .type = PROP_JSON, .flags = KEPT, PROP_AT(struct key_pair, certificate, json_t *),
      .doc = "Its certificate." },
    { .name = "chain", .type = PROP_TEXT, .range = { 0, 1048576 }, PROP_AT(struct key_pair, chain, char *),
      .doc = "The certificate and its issuers, PEM." },
    { .name = "privateKey", .type = PROP_SECRET, .flags = KEPT, PROP_AT(struct key_pair, private_key, struct secret),
      .doc = "Sealed." },
    { .name = "createdAt", .type = PROP_TIME, .flags = KEPT, PROP_AT(struct key_pair, created_at, int64_t), .doc = "When." },
    { 0 }
};
const struct component_type key_pair_type = {
    .name = "KeyPair", .table = "key_pair", .size = sizeof(struct key_pair), .props = key_pair_props,
    .doc = "A key pair of our own with its certificate.",
};
