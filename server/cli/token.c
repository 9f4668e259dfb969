/* SPDX-License-Identifier: Apache-2.0 */
/* postern token create|list|delete */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/users.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/commands.h"
#include "component/json.h"
#include "model/user.h"

/* "90d", "12h", "30m" from now, or RFC 3339. */
static bool parse_expiry(const char *text, int64_t *ret)
{
    static const struct { char unit; int64_t ms; } units[] = { { 'd', DAYS(1) }, { 'h', SECONDS(3600) }, { 'm', SECONDS(60) } };
    struct str number = str_c(text);
    int64_t count;

    if (clock_parse(number, ret))
        return true;
    if (number.len < 2)
        return false;
    number.len--;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (text[number.len] == units[i].unit && str_to_int(number, &count) && count > 0 && count <= 36500 * 1440) {
            *ret = clock_now() + count * units[i].ms;
            return true;
        }
    }
    return false;
}

static int fill_token(const struct cli_command *command, struct token *token, const char *name, const char *role,
                      const char *expires, const struct cli_list *accounts)
{
    AUTO_PROBLEMS(problems);

    if (prop_from_text(prop_find(token_type.props, "label"), token, name, &problems) < 0)
        return cli_misuse(command, "--name %s: %s", name, problems.items[0].detail);
    if (prop_from_text(prop_find(token_type.props, "role"), token, role, &problems) < 0)
        return cli_misuse(command, "--role must be viewer, operator or admin, not %s", role);
    if (expires && !parse_expiry(expires, &token->expires_at))
        return cli_misuse(command, "--expires must be a time like 2027-01-31T00:00:00Z, or 90d, 12h, 30m, not %s", expires);
    for (size_t i = 0; i < accounts->count; i++) {
        if (!component_name_ok(str_c(accounts->items[i])))
            return cli_misuse(command, "--account %s cannot be an account's name", accounts->items[i]);
        json_array_append_new(token->accounts, json_string(accounts->items[i]));
    }
    users_token_problems(token, &problems);
    return problems.count ? cli_misuse(command, "%s", problems.items[0].detail) : -1;
}

static int create(struct token *token, const char *state_dir)
{
    const struct actor actor = cli_actor();
    struct station *station;
    AUTO_SECRET char *text = NULL;
    struct err err;
    int rc;

    if (cli_open_station(&station, state_dir, true, &err) < 0) {
        component_free(&token_type, token);
        return cli_fail(&err);
    }
    rc = users_token_create_wait(station, token, &actor, &text, &err);
    station_free(station);
    if (rc < 0)
        return cli_fail(&err);
    if (puts(text) < 0 || fflush(stdout) != 0) {
        fputs("postern: the token could not be printed\n", stderr);
        return CLI_FAILED;
    }
    cli_nudge_server(state_dir);
    return CLI_OK;
}

static int run_create(const struct cli_command *command, int argc, char **argv)
{
    const char *state_dir = NULL, *name = NULL, *role = "viewer", *expires = NULL;
    struct cli_list accounts = { .count = 0 };
    const struct cli_option options[] = {
        { "--name", "NAME", "what the token is for", .value = &name },
        { "--role", "ROLE", "viewer (the default), operator or admin", .value = &role },
        { "--expires", "WHEN", "RFC 3339, or 90d, 12h, 30m from now; without it the token holds until it is deleted", .value = &expires },
        { "--account", "NAME", "the token is good for this account only", .list = &accounts },
        CLI_STATE_DIR(state_dir),
        { NULL },
    };
    int code = cli_parse(command, options, argc, argv, NULL, 0);
    struct token *token;

    if (code >= 0)
        return code;
    if (name == NULL)
        return cli_misuse(command, "--name is missing");
    token = component_new(&token_type);
    if (token->accounts == NULL)
        token->accounts = json_array();
    code = fill_token(command, token, name, role, expires, &accounts);
    if (code >= 0) {
        component_free(&token_type, token);
        return code;
    }
    return create(token, cli_state_dir(state_dir));
}

const struct cli_command cli_token_create = {
    "token create", NULL, "Makes an API token and prints it, and nothing else, on standard output.", run_create
};

static void print_token(struct entry *entry, void *ctx)
{
    const struct token *token = entry->component;
    char until[CLOCK_TEXT_MAX];

    (void)ctx;
    printf("%s  %-8s  %-24s  %s\n", entry->name, user_roles[token->role], token->expires_at ? clock_format(token->expires_at, until) : "never ends",
           token->label);
}

static int run_list(const struct cli_command *command, int argc, char **argv)
{
    const char *state_dir = NULL;
    const struct cli_option options[] = { CLI_STATE_DIR(state_dir), { NULL } };
    int code = cli_parse(command, options, argc, argv, NULL, 0);
    struct station *station;
    struct err err;

    if (code >= 0)
        return code;
    if (cli_open_station(&station, cli_state_dir(state_dir), false, &err) < 0)
        return cli_fail(&err);
    registry_each(station->tokens, print_token, NULL);
    station_free(station);
    return CLI_OK;
}

const struct cli_command cli_token_list = { "token list", NULL, "Lists the API tokens: id, role, end and name.", run_list };

static int run_delete(const struct cli_command *command, int argc, char **argv)
{
    const char *state_dir = NULL, *id = NULL;
    const struct cli_option options[] = { CLI_STATE_DIR(state_dir), { NULL } };
    int code = cli_parse(command, options, argc, argv, &id, 1);
    struct config_request request = { .op = CONFIG_DELETE, .name = id, .actor = cli_actor() };
    struct config_result result;
    struct station *station;
    struct err err;

    if (code >= 0)
        return code;
    request.name = id;
    if (cli_open_station(&station, cli_state_dir(state_dir), false, &err) < 0)
        return cli_fail(&err);
    request.registry = station->tokens;
    config_write_wait(station, &request, &result);
    code = result.outcome == CONFIG_FAILED ? cli_fail(&result.err) : CLI_OK;
    config_result_clear(&result);
    station_free(station);
    if (code == CLI_OK)
        cli_nudge_server(cli_state_dir(state_dir));
    return code;
}

const struct cli_command cli_token_delete = { "token delete", "ID", "Deletes an API token; it ends at once.", run_delete };
