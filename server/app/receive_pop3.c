/* SPDX-License-Identifier: Apache-2.0 */
/* One poll of a POP3 maildrop. New is what has a UIDL that isn't known. RFC 1939 7. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/receive.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/map.h"
#include "crypto/crypto.h"
#include "mail/mime.h"
#include "mail/pop3_drop.h"

#define HEADERS_MAX (256 * 1024)
#define MATCHED_AT_ONCE 200

struct drop {
    struct receive *receive;
    struct pop3_item *items;
    size_t count;
    struct map *rows;           /* what is known, by UID: struct receive_row */
    struct receive_list known;
    size_t fetched;             /* of the items, from the first on: looked at, and here if they are wanted */
    bool has_uids;
    bool deletes;               /* something is to be deleted by QUIT */
};

static void drop_clear(struct drop *drop)
{
    free(drop->items);
    map_free(drop->rows);
    receive_list_clear(&drop->known);
}

/* ---- another maildrop ---- */

static int keep_bytes(void *ctx, struct str bytes, struct err *err)
{
    return buf_add(ctx, bytes) < 0 ? err_id(err, ERR_TOO_LARGE, "limit.messageSize", "pop3.top", "The headers of a message have no end.") : 0;
}

/* The caller frees; "" where there is none. */
static int read_message_id(struct receive *receive, uint32_t number, char **ret, struct err *err)
{
    AUTO_BUF(headers, HEADERS_MAX);
    AUTO(mime_info) info = NULL;

    if (pop3_fetch(receive->connect->pop3, number, true, HEADERS_MAX, keep_bytes, &headers, err) < 0)
        return -1;
    info = mime_inspect_headers(buf_str(&headers));
    *ret = mem_strdup(info->message_id ? info->message_id : "");
    return 0;
}

static int match_some(struct receive *receive, const struct pop3_item *items, size_t count, int64_t *known, struct err *err)
{
    struct store_remote remotes[MATCHED_AT_ONCE] = { 0 };
    char *ids[MATCHED_AT_ONCE] = { NULL };
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = read_message_id(receive, items[i].number, &ids[i], err);
        remotes[i] = (struct store_remote){ .uid = items[i].uid, .message_id = ids[i], .size = (int64_t)items[i].size };
    }
    if (rc == 0)
        rc = receive_match(receive, remotes, count, known, err);
    for (size_t i = 0; i < count; i++)
        free(ids[i]);
    return rc;
}

/* The account has another server or user than before: if it is the same maildrop all the same, its messages aren't received again. */
static int adopt(struct drop *drop, struct err *err)
{
    struct receive *receive = drop->receive;
    bool can_look = drop->has_uids && pop3_capabilities(receive->connect->pop3)->top;
    int64_t known = 0;

    for (size_t at = 0; at < drop->count && can_look; at += MATCHED_AT_ONCE) {
        size_t part = drop->count - at < MATCHED_AT_ONCE ? drop->count - at : MATCHED_AT_ONCE;

        if (match_some(receive, drop->items + at, part, &known, err) < 0)
            return -1;
    }
    return receive_adopted(receive, known, (int64_t)drop->count, err);
}

/* ---- what is there ---- */

static int refuse_uids(const struct receive *receive, struct err *err)
{
    return err_id(err, ERR_REFUSED, "config.noUidl", "pop3.uidl",
                  "%s doesn't tell its messages apart (UIDL), so those that stay there would be received again and again.",
                  receive->account->hostname);
}

static int read_rows(struct drop *drop, struct err *err)
{
    map_free(drop->rows);
    drop->rows = map_new();
    receive_list_clear(&drop->known);
    if (receive_known(drop->receive, &drop->known, err) < 0)
        return -1;
    for (size_t i = 0; i < drop->known.count; i++)
        map_put(drop->rows, drop->known.rows[i].uid, &drop->known.rows[i]);
    return 0;
}

/* POP3 has no UIDVALIDITY: that messages were there, others are, and not one is known shows that the UIDs have become others. */
static bool is_renumbered(const struct drop *drop)
{
    size_t there = 0;

    if (!drop->has_uids || drop->count == 0)
        return false;
    for (size_t i = 0; i < drop->known.count; i++)
        there += drop->known.rows[i].missing_since == 0 && drop->known.rows[i].todo != TODO_DELETE;
    for (size_t i = 0; i < drop->count; i++)
        if (map_get(drop->rows, drop->items[i].uid))
            return false;
    return there > 0;
}

