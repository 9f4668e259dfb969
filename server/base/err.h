/* SPDX-License-Identifier: Apache-2.0 */
/* server/base/err.h - what went wrong, where, and what the program does next.
 *
 * A function returns 0, or -1 with `err` filled. Libraries return errors; main, app and api log them, once. */
#ifndef POSTERN_BASE_ERR_H
#define POSTERN_BASE_ERR_H

#include <stddef.h>

/* What the program does next; api/ turns it into a status. */
enum err_code {
    ERR_NONE,
    ERR_INTERNAL,           /* 500: ours */
    ERR_SYNTAX,             /* 400: not what the format says */
    ERR_INVALID,            /* 422: understood, and wrong */
    ERR_UNAUTHORIZED,       /* 401 */
    ERR_FORBIDDEN,          /* 403 */
    ERR_NOT_FOUND,          /* 404 */
    ERR_EXISTS,             /* 409: the name is taken */
    ERR_CONFLICT,           /* 409: not in this state */
    ERR_PRECONDITION,       /* 412 */
    ERR_TOO_LARGE,          /* 413 */
    ERR_MEDIA_TYPE,         /* 415 */
    ERR_RATE,               /* 429: slow down */
    ERR_FULL,               /* 503: a limit of ours is reached; try later */
    ERR_STORAGE,            /* 507: the disk is full, or writing failed */
    /* Mail: what becomes of the attempt. */
    ERR_TEMPORARY,          /* try again later */
    ERR_REFUSED,            /* trying again will not help: configuration or credentials */
    ERR_ASK,                /* a person has to decide about a certificate */
    ERR_STOPPED,            /* we are stopping, or the account was changed */
};

struct err {
    enum err_code code;
    char id[48];            /* machine-readable, dotted: "tls.version", "queue.full"; "" when there is none */
    char at[64];            /* property, pointer or protocol step: "/port", "smtp.ehlo" */
    char text[384];         /* one sentence for a person; never a secret */
};

/* Returns -1: `return err_set(…);`. `err` may be NULL. `at` may be NULL for none. Control characters that a
 * peer sent are replaced, so the text can go into a log line. */
int err_set(struct err *err, enum err_code code, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same with a machine-readable id. */
int err_id(struct err *err, enum err_code code, const char *id, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Puts words in front of the text: "Reading the key: …". Returns -1. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
