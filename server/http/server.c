/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, stopping, and the connections in between. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/crypto.h"
#include "http/internal.h"
#include "http/uri.h"

#define CONNECTIONS_MAX 1000
#define CONNECTION_MEMORY (32 << 10)
#define IDLE_SECONDS 30
#define FINISH_PATIENCE SECONDS(1)      /* for calls under way to be answered, when stopping */
#define STOP_PATIENCE SECONDS(2)        /* for 503s and last answers to get out */
#define PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define FREE_FAILURES 10                /* wrong tokens of one address */

/* 0.9.75 writes the head of its own refusals twice; what its strictness adds to ours is a missing Host and a space in
 * the address, and those are seen by us. Later ones answer once, and look at line ends themselves. */
#define STRICTNESS (MHD_VERSION < 0x00097600 ? 0 : 1)

__attribute__((format(printf, 2, 0))) static void log_mhd(void *cls, const char *fmt, va_list args)
{
    char text[256];

    (void)cls;
    vsnprintf(text, sizeof(text), fmt, args);
    log_debug("http", "%s", text);
}

/* Paths and queries are decoded by us. */
static size_t leave_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls, (void)connection;
    return strlen(text);
}

static void set_address(struct http_call *call, const struct sockaddr *peer)
{
    char text[INET6_ADDRSTRLEN] = "", literal[48];

    if (peer && peer->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, text, sizeof(text));
    else if (peer && peer->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)peer)->sin6_addr, text, sizeof(text));
    if (uri_literal(text, literal))
        snprintf(call->identity.address, sizeof(call->identity.address), "%s", literal);
}

static void connection_starts(struct listener *listener, struct MHD_Connection *connection, void **socket_context)
{
    struct http_server *server = listener->server;
    struct http_call *call = call_new(server, listener);
    const union MHD_ConnectionInfo *info;

    call->connection = connection;
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    set_address(call, info ? info->client_addr : NULL);
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    call->fd = info ? info->connect_fd : -1;
    atomic_init(&call->phase, PHASE_HEAD);
    atomic_init(&call->phase_since, clock_mono());
    atomic_fetch_add(&server->open_connections, 1);
    pthread_mutex_lock(&server->lock);
    call->next = server->calls;
    if (call->next)
        call->next->prev = call;
    server->calls = call;
    pthread_mutex_unlock(&server->lock);
    *socket_context = call;
}

/* The descriptor is closed after this. Whoever still owes an answer keeps the call. */
static void connection_ends(struct http_call *call)
{
    struct http_server *server = call->server;
    enum call_state was = CALL_ABANDONED;

    pthread_mutex_lock(&server->lock);
    *(call->prev ? &call->prev->next : &server->calls) = call->next;
    if (call->next)
        call->next->prev = call->prev;
    pthread_mutex_unlock(&server->lock);
    if (call->linger && call->fd >= 0)
        reaper_linger(server->reaper, call->fd);
    atomic_fetch_sub(&server->open_connections, 1);
    if (!atomic_compare_exchange_strong(&call->state, &was, CALL_ORPHAN))
        call_free(call);
}

static void connection_notice(void *cls, struct MHD_Connection *connection, void **socket_context,
                              enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        connection_starts(cls, connection, socket_context);
    } else if (*socket_context) {
        connection_ends(*socket_context);
        *socket_context = NULL;
    }
}

static unsigned thread_count(const struct http_options *options)
{
    long cores = options->threads > 0 ? options->threads : sysconf(_SC_NPROCESSORS_ONLN);

    return cores < 1 ? 1 : cores > 64 ? 64 : (unsigned)cores;
}

/* When stopping no connection is taken. MHD_quiesce_daemon() would do it, but races with epoll threads that wake up just then,
 * and libmicrohttpd ends the process over it (0.9.75 to 1.0). */
static enum MHD_Result accept_connection(void *cls, const struct sockaddr *peer, socklen_t len)
{
    const struct http_server *server = cls;

    (void)peer, (void)len;
    return atomic_load(&server->stopping) ? MHD_NO : MHD_YES;
}

