/* SPDX-License-Identifier: Apache-2.0 */
/* Components to rows and back, by their property tables. */
#include "store/sqlite/db.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "component/json.h"
#include "crypto/crypto.h"

#define SQL_MAX (32 * 1024)
#define SECRET_MAX (64 * 1024)

static bool is_stored(const struct prop *prop)
{
    return prop->type != PROP_SECRET && (!(prop->flags & PROP_READONLY) || prop->flags & PROP_PERSISTENT);
}

static bool is_state(const struct prop *prop)
{
    return is_stored(prop) && prop->flags & PROP_READONLY;
}

/* ---- values ---- */

static void bind_json(sqlite3_stmt *statement, int at, json_t *json)
{
    AUTO_FREE char *text = json && !json_is_null(json) ? json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

    bind_text(statement, at, text);
    json_decref(json);
}

static void bind_value(sqlite3_stmt *statement, int at, const struct prop *prop, const void *component)
{
    const char *text;

    switch (prop->type) {
    case PROP_BOOL:
        bind_int(statement, at, *PROP_VALUE_CONST(component, prop, bool));
        break;
    case PROP_INT:
    case PROP_TIME:
        bind_int(statement, at, *PROP_VALUE_CONST(component, prop, int64_t));
        break;
    case PROP_ENUM:
        bind_text(statement, at, prop->choices[*PROP_VALUE_CONST(component, prop, int64_t)]);
        break;
    case PROP_STRINGS:
    case PROP_JSON:
        bind_json(statement, at, prop_to_json(prop, component));
        break;
    case PROP_VARIANT:
        bind_json(statement, at, component_variant_to_json(prop, component, VIEW_STORED));
        break;
    default:
        text = *PROP_VALUE_CONST(component, prop, char *);
        bind_text(statement, at, text ? text : "");
    }
}

/* What cannot be read any more (a choice that a later version had) is told and left at its default. */
static void take_text(const struct prop *prop, void *component, const char *text)
{
    AUTO_PROBLEMS(problems);

    if (text == NULL)
        return;
    if (prop->type == PROP_STRING || prop->type == PROP_TEXT || prop->type == PROP_HOST || prop->type == PROP_MAILBOX) {
        free(*PROP_VALUE(component, prop, char *));
        *PROP_VALUE(component, prop, char *) = mem_strdup(text);
    } else if (prop_from_text(prop, component, text, &problems) < 0) {
        log_warning("store", "%s: a stored value is not valid and was left at its default.", prop->name);
    }
}

static void take_value(const struct prop *prop, void *component, sqlite3_stmt *statement, int at)
{
    switch (prop->type) {
    case PROP_BOOL:
        *PROP_VALUE(component, prop, bool) = sqlite3_column_int(statement, at) != 0;
        break;
    case PROP_INT:
    case PROP_TIME:
        *PROP_VALUE(component, prop, int64_t) = sqlite3_column_int64(statement, at);
        break;
    default:
        take_text(prop, component, (const char *)sqlite3_column_text(statement, at));
    }
}

/* ---- SQL from the table ---- */

static void add_columns(struct buf *sql, const struct component_type *type, bool (*wanted)(const struct prop *), const char *format)
{
    for (const struct prop *prop = type->props; prop->name; prop++) {
        AUTO_FREE char *column = prop_column(prop);
        struct str rest = str_c(format), part;
        bool first = true;

        if (!wanted(prop))
            continue;
        while (str_split(&rest, '#', &part)) {
            if (!first)
                buf_add_c(sql, column);
            buf_add(sql, part);
            first = false;
        }
    }
}

static void put_sql(struct buf *sql, const struct component_type *type)
{
    buf_addf(sql, "INSERT INTO %s (name, changed_at, changed_by", type->table);
    add_columns(sql, type, is_stored, ", \"#\"");
    buf_add_c(sql, ") VALUES (?, ?, ?");
    add_columns(sql, type, is_stored, ", ?");
    buf_add_c(sql, ") ON CONFLICT (name) DO UPDATE SET changed_at = excluded.changed_at, changed_by = excluded.changed_by");
    add_columns(sql, type, is_stored, ", \"#\" = excluded.\"#\"");
}

