/* SPDX-License-Identifier: Apache-2.0 */
/* server/cli/cli.h - subcommands and their options. One table an option stands in: parsing and --help both read it.
 *
 * Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong usage. */
#ifndef POSTERN_CLI_CLI_H
#define POSTERN_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "app/station.h"
#include "base/err.h"

enum { CLI_OK, CLI_FAILED, CLI_USAGE };

#define CLI_LIST_MAX 100

struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t count;
};

/* Exactly one of flag, value and list is set. */
struct cli_option {
    const char *name;           /* "--state-dir"; NULL ends a table */
    const char *arg;            /* "DIR"; NULL: a flag */
    const char *doc;
    bool *flag;
    const char **value;         /* the last one given */
    struct cli_list *list;      /* may be given again */
};

struct cli_command {
    const char *name;           /* "token create" */
    const char *args;           /* "FILE", or NULL */
    const char *doc;
    int (*run)(const struct cli_command *command, int argc, char **argv);       /* argv: what follows the name */
};

extern const struct cli_command *const cli_commands[];          /* NULL-terminated */
extern const struct cli_command cli_serve;                      /* main.c: it starts and stops everything */

/* Finds the command that argv names and runs it. */
int cli_main(int argc, char **argv);

/* -1: go on, with `rest` the arguments that are no options (exactly `rest_count`); else the exit code: --help was asked for, or
 * something is wrong and was said in one line. */
int cli_parse(const struct cli_command *command, const struct cli_option *options, int argc, char **argv, const char **rest,
              size_t rest_count);
int cli_fail(const struct err *err);                            /* says it on standard error; CLI_FAILED */
int cli_misuse(const struct cli_command *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --state-dir, else $STATE_DIRECTORY, else /var/lib/postern. */
const char *cli_state_dir(const char *given);
/* Run by root on somebody else's state directory, a command becomes that somebody, so that nothing in it ends up root's. */
int cli_become_owner(const char *state_dir, struct err *err);
/* For a short command, beside a server or without one; after cli_become_owner. `make`: a state directory that is not there yet is
 * made. */
int cli_open_station(struct station **ret, const char *state_dir, bool make, struct err *err);
/* A server on this state directory shall read users and tokens again. */
void cli_nudge_server(const char *state_dir);
/* Who sits at the shell, for the audit trail. */
struct actor cli_actor(void);

#define CLI_STATE_DIR(variable) { "--state-dir", "DIR", "state directory (else $STATE_DIRECTORY, else /var/lib/postern)", .value = &(variable) }

#endif
