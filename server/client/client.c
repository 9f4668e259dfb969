/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config.h"

#define ANSWER_PRESET (1 << 20)
#define HEAD_MAX (64 << 10)             /* bytes of an answer's head, all lines */
#define CONNECT_PRESET SECONDS(10)
#define TOTAL_PRESET SECONDS(30)
#define ROOTS_MAX (8 << 20)             /* bytes of a file of roots */

struct clients {
    pthread_mutex_t lock;
    struct client *first;
    atomic_bool stopping;
};

struct client {
    struct clients *clients;
    struct client *next, *prev;
    CURLM *multi;
    CURL *easy;
    struct client_options options;
    int roots;                          /* a file in memory with every root; -1: none */
    char host[256];                     /* of the request, as curl reads the URL */

    /* Of the request under way. */
    struct client_answer *answer;
    size_t answer_max, head_len;
    struct err refused;                 /* by the guard; ERR_NONE: it did not */
    char words[CURL_ERROR_SIZE];
};

/* ---- together ---- */

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct clients *clients_new(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct clients *clients = mem_alloc(sizeof(*clients));

    pthread_once(&once, init_curl);
    pthread_mutex_init(&clients->lock, NULL);
    return clients;
}

void clients_stop(struct clients *clients)
{
    atomic_store(&clients->stopping, true);
    pthread_mutex_lock(&clients->lock);
    for (struct client *client = clients->first; client; client = client->next)
        curl_multi_wakeup(client->multi);
    pthread_mutex_unlock(&clients->lock);
}

void clients_free(struct clients *clients)
{
    if (clients == NULL)
        return;
    pthread_mutex_destroy(&clients->lock);
    free(clients);
}

static void enlist(struct client *client)
{
    struct clients *clients = client->clients;

    pthread_mutex_lock(&clients->lock);
    client->next = clients->first;
    if (client->next)
        client->next->prev = client;
    clients->first = client;
    pthread_mutex_unlock(&clients->lock);
}

static void leave(struct client *client)
{
    struct clients *clients = client->clients;

    pthread_mutex_lock(&clients->lock);
    *(client->prev ? &client->prev->next : &clients->first) = client->next;
    if (client->next)
        client->next->prev = client->prev;
    pthread_mutex_unlock(&clients->lock);
}

/* ---- roots ---- */

static int write_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.p, bytes.len);

        if (put < 0 && errno != EINTR)
            return -1;
        bytes = str_from(bytes, put > 0 ? (size_t)put : 0);
    }
    return 0;
}

static void add_file(int fd, const char *path)
{
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char block[16384];
    ssize_t got = 0;
    size_t total = 0;

    while (from >= 0 && total < ROOTS_MAX && (got = read(from, block, sizeof(block))) > 0 && write_all(fd, str_n(block, (size_t)got)) == 0)
        total += (size_t)got;
    if (from < 0 || got < 0)
        log_warning("client", "The file of roots %s cannot be read: %s", path, strerror(errno));
    if (from >= 0)
        close(from);
}

/* libcurl takes one file, and its GnuTLS flavour no bytes (7.88): a file that only this process sees. */
static int make_roots(const struct client_options *options, struct err *err)
{
    int fd = memfd_create("roots", MFD_CLOEXEC);

    if (fd < 0)
        return err_id(err, ERR_INTERNAL, "http.roots", NULL, "No memory for the roots: %s.", strerror(errno));
    if (options->system_roots)
        add_file(fd, options->system_roots);
    if (write_all(fd, STR("\n")) == 0 && write_all(fd, options->more_roots) == 0)
        return fd;
    close(fd);
    return err_id(err, ERR_INTERNAL, "http.roots", NULL, "No memory for the roots: %s.", strerror(errno));
}

/* ---- what curl asks us ---- */

static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct client *client = ctx;

    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKET_BAD;
    if (client->options.guard &&
        client->options.guard(client->options.ctx, client->host, &address->addr, &client->refused) < 0)
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct client *client = ctx;

    if (client->answer->body.len + size * count <= client->answer_max && buf_add(&client->answer->body, str_n(bytes, size * count)) == 0)
        return size * count;
    return 0;
}

