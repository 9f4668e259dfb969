/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/probe.h - goes to a mail server as far as one can without saying who one is: connects, secures,
 * reads what is offered. */
#ifndef POSTERN_MAIL_PROBE_H
#define POSTERN_MAIL_PROBE_H

#include "base/err.h"
#include "mail/observer.h"
#include "mail/security.h"

enum mail_transport { MAIL_SMTP, MAIL_IMAP, MAIL_POP3 };

/* Steps resolve to capabilities, then a polite end. Errors as in mail/smtp.h, mail/imap.h and
 * mail/pop3.h. */
int mail_probe(enum mail_transport transport, const struct mail_server *server,
               const struct mail_observer *observer, struct err *err);

#endif