static void select_sql(struct buf *sql, const struct component_type *type, const char *where)
{
    buf_add_c(sql, "SELECT name, changed_at, changed_by");
    add_columns(sql, type, is_stored, ", \"#\"");
    buf_addf(sql, " FROM %s WHERE %s", type->table, where);
}

/* ---- secrets ---- */

struct sealing {
    struct store_tx *tx;
    const struct component_type *type;
    const char *name;
    struct err *err;
};

static const struct crypto_key *key_of(struct store_tx *tx, struct err *err)
{
    const struct crypto_key *key = tx->store->key;

    if (key == NULL)
        err_id(err, ERR_INTERNAL, "seal.noKey", NULL, "The store was opened without the sealing key; it can't read or write secrets.");
    return key;
}

static char *seal_context(const char *table, const char *name, const char *path)
{
    return mem_printf("%s/%s/%s", table, name, path);
}

static int put_secret(const char *path, struct secret *secret, void *ctx)
{
    struct sealing *sealing = ctx;
    AUTO_FREE char *context = seal_context(sealing->type->table, sealing->name, path);
    AUTO_BUF(sealed, SECRET_MAX);
    const struct crypto_key *key = NULL;
    sqlite3_stmt *statement;

    if (secret->value == NULL && secret->file == NULL)
        return 0;
    if (!secret->file && (key = key_of(sealing->tx, sealing->err)) == NULL)
        return -1;
    if (!secret->file && crypto_seal(key, str_c(secret->value), str_c(context), &sealed, sealing->err) < 0)
        return -1;
    statement = db_prepare(sealing->tx->db, "INSERT INTO secret (owner, name, path, sealed, file) VALUES (?, ?, ?, ?, ?)", sealing->err);
    if (statement == NULL)
        return -1;
    bind_static(statement, 1, sealing->type->table);
    bind_static(statement, 2, sealing->name);
    bind_static(statement, 3, path);
    if (secret->file)
        bind_static(statement, 5, secret->file);
    else
        bind_bytes(statement, 4, buf_str(&sealed));
    return db_run(sealing->tx->db, statement, "Writing a secret", sealing->err);
}

static int drop_secrets(struct store_tx *tx, const struct component_type *type, const char *name, struct err *err)
{
    sqlite3_stmt *statement = db_prepare(tx->db, "DELETE FROM secret WHERE owner = ? AND name = ?", err);

    if (statement == NULL)
        return -1;
    bind_static(statement, 1, type->table);
    bind_static(statement, 2, name);
    return db_run(tx->db, statement, "Writing a secret", err);
}

static int put_secrets(struct store_tx *tx, const struct component_type *type, const char *name, void *component, struct err *err)
{
    struct sealing sealing = { tx, type, name, err };

    if (drop_secrets(tx, type, name, err) < 0)
        return -1;
    return component_each_secret(type, component, put_secret, &sealing);
}

static int get_secret(const char *path, struct secret *secret, void *ctx)
{
    struct sealing *sealing = ctx;
    struct db *db = sealing->tx->db;
    AUTO_FREE char *context = seal_context(sealing->type->table, sealing->name, path);
    sqlite3_stmt *statement = db_prepare(db, "SELECT sealed, file FROM secret WHERE owner = ? AND name = ? AND path = ?", sealing->err);
    struct buf plain;
    int rc;

    if (statement == NULL)
        return -1;
    bind_static(statement, 1, sealing->type->table);
    bind_static(statement, 2, sealing->name);
    bind_static(statement, 3, path);
    rc = db_step(db, statement, "Reading a secret", sealing->err);
    if (rc <= 0)
        return rc;
    secret->file = column_text(statement, 1);
    buf_init_secret(&plain, SECRET_MAX);
    if (!secret->file) {
        const struct crypto_key *key = key_of(sealing->tx, sealing->err);

        rc = key ? crypto_open(key, column_bytes(statement, 0), str_c(context), &plain, sealing->err) : -1;
    }
    rc = rc < 0 ? -1 : 0;
    if (rc == 0 && !secret->file)
        secret->value = buf_take(&plain);
    buf_free(&plain);
    sqlite3_reset(statement);
    return rc;
}

