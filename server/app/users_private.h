/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/users_private.h - what users.c and users_write.c share. */
#ifndef POSTERN_APP_USERS_PRIVATE_H
#define POSTERN_APP_USERS_PRIVATE_H

#include "app/users.h"

struct user;

void users_set_text(char **at, const char *text);
int users_set_password(struct user *user, const char *password, bool must_change, struct err *err);
void users_check_password(struct station *station, const char *pointer, const char *password, struct problems *problems);

#endif
