/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/http.h - the HTTP server: listeners, routes, who calls, and one answer a call. Knows no resource.
 *
 * A route table says which handler answers which path. When a handler runs, the request is whole, of a size and
 * media type the route takes, from a Host we answer to, and from somebody of the role at least. The handler
 * answers exactly once with one of http_answer…(), then or later, from any thread; until then the connection
 * is parked and costs no thread. After the answer the call belongs to the server again: don't touch it. */
#ifndef POSTERN_HTTP_HTTP_H
#define POSTERN_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/assets.h"

enum http_method { HTTP_GET, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE };    /* HEAD comes as GET */

enum role { ROLE_NONE /* open to all */, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN };

struct http_call;
struct http_server;
typedef void http_handler(struct http_call *call);

/* Tables end with a row whose pattern is NULL. A segment "{name}" takes any one segment; a literal one wins. */
struct http_route {
    enum http_method method;
    const char *pattern;        /* "/api/v1/accounts/{name}" */
    enum role role;             /* at least */
    http_handler *handler;
    size_t body_max;            /* bytes; 0: 1 MiB */
    const char *media;          /* types of body taken, separated by spaces; NULL: JSON and JSON Merge Patch */
    bool limited;               /* also for a token that is limited (http_identity.accounts); the handler looks at the limits */
    /* Names of the query's parameters, with a space between; "dryRun?" is true or false. A write refuses others. */
    const char *query;
    const char *summary, *request, *answer;     /* words for the API's description; not read here */
};

/* Who calls. */
struct http_identity {
    char user[65];              /* "" when nobody is logged in */
    enum role role;
    char token_id[33];          /* "" for a session */
    char address[64];           /* of the peer; filled here */
    void *accounts;             /* what the token is restricted to; belongs to who filled it in */
};

/* The request. What is returned lives as long as the call; NULL when it isn't there. */
void *http_context(struct http_call *call);                     /* http_options.ctx */
struct http_server *http_server_of(struct http_call *call);
enum http_method http_method_of(struct http_call *call);
const char *http_path(struct http_call *call);                  /* as it came, without the query */
const char *http_param(struct http_call *call, const char *name);       /* a "{name}" of the route, decoded */
const char *http_query(struct http_call *call, const char *name);       /* the first of the name, decoded */
bool http_query_flag(struct http_call *call, const char *name);         /* of a "name?": true only for true */
const char *http_header(struct http_call *call, const char *name);      /* any case; the first of the name */
struct str http_body(struct http_call *call);
const char *http_request_id(struct http_call *call);
const struct http_identity *http_identity(struct http_call *call);
bool http_is_tls(struct http_call *call);

/* May a write go on, given what is there (its ETag without quotes, or NULL when nothing is)? If-Match and
 * If-None-Match, RFC 9110; false means: answer 412. */
bool http_preconditions(struct http_call *call, const char *etag);
/* Has a reader this already? True means: answer 304. */
bool http_not_modified(struct http_call *call, const char *etag);

/* Before the answer. Replaces one of ours of that name (Cache-Control); several Set-Cookie stay. */
/* What isn't fit for a head (a line end!) is left out, and logged. */
void http_add_header(struct http_call *call, const char *name, const char *value);

/* The answer, exactly one. */
void http_answer(struct http_call *call, int status, const char *ctype, struct str body);         /* copied */
void http_answer_buf(struct http_call *call, int status, const char *ctype, struct buf *body);    /* taken */
void http_answer_bytes(struct http_call *call, int status, const char *ctype, struct bytes *body); /* a hold taken */
/* `size` bytes of a file from its beginning; `fd` is taken. What is large goes out as it is read, and is never in memory as a whole. */
void http_answer_file(struct http_call *call, int status, const char *ctype, int fd, uint64_t size);
void http_answer_empty(struct http_call *call, int status);
/* application/problem+json, RFC 9457. An internal error is logged; the caller of the API learns its request id only. */
void http_answer_err(struct http_call *call, const struct err *err);
/* `code` is ours and dotted; `errors` is a JSON array as text; each but the status may be NULL. */
void http_answer_problem(struct http_call *call, int status, const char *code, const char *title,
                         const char *detail, const char *errors);
int http_status_of(enum err_code code);                         /* the one table of codes and statuses */

/* An answer made once and sent many times: body, ETag and every header of ours but the request id. It never
 * changes; the last holder frees it. `etag` is bare or NULL. A reader that has it gets 304. */
