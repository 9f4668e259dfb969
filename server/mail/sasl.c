/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/sasl.h"

#include <gsasl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encode.h"
#include "mail/sasl_salted.h"
#include "mail/text.h"

/* RFC 7677 4 asks servers for 4096 or more; one that asks for millions wants our processor, not our proof. */
#define SCRAM_ITERATIONS_MAX 1000000

enum { BEARER = 1, CLIENT_FIRST = 2, BINDING = 4, SCRAM = 8, ONLY_NAMED = 16 };

/* In order of preference. */
static const struct mechanism {
    const char *name;
    unsigned flags;
} mechanisms[] = {
    { "SCRAM-SHA-256-PLUS", CLIENT_FIRST | SCRAM | BINDING },
    { "SCRAM-SHA-256", CLIENT_FIRST | SCRAM },
    { "SCRAM-SHA-1-PLUS", CLIENT_FIRST | SCRAM | BINDING },
    { "SCRAM-SHA-1", CLIENT_FIRST | SCRAM },
    { "PLAIN", CLIENT_FIRST },
    { "LOGIN", 0 },
    { "CRAM-MD5", ONLY_NAMED },
    { "OAUTHBEARER", CLIENT_FIRST | BEARER },
    { "XOAUTH2", CLIENT_FIRST | BEARER },
};

struct sasl {
    const struct mechanism *mechanism;
    Gsasl_session *session; /* NULL for the bearer mechanisms */
    char *first;            /* bearer: what is said first */
    size_t first_len;
    bool said;
    bool complete;
    char reason[256];
};

/* ---- choosing --------------------------------------------------------------------------------------- */

static bool is_offered(const char *offered, const char *name)
{
    struct str rest = str_c(offered), one;

    while (str_split(&rest, ' ', &one))
        if (str_eq_nocase(one, str_c(name)))
            return true;
    return false;
}

static bool is_auto(const struct mail_auth *auth)
{
    return auth->mechanism == NULL || *auth->mechanism == '\0' || strcmp(auth->mechanism, "auto") == 0;
}

static const struct mechanism *find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(mechanisms); i++)
        if (str_eq_nocase(str_c(name), str_c(mechanisms[i].name)))
            return &mechanisms[i];
    return NULL;
}

static const char *choose_named(const struct mail_auth *auth, const struct sasl_channel *channel,
                                const char *offered, struct err *err)
{
    const struct mechanism *m = find(auth->mechanism);
    char list[160];

    if (m == NULL || !(m->flags & BEARER) != (auth->type != MAIL_AUTH_BEARER)) {
        err_id(err, ERR_REFUSED, "auth.noMechanism", NULL,
               "The mechanism %s can't be used with these credentials.", auth->mechanism);
        return NULL;
    }
    if (!is_offered(offered, m->name)) {
        err_id(err, ERR_REFUSED, "auth.noMechanism", NULL, "%s doesn't offer the mechanism %s; it offers %s.",
               channel->hostname, m->name,
               *offered ? text_clean(str_c(offered), list, sizeof(list)) : "none");
        return NULL;
    }
    if ((m->flags & BINDING) && channel->binding == NULL) {
        err_id(err, ERR_REFUSED, "auth.noMechanism", NULL,
               "%s binds the credentials to the encrypted connection, which needs TLS 1.3 with %s.", m->name,
               channel->hostname);
        return NULL;
    }
    return m->name;
}

static const char *choose_strongest(const struct mail_auth *auth, const struct sasl_channel *channel,
                                    const char *offered, struct err *err)
{
    bool bearer = auth->type == MAIL_AUTH_BEARER;
    char list[160];

    for (size_t i = 0; i < COUNT_OF(mechanisms); i++) {
        const struct mechanism *m = &mechanisms[i];

        if (!(m->flags & BEARER) == bearer || (m->flags & ONLY_NAMED))
            continue;
        if ((m->flags & BINDING) && (channel->binding == NULL || auth->unbound))
            continue;
        if (is_offered(offered, m->name))
            return m->name;
    }
    if (*offered == '\0')
        err_id(err, ERR_REFUSED, "auth.noMechanism", NULL, "%s offers no way to log in%s.", channel->hostname,
               channel->encrypted ? "; the account may need none, or another port"
                                  : " on this unencrypted connection; it may on an encrypted one");
    else
        err_id(err, ERR_REFUSED, "auth.noMechanism", NULL,
               "%s offers %s to log in, and what is needed is %s.", channel->hostname,
               text_clean(str_c(offered), list, sizeof(list)),
               bearer ? "OAUTHBEARER or XOAUTH2" : "SCRAM, PLAIN or LOGIN");
    return NULL;
}

