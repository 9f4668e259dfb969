/* SPDX-License-Identifier: Apache-2.0 */
/* server/model/account_props.h - rows that both kinds of account have, written once. DESIGN 2.1.
 *
 * A table is static data, so what two tables share is a macro; the kinds differ in port, transport and its choices. */
#ifndef POSTERN_MODEL_ACCOUNT_PROPS_H
#define POSTERN_MODEL_ACCOUNT_PROPS_H

#include "model/account.h"

const char *account_check_port(const void *component, const struct prop *prop);
extern const struct dependent_default account_port_default_outgoing, account_port_default_incoming;
extern const char *const account_tls_titles[];
extern const char *const account_store_choices[];
extern const char *const account_store_titles[];

#define ACCOUNT_CONNECTION_PROPS(port_preset, port_default, transport_choices, transport_preset)                              \
    { .name = "enabled", .type = PROP_BOOL, .preset = "true", PROP_AT(struct account, enabled, bool),                         \
      .flags = PROP_OPERATOR, .group = "General", .doc = "A disabled account opens no connection." },                         \
    { .name = "description", .type = PROP_TEXT, PROP_AT(struct account, description, char *), .group = "General",             \
      .doc = "Free text." },                                                                                                  \
    { .name = "hostname", .type = PROP_HOST, PROP_AT(struct account, hostname, char *), .group = "Connection",                \
      .doc = "DNS name or IP address of the mail server." },                                                                  \
    { .name = "transport", .type = PROP_ENUM, .choices = (transport_choices), .preset = (transport_preset),                   \
      PROP_AT(struct account, transport, int64_t), .group = "Connection", .doc = "The protocol spoken with the server." },    \
    { .name = "useSsl", .type = PROP_BOOL, PROP_AT(struct account, use_ssl, bool), .group = "Connection",                     \
      .doc = "Implicit TLS: encrypted before the first byte." },                                                              \
    { .name = "useStartTls", .type = PROP_BOOL, PROP_AT(struct account, use_start_tls, bool), .group = "Connection",          \
      .doc = "Starts unencrypted and upgrades; a server that does not offer it ends the attempt." },                          \
    { .name = "port", .type = PROP_INT, .range = { -1, 65535 }, .check = account_check_port, .preset = (port_preset),         \
      PROP_AT(struct account, port, int64_t), .group = "Connection", .dependent = &(port_default),                            \
      .doc = "1 to 65535, or -1 for the usual port of transport and security." },                                             \
    { .name = "tlsMinProtocol", .type = PROP_ENUM, .choices = account_tls_versions, .titles = account_tls_titles,             \
      .preset = "tlsv1.2", PROP_AT(struct account, tls_min_protocol, int64_t), .group = "Connection",                         \
      .doc = "Lowest TLS version accepted; the best that both ends support is used." },                                       \
    { .name = "verifyName", .type = PROP_HOST, PROP_AT(struct account, verify_name, char *), .group = "Connection",           \
      .doc = "The name the certificate must carry where it is not the hostname." },                                           \
    { .name = "trustStores", .type = PROP_ENUM, .choices = account_store_choices, .titles = account_store_titles,             \
      .preset = "systemAndUser", PROP_AT(struct account, trust_stores, int64_t), .group = "Connection",                       \
      .doc = "Which trust stores may vouch for the server." },                                                                \
    { .name = "connectionTimeout", .type = PROP_INT, .range = { 1, 3600 }, .preset = "30", .unit = "s",                       \
      PROP_AT(struct account, connection_timeout, int64_t), .group = "Connection",                                            \
      .doc = "For the connect and for each protocol step." },                                                                 \
    { .name = "emailAuthenticator", .type = PROP_VARIANT, .variants = account_authenticators,                                 \
      .preset = "{\"type\":\"basic\"}", PROP_AT(struct account, authenticator, struct variant),                               \
      .group = "Email Authenticator", .doc = "How Postern logs in." },                                                        \
    { .name = "allowCleartextAuth", .type = PROP_BOOL, PROP_AT(struct account, allow_cleartext_auth, bool),                   \
      .group = "Email Authenticator",                                                                                         \
      .doc = "Credentials go over an unencrypted connection only when this is true." }

#define ACCOUNT_STATUS_PROPS                                                                                                  \
    { .name = "status", .type = PROP_JSON, .flags = PROP_READONLY, PROP_AT(struct account, status, json_t *),                 \
      .group = "Status", .doc = "State, cause in a sentence, machine-readable code, and since when." },                       \
    { .name = "lastPollSuccess", .type = PROP_TIME, .flags = PROP_READONLY | PROP_PERSISTENT,                                 \
      PROP_AT(struct account, last_poll_success, int64_t), .group = "Status",                                                 \
      .doc = "When the server last did its part." },                                                                          \
    { .name = "lastPollFailure", .type = PROP_TIME, .flags = PROP_READONLY | PROP_PERSISTENT,                                 \
      PROP_AT(struct account, last_poll_failure, int64_t), .group = "Status", .doc = "When an attempt last failed." },        \
    { .name = "lastPollFailureCause", .type = PROP_STRING, .flags = PROP_READONLY | PROP_PERSISTENT,                          \
      PROP_AT(struct account, last_poll_failure_cause, char *), .group = "Status", .doc = "Why it failed." },                 \
    { .name = "lastTls", .type = PROP_JSON, .flags = PROP_READONLY | PROP_PERSISTENT,                                         \
      PROP_AT(struct account, last_tls, json_t *), .group = "Status",                                                         \
      .doc = "Protocol, cipher, key exchange, issuer, notAfter, sha256 and spkiSha256 of the last connection." }

#define ACCOUNT_DEBUG_PROP                                                                                                    \
    { .name = "debug", .type = PROP_BOOL, PROP_AT(struct account, debug, bool), .flags = PROP_OPERATOR,                       \
      .group = "Diagnostics", .doc = "Keep the protocol transcript of this account, secrets and bodies masked." }

#endif
