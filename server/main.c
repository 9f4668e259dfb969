/* SPDX-License-Identifier: Apache-2.0 */
/* server/main.c - options, signals, start and stop order; the one file that knows every folder. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "api/api.h"
#include "app/https.h"
#include "app/users.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "http/assets.h"
#include "http/http.h"
#include "model/services.h"

#define LISTEN_PRESET "127.0.0.1:8025"
#define LISTEN_MAX 16
#define NAMES_MAX 80                    /* the WebService allows 50 names of its own */
#define GRACE SECONDS(10)               /* for deliveries under way when we are told to stop */

struct serve {
    struct station_options station;
    struct cli_list listen;
    const char *log_level, *log_format;
};

struct listening {
    struct http_listener listeners[LISTEN_MAX];
    char addresses[LISTEN_MAX][64];
    size_t count;
    struct https_pair pair;
};

/* ---- the process ---- */

/* Memory holds passwords and keys: no core file, no ptrace by others of the same user. */
static void harden(void)
{
    const struct rlimit none = { 0, 0 };

    umask(077);
    setrlimit(RLIMIT_CORE, &none);
#ifndef WITH_SANITIZERS                 /* the leak checker looks at its own process by ptrace */
    prctl(PR_SET_DUMPABLE, 0);
#endif
    signal(SIGPIPE, SIG_IGN);
}

static void our_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

