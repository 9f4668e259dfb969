/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of mailboxes: each UID once, generations, what is to be done, and the count of what nobody acknowledged. */
#include "base/clock.h"
#include "state.h"

static struct err failure;

/* One function of the store at a time, with its arguments. */
struct asking {
    const char *account;
    int64_t generation;
    struct store_remote remote;
    struct store_mailbox mailbox;
    enum store_todo todo;
    int64_t now;
    char uids[256];             /* what was visited, with blanks between */
    int result;
    int64_t newest;
    struct message *message;
    struct store_message_counts counts;
};

static int put_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_mailbox_put(tx, asking->account, &asking->mailbox, err);
}

static int find_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_mailbox_find(tx, asking->account, "imap://u@h/INBOX", &asking->mailbox, &asking->newest, err);
}

static int add_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    asking->result = store_remote_add(tx, asking->account, asking->generation, &asking->remote, err);
    return asking->result < 0 ? -1 : 0;
}

static int known_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    asking->result = store_remote_is_known(tx, asking->account, asking->generation, asking->remote.uid, err);
    return asking->result < 0 ? -1 : 0;
}

static int match_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;
    struct store_remote found;

    asking->result = store_remote_match(tx, asking->account, asking->generation, asking->remote.message_id, asking->remote.size, &found, err);
    if (asking->result > 0)
        asking->remote.message = found.message;
    return asking->result < 0 ? -1 : 0;
}

static int visit(const struct store_remote *remote, void *ctx)
{
    struct asking *asking = ctx;
    size_t len = strlen(asking->uids);

    snprintf(asking->uids + len, sizeof(asking->uids) - len, "%s%s", len ? " " : "", remote->uid);
    return 0;
}

static int todo_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_remote_todo(tx, asking->account, asking->generation, asking->todo, asking->now, 100, visit, asking, err);
}

static int each_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_remote_each(tx, asking->account, asking->generation, visit, asking, err);
}

static int finish_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_remote_finish(tx, asking->account, asking->generation, asking->remote.uid, err);
}

static int missing_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_remote_missing(tx, asking->account, asking->generation, asking->remote.uid, asking->now, asking->now - DAYS(7), err);
}

static int there_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_remote_there(tx, asking->account, asking->generation, asking->remote.uid, err);
}

static int rename_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_mailbox_rename_account(tx, asking->account, "other", err);
}

static int remove_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_mailbox_remove(tx, asking->account, err);
}

static int add_message_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_add(tx, asking->message, STR("Subject: x\r\n\r\n"), NULL, NULL, err);
}

static int update_message_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_update(tx, asking->message, err);
}

static int remove_message_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_remove(tx, asking->message->seq, err);
}

static int counts_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct asking *asking = ctx;

    return store_message_counts(tx, asking->account, &asking->counts, err);
}

static struct asking run(struct store *store, store_run *function, struct asking asking)
{
    if (store_write(store, function, &asking, false, &failure) < 0) {
        printf("# %s: %s\n", failure.id, failure.text);
        abort();
    }
    return asking;
}

static int add(struct store *store, int64_t generation, const char *uid, const char *message_id, int64_t size, enum store_todo todo,
               int64_t next)
{
    struct asking asking = { "in", generation, { .uid = uid, .message_id = message_id, .size = size, .message = size, .todo = todo,
                                                 .next_attempt = next } };

    return run(store, add_run, asking).result;
}

static bool known(struct store *store, int64_t generation, const char *uid)
{
    return run(store, known_run, (struct asking){ "in", generation, { .uid = uid } }).result == 1;
}

static void test_once(struct store *store)
{
    is_int(add(store, 1, "7", "<a@x>", 100, TODO_SEEN, 0), 1, "a UID is added");
    is_int(add(store, 1, "7", "<b@x>", 200, TODO_DELETE, 0), 0, "once");
    ok(known(store, 1, "7") && !known(store, 1, "8") && !known(store, 2, "7"), "and known in its generation only");
    is_str(run(store, todo_run, (struct asking){ "in", 1, .todo = TODO_SEEN }).uids, "7", "what is to be done is what was said first");
    run(store, finish_run, (struct asking){ "in", 1, { .uid = "7" } });
    is_str(run(store, todo_run, (struct asking){ "in", 1, .todo = TODO_SEEN }).uids, "", "until it is done");
    ok(known(store, 1, "7"), "it stays known");
}

static void test_later(struct store *store)
{
    add(store, 1, "9", "", 1, TODO_FETCH, 1000);
    is_str(run(store, todo_run, (struct asking){ "in", 1, .todo = TODO_FETCH, .now = 999 }).uids, "", "not before its time");
    is_str(run(store, todo_run, (struct asking){ "in", 1, .todo = TODO_FETCH, .now = 1000 }).uids, "9", "then it is");
}

