/* SPDX-License-Identifier: Apache-2.0 */
/* Messages in the store: adding once, claims and leases, counts, pages, and statements that stay cheap. */
#include <sqlite3.h>

#include "base/clock.h"
#include "base/map.h"
#include "state.h"

#define RUN(store, function, ctx) must(store_write(store, function, ctx, false, &failure))

static struct err failure;

static void must(int rc)
{
    if (rc < 0) {
        printf("# %s: %s\n", failure.id, failure.text);
        abort();
    }
}

/* ---- asking ---- */

struct asking {
    const char *id, *account, *owner, *to;
    int64_t now, until, changed;
    int max;
    enum message_state from, into;
    bool limit_only;
    struct message *message;
    struct message *taken[16];
    int count;
    struct store_message_counts counts;
};

static int find_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_find(tx, asking->id, &asking->message, err);
}

static struct message *find(struct store *store, const char *id)
{
    struct asking asking = { .id = id };

    return store_read(store, find_run, &asking, &failure) == 0 ? asking.message : NULL;
}

static int take(struct message *message, void *ctx)
{
    struct asking *asking = ctx;

    asking->taken[asking->count++] = message;
    return 0;
}

static int claim_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;
    struct store_lease lease = { asking->owner, asking->until };

    return store_message_claim(tx, asking->account, &lease, asking->now, asking->max, take, asking, err);
}

static int orphans_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_orphans(tx, asking->owner, asking->now, take, asking, err);
}

static int counts_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_counts(tx, asking->account, &asking->counts, err);
}

static struct store_message_counts counts(struct store *store, const char *account)
{
    struct asking asking = { .account = account };

    must(store_read(store, counts_run, &asking, &failure));
    return asking.counts;
}

static int update_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_message_update(tx, ctx, err);
}

static int move_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_move(tx, asking->account, asking->from, asking->into, asking->now, asking->limit_only, &asking->changed, err);
}

static int purge_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_purge(tx, asking->account, asking->now, asking->max, &asking->changed, err);
}

static int rename_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct asking *asking = ctx;

    return store_message_rename_account(tx, asking->account, asking->to, err);
}

static int remove_run(struct store_tx *tx, void *ctx, struct err *err)
{
    return store_message_remove(tx, ((const struct message *)ctx)->seq, err);
}

static int raw_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;
    AUTO_BUF(raw, 4096);

    if (store_message_raw(tx, asking->message->seq, &raw, err) < 0)
        return -1;
    asking->changed = (int64_t)raw.len;
    return 0;
}

static void forget(struct asking *asking)
{
    for (int i = 0; i < asking->count; i++)
        message_free(asking->taken[i]);
    asking->count = 0;
}

static void finish(struct store *store, struct message *message, enum message_state state, int64_t at)
{
    message->state = state;
    message->finished_at = at;
    message->next_attempt = 0;
    message->recipients[0].state = state;
    message->recipients[0].code = 250;
    RUN(store, update_run, message);
}

/* ---- adding ---- */

static void test_add(void)
{
    struct store *store = state_must_open();
    struct message *message = state_message("alerts", 1000), *back;
    struct asking asking = { 0 };

    message->recipients[0].enhanced = mem_strdup("4.2.1");
    message->recipients[0].text = mem_strdup("later");
    message->send_at = 55;
    message->smtputf8 = true;
    state_add(store, message);
    ok(message->seq > 0, "a seq");
    store_close(store);
    store = state_must_open();
    back = find(store, message->id);
    ok(back && back->seq == message->seq && back->state == MESSAGE_QUEUED && back->next_attempt == 1000 && back->send_at == 55 &&
       back->smtputf8 && back->created_at == message->created_at && back->size == 17, "found again, numbers");
    ok(back && strcmp(back->account, "alerts") == 0 && strcmp(back->subject, message->subject) == 0 && strcmp(back->to, message->to) == 0 &&
       strcmp(back->from, message->from) == 0 && strcmp(back->message_id, message->message_id) == 0 && back->last_code == NULL,
       "found again, strings");
    ok(back && back->recipient_count == 1 && strcmp(back->recipients[0].address, "ops@example.com") == 0 &&
       strcmp(back->recipients[0].enhanced, "4.2.1") == 0 && strcmp(back->recipients[0].text, "later") == 0, "found again, recipients");
    asking.message = back;
    ok(store_read(store, raw_run, &asking, &failure) == 0 && asking.changed == 17, "and its bytes");
    RUN(store, remove_run, back);
    ok(find(store, message->id) == NULL && failure.code == ERR_NOT_FOUND, "removed");
    ok(store_read(store, raw_run, &asking, &failure) < 0 && failure.code == ERR_NOT_FOUND, "with its bytes");
    is_int(counts(store, "alerts").waiting, 0, "and not counted");
    message_free(back);
    message_free(message);
    store_close(store);
}

