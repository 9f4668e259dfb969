/* SPDX-License-Identifier: Apache-2.0 */
/* Who may pass: target, Host, Origin, identity, body. Each returns 0, or -1 after it has refused the call. */
#include <stdio.h>
#include <strings.h>

#include "http/internal.h"

static int refuse(struct http_call *call, int status, const char *code, const char *detail)
{
    call_refuse(call, status, code, detail);
    return -1;
}

static bool is_write(const struct http_call *call)
{
    return call->method != HTTP_GET && !call->is_options;
}

/* A call that is kept may outlive what libmicrohttpd holds of it, when the server stops; those that are kept write. */
static struct str keep(struct http_call *call, struct str text)
{
    char *copy;

    if (!is_write(call))
        return text;
    copy = call_alloc(call, text.len + 1);
    memcpy(copy, text.p, text.len);
    return str_n(copy, text.len);
}

/* RFC 9112 3.2: origin-form, absolute-form (whose authority then counts, not Host), and OPTIONS *. */
int guard_target(struct http_call *call, const char *url)
{
    struct str scheme, authority = call->head.field[HEAD_HOST], rest = str_c(url);

    if (url[0] != '/' && uri_split(str_c(url), &scheme, &authority, &rest))
        url = rest.len ? rest.p : "/";
    else if (url[0] != '/' && !(call->is_options && strcmp(url, "*") == 0))
        return refuse(call, 400, "request.target", "The request has a target that isn't a path.");
    if (authority.p)
        call->authority = keep(call, authority);
    call->path = keep(call, str_c(url)).p;
    return 0;
}

/* A page of somewhere else whose name was made to point at us (DNS rebinding) shows itself in the Host field. */
int guard_host(struct http_call *call)
{
    const struct listener *listener = call->listener;
    struct uri_host host;

    if (call->authority.p == NULL)              /* HTTP/1.0 without one: no browser */
        return 0;
    if (!uri_host_parse(call->authority, &host)) {
        call->close = true;
        return refuse(call, 400, "request.host", "The Host field isn't a host.");
    }
    if (host.literal && (listener->wildcard || strcmp(host.host, listener->address) == 0))
        return 0;
    if (listener->loopback && (strcmp(host.host, "localhost") == 0 || strcmp(host.host, "127.0.0.1") == 0 ||
                               strcmp(host.host, "::1") == 0))
        return 0;
    if (map_get(call->server->hosts, host.host))
        return 0;
    return refuse(call, 421, "request.host", "This server doesn't go by the name in the Host field.");
}

static int port_or(int port, bool tls)
{
    return port >= 0 ? port : tls ? 443 : 80;
}

/* Same scheme, host and port; behind a proxy that ends TLS a listener on loopback sees https in Origin only. */
static bool is_own_origin(const struct http_call *call, struct str origin)
{
    struct str scheme, authority, rest;
    struct uri_host theirs, ours;
    bool tls;

    if (!uri_split(origin, &scheme, &authority, &rest) || rest.len || !uri_host_parse(authority, &theirs) ||
        !uri_host_parse(call->authority, &ours))
        return false;
    tls = scheme.len == 5;
    if (tls != call->listener->tls && !(tls && call->listener->loopback))
        return false;
    return strcmp(theirs.host, ours.host) == 0 && port_or(theirs.port, tls) == port_or(ours.port, tls);
}

int guard_origin(struct http_call *call)
{
    struct str origin = call->head.field[HEAD_ORIGIN], site = call->head.field[HEAD_SEC_FETCH_SITE];

    if (!is_write(call))
        return 0;
    if (origin.p && !is_own_origin(call, origin))
        return refuse(call, 403, "request.origin", "This request comes from a page of another origin.");
    if (site.p && !str_eq_nocase(site, STR("same-origin")) && !str_eq_nocase(site, STR("none")))
        return refuse(call, 403, "request.origin", "This request comes from a page of another site.");
    return 0;
}

static int unauthorized(struct http_call *call, bool bad_token)
{
    http_add_header(call, "WWW-Authenticate", bad_token ? "Bearer error=\"invalid_token\"" : "Bearer");
    return refuse(call, 401, "unauthorized", bad_token ? "This token isn't valid, or not any more."
                  : "Log in first, or send an API token.");
}

/* A good token always passes: nobody guesses 256 bits, and others may share the address. */
static int bad_token(struct http_call *call)
{
    struct guess *guess = call->server->guess;
    int64_t now = clock_mono();
    char seconds[16];
    int wait;

    if (guess_allowed(guess, NULL, call->identity.address, now, &wait)) {
        guess_failed(guess, NULL, call->identity.address, now);
        return unauthorized(call, true);
    }
    snprintf(seconds, sizeof(seconds), "%d", wait);
    http_add_header(call, "Retry-After", seconds);
    return refuse(call, 429, "rate", "Too many wrong tokens came from this address. Wait, then try again.");
}

