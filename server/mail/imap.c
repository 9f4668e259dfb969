/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/imap.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "mail/imap_name.h"
#include "mail/imap_session.h"
#include "mail/text.h"

#define CHUNK 4096 /* bytes of a literal at a time */

struct imap_session *imap_new(const struct mail_server *server, const struct mail_observer *observer)
{
    struct imap_session *imap = mem_alloc(sizeof(*imap));

    imap->dialog = dialog_new("imap", server, observer);
    imap_parser_init(&imap->in);
    return imap;
}

void imap_free(struct imap_session *imap)
{
    if (imap == NULL)
        return;
    dialog_free(imap->dialog);
    imap_parser_free(&imap->in);
    free(imap);
}

void imap_abort(struct imap_session *imap)
{
    dialog_abort(imap->dialog);
}

bool imap_is_usable(struct imap_session *imap)
{
    return !imap->closing && dialog_is_quiet(imap->dialog);
}

int imap_fd(const struct imap_session *imap)
{
    return dialog_fd(imap->dialog);
}

void imap_set_observer(struct imap_session *imap, const struct mail_observer *observer)
{
    dialog_set_observer(imap->dialog, observer);
}

const struct imap_caps *imap_capabilities(const struct imap_session *imap)
{
    return &imap->caps;
}

/* ---- commands --------------------------------------------------------------------------------------- */

void imap_begin(struct imap_session *imap, char tag[16])
{
    snprintf(tag, 16, "a%u", ++imap->commands);
    imap->deadline = dialog_deadline(imap->dialog);
}

int imap_send(struct imap_session *imap, const char *step, struct err *err, const char *fmt, ...)
{
    AUTO_BUF(line, 4096);
    char tag[16], text[2048];
    va_list args;

    imap_begin(imap, tag);
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    buf_addf(&line, "%s %s", tag, text);
    dialog_show(imap->dialog, MAIL_SENT, buf_str(&line));
    buf_add_c(&line, "\r\n");
    return dialog_send(imap->dialog, step, buf_str(&line), err);
}

/* ---- responses -------------------------------------------------------------------------------------- */

static int garbage(struct imap_session *imap, const char *step, struct str line, struct err *err)
{
    char said[80], words[64];

    return dialog_fail(imap->dialog, ERR_TEMPORARY, "protocol.garbage", step, err,
                       "%s sent \"%s\" where %s was expected; that isn't IMAP.%s",
                       dialog_hostname(imap->dialog), text_clean(line, said, sizeof(said)),
                       dialog_awaited(step, words),
                       str_starts(line, STR("220"))   ? " It looks like an SMTP server."
                       : str_starts(line, STR("+OK")) ? " It looks like a POP3 server."
                                                      : "");
}

/* Bytes of a literal that was announced. Whoever took it out of the response has it now. */
static int read_literal(struct imap_session *imap, const char *step, enum imap_step *more, struct err *err)
{
    char chunk[CHUNK], shown[64];

    snprintf(shown, sizeof(shown), "[literal of %" PRIu64 " bytes]", imap_literal_left(&imap->in));
    dialog_show(imap->dialog, MAIL_RECEIVED, str_c(shown));
    while (*more == IMAP_MORE && imap_literal_left(&imap->in) > 0) {
        uint64_t left = imap_literal_left(&imap->in);
        struct str bytes;

        if (dialog_read(imap->dialog, step, chunk, left < CHUNK ? (size_t)left : CHUNK, imap->deadline,
                        &bytes, err) < 0)
            return -1;
        *more = imap_parse(&imap->in, &bytes);
    }
    return 0;
}

int imap_read(struct imap_session *imap, const char *step, bool masked, struct err *err)
{
    enum imap_step more = IMAP_MORE;
    struct str line = STR(""), rest, end;

    imap_parser_clear(&imap->in);
    while (more == IMAP_MORE) {
        if (dialog_line(imap->dialog, step, IMAP_LINE_MAX, imap->deadline, &line, err) < 0)
            return -1;
        rest = line;
        end = STR("\n");
        more = imap_parse(&imap->in, &rest);
        if (more == IMAP_MORE)
            more = imap_parse(&imap->in, &end);
        dialog_show(imap->dialog, MAIL_RECEIVED,
                    masked && imap->in.type == IMAP_CONTINUE ? STR("+ " SESSION_MASK) : line);
        if (more == IMAP_MORE && imap_literal_left(&imap->in) > 0 && read_literal(imap, step, &more, err) < 0)
            return -1;
    }
    if (more == IMAP_DONE)
        return 0;
    if (more == IMAP_GARBAGE)
        return garbage(imap, step, line, err);
    return dialog_fail(imap->dialog, ERR_TEMPORARY, "protocol.lineTooLong", step, err,
                       "%s sent an answer larger than any that can be right.", dialog_hostname(imap->dialog));
}