/* libmicrohttpd 0.9.75 spins on epoll during TLS handshakes, so HTTPS goes by poll. */
static struct MHD_Daemon *start_daemon(struct listener *listener, const struct http_listener *from, int fd)
{
    unsigned threads = thread_count(&listener->server->options);
    unsigned flags = MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
                     (listener->tls ? MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_TLS : MHD_USE_EPOLL_INTERNAL_THREAD);
    union { void (*function)(void); void *pointer; } certificate = { from->certificate };
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES },
        { MHD_OPTION_HTTPS_CERT_CALLBACK, 0, certificate.pointer },
        { MHD_OPTION_END, 0, NULL },
    };
    struct MHD_OptionItem fixed[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)from->cert_pem },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)from->key_pem },
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES },
        { MHD_OPTION_END, 0, NULL },
    };
    struct MHD_OptionItem pool[] = {
        { MHD_OPTION_THREAD_POOL_SIZE, threads, NULL },
        { MHD_OPTION_END, 0, NULL },
    };

    return MHD_start_daemon(flags, listener->port, accept_connection, listener->server, request_access, listener,
                            MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL,
                            MHD_OPTION_LISTEN_SOCKET, fd,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                            MHD_OPTION_STRICT_FOR_CLIENT, STRICTNESS,
                            MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL,
                            MHD_OPTION_URI_LOG_CALLBACK, request_uri, NULL,
                            MHD_OPTION_NOTIFY_COMPLETED, request_completed, NULL,
                            MHD_OPTION_NOTIFY_CONNECTION, connection_notice, listener,
                            MHD_OPTION_ARRAY, from->certificate ? tls : listener->tls ? fixed : &fixed[3],
                            MHD_OPTION_ARRAY, threads > 1 ? pool : &pool[1],
                            MHD_OPTION_END);
}

static int open_listener(struct http_server *server, struct listener *listener, const struct http_listener *from,
                         struct err *err)
{
    int fd;

    listener->server = server;
    listener->port = from->port;
    listener->tls = from->cert_pem || from->certificate;
    listener->hsts = listener->tls && from->hsts;
    if (!uri_literal(from->address, listener->address))
        return err_set(err, ERR_INVALID, from->address, "This isn't an IP address.");
    listener->wildcard = strcmp(listener->address, "0.0.0.0") == 0 || strcmp(listener->address, "::") == 0;
    if ((fd = listen_open(listener->address, &listener->port, err)) < 0)
        return -1;
    snprintf(listener->cookie, sizeof(listener->cookie), "%spostern_session_%u", listener->tls ? "__Host-" : "", listener->port);
    listener->daemon = start_daemon(listener, from, fd);
    if (listener->daemon)
        return 0;
    close(fd);
    return err_set(err, ERR_INTERNAL, from->address, "Can't serve %s on port %u%s.", listener->tls ? "HTTPS" : "HTTP",
                   listener->port, listener->tls ? ": are certificate and key right" : "");
}

/* As a Host field would have it: an IPv6 literal in brackets. */
static bool parse_name(const char *name, struct uri_host *host)
{
    AUTO_FREE char *bracketed = strchr(name, ':') && *name != '[' ? mem_printf("[%s]", name) : NULL;

    return uri_host_parse(str_c(bracketed ? bracketed : name), host) && host->port < 0;
}

static char **copy_names(const char *const *names)
{
    size_t count = 0;
    char **copy, **at;

    while (names && names[count])
        count++;
    at = copy = mem_array(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++) {
        struct uri_host host;

        if (parse_name(names[i], &host))
            *at++ = mem_strdup(host.host);
        else
            log_warning("http", "%s isn't the name of a host", names[i]);
    }
    return copy;
}

static void free_names(char **names)
{
    for (char **name = names; *name; name++)
        free(*name);
    free(names);
}

void http_set_host_names(struct http_server *server, const char *const *names)
{
    char **fresh = copy_names(names), **old;

    pthread_rwlock_wrlock(&server->names_lock);
    old = server->host_names;
    server->host_names = fresh;
    pthread_rwlock_unlock(&server->names_lock);
    free_names(old);
}

void http_set_session_limits(struct http_server *server, int64_t idle_ms, int64_t life_ms)
{
    sessions_set_limits(server->sessions, idle_ms, life_ms);
}

static struct http_server *server_new(const struct http_options *options)
{
    static const char body[] = "{\"type\":\"about:blank\",\"status\":503,\"title\":\"Service Unavailable\","
                               "\"detail\":\"The server is stopping.\",\"code\":\"stopped\"}";
    struct http_server *server = mem_alloc(sizeof(*server));

