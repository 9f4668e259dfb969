/* SPDX-License-Identifier: Apache-2.0 */
/* postern backup, check, rekey */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/rekey.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "store/store.h"

static int run_backup(const struct cli_command *command, int argc, char **argv)
{
    const char *state_dir = NULL, *file = NULL;
    const struct cli_option options[] = { CLI_STATE_DIR(state_dir), { NULL } };
    int code = cli_parse(command, options, argc, argv, &file, 1), rc;
    struct station *station;
    struct err err;

    if (code >= 0)
        return code;
    if (cli_open_station(&station, cli_state_dir(state_dir), false, &err) < 0)
        return cli_fail(&err);
    rc = store_backup(station->store, file, &err);
    station_free(station);
    if (rc < 0)
        return cli_fail(&err);
    fprintf(stderr, "%s holds everything but the sealing key; keep a copy of %s/key in another safe place.\n", file,
            cli_state_dir(state_dir));
    return CLI_OK;
}

const struct cli_command cli_backup = {
    "backup", "FILE", "Copies the database to FILE, whole and consistent, whether or not the server runs.", run_backup
};

static int run_check(const struct cli_command *command, int argc, char **argv)
{
    const char *state_dir = NULL;
    const struct cli_option options[] = { CLI_STATE_DIR(state_dir), { NULL } };
    int code = cli_parse(command, options, argc, argv, NULL, 0), rc;
    struct station *station;
    struct err err;

    if (code >= 0)
        return code;
    if (cli_open_station(&station, cli_state_dir(state_dir), false, &err) < 0)  /* opens every secret */
        return cli_fail(&err);
    rc = store_check(station->store, &err);
    station_free(station);
    if (rc < 0)
        return cli_fail(&err);
    printf("%s is sound.\n", cli_state_dir(state_dir));
    return CLI_OK;
}

const struct cli_command cli_check = { "check", NULL, "Looks whether database, key and secrets are whole.", run_check };

static int run_rekey(const struct cli_command *command, int argc, char **argv)
{
    const char *state_dir = NULL;
    const struct cli_option options[] = { CLI_STATE_DIR(state_dir), { NULL } };
    int code = cli_parse(command, options, argc, argv, NULL, 0);
    AUTO_FREE char *kept = NULL;
    struct err err;

    if (code >= 0)
        return code;
    signal(SIGHUP, SIG_IGN);            /* meant for a server: a token made meanwhile sends it to whoever holds the lock */
    if (cli_become_owner(cli_state_dir(state_dir), &err) < 0 || rekey(cli_state_dir(state_dir), &kept, &err) < 0)
        return cli_fail(&err);
    printf("Every secret is sealed with a new key. The former one is kept as %s: older backups need it.\n", kept);
    return CLI_OK;
}

const struct cli_command cli_rekey = { "rekey", NULL, "Seals every secret with a new key. Stop the server first.", run_rekey };
