/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the HTTP server that need no socket: a table for each. */
#include <stdlib.h>

#include "base/clock.h"
#include "http/etag.h"
#include "http/guess.h"
#include "http/head.h"
#include "http/http.h"
#include "http/uri.h"
#include "tap.h"

static void test_etag(void)
{
    static const struct {
        const char *list, *etag;
        bool strong, weak;
    } rows[] = {
        { "\"a\"", "a", true, true },
        { "\"a\"", "b", false, false },
        { "W/\"a\"", "a", false, true },
        { "\"x\", \"a\"", "a", true, true },
        { " ,, \"x\" ,\t\"a\",", "a", true, true },
        { "*", "a", true, true },
        { "*", NULL, false, false },
        { "\"a\"", NULL, false, false },
        { "a", "a", false, false },
        { "\"a", "a", false, false },
        { "\"a\" \"b\"", "a", false, false },
        { "\"a\", b", "a", false, false },
        { "\"a\", *", "a", false, false },
        { "\"a,b\"", "a,b", true, true },
        { "w/\"a\"", "a", false, false },
        { "\"\"", "", true, true },
        { "", "", false, false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ok(etag_match_strong(str_c(rows[i].list), rows[i].etag) == rows[i].strong &&
           etag_match_weak(str_c(rows[i].list), rows[i].etag) == rows[i].weak,
           "[%s] against %s", rows[i].list, rows[i].etag ? rows[i].etag : "nothing");
    ok(etag_may_write((struct str){ NULL, 0 }, (struct str){ NULL, 0 }, NULL), "no condition, nothing there");
    ok(!etag_may_write(STR("*"), (struct str){ NULL, 0 }, NULL), "If-Match: * needs something");
    ok(etag_may_write((struct str){ NULL, 0 }, STR("*"), NULL), "If-None-Match: * needs nothing");
    ok(!etag_may_write((struct str){ NULL, 0 }, STR("*"), "a"), "so something is in its way");
    ok(!etag_may_write(STR(""), (struct str){ NULL, 0 }, "a"), "an empty If-Match matches nothing");
}

static void test_guess(void)
{
    AUTO(guess) guess = guess_new(3, SECONDS(10));
    static const int64_t waits[] = { 0, 0, 0, 1000, 2000, 4000, 8000, 10000, 10000 };
    char user[32];
    bool good = true;

    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        guess_failed(guess, "anna", "192.0.2.1", 5000);
        good = good && guess_wait(guess, "anna", "192.0.2.1", 5000) == waits[i];
    }
    ok(good, "the wait doubles up to the longest");
    is_int(guess_wait(guess, "anna", "192.0.2.1", 14000), 1000, "time passes");
    is_int(guess_wait(guess, "anna", "192.0.2.1", 15000), 0, "until it is over");
    is_int(guess_wait(guess, "anna", "192.0.2.2", 5000), 0, "not from elsewhere");
    is_int(guess_wait(guess, "bob", "192.0.2.1", 5000), 0, "nor another from here");
    is_int(guess_wait(guess, "", "192.0.2.1", 5000), 0, "not for another");
    guess_failed(guess, "anna", "192.0.2.1", 5000 + SECONDS(4000));
    is_int(guess_wait(guess, "anna", "192.0.2.1", 5000 + SECONDS(4000)), 0, "an hour later it begins anew");
    guess_succeeded(guess, "anna", "192.0.2.1");
    guess_succeeded(guess, "nobody", "192.0.2.1");
    for (int i = 0; i < 5; i++)
        guess_failed(guess, "first", "192.0.2.1", 0);
    for (int i = 0; i < 4095; i++) {
        snprintf(user, sizeof(user), "u%d", i);
        guess_failed(guess, user, "192.0.2.1", 0);
    }
    is_int(guess_wait(guess, "first", "192.0.2.1", 0), 10000, "4096 are remembered");
    guess_failed(guess, "one more", "192.0.2.9", 0);
    is_int(guess_wait(guess, "first", "192.0.2.2", 0), 0, "the oldest gives way to the next");
}

/* One address tries many users; many addresses try one user. */
static void test_guess_around(void)
{
    AUTO(guess) guess = guess_new(5, SECONDS(900));
    char name[64];

    for (int i = 0; i < 5 * GUESS_ADDRESS_FACTOR; i++) {
        snprintf(name, sizeof(name), "user%d", i);
        guess_failed(guess, name, "192.0.2.1", 0);
    }
    is_int(guess_wait(guess, "anna", "192.0.2.1", 0), 0, "twenty users from one address");
    guess_failed(guess, "one more", "192.0.2.1", 0);
    is_int(guess_wait(guess, "anna", "192.0.2.1", 0), 1000, "one more slows the address");
    is_int(guess_wait(guess, "anna", "192.0.2.2", 0), 0, "and no other");
    is_int(guess_wait(guess, "", "192.0.2.1", 0), 0, "nor what has no user");
    for (int i = 0; i < 100; i++)
        guess_failed(guess, "many", "192.0.2.1", 0);
    is_int(guess_wait(guess, "anna", "192.0.2.1", 0), GUESS_ADDRESS_LONGEST, "for five minutes at most");
    for (int i = 0; i < 5 * GUESS_ADDRESS_FACTOR + 2; i++) {
        snprintf(name, sizeof(name), "2001:db8::%x", i);
        guess_failed(guess, i % 2 ? "carl" : "dora", name, 0);
    }
    is_int(guess_wait(guess, "anna", "2001:db8::1:2:3:4", 0), 2000, "an IPv6 network is one address");
    is_int(guess_wait(guess, "anna", "2001:db8:0:1::1", 0), 0, "and its neighbour another");

    guess_succeeded(guess, "admin", "198.51.100.1");
    for (int i = 0; i < 5 * GUESS_USER_FACTOR; i++) {
        snprintf(name, sizeof(name), "203.0.113.%d", i);
        guess_failed(guess, "admin", name, 0);
    }
    is_int(guess_wait(guess, "admin", "192.0.2.3", 0), 0, "fifty addresses at one user");
    for (int i = 0; i < 20; i++)
        guess_failed(guess, "admin", "203.0.113.99", 0);
    is_int(guess_wait(guess, "admin", "192.0.2.3", 0), GUESS_USER_LONGEST, "more lock the user, not for long");
    is_int(guess_wait(guess, "admin", "198.51.100.1", 0), 0, "and not where the right one came from before");
    is_int(guess_wait(guess, "anna", "198.51.100.1", 0), 0, "nor anybody else");
}

/* Every log-in is counted before it is checked; those that were right must leave nothing. */
static void test_guess_slips(void)
{
    AUTO(guess) guess = guess_new(3, SECONDS(900));
    bool free = true;

    for (int i = 0; i < 200; i++) {
        free = free && guess_wait(guess, i % 2 ? "anna" : "bob", "192.0.2.1", 0) == 0;
        guess_failed(guess, i % 2 ? "anna" : "bob", "192.0.2.1", 0);
        if (i % 4 > 1)
            guess_succeeded(guess, i % 2 ? "anna" : "bob", "192.0.2.1");
    }
    ok(free, "slips that end well are taken back");
    for (int i = 0; i < 4; i++)
        guess_failed(guess, "anna", "192.0.2.1", 0);
    is_int(guess_wait(guess, "anna", "192.0.2.1", 0), 1000, "a locked pair");
    guess_set(guess, 3, 500);
    guess_failed(guess, "anna", "192.0.2.1", 0);
    is_int(guess_wait(guess, "anna", "192.0.2.1", 0), 500, "new settings hold for what is counted already");
    guess_set(guess, 10, SECONDS(900));
    guess_failed(guess, "anna", "192.0.2.1", 0);
    is_int(guess_wait(guess, "anna", "192.0.2.1", 0), 0, "both of them");
}

static void test_quality(void)
{
    static const struct {
        const char *field, *coding;
        int quality;
    } rows[] = {
        { "gzip", "gzip", 1000 }, { "GZIP;Q=0.5", "gzip", 500 }, { "br, gzip ; q=0.25", "gzip", 250 },
        { "gzip;q=0", "gzip", 0 }, { "gzip;q=0.000, *", "gzip", 0 }, { "*;q=0.1", "br", 100 }, { "identity", "br", 0 },
        { "", "br", 0 }, { "br;q=2", "br", 1000 }, { "br;q=abc", "br", 0 }, { "br;q=", "br", 0 },
        { "br;q=0.12345", "br", 0 }, { ",,br", "br", 1000 }, { "brotli", "br", 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        is_int(head_quality(str_c(rows[i].field), str_c(rows[i].coding)), rows[i].quality, rows[i].field);
    is_int(head_quality((struct str){ NULL, 0 }, STR("br")), 0, "no field");
}

static void test_cookie(void)
{
    static const struct {
        const char *field, *value;
    } rows[] = {
        { "s=1", "1" }, { "a=b; s=1; c=d", "1" }, { "a=b;s=1", "1" }, { "xs=1", NULL }, { "s", NULL }, { "s=", "" },
        { "a=s=1", NULL }, { "s=a=b", "a=b" }, { "", NULL }, { ";;s=2", "2" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str got = head_cookie(str_c(rows[i].field), STR("s"));

        ok(rows[i].value ? got.p && str_eq(got, str_c(rows[i].value)) : got.p == NULL, "cookie [%s]", rows[i].field);
    }
}

static void test_head(void)
{
    static const struct {
        const char *name, *value, *name2, *value2, *version;
        int status;
    } rows[] = {
        { "Host", "a", "Accept", "*/*", "HTTP/1.1", 0 },
        { "Host", "a", "host", "a", "HTTP/1.1", 400 },
        { "Accept", "a", "accept", "b", "HTTP/1.1", 400 },      /* no Host */
        { "Accept", "a", "accept", "b", "HTTP/1.0", 0 },
        { "Host", "a", "Content-Length", "12", "HTTP/1.1", 0 },
        { "Host", "a", "Content-Length", "+12", "HTTP/1.1", 400 },
        { "Host", "a", "Content-Length", "", "HTTP/1.1", 400 },
        { "Host", "a", "Content-Length", "0x10", "HTTP/1.1", 400 },
        { "Host", "a", "Content-Length", "9999999999999999999", "HTTP/1.1", 400 },
        { "Host", "a", "Transfer-Encoding", "chunked", "HTTP/1.1", 0 },
        { "Host", "a", "Transfer-Encoding", "xchunked", "HTTP/1.1", 501 },
        { "Host", "a", "Transfer-Encoding", "chunked", "HTTP/1.0", 400 },
        { "Host", "a", "X\x0b", "b", "HTTP/1.1", 400 },
        { "Host", "a", "X", "b\rc", "HTTP/1.1", 400 },
        { "Host", "a", "Expect", "a miracle", "HTTP/1.1", 417 },
        { "Host", "a", "X", "", "HTTP/2.0", 505 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct head head;

        head_init(&head);
        head_add(&head, str_c(rows[i].name), str_c(rows[i].value));
        head_add(&head, str_c(rows[i].name2), str_c(rows[i].value2));
        head_end(&head, rows[i].version);
        is_int(head.status, rows[i].status, rows[i].value2);
    }
}

static void test_uri(void)
{
    static const struct {
        const char *text, *host;
        int port;
    } rows[] = {
        { "Localhost", "localhost", -1 }, { "localhost.:80", "localhost", 80 }, { "[::1]:8025", "::1", 8025 },
        { "[0:0:0:0:0:0:0:1]", "::1", -1 }, { "127.0.0.1:", "127.0.0.1", -1 }, { "::1", NULL, 0 }, { "[::1", NULL, 0 },
        { "[::1]x", NULL, 0 }, { "a b", NULL, 0 }, { "user@host", NULL, 0 }, { "a:99999", NULL, 0 }, { "a:-1", NULL, 0 },
        { "", NULL, 0 }, { "[127.0.0.1]", NULL, 0 }, { "a/b", NULL, 0 },
        { ".", NULL, 0 }, { "a..b", NULL, 0 }, { "a..", NULL, 0 },
    };
    static const struct {
        const char *text, *plain, *segment;
    } escapes[] = {
        { "abc", "abc", "abc" }, { "a%20b", "a b", "a b" }, { "a%2fb", "a/b", NULL }, { "%", NULL, NULL },
        { "%4", NULL, NULL }, { "%4g", NULL, NULL }, { "%00", NULL, NULL }, { "%c3%a9", "\xc3\xa9", "\xc3\xa9" },
        { "%c3", NULL, NULL }, { "%0a", "\n", NULL }, { "%2541", "%41", "%41" },
    };
    struct uri_host host;
    char into[64];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool good = uri_host_parse(str_c(rows[i].text), &host);

        ok(rows[i].host ? good && strcmp(host.host, rows[i].host) == 0 && host.port == rows[i].port : !good, "host [%s]",
           rows[i].text);
    }
    for (size_t i = 0; i < COUNT_OF(escapes); i++) {
        struct str text = str_c(escapes[i].text);
        bool plain = uri_decode(text, into) >= 0;

        ok(plain == (escapes[i].plain != NULL) && (!plain || strcmp(into, escapes[i].plain) == 0), "decode %s",
           escapes[i].text);
        plain = uri_decode_segment(text, into) >= 0;
        ok(plain == (escapes[i].segment != NULL) && (!plain || strcmp(into, escapes[i].segment) == 0), "segment %s",
           escapes[i].text);
    }
}

static void test_listen(void)
{
    static const struct {
        const char *text, *address;
        int port;
    } rows[] = {
        { "127.0.0.1:8025", "127.0.0.1", 8025 }, { "[::1]:0", "::1", 0 }, { "localhost:80", "127.0.0.1", 80 },
        { "0.0.0.0:65535", "0.0.0.0", 65535 }, { "127.0.0.1", NULL, 0 }, { "::1:80", NULL, 0 }, { ":80", NULL, 0 },
        { "127.0.0.1:65536", NULL, 0 }, { "127.0.0.1:+1", NULL, 0 }, { "host:80", NULL, 0 }, { "127.0.0.1:", NULL, 0 },
        { "", NULL, 0 }, { "[]:1", NULL, 0 },
    };
    struct err err;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char address[64];
        uint16_t port = 1;
        bool good = http_parse_listen(rows[i].text, address, &port, &err) == 0;

        ok(rows[i].address ? good && strcmp(address, rows[i].address) == 0 && port == rows[i].port : !good, "listen [%s]",
           rows[i].text);
    }
    ok(http_is_loopback("127.9.9.9") && http_is_loopback("::1") && http_is_loopback("::ffff:127.0.0.1"), "loopback");
    ok(!http_is_loopback("10.0.0.1") && !http_is_loopback("::") && !http_is_loopback("127.evil"), "not loopback");
    is_int(http_status_of(ERR_INVALID), 422, "a status");
    is_int(http_status_of(ERR_TEMPORARY), 503, "later");
    is_int(http_status_of(ERR_REFUSED), 502, "another server's no");
    is_int(http_status_of(ERR_ASK), 409, "a person is asked first");
    is_int(http_status_of(ERR_INTERNAL), 500, "what isn't the caller's fault is ours");
}

int main(void)
{
    test_etag();
    test_guess();
    test_guess_around();
    test_guess_slips();
    test_quality();
    test_cookie();
    test_head();
    test_uri();
    test_listen();
    return done();
}
