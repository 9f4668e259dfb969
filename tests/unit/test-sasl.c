/* SPDX-License-Identifier: Apache-2.0 */
/* The SASL client, against the server side of the same library and against canned exchanges. */
#include <gsasl.h>
#include <stdlib.h>

#include "base/encode.h"
#include "mail/sasl.h"
#include "mail/sasl_salted.h"

#include "tap.h"

static const struct mail_auth basic = { .type = MAIL_AUTH_BASIC, .username = "plant", .secret = "se=cr,et" };
static const struct mail_auth bearer = { .type = MAIL_AUTH_BEARER,
                                         .username = "a,b=c@example.com",
                                         .secret = "token" };
static const struct sasl_channel tls = {
    .hostname = "mail.example.com", .port = 587, .service = "smtp", .encrypted = true
};
static const struct sasl_channel bound = { .hostname = "mail.example.com",
                                           .port = 587,
                                           .service = "smtp",
                                           .encrypted = true,
                                           .binding = "YmluZGluZw==" };
static const struct sasl_channel clear = { .hostname = "mail.example.com", .port = 25, .service = "smtp" };
static const struct sasl_channel allowed = {
    .hostname = "mail.example.com", .port = 25, .service = "smtp", .allow_cleartext = true
};

static void test_choose(void)
{
    static const char all[] =
        "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS "
        "XOAUTH2 OAUTHBEARER";
    static const struct {
        const struct sasl_channel *channel;
        const struct mail_auth *auth;
        const char *named, *offered, *chosen, *id;
    } rows[] = {
        { &bound, &basic, NULL, all, "SCRAM-SHA-256-PLUS", NULL },
        { &tls, &basic, NULL, all, "SCRAM-SHA-256", NULL },
        { &tls, &basic, "auto", "LOGIN SCRAM-SHA-1 PLAIN", "SCRAM-SHA-1", NULL },
        { &tls, &basic, "", "LOGIN plain", "PLAIN", NULL },
        { &tls, &basic, NULL, "LOGIN", "LOGIN", NULL },
        { &tls, &basic, NULL, "CRAM-MD5 DIGEST-MD5 GSSAPI", NULL, "auth.noMechanism" },
        { &tls, &basic, NULL, "", NULL, "auth.noMechanism" },
        { &tls, &basic, "CRAM-MD5", all, "CRAM-MD5", NULL },
        { &tls, &basic, "PLAIN", all, "PLAIN", NULL },
        { &tls, &basic, "PLAIN", "LOGIN", NULL, "auth.noMechanism" },
        { &tls, &basic, "XOAUTH2", all, NULL, "auth.noMechanism" },
        { &tls, &basic, "NTLM", "NTLM", NULL, "auth.noMechanism" },
        { &tls, &basic, "SCRAM-SHA-256-PLUS", all, NULL, "auth.noMechanism" },
        { &bound, &basic, "SCRAM-SHA-1-PLUS", all, "SCRAM-SHA-1-PLUS", NULL },
        { &clear, &basic, NULL, all, NULL, "auth.cleartext" },
        { &clear, &basic, "SCRAM-SHA-256", all, NULL, "auth.cleartext" },
        { &clear, &bearer, NULL, all, NULL, "auth.cleartext" },
        { &allowed, &basic, NULL, "PLAIN", "PLAIN", NULL },
        { &tls, &bearer, NULL, all, "OAUTHBEARER", NULL },
        { &tls, &bearer, NULL, "PLAIN XOAUTH2", "XOAUTH2", NULL },
        { &tls, &bearer, NULL, "PLAIN LOGIN", NULL, "auth.noMechanism" },
        { &tls, &bearer, "PLAIN", all, NULL, "auth.noMechanism" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mail_auth auth = *rows[i].auth;
        struct err err = { 0 };
        const char *chosen;

        auth.mechanism = rows[i].named;
        chosen = sasl_choose(&auth, rows[i].channel, rows[i].offered, &err);
        ok((chosen ? rows[i].chosen && strcmp(chosen, rows[i].chosen) == 0 : rows[i].chosen == NULL) &&
               strcmp(err.id, rows[i].id ? rows[i].id : "") == 0,
           "choice %zu: %s", i, chosen ? chosen : err.text);
    }
}

/* ---- against libgsasl's server side ----------------------------------------------------------------- */

static int server_callback(Gsasl *ctx, Gsasl_session *session, Gsasl_property property)
{
    (void)ctx;
    switch ((int)property) {
    case GSASL_PASSWORD:
        return gsasl_property_set(session, GSASL_PASSWORD, gsasl_session_hook_get(session));
    case GSASL_CB_TLS_EXPORTER:
        return gsasl_property_set(session, GSASL_CB_TLS_EXPORTER, bound.binding);
    case GSASL_VALIDATE_SIMPLE:
        return strcmp(gsasl_property_fast(session, GSASL_PASSWORD), gsasl_session_hook_get(session)) == 0
                   ? GSASL_OK
                   : GSASL_AUTHENTICATION_ERROR;
    default:
        return GSASL_NO_CALLBACK;
    }
}

/* True when the server is content. */
static bool run(Gsasl *library, const char *mechanism, const char *servers_password, struct sasl *sasl,
                struct err *err)
{
    AUTO_BUF(answer, SASL_TEXT_MAX);
    Gsasl_session *server = NULL;
    int rc = gsasl_server_start(library, mechanism, &server);
    char *challenge = NULL;
    bool content = false;

    gsasl_session_hook_set(server, (void *)(uintptr_t)servers_password);
    if (rc == GSASL_OK && !sasl_is_client_first(sasl))
        rc = gsasl_step64(server, NULL, &challenge);
    for (int round = 0; round < 8 && (rc == GSASL_OK || rc == GSASL_NEEDS_MORE) && !content; round++) {
        buf_clear(&answer);
        if (sasl_step(sasl, str_c(challenge), &answer, err) < 0)
            break;
        free(challenge);
        challenge = NULL;
        if (rc == GSASL_OK && round > 0) {
            content = true;
            break;
        }
        rc = gsasl_step64(server, answer.p ? answer.p : "", &challenge);
        content = rc == GSASL_OK && (challenge == NULL || *challenge == '\0');
    }
    free(challenge);
    gsasl_finish(server);
    return content;
}

static void test_mechanisms(void)
{
    static const char *const names[] = {
        "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN", "CRAM-MD5"
    };
    Gsasl *library = NULL;

    gsasl_init(&library);
    gsasl_callback_set(library, server_callback);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct sasl_channel *channel = strstr(names[i], "PLUS") ? &bound : &tls;
        AUTO(sasl) good = NULL;
        AUTO(sasl) bad = NULL;
        struct err err = { 0 };

        ok(sasl_start(&good, names[i], &basic, channel, &err) == 0 &&
               run(library, names[i], basic.secret, good, &err) && sasl_is_complete(good),
           "%s: %s", names[i], err.text[0] ? err.text : "logs in");
        ok(sasl_start(&bad, names[i], &basic, channel, &err) == 0 &&
               !run(library, names[i], "other", bad, &err),
           "%s with another password doesn't", names[i]);
    }
    gsasl_done(library);
}

