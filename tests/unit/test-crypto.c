/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"

#include "tap.h"

static char folder[] = "/tmp/postern-crypto-XXXXXX";

static char *path_of(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || chmod(path, mode) < 0)
        abort();
}

static void test_sha256(void)
{
    static const struct {
        const char *text, *hex;
    } rows[] = {
        /* FIPS 180-2, appendix B */
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO(crypto_hash) hash = crypto_hash_new();
        uint8_t at_once[CRYPTO_SHA256_LEN], piecewise[CRYPTO_SHA256_LEN];
        char hex[2 * CRYPTO_SHA256_LEN + 1];

        crypto_sha256(str_c(rows[i].text), at_once);
        is_str(hex_encode(at_once, sizeof(at_once), hex), rows[i].hex, "sha256");
        for (const char *p = rows[i].text; *p; p++)
            crypto_hash_add(hash, str_n(p, 1));
        crypto_hash_end(hash, piecewise);
        ok(memcmp(at_once, piecewise, sizeof(at_once)) == 0, "sha256 a byte at a time, row %zu", i);
        crypto_hash_end(hash, piecewise);
        is_str(hex_encode(piecewise, sizeof(piecewise), hex), rows[0].hex,
               "sha256 starts afresh after its end");
    }
}

static void test_hmac(void)
{
    uint8_t mac[CRYPTO_SHA256_LEN];
    char hex[2 * CRYPTO_SHA256_LEN + 1];

    crypto_hmac_sha256("Jefe", 4, STR("what do ya want for nothing?"), mac); /* RFC 4231 4.3 */
    is_str(hex_encode(mac, sizeof(mac), hex),
           "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "hmac");
}

static void test_key_hmac(void)
{
    AUTO(crypto_key) key = crypto_key_new_random();
    AUTO(crypto_key) other = crypto_key_new_random();
    uint8_t one[CRYPTO_SHA256_LEN], again[CRYPTO_SHA256_LEN];

    crypto_key_hmac(key, "etag", STR("text"), one);
    crypto_key_hmac(key, "etag", STR("text"), again);
    ok(memcmp(one, again, sizeof(one)) == 0, "the same key, purpose and text give the same");
    crypto_key_hmac(key, "cookie", STR("text"), again);
    ok(memcmp(one, again, sizeof(one)) != 0, "another purpose doesn't");
    crypto_key_hmac(other, "etag", STR("text"), again);
    ok(memcmp(one, again, sizeof(one)) != 0, "nor another key");
    crypto_key_hmac(key, "etag", STR("texs"), again);
    ok(memcmp(one, again, sizeof(one)) != 0, "nor another text");
}

static void test_random_and_token(void)
{
    uint8_t a[32] = { 0 }, b[32] = { 0 };
    AUTO_SECRET char *one = NULL;
    AUTO_SECRET char *other = NULL;

    ok(crypto_random(a, sizeof(a)) == 0 && crypto_random(b, sizeof(b)) == 0 && memcmp(a, b, sizeof(a)) != 0,
       "random differs each time");
    ok(crypto_token(&one) == 0 && crypto_token(&other) == 0 && strcmp(one, other) != 0, "tokens differ");
    is_int((long long)strlen(one), 43, "a token has 256 bits");
    ok(strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == 43,
       "a token is base64url");
}

static void test_key_file(void)
{
    AUTO_FREE char *path = path_of("key");
    AUTO_FREE char *fresh = path_of("key.new");
    AUTO(crypto_key) key = NULL;
    AUTO(crypto_key) again = NULL;
    struct err err = { 0 };
    struct stat st = { 0 };
    mode_t before;

    ok(crypto_key_load(&key, path, &err) < 0 && err.code == ERR_NOT_FOUND && key == NULL, "no key yet");
    is_str(err.id, "key.notFound", "no key yet: id");
    write_file(fresh, "cut short", 0644);
    before = umask(0);
    ok(crypto_key_create(path, &err) == 0, "a key is made, whatever a cut short start left");
    umask(before);
    ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600 && st.st_size == 65 && st.st_nlink == 1,
       "its file is for its owner only");
    ok(access(fresh, F_OK) < 0, "nothing is left beside it");
    ok(crypto_key_load(&key, path, &err) == 0 && crypto_key_load(&again, path, &err) == 0, "it loads");
    ok(key && again && memcmp(crypto_key_id(key), crypto_key_id(again), CRYPTO_KEY_ID_LEN) == 0,
       "and is the same");
    ok(crypto_key_create(path, &err) < 0 && err.code == ERR_EXISTS, "it is not overwritten");
    is_str(err.id, "key.exists", "not overwritten: id");
    ok(crypto_key_create("/nowhere/at/all/key", &err) < 0 && err.code == ERR_STORAGE &&
           strstr(err.text, "/nowhere/at/all/key"),
       "no directory: named");
}

