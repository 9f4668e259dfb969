/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/mail_script.h - a scripted server on loopback, and an eye on what a session tells of itself.
 *
 * A script is lines: "S:text" is sent with CRLF ("|" within it is another), "R:text" as it is, "nnX:text" as "S:", nn
 * times, "P:nn" waits nn ms, "C:text" must be the next line received (a "*" at its end stands for any rest), "HANG" waits for the end
 * of the connection, "DROP" closes at once. */
#ifndef POSTERN_MAIL_SCRIPT_H
#define POSTERN_MAIL_SCRIPT_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "mail/observer.h"
#include "mail/security.h"

#include "tap.h"

struct script {
    int listener;
    uint16_t port;
    const char *text;
    pthread_t thread;
    char wrong[512]; /* the first line that wasn't what the script expects */
    struct buf seen; /* every line received */
    bool bytewise;   /* a write for each byte */
};

static bool script_write(const struct script *script, int fd, const char *bytes, size_t len)
{
    for (size_t n = script->bytewise ? 1 : len; len > 0; bytes += n, len -= n)
        if (send(fd, bytes, n, MSG_NOSIGNAL) != (ssize_t)n)
            return false;
    return true;
}

static bool script_send(const struct script *script, int fd, const char *text)
{
    AUTO_BUF(out, 1 << 20);
    struct str rest = str_c(text), line;

    while (str_split(&rest, '|', &line)) {
        buf_add(&out, line);
        buf_add_c(&out, "\r\n");
    }
    return script_write(script, fd, out.p, out.len);
}

static bool script_expect(struct script *script, FILE *in, const char *wanted)
{
    char line[65536];
    size_t len = strlen(wanted);
    bool any = len > 0 && wanted[len - 1] == '*';

    if (fgets(line, sizeof(line), in) == NULL)
        return false;
    buf_add_c(&script->seen, line);
    line[strcspn(line, "\r\n")] = '\0';
    if ((any ? strncmp(line, wanted, len - 1) : strcmp(line, wanted)) != 0 && script->wrong[0] == '\0')
        snprintf(script->wrong, sizeof(script->wrong), "expected \"%.200s\", got \"%.200s\"", wanted, line);
    return true;
}

static bool script_step(struct script *script, int fd, FILE *in, const char *step)
{
    char line[65536];
    char *many;
    long times = strtol(step, &many, 10);

    if (strncmp(step, "S:", 2) == 0)
        script_send(script, fd, step + 2);
    else if (strncmp(step, "P:", 2) == 0)
        usleep((useconds_t)strtoul(step + 2, NULL, 10) * 1000);
    else if (strncmp(step, "R:", 2) == 0)
        return script_write(script, fd, step + 2, strlen(step + 2));
    else if (strncmp(many, "X:", 2) == 0)
        while (times-- > 0 && script_send(script, fd, many + 2))
            ;
    else if (strncmp(step, "C:", 2) == 0)
        return script_expect(script, in, step + 2);
    else if (strcmp(step, "HANG") == 0) {
        while (fgets(line, sizeof(line), in))
            buf_add_c(&script->seen, line);
        return false;
    }
    return strcmp(step, "DROP") != 0;
}

static void *script_play(void *ctx)
{
    struct script *script = ctx;
    int fd = accept(script->listener, NULL, NULL);
    FILE *in = fdopen(dup(fd), "r");
    struct str rest = str_c(script->text), step;
    bool going = true;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    while (going && str_split(&rest, '\n', &step)) {
        AUTO_FREE char *copy = str_dup(step);

        going = *copy == '\0' || script_step(script, fd, in, copy);
    }
    fclose(in);
    close(fd);
    return NULL;
}

static void script_begin(struct script *script, const char *text, bool bytewise)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    *script = (struct script){ .text = text, .bytewise = bytewise };
    buf_init(&script->seen, 1 << 20);
    buf_add_c(&script->seen, "");
    script->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(script->listener, (struct sockaddr *)&at, sizeof(at));
    listen(script->listener, 4);
    getsockname(script->listener, (struct sockaddr *)&at, &len);
    script->port = ntohs(at.sin_port);
    pthread_create(&script->thread, NULL, script_play, script);
}

__attribute__((unused)) static void script_start(struct script *script, const char *text)
{
    script_begin(script, text, false);
}

static void script_stop(struct script *script)
{
    close(script->listener);
    buf_free(&script->seen);
}

/* ---- what the client sees --------------------------------------------------------------------------- */

struct watch {
    struct buf steps, transcript, details;
};

static void watch_step(void *ctx, const struct mail_step *step)
{
    struct watch *watch = ctx;

    buf_addf(&watch->steps, "%s%s%s", watch->steps.len ? " " : "", step->name, step->err ? "!" : "");
    buf_addf(&watch->details, "%s=%s\n", step->name, step->detail);
}

static void watch_line(void *ctx, enum mail_direction direction, struct str line)
{
    struct watch *watch = ctx;

    buf_addf(&watch->transcript, "%c ", direction == MAIL_SENT ? '>' : '<');
    buf_add(&watch->transcript, line);
    buf_add_char(&watch->transcript, '\n');
}

static struct mail_observer watch_start(struct watch *watch)
{
    buf_init(&watch->steps, 1 << 16);
    buf_init(&watch->transcript, 1 << 20);
    buf_init(&watch->details, 1 << 16);
    buf_add_c(&watch->steps, "");
    buf_add_c(&watch->transcript, "");
    return (struct mail_observer){ .ctx = watch, .step = watch_step, .transcript = watch_line };
}

static void watch_stop(struct watch *watch)
{
    buf_free(&watch->steps);
    buf_free(&watch->transcript);
    buf_free(&watch->details);
}

enum { STARTTLS = 1, ALLOWED = 2, AUTH = 4, UTF8_PASSWORD = 8 };

static struct mail_server script_server(const struct script *script, unsigned how)
{
    return (struct mail_server){ .hostname = "127.0.0.1",
                                 .port = script->port,
                                 .timeout_ms = 400,
                                 .security = how & STARTTLS ? SECURITY_STARTTLS : SECURITY_NONE,
                                 .allow_cleartext_auth = how & ALLOWED };
}

__attribute__((unused)) static struct mail_auth script_auth(unsigned how, const char *mechanism)
{
    return (struct mail_auth){ how & AUTH ? MAIL_AUTH_BASIC : MAIL_AUTH_NONE, "plant",
                               how & UTF8_PASSWORD ? "P\xc3\xa4ss \"w\\" : "Pass \"w\\", mechanism };
}

/* Neither in words nor in base64. */
__attribute__((unused)) static bool tells_no_password(const char *text)
{
    return strstr(text, "Pass") == NULL && strstr(text, "ss \"w") == NULL &&
           strstr(text, "AFBhc3M") == NULL && strstr(text, "UGFzcyAi") == NULL &&
           strstr(text, "cGxhbnQ") == NULL;
}

#endif