    server->options = *options;
    server->parses_in_place = str_starts(str_c(MHD_get_version()), STR("0.9.75"));
    pthread_mutex_init(&server->lock, NULL);
    pthread_rwlock_init(&server->names_lock, NULL);
    server->listeners = mem_array(options->listener_count, sizeof(*server->listeners));
    server->host_names = copy_names(options->host_names);
    server->options.host_names = NULL;
    server->options.listeners = NULL;
    server->router = router_new(options->tables);
    server->sessions = sessions_new(options->session_idle_ms, options->session_life_ms);
    server->bad_tokens = guess_new(FREE_FAILURES, SECONDS(60));
    server->assets = asset_index_new(options->assets, options->asset_count);
    server->stopping_answer = MHD_create_response_from_buffer(sizeof(body) - 1, (void *)(uintptr_t)body,
                                                              MHD_RESPMEM_PERSISTENT);
    if (server->stopping_answer) {
        MHD_add_response_header(server->stopping_answer, "Content-Type", "application/problem+json");
        MHD_add_response_header(server->stopping_answer, "Cache-Control", "no-store");
        MHD_add_response_header(server->stopping_answer, "Connection", "close");
    }
    return server;
}

int http_open(struct http_server **ret, const struct http_options *options, struct err *err)
{
    struct http_server *server = server_new(options);

    *ret = NULL;
    server->reaper = reaper_new(server);
    if (server->reaper == NULL || crypto_random(&server->id_seed, sizeof(server->id_seed)) < 0) {
        http_free(server);
        return err_set(err, ERR_INTERNAL, NULL, "No thread or no random numbers for the HTTP server.");
    }
    for (size_t i = 0; i < options->listener_count; i++) {
        if (open_listener(server, &server->listeners[i], &options->listeners[i], err) < 0) {
            http_free(server);
            return -1;
        }
        server->listener_count++;
    }
    *ret = server;
    return 0;
}

uint16_t http_port(struct http_server *server, size_t listener)
{
    return listener < server->listener_count ? server->listeners[listener].port : 0;
}

void http_stats(struct http_server *server, struct http_stats *ret)
{
    ret->requests = atomic_load(&server->requests);
    for (size_t i = 0; i < COUNT_OF(ret->by_class); i++)
        ret->by_class[i] = atomic_load(&server->by_class[i]);
    ret->open_connections = atomic_load(&server->open_connections);
}

/* A connection stays while it is suspended, so it may be resumed after the lock was let go: whoever makes it
 * ABANDONED is the only one to resume it. */
static void abandon_parked(struct http_server *server)
{
    struct MHD_Connection *parked[64];
    size_t count;

    do {
        count = 0;
        pthread_mutex_lock(&server->lock);
        for (struct http_call *call = server->calls; call && count < COUNT_OF(parked); call = call->next) {
            enum call_state was = CALL_PARKED;

            if (atomic_compare_exchange_strong(&call->state, &was, CALL_ABANDONED))
                parked[count++] = call->connection;
        }
        pthread_mutex_unlock(&server->lock);
        for (size_t i = 0; i < count; i++)
            MHD_resume_connection(parked[i]);
    } while (count > 0);
}

/* Ends streams, also those that begin late, and waits for the other calls. */
static void wait_for_calls(struct http_server *server, int64_t patience)
{
    int64_t until = clock_mono() + patience;

    streams_end(server);
    while (atomic_load(&server->open_requests) > 0 && clock_mono() < until) {
        nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
        streams_end(server);
    }
}

void http_stop(struct http_server *server)
{
    if (server->stopped)
        return;
    server->stopped = true;
    atomic_store(&server->stopping, true);
    wait_for_calls(server, FINISH_PATIENCE);
    atomic_store(&server->abandoning, true);
    abandon_parked(server);
    wait_for_calls(server, STOP_PATIENCE);
    for (size_t i = 0; i < server->listener_count; i++)
        MHD_stop_daemon(server->listeners[i].daemon);   /* closes the listening socket too */
}

void http_free(struct http_server *server)
{
    if (server == NULL)
        return;
    http_stop(server);
    reaper_free(server->reaper);
    if (server->stopping_answer)
        MHD_destroy_response(server->stopping_answer);
    asset_index_free(server->assets);
    guess_free(server->bad_tokens);
    sessions_free(server->sessions);
    router_free(server->router);
    free_names(server->host_names);
    free(server->listeners);
    pthread_rwlock_destroy(&server->names_lock);
    pthread_mutex_destroy(&server->lock);
    free(server);
}
