/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/smtp_send.c - one mail transaction, RFC 5321 3.3, in as few round trips and system calls as the
 * server allows. */
#include <stdarg.h>
#include <stdio.h>

#include "mail/smtp_session.h"
#include "mail/text.h"

#define GROUP_MAX                                                                                            \
    100 /* recipients in one group: neither end's buffers fill while the other waits (RFC 2920 3.1) */
#define PIECE (64 * 1024) /* of the message in one write */

struct transaction {
    struct smtp_session *smtp;
    const struct smtp_envelope *envelope;
    struct str message;
    struct smtp_facts facts;
    struct smtp_result *results;
    struct err *err;
    struct err first; /* of the first recipient that wasn't accepted */
    bool has_first;
    size_t accepted;
    bool mail_refused;
};

/* ---- results ---------------------------------------------------------------------------------------- */

static void set_result(struct smtp_result *result, enum smtp_class class, const struct smtp_reply *reply)
{
    result->class = class;
    result->code = reply->code;
    memcpy(result->enhanced, reply->enhanced, sizeof(result->enhanced));
    text_clean(buf_str(&reply->text), result->text, sizeof(result->text));
}

/* A refusal of our own, in the words that a server would use. */
static void refuse_here(struct smtp_result *result, const char *enhanced, const char *text)
{
    *result = (struct smtp_result){ .class = SMTP_REJECTED };
    snprintf(result->enhanced, sizeof(result->enhanced), "%s", enhanced);
    snprintf(result->text, sizeof(result->text), "%s", text);
}

/* Every recipient that is still in the running gets this answer. */
static void set_all(struct transaction *t, enum smtp_class class, const struct smtp_reply *reply)
{
    for (size_t i = 0; i < t->envelope->count; i++)
        if (t->results[i].class == SMTP_UNANSWERED || t->results[i].class == SMTP_ACCEPTED)
            set_result(&t->results[i], class, reply);
}

/* Recipients that the server took are not delivered to after all. */
static void forget_accepted(struct transaction *t, enum smtp_class class)
{
    for (size_t i = 0; i < t->envelope->count; i++)
        if (t->results[i].class == SMTP_ACCEPTED)
            t->results[i] = (struct smtp_result){ .class = class };
}

static enum smtp_outcome lost(struct transaction *t)
{
    dialog_break(t->smtp->dialog);
    forget_accepted(t, SMTP_UNANSWERED);
    return SMTP_LOST;
}

/* Nobody took it: is there hope for anybody? */
static enum smtp_outcome nobody(const struct transaction *t)
{
    for (size_t i = 0; i < t->envelope->count; i++)
        if (t->results[i].class != SMTP_REJECTED)
            return SMTP_TEMPORARY;
    return SMTP_PERMANENT;
}

static enum smtp_class class_of(const struct smtp_reply *reply)
{
    return reply->code >= 500 ? SMTP_REJECTED : SMTP_DEFERRED;
}

/* ---- before anything is sent ------------------------------------------------------------------------ */

static bool is_ascii(const char *text)
{
    for (; *text; text++)
        if (*text & 0x80)
            return false;
    return true;
}

/* What would end the command early. The caller checked addresses against RFC 5321; this is the last door. */
static bool is_safe(const char *address)
{
    bool quoted = false;

    for (const char *p = address; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
        if (*p == '\\' && quoted && p[1])
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (!quoted && (*p == '<' || *p == '>' || *p == ' '))
            return false;
    }
    return !quoted && strlen(address) <= 320;
}