/* ---- canned ----------------------------------------------------------------------------------------- */

static char *answer_to(struct sasl *sasl, const char *challenge, struct err *err)
{
    AUTO_BUF(coded, SASL_TEXT_MAX);
    AUTO_BUF(plain, SASL_TEXT_MAX);

    if (sasl_step(sasl, str_c(challenge), &coded, err) < 0 || base64_decode(buf_str(&coded), &plain) < 0)
        return NULL;
    return buf_take(&plain);
}

static void test_bearer(void)
{
    AUTO(sasl) one = NULL;
    AUTO(sasl) two = NULL;
    AUTO_FREE char *first = NULL, *second = NULL, *third = NULL, *fourth = NULL;
    struct err err = { 0 };

    ok(sasl_start(&one, "XOAUTH2", &bearer, &tls, &err) == 0 && sasl_is_client_first(one), "XOAUTH2 starts");
    first = answer_to(one, "", &err);
    is_str(first, "user=a,b=c@example.com\001auth=Bearer token\001\001", "XOAUTH2");
    second = answer_to(one, "eyJzdGF0dXMiOiI0MDEifQ==", &err);
    is_str(second, "", "an empty answer lets the refusal follow");
    is_str(sasl_reason(one), "{\"status\":\"401\"}", "the reason is kept");

    ok(sasl_start(&two, "OAUTHBEARER", &bearer, &tls, &err) == 0, "OAUTHBEARER starts");
    third = answer_to(two, "", &err);
    is_str(third,
           "n,a=a=2Cb=3Dc@example.com,\001host=mail.example.com\001port=587\001auth=Bearer token\001\001",
           "OAUTHBEARER, the name quoted");
    fourth = answer_to(two, "e30=", &err);
    is_str(fourth, "\001", "RFC 7628 3.2.3: one ^A lets the refusal follow");
}

