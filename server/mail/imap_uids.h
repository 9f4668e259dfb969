/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/imap_uids.h - sets of UIDs, as we ask for them and as a server tells them. Needs no connection. RFC 9051 9. */
#ifndef POSTERN_MAIL_IMAP_UIDS_H
#define POSTERN_MAIL_IMAP_UIDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"

/* `at` belongs to it. */
struct imap_uids {
    uint32_t *at;
    size_t count, room;
};

/* A sorted copy. */
void imap_uids_copy(const uint32_t *uids, size_t count, struct imap_uids *into);
int imap_uids_add(struct imap_uids *uids, uint32_t uid, size_t max); /* -1: it has `max` already */
void imap_uids_sort(struct imap_uids *uids);                         /* ascending, each once, no 0 */
/* Where `uid` is among the `count` ascending ones, or -1. */
int64_t imap_uids_find(const uint32_t *uids, size_t count, uint32_t uid);
void imap_uids_free(struct imap_uids *uids);
MEM_FREEP(imap_uids)
#define AUTO_UIDS(name) __attribute__((cleanup(imap_uids_free))) struct imap_uids name = { 0 }

#define IMAP_SET_MAX 7800          /* bytes of a set: the command around it has room below 8000 */
#define IMAP_SET_MESSAGES_MAX 1000 /* and of no more messages, so that its answer ends */

/* The part of a long set that goes into one command, from the `done`th on; how many messages that are. */
size_t imap_set_next(const struct imap_uids *uids, size_t done, struct buf *into);
/* "1:3,7" of ascending UIDs into `into`: as many of them as go into `max` bytes, one at least. How many those are. */
size_t imap_set_write(const uint32_t *uids, size_t count, size_t max, struct buf *into);
/* A server's set, without "*". -1: not one, or more than `max` with those that are there. */
int imap_set_read(struct str set, size_t max, struct imap_uids *into);
uint64_t imap_set_size(struct str set); /* how many it names; 0: not a set */

#endif
