/* SPDX-License-Identifier: Apache-2.0 */
/* POP3: replies without a connection, and the session against scripted servers. Servers that need TLS are in
 * tests/dialogs/pop3/. */
#include "base/clock.h"
#include "mail/pop3.h"

#include "mail_script.h"

static void test_replies(void)
{
    static const struct {
        const char *line;
        enum pop3_status status;
        const char *code, *text;
    } rows[] = {
        { "+OK", POP3_OK, "", "" },
        { "+OK ready <1896.697170952@dbc.mtview.ca.us>", POP3_OK, "",
          "ready <1896.697170952@dbc.mtview.ca.us>" },
        { "+ok  3 2048", POP3_OK, "", "3 2048" },
        { "-ERR no", POP3_ERR, "", "no" },
        { "-ERR [IN-USE] locked", POP3_ERR, "IN-USE", "locked" },
        { "-ERR [SYS/TEMP]", POP3_ERR, "SYS/TEMP", "" },
        { "-ERR [SYS/TEMP later", POP3_ERR, "", "[SYS/TEMP later" },
        { "+ YWJj", POP3_CONTINUE, "", "YWJj" },
        { "+", POP3_CONTINUE, "", "" },
        { "+ [x] y", POP3_CONTINUE, "", "[x] y" },
        { "+OKAY", POP3_GARBAGE, "", "" },
        { "-ERROR", POP3_GARBAGE, "", "" },
        { "* OK IMAP", POP3_GARBAGE, "", "" },
        { "", POP3_GARBAGE, "", "" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct pop3_reply reply;

        pop3_reply_read(&reply, str_c(rows[i].line));
        if (!ok(reply.status == rows[i].status && str_eq(reply.code, str_c(rows[i].code)) &&
                    str_eq(reply.text, str_c(rows[i].text)),
                "reply: %s", rows[i].line))
            printf("# %d [%.*s] %.*s\n", reply.status, (int)reply.code.len, reply.code.p, (int)reply.text.len,
                   reply.text.p);
    }
}

static void test_parts(void)
{
    static const struct {
        const char *line, *content; /* NULL: the end */
    } lines[] = { { ".", NULL }, { "..", "." }, { "...", ".." }, { ".x", "x" }, { "x.", "x." }, { "", "" } };
    static const struct {
        const char *text;
        bool good;
    } stats[] = { { "3 2048", true }, { "0 0 more", true }, { "3", false },           { "", false },
                  { "-1 5", false },  { "3 x", false },     { "9999999999 1", false } };
    struct pop3_caps caps = { 0 };
    struct str content;
    uint32_t count;
    uint64_t bytes;

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        bool more = pop3_unstuff(str_c(lines[i].line), &content);

        ok(more == (lines[i].content != NULL) && (!more || str_eq(content, str_c(lines[i].content))),
           "unstuffed: \"%s\"", lines[i].line);
    }
    for (size_t i = 0; i < COUNT_OF(stats); i++)
        ok(pop3_read_stat(str_c(stats[i].text), &count, &bytes) == stats[i].good, "stat: \"%s\"",
           stats[i].text);
    pop3_caps_add(&caps, STR("stls"));
    pop3_caps_add(&caps, STR("SASL PLAIN  login\x01 CRAM-MD5"));
    pop3_caps_add(&caps, STR("USERS"));
    pop3_caps_add(&caps, STR(""));
    ok(caps.stls && !caps.user, "capabilities");
    is_str(caps.auth, "PLAIN CRAM-MD5", "mechanisms");
}

/* ---- the session ------------------------------------------------------------------------------------ */

#define HELLO "S:+OK ready\n"
#define TELL(words) "C:CAPA\nS:+OK" words "|.\n"
#define PLAIN_IN "AHBsYW50AFBhc3MgIndc"
#define END "C:STAT\nS:+OK 2 320\nC:QUIT\nS:+OK bye\nHANG"
#define ALL_WELL "resolve connect greeting capabilities authenticate mailbox"