static enum smtp_outcome refuse_all(struct transaction *t, const char *id, const char *enhanced,
                                    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static enum smtp_outcome refuse_all(struct transaction *t, const char *id, const char *enhanced,
                                    const char *fmt, ...)
{
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (size_t i = 0; i < t->envelope->count; i++)
        refuse_here(&t->results[i], enhanced, text);
    err_id(t->err, ERR_REFUSED, id, "smtp.mail", "%s", text);
    return SMTP_PERMANENT;
}

static bool needs_utf8(const struct transaction *t)
{
    if (t->envelope->smtputf8 || !is_ascii(t->envelope->sender))
        return true;
    if (t->smtp->caps.smtputf8)
        for (size_t i = 0; i < t->envelope->count; i++)
            if (!is_ascii(t->envelope->recipients[i].address))
                return true;
    return false;
}

/* SMTP_SENT: go on. */
static enum smtp_outcome check(struct transaction *t)
{
    const struct smtp_caps *caps = &t->smtp->caps;
    const char *host = dialog_hostname(t->smtp->dialog);

    if (t->envelope->max_size > 0 && t->facts.size > t->envelope->max_size)
        return refuse_all(t, "limit.messageSize", "5.3.4",
                          "The message has %lld bytes; the account allows %lld.", (long long)t->facts.size,
                          (long long)t->envelope->max_size);
    if (caps->size_max > 0 && t->facts.size > caps->size_max)
        return refuse_all(t, "limit.messageSize", "5.3.4",
                          "The message has %lld bytes; %s takes %lld at most.", (long long)t->facts.size,
                          host, (long long)caps->size_max);
    if (!is_safe(t->envelope->sender))
        return refuse_all(t, "protocol.refused", "5.1.7", "The sender's address can't be sent.");
    if (needs_utf8(t) && !caps->smtputf8)
        return refuse_all(
            t, "protocol.smtputf8Missing", "5.6.7",
            "The message needs SMTPUTF8 (an address or header that isn't ASCII), which %s doesn't offer.",
            host);
    if (t->facts.eight_bit && !caps->eight_bit)
        return refuse_all(t, "protocol.eightBitMimeMissing", "5.6.3",
                          "The message has 8-bit content, and %s doesn't offer 8BITMIME.", host);
    return SMTP_SENT;
}

/* Recipients that can't be named to this server at all. */
static size_t refuse_unsayable(struct transaction *t)
{
    size_t left = 0;

    for (size_t i = 0; i < t->envelope->count; i++) {
        const char *address = t->envelope->recipients[i].address;

        t->results[i] = (struct smtp_result){ .class = SMTP_UNANSWERED };
        if (!is_safe(address) || *address == '\0')
            refuse_here(&t->results[i], "5.1.3", "The address can't be sent.");
        else if (!is_ascii(address) && !t->smtp->caps.smtputf8)
            refuse_here(&t->results[i], "5.6.7",
                        "The address needs SMTPUTF8, which the server doesn't offer.");
        else
            left++;
    }
    return left;
}

/* ---- commands --------------------------------------------------------------------------------------- */

/* Adds a command to the group; the transcript has it at once. */
static void add(struct smtp_session *smtp, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct smtp_session *smtp, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof(line))
        len = (int)strlen(line);
    dialog_show(smtp->dialog, MAIL_SENT, str_n(line, (size_t)len));
    buf_add(&smtp->out, str_n(line, (size_t)len));
    buf_add_c(&smtp->out, "\r\n");
}

static int flush(struct smtp_session *smtp, const char *step, struct err *err)
{
    int rc = smtp->out.len ? dialog_send(smtp->dialog, step, buf_str(&smtp->out), err) : 0;

    buf_clear(&smtp->out);
    return rc;
}

/* RFC 3461 4: printable ASCII but "+" and "=" as it is, anything else as +XX. */
static void xtext(const char *from, char *into, size_t size)
{
    size_t used = 0;

    for (; *from && used + 4 < size; from++) {
        unsigned char c = (unsigned char)*from;

        if (c > 0x20 && c < 0x7f && c != '+' && c != '=')
            into[used++] = (char)c;
        else
            used += (size_t)snprintf(into + used, size - used, "+%02X", c);
    }
    into[used] = '\0';
}