static int try_add(struct store *store, const char *account, const char *user, const char *key, uint8_t digest, struct state_add *add)
{
    struct store_idempotency once = { .user = user, .key = key };
    int rc;

    memset(once.digest, digest, sizeof(once.digest));
    *add = (struct state_add){ .message = state_message(account, 1), .raw = STR("x"), .once = &once };
    rc = store_write(store, state_add_run, add, false, &failure);
    return rc < 0 ? -1 : add->rc;
}

static void test_idempotency(void)
{
    static const struct { const char *account, *user, *key; uint8_t digest; int rc; const char *name; } cases[] = {
        { "alerts", "ann", "k1", 1, 0, "a new key" },
        { "alerts", "ann", "k1", 1, 1, "the same again" },
        { "alerts", "ann", "k1", 2, -1, "the same with another body" },
        { "alerts", "ann", "k2", 2, 0, "another key" },
        { "alerts", "bob", "k1", 2, 0, "another user" },
        { "alarms", "ann", "k1", 2, 0, "another account" },
    };
    struct store *store = state_must_open();
    struct message *original = NULL;
    struct state_add add;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int rc = try_add(store, cases[i].account, cases[i].user, cases[i].key, cases[i].digest, &add);

        is_int(rc, cases[i].rc, cases[i].name);
        if (rc == 1)
            is_str(add.first->id, original->id, "the first answer is given again");
        if (rc < 0)
            is_str(failure.id, "idempotency.mismatch", "with its own code");
        message_free(add.first);
        if (i == 0)
            original = add.message;
        else
            message_free(add.message);
    }
    is_int(counts(store, "alerts").waiting, 3, "nothing was added twice");
    RUN(store, remove_run, original);
    is_int(try_add(store, "alerts", "ann", "k1", 9, &add), 0, "a key is kept as long as its message");
    message_free(add.message);
    message_free(original);
    store_close(store);
}

/* ---- claims ---- */

static void test_claim(void)
{
    static const struct { int64_t due; enum message_state state; int place; const char *name; } cases[] = {
        { 300, MESSAGE_QUEUED, 2, "queued" },
        { 100, MESSAGE_DEFERRED, 0, "deferred" },
        { 5000, MESSAGE_QUEUED, -1, "not due yet" },
        { 200, MESSAGE_UNCERTAIN, 1, "uncertain, to be sent again" },
        { 0, MESSAGE_UNCERTAIN, -1, "uncertain, a person's" },
        { 50, MESSAGE_HELD, -1, "held" },
        { 60, MESSAGE_SENT, -1, "sent" },
    };
    struct store *store = state_must_open();
    struct asking asking = { .account = "alerts", .owner = "me", .now = 1000, .until = 2000, .max = 10 };
    struct message *messages[COUNT_OF(cases)];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        messages[i] = state_message("alerts", cases[i].due);
        messages[i]->state = cases[i].state;
        state_add(store, messages[i]);
    }
    is_int(counts(store, "alerts").due_next, 100, "due_next is the earliest of those that are taken up");
    asking.max = 2;
    RUN(store, claim_run, &asking);
    is_int(asking.count, 2, "as many as asked for");
    asking.max = 10;
    RUN(store, claim_run, &asking);
    is_int(asking.count, 3, "and then the rest that is due");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int place = -1;

        for (int t = 0; t < asking.count; t++)
            if (strcmp(asking.taken[t]->id, messages[i]->id) == 0)
                place = t;
        is_int(place, cases[i].place, cases[i].name);
        message_free(messages[i]);
    }
    ok(asking.taken[0]->state == MESSAGE_SENDING && asking.taken[0]->attempts == 1 && asking.taken[0]->recipient_count == 1,
       "sending, counted, with recipients");
    is_int(counts(store, "alerts").due_next, 5000, "what is taken is not due");
    is_int(counts(store, "alerts").waiting, 6, "but waits: all but the one sent");
    forget(&asking);
    store_close(store);
}

