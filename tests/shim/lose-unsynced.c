/* SPDX-License-Identifier: Apache-2.0 */
/* tests/shim/lose-unsynced.c - LD_PRELOAD: remembers what each write replaced until the file is synced.
 *
 * After a kill -9 the page cache still has everything that was written. tests/shim/restore.py then puts back
 * what was there at the last fsync or fdatasync, which is what a power failure may leave.
 *
 *   SHIM_DIR    only files below it
 *   SHIM_UNDO   a folder outside it for the undo logs: one per file, its name the file's path with % for /
 *
 * A log is a list of records: struct undo, then `kept` bytes that stood at `at`. It is written before the file
 * is, and emptied by a sync; read backwards, it leads to the last synced content. The sync itself is left out:
 * it would only cost time. A file that was made and never synced is taken away. Directories are not followed:
 * names, once synced with their file, are taken to be durable. SQLite's -shm is mapped memory and made anew.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "shim.h"

#define UNDO_MAGIC 0x4f444e55u      /* "UNDO" */

struct undo {
    uint32_t magic;
    uint32_t made;      /* 1: the file wasn't there before */
    uint64_t size;      /* of the file, before */
    uint64_t at, kept;
};

/* One at a time: a sync must not fall between a record and its write. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int real_open(const char *path, int flags, int mode)
{
    return REAL(open)(path, flags, mode);
}

static bool log_path(const char *path, char name[PATH_MAX])
{
    const char *dir = getenv("SHIM_UNDO");
    size_t len;

    if (!dir || snprintf(name, PATH_MAX, "%s/%s", dir, path) >= PATH_MAX)
        return false;
    for (len = strlen(dir) + 1; name[len]; len++)
        if (name[len] == '/')
            name[len] = '%';
    return true;
}

/* What can't be remembered must not be written: the test would prove nothing. */
static void fatal(const char *what)
{
    fprintf(stderr, "lose-unsynced: %s: %s\n", what, strerror(errno));
    abort();
}

static void append(const char *path, const struct undo *undo, const void *bytes)
{
    char name[PATH_MAX];
    struct iovec parts[] = { { (void *)undo, sizeof *undo }, { (void *)bytes, (size_t)undo->kept } };
    int fd;

    if (!log_path(path, name))
        return;
    fd = real_open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || REAL(writev)(fd, parts, 2) != (ssize_t)(sizeof *undo + undo->kept))
        fatal(name);
    close(fd);
}

/* Remembers what is about to be overwritten or cut off: [at, at + len). */
static void remember(const char *path, uint64_t at, uint64_t len)
{
    struct undo undo = { .magic = UNDO_MAGIC, .at = at };
    struct stat st;
    char *bytes;
    int fd = real_open(path, O_RDONLY | O_CLOEXEC, 0);

    if (fd < 0 || fstat(fd, &st) < 0)
        fatal(path);
    undo.size = (uint64_t)st.st_size;
    if (at < undo.size)
        undo.kept = len < undo.size - at ? len : undo.size - at;
    bytes = malloc(undo.kept + 1);
    if (!bytes || pread(fd, bytes, undo.kept, (off_t)at) != (ssize_t)undo.kept)
        fatal(path);
    close(fd);
    append(path, &undo, bytes);
    free(bytes);
}

static void forget(const char *path)
{
    char name[PATH_MAX];

    if (log_path(path, name) && unlink(name) < 0 && errno != ENOENT)
        fatal(name);
}

/* Runs `call` under the lock, after remembering what it changes. */
#define CHANGE(fd, at, len, call) ({ \
    char path_[PATH_MAX]; \
    __typeof__(call) result_; \
    if (shim_path_of(fd, path_)) { \
        pthread_mutex_lock(&lock); \
        remember(path_, (uint64_t)(at), (uint64_t)(len)); \
        result_ = call; \
        pthread_mutex_unlock(&lock); \
    } else { \
        result_ = call; \
    } \
    result_; })

static off_t place_of(int fd)
{
    struct stat st;
    int saved = errno;
    off_t at = lseek(fd, 0, SEEK_CUR);

    if (fcntl(fd, F_GETFL) & O_APPEND)
        at = fstat(fd, &st) == 0 ? st.st_size : 0;
    errno = saved;
    return at < 0 ? 0 : at;
}

static uint64_t length_of(const struct iovec *parts, int count)
{
    uint64_t sum = 0;

    for (int i = 0; i < count; i++)
        sum += parts[i].iov_len;
    return sum;
}

ssize_t write(int fd, const void *data, size_t len)
{
    return CHANGE(fd, place_of(fd), len, REAL(write)(fd, data, len));
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return CHANGE(fd, place_of(fd), length_of(parts, count), REAL(writev)(fd, parts, count));
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return CHANGE(fd, at, len, REAL(pwrite)(fd, data, len, at));
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    return CHANGE(fd, at, len, REAL(pwrite64)(fd, data, len, at));
}

int ftruncate(int fd, off_t len)
{
    return CHANGE(fd, len, UINT64_MAX / 2, REAL(ftruncate)(fd, len));
}

int ftruncate64(int fd, off64_t len)
{
    return CHANGE(fd, len, UINT64_MAX / 2, REAL(ftruncate64)(fd, len));
}

static int synced(int fd)
{
    char path[PATH_MAX];

    if (!shim_path_of(fd, path))
        return 1;
    pthread_mutex_lock(&lock);
    forget(path);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fsync(int fd)
{
    return synced(fd) == 0 ? 0 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    return synced(fd) == 0 ? 0 : REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to)
{
    char old[PATH_MAX], new[PATH_MAX], old_log[PATH_MAX], new_log[PATH_MAX];
    int result;

    if (!shim_path_at(from, old) || !shim_path_at(to, new) || !log_path(old, old_log) || !log_path(new, new_log))
        return REAL(rename)(from, to);
    pthread_mutex_lock(&lock);
    result = REAL(rename)(from, to);
    if (result == 0 && REAL(rename)(old_log, new_log) < 0)
        unlink(new_log);        /* all of the new file was synced: nothing of the replaced one is left to undo */
    pthread_mutex_unlock(&lock);
    return result;
}

/* A new file, or one that is emptied. */
static void before_open(const char *name, int flags)
{
    struct undo made = { .magic = UNDO_MAGIC, .made = 1 };
    char path[PATH_MAX];
    int saved = errno;

    if ((flags & (O_CREAT | O_TRUNC)) && shim_path_at(name, path)) {
        pthread_mutex_lock(&lock);
        if (access(path, F_OK) < 0) {
            if (flags & O_CREAT) {
                forget(path);           /* of a file of that name that was deleted since */
                append(path, &made, "");
            }
        } else if (flags & O_TRUNC) {
            remember(path, 0, UINT64_MAX / 2);
        }
        pthread_mutex_unlock(&lock);
    }
    errno = saved;
}

static int mode_of(int flags, va_list args)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    int mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    before_open(path, flags);
    return real_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    int mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    before_open(path, flags);
    return REAL(open64)(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    int mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    if (path[0] == '/')
        before_open(path, flags);
    return REAL(openat)(dir, path, flags, mode);
}