static void add_mail(struct transaction *t)
{
    const struct smtp_caps *caps = &t->smtp->caps;
    char params[320], envid[128];
    size_t used = 0;

    params[0] = '\0';
    if (caps->size)
        used +=
            (size_t)snprintf(params + used, sizeof(params) - used, " SIZE=%lld", (long long)t->facts.size);
    if (t->facts.eight_bit)
        used += (size_t)snprintf(params + used, sizeof(params) - used, " BODY=8BITMIME");
    if (needs_utf8(t))
        used += (size_t)snprintf(params + used, sizeof(params) - used, " SMTPUTF8");
    if (caps->dsn && t->envelope->ret)
        used += (size_t)snprintf(params + used, sizeof(params) - used, " RET=%.4s", t->envelope->ret);
    if (caps->dsn && t->envelope->envid) {
        xtext(t->envelope->envid, envid, sizeof(envid));
        snprintf(params + used, sizeof(params) - used, " ENVID=%s", envid);
    }
    add(t->smtp, "MAIL FROM:<%s>%s", t->envelope->sender, params);
}

static void add_recipient(struct transaction *t, const struct smtp_recipient *recipient)
{
    if (t->smtp->caps.dsn && recipient->notify)
        add(t->smtp, "RCPT TO:<%s> NOTIFY=%.64s", recipient->address, recipient->notify);
    else
        add(t->smtp, "RCPT TO:<%s>", recipient->address);
}

/* ---- replies ---------------------------------------------------------------------------------------- */

static int read_reset(struct smtp_session *smtp, struct err *err)
{
    if (smtp_read_reply(smtp, "rset", NULL, err) < 0)
        return -1;
    return smtp->reply.code == 250 ? 0
                                   : dialog_fail(smtp->dialog, ERR_TEMPORARY, "protocol.unexpected", "rset",
                                                 err, "%s refused RSET.", dialog_hostname(smtp->dialog));
}

/* Answers that say something about the session, whichever message it is: no message may be lost to them. */
static bool blames_session(const struct smtp_reply *reply)
{
    static const int codes[] = { 500, 502, 503, 521, 530, 534, 535, 538 };

    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (reply->code == codes[i])
            return true;
    return false;
}

/* 421: it says nothing more, whatever we asked. RFC 5321 3.8. */
static int server_leaves(struct transaction *t, const char *step)
{
    set_all(t, SMTP_DEFERRED, &t->smtp->reply);
    return smtp_refused(t->smtp, ERR_TEMPORARY, "connect.closed", step, "", t->err);
}

/* 0 also when the message was refused: then t->mail_refused. -1: the session is lost. */
static int read_mail(struct transaction *t)
{
    struct smtp_session *smtp = t->smtp;
    bool ours;

    if (smtp_read_reply(smtp, "mail", NULL, t->err) < 0)
        return -1;
    if (smtp->reply.code < 300)
        return 0;
    if (smtp->closing)
        return server_leaves(t, "mail");
    t->mail_refused = true;
    ours = blames_session(&smtp->reply);
    smtp_refused(smtp, smtp->reply.code < 500 ? ERR_TEMPORARY : ERR_REFUSED,
                 ours && smtp->reply.code >= 530 ? "auth.required"
                 : ours                          ? "protocol.unexpected"
                                                 : "protocol.refused",
                 "mail", ours ? "wants something else before it takes a message" : "refused the message",
                 t->err);
    if (smtp->reply.code < 400)
        return -1;
    set_all(t, ours ? SMTP_DEFERRED : class_of(&smtp->reply), &smtp->reply);
    return 0;
}

/* RFC 5321 4.5.3.1.10: "too many recipients" may come as 552, and means "the others later". */
static enum smtp_class recipient_class(const struct smtp_reply *reply)
{
    if (reply->code < 300)
        return SMTP_ACCEPTED;
    if (reply->code == 552 && (reply->enhanced[0] == '\0' || strcmp(reply->enhanced, "5.5.3") == 0))
        return SMTP_DEFERRED;
    return blames_session(reply) ? SMTP_DEFERRED : class_of(reply);
}

