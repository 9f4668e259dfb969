/* SPDX-License-Identifier: Apache-2.0 */
/* One poll of an IMAP mailbox. New is what has a UID above the last one that is known, unless it is known by itself. RFC 9051 2.3.1.1. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/events.h"
#include "app/receive.h"
#include "base/clock.h"
#include "mail/imap_mailbox.h"

#define BATCH 50                /* messages fetched by one command */
#define LISTED 500              /* likewise, when a mailbox is looked through */
#define TODO_MAX 1000
#define RETRIED_MAX 5           /* messages in one poll that could not be fetched before */
#define ROWS_OVER 1000          /* rows more than there are messages, before it is worth while to look which are gone */

static void uid_text(uint32_t uid, char text[16])
{
    snprintf(text, 16, "%" PRIu32, uid);
}

static int compare_uids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static int refuse_mark(const struct receive *receive, struct err *err)
{
    return err_id(err, ERR_REFUSED, "config.readOnly", "imap.select",
                  "%s lets this user only read the mailbox, so what was received stays there as it is.", receive->account->hostname);
}

/* ---- the mailbox ---- */

struct matched {
    struct store_remote remotes[LISTED];
    char uids[LISTED][16];
    char *ids[LISTED];
    size_t count;
};

static int note_listed(void *ctx, const struct imap_item *item)
{
    struct matched *matched = ctx;
    size_t at = matched->count;

    if (at == LISTED)
        return 0;
    uid_text(item->uid, matched->uids[at]);
    matched->ids[at] = mem_strdup(item->message_id ? item->message_id : "");
    matched->remotes[at] = (struct store_remote){ .uid = matched->uids[at], .message_id = matched->ids[at], .size = (int64_t)item->size };
    matched->count++;
    return 0;
}

static int match_page(struct receive *receive, const uint32_t *uids, size_t count, int64_t *known, struct err *err)
{
    struct matched *matched = mem_alloc(sizeof(*matched));
    int rc = imap_list(receive->connect->imap, uids, count, true, note_listed, matched, err);

    if (rc == 0)
        rc = receive_match(receive, matched->remotes, matched->count, known, err);
    for (size_t i = 0; i < matched->count; i++)
        free(matched->ids[i]);
    free(matched);
    return rc;
}

/* All that is there is looked through once, so that what was received under other UIDs isn't received again. */
static int adopt(struct receive *receive, struct err *err)
{
    int64_t known = 0, messages = 0;
    uint32_t from = 1;
    bool more = true;

    while (more) {
        AUTO_FREE uint32_t *uids = NULL;
        size_t count = 0;

        if (imap_search(receive->connect->imap, from, LISTED, &uids, &count, &more, err) < 0)
            return -1;
        if (count == 0)
            break;
        if (match_page(receive, uids, count, &known, err) < 0)
            return -1;
        messages += (int64_t)count;
        if (uids[count - 1] == UINT32_MAX)
            break;
        from = uids[count - 1] + 1;
    }
    return receive_adopted(receive, known, messages, err);
}

static int open_mailbox(struct receive *receive, struct err *err)
{
    const struct account *account = receive->account;
    bool untouched = account->delivery_policy == POLICY_MARK_AS_UNREAD;
    int rc;

    if (imap_select(receive->connect->imap, account->mailbox, untouched, &receive->imap, err) < 0)
        return -1;
    if (receive->imap.uid_validity == 0)
        return err_id(err, ERR_REFUSED, "protocol.uidValidity", "imap.select",
                      "%s gives its messages no lasting numbers (UIDVALIDITY), so new ones can't be told from others.", account->hostname);
    rc = receive_look(receive, receive->imap.uid_validity, err);
    if (rc > 0)
        rc = adopt(receive, err);
    receive->selected = rc == 0;
    return rc;
}

/* ---- fetching ---- */

struct fetching {
    struct receive *receive;
    const struct receive_row *rows;     /* those that were asked for */
    size_t count;
    bool *came;                         /* which of them did */
    bool headers_only, again;
    struct receipt *receipt;            /* the one that is coming in; NULL: it is larger than we take */
};

