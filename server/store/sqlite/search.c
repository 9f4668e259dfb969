/* SPDX-License-Identifier: Apache-2.0 */
/* The index of words: written in order of seq, and how far with it, so that neither is ahead of the other after a crash. */
#include "store/sqlite/db.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite/search.h"

/* ---- writing ---- */

int search_mark_read(struct store_tx *tx, int64_t *seq, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT seq FROM search_mark", err);
    int rc;

    *seq = 0;
    if (row == NULL)
        return -1;
    rc = db_step(tx->db, row, "Reading how far the index goes", err);
    if (rc == 1) {
        *seq = sqlite3_column_int64(row, 0);
        sqlite3_reset(row);
    }
    return rc < 0 ? -1 : 0;
}

int store_search_next(struct store_tx *tx, int max, store_message_visit *visit, void *ctx, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT " MESSAGE_COLUMNS " FROM message WHERE seq > (SELECT seq FROM search_mark) "
                                           "ORDER BY seq LIMIT ?", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_int(row, 1, max);
    while ((rc = db_step(tx->db, row, "Looking for messages without an index", err)) == 1) {
        AUTO(message) message = message_of_row(row);

        if (visit(message, ctx) != 0) {
            sqlite3_reset(row);
            return 0;
        }
    }
    return rc;
}

static int is_there(struct store_tx *tx, int64_t seq, struct err *err)
{
    sqlite3_stmt *row = db_prepare(tx->db, "SELECT 1 FROM message WHERE seq = ?", err);
    int rc;

    if (row == NULL)
        return -1;
    bind_int(row, 1, seq);
    rc = db_step(tx->db, row, "Indexing a message", err);
    if (rc == 1)
        sqlite3_reset(row);
    return rc;
}

static int set_mark(struct store_tx *tx, int64_t seq, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "UPDATE search_mark SET seq = ?", err);

    if (s == NULL)
        return -1;
    bind_int(s, 1, seq);
    return db_run(tx->db, s, "Indexing a message", err);
}

int store_search_add(struct store_tx *tx, const struct store_search_words *words, struct err *err)
{
    sqlite3_stmt *s;
    int64_t mark;
    int rc;

    if (search_mark_read(tx, &mark, err) < 0)
        return -1;
    if (words->seq <= mark)             /* twice in one index would be two rows of one key */
        return 0;
    rc = is_there(tx, words->seq, err);
    if (rc < 0)
        return -1;
    s = rc ? db_prepare(tx->db, "INSERT INTO message_search (rowid, subject, \"from\", \"to\", body) VALUES (?, ?, ?, ?, ?)", err) : NULL;
    if (rc && s == NULL)
        return -1;
    if (s) {
        bind_int(s, 1, words->seq);
        bind_static(s, 2, words->subject);
        bind_static(s, 3, words->from);
        bind_static(s, 4, words->to);
        bind_static(s, 5, words->body);
        if (db_run(tx->db, s, "Indexing a message", err) < 0)
            return -1;
    }
    return set_mark(tx, words->seq, err);
}

int search_remove(struct store_tx *tx, int64_t seq, struct err *err)
{
    sqlite3_stmt *s = db_prepare(tx->db, "DELETE FROM message_search WHERE rowid = ?", err);

    if (s == NULL)
        return -1;
    bind_int(s, 1, seq);
    return db_run(tx->db, s, "Removing a message from the index", err);
}

/* ---- asking ---- */

/* Signs, in UTF-8: U+2000 to U+2FFF, U+3000 to U+303F, and pictures. */
static bool is_sign(const unsigned char *p, size_t left)
{
    unsigned char next = left > 1 ? p[1] : 0;

    return p[0] == 0xe2 || (p[0] == 0xe3 && next == 0x80) || (p[0] == 0xf0 && next == 0x9f);
}

/* What has no part of a word in the eyes of FTS5's unicode61 would match nothing. */
static bool is_word(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;

    for (size_t i = 0; i < s.len; i++)
        if (isalnum(p[i]) || (p[i] >= 0xc3 && !is_sign(p + i, s.len - i)))
            return true;
    return false;
}

static void add_term(struct search_terms *terms, struct str s, bool phrase)
{
    if (terms->count < SEARCH_TERMS_MAX && is_word(s)) {
        terms->items[terms->count].phrase = phrase;
        terms->items[terms->count++].text = str_dup(s);
    }
}

void search_terms_read(struct search_terms *terms, const char *text)
{
    struct str rest = str_trim(str_c(text));

    *terms = (struct search_terms){ 0 };
    while (rest.len) {
        bool phrase = rest.p[0] == '"';
        const char *end;
        size_t len;

        rest = str_from(rest, phrase);
        end = phrase && rest.len ? memchr(rest.p, '"', rest.len) : NULL;
        len = end ? (size_t)(end - rest.p) : rest.len;
        for (size_t i = 0; !phrase && i < len; i++)
            if (strchr(" \t\r\n\"", rest.p[i]))
                len = i;
        add_term(terms, str_n(rest.p, len), phrase);
        rest = str_trim(str_from(rest, len + (end != NULL)));
    }
}

void search_terms_clear(struct search_terms *terms)
{
    for (size_t i = 0; i < terms->count; i++)
        free(terms->items[i].text);
    terms->count = 0;
}

/* A single letter as a prefix is in every message there is. */
static bool is_prefix(const struct search_term *term)
{
    const unsigned char *p = (const unsigned char *)term->text;

    return !term->phrase && (p[0] >= 0x80 || p[1]);
}

/* Everything between quotes is words to FTS5, whatever its signs mean elsewhere. */
void search_match(const struct search_terms *terms, struct buf *into)
{
    for (size_t i = 0; i < terms->count; i++) {
        buf_addf(into, "%s\"%s\"%s", i ? " AND " : "", terms->items[i].text, is_prefix(&terms->items[i]) ? " *" : "");
    }
}

/* For what isn't in the index yet. */
bool search_has(const struct search_terms *terms, const struct message *message)
{
    for (size_t i = 0; i < terms->count; i++) {
        const char *text = terms->items[i].text;

        if (!strcasestr(message->subject, text) && !strcasestr(message->from, text) && !strcasestr(message->to, text))
            return false;
    }
    return terms->count > 0;
}
