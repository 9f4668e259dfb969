/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "mail/sasl.h"
#include "mail/session.h"
#include "mail/smtp_session.h"
#include "mail/text.h"

#define MASK "***"
#define AUTH_LINE_MAX 510 /* RFC 4954 4: with a longer initial response the command is sent without it */

static int send_masked(struct smtp_session *smtp, const char *shown, struct str line, struct err *err)
{
    AUTO_BUF(out, SASL_TEXT_MAX + 512);

    out.secret = true;
    dialog_show(smtp->dialog, MAIL_SENT, str_c(shown));
    if (buf_add(&out, line) < 0 || buf_add_c(&out, "\r\n") < 0)
        return err_id(err, ERR_REFUSED, "auth.credentials", "smtp.auth",
                      "The credentials are too long to be sent.");
    return dialog_send(smtp->dialog, "auth", buf_str(&out), err);
}

/* AUTH and the mechanism, with what is said first where that is allowed and fits. `*held`: it is still to be
 * said. */
static int send_auth(struct smtp_session *smtp, struct sasl *sasl, const char *mechanism, bool *held,
                     struct buf *first, struct err *err)
{
    AUTO_BUF(line, SASL_TEXT_MAX + 512);
    char shown[64];

    line.secret = true;
    *held = sasl_is_client_first(sasl);
    if (*held && sasl_step(sasl, STR(""), first, err) < 0)
        return -1;
    buf_addf(&line, "AUTH %s", mechanism);
    if (*held && line.len + 1 + first->len <= AUTH_LINE_MAX) {
        *held = false;
        buf_addf(&line, " %s", first->len ? first->p : "=");
    }
    snprintf(shown, sizeof(shown), "AUTH %s%s", mechanism,
             sasl_is_client_first(sasl) && !*held ? " " MASK : "");
    return send_masked(smtp, shown, buf_str(&line), err);
}

/* RFC 4954 6, RFC 3463 3.8. */
static int refused(struct smtp_session *smtp, const struct sasl *sasl, const char *mechanism, struct err *err)
{
    int code = smtp->reply.code;
    char words[360];

    if (code == 504)
        return smtp_refused(smtp, ERR_REFUSED, "auth.noMechanism", "auth",
                            "offers a way to log in and refuses it", err);
    if (code >= 400 && code < 500)
        return smtp_refused(smtp, ERR_TEMPORARY, "auth.temporary", "auth", "can't check the credentials now",
                            err);
    snprintf(words, sizeof(words), "refused the credentials (%s%s%s)", mechanism,
             *sasl_reason(sasl) ? ", " : "", sasl_reason(sasl));
    return smtp_refused(smtp, ERR_REFUSED, "auth.refused", "auth", words, err);
}

/* RFC 4954 4: a line with "*" ends the exchange; what the server says to that is of no interest. */
static int give_up(struct smtp_session *smtp, struct err *err)
{
    if (dialog_send(smtp->dialog, "auth", STR("*\r\n"), NULL) == 0) {
        dialog_show(smtp->dialog, MAIL_SENT, STR("*"));
        smtp_read_reply(smtp, "auth", MASK, NULL);
    }
    if (err && err->at[0] == '\0')
        snprintf(err->at, sizeof(err->at), "smtp.auth");
    return -1;
}

static int exchange(struct smtp_session *smtp, struct sasl *sasl, const char *mechanism, struct err *err)
{
    AUTO_BUF(answer, SASL_TEXT_MAX);
    bool held = false;

    answer.secret = true;
    if (send_auth(smtp, sasl, mechanism, &held, &answer, err) < 0)
        return -1;
    for (int round = 0; round < SASL_ROUNDS_MAX; round++) {
        if (smtp_read_reply(smtp, "auth", "334 " MASK, err) < 0)
            return -1;
        if (smtp->reply.code != 334)
            return 0;
        if (!held) {
            buf_clear(&answer);
            if (sasl_step(sasl, buf_str(&smtp->reply.text), &answer, err) < 0)
                return give_up(smtp, err);
        }
        held = false;
        if (send_masked(smtp, MASK, buf_str(&answer), err) < 0)
            return -1;
    }
    return dialog_fail(smtp->dialog, ERR_TEMPORARY, "protocol.unexpected", "auth", err,
                       "%s asks on and on instead of answering AUTH.", dialog_hostname(smtp->dialog));
}

static int authenticate(struct smtp_session *smtp, const struct mail_auth *auth,
                        const struct sasl_channel *channel, struct err *err)
{
    AUTO(sasl) sasl = NULL;
    const char *mechanism = sasl_choose(auth, channel, smtp->caps.auth, err);

    if (mechanism == NULL || sasl_start(&sasl, mechanism, auth, channel, err) < 0)
        return -1;
    if (exchange(smtp, sasl, mechanism, err) < 0)
        return -1;
    if (smtp->reply.code != 235)
        return session_name_binding(sasl, refused(smtp, sasl, mechanism, err), err);
    if (!sasl_is_complete(sasl))
        return dialog_fail(smtp->dialog, ERR_REFUSED, "auth.refused", "auth", err,
                           "%s accepted the login without proving, as %s asks it to, that it knows the "
                           "password: this may not be "
                           "the real server.",
                           channel->hostname, mechanism);
    smtp->mechanism = mechanism;
    return 0;
}

int smtp_authenticate(struct smtp_session *smtp, const struct mail_auth *auth, struct err *err)
{
    AUTO_BUF(binding, 1024);
    struct sasl_channel channel = {
        .hostname = dialog_hostname(smtp->dialog),
        .port = dialog_server(smtp->dialog)->port,
        .service = "smtp",
        .encrypted = dialog_is_encrypted(smtp->dialog),
        .allow_cleartext = dialog_server(smtp->dialog)->allow_cleartext_auth,
    };
    struct err own = { 0 };
    int rc;

    binding.secret = true;
    if (dialog_channel_binding(smtp->dialog, &binding) == 0)
        channel.binding = binding.p;
    rc = authenticate(smtp, auth, &channel, &own);
    if (rc < 0 && own.at[0] == '\0')
        snprintf(own.at, sizeof(own.at), "smtp.auth");
    if (rc < 0 && err)
        *err = own;
    return rc;
}
