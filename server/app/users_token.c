/* SPDX-License-Identifier: Apache-2.0 */
/* API tokens: "pst_<id>_<secret>", shown once and kept as a hash. */
#include <stdlib.h>
#include <string.h>

#include "app/audit.h"
#include "app/events.h"
#include "app/users_private.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "crypto/crypto.h"
#include "model/user.h"
#include "store/store.h"

#define PREFIX "pst_"
#define SECRET_LEN 43                   /* base64url of 32 bytes */
#define TOKEN_LEN (sizeof(PREFIX) - 1 + TOKEN_ID_LEN + 1 + SECRET_LEN)
#define USE_NOTED_EVERY SECONDS(60)

/* ---- making ---- */

static void hash_text(struct str text, char hex[2 * CRYPTO_SHA256_LEN + 1])
{
    uint8_t sum[CRYPTO_SHA256_LEN];

    crypto_sha256(text, sum);
    hex_encode(sum, sizeof(sum), hex);
}

struct fresh {
    struct token *token;
    const struct actor *actor;
    char id[TOKEN_ID_LEN + 1];
    struct users_token *request;        /* or NULL: somebody waits */
};

/* Draws id and secret; `*text` is the whole token. */
static int draw(struct fresh *fresh, char **text, struct err *err)
{
    uint8_t random[TOKEN_ID_LEN / 2];
    char hash[2 * CRYPTO_SHA256_LEN + 1];
    AUTO_SECRET char *secret = NULL;

    if (crypto_random(random, sizeof(random)) < 0 || crypto_token(&secret) < 0)
        return err_set(err, ERR_INTERNAL, NULL, "The system gave no random numbers.");
    hex_encode(random, sizeof(random), fresh->id);
    *text = mem_printf(PREFIX "%s_%s", fresh->id, secret);
    hash_text(str_c(*text), hash);
    users_set_text(&fresh->token->hash, hash);
    users_set_text(&fresh->token->created_by, fresh->actor->name);
    fresh->token->created_at = clock_now();
    return 0;
}

static int create_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct fresh *fresh = ctx;
    const struct store_stamp stamp = { fresh->actor->name, fresh->token->created_at };
    AUTO_FREE char *resource = mem_printf("Token/%s", fresh->id);
    json_t *detail = json_pack("{s:s, s:s}", "name", fresh->token->label, "role", user_roles[fresh->token->role]);
    int rc = store_put(tx, &token_type, fresh->id, fresh->token, &stamp, err);

    if (rc == 0)
        rc = audit_add(tx, fresh->actor, "create", resource, detail, err);
    if (rc == 0)
        rc = events_add(tx, "token.created", NULL, resource, json_incref(detail), err);
    json_decref(detail);
    return rc;
}

static struct entry *publish(struct station *station, struct fresh *fresh)
{
    struct entry *entry = entry_new(&token_type, fresh->id, fresh->token, fresh->actor->name, fresh->token->created_at,
                                    station->key);

    entry_free(registry_put(station->tokens, entry_hold(entry)));
    return entry;
}

static void create_done(void *ctx, const struct err *err)
{
    struct fresh *fresh = ctx;
    struct users_token *request = fresh->request;

    if (err == NULL)
        request->entry = publish(request->station, fresh);
    else
        component_free(&token_type, fresh->token);
    free(fresh);
    request->done(request, err);
    entry_free(request->entry);
    mem_free_secret(request->text);
    free(request);
}

void users_token_create(struct users_token *request)
{
    struct fresh *fresh = mem_alloc(sizeof(*fresh));
    struct err err;

    *fresh = (struct fresh){ .token = TAKE(request->token), .actor = &request->actor, .request = request };
    if (draw(fresh, &request->text, &err) < 0)
        create_done(fresh, &err);
    else
        store_submit(request->station->store, create_run, create_done, fresh, false);
}

int users_token_create_wait(struct station *station, struct token *token, const struct actor *actor, char **text, struct err *err)
{
    struct fresh fresh = { .token = token, .actor = actor };
    AUTO_SECRET char *drawn = NULL;

    if (draw(&fresh, &drawn, err) < 0 || store_write(station->store, create_run, &fresh, false, err) < 0) {
        component_free(&token_type, token);
        return -1;
    }
    entry_free(publish(station, &fresh));
    *text = TAKE(drawn);
    return 0;
}

