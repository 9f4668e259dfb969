/* SPDX-License-Identifier: Apache-2.0 */
/* POP3 in a maildrop: messages without a connection, and the session against scripted servers, whole and byte by byte.
 * The word SECRET stands in messages only: it may be in no transcript and no error. */
#include "mail/pop3_body.h"
#include "mail/pop3_drop.h"

#include "mail_script.h"

/* ---- bodies ----------------------------------------------------------------------------------------- */

static bool unstuff(const char *text, size_t piece, struct buf *into, size_t *left)
{
    struct pop3_body body = { 0 };
    struct str rest = str_c(text);

    while (rest.len > 0 && body.at != POP3_BODY_DONE) {
        struct str part = str_n(rest.p, rest.len < piece ? rest.len : piece);
        size_t before = part.len;

        while (part.len > 0 && body.at != POP3_BODY_DONE)
            buf_add(into, pop3_body_next(&body, &part));
        rest = str_from(rest, before - part.len);
    }
    *left = rest.len;
    return body.at == POP3_BODY_DONE && pop3_body_next(&body, &rest).len == 0;
}

static void test_bodies(void)
{
    static const struct {
        const char *text, *body;
        bool done;
        size_t left;
    } rows[] = {
        { "a\r\nb\r\n.\r\n", "a\r\nb\r\n", true, 0 },
        { ".\r\n", "", true, 0 },
        { ".\n", "", true, 0 },
        { "\r\n.\r\n", "\r\n", true, 0 },
        { "a\n.\n", "a\n", true, 0 },
        { "a\nb\r\n.c\n.\r\n", "a\nb\r\nc\n", true, 0 },
        { "..\r\n...\r\n.a\r\n. \r\n.\r\n", ".\r\n..\r\na\r\n \r\n", true, 0 },
        { "a.\r\n.\r\n", "a.\r\n", true, 0 },
        { "a.\r\n..\r\nb", "a.\r\n.\r\nb", false, 0 },
        { ".\rx\r\n.\r\n", "\rx\r\n", true, 0 },
        { ".\r\rx\r\n.\r\n", "\r\rx\r\n", true, 0 },
        { "a\r.\r\n.\r\n", "a\r.\r\n", true, 0 },
        { "a\r\n.\r\n+OK", "a\r\n", true, 3 },
        { ".\r\n.\r\n", "", true, 3 },
        { "a", "a", false, 0 },
        { "a\r\n.", "a\r\n", false, 0 },
        { "a\r\n.\r", "a\r\n", false, 0 },
        { "", "", false, 0 },
    };
    static const size_t pieces[] = { 1, 2, 3, 5, 1000 };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool good = true;

        for (size_t j = 0; j < COUNT_OF(pieces); j++) {
            AUTO_BUF(got, 1000);
            size_t left;
            bool done;

            buf_add_c(&got, "");
            done = unstuff(rows[i].text, pieces[j], &got, &left);
            if (done != rows[i].done || left != rows[i].left || strcmp(got.p, rows[i].body) != 0) {
                good = false;
                printf("# in pieces of %zu: %d, %zu left, %s\n", pieces[j], done, left, got.p);
            }
        }
        ok(good, "body no. %zu", i);
    }
}

/* ---- the session ------------------------------------------------------------------------------------ */

enum op { LIST, FETCH, TOP, DELETE, COMMIT };

struct outcome {
    struct buf told;
    int data; /* what the callback answers */
    uint64_t got;
};

static int tell_data(void *ctx, struct str bytes, struct err *err)
{
    struct outcome *outcome = ctx;

    outcome->got += bytes.len;
    for (size_t i = 0; i < bytes.len && outcome->got <= 200; i++)
        buf_add_char(&outcome->told, bytes.p[i] == '\r' ? '^' : bytes.p[i] == '\n' ? '/' : bytes.p[i]);
    return outcome->data < 0 ? err_id(err, ERR_FULL, "limit.diskFull", NULL, "no room") : 0;
}

