/* SPDX-License-Identifier: Apache-2.0 */
/* tests/shim/fail-writes.c - LD_PRELOAD: lets the Nth call that changes a file fail.
 *
 *   SHIM_DIR        only files below it
 *   SHIM_COUNT      a file with the number of such calls so far (8 bytes, host order), shared by all processes
 *   SHIM_FAIL_AT    which call fails, counted from 1; 0 or unset: none, so that a test can count them first
 *   SHIM_ERRNO      EIO or ENOSPC
 *   SHIM_FROM_THEN  1: that call and all later ones, as a disk stays full; otherwise only that one
 *   SHIM_LOG        a file to which each call is written, with its number: for whoever looks for the cause
 *
 * When the SHIM_COUNT file is longer than 8 bytes, the second 8 bytes take the place of SHIM_FAIL_AT: so a test
 * can let a running program's disk fill up, and empty it again (0).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "shim.h"

static struct { uint64_t calls, fail_at; } *shared;
static uint64_t fail_at;
static bool live, from_then;
static int failure = EIO;

static int real_open(const char *path, int flags, int mode)
{
    return REAL(open)(path, flags, mode);
}

__attribute__((constructor))
static void begin(void)
{
    const char *count = getenv("SHIM_COUNT"), *at = getenv("SHIM_FAIL_AT"), *name = getenv("SHIM_ERRNO");
    const char *then = getenv("SHIM_FROM_THEN");
    struct stat st;
    int fd;

    fail_at = at ? strtoull(at, NULL, 10) : 0;
    failure = name && strcmp(name, "ENOSPC") == 0 ? ENOSPC : EIO;
    from_then = then && strcmp(then, "1") == 0;
    if (!count || (fd = real_open(count, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
        return;
    live = fstat(fd, &st) == 0 && st.st_size >= 16;
    if (st.st_size < 16 && REAL(ftruncate)(fd, 16) < 0)
        abort();
    shared = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        shared = NULL;
    close(fd);
}

static void tell(const char *call, const char *path, uint64_t number, bool fails)
{
    const char *log = getenv("SHIM_LOG");
    char line[PATH_MAX + 64];
    int fd, len;

    if (!log || (fd = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
        return;
    len = snprintf(line, sizeof line, "%llu %s %s%s\n", (unsigned long long)number, call, path,
                   fails ? " FAILS" : "");
    if (REAL(write)(fd, line, (size_t)len) < 0)
        abort();
    close(fd);
}

/* Counts the call; true: it must fail, errno is set. */
static bool must_fail(const char *call, const char *path)
{
    uint64_t number, at;
    bool fails;

    if (!shared)
        return false;
    number = __atomic_add_fetch(&shared->calls, 1, __ATOMIC_SEQ_CST);
    at = live ? __atomic_load_n(&shared->fail_at, __ATOMIC_SEQ_CST) : fail_at;
    fails = at > 0 && (from_then ? number >= at : number == at);
    tell(call, path, number, fails);
    if (fails)
        errno = failure;
    return fails;
}

static bool fd_must_fail(const char *call, int fd)
{
    char path[PATH_MAX];
    int saved = errno;
    bool ours = shim_path_of(fd, path);

    errno = saved;
    return ours && must_fail(call, path);
}

static bool path_must_fail(const char *call, const char *name)
{
    char path[PATH_MAX];

    return shim_path_at(name, path) && must_fail(call, path);
}

ssize_t write(int fd, const void *data, size_t len)
{
    return fd_must_fail("write", fd) ? -1 : REAL(write)(fd, data, len);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return fd_must_fail("writev", fd) ? -1 : REAL(writev)(fd, parts, count);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    return fd_must_fail("pwrite", fd) ? -1 : REAL(pwrite)(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    return fd_must_fail("pwrite", fd) ? -1 : REAL(pwrite64)(fd, data, len, at);
}

int ftruncate(int fd, off_t len)
{
    return fd_must_fail("ftruncate", fd) ? -1 : REAL(ftruncate)(fd, len);
}

int ftruncate64(int fd, off64_t len)
{
    return fd_must_fail("ftruncate", fd) ? -1 : REAL(ftruncate64)(fd, len);
}

int fsync(int fd)
{
    return fd_must_fail("fsync", fd) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    return fd_must_fail("fdatasync", fd) ? -1 : REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to)
{
    return path_must_fail("rename", to) ? -1 : REAL(rename)(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    return path_must_fail("mkdir", path) ? -1 : REAL(mkdir)(path, mode);
}

/* Only an open that makes a new file needs space on the disk. */
static bool open_must_fail(const char *path, int flags)
{
    int saved = errno;
    bool makes = (flags & O_CREAT) && access(path, F_OK) < 0;

    errno = saved;
    return makes && path_must_fail("open", path);
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
    return open_must_fail(path, flags) ? -1 : real_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list args;
    int mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_must_fail(path, flags) ? -1 : REAL(open64)(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    int mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return path[0] == '/' && open_must_fail(path, flags) ? -1 : REAL(openat)(dir, path, flags, mode);
}