void users_token_problems(const struct token *token, struct problems *problems)
{
    const json_t *account;
    size_t i;

    if (*token->label == '\0')
        problems_add(problems, "/name", "property.required", "Give the token a name that says what it is for.");
    if (token->expires_at && token->expires_at <= clock_now())
        problems_add(problems, "/expiresAt", "token.expired", "expiresAt is in the past.");
    json_array_foreach(token->accounts, i, account) {
        AUTO_FREE char *pointer = mem_printf("/accounts/%zu", i);

        if (!component_name_ok(str_c(json_string_value(account))))
            problems_add(problems, pointer, "name.format", "This cannot be an account's name.");
    }
}

/* ---- looking ---- */

struct find {
    const char *id;
    struct token *token;
};

static int find_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct find *find = ctx;

    return store_find(tx, &token_type, find->id, (void **)&find->token, err);
}

/* One that the command line made while we run is stored, and not yet known here. */
static struct entry *find_stored(struct station *station, const char *id)
{
    struct find find = { id, NULL };
    struct entry *entry;
    struct err err;

    if (store_read(station->store, find_run, &find, &err) < 0) {
        if (err.code != ERR_NOT_FOUND)
            log_warning("users", "A token could not be looked up: %s", err.text);
        return NULL;
    }
    entry = entry_new(&token_type, id, find.token, find.token->created_by, find.token->created_at, station->key);
    entry_free(registry_put(station->tokens, entry_hold(entry)));
    return entry;
}

static bool is_hex(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (memchr("0123456789abcdef", text.p[i], 16) == NULL)
            return false;
    return true;
}

struct used {
    char id[TOKEN_ID_LEN + 1];
    int64_t at;
};

static int used_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct used *used = ctx;
    struct token *token;
    int rc;

    if (store_find(tx, &token_type, used->id, (void **)&token, err) < 0)
        return -1;
    token->last_used = used->at;
    rc = store_put_state(tx, &token_type, used->id, token, err);
    component_free(&token_type, token);
    return rc;
}

static void used_done(void *ctx, const struct err *err)
{
    if (err && err->code != ERR_NOT_FOUND)
        log_warning("users", "The use of a token could not be noted: %s", err->text);
    free(ctx);
}

/* lastUsed is the one member of a published token that changes in place, atomically: replacing the entry each minute would only
 * cost, and many threads come here at once, of which one shall write. */
static void note_use(struct station *station, struct entry *entry)
{
    struct token *token = entry->component;
    int64_t now = clock_now(), before = __atomic_load_n(&token->last_used, __ATOMIC_RELAXED);
    struct used *used;

    if (now - before < USE_NOTED_EVERY && now >= before)
        return;
    if (!__atomic_compare_exchange_n(&token->last_used, &before, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    used = mem_alloc(sizeof(*used));
    memcpy(used->id, entry->name, TOKEN_ID_LEN);
    used->at = now;
    store_submit(station->store, used_run, used_done, used, false);
}

static struct entry *find_token(struct station *station, struct str text)
{
    char id[TOKEN_ID_LEN + 1] = "";
    struct entry *entry;

    if (text.len != TOKEN_LEN || !str_starts(text, STR(PREFIX)) || text.p[TOKEN_LEN - SECRET_LEN - 1] != '_')
        return NULL;
    memcpy(id, text.p + sizeof(PREFIX) - 1, TOKEN_ID_LEN);
    if (!is_hex(str_c(id)) || strlen(id) != TOKEN_ID_LEN)
        return NULL;
    entry = registry_get(station->tokens, id);
    return entry ? entry : find_stored(station, id);
}

struct entry *users_token_check(struct station *station, struct str text, struct err *err)
{
    struct entry *entry = find_token(station, text);
    const struct token *token = entry ? entry->component : NULL;
    char hash[2 * CRYPTO_SHA256_LEN + 1];

    hash_text(text, hash);
    if (token == NULL || strlen(token->hash) != strlen(hash) || !mem_equal_secret(token->hash, hash, strlen(hash))) {
        entry_free(entry);
        err_id(err, ERR_UNAUTHORIZED, "token.unknown", NULL, "The API token is not one of ours, or was deleted.");
        return NULL;
    }
    if (token->expires_at && token->expires_at <= clock_now()) {
        char when[CLOCK_TEXT_MAX];

        err_id(err, ERR_UNAUTHORIZED, "token.expired", NULL, "The API token expired on %s.", clock_format(token->expires_at, when));
        entry_free(entry);
        return NULL;
    }
    note_use(station, entry);
    return entry;
}

int users_token_role(struct station *station, const char *id)
{
    AUTO(entry) entry = registry_get(station->tokens, id);
    const struct token *token = entry ? entry->component : NULL;

    if (token == NULL || (token->expires_at && token->expires_at <= clock_now()))
        return -1;
    return (int)token->role;
}