static const char *said(const struct imap_session *imap, char text[SESSION_SAID_MAX])
{
    struct str words = imap_words(&imap->in), code = imap_code(&imap->in);

    return text_clean(words.len ? words : code.len ? code : STR("(no words)"), text, SESSION_SAID_MAX);
}

static int says_bye(struct imap_session *imap, const char *step, struct err *err)
{
    char text[SESSION_SAID_MAX];

    imap->closing = true;
    return dialog_fail(imap->dialog, ERR_TEMPORARY,
                       strcmp(step, "greeting") == 0 ? "protocol.greeting" : "connect.closed", step, err,
                       "%s ends the connection: %s", dialog_hostname(imap->dialog), said(imap, text));
}

static int unexpected(struct imap_session *imap, const char *step, struct err *err)
{
    char words[64];

    return dialog_fail(imap->dialog, ERR_TEMPORARY, "protocol.unexpected", step, err,
                       "%s said something that doesn't fit where %s was expected.",
                       dialog_hostname(imap->dialog), dialog_awaited(step, words));
}

int imap_answer(struct imap_session *imap, const char *step, bool masked, imap_seen seen, void *ctx,
                struct err *err)
{
    char tag[16];

    snprintf(tag, sizeof(tag), "a%u", imap->commands);
    for (int i = 0; i < IMAP_UNTAGGED_MAX; i++) {
        if (imap_read(imap, step, masked, err) < 0)
            return -1;
        if (imap->in.type == IMAP_CONTINUE)
            return 1;
        if (imap->in.type == IMAP_TAGGED)
            return strcmp(imap->in.tag, tag) == 0 ? 0 : unexpected(imap, step, err);
        if (imap->in.status == IMAP_BYE)
            return says_bye(imap, step, err);
        if (imap_has_code(&imap->in, "ALERT"))
            text_clean(imap_words(&imap->in), imap->alert, sizeof(imap->alert));
        if (seen)
            seen(imap, ctx);
    }
    return dialog_fail(imap->dialog, ERR_TEMPORARY, "protocol.lineTooLong", step, err,
                       "%s sent an answer without end.", dialog_hostname(imap->dialog));
}

int imap_finish(struct imap_session *imap, const char *step, imap_seen seen, void *ctx, struct err *err)
{
    int rc = imap_answer(imap, step, false, seen, ctx, err);

    return rc > 0 ? unexpected(imap, step, err) : rc;
}

int imap_refused(struct imap_session *imap, enum err_code code, const char *id, const char *step,
                 const char *words, struct err *err)
{
    char text[SESSION_SAID_MAX], at[64];

    snprintf(at, sizeof(at), "imap.%s", step);
    said(imap, text);
    if (imap->alert[0])
        return err_id(err, code, id, at, "%s %s: %s (It also said: %s)", dialog_hostname(imap->dialog), words,
                      text, imap->alert);
    return err_id(err, code, id, at, "%s %s: %s", dialog_hostname(imap->dialog), words, text);
}

bool imap_is_temporary(const struct imap_parser *response)
{
    static const char *const codes[] = { "UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT", "CORRUPTION" };

    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (imap_has_code(response, codes[i]))
            return true;
    return false;
}

/* ---- opening ---------------------------------------------------------------------------------------- */

/* RFC 9051 7.1.4: over a connection that was to be encrypted first, being known already is an attack, as what
 * follows could not be (STARTTLS is for those who are not). */
static int refuse_preauth(struct imap_session *imap, struct err *err)
{
    return dialog_fail(
        imap->dialog, ERR_REFUSED, "tls.preauth", "greeting", err,
        "%s says that we are logged in before the encryption began, which then can't begin; nothing "
        "was sent.",
        dialog_hostname(imap->dialog));
}

