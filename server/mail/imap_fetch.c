/* SPDX-License-Identifier: Apache-2.0 */
/* UID FETCH: what messages are like, and messages themselves. RFC 9051 6.4.5, 7.5.2. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "mail/imap_fetched.h"
#include "mail/imap_mailbox.h"
#include "mail/imap_session.h"
#include "mail/imap_uids.h"

#define READ_AWAY_MAX (1 << 20) /* bytes of a message that nobody wants, before hanging up is cheaper */

/* The messages that the command under way asks for: uids->at[from..to). */
struct asked {
    struct imap_uids uids;
    size_t from, to;
    bool *had; /* one for each of them */
};

static void asked_begin(struct asked *asked, const uint32_t *uids, size_t count)
{
    *asked = (struct asked){ 0 };
    imap_uids_copy(uids, count, &asked->uids);
    asked->had = mem_array(asked->uids.count + 1, sizeof(*asked->had));
}

static void asked_end(struct asked *asked)
{
    imap_uids_free(&asked->uids);
    free(asked->had);
}

/* Where `uid` is, or -1: it isn't asked for, or was told already. */
static int64_t asked_find(const struct asked *asked, uint32_t uid)
{
    int64_t at = imap_uids_find(asked->uids.at + asked->from, asked->to - asked->from, uid);

    if (at < 0 || asked->had[asked->from + (size_t)at])
        return -1;
    return at + (int64_t)asked->from;
}

static void asked_had(struct imap_session *imap, struct asked *asked, int64_t at)
{
    asked->had[at] = true;
    imap->flow.items++;
}

/* One command after the other, until all were asked for. */
static int ask(struct imap_session *imap, struct asked *asked, const char *items, imap_seen seen, void *ctx,
               struct err *err)
{
    for (asked->from = 0; asked->from < asked->uids.count; asked->from = asked->to) {
        AUTO_BUF(set, IMAP_COMMAND_MAX);

        asked->to = asked->from + imap_set_next(&asked->uids, asked->from, &set);
        if (imap_send(imap, "fetch", err, "UID FETCH %s (%s)", set.p, items) < 0)
            return -1;
        imap->flows = true;
        dialog_flow_begin(&imap->flow);
        if (imap_finish(imap, "fetch", seen, ctx, err) < 0 ||
            imap_check(imap, "fetch", "doesn't hand out the messages", err) < 0)
            return -1;
    }
    return 0;
}

/* ---- what they are like ----------------------------------------------------------------------------- */

struct listing {
    struct asked asked;
    imap_visit *visit;
    void *ctx;
    bool stopped;
};

static int see_listed(struct imap_session *imap, void *ctx, struct err *err)
{
    struct listing *listing = ctx;
    struct imap_fetched fetched;
    struct imap_item item;
    int64_t at;
    int rc = imap_fetched_read(&imap->in, "", &fetched);

    if (rc <= 0)
        return rc < 0 ? imap_unexpected(imap, "fetch", err) : 0;
    at = asked_find(&listing->asked, fetched.uid);
    if (at < 0 || !fetched.has_size || !fetched.has_flags)
        return 0; /* RFC 9051 7.5.2: flags that changed are told at any time */
    asked_had(imap, &listing->asked, at);
    item = (struct imap_item){ .uid = fetched.uid,
                               .size = fetched.size,
                               .date = fetched.date,
                               .seen = fetched.seen,
                               .deleted = fetched.deleted,
                               .message_id = fetched.message_id[0] ? fetched.message_id : NULL };
    if (!listing->stopped && listing->visit(listing->ctx, &item) < 0) {
        listing->stopped = true;
        listing->asked.uids.count = listing->asked.to; /* the session stays, so this answer is read to its end */
    }
    return 0;
}

int imap_list(struct imap_session *imap, const uint32_t *uids, size_t count, bool message_ids,
              imap_visit *visit, void *ctx, struct err *err)
{
    struct listing listing = { .visit = visit, .ctx = ctx };
    int rc;

    asked_begin(&listing.asked, uids, count);
    rc = ask(imap, &listing.asked,
             message_ids ? "UID RFC822.SIZE FLAGS INTERNALDATE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"
                         : "UID RFC822.SIZE FLAGS INTERNALDATE",
             see_listed, &listing, err);
    asked_end(&listing.asked);
    return listing.stopped ? -1 : rc;
}

/* ---- messages --------------------------------------------------------------------------------------- */

struct fetching {
    struct imap_session *imap;
    struct asked asked;
    const struct imap_sink_message *sink;
    const char *body; /* how the server names it */
    struct err *err;
    enum { NOTHING, TAKING, READING_AWAY } now; /* what becomes of the literal of this response */
};

