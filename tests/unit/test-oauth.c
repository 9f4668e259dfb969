/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of an authorization server and what is understood of its answers, without one; the network side is tests/api/test-oauth.py. */
#include <stdlib.h>

#include "app/cause.h"
#include "app/oauth_expiry.h"
#include "app/oauth_parse.h"
#include "base/clock.h"
#include "tap.h"

#define HOST "https://id.example.com"
#define SECRET "s3cret & more/"

/* The texts of a component are its own, so they are not constant. */
static struct auth_oauth2 settings(int64_t provider)
{
    static char username[] = "plant@example.com", tenant[] = "contoso.example", client[] = "post:room", secret[] = SECRET, scope[] = "",
                url[] = HOST "/.well-known/openid-configuration";

    return (struct auth_oauth2){ .provider = provider, .username = username, .tenant = tenant, .client_id = client,
                                 .client_secret = { secret, NULL }, .scope = scope, .metadata_url = url };
}

static void test_check(void)
{
    struct auth_oauth2 auth = settings(0);
    struct oauth_endpoint endpoint;
    struct err err = { 0 };

    ok(oauth_check(&auth, &endpoint, &err) == 0, "microsoft365");
    is_str(endpoint.token_url, "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token", "its endpoint");
    for (const char *const *tenant = (const char *const[]){ "", "a/b", "a?b", "..", "a#b", "a b", "a@b", NULL }; *tenant; tenant++) {
        auth.tenant = (char *)*tenant;
        ok(oauth_check(&auth, &endpoint, &err) < 0 && strcmp(err.id, "config.authenticator") == 0, "no tenant: %s", *tenant);
    }
    auth = settings(1);
    ok(oauth_check(&auth, &endpoint, &err) < 0 && strcmp(err.id, "config.unsupported") == 0, "gmail");
    auth = settings(2);
    ok(oauth_check(&auth, &endpoint, &err) == 0 && endpoint.token_url[0] == '\0', "custom: by its metadata");
    for (const char *const *url = (const char *const[]){ "http://id.example.com/", "http://127.0.0.1/", "ftp://id.example.com/", "id.example.com",
                                                         "https://a:b@id.example.com/", "https://id.example.com/#x", "https:///x", NULL }; *url; url++) {
        auth.metadata_url = (char *)*url;
        ok(oauth_check(&auth, &endpoint, &err) < 0 && strcmp(err.id, "oauth.endpoint") == 0, "no metadataUrl: %s", *url);
    }
}

static void test_request(void)
{
    struct auth_oauth2 auth = settings(0);
    struct oauth_endpoint endpoint = { .secret_in_body = true };
    char two_scopes[] = "a b";
    AUTO_BUF(body, 4096);
    AUTO_BUF(authorization, 4096);
    struct err err;

    ok(oauth_write_request(&auth, &endpoint, &body, &authorization, &err) == 0, "a request");
    is_str(body.p, "grant_type=client_credentials&scope=https%3A%2F%2Foutlook.office365.com%2F.default&client_id=post%3Aroom"
                   "&client_secret=s3cret%20%26%20more%2F", "secret in the body");
    is_int((long long)authorization.len, 0, "and nowhere else");
    buf_clear(&body);
    auth.scope = two_scopes;
    endpoint.secret_in_body = false;
    ok(oauth_write_request(&auth, &endpoint, &body, &authorization, &err) == 0, "another");
    is_str(body.p, "grant_type=client_credentials&scope=a%20b", "no secret in the body");
    is_str(authorization.p, "Basic cG9zdCUzQXJvb206czNjcmV0JTIwJTI2JTIwbW9yZSUyRg==", "but in the header");
}