struct http_ready;
struct http_ready *http_ready_new(int status, const char *ctype, struct str body, const char *etag);
struct http_ready *http_ready_hold(struct http_ready *ready);   /* returns `ready` */
void http_ready_free(struct http_ready *ready);                 /* lets go; NULL is fine */
void http_answer_ready(struct http_call *call, struct http_ready *ready);       /* the caller keeps its hold */
MEM_FREEP(http_ready)

/* An answer that goes on (Server-Sent Events). `read` puts up to `max` bytes into `at` and returns how many, 0
 * for "nothing now; http_stream_wake() comes", or -1 for the end. It runs on a thread of the server and must not
 * wait. `close` runs once, when nothing will be read any more; waking does nothing then. */
struct http_stream {
    ptrdiff_t (*read)(void *ctx, char *at, size_t max);
    void (*close)(void *ctx);
    void *ctx;
};
/* `*wake` is given before anything is read; free it with http_wake_free once no one will wake any more. */
struct http_wake;
void http_answer_stream(struct http_call *call, const char *ctype, const struct http_stream *stream,
                        struct http_wake **wake);
void http_stream_wake(struct http_wake *wake);                  /* from any thread, as often as you like */
void http_wake_free(struct http_wake *wake);                    /* NULL is fine */

/* Sessions of people, kept in memory only. The cookie is postern_session_<port>, over TLS with __Host- before it (RFC 6265bis
 * 4.1.3): two servers on one host don't log each other's people out. */
/* 0 and a Set-Cookie on the answer; -1 without random numbers. At most 1,000: the one idle longest gives way. */
int http_session_new(struct http_call *call, const struct http_identity *identity, char csrf[44]);
const char *http_session_csrf(struct http_call *call);          /* NULL without a session */
/* ms: how long it may lie idle, and how long it may still live in any case; those of a new one, where the call has none. */
void http_session_limits(struct http_call *call, int64_t *idle, int64_t *left);
void http_session_end(struct http_call *call);                  /* of this call; takes the cookie back */
void http_session_end_user(struct http_server *server, const char *user);
/* The user's role changed: sessions go on with the new one. */
void http_session_set_role(struct http_server *server, const char *user, enum role role);

/* The session of a call, to be asked for later: an answer that goes on ends with it. "" when the call has none. */
struct http_ticket { char text[65]; };
void http_session_ticket(struct http_call *call, struct http_ticket *ret);
/* The role it has by now; ROLE_NONE when it is over. Asking is no use of it. Any thread. */
enum role http_session_role(struct http_server *server, const struct http_ticket *ticket);

struct http_listener {
    const char *address;        /* IP literal without brackets */
    uint16_t port;              /* 0: any free one */
    const char *cert_pem, *key_pem;     /* NULL: plain HTTP */
    void (*certificate)(void);          /* instead of them: gives them at each handshake (tls/server_cert.h) */
    bool hsts;                          /* with TLS: browsers are to come back with nothing else (RFC 6797) */
};

struct http_options {
    void *ctx;
    const struct http_listener *listeners;
    size_t listener_count;
    const struct http_route *const *tables;     /* NULL-terminated; must outlive the server */
    int threads;                                /* for each listener; 0: one per core */
    /* 0 with `*ret` filled, or -1 for a token we don't know. On a server thread: in memory and fast. */
    int (*check_token)(void *ctx, struct str token, struct http_identity *ret);
    const char *const *host_names;              /* further names (A-labels) we answer to, NULL-terminated; may be NULL */
    int64_t session_idle_ms, session_life_ms;   /* 0: 30 minutes, 12 hours */
    const struct asset *assets;                 /* must outlive the server */
    size_t asset_count;
};

struct http_stats {
    uint64_t requests;
    uint64_t by_class[6];       /* answers with status 1xx … 5xx at [1] … [5] */
    uint64_t open_connections;
};

int http_open(struct http_server **ret, const struct http_options *options, struct err *err);
/* From now on, on every listener. What isn't a host is left out. */
void http_set_host_names(struct http_server *server, const char *const *names);
/* Also for the sessions there are; 0: 30 minutes, 12 hours. */
void http_set_session_limits(struct http_server *server, int64_t idle_ms, int64_t life_ms);
uint16_t http_port(struct http_server *server, size_t listener);        /* the real one */
void http_stats(struct http_server *server, struct http_stats *ret);
/* No new connections, streams end; calls under way have a second, then parked ones get 503. Answers that come later are dropped. */
void http_stop(struct http_server *server);
/* After everyone who may still answer a call has done so or will not. Stops first; NULL is fine. */
void http_free(struct http_server *server);

/* "127.0.0.1:8025", "[::1]:0". */
int http_parse_listen(const char *text, char address[64], uint16_t *port, struct err *err);
bool http_is_loopback(const char *address);

#endif
