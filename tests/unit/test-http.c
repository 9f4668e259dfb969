/* SPDX-License-Identifier: Apache-2.0 */
/* The server in this process, asked through raw sockets. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "http/http.h"
#include "http_client.h"
#include "tap.h"

#define HOST "Host: localhost\r\n"
#define VIEWER "Authorization: Bearer viewer-token\r\n"
#define ADMIN "Authorization: Bearer admin-token\r\n"
#define STREAM "GET /stream HTTP/1.1\r\n" HOST "\r\n"
#define HOLD "GET /hold HTTP/1.1\r\n" HOST "\r\n"
#define JSON "Content-Type: application/json\r\n"

static struct http_server *server;
static uint16_t port;
static struct http_ready *ready;
static struct answer answer;

static int check_token(void *ctx, struct str token, struct http_identity *ret)
{
    if (str_eq(token, STR("viewer-token")))
        ret->role = ROLE_VIEWER;
    else if (str_eq(token, STR("admin-token")))
        ret->role = ROLE_ADMIN;
    else
        return -1;
    strcpy(ret->user, "somebody");
    strcpy(ret->token_id, "t1");
    return strcmp(ctx, "context") == 0 ? 0 : -1;
}

static void on_ready(struct http_call *call)
{
    http_answer_ready(call, ready);
}

static void on_echo(struct http_call *call)
{
    http_answer(call, 200, "application/json", http_body(call));
}

static void on_item(struct http_call *call)
{
    AUTO_BUF(body, 4096);
    const char *q = http_query(call, "q");

    buf_addf(&body, "%s|%s|%s|%s|%s", http_param(call, "name"), q ? q : "-", http_identity(call)->user,
             http_identity(call)->address, http_path(call));
    http_answer_buf(call, 200, "text/plain", &body);
}

static void on_literal(struct http_call *call)
{
    http_answer(call, 200, "text/plain", STR("literal"));
}

static void on_fail(struct http_call *call)
{
    struct err err;

    if (http_query(call, "internal"))
        err_set(&err, ERR_INTERNAL, NULL, "the password is hunter2");
    else
        err_id(&err, ERR_INVALID, "port.zero", "/port", "A port \"0\" isn't one.");
    http_answer_err(call, &err);
}

static void on_split(struct http_call *call)
{
    http_add_header(call, "X-Good", "a\tb \xc3\xa4");
    http_add_header(call, "X-Evil", "a\r\nSet-Cookie: b=c");
    http_add_header(call, "X-Line", "a\nb");
    http_add_header(call, "X-Return", "a\rb");
    http_add_header(call, "X-Evil: a\r\nX-Other", "b");
    http_add_header(call, "", "b");
    http_answer(call, 200, "text/plain", STR("split"));
}

static void on_put(struct http_call *call)
{
    if (!http_preconditions(call, http_query(call, "new") ? NULL : "abc"))
        http_answer_problem(call, 412, "precondition", NULL, NULL, NULL);
    else
        http_answer_empty(call, 204);
}

static void on_login(struct http_call *call)
{
    struct http_identity who = { .user = "anna", .role = ROLE_OPERATOR };
    char csrf[44];

    if (http_session_new(call, &who, csrf) == 0)
        http_answer(call, 201, "text/plain", str_c(csrf));
}

static void on_logout(struct http_call *call)
{
    http_session_end(call);
    http_answer_empty(call, 204);
}

static void *answer_late(void *arg)
{
    struct http_call *call = arg;
    unsigned ns = (unsigned)(uintptr_t)http_body(call).len % 7 * 100000;

    if (ns)
        nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
    http_add_header(call, "X-Late", "yes");
    http_answer(call, 200, "text/plain", http_body(call));
    return NULL;
}

static void on_late(struct http_call *call)
{
    pthread_t thread;

    pthread_create(&thread, NULL, answer_late, call);
    pthread_detach(thread);
}

struct held {
    pthread_mutex_t lock;
    struct http_call *calls[100];
    int count;
};

static struct held held = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void on_hold(struct http_call *call)
{
    pthread_mutex_lock(&held.lock);
    held.calls[held.count++] = call;
    pthread_mutex_unlock(&held.lock);
}

static ptrdiff_t read_ticks(void *ctx, char *at, size_t max)
{
    atomic_int *ticks = ctx;

    if (max < 6 || atomic_load(ticks) <= 0)
        return 0;
    atomic_fetch_sub(ticks, 1);
    memcpy(at, "tick\n", 5);
    return 5;
}

static atomic_int ticks, streams_closed;
static _Atomic(struct http_wake *) wake;

static void close_ticks(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&streams_closed, 1);
}

static void on_stream(struct http_call *call)
{
    struct http_wake *ours;

    http_answer_stream(call, "text/event-stream", &(struct http_stream){ read_ticks, close_ticks, &ticks }, &ours);
    atomic_store(&wake, ours);
}

static const struct http_route routes[] = {
    { HTTP_GET, "/ready", ROLE_VIEWER, on_ready, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_GET, "/open", ROLE_NONE, on_literal, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_POST, "/echo", ROLE_NONE, on_echo, 1000, NULL, NULL, NULL, NULL, NULL },
    { HTTP_POST, "/text", ROLE_NONE, on_echo, 0, "text/plain text/csv", NULL, NULL, NULL, NULL },
    { HTTP_GET, "/items/{name}", ROLE_VIEWER, on_item, .query = "q sure?" },
    { HTTP_PUT, "/items/{name}", ROLE_ADMIN, on_put, .query = "new dryRun?" },
    { HTTP_GET, "/items/fixed", ROLE_NONE, on_literal, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_GET, "/items/{name}/parts/{part}", ROLE_NONE, on_literal, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_GET, "/fail", ROLE_NONE, on_fail, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_POST, "/login", ROLE_NONE, on_login, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_POST, "/write", ROLE_OPERATOR, on_echo, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_GET, "/me", ROLE_VIEWER, on_literal, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_DELETE, "/session", ROLE_VIEWER, on_logout, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_POST, "/late", ROLE_NONE, on_late, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_GET, "/hold", ROLE_NONE, on_hold, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_GET, "/split", ROLE_NONE, on_split, 0, NULL, NULL, NULL, NULL, NULL },
    { HTTP_GET, "/stream", ROLE_NONE, on_stream, 0, NULL, NULL, NULL, NULL, NULL },
    { .pattern = NULL },
};
static const struct http_route *const tables[] = { routes, NULL };

static const unsigned char page[] = "<!doctype html>", packed[] = "packed", packed_br[] = "br";
static const struct asset pages[] = {
    { "/", "text/html; charset=utf-8", "aa", false, page, packed, NULL, 15, 6, 0 },
    { "/assets/app-1.js", "text/javascript", "bb", true, page, packed, packed_br, 15, 6, 2 },
};

static struct http_server *start(void)
{
    static char context[] = "context";
    static const struct http_listener listener = { "127.0.0.1", 0, NULL, NULL };
    static const char *const names[] = { "mail.example.com", NULL };
    struct http_options options = {
        .ctx = context, .listeners = &listener, .listener_count = 1, .tables = tables, .threads = 2,
        .check_token = check_token, .host_names = names, .assets = pages, .asset_count = 2,
    };
    struct http_server *ret = NULL;
    struct err err;

    if (!ok(http_open(&ret, &options, &err) == 0, "opens"))
        printf("# %s\n", err.text);
    return ret;
}

static void is_status(const char *request, int status, const char *name)
{
    ask(port, &answer, request, NULL);
    if (!ok(answer.status == status, "%d %s", status, name))
        printf("# got %d: %s\n", answer.status, answer.body);
}

#define NEXT "GET /open HTTP/1.1\r\n" HOST "\r\n"

/* All that comes back for these bytes and a good request after them, until the server closes. */
static bool talk(const char *bytes, size_t len, char *into, size_t room)
{
    struct timeval soon = { .tv_usec = 500000 };
    struct client client;
    size_t used = 0;
    ssize_t got;

    client_open(&client, port);
    setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    client_send(&client, bytes, len);
    client_send(&client, NEXT, strlen(NEXT));
    while ((got = recv(client.fd, into + used, room - 1 - used, 0)) > 0)
        used += (size_t)got;
    into[used] = '\0';
    client_close(&client);
    return got == 0;
}