const char *sasl_choose(const struct mail_auth *auth, const struct sasl_channel *channel, const char *offered,
                        struct err *err)
{
    if (!channel->encrypted && !channel->allow_cleartext) {
        err_id(err, ERR_REFUSED, "auth.cleartext", NULL,
               "The connection to %s isn't encrypted, so the credentials were not sent.", channel->hostname);
        return NULL;
    }
    return is_auto(auth) ? choose_strongest(auth, channel, offered, err)
                         : choose_named(auth, channel, offered, err);
}

/* ---- bearer tokens ---------------------------------------------------------------------------------- */

/* RFC 5801 4: "," and "=" in a name would end it. */
static int add_saslname(struct buf *into, const char *name)
{
    int rc = 0;

    for (; *name && rc == 0; name++)
        rc = *name == ','   ? buf_add_c(into, "=2C")
             : *name == '=' ? buf_add_c(into, "=3D")
                            : buf_add_char(into, *name);
    return rc;
}

/* RFC 7628 3.1, and what Google and Microsoft describe as XOAUTH2. */
static int write_bearer(struct sasl *sasl, const struct mail_auth *auth, const struct sasl_channel *channel,
                        struct err *err)
{
    AUTO_BUF(text, SASL_TEXT_MAX / 4 * 3);
    int rc;

    text.secret = true;
    if (strcmp(sasl->mechanism->name, "XOAUTH2") == 0) {
        rc = buf_addf(&text, "user=%s\001auth=Bearer %s\001\001", auth->username, auth->secret);
    } else {
        rc = buf_add_c(&text, *auth->username ? "n,a=" : "n,") < 0 || add_saslname(&text, auth->username) < 0
                 ? -1
                 : buf_addf(&text, ",\001host=%s\001port=%u\001auth=Bearer %s\001\001", channel->hostname,
                            channel->port, auth->secret);
    }
    if (rc < 0)
        return err_id(err, ERR_REFUSED, "auth.credentials", NULL, "The access token is too long to be sent.");
    sasl->first_len = text.len;
    sasl->first = buf_take(&text);
    sasl->complete = true; /* the server has nothing to prove but its certificate */
    return 0;
}

/* The error reply: JSON with a status, to which we say nothing of interest so that the refusal can follow. */
static int step_bearer(struct sasl *sasl, struct str challenge, struct buf *answer)
{
    if (!sasl->said) {
        sasl->said = true;
        return base64_encode(str_n(sasl->first, sasl->first_len), answer);
    }
    text_clean(challenge, sasl->reason, sizeof(sasl->reason));
    return strcmp(sasl->mechanism->name, "OAUTHBEARER") == 0 ? buf_add_c(answer, "AQ==") : 0;
}

/* ---- libgsasl --------------------------------------------------------------------------------------- */

/* One handle for the process; making sessions from it is safe from any thread, as it isn't changed any more.
 */
static Gsasl *library;

/* What SCRAM makes of the password and the server's salt; false before the salt is known. */
static bool salting_of(Gsasl_session *session, struct sasl_salting *salting)
{
    const struct sasl *sasl = gsasl_session_hook_get(session);

    *salting = (struct sasl_salting){ sasl->mechanism->name, gsasl_property_fast(session, GSASL_SCRAM_SALT),
                                      gsasl_property_fast(session, GSASL_SCRAM_ITER),
                                      gsasl_property_fast(session, GSASL_PASSWORD) };
    return salting->salt && salting->iterations && salting->password;
}

