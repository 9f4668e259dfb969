/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of messages, newest first. Each combination of filters has an index that gives its rows in order; what has none
 * (words that the index of words hasn't yet, a token's list of accounts) looks at a bounded number of rows and says where to go on. */
#include "store/sqlite/db.h"

#include <stdlib.h>
#include <string.h>

#include "store/sqlite/search.h"

#define LOOK_MAX 2000                   /* rows that a search looks at for one page */
#define CLOCK_ROWS 1000                 /* out of order because the clock was set back */

struct listing {
    struct store_tx *tx;
    const struct store_message_filter *filter;
    store_message_visit *visit;
    void *ctx;
    int64_t from, before;               /* seqs */
    int given, looks;                   /* looks: rows that may still be looked at */
    int64_t last;                       /* the last that was looked at */
};

/* ---- what is wanted ---- */

static bool state_fits(const struct store_message_filter *filter, int state)
{
    if (filter->state >= 0 && filter->state != state)
        return false;
    if (filter->direction == MESSAGE_INCOMING || filter->acknowledged >= 0)
        return state == MESSAGE_RECEIVED && filter->direction != MESSAGE_OUTGOING;
    return filter->direction != MESSAGE_OUTGOING || state != MESSAGE_RECEIVED;
}

static int count_states(const struct store_message_filter *filter)
{
    int count = 0;

    for (int state = 0; state < MESSAGE_STATES; state++)
        count += state_fits(filter, state);
    return count;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return names == NULL;
}

static bool time_fits(const struct store_message_filter *filter, int64_t at)
{
    return at >= filter->since && (filter->until == 0 || at < filter->until);
}

/* Also what the query's index has seen to already. */
static bool fits(const struct store_message_filter *filter, const struct message *message)
{
    return is_one_of(message->account, filter->accounts) && state_fits(filter, message->state) &&
           (filter->account == NULL || strcmp(filter->account, message->account) == 0) &&
           (filter->acknowledged < 0 || (filter->acknowledged != 0) == message->acknowledged) &&
           time_fits(filter, message->created_at);
}

/* ---- the seqs of a time ---- */

static int read_seq(struct store_tx *tx, const char *sql, int64_t at, int64_t *ret, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, sql, err);
    int rc;

    if (row == NULL)
        return -1;
    bind_int(row, 1, at);
    bind_int(row, 2, CLOCK_ROWS);
    rc = db_step(tx->db, row, "Listing messages", err);
    if (rc == 1) {
        if (sqlite3_column_type(row, 0) != SQLITE_NULL)
            *ret = sqlite3_column_int64(row, 0);
        sqlite3_reset(row);
    }
    return rc < 0 ? -1 : 0;
}

/* Later ones came later but where the clock was set back, so the first of a time is among the first few of its index. */
static int read_bounds(struct listing *l, struct err *err)
{
    const struct store_message_filter *filter = l->filter;
    int64_t newest = 0;

    l->from = 0;
    l->before = filter->before ? filter->before : INT64_MAX;
    if (filter->since) {
        l->from = INT64_MAX;            /* where nothing came since */
        if (read_seq(l->tx, "SELECT min(seq) FROM (SELECT seq FROM message WHERE created_at >= ?1 ORDER BY created_at LIMIT ?2)",
                     filter->since, &l->from, err) < 0)
            return -1;
    }
    if (filter->until) {
        if (read_seq(l->tx, "SELECT max(seq) FROM (SELECT seq FROM message WHERE created_at < ?1 ORDER BY created_at DESC LIMIT ?2)",
                     filter->until, &newest, err) < 0)
            return -1;
        l->before = newest < l->before ? newest + 1 : l->before;
    }
    return 0;
}

/* ---- rows ---- */

/* 1: the page is full, and there is more. */
static int offer(struct listing *l, const struct message *message)
{
    if (!fits(l->filter, message))
        return 0;
    if (l->given == l->filter->limit)
        return 1;
    l->visit(message, l->ctx);
    l->given++;
    return 0;
}

static int read_one(struct store_tx *tx, int64_t seq, struct message **ret, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT " MESSAGE_COLUMNS " FROM message WHERE seq = ?", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_int(row, 1, seq);
    rc = db_step(tx->db, row, "Listing messages", err);
    *ret = rc == 1 ? message_of_row(row) : NULL;
    if (rc == 1)
        sqlite3_reset(row);
    return rc < 0 ? -1 : 0;
}

