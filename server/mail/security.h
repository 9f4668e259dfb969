/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/security.h - where a mail server is, how the way to it is secured, and who we say we are. */
#ifndef POSTERN_MAIL_SECURITY_H
#define POSTERN_MAIL_SECURITY_H

#include <stdbool.h>
#include <stdint.h>

#include "tls/peer.h"

enum mail_security { SECURITY_NONE, SECURITY_SSL, SECURITY_STARTTLS };

/* The strings belong to whoever fills this in; a session copies what it keeps. */
struct mail_server {
    const char *hostname; /* DNS name (IDN accepted) or IP literal */
    uint16_t port;
    enum mail_security security;
    enum tls_version tls_min;
    const char *verify_name; /* NULL or "": `hostname` */
    bool allow_cleartext_auth;
    int64_t timeout_ms;      /* for the connect and for each step of the protocol */
    const char *session_key; /* TLS sessions are resumed under this key only; NULL: not at all */
};

enum mail_auth_type {
    MAIL_AUTH_NONE,
    MAIL_AUTH_BASIC,  /* username and password */
    MAIL_AUTH_BEARER, /* OAuth 2: username and access token */
};

struct mail_auth {
    enum mail_auth_type type;
    const char *username;
    const char *secret;    /* the password, or the token */
    const char *mechanism; /* only this one; NULL, "" or "auto": the strongest that is offered */
    bool unbound;          /* auto: not bound to the channel, though it could be */
};

#endif
