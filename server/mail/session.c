/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/session.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define CREDENTIAL_MAX 4096 /* bytes of a username or password outside SASL */

/* ---- steps ------------------------------------------------------------------------------------------ */

int session_step(struct dialog *dialog, const char *name, session_run run, void *session, bool silent,
                 struct err *err)
{
    char detail[SESSION_SAID_MAX] = "";
    int64_t started = clock_mono();
    struct err own = { 0 };
    int rc;

    rc = run(session, detail, &own);
    if (rc < 0 || !silent)
        dialog_step(dialog, name, started, detail, rc < 0 ? &own : NULL);
    if (rc < 0) {
        dialog_break(dialog);
        if (err)
            *err = own;
    }
    return rc;
}

int session_open(struct dialog *dialog, const struct session_steps *steps, void *session, struct err *err)
{
    bool upgrade = dialog_server(dialog)->security == SECURITY_STARTTLS;

    if (dialog_connect(dialog, err) < 0 ||
        session_step(dialog, "greeting", steps->greeting, session, false, err) < 0 ||
        session_step(dialog, "capabilities", steps->capabilities, session, upgrade, err) < 0)
        return -1;
    if (upgrade && (session_step(dialog, "starttls", steps->start_tls, session, false, err) < 0 ||
                    dialog_start_tls(dialog, err) < 0 ||
                    session_step(dialog, "capabilities", steps->capabilities, session, false, err) < 0))
        return -1;
    return 0;
}

/* ---- logging in ------------------------------------------------------------------------------------- */

void session_channel(struct dialog *dialog, const char *service, struct buf *binding,
                     struct sasl_channel *channel)
{
    const struct mail_server *server = dialog_server(dialog);

    *channel = (struct sasl_channel){
        .hostname = server->hostname,
        .port = server->port,
        .service = service,
        .encrypted = dialog_is_encrypted(dialog),
        .allow_cleartext = server->allow_cleartext_auth,
    };
    if (dialog_channel_binding(dialog, binding) == 0)
        channel->binding = binding->p;
}

int session_send_masked(struct dialog *dialog, const char *step, const char *shown, struct str line,
                        struct err *err)
{
    AUTO_BUF(out, SASL_TEXT_MAX + 512);

    out.secret = true;
    dialog_show(dialog, MAIL_SENT, str_c(shown));
    if (buf_add(&out, line) < 0 || buf_add_c(&out, "\r\n") < 0)
        return err_id(err, ERR_REFUSED, "auth.credentials", NULL, "The credentials are too long to be sent.");
    return dialog_send(dialog, step, buf_str(&out), err);
}

/* The command and the mechanism, with what is said first where that is allowed and fits. `*held`: it is still
 * to be said. */
static int send_first(const struct session_login *login, struct sasl *sasl, const char *mechanism, bool *held,
                      struct buf *first, struct err *err)
{
    AUTO_BUF(line, SASL_TEXT_MAX + 512);
    char shown[96];

    line.secret = true;
    *held = sasl_is_client_first(sasl);
    if (*held && sasl_step(sasl, STR(""), first, err) < 0)
        return -1;
    buf_addf(&line, "%s %s", login->command, mechanism);
    snprintf(shown, sizeof(shown), "%s", line.p);
    if (*held && line.len + 1 + first->len <= login->first_max) {
        *held = false;
        /* RFC 4959 3, RFC 5034 4: nothing at all is said as "=". */
        buf_addf(&line, " %s", first->len ? first->p : "=");
        snprintf(shown, sizeof(shown), "%s %s " SESSION_MASK, login->command, mechanism);
    }
    return session_send_masked(login->dialog, login->step, shown, buf_str(&line), err);
}

/* A line with "*" ends the exchange; what the server says to that is of no interest. */
static int give_up(const struct session_login *login)
{
    struct str challenge;

    dialog_show(login->dialog, MAIL_SENT, STR("*"));
    if (dialog_send(login->dialog, login->step, STR("*\r\n"), NULL) == 0)
        login->answer(login->session, &challenge, NULL);
    return -1;
}

int session_exchange(const struct session_login *login, struct sasl *sasl, const char *mechanism,
                     struct err *err)
{
    AUTO_BUF(answer, SASL_TEXT_MAX);
    struct str challenge;
    bool held = false;
    int rc;

    answer.secret = true;
    if (send_first(login, sasl, mechanism, &held, &answer, err) < 0)
        return -1;
    for (int round = 0; round < SASL_ROUNDS_MAX; round++) {
        rc = login->answer(login->session, &challenge, err);
        if (rc <= 0)
            return rc;
        if (!held) {
            buf_clear(&answer);
            if (sasl_step(sasl, challenge, &answer, err) < 0)
                return give_up(login);
        }
        held = false;
        if (session_send_masked(login->dialog, login->step, SESSION_MASK, buf_str(&answer), err) < 0)
            return -1;
    }
    return dialog_fail(login->dialog, ERR_TEMPORARY, "protocol.unexpected", login->step, err,
                       "%s asks on and on instead of deciding about the log-in.",
                       dialog_hostname(login->dialog));
}

int session_name_binding(const struct sasl *sasl, int rc, struct err *err)
{
    if (rc < 0 && err && strcmp(err->id, "auth.refused") == 0 && sasl_is_bound(sasl))
        snprintf(err->id, sizeof(err->id), "auth.binding");
    return rc;
}

int session_check_proof(const struct session_login *login, const struct sasl *sasl, const char *mechanism,
                        struct err *err)
{
    if (sasl_is_complete(sasl))
        return 0;
    return dialog_fail(
        login->dialog, ERR_REFUSED, "auth.refused", login->step, err,
        "%s accepted the login without proving, as %s asks it to, that it knows the password: this "
        "may not be the real server.",
        dialog_hostname(login->dialog), mechanism);
}

int session_check_credentials(const struct mail_auth *auth, struct err *err)
{
    if (auth->username == NULL || auth->secret == NULL)
        return err_id(err, ERR_REFUSED, "auth.credentials", NULL, "A username and a password are needed.");
    if (strlen(auth->username) > CREDENTIAL_MAX || strlen(auth->secret) > CREDENTIAL_MAX)
        return err_id(err, ERR_REFUSED, "auth.credentials", NULL, "The credentials are too long to be sent.");
    if (!str_has_control(str_c(auth->username)) && !str_has_control(str_c(auth->secret)))
        return 0;
    return err_id(err, ERR_REFUSED, "auth.credentials", NULL,
                  "The username or password has control characters.");
}

bool session_lists(const char *list, const char *name)
{
    struct str rest = str_c(list), one;

    while (str_split(&rest, ' ', &one))
        if (str_eq_nocase(one, str_c(name)))
            return true;
    return false;
}

void session_offer(const char *list, bool also, const char *name, char *offered, size_t size)
{
    also = also && !session_lists(list, name);
    snprintf(offered, size, "%s%s%s", list, also && *list ? " " : "", also ? name : "");
}
