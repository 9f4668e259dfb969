/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/encode.h"
#include "crypto/internal.h"

#define FILE_LEN (2 * KEY_LEN + 1) /* hex digits and a line end */
#define FILE_READ (FILE_LEN + 2)   /* a CR may stand before it; one more shows that the file is longer */

struct crypto_key {
    uint8_t bytes[KEY_LEN];
    uint8_t id[CRYPTO_SHA256_LEN];
};

/* A page of its own: mlock and MADV_DONTDUMP work on whole pages. A refused mlock (RLIMIT_MEMLOCK) is no
 * reason to stop: the key is then as safe as the rest of the memory. */
static struct crypto_key *key_alloc(void)
{
    struct crypto_key *key =
        mmap(NULL, sizeof(*key), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (key == MAP_FAILED) {
        fputs("postern: out of memory\n", stderr);
        abort();
    }
    (void)mlock(key, sizeof(*key));
    (void)madvise(key, sizeof(*key), MADV_DONTDUMP);
    return key;
}

static void key_identify(struct crypto_key *key)
{
    crypto_sha256(str_n(key->bytes, KEY_LEN), key->id);
}

void crypto_key_free(struct crypto_key *key)
{
    if (key == NULL)
        return;
    mem_wipe(key, sizeof(*key));
    munmap(key, sizeof(*key));
}

const uint8_t *crypto_key_bytes(const struct crypto_key *key)
{
    return key->bytes;
}

const uint8_t *crypto_key_id(const struct crypto_key *key)
{
    return key->id;
}

struct crypto_key *crypto_key_new_random(void)
{
    struct crypto_key *key = key_alloc();

    if (crypto_random(key->bytes, KEY_LEN) < 0) {
        fputs("postern: the system gave no random numbers\n", stderr);
        abort();
    }
    key_identify(key);
    return key;
}

/* ---- reading ---- */

/* Looks at the open file, not at the path: nobody can exchange it in between. */
static int check_file(int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_id(err, ERR_INTERNAL, "key.unreadable", NULL, "The key file %s can't be looked at: %s.",
                      path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_id(err, ERR_INVALID, "key.unreadable", NULL, "The key %s is not a plain file.", path);
    if (st.st_uid != geteuid())
        return err_id(err, ERR_INVALID, "key.permissions", NULL,
                      "The key file %s belongs to user %lu instead of %lu, who runs Postern; mend it with: "
                      "chown %lu %s",
                      path, (unsigned long)st.st_uid, (unsigned long)geteuid(), (unsigned long)geteuid(),
                      path);
    if (st.st_mode & 07777 & ~0600u)
        return err_id(err, ERR_INVALID, "key.permissions", NULL,
                      "The key file %s has mode %04o, which is open to more than its owner; mend it with: "
                      "chmod 0600 %s",
                      path, (unsigned)(st.st_mode & 07777), path);
    return 0;
}

/* Up to `len` bytes, or -1. */
static ssize_t read_all(int fd, char *at, size_t len)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n = read(fd, at + have, len - have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static int read_key(struct crypto_key *key, int fd, const char *path, struct err *err)
{
    char text[FILE_READ];
    ssize_t len = read_all(fd, text, sizeof(text));
    int rc;

    if (len < 0)
        return err_id(err, ERR_INTERNAL, "key.unreadable", NULL, "Reading the key file %s failed: %s.", path,
                      strerror(errno));
    rc = hex_decode(str_trim(str_n(text, (size_t)len)), key->bytes, KEY_LEN);
    mem_wipe(text, sizeof(text));
    if (rc < 0)
        return err_id(err, ERR_INVALID, "key.damaged", NULL,
                      "The key file %s is damaged: it must hold %d hex digits and nothing else; restore it "
                      "from a backup.",
                      path, 2 * KEY_LEN);
    key_identify(key);
    return 0;
}

int crypto_key_load(struct crypto_key **ret, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO there must not hold us */
    struct crypto_key *key;

    if (fd < 0 && errno == ENOENT)
        return err_id(err, ERR_NOT_FOUND, "key.notFound", NULL, "The key file %s isn't there.", path);
    if (fd < 0)
        return err_id(err, ERR_INTERNAL, "key.unreadable", NULL, "The key file %s can't be opened: %s.", path,
                      strerror(errno));
    key = key_alloc();
    if (check_file(fd, path, err) < 0 || read_key(key, fd, path, err) < 0) {
        crypto_key_free(key);
        close(fd);
        return -1;
    }
    close(fd);
    *ret = key;
    return 0;
}

/* ---- making ---- */

static int write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int sync_directory_of(const char *path)
{
    AUTO_FREE char *copy = mem_strdup(path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return -1;
    rc = fsync(fd);
    close(fd);
    return rc;
}

static int write_new_key(int fd)
{
    uint8_t bytes[KEY_LEN];
    char text[FILE_LEN + 1];
    int rc = -1;

    if (crypto_random(bytes, sizeof(bytes)) == 0) {
        hex_encode(bytes, sizeof(bytes), text);
        text[FILE_LEN - 1] = '\n';
        rc = fchmod(fd, 0600); /* whatever the umask took away */
        if (rc == 0)
            rc = write_all(fd, text, FILE_LEN);
        if (rc == 0)
            rc = fsync(fd);
    } else {
        errno = EIO;
    }
    mem_wipe(bytes, sizeof(bytes));
    mem_wipe(text, sizeof(text));
    return rc;
}

/* Written beside its place and then linked there: after a power cut the key is whole or absent, never half.
 */
int crypto_key_create(const char *path, struct err *err)
{
    AUTO_FREE char *fresh = mem_printf("%s.new", path);
    int fd, rc, saved;

    if (unlink(fresh) < 0 && errno != ENOENT) /* left by a start that was cut short */
        return err_id(err, ERR_STORAGE, "key.unwritable", NULL, "%s can't be removed: %s.", fresh,
                      strerror(errno));
    fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_id(err, ERR_STORAGE, "key.unwritable", NULL, "The key file %s can't be made: %s.", path,
                      strerror(errno));
    rc = write_new_key(fd);
    saved = errno;
    if (close(fd) < 0 && rc == 0) {
        rc = -1;
        saved = errno;
    }
    if (rc == 0) {
        rc = link(fresh, path); /* unlike rename, fails when the key is there already */
        saved = errno;
    }
    unlink(fresh);
    if (rc == 0) {
        rc = sync_directory_of(path);
        saved = errno;
    }
    if (rc < 0 && saved == EEXIST)
        return err_id(err, ERR_EXISTS, "key.exists", NULL, "The key file %s is there already.", path);
    if (rc < 0)
        return err_id(err, ERR_STORAGE, "key.unwritable", NULL, "Writing the key file %s failed: %s.", path,
                      strerror(saved));
    return 0;
}