static int on_begin(void *ctx, uint64_t size, struct err *err)
{
    struct fetching *fetching = ctx;

    (void)err;
    receipt_free(TAKE(fetching->receipt));
    if (!fetching->headers_only && size > (uint64_t)fetching->receive->account->max_message_size)
        return 1;
    fetching->receipt = receipt_new(fetching->receive, fetching->headers_only, (int64_t)size);
    fetching->receipt->again = fetching->again;
    return 0;
}

static int on_data(void *ctx, struct str bytes, struct err *err)
{
    struct fetching *fetching = ctx;

    return fetching->receipt ? receipt_add(fetching->receipt, bytes, err) : 0;
}

static int on_end(void *ctx, uint32_t uid, struct err *err)
{
    struct fetching *fetching = ctx;
    struct receipt *receipt = TAKE(fetching->receipt);
    char text[16];

    uid_text(uid, text);
    for (size_t i = 0; i < fetching->count && receipt; i++) {
        if (strcmp(fetching->rows[i].uid, text) != 0)
            continue;
        fetching->came[i] = true;
        receipt->size = fetching->rows[i].size;
        return receipt_store(receipt, text, err);
    }
    receipt_free(receipt);
    return 0;
}

/* Asks for all of them with one command. What doesn't come stays false in `came`. */
static int fetch(struct receive *receive, const struct receive_row *rows, size_t count, bool headers_only, bool again, bool *came,
                 struct err *err)
{
    struct fetching fetching = { receive, rows, count, came, headers_only, again, NULL };
    const struct imap_sink_message sink = { &fetching, on_begin, on_data, on_end };
    uint32_t uids[BATCH];
    int rc;

    for (size_t i = 0; i < count; i++)
        uids[i] = (uint32_t)strtoul(rows[i].uid, NULL, 10);
    rc = imap_fetch(receive->connect->imap, uids, count, headers_only, &sink, err);
    receipt_free(fetching.receipt);
    return rc;
}

static const struct receive_row *first_missing(const struct receive_row *rows, size_t count, const bool *came)
{
    for (size_t i = 0; i < count; i++)
        if (!came[i])
            return &rows[i];
    return NULL;
}

/* A whole batch, of whole messages or of headers. One under suspicion is fetched alone, so that it is known which one it is. */
static int fetch_some(struct receive *receive, const struct receive_row *rows, size_t count, bool headers_only, bool again, struct err *err)
{
    size_t step = receive->trouble->times > 0 ? 1 : BATCH;

    for (size_t at = 0; at < count; at += step) {
        size_t part = count - at < step ? count - at : step;
        const struct receive_row *missing;
        bool came[BATCH] = { false };
        int rc = fetch(receive, rows + at, part, headers_only, again, came, err);
        struct err later;

        if (receive_wait(receive, rc < 0 ? &later : err) < 0)
            return -1;
        missing = first_missing(rows + at, part, came);
        if (rc < 0 && missing && !again)
            receive_suspect(receive, missing->uid, missing->size, err);
        if (rc < 0)
            return -1;
        /* Gone meanwhile, larger than announced, or left out by the server: to be looked at once more. */
        for (size_t i = 0; i < part && missing; i++)
            if (!came[i] && !again && receive_skip(receive, rows[at + i].uid, rows[at + i].size, 1, NULL, err) < 0)
                return -1;
    }
    return 0;
}

/* ---- what is new ---- */

struct sorting {
    struct receive *receive;
    struct receive_list small, large;
};

static int sort_one(void *ctx, const struct imap_item *item)
{
    struct sorting *sorting = ctx;
    const struct receive_trouble *trouble = sorting->receive->trouble;
    char uid[16];
    bool large;

    uid_text(item->uid, uid);
    large = item->size > (uint64_t)sorting->receive->account->max_message_size || (trouble->too_large && strcmp(trouble->uid, uid) == 0);
    receive_list_add(large ? &sorting->large : &sorting->small, &(struct receive_row){ .uid = uid, .size = (int64_t)item->size });
    return 0;
}

static bool is_listed(const struct sorting *sorting, uint32_t uid)
{
    const struct receive_list *lists[] = { &sorting->small, &sorting->large };
    char text[16];

    uid_text(uid, text);
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            if (strcmp(lists[l]->rows[i].uid, text) == 0)
                return true;
    return false;
}

