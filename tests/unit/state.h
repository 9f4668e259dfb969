/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/state.h - a state directory of one's own, an open store in it, and messages to put there. */
#ifndef POSTERN_TESTS_STATE_H
#define POSTERN_TESTS_STATE_H

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "store/store.h"
#include "tap.h"

static char state_dir[256];
static struct crypto_key *state_key;

__attribute__((unused))
static void state_make(void)
{
    const char *base = getenv("TMPDIR");

    snprintf(state_dir, sizeof(state_dir), "%s/postern-test-XXXXXX", base && *base ? base : "/tmp");
    if (mkdtemp(state_dir) == NULL)
        abort();
    if (state_key == NULL)
        state_key = crypto_key_new_random();
}

static int state_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

__attribute__((unused))
static void state_remove(void)
{
    nftw(state_dir, state_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

__attribute__((unused))
static const char *state_file(const char *name)
{
    static char path[320];

    snprintf(path, sizeof(path), "%s/%s", state_dir, name);
    return path;
}

__attribute__((unused))
static struct store *state_open(bool exclusive, struct err *err)
{
    struct store_options options = { .state_dir = state_dir, .key = state_key, .exclusive = exclusive };
    struct store *store = NULL;

    return store_open(&store, &options, err) == 0 ? store : NULL;
}

/* With words where it should have opened. */
__attribute__((unused))
static struct store *state_must_open(void)
{
    struct err err = { 0 };
    struct store *store = state_open(false, &err);

    if (store == NULL) {
        printf("# %s: %s\n", err.id, err.text);
        abort();
    }
    return store;
}

/* ---- messages ---- */

__attribute__((unused))
static struct message *state_message(const char *account, int64_t due)
{
    struct message *message = message_new();

    message->account = mem_strdup(account);
    message->sender = mem_strdup("plant@example.com");
    message->from = mem_strdup("Plant <plant@example.com>");
    message->to = mem_strdup("[\"ops@example.com\"]");
    message->subject = mem_strdup("Kiln 3 is hot");
    message->message_id = mem_printf("<%s@example.com>", message->id);
    message->created_by = mem_strdup("admin");
    message->next_attempt = due;
    message->recipient_count = 1;
    message->recipients = mem_array(1, sizeof(*message->recipients));
    message->recipients[0].address = mem_strdup("ops@example.com");
    return message;
}

struct state_add {
    struct message *message;
    struct str raw;
    const struct store_idempotency *once;
    struct message *first;
    int rc;
};

__attribute__((unused))
static int state_add_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct state_add *add = ctx;

    add->message->size = (int64_t)add->raw.len;
    add->rc = store_message_add(tx, add->message, add->raw, add->once, &add->first, err);
    return add->rc < 0 ? -1 : 0;
}

/* Stores it and answers its seq. */
__attribute__((unused))
static int64_t state_add(struct store *store, struct message *message)
{
    struct state_add add = { .message = message, .raw = STR("Subject: x\r\n\r\ny\r\n") };
    struct err err = { 0 };

    if (store_write(store, state_add_run, &add, false, &err) < 0) {
        printf("# %s: %s\n", err.id, err.text);
        abort();
    }
    return message->seq;
}

#endif
