/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks, from where, and by what name they call us. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/internal.h"
#include "http/uri.h"

static bool is_listed_name(struct http_server *server, const char *host)
{
    bool found = false;

    pthread_rwlock_rdlock(&server->names_lock);
    for (char **name = server->host_names; *name && !found; name++)
        found = strcmp(*name, host) == 0;
    pthread_rwlock_unlock(&server->names_lock);
    return found;
}

static bool is_our_host(const struct http_call *call, const struct uri_host *host)
{
    struct http_server *server = call->server;

    if (!host->literal)
        return strcmp(host->host, "localhost") == 0 || is_listed_name(server, host->host);
    if (http_is_loopback(host->host) || is_listed_name(server, host->host))
        return true;
    for (size_t i = 0; i < server->listener_count; i++)
        if (server->listeners[i].wildcard || strcmp(server->listeners[i].address, host->host) == 0)
            return true;
    return false;
}

/* A page elsewhere whose name was made to point here (DNS rebinding) comes with that name as its Host. A literal
 * address can't be such a name, so on a wildcard address any is fine. Ports are a proxy's business. */
int auth_host(struct http_call *call, struct str authority)
{
    struct uri_host host;

    if (authority.p == NULL)            /* HTTP/1.0; no browser */
        return 0;
    if (!uri_host_parse(authority, &host)) {
        call->close = true;
        http_answer_problem(call, 400, "host", NULL, "The Host field isn't a host.", NULL);
        return -1;
    }
    if (is_our_host(call, &host))
        return 0;
    http_answer_problem(call, 421, "host", NULL,
                        "This server isn't known by the name in the Host field; it has to be configured first.", NULL);
    return -1;
}

static int port_of(const struct uri_host *host, struct str scheme)
{
    return host->port >= 0 ? host->port : str_eq(scheme, STR("https")) ? 443 : 80;
}

/* Behind a proxy that ends TLS the page is https and we are not; the other way round is never right. */
static bool is_same_origin(const struct http_call *call, struct str origin)
{
    struct str scheme, authority, rest, own = call->listener->tls ? STR("https") : STR("http");
    struct uri_host theirs, ours;

    if (!uri_split(origin, &scheme, &authority, &rest) || rest.len > 0)
        return false;
    if (call->listener->tls && !str_eq(scheme, own))
        return false;
    if (!uri_host_parse(authority, &theirs) || !uri_host_parse(call->head.field[HEAD_HOST], &ours))
        return false;
    return strcmp(theirs.host, ours.host) == 0 && port_of(&theirs, scheme) == port_of(&ours, scheme);
}

int auth_origin(struct http_call *call)
{
    struct str origin = call->head.field[HEAD_ORIGIN], site = call->head.field[HEAD_SEC_FETCH_SITE];

    if (call->method == HTTP_GET)
        return 0;
    if (origin.p == NULL && (site.p == NULL || str_eq(site, STR("same-origin")) || str_eq(site, STR("none"))))
        return 0;
    if (origin.p && is_same_origin(call, origin))
        return 0;
    http_answer_problem(call, 403, "origin", NULL, "The request comes from a page of another site.", NULL);
    return -1;
}

static int refuse_guessing(struct http_call *call, int64_t wait)
{
    char seconds[24];

    snprintf(seconds, sizeof(seconds), "%lld", (long long)(wait + 999) / 1000);
    http_add_header(call, "Retry-After", seconds);
    http_answer_problem(call, 429, "rate", NULL, "Too many wrong tokens came from this address.", NULL);
    return -1;
}

/* 0 where none is needed: the caller is nobody then. */
static int refuse_token(struct http_call *call)
{
    struct guess *bad = call->server->bad_tokens;
    int64_t now = clock_mono(), wait = guess_wait(bad, "", call->identity.address, now);

    if (wait == 0)
        guess_failed(bad, "", call->identity.address, now);
    if (call->route->role == ROLE_NONE)
        return 0;
    if (wait > 0)
        return refuse_guessing(call, wait);
    http_add_header(call, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
    http_answer_problem(call, 401, "token", NULL, "The token isn't known, or isn't valid any more.", NULL);
    return -1;
}

/* Looked at before anything is counted: one script with an old token must not shut out the good ones of its address,
 * and those need no lock. */
static int take_token(struct http_call *call, struct str token)
{
    struct http_server *server = call->server;
    struct http_identity found = { .role = ROLE_NONE };

    if (token.len > 0 && server->options.check_token &&
        server->options.check_token(server->options.ctx, token, &found) == 0) {
        memcpy(found.address, call->identity.address, sizeof(found.address));
        call->identity = found;
        return 0;
    }
    return refuse_token(call);
}

/* A write with a cookie must prove that its page could read our answers. */
static int check_csrf(struct http_call *call)
{
    struct str given = call->head.field[HEAD_CSRF];

    if (call->method == HTTP_GET || call->route->role == ROLE_NONE)
        return 0;
    if (given.p && given.len == strlen(call->csrf) && mem_equal_secret(given.p, call->csrf, given.len))
        return 0;
    http_answer_problem(call, 403, "csrf", NULL, "The X-CSRF-Token field is missing or isn't that of the session.",
                        NULL);
    return -1;
}

static int take_cookie(struct http_call *call)
{
    struct str token = head_cookie(call->head.field[HEAD_COOKIE], str_c(call->listener->cookie));

    if (token.p == NULL || token.len != SESSION_TOKEN_LEN ||
        !sessions_find(call->server->sessions, token, &call->identity, call->csrf))
        return 0;
    memcpy(call->session, token.p, token.len);
    call->session[token.len] = '\0';
    return check_csrf(call);
}

static int check_role(struct http_call *call)
{
    static const char *const names[] = { "nobody", "viewer", "operator", "admin" };
    char detail[80];

    if (call->identity.role >= call->route->role) {
        if (call->identity.accounts == NULL || call->route->limited || call->route->role == ROLE_NONE)
            return 0;
        http_answer_problem(call, 403, "token.limited", NULL, "This isn't for a token that is limited to accounts.", NULL);
        return -1;
    }
    if (call->identity.role == ROLE_NONE && call->identity.user[0]) {   /* somebody who logged in with a one-time password */
        http_answer_problem(call, 403, "password.mustChange", NULL,
                            "This session opens nothing until the one-time password is changed.", NULL);
        return -1;
    }
    if (call->identity.role == ROLE_NONE) {
        http_answer_problem(call, 401, "unauthorized", NULL, "Log in, or send a token.", NULL);
        return -1;
    }
    snprintf(detail, sizeof(detail), "This needs the role %s; yours is %s.", names[call->route->role],
             names[call->identity.role]);
    http_answer_problem(call, 403, "role", NULL, detail, NULL);
    return -1;
}

int auth_caller(struct http_call *call)
{
    struct str field = call->head.field[HEAD_AUTHORIZATION];
    int rc = 0;

    if (field.p && str_starts_nocase(field, STR("Bearer ")))
        rc = take_token(call, str_trim(str_from(field, 7)));
    else if (field.p == NULL)
        rc = take_cookie(call);
    return rc < 0 ? rc : check_role(call);
}
