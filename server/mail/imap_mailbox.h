/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/imap_mailbox.h - what is done in the mailbox that imap_select() opened: look, fetch, mark, delete, wait.
 *
 * UIDs only; sequence numbers stay inside. Untagged responses may come at any place and are taken into account (EXISTS,
 * EXPUNGE, VANISHED, FETCH that nobody asked for). Errors are those of mail/imap.h with `at` "imap." and search fetch store
 * expunge move list idle noop id; after one, imap_is_broken() says whether the session can still be used. */
#ifndef POSTERN_MAIL_IMAP_MAILBOX_H
#define POSTERN_MAIL_IMAP_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "mail/imap.h"

bool imap_is_broken(const struct imap_session *imap);
/* ID (RFC 2971) where offered: the server's log then says who we are, and we learn who it is (into `server`, cleaned; may be
 * NULL). Never fails but by the connection. */
int imap_identify(struct imap_session *imap, const char *version, char *server, size_t size, struct err *err);

uint32_t imap_exists(const struct imap_session *imap); /* messages in the mailbox, as far as we were told */

/* Messages of the mailbox with a UID of `from` or more, ascending, at most the `max` lowest of them. "n:*" gives the last
 * message even where its UID is lower (RFC 9051 9, seq-range): it is left out. The caller frees `*uids`. `*more`: there are
 * others. Of a large mailbox only as much is looked at as is needed. */
int imap_search(struct imap_session *imap, uint32_t from, size_t max, uint32_t **uids, size_t *count, bool *more,
                struct err *err);

/* UID, RFC822.SIZE, FLAGS, INTERNALDATE of each, and with `message_ids` its Message-ID (RFC 5322 3.6.4, with angle brackets;
 * NULL: it has none). What the server doesn't tell of a message leaves it out; those that are gone meanwhile, too. */
struct imap_item {
    uint32_t uid;
    uint64_t size; /* as the server says */
    int64_t date;  /* INTERNALDATE, ms; 0: unreadable */
    bool seen, deleted;
    const char *message_id;
};
/* -1: stop; imap_list() then answers -1 without err, and the session stays. */
typedef int imap_visit(void *ctx, const struct imap_item *item);
int imap_list(struct imap_session *imap, const uint32_t *uids, size_t count, bool message_ids, imap_visit *visit, void *ctx,
              struct err *err);

/* Whole messages, each as it comes: begin() once its size is announced, data() piece by piece, end() when the response is
 * whole and its UID known (it may stand behind the body). begin() may say 1: this one is not wanted; it is read away up to
 * 1 MiB, and beyond that the connection broken: ERR_TOO_LARGE limit.messageSize.
 * A callback that answers -1 ends it with the err that it filled; the connection is then broken, for the rest is on its way.
 * A server that sends what nobody asked for, or one message twice, is protocol.unexpected. BODY.PEEK throughout: nothing
 * becomes \Seen by looking. `headers_only`: BODY.PEEK[HEADER]. What the server has no more, or answers with NIL, is left out.
 * A NO at the end is protocol.refused, whatever came before it. */
struct imap_sink_message {
    void *ctx;
    int (*begin)(void *ctx, uint64_t size, struct err *err);
    int (*data)(void *ctx, struct str bytes, struct err *err);
    int (*end)(void *ctx, uint32_t uid, struct err *err);
};
int imap_fetch(struct imap_session *imap, const uint32_t *uids, size_t count, bool headers_only,
               const struct imap_sink_message *sink, struct err *err);

/* UID STORE +FLAGS.SILENT. ERR_TEMPORARY protocol.refused when the server says NO; the session stays. */
enum imap_mark { IMAP_MARK_SEEN, IMAP_MARK_DELETED };
int imap_mark(struct imap_session *imap, const uint32_t *uids, size_t count, enum imap_mark mark, struct err *err);
/* Removes these and nothing else, marked \Deleted before or not: UID EXPUNGE (RFC 4315). Without UIDPLUS: UID MOVE (RFC 6851)
 * into the mailbox with the \Trash attribute (RFC 6154) where there are both; else EXPUNGE only when a UID SEARCH DELETED finds
 * no others. What can't be removed without taking somebody else's along stays marked, and `*left` is true. */
int imap_remove(struct imap_session *imap, const uint32_t *uids, size_t count, bool *left, struct err *err);

/* RFC 2177. Between start and done nothing else may be sent. After a start, and whenever imap_fd() is readable, imap_idle_news()
 * reads what is there without waiting: 1 there may be new messages (EXISTS rose, or RECENT), 0 nothing of interest, -1 err (BYE,
 * closed). imap_idle_done() says DONE and reads to the tagged answer; `*news` as above. */
int imap_idle_start(struct imap_session *imap, struct err *err);
int imap_idle_news(struct imap_session *imap, struct err *err);
int imap_idle_done(struct imap_session *imap, bool *news, struct err *err);
int imap_noop(struct imap_session *imap, bool *news, struct err *err);

/* Before a wait of minutes: gives back every buffer that can be had again, and tells whether nothing that was received is
 * still to be looked at (in our buffers or GnuTLS's: epoll would not tell of it). */
bool imap_park(struct imap_session *imap);

#endif