static void test_session(void)
{
    static const struct {
        const char *name;
        unsigned how;
        const char *mechanism, *script;
        const char *id, *at; /* "": opens */
        const char *steps;   /* NULL: not looked at */
    } rows[] = {
        { "no login", 0, NULL, HELLO TELL("|TOP|UIDL") "C:QUIT\nS:+OK\nHANG", "", "",
          "resolve connect greeting capabilities" },
        { "doesn't know CAPA", 0, NULL, HELLO "C:CAPA\nS:-ERR what?\nC:QUIT\nHANG", "", "",
          "resolve connect greeting capabilities" },
        { "greets with -ERR", 0, NULL, "S:-ERR too busy\nHANG", "protocol.greeting", "pop3.greeting",
          "resolve connect greeting!" },
        { "is an IMAP server", 0, NULL, "S:* OK ready\nHANG", "protocol.garbage", "pop3.greeting", NULL },
        { "greets with a challenge", 0, NULL, "S:+ abc\nHANG", "protocol.garbage", "pop3.greeting", NULL },
        { "says nothing", 0, NULL, "HANG", "protocol.timeout", "pop3.greeting", NULL },
        { "closes at once", 0, NULL, "DROP", "connect.closed", "pop3.greeting", NULL },
        { "hangs in CAPA", 0, NULL, HELLO "C:CAPA\nS:+OK|TOP\nHANG", "protocol.timeout", "pop3.capa",
          "resolve connect greeting capabilities!" },
        { "closes in CAPA", 0, NULL, HELLO "C:CAPA\nS:+OK|TOP\nDROP", "connect.closed", "pop3.capa", NULL },

        { "offers no STLS", STARTTLS, NULL, HELLO TELL("|SASL PLAIN") "HANG", "tls.starttlsMissing",
          "pop3.stls", "resolve connect greeting starttls!" },
        { "knows no CAPA, so no STLS", STARTTLS, NULL, HELLO "C:CAPA\nS:-ERR\nHANG", "tls.starttlsMissing",
          "pop3.stls", NULL },
        { "refuses STLS", STARTTLS, NULL, HELLO TELL("|STLS") "C:STLS\nS:-ERR no\nHANG",
          "tls.starttlsRefused", "pop3.stls", NULL },
        { "injects a reply before the handshake", STARTTLS | AUTH, NULL,
          HELLO TELL("|STLS") "C:STLS\nS:+OK go|+OK|SASL PLAIN|.\nHANG", "tls.injected", "pop3.tls",
          "resolve connect greeting starttls tls!" },

        { "no encryption", AUTH, NULL, HELLO TELL("|SASL PLAIN|USER") "HANG", "auth.cleartext", "pop3.auth",
          "resolve connect greeting capabilities authenticate!" },
        { "PLAIN", AUTH | ALLOWED, NULL,
          HELLO TELL("|SASL PLAIN LOGIN") "C:AUTH PLAIN " PLAIN_IN "\nS:+OK in\n" END, "", "", ALL_WELL },
        { "the mechanism LOGIN", AUTH | ALLOWED, NULL,
          HELLO TELL("|SASL LOGIN") "C:AUTH LOGIN\nS:+ VXNlcm5hbWU6\nC:cGxhbnQ=\nS:+ UGFzc3dvcmQ6\n"
                                    "C:UGFzcyAid1w=\nS:+OK in\n" END,
          "", "", ALL_WELL },
        { "USER and PASS", AUTH | ALLOWED, NULL,
          HELLO TELL("|USER") "C:USER plant\nS:+OK\nC:PASS Pass \"w\\\nS:+OK in\n" END, "", "", ALL_WELL },
        { "USER and PASS without CAPA", AUTH | ALLOWED | UTF8_PASSWORD, NULL,
          HELLO "C:CAPA\nS:-ERR\nC:USER plant\nS:+OK\nC:PASS P\xc3\xa4ss \"w\\\nS:+OK in\n" END, "", "",
          ALL_WELL },
        { "a time stamp for APOP isn't used", AUTH | ALLOWED, NULL,
          "S:+OK <1.2@x>\n" TELL("|USER") "C:USER plant\nS:+OK\nC:PASS *\nS:+OK\n" END, "", "", NULL },
        { "no way to log in", AUTH | ALLOWED, NULL, HELLO TELL("|TOP") "HANG", "auth.noMechanism",
          "pop3.auth", NULL },
        { "another mechanism is named", AUTH | ALLOWED, "CRAM-MD5", HELLO TELL("|USER|SASL PLAIN") "HANG",
          "auth.noMechanism", "pop3.auth", NULL },
        { "wrong password", AUTH | ALLOWED, NULL,
          HELLO TELL("|SASL PLAIN") "C:AUTH PLAIN *\nS:-ERR [AUTH] no\nHANG", "auth.refused", "pop3.auth",
          NULL },
        { "wrong password to PASS", AUTH | ALLOWED, NULL,
          HELLO TELL("|USER") "C:USER plant\nS:+OK\nC:PASS *\nS:-ERR no\nHANG", "auth.refused", "pop3.pass",
          NULL },
        { "no such user", AUTH | ALLOWED, NULL, HELLO TELL("|USER") "C:USER plant\nS:-ERR who?\nHANG",
          "auth.refused", "pop3.user", NULL },
        { "mailbox in use", AUTH | ALLOWED, NULL,
          HELLO TELL("|USER") "C:USER plant\nS:+OK\nC:PASS *\nS:-ERR [IN-USE] locked\nHANG", "auth.temporary",
          "pop3.pass", NULL },
        { "later", AUTH | ALLOWED, NULL, HELLO TELL("|SASL PLAIN") "C:AUTH *\nS:-ERR [SYS/TEMP] later\nHANG",
          "auth.temporary", "pop3.auth", NULL },
        { "never", AUTH | ALLOWED, NULL, HELLO TELL("|SASL PLAIN") "C:AUTH *\nS:-ERR [SYS/PERM] never\nHANG",
          "auth.refused", "pop3.auth", NULL },
        { "a challenge to PASS", AUTH | ALLOWED, NULL, HELLO TELL("|USER") "C:USER plant\nS:+ more\nHANG",
          "protocol.garbage", "pop3.user", NULL },
        { "a challenge that isn't base64", AUTH | ALLOWED, "CRAM-MD5",
          HELLO TELL("|SASL CRAM-MD5") "C:AUTH CRAM-MD5\nS:+ ???\nC:*\nS:-ERR canceled\nHANG",
          "protocol.garbage", "pop3.auth", NULL },
        { "SCRAM without proof", AUTH | ALLOWED, NULL,
          HELLO TELL("|SASL SCRAM-SHA-1") "C:AUTH SCRAM-SHA-1 *\nS:+OK in\nHANG", "auth.refused", "pop3.auth",
          NULL },
        { "asks on and on", AUTH | ALLOWED, NULL,
          HELLO TELL("|SASL PLAIN") "C:AUTH *\nS:+ |+ |+ |+ |+ |+ |+ |+ |+ |+ \nHANG", "protocol.unexpected",
          "pop3.auth", NULL },

        { "refuses STAT", AUTH | ALLOWED, NULL,
          HELLO TELL("|SASL PLAIN") "C:AUTH *\nS:+OK\nC:STAT\nS:-ERR no\nHANG", "protocol.refused",
          "pop3.stat", "resolve connect greeting capabilities authenticate mailbox!" },
        { "counts in words", AUTH | ALLOWED, NULL,
          HELLO TELL("|SASL PLAIN") "C:AUTH *\nS:+OK\nC:STAT\nS:+OK many\nHANG", "protocol.unexpected",
          "pop3.stat", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct script script;
        struct watch watch;
        struct mail_observer observer = watch_start(&watch);
        struct mail_auth auth = script_auth(rows[i].how, rows[i].mechanism);
        struct mail_server where;
        struct pop3_session *pop3;
        struct pop3_drop drop = { 0 };
        struct err err = { 0 };
        int rc;

        script_start(&script, rows[i].script);
        where = script_server(&script, rows[i].how);
        pop3 = pop3_new(&where, &observer);
        rc = pop3_open(pop3, &auth, &err);
        if (rc == 0 && rows[i].how & AUTH)
            rc = pop3_stat(pop3, &drop, &err);
        if (pop3_is_usable(pop3))
            pop3_quit(pop3);
        pop3_free(pop3);
        pthread_join(script.thread, NULL);
        if (!ok(strcmp(err.id, rows[i].id) == 0 && strcmp(err.at, rows[i].at) == 0 &&
                    script.wrong[0] == '\0' &&
                    (rows[i].steps == NULL || strcmp(watch.steps.p, rows[i].steps) == 0) &&
                    (rc < 0 || !(rows[i].how & AUTH) || (drop.count == 2 && drop.bytes == 320)) &&
                    tells_no_password(watch.transcript.p) && tells_no_password(err.text),
                "session: %s", rows[i].name) ||
            err.id[0])
            printf("# %s at %s: %s\n# %s %s\n", err.id, err.at, err.text, watch.steps.p, script.wrong);
        if (!(rows[i].how & ALLOWED))
            ok(tells_no_password(script.seen.p), "and no credentials are sent");
        watch_stop(&watch);
        script_stop(&script);
    }
}

static void test_flood(void)
{
    AUTO_BUF(text, 1 << 20);
    struct script script;
    struct mail_server where;
    struct pop3_session *pop3;
    struct err err = { 0 };

    buf_add_c(&text, HELLO "C:CAPA\nS:+OK");
    for (int i = 0; i < 1000; i++)
        buf_add_c(&text, "|X");
    buf_add_c(&text, "\nHANG");
    script_start(&script, text.p);
    where = script_server(&script, 0);
    pop3 = pop3_new(&where, NULL);
    ok(pop3_open(pop3, NULL, &err) < 0 && strcmp(err.id, "protocol.lineTooLong") == 0,
       "an answer without end: %s", err.text);
    pop3_free(pop3);
    pthread_join(script.thread, NULL);
    script_stop(&script);
}

static void *abort_soon(void *ctx)
{
    usleep(100 * 1000);
    pop3_abort(ctx);
    return NULL;
}

static void test_abort(void)
{
    struct script script;
    struct err err = { 0 };
    struct mail_server where;
    struct pop3_session *pop3;
    int64_t started = clock_mono();
    pthread_t thread;

    script_start(&script, HELLO "HANG");
    where = script_server(&script, 0);
    where.timeout_ms = 20000;
    pop3 = pop3_new(&where, NULL);
    pthread_create(&thread, NULL, abort_soon, pop3);
    ok(pop3_open(pop3, NULL, &err) < 0 && err.code == ERR_STOPPED && clock_mono() - started < 5000,
       "aborted from another thread: %s", err.text);
    pthread_join(thread, NULL);
    pop3_free(pop3);
    pthread_join(script.thread, NULL);
    script_stop(&script);
}

int main(void)
{
    test_replies();
    test_parts();
    test_session();
    test_flood();
    test_abort();
    return done();
}
