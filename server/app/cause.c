/* SPDX-License-Identifier: Apache-2.0 */
#include "app/cause.h"

#include <string.h>

#include "base/str.h"

const char *const account_state_names[] = { "pending", "ok", "down", "fault", "challenged", "disabled", NULL };

static const struct cause causes[] = {
    { "config.hostname", STATE_FAULT, "Give the hostname of the mail server." },
    { "config.authenticator", STATE_FAULT, "Complete the Email Authenticator: user name and password, or type none for a relay." },
    { "config.secretFile", STATE_FAULT,
      "Put the file into the credentials directory, readable for Postern, or give the secret itself." },
    { "config.mailbox", STATE_FAULT,
      "Check the name of the mailbox, which the server tells capitals apart in, and that this user may read it." },
    { "config.readOnly", STATE_FAULT, "Give this user the right to change the mailbox, or choose the Delivery Policy that leaves all untouched." },
    { "config.noUidl", STATE_FAULT, "Choose the Delivery Policy Delete, or use IMAP: without UIDL kept messages would come again and again." },
    { "protocol.uidValidity", STATE_FAULT, "Use POP3, or another mailbox: this one gives its messages no lasting numbers." },
    { "oauth.unreachable", STATE_DOWN, "Check that this machine reaches the authorization server over https. Postern tries again." },
    { "oauth.temporary", STATE_DOWN, "The authorization server cannot give tokens now; Postern tries again." },
    { "oauth.answer", STATE_DOWN, "Check the Metadata URL: what answers there does not speak OAuth 2 as it should. Postern tries again." },
    { "oauth.certificate", STATE_FAULT, "Import the CA that signed the authorization server's certificate into the User Trust Store." },
    { "oauth.metadata", STATE_FAULT, "Check the Metadata URL: it is the one that the provider gives for its issuer." },
    { "oauth.endpoint", STATE_FAULT, "Use an authorization server that takes secrets over https, at the host of its issuer." },
    { "oauth.redirect", STATE_FAULT, "Give the Metadata URL that it leads to: a secret meant for one server is sent to no other." },
    { "oauth.invalidClient", STATE_FAULT, "Check client id and client secret." },
    { "oauth.unknownClient", STATE_FAULT, "Check client id and tenant: the directory knows no such application, or nobody has consented to it there." },
    { "oauth.wrongSecret", STATE_FAULT, "Give the secret's value, not its id, as client secret." },
    { "oauth.secretExpired", STATE_FAULT, "Make a new client secret at the provider, and give it with its end (Client Secret Expires)." },
    { "oauth.invalidScope", STATE_FAULT, "Check the scope; left empty, it is the provider's usual one." },
    { "oauth.invalidGrant", STATE_FAULT, "The provider does not honour this grant any more. Check the application's rights there." },
    { "oauth.unauthorizedClient", STATE_FAULT, "Allow the application the grant client credentials at the provider." },
    { "oauth.unsupportedGrant", STATE_FAULT, "Use an authorization server that gives tokens for client credentials." },
    { "oauth.consent", STATE_FAULT, "An administrator of the tenant has to consent to the application's permissions." },
    { "oauth.user", STATE_FAULT, "Check user name and password at the provider." },
    { "oauth.tenant", STATE_FAULT, "Check the tenant: the provider has no directory of that id or domain." },
    { "oauth.clock", STATE_FAULT, "Set this machine's clock; the provider takes it to be wrong." },
    { "oauth.mailbox", STATE_FAULT,
      "The token is good, and the mailbox is not open to it: check the user name, and that the application's service principal has rights on this mailbox." },
    { "oauth.refused", STATE_FAULT, "The authorization server's words say why. Check the Email Authenticator." },
    { "config.unsupported", STATE_FAULT, "Choose a setting that this version supports." },
    { "dns.notFound", STATE_DOWN, "Check the spelling of the hostname, and that this machine's DNS knows it." },
    { "dns.timeout", STATE_DOWN, "Check that this machine reaches its DNS server." },
    { "dns.failed", STATE_DOWN, "Check this machine's DNS settings." },
    { "connect.refused", STATE_DOWN, "Check the port, and that the mail server is running." },
    { "connect.timeout", STATE_DOWN, "Check hostname and port, and that no firewall is in between." },
    { "connect.unreachable", STATE_DOWN, "Check the network between this machine and the server." },
    { "connect.failed", STATE_DOWN, "Check hostname and port, and the network of this machine." },
    { "connect.aborted", STATE_DOWN, "Postern ended the connection because something about trust or the account changed; it tries again." },
    { "connect.stopped", STATE_DOWN, "Postern ended the connection because something about trust or the account changed; it tries again." },
    { "connect.closed", STATE_DOWN,
      "The server ended the connection. Check that port and security fit (Use Ssl, Use Start Tls), and the server's log." },
    { "tls.handshake", STATE_DOWN,
      "Check that port and security fit: a port for Use Start Tls does not answer Use Ssl, and the other way round." },
    { "tls.version", STATE_DOWN,
      "Have the server's TLS updated. Lower Tls Min Protocol only if that is impossible." },
    { "tls.timeout", STATE_DOWN, "Check that this port expects TLS at once; if not, choose Use Start Tls." },
    { "tls.starttlsMissing", STATE_DOWN,
      "Nothing was sent. If the server used to offer STARTTLS, somebody may be stripping it; otherwise choose Use Ssl or another port." },
    { "tls.starttlsRefused", STATE_DOWN, "Nothing was sent. Ask the server's administrator why it refuses STARTTLS, or choose Use Ssl." },
    { "tls.preauth", STATE_DOWN,
      "Nothing was sent. A log-in that is over before encryption can begin is an attack or a mistake; choose Use Ssl if the server can." },
    { "tls.injected", STATE_DOWN,
      "Nothing was sent. Bytes came in the clear where only the handshake may follow: somebody on the way, or a broken server." },
    { "tls.closed", STATE_DOWN, "The server ended TLS without saying so. Look at its log." },
    { "cert.challenge", STATE_CHALLENGED,
      "Compare the fingerprint with the one the server's administrator gives you; accept it, or import the CA that signed it." },
    { "cert.changed", STATE_CHALLENGED,
      "The server shows another key than the one accepted. Ask its administrator whether it was replaced before you accept it." },
    { "cert.rejected", STATE_FAULT, "You rejected this certificate. Have it replaced, or delete the entry in Allowed Hosts." },
    { "cert.refused", STATE_FAULT, "This certificate cannot be accepted by anybody. Have the server's certificate replaced." },
    { "auth.refused", STATE_FAULT, "Check user name and password. It goes on by itself after they are changed." },
    { "auth.required", STATE_FAULT, "The server wants a log-in before it takes mail: give user name and password." },
    { "auth.credentials", STATE_FAULT, "User name or password has characters that this mechanism cannot carry." },
    { "auth.noMechanism", STATE_FAULT, "Choose a mechanism that the server offers, or auto." },
    { "auth.cleartext", STATE_FAULT,
      "Choose Use Ssl or Use Start Tls. Only if the server can do neither, set Allow Cleartext Auth." },
    { "auth.channelBinding", STATE_FAULT,
      "Somebody may stand between Postern and the server. Compare the certificate's fingerprint with the server's own." },
    { "auth.binding", STATE_FAULT,
      "Check user name and password. If they are right, the server may not know how to bind a log-in to this kind of TLS: choose a mechanism without PLUS." },
    { "auth.appPassword", STATE_FAULT, "Make an application password in the settings of this mailbox at the provider, and give it instead of the usual one." },
    { "auth.smtpDisabled", STATE_FAULT,
      "Have SMTP AUTH switched on for this mailbox or the tenant (Exchange admin center: Mail flow, Authenticated SMTP). Sending goes on by itself." },
    { "auth.temporary", STATE_DOWN, "The server cannot check log-ins now; Postern tries again." },
    { "protocol.greeting", STATE_DOWN, "The server does not want this connection; its words say why." },
    { "protocol.garbage", STATE_DOWN, "Check hostname, port and transport: this does not look like a mail server." },
    { "protocol.unexpected", STATE_DOWN, "The server answered against the protocol. Turn on Debug and look at the transcript." },
    { "protocol.timeout", STATE_DOWN,
      "The server did not answer in time. Check that port and security fit, or raise Connection Timeout." },
    { "protocol.lineTooLong", STATE_DOWN, "Check hostname, port and transport: this does not look like a mail server." },
    { "protocol.refused", STATE_DOWN, "The server refused the command; its words say why." },
    { "limit.messageSize", STATE_OK, "Send a smaller message, or have the server's limit raised." },
    { "protocol.eightBitMimeMissing", STATE_OK, "Send the message encoded as 7-bit, or as JSON: Postern then encodes it." },
    { "protocol.smtputf8Missing", STATE_OK, "Use an ASCII address, or a server that knows SMTPUTF8." },
    { "limit.perDay", STATE_OK, "Messages wait for midnight; raise Max Sendable Per Day if that is too late." },
    { "limit.queueFull", STATE_OK, "Wait until messages have gone out, or raise Max Queue Size." },
    { "limit.diskFull", STATE_DOWN, "Make room on the disk that holds Postern's state; it goes on by itself." },
    { "dns", STATE_DOWN, "Check this machine's DNS." },
    { "connect", STATE_DOWN, "Check hostname and port." },
    { "tls", STATE_DOWN, "Check that port and security fit." },
    { "cert", STATE_FAULT, "Look at the server's certificate." },
    { "auth", STATE_FAULT, "Check the Email Authenticator." },
    { "oauth", STATE_FAULT, "Check the Email Authenticator." },
    { "config", STATE_FAULT, "Check the account's settings." },
    { "protocol", STATE_DOWN, "Turn on Debug and look at the transcript." },
    { "", STATE_DOWN, "Turn on Debug and look at the transcript." },
};

