/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/imap.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
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
    free(imap->view.name);
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
    imap->flows = false;
}

int imap_send(struct imap_session *imap, const char *step, struct err *err, const char *fmt, ...)
{
    AUTO_BUF(line, IMAP_COMMAND_MAX + 128);
    char tag[16], text[IMAP_COMMAND_MAX + 64];
    va_list args;
    int len;

    imap_begin(imap, tag);
    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(text))
        return dialog_fail(imap->dialog, ERR_INTERNAL, "protocol.commandTooLong", step, err,
                           "A command for %s would be too long.", dialog_hostname(imap->dialog));
    buf_addf(&line, "%s %s", tag, text);
    dialog_show(imap->dialog, MAIL_SENT, buf_str(&line));
    buf_add_c(&line, "\r\n");
    return dialog_send(imap->dialog, step, buf_str(&line), err);
}

/* ---- responses -------------------------------------------------------------------------------------- */

static int garbage(struct imap_session *imap, const char *step, struct str line, struct err *err)
{
    char said[80], words[64];

    if (imap->bodies)
        return dialog_fail(imap->dialog, ERR_TEMPORARY, "protocol.garbage", step, err,
                           "%s sent something that isn't IMAP where %s was expected, as if a message were "
                           "longer than announced.",
                           dialog_hostname(imap->dialog), dialog_awaited(step, words));
    return dialog_fail(imap->dialog, ERR_TEMPORARY, "protocol.garbage", step, err,
                       "%s sent \"%s\" where %s was expected; that isn't IMAP.%s",
                       dialog_hostname(imap->dialog), text_clean(line, said, sizeof(said)),
                       dialog_awaited(step, words),
                       str_starts(line, STR("220"))   ? " It looks like an SMTP server."
                       : str_starts(line, STR("+OK")) ? " It looks like a POP3 server."
                                                      : "");
}

static int next_line(struct imap_session *imap, const char *step, bool wait, struct str *line,
                     struct err *err)
{
    int64_t deadline = imap->flows ? dialog_flow_deadline(imap->dialog, &imap->flow) : imap->deadline;

    if (!wait)
        return dialog_try_line(imap->dialog, step, IMAP_LINE_MAX, line, err);
    return dialog_line(imap->dialog, step, IMAP_LINE_MAX, deadline, line, err) < 0 ? -1 : 1;
}

static int next_bytes(struct imap_session *imap, const char *step, bool wait, char *into, size_t size,
                      struct str *bytes, struct err *err)
{
    int64_t deadline = imap->flows ? dialog_flow_deadline(imap->dialog, &imap->flow) : imap->deadline;

    if (!wait)
        return dialog_try_read(imap->dialog, step, into, size, bytes, err);
    return dialog_read(imap->dialog, step, into, size, deadline, bytes, err) < 0 ? -1 : 1;
}

/* Bytes of a literal that was announced. Whoever took it out of the response has it now. */
static int read_literal(struct imap_session *imap, const char *step, bool wait, enum imap_step *more,
                        struct err *err)
{
    uint64_t left = imap_literal_left(&imap->in);
    char chunk[CHUNK];
    struct str bytes;
    int rc = next_bytes(imap, step, wait, chunk, left < CHUNK ? (size_t)left : CHUNK, &bytes, err);

    if (rc <= 0)
        return rc;
    if (imap->in.streaming)
        imap->flow.bytes += bytes.len;
    *more = imap_parse(&imap->in, &bytes);
    return 1;
}

/* Strings in quotes are left out, for one may be a message; dates aren't. */
static void show_fetched(struct imap_session *imap, struct str line)
{
    AUTO_BUF(shown, IMAP_LINE_MAX + 64);
    bool quoted = false, hidden = false;

    for (size_t i = 0; i < line.len; i++) {
        char c = line.p[i];

        if (quoted && c == '\\' && i + 1 < line.len) {
            if (!hidden)
                buf_add(&shown, str_n(line.p + i, 2));
            i++;
            continue;
        }
        if (c == '"' && !quoted && (hidden = !str_ends_nocase(str_n(line.p, i), STR("INTERNALDATE "))))
            buf_add_c(&shown, "\"" SESSION_MASK);
        if (c == '"')
            quoted = !quoted;
        if (!quoted || !hidden)
            buf_add_char(&shown, c);
    }
    dialog_show(imap->dialog, MAIL_RECEIVED, buf_str(&shown));
}

