/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/internal.h - what the files of this folder share. Nobody else includes it. */
#ifndef POSTERN_HTTP_INTERNAL_H
#define POSTERN_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "http/guess.h"
#include "http/head.h"
#include "http/http.h"

#define PARAMS_MAX 8
#define QUERIES_MAX 24
#define URI_MAX 8192
#define BODY_PRESET (1 << 20)
#define BODY_DISCARD (64 << 20)     /* of a chunked body that is too large: read and forgotten, so that 413 can be told */
#define BODY_DRAIN (64 << 10)       /* a refused body up to this is read, so that the connection lives on */
#define EXTRA_MAX (16 << 10)        /* headers a handler adds */
#define SESSION_TOKEN_LEN 43
#define COOKIE_NAME_MAX 40
#define PHASE_LONGEST SECONDS(60)   /* for a head, a body, or a handshake */
#define BODY_SLOWEST 64             /* bytes a millisecond; a body may take longer by that */

/* Whose turn it is. The one who moves a call from PARKED resumes its connection; nobody else may.
 *
 *     RUNNING -> ANSWERED             answered before its handler returned
 *     RUNNING -> PARKED -> ANSWERED   answered later
 *     PARKED -> ABANDONED -> DROPPED  the server stopped first (503); then the answer came, and is thrown away
 *     ABANDONED -> ORPHAN             the connection has gone meanwhile: the late answer frees the call */
enum call_state { CALL_RUNNING, CALL_PARKED, CALL_ANSWERED, CALL_ABANDONED, CALL_DROPPED, CALL_ORPHAN };

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_BUSY };

struct pair {
    const char *name, *value;
};

/* One for each connection, used again for each of its requests. */
struct http_call {
    struct http_server *server;
    struct listener *listener;
    struct MHD_Connection *connection;
    struct http_call *next, *prev;      /* server->calls */
    int fd;
    _Atomic enum phase phase;
    _Atomic int64_t phase_since;        /* clock_mono() */
    bool linger;                        /* refused with its body unread: see reaper.c */

    _Atomic enum call_state state;
    bool counted;                       /* a request is open */
    bool close;                         /* no further request on this connection */
    bool is_head;                       /* HEAD, served as GET */
    enum http_method method;
    const struct http_route *route;
    struct head head;
    struct buf uri;                     /* the path, NUL, the query: as they came */
    struct buf decoded;                 /* parameters and queries */
    size_t query_at;                    /* of uri; 0: none */
    struct pair params[PARAMS_MAX], queries[QUERIES_MAX];
    size_t param_count, query_count;
    struct buf body;
    bool discard;                       /* the body is read and thrown away */
    size_t discarded;
    bool too_large;                     /* the body grew past what the route takes */
    char request_id[65];
    struct http_identity identity;
    char session[SESSION_TOKEN_LEN + 1];    /* the cookie of the session that counts, or "" */
    char csrf[44];

    struct buf extra;                   /* headers to add: name, NUL, value, NUL, … */
    struct MHD_Response *response;      /* ours until it is queued */
    int status;
};

struct listener {
    struct MHD_Daemon *daemon;
    char address[64];
    uint16_t port;
    bool tls, wildcard, hsts;
    char cookie[COOKIE_NAME_MAX];       /* of sessions: browsers keep cookies by host, whatever the port */
    struct http_server *server;
};

struct http_server {
    struct http_options options;
    struct listener *listeners;
    size_t listener_count;
    pthread_rwlock_t names_lock;
    char **host_names;                  /* NULL-terminated; ours; as uri_host_parse writes them */
    struct router *router;
    struct sessions *sessions;
    struct guess *bad_tokens;
    struct asset_index *assets;
    bool parses_in_place;               /* libmicrohttpd is the one that framing.h is about */
    struct MHD_Response *stopping_answer;
    atomic_bool stopping;               /* who comes now is sent away */
    atomic_bool abandoning;             /* and who waits as well */
    bool stopped;
    atomic_uint_least64_t id_count, requests, by_class[6];
    atomic_uint_least64_t open_connections, open_requests;
    uint64_t id_seed;
    pthread_mutex_t lock;               /* calls, streams */
    struct http_call *calls;
    struct http_wake *streams;
    struct reaper *reaper;
};

/* router.c */
struct router *router_new(const struct http_route *const *tables);
void router_free(struct router *router);
struct router_hit {
    const struct http_route *by_method[HTTP_DELETE + 1];    /* all NULL: no such path */
    struct str segments[PARAMS_MAX];    /* what the {…} took, undecoded, in the order of the pattern */
    size_t segment_count;
};
bool router_find(const struct router *router, const char *path, int method /* -1: any */, struct router_hit *hit);
const char *http_method_name(enum http_method method);

/* call.c */
struct http_call *call_new(struct http_server *server, struct listener *listener);
void call_reset(struct http_call *call);        /* for the next request */
void call_free(struct http_call *call);
int call_take_params(struct http_call *call, const struct router_hit *hit);     /* -1: badly encoded */
/* Each answers and returns -1, or returns 0. */
int call_take_queries(struct http_call *call);  /* decodes */
int call_check_queries(struct http_call *call); /* against the route */
/* All fields of that name as one list (RFC 9110 5.3), in `into` when there are several; .p NULL when absent. */
struct str call_list(struct http_call *call, enum head_field field, struct buf *into);

/* request.c */
enum MHD_Result request_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *upload, size_t *upload_len, void **con_cls);
void *request_uri(void *cls, const char *uri, struct MHD_Connection *connection);
void request_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                       enum MHD_RequestTerminationCode why);

/* auth.c: each answers and returns -1, or returns 0. */
int auth_host(struct http_call *call, struct str authority);
int auth_origin(struct http_call *call);
int auth_caller(struct http_call *call);

/* answer.c */
/* Adds our headers and those of the handler. `etag`: bare or NULL; `cache` NULL: no-store. */
struct MHD_Response *answer_dress(struct http_call *call, struct MHD_Response *response, const char *ctype,
                                  const char *etag, const char *cache);
struct MHD_Response *answer_dress_unchanged(struct http_call *call, struct MHD_Response *response, const char *etag,
                                            const char *cache);
void answer_give(struct http_call *call, int status, struct MHD_Response *response);     /* taken */
const char *answer_extra(const struct http_call *call, const char *name);       /* NULL: not added */

/* session.c */
struct sessions *sessions_new(int64_t idle_ms, int64_t life_ms);
void sessions_free(struct sessions *sessions);
void sessions_set_limits(struct sessions *sessions, int64_t idle_ms, int64_t life_ms);
bool sessions_find(struct sessions *sessions, struct str token, struct http_identity *identity, char csrf[44]);

/* assets.c */
struct asset_index *asset_index_new(const struct asset *list, size_t count);
void asset_index_free(struct asset_index *index);
bool assets_has(const struct asset_index *index, const char *path);
void assets_answer(struct http_call *call, const char *path);

/* reaper.c: ends connections that keep a head, a body or a handshake for too long, and reads off what refused
 * clients still send, for otherwise the kernel's reset would overtake our answer. */
struct reaper *reaper_new(struct http_server *server);
void reaper_free(struct reaper *reaper);
void reaper_linger(struct reaper *reaper, int fd);      /* dup()s it */

/* stream.c */
void streams_end(struct http_server *server);

/* listen.c: a bound, listening socket; `*port` gets the real one. */
int listen_open(const char *address, uint16_t *port, struct err *err);

#endif