/* Refused once, and nothing after it is looked at. `heads`: libmicrohttpd 0.9.75 writes that of its own refusals twice. */
static void is_refused_by(const char *request, size_t len, int status, int heads, const char *name)
{
    static char got[65536];
    bool closed = talk(request, len, got, sizeof(got));
    int count = 0, seen = 0;

    for (const char *at = got; (at = strstr(at, "HTTP/1.")); at += 7) {
        if (sscanf(at, "HTTP/1.%*d %d", &seen) == 1)
            count += seen == status ? 1 : 100;
    }
    if (!ok(closed && (count == 1 || count == heads), "%d once and closed: %s", status, name))
        printf("# %s, %d answers: %s\n", closed ? "closed" : "open", count, got);
}

static void is_refused(const char *request, int status, const char *name)
{
    is_refused_by(request, strlen(request), status, 1, name);
}

static void test_basics(void)
{
    struct client client;
    const char *value;

    client_open(&client, port);
    for (int i = 0; i < 3; i++)
        client_ask(&client, &answer, "GET /ready HTTP/1.1\r\n" HOST VIEWER "X-Request-Id: abc-1\r\n\r\n");
    is_int(answer.status, 200, "the third on one connection");
    is_str(answer.body, "{\"ready\":true}", "its body");
    is_str(answer_header(&answer, "ETag"), "\"e1\"", "its ETag");
    is_str(answer_header(&answer, "X-Request-Id"), "abc-1", "our request id");
    is_str(answer_header(&answer, "Cache-Control"), "no-cache", "kept, but asked for");
    is_str(answer_header(&answer, "X-Content-Type-Options"), "nosniff", "a security header");
    ok((value = answer_header(&answer, "Content-Security-Policy")) && strstr(value, "frame-ancestors 'none'"),
       "a policy");
    client_ask(&client, &answer, "HEAD /ready HTTP/1.1\r\n" HOST VIEWER "\r\n");
    is_int(answer.status, 200, "HEAD");
    is_str(answer_header(&answer, "Content-Length"), "14", "HEAD knows the length");
    value = answer_header(&answer, "X-Request-Id");
    ok(value && strlen(value) == 16, "an id of the server's");
    client_ask(&client, &answer, "GET /ready HTTP/1.1\r\n" HOST VIEWER "If-None-Match: W/\"x\", W/\"e1\"\r\n\r\n");
    is_int(answer.status, 304, "If-None-Match");
    client_ask(&client, &answer, "GET /ready HTTP/1.1\r\n" HOST VIEWER
               "If-None-Match: \"x\"\r\nIf-None-Match: \"e1\"\r\n\r\n");
    is_int(answer.status, 304, "If-None-Match in two fields");
    client_ask(&client, &answer, "GET /nowhere HTTP/1.1\r\n" HOST "\r\n");
    is_int(answer.status, 404, "404, and the connection lives on");
    client_ask(&client, &answer, "POST /nowhere HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n12345");
    is_int(answer.status, 404, "404 to a body");
    client_ask(&client, &answer, "GET /open HTTP/1.1\r\n" HOST "\r\n");
    is_int(answer.status, 200, "after which the connection lives on");
    client_close(&client);
}