/* What may be a piece of a message that is longer than announced. */
static bool is_doubtful(const struct imap_session *imap, enum imap_step more)
{
    char tag[16];

    snprintf(tag, sizeof(tag), "a%u", imap->commands);
    return imap->bodies &&
           (more == IMAP_GARBAGE || (imap->in.type == IMAP_TAGGED && strcmp(imap->in.tag, tag) != 0));
}

static void show_line(struct imap_session *imap, struct str line, bool masked, enum imap_step more)
{
    char size[48];

    if (!dialog_is_shown(imap->dialog))
        return;
    if (masked && imap->in.type == IMAP_CONTINUE)
        line = STR("+ " SESSION_MASK);
    if (is_doubtful(imap, more)) {
        snprintf(size, sizeof(size), "[%zu bytes that don't belong here]", line.len);
        line = str_c(size);
    }
    if (strcmp(imap->in.name, "FETCH") == 0)
        show_fetched(imap, line);
    else
        dialog_show(imap->dialog, MAIL_RECEIVED, line);
    if (more == IMAP_MORE && imap_literal_left(&imap->in) > 0) {
        snprintf(size, sizeof(size), "[literal of %" PRIu64 " bytes]", imap_literal_left(&imap->in));
        dialog_show(imap->dialog, MAIL_RECEIVED, str_c(size));
    }
}

static int read_line(struct imap_session *imap, const char *step, bool masked, bool wait, enum imap_step *more,
                     struct err *err)
{
    struct str line, rest, end = STR("\n");
    int rc = next_line(imap, step, wait, &line, err);

    if (rc <= 0)
        return rc;
    imap->partial = true;
    rest = line;
    *more = imap_parse(&imap->in, &rest);
    if (*more == IMAP_MORE)
        *more = imap_parse(&imap->in, &end);
    show_line(imap, line, masked, *more);
    return *more == IMAP_GARBAGE ? garbage(imap, step, line, err) : 1;
}

/* 1: the response is whole; 0: not yet, and there is no waiting; -1. */
static int read_on(struct imap_session *imap, const char *step, bool masked, bool wait, struct err *err)
{
    enum imap_step more = IMAP_MORE;
    int rc;

    if (!imap->partial)
        imap_parser_clear(&imap->in);
    while (more == IMAP_MORE) {
        if (imap_literal_left(&imap->in) > 0)
            rc = read_literal(imap, step, wait, &more, err);
        else
            rc = read_line(imap, step, masked, wait, &more, err);
        if (rc <= 0)
            return rc;
    }
    imap->partial = false;
    if (more == IMAP_DONE)
        return 1;
    dialog_break(imap->dialog);
    if (more == IMAP_STOPPED) /* the sink has told why */
        return -1;
    return dialog_fail(imap->dialog, ERR_TEMPORARY, "protocol.lineTooLong", step, err,
                       "%s sent an answer larger than any that can be right.", dialog_hostname(imap->dialog));
}

int imap_read(struct imap_session *imap, const char *step, bool masked, struct err *err)
{
    return read_on(imap, step, masked, true, err) < 0 ? -1 : 0;
}

