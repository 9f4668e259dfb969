/* SPDX-License-Identifier: Apache-2.0 */
#include "model/account.h"

#include <string.h>

const char *const account_tls_versions[] = { "tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3", NULL };

const struct component_type *account_type_named(const char *name)
{
    if (strcmp(name, outgoing_account_type.name) == 0)
        return &outgoing_account_type;
    if (strcmp(name, incoming_account_type.name) == 0)
        return &incoming_account_type;
    return NULL;
}

/* The choices of `transport` differ between the kinds: outgoing smtp; incoming imap, pop3. */
enum account_transport account_transport(const struct component_type *type, const struct account *account)
{
    const char *name = prop_find(type->props, "transport")->choices[account->transport];

    return strcmp(name, "imap") == 0 ? TRANSPORT_IMAP : strcmp(name, "pop3") == 0 ? TRANSPORT_POP3 : TRANSPORT_SMTP;
}

int64_t account_usual_port(enum account_transport transport, bool use_ssl, bool use_start_tls)
{
    static const int64_t ports[][3] = {         /* not encrypted, useStartTls, useSsl */
        [TRANSPORT_SMTP] = { 25, 587, 465 },
        [TRANSPORT_IMAP] = { 143, 143, 993 },
        [TRANSPORT_POP3] = { 110, 110, 995 },
    };

    return ports[transport][use_ssl ? 2 : use_start_tls ? 1 : 0];
}

static int64_t usual_port_of(const struct component_type *type, const struct account *account)
{
    return account_usual_port(account_transport(type, account), account->use_ssl, account->use_start_tls);
}

int64_t account_port(const struct component_type *type, const struct account *account)
{
    return account->port == -1 ? usual_port_of(type, account) : account->port;
}

void account_follow_port(const struct component_type *type, const struct account *before, struct account *account,
                         bool port_given)
{
    struct account *defaults = before ? NULL : component_new(type);
    const struct account *old = before ? before : defaults;
    bool changed = old->transport != account->transport || old->use_ssl != account->use_ssl ||
                   old->use_start_tls != account->use_start_tls;

    if (changed && !port_given && account->port == usual_port_of(type, old))
        account->port = usual_port_of(type, account);
    component_free(type, defaults);
}

static const char *security_words(const struct account *account)
{
    return account->use_ssl ? "Use Ssl" : account->use_start_tls ? "Use Start Tls" : "a connection that is not encrypted";
}

void account_warnings(const struct component_type *type, const struct account *account, struct problems *warnings)
{
    static const char *const transports[] = { "smtp", "imap", "pop3" };
    enum account_transport transport = account_transport(type, account);
    int64_t usual = usual_port_of(type, account);

    if (account_port(type, account) != usual)
        problems_add(warnings, "/port", "port.unusual", "Port %lld is not the usual port for %s with %s; that is %lld.",
                     (long long)account->port, transports[transport], security_words(account), (long long)usual);
    if (!account->use_ssl && !account->use_start_tls && account->allow_cleartext_auth && account_authenticates(account))
        problems_add(warnings, "/allowCleartextAuth", "auth.cleartext",
                     "Credentials go over a connection that is not encrypted; whoever is on the way can read them.");
    if (account->tls_min_protocol < 2 && (account->use_ssl || account->use_start_tls))
        problems_add(warnings, "/tlsMinProtocol", "tls.weakMinimum",
                     "TLS below 1.2 has known weaknesses; use tlsv1.2 unless this server can do no better.");
}

const struct auth_basic *account_basic(const struct account *account)
{
    return strcmp(account->authenticator.type->name, "basic") == 0 ? account->authenticator.value : NULL;
}

const char *account_username(const struct account *account)
{
    const char *type = account->authenticator.type->name;
    const char *name = strcmp(type, "basic") == 0    ? ((const struct auth_basic *)account->authenticator.value)->username
                       : strcmp(type, "oauth2") == 0 ? ((const struct auth_oauth2 *)account->authenticator.value)->username
                                                     : NULL;

    return name ? name : "";
}

bool account_authenticates(const struct account *account)
{
    const struct auth_basic *basic = account_basic(account);

    if (basic)
        return *basic->username != '\0';
    return strcmp(account->authenticator.type->name, "none") != 0;
}
