/* SPDX-License-Identifier: Apache-2.0 */
#include "app/oauth_fetch.h"

#include <string.h>

#include "app/roots.h"
#include "base/clock.h"
#include "model/webhook.h"

#define AT "emailAuthenticator"
#define CONNECT_MS SECONDS(10)
#define TOTAL_MS SECONDS(20)            /* of each of the two requests */

/* ---- what can go wrong on the way ---- */

static const struct { const char *id, *own; } failures[] = {
    { "cert.", "oauth.certificate" }, { "http.tooLarge", "oauth.answer" }, { "http.garbage", "oauth.answer" },
    { "http.url", "oauth.endpoint" }, { "", "oauth.unreachable" },
};

static int failed(const struct err *why, struct err *err)
{
    size_t i = 0;

    while (strncmp(why->id, failures[i].id, strlen(failures[i].id)) != 0)
        i++;
    if (why->code == ERR_STOPPED)
        return err_id(err, ERR_STOPPED, why->id, NULL, "%s", why->text);
    return err_id(err, why->code == ERR_REFUSED ? ERR_REFUSED : ERR_TEMPORARY, failures[i].own, AT, "No token was to be had: %s", why->text);
}

static bool is_json(const struct client_answer *answer)
{
    struct str type = str_n(answer->content_type, strcspn(answer->content_type, ";"));

    return str_eq_nocase(str_trim(type), STR("application/json"));
}

static int sent_elsewhere(const struct client_answer *answer, const char *host, struct err *err)
{
    return err_id(err, ERR_REFUSED, "oauth.redirect", AT, "%.80s answered %d and sends elsewhere%s%.160s; that is not followed.", host,
                  answer->status, answer->location[0] ? ": " : "", answer->location);
}

static int send(struct client *client, const char *host, const struct client_request *request, struct client_answer *answer,
                struct err *err)
{
    struct err why;

    if (client_send(client, request, answer, &why) < 0)
        return failed(&why, err);
    if (answer->status >= 300 && answer->status < 400)
        return sent_elsewhere(answer, host, err);
    if (answer->status == 200 && !is_json(answer))
        return err_id(err, ERR_TEMPORARY, "oauth.answer", AT, "%.80s answered %s instead of application/json.", host,
                      answer->content_type[0] ? answer->content_type : "something without a type");
    return 0;
}

/* ---- the two requests ---- */

static int get_metadata(struct client *client, const char *host, const char *url, struct oauth_endpoint *endpoint, struct err *err)
{
    const struct client_request request = { .url = url, .answer_max = OAUTH_ANSWER_MAX, .connect_ms = CONNECT_MS, .total_ms = TOTAL_MS };
    struct client_answer answer = { 0 };
    int rc = send(client, host, &request, &answer, err);

    if (rc == 0 && (answer.status >= 500 || answer.status == 429))
        rc = err_id(err, ERR_TEMPORARY, "oauth.temporary", AT, "%.80s gives no metadata now: %d.", host, answer.status);
    else if (rc == 0 && answer.status != 200)
        rc = err_id(err, ERR_REFUSED, "oauth.metadata", AT, "%.80s has no metadata at this address: it answered %d.", host, answer.status);
    else if (rc == 0)
        rc = oauth_read_metadata(buf_str(&answer.body), url, endpoint, err);
    client_answer_clear(&answer);
    return rc;
}

static int ask(struct client *client, const char *host, const struct auth_oauth2 *auth, const struct oauth_endpoint *endpoint,
               const struct buf *body, const struct buf *authorization, struct oauth_fetched *ret, struct err *err)
{
    const struct client_header headers[] = {
        { "Content-Type", "application/x-www-form-urlencoded" }, { "Accept", "application/json" },
        { authorization->len ? "Authorization" : NULL, authorization->p }, { NULL, NULL },
    };
    const struct client_request request = {
        .method = "POST", .url = endpoint->token_url, .headers = headers, .body = buf_str(body), .answer_max = OAUTH_ANSWER_MAX,
        .connect_ms = CONNECT_MS, .total_ms = TOTAL_MS, .secret = true,
    };
    struct client_answer answer = { 0 };
    int rc = send(client, host, &request, &answer, err);

    ret->retry_after = answer.retry_after;
    if (rc == 0 && answer.status == 200)
        rc = oauth_read_token(buf_str(&answer.body), &ret->token, &ret->life, err);
    else if (rc == 0)
        rc = oauth_read_refusal(answer.status, buf_str(&answer.body), host, auth, err);
    client_answer_clear(&answer);
    return rc;
}

static int get_token(struct client *client, const char *host, const struct auth_oauth2 *auth, const struct oauth_endpoint *endpoint,
                     struct oauth_fetched *ret, struct err *err)
{
    struct buf body, authorization;
    int rc;

    buf_init_secret(&body, OAUTH_ANSWER_MAX);
    buf_init_secret(&authorization, OAUTH_ANSWER_MAX);
    rc = oauth_write_request(auth, endpoint, &body, &authorization, err);
    if (rc == 0)
        rc = ask(client, host, auth, endpoint, &body, &authorization, ret, err);
    buf_free(&body);
    buf_free(&authorization);
    return rc;
}

/* Metadata and endpoint are at one host (oauth_parse.c), so that one client does for both. */
int oauth_fetch(struct station *station, struct clients *clients, const struct auth_oauth2 *auth, struct oauth_endpoint *endpoint,
                struct oauth_fetched *ret, struct err *err)
{
    const struct client_options options = { .cleartext = false };
    const char *url = endpoint->token_url[0] ? endpoint->token_url : auth->metadata_url;
    AUTO(client) client = NULL;
    struct webhook_url parsed;
    struct err why;

    *ret = (struct oauth_fetched){ .retry_after = -1 };
    if (webhook_url_parse(url, &parsed) != NULL)
        return err_id(err, ERR_REFUSED, "oauth.endpoint", AT, "The address of the authorization server is no https address.");
    if (roots_client(&client, station, clients, parsed.host, &options, &why) < 0)
        return failed(&why, err);
    if (endpoint->token_url[0] == '\0' && get_metadata(client, parsed.host, auth->metadata_url, endpoint, err) < 0)
        return -1;
    return get_token(client, parsed.host, auth, endpoint, ret, err);
}
