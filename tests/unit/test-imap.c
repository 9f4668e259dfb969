/* SPDX-License-Identifier: Apache-2.0 */
/* IMAP: responses without a connection, names, and the session against scripted servers. Servers that need
 * TLS are in tests/dialogs/imap/. */
#include "base/clock.h"
#include "mail/imap.h"
#include "mail/imap_name.h"
#include "mail/imap_parse.h"

#include "mail_script.h"

/* ---- the parser ------------------------------------------------------------------------------------- */

/* The tree in our words: atoms as they are, strings in quotes, {n} for what was streamed. */
static void write_tree(const struct imap_parser *p, const struct imap_node *node, struct buf *into)
{
    for (const char *space = ""; node; node = imap_next(p, node), space = " ") {
        struct str text = imap_node_str(p, node);

        buf_add_c(into, space);
        if (node->kind == IMAP_LIST) {
            buf_add_char(into, '(');
            write_tree(p, imap_child(p, node), into);
            buf_add_char(into, ')');
        } else if (node->kind == IMAP_STREAMED) {
            buf_addf(into, "{%llu}", (unsigned long long)node->size);
        } else {
            buf_addf(into, node->kind == IMAP_STRING ? "\"%.*s\"" : "%.*s", (int)text.len, text.p);
        }
    }
}

static void write_response(const struct imap_parser *p, struct buf *into)
{
    static const char *const types[] = {
        [IMAP_UNTAGGED] = "*", [IMAP_TAGGED] = "tagged", [IMAP_CONTINUE] = "+"
    };
    struct str words = imap_words(p), code = imap_code(p), value = imap_code_value(p);

    buf_addf(into, "%s %s", types[p->type], p->name);
    if (p->has_number)
        buf_addf(into, " no. %u", p->number);
    if (p->type == IMAP_CONTINUE || p->status != IMAP_DATA)
        buf_addf(into, " [%.*s|%.*s] %.*s", (int)code.len, code.p, (int)value.len, value.p, (int)words.len,
                 words.p);
    else if (imap_first(p)) {
        buf_add_char(into, ' ');
        write_tree(p, imap_first(p), into);
    }
}

static enum imap_step feed(struct imap_parser *p, const char *text, size_t piece)
{
    struct str rest = str_c(text);
    enum imap_step step = IMAP_MORE;

    while (step == IMAP_MORE && rest.len > 0) {
        struct str part = str_n(rest.p, rest.len < piece ? rest.len : piece);
        size_t before = part.len;

        step = imap_parse(p, &part);
        rest = str_from(rest, before - part.len);
    }
    return step == IMAP_DONE && rest.len > 0 ? IMAP_STOPPED : step; /* it left something: told apart below */
}