static void test_key_file_refused(void)
{
    static const char digits[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    static const struct {
        const char *name, *text;
        mode_t mode;
        const char *id, *says;
    } rows[] = {
        { "good", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0600, NULL, NULL },
        { "readonly", "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F\r\n", 0400, NULL,
          NULL },
        { "group", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0640,
          "key.permissions", "0640" },
        { "others", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0604,
          "key.permissions", "chmod 0600 /tmp/" },
        { "execute", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0700,
          "key.permissions", "0700" },
        { "empty", "", 0600, "key.damaged", "damaged" },
        { "short", "000102030405060708090a0b0c0d0e0f\n", 0600, "key.damaged", "damaged" },
        { "long", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20\n", 0600, "key.damaged",
          "damaged" },
        { "letters", "xx0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0600,
          "key.damaged", "damaged" },
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_FREE char *path = path_of(rows[i].name);
        AUTO(crypto_key) key = NULL;
        struct err err = { 0 };
        int rc;

        write_file(path, rows[i].text, rows[i].mode);
        rc = crypto_key_load(&key, path, &err);
        if (rows[i].id == NULL) {
            ok(rc == 0 && key, "key file %s", rows[i].name);
            continue;
        }
        ok(rc < 0 && key == NULL, "key file %s refused", rows[i].name);
        is_str(err.id, rows[i].id, rows[i].name);
        ok(strstr(err.text, path) && strstr(err.text, rows[i].says), "says what and where: %s", err.text);
        ok(strstr(err.text, digits) == NULL, "and keeps the key to itself");
    }
}

static void test_key_file_kind(void)
{
    AUTO_FREE char *fifo = path_of("fifo");
    AUTO_FREE char *owned = path_of("owned");
    AUTO(crypto_key) key = NULL;
    struct err err = { 0 };

    ok(mkfifo(fifo, 0600) == 0 && crypto_key_load(&key, fifo, &err) < 0 && err.code == ERR_INVALID,
       "a FIFO is refused");
    ok(crypto_key_load(&key, folder, &err) < 0 && strstr(err.text, folder), "a directory is refused");
    write_file(owned, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0600);
    if (geteuid() == 0 && chown(owned, 4711, 0) == 0) {
        ok(crypto_key_load(&key, owned, &err) < 0 && strstr(err.text, "4711") && strstr(err.text, "chown"),
           "somebody else's file is refused");
        is_str(err.id, "key.permissions", "somebody else's: id");
    }
}

static void test_seal(void)
{
    AUTO(crypto_key) key = crypto_key_new_random();
    AUTO(crypto_key) other = crypto_key_new_random();
    static const char *const rows[] = { "", "x", "a pass phrase with gr\xc3\xbcn and \x01",
                                        "0123456789abcdef0123456789abcdef" };
    struct err err = { 0 };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        AUTO_BUF(sealed, 1000);
        AUTO_BUF(again, 1000);
        AUTO_BUF(plain, 1000);

        buf_add_c(&plain, "before:");
        ok(crypto_seal(key, str_c(rows[i]), STR("account/a/password"), &sealed, &err) == 0, "seal %zu", i);
        is_int((long long)sealed.len, (long long)strlen(rows[i]) + CRYPTO_SEAL_OVERHEAD, "its length");
        ok(crypto_seal(key, str_c(rows[i]), STR("account/a/password"), &again, &err) == 0 &&
               !str_eq(buf_str(&sealed), buf_str(&again)),
           "sealed twice differs");
        ok(crypto_open(key, buf_str(&sealed), STR("account/a/password"), &plain, &err) == 0 &&
               strncmp(plain.p, "before:", 7) == 0 && strcmp(plain.p + 7, rows[i]) == 0,
           "opens to the same, appended");
        ok(crypto_sealed_with(key, buf_str(&sealed)) && !crypto_sealed_with(other, buf_str(&sealed)),
           "tells the key");
        ok(crypto_open(other, buf_str(&sealed), STR("account/a/password"), &plain, &err) < 0,
           "not with another key");
        is_str(err.id, "seal.otherKey", "another key: id");
        ok(crypto_open(key, buf_str(&sealed), STR("account/b/password"), &plain, &err) < 0,
           "not in another place");
        is_str(err.id, "seal.damaged", "another place: id");
    }
}

