/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/users.h - people and programs that may ask: log-in, passwords, API tokens. DESIGN 5.
 *
 * Password hashes are slow and large on purpose, so everything that makes or checks one runs on a small pool of its own
 * (station->hashing) and answers through done(). Looking at a token is fast and may be done on an HTTP thread. */
#ifndef POSTERN_APP_USERS_H
#define POSTERN_APP_USERS_H

#include <jansson.h>

#include "app/config.h"
#include "app/station.h"
#include "base/str.h"
#include "component/problems.h"

struct token;

#define USERS_HASHING_THREADS 2         /* 16 MiB each while it works */
#define TOKEN_ID_LEN 16                 /* hex digits */

enum { USER_VIEWER, USER_OPERATOR, USER_ADMIN };       /* user.role and token.role; places in user_roles */

/* First start: when there is no user yet, makes "admin". Its password is the first line of `password_file`, or, when that is
 * NULL, made up and given in `*one_time` (mem_free_secret), to be changed at the first log-in. */
int users_first(struct station *station, const char *password_file, char **one_time, struct err *err);
/* A password of 100 random bits that a person can type; mem_free_secret. */
char *users_random_password(void);

/* ---- log-in ---- */

struct users_login {
    struct station *station;
    char *username, *password;          /* owned */
    struct entry *user;                 /* held during done(); NULL when refused */
    /* err: ERR_UNAUTHORIZED user.wrongPassword, ERR_FULL when too many wait already. */
    void (*done)(struct users_login *login, const struct err *err);
    void *ctx;
};
void users_login(struct users_login *login);            /* takes it, made by mem_alloc */
/* After a log-in was let in: lastLogin, soon. */
void users_note_login(struct station *station, const char *username);

/* ---- passwords ---- */

struct users_password {
    struct station *station;
    char *username, *old, *fresh;       /* owned */
    struct actor actor;                 /* the strings stay the caller's until done() */
    struct problems problems;           /* with ERR_INVALID; password.wrong for the old one, the rest for the new one */
    bool wrong;                         /* the old password was wrong: a guess */
    void (*done)(struct users_password *request, const struct err *err);
    void *ctx;
};
void users_change_password(struct users_password *request);     /* takes it, made by mem_alloc */
/* For the command line; waits. The user must change it at the next log-in. */
int users_reset_password(struct station *station, const char *username, const char *fresh, const struct actor *actor,
                         struct err *err);

/* ---- users as configuration ---- */

/* config_write for a request on station->users: hashes `password` (taken; NULL: none given) first, and keeps the last
 * administrator. `request->last_word` and `request->extra` are its own. Does not wait. */
void users_write(struct station *station, struct config_request *request, char *password);
/* The same for one of a config_batch: what comes before, on a worker of station->hashing, and what comes after. */
void users_write_prepare(struct station *station, struct config_request *request, char *password);
void users_write_end(struct config_request *request);
/* Runs `fn` on the pool for hashes; ERR_FULL when too much waits there. */
int users_hash_later(struct station *station, void (*fn)(void *ctx), void *ctx, struct err *err);

/* ---- tokens ---- */

struct users_token {
    struct station *station;
    struct token *token;                /* owned: label, role, accounts, expires_at */
    struct actor actor;                 /* the strings stay the caller's until done() */
    char *text;                         /* the token itself, shown once; wiped after done() */
    struct entry *entry;                /* held during done() */
    void (*done)(struct users_token *request, const struct err *err);
    void *ctx;
};
void users_token_create(struct users_token *request);   /* takes it, made by mem_alloc */
/* Waits; for the command line. `*text` with mem_free_secret. Takes `token`. */
int users_token_create_wait(struct station *station, struct token *token, const struct actor *actor, char **text, struct err *err);
/* Is this a token that still holds? Its entry, held; or NULL with err ERR_UNAUTHORIZED. Notes the use. */
struct entry *users_token_check(struct station *station, struct str text, struct err *err);
/* The role that the token with this id gives by now; -1 when it is deleted or has expired. */
int users_token_role(struct station *station, const char *id);
/* Adds what is wrong with the token's settings. */
void users_token_problems(const struct token *token, struct problems *problems);

/* Something else than this process wrote users or tokens: reads them again. `changed` (or NULL) is told each user that is gone or
 * whose password or role changed, on the writer thread. */
void users_reread(struct station *station, void (*changed)(const char *username, void *ctx), void *ctx);

#endif
