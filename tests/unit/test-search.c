/* SPDX-License-Identifier: Apache-2.0 */
/* The index of words: what is in it and what isn't yet, pages, questions of every kind, and nothing left of what was removed. */
#include <sqlite3.h>

#include "base/clock.h"
#include "state.h"

static struct err failure;

static void must(int rc)
{
    if (rc < 0) {
        printf("# %s %s\n", failure.id, failure.text);
        abort();
    }
}

static int64_t add(struct store *store, const char *account, const char *subject)
{
    struct message *message = state_message(account, 1);
    int64_t seq;

    free(message->subject);
    message->subject = mem_strdup(subject);
    message->state = MESSAGE_RECEIVED;
    message->direction = MESSAGE_INCOMING;
    seq = state_add(store, message);
    message_free(message);
    return seq;
}

/* ---- taking in ---- */

struct indexing {
    const char *const *bodies;          /* of the messages in order, or one for all */
    int count, max;
    struct message *next[64];
    bool fails;
};

static int keep(const struct message *message, void *ctx)
{
    struct indexing *indexing = ctx;
    struct message *copy = mem_alloc(sizeof(*copy));

    copy->seq = message->seq;
    copy->subject = mem_strdup(message->subject);
    copy->from = mem_strdup(message->from);
    copy->to = mem_strdup(message->to);
    indexing->next[indexing->count++] = copy;
    return indexing->count == indexing->max;
}

static int index_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct indexing *indexing = ctx;

    if (store_search_next(tx, 64, keep, indexing, err) < 0)
        return -1;
    for (int i = 0; i < indexing->count; i++) {
        const struct message *one = indexing->next[i];
        const struct store_search_words words = { one->seq, one->subject, one->from, one->to,
                                                  indexing->bodies ? indexing->bodies[i] : "some text" };

        if (store_search_add(tx, &words, err) < 0)
            return -1;
    }
    return indexing->fails ? err_id(err, ERR_STORAGE, "test", NULL, "Fails.") : 0;
}

/* Takes in up to `max` messages; answers how many there were. */
static int take_in(struct store *store, int max, const char *const *bodies, bool fails)
{
    struct indexing indexing = { .bodies = bodies, .max = max, .fails = fails };
    int rc = store_write(store, index_run, &indexing, false, &failure);

    if (!fails)
        must(rc);
    for (int i = 0; i < indexing.count; i++)
        message_free(indexing.next[i]);
    return indexing.count;
}

/* ---- asking ---- */

struct asking {
    struct store_message_filter filter;
    int64_t seqs[64];
    int count;
    int64_t resume;
};

static int note(const struct message *message, void *ctx)
{
    struct asking *asking = ctx;

    asking->seqs[asking->count++] = message->seq;
    return 0;
}

static int list_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_list(tx, &asking->filter, note, asking, &asking->resume, err);
}

static int found_with(struct store *store, struct store_message_filter filter)
{
    struct asking asking = { .filter = filter };
    int total = 0;

    do {
        asking.count = 0;
        must(store_read(store, list_run, &asking, &failure));
        total += asking.count;
        asking.filter.before = asking.resume;
    } while (asking.resume);
    return total;
}

static int found(struct store *store, const char *text)
{
    return found_with(store, (struct store_message_filter){ .direction = -1, .state = -1, .acknowledged = -1, .text = text, .limit = 2 });
}

