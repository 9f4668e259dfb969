/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that go on. A stream with nothing to say is suspended, and costs no thread. */
#include <stdlib.h>

#include "http/internal.h"

#define BLOCK 8192

/* Held by the response and by whoever wakes it. */
struct http_wake {
    pthread_mutex_t lock;               /* taken before libmicrohttpd's, never after */
    struct http_server *server;
    struct http_wake *next, *prev;      /* server->streams, under its lock, which is taken first */
    struct http_stream stream;
    struct MHD_Connection *connection;
    int holders;
    bool suspended, news, ends, closed;
};

static void let_go(struct http_wake *wake)
{
    bool last;

    pthread_mutex_lock(&wake->lock);
    last = --wake->holders == 0;
    pthread_mutex_unlock(&wake->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&wake->lock);
    free(wake);
}

void http_wake_free(struct http_wake *wake)
{
    if (wake)
        let_go(wake);
}

void http_stream_wake(struct http_wake *wake)
{
    pthread_mutex_lock(&wake->lock);
    wake->news = true;
    if (wake->suspended && !wake->closed)
        MHD_resume_connection(wake->connection);
    wake->suspended = false;
    pthread_mutex_unlock(&wake->lock);
}

static ssize_t read_stream(void *cls, uint64_t at, char *into, size_t max)
{
    struct http_wake *wake = cls;
    ssize_t got;

    (void)at;
    pthread_mutex_lock(&wake->lock);
    wake->news = false;
    got = wake->ends ? -1 : 0;
    pthread_mutex_unlock(&wake->lock);
    if (got == 0)
        got = wake->stream.read(wake->stream.ctx, into, max);
    if (got < 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (got > 0)
        return got;
    pthread_mutex_lock(&wake->lock);
    if (!wake->news && !wake->ends) {   /* else: asked again at once */
        wake->suspended = true;
        MHD_suspend_connection(wake->connection);
    }
    pthread_mutex_unlock(&wake->lock);
    return 0;
}

static void close_stream(void *cls)
{
    struct http_wake *wake = cls;
    struct http_server *server = wake->server;

    pthread_mutex_lock(&server->lock);
    *(wake->prev ? &wake->prev->next : &server->streams) = wake->next;
    if (wake->next)
        wake->next->prev = wake->prev;
    pthread_mutex_unlock(&server->lock);
    pthread_mutex_lock(&wake->lock);
    wake->closed = true;
    pthread_mutex_unlock(&wake->lock);
    if (wake->stream.close)
        wake->stream.close(wake->stream.ctx);
    let_go(wake);
}

/* Resumes outside of the server's lock, which libmicrohttpd's threads take when a connection comes or goes. */
void streams_end(struct http_server *server)
{
    struct http_wake *ending[32];
    size_t count;

    do {
        count = 0;
        pthread_mutex_lock(&server->lock);
        for (struct http_wake *wake = server->streams; wake && count < COUNT_OF(ending); wake = wake->next) {
            pthread_mutex_lock(&wake->lock);
            if (!wake->ends) {
                wake->ends = true;
                wake->holders++;
                ending[count++] = wake;
            }
            pthread_mutex_unlock(&wake->lock);
        }
        pthread_mutex_unlock(&server->lock);
        for (size_t i = 0; i < count; i++) {
            http_stream_wake(ending[i]);
            let_go(ending[i]);
        }
    } while (count > 0);
}

void http_answer_stream(struct http_call *call, const char *ctype, const struct http_stream *stream,
                        struct http_wake **ret)
{
    struct http_wake *wake = mem_alloc(sizeof(*wake));
    struct http_server *server = call->server;
    struct MHD_Response *response;

    pthread_mutex_init(&wake->lock, NULL);
    wake->server = server;
    wake->stream = *stream;
    wake->connection = call->connection;
    wake->holders = 2;
    *ret = wake;
    pthread_mutex_lock(&server->lock);
    wake->next = server->streams;
    if (wake->next)
        wake->next->prev = wake;
    server->streams = wake;
    pthread_mutex_unlock(&server->lock);
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, wake, close_stream);
    if (response == NULL)
        close_stream(wake);
    answer_give(call, 200, answer_dress(call, response, ctype, NULL, NULL));
}
