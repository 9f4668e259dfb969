/* SPDX-License-Identifier: Apache-2.0 */
/* server/main.c - options, signals, start and stop order; the one file that knows every folder. */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
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
#include "net/conn.h"
#include "tls/server_cert.h"

#define LISTEN_PRESET "127.0.0.1:8025"
#define LISTEN_MAX 16
#define HTTPS_PORT 443
#define CERTIFICATE_SIGNAL SIGUSR1
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
    bool secure;                        /* some of them */
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

/* Each transaction and each message takes tens of kilobytes and gives them back; by preset, the allocator would return them to
 * the kernel every time, and would make up to eight heaps per core. */
static void tune_memory(void)
{
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    mallopt(M_ARENA_MAX, 4);
}

static void our_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigaddset(set, CERTIFICATE_SIGNAL);
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

struct names {
    char *items[NAMES_MAX + 1];         /* NULL-terminated */
    size_t count;
};

/* As browsers and certificates have it: A-labels. */
static void add_name(struct names *names, const char *name)
{
    AUTO_FREE char *ascii = NULL;
    struct err err;

    if (*name == '\0' || names->count == NAMES_MAX)
        return;
    if (net_host_ascii(name, &ascii, &err) < 0) {
        log_warning("web", "This server can't be known by the name %s: %s", name, err.text);
        return;
    }
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], ascii) == 0)
            return;
    names->items[names->count++] = TAKE(ascii);
}

/* Names under which browsers reach us, beside the addresses themselves. */
static void add_host_names(struct names *names, const struct station *station, const struct web_service *web)
{
    const json_t *name;
    size_t i;

    add_name(names, station->host_name);
    json_array_foreach(web->allowed_hosts, i, name)
        add_name(names, json_string_value(name));
}

static void clear_names(struct names *names)
{
    while (names->count > 0)
        free(names->items[--names->count]);
    names->items[0] = NULL;
}

static bool is_wildcard(const char *address)
{
    return strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
}

/* Loopback is HTTP; what leaves the machine is HTTPS. */
static bool is_secure(const struct listening *listening, size_t at)
{
    return !http_is_loopback(listening->addresses[at]);
}

/* The one that the WebService names, or our own, made anew when its names or its time ask for it. Waits for the store.
 * 1: another than before. */
static int show_certificate(struct station *station, const struct listening *listening, struct err *err)
{
    AUTO(entry) service = registry_get(station->services, web_service_type.name);
    struct names names = { .count = 0 };
    struct https_pair pair = { NULL, NULL };
    int rc;

    add_host_names(&names, station, service->component);
    add_name(&names, "localhost");
    for (size_t i = 0; i < listening->count; i++)
        if (is_secure(listening, i) && !is_wildcard(listening->addresses[i]))
            add_name(&names, listening->addresses[i]);
    rc = https_pair_get(station, (const char *const *)names.items, names.count, &pair, err);
    if (rc == 0)
        rc = tls_server_cert_use(pair.cert_pem, pair.key_pem, err);
    https_note(rc < 0 ? err : NULL);
    https_pair_clear(&pair);
    clear_names(&names);
    return rc;
}

static int secure_listeners(struct station *station, const struct web_service *web, struct listening *listening, struct err *err)
{
    for (size_t i = 0; i < listening->count; i++) {
        if (!is_secure(listening, i))
            continue;
        if (!listening->secure && show_certificate(station, listening, err) < 0)
            return -1;
        listening->secure = true;
        listening->listeners[i].certificate = tls_server_cert_callback();
        /* A browser holds to it for the host, whatever the port: only where the host's usual port is ours, and not for a
         * certificate that nobody vouched for. */
        listening->listeners[i].hsts = *web->https_key && listening->listeners[i].port == HTTPS_PORT;
    }
    return 0;
}

static void reread_certificate(struct station *station, const struct listening *listening)
{
    struct err err;
    int rc = listening->secure ? show_certificate(station, listening, &err) : 0;

    if (rc < 0)
        log_error("web", "HTTPS goes on with its certificate: %s", err.text);
    else if (rc > 0)
        log_info("web", "HTTPS shows another certificate from now on");
}

/* What the WebService says now; whoever comes last has read it last. */
static void apply_web(struct station *station, struct http_server *server)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct names names = { .count = 0 };

    pthread_mutex_lock(&lock);
    AUTO(entry) service = registry_get(station->services, web_service_type.name);
    const struct web_service *web = service->component;
    add_host_names(&names, station, web);
    http_set_host_names(server, (const char *const *)names.items);
    http_set_session_limits(server, SECONDS(web->session_idle), SECONDS(web->session_lifetime));
    pthread_mutex_unlock(&lock);
    clear_names(&names);
}

struct running {
    struct station *station;
    _Atomic(struct http_server *) server;       /* NULL before it is open, and when it is about to go */
};

static void on_service(void *ctx, const struct entry *service)
{
    struct running *running = ctx;
    struct http_server *server = atomic_load(&running->server);

    if (server == NULL || service->type != &web_service_type)
        return;
    apply_web(running->station, server);
    kill(getpid(), CERTIFICATE_SIGNAL);         /* to be done on a thread that may wait for the store */
}

static int open_http(struct http_server **ret, struct station *station, struct listening *listening, struct err *err)
{
    AUTO(entry) service = registry_get(station->services, web_service_type.name);
    const struct web_service *web = service->component;
    struct http_options options = {
        .ctx = station, .listeners = listening->listeners, .listener_count = listening->count, .tables = api_routes,
        .check_token = api_token, .assets = assets, .asset_count = assets_count,
    };
    int rc = secure_listeners(station, web, listening, err);

    if (rc == 0)
        rc = http_open(ret, &options, err);
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

static void run_until_stopped(struct station *station, struct http_server *server, const struct listening *listening)
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
        if (number == SIGHUP || number == CERTIFICATE_SIGNAL)
            reread_certificate(station, listening);
        tell_systemd("WATCHDOG=1");
    }
    log_info("postern", "Stopping on %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
    tell_systemd("STOPPING=1");
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);           /* who is in a hurry may ask twice */
}

/* First nobody new comes in, then what is under way ends, then everything is put away. */
static void stop(struct running *running, struct http_server *server)
{
    if (server)
        http_stop(server);
    station_stop(running->station, GRACE);
    atomic_store(&running->server, NULL);
    http_free(server);
    station_free(running->station);
}

static int serve(const struct serve *serve, struct listening *listening)
{
    struct station *station = NULL;
    struct http_server *server = NULL;
    struct running running = { NULL, NULL };
    struct err err;

    if (station_open(&station, &serve->station, &err) < 0)
        return cli_fail(&err);
    running.station = station;
    station->service_changed = on_service;
    station->service_ctx = &running;
    if (first_start(station, &err) < 0 || station_start(station, &err) < 0 || open_http(&server, station, listening, &err) < 0) {
        stop(&running, server);
        return cli_fail(&err);
    }
    atomic_store(&running.server, server);
    apply_web(station, server);
    announce(server, listening);
    tell_systemd("READY=1");
    run_until_stopped(station, server, listening);
    stop(&running, server);
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
    tune_memory();
    return cli_main(argc, argv);
}
