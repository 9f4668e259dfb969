/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/oauth_parse.h - what an authorization server is asked, and what it says: text in, facts out. RFC 6749, RFC 8414.
 *
 * The authenticator's clientSecret is the secret itself here, never a reference. Errors have ids oauth.* or config.*, and are at
 * "emailAuthenticator". */
#ifndef POSTERN_APP_OAUTH_PARSE_H
#define POSTERN_APP_OAUTH_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "model/account.h"

#define OAUTH_URL_MAX 1024
#define OAUTH_ANSWER_MAX (64 * 1024)    /* bytes of an answer, tokens and metadata alike */
#define OAUTH_TOKEN_MAX (16 * 1024)
#define OAUTH_LIFE_PRESET 300           /* s: what a token without expires_in is taken to live */
#define OAUTH_LIFE_MAX 86400            /* s: nothing is believed to live longer */

struct oauth_endpoint {
    char token_url[OAUTH_URL_MAX];      /* "": the metadata tells it */
    bool secret_in_body;                /* client_secret_post instead of client_secret_basic */
};

/* Whether a token can be had with these settings at all; the endpoint as far as the provider's row tells it. */
int oauth_check(const struct auth_oauth2 *auth, struct oauth_endpoint *ret, struct err *err);
/* `url`: where the document was read. */
int oauth_read_metadata(struct str document, const char *url, struct oauth_endpoint *ret, struct err *err);

/* The body of the request, and the value of its Authorization header ("" when the body has the secret). Both buffers secret. */
int oauth_write_request(const struct auth_oauth2 *auth, const struct oauth_endpoint *endpoint, struct buf *body,
                        struct buf *authorization, struct err *err);
/* `*token` is the caller's (mem_free_secret); `*life` in seconds. */
int oauth_read_token(struct str document, char **token, int64_t *life, struct err *err);
/* What a refusal means; always -1. `host`: who refused. */
int oauth_read_refusal(int status, struct str document, const char *host, const struct auth_oauth2 *auth, struct err *err);

#endif
