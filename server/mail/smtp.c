/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/smtp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "mail/smtp_session.h"
#include "mail/text.h"

struct smtp_session *smtp_new(const struct mail_server *server, const struct mail_observer *observer,
                              const char *ehlo_name)
{
    struct smtp_session *smtp = mem_alloc(sizeof(*smtp));

    smtp->dialog = dialog_new("smtp", server, observer);
    smtp_reply_init(&smtp->reply);
    buf_init(&smtp->out, SMTP_OUT_MAX);
    /* RFC 5321 4.1.4: who has no name gives an address literal. */
    snprintf(smtp->ehlo_name, sizeof(smtp->ehlo_name), "%s",
             ehlo_name && *ehlo_name && !strpbrk(ehlo_name, " \t\r\n") ? ehlo_name : "[127.0.0.1]");
    return smtp;
}

void smtp_free(struct smtp_session *smtp)
{
    if (smtp == NULL)
        return;
    dialog_free(smtp->dialog);
    smtp_reply_free(&smtp->reply);
    buf_free(&smtp->out);
    free(smtp);
}

void smtp_abort(struct smtp_session *smtp)
{
    dialog_abort(smtp->dialog);
}

bool smtp_is_usable(struct smtp_session *smtp)
{
    return !smtp->closing && dialog_is_quiet(smtp->dialog);
}

int smtp_fd(const struct smtp_session *smtp)
{
    return dialog_fd(smtp->dialog);
}

void smtp_set_observer(struct smtp_session *smtp, const struct mail_observer *observer)
{
    dialog_set_observer(smtp->dialog, observer);
}

const struct smtp_caps *smtp_capabilities(const struct smtp_session *smtp)
{
    return &smtp->caps;
}

/* ---- commands and replies --------------------------------------------------------------------------- */

static int garbage(struct smtp_session *smtp, const char *step, struct str line, struct err *err)
{
    char said[80], words[64];

    return dialog_fail(smtp->dialog, ERR_TEMPORARY, "protocol.garbage", step, err,
                       "%s sent \"%s\" where %s was expected; that isn't SMTP.%s",
                       dialog_hostname(smtp->dialog), text_clean(line, said, sizeof(said)),
                       dialog_awaited(step, words),
                       str_starts(line, STR("* OK"))  ? " It looks like an IMAP server."
                       : str_starts(line, STR("+OK")) ? " It looks like a POP3 server."
                                                      : "");
}

int smtp_read_reply(struct smtp_session *smtp, const char *step, const char *masked, struct err *err)
{
    int64_t deadline = dialog_deadline(smtp->dialog);
    enum reply_step more = REPLY_MORE;
    struct str line;

    smtp_reply_clear(&smtp->reply);
    while (more == REPLY_MORE) {
        if (dialog_line(smtp->dialog, step, SMTP_REPLY_LINE_MAX, deadline, &line, err) < 0)
            return -1;
        more = smtp_reply_line(&smtp->reply, line);
        dialog_show(smtp->dialog, MAIL_RECEIVED, masked && smtp->reply.code == 334 ? str_c(masked) : line);
    }
    if (more == REPLY_BAD)
        return garbage(smtp, step, line, err);
    if (more == REPLY_LONG)
        return dialog_fail(smtp->dialog, ERR_TEMPORARY, "protocol.lineTooLong", step, err,
                           "%s sent an answer without end.", dialog_hostname(smtp->dialog));
    if (smtp->reply.code == 421)
        smtp->closing = true;
    return 0;
}