/* The messages themselves. What the server doesn't tell about, though it listed it, is asked for again later. */
static int fetch_listed(struct receive *receive, const uint32_t *uids, size_t count, bool again, struct err *err)
{
    struct sorting sorting = { .receive = receive };
    char text[16];
    int rc = imap_list(receive->connect->imap, uids, count, false, sort_one, &sorting, err);

    if (rc == 0)
        rc = fetch_some(receive, sorting.small.rows, sorting.small.count, false, again, err);
    if (rc == 0)
        rc = fetch_some(receive, sorting.large.rows, sorting.large.count, true, again, err);
    for (size_t i = 0; i < count && rc == 0 && !again; i++) {
        uid_text(uids[i], text);
        if (!is_listed(&sorting, uids[i]))
            rc = receive_skip(receive, text, 0, 1, NULL, err);
    }
    receive_list_clear(&sorting.small);
    receive_list_clear(&sorting.large);
    return rc;
}

struct sifting {
    struct receive *receive;
    uint32_t *uids;
    size_t count;
};

static int sift_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct sifting *sifting = ctx;
    size_t kept = 0;
    char text[16];

    for (size_t i = 0; i < sifting->count; i++) {
        int known;

        uid_text(sifting->uids[i], text);
        known = store_remote_is_known(tx, live_name(sifting->receive->live), sifting->receive->mailbox.generation, text, err);
        if (known < 0)
            return -1;
        if (!known)
            sifting->uids[kept++] = sifting->uids[i];
    }
    sifting->count = kept;
    return 0;
}

static int advance_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct receive *receive = ctx;

    return store_mailbox_advance(tx, live_name(receive->live), receive->mailbox.generation, receive->mailbox.last_uid, err);
}

static int advance(struct receive *receive, uint32_t last, struct err *err)
{
    receive->mailbox.last_uid = last;
    return store_write(receive->station->store, advance_run, receive, false, err);
}

/* One page of UIDs: those that are not known are fetched, then all are. */
static int take_page(struct receive *receive, uint32_t *uids, size_t count, int64_t *left, struct err *err)
{
    struct sifting sifting = { receive, uids, count };
    uint32_t last = uids[count - 1];

    if (store_read(receive->station->store, sift_run, &sifting, err) < 0)
        return -1;
    if (sifting.count > 0 && fetch_listed(receive, uids, sifting.count, false, err) < 0)
        return -1;
    *left -= (int64_t)sifting.count;
    return advance(receive, last, err);
}

