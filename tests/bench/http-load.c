/* SPDX-License-Identifier: Apache-2.0 */
/* http-load - sends one kind of request over some kept-alive connections, one at a time on each, and says how fast.
 *
 *     http-load [-c CONNECTIONS] [-n REQUESTS] [-s SECONDS] [-m METHOD] [-H 'Name: value']... [-b BODY-FILE]
 *               [-f FIRST] [-w WRAP] [-e STATUS] 127.0.0.1:PORT PATH
 *
 * Each "@@@@@@@@" in path, headers or body becomes a number of eight digits: FIRST, FIRST + 1, ... (with -w counted modulo WRAP),
 * so that lengths stay the same and everything but these digits is made once. -b - sends an empty body. One thread on
 * epoll, for it must cost less than what it measures. Prints one JSON object. Ends with 1 when an answer wasn't STATUS. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MARK "@@@@@@@@"
#define MARK_LEN 8
#define MARKS_MAX 16
#define HEAD_MAX 16384
#define ANSWER_MAX (4 << 20)
#define SAMPLES_MAX (1 << 24)

struct link {
    int fd;
    char *out;                  /* a copy of the request, to fill in numbers */
    size_t sent;
    char *in;
    size_t got, size, whole;    /* whole: length of the answer once its head is known, else 0 */
    int64_t begun;
    bool busy;
};

static struct {
    struct sockaddr_in to;
    int connections, status;
    long count;
    double seconds;
    long number, wrap;
    char *request;
    size_t len;
    size_t marks[MARKS_MAX];
    int mark_count;
} want = { .connections = 1, .status = 200, .count = 1 };

static struct {
    int epoll;
    long begun, done, wrong, reconnects;
    int wrong_status;
    char wrong_text[300];
    uint64_t bytes;
    uint32_t *micros;
    bool over;
} is;

static void die(const char *what)
{
    fprintf(stderr, "http-load: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static char *read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *text = malloc(ANSWER_MAX);

    if (file == NULL || text == NULL)
        die(path);
    *len = fread(text, 1, ANSWER_MAX, file);
    fclose(file);
    return text;
}

static void make_request(const char *method, const char *path, const char *target, const char *headers, const char *body_file)
{
    size_t body_len = 0, head_len;
    char *body = body_file && strcmp(body_file, "-") != 0 ? read_file(body_file, &body_len) : NULL;
    char length[64] = "";
    char *at;

    if (body_file)
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", body_len);
    want.request = calloc(1, HEAD_MAX + body_len + 1);
    if (want.request == NULL)
        die("memory");
    head_len = (size_t)snprintf(want.request, HEAD_MAX, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n", method, path, target,
                                headers, length);
    if (head_len >= HEAD_MAX)
        die("the head is too long");
    if (body)
        memcpy(want.request + head_len, body, body_len);
    want.len = head_len + body_len;
    free(body);
    for (at = want.request; want.mark_count < MARKS_MAX; at += MARK_LEN) {
        at = memmem(at, want.len - (size_t)(at - want.request), MARK, MARK_LEN);
        if (at == NULL)
            break;
        want.marks[want.mark_count++] = (size_t)(at - want.request);
    }
}

static void link_open(struct link *link)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = link };
    int on = 1;

    link->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (link->fd < 0 || connect(link->fd, (struct sockaddr *)&want.to, sizeof(want.to)) < 0)
        die("connect");
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(link->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(is.epoll, EPOLL_CTL_ADD, link->fd, &event) < 0)
        die("epoll_ctl");
}

static void link_push(struct link *link)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = link };

    while (link->sent < want.len) {
        ssize_t n = send(link->fd, link->out + link->sent, want.len - link->sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            event.events |= EPOLLOUT;
            break;
        }
        if (n < 0)
            die("send");
        link->sent += (size_t)n;
    }
    if (event.events & EPOLLOUT || link->sent > 0)
        epoll_ctl(is.epoll, EPOLL_CTL_MOD, link->fd, &event);
}

/* The next request, unless enough were sent. Most fit the socket at once and need no epoll_ctl. */
static void link_begin(struct link *link)
{
    char digits[32];
    ssize_t n;

    link->busy = false;
    if (is.over || (want.count > 0 && is.begun >= want.count))
        return;
    is.begun++;
    snprintf(digits, sizeof(digits), "%08ld", want.number);
    want.number++;
    if (want.wrap)
        want.number %= want.wrap;
    for (int i = 0; i < want.mark_count; i++)
        memcpy(link->out + want.marks[i], digits, MARK_LEN);
    link->busy = true;
    link->got = link->whole = 0;
    link->begun = now_ns();
    n = send(link->fd, link->out, want.len, MSG_NOSIGNAL);
    link->sent = n > 0 ? (size_t)n : 0;
    if (link->sent < want.len)
        link_push(link);
}

/* Sets link->whole once the head is there. */
static void link_look(struct link *link)
{
    char *end = memmem(link->in, link->got, "\r\n\r\n", 4);
    size_t body = 0;

    if (end == NULL)
        return;
    for (char *line = link->in; line < end; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, "Content-Length:", 15) == 0)
            body = strtoul(line + 15, NULL, 10);
    link->whole = (size_t)(end + 4 - link->in) + (atoi(link->in + 9) == 304 ? 0 : body);
}

