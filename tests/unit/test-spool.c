/* SPDX-License-Identifier: Apache-2.0 */
/* Few bytes stay in memory, many go to a file that nobody sees, and a full disk is told. */
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/spool.h"
#include "tap.h"

static char dir[] = "/tmp/postern-spool-XXXXXX";

static int files_in(const char *path)
{
    DIR *at = opendir(path);
    int count = 0;

    while (at && readdir(at))
        count++;
    if (at)
        closedir(at);
    return count - 2;
}

static char byte_at(size_t i)
{
    return (char)(i * 31 % 251);
}

/* `size` bytes in steps of `step`, looked at in between too. */
static bool goes_through(size_t size, size_t step)
{
    AUTO_FREE char *part = mem_alloc(step);
    struct str all = STR("");
    struct spool spool;
    bool same = true;

    spool_init(&spool, dir);
    for (size_t at = 0; at < size; at += step) {
        size_t len = size - at < step ? size - at : step;

        for (size_t i = 0; i < len; i++)
            part[i] = byte_at(at + i);
        same = same && spool_add(&spool, str_n(part, len), NULL) == 0 && spool_look(&spool, &all, NULL) == 0 && all.len == at + len;
    }
    for (size_t i = 0; i < all.len && same; i++)
        same = all.p[i] == byte_at(i);
    same = same && all.len == size && spool.len == size && (spool.fd >= 0) == (size > SPOOL_MEMORY_MAX);
    same = same && files_in(dir) == 0;
    spool_free(&spool);
    return same && spool.len == 0 && spool.fd < 0;
}

static void test_sizes(void)
{
    static const size_t sizes[][2] = { { 0, 1 },          { 1, 1 },           { 100, 7 }, { SPOOL_MEMORY_MAX, 4096 },
                                       { SPOOL_MEMORY_MAX + 1, 4096 }, { 300000, 65536 }, { 1000000, 1000000 } };

    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        ok(goes_through(sizes[i][0], sizes[i][1]), "%zu bytes by %zu come back as they were, and leave no file", sizes[i][0], sizes[i][1]);
}

/* A file may not grow beyond a limit: as a disk that is full, but for its number. */
static void test_limit(void)
{
    struct rlimit before, small = { 200000, RLIM_INFINITY };
    static char bytes[100000];
    struct err err = { 0 };
    struct spool spool;
    int rc = 0;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    spool_init(&spool, dir);
    for (int i = 0; i < 5 && rc == 0; i++)
        rc = spool_add(&spool, str_n(bytes, sizeof(bytes)), &err);
    setrlimit(RLIMIT_FSIZE, &before);
    ok(rc < 0 && err.code == ERR_STORAGE, "what can't be written is told: %s", err.text);
    spool_free(&spool);
}

static void test_no_directory(void)
{
    static char bytes[SPOOL_MEMORY_MAX + 1];
    struct err err = { 0 };
    struct spool spool;

    spool_init(&spool, "/nonexistent");
    is_int(spool_add(&spool, STR("little"), &err), 0, "little needs no file");
    is_int(spool_add(&spool, str_n(bytes, sizeof(bytes)), &err), -1, "much does");
    ok(err.code == ERR_STORAGE && strstr(err.text, "/nonexistent"), "and the text names the place: %s", err.text);
    spool_free(&spool);
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        return 1;
    test_sizes();
    test_limit();
    test_no_directory();
    rmdir(dir);
    return done();
}
