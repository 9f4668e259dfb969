/* SPDX-License-Identifier: Apache-2.0 */
#include "model/user.h"

#define KEPT (PROP_READONLY | PROP_PERSISTENT)

const char *const user_roles[] = { "viewer", "operator", "admin", NULL };
static const char *const role_titles[] = { "Viewer", "Operator", "Administrator", NULL };

static const struct prop user_props[] = {
    { .name = "role", .type = PROP_ENUM, .choices = user_roles, .titles = role_titles, .preset = "viewer",
      PROP_AT(struct user, role, int64_t), .doc = "viewer reads; operator also runs actions and messages; admin everything." },
    { .name = "description", .type = PROP_STRING, PROP_AT(struct user, description, char *), .doc = "Free text." },
    { .name = "passwordHash", .type = PROP_STRING, .flags = KEPT | PROP_HIDDEN, PROP_AT(struct user, password_hash, char *),
      .doc = "yescrypt." },
    { .name = "mustChangePassword", .type = PROP_BOOL, .flags = KEPT, PROP_AT(struct user, must_change_password, bool),
      .doc = "The password is a one-time one." },
    { .name = "createdAt", .type = PROP_TIME, .flags = KEPT, PROP_AT(struct user, created_at, int64_t), .doc = "When." },
    { .name = "lastLogin", .type = PROP_TIME, .flags = KEPT, PROP_AT(struct user, last_login, int64_t), .doc = "When." },
    { .name = "passwordChangedAt", .type = PROP_TIME, .flags = KEPT, PROP_AT(struct user, password_changed_at, int64_t),
      .doc = "When." },
    { 0 }
};
const struct component_type user_type = {
    .name = "User", .table = "user_account", .size = sizeof(struct user), .props = user_props,
    .doc = "A person who may log in.",
};

static const struct prop token_props[] = {
    { .name = "label", .type = PROP_STRING, .range = { 0, 64 }, PROP_AT(struct token, label, char *),
      .doc = "What it is for." },
    { .name = "role", .type = PROP_ENUM, .choices = user_roles, .titles = role_titles, .preset = "viewer",
      PROP_AT(struct token, role, int64_t), .doc = "What it may do." },
    { .name = "accounts", .type = PROP_STRINGS, .range = { 0, 1000 }, PROP_AT(struct token, accounts, json_t *),
      .doc = "Accounts it is limited to; empty: all." },
    { .name = "expiresAt", .type = PROP_TIME, PROP_AT(struct token, expires_at, int64_t), .doc = "null: never." },
    { .name = "hash", .type = PROP_STRING, .flags = KEPT | PROP_HIDDEN, PROP_AT(struct token, hash, char *), .doc = "SHA-256." },
    { .name = "createdBy", .type = PROP_STRING, .flags = KEPT, PROP_AT(struct token, created_by, char *), .doc = "Who made it." },
    { .name = "createdAt", .type = PROP_TIME, .flags = KEPT, PROP_AT(struct token, created_at, int64_t), .doc = "When." },
    { .name = "lastUsed", .type = PROP_TIME, .flags = KEPT, PROP_AT(struct token, last_used, int64_t), .doc = "When." },
    { 0 }
};
const struct component_type token_type = {
    .name = "Token", .table = "token", .size = sizeof(struct token), .props = token_props, .doc = "An API token.",
};