static int on_property(Gsasl *ctx, Gsasl_session *session, Gsasl_property property)
{
    AUTO_SECRET char *hex = NULL;
    struct sasl_salting salting;

    (void)ctx;
    if (property != GSASL_SCRAM_SALTED_PASSWORD || !salting_of(session, &salting))
        return GSASL_NO_CALLBACK;
    hex = sasl_salted_get(&salting);
    return hex ? gsasl_property_set(session, GSASL_SCRAM_SALTED_PASSWORD, hex) : GSASL_NO_CALLBACK;
}

static void keep_salted(Gsasl_session *session)
{
    const char *hex = gsasl_property_fast(session, GSASL_SCRAM_SALTED_PASSWORD);
    struct sasl_salting salting;

    if (hex && salting_of(session, &salting))
        sasl_salted_put(&salting, hex);
}

static void open_library(void)
{
    if (gsasl_init(&library) != GSASL_OK)
        library = NULL;
    else
        gsasl_callback_set(library, on_property);
}

static int start_session(struct sasl *sasl, const struct mail_auth *auth, const struct sasl_channel *channel,
                         struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int rc;

    pthread_once(&once, open_library);
    rc = library ? gsasl_client_start(library, sasl->mechanism->name, &sasl->session) : GSASL_MALLOC_ERROR;
    if (rc != GSASL_OK)
        return err_id(err, ERR_INTERNAL, "auth.noMechanism", NULL, "%s can't be used here: %s.",
                      sasl->mechanism->name, gsasl_strerror(rc));
    gsasl_session_hook_set(sasl->session, sasl);
    gsasl_property_set(sasl->session, GSASL_AUTHID, auth->username);
    gsasl_property_set(sasl->session, GSASL_PASSWORD, auth->secret);
    gsasl_property_set(sasl->session, GSASL_SERVICE, channel->service);
    gsasl_property_set(sasl->session, GSASL_HOSTNAME, channel->hostname);
    if (sasl->mechanism->flags & BINDING) /* libgsasl refuses a plain SCRAM where it knows a binding */
        gsasl_property_set(sasl->session, GSASL_CB_TLS_EXPORTER, channel->binding);
    return 0;
}

/* RFC 5802 5.1: i= in the server's first message, e= in its last. */
static int look_at_scram(struct str challenge, struct err *err)
{
    struct str part;
    int64_t rounds;

    if (str_starts(challenge, STR("e=channel-binding")))
        return err_id(
            err, ERR_REFUSED, "auth.channelBinding", NULL,
            "The server sees another encrypted connection than ours: somebody may stand in between.");
    while (str_split(&challenge, ',', &part))
        if (str_starts(part, STR("i=")) &&
            (!str_to_int(str_from(part, 2), &rounds) || rounds > SCRAM_ITERATIONS_MAX))
            return err_id(
                err, ERR_REFUSED, "auth.refused", NULL,
                "The server asks for more than %d rounds of hashing; that is an attack or a mistake.",
                SCRAM_ITERATIONS_MAX);
    return 0;
}

static int explain(struct sasl *sasl, int rc, bool first, struct err *err)
{
    if (rc == GSASL_SASLPREP_ERROR)
        return err_id(err, ERR_REFUSED, "auth.credentials", NULL,
                      "The username or password has characters that %s can't carry.", sasl->mechanism->name);
    if (!first && (sasl->mechanism->flags & SCRAM) &&
        (rc == GSASL_AUTHENTICATION_ERROR || rc == GSASL_MECHANISM_PARSE_ERROR))
        return err_id(err, ERR_REFUSED, "auth.refused", NULL,
                      "The server couldn't prove that it knows the password: it is wrong, or this is not the "
                      "real server.");
    return err_id(err, ERR_REFUSED, "auth.refused", NULL, "%s failed: %s.", sasl->mechanism->name,
                  gsasl_strerror(rc));
}

