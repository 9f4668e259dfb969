/* SPDX-License-Identifier: Apache-2.0 */
/* Email authenticators. DESIGN 2.5. */
#include "model/account.h"

const char *const auth_mechanisms[] = { "auto", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1",
                                        "PLAIN", "LOGIN", "CRAM-MD5", NULL };
static const char *const providers[] = { "microsoft365", "gmail", "custom", NULL };
static const char *const provider_titles[] = { "Microsoft 365", "Gmail", "Custom", NULL };
static const char *const grants[] = { "clientCredentials", "authorizationCode", "deviceCode", NULL };
static const char *const grant_titles[] = { "Client credentials", "Authorization code", "Device code", NULL };

static const struct prop none_props[] = { { 0 } };

static const struct prop basic_props[] = {
    { .name = "username", .type = PROP_STRING, PROP_AT(struct auth_basic, username, char *),
      .doc = "The name to log in with, often the mail address." },
    { .name = "password", .type = PROP_SECRET, PROP_AT(struct auth_basic, password, struct secret),
      .doc = "Write-only; kept sealed." },
    { .name = "mechanism", .type = PROP_ENUM, .choices = auth_mechanisms, .preset = "auto",
      PROP_AT(struct auth_basic, mechanism, int64_t),
      .doc = "auto takes the strongest that the server offers; CRAM-MD5 is used only when named." },
    { 0 }
};

static const struct prop oauth2_props[] = {
    { .name = "provider", .type = PROP_ENUM, .choices = providers, .titles = provider_titles, .preset = "microsoft365",
      PROP_AT(struct auth_oauth2, provider, int64_t), .doc = "Whose authorization server is asked." },
    { .name = "grant", .type = PROP_ENUM, .choices = grants, .titles = grant_titles, .preset = "clientCredentials",
      PROP_AT(struct auth_oauth2, grant, int64_t), .doc = "How Postern is given the right to use the mailbox." },
    { .name = "username", .type = PROP_STRING, PROP_AT(struct auth_oauth2, username, char *), .doc = "The mailbox." },
    { .name = "tenant", .type = PROP_STRING, PROP_AT(struct auth_oauth2, tenant, char *),
      .doc = "Microsoft 365: the directory's id or domain." },
    { .name = "clientId", .type = PROP_STRING, PROP_AT(struct auth_oauth2, client_id, char *),
      .doc = "The application's id at the provider." },
    { .name = "clientSecret", .type = PROP_SECRET, PROP_AT(struct auth_oauth2, client_secret, struct secret),
      .doc = "Write-only; kept sealed." },
    { .name = "clientSecretExpires", .type = PROP_TIME, PROP_AT(struct auth_oauth2, client_secret_expires, int64_t),
      .doc = "When the provider ends the client secret." },
    { .name = "scope", .type = PROP_STRING, PROP_AT(struct auth_oauth2, scope, char *),
      .doc = "Empty: the provider's usual scope." },
    { .name = "metadataUrl", .type = PROP_STRING, PROP_AT(struct auth_oauth2, metadata_url, char *),
      .doc = "Custom provider: https address of its authorization server metadata (RFC 8414)." },
    { 0 }
};

/* The first is what an authenticator without a type is. */
const struct variant_type account_authenticators[] = {
    { .name = "basic", .title = "Basic", .props = basic_props, .size = sizeof(struct auth_basic),
      .doc = "Name and password." },
    { .name = "oauth2", .title = "OAuth 2", .props = oauth2_props, .size = sizeof(struct auth_oauth2),
      .doc = "Microsoft 365, Gmail or another OAuth 2 provider." },
    { .name = "none", .title = "None", .props = none_props, .size = 1, .only = &outgoing_account_type,
      .doc = "The server relays without a log-in." },
    { 0 }
};