static void test_metadata(void)
{
    static const struct { const char *name, *url, *document, *expected; } rows[] = {
        { "OpenID", HOST "/.well-known/openid-configuration", "{'issuer':'" HOST "','token_endpoint':'" HOST "/t'}", "" },
        { "issuer with a slash", HOST "/.well-known/openid-configuration", "{'issuer':'" HOST "/','token_endpoint':'" HOST "/t'}", "" },
        { "OpenID, with a path", HOST "/a/b/.well-known/openid-configuration", "{'issuer':'" HOST "/a/b','token_endpoint':'" HOST "/t'}", "" },
        { "RFC 8414, with a path", HOST "/.well-known/oauth-authorization-server/a", "{'issuer':'" HOST "/a','token_endpoint':'" HOST "/t'}", "" },
        { "a query of ours", HOST "/.well-known/openid-configuration?appid=1", "{'issuer':'" HOST "','token_endpoint':'" HOST "/t'}", "" },
        { "another port", HOST "/.well-known/openid-configuration", "{'issuer':'" HOST "','token_endpoint':'" HOST ":8443/t'}", "" },
        { "another issuer", HOST "/.well-known/openid-configuration", "{'issuer':'https://evil.example','token_endpoint':'" HOST "/t'}", "oauth.metadata" },
        { "a longer host", HOST "/.well-known/openid-configuration", "{'issuer':'" HOST ".evil.example','token_endpoint':'" HOST "/t'}", "oauth.metadata" },
        { "a user in the endpoint", HOST "/.well-known/openid-configuration", "{'issuer':'" HOST "','token_endpoint':'https://id.example.com@evil.example/t'}", "oauth.metadata" },
        { "another host", HOST "/.well-known/openid-configuration", "{'issuer':'" HOST "','token_endpoint':'https://evil.example/t'}", "oauth.endpoint" },
        { "http", HOST "/.well-known/openid-configuration", "{'issuer':'" HOST "','token_endpoint':'http://id.example.com/t'}", "oauth.endpoint" },
        { "not well-known", HOST "/metadata", "{'issuer':'" HOST "','token_endpoint':'" HOST "/t'}", "oauth.metadata" },
        { "no issuer", HOST "/.well-known/openid-configuration", "{'token_endpoint':'" HOST "/t'}", "oauth.metadata" },
        { "issuer a number", HOST "/.well-known/openid-configuration", "{'issuer':1,'token_endpoint':'" HOST "/t'}", "oauth.metadata" },
        { "twice", HOST "/.well-known/openid-configuration", "{'issuer':'" HOST "','token_endpoint':'" HOST "/t','token_endpoint':'" HOST "/u'}", "oauth.metadata" },
        { "nothing", HOST "/.well-known/openid-configuration", "", "oauth.metadata" },
        { "a list", HOST "/.well-known/openid-configuration", "[]", "oauth.metadata" },
        { "only keys", HOST "/.well-known/openid-configuration",
          "{'issuer':'" HOST "','token_endpoint':'" HOST "/t','token_endpoint_auth_methods_supported':['private_key_jwt']}", "oauth.metadata" },
        { "methods a text", HOST "/.well-known/openid-configuration",
          "{'issuer':'" HOST "','token_endpoint':'" HOST "/t','token_endpoint_auth_methods_supported':'none'}", "oauth.metadata" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct oauth_endpoint endpoint = { 0 };
        AUTO_FREE char *document = mem_strdup(rows[i].document);
        struct err err = { 0 };

        for (char *p = document; *p; p++)
            *p = *p == '\'' ? '"' : *p;
        oauth_read_metadata(str_c(document), rows[i].url, &endpoint, &err);
        is_str(err.id, rows[i].expected, rows[i].name);
        ok(err.id[0] == '\0' || endpoint.token_url[0] == '\0', "and nothing kept of a bad one");
    }
}

static void test_token(void)
{
    static const struct { const char *document; long long life; } rows[] = {
        { "{'access_token':'a.b-c_d~e+f/g==','token_type':'bearer','expires_in':60}", 60 },
        { "{'access_token':'a','token_type':'Bearer'}", OAUTH_LIFE_PRESET },
        { "{'access_token':'a','token_type':'Bearer','expires_in':null}", OAUTH_LIFE_PRESET },
        { "{'access_token':'a','token_type':'Bearer','expires_in':'3599'}", 3599 },
        { "{'access_token':'a','token_type':'Bearer','expires_in':9223372036854775807}", OAUTH_LIFE_MAX },
        { "{'access_token':'a','token_type':'Bearer','expires_in':99223372036854775807}", -1 },
        { "{'access_token':'a','token_type':'Bearer','expires_in':1.5}", -1 },
        { "{'access_token':'a','token_type':'Bearer','expires_in':true}", -1 },
        { "{'access_token':'a','token_type':'Bearer','expires_in':-1}", -1 },
        { "{'access_token':'a','token_type':'Bearer','expires_in':'-9'}", -1 },
        { "{'access_token':'a','token_type':'Bearer','expires_in':''}", -1 },
        { "{'access_token':'','token_type':'Bearer'}", -1 },
        { "{'access_token':7,'token_type':'Bearer'}", -1 },
        { "{'access_token':'a b','token_type':'Bearer'}", -1 },
        { "{'access_token':'a\\u0001b','token_type':'Bearer'}", -1 },
        { "{'access_token':'a\\u0000b','token_type':'Bearer'}", -1 },
        { "{'access_token':'\\u00e4','token_type':'Bearer'}", -1 },
        { "{'access_token':'a','token_type':'mac'}", -1 },
        { "{'access_token':'a','token_type':['Bearer']}", -1 },
        { "{'access_token':'a'}", -1 },
        { "{}", -1 }, { "null", -1 }, { "", -1 }, { "{'access_token':'a','token_type':'Bearer'} x", -1 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *document = mem_strdup(rows[i].document);
        AUTO_SECRET char *token = NULL;
        int64_t life = -1;
        struct err err = { 0 };
        int rc;

        for (char *p = document; *p; p++)
            *p = *p == '\'' ? '"' : *p;
        rc = oauth_read_token(str_c(document), &token, &life, &err);
        is_int(rc == 0 ? life : -1, rows[i].life, rows[i].document);
        ok((rc == 0) == (token != NULL) && (rc == 0 || (strcmp(err.id, "oauth.answer") == 0 && err.code == ERR_TEMPORARY)), "and said so");
    }
}

static void test_refusal(void)
{
    static const struct { int status; const char *document, *id, *text; } rows[] = {
        { 401, "{\"error\":\"invalid_client\"}", "oauth.invalidClient", "h gives no token: invalid_client." },
        { 401, "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret provided. Trace ID: 1\\r\\nX\"}",
          "oauth.wrongSecret", "h gives no token: invalid_client: AADSTS7000215: Invalid client secret provided." },
        { 400, "{\"error\":\"unauthorized_client\",\"error_description\":\"AADSTS700016: Not found\\u001b[0m\"}", "oauth.unknownClient",
          "h gives no token: unauthorized_client: AADSTS700016: Not found [0m" },
        { 401, "{\"error\":\"invalid_client\",\"error_description\":\"I know " SECRET "\"}", "oauth.invalidClient", "h gives no token: invalid_client." },
        { 401, "{\"error\":\"" SECRET "\"}", "oauth.answer", "h gives no token and no reason: it answered 401." },
        { 503, "<html>", "oauth.temporary", "h gives no token now: 503." },
        { 429, "{\"error\":\"slow_down\",\"error_description\":5}", "oauth.temporary", "h gives no token now: 429 slow_down." },
        { 400, "{\"error\":{}}", "oauth.answer", "h gives no token and no reason: it answered 400." },
        { 418, "", "oauth.answer", "h gives no token and no reason: it answered 418." },
    };
    struct auth_oauth2 auth = settings(0);
    char longest[4096];
    struct err err;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        is_int(oauth_read_refusal(rows[i].status, str_c(rows[i].document), "h", &auth, &err), -1, "a refusal");
        is_str(err.id, rows[i].id, rows[i].id);
        is_str(err.text, rows[i].text, "in words");
        ok(cause_of(err.id)->advice[0] && strcmp(cause_of(err.id)->code, err.id) == 0, "%s has its own advice", err.id);
    }
    snprintf(longest, sizeof(longest), "{\"error\":\"invalid_client\",\"error_description\":\"");
    for (int i = 0; i < 1000; i++)
        strcat(longest, "\303\244");
    strcat(longest, "\"}");
    oauth_read_refusal(400, str_c(longest), "h", &auth, &err);
    ok(str_is_utf8(str_c(err.text)), "long words are cut between characters");
}

static void test_stages(void)
{
    is_int(oauth_expiry_stage(DAYS(30) + 1), -1, "longer");
    is_int(oauth_expiry_stage(DAYS(30)), 30, "30 days");
    is_int(oauth_expiry_stage(DAYS(14)), 14, "14 days");
    is_int(oauth_expiry_stage(DAYS(3) + 1), 14, "a little more than 3");
    is_int(oauth_expiry_stage(1), 3, "the last moment");
    is_int(oauth_expiry_stage(0), 0, "over");
    is_str(cause_refine("auth", "auth.refused", "535 5.7.3 No"), "auth.refused", "5.7.3 says little of a password");
    is_str(cause_refine("bearer", "auth.refused", "535 5.7.3 No"), "oauth.mailbox", "but something of a token");
    is_str(cause_refine("bearer", "auth.refused", "535 5.7.30 No"), "auth.refused", "5.7.30 is another");
}

int main(void)
{
    test_check();
    test_request();
    test_metadata();
    test_token();
    test_refusal();
    test_stages();
    return done();
}
