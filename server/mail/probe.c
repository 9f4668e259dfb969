/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/probe.h"

#include "mail/imap.h"
#include "mail/pop3.h"
#include "mail/smtp.h"

static int probe_smtp(const struct mail_server *server, const struct mail_observer *observer, struct err *err)
{
    AUTO(smtp_session) smtp = smtp_new(server, observer, NULL);
    int rc = smtp_open(smtp, NULL, err);

    if (rc == 0)
        smtp_quit(smtp);
    return rc;
}

static int probe_imap(const struct mail_server *server, const struct mail_observer *observer, struct err *err)
{
    AUTO(imap_session) imap = imap_new(server, observer);
    int rc = imap_open(imap, NULL, err);

    if (rc == 0)
        imap_logout(imap);
    return rc;
}

static int probe_pop3(const struct mail_server *server, const struct mail_observer *observer, struct err *err)
{
    AUTO(pop3_session) pop3 = pop3_new(server, observer);
    int rc = pop3_open(pop3, NULL, err);

    if (rc == 0)
        pop3_quit(pop3);
    return rc;
}

int mail_probe(enum mail_transport transport, const struct mail_server *server,
               const struct mail_observer *observer, struct err *err)
{
    switch (transport) {
    case MAIL_IMAP:
        return probe_imap(server, observer, err);
    case MAIL_POP3:
        return probe_pop3(server, observer, err);
    default:
        return probe_smtp(server, observer, err);
    }
}
