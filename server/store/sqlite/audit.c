/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/db.h"

int store_audit_add(struct store_tx *tx, const struct store_audit *entry, struct err *err)
{
    sqlite3_stmt *statement = db_prepare(tx->db, "INSERT INTO audit (at, who, address, action, resource, detail) "
                                                 "VALUES (?, ?, ?, ?, ?, ?)", err);

    if (statement == NULL)
        return -1;
    bind_int(statement, 1, entry->at);
    bind_static(statement, 2, entry->who ? entry->who : "");
    bind_static(statement, 3, entry->address);
    bind_static(statement, 4, entry->action);
    bind_static(statement, 5, entry->resource);
    bind_static(statement, 6, entry->detail);
    return db_run(tx->db, statement, "Writing the audit trail", err);
}

#define COLUMNS "SELECT seq, at, who, address, action, resource, detail FROM audit "

int store_audit_list(struct store_tx *tx, const char *resource, int64_t before, int limit, store_audit_visit *visit, void *ctx,
                     struct err *err)
{
    sqlite3_stmt *statement = db_prepare(tx->db, resource ? COLUMNS "WHERE seq < ?1 AND resource = ?3 ORDER BY seq DESC LIMIT ?2" :
                                                            COLUMNS "WHERE seq < ? ORDER BY seq DESC LIMIT ?", err);
    int rc;

    if (statement == NULL)
        return -1;
    bind_int(statement, 1, before ? before : INT64_MAX);
    bind_int(statement, 2, limit);
    if (resource)
        bind_static(statement, 3, resource);
    while ((rc = db_step(tx->db, statement, "Reading the audit trail", err)) == 1) {
        const char *text[5];
        struct store_audit entry;

        for (int i = 0; i < 5; i++)
            text[i] = (const char *)sqlite3_column_text(statement, 2 + i);
        entry = (struct store_audit){ sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1), text[0], text[1],
                                      text[2], text[3], text[4] };
        visit(&entry, ctx);
    }
    return rc;
}
