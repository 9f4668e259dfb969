/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/probe.h"

#include <stdio.h>

#include "base/clock.h"
#include "mail/dialog.h"
#include "mail/smtp.h"
#include "mail/text.h"

#define LINE_MAX_BYTES (16 * 1024)
#define LINES_MAX 200 /* of one answer */

/* What differs between IMAP (RFC 9051) and POP3 (RFC 1939, 2449, 2595). */
struct language {
    const char *protocol; /* also the beginning of err.at */
    const char *name;
    const char *greeting; /* how a good one begins */
    const char *ask, *ask_step;
    const char *start_tls, *start_tls_step;
    const char *end;
    const char *word; /* by which STARTTLS is offered */
};
static const struct language imap = {
    "imap", "IMAP", "* ", "p1 CAPABILITY", "capability", "p2 STARTTLS", "starttls", "p3 LOGOUT", "STARTTLS",
};
static const struct language pop3 = {
    "pop3", "POP3", "+OK", "CAPA", "capa", "STLS", "stls", "QUIT", "STLS",
};

struct probe {
    const struct language *language;
    struct dialog *dialog;
    struct buf text; /* of the last answer, its lines separated by LF */
    bool good;       /* it said yes */
    bool offers_tls;
};

static int send_line(struct probe *p, const char *step, const char *command, struct err *err)
{
    char line[64];

    dialog_show(p->dialog, MAIL_SENT, str_c(command));
    snprintf(line, sizeof(line), "%s\r\n", command);
    return dialog_send(p->dialog, step, str_c(line), err);
}

static int read_line(struct probe *p, const char *step, int64_t deadline, struct str *line, struct err *err)
{
    if (dialog_line(p->dialog, step, LINE_MAX_BYTES, deadline, line, err) < 0)
        return -1;
    dialog_show(p->dialog, MAIL_RECEIVED, *line);
    return 0;
}

static int garbage(struct probe *p, const char *step, struct str line, struct err *err)
{
    char said[80], words[64];

    return dialog_fail(p->dialog, ERR_TEMPORARY, "protocol.garbage", step, err,
                       "%s sent \"%s\" where %s was expected; that isn't %s.", dialog_hostname(p->dialog),
                       text_clean(line, said, sizeof(said)), dialog_awaited(step, words), p->language->name);
}

static int greet(struct probe *p, struct err *err)
{
    char said[160];
    struct str line;

    if (read_line(p, "greeting", dialog_deadline(p->dialog), &line, err) < 0)
        return -1;
    if (str_starts_nocase(line, STR("* BYE")) || str_starts_nocase(line, STR("-ERR")))
        return dialog_fail(p->dialog, ERR_TEMPORARY, "protocol.greeting", "greeting", err,
                           "%s doesn't serve mail to here: %s", dialog_hostname(p->dialog),
                           text_clean(line, said, sizeof(said)));
    if (!str_starts_nocase(line, str_c(p->language->greeting)))
        return garbage(p, "greeting", line, err);
    buf_clear(&p->text);
    return buf_add(&p->text, line);
}

/* True when `line` ends the answer; p->good then says how. */
static bool is_last(struct probe *p, struct str line, const char *command, bool first, bool many)
{
    if (p->language == &pop3) {
        if (first)
            p->good = str_starts_nocase(line, STR("+OK"));
        return first ? !p->good || !many : str_eq(line, STR("."));
    }
    if (!str_starts(line, str_n(command, 3))) /* the tag and its space */
        return false;
    p->good = str_starts_nocase(str_from(line, 3), STR("OK"));
    return true;
}

static int ask(struct probe *p, const char *step, const char *command, bool many, struct err *err)
{
    int64_t deadline = dialog_deadline(p->dialog);
    struct str line;

    buf_clear(&p->text);
    p->good = false;
    if (send_line(p, step, command, err) < 0)
        return -1;
    for (int i = 0; i < LINES_MAX; i++) {
        if (read_line(p, step, deadline, &line, err) < 0)
            return -1;
        if (i == 0 && p->language == &pop3 && !str_starts(line, STR("+OK")) &&
            !str_starts_nocase(line, STR("-ERR")))
            return garbage(p, step, line, err);
        if (buf_add(&p->text, line) < 0 || buf_add_char(&p->text, '\n') < 0)
            break;
        if (is_last(p, line, command, i == 0, many))
            return 0;
    }
    return dialog_fail(p->dialog, ERR_TEMPORARY, "protocol.lineTooLong", step, err,
                       "%s sent an answer without end.", dialog_hostname(p->dialog));
}