/* ---- rows ---- */

int store_put(struct store_tx *tx, const struct component_type *type, const char *name, const void *component,
              const struct store_stamp *stamp, struct err *err)
{
    AUTO_BUF(sql, SQL_MAX);
    sqlite3_stmt *statement;
    int at = 4;

    put_sql(&sql, type);
    statement = db_prepare(tx->db, sql.p, err);
    if (statement == NULL)
        return -1;
    bind_static(statement, 1, name);
    bind_int(statement, 2, stamp->at);
    bind_static(statement, 3, stamp->by ? stamp->by : "");
    for (const struct prop *prop = type->props; prop->name; prop++)
        if (is_stored(prop))
            bind_value(statement, at++, prop, component);
    if (db_run(tx->db, statement, "Writing the configuration", err) < 0)
        return -1;
    return put_secrets(tx, type, name, (void *)component, err);
}

int store_put_state(struct store_tx *tx, const struct component_type *type, const char *name, const void *component, struct err *err)
{
    AUTO_BUF(sql, SQL_MAX);
    sqlite3_stmt *statement;
    int at = 1;

    buf_addf(&sql, "UPDATE %s SET name = name", type->table);
    add_columns(&sql, type, is_state, ", \"#\" = ?");
    buf_add_c(&sql, " WHERE name = ?");
    statement = db_prepare(tx->db, sql.p, err);
    if (statement == NULL)
        return -1;
    for (const struct prop *prop = type->props; prop->name; prop++)
        if (is_state(prop))
            bind_value(statement, at++, prop, component);
    bind_static(statement, at, name);
    if (db_run(tx->db, statement, "Writing an account's counters", err) < 0)
        return -1;
    if (sqlite3_changes(tx->db->handle) == 0)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no \"%s\".", name);
    return 0;
}

static int run_named(struct store_tx *tx, const struct component_type *type, const char *format, const char *first,
                     const char *second, struct err *err)
{
    sqlite3_stmt *statement;
    struct str rest = str_c(format), part;
    AUTO_BUF(text, 256);

    str_split(&rest, '#', &part);
    buf_addf(&text, "%.*s%s%.*s", (int)part.len, part.p, type->table, (int)rest.len, rest.p);
    statement = db_prepare(tx->db, text.p, err);
    if (statement == NULL)
        return -1;
    bind_static(statement, 1, first);
    if (second)
        bind_static(statement, 2, second);
    if (db_run(tx->db, statement, "Writing the configuration", err) < 0)
        return -1;
    if (sqlite3_changes(tx->db->handle) == 0)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no \"%s\".", second ? second : first);
    return 0;
}

int store_remove(struct store_tx *tx, const struct component_type *type, const char *name, struct err *err)
{
    if (run_named(tx, type, "DELETE FROM # WHERE name = ?", name, NULL, err) < 0)
        return -1;
    return drop_secrets(tx, type, name, err);
}

/* The seal is bound to the name, so what is sealed is sealed anew. */
int store_rename(struct store_tx *tx, const struct component_type *type, const char *from, const char *to, struct err *err)
{
    void *component;
    int rc;

    if (store_find(tx, type, from, &component, err) < 0)
        return -1;
    rc = run_named(tx, type, "UPDATE # SET name = ? WHERE name = ?", to, from, err);
    if (rc == 0)
        rc = drop_secrets(tx, type, from, err);
    if (rc == 0)
        rc = put_secrets(tx, type, to, component, err);
    component_free(type, component);
    return rc;
}

static int take_row(struct store_tx *tx, const struct component_type *type, sqlite3_stmt *statement, const char *name, void **ret,
                    struct err *err)
{
    struct sealing sealing = { tx, type, name, err };
    void *component = component_new(type);
    int at = 3;

    for (const struct prop *prop = type->props; prop->name; prop++)
        if (is_stored(prop))
            take_value(prop, component, statement, at++);
    if (component_each_secret(type, component, get_secret, &sealing) < 0) {
        err_prefix(err, "%s \"%s\": ", type->name, name);
        component_free(type, component);
        return -1;
    }
    *ret = component;
    return 0;
}