static void test_missing(struct store *store)
{
    int64_t now = DAYS(100);

    add(store, 1, "gone", "<gone@x>", 5, TODO_NOTHING, 0);
    run(store, missing_run, (struct asking){ "in", 1, { .uid = "gone" }, .now = now });
    run(store, missing_run, (struct asking){ "in", 1, { .uid = "gone" }, .now = now + DAYS(6) });
    ok(known(store, 1, "gone"), "a message that the server doesn't list stays known for a while");
    run(store, there_run, (struct asking){ "in", 1, { .uid = "gone" } });
    run(store, missing_run, (struct asking){ "in", 1, { .uid = "gone" }, .now = now + DAYS(8) });
    ok(known(store, 1, "gone"), "and if it was listed again in between, as long again");
    run(store, missing_run, (struct asking){ "in", 1, { .uid = "gone" }, .now = now + DAYS(16) });
    ok(!known(store, 1, "gone"), "then it is forgotten");
}

static void test_generations(struct store *store)
{
    struct asking asking = { "in", .mailbox = { (char *)"imap://u@h/INBOX", 1, 5, 9 } };

    run(store, put_run, asking);
    asking = run(store, match_run, (struct asking){ "in", 2, { .message_id = "<a@x>", .size = 100 } });
    ok(asking.result == 1 && asking.remote.message == 100, "a message of another generation is found by Message-ID and size");
    is_int(run(store, match_run, (struct asking){ "in", 2, { .message_id = "<a@x>", .size = 101 } }).result, 0, "not with another size");
    is_int(run(store, match_run, (struct asking){ "in", 1, { .message_id = "<a@x>", .size = 100 } }).result, 0, "nor in its own");
    add(store, 2, "1", "<a@x>", 100, TODO_NOTHING, 0);
    asking = (struct asking){ "in", .mailbox = { (char *)"imap://u@h/INBOX", 2, 6, 0 } };
    run(store, put_run, asking);
    ok(known(store, 2, "1") && !known(store, 1, "7"), "new UIDs of a mailbox forget the old ones");
    asking = (struct asking){ "in", .mailbox = { (char *)"imap://u@elsewhere/INBOX", 3, 6, 0 } };
    run(store, put_run, asking);
    ok(known(store, 2, "1"), "another mailbox beside it doesn't");
    asking = run(store, find_run, (struct asking){ "in" });
    ok(asking.newest == 3 && asking.mailbox.generation == 2 && asking.mailbox.uid_validity == 6 && strcmp(asking.mailbox.source, "imap://u@h/INBOX") == 0,
       "and each is found again");
    store_mailbox_clear(&asking.mailbox);
}

static void test_names(struct store *store)
{
    struct asking asking;

    run(store, rename_run, (struct asking){ "in" });
    asking = run(store, find_run, (struct asking){ "in" });
    ok(asking.mailbox.source == NULL && !known(store, 2, "1"), "a renamed account leaves nothing under its old name");
    is_str(run(store, each_run, (struct asking){ "other", 2 }).uids, "1", "and has it under the new one");
    run(store, remove_run, (struct asking){ "other" });
    is_str(run(store, each_run, (struct asking){ "other", 2 }).uids, "", "a deleted one leaves nothing");
}

static int64_t unacknowledged(struct store *store)
{
    return run(store, counts_run, (struct asking){ "in" }).counts.unacknowledged;
}

static void test_unacknowledged(struct store *store)
{
    struct asking asking = { "in", .message = state_message("in", 0) };

    asking.message->direction = MESSAGE_INCOMING;
    asking.message->state = MESSAGE_RECEIVED;
    run(store, add_message_run, asking);
    is_int(unacknowledged(store), 1, "a received message counts as not acknowledged");
    asking.message->acknowledged = true;
    run(store, update_message_run, asking);
    run(store, update_message_run, asking);
    is_int(unacknowledged(store), 0, "until it is");
    asking.message->acknowledged = false;
    run(store, update_message_run, asking);
    run(store, remove_message_run, asking);
    is_int(unacknowledged(store), 0, "or until it is removed");
    message_free(asking.message);
}

int main(void)
{
    struct store *store;

    state_make();
    store = state_must_open();
    test_once(store);
    test_later(store);
    test_missing(store);
    test_generations(store);
    test_names(store);
    test_unacknowledged(store);
    store_close(store);
    state_remove();
    crypto_key_free(state_key);
    return done();
}
