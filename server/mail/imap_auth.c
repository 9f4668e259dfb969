/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "mail/imap_name.h"
#include "mail/imap_session.h"
#include "mail/text.h"

#define FIRST_MAX 8000     /* RFC 7162 4: a server takes lines of 8192 bytes */
#define LITERAL_MINUS 4096 /* RFC 7888 5 */

/* RFC 5530 3. */
static int refused(struct imap_session *imap, const char *step, const char *mechanism, const char *reason,
                   struct err *err)
{
    char words[360];

    if (imap->in.status == IMAP_BAD)
        return imap_refused(imap, ERR_REFUSED, "auth.noMechanism", step,
                            "offers a way to log in and refuses it", err);
    if (imap_is_temporary(&imap->in))
        return imap_refused(imap, ERR_TEMPORARY, "auth.temporary", step, "can't check the credentials now",
                            err);
    if (imap_has_code(&imap->in, "PRIVACYREQUIRED"))
        return imap_refused(imap, ERR_REFUSED, "auth.cleartext", step, "wants encryption before a log-in",
                            err);
    snprintf(words, sizeof(words), "refused the credentials (%s%s%s)", mechanism, *reason ? ", " : "",
             reason);
    return imap_refused(imap, ERR_REFUSED, "auth.refused", step, words, err);
}

/* ---- AUTHENTICATE ----------------------------------------------------------------------------------- */

static int read_challenge(void *session, struct str *challenge, struct err *err)
{
    struct imap_session *imap = session;
    int rc = imap_answer(imap, "authenticate", true, NULL, NULL, err);

    *challenge = imap_words(&imap->in);
    return rc;
}

/* RFC 9051 6.2.2. */
static int by_sasl(struct imap_session *imap, const char *mechanism, const struct mail_auth *auth,
                   const struct sasl_channel *channel, struct err *err)
{
    char tag[16], command[40];
    struct session_login login = {
        imap->dialog, imap, "authenticate", command, imap->caps.sasl_ir ? FIRST_MAX : 0, read_challenge
    };
    AUTO(sasl) sasl = NULL;

    if (sasl_start(&sasl, mechanism, auth, channel, err) < 0)
        return -1;
    imap_begin(imap, tag);
    snprintf(command, sizeof(command), "%s AUTHENTICATE", tag);
    if (session_exchange(&login, sasl, mechanism, err) < 0)
        return -1;
    if (imap->in.status != IMAP_OK && imap_has_code(&imap->in, "AUTHENTICATIONFAILED"))
        return refused(imap, login.step, mechanism, sasl_reason(sasl), err);
    if (imap->in.status != IMAP_OK)
        return session_name_binding(sasl, refused(imap, login.step, mechanism, sasl_reason(sasl), err), err);
    return session_check_proof(&login, sasl, mechanism, err);
}

/* ---- LOGIN ------------------------------------------------------------------------------------------ */

/* Sends what `line` holds so far as its own line and waits to be asked for more. RFC 9051 4.3. */
static int send_part(struct imap_session *imap, struct buf *line, const char *shown, struct err *err)
{
    int rc = session_send_masked(imap->dialog, "login", shown, buf_str(line), err);

    buf_clear(line);
    if (rc == 0)
        rc = imap_answer(imap, "login", true, NULL, NULL, err);
    return rc;
}

/* One argument, quoted where that can be, else as a literal. 1: go on; 0: the server has ended the command.
 */
static int add_argument(struct imap_session *imap, struct buf *line, const char *text, const char *shown,
                        struct err *err)
{
    bool at_once = imap->caps.literal_plus || (imap->caps.literal_minus && strlen(text) <= LITERAL_MINUS);
    size_t before = line->len;
    int rc = 1;

    buf_add_char(line, ' ');
    if (imap_quote(str_c(text), false, line) == 0)
        return 1;
    line->len = before;
    buf_addf(line, " {%zu%s}", strlen(text), at_once ? "+" : "");
    if (at_once)
        buf_add_c(line, "\r\n");
    else
        rc = send_part(imap, line, shown, err);
    if (rc > 0 && buf_add_c(line, text) < 0)
        return err_id(err, ERR_REFUSED, "auth.credentials", NULL, "The credentials are too long to be sent.");
    return rc;
}

/* RFC 9051 6.2.3. */
static int by_login(struct imap_session *imap, const struct mail_auth *auth, struct err *err)
{
    AUTO_BUF(line, SASL_TEXT_MAX);
    char tag[16], shown[64];
    int rc;

    line.secret = true;
    if (session_check_credentials(auth, err) < 0)
        return -1;
    imap_begin(imap, tag);
    snprintf(shown, sizeof(shown), "%s LOGIN " SESSION_MASK " " SESSION_MASK, tag);
    buf_addf(&line, "%s LOGIN", tag);
    rc = add_argument(imap, &line, auth->username, shown, err);
    if (rc > 0)
        rc = add_argument(imap, &line, auth->secret, shown, err);
    if (rc > 0)
        rc = session_send_masked(imap->dialog, "login", shown, buf_str(&line), err) < 0
                 ? -1
                 : imap_finish(imap, "login", NULL, NULL, err);
    if (rc < 0)
        return -1;
    return imap->in.status == IMAP_OK ? 0 : refused(imap, "login", "LOGIN", "", err);
}

/* ---- both ------------------------------------------------------------------------------------------- */

static int log_in(struct imap_session *imap, const struct mail_auth *auth, const struct sasl_channel *channel,
                  struct err *err)
{
    bool has_command = auth->type == MAIL_AUTH_BASIC && !imap->caps.login_disabled;
    char offered[sizeof(imap->offer->auth) + 16];
    const char *mechanism;

    if (imap->preauth && (channel->encrypted || channel->allow_cleartext)) {
        imap->mechanism = "PREAUTH";
        return 0;
    }
    session_offer(imap->offer->auth, has_command, "LOGIN", offered, sizeof(offered));
    mechanism = sasl_choose(auth, channel, offered, err);
    if (mechanism == NULL)
        return -1;
    imap->mechanism = mechanism;
    return session_lists(imap->offer->auth, mechanism) ? by_sasl(imap, mechanism, auth, channel, err)
                                                     : by_login(imap, auth, err);
}

int imap_authenticate(struct imap_session *imap, const struct mail_auth *auth, struct err *err)
{
    AUTO_BUF(binding, 1024);
    struct sasl_channel channel;
    struct err own = { 0 };
    int rc;

    binding.secret = true;
    session_channel(imap->dialog, "imap", &binding, &channel);
    rc = log_in(imap, auth, &channel, &own);
    if (rc == 0) { /* RFC 9051 6.2.2: what it offered before is void */
        imap->caps_known = imap_caps_read(&imap->caps, imap->offer, &imap->in);
        rc = imap_ask_capabilities(imap, &own);
    }
    if (rc < 0)
        imap->mechanism = NULL;
    if (rc < 0 && own.at[0] == '\0')
        snprintf(own.at, sizeof(own.at), "imap.authenticate");
    if (rc < 0 && err)
        *err = own;
    return rc;
}