int imap_try_read(struct imap_session *imap, const char *step, struct err *err)
{
    return read_on(imap, step, false, false, err);
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

int imap_unexpected(struct imap_session *imap, const char *step, struct err *err)
{
    char words[64];

    return dialog_fail(imap->dialog, ERR_TEMPORARY, "protocol.unexpected", step, err,
                       "%s said something that doesn't fit where %s was expected.",
                       dialog_hostname(imap->dialog), dialog_awaited(step, words));
}

int imap_take_note(struct imap_session *imap, const char *step, unsigned *count, struct err *err)
{
    unsigned told;

    if (imap->in.status == IMAP_BYE)
        return says_bye(imap, step, err);
    if (imap_has_code(&imap->in, "ALERT"))
        text_clean(imap_words(&imap->in), imap->alert, sizeof(imap->alert));
    imap_view_note(imap);
    told = imap->view.exists < IMAP_TOLD_MAX ? imap->view.exists : IMAP_TOLD_MAX;
    if ((*count)++ < IMAP_UNTAGGED_MAX + told)
        return 0;
    return dialog_fail(imap->dialog, ERR_TEMPORARY, "protocol.lineTooLong", step, err,
                       "%s sent an answer without end.", dialog_hostname(imap->dialog));
}

int imap_answer(struct imap_session *imap, const char *step, bool masked, imap_seen seen, void *ctx,
                struct err *err)
{
    unsigned count = 0;
    char tag[16];

    snprintf(tag, sizeof(tag), "a%u", imap->commands);
    for (;;) {
        if (imap_read(imap, step, masked, err) < 0)
            return -1;
        if (imap->in.type == IMAP_CONTINUE)
            return 1;
        if (imap->in.type == IMAP_TAGGED)
            return strcmp(imap->in.tag, tag) == 0 ? 0 : imap_unexpected(imap, step, err);
        if (imap_take_note(imap, step, &count, err) < 0)
            return -1;
        if (seen && seen(imap, ctx, err) < 0) {
            dialog_break(imap->dialog);
            return -1;
        }
    }
}

int imap_finish(struct imap_session *imap, const char *step, imap_seen seen, void *ctx, struct err *err)
{
    int rc = imap_answer(imap, step, false, seen, ctx, err);

    return rc > 0 ? imap_unexpected(imap, step, err) : rc;
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

int imap_check(struct imap_session *imap, const char *step, const char *words, struct err *err)
{
    if (imap->in.status == IMAP_OK)
        return 0;
    return imap_refused(imap, ERR_TEMPORARY, "protocol.refused", step, words, err);
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
    imap->flows = false;
    if (imap_read(imap, "greeting", false, err) < 0)
        return -1;
    if (in->type == IMAP_UNTAGGED && in->status == IMAP_BYE)
        return says_bye(imap, "greeting", err);
    if (in->type != IMAP_UNTAGGED || (in->status != IMAP_OK && in->status != IMAP_PREAUTH))
        return imap_unexpected(imap, "greeting", err);
    imap->preauth = in->status == IMAP_PREAUTH;
    if (imap->preauth && dialog_server(imap->dialog)->security == SECURITY_STARTTLS)
        return refuse_preauth(imap, err);
    imap->caps_known = imap_caps_read(&imap->caps, imap->offer, in);
    text_clean(imap_words(in), detail, SESSION_SAID_MAX);
    return 0;
}

static int see_capability(struct imap_session *imap, void *ctx, struct err *err)
{
    (void)err;
    if (strcmp(imap->in.name, "CAPABILITY") == 0)
        *(bool *)ctx = imap_caps_read(&imap->caps, imap->offer, &imap->in);
    return 0;
}

int imap_ask_capabilities(struct imap_session *imap, struct err *err)
{
    bool told = false;

    if (!imap->caps_known) {
        imap_caps_forget(&imap->caps, imap->offer);
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
    snprintf(detail, SESSION_SAID_MAX, "%.*s", SESSION_SAID_MAX - 1, imap->offer->all);
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
    imap_caps_forget(&imap->caps, imap->offer);
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
    struct imap_offer offer = { 0 };
    int rc;

    imap->closing = imap->preauth = imap->caps_known = imap->partial = imap->idling = false;
    imap->view.open = false;
    imap->mechanism = NULL;
    imap->commands = 0;
    imap->alert[0] = '\0';
    imap->offer = &offer;
    rc = session_open(imap->dialog, &steps, imap, err);
    if (rc == 0 && auth && auth->type != MAIL_AUTH_NONE)
        rc = session_step(imap->dialog, "authenticate", do_authenticate, &opening, false, err);
    imap->offer = NULL;
    return rc;
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
