/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "mail/pop3_session.h"

#define FIRST_MAX 253 /* RFC 5034 4: a command is 255 bytes with its CRLF at most */

/* RFC 3206. */
static int refused(struct pop3_session *pop3, const char *step, const char *mechanism, const char *reason,
                   struct err *err)
{
    char words[360];

    if (pop3_is_temporary(&pop3->reply))
        return pop3_refused(pop3, ERR_TEMPORARY, "auth.temporary", step, "can't check the credentials now",
                            err);
    snprintf(words, sizeof(words), "refused the credentials (%s%s%s)", mechanism, *reason ? ", " : "",
             reason);
    return pop3_refused(pop3, ERR_REFUSED, "auth.refused", step, words, err);
}

static int read_challenge(void *session, struct str *challenge, struct err *err)
{
    struct pop3_session *pop3 = session;

    if (pop3_read(pop3, "auth", true, dialog_deadline(pop3->dialog), err) < 0)
        return -1;
    *challenge = pop3->reply.text;
    return pop3->reply.status == POP3_CONTINUE;
}

/* RFC 5034. */
static int by_sasl(struct pop3_session *pop3, const char *mechanism, const struct mail_auth *auth,
                   const struct sasl_channel *channel, struct err *err)
{
    struct session_login login = { pop3->dialog, pop3, "auth", "AUTH", FIRST_MAX, read_challenge };
    AUTO(sasl) sasl = NULL;

    if (sasl_start(&sasl, mechanism, auth, channel, err) < 0 ||
        session_exchange(&login, sasl, mechanism, err) < 0)
        return -1;
    if (pop3->reply.status != POP3_OK)
        return session_name_binding(sasl, refused(pop3, "auth", mechanism, sasl_reason(sasl), err), err);
    return session_check_proof(&login, sasl, mechanism, err);
}

static int send_credential(struct pop3_session *pop3, const char *step, const char *command, const char *text,
                           struct err *err)
{
    AUTO_BUF(line, SASL_TEXT_MAX);
    char shown[32];

    line.secret = true;
    snprintf(shown, sizeof(shown), "%s " SESSION_MASK, command);
    buf_addf(&line, "%s %s", command, text);
    if (session_send_masked(pop3->dialog, step, shown, buf_str(&line), err) < 0)
        return -1;
    if (pop3_read(pop3, step, false, dialog_deadline(pop3->dialog), err) < 0)
        return -1;
    return pop3->reply.status == POP3_OK ? 0 : refused(pop3, step, "USER", "", err);
}

/* RFC 1939 7. */
static int by_user(struct pop3_session *pop3, const struct mail_auth *auth, struct err *err)
{
    if (session_check_credentials(auth, err) < 0 ||
        send_credential(pop3, "user", "USER", auth->username, err) < 0)
        return -1;
    return send_credential(pop3, "pass", "PASS", auth->secret, err);
}

static int log_in(struct pop3_session *pop3, const struct mail_auth *auth, const struct sasl_channel *channel,
                  struct err *err)
{
    char offered[sizeof(pop3->caps.auth) + 16];
    const char *mechanism;

    /* USER and PASS give as much away as the mechanism LOGIN: chosen where and when that would be. */
    session_offer(pop3->caps.auth, auth->type == MAIL_AUTH_BASIC && pop3->caps.user, "LOGIN", offered,
                  sizeof(offered));
    mechanism = sasl_choose(auth, channel, offered, err);
    if (mechanism == NULL)
        return -1;
    pop3->mechanism = session_lists(pop3->caps.auth, mechanism) ? mechanism : "USER";
    return pop3->mechanism == mechanism ? by_sasl(pop3, mechanism, auth, channel, err)
                                        : by_user(pop3, auth, err);
}

int pop3_authenticate(struct pop3_session *pop3, const struct mail_auth *auth, struct err *err)
{
    AUTO_BUF(binding, 1024);
    struct sasl_channel channel;
    struct err own = { 0 };
    int rc;

    binding.secret = true;
    session_channel(pop3->dialog, "pop", &binding, &channel);
    rc = log_in(pop3, auth, &channel, &own);
    if (rc < 0)
        pop3->mechanism = NULL;
    if (rc < 0 && own.at[0] == '\0')
        snprintf(own.at, sizeof(own.at), "pop3.auth");
    if (rc < 0 && err)
        *err = own;
    return rc;
}
