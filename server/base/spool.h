/* SPDX-License-Identifier: Apache-2.0 */
/* server/base/spool.h - bytes of which nobody knows yet how many there are: a few in memory, many in a file without a name.
 *
 * The file goes with the process, whatever ends it. */
#ifndef POSTERN_BASE_SPOOL_H
#define POSTERN_BASE_SPOOL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#define SPOOL_MEMORY_MAX (64 * 1024) /* bytes; more go into the file */

struct spool {
    const char *dir;    /* where the file is made; the caller's */
    struct buf head;    /* all of it, as long as there is no file */
    int fd;             /* -1: none */
    size_t len;
    void *map;          /* of the file, once somebody looked */
};

void spool_init(struct spool *spool, const char *dir);
void spool_free(struct spool *spool);                                   /* ready for use again, same directory */
/* ERR_STORAGE, limit.diskFull or storage.failed. */
int  spool_add(struct spool *spool, struct str bytes, struct err *err);
/* All that was added, valid until the next spool_add() or spool_free(). */
int  spool_look(struct spool *spool, struct str *bytes, struct err *err);

#endif
