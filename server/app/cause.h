/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/cause.h - the machine-readable codes of what can go wrong with mail: the state they mean and what to do. DESIGN 2.4. */
#ifndef POSTERN_APP_CAUSE_H
#define POSTERN_APP_CAUSE_H

#include <stdbool.h>
#include <stddef.h>

enum account_state { STATE_PENDING, STATE_OK, STATE_DOWN, STATE_FAULT, STATE_CHALLENGED, STATE_DISABLED };
#define ACCOUNT_STATES 6
extern const char *const account_state_names[];

struct cause {
    const char *code;
    enum account_state state;
    const char *advice;             /* one or two sentences: what to do */
};

/* Never NULL: an unknown code is answered by its first part ("tls.*"), and that by a general row. */
const struct cause *cause_of(const char *code);
/* The narrower code that a provider's words stand for, else `code`. Families: "auth", a refused log-in; "bearer", one with a token;
 * "oauth", a refused token. */
const char *cause_refine(const char *family, const char *code, const char *words);
const struct cause *cause_at(size_t i);         /* for the documentation; NULL at the end */

#endif