static int list_drop(struct drop *drop, struct err *err)
{
    struct receive *receive = drop->receive;
    int rc;

    if (pop3_list(receive->connect->pop3, &drop->items, &drop->count, err) < 0)
        return -1;
    drop->has_uids = drop->count == 0 || drop->items[0].uid[0] != '\0';
    if (!drop->has_uids && receive->account->delivery_policy != POLICY_DELETE)
        return refuse_uids(receive, err);
    rc = receive_look(receive, 0, err);
    if (rc == 0)
        rc = read_rows(drop, err) < 0 ? -1 : is_renumbered(drop);
    if (rc > 0 && !receive->renumbered && drop->rows)
        receive_renumber(receive);
    if (rc > 0)
        rc = adopt(drop, err) < 0 ? -1 : read_rows(drop, err);
    return rc;
}

/* ---- fetching ---- */

static int on_data(void *ctx, struct str bytes, struct err *err)
{
    return receipt_add(ctx, bytes, err);
}

/* Without UIDL a message is known by what it is. */
static void name_by_content(struct receipt *receipt, char uid[80])
{
    struct str bytes = STR("");
    uint8_t digest[32];

    if (spool_look(&receipt->spool, &bytes, NULL) < 0)
        bytes = STR("");
    crypto_sha256(bytes, digest);
    memcpy(uid, "sha256-", 7);
    hex_encode(digest, sizeof(digest), uid + 7);
}

static int fetch_item(struct drop *drop, const struct pop3_item *item, bool headers_only, bool again, struct err *err)
{
    struct receive *receive = drop->receive;
    struct receipt *receipt = receipt_new(receive, headers_only, (int64_t)item->size);
    uint64_t max = headers_only ? HEADERS_MAX : (uint64_t)receive->account->max_message_size;
    char uid[80];

    receipt->again = again;
    if (pop3_fetch(receive->connect->pop3, item->number, headers_only, max, on_data, receipt, err) < 0) {
        receipt_free(receipt);
        return -1;
    }
    if (drop->has_uids)
        snprintf(uid, sizeof(uid), "%s", item->uid);
    else
        name_by_content(receipt, uid);
    return receipt_store(receipt, uid, err);
}

static bool is_large(const struct receive *receive, const struct pop3_item *item)
{
    const struct receive_trouble *trouble = receive->trouble;

    return item->size > (uint64_t)receive->account->max_message_size || (trouble->too_large && strcmp(trouble->uid, item->uid) == 0);
}

/* One that is larger than we take stays where it is, with only its headers here; a server without TOP keeps it to itself. */
static int fetch_one(struct drop *drop, const struct pop3_item *item, const struct receive_row *row, struct err *err)
{
    struct receive *receive = drop->receive;
    bool large = is_large(receive, item), again = row != NULL;
    struct err why = { 0 };

    if (again && receive_skip(receive, item->uid, (int64_t)item->size, row->attempts + 1, NULL, err) < 0)
        return -1;
    if (large && !pop3_capabilities(receive->connect->pop3)->top) {
        err_id(&why, ERR_REFUSED, "limit.messageSize", "pop3.top",
               "A message of %llu bytes is larger than Max Message Size, and the server can't give its headers alone (TOP).",
               (unsigned long long)item->size);
        return again || !drop->has_uids ? 0 : receive_skip(receive, item->uid, (int64_t)item->size, 1, &why, err);
    }
    if (large && !drop->has_uids)
        return 0;
    if (fetch_item(drop, item, large, again, &why) == 0)
        return 0;
    if (!again)
        receive_suspect(receive, item->uid, (int64_t)item->size, &why);
    *err = why;
    return -1;
}

/* Not known, or known as one to be tried again by now. */
static bool is_wanted(const struct receive_row *row)
{
    return row == NULL || (row->todo == TODO_FETCH && row->next_attempt <= clock_now());
}

static const struct receive_row *row_of(const struct drop *drop, const struct pop3_item *item)
{
    return drop->has_uids ? map_get(drop->rows, item->uid) : NULL;
}

