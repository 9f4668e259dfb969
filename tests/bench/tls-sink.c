/* SPDX-License-Identifier: Apache-2.0 */
/* tls-sink - takes mail over TLS as fast as it can, keeps none of it, and tells when as much came as was expected.
 *
 *     tls-sink PORT CERT KEY          implicit TLS on 127.0.0.1:PORT
 *
 * On standard input: "expect N". Once N more messages were acknowledged: "done SECONDS CONNECTIONS" on standard output,
 * with the time on CLOCK_MONOTONIC and how many connections were opened meanwhile. Ends with standard input. A thread for each
 * connection; every sender that is compared gets the same sink. */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BUFFER 65536

struct session {
    gnutls_session_t tls;
    char in[BUFFER];
    size_t at, len;
    char out[4096];
    size_t out_len;
};

static gnutls_certificate_credentials_t credentials;
static gnutls_priority_t priority;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long expected, taken, connections;

static void count_one(void)
{
    struct timespec t;

    pthread_mutex_lock(&lock);
    if (++taken == expected) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        printf("done %lld.%09ld %ld\n", (long long)t.tv_sec, t.tv_nsec, connections);
        fflush(stdout);
    }
    pthread_mutex_unlock(&lock);
}

static bool flush_out(struct session *s)
{
    size_t sent = 0;

    while (sent < s->out_len) {
        ssize_t n = gnutls_record_send(s->tls, s->out + sent, s->out_len - sent);

        if (n < 0 && n != GNUTLS_E_INTERRUPTED && n != GNUTLS_E_AGAIN)
            return false;
        sent += n > 0 ? (size_t)n : 0;
    }
    s->out_len = 0;
    return true;
}

static bool reply(struct session *s, const char *text)
{
    size_t len = strlen(text);

    if (s->out_len + len > sizeof(s->out) && !flush_out(s))
        return false;
    memcpy(s->out + s->out_len, text, len);
    s->out_len += len;
    return true;
}

/* More bytes behind those not yet used. Answers go out first: that is what the client waits for. */
static bool fill(struct session *s)
{
    ssize_t n;

    if (s->out_len > 0 && !flush_out(s))
        return false;
    memmove(s->in, s->in + s->at, s->len - s->at);
    s->len -= s->at;
    s->at = 0;
    if (s->len == sizeof(s->in))
        return false;
    do
        n = gnutls_record_recv(s->tls, s->in + s->len, sizeof(s->in) - s->len);
    while (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_AGAIN);
    if (n <= 0)
        return false;
    s->len += (size_t)n;
    return true;
}

static bool take_message(struct session *s)
{
    static const char end[] = "\r\n.\r\n";

    for (;;) {
        char *dot = memmem(s->in + s->at, s->len - s->at, end, 5);

        if (dot) {
            s->at = (size_t)(dot + 5 - s->in);
            return true;
        }
        if (s->len - s->at > 4)
            s->at = s->len - 4;
        if (!fill(s))
            return false;
    }
}

static bool command(struct session *s, const char *line)
{
    if (strncasecmp(line, "EHLO", 4) == 0)
        return reply(s, "250-sink.example.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n"
                        "250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n");
    if (strncasecmp(line, "DATA", 4) == 0) {
        /* The commands before went in one write with DATA; so do their answers. */
        if (!reply(s, "354 go on\r\n") || !flush_out(s) || !take_message(s) || !reply(s, "250 2.0.0 taken\r\n") || !flush_out(s))
            return false;
        count_one();
        return true;
    }
    if (strncasecmp(line, "QUIT", 4) == 0) {
        reply(s, "221 2.0.0 bye\r\n");
        flush_out(s);
        return false;
    }
    return reply(s, strncasecmp(line, "RCPT", 4) == 0 ? "250 2.1.5 ok\r\n" : "250 2.0.0 ok\r\n");
}

static void *serve(void *arg)
{
    int fd = (int)(intptr_t)arg, error;
    struct session *s = calloc(1, sizeof(*s));

    gnutls_init(&s->tls, GNUTLS_SERVER);
    gnutls_priority_set(s->tls, priority);
    gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int(s->tls, fd);
    do
        error = gnutls_handshake(s->tls);
    while (error < 0 && !gnutls_error_is_fatal(error));
    if (error == 0 && reply(s, "220 sink.example.test ESMTP\r\n")) {
        for (;;) {
            char *end = memmem(s->in + s->at, s->len - s->at, "\r\n", 2), *line = s->in + s->at;

            if (end == NULL) {
                if (!fill(s))
                    break;
                continue;
            }
            *end = '\0';
            s->at = (size_t)(end + 2 - s->in);
            if (!command(s, line))
                break;
        }
        gnutls_bye(s->tls, GNUTLS_SHUT_WR);
    }
    gnutls_deinit(s->tls);
    close(fd);
    free(s);
    return NULL;
}

static void *listen_for_orders(void *arg)
{
    char line[100];

    (void)arg;
    while (fgets(line, sizeof(line), stdin)) {
        pthread_mutex_lock(&lock);
        if (sscanf(line, "expect %ld", &expected) == 1)
            taken = connections = 0;
        pthread_mutex_unlock(&lock);
    }
    exit(0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in here = { .sin_family = AF_INET };
    int on = 1, listener, fd;
    pthread_t thread;

    signal(SIGPIPE, SIG_IGN);
    if (argc != 4)
        return fprintf(stderr, "usage: tls-sink PORT CERT KEY\n"), 2;
    here.sin_port = htons((uint16_t)atoi(argv[1]));
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    gnutls_certificate_allocate_credentials(&credentials);
    if (gnutls_certificate_set_x509_key_file(credentials, argv[2], argv[3], GNUTLS_X509_FMT_PEM) < 0 ||
        gnutls_priority_init(&priority, NULL, NULL) < 0)
        return fprintf(stderr, "tls-sink: the certificate can't be read\n"), 2;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(listener, 500) < 0)
        return perror("tls-sink"), 2;
    pthread_create(&thread, NULL, listen_for_orders, NULL);
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        pthread_mutex_lock(&lock);
        connections++;
        pthread_mutex_unlock(&lock);
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
            close(fd);
        else
            pthread_detach(thread);
    }
    return 0;
}