static void test_orphans(void)
{
    struct store *store = state_must_open();
    struct asking asking = { .account = "alerts", .owner = "old", .now = 1000, .until = 2000, .max = 10 };
    struct message *message;

    for (int i = 0; i < 3; i++) {
        message = state_message("alerts", 1);
        state_add(store, message);
        message_free(message);
    }
    RUN(store, claim_run, &asking);
    finish(store, asking.taken[0], MESSAGE_SENT, 1100);
    forget(&asking);
    store_close(store);
    store = state_must_open();
    asking.now = 1500;
    RUN(store, orphans_run, &asking);
    is_int(asking.count, 0, "a lease of one's own that runs: no orphan");
    asking.owner = "new";
    RUN(store, orphans_run, &asking);
    is_int(asking.count, 2, "another's lease: orphans, but not what was finished");
    forget(&asking);
    asking.owner = "old";
    asking.now = 2500;
    RUN(store, orphans_run, &asking);
    is_int(asking.count, 2, "a lease that ran out: orphans");
    asking.taken[0]->state = MESSAGE_QUEUED;
    asking.taken[0]->next_attempt = 1;
    RUN(store, update_run, asking.taken[0]);
    forget(&asking);
    RUN(store, orphans_run, &asking);
    is_int(asking.count, 1, "an update ends the lease");
    forget(&asking);
    RUN(store, claim_run, &asking);
    is_int(asking.count, 1, "and it can be claimed again");
    is_int(asking.taken[0]->attempts, 2, "for the second time");
    forget(&asking);
    store_close(store);
}

static void test_update(void)
{
    struct store *store = state_must_open();
    struct message *message = state_message("alerts", 1), *back;

    state_add(store, message);
    message->last_code = mem_strdup("delivery.refused");
    message->last_cause = mem_strdup("No such user");
    message->recipients[0].text = mem_strdup("5.1.1 no such user");
    message->attempts = 3;
    finish(store, message, MESSAGE_FAILED, 4000);
    back = find(store, message->id);
    ok(back->state == MESSAGE_FAILED && back->finished_at == 4000 && back->attempts == 3 && strcmp(back->last_code, "delivery.refused") == 0 &&
       strcmp(back->last_cause, "No such user") == 0, "the message's result");
    ok(back->recipients[0].state == MESSAGE_FAILED && back->recipients[0].code == 250 &&
       strcmp(back->recipients[0].text, "5.1.1 no such user") == 0, "the recipient's result");
    is_int(counts(store, "alerts").waiting, 0, "waits no more");
    RUN(store, remove_run, back);
    ok(store_write(store, update_run, back, false, &failure) < 0 && failure.code == ERR_NOT_FOUND, "what is gone cannot be updated");
    message_free(back);
    message_free(message);
    store_close(store);
}

/* ---- many at once ---- */

static void add_in(struct store *store, const char *account, enum message_state state, int64_t due, int count)
{
    for (int i = 0; i < count; i++) {
        struct message *message = state_message(account, due);

        message->state = state;
        state_add(store, message);
        message_free(message);
    }
}