static void test_responses(void)
{
    static const struct {
        const char *name, *text;
        enum imap_step end;
        const char *response;
    } rows[] = {
        { "tagged", "a1 OK done\r\n", IMAP_DONE, "tagged OK [|] done" },
        { "tagged with a code", "a1 NO [AUTHENTICATIONFAILED] Sorry.\r\n", IMAP_DONE,
          "tagged NO [AUTHENTICATIONFAILED|] Sorry." },
        { "a code with a value", "* OK [UIDVALIDITY 3857529045] UIDs\r\n", IMAP_DONE,
          "* OK [UIDVALIDITY|3857529045] UIDs" },
        { "flags in a code", "* OK [PERMANENTFLAGS (\\Deleted \\*)] ok\r\n", IMAP_DONE,
          "* OK [PERMANENTFLAGS|(\\Deleted \\*)] ok" },
        { "what isn't a literal", "* OK wait {5}\r\n", IMAP_DONE, "* OK [|] wait {5}" },
        { "parentheses in words", "* BYE :-( ((\r\n", IMAP_DONE, "* BYE [|] :-( ((" },
        { "a code without end", "* OK [ALERT hello\r\n", IMAP_DONE, "* OK [|] [ALERT hello" },
        { "no words", "a1 OK\r\n", IMAP_DONE, "tagged OK [|] " },
        { "lower case", "* preauth hi\r\n", IMAP_DONE, "* PREAUTH [|] hi" },
        { "bare LF", "* OK x\n", IMAP_DONE, "* OK [|] x" },
        { "continuation", "+ YWJj\r\n", IMAP_DONE, "+  [|] YWJj" },
        { "continuation with brackets", "+ [x] y\r\n", IMAP_DONE, "+  [|] [x] y" },
        { "bare continuation", "+\r\n", IMAP_DONE, "+  [|] " },
        { "capabilities", "* CAPABILITY IMAP4rev1 AUTH=PLAIN LITERAL+\r\n", IMAP_DONE,
          "* CAPABILITY IMAP4rev1 AUTH=PLAIN LITERAL+" },
        { "trailing space", "* SEARCH 1 2 \r\n", IMAP_DONE, "* SEARCH 1 2" },
        { "nothing found", "* SEARCH\r\n", IMAP_DONE, "* SEARCH" },
        { "number", "* 23 EXISTS\r\n", IMAP_DONE, "* EXISTS no. 23" },
        { "a list", "* FLAGS (\\Seen \\Answered)\r\n", IMAP_DONE, "* FLAGS (\\Seen \\Answered)" },
        { "empty lists", "* X () (()) \"\" {0}\r\n \r\n", IMAP_DONE, "* X () (()) \"\" \"\"" },
        { "quoted", "* LIST () \"/\" \"a \\\"b\\\\ (c\"\r\n", IMAP_DONE, "* LIST () \"/\" \"a \"b\\ (c\"" },
        { "literal", "* 1 FETCH (BODY[] {6}\r\na\r\n) b UID 7)\r\n", IMAP_DONE,
          "* FETCH no. 1 (BODY[] \"a\r\n) b\" UID 7)" },
        { "literal8", "* 1 FETCH (BINARY[] ~{3}\r\nabc)\r\n", IMAP_DONE, "* FETCH no. 1 (BINARY[] \"abc\")" },
        { "section", "* 1 FETCH (BODY[HEADER.FIELDS (A \"B\")]<0> {1}\r\nx)\r\n", IMAP_DONE,
          "* FETCH no. 1 (BODY[HEADER.FIELDS (A \"B\")]<0> \"x\")" },
        { "brackets elsewhere", "* LIST () \"/\" [Gmail]/All\r\n", IMAP_DONE, "* LIST () \"/\" [Gmail]/All" },
        { "bodies side by side", "* 1 FETCH (BODY ((\"a\")(\"b\") \"m\"))\r\n", IMAP_DONE,
          "* FETCH no. 1 (BODY ((\"a\") (\"b\") \"m\"))" },
        { "vanished", "* VANISHED (EARLIER) 1:3,5\r\n", IMAP_DONE, "* VANISHED (EARLIER) 1:3,5" },
        { "more behind it is left", "* OK a\r\n* OK b\r\n", IMAP_STOPPED, "* OK [|] a" },
        { "unfinished", "* OK a", IMAP_MORE, NULL },
        { "unfinished literal", "* X {5}\r\nabc", IMAP_MORE, NULL },
        { "SMTP", "220 mail.example.com ESMTP\r\n", IMAP_GARBAGE, NULL },
        { "POP3", "+OK ready\r\n", IMAP_GARBAGE, NULL },
        { "HTTP", "HTTP/1.1 400 Bad Request\r\n", IMAP_GARBAGE, NULL },
        { "empty", "\r\n", IMAP_GARBAGE, NULL },
        { "a tag alone", "a1\r\n", IMAP_GARBAGE, NULL },
        { "a star alone", "* \r\n", IMAP_GARBAGE, NULL },
        { "tagged data", "a1 CAPABILITY X\r\n", IMAP_GARBAGE, NULL },
        { "tagged BYE", "a1 BYE\r\n", IMAP_GARBAGE, NULL },
        { "a tag without end", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa OK\r\n", IMAP_GARBAGE,
          NULL },
        { "number alone", "* 23\r\n", IMAP_GARBAGE, NULL },
        { "two numbers", "* 23 24 EXISTS\r\n", IMAP_GARBAGE, NULL },
        { "number too large", "* 4294967296 EXISTS\r\n", IMAP_GARBAGE, NULL },
        { "list not closed", "* X (a\r\n", IMAP_GARBAGE, NULL },
        { "list closed twice", "* X (a))\r\n", IMAP_GARBAGE, NULL },
        { "quote not closed", "* X \"a\r\n", IMAP_GARBAGE, NULL },
        { "quote within an atom", "* X a\"b\"\r\n", IMAP_GARBAGE, NULL },
        { "section not closed", "* X BODY[a\r\n", IMAP_GARBAGE, NULL },
        { "literal longer than told", "* 1 FETCH (BODY[] {3}\r\nabcdef)\r\n", IMAP_GARBAGE, NULL },
        { "literal without size", "* X {}\r\n", IMAP_GARBAGE, NULL },
        { "literal of a client", "* X {3+}\r\nabc\r\n", IMAP_GARBAGE, NULL },
        { "literal below nothing", "* X {-1}\r\n", IMAP_GARBAGE, NULL },
        { "literal beyond 63 bits", "* X {99999999999999999999}\r\n", IMAP_GARBAGE, NULL },
        { "literal and more in its line", "* X {3} abc\r\n", IMAP_GARBAGE, NULL },
        { "literal bomb", "* X {999999999999}\r\n", IMAP_LONG, NULL },
        { "CR alone", "* OK a\rb\r\n", IMAP_GARBAGE, NULL },
        { "control in an atom", "* X a\001\r\n", IMAP_GARBAGE, NULL },
    };
    static const size_t pieces[] = { 1, 2, 3, 7, 1000 };
    struct imap_parser p;

    imap_parser_init(&p);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool good = true;

        for (size_t j = 0; j < COUNT_OF(pieces); j++) {
            AUTO_BUF(got, 4096);
            enum imap_step step;

            imap_parser_clear(&p);
            step = feed(&p, rows[i].text, pieces[j]);
            buf_add_c(&got, "");
            if (step == IMAP_DONE || step == IMAP_STOPPED)
                write_response(&p, &got);
            if (step != rows[i].end || (rows[i].response && strcmp(got.p, rows[i].response) != 0)) {
                good = false;
                printf("# in pieces of %zu: %d, %s\n", pieces[j], step, got.p);
            }
        }
        ok(good, "response: %s", rows[i].name);
    }
    imap_parser_free(&p);
}

