/* SPDX-License-Identifier: Apache-2.0 */
/* Property tables: every preset passes its own check, patches and replacements, ports that follow security. */
#include "base/buf.h"
#include "component/json.h"
#include "model/account.h"
#include "model/services.h"
#include "model/user.h"
#include "model/webhook.h"

#include <stdlib.h>

#include "tap.h"

static void test_presets(void)
{
    for (const struct component_type *const *type = model_types; *type; type++) {
        AUTO_PROBLEMS(problems);
        void *component = component_new(*type);
        json_t *config = json_object(), *schema = component_schema(*type);
        void *again;

        component_check(*type, component, &problems);
        component_to_json(*type, component, VIEW_CONFIG, config);
        again = component_replace(*type, component, config, &problems);
        ok(problems.count == 0, "%s: the defaults are valid and may be sent back", (*type)->name);
        if (problems.count)
            printf("# %s: %s\n", problems.items[0].pointer, problems.items[0].detail);
        ok(json_is_object(json_object_get(schema, "properties")), "%s has a schema", (*type)->name);
        json_decref(config);
        json_decref(schema);
        component_free(*type, component);
        component_free(*type, again);
    }
}

/* Patches applied to a new OutgoingAccount: the problems' "code pointer", joined by "; ". */
static void test_patch_problems(void)
{
    static const struct { const char *patch, *problems; } rows[] = {
        { "{\"hostname\":\"mail.example.com\"}", "" },
        { "{\"hostname\":\"gr\\u00fc\\u00dfe.example\"}", "" },
        { "{\"hostname\":\"[::1]\"}", "" },
        { "{\"hostname\":\"http://x\"}", "property.format /hostname" },
        { "{\"hostname\":\"a b\"}", "property.format /hostname" },
        { "{\"hostname\":\"a\\r\\nb\"}", "property.format /hostname" },
        { "{\"hostName\":\"x\"}", "property.unknown /hostName" },
        { "{\"port\":0}", "property.invalid /port" },
        { "{\"port\":70000}", "property.range /port" },
        { "{\"port\":\"25\"}", "property.type /port" },
        { "{\"port\":25.5}", "property.type /port" },
        { "{\"port\":-1}", "" },
        { "{\"port\":null}", "" },
        { "{\"useSsl\":true,\"useStartTls\":true}", "property.exclusive /useSsl; property.exclusive /useStartTls" },
        { "{\"useSsl\":1}", "property.type /useSsl" },
        { "{\"tlsMinProtocol\":\"sslv3\"}", "property.choice /tlsMinProtocol" },
        { "{\"transport\":\"imap\"}", "property.choice /transport" },
        { "{\"status\":{}}", "property.readOnly /status" },
        { "{\"a/b~c\":1}", "property.unknown /a~1b~0c" },
        { "{\"from\":\"nobody\"}", "property.format /from" },
        { "{\"from\":\"Plant <plant@example.com>\"}", "" },
        { "{\"emailAuthenticator\":{\"type\":\"magic\"}}", "property.choice /emailAuthenticator/type" },
        { "{\"emailAuthenticator\":\"basic\"}", "property.type /emailAuthenticator" },
        { "{\"emailAuthenticator\":{\"user\":\"x\"}}", "property.unknown /emailAuthenticator/user" },
        { "{\"emailAuthenticator\":{\"password\":{\"$file\":\"../x\"}}}", "secret.file /emailAuthenticator/password" },
        { "{\"emailAuthenticator\":{\"password\":{\"$file\":\"smtp\"}}}", "" },
        { "{\"emailAuthenticator\":{\"password\":7}}", "property.type /emailAuthenticator/password" },
        { "{\"emailAuthenticator\":{\"type\":\"none\"}}", "" },
        { "{\"port\":0,\"maxConnections\":0}", "property.range /maxConnections; property.invalid /port" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_PROBLEMS(problems);
        AUTO_BUF(found, 4096);
        json_t *patch = json_loads(rows[i].patch, 0, NULL);
        void *account = component_new(&outgoing_account_type);

        component_patch(&outgoing_account_type, account, patch, &problems);
        component_check(&outgoing_account_type, account, &problems);
        for (size_t n = 0; n < problems.count; n++)
            buf_addf(&found, "%s%s %s", n ? "; " : "", problems.items[n].code, problems.items[n].pointer);
        is_str(found.p ? found.p : "", rows[i].problems, rows[i].patch);
        json_decref(patch);
        component_free(&outgoing_account_type, account);
    }
}

static void test_ports_follow(void)
{
    static const struct { bool incoming; const char *before, *patch; int64_t port; const char *warning; } rows[] = {
        { false, "{}", "{\"useSsl\":true}", 465, "" },
        { false, "{}", "{\"useStartTls\":true}", 587, "" },
        { false, "{\"useSsl\":true}", "{\"useSsl\":false}", 25, "" },
        { false, "{\"useSsl\":true}", "{\"useSsl\":false,\"useStartTls\":true}", 587, "" },
        { false, "{\"port\":2525}", "{\"useSsl\":true}", 2525, "port.unusual" },
        { false, "{}", "{\"useSsl\":true,\"port\":25}", 25, "port.unusual" },
        { false, "{\"port\":-1}", "{\"useSsl\":true}", -1, "" },
        { true, "{}", "{}", 110, "" },
        { true, "{}", "{\"transport\":\"imap\"}", 143, "" },
        { true, "{}", "{\"transport\":\"imap\",\"useSsl\":true}", 993, "" },
        { true, "{}", "{\"useStartTls\":true}", 110, "" },
        { true, "{}", "{\"useSsl\":true}", 995, "" },
        { true, "{\"transport\":\"imap\",\"useStartTls\":true}", "{\"transport\":\"pop3\"}", 110, "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct component_type *type = rows[i].incoming ? &incoming_account_type : &outgoing_account_type;
        json_t *before = json_loads(rows[i].before, 0, NULL), *patch = json_loads(rows[i].patch, 0, NULL);
        struct account *old = component_new(type), *account;
        AUTO_PROBLEMS(problems);
        AUTO_PROBLEMS(warnings);

        component_patch(type, old, before, &problems);
        account_follow_port(type, NULL, old, json_object_get(before, "port") != NULL);
        account = component_copy(type, old);
        component_patch(type, account, patch, &problems);
        account_follow_port(type, old, account, json_object_get(patch, "port") != NULL);
        account_warnings(type, account, &warnings);
        is_int(account->port, rows[i].port, rows[i].patch);
        is_str(warnings.count ? warnings.items[0].code : "", rows[i].warning, "and its warning");
        json_decref(before);
        json_decref(patch);
        component_free(type, old);
        component_free(type, account);
    }
}

static const char *password_of(const struct account *account)
{
    const struct auth_basic *basic = account_basic(account);

    return basic ? basic->password.value : NULL;
}

static void test_secrets(void)
{
    const struct component_type *type = &outgoing_account_type;
    struct account *account = component_new(type);
    json_t *set = json_loads("{\"emailAuthenticator\":{\"username\":\"plant\",\"password\":\"s3cret\"}}", 0, NULL);
    json_t *keep = json_loads("{\"emailAuthenticator\":{\"type\":\"basic\",\"username\":\"x\",\"passwordSet\":true}}", 0, NULL);
    json_t *other = json_loads("{\"emailAuthenticator\":{\"type\":\"oauth2\"}}", 0, NULL);
    json_t *shown = json_object();
    struct account *again;
    AUTO_PROBLEMS(problems);
    char *text;

    component_patch(type, account, set, &problems);
    is_str(password_of(account), "s3cret", "a password is taken");
    component_to_json(type, account, VIEW_CONFIG, shown);
    text = json_dumps(shown, 0);
    ok(strstr(text, "s3cret") == NULL && strstr(text, "\"passwordSet\": true"), "and never shown, only that it is set");
    again = component_replace(type, account, keep, &problems);
    is_str(password_of(again), "s3cret", "a replacement with passwordSet keeps it");
    component_free(type, again);
    json_object_del(json_object_get(keep, "emailAuthenticator"), "passwordSet");
    again = component_replace(type, account, keep, &problems);
    ok(password_of(again) == NULL, "a replacement without it drops it");
    component_free(type, again);
    component_patch(type, account, other, &problems);
    is_str(((struct auth_oauth2 *)account->authenticator.value)->username, "plant", "a change of type keeps what both have");
    ok(problems.count == 0, "none of this is a problem");
    free(text);
    json_decref(set);
    json_decref(keep);
    json_decref(other);
    json_decref(shown);
    component_free(type, account);
}

static void test_names(void)
{
    static const struct { const char *name; bool good; } rows[] = {
        { "alerts", true }, { "A-1_b.c", true }, { ".hidden", false }, { "", false }, { "a/b", false }, { "\xc3\xa4", false },
        { "x234567890123456789012345678901234567890123456789012345678901234", true },
        { "x2345678901234567890123456789012345678901234567890123456789012345", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ok(component_name_ok(str_c(rows[i].name)) == rows[i].good, "name \"%s\"", rows[i].name);
    for (size_t i = 0; i < 2; i++) {
        char *title = prop_title(i ? "tlsMinProtocol" : "useStartTls");

        is_str(title, i ? "Tls Min Protocol" : "Use Start Tls", "display name");
        free(title);
    }
}

static void test_webhook_urls(void)
{
    static const struct { const char *url, *host; int64_t port; bool tls; } rows[] = {
        { "https://example.com", "example.com", 443, true }, { "HTTPS://Example.COM/a?b=c@d", "example.com", 443, true },
        { "http://127.0.0.1:8080/x", "127.0.0.1", 8080, false }, { "https://[2001:DB8::1]:8443?x", "2001:db8::1", 8443, true },
        { "https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, true },
        { "", NULL, 0, false }, { "https://", NULL, 0, false }, { "https:///x", NULL, 0, false }, { "ftp://example.com/", NULL, 0, false },
        { "//example.com/", NULL, 0, false }, { "https:example.com", NULL, 0, false }, { "https://a@b/", NULL, 0, false },
        { "https://a:b@c/", NULL, 0, false }, { "https://example.com/#f", NULL, 0, false }, { "https://example.com:/", NULL, 0, false },
        { "https://example.com:0/", NULL, 0, false }, { "https://example.com:65536/", NULL, 0, false },
        { "https://example.com:8a/", NULL, 0, false }, { "https://exam ple.com/", NULL, 0, false },
        { "https://example.com\\@127.0.0.1/", NULL, 0, false }, { "https://example.com%2f/", NULL, 0, false },
        { "https://[::1/", NULL, 0, false }, { "https://[::1]x/", NULL, 0, false }, { "https://[127.0.0.1]/", NULL, 0, false },
        { "https://b\xc3\xbc""cher.example/", NULL, 0, false }, { "https://example.com/\n", NULL, 0, false },
        { "https://example.com;x/", NULL, 0, false }, { "https://-x..y/", NULL, 0, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct webhook_url url;
        const char *fault = webhook_url_parse(rows[i].url, &url);

        ok(rows[i].host ? fault == NULL && strcmp(url.host, rows[i].host) == 0 && url.port == rows[i].port && url.tls == rows[i].tls
                        : fault != NULL, "a webhook's url: %.40s", rows[i].host ? rows[i].url : fault ? fault : rows[i].url);
    }
}

int main(void)
{
    test_presets();
    test_patch_problems();
    test_ports_follow();
    test_secrets();
    test_names();
    test_webhook_urls();
    return done();
}