/* POP3 servers without CAPA (RFC 2449) offer nothing, and are no worse for that. */
static int read_capabilities(struct probe *p, struct err *err)
{
    struct str text, line, word;

    if (ask(p, p->language->ask_step, p->language->ask, true, err) < 0)
        return -1;
    p->offers_tls = false;
    text = buf_str(&p->text);
    while (str_split(&text, '\n', &line))
        while (str_split(&line, ' ', &word))
            p->offers_tls |= str_eq_nocase(str_trim(word), str_c(p->language->word));
    return 0;
}

static int ask_for_tls(struct probe *p, struct err *err)
{
    char said[160];
    uint16_t port = dialog_server(p->dialog)->port;

    if (!p->offers_tls)
        return dialog_fail(p->dialog, ERR_REFUSED, "tls.starttlsMissing", p->language->start_tls_step, err,
                           "%s doesn't offer %s on port %u.", dialog_hostname(p->dialog), p->language->word,
                           port);
    if (ask(p, p->language->start_tls_step, p->language->start_tls, false, err) < 0)
        return -1;
    return p->good ? 0
                   : dialog_fail(p->dialog, ERR_REFUSED, "tls.starttlsRefused", p->language->start_tls_step,
                                 err, "%s offers %s and refuses it: %s", dialog_hostname(p->dialog),
                                 p->language->word, text_clean(buf_str(&p->text), said, sizeof(said)));
}

static int take_step(struct probe *p, const char *name, int (*run)(struct probe *, struct err *), bool silent,
                     struct err *err)
{
    int64_t started = clock_mono();
    struct err own = { 0 };
    char detail[240] = "";
    int rc;

    rc = run(p, &own);
    if (rc == 0)
        text_clean(buf_str(&p->text), detail, sizeof(detail));
    if (rc < 0 || !silent)
        dialog_step(p->dialog, name, started, detail, rc < 0 ? &own : NULL);
    if (rc < 0 && err)
        *err = own;
    return rc;
}

static int probe(struct probe *p, struct err *err)
{
    bool upgrade = dialog_server(p->dialog)->security == SECURITY_STARTTLS;

    if (dialog_connect(p->dialog, err) < 0 || take_step(p, "greeting", greet, false, err) < 0 ||
        take_step(p, "capabilities", read_capabilities, upgrade, err) < 0)
        return -1;
    if (upgrade &&
        (take_step(p, "starttls", ask_for_tls, false, err) < 0 || dialog_start_tls(p->dialog, err) < 0 ||
         take_step(p, "capabilities", read_capabilities, false, err) < 0))
        return -1;
    send_line(p, "end", p->language->end, NULL); /* nobody waits for the answer */
    return 0;
}

static int probe_smtp(const struct mail_server *server, const struct mail_observer *observer, struct err *err)
{
    struct smtp_session *smtp = smtp_new(server, observer, NULL);
    int rc = smtp_open(smtp, NULL, err);

    if (rc == 0)
        smtp_quit(smtp);
    smtp_free(smtp);
    return rc;
}

int mail_probe(enum mail_transport transport, const struct mail_server *server,
               const struct mail_observer *observer, struct err *err)
{
    struct probe p = { .language = transport == MAIL_IMAP ? &imap : &pop3 };
    int rc;

    if (transport == MAIL_SMTP)
        return probe_smtp(server, observer, err);
    buf_init(&p.text, 64 * 1024);
    p.dialog = dialog_new(p.language->protocol, server, observer);
    rc = probe(&p, err);
    dialog_free(p.dialog);
    buf_free(&p.text);
    return rc;
}
