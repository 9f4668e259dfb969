/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/probe.h - as far as the certificate and not a step further: what a server shows before anybody logs in. */
#ifndef POSTERN_MAIL_PROBE_H
#define POSTERN_MAIL_PROBE_H

#include "base/err.h"
#include "mail/observer.h"
#include "mail/security.h"

enum mail_transport { MAIL_SMTP, MAIL_IMAP, MAIL_POP3 };

/* Connects, reads the greeting and, with SECURITY_STARTTLS, upgrades; judge() sees the certificate. Errors as in mail/dialog.h, and
 * protocol.greeting protocol.garbage tls.starttlsMissing tls.starttlsRefused. Ends the connection politely. */
int mail_probe(enum mail_transport transport, const struct mail_server *server, const struct mail_observer *observer,
               struct err *err);

#endif
