/* SPDX-License-Identifier: Apache-2.0 */
#include "app/oauth_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cause.h"
#include "base/encode.h"
#include "model/webhook.h"

#define AT "emailAuthenticator"
#define BASIC "client_secret_basic"
#define POST "client_secret_post"

enum { MICROSOFT365, GMAIL, CUSTOM };
enum { CLIENT_CREDENTIALS };

/* ---- providers ---- */

/* In the order of the property's choices. */
static const struct provider {
    const char *token_before, *token_after;     /* the tenant stands in between; NULL: metadata or nothing */
    const char *scope;
    bool secret_in_body;
    const char *why_not;                        /* what stands against client credentials, or NULL */
} providers[] = {
    [MICROSOFT365] = { "https://login.microsoftonline.com/", "/oauth2/v2.0/token", "https://outlook.office365.com/.default", true, NULL },
    [GMAIL] = { NULL, NULL, "https://mail.google.com/", false,
                "Gmail gives no token for an application's id and secret alone; use an application password with the authenticator basic." },
    [CUSTOM] = { NULL, NULL, "", false, NULL },
};

static int incomplete(struct err *err, const char *what)
{
    return err_id(err, ERR_REFUSED, "config.authenticator", AT, "OAuth 2 needs %s.", what);
}

/* A directory's id or domain, and nothing that would lead elsewhere. */
static bool is_tenant(const char *tenant)
{
    size_t len = strspn(tenant, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");

    return len > 0 && len < 254 && tenant[len] == '\0' && tenant[0] != '.';
}

static int check_url(const char *url, struct err *err)
{
    struct webhook_url parsed;

    if (*url == '\0')
        return incomplete(err, "metadataUrl, the address of the provider's metadata");
    if (strlen(url) < OAUTH_URL_MAX && webhook_url_parse(url, &parsed) == NULL && parsed.tls)
        return 0;
    return err_id(err, ERR_REFUSED, "oauth.endpoint", AT, "metadataUrl is no https address: secrets go over TLS only, also on this machine.");
}

int oauth_check(const struct auth_oauth2 *auth, struct oauth_endpoint *ret, struct err *err)
{
    const struct provider *provider = &providers[auth->provider];

    *ret = (struct oauth_endpoint){ .secret_in_body = provider->secret_in_body };
    if (auth->grant != CLIENT_CREDENTIALS)
        return err_id(err, ERR_REFUSED, "config.unsupported", AT,
                      "This version gets tokens by the grant clientCredentials only, not yet by one that a person consents to.");
    if (provider->why_not)
        return err_id(err, ERR_REFUSED, "config.unsupported", AT, "%s", provider->why_not);
    if (*auth->username == '\0')
        return incomplete(err, "username, the mailbox to log in to");
    if (*auth->client_id == '\0')
        return incomplete(err, "clientId, the application's id at the provider");
    if (auth->client_secret.value == NULL || *auth->client_secret.value == '\0')
        return incomplete(err, "clientSecret");
    if (provider->token_before == NULL)
        return check_url(auth->metadata_url, err);
    if (!is_tenant(auth->tenant))
        return incomplete(err, "tenant, the directory's id or domain");
    snprintf(ret->token_url, sizeof(ret->token_url), "%s%s%s", provider->token_before, auth->tenant, provider->token_after);
    return 0;
}

/* ---- metadata ---- */

static int bad_metadata(struct err *err, const char *host, const char *what)
{
    return err_id(err, ERR_REFUSED, "oauth.metadata", AT, "The metadata of %s cannot be used: %s", host, what);
}

/* RFC 8414 3.1 puts the well-known part between host and path, OpenID Connect Discovery 4 behind both. */
static bool is_place_of(const char *issuer, const char *url)
{
    static const char *const names[] = { "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server" };
    struct str place = str_n(url, strcspn(url, "?")), whole = str_c(issuer);
    size_t origin = strlen("https://") + strcspn(issuer + strlen("https://"), "/");

    while (whole.len > origin && whole.p[whole.len - 1] == '/')
        whole.len--;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE char *behind = mem_printf("%.*s%s", (int)whole.len, issuer, names[i]);
        AUTO_FREE char *between = mem_printf("%.*s%s%.*s", (int)origin, issuer, names[i], (int)(whole.len - origin), issuer + origin);

        if (str_eq(place, str_c(behind)) || str_eq(place, str_c(between)))
            return true;
    }
    return false;
}

/* RFC 8414 3.3: whoever can put a document somewhere must not be able to speak for another issuer. */
static int check_issuer(const char *issuer, const char *url, const char *host, struct err *err)
{
    struct webhook_url parsed;

    if (issuer == NULL)
        return bad_metadata(err, host, "it names no issuer.");
    if (strlen(issuer) >= OAUTH_URL_MAX || webhook_url_parse(issuer, &parsed) || !parsed.tls || strchr(issuer, '?'))
        return bad_metadata(err, host, "its issuer is no https address.");
    if (!is_place_of(issuer, url))
        return err_id(err, ERR_REFUSED, "oauth.metadata", AT,
                      "The metadata of %s cannot be used: it speaks for the issuer %.120s, whose metadata has another address.", host, issuer);
    return 0;
}

