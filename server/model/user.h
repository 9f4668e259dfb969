/* SPDX-License-Identifier: Apache-2.0 */
/* server/model/user.h - who may do what: users and API tokens. DESIGN 5. */
#ifndef POSTERN_MODEL_USER_H
#define POSTERN_MODEL_USER_H

#include "component/prop.h"

extern const char *const user_roles[];  /* "viewer", "operator", "admin"; index + 1 is http's enum role */

/* Its name is the user's name. */
struct user {
    int64_t role;
    char *description;
    char *password_hash;                /* yescrypt; not a property: nothing shows it */
    bool must_change_password;
    int64_t created_at;
    int64_t last_login;
    int64_t password_changed_at;
};
extern const struct component_type user_type;

/* Its name is the token's id; the token itself is shown once and kept as a hash. */
struct token {
    char *label;                        /* "name" in the API */
    int64_t role;
    json_t *accounts;                   /* names; empty: all */
    int64_t expires_at;
    char *hash;                         /* SHA-256 of the token, hex */
    char *created_by;
    int64_t created_at;
    int64_t last_used;
};
extern const struct component_type token_type;

#endif
