/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/oauth_expiry.h - client secrets end, and nobody at the provider says so: told 30, 14 and 3 days before, and then. */
#ifndef POSTERN_APP_OAUTH_EXPIRY_H
#define POSTERN_APP_OAUTH_EXPIRY_H

#include <jansson.h>

#include "app/station.h"

/* The event account.secretExpires where one is due that was not told yet, in this run or an earlier one. Reads the store. */
void oauth_expiry_check(struct station *station, const struct entry *account);
/* The same, soon: an account was changed. */
void oauth_expiry_notice(struct station *station, const struct entry *account);

/* For the account's status: {clientSecretExpires, clientSecretDays, clientSecretAdvice}, or {} where none is known. The caller's. */
json_t *oauth_expiry_json(const struct entry *account);

/* 30, 14, 3 or 0 as so much time is left; -1 while it is longer. */
int oauth_expiry_stage(int64_t left_ms);

#endif
