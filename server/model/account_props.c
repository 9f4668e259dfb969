/* SPDX-License-Identifier: Apache-2.0 */
#include "model/account_props.h"

const char *const account_tls_titles[] = { "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3", NULL };
const char *const account_store_choices[] = { "systemAndUser", "user", "system", NULL };
const char *const account_store_titles[] = { "System and User Trust Store", "User Trust Store", "System Trust Store", NULL };

static const char *const port_depends_on[] = { "transport", "useSsl", "useStartTls", NULL };
static const char *const outgoing_ports[][8] = {
    { "smtp", "false", "false", "25" }, { "smtp", "false", "true", "587" }, { "smtp", "true", "false", "465" }, { NULL },
};
static const char *const incoming_ports[][8] = {
    { "imap", "false", "false", "143" }, { "imap", "false", "true", "143" }, { "imap", "true", "false", "993" },
    { "pop3", "false", "false", "110" }, { "pop3", "false", "true", "110" }, { "pop3", "true", "false", "995" }, { NULL },
};
const struct dependent_default account_port_default_outgoing = { port_depends_on, outgoing_ports };
const struct dependent_default account_port_default_incoming = { port_depends_on, incoming_ports };

const char *account_check_port(const void *component, const struct prop *prop)
{
    return *PROP_VALUE_CONST(component, prop, int64_t) == 0 ? "must be 1 to 65535, or -1 for the usual port; 0 is neither." : NULL;
}