static void test_move(void)
{
    struct store *store = state_must_open();
    struct asking asking = { .account = "alerts", .now = 700, .from = MESSAGE_QUEUED, .into = MESSAGE_HELD, .limit_only = true };

    add_in(store, "alerts", MESSAGE_QUEUED, 10, 3);
    add_in(store, "alerts", MESSAGE_HELD, 10, 2);
    add_in(store, "other", MESSAGE_QUEUED, 10, 1);
    RUN(store, move_run, &asking);
    is_int(asking.changed, 3, "held by the day's limit");
    is_int(counts(store, "alerts").held, 5, "beside those that a person holds");
    is_int(counts(store, "alerts").due_next, 0, "nothing is due");
    asking = (struct asking){ .account = "alerts", .now = 800, .from = MESSAGE_HELD, .into = MESSAGE_QUEUED, .limit_only = true };
    RUN(store, move_run, &asking);
    is_int(asking.changed, 3, "the limit's are released, a person's are not");
    is_int(counts(store, "alerts").due_next, 800, "and due");
    is_int(counts(store, "other").waiting, 1, "another account's are left alone");
    asking = (struct asking){ .account = "alerts", .now = 900, .from = MESSAGE_QUEUED, .into = MESSAGE_CANCELED };
    RUN(store, move_run, &asking);
    is_int(asking.changed, 3, "canceled");
    is_int(counts(store, "alerts").waiting, 2, "wait no more");
    store_close(store);
}

static void test_purge(void)
{
    struct store *store = state_must_open();
    struct asking asking = { .account = "alerts", .now = 5000, .max = 2 };

    for (int i = 0; i < 5; i++) {
        struct message *message = state_message("alerts", 1);

        state_add(store, message);
        finish(store, message, MESSAGE_SENT, i < 3 ? 1000 : 9000);
        message_free(message);
    }
    add_in(store, "alerts", MESSAGE_QUEUED, 1, 1);
    RUN(store, purge_run, &asking);
    is_int(asking.changed, 2, "at most as many as asked for");
    RUN(store, purge_run, &asking);
    is_int(asking.changed, 1, "the last old one");
    RUN(store, purge_run, &asking);
    is_int(asking.changed, 0, "what is younger stays");
    is_int(counts(store, "alerts").waiting, 1, "what waits stays");
    store_close(store);
}

static void test_rename(void)
{
    struct store *store = state_must_open();
    struct asking asking = { .account = "alerts", .to = "alarms", .owner = "me", .now = 1000, .until = 2000, .max = 10 };

    add_in(store, "alerts", MESSAGE_QUEUED, 10, 3);
    RUN(store, rename_run, &asking);
    is_int(counts(store, "alarms").waiting, 3, "counted under the new name");
    is_int(counts(store, "alerts").waiting, 0, "and not under the old");
    asking.account = "alarms";
    RUN(store, claim_run, &asking);
    is_int(asking.count, 3, "and sent under it");
    ok(asking.count && strcmp(asking.taken[0]->account, "alarms") == 0, "which they carry");
    forget(&asking);
    store_close(store);
}

/* ---- pages ---- */

struct page {
    struct store_message_filter filter;
    int64_t seqs[64];
    int count;
    int64_t resume;
};

static int note(const struct message *message, void *ctx)
{
    struct page *page = ctx;

    page->seqs[page->count++] = message->seq;
    return 0;
}

static int list_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct page *page = ctx;

    return store_message_list(tx, &page->filter, note, page, &page->resume, err);
}

/* Walks all pages; -1 when a message came twice or out of order. */
static int walk(struct store *store, const struct store_message_filter *filter)
{
    struct page page = { .filter = *filter };
    int64_t last = INT64_MAX;
    int total = 0;

    do {
        page.count = 0;
        must(store_read(store, list_run, &page, &failure));
        for (int i = 0; i < page.count; i++) {
            if (page.seqs[i] >= last)
                return -1;
            last = page.seqs[i];
        }
        total += page.count;
        page.filter.before = page.resume;
    } while (page.resume);
    return total;
}

