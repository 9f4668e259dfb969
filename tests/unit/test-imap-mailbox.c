/* SPDX-License-Identifier: Apache-2.0 */
/* IMAP in a mailbox: sets, FETCH responses without a connection, and the session against scripted servers, whole and
 * byte by byte. The word SECRET stands in messages only: it may be in no transcript and no error. */
#include <poll.h>

#include "base/clock.h"
#include "mail/imap_fetched.h"
#include "mail/imap_mailbox.h"
#include "mail/imap_uids.h"

#include "mail_script.h"

/* ---- sets ------------------------------------------------------------------------------------------- */

static void test_sets(void)
{
    static const struct {
        const char *text;
        int rc;
        uint64_t size;
    } rows[] = {
        { "1", 0, 1 },         { "1:3,7", 0, 4 },  { "3:1", 0, 3 },         { "4294967295", 0, 1 },
        { "1:1000", 0, 1000 }, { "1:2000", -1, 2000 }, { "1:4294967295", -1, 4294967295 }, { "", -1, 0 },
        { "0", -1, 0 },        { "*", -1, 0 },     { "1:*", -1, 0 },        { "1,", -1, 0 },
        { ",1", -1, 0 },       { "1:", -1, 0 },    { ":1", -1, 0 },         { "1:2:3", -1, 0 },
        { "-1", -1, 0 },       { "4294967296", -1, 0 }, { "1 2", -1, 0 },   { "a", -1, 0 },
    };
    static const uint32_t some[] = { 9, 3, 4, 9, 5, 0, 4294967295u, 4294967294u };
    AUTO_UIDS(sorted);
    AUTO_BUF(text, IMAP_SET_MAX + 1);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_UIDS(got);
        int rc = imap_set_read(str_c(rows[i].text), 1000, &got);

        ok(rc == rows[i].rc && imap_set_size(str_c(rows[i].text)) == rows[i].size &&
               (rc < 0 || got.count == rows[i].size),
           "set \"%s\"", rows[i].text);
    }
    imap_uids_copy(some, COUNT_OF(some), &sorted);
    ok(imap_set_write(sorted.at, sorted.count, 100, &text) == 6, "six UIDs, each once, no nought");
    is_str(text.p, "3:5,9,4294967294:4294967295", "in ranges");
    ok(imap_uids_find(sorted.at, sorted.count, 9) == 3 && imap_uids_find(sorted.at, sorted.count, 6) == -1 &&
           imap_uids_find(NULL, 0, 1) == -1,
       "found and not found");
}

static void test_long_sets(void)
{
    AUTO_UIDS(all);
    AUTO_UIDS(again);
    AUTO_BUF(set, IMAP_SET_MAX);
    size_t done = 0, sets = 0;
    bool fits = true;

    for (uint32_t i = 0; i < 5000; i++)
        imap_uids_add(&all, 4000000000u + 2 * i, 5000);
    while (done < all.count) {
        done += imap_set_next(&all, done, &set);
        fits &= set.len <= IMAP_SET_MAX && imap_set_read(buf_str(&set), 5000, &again) == 0;
        sets++;
    }
    ok(fits && sets == 8 && again.count == 5000, "5000 UIDs without ranges go into %zu commands", sets);
    ok(memcmp(all.at, again.at, 5000 * sizeof(*all.at)) == 0, "and none is lost");
    ok(imap_uids_add(&all, 1, 5000) < 0, "no more than the ceiling");
}

/* ---- responses -------------------------------------------------------------------------------------- */

static void test_dates(void)
{
    static const struct {
        const char *text, *date; /* NULL: none */
    } rows[] = {
        { "17-Jul-1996 02:44:25 -0700", "1996-07-17T09:44:25.000Z" },
        { " 1-jan-2024 00:00:00 +0000", "2024-01-01T00:00:00.000Z" },
        { "29-Feb-2024 23:59:60 +1400", "2024-02-29T10:00:00.000Z" },
        { "29-Feb-2023 10:00:00 +0000", NULL },
        { "17-Jul-0000 02:44:25 -0700", NULL },
        { "17-Jul-1969 02:44:25 -0700", NULL },
        { "17-Jux-1996 02:44:25 -0700", NULL },
        { "17-Jul-1996 25:44:25 -0700", NULL },
        { "17-Jul-1996 02:44:25 -9900", NULL },
        { "17-Jul-1996 02:44:25", NULL },
        { "1 -Jul-1996 02:44:25 -0700", NULL },
        { "Wed, 17 Jul 1996 02:44:25 ", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[CLOCK_TEXT_MAX] = "";
        int64_t at = 0;
        bool good = imap_date(str_c(rows[i].text), &at);

        ok(good == (rows[i].date != NULL) && (!good || strcmp(clock_format(at, text), rows[i].date) == 0),
           "date \"%s\" %s", rows[i].text, text);
    }
}

static void test_message_ids(void)
{
    static const struct {
        const char *header, *id;
    } rows[] = {
        { "Message-ID: <a@b>\r\n\r\n", "<a@b>" },
        { "MESSAGE-id:\r\n <a@b>\r\n", "<a@b>" },
        { "Message-ID: (x) <a.\r\n b@c d> <e@f>", "<a.b@cd>" },
        { "Message-ID: a@b\r\n", "" },
        { "Message-ID: <>\r\n", "" },
        { "Message-ID: <a@b\r\n", "" },
        { "Message-ID: <a\001b@c>", "" },
        { "Message-ID: <\xff@c>", "" },
        { "Message-ID: <\xc3\xbc@c>", "<\xc3\xbc@c>" },
        { "", "" },
    };
    char id[IMAP_MESSAGE_ID_MAX + 1], header[1200];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        imap_message_id(str_c(rows[i].header), id);
        is_str(id, rows[i].id, "message id");
    }
    memset(header, 'x', sizeof(header));
    header[0] = '<';
    header[997] = '>';
    ok(imap_message_id(str_n(header, sizeof(header)), id) && strlen(id) == 998, "one of the greatest length");
    header[997] = 'x';
    header[998] = '>';
    ok(!imap_message_id(str_n(header, sizeof(header)), id) && id[0] == '\0', "and one longer");
}

