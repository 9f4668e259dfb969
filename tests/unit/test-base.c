/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>

#include "tap.h"

static void test_str_to_int(void)
{
    static const struct { const char *text; bool good; int64_t value; } rows[] = {
        { "0", true, 0 }, { "-1", true, -1 }, { "65535", true, 65535 }, { "", false, 0 }, { "-", false, 0 },
        { "1x", false, 0 }, { "9223372036854775807", true, INT64_MAX }, { "9223372036854775808", false, 0 },
        { "-9223372036854775808", true, INT64_MIN }, { " 1", false, 0 },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t value = 0;
        bool good = str_to_int(str_c(rows[i].text), &value);

        ok(good == rows[i].good && (!good || value == rows[i].value), "str_to_int \"%s\"", rows[i].text);
    }
}

static void test_str_is_utf8(void)
{
    static const struct { const char *text; bool good; } rows[] = {
        { "plain", true }, { "gr\xc3\xbc\xc3\x9f", true }, { "\xf0\x9f\x93\xa7", true }, { "\xc0\xaf", false },
        { "\xed\xa0\x80", false }, { "\xf4\x90\x80\x80", false }, { "\xc3", false }, { "\x80", false }, { "\xff", false },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        ok(str_is_utf8(str_c(rows[i].text)) == rows[i].good, "str_is_utf8 row %zu", i);
}

static void test_str_split(void)
{
    struct str rest = STR("a,,b"), part;

    ok(str_split(&rest, ',', &part) && str_eq(part, STR("a")), "first part");
    ok(str_split(&rest, ',', &part) && part.len == 0, "empty part");
    ok(str_split(&rest, ',', &part) && str_eq(part, STR("b")), "last part");
    ok(!str_split(&rest, ',', &part), "then no more");
}

static void test_buf(void)
{
    AUTO_BUF(buf, 8);

    ok(buf_add(&buf, STR("12345678")) == 0, "buffer takes its ceiling");
    ok(buf_add_char(&buf, '9') < 0 && buf.len == 8, "one more is refused and changes nothing");
    buf_shift(&buf, 3);
    is_str(buf.p, "45678", "buf_shift drops from the front");
    ok(buf_addf(&buf, "%d", 1234) < 0 && buf_addf(&buf, "%d", 123) == 0, "buf_addf keeps the ceiling");
}

static void test_base64(void)
{
    static const struct { const char *plain, *coded; } rows[] = {
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
    };
    static const char *const bad[] = { "Z", "Zg=", "Zm9v*", "=Zg=", "Zg==Zg==" };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_BUF(coded, 64);
        AUTO_BUF(plain, 64);

        base64_encode(str_c(rows[i].plain), &coded);
        is_str(coded.p ? coded.p : "", rows[i].coded, "base64_encode, RFC 4648 section 10");
        ok(base64_decode(str_c(rows[i].coded), &plain) == 0 && str_eq(buf_str(&plain), str_c(rows[i].plain)),
           "base64_decode \"%s\"", rows[i].coded);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        AUTO_BUF(plain, 64);

        ok(base64_decode(str_c(bad[i]), &plain) < 0, "base64_decode refuses \"%s\"", bad[i]);
    }
}

static void test_fingerprint(void)
{
    static const char hex[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    static const char *const good[] = {
        hex,
        "E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "  e3b0 c442 98fc 1c14 9afb f4c8 996f b924 27ae 41e4 649b 934c a495 991b 7852 b855 ",
    };
    static const char *const bad[] = { "", "e3b0", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuA==", "zz" };

    for (size_t i = 0; i < COUNT_OF(good); i++) {
        uint8_t sum[32];
        char text[65];

        ok(fingerprint_parse(str_c(good[i]), sum) == 0 && strcmp(hex_encode(sum, 32, text), hex) == 0,
           "fingerprint form %zu", i);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        ok(fingerprint_parse(str_c(bad[i]), (uint8_t[32]){ 0 }) < 0, "bad fingerprint %zu", i);
}

static void test_clock(void)
{
    static const struct { const char *text; bool good; int64_t at; } rows[] = {
        { "1970-01-01T00:00:00Z", true, 0 },
        { "2026-11-24T10:42:00.250Z", true, 1795516920250 },
        { "2026-11-24T11:42:00.25+01:00", true, 1795516920250 },
        { "2026-02-31T00:00:00Z", false, 0 },
        { "2026-11-24", false, 0 },
        { "2026-11-24T10:42:00", false, 0 },
        { "2026-11-24T25:42:00Z", false, 0 },
        { "2026-11-24T10:42:00.Z", false, 0 },
    };
    char text[CLOCK_TEXT_MAX];

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int64_t at = -1;
        bool good = clock_parse(str_c(rows[i].text), &at);

        ok(good == rows[i].good && (!good || at == rows[i].at), "clock_parse \"%s\"", rows[i].text);
    }
    is_str(clock_format(1795516920250, text), "2026-11-24T10:42:00.250Z", "clock_format");
    is_str(clock_format_mail(1795516920250, text), "Tue, 24 Nov 2026 10:42:00 +0000", "clock_format_mail");
}

static void test_map(void)
{
    struct map *map = map_new();
    char key[16];
    int found = 0;

    for (intptr_t i = 1; i <= 1000; i++) {
        snprintf(key, sizeof(key), "k%d", (int)i);
        map_put(map, key, (void *)i);
    }
    for (intptr_t i = 1; i <= 1000; i += 2) {
        snprintf(key, sizeof(key), "k%d", (int)i);
        map_remove(map, key);
    }
    for (intptr_t i = 1; i <= 1000; i++) {
        snprintf(key, sizeof(key), "k%d", (int)i);
        found += map_get(map, key) == (i % 2 ? NULL : (void *)i);
    }
    is_int(found, 1000, "what was removed is gone, the rest is there");
    is_int((long long)map_count(map), 500, "map_count");
    map_free(map);
}

static void test_err(void)
{
    struct err err = { 0 };
    char longer[600];

    err_set(&err, ERR_INVALID, "/port", "a\r\nb");
    is_str(err.text, "a  b", "line breaks do not reach the log");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    memcpy(longer + sizeof(err.text) - 2, "\xc3\xbc", 2);
    err_set(&err, ERR_INVALID, NULL, "%s", longer);
    ok(str_is_utf8(str_c(err.text)), "a long text ends on a whole character");
}

int main(void)
{
    test_str_to_int();
    test_str_is_utf8();
    test_str_split();
    test_buf();
    test_base64();
    test_fingerprint();
    test_clock();
    test_map();
    test_err();
    return done();
}
