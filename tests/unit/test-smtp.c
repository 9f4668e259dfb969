/* SPDX-License-Identifier: Apache-2.0 */
/* The SMTP client against a scripted server on loopback. A script is lines: "S:text" is sent (with CRLF, "|"
 * is another), "C:text" must be the beginning of the next line received, "BODY" reads up to the final dot,
 * "HANG" waits for the end of the connection, "DROP" closes at once. The big collection of servers is in
 * tests/dialogs/; here is what needs a look at outcomes and results. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "mail/probe.h"
#include "mail/smtp.h"

#include "tap.h"

/* ---- the server ------------------------------------------------------------------------------------- */

struct server {
    int listener;
    uint16_t port;
    const char *const *parts; /* of the script, NULL-terminated */
    pthread_t thread;
    char wrong[256]; /* the first line that wasn't what the script expects */
    struct buf body; /* of the last message, as it came */
    struct buf seen; /* every command */
};

static bool server_line(FILE *in, struct server *server, char *line, size_t size)
{
    if (fgets(line, (int)size, in) == NULL)
        return false;
    buf_add_c(&server->seen, line);
    line[strcspn(line, "\r\n")] = '\0';
    return true;
}

static bool play_line(struct server *server, int fd, FILE *in, const char *step)
{
    char line[4096];

    if (strncmp(step, "S:", 2) == 0) {
        const char *bar = strchr(step, '|');

        return dprintf(fd, "%.*s%s%s\r\n", (int)strcspn(step + 2, "|"), step + 2, bar ? "\r\n" : "",
                       bar ? bar + 1 : "") > 0;
    }
    if (strcmp(step, "DROP") == 0)
        return false;
    if (strcmp(step, "HANG") == 0) {
        while (fgets(line, sizeof(line), in))
            buf_add_c(&server->seen, line);
        return false;
    }
    if (strcmp(step, "BODY") == 0) {
        buf_clear(&server->body);
        while (fgets(line, sizeof(line), in)) {
            if (strcmp(line, ".\r\n") == 0)
                return true;
            buf_add_c(&server->body, line);
        }
        return false;
    }
    if (!server_line(in, server, line, sizeof(line)))
        return false;
    if (strncmp(line, step + 2, strlen(step + 2)) != 0 && server->wrong[0] == '\0')
        snprintf(server->wrong, sizeof(server->wrong), "expected \"%.100s\", got \"%.100s\"", step + 2, line);
    return true;
}

static void *serve(void *ctx)
{
    struct server *server = ctx;
    int fd = accept(server->listener, NULL, NULL);
    FILE *in = fdopen(dup(fd), "r");
    bool going = true;

    for (size_t i = 0; going && server->parts[i]; i++) {
        AUTO_FREE char *copy = mem_strdup(server->parts[i]);

        for (char *rest = copy, *step; going && (step = strsep(&rest, "\n"));)
            going = *step == '\0' || play_line(server, fd, in, step);
    }
    fclose(in);
    close(fd);
    return NULL;
}

static void server_start(struct server *server, const char *const *parts)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    *server = (struct server){ .parts = parts };
    buf_init(&server->body, 1 << 20);
    buf_init(&server->seen, 1 << 20);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(server->listener, (struct sockaddr *)&at, sizeof(at));
    listen(server->listener, 4);
    getsockname(server->listener, (struct sockaddr *)&at, &len);
    server->port = ntohs(at.sin_port);
    pthread_create(&server->thread, NULL, serve, server);
}

static void server_stop(struct server *server)
{
    pthread_join(server->thread, NULL);
    close(server->listener);
    buf_free(&server->body);
    buf_free(&server->seen);
}

/* ---- what the client sees --------------------------------------------------------------------------- */

struct watch {
    struct buf steps, transcript;
};

static void see_step(void *ctx, const struct mail_step *step)
{
    struct watch *watch = ctx;

    buf_addf(&watch->steps, "%s%s%s", watch->steps.len ? " " : "", step->name, step->err ? "!" : "");
}

static void see_line(void *ctx, enum mail_direction direction, struct str line)
{
    struct watch *watch = ctx;

    buf_addf(&watch->transcript, "%c ", direction == MAIL_SENT ? '>' : '<');
    buf_add(&watch->transcript, line);
    buf_add_char(&watch->transcript, '\n');
}

static struct mail_observer observe(struct watch *watch)
{
    buf_init(&watch->steps, 4096);
    buf_init(&watch->transcript, 1 << 20);
    return (struct mail_observer){ .ctx = watch, .step = see_step, .transcript = see_line };
}