enum found { NOBODY, SOMEBODY, BAD_TOKEN, BAD_CSRF };

static enum found find_session(struct http_call *call)
{
    struct str cookie = head_cookie(call->head.field[HEAD_COOKIE], str_c(call->listener->cookie));
    struct str csrf = call->head.field[HEAD_CSRF];

    if (cookie.p == NULL ||
        !session_find(call->server->sessions, cookie, clock_mono(), &call->identity, call->csrf))
        return NOBODY;
    if (!is_write(call) ||
        (csrf.p && csrf.len == strlen(call->csrf) && mem_equal_secret(csrf.p, call->csrf, csrf.len)))
        return SOMEBODY;
    return BAD_CSRF;
}

static enum found find_identity(struct http_call *call)
{
    const struct http_auth *auth = &call->server->auth;
    struct str field = call->head.field[HEAD_AUTHORIZATION];
    char address[sizeof(call->identity.address)];

    if (field.p == NULL)
        return find_session(call);
    if (!str_starts_nocase(field, STR("Bearer ")) || auth->token == NULL)
        return BAD_TOKEN;
    memcpy(address, call->identity.address, sizeof(address));
    if (auth->token(auth->ctx, str_trim(str_from(field, 7)), &call->identity) < 0)
        return BAD_TOKEN;
    memcpy(call->identity.address, address, sizeof(address));
    return SOMEBODY;
}

static void be_nobody(struct http_call *call)
{
    call->identity.username[0] = call->identity.token_id[0] = call->csrf[0] = '\0';
    call->identity.role = ROLE_NONE;
    call->identity.session = false;
}

/* A route for all knows who comes, too, but takes everyone: the login page has an old cookie now and then. */
int guard_identity(struct http_call *call)
{
    enum found found = find_identity(call);
    char words[96];

    if (found != SOMEBODY && (found != BAD_CSRF || call->route->role == ROLE_NONE))
        be_nobody(call);
    if (call->route->role == ROLE_NONE)
        return 0;
    if (found == BAD_TOKEN)
        return bad_token(call);
    if (found == BAD_CSRF)
        return refuse(call, 403, "csrf", "X-CSRF-Token is missing, or isn't the one of this session.");
    if (found == NOBODY)
        return unauthorized(call, false);
    if (call->identity.role >= call->route->role)
        return 0;
    snprintf(words, sizeof(words), "This needs the role %s.", role_name(call->route->role));
    return refuse(call, 403, "role", words);
}

static bool is_accepted(const char *media, const char *type)
{
    struct str rest = str_c(media), one;

    while (str_split(&rest, ' ', &one))
        if (str_eq(one, str_c(type)))
            return true;
    return false;
}

static const char *media_of(const struct http_route *route)
{
    if (route->media)
        return route->media;
    return route->method == HTTP_PATCH ? "application/merge-patch+json application/json" : "application/json";
}

static int wrong_type(struct http_call *call, const char *media)
{
    char words[256];

    snprintf(words, sizeof(words), "The body has to be one of: %s.", media);
    return refuse(call, 415, "mediaType", words);
}

int guard_body(struct http_call *call)
{
    const struct http_route *route = call->route;
    struct str coding = call->head.field[HEAD_CONTENT_ENCODING], type = call->head.field[HEAD_CONTENT_TYPE];
    size_t max = route->body_max ? route->body_max : HTTP_BODY_MAX;
    char words[96];

    if (call->head.length > max) {
        call->close = true;
        snprintf(words, sizeof(words), "The body may have up to %zu bytes here.", max);
        return refuse(call, 413, "tooLarge", words);
    }
    if (coding.p && coding.len && !str_eq_nocase(coding, STR("identity"))) {
        http_add_header(call, "Accept-Encoding", "identity");
        return refuse(call, 415, "mediaType", "The body has to come without Content-Encoding.");
    }
    if (max <= HTTP_BODY_MAX)
        buf_init_secret(&call->body, max);      /* a password may be in it */
    else
        buf_init(&call->body, max);
    if (type.p && !head_media_type(type, call->type, sizeof(call->type)))
        call->type[0] = '\0';
    if (is_write(call) && (call->head.length > 0 || call->head.chunked || type.p) &&
        !is_accepted(media_of(route), call->type))
        return wrong_type(call, media_of(route));
    return 0;
}