static int fetch_new(struct drop *drop, struct err *err)
{
    struct receive *receive = drop->receive;
    int64_t left = receive->account->max_per_poll;
    struct err other;

    for (; drop->fetched < drop->count; drop->fetched++) {
        const struct pop3_item *item = &drop->items[drop->fetched];
        const struct receive_row *row = row_of(drop, item);

        if (!is_wanted(row))
            continue;
        receive->more = left-- == 0;
        if (receive->more)
            break;
        if ((receive_is_void(receive) ? receive_stopped(err) : fetch_one(drop, item, row, err)) < 0) {
            receive_wait(receive, &other);
            return -1;
        }
    }
    if (receive_wait(receive, err) < 0)
        return -1;
    *receive->trouble = (struct receive_trouble){ 0 };
    return 0;
}

/* ---- deleting: only what is durably stored, and it counts once the server has said so to QUIT ---- */

static int delete_rows(struct drop *drop, const struct receive_list *list, struct err *err)
{
    struct map *items = map_new();
    int rc = 0;

    for (size_t i = 0; i < drop->count; i++)
        map_put(items, drop->items[i].uid, &drop->items[i]);
    for (size_t i = 0; i < list->count && rc == 0; i++) {
        const struct pop3_item *item = map_get(items, list->rows[i].uid);

        drop->deletes |= item != NULL;
        rc = item ? pop3_delete(drop->receive->connect->pop3, item->number, err) : 0;
    }
    map_free(items);
    return rc;
}

static int delete_fetched(struct drop *drop, struct err *err)
{
    const struct receive *receive = drop->receive;

    for (size_t i = 0; i < drop->fetched; i++) {
        if (is_large(receive, &drop->items[i]))
            continue;
        drop->deletes = true;
        if (pop3_delete(receive->connect->pop3, drop->items[i].number, err) < 0)
            return -1;
    }
    return 0;
}

static int delete_stored(struct drop *drop, struct err *err)
{
    struct receive_list list = { 0 };
    int rc = receive_todo(drop->receive, TODO_DELETE, POP3_MESSAGES_MAX, &list, err);

    if (rc == 0 && list.count > 0)
        rc = drop->has_uids ? delete_rows(drop, &list, err) : delete_fetched(drop, err);
    receive_list_clear(&list);
    if (rc < 0 || !drop->deletes)
        return rc;
    return pop3_commit(drop->receive->connect->pop3, err);
}

/* ---- what the server lists no more, or again ---- */

static int settle_known(struct drop *drop, struct err *err)
{
    struct receive_list gone = { 0 }, missing = { 0 }, there = { 0 };
    int64_t old = clock_now() - DAYS(7);
    int rc;

    for (size_t i = 0; i < drop->count && drop->has_uids; i++)
        map_put(drop->rows, drop->items[i].uid, NULL);
    for (size_t i = 0; i < drop->known.count; i++) {
        const struct receive_row *row = &drop->known.rows[i];
        bool listed = drop->has_uids && map_get(drop->rows, row->uid) == NULL;

        if (!listed && row->todo == TODO_DELETE && drop->has_uids)
            receive_list_add(&gone, row);
        else if (!listed && (row->missing_since == 0 || row->missing_since < old))
            receive_list_add(&missing, row);
        else if (listed && row->missing_since > 0)
            receive_list_add(&there, row);
    }
    rc = receive_settle(drop->receive, &gone, RECEIVE_GONE, err);
    if (rc == 0)
        rc = receive_settle(drop->receive, &missing, RECEIVE_MISSING, err);
    if (rc == 0)
        rc = receive_settle(drop->receive, &there, RECEIVE_THERE, err);
    receive_list_clear(&gone);
    receive_list_clear(&missing);
    receive_list_clear(&there);
    return rc;
}

int receive_pop3(struct receive *receive, struct err *err)
{
    struct drop drop = { .receive = receive };
    int rc = list_drop(&drop, err);

    if (rc == 0)
        rc = fetch_new(&drop, err);
    if (rc == 0)
        rc = delete_stored(&drop, err);
    if (rc == 0)
        rc = settle_known(&drop, err);
    drop_clear(&drop);
    return rc;
}