/* ---- the session ------------------------------------------------------------------------------------ */

enum op { SEARCH, SEARCH_LATE, SEARCH_ALL, MANY, LIST, LIST_IDS, LIST_STOP, FETCH, HEADERS, SEEN, REMOVE, IDLE, NOOP, IDENTIFY };

enum { SLOW = 2 }; /* takes longer than the time-out */

/* What came of it, in words. */
struct outcome {
    struct buf told;
    int begin, data, end; /* what the callbacks answer */
    bool quiet; /* the message is too long to be told */
};

static int tell_begin(void *ctx, uint64_t size, struct err *err)
{
    struct outcome *outcome = ctx;

    outcome->quiet = size >= 100;
    if (outcome->begin == SLOW)
        usleep(1500000);
    buf_addf(&outcome->told, "begin %llu ", (unsigned long long)size);
    if (outcome->begin < 0)
        err_id(err, ERR_FULL, "limit.diskFull", NULL, "no room");
    return outcome->begin == SLOW ? 0 : outcome->begin;
}

static int tell_data(void *ctx, struct str bytes, struct err *err)
{
    struct outcome *outcome = ctx;

    for (size_t i = 0; i < bytes.len && !outcome->quiet; i++)
        buf_add_char(&outcome->told, bytes.p[i] == '\r' ? '^' : bytes.p[i] == '\n' ? '/' : bytes.p[i]);
    return outcome->data < 0 ? err_id(err, ERR_FULL, "limit.diskFull", NULL, "no room") : 0;
}

static int tell_end(void *ctx, uint32_t uid, struct err *err)
{
    struct outcome *outcome = ctx;

    buf_addf(&outcome->told, " end %u, ", uid);
    return outcome->end < 0 ? err_id(err, ERR_FULL, "limit.diskFull", NULL, "no room") : 0;
}

static int tell_item(void *ctx, const struct imap_item *item)
{
    struct outcome *outcome = ctx;

    buf_addf(&outcome->told, "%u:%llu%s%s @%lld %s, ", item->uid, (unsigned long long)item->size,
             item->seen ? " seen" : "", item->deleted ? " deleted" : "", (long long)item->date / 1000,
             item->message_id ? item->message_id : "");
    return outcome->data;
}

static int do_search(struct imap_session *imap, uint32_t from, struct outcome *outcome, struct err *err)
{
    AUTO_FREE uint32_t *uids = NULL;
    size_t count = 0;
    bool more;
    int rc = imap_search(imap, from, 3, &uids, &count, &more, err);

    for (size_t i = 0; i < count; i++)
        buf_addf(&outcome->told, "%u ", uids[i]);
    if (rc == 0 && more)
        buf_add_c(&outcome->told, "more ");
    return rc;
}

static int do_search_all(struct imap_session *imap, struct outcome *outcome, struct err *err)
{
    AUTO_FREE uint32_t *uids = NULL;
    size_t count = 0;
    bool more;
    int rc = imap_search(imap, 1, 100000, &uids, &count, &more, err);

    if (rc == 0)
        buf_addf(&outcome->told, "%zu, %u to %u%s ", count, uids[0], uids[count - 1], more ? " more" : "");
    return rc;
}

static int do_many(struct imap_session *imap, struct err *err)
{
    uint32_t uids[2500];

    for (uint32_t i = 0; i < COUNT_OF(uids); i++)
        uids[i] = 4000000000u + 2 * i;
    return imap_mark(imap, uids, COUNT_OF(uids), IMAP_MARK_SEEN, err);
}

/* Waits as a parked session does. */
static int do_idle(struct imap_session *imap, struct outcome *outcome, struct err *err)
{
    struct pollfd at = { .fd = imap_fd(imap), .events = POLLIN };
    bool news = false;
    int rc = imap_idle_start(imap, err);

    if (rc == 0)
        rc = imap_idle_news(imap, err);
    while (rc == 0) {
        if (!imap_park(imap))
            return err_id(err, ERR_INTERNAL, "test.park", NULL, "it has something and didn't tell");
        if (poll(&at, 1, 10000) != 1)
            return err_id(err, ERR_INTERNAL, "test.poll", NULL, "nothing comes");
        rc = imap_idle_news(imap, err);
    }
    if (rc < 0)
        return -1;
    buf_addf(&outcome->told, "news, %u exist ", imap_exists(imap));
    if (imap_idle_done(imap, &news, err) < 0)
        return -1;
    buf_add_c(&outcome->told, news ? "more news " : "");
    return 0;
}