static void test_routes(void)
{
    is_status("GET /items/fixed HTTP/1.1\r\n" HOST "\r\n", 200, "a literal segment wins");
    is_status("GET /items/fixed/parts/2 HTTP/1.1\r\n" HOST "\r\n", 200, "but doesn't hide the other branch");
    is_status("GET /items/a%20b%C3%A9?q=1%2B1+2&q=x HTTP/1.1\r\n" HOST VIEWER "\r\n", 200, "a parameter");
    is_str(answer.body, "a b\xc3\xa9|1+1 2|somebody|127.0.0.1|/items/a%20b%C3%A9", "all decoded");
    is_status("GET /items/ HTTP/1.1\r\n" HOST "\r\n", 404, "a parameter isn't empty");
    is_status("GET /items/a%2Fb HTTP/1.1\r\n" HOST VIEWER "\r\n", 400, "a slash in a parameter");
    is_status("GET /items/a%00b HTTP/1.1\r\n" HOST VIEWER "\r\n", 400, "a NUL in a parameter");
    is_status("GET /items/a%zz HTTP/1.1\r\n" HOST VIEWER "\r\n", 400, "a bad escape");
    is_status("GET /items/%ff HTTP/1.1\r\n" HOST VIEWER "\r\n", 400, "not UTF-8");
    is_status("DELETE /items/a HTTP/1.1\r\n" HOST "\r\n", 405, "a method not taken");
    is_str(answer_header(&answer, "Allow"), "GET, HEAD, PUT, OPTIONS", "those taken");
    is_status("OPTIONS /echo HTTP/1.1\r\n" HOST "\r\n", 204, "OPTIONS");
    is_str(answer_header(&answer, "Allow"), "POST, OPTIONS", "its Allow");
    is_status("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 204, "OPTIONS *");
    is_status("BREW /open HTTP/1.1\r\n" HOST "\r\n", 405, "an unknown method");
    is_status("GET http://localhost/open HTTP/1.1\r\n" HOST "\r\n", 200, "absolute form");
    is_status("GET http://evil.example/open HTTP/1.1\r\n" HOST "\r\n", 421, "absolute form to elsewhere");
    is_status("GET /fail HTTP/1.1\r\n" HOST "\r\n", 422, "an error");
    ok(strstr(answer.body, "\"code\":\"port.zero\"") && strstr(answer.body, "A port \\\"0\\\" isn't one.") &&
       strstr(answer.body, "\"pointer\":\"/port\"") && strstr(answer.body, "\"requestId\":\""), "says so");
    is_str(answer_header(&answer, "Content-Type"), "application/problem+json", "as a problem");
    is_str(answer_header(&answer, "Cache-Control"), "no-store", "not kept");
    is_status("GET /fail?internal=1 HTTP/1.1\r\n" HOST "\r\n", 500, "an internal error");
    ok(!strstr(answer.body, "hunter2"), "keeps to itself");
}

static void test_answers(void)
{
    is_status("GET /split HTTP/1.1\r\n" HOST "\r\n", 200, "headers with line ends");
    is_str(answer_header(&answer, "X-Good"), "a\tb \xc3\xa4", "a good one is there");
    ok(!strstr(answer.head, "X-Evil") && !strstr(answer.head, "X-Line") && !strstr(answer.head, "X-Return") &&
       !answer_header(&answer, "Set-Cookie") && !strstr(answer.head, "X-Other"), "the others are not");
    ok(answer_header(&answer, "Strict-Transport-Security") == NULL, "nothing about TLS without it");
    is_status("HEAD /ready HTTP/1.1\r\n" HOST VIEWER "If-None-Match: *\r\n\r\n", 304, "If-None-Match: * has it");
    is_str(answer_header(&answer, "ETag"), "\"e1\"", "whatever it is");
    is_status("GET /ready HTTP/1.1\r\n" HOST VIEWER "If-None-Match: e1\r\n\r\n", 200, "no ETag has no quotes");
    is_status("GET /ready HTTP/1.1\r\n" HOST "If-None-Match: \"e1\"\r\n\r\n", 401, "nobody learns that it is the same");
    is_status("HEAD /echo HTTP/1.1\r\n" HOST "\r\n", 405, "HEAD goes where GET goes");
    is_str(answer_header(&answer, "Allow"), "POST, OPTIONS", "and not here");
    is_status("HEAD /nowhere HTTP/1.1\r\n" HOST "\r\n", 404, "HEAD of nothing");
    is_status("OPTIONS /nowhere HTTP/1.1\r\n" HOST "\r\n", 404, "OPTIONS of nothing");
    is_status("OPTIONS /items/a HTTP/1.1\r\n" HOST "\r\n", 204, "OPTIONS");
    is_str(answer_header(&answer, "Allow"), "GET, HEAD, PUT, OPTIONS", "needs nobody");
    is_status("TRACE /open HTTP/1.1\r\n" HOST "\r\n", 405, "TRACE");
}

/* Nothing of a write's query is passed over: it might have been a dryRun. */
static void test_queries(void)
{
    static const struct {
        const char *method, *query;
        int status;
        const char *named;              /* in the answer */
    } rows[] = {
        { "PUT", "?dryRun=true", 204, "" }, { "PUT", "?dryRun=false&new=1", 204, "" }, { "PUT", "?", 204, "" },
        { "PUT", "?&&", 204, "" }, { "PUT", "?dryRun=%zz", 400, "dryRun" }, { "PUT", "?dryRun=%00", 400, "dryRun" },
        { "PUT", "?dryRun=%c3", 400, "dryRun" }, { "PUT", "?dry%Run=true", 400, "dry%Run" },
        { "PUT", "?dryRun=1", 422, "dryRun" }, { "PUT", "?dryRun=", 422, "dryRun" }, { "PUT", "?dryRun", 422, "dryRun" },
        { "PUT", "?dryRun=TRUE", 422, "dryRun" }, { "PUT", "?dryrun=true", 422, "dryrun" }, { "PUT", "?x=1&dryRun=true", 422, "x" },
        { "PUT", "?dryRun=false&dryRun=true", 422, "dryRun" }, { "PUT", "?new=1&new=2", 422, "new" }, { "PUT", "?=1", 422, "" },
        { "PUT", "?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x&dryRun=true", 400, "dryRun" },
        { "GET", "?x=1&q=2&q=3", 200, "" }, { "GET", "?q=%zz", 400, "q" }, { "GET", "?sure=true", 200, "" },
        { "GET", "?sure=perhaps", 422, "sure" }, { "POST", "?x=1", 422, "x" },
    };
    char request[400];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(request, sizeof(request), "%s /%s%s HTTP/1.1\r\n" HOST ADMIN "\r\n", rows[i].method,
                 rows[i].method[1] == 'O' ? "write" : "items/a", rows[i].query);
        is_status(request, rows[i].status, rows[i].query);
        ok(strstr(answer.body, rows[i].named) != NULL, "names the parameter");
    }
}