static int do_greeting(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct imap_session *imap = session;
    struct imap_parser *in = &imap->in;

    imap->deadline = dialog_deadline(imap->dialog);
    if (imap_read(imap, "greeting", false, err) < 0)
        return -1;
    if (in->type == IMAP_UNTAGGED && in->status == IMAP_BYE)
        return says_bye(imap, "greeting", err);
    if (in->type != IMAP_UNTAGGED || (in->status != IMAP_OK && in->status != IMAP_PREAUTH))
        return unexpected(imap, "greeting", err);
    imap->preauth = in->status == IMAP_PREAUTH;
    if (imap->preauth && dialog_server(imap->dialog)->security == SECURITY_STARTTLS)
        return refuse_preauth(imap, err);
    imap->caps_known = imap_caps_read(&imap->caps, in);
    text_clean(imap_words(in), detail, SESSION_SAID_MAX);
    return 0;
}

static void see_capability(struct imap_session *imap, void *ctx)
{
    if (strcmp(imap->in.name, "CAPABILITY") == 0)
        *(bool *)ctx = imap_caps_read(&imap->caps, &imap->in);
}

int imap_ask_capabilities(struct imap_session *imap, struct err *err)
{
    bool told = false;

    if (!imap->caps_known) {
        imap->caps = (struct imap_caps){ 0 };
        if (imap_send(imap, "capability", err, "CAPABILITY") < 0 ||
            imap_finish(imap, "capability", see_capability, &told, err) < 0)
            return -1;
        if (imap->in.status != IMAP_OK || !told)
            return imap_refused(imap, ERR_TEMPORARY, "protocol.unexpected", "capability",
                                "doesn't tell what it offers", err);
    }
    imap->caps_known = false;
    if (imap->caps.rev1 || imap->caps.rev2)
        return 0;
    return dialog_fail(imap->dialog, ERR_TEMPORARY, "protocol.unexpected", "capability", err,
                       "%s speaks neither IMAP4rev1 nor IMAP4rev2.", dialog_hostname(imap->dialog));
}

static int do_capabilities(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct imap_session *imap = session;

    if (imap_ask_capabilities(imap, err) < 0)
        return -1;
    snprintf(detail, SESSION_SAID_MAX, "%.*s", SESSION_SAID_MAX - 1, imap->caps.all);
    return 0;
}

static int do_starttls(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct imap_session *imap = session;
    const struct mail_server *server = dialog_server(imap->dialog);

    (void)detail;
    if (!imap->caps.starttls)
        return dialog_fail(imap->dialog, ERR_REFUSED, "tls.starttlsMissing", "starttls", err,
                           "%s doesn't offer STARTTLS on port %u, so nothing was sent.", server->hostname,
                           server->port);
    if (imap_send(imap, "starttls", err, "STARTTLS") < 0 ||
        imap_finish(imap, "starttls", NULL, NULL, err) < 0)
        return -1;
    if (imap->in.status != IMAP_OK)
        return imap_refused(imap, imap_is_temporary(&imap->in) ? ERR_TEMPORARY : ERR_REFUSED,
                            "tls.starttlsRefused", "starttls", "offers STARTTLS and refuses it", err);
    /* Nothing that was said in the clear is known any more. */
    imap->caps = (struct imap_caps){ 0 };
    imap->caps_known = false;
    imap->alert[0] = '\0';
    imap_parser_clear(&imap->in);
    return 0;
}

struct opening {
    struct imap_session *imap;
    const struct mail_auth *auth;
};

static int do_authenticate(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct opening *opening = session;
    int rc = imap_authenticate(opening->imap, opening->auth, err);

    snprintf(detail, SESSION_SAID_MAX, "%s", opening->imap->mechanism ? opening->imap->mechanism : "");
    return rc;
}

int imap_open(struct imap_session *imap, const struct mail_auth *auth, struct err *err)
{
    static const struct session_steps steps = { do_greeting, do_capabilities, do_starttls };
    struct opening opening = { imap, auth };

    imap->closing = imap->preauth = imap->caps_known = false;
    imap->mechanism = NULL;
    imap->commands = 0;
    imap->alert[0] = '\0';
    if (session_open(imap->dialog, &steps, imap, err) < 0)
        return -1;
    if (auth == NULL || auth->type == MAIL_AUTH_NONE)
        return 0;
    return session_step(imap->dialog, "authenticate", do_authenticate, &opening, false, err);
}