static int perform(struct imap_session *imap, enum op op, struct outcome *outcome, struct err *err)
{
    static const uint32_t uids[] = { 9, 3, 4, 5 };
    const struct imap_sink_message sink = { outcome, tell_begin, tell_data, tell_end };
    bool flag = false;
    char server[40];
    int rc;

    switch (op) {
    case SEARCH:
        return do_search(imap, 1, outcome, err);
    case SEARCH_ALL:
        return do_search_all(imap, outcome, err);
    case MANY:
        return do_many(imap, err);
    case SEARCH_LATE:
        return do_search(imap, 100, outcome, err);
    case LIST_STOP:
        outcome->data = -1;
        return imap_list(imap, uids, 4, false, tell_item, outcome, err);
    case LIST:
    case LIST_IDS:
        return imap_list(imap, uids, 4, op == LIST_IDS, tell_item, outcome, err);
    case FETCH:
    case HEADERS:
        return imap_fetch(imap, uids, 4, op == HEADERS, &sink, err);
    case SEEN:
        return imap_mark(imap, uids, 4, IMAP_MARK_SEEN, err);
    case REMOVE:
        rc = imap_remove(imap, uids, 4, &flag, err);
        buf_add_c(&outcome->told, flag ? "left " : "");
        return rc;
    case IDLE:
        return do_idle(imap, outcome, err);
    case NOOP:
        rc = imap_noop(imap, &flag, err);
        buf_addf(&outcome->told, "%s%u exist ", flag ? "news, " : "", imap_exists(imap));
        return rc;
    case IDENTIFY:
        rc = imap_identify(imap, "1.0", server, sizeof(server), err);
        buf_addf(&outcome->told, "%s ", server);
        return rc;
    }
    return -1;
}

struct row {
    const char *name;
    enum op op;
    int begin, data, end;
    bool whole; /* not byte by byte, which would take too long */
    unsigned exists; /* 7 unless told */
    int timeout;     /* ms; 400 unless told */
    const char *caps;
    const char *script; /* after SELECT, which was a1 */
    const char *outcome; /* "…" and then "ok", or the error's id with "!" where the session is broken */
};

static size_t longest_line(const char *text)
{
    struct str rest = str_c(text), line;
    size_t longest = 0;

    while (str_split(&rest, '\n', &line))
        longest = line.len > longest ? line.len : longest;
    return longest;
}

static void run_row(const struct row *row, bool bytewise)
{
    AUTO_FREE char *text = mem_printf("S:* OK [CAPABILITY IMAP4rev1%s] ready\nC:a1 SELECT \"INBOX\"\n"
                                      "S:* %u EXISTS|* OK [UIDVALIDITY 7] ok|a1 OK in\n%s",
                                      row->caps ? row->caps : "", row->exists ? row->exists : 7, row->script);
    struct outcome outcome = { .begin = row->begin, .data = row->data, .end = row->end };
    struct script script;
    struct watch watch;
    struct mail_observer observer = watch_start(&watch);
    struct mail_server where;
    struct imap_session *imap;
    struct err err = { 0 };
    int rc;

    buf_init(&outcome.told, 1 << 16);
    script_begin(&script, text, bytewise);
    where = script_server(&script, 0);
    where.timeout_ms = row->timeout ? row->timeout : where.timeout_ms;
    imap = imap_new(&where, &observer);
    rc = imap_open(imap, NULL, &err);
    if (rc == 0)
        rc = imap_select(imap, "INBOX", false, NULL, &err);
    if (rc == 0)
        rc = perform(imap, row->op, &outcome, &err);
    buf_addf(&outcome.told, "%s%s", rc == 0 ? "ok" : err.id, imap_is_broken(imap) ? "!" : "");
    imap_free(imap);
    pthread_join(script.thread, NULL);
    if (!ok(strcmp(outcome.told.p, row->outcome) == 0 && script.wrong[0] == '\0' &&
                (rc == 0 || err.id[0] == '\0' || strncmp(err.at, "imap.", 5) == 0 || row->begin + row->data + row->end < 0),
            "%s%s", row->name, bytewise ? ", byte by byte" : ""))
        printf("# got:      %s (%s, %s)\n# expected: %s\n# script: %s\n", outcome.told.p, err.at, err.text,
               row->outcome, script.wrong);
    if (longest_line(script.seen.p) > 8000)
        ok(false, "%s: a command of %zu bytes", row->name, longest_line(script.seen.p));
    if (strstr(watch.transcript.p, "SECRET") || strstr(err.text, "SECRET"))
        ok(false, "%s: a message in the transcript or in an error\n%s\n%s", row->name, err.text, watch.transcript.p);
    buf_free(&outcome.told);
    watch_stop(&watch);
    script_stop(&script);
}

#define A2(command) "C:a2 " command "\n"
#define END2 "S:a2 OK done\nHANG"
#define BODIES A2("UID FETCH 3:5,9 (UID BODY.PEEK[])")
#define ITEMS A2("UID FETCH 3:5,9 (UID RFC822.SIZE FLAGS INTERNALDATE)")
#define LOOK A2("UID SEARCH UID 1:*")
#define ONE "S:* 1 FETCH (UID 3 BODY[] {10}|SECRET 1|)\n"
#define GOT_ONE "begin 10 SECRET 1^/ end 3, "
#define DRIP "R:x\nP:100\nR:x\nP:100\nR:x\nP:100\nR:x\nP:100\n"
#define KIB "32X:SECRET789012345678901234567890\n"
#define STORE(n, flag) "C:a" n " UID STORE 3:5,9 +FLAGS.SILENT (\\" flag ")\n"

