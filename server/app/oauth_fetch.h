/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/oauth_fetch.h - one token from an authorization server: metadata where it is needed, then the token endpoint. */
#ifndef POSTERN_APP_OAUTH_FETCH_H
#define POSTERN_APP_OAUTH_FETCH_H

#include "app/oauth_parse.h"
#include "app/station.h"
#include "client/client.h"

struct oauth_fetched {
    char *token;                        /* the caller's (mem_free_secret) */
    int64_t life;                       /* s */
    int64_t retry_after;                /* s; of a failure; -1: not said */
};

/* `endpoint` is filled from the metadata when it is empty. Takes OAUTH_FETCH_MS at most. */
#define OAUTH_FETCH_MS SECONDS(40)
int oauth_fetch(struct station *station, struct clients *clients, const struct auth_oauth2 *auth, struct oauth_endpoint *endpoint,
                struct oauth_fetched *ret, struct err *err);

#endif