static void test_framing(void)
{
    is_refused("POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400,
               "repeated Content-Length");
    is_refused("POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
               "2\r\n{}\r\n0\r\n\r\n", 400, "both lengths");
    is_refused("POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
               "0\r\n\r\n", 400, "repeated Transfer-Encoding");
    is_refused("POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501,
               "another Transfer-Encoding");
    is_refused("GET /open HTTP/1.1\r\n" HOST "Host: evil.example\r\n\r\n", 400, "repeated Host");
    is_refused("GET /open HTTP/1.1\r\n\r\n", 400, "no Host");
    is_refused("POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 1001\r\n\r\n", 413, "too large, said before");
    is_refused("POST /echo HTTP/1.1\r\n" HOST JSON "Content-Length: 99999999999\r\n\r\n", 413, "far too large");
    is_status("POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n2\r\n\":\r\n"
              "2\r\n1}\r\n0\r\n\r\n", 200, "chunks");
    is_str(answer.body, "{\"a\":1}", "put together");
    is_status("POST /echo HTTP/1.1\r\n" HOST "\r\n", 200, "no body, no type");
    is_status("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 415, "a body without a type");
    is_status("POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 415,
              "another type");
    is_status("POST /text HTTP/1.1\r\n" HOST "Content-Type: Text/CSV; charset=utf-8\r\nContent-Length: 2\r\n\r\n1,",
              200, "the second type");
    is_status("POST /echo HTTP/1.1\r\n" HOST JSON "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 415,
              "a Content-Encoding");
    is_status("GET /open HTTP/1.0\r\n\r\n", 200, "HTTP/1.0 without Host");
}

#define POST "POST /echo HTTP/1.1\r\n" HOST JSON
#define GET "GET /open HTTP/1.1\r\n" HOST

/* What a proxy in front of us may read as another request. */
static void test_smuggling(void)
{
    static const struct {
        const char *request, *name;
        int status, heads;
    } rows[] = {
        { POST "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "different Content-Lengths", 400, 1 },
        { POST "Content-Length: 3\r\nContent-Length: 2\r\n\r\n{}", "the longer one first", 400, 1 },
        { POST "Content-Length: 2, 2\r\n\r\n{}", "joint Content-Length", 400, 2 },
        { POST "Content-Length: +2\r\n\r\n{}", "Content-Length with a sign", 400, 2 },
        { POST "Content-Length: -1\r\n\r\n{}", "Content-Length below zero", 400, 2 },
        { POST "Content-Length: 0x2\r\n\r\n{}", "Content-Length in hex", 400, 2 },
        { POST "Content-Length:\r\n\r\n{}", "empty Content-Length", 400, 2 },
        { POST "Content-Length: 9223372036854775808\r\n\r\n{}", "huge Content-Length", 400, 1 },
        { POST "Content-Length: 99999999999999999999\r\n\r\n{}", "larger still", 413, 2 },
        { POST "Content-Length : 2\r\n\r\n{}", "a space before the colon", 400, 1 },
        { POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "a space before the colon of chunked", 400, 1 },
        { POST "Content-Length\t: 2\r\n\r\n{}", "a tab before the colon", 400, 1 },
        { POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "nearly chunked", 501, 1 },
        { POST "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", "identity", 501, 1 },
        { POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "folded chunked", 400, 1 },
        { POST "X: a\r\n Content-Length: 2\r\n\r\n", "a folded Content-Length", 400, 1 },
        { POST "X: a\r\n\tb\r\n\r\n", "folded with a tab", 400, 1 },
        { "GET /open HTTP/1.1\r\n X: y\r\n" HOST "\r\n", "folded at once", 400, 1 },
        { "GET /open HTTP/1.1\nHost: localhost\n\n", "line feeds only", 400, 1 },
        { "GET /open HTTP/1.1\n" HOST "\r\n", "the first line", 400, 1 },
        { GET "X: y\nContent-Length: 2\r\n\r\n", "one line feed", 400, 1 },
        { GET "\n", "at the end", 400, 1 },
        { GET "X: y\rZ: w\r\n\r\n", "a carriage return", 400, 1 },
        { GET ": y\r\n\r\n", "a field without a name", 400, 1 },
        { GET "nonsense\r\n\r\n", "a field without a colon", 400, 1 },
        { GET "X\x01: y\r\n\r\n", "a control character in a name", 400, 1 },
        { "GET /open  HTTP/1.1\r\n" HOST "\r\n", "two spaces", 400, 1 },
        { "GET  /open HTTP/1.1\r\n" HOST "\r\n", "two spaces before the address", 400, 1 },
        { "GET /open HTTP/1.1 \r\n" HOST "\r\n", "a space at the end", 400, 1 },
        { "GET /op en HTTP/1.1\r\n" HOST "\r\n", "a space in the address", 400, 1 },
        { "GET /op\ten HTTP/1.1\r\n" HOST "\r\n", "a tab in the address", 400, 1 },
        { "GET /open?\x7f HTTP/1.1\r\n" HOST "\r\n", "a control character in the query", 400, 1 },
        { "G@T(/) /open HTTP/1.1\r\n" HOST "\r\n", "a method that isn't one", 400, 1 },
        { "CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n", "CONNECT", 400, 1 },
        { "GET /open HTTP/1.2\r\n" HOST "\r\n", "HTTP/1.2", 505, 1 },
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2", 505, 1 },
        { "GET /open\r\n\r\n", "HTTP/0.9", 400, 1 },
        { POST "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", "a chunk of length zz", 400, 1 },
        { POST "Transfer-Encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n", "of length -1", 400, 1 },
        { POST "Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n", "of length 0x2", 400, 1 },
        { POST "Transfer-Encoding: chunked\r\n\r\n 2\r\n{}\r\n0\r\n\r\n", "of length space 2", 400, 1 },
        { POST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n", "far too long", 413, 1 },
        { POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx\r\n0\r\n\r\n", "a chunk with more than it said", 400, 1 },
        { POST "Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n", "a chunk without its end", 400, 1 },
    };
    static const char zero[] = GET "X: a\0b\r\n\r\n", path[] = "GET /op\0en HTTP/1.1\r\n" HOST "\r\n";

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        is_refused_by(rows[i].request, strlen(rows[i].request), rows[i].status, rows[i].heads, rows[i].name);
    is_refused_by(zero, sizeof(zero) - 1, 400, 1, "a zero byte in a value");
    is_refused_by(path, sizeof(path) - 1, 400, 1, "a zero byte in the address");
}

/* And what must go on to be taken: empty values, spaces around them, any query, an empty line before the request. */
static void test_odd_heads(void)
{
    static const char *const fields[] = { "X:a", "X:", "X: ", "X: \t ", "X: a \t", "X: a: b", "Cookie: a=b; c=\"d\"; e ; f=", "X: \xc3\xa4" };
    static const char *const addresses[] = { "/open", "/open?", "/open?a=b&c=%20d+e&&f", "http://localhost/open?a" };
    struct client client;
    int good = 0, tried = 0;
    char request[400];

    client_open(&client, port);
    for (size_t i = 0; i < COUNT_OF(fields) * COUNT_OF(addresses); i++) {
        snprintf(request, sizeof(request), "%sGET %s HTTP/1.1\r\n%s\r\n" HOST "%s\r\n\r\n", i % 3 ? "" : "\r\n",
                 addresses[i % COUNT_OF(addresses)], fields[i / COUNT_OF(addresses)], fields[i / COUNT_OF(addresses)]);
        if (strncmp(fields[i / COUNT_OF(addresses)], "Cookie", 6) == 0)
            continue;                   /* only once */
        tried++;
        good += client_ask(&client, &answer, request) == 200;
    }
    is_int(good, tried, "odd but right heads on one connection");
    is_int(client_ask(&client, &answer, GET "Cookie: a=b; c=\"d\"; e ; f=\r\n\r\n"), 200, "and cookies");
    client_close(&client);
}

/* Heads that come in pieces, and outgrow the first buffer. */
static void test_long_heads(void)
{
    static char head[24000];
    struct client client;
    size_t len = (size_t)snprintf(head, sizeof(head), "GET /open?a=%0500d HTTP/1.1\r\n" HOST, 1);

    while (len < sizeof(head) - 800)
        len += (size_t)snprintf(head + len, sizeof(head) - len, "X-Filler: %0500d\r\n", 2);
    len += (size_t)snprintf(head + len, sizeof(head) - len, "\r\n");
    client_open(&client, port);
    for (size_t step = 24000; step > 500; step /= 3) {
        for (size_t at = 0; at < len; at += step) {
            client_send(&client, head + at, at + step < len ? step : len - at);
            nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        }
        is_int(client_read(&client, &answer, false), 200, "a long head");
    }
    client_close(&client);
}

/* What grows past the ceiling, and answers that overtake a body: the client still sees them. */
static void test_large_bodies(void)
{
    static char block[65536];
    struct client client;
    char head[256];

    memset(block, 'a', sizeof(block));
    client_open(&client, port);
    snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n%x\r\n", 60000);
    client_send(&client, head, strlen(head));
    client_send(&client, block, 60000);
    client_send(&client, "\r\n0\r\n\r\n", 7);
    is_int(client_read(&client, &answer, false), 413, "chunks that grow too large");
    ok(client_at_end(&client), "and closed");
    client_close(&client);

    client_open(&client, port);
    snprintf(head, sizeof(head), "POST /write HTTP/1.1\r\n" HOST JSON "Content-Length: %d\r\n\r\n", 32 * 65536);
    client_send(&client, head, strlen(head));
    for (int i = 0; i < 32; i++)
        client_send(&client, block, sizeof(block));
    is_int(client_read(&client, &answer, false), 401, "an answer before 2 MiB of body isn't lost to a reset");
    client_close(&client);

    client_open(&client, port);
    client_ask(&client, &answer, "POST /echo HTTP/1.1\r\n" HOST JSON "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    is_int(answer.status, 100, "100 Continue");
    is_int(client_ask(&client, &answer, "{}"), 200, "and then the answer");
    client_close(&client);
}

static void test_caller(void)
{
    is_status("GET /ready HTTP/1.1\r\n" HOST "\r\n", 401, "nobody");
    is_str(answer_header(&answer, "WWW-Authenticate"), "Bearer", "how to be somebody");
    is_status("GET /ready HTTP/1.1\r\n" HOST "Authorization: Basic YTpi\r\n\r\n", 401, "Basic");
    is_status("PUT /items/a HTTP/1.1\r\n" HOST VIEWER "\r\n", 403, "a viewer");
    ok(strstr(answer.body, "role admin") != NULL, "learns which role it takes");
    is_status("PUT /items/a HTTP/1.1\r\n" HOST ADMIN "\r\n", 204, "an admin");
    is_status("PUT /items/a HTTP/1.1\r\n" HOST ADMIN "If-Match: \"abc\"\r\n\r\n", 204, "If-Match");
    is_status("PUT /items/a HTTP/1.1\r\n" HOST ADMIN "If-Match: \"abd\"\r\n\r\n", 412, "If-Match of another");
    is_status("PUT /items/a HTTP/1.1\r\n" HOST ADMIN "If-None-Match: *\r\n\r\n", 412, "create only");
    is_status("PUT /items/a?new=1 HTTP/1.1\r\n" HOST ADMIN "If-None-Match: *\r\n\r\n", 204, "created");
    is_status("GET /open HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "a foreign Host");
    is_status("GET /open HTTP/1.1\r\nHost: 10.1.2.3\r\n\r\n", 421, "a foreign address");
    is_status("GET /open HTTP/1.1\r\nHost: mail.EXAMPLE.com:443\r\n\r\n", 200, "a configured Host");
    is_status("GET /open HTTP/1.1\r\nHost: [::1]:8025\r\n\r\n", 200, "a loopback literal");
    is_refused("GET /open HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "not a host");
    is_status("POST /echo HTTP/1.1\r\n" HOST "Origin: http://localhost\r\n\r\n", 200, "our Origin");
    is_status("POST /echo HTTP/1.1\r\n" HOST "Origin: http://localhost:81\r\n\r\n", 403, "another port's Origin");
    is_status("POST /echo HTTP/1.1\r\n" HOST "Origin: https://localhost:443\r\n\r\n", 200, "ours behind a proxy with TLS");
    is_status("POST /echo HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n", 403, "a foreign Origin");
    is_status("POST /echo HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n", 403, "Origin null");
    is_status("POST /echo HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\n\r\n", 403, "a foreign page");
    is_status("GET /open HTTP/1.1\r\n" HOST "Origin: http://evil.example\r\n\r\n", 200, "reading is harmless");
}

static void test_sessions(void)
{
    char cookie[100] = "", csrf[60], request[600];
    const char *set;

    is_status("POST /login HTTP/1.1\r\n" HOST "\r\n", 201, "log in");
    set = answer_header(&answer, "Set-Cookie");
    ok(set && strstr(set, "; HttpOnly; SameSite=Strict") && !strstr(set, "Secure"), "a cookie");
    snprintf(request, sizeof(request), "postern_session_%u=", port);
    ok(set && strncmp(set, request, strlen(request)) == 0, "named for the port");
    sscanf(set ? set : "", "%90[^;]", cookie);
    snprintf(csrf, sizeof(csrf), "%.50s", answer.body);
    is_int((long long)strlen(csrf), 43, "a CSRF token");
    snprintf(request, sizeof(request), "GET /me HTTP/1.1\r\n" HOST "Cookie: a=b; %s\r\n\r\n", cookie);
    is_status(request, 200, "read with the cookie");
    snprintf(request, sizeof(request), "POST /write HTTP/1.1\r\n" HOST "Cookie: %s\r\n\r\n", cookie);
    is_status(request, 403, "write without the token");
    ok(strstr(answer.body, "\"code\":\"csrf\"") != NULL, "why");
    snprintf(request, sizeof(request), "POST /write HTTP/1.1\r\n" HOST "Cookie: %s\r\nX-CSRF-Token: %s\r\n\r\n", cookie, csrf);
    is_status(request, 200, "write with it");
    http_session_set_role(server, "anna", ROLE_VIEWER);
    is_status(request, 403, "write as a viewer");
    http_session_set_role(server, "anna", ROLE_OPERATOR);
    snprintf(request, sizeof(request), "DELETE /session HTTP/1.1\r\n" HOST "Cookie: %s\r\nX-CSRF-Token: %s\r\n\r\n", cookie,
             csrf);
    is_status(request, 204, "log out");
    snprintf(request, sizeof(request), "GET /me HTTP/1.1\r\n" HOST "Cookie: %s\r\n\r\n", cookie);
    is_status(request, 401, "the cookie is worth nothing now");
    is_status("POST /login HTTP/1.1\r\n" HOST "\r\n", 201, "log in again");
    sscanf(answer_header(&answer, "Set-Cookie"), "%90[^;]", cookie);
    http_session_end_user(server, "anna");
    snprintf(request, sizeof(request), "GET /me HTTP/1.1\r\n" HOST "Cookie: %s\r\n\r\n", cookie);
    is_status(request, 401, "all of a user's sessions end at once");
}

static void read_with_new_session(char *request, size_t room)
{
    const char *set;

    is_status("POST /login HTTP/1.1\r\n" HOST "\r\n", 201, "log in");
    set = answer_header(&answer, "Set-Cookie");
    snprintf(request, room, "GET /me HTTP/1.1\r\n" HOST "Cookie: %.*s\r\n\r\n", set ? (int)strcspn(set, ";") : 0, set ? set : "");
}

static void test_settings(void)
{
    static const char *const others[] = { "Other.example.com.", "2001:db8::7", "not a host", "other.example.com:80", "", NULL };
    char request[300];

    is_status("GET /open HTTP/1.1\r\nHost: other.example.com\r\n\r\n", 421, "a name of nobody");
    http_set_host_names(server, others);
    is_status("GET /open HTTP/1.1\r\nHost: other.example.com\r\n\r\n", 200, "now it is ours");
    is_status("GET /open HTTP/1.1\r\nHost: [2001:db8:0::7]:80\r\n\r\n", 200, "and this address");
    is_status("GET /open HTTP/1.1\r\nHost: mail.example.com\r\n\r\n", 421, "the former name isn't");
    http_set_host_names(server, NULL);
    is_status("GET /open HTTP/1.1\r\nHost: other.example.com\r\n\r\n", 421, "nor this one any more");

    read_with_new_session(request, sizeof(request));
    is_status(request, 200, "a session");
    http_set_session_limits(server, 1, 0);
    nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL);
    is_status(request, 401, "idle for too long, says the new setting");
    http_set_session_limits(server, 0, 20);
    read_with_new_session(request, sizeof(request));
    nanosleep(&(struct timespec){ .tv_nsec = 30000000 }, NULL);
    is_status(request, 401, "too old");
    http_set_session_limits(server, 0, 0);
}

static void test_assets(void)
{
    is_status("GET / HTTP/1.1\r\n" HOST "\r\n", 200, "the start page");
    is_str(answer.body, "<!doctype html>", "as it is");
    is_str(answer_header(&answer, "Cache-Control"), "no-cache", "asked for each time");
    is_status("GET /assets/app-1.js HTTP/1.1\r\n" HOST "Accept-Encoding: gzip, br;q=0.9\r\n\r\n", 200, "gzip");
    is_str(answer_header(&answer, "Content-Encoding"), "gzip", "preferred");
    is_str(answer_header(&answer, "Cache-Control"), "public, max-age=31536000, immutable", "kept");
    is_status("GET /assets/app-1.js HTTP/1.1\r\n" HOST "Accept-Encoding: gzip;q=0, br\r\n\r\n", 200, "br");
    is_str(answer.body, "br", "chosen");
    is_str(answer_header(&answer, "ETag"), "\"bb-br\"", "with an ETag of its own");
    is_status("GET /assets/app-1.js HTTP/1.1\r\n" HOST "Accept-Encoding: gzip;q=0\r\n\r\n", 200, "neither");
    is_str(answer.body, "<!doctype html>", "as it is");
    is_str(answer_header(&answer, "Vary"), "Accept-Encoding", "and says that others get others");
    is_status("HEAD / HTTP/1.1\r\n" HOST "If-None-Match: \"aa\"\r\n\r\n", 304, "not modified");
    is_str(answer_header(&answer, "Vary"), "Accept-Encoding", "by the same rule");
    is_status("HEAD / HTTP/1.1\r\n" HOST "\r\n", 200, "HEAD");
    is_str(answer_header(&answer, "Content-Length"), "15", "knows the length");
    is_str(answer_header(&answer, "Content-Type"), "text/html; charset=utf-8", "and the type");
    is_status("OPTIONS / HTTP/1.1\r\n" HOST "\r\n", 204, "OPTIONS");
    is_str(answer_header(&answer, "Allow"), "GET, HEAD, OPTIONS", "what a page takes");
    is_status("POST / HTTP/1.1\r\n" HOST "\r\n", 405, "pages are read only");
    is_str(answer_header(&answer, "Allow"), "GET, HEAD, OPTIONS", "Allow");
}

/* The last test of wrong tokens: they have to wait then. */
static void test_guessing(void)
{
    int refused = 0, status = 0;

    for (int i = 0; i < 30 && status != 429; i++) {
        status = ask(port, &answer, "GET /ready HTTP/1.1\r\n" HOST "Authorization: Bearer wrong\r\n\r\n", NULL);
        refused += status == 401;
    }
    ok(refused >= 10 && status == 429, "guessing a token is refused, then slowed down");
    is_str(answer_header(&answer, "Retry-After"), "1", "for a second at first");
    is_status("GET /ready HTTP/1.1\r\n" HOST VIEWER "\r\n", 200, "and right ones are let in meanwhile");
    is_status("GET /ready HTTP/1.1\r\n" HOST "Authorization: Bearer wrong\r\n\r\n", 429, "the wrong one has to wait");
    is_status("GET /open HTTP/1.1\r\n" HOST "Authorization: Bearer wrong\r\n\r\n", 200, "what is open stays open");
}

static void *ask_late(void *arg)
{
    atomic_int *good = arg;
    struct client client;
    struct answer *own = malloc(sizeof(*own));

    client_open(&client, port);
    for (int i = 0; i < 50; i++) {
        char request[256], body[32];
        int len = snprintf(body, sizeof(body), "{\"a\":%.*s1}", i % 9, "11111111111");

        snprintf(request, sizeof(request), "POST /late HTTP/1.1\r\n" HOST JSON "Content-Length: %d\r\n\r\n%s", len, body);
        if (client_ask(&client, own, request) == 200 && strcmp(own->body, body) == 0 && answer_header(own, "X-Late"))
            atomic_fetch_add(good, 1);
    }
    client_close(&client);
    free(own);
    return NULL;
}

static void test_late(void)
{
    pthread_t threads[20];
    atomic_int good = 0;

    for (int i = 0; i < 20; i++)
        pthread_create(&threads[i], NULL, ask_late, &good);
    for (int i = 0; i < 20; i++)
        pthread_join(threads[i], NULL);
    is_int(atomic_load(&good), 1000, "answers from another thread");
}

static void *be_rude(void *arg)
{
    static const char late[] = "POST /late HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}";
    size_t salt = *(size_t *)arg;

    for (size_t i = 0; i < 100; i++) {
        struct client client;

        client_open(&client, port);
        client_send(&client, late, i % 3 ? sizeof(late) - 1 : (salt + i) * 7 % sizeof(late));
        if (i % 5 == 0)
            nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
        client_close(&client);
    }
    return NULL;
}

/* Clients that leave in the middle of whatever they do: nothing of them stays. */
static void test_rudeness(void)
{
    size_t salts[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    struct http_stats stats;
    pthread_t threads[8];

    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, be_rude, &salts[i]);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 6000; i++) {
        http_stats(server, &stats);
        if (stats.open_connections == 0)
            break;
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    is_int((long long)stats.open_connections, 0, "clients that leave are gone");
    is_status("GET /open HTTP/1.1\r\n" HOST "\r\n", 200, "and others are served");
}

/* Everyone gets something before the connection ends, and an answer that comes afterwards does no harm. */
static void test_stop(void)
{
    struct client clients[30], stream;
    struct http_stats stats;
    int refused = 0, before = 0;

    client_open(&stream, port);
    client_send(&stream, STREAM, strlen(STREAM));
    for (int i = 0; i < 100; i++) {
        atomic_fetch_add(&ticks, 1);
        if (wake)
            http_stream_wake(wake);
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    for (int i = 0; i < 30; i++) {
        client_open(&clients[i], port);
        client_send(&clients[i], HOLD, strlen(HOLD));
    }
    while (before < 30) {
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
        pthread_mutex_lock(&held.lock);
        before = held.count;
        pthread_mutex_unlock(&held.lock);
    }
    http_stats(server, &stats);
    is_int((long long)stats.open_connections, 31, "connections are counted");
    ok(stats.requests > 1000 && stats.by_class[2] > 1000 && stats.by_class[4] > 10, "and requests");
    for (int i = 0; i < 5; i++)
        http_answer(held.calls[i], 200, "text/plain", STR("just in time"));
    http_stop(server);
    for (int i = 5; i < 30; i++)
        http_answer(held.calls[i], 200, "text/plain", STR("too late"));
    for (int i = 0; i < 30; i++) {
        refused += client_read(&clients[i], &answer, false) == 503;
        client_close(&clients[i]);
    }
    is_int(refused, 25, "parked calls are told that the server stops");
    is_int(client_read(&stream, &answer, false), 200, "a stream");
    is_int((long long)answer.body_len / 5 >= 100 && atomic_load(&streams_closed) == 1, 1, "says what it had, and ends");
    client_close(&stream);
    http_stream_wake(wake);
    http_wake_free(wake);
}

int main(void)
{
    ready = http_ready_new(200, "application/json", STR("{\"ready\":true}"), "e1");
    server = start();
    if (server == NULL)
        return done();
    port = http_port(server, 0);
    test_basics();
    test_routes();
    test_answers();
    test_queries();
    test_framing();
    test_smuggling();
    test_odd_heads();
    test_long_heads();
    test_large_bodies();
    test_caller();
    test_sessions();
    test_settings();
    test_assets();
    test_guessing();
    test_late();
    test_rudeness();
    test_stop();
    http_free(server);
    http_ready_free(ready);
    return done();
}
