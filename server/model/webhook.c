/* SPDX-License-Identifier: Apache-2.0 */
#include "model/webhook.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

#define URL_MAX 2000
#define SECRET_LEAST 16                 /* bytes of key */

/* ---- the address ---- */

static bool is_ipv6(const char *text)
{
    struct in6_addr address;

    return inet_pton(AF_INET6, text, &address) == 1;
}

/* `rest` begins with the host; what follows it remains. */
static const char *take_host(struct str *rest, struct webhook_url *ret)
{
    bool bracket = rest->len > 0 && rest->p[0] == '[';
    const char *end = bracket ? memchr(rest->p, ']', rest->len) : NULL;
    size_t from = bracket, len = 0;

    if (bracket && end == NULL)
        return "has a bracket that is not closed.";
    if (bracket)
        len = (size_t)(end - rest->p) - 1;
    else
        while (len < rest->len && (isalnum((unsigned char)rest->p[len]) || rest->p[len] == '.' || rest->p[len] == '-'))
            len++;
    if (len == 0 || len >= sizeof(ret->host))
        return "must name a host, in ASCII (xn--… for other scripts).";
    for (size_t i = 0; i < len; i++)
        ret->host[i] = (char)tolower((unsigned char)rest->p[from + i]);
    ret->host[len] = '\0';
    if (bracket ? !is_ipv6(ret->host) : !component_host_ok(ret->host))
        return "must name a host: a DNS name or an IP address.";
    *rest = str_from(*rest, len + 2 * from);
    return NULL;
}

static const char *take_port(struct str *rest, struct webhook_url *ret)
{
    size_t len = 1;

    ret->port = ret->tls ? 443 : 80;
    if (rest->len == 0 || rest->p[0] != ':')
        return NULL;
    while (len < rest->len && isdigit((unsigned char)rest->p[len]))
        len++;
    if (!str_to_int(str_n(rest->p + 1, len - 1), &ret->port) || ret->port < 1 || ret->port > 65535)
        return "has a port that is not from 1 to 65535.";
    *rest = str_from(*rest, len);
    return NULL;
}

const char *webhook_url_parse(const char *text, struct webhook_url *ret)
{
    struct str rest = str_c(text);
    const char *fault;

    *ret = (struct webhook_url){ .tls = str_starts_nocase(rest, STR("https://")) };
    if (!ret->tls && !str_starts_nocase(rest, STR("http://")))
        return "must begin with https:// (or http:// for what webhookPrivateTargets names).";
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '\\')
            return "has a character that must be written as %XX.";
    if (strchr(text, '#'))
        return "must not have a fragment (#).";
    rest = str_from(rest, ret->tls ? 8 : 7);
    if (memchr(rest.p, '@', strcspn(rest.p, "/?")))
        return "must not have a user or password in it; what is sent is signed instead.";
    if ((fault = take_host(&rest, ret)) || (fault = take_port(&rest, ret)))
        return fault;
    return rest.len == 0 || rest.p[0] == '/' || rest.p[0] == '?' ? NULL : "has something odd after its host.";
}

static const char *check_url(const void *component, const struct prop *prop)
{
    const char *text = ((const struct webhook *)component)->url;
    struct webhook_url url;

    (void)prop;
    return *text ? webhook_url_parse(text, &url) : NULL;
}

/* ---- the secret ---- */

static const char *check_secret(const void *component, const struct prop *prop)
{
    const struct secret *secret = PROP_VALUE_CONST(component, prop, struct secret);
    struct str text = str_c(secret->value);
    struct buf key;
    bool good;

    if (secret->value == NULL)          /* none yet, or a file that is read at use */
        return NULL;
    buf_init_secret(&key, WEBHOOK_SECRET_MAX);
    good = str_starts(text, STR(WEBHOOK_SECRET_PREFIX)) &&
           base64_decode(str_from(text, strlen(WEBHOOK_SECRET_PREFIX)), &key) == 0 && key.len >= SECRET_LEAST;
    buf_free(&key);
    return good ? NULL : "must be whsec_ and then 16 to 128 bytes in base64; leave it out to have one made.";
}

/* ---- the type ---- */

static const char *check_names(const void *component, const struct prop *prop)
{
    const json_t *names = *PROP_VALUE_CONST(component, prop, json_t *), *name;
    size_t i;

    json_array_foreach(names, i, name)
        if (!component_name_ok(str_c(json_string_value(name))))
            return "must be names of accounts.";
    return NULL;
}

static const struct prop webhook_props[] = {
    { .name = "enabled", .type = PROP_BOOL, .preset = "true", PROP_AT(struct webhook, enabled, bool), .group = "General",
      .doc = "A disabled webhook is told nothing, and later not what it missed." },
    { .name = "description", .type = PROP_TEXT, PROP_AT(struct webhook, description, char *), .group = "General",
      .doc = "Free text." },
    { .name = "url", .type = PROP_STRING, .range = { 0, URL_MAX }, .flags = PROP_REQUIRED, PROP_AT(struct webhook, url, char *),
      .group = "Target", .check = check_url,
      .doc = "Where events are posted to; plain http and private addresses only where the WebService names them." },
    { .name = "secret", .type = PROP_SECRET, PROP_AT(struct webhook, secret, struct secret), .group = "Target",
      .check = check_secret,
      .doc = "Signs what is sent, so that the target can tell it from what others send; whsec_ and base64. Made when not given." },
    { .name = "events", .type = PROP_STRINGS, .range = { 0, 100 }, PROP_AT(struct webhook, events, json_t *), .group = "Events",
      .doc = "Types (message.sent) and prefixes (message.*) that are told; none: all." },
    { .name = "accounts", .type = PROP_STRINGS, .range = { 0, 1000 }, PROP_AT(struct webhook, accounts, json_t *),
      .group = "Events", .check = check_names, .doc = "Accounts whose events are told; none: all, and what concerns no account." },
    { .name = "status", .type = PROP_JSON, .flags = PROP_READONLY, PROP_AT(struct webhook, status, json_t *), .group = "Status",
      .doc = "Whether the target takes what is sent, since when, and how much waits." },
    { 0 }
};
const struct component_type webhook_type = {
    .name = "Webhook", .table = "webhook", .size = sizeof(struct webhook), .props = webhook_props,
    .doc = "A target that is told over HTTP what happened.",
};

/* ---- deliveries ---- */

const char *const delivery_state_names[] = { "waiting", "delivered", "failed", "canceled", NULL };

int delivery_state_from(const char *name)
{
    for (int state = 0; state < DELIVERY_STATES; state++)
        if (strcmp(name, delivery_state_names[state]) == 0)
            return state;
    return -1;
}

void delivery_free(struct delivery *delivery)
{
    if (delivery == NULL)
        return;
    free(delivery->webhook);
    free(delivery->type);
    free(delivery->body);
    free(delivery->code);
    free(delivery->cause);
    free(delivery);
}
