/* SPDX-License-Identifier: Apache-2.0 */
/* postern user reset-password */
#include <stdio.h>

#include "app/users.h"
#include "base/mem.h"
#include "cli/commands.h"

static int run_reset(const struct cli_command *command, int argc, char **argv)
{
    const char *state_dir = NULL, *name = NULL;
    const struct cli_option options[] = { CLI_STATE_DIR(state_dir), { NULL } };
    int code = cli_parse(command, options, argc, argv, &name, 1), rc;
    const struct actor actor = cli_actor();
    AUTO_SECRET char *password = NULL;
    struct station *station;
    struct err err;

    if (code >= 0)
        return code;
    if (cli_open_station(&station, cli_state_dir(state_dir), false, &err) < 0)
        return cli_fail(&err);
    password = users_random_password();
    rc = password ? users_reset_password(station, name, password, &actor, &err) :
                    err_set(&err, ERR_INTERNAL, NULL, "The system gave no random numbers.");
    station_free(station);
    if (rc < 0)
        return cli_fail(&err);
    cli_nudge_server(cli_state_dir(state_dir));
    fprintf(stderr, "The one-time password of %s; it must be changed at the next log-in:\n", name);
    puts(password);
    return CLI_OK;
}

const struct cli_command cli_user_reset_password = {
    "user reset-password", "NAME", "Gives a user a one-time password and prints it; ends the user's sessions.", run_reset
};