static int64_t inside(const char *sql)
{
    sqlite3_stmt *stmt;
    int64_t value = -1;
    sqlite3 *db;

    if (sqlite3_open(state_file("postern.db"), &db) != SQLITE_OK || sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        abort();
    if (sqlite3_step(stmt) == SQLITE_ROW)
        value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

/* ---- tests ---- */

static void test_questions(void)
{
    static const char *const bodies[] = { "The kiln is too hot; open valve 12.", "Gr\xc3\xbc\xc3\x9f" "e aus M\xc3\xbcnchen", "x\xc3\xa9ro" };
    static const struct {
        const char *text;
        int count;
    } rows[] = {
        { "kiln", 1 }, { "KILN hot", 1 }, { "kil val", 1 }, { "iln", 0 }, { "hot kiln nowhere", 0 }, { "\"too hot\"", 1 },
        { "\"hot too\"", 0 }, { "\"too ho\"", 0 }, { "munchen", 1 }, { "M\xc3\x9cNCHEN", 1 }, { "xero", 1 }, { "gr\xc3\xbc\xc3\x9f" "e", 1 },
        { "plant@example.com", 3 }, { "ops", 3 }, { "first", 1 }, { "e", 0 }, { "x", 0 }, { "12", 1 }, { "1", 0 }, { "", 0 },
        { "\"", 0 }, { "\"\"", 0 }, { "kiln \"", 1 }, { "\"kiln", 1 }, { "- kiln", 1 }, { "kiln AND hot", 0 }, { "kiln OR x", 0 },
        { "NOT kiln", 0 }, { "kil*", 1 }, { "subject:first", 0 }, { "body:kiln", 0 }, { "(kiln)", 1 }, { "^kiln", 1 }, { "kiln^2", 0 },
        { "{kiln hot}", 1 }, { "kiln + hot", 1 }, { "'kiln'", 1 }, { "kiln;", 1 }, { "a\"kiln\"b", 0 }, { "\xff\xfe", 0 }, { "\xe2\x82\xac kiln", 1 },
        { "\xf0\x9f\x94\xa5", 0 }, { "NEAR(kiln hot)", 0 }, { "a b c d e f g h i j k l m n o p q r s t u v w x y z", 0 },
    };
    struct store *store = state_must_open();

    add(store, "inbox", "first");
    add(store, "inbox", "second");
    add(store, "other", "third");
    is_int(take_in(store, 64, bodies, false), 3, "three are taken in");
    is_int(take_in(store, 64, NULL, false), 0, "and once");
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        is_int(found(store, rows[i].text), rows[i].count, rows[i].text);
    is_int(found_with(store, (struct store_message_filter){ .account = "other", .direction = -1, .state = -1, .acknowledged = -1, .text = "ops",
                                                            .limit = 5 }), 1, "of an account");
    is_int(found_with(store, (struct store_message_filter){ .direction = -1, .state = -1, .acknowledged = -1, .text = "ops", .limit = 5,
                                                            .accounts = (const char *const[]){ "inbox", NULL } }), 2, "of a token's accounts");
    is_int(found_with(store, (struct store_message_filter){ .direction = MESSAGE_OUTGOING, .state = -1, .acknowledged = -1, .text = "ops",
                                                            .limit = 5 }), 0, "of a direction");
    is_int(found_with(store, (struct store_message_filter){ .direction = -1, .state = -1, .acknowledged = 0, .text = "ops", .limit = 5 }), 3,
           "not acknowledged");
    is_int(found_with(store, (struct store_message_filter){ .direction = -1, .state = -1, .acknowledged = -1, .text = "ops", .limit = 5,
                                                            .since = clock_now() + DAYS(1) }), 0, "of a time");
    store_close(store);
}

static void test_behind(void)
{
    struct store *store = state_must_open();

    for (int i = 0; i < 5; i++) {
        AUTO_FREE char *subject = mem_printf("gauge %d", i);

        add(store, "inbox", subject);
    }
    is_int(found(store, "gauge"), 5, "before they are in the index they are found by their subject");
    is_int(found(store, "gauge plant ops"), 5, "from and to");
    is_int(found(store, "\"gauge 3\""), 1, "and phrases of it");
    is_int(found(store, "text"), 0, "and not by their text");
    is_int(take_in(store, 3, NULL, false), 3, "three are taken in");
    is_int(found(store, "gauge"), 5, "all are found, each once");
    is_int(found(store, "text"), 3, "three by their text");
    is_int(take_in(store, 64, NULL, false), 2, "and the others");
    is_int(found(store, "text"), 5, "all");
    store_close(store);
}

static int again_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct store_search_words words = { *(int64_t *)ctx, "again", "", "", "" };

    return store_search_add(tx, &words, err);
}

static int remove_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_message_remove(tx, *(int64_t *)ctx, err);
}

static int purge_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_message_purge(tx, "inbox", clock_now() + DAYS(1), 100, ctx, err);
}

struct acknowledging {
    char id[MESSAGE_ID_LEN + 1];
};