static void watch_free(struct watch *watch)
{
    buf_free(&watch->steps);
    buf_free(&watch->transcript);
}

static const struct mail_auth password = { .type = MAIL_AUTH_BASIC,
                                           .username = "plant",
                                           .secret = "Passw0rd" };

/* ---- opening ---------------------------------------------------------------------------------------- */

#define HELLO "S:220 mail.example.com ESMTP\nC:EHLO me.example.com\n"
#define GREET HELLO "S:250 mail.example.com\n"
#define PIPED HELLO "S:250-mail.example.com\nS:250-PIPELINING\nS:250-SIZE 1000\nS:250 DSN\n"
#define OFFER_TLS HELLO "S:250-mail.example.com\nS:250 STARTTLS\n"
#define OFFER_AUTH HELLO "S:250-mail.example.com\nS:250 AUTH PLAIN LOGIN\n"

enum { CLEAR = 1, STARTTLS = 2, AUTH = 4, ALLOWED = 8 };

static void test_open(void)
{
    static const struct {
        const char *name;
        unsigned how;
        const char *script;
        const char *id, *at; /* NULL: opens */
        const char *steps;
    } rows[] = {
        { "plain server", CLEAR, GREET "HANG", NULL, NULL, "resolve connect greeting capabilities" },
        { "greeting of several lines", CLEAR, "S:220-one\nS:220 two\nC:EHLO \nS:250 x\nHANG", NULL, NULL,
          NULL },
        { "greets with 554", CLEAR, "S:554 5.7.1 go away\nHANG", "protocol.greeting", "smtp.greeting",
          "resolve connect greeting!" },
        { "greets with 421", CLEAR, "S:421 busy\nHANG", "protocol.greeting", "smtp.greeting", NULL },
        { "greets with 250", CLEAR, "S:250 hello\nHANG", "protocol.unexpected", "smtp.greeting", NULL },
        { "says nothing", CLEAR, "HANG", "protocol.timeout", "smtp.greeting", NULL },
        { "closes at once", CLEAR, "DROP", "connect.closed", "smtp.greeting", NULL },
        { "is an IMAP server", CLEAR, "S:* OK IMAP4rev1\nHANG", "protocol.garbage", "smtp.greeting", NULL },
        { "hangs after EHLO", CLEAR, HELLO "HANG", "protocol.timeout", "smtp.ehlo",
          "resolve connect greeting capabilities!" },
        { "closes after EHLO", CLEAR, HELLO "DROP", "connect.closed", "smtp.ehlo", NULL },
        { "closes within EHLO", CLEAR, HELLO "S:250-x\nDROP", "connect.closed", "smtp.ehlo", NULL },
        { "knows only HELO", CLEAR, HELLO "S:502 what?\nC:HELO me.example.com\nS:250 x\nHANG", NULL, NULL,
          NULL },
        { "HELO doesn't do with a password", CLEAR | AUTH | ALLOWED, HELLO "S:502 what?\nHANG",
          "protocol.refused", "smtp.ehlo", NULL },
        { "refuses EHLO for now", CLEAR, HELLO "S:450 later\nHANG", "protocol.refused", "smtp.ehlo", NULL },
        { "offers no STARTTLS", STARTTLS, GREET "HANG", "tls.starttlsMissing", "smtp.starttls",
          "resolve connect greeting starttls!" },
        { "refuses STARTTLS", STARTTLS, OFFER_TLS "C:STARTTLS\nS:502 no\nHANG", "tls.starttlsRefused",
          "smtp.starttls", NULL },
        { "refuses STARTTLS for now", STARTTLS, OFFER_TLS "C:STARTTLS\nS:454 4.7.0 later\nHANG",
          "tls.starttlsRefused", "smtp.starttls", NULL },
        { "injects a reply before the handshake", STARTTLS,
          OFFER_TLS "C:STARTTLS\nS:220 go|250 AUTH PLAIN\nHANG", "tls.injected", "smtp.tls",
          "resolve connect greeting starttls tls!" },
        { "hangs at STARTTLS", STARTTLS, OFFER_TLS "C:STARTTLS\nHANG", "protocol.timeout", "smtp.starttls",
          NULL },
        { "credentials in clear", CLEAR | AUTH, OFFER_AUTH "HANG", "auth.cleartext", "smtp.auth",
          "resolve connect greeting capabilities authenticate!" },
        { "credentials in clear, allowed", CLEAR | AUTH | ALLOWED,
          OFFER_AUTH "C:AUTH PLAIN AHBsYW50AFBhc3N3MHJk\nS:235 2.7.0 welcome\nHANG", NULL, NULL, NULL },
        { "refuses the credentials", CLEAR | AUTH | ALLOWED,
          OFFER_AUTH "C:AUTH PLAIN\nS:535 5.7.8 wrong\nHANG", "auth.refused", "smtp.auth", NULL },
        { "can't check them now", CLEAR | AUTH | ALLOWED, OFFER_AUTH "C:AUTH PLAIN\nS:454 4.7.0 later\nHANG",
          "auth.temporary", "smtp.auth", NULL },
        { "asks on and on", CLEAR | AUTH | ALLOWED,
          OFFER_AUTH "C:AUTH PLAIN\nS:334 \nC:\nS:334 \nC:\nS:334 \nC:\nS:334 \nC:\n"
                     "S:334 \nC:\nS:334 \nC:\nS:334 \nC:\nS:334 \nHANG",
          "protocol.unexpected", "smtp.auth", NULL },
        { "asks PLAIN for more", CLEAR | AUTH | ALLOWED,
          OFFER_AUTH "C:AUTH PLAIN\nS:334 bW9yZQ==\nC:*\nS:501 ok\nHANG", "auth.refused", "smtp.auth", NULL },
        { "LOGIN", CLEAR | AUTH | ALLOWED,
          HELLO "S:250-x\nS:250 AUTH LOGIN\nC:AUTH LOGIN\nS:334 VXNlcm5hbWU6\nC:cGxhbnQ=\n"
                "S:334 UGFzc3dvcmQ6\nC:UGFzc3cwcmQ=\nS:235 ok\nHANG",
          NULL, NULL, NULL },
        { "says yes to SCRAM too early", CLEAR | AUTH | ALLOWED,
          HELLO "S:250-x\nS:250 AUTH SCRAM-SHA-256\nC:AUTH SCRAM-SHA-256 biws\n"
                "S:235 ok\nHANG",
          "auth.refused", "smtp.auth", NULL },
        { "offers no way to log in", CLEAR | AUTH | ALLOWED, GREET "HANG", "auth.noMechanism", "smtp.auth",
          NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct server server;
        struct watch watch;
        struct mail_observer observer = observe(&watch);
        struct mail_server where = { .hostname = "127.0.0.1",
                                     .timeout_ms = 300,
                                     .security = rows[i].how & STARTTLS ? SECURITY_STARTTLS : SECURITY_NONE,
                                     .allow_cleartext_auth = rows[i].how & ALLOWED };
        struct err err = { 0 };
        struct smtp_session *smtp;
        int rc;

        server_start(&server, (const char *const[]){ rows[i].script, NULL });
        where.port = server.port;
        smtp = smtp_new(&where, &observer, "me.example.com");
        rc = smtp_open(smtp, rows[i].how & AUTH ? &password : NULL, &err);
        smtp_free(smtp);
        pthread_join(server.thread, NULL);
        server.thread = pthread_self();
        if (!ok(rc == (rows[i].id ? -1 : 0) && strcmp(err.id, rows[i].id ? rows[i].id : "") == 0 &&
                    strcmp(err.at, rows[i].at ? rows[i].at : "") == 0 && server.wrong[0] == '\0' &&
                    (rows[i].steps == NULL || strcmp(watch.steps.p, rows[i].steps) == 0),
                "open: %s", rows[i].name) ||
            err.id[0])
            printf("# %s at %s: %s\n# %s %s\n", err.id, err.at, err.text, server.wrong, watch.steps.p);
        if (!(rows[i].how & ALLOWED))
            ok(server.seen.p == NULL || strstr(server.seen.p, "AUTH") == NULL, "and no credentials are sent");
        ok(watch.transcript.p == NULL ||
               (strstr(watch.transcript.p, "UGFzc3") == NULL && strstr(watch.transcript.p, "AHBs") == NULL),
           "nor in the transcript");
        watch_free(&watch);
        close(server.listener);
        buf_free(&server.body);
        buf_free(&server.seen);
    }
}

/* ---- sending ---------------------------------------------------------------------------------------- */

static int refuse_dot(void *ctx, struct err *err)
{
    ++*(int *)ctx;
    return err_set(err, ERR_STORAGE, NULL, "not durable");
}

static int allow_dot(void *ctx, struct err *err)
{
    (void)err;
    ++*(int *)ctx;
    return 0;
}

#define A "C:RCPT TO:<a@example.com>\n"
#define B "C:RCPT TO:<b@example.com>\n"
#define FROM "C:MAIL FROM:<me@example.com>"
#define DATA "C:DATA\n"
#define END "HANG"

static void test_send(void)
{
    static const struct {
        const char *name, *script, *message;
        const char *second; /* the second recipient, after a@example.com */
        enum smtp_outcome outcome;
        enum smtp_class a, b;
        const char *id, *at;
        bool usable;
    } rows[] = {
        { "one message, in turn",
          GREET FROM "\nS:250 ok\n" A "S:250 ok\n" B "S:250 ok\n" DATA
                     "S:354 go\nBODY\nS:250 2.0.0 queued\n" END,
          "x\r\n", "b@example.com", SMTP_SENT, SMTP_ACCEPTED, SMTP_ACCEPTED, "", "", true },
        { "one message, in one go",
          PIPED FROM " SIZE=3\n" A B DATA "S:250 ok\nS:250 ok\nS:250 ok\nS:354 go\nBODY\nS:250 queued\n" END,
          "x\r\n", "b@example.com", SMTP_SENT, SMTP_ACCEPTED, SMTP_ACCEPTED, "", "", true },
        { "one recipient refused",
          PIPED FROM "\n" A B DATA "S:250 ok\nS:250 ok\nS:550 5.1.1 who?\nS:354 go\nBODY\nS:250 queued\n" END,
          "x\r\n", "b@example.com", SMTP_SENT, SMTP_ACCEPTED, SMTP_REJECTED, "", "", true },
        { "one recipient deferred, in turn",
          GREET FROM "\nS:250 ok\n" A "S:450 4.2.1 later\n" B "S:250 ok\n" DATA
                     "S:354 go\nBODY\nS:250 ok\n" END,
          "x\r\n", "b@example.com", SMTP_SENT, SMTP_DEFERRED, SMTP_ACCEPTED, "", "", true },
        { "all refused, and 354 to nobody",
          PIPED FROM "\n" A B DATA "S:250 ok\nS:550 a?\nS:550 b?\nS:354 go\nC:.\nS:554 nobody\n" END, "x\r\n",
          "b@example.com", SMTP_PERMANENT, SMTP_REJECTED, SMTP_REJECTED, "protocol.refused", "smtp.rcpt",
          true },
        { "all refused", PIPED FROM "\n" A B DATA "S:250 ok\nS:550 a?\nS:450 b?\nS:503 nobody\n" END, "x\r\n",
          "b@example.com", SMTP_TEMPORARY, SMTP_REJECTED, SMTP_DEFERRED, "protocol.refused", "smtp.rcpt",
          true },
        { "all refused, in turn", GREET FROM "\nS:250 ok\n" A "S:550 a?\n" B "S:550 b?\n" END, "x\r\n",
          "b@example.com", SMTP_PERMANENT, SMTP_REJECTED, SMTP_REJECTED, "protocol.refused", "smtp.rcpt",
          true },
        { "sender refused",
          PIPED FROM "\n" A B DATA "S:550 5.7.1 not you\nS:503 no\nS:503 no\nS:503 no\n" END, "x\r\n",
          "b@example.com", SMTP_PERMANENT, SMTP_REJECTED, SMTP_REJECTED, "protocol.refused", "smtp.mail",
          true },
        { "sender refused, in turn", GREET FROM "\nS:451 later\n" END, "x\r\n", "b@example.com",
          SMTP_TEMPORARY, SMTP_DEFERRED, SMTP_DEFERRED, "protocol.refused", "smtp.mail", true },
        { "wants a login first",
          PIPED FROM "\n" A B DATA "S:530 5.7.0 log in\nS:503 no\nS:503 no\nS:503 no\n" END, "x\r\n",
          "b@example.com", SMTP_TEMPORARY, SMTP_DEFERRED, SMTP_DEFERRED, "auth.required", "smtp.mail", true },
        { "too many recipients as 552",
          PIPED FROM "\n" A B DATA "S:250 ok\nS:250 ok\nS:552 too many\nS:354 go\nBODY\nS:250 ok\n" END,
          "x\r\n", "b@example.com", SMTP_SENT, SMTP_ACCEPTED, SMTP_DEFERRED, "", "", true },
        { "mailbox full as 552",
          PIPED FROM "\n" A B DATA "S:250 ok\nS:250 ok\nS:552 5.2.2 full\nS:354 go\nBODY\nS:250 ok\n" END,
          "x\r\n", "b@example.com", SMTP_SENT, SMTP_ACCEPTED, SMTP_REJECTED, "", "", true },
        { "message refused at DATA", PIPED FROM "\n" A B DATA "S:250 ok\nS:250 ok\nS:250 ok\nS:554 no\n" END,
          "x\r\n", "b@example.com", SMTP_PERMANENT, SMTP_REJECTED, SMTP_REJECTED, "protocol.refused",
          "smtp.data", true },
        { "message refused after the dot",
          PIPED FROM "\n" A B DATA "S:250 ok\nS:250 ok\nS:550 b?\nS:354 go\nBODY\nS:451 disk full\n" END,
          "x\r\n", "b@example.com", SMTP_TEMPORARY, SMTP_DEFERRED, SMTP_REJECTED, "protocol.refused",
          "smtp.dot", true },
        { "421 after the dot",
          PIPED FROM "\n" A B DATA "S:250 ok\nS:250 ok\nS:250 ok\nS:354 go\nBODY\nS:421 bye\nDROP", "x\r\n",
          "b@example.com", SMTP_TEMPORARY, SMTP_DEFERRED, SMTP_DEFERRED, "connect.closed", "smtp.dot",
          false },
        { "421 to MAIL", PIPED FROM "\n" A B DATA "S:421 4.3.2 bye\nDROP", "x\r\n", "b@example.com",
          SMTP_LOST, SMTP_DEFERRED, SMTP_DEFERRED, "connect.closed", "smtp.mail", false },
        { "closes at RCPT", PIPED FROM "\n" A B DATA "S:250 ok\nS:550 5.1.1 who?\nDROP", "x\r\n",
          "b@example.com", SMTP_LOST, SMTP_REJECTED, SMTP_UNANSWERED, "connect.closed", "smtp.rcpt", false },
        { "hangs at DATA", PIPED FROM "\n" A B DATA "S:250 ok\nS:250 ok\nS:250 ok\nHANG", "x\r\n",
          "b@example.com", SMTP_LOST, SMTP_UNANSWERED, SMTP_UNANSWERED, "protocol.timeout", "smtp.data",
          false },
        { "closes after the dot",
          PIPED FROM "\n" A B DATA "S:250 ok\nS:250 ok\nS:550 b?\nS:354 go\nBODY\nDROP", "x\r\n",
          "b@example.com", SMTP_UNCERTAIN, SMTP_IN_DOUBT, SMTP_REJECTED, "connect.closed", "smtp.dot",
          false },
        { "hangs after the dot",
          PIPED FROM "\n" A B DATA "S:250 ok\nS:250 ok\nS:250 ok\nS:354 go\nBODY\nHANG", "x\r\n",
          "b@example.com", SMTP_UNCERTAIN, SMTP_IN_DOUBT, SMTP_IN_DOUBT, "protocol.timeout", "smtp.dot",
          false },
        { "rubbish after the dot",
          PIPED FROM "\n" A B DATA "S:250 ok\nS:250 ok\nS:250 ok\nS:354 go\nBODY\nS:what?\n" END, "x\r\n",
          "b@example.com", SMTP_UNCERTAIN, SMTP_IN_DOUBT, SMTP_IN_DOUBT, "protocol.garbage", "smtp.dot",
          false },
        { "rubbish at MAIL", PIPED FROM "\n" A B DATA "S:what?\n" END, "x\r\n", "b@example.com", SMTP_LOST,
          SMTP_UNANSWERED, SMTP_UNANSWERED, "protocol.garbage", "smtp.mail", false },
        { "354 to RCPT", PIPED FROM "\n" A B DATA "S:250 ok\nS:354 go\n" END, "x\r\n", "b@example.com",
          SMTP_LOST, SMTP_UNANSWERED, SMTP_UNANSWERED, "protocol.unexpected", "smtp.rcpt", false },
        { "8-bit to a 7-bit server", GREET END, "gr\xc3\xbc\xc3\x9f\r\n", "b@example.com", SMTP_PERMANENT,
          SMTP_REJECTED, SMTP_REJECTED, "protocol.eightBitMimeMissing", "smtp.mail", true },
        { "an address in UTF-8 to an ASCII server",
          PIPED FROM "\n" A DATA "S:250 ok\nS:250 ok\nS:354 go\nBODY\nS:250 ok\n" END, "x\r\n",
          "gr\xc3\xbc\xc3\x9f@example.com", SMTP_SENT, SMTP_ACCEPTED, SMTP_REJECTED, "", "", true },
        { "an address with a line break",
          PIPED FROM "\n" A DATA "S:250 ok\nS:250 ok\nS:354 go\nBODY\nS:250 ok\n" END, "x\r\n",
          "b@example.com>\r\nDATA", SMTP_SENT, SMTP_ACCEPTED, SMTP_REJECTED, "", "", true },
        { "larger than the server takes", HELLO "S:250-x\nS:250 SIZE 2\n" END, "x\r\n", "b@example.com",
          SMTP_PERMANENT, SMTP_REJECTED, SMTP_REJECTED, "limit.messageSize", "smtp.mail", true },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct server server;
        struct mail_server where = { .hostname = "127.0.0.1", .timeout_ms = 300 };
        struct smtp_recipient recipients[] = { { .address = "a@example.com" },
                                               { .address = rows[i].second } };
        struct smtp_envelope envelope = { .sender = "me@example.com", .recipients = recipients, .count = 2 };
        struct smtp_result results[2];
        enum smtp_outcome outcome;
        struct err err = { 0 };
        struct smtp_session *smtp;

        server_start(&server, (const char *const[]){ rows[i].script, NULL });
        where.port = server.port;
        smtp = smtp_new(&where, NULL, "me.example.com");
        smtp_open(smtp, NULL, &err);
        outcome = smtp_send(smtp, &envelope, str_c(rows[i].message), results, &err);
        if (!ok(outcome == rows[i].outcome && results[0].class == rows[i].a &&
                    results[1].class == rows[i].b && strcmp(err.id, rows[i].id) == 0 &&
                    strcmp(err.at, rows[i].at) == 0 && smtp_is_usable(smtp) == rows[i].usable &&
                    server.wrong[0] == '\0',
                "send: %s", rows[i].name) ||
            err.id[0])
            printf("# %d: %d %d, %s at %s: %s\n# %s\n", outcome, results[0].class, results[1].class, err.id,
                   err.at, err.text, server.wrong);
        smtp_free(smtp);
        server_stop(&server);
    }
}

static void test_two_messages(void)
{
    static const char *const script[] = {
        PIPED,
        "C:MAIL FROM:<> SIZE=6 RET=HDRS ENVID=a+2Bb\nC:RCPT TO:<a@example.com> NOTIFY=NEVER\nC:DATA\nS:250 "
        "ok\nS:250 ok\nS:354 go\nBODY\n"
        "S:250 2.0.0 first\n",
        "C:MAIL FROM:<me@example.com>\n" A DATA "S:250 ok\nS:550 5.1.1 who?\nS:554 nobody\n",
        "C:RSET\n" FROM "\n" A DATA "S:250 reset\nS:250 ok\nS:250 ok\nS:354 go\nBODY\nS:250 third\n",
        FROM "\n" A DATA "S:250 ok\nS:250 ok\nS:354 go\nHANG",
        NULL
    };
    struct server server;
    struct watch watch;
    struct mail_observer observer = observe(&watch);
    struct mail_server where = { .hostname = "127.0.0.1", .timeout_ms = 1000 };
    struct smtp_recipient recipient = { .address = "a@example.com", .notify = "NEVER" };
    struct smtp_envelope envelope = {
        .sender = "", .recipients = &recipient, .count = 1, .ret = "HDRS", .envid = "a+b"
    };
    struct smtp_result result;
    struct err err = { 0 };
    struct smtp_session *smtp;
    int asked = 0;

    server_start(&server, script);
    where.port = server.port;
    smtp = smtp_new(&where, &observer, "me.example.com");
    ok(smtp_open(smtp, NULL, &err) == 0 && smtp_capabilities(smtp)->dsn, "opens");
    envelope.before_dot = allow_dot;
    envelope.ctx = &asked;
    is_int(smtp_send(smtp, &envelope, STR("\n.x"), &result, &err), SMTP_SENT,
           "first message, DSN parameters");
    is_int(asked, 1, "before_dot was asked");
    is_str(server.body.p, "\r\n..x\r\n", "with its dot stuffed");
    is_str(result.enhanced, "2.0.0", "enhanced code of the result");
    is_str(result.text, "first", "text of the result");
    envelope = (struct smtp_envelope){ .sender = "me@example.com", .recipients = &recipient, .count = 1 };
    recipient.notify = NULL;
    is_int(smtp_send(smtp, &envelope, STR("x"), &result, &err), SMTP_PERMANENT, "second refused");
    is_int(smtp_send(smtp, &envelope, STR("x"), &result, &err), SMTP_SENT,
           "third sent, after a reset in the same write");
    ok(smtp_is_usable(smtp), "still usable");
    envelope.before_dot = refuse_dot;
    envelope.ctx = &asked;
    is_int(smtp_send(smtp, &envelope, STR("secret body"), &result, &err), SMTP_LOST,
           "fourth: before_dot says no");
    is_int(err.code, ERR_STORAGE, "and says why");
    ok(!smtp_is_usable(smtp), "the session is over");
    smtp_quit(smtp);
    smtp_free(smtp);
    pthread_join(server.thread, NULL);
    is_str(server.wrong, "", "the server saw what it expected");
    ok(server.seen.len && strstr(server.seen.p, "\n.\r\n") == NULL, "and no dot of the fourth");
    ok(strstr(watch.transcript.p, "secret body") == NULL &&
           strstr(watch.transcript.p, "> [message of 13 bytes]"),
       "transcript without bodies");
    watch_free(&watch);
    close(server.listener);
    buf_free(&server.body);
    buf_free(&server.seen);
}

/* More than one group, and a message of more than one piece. */
static void test_large(void)
{
    enum { COUNT = 250, SIZE = 300 * 1024 };
    AUTO_BUF(script, 1 << 20);
    AUTO_BUF(message, 1 << 20);
    struct server server;
    struct mail_server where = { .hostname = "127.0.0.1", .timeout_ms = 2000 };
    struct smtp_recipient recipients[COUNT];
    struct smtp_envelope envelope = { .sender = "me@example.com", .recipients = recipients, .count = COUNT };
    AUTO_FREE struct smtp_result *results = mem_array(COUNT, sizeof(*results));
    struct err err = { 0 };
    struct smtp_session *smtp;

    buf_add_c(&script, "S:220 x\nC:EHLO\nS:250-x\nS:250 PIPELINING\n");
    for (int group = 0; group < 3; group++) {
        int in_group = group < 2 ? 100 : 50;

        buf_add_c(&script, group == 0 ? "C:MAIL\n" : "");
        for (int i = 0; i < in_group; i++)
            buf_add_c(&script, A);
        buf_add_c(&script, group == 2 ? DATA : "");
        buf_add_c(&script, group == 0 ? "S:250 ok\n" : "");
        for (int i = 0; i < in_group; i++)
            buf_add_c(&script, "S:250 ok\n");
    }
    buf_add_c(&script, "S:354 go\nBODY\nS:250 ok\nC:QUIT\nS:221 bye\nHANG");
    for (int i = 0; i < COUNT; i++)
        recipients[i] = (struct smtp_recipient){ .address = "a@example.com" };
    while (message.len < SIZE)
        buf_add_c(&message, ".234567890123456789012345678901234567890\r\n");

    server_start(&server, (const char *const[]){ script.p, NULL });
    where.port = server.port;
    smtp = smtp_new(&where, NULL, NULL);
    smtp_open(smtp, NULL, &err);
    is_int(smtp_send(smtp, &envelope, buf_str(&message), results, &err), SMTP_SENT,
           "250 recipients, 300 KiB");
    is_int(results[COUNT - 1].class, SMTP_ACCEPTED, "the last recipient too");
    smtp_quit(smtp);
    ok(!smtp_is_usable(smtp), "nothing more after QUIT");
    smtp_free(smtp);
    pthread_join(server.thread, NULL);
    is_str(server.wrong, "", "the server saw what it expected");
    is_int((long long)server.body.len, (long long)(message.len + message.len / 42),
           "every dot stuffed, nothing lost");
    close(server.listener);
    buf_free(&server.body);
    buf_free(&server.seen);
}

static void *abort_soon(void *ctx)
{
    usleep(100 * 1000);
    smtp_abort(ctx);
    return NULL;
}

static void test_abort(void)
{
    static const char *const script[] = { HELLO "HANG", NULL };
    struct server server;
    struct mail_server where = { .hostname = "127.0.0.1", .timeout_ms = 20000 };
    struct err err = { 0 };
    struct smtp_session *smtp;
    pthread_t thread;
    int64_t started = clock_mono();

    server_start(&server, script);
    where.port = server.port;
    smtp = smtp_new(&where, NULL, "me.example.com");
    pthread_create(&thread, NULL, abort_soon, smtp);
    ok(smtp_open(smtp, NULL, &err) < 0 && err.code == ERR_STOPPED, "aborted from another thread: %s",
       err.text);
    ok(clock_mono() - started < 5000, "and soon");
    pthread_join(thread, NULL);
    smtp_free(smtp);
    server_stop(&server);
}

static void test_idle(void)
{
    static const char *const scripts[] = { GREET "S:421 4.4.2 idle too long\nHANG", GREET "DROP" };

    for (size_t i = 0; i < COUNT_OF(scripts); i++) {
        struct server server;
        struct mail_server where = { .hostname = "127.0.0.1", .timeout_ms = 1000 };
        struct err err = { 0 };
        struct smtp_session *smtp;

        server_start(&server, (const char *const[]){ scripts[i], NULL });
        where.port = server.port;
        smtp = smtp_new(&where, NULL, "me.example.com");
        smtp_open(smtp, NULL, &err);
        for (int wait = 0; wait < 100 && smtp_is_usable(smtp); wait++)
            usleep(10 * 1000);
        ok(!smtp_is_usable(smtp), i == 0 ? "421 while idle is seen" : "a close while idle is seen");
        smtp_free(smtp);
        server_stop(&server);
    }
}

static void test_probe(void)
{
    static const struct {
        const char *name;
        enum mail_transport transport;
        bool upgrade;
        const char *script, *id, *at, *steps;
    } rows[] = {
        { "IMAP", MAIL_IMAP, false,
          "S:* OK ready\nC:a1 CAPABILITY\nS:* CAPABILITY IMAP4rev1|a1 OK done\nC:a2 LOGOUT\nHANG", "", "",
          "resolve connect greeting capabilities" },
        { "POP3", MAIL_POP3, false, "S:+OK ready\nC:CAPA\nS:+OK\nS:UIDL\nS:.\nC:QUIT\nHANG", "", "",
          "resolve connect greeting capabilities" },
        { "POP3 without CAPA", MAIL_POP3, false, "S:+OK ready\nC:CAPA\nS:-ERR what?\nC:QUIT\nHANG", "", "",
          NULL },
        { "IMAP without STARTTLS", MAIL_IMAP, true,
          "S:* OK ready\nC:a1 CAPABILITY\nS:* CAPABILITY IMAP4rev1|a1 OK done\nHANG", "tls.starttlsMissing",
          "imap.starttls", "resolve connect greeting starttls!" },
        { "POP3 without STLS", MAIL_POP3, true, "S:+OK ready\nC:CAPA\nS:-ERR what?\nHANG",
          "tls.starttlsMissing", "pop3.stls", NULL },
        { "IMAP with an injected answer", MAIL_IMAP, true,
          "S:* OK ready\nC:a1 CAPABILITY\nS:* CAPABILITY IMAP4rev1 STARTTLS|a1 OK done\n"
          "C:a2 STARTTLS\nS:a2 OK go|a3 OK more\nHANG",
          "tls.injected", "imap.tls", NULL },
        { "IMAP says BYE", MAIL_IMAP, false, "S:* BYE busy\nHANG", "protocol.greeting", "imap.greeting",
          NULL },
        { "IMAP is SMTP", MAIL_IMAP, false, "S:220 x ESMTP\nHANG", "protocol.garbage", "imap.greeting",
          NULL },
        { "POP3 hangs", MAIL_POP3, false, "S:+OK ready\nHANG", "protocol.timeout", "pop3.capa", NULL },
        { "SMTP", MAIL_SMTP, false, "S:220 x\nC:EHLO\nS:250 x\nC:QUIT\nS:221 bye\nHANG", "", "", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct server server;
        struct watch watch;
        struct mail_observer observer = observe(&watch);
        struct mail_server where = { .hostname = "127.0.0.1",
                                     .timeout_ms = 300,
                                     .security = rows[i].upgrade ? SECURITY_STARTTLS : SECURITY_NONE };
        struct err err = { 0 };
        int rc;

        server_start(&server, (const char *const[]){ rows[i].script, NULL });
        where.port = server.port;
        rc = mail_probe(rows[i].transport, &where, &observer, &err);
        pthread_join(server.thread, NULL);
        if (!ok(rc == (rows[i].id[0] ? -1 : 0) && strcmp(err.id, rows[i].id) == 0 &&
                    strcmp(err.at, rows[i].at) == 0 && server.wrong[0] == '\0' &&
                    (rows[i].steps == NULL || strcmp(watch.steps.p, rows[i].steps) == 0),
                "probe: %s", rows[i].name) ||
            err.id[0])
            printf("# %s at %s: %s\n# %s %s\n", err.id, err.at, err.text, server.wrong, watch.steps.p);
        watch_free(&watch);
        close(server.listener);
        buf_free(&server.body);
        buf_free(&server.seen);
    }
}

int main(void)
{
    test_open();
    test_send();
    test_two_messages();
    test_large();
    test_abort();
    test_idle();
    test_probe();
    return done();
}