static bool is_field(struct str line, struct str name, struct str *value)
{
    if (!str_starts_nocase(line, name) || line.len <= name.len || line.p[name.len] != ':')
        return false;
    *value = str_trim(str_from(line, name.len + 1));
    return true;
}

static void keep(char *at, size_t size, struct str value)
{
    size_t len = 0;

    for (; len < value.len && len < size - 1; len++)
        at[len] = (char)((unsigned char)value.p[len] < ' ' || (unsigned char)value.p[len] > '~' ? '?' : value.p[len]);
    at[len] = '\0';
}

static size_t take_head(char *bytes, size_t size, size_t count, void *ctx)
{
    struct client *client = ctx;
    struct client_answer *answer = client->answer;
    struct str line = str_n(bytes, size * count), value;

    client->head_len += line.len;
    if (client->head_len > HEAD_MAX)
        return 0;
    if (is_field(line, STR("Content-Type"), &value))
        keep(answer->content_type, sizeof(answer->content_type), value);
    else if (is_field(line, STR("Location"), &value))
        keep(answer->location, sizeof(answer->location), value);
    else if (is_field(line, STR("Retry-After"), &value) && (!str_to_int(value, &answer->retry_after) || answer->retry_after < 0))
        answer->retry_after = -1;
    return line.len;
}

/* ---- life ---- */