static int step_session(struct sasl *sasl, struct str challenge, struct buf *answer, struct err *err)
{
    bool first = !sasl->said;
    char *out = NULL;
    size_t len = 0;
    int rc, added;

    if ((sasl->mechanism->flags & SCRAM) && look_at_scram(challenge, err) < 0)
        return -1;
    /* The server may go on asking once all was said; PLAIN and LOGIN would answer with the password again. */
    if (sasl->complete && !(challenge.len == 0))
        return err_id(err, ERR_REFUSED, "auth.refused", NULL, "The server asks for more than %s has to say.",
                      sasl->mechanism->name);
    if (sasl->complete)
        return 0;
    rc = gsasl_step(sasl->session, challenge.p, challenge.len, &out, &len);
    sasl->said = true;
    if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE) {
        gsasl_free(out);
        return explain(sasl, rc, first, err);
    }
    sasl->complete = rc == GSASL_OK;
    if (sasl->complete && (sasl->mechanism->flags & SCRAM))
        keep_salted(sasl->session);
    added = base64_encode(str_n(out, len), answer);
    mem_wipe(out, len);
    gsasl_free(out);
    return added == 0 ? 0
                      : err_id(err, ERR_REFUSED, "auth.credentials", NULL,
                               "The credentials are too long to be sent.");
}

/* ---- both ------------------------------------------------------------------------------------------- */

int sasl_start(struct sasl **ret, const char *mechanism, const struct mail_auth *auth,
               const struct sasl_channel *channel, struct err *err)
{
    AUTO(sasl) sasl = mem_alloc(sizeof(*sasl));
    struct mail_auth own = *auth;

    sasl->mechanism = find(mechanism);
    own.username = auth->username ? auth->username : "";
    own.secret = auth->secret ? auth->secret : "";
    if (sasl->mechanism == NULL)
        return err_id(err, ERR_REFUSED, "auth.noMechanism", NULL, "There is no mechanism %s here.",
                      mechanism);
    if (str_has_control(str_c(own.username)) || str_has_control(str_c(own.secret)))
        return err_id(err, ERR_REFUSED, "auth.credentials", NULL,
                      "The username or password has control characters.");
    if ((sasl->mechanism->flags & BEARER ? write_bearer : start_session)(sasl, &own, channel, err) < 0)
        return -1;
    *ret = TAKE(sasl);
    return 0;
}

/* libgsasl frees its copy as it is. */
static void wipe_property(Gsasl_session *session, Gsasl_property property)
{
    const char *copy = gsasl_property_fast(session, property);

    if (copy)
        mem_wipe((void *)(uintptr_t)copy, strlen(copy));
}

void sasl_free(struct sasl *sasl)
{
    if (sasl == NULL)
        return;
    if (sasl->session) {
        wipe_property(sasl->session, GSASL_PASSWORD);
        wipe_property(sasl->session, GSASL_SCRAM_SALTED_PASSWORD);
        gsasl_finish(sasl->session);
    }
    if (sasl->first)
        mem_wipe(sasl->first, sasl->first_len);
    free(sasl->first);
    free(sasl);
}

bool sasl_is_client_first(const struct sasl *sasl)
{
    return sasl->mechanism->flags & CLIENT_FIRST;
}

bool sasl_is_complete(const struct sasl *sasl)
{
    return sasl->complete;
}

bool sasl_is_bound(const struct sasl *sasl)
{
    return sasl->mechanism->flags & BINDING;
}

const char *sasl_reason(const struct sasl *sasl)
{
    return sasl->reason;
}

int sasl_step(struct sasl *sasl, struct str challenge, struct buf *answer, struct err *err)
{
    AUTO_BUF(plain, SASL_TEXT_MAX);

    if (base64_decode(challenge, &plain) < 0)
        return err_id(err, ERR_TEMPORARY, "protocol.garbage", NULL, "The server's challenge isn't base64.");
    if (sasl->mechanism->flags & BEARER)
        return step_bearer(sasl, buf_str(&plain), answer) == 0
                   ? 0
                   : err_id(err, ERR_REFUSED, "auth.credentials", NULL,
                            "The access token is too long to be sent.");
    return step_session(sasl, buf_str(&plain), answer, err);
}
