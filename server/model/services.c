/* SPDX-License-Identifier: Apache-2.0 */
#include "model/services.h"

#include "model/account.h"
#include "model/trust_store.h"
#include "model/user.h"
#include "model/webhook.h"

static const struct prop email_props[] = {
    { .name = "enabled", .type = PROP_BOOL, .preset = "true", PROP_AT(struct email_service, enabled, bool),
      .group = "General", .flags = PROP_OPERATOR, .doc = "Disabling it disables every account under it." },
    { .name = "defaultOutgoingAccount", .type = PROP_STRING, .range = { 0, 64 },
      PROP_AT(struct email_service, default_outgoing_account, char *), .group = "General",
      .refers = "OutgoingAccount",
      .doc = "The OutgoingAccount that messages use which name none." },
    { .name = "status", .type = PROP_JSON, .flags = PROP_READONLY, PROP_AT(struct email_service, status, json_t *),
      .group = "Status", .doc = "The worst state of the accounts, and how many are in each." },
    { 0 }
};
const struct component_type email_service_type = {
    .name = "EmailService", .table = "email_service", .size = sizeof(struct email_service), .props = email_props,
    .doc = "Container of the accounts.",
};

/* Not with a port: it is a proxy's business. */
static const char *check_hosts(const void *component, const struct prop *prop)
{
    const json_t *hosts = *PROP_VALUE_CONST(component, prop, json_t *), *host;
    size_t i;

    json_array_foreach(hosts, i, host)
        if (json_string_length(host) == 0 || !component_host_ok(json_string_value(host)))
            return "must be DNS names or IP addresses, without a port.";
    return NULL;
}

static const struct prop web_props[] = {
    { .name = "allowedHosts", .type = PROP_STRINGS, .range = { 0, 50 }, PROP_AT(struct web_service, allowed_hosts, json_t *),
      .group = "Access", .check = check_hosts, .doc = "Further names under which browsers and programs reach this server." },
    { .name = "httpsKey", .type = PROP_STRING, .range = { 0, 64 }, PROP_AT(struct web_service, https_key, char *),
      .group = "Access", .refers = "KeyPair", .doc = "Entry of the User Key Store used for HTTPS; empty: a self-made certificate." },
    { .name = "sessionIdle", .type = PROP_INT, .range = { 60, 86400 }, .preset = "1800", .unit = "s",
      PROP_AT(struct web_service, session_idle, int64_t), .group = "Sessions", .doc = "A session unused for so long ends." },
    { .name = "sessionLifetime", .type = PROP_INT, .range = { 300, 604800 }, .preset = "43200", .unit = "s",
      PROP_AT(struct web_service, session_lifetime, int64_t), .group = "Sessions", .doc = "No session lives longer." },
    { .name = "webhookPrivateTargets", .type = PROP_STRINGS, .range = { 0, 100 },
      PROP_AT(struct web_service, webhook_private_targets, json_t *), .group = "Webhooks", .check = check_hosts,
      .doc = "Host names and addresses of this machine or of the inner network that webhooks may reach, also by plain HTTP." },
    { 0 }
};
const struct component_type web_service_type = {
    .name = "WebService", .table = "web_service", .size = sizeof(struct web_service), .props = web_props,
    .doc = "Listeners, HTTPS certificate and sessions.",
};

static const struct prop user_props[] = {
    { .name = "minPasswordLength", .type = PROP_INT, .range = { 8, 128 }, .preset = "10", .unit = "characters",
      PROP_AT(struct user_service, min_password_length, int64_t), .group = "Passwords",
      .doc = "Shorter new passwords are refused." },
    { .name = "failuresBeforeLockout", .type = PROP_INT, .range = { 3, 100 }, .preset = "5",
      PROP_AT(struct user_service, failures_before_lockout, int64_t), .group = "Guessing",
      .doc = "So many wrong log-ins per user and address are free; then each costs more time." },
    { .name = "lockout", .type = PROP_INT, .range = { 1, 86400 }, .preset = "900", .unit = "s",
      PROP_AT(struct user_service, lockout, int64_t), .group = "Guessing", .doc = "The longest wait after wrong log-ins." },
    { 0 }
};
const struct component_type user_service_type = {
    .name = "UserService", .table = "user_service", .size = sizeof(struct user_service), .props = user_props,
    .doc = "Users, roles and API tokens.",
};

static const struct prop certificate_props[] = {
    { .name = "systemTrustStore", .type = PROP_STRING, .preset = "/etc/ssl/certs/ca-certificates.crt",
      PROP_AT(struct certificate_service, system_trust_store, char *), .group = "Stores",
      .doc = "The file with the operating system's roots; reread when it changes." },
    { .name = "exemptionDaysMax", .type = PROP_INT, .range = { 0, 3650 }, .preset = "0", .unit = "days",
      PROP_AT(struct certificate_service, exemption_days_max, int64_t), .group = "Allowed Hosts",
      .doc = "The longest life of an exemption; 0: no limit of its own." },
    { 0 }
};
const struct component_type certificate_service_type = {
    .name = "CertificateService", .table = "certificate_service", .size = sizeof(struct certificate_service),
    .props = certificate_props, .doc = "System Trust Store, User Trust Store, Allowed Hosts and User Key Store.",
};

const struct component_type *const service_types[] = { &email_service_type, &certificate_service_type, &web_service_type,
                                                       &user_service_type, NULL };
const struct component_type *const model_types[] = {
    &outgoing_account_type, &incoming_account_type, &email_service_type, &certificate_service_type, &web_service_type,
    &user_service_type, &allowed_host_type, &user_ca_type, &key_pair_type, &user_type, &token_type, &webhook_type, NULL,
};