static int read_recipient(struct transaction *t, struct smtp_result *result)
{
    struct smtp_session *smtp = t->smtp;

    if (smtp_read_reply(smtp, "rcpt", NULL, t->err) < 0)
        return -1;
    if (smtp->closing)
        return server_leaves(t, "rcpt");
    if (t->mail_refused) /* 503 after the MAIL that failed: says nothing */
        return 0;
    if (smtp->reply.code >= 300 && smtp->reply.code < 400)
        return smtp_refused(smtp, ERR_TEMPORARY, "protocol.unexpected", "rcpt", "", t->err);
    set_result(result, recipient_class(&smtp->reply), &smtp->reply);
    if (result->class == SMTP_ACCEPTED) {
        t->accepted++;
    } else if (!t->has_first) {
        t->has_first = true;
        smtp_refused(smtp, result->class == SMTP_REJECTED ? ERR_REFUSED : ERR_TEMPORARY, "protocol.refused",
                     "rcpt", "refused a recipient", &t->first);
    }
    return 0;
}

/* 354 goes on (1); 0: refused and the results say so; -1: lost. */
static int read_data(struct transaction *t)
{
    struct smtp_session *smtp = t->smtp;

    if (smtp_read_reply(smtp, "data", NULL, t->err) < 0)
        return -1;
    if (smtp->reply.code == 354)
        return 1;
    if (smtp->closing)
        return server_leaves(t, "data");
    if (smtp->reply.code < 400)
        return smtp_refused(smtp, ERR_TEMPORARY, "protocol.unexpected", "data", "", t->err);
    if (t->accepted > 0) {
        enum smtp_class class = blames_session(&smtp->reply) ? SMTP_DEFERRED : class_of(&smtp->reply);

        smtp_refused(smtp, class == SMTP_REJECTED ? ERR_REFUSED : ERR_TEMPORARY, "protocol.refused", "data",
                     "refused the message", t->err);
        set_all(t, class, &smtp->reply);
    }
    return 0;
}

/* ---- the envelope ----------------------------------------------------------------------------------- */

/* Recipients from `*at` on, as many as fit a group; `with_data` when the last is among them. */
static int send_group(struct transaction *t, size_t *at, bool with_mail)
{
    struct smtp_session *smtp = t->smtp;
    bool reset = with_mail && smtp->needs_reset;
    size_t first = *at, sent = 0;

    if (reset)
        add(smtp, "RSET");
    if (with_mail)
        add_mail(t);
    for (; *at < t->envelope->count && sent < GROUP_MAX; ++*at)
        if (t->results[*at].class == SMTP_UNANSWERED) {
            add_recipient(t, &t->envelope->recipients[*at]);
            sent++;
        }
    while (*at < t->envelope->count && t->results[*at].class != SMTP_UNANSWERED)
        ++*at;
    if (*at == t->envelope->count)
        add(smtp, "DATA");
    smtp->needs_reset = true;
    if (flush(smtp, "mail", t->err) < 0 || (reset && read_reset(smtp, t->err) < 0) ||
        (with_mail && read_mail(t) < 0))
        return -1;
    for (size_t i = first; sent > 0; i++) {
        if (t->mail_refused) {
            if (read_recipient(t, NULL) < 0)
                return -1;
            sent--;
        } else if (t->results[i].class == SMTP_UNANSWERED) {
            if (read_recipient(t, &t->results[i]) < 0)
                return -1;
            sent--;
        }
    }
    return 0;
}

/* RFC 2920: MAIL, RCPT and DATA in one go. 1: the server waits for the message. */
static int send_envelope_piped(struct transaction *t)
{
    size_t at = 0;
    int rc;

    do {
        if (send_group(t, &at, at == 0) < 0)
            return -1;
        if (t->mail_refused && at < t->envelope->count)
            return 0;
    } while (at < t->envelope->count);
    rc = read_data(t);
    if (rc <= 0 || t->accepted > 0)
        return rc;
    /* RFC 2920 3.1: it said 354 with nobody to send to. An empty message ends that, and is refused. */
    if (dialog_send(t->smtp->dialog, "dot", STR(".\r\n"), t->err) < 0 ||
        smtp_read_reply(t->smtp, "dot", NULL, t->err) < 0)
        return -1;
    return 0;
}