static int check_endpoint(const char *endpoint, const char *host, struct err *err)
{
    struct webhook_url parsed;

    if (endpoint == NULL || strlen(endpoint) >= OAUTH_URL_MAX || webhook_url_parse(endpoint, &parsed))
        return bad_metadata(err, host, "its token_endpoint is no address.");
    if (!parsed.tls)
        return err_id(err, ERR_REFUSED, "oauth.endpoint", AT, "The token endpoint of %s is not https; the secret is not sent there.", host);
    if (strcmp(parsed.host, host) != 0)
        return err_id(err, ERR_REFUSED, "oauth.endpoint", AT,
                      "The metadata of %s sends to %.120s for tokens; the secret goes to no other host than the issuer's.", host, parsed.host);
    return 0;
}

/* RFC 8414 2: client_secret_basic when nothing is said. */
static int choose_method(const json_t *methods, const char *host, struct oauth_endpoint *ret, struct err *err)
{
    bool basic = methods == NULL, post = false;
    const json_t *method;
    size_t i;

    json_array_foreach(methods, i, method) {
        const char *name = json_string_value(method) ?: "";

        basic = basic || strcmp(name, BASIC) == 0;
        post = post || strcmp(name, POST) == 0;
    }
    ret->secret_in_body = !basic;
    return basic || post ? 0 : bad_metadata(err, host, "it takes a client's secret neither as " BASIC " nor as " POST ".");
}

int oauth_read_metadata(struct str document, const char *url, struct oauth_endpoint *ret, struct err *err)
{
    struct webhook_url parsed;
    json_t *json = json_loadb(document.p, document.len, JSON_REJECT_DUPLICATES, NULL);
    const char *endpoint = json_string_value(json_object_get(json, "token_endpoint"));
    int rc = -1;

    webhook_url_parse(url, &parsed);
    if (!json_is_object(json))
        bad_metadata(err, parsed.host, "it is no JSON object.");
    else if (check_issuer(json_string_value(json_object_get(json, "issuer")), url, parsed.host, err) == 0 &&
             check_endpoint(endpoint, parsed.host, err) == 0)
        rc = choose_method(json_object_get(json, "token_endpoint_auth_methods_supported"), parsed.host, ret, err);
    if (rc == 0)
        snprintf(ret->token_url, sizeof(ret->token_url), "%s", endpoint);
    json_decref(json);
    return rc;
}

/* ---- asking ---- */

/* application/x-www-form-urlencoded, as RFC 6749 appendix B has it. */
static int add_encoded(struct buf *into, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-._*", c);

        if ((plain ? buf_add_char(into, (char)c) : buf_addf(into, "%%%02X", c)) < 0)
            return -1;
    }
    return 0;
}

/* RFC 6749 2.3.1 */
static int write_basic(const struct auth_oauth2 *auth, struct buf *into)
{
    struct buf pair;
    int rc;

    buf_init_secret(&pair, OAUTH_ANSWER_MAX);
    rc = add_encoded(&pair, auth->client_id) < 0 || buf_add_char(&pair, ':') < 0 || add_encoded(&pair, auth->client_secret.value) < 0 ||
         buf_add_c(into, "Basic ") < 0 || base64_encode(buf_str(&pair), into) < 0 ? -1 : 0;
    buf_free(&pair);
    return rc;
}

static int write_post(const struct auth_oauth2 *auth, struct buf *into)
{
    return buf_add_c(into, "&client_id=") < 0 || add_encoded(into, auth->client_id) < 0 || buf_add_c(into, "&client_secret=") < 0 ||
           add_encoded(into, auth->client_secret.value) < 0 ? -1 : 0;
}

/* RFC 6749 4.4.2 */
int oauth_write_request(const struct auth_oauth2 *auth, const struct oauth_endpoint *endpoint, struct buf *body,
                        struct buf *authorization, struct err *err)
{
    const char *scope = *auth->scope ? auth->scope : providers[auth->provider].scope;
    int rc = buf_add_c(body, "grant_type=client_credentials");

    if (rc == 0 && *scope)
        rc = buf_add_c(body, "&scope=") < 0 || add_encoded(body, scope) < 0 ? -1 : 0;
    if (rc == 0)
        rc = endpoint->secret_in_body ? write_post(auth, body) : write_basic(auth, authorization);
    return rc == 0 ? 0 : err_id(err, ERR_REFUSED, "config.authenticator", AT, "clientId, clientSecret or scope is too long.");
}

/* ---- the answer ---- */

static int bad_answer(struct err *err, const char *what)
{
    return err_id(err, ERR_TEMPORARY, "oauth.answer", AT, "The token endpoint's answer cannot be used: %s", what);
}