int smtp_command(struct smtp_session *smtp, const char *step, struct err *err, const char *fmt, ...)
{
    char command[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(command, sizeof(command) - 2, fmt, args);
    va_end(args);
    dialog_show(smtp->dialog, MAIL_SENT, str_c(command));
    strcat(command, "\r\n");
    if (dialog_send(smtp->dialog, step, str_c(command), err) < 0)
        return -1;
    return smtp_read_reply(smtp, step, NULL, err);
}

int smtp_refused(struct smtp_session *smtp, enum err_code code, const char *id, const char *step,
                 const char *words, struct err *err)
{
    char said[SMTP_SAID_MAX], at[64];

    snprintf(at, sizeof(at), "smtp.%s", step);
    smtp_said(&smtp->reply, said);
    if (smtp->reply.code == 421)
        return err_id(err, ERR_TEMPORARY,
                      strcmp(step, "greeting") == 0 ? "protocol.greeting" : "connect.closed", at,
                      "%s takes nothing at the moment: %s", dialog_hostname(smtp->dialog), said);
    if (smtp->reply.code < 400) {
        dialog_fail(smtp->dialog, ERR_TEMPORARY, "protocol.unexpected", step, err,
                    "%s gave an answer that doesn't fit: %s", dialog_hostname(smtp->dialog), said);
        return -1;
    }
    return err_id(err, code, id, at, "%s %s: %s", dialog_hostname(smtp->dialog), words, said);
}

/* ---- opening ---------------------------------------------------------------------------------------- */

static int read_greeting(struct smtp_session *smtp, char detail[SMTP_SAID_MAX], struct err *err)
{
    if (smtp_read_reply(smtp, "greeting", NULL, err) < 0)
        return -1;
    text_clean(buf_str(&smtp->reply.text), detail, SMTP_SAID_MAX);
    if (smtp->reply.code == 220)
        return 0;
    return smtp_refused(smtp, ERR_TEMPORARY, "protocol.greeting", "greeting", "doesn't take mail from here",
                        err);
}

/* RFC 5321 3.2: HELO for servers from before 1995, where nothing is needed that only EHLO brings. */
static int fall_back(struct smtp_session *smtp, bool plain_will_do, struct err *err)
{
    int code = smtp->reply.code;

    if (!plain_will_do || (code != 500 && code != 501 && code != 502 && code != 504 && code != 550))
        return smtp_refused(smtp, code < 500 ? ERR_TEMPORARY : ERR_REFUSED, "protocol.refused", "ehlo",
                            "refused EHLO", err);
    if (smtp_command(smtp, "helo", err, "HELO %s", smtp->ehlo_name) < 0)
        return -1;
    return smtp->reply.code == 250
               ? 0
               : smtp_refused(smtp, ERR_TEMPORARY, "protocol.refused", "helo", "refused HELO", err);
}

/* What was offered before is forgotten: over TLS only what is said over TLS counts (RFC 3207 4.2). */
static int say_hello(struct smtp_session *smtp, bool plain_will_do, char detail[SMTP_SAID_MAX],
                     struct err *err)
{
    struct str text, first;

    smtp->caps = (struct smtp_caps){ 0 };
    if (smtp_command(smtp, "ehlo", err, "EHLO %s", smtp->ehlo_name) < 0)
        return -1;
    if (smtp->reply.code != 250)
        return fall_back(smtp, plain_will_do, err);
    smtp_caps_read(&smtp->caps, buf_str(&smtp->reply.text));
    text = buf_str(&smtp->reply.text);
    str_split(&text, '\n', &first);
    text_clean(text.p ? text : STR(""), detail, SMTP_SAID_MAX);
    return 0;
}

static int ask_for_tls(struct smtp_session *smtp, struct err *err)
{
    const struct mail_server *server = dialog_server(smtp->dialog);

    if (!smtp->caps.starttls)
        return dialog_fail(smtp->dialog, ERR_REFUSED, "tls.starttlsMissing", "starttls", err,
                           "%s doesn't offer STARTTLS on port %u, so nothing was sent.", server->hostname,
                           server->port);
    if (smtp_command(smtp, "starttls", err, "STARTTLS") < 0)
        return -1;
    if (smtp->reply.code == 220)
        return 0;
    return smtp_refused(smtp, smtp->reply.code < 500 ? ERR_TEMPORARY : ERR_REFUSED, "tls.starttlsRefused",
                        "starttls", "offers STARTTLS and refuses it", err);
}

/* One step of smtp_open() seen by the observer. */
struct opening {
    struct smtp_session *smtp;
    const struct mail_auth *auth;
    char detail[SMTP_SAID_MAX];
};

static int do_greeting(struct opening *o, struct err *err)
{
    return read_greeting(o->smtp, o->detail, err);
}

static int do_hello(struct opening *o, struct err *err)
{
    bool plain =
        dialog_server(o->smtp->dialog)->security != SECURITY_STARTTLS || dialog_is_encrypted(o->smtp->dialog);

    return say_hello(o->smtp, plain && o->auth->type == MAIL_AUTH_NONE, o->detail, err);
}

static int do_starttls(struct opening *o, struct err *err)
{
    return ask_for_tls(o->smtp, err);
}

static int do_authenticate(struct opening *o, struct err *err)
{
    int rc = smtp_authenticate(o->smtp, o->auth, err);

    snprintf(o->detail, sizeof(o->detail), "%s", o->smtp->mechanism ? o->smtp->mechanism : "");
    return rc;
}

static int take_step(struct opening *o, const char *name, int (*run)(struct opening *, struct err *),
                     bool silent, struct err *err)
{
    int64_t started = clock_mono();
    struct err own = { 0 };
    int rc;

    o->detail[0] = '\0';
    rc = run(o, &own);
    if (rc < 0 || !silent)
        dialog_step(o->smtp->dialog, name, started, o->detail, rc < 0 ? &own : NULL);
    if (rc < 0) {
        dialog_break(o->smtp->dialog);
        if (err)
            *err = own;
    }
    return rc;
}

int smtp_open(struct smtp_session *smtp, const struct mail_auth *auth, struct err *err)
{
    static const struct mail_auth nobody = { .type = MAIL_AUTH_NONE };
    struct opening o = { .smtp = smtp, .auth = auth ? auth : &nobody };
    bool upgrade = dialog_server(smtp->dialog)->security == SECURITY_STARTTLS;

    smtp->closing = smtp->needs_reset = false;
    smtp->mechanism = NULL;
    if (dialog_connect(smtp->dialog, err) < 0 || take_step(&o, "greeting", do_greeting, false, err) < 0)
        return -1;
    if (take_step(&o, "capabilities", do_hello, upgrade, err) < 0)
        return -1;
    if (upgrade &&
        (take_step(&o, "starttls", do_starttls, false, err) < 0 || dialog_start_tls(smtp->dialog, err) < 0 ||
         take_step(&o, "capabilities", do_hello, false, err) < 0))
        return -1;
    if (o.auth->type != MAIL_AUTH_NONE)
        return take_step(&o, "authenticate", do_authenticate, false, err);
    return 0;
}

void smtp_quit(struct smtp_session *smtp)
{
    struct str line;

    if (dialog_is_broken(smtp->dialog) || smtp->closing)
        return;
    dialog_show(smtp->dialog, MAIL_SENT, STR("QUIT"));
    if (dialog_send(smtp->dialog, "quit", STR("QUIT\r\n"), NULL) == 0 &&
        dialog_line(smtp->dialog, "quit", SMTP_REPLY_LINE_MAX, clock_mono() + SECONDS(1), &line, NULL) == 0)
        dialog_show(smtp->dialog, MAIL_RECEIVED, line);
    smtp->closing = true;
}
