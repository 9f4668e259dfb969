/* SPDX-License-Identifier: Apache-2.0 */
/* server/cli/commands.h - every command there is, each in the file of its subject. */
#ifndef POSTERN_CLI_COMMANDS_H
#define POSTERN_CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command cli_backup, cli_check, cli_rekey;                               /* state.c */
extern const struct cli_command cli_token_create, cli_token_delete, cli_token_list;             /* token.c */
extern const struct cli_command cli_user_reset_password;                                        /* user.c */

#endif