static int not_asked_for(struct fetching *fetching)
{
    return dialog_fail(fetching->imap->dialog, ERR_TEMPORARY, "protocol.unexpected", "fetch", fetching->err,
                       "%s sent a message that wasn't asked for, or one twice.",
                       dialog_hostname(fetching->imap->dialog));
}

static int too_large(struct fetching *fetching, uint64_t size)
{
    return dialog_fail(fetching->imap->dialog, ERR_TOO_LARGE, "limit.messageSize", "fetch", fetching->err,
                       "%s began a message of %llu bytes, more than is taken here, so the connection was closed.",
                       dialog_hostname(fetching->imap->dialog), (unsigned long long)size);
}

/* The sink, whose time isn't the server's. */
static int sink_begin(struct fetching *fetching, uint64_t size)
{
    int64_t started = clock_mono();
    int rc = fetching->sink->begin(fetching->sink->ctx, size, fetching->err);

    dialog_flow_excuse(&fetching->imap->flow, started);
    return rc;
}

static int sink_data(struct fetching *fetching, struct str bytes)
{
    int64_t started = clock_mono();
    int rc = fetching->sink->data(fetching->sink->ctx, bytes, fetching->err);

    dialog_flow_excuse(&fetching->imap->flow, started);
    return rc;
}

static int sink_end(struct fetching *fetching, uint32_t uid)
{
    int64_t started = clock_mono();
    int rc = fetching->sink->end(fetching->sink->ctx, uid, fetching->err);

    dialog_flow_excuse(&fetching->imap->flow, started);
    return rc;
}

/* 0: data() may follow; 1: it isn't wanted. */
static int begin(struct fetching *fetching, uint64_t size)
{
    int rc = sink_begin(fetching, size);

    if (rc > 0 && size > READ_AWAY_MAX)
        return too_large(fetching, size);
    fetching->now = rc > 0 ? READING_AWAY : TAKING;
    return rc;
}

static int wants(void *ctx, const struct imap_parser *so_far, uint64_t size)
{
    struct fetching *fetching = ctx;
    uint32_t uid;

    if (!imap_body_follows(so_far, fetching->body, &uid))
        return 0;
    if (fetching->now != NOTHING || (uid && asked_find(&fetching->asked, uid) < 0))
        return not_asked_for(fetching);
    return begin(fetching, size) < 0 ? -1 : 1;
}

static int take(void *ctx, struct str bytes)
{
    struct fetching *fetching = ctx;

    if (fetching->now == READING_AWAY)
        return 0;
    return sink_data(fetching, bytes);
}

/* RFC 9051 4.3: a string is as good as a literal. */
static int take_string(struct fetching *fetching, struct str text)
{
    int rc = begin(fetching, text.len);

    return rc == 0 && text.len > 0 ? sink_data(fetching, text) : rc;
}

static int see_message(struct imap_session *imap, void *ctx, struct err *err)
{
    struct fetching *fetching = ctx;
    struct imap_fetched fetched;
    int64_t at;
    int rc = imap_fetched_read(&imap->in, fetching->body, &fetched), now = fetching->now;

    fetching->now = NOTHING;
    if (rc < 0 || (now != NOTHING && fetched.body != IMAP_BODY_STREAMED))
        return imap_unexpected(imap, "fetch", err);
    if (rc == 0 || fetched.body == IMAP_BODY_NONE || fetched.body == IMAP_BODY_NIL)
        return 0;
    at = asked_find(&fetching->asked, fetched.uid);
    if (at < 0)
        return not_asked_for(fetching);
    if (fetched.body == IMAP_BODY_TEXT && take_string(fetching, fetched.text) < 0)
        return -1;
    if (fetched.body == IMAP_BODY_TEXT)
        now = fetching->now;
    fetching->now = NOTHING;
    asked_had(imap, &fetching->asked, at);
    return now == TAKING ? sink_end(fetching, fetched.uid) : 0;
}

int imap_fetch(struct imap_session *imap, const uint32_t *uids, size_t count, bool headers_only,
               const struct imap_sink_message *sink, struct err *err)
{
    struct err own = { 0 };
    struct fetching fetching = {
        .imap = imap, .sink = sink, .body = headers_only ? "BODY[HEADER]" : "BODY[]", .err = &own
    };
    const struct imap_sink literals = { &fetching, wants, take };
    int rc;

    asked_begin(&fetching.asked, uids, count);
    imap->in.sink = &literals;
    imap->bodies = true;
    rc = ask(imap, &fetching.asked, headers_only ? "UID BODY.PEEK[HEADER]" : "UID BODY.PEEK[]", see_message,
             &fetching, &own);
    imap->bodies = false;
    imap->in.sink = NULL;
    asked_end(&fetching.asked);
    if (rc < 0 && err)
        *err = own;
    return rc;
}