int store_find(struct store_tx *tx, const struct component_type *type, const char *name, void **ret, struct err *err)
{
    AUTO_BUF(sql, SQL_MAX);
    sqlite3_stmt *statement;
    int rc;

    select_sql(&sql, type, "name = ?");
    statement = db_prepare(tx->db, sql.p, err);
    if (statement == NULL)
        return -1;
    bind_static(statement, 1, name);
    rc = db_step(tx->db, statement, "Reading the configuration", err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return err_id(err, ERR_NOT_FOUND, "notFound", NULL, "There is no \"%s\".", name);
    rc = take_row(tx, type, statement, name, ret, err);
    sqlite3_reset(statement);
    return rc;
}

int store_each(struct store_tx *tx, const struct component_type *type, const char *after, store_visit *visit, void *ctx,
               struct err *err)
{
    AUTO_BUF(sql, SQL_MAX);
    sqlite3_stmt *statement;
    int rc;

    select_sql(&sql, type, "name > ? ORDER BY name");
    statement = db_prepare(tx->db, sql.p, err);
    if (statement == NULL)
        return -1;
    bind_static(statement, 1, after);
    while ((rc = db_step(tx->db, statement, "Reading the configuration", err)) == 1) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        struct store_stamp stamp = { (const char *)sqlite3_column_text(statement, 2), sqlite3_column_int64(statement, 1) };
        void *component;

        if (take_row(tx, type, statement, name, &component, err) < 0)
            rc = -1;
        else
            rc = visit(name, component, &stamp, ctx);
        if (rc != 0) {
            sqlite3_reset(statement);
            return rc < 0 ? -1 : 0;
        }
    }
    return rc;
}

/* ---- rekey ---- */

struct rekeying {
    struct store *store;
    const struct crypto_key *fresh;
};

static int reseal(struct store_tx *tx, const struct rekeying *rekeying, sqlite3_stmt *row, struct err *err)
{
    const char *owner = (const char *)sqlite3_column_text(row, 0), *name = (const char *)sqlite3_column_text(row, 1);
    const char *path = (const char *)sqlite3_column_text(row, 2);
    AUTO_FREE char *context = seal_context(owner, name, path);
    struct buf plain;
    AUTO_BUF(sealed, SECRET_MAX);
    sqlite3_stmt *update;
    int rc;

    if (crypto_sealed_with(rekeying->fresh, column_bytes(row, 3)))
        return 0;                       /* a rekey that was cut short between the database and the key's file */
    if (key_of(tx, err) == NULL)
        return -1;
    buf_init_secret(&plain, SECRET_MAX);
    rc = crypto_open(key_of(tx, err), column_bytes(row, 3), str_c(context), &plain, err);
    if (rc == 0)
        rc = crypto_seal(rekeying->fresh, buf_str(&plain), str_c(context), &sealed, err);
    buf_free(&plain);
    if (rc < 0)
        return err_prefix(err, "%s: ", context);
    update = db_prepare(tx->db, "UPDATE secret SET sealed = ? WHERE owner = ? AND name = ? AND path = ?", err);
    if (update == NULL)
        return -1;
    bind_bytes(update, 1, buf_str(&sealed));
    bind_static(update, 2, owner);
    bind_static(update, 3, name);
    bind_static(update, 4, path);
    return db_run(tx->db, update, "Sealing a secret", err);
}

static int rekey_run(struct store_tx *tx, void *ctx, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT owner, name, path, sealed FROM secret WHERE sealed IS NOT NULL", err);
    int rc;

    if (row == NULL)
        return -1;
    while ((rc = db_step(tx->db, row, "Reading a secret", err)) == 1) {
        if (reseal(tx, ctx, row, err) < 0) {
            sqlite3_reset(row);
            return -1;
        }
    }
    return rc;
}

int store_rekey(struct store *store, const struct crypto_key *fresh, struct err *err)
{
    struct rekeying rekeying = { store, fresh };

    if (store_write(store, rekey_run, &rekeying, true, err) < 0)
        return -1;
    store->key = fresh;
    return 0;
}
