/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/oauth.h - access tokens: fetched when an account needs one, shared by all that use the same grant, renewed before they
 * end, kept in memory only. DESIGN 2.5.
 *
 * A grant is what a token is given for: provider, tenant, client, scope, metadata and the secret itself. Another secret is another
 * grant, so that corrected settings are tried at once, whatever became of the old ones. */
#ifndef POSTERN_APP_OAUTH_H
#define POSTERN_APP_OAUTH_H

#include <stdbool.h>

#include "app/station.h"
#include "base/err.h"

struct auth_oauth2;
struct oauth;

struct oauth *oauth_new(struct station *station);
void oauth_stop(struct oauth *oauth);           /* who waits for a token gets ERR_STOPPED; any thread */
void oauth_free(struct oauth *oauth);           /* when nobody waits any more; NULL is fine */

/* A token that lives on for a while; `*ret` is the caller's (mem_free_secret). May wait for the authorization server, and for
 * somebody else who asks it already. `urgent`: ask it even if it failed a moment ago, since a person wants to know.
 * -1 with ERR_TEMPORARY, ERR_REFUSED or ERR_STOPPED; ids oauth.* and config.*. */
int oauth_token(struct oauth *oauth, const struct auth_oauth2 *auth, bool urgent, char **ret, struct err *err);
/* The mail server refused `token`: 0 with another one, or -1 when there is none that it hasn't seen. A token is replaced so at most
 * once a minute, however many accounts are refused: the fault is then not the token's. */
int oauth_replace(struct oauth *oauth, const struct auth_oauth2 *auth, const char *token, char **ret);

/* Wipes what nobody has used for a while; now and then. */
void oauth_sweep(struct oauth *oauth);

#endif