/* RFC 6750 2.1: what may follow "Bearer". */
static bool is_token(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=");

    return len > 0 && len <= OAUTH_TOKEN_MAX && text[len] == '\0';
}

/* Some give the number as a text. */
static int read_life(const json_t *value, int64_t *life, struct err *err)
{
    *life = OAUTH_LIFE_PRESET;
    if (value == NULL || json_is_null(value))
        return 0;
    if (json_is_integer(value))
        *life = json_integer_value(value);
    else if (!json_is_string(value) || !str_to_int(str_c(json_string_value(value)), life))
        return bad_answer(err, "expires_in is no number.");
    if (*life <= 0)
        return bad_answer(err, "expires_in says that the token has ended already.");
    *life = *life < OAUTH_LIFE_MAX ? *life : OAUTH_LIFE_MAX;
    return 0;
}

static void wipe_text(json_t *json)
{
    if (json_is_string(json))
        mem_wipe((char *)json_string_value(json), json_string_length(json));
}

/* RFC 6749 5.1 */
int oauth_read_token(struct str document, char **token, int64_t *life, struct err *err)
{
    json_t *json = json_loadb(document.p, document.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *access = json_object_get(json, "access_token");
    const char *type = json_string_value(json_object_get(json, "token_type"));
    int rc = -1;

    if (!json_is_object(json))
        bad_answer(err, "it is no JSON object.");
    else if (!json_is_string(access) || !is_token(json_string_value(access)))
        bad_answer(err, "it has no access_token that could be sent.");
    else if (type == NULL || !str_eq_nocase(str_c(type), STR("Bearer")))
        bad_answer(err, "token_type is not Bearer.");
    else
        rc = read_life(json_object_get(json, "expires_in"), life, err);
    if (rc == 0)
        *token = mem_strdup(json_string_value(access));
    wipe_text(access);
    wipe_text(json_object_get(json, "refresh_token"));
    wipe_text(json_object_get(json, "id_token"));
    json_decref(json);
    return rc;
}

/* RFC 6749 5.2 */
static const struct { const char *error, *id; enum err_code code; } errors[] = {
    { "invalid_client", "oauth.invalidClient", ERR_REFUSED },
    { "invalid_grant", "oauth.invalidGrant", ERR_REFUSED },
    { "invalid_scope", "oauth.invalidScope", ERR_REFUSED },
    { "unauthorized_client", "oauth.unauthorizedClient", ERR_REFUSED },
    { "unsupported_grant_type", "oauth.unsupportedGrant", ERR_REFUSED },
    { "server_error", "oauth.temporary", ERR_TEMPORARY },
    { "slow_down", "oauth.temporary", ERR_TEMPORARY },
    { "temporarily_unavailable", "oauth.temporary", ERR_TEMPORARY },
};

static size_t row_of(const char *error)
{
    size_t i = 0;

    while (i < COUNT_OF(errors) && strcmp(errors[i].error, error) != 0)
        i++;
    return i;
}

/* What a person gains from: not the ids of the request that follow, and never a secret that is said back. */
static void clean(const char *words, const struct auth_oauth2 *auth, char *into, size_t size)
{
    const char *secret = auth->client_secret.value, *trace = strstr(words, "Trace ID:");
    size_t len = strcspn(words, "\r\n");

    if (trace && (size_t)(trace - words) < len)
        len = (size_t)(trace - words);
    if (secret && *secret && strstr(words, secret))
        len = 0;
    if (len >= size)
        len = size - 1;
    while (len > 0 && (words[len] & 0xc0) == 0x80)      /* not within a character */
        len--;
    while (len > 0 && words[len - 1] == ' ')
        len--;
    memcpy(into, words, len);
    into[len] = '\0';
}

int oauth_read_refusal(int status, struct str document, const char *host, const struct auth_oauth2 *auth, struct err *err)
{
    json_t *json = json_loadb(document.p, document.len, 0, NULL);
    const char *error = json_string_value(json_object_get(json, "error"));
    const char *words = json_string_value(json_object_get(json, "error_description"));
    size_t row = row_of(error ? error : "");
    char name[64], said[232];

    clean(error ? error : "", auth, name, sizeof(name));
    clean(words ? words : "", auth, said, sizeof(said));
    json_decref(json);
    if (status >= 500 || status == 429)
        return err_id(err, ERR_TEMPORARY, "oauth.temporary", AT, "%.80s gives no token now: %d%s%s%s%s", host, status, *name ? " " : "", name,
                      *said ? ": " : ".", said);
    if (*name == '\0')
        return err_id(err, ERR_TEMPORARY, "oauth.answer", AT, "%.80s gives no token and no reason: it answered %d.", host, status);
    return err_id(err, row < COUNT_OF(errors) ? errors[row].code : ERR_REFUSED,
                  cause_refine("oauth", row < COUNT_OF(errors) ? errors[row].id : "oauth.refused", said), AT, "%.80s gives no token: %s%s%s", host,
                  name, *said ? ": " : ".", said);
}