static int do_list(struct pop3_session *pop3, struct outcome *outcome, struct err *err)
{
    AUTO_FREE struct pop3_item *items = NULL;
    size_t count = 0;
    int rc = pop3_list(pop3, &items, &count, err);

    for (size_t i = 0; i < count && i < 10; i++)
        buf_addf(&outcome->told, "%u:%llu:%s ", items[i].number, (unsigned long long)items[i].size, items[i].uid);
    if (count > 10)
        buf_addf(&outcome->told, "%zu messages ", count);
    return rc;
}

static int perform(struct pop3_session *pop3, enum op op, uint64_t max, struct outcome *outcome, struct err *err)
{
    int rc;

    switch (op) {
    case LIST:
        return do_list(pop3, outcome, err);
    case FETCH:
    case TOP:
        rc = pop3_fetch(pop3, 2, op == TOP, max ? max : 1 << 20, tell_data, outcome, err);
        if (rc < 0 && max) /* how much came before depends on how it was cut */
            buf_clear(&outcome->told);
        return rc;
    case DELETE:
        return pop3_delete(pop3, 2, err);
    case COMMIT:
        return pop3_commit(pop3, err);
    }
    return -1;
}

struct row {
    const char *name;
    enum op op;
    const char *capa;   /* lines; NULL: the server doesn't know CAPA */
    const char *script; /* after CAPA */
    const char *outcome; /* "…" and then "ok", or the error's id with "!" where the session is broken */
    int data;
    bool whole; /* not byte by byte, which would take too long */
    uint64_t max;
};

static void run_row(const struct row *row, bool bytewise)
{
    AUTO_FREE char *text = mem_printf("S:+OK ready\nC:CAPA\nS:%s%s%s\n%s", row->capa ? "+OK|" : "-ERR what?",
                                      row->capa ? row->capa : "", row->capa ? "." : "", row->script);
    struct outcome outcome = { .data = row->data };
    struct script script;
    struct watch watch;
    struct mail_observer observer = watch_start(&watch);
    struct mail_server where;
    struct pop3_session *pop3;
    struct err err = { 0 };
    int rc;

    buf_init(&outcome.told, 1 << 16);
    script_begin(&script, text, bytewise);
    where = script_server(&script, 0);
    pop3 = pop3_new(&where, &observer);
    rc = pop3_open(pop3, NULL, &err);
    if (rc == 0)
        rc = perform(pop3, row->op, row->max, &outcome, &err);
    buf_addf(&outcome.told, "%s%s", rc == 0 ? "ok" : err.id, pop3_is_broken(pop3) ? "!" : "");
    pop3_free(pop3);
    pthread_join(script.thread, NULL);
    if (!ok(strcmp(outcome.told.p, row->outcome) == 0 && script.wrong[0] == '\0' &&
                (rc == 0 || row->data < 0 || strncmp(err.at, "pop3.", 5) == 0),
            "%s%s", row->name, bytewise ? ", byte by byte" : ""))
        printf("# got:      %s (%s, %s)\n# expected: %s\n# script: %s\n", outcome.told.p, err.at, err.text,
               row->outcome, script.wrong);
    if (strstr(watch.transcript.p, "SECRET") || strstr(err.text, "SECRET"))
        ok(false, "%s: a message in the transcript or in an error\n%s\n%s", row->name, err.text, watch.transcript.p);
    buf_free(&outcome.told);
    watch_stop(&watch);
    script_stop(&script);
}

#define L10 "1 1|1 1|1 1|1 1|1 1|1 1|1 1|1 1|1 1|1 1"
#define RETR "C:RETR 2\nS:+OK 120 octets\n"
#define SIZES "C:LIST\nS:+OK 2 messages|1 120|2 200|.\n"
#define UIDS "C:UIDL\n"
#define U70 "1234567890123456789012345678901234567890123456789012345678901234567890"