void imap_logout(struct imap_session *imap)
{
    if (dialog_is_broken(imap->dialog) || imap->closing)
        return;
    if (imap_send(imap, "logout", NULL, "LOGOUT") == 0) {
        imap->deadline = clock_mono() + SECONDS(1);
        while (imap_read(imap, "logout", false, NULL) == 0 && imap->in.type != IMAP_TAGGED)
            ;
    }
    imap->closing = true;
}

/* ---- a mailbox -------------------------------------------------------------------------------------- */

struct selecting {
    struct imap_session *imap;
    const char *name;
    bool read_only;
    struct imap_mailbox *mailbox;
};

static uint64_t code_number(const struct imap_parser *in, uint64_t max)
{
    int64_t number;

    return str_to_int(imap_code_value(in), &number) && number > 0 && (uint64_t)number <= max
               ? (uint64_t)number
               : 0;
}

/* RFC 9051 6.3.2: any of these, in any order, and others. */
static void see_mailbox(struct imap_session *imap, void *ctx)
{
    struct imap_mailbox *mailbox = ctx;
    const struct imap_parser *in = &imap->in;

    if (in->has_number && strcmp(in->name, "EXISTS") == 0)
        mailbox->exists = in->number;
    else if (imap_has_code(in, "UIDVALIDITY"))
        mailbox->uid_validity = (uint32_t)code_number(in, UINT32_MAX);
    else if (imap_has_code(in, "UIDNEXT"))
        mailbox->uid_next = (uint32_t)code_number(in, UINT32_MAX);
    else if (imap_has_code(in, "HIGHESTMODSEQ"))
        mailbox->mod_seq = code_number(in, INT64_MAX);
    else if (imap_has_code(in, "PERMANENTFLAGS")) {
        char flags[512];

        text_clean(imap_code_value(in), flags, sizeof(flags));
        mailbox->can_mark = strcasestr(flags, "\\Seen") != NULL;
    }
}

static int write_name(const struct selecting *selecting, struct buf *into, struct err *err)
{
    const struct imap_caps *caps = &selecting->imap->caps;
    struct str name = str_c(selecting->name);
    AUTO_BUF(encoded, 2048);
    int rc;

    /* IMAP4rev2 alone has names in UTF-8 (RFC 9051 A.1); a server of both takes them so only when told. */
    if (caps->rev1)
        rc = imap_utf7(name, &encoded) < 0 ? -1 : imap_quote(buf_str(&encoded), false, into);
    else
        rc = !str_is_utf8(name) || str_has_control(name) ? -1 : imap_quote(name, true, into);
    return rc == 0 ? 0
                   : err_id(err, ERR_REFUSED, "config.mailbox", "mailbox",
                            "The name of the mailbox can't be sent to %s.",
                            dialog_hostname(selecting->imap->dialog));
}

static int do_select(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct selecting *selecting = session;
    struct imap_session *imap = selecting->imap;
    AUTO_BUF(name, 2048);

    *selecting->mailbox = (struct imap_mailbox){ .can_mark = true };
    if (write_name(selecting, &name, err) < 0 ||
        imap_send(imap, "select", err, "%s %s", selecting->read_only ? "EXAMINE" : "SELECT", name.p) < 0 ||
        imap_finish(imap, "select", see_mailbox, selecting->mailbox, err) < 0)
        return -1;
    if (imap->in.status != IMAP_OK)
        return imap_is_temporary(&imap->in) ? imap_refused(imap, ERR_TEMPORARY, "protocol.refused", "select",
                                                           "can't open the mailbox now", err)
                                            : imap_refused(imap, ERR_REFUSED, "config.mailbox", "select",
                                                           "doesn't open the mailbox", err);
    selecting->mailbox->read_only = selecting->read_only || imap_has_code(&imap->in, "READ-ONLY");
    snprintf(detail, SESSION_SAID_MAX, "%u message%s", selecting->mailbox->exists,
             selecting->mailbox->exists == 1 ? "" : "s");
    return 0;
}

int imap_select(struct imap_session *imap, const char *name, bool read_only, struct imap_mailbox *mailbox,
                struct err *err)
{
    struct imap_mailbox own;
    struct selecting selecting = { imap, name, read_only, mailbox ? mailbox : &own };

    return session_step(imap->dialog, "mailbox", do_select, &selecting, false, err);
}
