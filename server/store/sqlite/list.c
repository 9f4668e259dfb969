/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of messages, newest first. Each combination of filters has an index that gives its rows in order; what has none
 * (a text, a token's list of accounts) looks at a bounded number of rows and says where to go on. */
#include "store/sqlite/db.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_MAX 2000                   /* rows that a search looks at for one page */

static bool state_fits(const struct store_message_filter *filter, int state)
{
    if (filter->state >= 0 && filter->state != state)
        return false;
    if (filter->direction == MESSAGE_INCOMING)
        return state == MESSAGE_RECEIVED;
    return filter->direction != MESSAGE_OUTGOING || state != MESSAGE_RECEIVED;
}

static int count_states(const struct store_message_filter *filter)
{
    int count = 0;

    for (int state = 0; state < MESSAGE_STATES; state++)
        count += state_fits(filter, state);
    return count;
}

/* One branch per state, each cut to a page by its index; the pages are then merged. */
static void page_sql(struct buf *sql, const struct store_message_filter *filter)
{
    bool by_state = filter->account || count_states(filter) < MESSAGE_STATES;
    bool first = true;

    if (!by_state) {
        buf_add_c(sql, "SELECT seq FROM message WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2");
        return;
    }
    buf_add_c(sql, "SELECT seq FROM (");
    for (int state = 0; state < MESSAGE_STATES; state++) {
        if (!state_fits(filter, state))
            continue;
        buf_addf(sql, "%sSELECT * FROM (SELECT seq FROM message WHERE %sstate = '%s' AND seq < ?1 ORDER BY seq DESC LIMIT ?2)",
                 first ? "" : " UNION ALL ", filter->account ? "account = ?3 AND " : "", message_state_names[state]);
        first = false;
    }
    buf_add_c(sql, ") ORDER BY seq DESC LIMIT ?2");
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; names && *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return names == NULL;
}

static bool has_text(const struct message *message, const char *text)
{
    return text == NULL || strcasestr(message->subject, text) || strcasestr(message->from, text) || strcasestr(message->to, text);
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

int store_message_list(struct store_tx *tx, const struct store_message_filter *filter, store_message_visit *visit, void *ctx,
                       int64_t *resume, struct err *err)
{
    bool sifts = filter->text || filter->accounts;
    int looks = sifts ? LOOK_MAX : filter->limit + 1, looked = 0, given = 0, rc;
    AUTO_BUF(sql, 8192);
    sqlite3_stmt *row;
    int64_t last = 0;

    *resume = 0;
    if (count_states(filter) == 0)
        return 0;
    page_sql(&sql, filter);
    row = db_prepare(tx->db, sql.p, err);
    if (row == NULL)
        return -1;
    bind_int(row, 1, filter->before ? filter->before : INT64_MAX);
    bind_int(row, 2, looks);
    if (filter->account)
        bind_static(row, 3, filter->account);
    while ((rc = db_step(tx->db, row, "Listing messages", err)) == 1) {
        AUTO(message) message = NULL;

        if (given == filter->limit) {
            *resume = last;
            sqlite3_reset(row);
            return 0;
        }
        last = sqlite3_column_int64(row, 0);
        looked++;
        if (read_one(tx, last, &message, err) < 0) {
            sqlite3_reset(row);
            return -1;
        }
        if (message && is_one_of(message->account, filter->accounts) && has_text(message, filter->text)) {
            visit(message, ctx);
            given++;
        }
    }
    if (rc == 0 && looked == looks)
        *resume = last;
    return rc;
}
