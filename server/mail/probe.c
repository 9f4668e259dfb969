/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/probe.h"

#include <string.h>

#include "base/clock.h"
#include "mail/dialog.h"
#include "mail/text.h"

#define LINE_MAX_BYTES 8192
#define LINES_MAX 128

struct words {
    const char *protocol;
    const char *greeting;               /* what a good greeting starts with */
    const char *hello;                  /* said before STARTTLS; NULL: nothing */
    const char *starttls;
    const char *agreed;
    const char *quit;
};

/* RFC 5321 and 3207; RFC 9051 7.1.1 and 6.2.1; RFC 1939 and 2595 4. */
static const struct words words[] = {
    [MAIL_SMTP] = { "smtp", "220", "EHLO postern.invalid\r\n", "STARTTLS\r\n", "220", "QUIT\r\n" },
    [MAIL_IMAP] = { "imap", "* OK", NULL, "a STARTTLS\r\n", "a OK", "b LOGOUT\r\n" },
    [MAIL_POP3] = { "pop3", "+OK", NULL, "STLS\r\n", "+OK", "QUIT\r\n" },
};

/* An SMTP reply goes on while its fourth byte is '-'; the others answer in one line. */
static bool goes_on(const struct words *w, struct str line)
{
    return strcmp(w->protocol, "smtp") == 0 && line.len > 3 && line.p[3] == '-';
}

static int answer(struct dialog *dialog, const struct words *w, const char *step, const char *good, const char *id,
                  struct err *err)
{
    int64_t deadline = dialog_deadline(dialog);
    struct str line;
    char shown[200];

    for (int lines = 0; lines < LINES_MAX; lines++) {
        if (dialog_line(dialog, step, LINE_MAX_BYTES, deadline, &line, err) < 0)
            return -1;
        dialog_show(dialog, MAIL_RECEIVED, line);
        if (!str_starts_nocase(line, str_c(good)))
            return dialog_fail(dialog, ERR_TEMPORARY, id, step, err, "%s:%u answered: %s", dialog_hostname(dialog),
                               dialog_server(dialog)->port, text_clean(line, shown, sizeof(shown)));
        if (!goes_on(w, line))
            return 0;
    }
    return dialog_fail(dialog, ERR_TEMPORARY, "protocol.garbage", step, err, "%s:%u does not end its answer.",
                       dialog_hostname(dialog), dialog_server(dialog)->port);
}

static int greet(struct dialog *dialog, const struct words *w, struct err *err)
{
    int64_t started = clock_mono();
    int rc = answer(dialog, w, "greeting", w->greeting, "protocol.greeting", err);

    dialog_step(dialog, "greeting", started, "", rc < 0 ? err : NULL);
    return rc;
}

static int upgrade(struct dialog *dialog, const struct words *w, struct err *err)
{
    int64_t started = clock_mono();
    int rc = 0;

    if (w->hello)
        rc = dialog_send(dialog, "ehlo", str_c(w->hello), err) < 0 ? -1 : answer(dialog, w, "ehlo", "250", "protocol.refused", err);
    if (rc == 0)
        rc = dialog_send(dialog, "starttls", str_c(w->starttls), err) < 0 ? -1
             : answer(dialog, w, "starttls", w->agreed, "tls.starttlsRefused", err);
    dialog_step(dialog, "starttls", started, "", rc < 0 ? err : NULL);
    return rc < 0 ? -1 : dialog_start_tls(dialog, err);
}

int mail_probe(enum mail_transport transport, const struct mail_server *server, const struct mail_observer *observer,
               struct err *err)
{
    const struct words *w = &words[transport];
    AUTO(dialog) dialog = dialog_new(w->protocol, server, observer);
    struct err ignored;

    if (dialog_connect(dialog, err) < 0 || greet(dialog, w, err) < 0)
        return -1;
    if (server->security == SECURITY_STARTTLS && upgrade(dialog, w, err) < 0)
        return -1;
    dialog_send(dialog, "quit", str_c(w->quit), &ignored);
    return 0;
}