static enum imap_step flood(struct imap_parser *p, const char *begin, const char *again, size_t *fed)
{
    enum imap_step step;

    imap_parser_clear(p);
    step = feed(p, begin, 1000);
    for (*fed = 0; step == IMAP_MORE && *fed < (16 << 20); *fed += strlen(again))
        step = feed(p, again, 1000);
    return step;
}

static void test_ceilings(void)
{
    struct imap_parser p;
    size_t fed;

    imap_parser_init(&p);
    ok(flood(&p, "* OK ", "xxxxxxxx", &fed) == IMAP_LONG && fed <= IMAP_TEXT_MAX + 8, "a line without end");
    ok(flood(&p, "* X ", "(", &fed) == IMAP_LONG && fed == IMAP_DEPTH_MAX + 1, "lists within lists");
    ok(flood(&p, "* X ", "() ", &fed) == IMAP_LONG && fed / 3 == IMAP_NODES_MAX, "lists beside lists");
    ok(flood(&p, "* X", " \"\"", &fed) == IMAP_LONG && fed / 3 == IMAP_NODES_MAX, "strings of nothing");
    ok(flood(&p, "* X",
             " {100}\r\n"
             "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678"
             "901234567890",
             &fed) == IMAP_LONG &&
           p.text.len <= IMAP_TEXT_MAX,
       "many literals");
    imap_parser_clear(&p);
    ok(p.text.cap <= 8192 && p.room <= 128, "afterwards the memory is given back");
    imap_parser_free(&p);
}

struct drain {
    uint64_t wanted, got;
    int left; /* chunks that it still takes; -1: any number */
    char section[64];
};

static int drain_wants(void *ctx, const struct imap_parser *so_far, uint64_t size)
{
    struct drain *drain = ctx;
    AUTO_BUF(tree, 4096);

    write_response(so_far, &tree);
    snprintf(drain->section, sizeof(drain->section), "%s", tree.p);
    drain->wanted = size;
    return size > 10;
}

static int drain_data(void *ctx, struct str bytes)
{
    struct drain *drain = ctx;

    drain->got += bytes.len;
    return drain->left < 0 || drain->left-- > 0 ? 0 : -1;
}