const struct cause *cause_at(size_t i)
{
    return i < sizeof(causes) / sizeof(causes[0]) ? &causes[i] : NULL;
}

const struct cause *cause_of(const char *code)
{
    const char *dot = strchr(code, '.');
    struct str family = str_n(code, dot ? (size_t)(dot - code) : 0);
    const struct cause *general = NULL;

    for (size_t i = 0; cause_at(i); i++) {
        if (strcmp(causes[i].code, code) == 0)
            return &causes[i];
        if (str_eq(str_c(causes[i].code), family) || causes[i].code[0] == '\0')
            general = general ? general : &causes[i];
    }
    return general;
}

/* What providers write in their words only. RFC 3463 has no code for most of it, and RFC 6749 has but six errors. */
static const struct { const char *family, *words, *code; } refinements[] = {
    { "auth", "5.7.139", "auth.smtpDisabled" },
    { "auth", "Application-specific password required", "auth.appPassword" },
    { "oauth", "AADSTS700016", "oauth.unknownClient" },
    { "oauth", "AADSTS7000215", "oauth.wrongSecret" },
    { "oauth", "AADSTS7000222", "oauth.secretExpired" },
    { "oauth", "AADSTS700024", "oauth.clock" },
    { "oauth", "AADSTS70011", "oauth.invalidScope" },
    { "oauth", "AADSTS50126", "oauth.user" },
    { "oauth", "AADSTS65001", "oauth.consent" },
    { "oauth", "AADSTS90002", "oauth.tenant" },
    { "bearer", "5.7.3", "oauth.mailbox" },
};

/* Not AADSTS700016 in AADSTS7000160. */
static bool has_words(const char *text, const char *words)
{
    for (const char *at = text; (at = strstr(at, words)); at++)
        if (at[strlen(words)] < '0' || at[strlen(words)] > '9')
            return true;
    return false;
}

const char *cause_refine(const char *family, const char *code, const char *words)
{
    for (size_t i = 0; i < sizeof(refinements) / sizeof(refinements[0]); i++)
        if (strcmp(refinements[i].family, family) == 0 && has_words(words, refinements[i].words))
            return refinements[i].code;
    return code;
}