static void test_hostile(void)
{
    static const struct {
        const char *name, *mechanism, *challenge, *id;
    } rows[] = {
        { "challenge that isn't base64", "SCRAM-SHA-256", "***", "protocol.garbage" },
        { "rubbish challenge", "SCRAM-SHA-256", "cnViYmlzaA==", "auth.refused" },
        { "two thousand million rounds", "SCRAM-SHA-256",
          "cj14LHM9QUFBQSxpPTIwMDAwMDAwMDA=", "auth.refused" },
        { "rounds beyond numbers", "SCRAM-SHA-1", "cj14LHM9QUFBQSxpPTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
          "auth.refused" },
        { "bindings that differ", "SCRAM-SHA-256-PLUS",
          "ZT1jaGFubmVsLWJpbmRpbmdzLWRvbnQtbWF0Y2g=", "auth.channelBinding" },
        { "PLAIN asked again", "PLAIN", "bW9yZQ==", "auth.refused" },
    };
    struct mail_auth broken = basic;
    AUTO(sasl) none = NULL;
    struct err err = { 0 };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(sasl) sasl = NULL;
        AUTO_FREE char *first = NULL, *answer = NULL;

        err = (struct err){ 0 };
        sasl_start(&sasl, rows[i].mechanism, &basic, &bound, &err);
        first = answer_to(sasl, "", &err);
        answer = answer_to(sasl, rows[i].challenge, &err);
        ok(answer == NULL && strcmp(err.id, rows[i].id) == 0, "%s: %s", rows[i].name, err.text);
        ok(strstr(err.text, basic.secret) == NULL, "without the secret");
    }
    broken.secret = "a\r\nb";
    ok(sasl_start(&none, "PLAIN", &broken, &tls, &err) < 0 && strcmp(err.id, "auth.credentials") == 0,
       "line break in a password");
}

static void test_salted(void)
{
    struct sasl_salting salting = { "SCRAM-SHA-256", "c2FsdA==", "4096", "se=cr,et" }, other;
    char *hex = sasl_salted_get(&salting), salt[16];
    int kept = 0;

    ok(hex == NULL, "nothing is kept that wasn't put there");
    sasl_salted_put(&salting, "00ff");
    hex = sasl_salted_get(&salting);
    is_str(hex, "00ff", "a salted password is kept");
    mem_free_secret(hex);
    for (int i = 0; i < 4; i++) {
        other = salting;
        *(const char **[]){ &other.mechanism, &other.salt, &other.iterations, &other.password }[i] = "other";
        ok(sasl_salted_get(&other) == NULL, "not for another %s", (const char *[]){ "mechanism", "salt", "number of rounds", "password" }[i]);
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(salt, sizeof(salt), "%d", i);
        other.salt = salt;
        sasl_salted_put(&other, "11");
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(salt, sizeof(salt), "%d", i);
        hex = sasl_salted_get(&other);
        kept += hex != NULL;
        mem_free_secret(hex);
    }
    ok(kept > 0 && kept <= SASL_SALTED_MAX, "of ten thousand no more than the ceiling are kept (%d)", kept);
    hex = sasl_salted_get(&other);
    is_str(hex, "11", "the newest among them");
    mem_free_secret(hex);
}

int main(void)
{
    test_choose();
    test_mechanisms();
    test_bearer();
    test_hostile();
    test_salted();
    return done();
}