static int send_envelope_in_turn(struct transaction *t)
{
    struct smtp_session *smtp = t->smtp;

    if (smtp->needs_reset) {
        add(smtp, "RSET");
        if (flush(smtp, "rset", t->err) < 0 || read_reset(smtp, t->err) < 0)
            return -1;
    }
    smtp->needs_reset = true;
    add_mail(t);
    if (flush(smtp, "mail", t->err) < 0 || read_mail(t) < 0)
        return -1;
    for (size_t i = 0; i < t->envelope->count && !t->mail_refused; i++) {
        if (t->results[i].class != SMTP_UNANSWERED)
            continue;
        add_recipient(t, &t->envelope->recipients[i]);
        if (flush(smtp, "rcpt", t->err) < 0 || read_recipient(t, &t->results[i]) < 0)
            return -1;
    }
    if (t->accepted == 0)
        return 0;
    add(smtp, "DATA");
    return flush(smtp, "data", t->err) < 0 ? -1 : read_data(t);
}

/* ---- the message ------------------------------------------------------------------------------------ */

static int send_message(struct transaction *t)
{
    struct smtp_session *smtp = t->smtp;
    struct smtp_body body;
    char shown[64];

    snprintf(shown, sizeof(shown), "[message of %lld bytes]", (long long)t->facts.size);
    dialog_show(smtp->dialog, MAIL_SENT, str_c(shown));
    smtp_body_begin(&body, t->message);
    while (!smtp_body_next(&body, &smtp->out, PIECE))
        if (flush(smtp, "body", t->err) < 0)
            return -1;
    if (t->envelope->before_dot && t->envelope->before_dot(t->envelope->ctx, t->err) < 0) {
        buf_clear(&smtp->out);
        return -1;
    }
    dialog_show(smtp->dialog, MAIL_SENT, STR("."));
    return flush(smtp, "body", t->err);
}

/* From here on the server may have the message whatever happens. */
static enum smtp_outcome read_verdict(struct transaction *t)
{
    struct smtp_session *smtp = t->smtp;
    enum smtp_class class;

    if (smtp_read_reply(smtp, "dot", NULL, t->err) < 0 ||
        (smtp->reply.code >= 300 && smtp->reply.code < 400)) {
        if (!dialog_is_broken(smtp->dialog))
            smtp_refused(smtp, ERR_TEMPORARY, "protocol.unexpected", "dot", "", t->err);
        forget_accepted(t, SMTP_IN_DOUBT);
        return SMTP_UNCERTAIN;
    }
    smtp->needs_reset = false;
    if (smtp->reply.code < 300) {
        for (size_t i = 0; i < t->envelope->count; i++)
            if (t->results[i].class == SMTP_ACCEPTED)
                set_result(&t->results[i], SMTP_ACCEPTED, &smtp->reply);
        return SMTP_SENT;
    }
    class = class_of(&smtp->reply);
    smtp_refused(smtp, class == SMTP_REJECTED ? ERR_REFUSED : ERR_TEMPORARY, "protocol.refused", "dot",
                 "refused the message", t->err);
    set_all(t, class, &smtp->reply);
    return nobody(t);
}

static enum smtp_outcome transact(struct transaction *t)
{
    int rc;

    rc = t->smtp->caps.pipelining ? send_envelope_piped(t) : send_envelope_in_turn(t);
    if (rc < 0)
        return lost(t);
    if (rc > 0)
        return send_message(t) < 0 ? lost(t) : read_verdict(t);
    if (t->has_first && !t->mail_refused && t->accepted == 0)
        *t->err = t->first;
    return nobody(t);
}

enum smtp_outcome smtp_send(struct smtp_session *smtp, const struct smtp_envelope *envelope,
                            struct str message, struct smtp_result *results, struct err *err)
{
    struct err own = { 0 };
    struct transaction t = {
        .smtp = smtp, .envelope = envelope, .message = message, .results = results, .err = &own
    };
    enum smtp_outcome outcome;

    smtp_body_look(message, &t.facts);
    outcome = check(&t);
    if (outcome == SMTP_SENT && refuse_unsayable(&t) == 0) {
        outcome = SMTP_PERMANENT;
        err_id(&own, ERR_REFUSED, "protocol.refused", "smtp.rcpt", "No recipient's address can be sent.");
    }
    if (outcome == SMTP_SENT)
        outcome = transact(&t);
    if (outcome != SMTP_SENT && err)
        *err = own;
    return outcome;
}