static void test_list(void)
{
    static const char *const only_beta[] = { "beta", NULL }, *const none[] = { NULL };
    static const struct { struct store_message_filter filter; int count; const char *name; } cases[] = {
        { { NULL, -1, -1, NULL, NULL, 0, 7, -1, 0, 0 }, 60, "all" },
        { { "alpha", -1, -1, NULL, NULL, 0, 7, -1, 0, 0 }, 30, "of an account" },
        { { "nobody", -1, -1, NULL, NULL, 0, 7, -1, 0, 0 }, 0, "of no account" },
        { { NULL, MESSAGE_INCOMING, -1, NULL, NULL, 0, 7, -1, 0, 0 }, 20, "incoming" },
        { { NULL, MESSAGE_OUTGOING, -1, NULL, NULL, 0, 7, -1, 0, 0 }, 40, "outgoing" },
        { { NULL, -1, MESSAGE_SENT, NULL, NULL, 0, 7, -1, 0, 0 }, 20, "sent" },
        { { "alpha", -1, MESSAGE_SENT, NULL, NULL, 0, 10, -1, 0, 0 }, 10, "of an account and sent, one exact page" },
        { { "alpha", MESSAGE_OUTGOING, -1, NULL, NULL, 0, 7, -1, 0, 0 }, 20, "of an account, outgoing" },
        { { NULL, MESSAGE_INCOMING, MESSAGE_SENT, NULL, NULL, 0, 7, -1, 0, 0 }, 0, "incoming and sent" },
        { { NULL, -1, -1, "KILN", NULL, 0, 7, -1, 0, 0 }, 60, "a text, whatever its case" },
        { { NULL, -1, -1, "nowhere", NULL, 0, 7, -1, 0, 0 }, 0, "a text that is not there" },
        { { NULL, -1, -1, NULL, only_beta, 0, 7, -1, 0, 0 }, 30, "of a token's accounts" },
        { { "alpha", -1, -1, NULL, only_beta, 0, 7, -1, 0, 0 }, 0, "of an account that the token may not see" },
        { { NULL, -1, -1, NULL, none, 0, 7, -1, 0, 0 }, 0, "of a token without accounts" },
        { { NULL, -1, -1, NULL, NULL, 0, 60, -1, 0, 0 }, 60, "all on one page" },
    };
    struct store *store = state_must_open();
    struct page page = { .filter = { .direction = -1, .state = -1, .acknowledged = -1, .limit = 10 } };

    for (int i = 0; i < 60; i++) {
        struct message *message = state_message(i % 2 ? "alpha" : "beta", 1);

        message->state = i % 3 == 0 ? MESSAGE_SENT : i % 3 == 1 ? MESSAGE_QUEUED : MESSAGE_RECEIVED;
        message->direction = i % 3 == 2 ? MESSAGE_INCOMING : MESSAGE_OUTGOING;
        state_add(store, message);
        message_free(message);
    }
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        is_int(walk(store, &cases[i].filter), cases[i].count, cases[i].name);
    must(store_read(store, list_run, &page, &failure));
    page.filter.before = page.resume;
    add_in(store, "alpha", MESSAGE_QUEUED, 1, 5);
    page.count = 0;
    must(store_read(store, list_run, &page, &failure));
    ok(page.count == 10 && page.seqs[0] == page.filter.before - 1, "a page stays where it was when newer messages come");
    store_close(store);
}

/* ---- audit ---- */

struct trail {
    int count;
    char text[256];
    int64_t last;
};

static int audit_run(struct store_tx *tx, void *ctx, struct err *err)
{
    (void)ctx;
    for (int i = 0; i < 3; i++) {
        struct store_audit entry = { .at = 10 + i, .who = "ann", .action = i == 1 ? "delete" : "change", .resource = "OutgoingAccount/alerts",
                                     .detail = i ? "{}" : NULL };

        if (store_audit_add(tx, &entry, err) < 0)
            return -1;
    }
    return 0;
}