/* Before the first thread, which would otherwise be the one to get them. */
static void block_signals(void)
{
    sigset_t set;

    our_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void tell_systemd(const char *state)
{
#ifdef HAVE_SYSTEMD
    sd_notify(0, state);
#else
    (void)state;
#endif
}

/* Seconds between signs of life; systemd wants one in each `WatchdogSec`. */
static time_t watchdog_pause(void)
{
#ifdef HAVE_SYSTEMD
    uint64_t us;

    if (sd_watchdog_enabled(0, &us) > 0)
        return (time_t)(us / 3000000 ?: 1);
#endif
    return 3600;
}

/* ---- listening ---- */

static int read_listeners(const struct cli_command *command, const struct cli_list *texts, struct listening *listening)
{
    struct err err;

    for (size_t i = 0; i < texts->count; i++) {
        struct http_listener *listener = &listening->listeners[i];

        if (i == LISTEN_MAX)
            return cli_misuse(command, "--listen may be given at most %d times", LISTEN_MAX);
        if (http_parse_listen(texts->items[i], listening->addresses[i], &listener->port, &err) < 0)
            return cli_misuse(command, "--listen %s: %s", texts->items[i], err.text);
        listener->address = listening->addresses[i];
    }
    listening->count = texts->count;
    return -1;
}

static size_t add_name(const char **names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return count;
    if (count < NAMES_MAX && *name)
        names[count++] = name;
    return count;
}

/* Names under which browsers reach us, beside the addresses themselves. */
static size_t host_names(const struct station *station, const struct web_service *web, const char **names)
{
    size_t count = add_name(names, 0, station->host_name), i;
    const json_t *name;

    json_array_foreach(web->allowed_hosts, i, name)
        count = add_name(names, count, json_string_value(name));
    return count;
}

static bool is_wildcard(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/* Loopback is HTTP; what leaves the machine is HTTPS. */
static int secure_listeners(struct station *station, const struct web_service *web, struct listening *listening, struct err *err)
{
    const char *names[NAMES_MAX + LISTEN_MAX];
    size_t count = add_name(names, host_names(station, web, names), "localhost");
    bool needed = false;

    for (size_t i = 0; i < listening->count; i++) {
        if (http_is_loopback(listening->addresses[i]))
            continue;
        needed = true;
        if (!is_wildcard(listening->addresses[i]))
            count = add_name(names, count, listening->addresses[i]);
    }
    if (!needed)
        return 0;
    if (https_pair_get(station, names, count, &listening->pair, err) < 0)
        return -1;
    for (size_t i = 0; i < listening->count; i++) {
        if (http_is_loopback(listening->addresses[i]))
            continue;
        listening->listeners[i].cert_pem = listening->pair.cert_pem;
        listening->listeners[i].key_pem = listening->pair.key_pem;
    }
    return 0;
}

static int open_http(struct http_server **ret, struct station *station, struct listening *listening, struct err *err)
{
    AUTO(entry) service = registry_get(station->services, web_service_type.name);
    const struct web_service *web = service->component;
    const char *names[NAMES_MAX + 1] = { NULL };
    struct http_options options = {
        .ctx = station, .listeners = listening->listeners, .listener_count = listening->count, .tables = api_routes,
        .check_token = api_token, .host_names = names, .session_idle_ms = SECONDS(web->session_idle),
        .session_life_ms = SECONDS(web->session_lifetime), .assets = assets, .asset_count = assets_count,
    };
    int rc;

    names[host_names(station, web, names)] = NULL;
    rc = secure_listeners(station, web, listening, err);
    if (rc == 0)
        rc = http_open(ret, &options, err);
    https_pair_clear(&listening->pair);
    return rc;
}

/* ---- words ---- */

static void announce(struct http_server *server, const struct listening *listening)
{
    for (size_t i = 0; i < listening->count; i++) {
        const char *address = listening->addresses[i];
        bool six = strchr(address, ':') != NULL;

        printf("Postern " PACKAGE_VERSION " listens on %s://%s%s%s:%u\n", http_is_loopback(address) ? "http" : "https", six ? "[" : "",
               address, six ? "]" : "", (unsigned)http_port(server, i));
    }
    fflush(stdout);
}

static int first_start(struct station *station, struct err *err)
{
    AUTO_SECRET char *password = NULL;

    if (users_first(station, getenv("POSTERN_ADMIN_PASSWORD_FILE"), &password, err) < 0)
        return -1;
    if (password) {
        printf("This is the first start. Log in as user admin with the one-time password\n\n    %s\n\nand change it then.\n",
               password);
        fflush(stdout);
    }
    return 0;
}

/* ---- running ---- */

static void end_sessions(const char *username, void *ctx)
{
    http_session_end_user(ctx, username);
}

static void run_until_stopped(struct station *station, struct http_server *server)
{
    const struct timespec pause = { .tv_sec = watchdog_pause() };
    sigset_t set;
    int number;

    our_signals(&set);
    for (;;) {
        number = sigtimedwait(&set, NULL, &pause);
        if (number == SIGTERM || number == SIGINT)
            break;
        if (number == SIGHUP) {
            log_info("postern", "Reading users and tokens again");
            users_reread(station, end_sessions, server);
        }
        tell_systemd("WATCHDOG=1");
    }
    log_info("postern", "Stopping on %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
    tell_systemd("STOPPING=1");
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);           /* who is in a hurry may ask twice */
}

/* First nobody new comes in, then what is under way ends, then everything is put away. */
static void stop(struct station *station, struct http_server *server)
{
    if (server)
        http_stop(server);
    station_stop(station, GRACE);
    http_free(server);
    station_free(station);
}

static int serve(const struct serve *serve, struct listening *listening)
{
    struct station *station = NULL;
    struct http_server *server = NULL;
    struct err err;

    if (station_open(&station, &serve->station, &err) < 0)
        return cli_fail(&err);
    if (first_start(station, &err) < 0 || station_start(station, &err) < 0 || open_http(&server, station, listening, &err) < 0) {
        stop(station, server);
        return cli_fail(&err);
    }
    announce(server, listening);
    tell_systemd("READY=1");
    run_until_stopped(station, server);
    stop(station, server);
    return CLI_OK;
}

static int setup_log(const struct cli_command *command, const struct serve *serve)
{
    bool json = strcmp(serve->log_format, "json") == 0;
    enum log_level level;

    if (!log_level_from(serve->log_level, &level))
        return cli_misuse(command, "--log-level must be error, warning, info or debug, not %s", serve->log_level);
    if (!json && strcmp(serve->log_format, "text") != 0)
        return cli_misuse(command, "--log-format must be text or json, not %s", serve->log_format);
    log_setup(level, json);
    return -1;
}

static int run_serve(const struct cli_command *command, int argc, char **argv)
{
    struct serve options = { .station.exclusive = true, .log_level = "info", .log_format = "text" };
    struct listening listening = { .count = 0 };
    const struct cli_option table[] = {
        CLI_STATE_DIR(options.station.state_dir),
        { "--listen", "ADDRESS:PORT", "where to listen (else " LISTEN_PRESET "); HTTPS on any address that isn't loopback",
          .list = &options.listen },
        { "--credentials-dir", "DIR", "where secrets given by {\"$file\": …} are (else $CREDENTIALS_DIRECTORY, else DIR/credentials)",
          .value = &options.station.credentials_dir },
        { "--log-level", "LEVEL", "error, warning, info (the default) or debug", .value = &options.log_level },
        { "--log-format", "FORMAT", "text (the default) or json", .value = &options.log_format },
        { NULL },
    };
    int code = cli_parse(command, table, argc, argv, NULL, 0);

    if (code < 0)
        code = setup_log(command, &options);
    if (options.listen.count == 0)
        options.listen.items[options.listen.count++] = LISTEN_PRESET;
    if (code < 0)
        code = read_listeners(command, &options.listen, &listening);
    if (code >= 0)
        return code;
    options.station.state_dir = cli_state_dir(options.station.state_dir);
    block_signals();
    return serve(&options, &listening);
}

const struct cli_command cli_serve = { "serve", NULL, "Runs Postern.", run_serve };

int main(int argc, char **argv)
{
    harden();
    return cli_main(argc, argv);
}