static int acknowledge_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct acknowledging *acknowledging = ctx;
    AUTO(message) message = NULL;

    if (store_message_find(tx, acknowledging->id, &message, err) < 0)
        return -1;
    message->acknowledged = true;
    return store_message_update(tx, message, err);
}

static void test_removed(void)
{
    struct store *store = state_must_open();
    int64_t first = add(store, "inbox", "first"), second = add(store, "inbox", "second"), removed, unread, ghost = 0;
    struct message *read = state_message("inbox", 1);
    struct acknowledging acknowledging;

    read->state = MESSAGE_RECEIVED;
    read->direction = MESSAGE_INCOMING;
    state_add(store, read);
    memcpy(acknowledging.id, read->id, sizeof(read->id));
    message_free(read);
    must(store_write(store, remove_run, &first, false, &failure));
    is_int(take_in(store, 64, NULL, false), 2, "what went before it was taken in is passed over");
    is_int(found(store, "text"), 2, "the others are found");
    must(store_write(store, again_run, &second, false, &failure));
    is_int(found(store, "again"), 0, "taken in twice is taken in once");
    ghost = 1000;
    must(store_write(store, again_run, &ghost, false, &failure));
    is_int(inside("SELECT count(*) FROM message_search"), 2, "a message that isn't there has no words");
    must(store_write(store, acknowledge_run, &acknowledging, false, &failure));
    must(store_write(store, purge_run, &removed, false, &failure));
    is_int(removed, 1, "retention takes what was acknowledged, and nothing else");
    is_int(found(store, "text"), 1, "and its words");
    must(store_write(store, remove_run, &second, false, &failure));
    is_int(inside("SELECT count(*) FROM message_search"), 0, "nothing is left of what was removed");
    unread = inside("INSERT INTO message_search (message_search) VALUES ('integrity-check')");
    is_int(unread, -1, "and the index is sound");
    store_close(store);
}

static void test_failed(void)
{
    struct store *store = state_must_open();

    add(store, "inbox", "first");
    add(store, "inbox", "second");
    take_in(store, 64, NULL, true);
    is_int(inside("SELECT seq FROM search_mark"), 0, "where the write fails, the mark stays");
    is_int(inside("SELECT count(*) FROM message_search"), 0, "as does the index");
    is_int(take_in(store, 64, NULL, false), 2, "and the next look takes them in");
    is_int(found(store, "text"), 2, "each once");
    store_close(store);
}

/* ---- many ---- */

struct many {
    int count;
};

static int many_run(struct store_tx *tx, void *ctx, struct err *err)
{
    for (int i = 0; i < ((struct many *)ctx)->count; i++) {
        struct message *message = state_message(i % 100 ? "inbox" : "rare", 0);
        int rc = store_message_add(tx, message, STR("Subject: x\r\n\r\nx\r\n"), NULL, NULL, err);
        const struct store_search_words words = { message->seq, "kiln", "plant@example.com", "[]", i == 0 ? "needle" : "hay" };

        message_free(message);
        if (rc < 0 || store_search_add(tx, &words, err) < 0)
            return -1;
    }
    return 0;
}

/* Pages look at a bounded number of messages, and none at the hay for a needle. */
static void test_many(void)
{
    struct store *store = state_must_open();
    struct asking asking = { .filter = { .direction = -1, .state = -1, .acknowledged = -1, .text = "needle", .limit = 10 } };
    struct many many = { 5000 };
    int pages = 0;

    must(store_write(store, many_run, &many, false, &failure));
    must(store_read(store, list_run, &asking, &failure));
    ok(asking.count == 1 && asking.resume == 0, "the first of 5,000 is found at once");
    asking = (struct asking){ .filter = { .account = "nobody", .direction = -1, .state = -1, .acknowledged = -1, .text = "hay", .limit = 10 } };
    do {
        must(store_read(store, list_run, &asking, &failure));
        asking.filter.before = asking.resume;
        pages++;
    } while (asking.resume);
    ok(asking.count == 0 && pages > 1 && pages < 5, "what the filter takes away from many that are found is looked at in pages");
    store_close(store);
}

int main(void)
{
    static void (*const tests[])(void) = { test_questions, test_behind, test_removed, test_failed, test_many };

    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        state_make();
        tests[i]();
        state_remove();
    }
    return done();
}