/* Takes the seqs of a query, newest first; `terms` are looked for in the row. 0: the end, 1: there is more behind l->last. */
static int take_seqs(struct listing *l, sqlite3_stmt *row, const struct search_terms *terms, struct err *err)
{
    int rc = 0, full = 0;

    while (!full && l->looks > 0 && (rc = db_step(l->tx->db, row, "Listing messages", err)) == 1) {
        AUTO(message) message = NULL;
        int64_t seq = sqlite3_column_int64(row, 0);

        if (read_one(l->tx, seq, &message, err) < 0) {
            sqlite3_reset(row);
            return -1;
        }
        if (message && (terms == NULL || search_has(terms, message)))
            full = offer(l, message);
        if (!full) {
            l->last = seq;
            l->looks--;
        }
    }
    if (rc == 1)
        sqlite3_reset(row);
    return rc < 0 ? -1 : full || l->looks == 0;
}

/* ---- by index ---- */

static void add_branch(struct buf *sql, const struct store_message_filter *filter, int state)
{
    buf_addf(sql, "SELECT * FROM (SELECT seq FROM message WHERE %s%sstate = '%s' AND seq < ?1 AND seq >= ?4 ORDER BY seq DESC LIMIT ?2)",
             filter->account ? "account = ?3 AND " : "",
             filter->acknowledged < 0 ? "" : filter->acknowledged ? "acknowledged = 1 AND " : "acknowledged = 0 AND ",
             message_state_names[state]);
}

/* One branch per state, each cut to a page by its index; the pages are then merged. */
static void page_sql(struct buf *sql, const struct store_message_filter *filter, bool by_state)
{
    bool first = true;

    if (!by_state) {
        buf_add_c(sql, "SELECT seq FROM message WHERE seq < ?1 AND seq >= ?4 ORDER BY seq DESC LIMIT ?2");
        return;
    }
    buf_add_c(sql, "SELECT seq FROM (");
    for (int state = 0; state < MESSAGE_STATES; state++) {
        if (!state_fits(filter, state))
            continue;
        buf_add_c(sql, first ? "" : " UNION ALL ");
        add_branch(sql, filter, state);
        first = false;
    }
    buf_add_c(sql, ") ORDER BY seq DESC LIMIT ?2");
}

/* From l->before down to `from`. */
static int list_rows(struct listing *l, int64_t from, const struct search_terms *terms, struct err *err)
{
    const struct store_message_filter *filter = l->filter;
    bool by_state = filter->account || count_states(filter) < MESSAGE_STATES;
    AUTO_BUF(sql, 8192);
    sqlite3_stmt *row;

    if (l->before <= from)
        return 0;
    page_sql(&sql, filter, by_state);
    row = db_prepare(l->tx->db, sql.p, err);
    if (row == NULL)
        return -1;
    bind_int(row, 1, l->before);
    bind_int(row, 2, l->looks + 1);
    bind_int(row, 4, from);
    if (filter->account)
        bind_static(row, 3, filter->account);
    return take_seqs(l, row, terms, err);
}

/* ---- by words ---- */

/* FTS5 gives its rows in order, each as it is asked for. */
static int list_found(struct listing *l, const char *match, struct err *err)
{
    sqlite3_stmt *row = db_prepare(l->tx->db, "SELECT rowid FROM message_search WHERE message_search MATCH ?1 AND rowid < ?2 "
                                              "AND rowid >= ?3 ORDER BY rowid DESC", err);

    if (row == NULL)
        return -1;
    bind_static(row, 1, match);
    bind_int(row, 2, l->before);
    bind_int(row, 3, l->from);
    return take_seqs(l, row, NULL, err);
}

/* What the index has yet to take in is looked at itself. */
static int list_search(struct listing *l, const struct search_terms *terms, struct err *err)
{
    AUTO_BUF(match, 64 * 1024);
    int64_t mark;
    int rc;

    if (search_mark_read(l->tx, &mark, err) < 0)
        return -1;
    rc = list_rows(l, mark + 1 > l->from ? mark + 1 : l->from, terms, err);
    if (rc != 0)
        return rc;
    search_match(terms, &match);
    if (l->before > mark + 1)
        l->before = mark + 1;
    return list_found(l, match.p, err);
}

static int list_all(struct listing *l, struct err *err)
{
    struct search_terms terms;
    int rc;

    if (l->filter->text == NULL)
        return list_rows(l, l->from, NULL, err);
    search_terms_read(&terms, l->filter->text);
    rc = terms.count ? list_search(l, &terms, err) : 0;
    search_terms_clear(&terms);
    return rc;
}

int store_message_list(struct store_tx *tx, const struct store_message_filter *filter, store_message_visit *visit, void *ctx,
                       int64_t *resume, struct err *err)
{
    bool sifts = filter->text || filter->accounts || filter->since || filter->until;
    struct listing l = { .tx = tx, .filter = filter, .visit = visit, .ctx = ctx, .looks = sifts ? LOOK_MAX : filter->limit + 1 };
    int rc;

    *resume = 0;
    if (count_states(filter) == 0)
        return 0;
    if (read_bounds(&l, err) < 0)
        return -1;
    rc = list_all(&l, err);
    if (rc > 0)
        *resume = l.last;
    return rc < 0 ? -1 : 0;
}
