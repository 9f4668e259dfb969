/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/pop3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "mail/pop3_session.h"
#include "mail/text.h"

struct pop3_session *pop3_new(const struct mail_server *server, const struct mail_observer *observer)
{
    struct pop3_session *pop3 = mem_alloc(sizeof(*pop3));

    pop3->dialog = dialog_new("pop3", server, observer);
    return pop3;
}

void pop3_free(struct pop3_session *pop3)
{
    if (pop3 == NULL)
        return;
    dialog_free(pop3->dialog);
    free(pop3);
}

void pop3_abort(struct pop3_session *pop3)
{
    dialog_abort(pop3->dialog);
}

bool pop3_is_usable(struct pop3_session *pop3)
{
    return !pop3->closing && dialog_is_quiet(pop3->dialog);
}

void pop3_set_observer(struct pop3_session *pop3, const struct mail_observer *observer)
{
    dialog_set_observer(pop3->dialog, observer);
}

const struct pop3_caps *pop3_capabilities(const struct pop3_session *pop3)
{
    return &pop3->caps;
}

/* ---- commands and replies --------------------------------------------------------------------------- */

static int garbage(struct pop3_session *pop3, const char *step, struct str line, struct err *err)
{
    char said[80], words[64];

    return dialog_fail(pop3->dialog, ERR_TEMPORARY, "protocol.garbage", step, err,
                       "%s sent \"%s\" where %s was expected; that isn't POP3.%s",
                       dialog_hostname(pop3->dialog), text_clean(line, said, sizeof(said)),
                       dialog_awaited(step, words),
                       str_starts(line, STR("220"))    ? " It looks like an SMTP server."
                       : str_starts(line, STR("* OK")) ? " It looks like an IMAP server."
                                                       : "");
}

int pop3_read(struct pop3_session *pop3, const char *step, bool masked, int64_t deadline, struct err *err)
{
    struct str line;

    if (dialog_line(pop3->dialog, step, POP3_LINE_MAX, deadline, &line, err) < 0)
        return -1;
    pop3_reply_read(&pop3->reply, line);
    dialog_show(pop3->dialog, MAIL_RECEIVED,
                masked && pop3->reply.status == POP3_CONTINUE ? STR("+ " SESSION_MASK) : line);
    if (pop3->reply.status == POP3_GARBAGE || (pop3->reply.status == POP3_CONTINUE && !masked))
        return garbage(pop3, step, line, err);
    return 0;
}

int pop3_command(struct pop3_session *pop3, const char *step, const char *command, struct err *err)
{
    char line[128];

    dialog_show(pop3->dialog, MAIL_SENT, str_c(command));
    snprintf(line, sizeof(line), "%s\r\n", command);
    if (dialog_send(pop3->dialog, step, str_c(line), err) < 0)
        return -1;
    return pop3_read(pop3, step, false, dialog_deadline(pop3->dialog), err);
}

int pop3_refused(struct pop3_session *pop3, enum err_code code, const char *id, const char *step,
                 const char *words, struct err *err)
{
    const struct pop3_reply *reply = &pop3->reply;
    char text[SESSION_SAID_MAX], at[64];

    snprintf(at, sizeof(at), "pop3.%s", step);
    text_clean(reply->text.len   ? reply->text
               : reply->code.len ? reply->code
                                 : STR("(no words)"),
               text, sizeof(text));
    return err_id(err, code, id, at, "%s %s: %s", dialog_hostname(pop3->dialog), words, text);
}

bool pop3_is_temporary(const struct pop3_reply *reply)
{
    return pop3_has_code(reply, "IN-USE") || pop3_has_code(reply, "LOGIN-DELAY") ||
           (pop3_has_code(reply, "SYS") && !pop3_has_code(reply, "SYS/PERM"));
}

/* ---- opening ---------------------------------------------------------------------------------------- */

/* The time stamp for APOP is not looked at: it proves the password with MD5, to whoever listens. */
static int do_greeting(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct pop3_session *pop3 = session;

    if (pop3_read(pop3, "greeting", false, dialog_deadline(pop3->dialog), err) < 0)
        return -1;
    text_clean(pop3->reply.text, detail, SESSION_SAID_MAX);
    if (pop3->reply.status == POP3_OK)
        return 0;
    return pop3_refused(pop3, ERR_TEMPORARY, "protocol.greeting", "greeting", "doesn't serve mail to here",
                        err);
}