static int note_audit(const struct store_audit *entry, void *ctx)
{
    struct trail *trail = ctx;
    size_t len = strlen(trail->text);

    snprintf(trail->text + len, sizeof(trail->text) - len, "%lld %s %s; ", (long long)entry->at, entry->action,
             entry->detail ? entry->detail : "-");
    trail->last = entry->seq;
    return 0;
}

static int trail_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct trail *trail = ctx;

    trail->text[0] = '\0';
    return store_audit_list(tx, NULL, trail->last, 2, note_audit, trail, err);
}

static void test_audit(void)
{
    struct store *store = state_must_open();
    struct trail trail = { 0 };

    RUN(store, audit_run, NULL);
    must(store_read(store, trail_run, &trail, &failure));
    is_str(trail.text, "12 change {}; 11 delete {}; ", "newest first");
    must(store_read(store, trail_run, &trail, &failure));
    is_str(trail.text, "10 change -; ", "and on");
    store_close(store);
}

/* ---- what the statements cost ---- */

static struct map *statements;

static int on_statement(unsigned kind, void *ctx, void *stmt, void *text)
{
    const char *sql = sqlite3_sql(stmt);

    (void)kind;
    (void)ctx;
    (void)text;
    if (statements && sql && (strncmp(sql, "SELECT", 6) == 0 || strncmp(sql, "UPDATE", 6) == 0 || strncmp(sql, "DELETE", 6) == 0))
        map_put(statements, sql, (void *)1);
    return 0;
}

static int on_open(sqlite3 *db, char **words, const sqlite3_api_routines *api)
{
    (void)words;
    (void)api;
    sqlite3_trace_v2(db, SQLITE_TRACE_STMT, on_statement, NULL);
    return SQLITE_OK;
}

static bool is_flat(sqlite3 *db, const char *sql)
{
    AUTO_FREE char *explain = mem_printf("EXPLAIN QUERY PLAN %s", sql);
    sqlite3_stmt *stmt;
    bool flat = true;

    if (sqlite3_prepare_v2(db, explain, -1, &stmt, NULL) != SQLITE_OK)
        abort();
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(stmt, 3);

        /* FTS5's own way to its index, and its settings. */
        if (strstr(detail, "VIRTUAL TABLE INDEX") || strstr(detail, "message_search_config"))
            continue;
        if (strncmp(detail, "SCAN message", 12) == 0 || strncmp(detail, "SCAN recipient", 14) == 0 || strncmp(detail, "SCAN m", 6) == 0) {
            printf("# %s: %s\n", detail, sql);
            flat = strstr(sql, "WHERE seq <") != NULL;  /* from the newest down, cut to a page */
        }
    }
    sqlite3_finalize(stmt);
    return flat;
}

/* Every statement that the tests before made on messages, as the database would run it. */
static void test_plans(void)
{
    sqlite3 *db;
    const char *sql;
    size_t at = 0, count = 0;
    bool flat = true;

    store_close(state_must_open());
    if (sqlite3_open(state_file("postern.db"), &db) != SQLITE_OK)
        abort();
    while (map_next(statements, &at, &sql)) {
        if (strstr(sql, "message") == NULL)
            continue;
        flat &= is_flat(db, sql);
        count++;
    }
    sqlite3_close(db);
    ok(flat && count > 20, "none of %zu statements walks through all messages", count);
}

int main(void)
{
    static void (*const tests[])(void) = { test_add, test_idempotency, test_claim, test_orphans, test_update, test_move, test_purge,
                                           test_rename, test_list, test_audit, test_plans };

    statements = map_new();
    sqlite3_auto_extension((void (*)(void))on_open);
    for (size_t i = 0; i < COUNT_OF(tests); i++) {
        state_make();
        tests[i]();
        state_remove();
    }
    sqlite3_cancel_auto_extension((void (*)(void))on_open);
    map_free(statements);
    crypto_key_free(state_key);
    return done();
}