static void test_seal_damaged(void)
{
    AUTO(crypto_key) key = crypto_key_new_random();
    AUTO_BUF(sealed, 1000);
    AUTO_BUF(plain, 1000);
    AUTO_BUF(tight, 10);
    struct err err = { 0 };
    size_t opened = 0;

    crypto_seal(key, STR("secret"), STR("c"), &sealed, &err);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.p[i] ^= 1;
        opened += crypto_open(key, buf_str(&sealed), STR("c"), &plain, &err) == 0;
        sealed.p[i] ^= 1;
        opened += crypto_open(key, str_n(sealed.p, i), STR("c"), &plain, &err) == 0;
    }
    is_int((long long)opened, 0, "no flipped bit and no cut goes unnoticed");
    is_int((long long)plain.len, 0, "and nothing comes out");
    ok(strstr(err.text, "secret ") && !strstr(err.text, "secret\""), "the text names no secret");
    ok(crypto_seal(key, STR("too long for it"), STR("c"), &tight, &err) < 0 && err.code == ERR_TOO_LARGE,
       "seal: ceiling");
    sealed.p[0] = 2;
    ok(crypto_open(key, buf_str(&sealed), STR("c"), &plain, &err) < 0, "a later version is refused");
}

static void test_password(void)
{
    AUTO_FREE char *hash = NULL;
    AUTO_FREE char *again = NULL;
    AUTO_FREE char *none = NULL;
    char longest[CRYPTO_PASSWORD_MAX + 2];
    int64_t known, unknown;

    ok(crypto_password_hash("correct horse", &hash) == 0 && strncmp(hash, "$y$", 3) == 0, "yescrypt");
    ok(crypto_password_hash("correct horse", &again) == 0 && strcmp(hash, again) != 0, "salted");
    known = clock_mono();
    ok(crypto_password_verify("correct horse", hash), "the right one");
    ok(!crypto_password_verify("correct horsf", hash), "a wrong one");
    known = clock_mono() - known;
    unknown = clock_mono();
    ok(!crypto_password_verify("correct horse", NULL), "no such user");
    ok(!crypto_password_verify("correct horse", "!"), "locked");
    unknown = clock_mono() - unknown;
    /* Shown, not judged: what else runs on the machine would decide. */
    printf("# two log-ins of a known user: %lld ms, of nobody: %lld ms\n", (long long)known, (long long)unknown);
    ok(!crypto_password_verify("", hash) && !crypto_password_verify("x", "$y$") &&
           !crypto_password_verify("x", "$1$abcdefgh$aaaaaaaaaaaaaaaaaaaaaa"),
       "nothing else passes");
    memset(longest, 'a', sizeof(longest));
    longest[CRYPTO_PASSWORD_MAX + 1] = '\0';
    ok(crypto_password_hash(longest, &none) < 0 && none == NULL, "too long is refused");
    ok(!crypto_password_verify(longest, hash), "too long never matches");
    longest[CRYPTO_PASSWORD_MAX] = '\0';
    ok(crypto_password_hash(longest, &none) == 0 && crypto_password_verify(longest, none), "the longest");
}

static void clean(void)
{
    static const char *const names[] = { "key",   "key.new", "good", "readonly", "group", "others", "execute",
                                         "empty", "short",   "long", "letters",  "fifo",  "owned" };

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        AUTO_FREE char *path = path_of(names[i]);

        unlink(path);
    }
    rmdir(folder);
}

int main(void)
{
    if (mkdtemp(folder) == NULL)
        return 1;
    test_sha256();
    test_hmac();
    test_key_hmac();
    test_random_and_token();
    test_key_file();
    test_key_file_refused();
    test_key_file_kind();
    test_seal();
    test_seal_damaged();
    test_password();
    clean();
    return done();
}