static CURLcode set_up(struct client *client)
{
    CURL *easy = client->easy;
    char roots[64];
    CURLcode rc = CURLE_OK;

    snprintf(roots, sizeof(roots), "/proc/self/fd/%d", client->roots);
#define TRY(option, value) do { if (rc == CURLE_OK) rc = curl_easy_setopt(easy, option, value); } while (0)
    TRY(CURLOPT_ERRORBUFFER, client->words);
    TRY(CURLOPT_NOSIGNAL, 1L);
    TRY(CURLOPT_QUICK_EXIT, 1L);                /* a name server that doesn't answer keeps nobody waiting */
    TRY(CURLOPT_PROTOCOLS_STR, client->options.cleartext ? "http,https" : "https");
    TRY(CURLOPT_REDIR_PROTOCOLS_STR, "https");
    TRY(CURLOPT_FOLLOWLOCATION, 0L);
    TRY(CURLOPT_PROXY, "");
    TRY(CURLOPT_NOPROXY, "*");
    TRY(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    TRY(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    TRY(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    TRY(CURLOPT_HTTP09_ALLOWED, 0L);
    TRY(CURLOPT_MAXCONNECTS, 1L);
    TRY(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    TRY(CURLOPT_SSL_VERIFYPEER, 1L);
    TRY(CURLOPT_SSL_VERIFYHOST, 2L);
    TRY(CURLOPT_CAINFO, roots);
    TRY(CURLOPT_CAPATH, NULL);
    TRY(CURLOPT_USERAGENT, PACKAGE_NAME "/" PACKAGE_VERSION);
    TRY(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    TRY(CURLOPT_OPENSOCKETDATA, client);
    TRY(CURLOPT_WRITEFUNCTION, take_body);
    TRY(CURLOPT_WRITEDATA, client);
    TRY(CURLOPT_HEADERFUNCTION, take_head);
    TRY(CURLOPT_HEADERDATA, client);
#undef TRY
    return rc;
}

int client_new(struct client **ret, struct clients *clients, const struct client_options *options, struct err *err)
{
    struct client *client = mem_alloc(sizeof(*client));

    client->clients = clients;
    client->options = *options;
    client->options.more_roots = (struct str){ NULL, 0 };
    enlist(client);
    client->roots = make_roots(options, err);
    if (client->roots < 0) {
        client_free(client);
        return -1;
    }
    pthread_mutex_lock(&clients->lock);         /* clients_stop() looks at it */
    client->multi = curl_multi_init();
    pthread_mutex_unlock(&clients->lock);
    client->easy = curl_easy_init();
    if (client->multi && client->easy && set_up(client) == CURLE_OK) {
        *ret = client;
        return 0;
    }
    client_free(client);
    return err_id(err, ERR_INTERNAL, "http.failed", NULL, "libcurl cannot be used as it is needed here.");
}

void client_free(struct client *client)
{
    if (client == NULL)
        return;
    leave(client);
    if (client->easy)
        curl_easy_cleanup(client->easy);
    if (client->multi)
        curl_multi_cleanup(client->multi);
    if (client->roots >= 0)
        close(client->roots);
    free(client);
}

void client_answer_clear(struct client_answer *answer)
{
    buf_free(&answer->body);
    *answer = (struct client_answer){ .retry_after = -1 };
}

/* ---- a request ---- */

static int read_host(struct client *client, const char *url, struct err *err)
{
    CURLU *parsed = curl_url();
    char *host = NULL, *scheme = NULL;
    bool good = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK && strlen(host) < sizeof(client->host) &&
                curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK;
    bool right = good && (strcmp(scheme, "https") == 0 || (client->options.cleartext && strcmp(scheme, "http") == 0));

    if (good)
        snprintf(client->host, sizeof(client->host), "%s", host);
    curl_free(host);
    curl_free(scheme);
    curl_url_cleanup(parsed);
    if (right)
        return 0;
    return err_id(err, ERR_REFUSED, "http.url", NULL, good ? "The address is neither https nor, where it is allowed, http." :
                                                            "This is no address of a web server.");
}

static struct curl_slist *header_list(const struct client_request *request)
{
    /* Expect: would cost a wait with servers that don't know it. */
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    for (const struct client_header *header = request->headers; header && header->name; header++) {
        AUTO_SECRET char *line = mem_printf("%s: %s", header->name, header->value);
        struct curl_slist *longer = curl_slist_append(list, line);

        list = longer ? longer : list;
    }
    return list;
}

static CURLcode prepare(struct client *client, const struct client_request *request, struct curl_slist *headers)
{
    CURL *easy = client->easy;
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_URL, request->url);

#define TRY(option, value) do { if (rc == CURLE_OK) rc = curl_easy_setopt(easy, option, value); } while (0)
    TRY(CURLOPT_HTTPHEADER, headers);
    TRY(CURLOPT_CONNECTTIMEOUT_MS, (long)(request->connect_ms ? request->connect_ms : CONNECT_PRESET));
    TRY(CURLOPT_TIMEOUT_MS, (long)(request->total_ms ? request->total_ms : TOTAL_PRESET));
    TRY(CURLOPT_HTTPGET, 1L);
    if (request->body.p) {
        TRY(CURLOPT_POST, 1L);
        TRY(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        TRY(CURLOPT_POSTFIELDS, request->body.p);
    }
    TRY(CURLOPT_CUSTOMREQUEST, request->method);        /* NULL: what the two above say */
#undef TRY
    return rc;
}

/* Until it is over, or everything is stopped. */
static CURLcode run(struct client *client, bool *stopped)
{
    int running = 1, left;
    CURLMsg *message;

    while (running && !(*stopped = atomic_load(&client->clients->stopping))) {
        if (curl_multi_perform(client->multi, &running) != CURLM_OK)
            return CURLE_FAILED_INIT;
        if (running)
            curl_multi_poll(client->multi, NULL, 0, 1000, NULL);
    }
    message = curl_multi_info_read(client->multi, &left);
    return message ? message->data.result : CURLE_ABORTED_BY_CALLBACK;
}

static int timed_out(struct client *client, struct err *err)
{
    curl_off_t ready = 0;

    curl_easy_getinfo(client->easy, CURLINFO_PRETRANSFER_TIME_T, &ready);
    if (ready == 0)
        return err_id(err, ERR_TEMPORARY, "connect.timeout", NULL, "%s did not take the connection in time.", client->host);
    return err_id(err, ERR_TEMPORARY, "http.timeout", NULL, "%s did not answer the request in time.", client->host);
}

static int not_connected(struct client *client, struct err *err)
{
    long number = 0;

    if (client->refused.code != ERR_NONE) {
        *err = client->refused;
        return -1;
    }
    curl_easy_getinfo(client->easy, CURLINFO_OS_ERRNO, &number);
    if (number == ECONNREFUSED)
        return err_id(err, ERR_TEMPORARY, "connect.refused", NULL, "%s refused the connection.", client->host);
    if (number == ENETUNREACH || number == EHOSTUNREACH)
        return err_id(err, ERR_TEMPORARY, "connect.unreachable", NULL, "%s cannot be reached: %s.", client->host, strerror((int)number));
    return err_id(err, ERR_TEMPORARY, "connect.failed", NULL, "%s cannot be connected to: %s.", client->host,
                  number ? strerror((int)number) : client->words);
}

static int fail(struct client *client, CURLcode code, struct err *err)
{
    const char *words = client->words[0] ? client->words : curl_easy_strerror(code);
    size_t len = strlen(client->words);

    if (len > 0 && client->words[len - 1] == '.')       /* ours follows */
        client->words[len - 1] = '\0';
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return timed_out(client, err);
    case CURLE_COULDNT_RESOLVE_HOST:
        return err_id(err, ERR_TEMPORARY, "dns.notFound", NULL, "The name %s was not found.", client->host);
    case CURLE_COULDNT_CONNECT:
        return not_connected(client, err);
    case CURLE_PEER_FAILED_VERIFICATION:
        return err_id(err, ERR_TEMPORARY, "cert.refused", NULL, "The certificate of %s is not trusted: %s.", client->host, words);
    case CURLE_SSL_CACERT_BADFILE:
        return err_id(err, ERR_TEMPORARY, "cert.noRoots", NULL, "There are no roots to verify the certificate of %s with.", client->host);
    case CURLE_SSL_CONNECT_ERROR:
        return err_id(err, ERR_TEMPORARY, "tls.handshake", NULL, "TLS with %s failed: %s.", client->host, words);
    case CURLE_WRITE_ERROR:
    case CURLE_OUT_OF_MEMORY:           /* a line of the head past curl's own ceiling */
        return err_id(err, ERR_TEMPORARY, "http.tooLarge", NULL, "%s answered more than is taken.", client->host);
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        return err_id(err, ERR_TEMPORARY, "connect.closed", NULL, "%s ended the connection before its answer was whole.", client->host);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:    /* HTTP/0.9, that is: no HTTP */
        return err_id(err, ERR_TEMPORARY, "http.garbage", NULL, "%s does not answer as a web server does.", client->host);
    case CURLE_URL_MALFORMAT:
    case CURLE_LOGIN_DENIED:
        return err_id(err, ERR_REFUSED, "http.url", NULL, "This is no address of a web server.");
    default:
        break;
    }
    return err_id(err, ERR_TEMPORARY, "http.failed", NULL, "The request to %s failed: %s.", client->host, words);
}

static int finish(struct client *client, CURLcode code, bool stopped, struct err *err)
{
    long status = 0;

    if (stopped)
        return err_id(err, ERR_STOPPED, "connect.stopped", NULL, "Postern is stopping.");
    curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
    client->answer->status = (int)status;
    return code == CURLE_OK ? 0 : fail(client, code, err);
}

int client_send(struct client *client, const struct client_request *request, struct client_answer *answer, struct err *err)
{
    int64_t began = clock_mono();
    struct curl_slist *headers;
    bool stopped = false;
    CURLcode code;
    int rc;

    client_answer_clear(answer);
    client->answer = answer;
    client->answer_max = request->answer_max ? request->answer_max : ANSWER_PRESET;
    client->head_len = 0;
    client->refused = (struct err){ 0 };
    client->words[0] = '\0';
    buf_init(&answer->body, client->answer_max);
    answer->body.secret = request->secret;
    if (read_host(client, request->url, err) < 0)
        return -1;
    headers = header_list(request);
    code = prepare(client, request, headers);
    if (code == CURLE_OK && curl_multi_add_handle(client->multi, client->easy) != CURLM_OK)
        code = CURLE_FAILED_INIT;
    if (code == CURLE_OK)
        code = run(client, &stopped);
    rc = finish(client, code, stopped, err);
    curl_multi_remove_handle(client->multi, client->easy);
    curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
    for (struct curl_slist *header = headers; request->secret && header; header = header->next)
        mem_wipe(header->data, strlen(header->data));
    curl_slist_free_all(headers);
    answer->ms = clock_mono() - began;
    return rc;
}