static const struct row rows[] = {
    { "search", SEARCH, .script = LOOK "S:* SEARCH 1 5|" "a2 OK\nHANG", .outcome = "1 5 ok" },
    { "search: in any order, twice, in pieces", SEARCH, .script = LOOK "S:* SEARCH 5 1 5|* SEARCH 3|a2 OK\nHANG",
      .outcome = "1 3 5 ok" },
    { "search: more than asked for", SEARCH, .script = LOOK "S:* SEARCH 1 2 4 8 16|a2 OK\nHANG",
      .outcome = "1 2 4 more ok" },
    { "search: nothing", SEARCH, .script = LOOK "S:* SEARCH|a2 OK\nHANG", .outcome = "ok" },
    { "search: no answer is none", SEARCH, .script = LOOK END2, .outcome = "ok" },
    { "search: the last message is below", SEARCH_LATE,
      .script = A2("UID SEARCH UID 100:*") "S:* SEARCH 99|a2 OK\nHANG", .outcome = "ok" },
    { "search: MODSEQ", SEARCH, .script = LOOK "S:* SEARCH 2 (MODSEQ 917162500)|a2 OK\nHANG", .outcome = "2 ok" },
    { "search: IMAP4rev2", SEARCH, .script = LOOK "S:* ESEARCH (TAG \"a2\") UID ALL 2,10:11 COUNT 3|a2 OK\nHANG",
      .outcome = "2 10 11 ok" },
    { "search: IMAP4rev2, nothing", SEARCH, .script = LOOK "S:* ESEARCH (TAG \"a2\") UID|a2 OK\nHANG",
      .outcome = "ok" },
    { "search: for another search", SEARCH, .script = LOOK "S:* ESEARCH (TAG \"a9\") UID ALL 1:4|* SEARCH 7|a2 OK\nHANG",
      .outcome = "7 ok" },
    { "search: of sequence numbers", SEARCH, .script = LOOK "S:* ESEARCH (TAG \"a2\") ALL 1:4\nHANG",
      .outcome = "protocol.unexpected!" },
    { "search: everything there is", SEARCH, .script = LOOK "S:* ESEARCH (TAG \"a2\") UID ALL 1:4294967295\nHANG",
      .outcome = "protocol.unexpected!" },
    { "search: a large mailbox, where little is new", SEARCH_LATE, .exists = 10000,
      .script = A2("UID SEARCH 6001:* UID 100:*") "S:* SEARCH 9999 10000 10001|a2 OK\nHANG", .outcome = "9999 10000 10001 ok" },
    { "search: a large mailbox that changes", SEARCH_LATE, .exists = 10000,
      .script = A2("UID SEARCH 6001:* UID 100:*") "S:* 4 EXPUNGE|* SEARCH 9999|a2 OK\nC:a3 UID SEARCH 6000:* UID 100:*\n"
                "S:* SEARCH 9998|a3 OK\nHANG", .outcome = "9998 ok" },
    { "search: a large mailbox that never stands still", SEARCH_LATE, .exists = 4002,
      .script = A2("UID SEARCH 3:* *") "S:* 4 EXPUNGE|* 4002 EXISTS|a2 OK\nC:a3 UID SEARCH 3:* *\nS:* 4 EXPUNGE|* 4002 EXISTS|a3 OK\n"
                "C:a4 *\nS:* 4 EXPUNGE|* 4002 EXISTS|a4 OK\nC:a5 *\nS:* 4 EXPUNGE|* 4002 EXISTS|a5 OK\nC:a6 *\nS:* 4 EXPUNGE|a6 OK\nHANG",
      .outcome = "protocol.unexpected" },
    { "search: no number", SEARCH, .script = LOOK "S:* SEARCH 1 x\nHANG", .outcome = "protocol.unexpected!" },
    { "search: UID 0", SEARCH, .script = LOOK "S:* SEARCH 0\nHANG", .outcome = "protocol.unexpected!" },
    { "search: NO", SEARCH, .script = LOOK "S:a2 NO not now\nHANG", .outcome = "protocol.refused" },
    { "search: BYE", SEARCH, .script = LOOK "S:* BYE enough\nHANG", .outcome = "connect.closed!" },
    { "search: silence", SEARCH, .script = LOOK "HANG", .outcome = "protocol.timeout!", .whole = true },

    { "list", LIST,
      .script = ITEMS "S:* 1 FETCH (UID 3 RFC822.SIZE 120 FLAGS (\\Seen \\Deleted x) INTERNALDATE \"17-Jul-1996 02:44:25 "
                      "-0700\")|* 9 FETCH (FLAGS () MODSEQ (7) INTERNALDATE \"17-Jul-0000 02:44:25 -0700\" RFC822.SIZE "
                      "2147483648 UID 9)|a2 OK\nHANG",
      .outcome = "3:120 seen deleted @837596665 , 9:2147483648 @0 , ok" },
    { "list: with message ids", LIST_IDS,
      .script = A2("UID FETCH 3:5,9 (UID RFC822.SIZE FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
          "S:* 1 FETCH (UID 3 RFC822.SIZE 1 FLAGS () BODY[HEADER.FIELDS (MESSAGE-ID)] {21}|Message-ID: <a@b>||)|"
          "* 2 FETCH (UID 4 RFC822.SIZE 1 FLAGS () BODY[HEADER.FIELDS (\"MESSAGE-ID\")] \"\")|"
          "* 3 FETCH (UID 5 RFC822.SIZE 1 FLAGS () BODY[HEADER.FIELDS (MESSAGE-ID)] NIL)|a2 OK\nHANG",
      .outcome = "3:1 @0 <a@b>, 4:1 @0 , 5:1 @0 , ok" },
    { "list: what wasn't asked for, told twice or told by halves", LIST,
      .script = ITEMS "S:* 7 FETCH (UID 7 RFC822.SIZE 1 FLAGS ())|* 1 FETCH (FLAGS (\\Seen))|* 1 FETCH (UID 3 FLAGS ())|"
                      "* 1 FETCH (UID 3 RFC822.SIZE 1 FLAGS ())|* 1 FETCH (UID 3 RFC822.SIZE 2 FLAGS ())|"
                      "* 2 FETCH (UID 4 RFC822.SIZE 99999999999999999999 FLAGS ())|* 2 EXPUNGE|a2 OK\nHANG",
      .outcome = "3:1 @0 , ok" },
    { "list: the visitor leaves, the session stays", LIST_STOP,
      .script = ITEMS "S:* 1 FETCH (UID 3 RFC822.SIZE 1 FLAGS ())|* 1 FETCH (UID 4 RFC822.SIZE 1 FLAGS ())|a2 OK\nHANG",
      .outcome = "3:1 @0 , " },
    { "list: names without values", LIST, .script = ITEMS "S:* 1 FETCH (UID 3 FLAGS)\nHANG",
      .outcome = "protocol.unexpected!" },
    { "list: no list", LIST, .script = ITEMS "S:* 1 FETCH UID 3\nHANG", .outcome = "protocol.unexpected!" },
    { "list: two UIDs", LIST, .script = ITEMS "S:* 1 FETCH (UID 3 UID 4)\nHANG", .outcome = "protocol.unexpected!" },
    { "list: flags that are none", LIST, .script = ITEMS "S:* 1 FETCH (UID 3 FLAGS x)\nHANG",
      .outcome = "protocol.unexpected!" },
    { "list: literal bomb", LIST, .script = ITEMS "S:* 1 FETCH (UID 3 FLAGS {99999999}\nHANG",
      .outcome = "protocol.lineTooLong!" },
    { "list: NO", LIST, .script = ITEMS "S:a2 NO not now\nHANG", .outcome = "protocol.refused" },

    { "fetch", FETCH,
      .script = BODIES ONE "S:* 9 FETCH (FLAGS (\\Recent) BODY[] {8}|SECRET| UID 9)|a2 OK\nHANG",
      .outcome = GOT_ONE "begin 8 SECRET^/ end 9, ok" },
    { "fetch: the UID behind the body", FETCH, .script = BODIES "S:* 1 FETCH (BODY[] {8}|SECRET| UID 9)\n" END2,
      .outcome = "begin 8 SECRET^/ end 9, ok" },
    { "fetch: in quotes", FETCH,
      .script = BODIES "S:* 1 FETCH (UID 4 BODY[] \"SECRET \\\"q\\\\ \\\" x\" INTERNALDATE \"x\")|"
                       "* 2 FETCH (BODY[] \"\" UID 5)\n" END2,
      .outcome = "begin 14 SECRET \"q\\ \" x end 4, begin 0  end 5, ok" },
    { "fetch: literal8, lower case", FETCH, .script = BODIES "S:* 1 fetch (uid 4 body[] ~{6}|SECRET)\n" END2,
      .outcome = "begin 6 SECRET end 4, ok" },
    { "fetch: a message of nothing", FETCH, .script = BODIES "S:* 1 FETCH (UID 4 BODY[] {0}|)\n" END2,
      .outcome = "begin 0  end 4, ok" },
    { "fetch: NIL", FETCH, .script = BODIES "S:* 1 FETCH (UID 4 BODY[] NIL)\n" ONE END2, .outcome = GOT_ONE "ok" },
    { "fetch: headers", HEADERS,
      .script = A2("UID FETCH 3:5,9 (UID BODY.PEEK[HEADER])") "S:* 1 FETCH (UID 4 BODY[HEADER] {13}|SECRET: 1||)\n" END2,
      .outcome = "begin 13 SECRET: 1^/^/ end 4, ok" },
    { "fetch: others' news in between", FETCH,
      .script = BODIES "S:* 1 FETCH (FLAGS (\\Seen))|* 8 EXISTS|* 3 EXPUNGE|* OK [ALERT] x|* 1 FETCH (UID 77 FLAGS ())\n" ONE
                       "S:* LIST () \"/\" {5}|INBOX\n" END2,
      .outcome = GOT_ONE "ok" },
    { "fetch: another part in a literal is no body", FETCH,
      .script = BODIES "S:* 1 FETCH (UID 3 BODY[TEXT] {6}|SECRET BODY[] {1}|x)\n" END2, .outcome = "begin 1 x end 3, ok" },
    { "fetch: for a UID that wasn't asked for", FETCH, .script = BODIES "S:* 1 FETCH (UID 77 BODY[] {6}|SECRET)\nHANG",
      .outcome = "protocol.unexpected!" },
    { "fetch: that, told at the end", FETCH, .script = BODIES "S:* 1 FETCH (BODY[] {6}|SECRET UID 77)\nHANG",
      .outcome = "begin 6 SECRETprotocol.unexpected!" },
    { "fetch: that, in quotes", FETCH, .script = BODIES "S:* 1 FETCH (BODY[] \"SECRET\" UID 77)\nHANG",
      .outcome = "protocol.unexpected!" },
    { "fetch: without UID", FETCH, .script = BODIES "S:* 1 FETCH (BODY[] {6}|SECRET)\nHANG",
      .outcome = "begin 6 SECRETprotocol.unexpected!" },
    { "fetch: one message twice", FETCH, .script = BODIES ONE ONE "HANG", .outcome = GOT_ONE "protocol.unexpected!" },
    { "fetch: two bodies in one", FETCH, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {6}|SECRET BODY[] {6}|SECRET)\nHANG",
      .outcome = "begin 6 SECRETprotocol.unexpected!" },
    { "fetch: two bodies in one, the second in quotes", FETCH,
      .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {6}|SECRET BODY[] \"SECRET\")\nHANG",
      .outcome = "begin 6 SECRETprotocol.unexpected!" },
    { "fetch: the UID changes behind the body", FETCH, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {6}|SECRET UID 4)\nHANG",
      .outcome = "begin 6 SECRETprotocol.unexpected!" },
    { "fetch: a body that is no string", FETCH, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] (a))\nHANG",
      .outcome = "protocol.unexpected!" },
    { "fetch: a body in a list", FETCH, .script = BODIES "S:* 1 FETCH (UID 3 X (BODY[] {6}|SECRET))\n" END2, .outcome = "ok" },
    { "fetch: of message 0", FETCH, .script = BODIES "S:* 0 FETCH (UID 3 BODY[] NIL)\nHANG", .outcome = "protocol.unexpected!" },
    { "fetch: longer than announced", FETCH, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {6}|SECRETSECRET)\nHANG",
      .outcome = "begin 6 SECRETprotocol.garbage!" },
    { "fetch: longer than announced, and a line ends well", FETCH,
      .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {6}|SECRET)|SECRET OK as if|more)\nHANG",
      .outcome = "begin 6 SECRET end 3, protocol.unexpected!" },
    { "fetch: longer than announced, and forges the end", FETCH,
      .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {6}|SECRET)|a1 OK done|more)\nHANG",
      .outcome = "begin 6 SECRET end 3, protocol.unexpected!" },
    { "fetch: shorter than announced", FETCH, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {60}|SECRET)\nHANG",
      .outcome = "begin 60 SECRET)^/protocol.timeout!", .whole = true },
    { "fetch: shorter than announced, and closes", FETCH, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {60}|SECRET)\nDROP",
      .outcome = "begin 60 SECRET)^/connect.closed!", .whole = true },
    { "fetch: NO at the end", FETCH, .script = BODIES ONE "S:a2 NO some are gone\nHANG",
      .outcome = GOT_ONE "protocol.refused" },
    { "fetch: NO, and its words look like a literal", FETCH, .script = BODIES ONE "S:a2 NO {999}\nHANG",
      .outcome = GOT_ONE "protocol.refused" },
    { "fetch: BYE in the middle", FETCH, .script = BODIES ONE "S:* BYE enough\nHANG", .outcome = GOT_ONE "connect.closed!" },
    { "fetch: asks for more", FETCH, .script = BODIES "S:+ go on\nHANG", .outcome = "protocol.unexpected!" },
    { "fetch: another tag", FETCH, .script = BODIES "S:a3 OK\nHANG", .outcome = "protocol.unexpected!" },
    { "fetch: a flood", FETCH, .script = BODIES "10010X:* 1 FETCH (FLAGS ())\nHANG", .outcome = "protocol.lineTooLong!",
      .whole = true },
    { "fetch: a storm of EXPUNGE", FETCH, .script = BODIES "10010X:* 1 EXPUNGE\nHANG", .outcome = "protocol.lineTooLong!",
      .whole = true },
    { "fetch: slow, and longer than a time-out in all", FETCH, .whole = true, .timeout = 2500,
      .script = BODIES "R:* 1 FETCH (UID 3 BODY[] {2060}\nS:\n" KIB "P:1000\n" KIB "P:1000\n" "R:SECRET789012\nP:1000\nS:)\n" END2,
      .outcome = "begin 2060  end 3, ok" },
    { "fetch: dripping", FETCH, .whole = true, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {100}\n" DRIP DRIP DRIP DRIP "HANG",
      .outcome = "begin 100 protocol.timeout!" },
    { "fetch: we are slow, not the server", FETCH, .begin = SLOW, .whole = true, .timeout = 1000,
      .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {10}\nP:1900\nS:SECRET 1|)\n" END2, .outcome = GOT_ONE "ok" },
    { "fetch: a large one", FETCH, .whole = true, .timeout = 10000,
      .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {4200000}\n60000X:012345678901234567890123456789012345678901234567890123456789SECRET78\nS: UID 3)\n" END2,
      .outcome = "begin 4200000  end 3, ok" },
    { "fetch: not wanted", FETCH, .begin = 1, .script = BODIES ONE END2, .outcome = "begin 10 ok" },
    { "fetch: not wanted, in quotes", FETCH, .begin = 1, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] \"SECRET\")\n" END2,
      .outcome = "begin 6 ok" },
    { "fetch: not wanted and huge", FETCH, .begin = 1, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {2147483648}|x\nHANG",
      .outcome = "begin 2147483648 limit.messageSize!" },
    { "fetch: begin fails", FETCH, .begin = -1, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {5}\nHANG",
      .outcome = "begin 5 limit.diskFull!" },
    { "fetch: begin fails with nothing to come", FETCH, .begin = -1, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {0}\nHANG",
      .outcome = "begin 0 limit.diskFull!" },
    { "fetch: begin fails in quotes", FETCH, .begin = -1, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] \"x\")\nHANG",
      .outcome = "begin 1 limit.diskFull!" },
    { "fetch: data fails", FETCH, .data = -1, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] {1}|x)\nHANG",
      .outcome = "begin 1 xlimit.diskFull!" },
    { "fetch: data fails in quotes", FETCH, .data = -1, .script = BODIES "S:* 1 FETCH (UID 3 BODY[] \"x\")\nHANG",
      .outcome = "begin 1 xlimit.diskFull!" },
    { "fetch: end fails", FETCH, .end = -1, .script = BODIES ONE END2, .outcome = GOT_ONE "limit.diskFull!" },

    { "mark", SEEN, .script = STORE("2", "Seen") "S:* 1 FETCH (FLAGS (\\Seen))|a2 OK\nHANG", .outcome = "ok" },
    { "mark: NO", SEEN, .script = STORE("2", "Seen") "S:a2 NO [CANNOT] read-only\nHANG", .outcome = "protocol.refused" },
    { "mark: many, in several commands", MANY,
      .script = "C:a2 UID STORE 4000000000,*\nS:a2 OK\nC:a3 UID STORE *\nS:a3 OK\nC:a4 UID STORE *\nS:a4 OK\n"
                "C:a5 UID STORE *\nS:a5 OK\nHANG", .outcome = "ok" },
    { "mark: many, the second part refused", MANY,
      .script = "C:a2 UID STORE *\nS:a2 OK\nC:a3 UID STORE *\nS:a3 NO\nHANG", .outcome = "protocol.refused" },
    { "mark: BYE", SEEN, .script = STORE("2", "Seen") "S:* BYE\nHANG", .outcome = "connect.closed!" },

    { "remove: UIDPLUS", REMOVE, .caps = " UIDPLUS MOVE SPECIAL-USE",
      .script = STORE("2", "Deleted") "S:a2 OK\nC:a3 UID EXPUNGE 3:5,9\nS:* 1 EXPUNGE|a3 OK\nHANG", .outcome = "ok" },
    { "remove: UIDPLUS, refused", REMOVE, .caps = " UIDPLUS",
      .script = STORE("2", "Deleted") "S:a2 OK\nC:a3 UID EXPUNGE 3:5,9\nS:a3 NO\nHANG", .outcome = "protocol.refused" },
    { "remove: can't mark", REMOVE, .caps = " UIDPLUS", .script = STORE("2", "Deleted") "S:a2 NO\nHANG",
      .outcome = "protocol.refused" },
    { "remove: into the trash", REMOVE, .caps = " MOVE SPECIAL-USE",
      .script = A2("LIST (SPECIAL-USE) \"\" \"*\"") "S:* LIST (\\Sent) \"/\" Sent|* LIST (\\NonExistent \\Trash) \"/\" No|"
                "* LIST (\\HasNoChildren \\trash) NIL {8}|Bin \"&AP\n" "S:x\nHANG",
      .outcome = "protocol.garbage!" },
    { "remove: into the trash, which has an odd name", REMOVE, .caps = " MOVE SPECIAL-USE",
      .script = A2("LIST (SPECIAL-USE) \"\" \"*\"") "S:* LIST (\\Sent) \"/\" Sent|* LIST (\\NonExistent \\Trash) \"/\" No|"
                "* LIST (\\HasNoChildren \\trash) NIL {5}|Bin \"|a2 OK\nC:a3 UID MOVE 3:5,9 \"Bin \\\"\"\n"
                "S:* OK [COPYUID 1 3:5 7:9] x|* 1 EXPUNGE|a3 OK\nHANG", .outcome = "ok" },
    { "remove: a trash with a name that can't be sent", REMOVE, .caps = " MOVE SPECIAL-USE",
      .script = A2("LIST (SPECIAL-USE) \"\" \"*\"") "S:* LIST (\\Trash) \"/\" {4}|a|b|a2 OK\n" STORE("3", "Deleted")
                "S:a3 OK\nC:a4 UID SEARCH 1:7 DELETED\nS:* SEARCH 7|a4 OK\nHANG", .outcome = "left ok" },
    { "remove: from the trash itself", REMOVE, .caps = " MOVE SPECIAL-USE",
      .script = A2("LIST (SPECIAL-USE) \"\" \"*\"") "S:* LIST (\\Trash) \"/\" INBOX|a2 OK\n" STORE("3", "Deleted")
                "S:a3 OK\nC:a4 UID SEARCH 1:7 DELETED\nS:* SEARCH 3|a4 OK\nC:a5 EXPUNGE\nS:* 1 EXPUNGE|a5 OK\nHANG",
      .outcome = "ok" },
    { "remove: nobody else's", REMOVE,
      .script = STORE("2", "Deleted") "S:a2 OK\nC:a3 UID SEARCH 1:7 DELETED\nS:* SEARCH 3 4 5 9|a3 OK\nC:a4 EXPUNGE\n"
                "S:* 3 EXPUNGE|a4 OK\nHANG", .outcome = "ok" },
    { "remove: somebody else's would go too", REMOVE,
      .script = STORE("2", "Deleted") "S:a2 OK\nC:a3 UID SEARCH 1:7 DELETED\nS:* SEARCH 3 4 6|a3 OK\nHANG",
      .outcome = "left ok" },
    { "remove: what went meanwhile makes it unsure", REMOVE,
      .script = STORE("2", "Deleted") "S:a2 OK\nC:a3 UID SEARCH 1:7 DELETED\nS:* 2 EXPUNGE|* SEARCH 3|a3 OK\nHANG",
      .outcome = "left ok" },

    { "idle", IDLE, .script = A2("IDLE") "S:+ idling\nS:* 8 EXISTS\nC:DONE\nS:a2 OK\nHANG", .outcome = "news, 8 exist ok" },
    { "idle: news before the continuation", IDLE, .script = A2("IDLE") "S:* 8 EXISTS|+ idling\nC:DONE\n" END2,
      .outcome = "news, 8 exist ok" },
    { "idle: what doesn't matter", IDLE,
      .script = A2("IDLE") "S:+\nS:* 1 FETCH (FLAGS ())|* 2 EXPUNGE|* OK still here|* LIST () NIL {3}|abc|* 7 EXISTS\nC:DONE\n" END2,
      .outcome = "news, 7 exist ok" },
    { "idle: RECENT", IDLE, .script = A2("IDLE") "S:+ \nS:* 1 RECENT\nC:DONE\n" END2, .outcome = "news, 7 exist ok" },
    { "idle: more at its end", IDLE, .script = A2("IDLE") "S:+ \nS:* 8 EXISTS\nC:DONE\nS:* 9 EXISTS|a2 OK\nHANG",
      .outcome = "news, 8 exist more news ok" },
    { "idle: vanished", IDLE, .script = A2("IDLE") "S:+ \nS:* VANISHED (EARLIER) 1:3|* VANISHED 1:2,5|* VANISHED 9:1|* 1 RECENT\nC:DONE\n" END2,
      .outcome = "news, 0 exist ok" },
    { "idle: refused", IDLE, .script = A2("IDLE") "S:a2 NO\nHANG", .outcome = "protocol.refused" },
    { "idle: over at once", IDLE, .script = A2("IDLE") "S:a2 OK\nHANG", .outcome = "protocol.unexpected!" },
    { "idle: over by itself", IDLE, .script = A2("IDLE") "S:+ \nS:a2 OK\nHANG", .outcome = "protocol.unexpected!" },
    { "idle: BYE", IDLE, .script = A2("IDLE") "S:+ \nS:* BYE idle for too long\nHANG", .outcome = "connect.closed!" },
    { "idle: closed", IDLE, .script = A2("IDLE") "S:+ \nDROP", .outcome = "connect.closed!" },
    { "idle: closed in a line", IDLE, .script = A2("IDLE") "S:+ \nR:* 8 EXI\nDROP", .outcome = "connect.closed!" },
    { "idle: garbage", IDLE, .script = A2("IDLE") "S:+ \nS:HTTP/1.1 400\nHANG", .outcome = "protocol.garbage!" },
    { "idle: a flood", IDLE, .script = A2("IDLE") "S:+ \n10020X:* 7 EXISTS\nHANG", .outcome = "protocol.lineTooLong!",
      .whole = true },
    { "idle: a flood of continuations", IDLE, .script = A2("IDLE") "S:+ \n10020X:+ \nHANG",
      .outcome = "protocol.lineTooLong!", .whole = true },
    { "idle: DONE isn't answered", IDLE, .script = A2("IDLE") "S:+ \nS:* 8 EXISTS\nC:DONE\nHANG",
      .outcome = "news, 8 exist protocol.timeout!", .whole = true },

    { "noop", NOOP, .script = A2("NOOP") END2, .outcome = "7 exist ok" },
    { "noop: new messages", NOOP, .script = A2("NOOP") "S:* 2 EXPUNGE|* 7 EXISTS|a2 OK\nHANG", .outcome = "news, 7 exist ok" },
    { "noop: expunged that aren't there", NOOP, .script = A2("NOOP") "S:* 8 EXPUNGE|* 0 EXPUNGE|a2 OK\nHANG", .outcome = "7 exist ok" },
    { "noop: a mailbox of 4 G", NOOP, .script = A2("NOOP") "S:* 4294967295 EXISTS|* 1 EXPUNGE|a2 OK\nHANG",
      .outcome = "news, 4294967294 exist ok" },

    { "identify", IDENTIFY, .caps = " ID",
      .script = A2("ID (\"name\" \"Postern\" \"version\" \"1.0\")") "S:* ID (\"vendor\" \"x\" \"name\" \"Dove\tcot\" \"version\" \"2.3\")|a2 OK\nHANG",
      .outcome = "Dove cot 2.3 ok" },
    { "identify: says nothing", IDENTIFY, .caps = " ID", .script = A2("ID *") "S:* ID NIL|a2 OK\nHANG", .outcome = " ok" },
    { "identify: no pairs", IDENTIFY, .caps = " ID", .script = A2("ID *") "S:* ID (\"name\")|a2 OK\nHANG", .outcome = " ok" },
    { "identify: refused", IDENTIFY, .caps = " ID", .script = A2("ID *") "S:a2 NO\nHANG", .outcome = " ok" },
    { "identify: not offered", IDENTIFY, .script = "HANG", .outcome = " ok" },
};