/* A message of any size passes through; what is small stays. */
static void test_stream(void)
{
    enum { SIZE = 20 << 20 };
    struct drain drain = { .left = -1 };
    const struct imap_sink sink = { &drain, drain_wants, drain_data };
    AUTO_FREE char *chunk = mem_alloc(65536);
    enum imap_step step = IMAP_MORE;
    AUTO_BUF(tree, 4096);
    struct imap_parser p;

    imap_parser_init(&p);
    p.sink = &sink;
    step = feed(&p, "* 9 FETCH (UID 4 FLAGS {3}\r\nabc BODY[] {20971520}\r\n", 1000);
    is_str(drain.section, "* FETCH no. 9 (UID 4 FLAGS \"abc\" BODY[])", "the sink is told what it is");
    for (int sent = 0; step == IMAP_MORE && sent < SIZE; sent += 65536) {
        struct str bytes = str_n(chunk, 65536);

        step = imap_parse(&p, &bytes);
    }
    ok(imap_literal_left(&p) == 0 && p.text.len < 100, "20 MiB went by and nothing was kept");
    step = step == IMAP_MORE ? feed(&p, " RFC822.SIZE 5)\r\n", 1) : step;
    write_response(&p, &tree);
    ok(step == IMAP_DONE && drain.got == SIZE, "all of it reached the sink");
    is_str(tree.p, "* FETCH no. 9 (UID 4 FLAGS \"abc\" BODY[] {20971520} RFC822.SIZE 5)",
           "and the rest is a tree");
    imap_parser_clear(&p);
    drain = (struct drain){ .left = 2 };
    step = feed(&p, "* 9 FETCH (BODY[] {100}\r\n", 1000);
    step = feed(&p, "abcdefgh", 1);
    ok(step == IMAP_STOPPED && drain.got == 3, "a sink that wants no more is asked no more");
    imap_parser_free(&p);
}

/* ---- names ------------------------------------------------------------------------------------------ */

static void test_names(void)
{
    static const struct {
        const char *name, *utf7; /* NULL: can't be said */
    } rows[] = {
        { "INBOX", "INBOX" },
        { "", "" },
        { "a & b", "a &- b" },
        { "&", "&-" },
        { "Entw\xc3\xbcrfe", "Entw&APw-rfe" },
        /* RFC 3501 5.1.3 */
        { "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
          "~peter/mail/&U,BTFw-/&ZeVnLIqe-" },
        { "\xf0\x9f\x92\x8c", "&2D3cjA-" },
        { "\xc3\xbc&\xc3\xbc", "&APw-&-&APw-" },
        { "a\r\nb", "a&AA0ACg-b" },
        { "\xff", NULL },
    };
    AUTO_BUF(quoted, 64);
    AUTO_BUF(small, 8);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_BUF(got, 256);
        int rc = imap_utf7(str_c(rows[i].name), &got);

        buf_add_c(&got, "");
        if (!ok(rows[i].utf7 ? rc == 0 && strcmp(got.p, rows[i].utf7) == 0 : rc < 0, "mailbox no. %zu", i))
            printf("# %d %s\n", rc, got.p);
    }
    ok(imap_utf7(STR("\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"), &small) < 0, "a name past the ceiling");
    ok(imap_quote(STR("a \"b\\"), false, &quoted) == 0, "quoted");
    is_str(quoted.p, "\"a \\\"b\\\\\"", "with its backslashes");
    ok(imap_quote(STR("\xc3\xbc"), false, &quoted) < 0 && imap_quote(STR("a\r\nb"), true, &quoted) < 0 &&
           imap_quote(str_n("\0", 1), true, &quoted) < 0,
       "what can't be quoted isn't");
}

/* ---- the session ------------------------------------------------------------------------------------ */

#define HELLO "S:* OK ready\n"
#define ASK(n) "C:a" n " CAPABILITY\n"
#define TELL(n, words) ASK(n) "S:* CAPABILITY IMAP4rev1" words "|a" n " OK done\n"
#define PLAIN_IN "AHBsYW50AFBhc3MgIndc"
#define ALL_WELL "resolve connect greeting capabilities authenticate mailbox"

static void run(const char *script_text, unsigned how, const char *mechanism, const char *mailbox,
                struct script *script, struct watch *watch, struct imap_mailbox *found, struct err *err)
{
    struct mail_observer observer = watch_start(watch);
    struct mail_auth auth = script_auth(how, mechanism);
    struct mail_server where;
    struct imap_session *imap;

    *err = (struct err){ 0 };
    script_start(script, script_text);
    where = script_server(script, how);
    imap = imap_new(&where, &observer);
    if (imap_open(imap, &auth, err) == 0 && mailbox)
        imap_select(imap, mailbox, true, found, err);
    if (imap_is_usable(imap))
        imap_logout(imap);
    imap_free(imap);
    pthread_join(script->thread, NULL);
}

