/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "config.h"

#define STATE_DIR "/var/lib/postern"

/* ---- words ---- */

static void print_commands(FILE *to)
{
    fputs("Usage: postern COMMAND [OPTIONS]\n\n", to);
    for (const struct cli_command *const *at = cli_commands; *at; at++) {
        AUTO_FREE char *left = mem_printf("%s %s", (*at)->name, (*at)->args ? (*at)->args : "");

        fprintf(to, "  %-30s %s\n", left, (*at)->doc);
    }
    fputs("\npostern COMMAND --help tells about a command's options; so does postern(8).\n", to);
}

static void print_help(const struct cli_command *command, const struct cli_option *options)
{
    printf("Usage: postern %s%s%s [OPTIONS]\n\n%s\n\n", command->name, command->args ? " " : "", command->args ? command->args : "",
           command->doc);
    for (const struct cli_option *option = options; option->name; option++) {
        AUTO_FREE char *left = mem_printf("%s %s", option->name, option->arg ? option->arg : "");

        printf("  %-26s %s%s\n", left, option->doc, option->list ? "; may be given again" : "");
    }
    printf("  %-26s %s\n", "--help", "this text");
}

int cli_misuse(const struct cli_command *command, const char *fmt, ...)
{
    va_list args;

    fputs("postern: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, " (postern %s%s--help tells more)\n", command ? command->name : "", command ? " " : "");
    return CLI_USAGE;
}

int cli_fail(const struct err *err)
{
    fprintf(stderr, "postern: %s%s%s\n", err->at[0] && err->at[0] != '/' ? err->at : "", err->at[0] && err->at[0] != '/' ? ": " : "",
            err->text);
    return CLI_FAILED;
}

/* ---- options ---- */

static const struct cli_option *find_option(const struct cli_option *options, struct str name)
{
    for (; options->name; options++)
        if (str_eq(str_c(options->name), name))
            return options;
    return NULL;
}

static int set_option(const struct cli_command *command, const struct cli_option *option, const char *value)
{
    if (option->flag) {
        *option->flag = true;
    } else if (option->value) {
        *option->value = value;
    } else if (option->list->count == CLI_LIST_MAX) {
        return cli_misuse(command, "%s may be given at most %d times", option->name, CLI_LIST_MAX);
    } else {
        option->list->items[option->list->count++] = value;
    }
    return -1;
}

/* "--name value", "--name=value" or "--flag"; `*i` moves past what was used. */
static int parse_option(const struct cli_command *command, const struct cli_option *options, int argc, char **argv, int *i)
{
    const char *text = argv[*i], *equals = strchr(text, '=');
    struct str name = str_n(text, equals ? (size_t)(equals - text) : strlen(text));
    const struct cli_option *option;

    if (str_eq(name, STR("--help")) || str_eq(name, STR("-h"))) {
        print_help(command, options);
        return CLI_OK;
    }
    option = find_option(options, name);
    if (option == NULL)
        return cli_misuse(command, "unknown option %.*s", (int)name.len, name.p);
    if (option->arg == NULL && equals)
        return cli_misuse(command, "%s takes no value", option->name);
    if (option->arg == NULL)
        return set_option(command, option, NULL);
    if (equals)
        return set_option(command, option, equals + 1);
    if (*i + 1 == argc)
        return cli_misuse(command, "%s needs %s", option->name, option->arg);
    return set_option(command, option, argv[++*i]);
}

int cli_parse(const struct cli_command *command, const struct cli_option *options, int argc, char **argv, const char **rest,
              size_t rest_count)
{
    size_t count = 0;
    bool only_rest = false;

    for (int i = 0; i < argc; i++) {
        int code = -1;

        if (!only_rest && strcmp(argv[i], "--") == 0)
            only_rest = true;
        else if (!only_rest && argv[i][0] == '-' && argv[i][1])
            code = parse_option(command, options, argc, argv, &i);
        else if (count == rest_count)
            code = cli_misuse(command, "unexpected argument %s", argv[i]);
        else
            rest[count++] = argv[i];
        if (code >= 0)
            return code;
    }
    return count == rest_count ? -1 : cli_misuse(command, "%s is missing", command->args);
}

/* ---- commands ---- */

/* How many words of argv the command's name takes; 0: it is another command. */
static int words_matched(const struct cli_command *command, int argc, char **argv)
{
    struct str rest = str_c(command->name), word;
    int words = 0;

    while (str_split(&rest, ' ', &word)) {
        if (words == argc || !str_eq(word, str_c(argv[words])))
            return 0;
        words++;
    }
    return words;
}

/* "token" alone: which of its commands? */
static bool begins_command(const char *word)
{
    size_t len = strlen(word);

    for (const struct cli_command *const *at = cli_commands; *at; at++)
        if (strncmp((*at)->name, word, len) == 0 && (*at)->name[len] == ' ')
            return true;
    return false;
}

static int command_help(void)
{
    print_commands(stdout);
    return CLI_OK;
}

int cli_main(int argc, char **argv)
{
    if (argc < 2) {
        print_commands(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return command_help();
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        puts("postern " PACKAGE_VERSION);
        return CLI_OK;
    }
    for (const struct cli_command *const *at = cli_commands; *at; at++) {
        int words = words_matched(*at, argc - 1, argv + 1);

        if (words)
            return (*at)->run(*at, argc - 1 - words, argv + 1 + words);
    }
    if (argv[1][0] == '-')
        return cli_misuse(NULL, "unknown option %s", argv[1]);
    if (begins_command(argv[1]))
        return argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0) ? command_help() :
               cli_misuse(NULL, "there is no command \"%s%s%s\"", argv[1], argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
    return cli_misuse(NULL, "there is no command \"%s\"", argv[1]);
}

/* ---- the state directory ---- */

const char *cli_state_dir(const char *given)
{
    static char first[4096];
    const char *from = getenv("STATE_DIRECTORY");

    if (given)
        return given;
    if (from == NULL || *from == '\0')
        return STATE_DIR;
    snprintf(first, sizeof(first), "%.*s", (int)strcspn(from, ":"), from);      /* systemd gives a list */
    return first;
}

int cli_become_owner(const char *state_dir, struct err *err)
{
    struct stat st;

    if (geteuid() != 0 || stat(state_dir, &st) < 0 || st.st_uid == 0)
        return 0;
    if (setgroups(1, &st.st_gid) < 0 || setgid(st.st_gid) < 0 || setuid(st.st_uid) < 0)
        return err_id(err, ERR_INTERNAL, "cli.owner", NULL, "Becoming user %lu, who owns %s, failed: %s.", (unsigned long)st.st_uid,
                      state_dir, strerror(errno));
    return 0;
}

int cli_open_station(struct station **ret, const char *state_dir, bool make, struct err *err)
{
    const struct station_options options = { .state_dir = state_dir };
    AUTO_FREE char *database = mem_printf("%s/postern.db", state_dir);

    if (cli_become_owner(state_dir, err) < 0)
        return -1;
    if (!make && access(database, F_OK) < 0)
        return err_id(err, ERR_NOT_FOUND, "state.notFound", NULL, "There is no Postern in %s: %s: %s.", state_dir, database,
                      strerror(errno));
    return station_open(ret, &options, err);
}

void cli_nudge_server(const char *state_dir)
{
    AUTO_FREE char *path = mem_printf("%s/lock", state_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[32] = "";
    int64_t pid;

    if (fd < 0)
        return;
    /* Whoever holds the lock wrote the number; without a holder it is an old one and may be anybody's. */
    if (flock(fd, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK && read(fd, text, sizeof(text) - 1) > 0 &&
        str_to_int(str_trim(str_c(text)), &pid) && pid > 1)
        kill((pid_t)pid, SIGHUP);
    close(fd);
}

struct actor cli_actor(void)
{
    static char name[64];
    const struct passwd *user = getpwuid(getuid());

    if (user)
        snprintf(name, sizeof(name), "shell:%s", user->pw_name);
    else
        snprintf(name, sizeof(name), "shell:%lu", (unsigned long)getuid());
    return (struct actor){ name, "" };
}