static const struct row rows[] = {
    { "list", LIST, "UIDL|", SIZES UIDS "S:+OK|1 abc|2 d~!|.\nHANG", "1:120:abc 2:200:d~! ok" },
    { "list: in one flight", LIST, "PIPELINING|", "C:LIST\nC:UIDL\nS:+OK|1 120|3 4 more|.|+OK|3 x|1 " U70 "|.\nHANG",
      "1:120:" U70 " 3:4:x ok" },
    { "list: nothing", LIST, "", "C:LIST\nS:+OK|.\nHANG", "ok" },
    { "list: nothing, in one flight", LIST, "PIPELINING|", "C:LIST\nC:UIDL\nS:+OK|.|+OK|.\nHANG", "ok" },
    { "list: in any order", LIST, "", "C:LIST\nS:+OK|2 200|1 120|.\n" UIDS "S:+OK|2 b|1 a|.\nHANG", "1:120:a 2:200:b ok" },
    { "list: no UIDL", LIST, "", SIZES UIDS "S:-ERR what?\nHANG", "1:120: 2:200: ok" },
    { "list: no UIDL and no CAPA", LIST, NULL, SIZES UIDS "S:-ERR\nHANG", "1:120: 2:200: ok" },
    { "list: no UIDL, which is offered", LIST, "UIDL|", SIZES UIDS "S:-ERR\nHANG", "protocol.refused" },
    { "list: no UIDL now", LIST, "", SIZES UIDS "S:-ERR [SYS/TEMP] later\nHANG", "protocol.refused" },
    { "list: no LIST", LIST, "", "C:LIST\nS:-ERR\nHANG", "protocol.refused" },
    { "list: no LIST, in one flight", LIST, "PIPELINING|", "C:LIST\nC:UIDL\nS:-ERR|-ERR\nHANG", "protocol.refused" },
    { "list: no LIST, in one flight with UIDL", LIST, "PIPELINING|", "C:LIST\nC:UIDL\nS:-ERR|+OK|1 a|.\nHANG",
      "protocol.refused!" },
    { "list: two GB", LIST, "", "C:LIST\nS:+OK|1 2147483648|.\n" UIDS "S:+OK|1 a|.\nHANG", "1:2147483648:a ok" },
    { "list: copies of one message", LIST, "", "C:LIST\nS:+OK|1 7|2 8|3 7|.\n" UIDS "S:+OK|1 a|2 b|3 a|.\nHANG",
      "1:7:a 2:8:b ok" },
    { "list: one UID for different messages", LIST, "", SIZES UIDS "S:+OK|1 a|2 a|.\nHANG", "protocol.unexpected!" },
    { "list: a UID is missing", LIST, "", SIZES UIDS "S:+OK|1 a|.\nHANG", "protocol.unexpected!" },
    { "list: a UID for nothing", LIST, "", SIZES UIDS "S:+OK|1 a|2 b|3 c|.\nHANG", "protocol.unexpected!" },
    { "list: two UIDs for one", LIST, "", SIZES UIDS "S:+OK|1 a|1 b|2 c|.\nHANG", "protocol.unexpected!" },
    { "list: a UID too long", LIST, "", SIZES UIDS "S:+OK|1 " U70 "1|2 b|.\nHANG", "protocol.unexpected!" },
    { "list: a UID with a space", LIST, "", SIZES UIDS "S:+OK|1 a b|2 b|.\nHANG", "protocol.unexpected!" },
    { "list: a UID in UTF-8", LIST, "", SIZES UIDS "S:+OK|1 \xc3\xbc|2 b|.\nHANG", "protocol.unexpected!" },
    { "list: an empty UID", LIST, "", SIZES UIDS "S:+OK|1 |2 b|.\nHANG", "protocol.unexpected!" },
    { "list: a number alone", LIST, "", SIZES UIDS "S:+OK|1|2 b|.\nHANG", "protocol.unexpected!" },
    { "list: a number twice", LIST, "", "C:LIST\nS:+OK|1 1|1 1|.\nHANG", "protocol.unexpected!" },
    { "list: number 0", LIST, "", "C:LIST\nS:+OK|0 1|.\nHANG", "protocol.unexpected!" },
    { "list: less than nothing", LIST, "", "C:LIST\nS:+OK|1 -1|.\nHANG", "protocol.unexpected!" },
    { "list: words", LIST, "", "C:LIST\nS:+OK|many of them|.\nHANG", "protocol.unexpected!" },
    { "list: without end", LIST, "", "C:LIST\nS:+OK\n50001X:" L10 "|" L10 "\nHANG", "protocol.lineTooLong!", .whole = true },
    { "list: hangs in it", LIST, "", "C:LIST\nS:+OK|1 1\nHANG", "protocol.timeout!", .whole = true },
    { "list: closes in it", LIST, "", "C:LIST\nS:+OK|1 1\nDROP", "connect.closed!" },
    { "list: a line without end", LIST, "", "C:LIST\nS:+OK\n45000X:1\nHANG", "protocol.unexpected!", .whole = true },

    { "fetch", FETCH, "", RETR "S:SECRET 1|..x||.\nHANG", "SECRET 1^/.x^/^/ok" },
    { "fetch: nothing", FETCH, "", RETR "S:.\nHANG", "ok" },
    { "fetch: bare LF", FETCH, "", RETR "R:a\nR:.b\nS:|.\nHANG", "a.b^/ok" },
    { "fetch: more behind it", FETCH, "", RETR "S:a|.|+OK forged\nHANG", "a^/protocol.unexpected!", .whole = true },
    { "fetch: no such message", FETCH, "", "C:RETR 2\nS:-ERR SYS\nHANG", "protocol.refused" },
    { "fetch: hangs in it", FETCH, "", RETR "S:SECRET\nHANG", "SECRET^/protocol.timeout!", .whole = true },
    { "fetch: closes in it", FETCH, "", RETR "S:SECRET\nDROP", "SECRET^/connect.closed!" },
    { "fetch: closes after the dot", FETCH, "", RETR "S:SECRET\nR:.\nDROP", "SECRET^/connect.closed!" },
    { "fetch: of just the limit", FETCH, "", RETR "S:ab|.\nHANG", "ab^/ok", .max = 4 },
    { "fetch: larger than the limit", FETCH, "", RETR "S:ab|c|.\nHANG", "limit.messageSize!", .max = 4 },
    { "fetch: without end", FETCH, "", RETR "200000X:0123456789abcdef\nHANG", "limit.messageSize!",
      .max = 1 << 20, .whole = true },
    { "fetch: data fails", FETCH, "", RETR "S:SECRET|.\nHANG", "SECRET^/limit.diskFull!", -1, .whole = true },
    { "fetch: garbage instead", FETCH, "", "C:RETR 2\nS:* OK\nHANG", "protocol.garbage!" },
    { "top", TOP, "TOP|", "C:TOP 2 0\nS:+OK|SECRET: 1||.\nHANG", "SECRET: 1^/^/ok" },
    { "top: without CAPA", TOP, NULL, "C:TOP 2 0\nS:+OK|SECRET: 1||.\nHANG", "SECRET: 1^/^/ok" },
    { "top: refused", TOP, "TOP|", "C:TOP 2 0\nS:-ERR\nHANG", "protocol.refused" },
    { "top: not offered", TOP, "UIDL|", "HANG", "protocol.refused" },

    { "delete", DELETE, "", "C:DELE 2\nS:+OK\nHANG", "ok" },
    { "delete: refused", DELETE, "", "C:DELE 2\nS:-ERR no\nHANG", "protocol.refused" },
    { "delete: closes", DELETE, "", "C:DELE 2\nDROP", "connect.closed!" },
    { "commit", COMMIT, "", "C:QUIT\nS:+OK bye\nHANG", "ok!" },
    { "commit: refused", COMMIT, "", "C:QUIT\nS:-ERR some are left\nHANG", "protocol.refused!" },
    { "commit: closes", COMMIT, "", "C:QUIT\nDROP", "connect.closed!" },
    { "commit: silence", COMMIT, "", "C:QUIT\nHANG", "protocol.timeout!", .whole = true },
};

int main(void)
{
    test_bodies();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        run_row(&rows[i], false);
        if (!rows[i].whole)
            run_row(&rows[i], true);
    }
    return done();
}
