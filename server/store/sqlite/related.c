/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that speak of others: reports on what was sent. */
#include "store/sqlite/db.h"

#include <string.h>

int store_message_sent(struct store_tx *tx, const char *message_id, char id[MESSAGE_ID_LEN + 1], struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT id FROM message WHERE message_id = ? AND direction = 'outgoing' "
                                           "AND message_id <> '' ORDER BY seq DESC LIMIT 1", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_static(row, 1, message_id);
    rc = db_step(tx->db, row, "Looking for a sent message", err);
    if (rc == 1) {
        const char *found = (const char *)sqlite3_column_text(row, 0);

        memset(id, 0, MESSAGE_ID_LEN + 1);
        memcpy(id, found, strnlen(found, MESSAGE_ID_LEN));
        sqlite3_reset(row);
    }
    return rc;
}

int store_message_relate(struct store_tx *tx, int64_t seq, const char *id, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "UPDATE message SET related = ? WHERE seq = ?", err);

    if (s == NULL)
        return -1;
    bind_static(s, 1, id);
    bind_int(s, 2, seq);
    return db_run(tx->db, s, "Relating a message", err);
}

int store_message_related(struct store_tx *tx, const char *id, int limit, store_message_visit *visit, void *ctx, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT " MESSAGE_COLUMNS " FROM message WHERE related = ? ORDER BY seq DESC LIMIT ?", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_static(row, 1, id);
    bind_int(row, 2, limit);
    while ((rc = db_step(tx->db, row, "Reading reports", err)) == 1) {
        AUTO(message) message = message_of_row(row);

        visit(message, ctx);
    }
    return rc;
}
