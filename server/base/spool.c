/* SPDX-License-Identifier: Apache-2.0 */
#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

void spool_init(struct spool *spool, const char *dir)
{
    *spool = (struct spool){ .dir = dir, .fd = -1 };
    buf_init(&spool->head, SPOOL_MEMORY_MAX);
}

static void unmap(struct spool *spool)
{
    if (spool->map)
        munmap(spool->map, spool->len);
    spool->map = NULL;
}

void spool_free(struct spool *spool)
{
    unmap(spool);
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
    spool->len = 0;
    buf_free(&spool->head);
}

static int failed(const struct spool *spool, struct err *err)
{
    return err_id(err, ERR_STORAGE, errno == ENOSPC || errno == EDQUOT ? "limit.diskFull" : "storage.failed", NULL,
                  "A message that comes in could not be written below %s: %s.", spool->dir, strerror(errno));
}

/* Some file systems know no files without a name. */
static int make_file(const struct spool *spool)
{
    AUTO_FREE char *path = NULL;
    int fd = open(spool->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    path = mem_printf("%s/spool-XXXXXX", spool->dir);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int write_all(const struct spool *spool, struct str bytes, struct err *err)
{
    while (bytes.len > 0) {
        ssize_t n = write(spool->fd, bytes.p, bytes.len);

        if (n > 0)
            bytes = str_from(bytes, (size_t)n);
        else if (n == 0 || errno != EINTR)
            return failed(spool, err);
    }
    return 0;
}

static int move_to_file(struct spool *spool, struct err *err)
{
    spool->fd = make_file(spool);
    if (spool->fd < 0 || write_all(spool, buf_str(&spool->head), err) < 0)
        return spool->fd < 0 ? failed(spool, err) : -1;
    buf_free(&spool->head);
    return 0;
}

int spool_add(struct spool *spool, struct str bytes, struct err *err)
{
    unmap(spool);
    if (spool->fd < 0 && buf_add(&spool->head, bytes) == 0) {
        spool->len += bytes.len;
        return 0;
    }
    if ((spool->fd < 0 && move_to_file(spool, err) < 0) || write_all(spool, bytes, err) < 0)
        return -1;
    spool->len += bytes.len;
    return 0;
}

int spool_look(struct spool *spool, struct str *bytes, struct err *err)
{
    if (spool->fd >= 0 && spool->map == NULL) {
        spool->map = mmap(NULL, spool->len, PROT_READ, MAP_PRIVATE, spool->fd, 0);
        if (spool->map == MAP_FAILED) {
            spool->map = NULL;
            return failed(spool, err);
        }
    }
    *bytes = spool->map ? str_n(spool->map, spool->len) : buf_str(&spool->head);
    return 0;
}