/* All 10000 messages have their numbers as UIDs; the first is found by halving. The tag that follows. */
static unsigned search_by_halves(struct buf *script, unsigned first)
{
    unsigned low = 1, high = 6001, tag = 3;

    buf_addf(script, A2("UID SEARCH 6001:* UID %u:*") "S:* ESEARCH (TAG \"a2\") UID ALL 6001:10000|a2 OK\n", first);
    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        buf_addf(script, "C:a%u UID SEARCH %u\nS:* SEARCH %u|a%u OK\n", tag, middle, middle, tag);
        tag++;
        if (middle >= first)
            high = middle;
        else
            low = middle + 1;
    }
    return tag;
}

static void test_search_by_halves(void)
{
    AUTO_BUF(script, 1 << 16);
    struct row row = { "search: a large mailbox, all of it new", SEARCH_LATE, .exists = 10000, .caps = "",
                       .outcome = "100 101 102 more ok" };
    unsigned tag = search_by_halves(&script, 100);

    buf_addf(&script, "C:a%u UID SEARCH 100:102 UID 100:*\nS:* SEARCH 102 101 100|a%u OK\nHANG", tag, tag);
    row.script = script.p;
    run_row(&row, false);
    row = (struct row){ "search: a large mailbox, all of it wanted", SEARCH_ALL, .exists = 10000, .caps = "",
                        .outcome = "10000, 1 to 10000 ok" };
    buf_clear(&script);
    tag = search_by_halves(&script, 1);
    for (unsigned i = 1; i <= 10000; i += 4000, tag++)
        buf_addf(&script, "C:a%u UID SEARCH %u:%u UID 1:*\nS:* ESEARCH (TAG \"a%u\") UID ALL %u:%u|a%u OK\n", tag, i,
                 i + 3999 < 10000 ? i + 3999 : 10000, tag, i, i + 3999 < 10000 ? i + 3999 : 10000, tag);
    buf_add_c(&script, "HANG");
    row.script = script.p;
    run_row(&row, false);
}

int main(void)
{
    test_sets();
    test_long_sets();
    test_dates();
    test_message_ids();
    test_search_by_halves();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        run_row(&rows[i], false);
        if (!rows[i].whole)
            run_row(&rows[i], true);
    }
    return done();
}