/* Lines up to the dot. */
static int read_capabilities(struct pop3_session *pop3, struct err *err)
{
    int64_t deadline = dialog_deadline(pop3->dialog);
    struct str line, content;

    for (int i = 0; i < POP3_CAPA_LINES_MAX; i++) {
        if (dialog_line(pop3->dialog, "capa", POP3_LINE_MAX, deadline, &line, err) < 0)
            return -1;
        dialog_show(pop3->dialog, MAIL_RECEIVED, line);
        if (!pop3_unstuff(line, &content))
            return 0;
        pop3_caps_add(&pop3->caps, content);
    }
    return dialog_fail(pop3->dialog, ERR_TEMPORARY, "protocol.lineTooLong", "capa", err,
                       "%s sent an answer without end.", dialog_hostname(pop3->dialog));
}

/* A server without CAPA (RFC 2449) offers USER and PASS, and is no worse for that. */
static int do_capabilities(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct pop3_session *pop3 = session;

    pop3->caps = (struct pop3_caps){ 0 };
    if (pop3_command(pop3, "capa", "CAPA", err) < 0)
        return -1;
    pop3->caps.known = pop3->reply.status == POP3_OK;
    if (pop3->caps.known && read_capabilities(pop3, err) < 0)
        return -1;
    pop3->caps.user |= !pop3->caps.known;
    snprintf(detail, SESSION_SAID_MAX, "%.*s", SESSION_SAID_MAX - 1,
             pop3->caps.known ? pop3->caps.all : "The server doesn't know CAPA.");
    return 0;
}

/* RFC 2595 4. */
static int do_stls(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct pop3_session *pop3 = session;
    const struct mail_server *server = dialog_server(pop3->dialog);

    (void)detail;
    if (!pop3->caps.stls)
        return dialog_fail(pop3->dialog, ERR_REFUSED, "tls.starttlsMissing", "stls", err,
                           "%s doesn't offer STLS on port %u, so nothing was sent.", server->hostname,
                           server->port);
    if (pop3_command(pop3, "stls", "STLS", err) < 0)
        return -1;
    if (pop3->reply.status != POP3_OK)
        return pop3_refused(pop3, pop3_is_temporary(&pop3->reply) ? ERR_TEMPORARY : ERR_REFUSED,
                            "tls.starttlsRefused", "stls", "offers STLS and refuses it", err);
    /* Nothing that was said in the clear is known any more. */
    pop3->caps = (struct pop3_caps){ 0 };
    return 0;
}

struct opening {
    struct pop3_session *pop3;
    const struct mail_auth *auth;
};

static int do_authenticate(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct opening *opening = session;
    int rc = pop3_authenticate(opening->pop3, opening->auth, err);

    snprintf(detail, SESSION_SAID_MAX, "%s", opening->pop3->mechanism ? opening->pop3->mechanism : "");
    return rc;
}

int pop3_open(struct pop3_session *pop3, const struct mail_auth *auth, struct err *err)
{
    static const struct session_steps steps = { do_greeting, do_capabilities, do_stls };
    struct opening opening = { pop3, auth };

    pop3->closing = false;
    pop3->mechanism = NULL;
    if (session_open(pop3->dialog, &steps, pop3, err) < 0)
        return -1;
    if (auth == NULL || auth->type == MAIL_AUTH_NONE)
        return 0;
    return session_step(pop3->dialog, "authenticate", do_authenticate, &opening, false, err);
}

void pop3_quit(struct pop3_session *pop3)
{
    if (dialog_is_broken(pop3->dialog) || pop3->closing)
        return;
    dialog_show(pop3->dialog, MAIL_SENT, STR("QUIT"));
    if (dialog_send(pop3->dialog, "quit", STR("QUIT\r\n"), NULL) == 0)
        pop3_read(pop3, "quit", false, clock_mono() + SECONDS(1), NULL);
    pop3->closing = true;
}

/* ---- the maildrop ----------------------------------------------------------------------------------- */

struct counting {
    struct pop3_session *pop3;
    struct pop3_drop *drop;
};

static int do_stat(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct counting *counting = session;
    struct pop3_session *pop3 = counting->pop3;
    struct pop3_drop *drop = counting->drop;

    if (pop3_command(pop3, "stat", "STAT", err) < 0)
        return -1;
    if (pop3->reply.status != POP3_OK)
        return pop3_refused(pop3, ERR_TEMPORARY, "protocol.refused", "stat", "doesn't open the maildrop",
                            err);
    if (!pop3_read_stat(pop3->reply.text, &drop->count, &drop->bytes))
        return pop3_refused(pop3, ERR_TEMPORARY, "protocol.unexpected", "stat",
                            "doesn't tell how many messages there are", err);
    snprintf(detail, SESSION_SAID_MAX, "%u message%s", drop->count, drop->count == 1 ? "" : "s");
    return 0;
}

int pop3_stat(struct pop3_session *pop3, struct pop3_drop *drop, struct err *err)
{
    struct pop3_drop own;
    struct counting counting = { pop3, drop ? drop : &own };

    return session_step(pop3->dialog, "mailbox", do_stat, &counting, false, err);
}
