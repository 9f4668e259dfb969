/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands.h"

const struct cli_command *const cli_commands[] = {
    &cli_serve, &cli_token_create, &cli_token_list, &cli_token_delete, &cli_user_reset_password, &cli_backup, &cli_check, &cli_rekey,
    NULL,
};