static void test_session(void)
{
    static const struct {
        const char *name;
        unsigned how;
        const char *mechanism, *script;
        const char *id, *at; /* "": opens */
        const char *steps;   /* NULL: not looked at */
    } rows[] = {
        { "no login", 0, NULL, HELLO TELL("1", "") "C:a2 LOGOUT\nS:* BYE bye|a2 OK done\nHANG", "", "",
          "resolve connect greeting capabilities" },
        { "capabilities in the greeting", 0, NULL,
          "S:* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\nC:a1 LOGOUT\nS:a1 OK\nHANG", "", "", NULL },
        { "only IMAP4rev2", 0, NULL, HELLO ASK("1") "S:* CAPABILITY IMAP4rev2|a1 OK\nC:a2 LOGOUT\nHANG", "",
          "", NULL },
        { "only IMAP2", 0, NULL, HELLO ASK("1") "S:* CAPABILITY IMAP2|a1 OK\nHANG", "protocol.unexpected",
          "imap.capability", "resolve connect greeting capabilities!" },
        { "doesn't tell", 0, NULL, HELLO ASK("1") "S:a1 OK\nHANG", "protocol.unexpected", "imap.capability",
          NULL },
        { "doesn't know CAPABILITY", 0, NULL, HELLO ASK("1") "S:a1 BAD what?\nHANG", "protocol.unexpected",
          "imap.capability", NULL },
        { "greets with BYE", 0, NULL, "S:* BYE too busy\nHANG", "protocol.greeting", "imap.greeting",
          "resolve connect greeting!" },
        { "greets with NO", 0, NULL, "S:* NO\nHANG", "protocol.unexpected", "imap.greeting", NULL },
        { "greets with data", 0, NULL, "S:* 4 EXISTS\nHANG", "protocol.unexpected", "imap.greeting", NULL },
        { "greets with a tag", 0, NULL, "S:a1 OK\nHANG", "protocol.unexpected", "imap.greeting", NULL },
        { "is an SMTP server", 0, NULL, "S:220 mail ESMTP\nHANG", "protocol.garbage", "imap.greeting", NULL },
        { "says nothing", 0, NULL, "HANG", "protocol.timeout", "imap.greeting", NULL },
        { "closes at once", 0, NULL, "DROP", "connect.closed", "imap.greeting", NULL },
        { "hangs in a literal", 0, NULL, HELLO ASK("1") "R:* X {10}\nHANG", "protocol.timeout",
          "imap.capability", NULL },
        { "closes in a literal", 0, NULL, HELLO ASK("1") "S:* X {10}|abc\nDROP", "connect.closed",
          "imap.capability", NULL },
        { "literal bomb", 0, NULL, HELLO ASK("1") "S:* X {99999999}\nHANG", "protocol.lineTooLong",
          "imap.capability", NULL },
        { "a literal that lies", 0, NULL, HELLO ASK("1") "S:* X {1}|abc\nHANG", "protocol.garbage",
          "imap.capability", NULL },
        { "another tag", 0, NULL, HELLO ASK("1") "S:a7 OK\nHANG", "protocol.unexpected", "imap.capability",
          NULL },
        { "an answer before the question", 0, NULL,
          HELLO ASK("1") "S:a2 OK|* CAPABILITY IMAP4rev1|a1 OK\nHANG", "protocol.unexpected",
          "imap.capability", NULL },
        { "asks for more where nothing was promised", 0, NULL, HELLO ASK("1") "S:+ go on\nHANG",
          "protocol.unexpected", "imap.capability", NULL },
        { "BYE instead of an answer", 0, NULL, HELLO ASK("1") "S:* BYE shutting down\nHANG", "connect.closed",
          "imap.capability", NULL },
        { "unasked data", 0, NULL,
          HELLO ASK("1") "S:* 5 EXISTS|* FLAGS (\\Seen)|* OK [ALERT] call 555|* 1 FETCH (BODY[] {3}|a)c)|"
                         "* CAPABILITY IMAP4rev1|* X|a1 OK\nC:a2 LOGOUT\nHANG",
          "", "", NULL },

        { "offers no STARTTLS", STARTTLS, NULL, HELLO TELL("1", " AUTH=PLAIN") "HANG", "tls.starttlsMissing",
          "imap.starttls", "resolve connect greeting starttls!" },
        { "refuses STARTTLS", STARTTLS, NULL,
          HELLO TELL("1", " STARTTLS") "C:a2 STARTTLS\nS:a2 NO not now\nHANG", "tls.starttlsRefused",
          "imap.starttls", NULL },
        { "doesn't know STARTTLS", STARTTLS, NULL,
          HELLO TELL("1", " STARTTLS") "C:a2 STARTTLS\nS:a2 BAD what?\nHANG", "tls.starttlsRefused",
          "imap.starttls", NULL },
        { "knows us before STARTTLS", STARTTLS | AUTH, NULL,
          "S:* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hi\nHANG", "tls.preauth", "imap.greeting",
          "resolve connect greeting!" },
        { "injects a capability before the handshake", STARTTLS | AUTH, NULL,
          HELLO TELL("1", " STARTTLS") "C:a2 STARTTLS\nS:a2 OK go|* CAPABILITY IMAP4rev1 AUTH=PLAIN\nHANG",
          "tls.injected", "imap.tls", "resolve connect greeting starttls tls!" },

        { "no encryption", AUTH, NULL, HELLO TELL("1", " AUTH=PLAIN") "HANG", "auth.cleartext",
          "imap.authenticate", "resolve connect greeting capabilities authenticate!" },
        { "no encryption and known", AUTH, NULL, "S:* PREAUTH hi\n" TELL("1", "") "HANG", "auth.cleartext",
          "imap.authenticate", NULL },
        { "known", AUTH | ALLOWED, NULL,
          "S:* PREAUTH hi\n" TELL("1", "") TELL("2", "") "C:a3 EXAMINE \"INBOX\"\nS:a3 OK\nC:a4 LOGOUT\nHANG",
          "", "", ALL_WELL },
        { "PLAIN", AUTH | ALLOWED, NULL,
          HELLO TELL(
              "1",
              " AUTH=PLAIN AUTH=LOGIN") "C:a2 AUTHENTICATE PLAIN\nS:+ \nC:" PLAIN_IN "\n"
                                        "S:a2 OK [CAPABILITY IMAP4rev1 IDLE] in\nC:a3 EXAMINE \"INBOX\"\n"
                                        "S:a3 OK [READ-ONLY] done\nC:a4 LOGOUT\nS:a4 OK\nHANG",
          "", "", ALL_WELL },
        { "PLAIN at once", AUTH | ALLOWED, NULL,
          HELLO TELL("1", " AUTH=PLAIN SASL-IR") "C:a2 AUTHENTICATE PLAIN " PLAIN_IN "\n"
                                                 "S:* CAPABILITY X|a2 OK in\n" TELL(
                                                     "3",
                                                     "") "C:a4 EXAMINE \"INBOX\"\nS:a4 OK\nC:a5 LOGOUT\nHANG",
          "", "", ALL_WELL },
        { "the mechanism LOGIN", AUTH | ALLOWED, NULL,
          HELLO TELL("1", " AUTH=LOGIN") "C:a2 AUTHENTICATE LOGIN\nS:+ VXNlcm5hbWU6\nC:cGxhbnQ=\n"
                                         "S:+ UGFzc3dvcmQ6\nC:UGFzcyAid1w=\nS:a2 OK in\n" TELL(
                                             "3", "") "C:a4 EXAMINE *\nS:a4 OK\nC:a5 LOGOUT\nHANG",
          "", "", ALL_WELL },
        { "the command LOGIN", AUTH | ALLOWED, NULL,
          HELLO TELL("1", "") "C:a2 LOGIN \"plant\" \"Pass \\\"w\\\\\"\nS:a2 OK in\n" TELL(
              "3", "") "C:a4 EXAMINE *\nS:a4 OK\nC:a5 LOGOUT\nHANG",
          "", "", ALL_WELL },
        { "the command LOGIN, when named", AUTH | ALLOWED, "LOGIN",
          HELLO TELL("1", " AUTH=PLAIN") "C:a2 LOGIN *\nS:a2 OK in\n" TELL(
              "3", "") "C:a4 EXAMINE *\nS:a4 OK\nC:a5 LOGOUT\nHANG",
          "", "", ALL_WELL },
        { "LOGIN with a literal", AUTH | ALLOWED | UTF8_PASSWORD, NULL,
          HELLO TELL("1", "") "C:a2 LOGIN \"plant\" {9}\nS:+ go\nC:P\xc3\xa4ss \"w\\\nS:a2 OK in\n" TELL(
              "3", "") "C:a4 EXAMINE *\nS:a4 OK\nC:a5 LOGOUT\nHANG",
          "", "", ALL_WELL },
        { "LOGIN with a literal at once", AUTH | ALLOWED | UTF8_PASSWORD, NULL,
          HELLO TELL("1", " LITERAL-") "C:a2 LOGIN \"plant\" {9+}\nC:P\xc3\xa4ss \"w\\\nS:a2 OK in\n" TELL(
              "3", "") "C:a4 EXAMINE *\nS:a4 OK\nC:a5 LOGOUT\nHANG",
          "", "", ALL_WELL },
        { "LOGIN with a literal that is refused", AUTH | ALLOWED | UTF8_PASSWORD, NULL,
          HELLO TELL("1", "") "C:a2 LOGIN \"plant\" {9}\nS:a2 NO [AUTHENTICATIONFAILED] no literals\nHANG",
          "auth.refused", "imap.login", NULL },
        { "LOGINDISABLED", AUTH | ALLOWED, NULL, HELLO TELL("1", " LOGINDISABLED") "HANG", "auth.noMechanism",
          "imap.authenticate", NULL },
        { "nothing of ours", AUTH | ALLOWED, NULL, HELLO TELL("1", " LOGINDISABLED AUTH=GSSAPI") "HANG",
          "auth.noMechanism", "imap.authenticate", NULL },
        { "another mechanism is named", AUTH | ALLOWED, "CRAM-MD5", HELLO TELL("1", " AUTH=PLAIN") "HANG",
          "auth.noMechanism", "imap.authenticate", NULL },
        { "wrong password", AUTH | ALLOWED, NULL,
          HELLO TELL("1",
                     " AUTH=PLAIN SASL-IR") "C:a2 AUTHENTICATE *\nS:a2 NO [AUTHENTICATIONFAILED] no\nHANG",
          "auth.refused", "imap.authenticate", NULL },
        { "wrong password, without a code", AUTH | ALLOWED, NULL,
          HELLO TELL("1", "") "C:a2 LOGIN *\nS:a2 NO LOGIN failed.\nHANG", "auth.refused", "imap.login",
          NULL },
        { "a referral", AUTH | ALLOWED, NULL,
          HELLO TELL("1", "") "C:a2 LOGIN *\nS:a2 NO [REFERRAL imap://plant@evil.example/] go there\nHANG",
          "auth.refused", "imap.login", NULL },
        { "later", AUTH | ALLOWED, NULL,
          HELLO TELL("1", " AUTH=PLAIN SASL-IR") "C:a2 AUTHENTICATE *\nS:a2 NO [UNAVAILABLE] later\nHANG",
          "auth.temporary", "imap.authenticate", NULL },
        { "wants encryption", AUTH | ALLOWED, NULL,
          HELLO TELL("1", "") "C:a2 LOGIN *\nS:a2 NO [PRIVACYREQUIRED] TLS!\nHANG", "auth.cleartext",
          "imap.login", NULL },
        { "offers what it doesn't know", AUTH | ALLOWED, NULL,
          HELLO TELL("1", " AUTH=PLAIN SASL-IR") "C:a2 AUTHENTICATE *\nS:a2 BAD what?\nHANG",
          "auth.noMechanism", "imap.authenticate", NULL },
        { "a challenge that isn't base64", AUTH | ALLOWED, "CRAM-MD5",
          HELLO TELL("1",
                     " AUTH=CRAM-MD5") "C:a2 AUTHENTICATE CRAM-MD5\nS:+ ???\nC:*\nS:a2 BAD canceled\nHANG",
          "protocol.garbage", "imap.authenticate", NULL },
        { "SCRAM without proof", AUTH | ALLOWED, NULL,
          HELLO TELL("1",
                     " AUTH=SCRAM-SHA-256 SASL-IR") "C:a2 AUTHENTICATE SCRAM-SHA-256 *\nS:a2 OK in\nHANG",
          "auth.refused", "imap.authenticate", NULL },
        { "asks on and on", AUTH | ALLOWED, NULL,
          HELLO TELL("1", " AUTH=PLAIN SASL-IR") "C:a2 AUTHENTICATE *\nS:+ |+ |+ |+ |+ |+ |+ |+ |+ |+ \nHANG",
          "protocol.unexpected", "imap.authenticate", NULL },
        { "BYE at login", AUTH | ALLOWED, NULL, HELLO TELL("1", "") "C:a2 LOGIN *\nS:* BYE too many\nHANG",
          "connect.closed", "imap.login", NULL },
        { "capabilities of before don't count", AUTH | ALLOWED, NULL,
          HELLO TELL("1", "") "C:a2 LOGIN *\nS:* CAPABILITY IMAP4rev1|a2 OK\n" ASK("3") "S:a3 NO\nHANG",
          "protocol.unexpected", "imap.capability", NULL },

        { "no such mailbox", AUTH | ALLOWED, NULL,
          HELLO TELL("1", "") "C:a2 LOGIN *\nS:a2 OK [CAPABILITY IMAP4rev1] in\nC:a3 EXAMINE *\n"
                              "S:a3 NO [NONEXISTENT] no such mailbox\nHANG",
          "config.mailbox", "imap.select", "resolve connect greeting capabilities authenticate mailbox!" },
        { "mailbox in use", AUTH | ALLOWED, NULL,
          HELLO TELL("1", "") "C:a2 LOGIN *\nS:a2 OK [CAPABILITY IMAP4rev1] in\nC:a3 EXAMINE *\n"
                              "S:a3 NO [INUSE] later\nHANG",
          "protocol.refused", "imap.select", NULL },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct script script;
        struct watch watch;
        struct err err;

        run(rows[i].script, rows[i].how, rows[i].mechanism, rows[i].how & AUTH ? "INBOX" : NULL, &script,
            &watch, NULL, &err);
        if (!ok(strcmp(err.id, rows[i].id) == 0 && strcmp(err.at, rows[i].at) == 0 &&
                    script.wrong[0] == '\0' &&
                    (rows[i].steps == NULL || strcmp(watch.steps.p, rows[i].steps) == 0) &&
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

static void test_mailbox(void)
{
    struct imap_mailbox found;
    struct script script;
    struct watch watch;
    struct err err;

    run(HELLO TELL(
            "1",
            "") "C:a2 LOGIN *\nS:a2 OK [CAPABILITY IMAP4rev1] in\nC:a3 EXAMINE \"Entw&APw-rfe \\\"1\\\"\"\n"
                "S:* FLAGS (\\Answered \\Seen)|* OK [PERMANENTFLAGS ()] none|* 172 EXISTS|* 1 RECENT|"
                "* OK [UIDVALIDITY 3857529045] valid|* OK [UIDNEXT 4392] next|* OK [HIGHESTMODSEQ "
                "715194045007] high|"
                "* OK [UNSEEN x] odd|a3 OK [READ-ONLY] done\nC:a4 LOGOUT\nHANG",
        AUTH | ALLOWED, NULL, "Entw\xc3\xbcrfe \"1\"", &script, &watch, &found, &err);
    is_str(script.wrong, "", "the name on the wire");
    ok(found.exists == 172 && found.uid_validity == 3857529045 && found.uid_next == 4392 &&
           found.mod_seq == 715194045007 && found.read_only && !found.can_mark,
       "what a mailbox is");
    ok(strstr(watch.details.p, "mailbox=172 messages\n") && strstr(watch.details.p, "authenticate=LOGIN\n"),
       "is told");
    watch_stop(&watch);
    script_stop(&script);

    run(HELLO ASK("1") "S:* CAPABILITY IMAP4rev2|a1 OK\nC:a2 LOGIN *\nS:a2 OK [CAPABILITY IMAP4rev2] in\n"
                       "C:a3 EXAMINE \"Entw\xc3\xbcrfe\"\nS:* OK [UIDVALIDITY 0]|* OK [UIDNEXT "
                       "99999999999]|a3 OK\nC:a4 LOGOUT\nHANG",
        AUTH | ALLOWED, NULL, "Entw\xc3\xbcrfe", &script, &watch, &found, &err);
    is_str(script.wrong, "", "IMAP4rev2 has names in UTF-8");
    ok(found.uid_validity == 0 && found.uid_next == 0 && found.can_mark, "numbers that are none");
    watch_stop(&watch);
    script_stop(&script);

    run(HELLO TELL("1", "") "C:a2 LOGIN *\nS:* OK [ALERT] Mailbox \t nearly full, call 555|* NO odd|"
                            "a2 NO [CONTACTADMIN] Ask\nHANG",
        AUTH | ALLOWED, NULL, "INBOX", &script, &watch, &found, &err);
    ok(strcmp(err.id, "auth.refused") == 0 &&
           strstr(err.text, "Ask (It also said: Mailbox   nearly full, call 555)"),
       "an ALERT is the server's word: %s", err.text);
    watch_stop(&watch);
    script_stop(&script);
}

static void *abort_soon(void *ctx)
{
    usleep(100 * 1000);
    imap_abort(ctx);
    return NULL;
}

static void test_abort(void)
{
    struct script script;
    struct err err = { 0 };
    struct mail_server where;
    struct imap_session *imap;
    int64_t started = clock_mono();
    pthread_t thread;

    script_start(&script, HELLO "HANG");
    where = script_server(&script, 0);
    where.timeout_ms = 20000;
    imap = imap_new(&where, NULL);
    pthread_create(&thread, NULL, abort_soon, imap);
    ok(imap_open(imap, NULL, &err) < 0 && err.code == ERR_STOPPED && clock_mono() - started < 5000,
       "aborted from another thread: %s", err.text);
    pthread_join(thread, NULL);
    imap_free(imap);
    pthread_join(script.thread, NULL);
    script_stop(&script);
}

int main(void)
{
    test_responses();
    test_ceilings();
    test_stream();
    test_names();
    test_session();
    test_mailbox();
    test_abort();
    return done();
}