static int fetch_new(struct receive *receive, struct err *err)
{
    int64_t left = receive->account->max_per_poll;
    bool more = true;

    /* The server has just told that there is nothing. */
    if (!receive->looked && receive->imap.uid_next == receive->mailbox.last_uid + 1 && receive->mailbox.last_uid > 0)
        more = false;
    receive->looked = true;
    while (more && receive->mailbox.last_uid < UINT32_MAX) {
        AUTO_FREE uint32_t *uids = NULL;
        size_t count = 0;

        if (left == 0) {
            receive->more = true;
            return 0;
        }
        if (receive_is_void(receive))
            return receive_stopped(err);
        if (imap_search(receive->connect->imap, receive->mailbox.last_uid + 1, left < BATCH ? (size_t)left : BATCH, &uids, &count, &more,
                        err) < 0)
            return -1;
        if (count == 0)
            return 0;
        if (take_page(receive, uids, count, &left, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- what could not be fetched before ---- */

/* Each attempt is counted before it is made, so that one that ends the process counts too. */
static int retry_one(struct receive *receive, const struct receive_row *row, struct err *err)
{
    uint32_t uid = (uint32_t)strtoul(row->uid, NULL, 10);
    struct receive_list gone = { (struct receive_row *)row, 1 };
    AUTO_FREE uint32_t *found = NULL;
    size_t count = 0;
    bool more;

    if (receive_skip(receive, row->uid, row->size, row->attempts + 1, NULL, err) < 0 ||
        imap_search(receive->connect->imap, uid, 1, &found, &count, &more, err) < 0)
        return -1;
    if (count == 0 || found[0] != uid)
        return receive_settle(receive, &gone, RECEIVE_GONE, err);
    return fetch_listed(receive, &uid, 1, true, err);
}

static int retry_skipped(struct receive *receive, struct err *err)
{
    struct receive_list list = { 0 };
    int rc = receive_todo(receive, TODO_FETCH, RETRIED_MAX, &list, err);

    for (size_t i = 0; i < list.count && rc == 0; i++)
        rc = retry_one(receive, &list.rows[i], err);
    receive_list_clear(&list);
    return rc;
}

/* ---- what is to be done on the server ---- */

static int note_left(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct receive *receive = ctx;

    return events_add(tx, "mailbox.messagesLeft", live_name(receive->live), NULL,
                      json_pack("{s:s}", "cause", "The server can't remove single messages (UIDPLUS), and others have marked some as deleted, so "
                                "those of this account stay, marked as deleted."), err);
}

static int remove_all(struct receive *receive, const uint32_t *uids, const struct receive_list *list, struct err *err)
{
    bool left = false;

    if (imap_remove(receive->connect->imap, uids, list->count, &left, err) < 0)
        return -1;
    if (left && store_write(receive->station->store, note_left, receive, false, err) < 0)
        return -1;
    return receive_settle(receive, list, left ? RECEIVE_DONE : RECEIVE_GONE, err);
}

static int do_todo(struct receive *receive, enum store_todo todo, struct err *err)
{
    struct receive_list list = { 0 };
    uint32_t uids[TODO_MAX];
    int rc = receive_todo(receive, todo, TODO_MAX, &list, err);

    for (size_t i = 0; i < list.count; i++)
        uids[i] = (uint32_t)strtoul(list.rows[i].uid, NULL, 10);
    qsort(uids, list.count, sizeof(*uids), compare_uids);
    if (rc == 0 && list.count > 0 && receive->imap.read_only)
        rc = receive->account->delivery_policy == POLICY_MARK_AS_UNREAD ? 0 : refuse_mark(receive, err);
    else if (rc == 0 && list.count > 0 && todo == TODO_SEEN)
        rc = imap_mark(receive->connect->imap, uids, list.count, IMAP_MARK_SEEN, err) < 0
                 ? -1
                 : receive_settle(receive, &list, RECEIVE_DONE, err);
    else if (rc == 0 && list.count > 0)
        rc = remove_all(receive, uids, &list, err);
    receive_list_clear(&list);
    return rc;
}

/* ---- rows of what others have removed ---- */

static int forget_gone(struct receive *receive, struct err *err)
{
    struct receive_list known = { 0 }, gone = { 0 };
    AUTO_FREE uint32_t *uids = NULL;
    size_t count = 0;
    bool more = false;
    int rc = receive_known(receive, &known, err);

    if (rc == 0)
        rc = imap_search(receive->connect->imap, 1, receive->imap.exists + ROWS_OVER, &uids, &count, &more, err);
    for (size_t i = 0; i < known.count && rc == 0 && !more; i++) {
        uint32_t uid = (uint32_t)strtoul(known.rows[i].uid, NULL, 10);

        if (bsearch(&uid, uids, count, sizeof(*uids), compare_uids) == NULL)
            receive_list_add(&gone, &known.rows[i]);
    }
    if (rc == 0)
        rc = receive_settle(receive, &gone, RECEIVE_GONE, err);
    receive_list_clear(&known);
    receive_list_clear(&gone);
    return rc;
}

static int has_many_rows(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct receive *receive = ctx;
    int64_t rows;

    if (store_remote_count(tx, live_name(receive->live), receive->mailbox.generation, &rows, err) < 0)
        return -1;
    return rows > 2 * (int64_t)receive->imap.exists + ROWS_OVER;
}

int receive_imap(struct receive *receive, struct err *err)
{
    bool first = !receive->selected;
    int rc;

    if (first && open_mailbox(receive, err) < 0)
        return -1;
    if (fetch_new(receive, err) < 0)
        return -1;
    *receive->trouble = (struct receive_trouble){ 0 };
    if (retry_skipped(receive, err) < 0 || do_todo(receive, TODO_SEEN, err) < 0 || do_todo(receive, TODO_DELETE, err) < 0)
        return -1;
    rc = first ? store_read(receive->station->store, has_many_rows, receive, err) : 0;
    return rc > 0 ? forget_gone(receive, err) : rc;
}
