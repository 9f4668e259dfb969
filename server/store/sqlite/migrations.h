/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POSTERN_STORE_MIGRATIONS_H
#define POSTERN_STORE_MIGRATIONS_H

/* In order; ends with number 0. Made from db/sqlite/ by db/embed.sh. */
struct migration {
    int number;
    const char *name;
    const char *sql;
};
extern const struct migration migrations[];

#endif