static void link_done(struct link *link)
{
    int status = atoi(link->in + 9);
    int64_t took = (now_ns() - link->begun) / 1000;

    if (status != want.status && is.wrong++ == 0) {
        is.wrong_status = status;
        snprintf(is.wrong_text, sizeof(is.wrong_text), "%s", strstr(link->in, "\r\n\r\n") + 4);
    }
    if (is.done < SAMPLES_MAX)
        is.micros[is.done] = (uint32_t)took;
    is.done++;
    is.bytes += link->whole;
    link_begin(link);
}

static void link_read(struct link *link)
{
    ssize_t n;

    if (link->got + 65536 > link->size) {
        link->size += 131072;
        if (link->size > ANSWER_MAX || (link->in = realloc(link->in, link->size)) == NULL)
            die("an answer is too long");
    }
    n = recv(link->fd, link->in + link->got, link->size - link->got - 1, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {               /* a server may close between requests; the one under way is sent again */
        is.reconnects++;
        close(link->fd);
        link_open(link);
        if (link->busy) {
            is.begun--;
            link_begin(link);
        }
        return;
    }
    link->got += (size_t)n;
    link->in[link->got] = '\0';
    if (link->whole == 0)
        link_look(link);
    if (link->whole > 0 && link->got >= link->whole)
        link_done(link);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void run(struct link *links)
{
    struct epoll_event events[256];
    int64_t end = want.seconds > 0 ? now_ns() + (int64_t)(want.seconds * 1e9) : INT64_MAX;

    for (int i = 0; i < want.connections; i++)
        link_begin(&links[i]);
    while (is.done < is.begun) {
        int n = epoll_wait(is.epoll, events, 256, 30000);

        if (n == 0) {
            errno = ETIMEDOUT;
            die("no answer for 30 s");
        }
        for (int i = 0; i < n; i++) {
            if (events[i].events & EPOLLOUT)
                link_push(events[i].data.ptr);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                link_read(events[i].data.ptr);
        }
        if (now_ns() > end)
            is.over = true;
    }
}

static void report(double took)
{
    size_t n = (size_t)(is.done < SAMPLES_MAX ? is.done : SAMPLES_MAX);

    qsort(is.micros, n, sizeof(*is.micros), by_size);
    printf("{\"requests\":%ld,\"seconds\":%.6f,\"rate\":%.1f,\"wrong\":%ld,\"reconnects\":%ld,\"bytes\":%llu,"
           "\"us\":{\"min\":%u,\"median\":%u,\"p99\":%u,\"max\":%u}}\n", is.done, took, (double)is.done / took, is.wrong,
           is.reconnects, (unsigned long long)is.bytes, n ? is.micros[0] : 0, n ? is.micros[n / 2] : 0,
           n ? is.micros[n * 99 / 100] : 0, n ? is.micros[n - 1] : 0);
    if (is.wrong)
        fprintf(stderr, "http-load: %ld answers weren't %d; the first was %d: %s\n", is.wrong, want.status, is.wrong_status,
                is.wrong_text);
}

int main(int argc, char **argv)
{
    const char *method = NULL, *body = NULL;
    char headers[8192] = "", *colon;
    size_t used = 0;
    struct link *links;
    int64_t start;
    int option;

    signal(SIGPIPE, SIG_IGN);
    while ((option = getopt(argc, argv, "c:n:s:m:H:b:f:w:e:")) != -1) {
        switch (option) {
        case 'c': want.connections = atoi(optarg); break;
        case 'n': want.count = atol(optarg); break;
        case 's': want.seconds = atof(optarg); want.count = 0; break;
        case 'm': method = optarg; break;
        case 'H': used += (size_t)snprintf(headers + used, sizeof(headers) - used, "%s\r\n", optarg); break;
        case 'b': body = optarg; break;
        case 'f': want.number = atol(optarg); break;
        case 'w': want.wrap = atol(optarg); break;
        case 'e': want.status = atoi(optarg); break;
        default: return 2;
        }
        if (used >= sizeof(headers))
            die("too many headers");
    }
    if (optind + 2 != argc || (colon = strrchr(argv[optind], ':')) == NULL)
        return fprintf(stderr, "usage: http-load [OPTIONS] 127.0.0.1:PORT PATH\n"), 2;
    want.to.sin_family = AF_INET;
    want.to.sin_port = htons((uint16_t)atoi(colon + 1));
    want.to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    make_request(method ? method : body ? "POST" : "GET", argv[optind + 1], argv[optind], headers, body);

    is.epoll = epoll_create1(EPOLL_CLOEXEC);
    is.micros = calloc(SAMPLES_MAX, sizeof(*is.micros));
    links = calloc((size_t)want.connections, sizeof(*links));
    if (is.epoll < 0 || is.micros == NULL || links == NULL)
        die("start");
    for (int i = 0; i < want.connections; i++) {
        links[i].out = malloc(want.len);
        memcpy(links[i].out, want.request, want.len);
        link_open(&links[i]);
    }
    start = now_ns();
    run(links);
    report((double)(now_ns() - start) / 1e9);
    return is.wrong ? 1 : 0;
}
