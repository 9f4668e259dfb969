/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/station.h - the whole of a running Postern: what the use cases share. */
#ifndef POSTERN_APP_STATION_H
#define POSTERN_APP_STATION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/registry.h"
#include "base/err.h"

struct courier;
struct crypto_key;
struct events;
struct hosts;
struct jobs;
struct lives;
struct oauth;
struct receivers;
struct search;
struct store;

struct station {
    char *state_dir;
    char *credentials_dir;              /* where {"$file": …} is read */
    char *host_name;                    /* EHLO, Message-ID */
    char lease_owner[40];               /* this process, in leases on messages */
    struct crypto_key *key;
    struct store *store;
    struct jobs *jobs;
    struct jobs *hashing;               /* password hashes: slow and large, so few at a time; app/users.c */
    struct jobs *parsing;               /* whole messages taken apart: few at a time, each may be large */
    struct search *search;
    struct registry *accounts;          /* OutgoingAccount and IncomingAccount, siblings */
    struct registry *services;
    struct registry *users;
    struct registry *tokens;            /* by id */
    struct registry *user_cas;          /* by SHA-256 */
    struct registry *allowed_hosts;     /* by host:port */
    struct registry *key_pairs;         /* User Key Store, by name */
    struct registry *webhooks;
    struct lives *lives;                /* what changes by itself: status and counters of accounts */
    struct receivers *receivers;        /* mailboxes; NULL before station_start */
    struct courier *courier;            /* tells the webhooks */
    struct oauth *oauth;                /* access tokens */
    struct events *events;              /* what happened, for those who listen */
    struct hosts *hosts;                /* Allowed Hosts and the trust stores in use */
    int64_t started_at;
    atomic_bool stopping;
    bool stuck;                         /* a worker outlived station_stop */
    void (*accounts_changed)(struct station *station, const struct entry *before, const struct entry *after);
    /* For who runs us, set before station_start: a service has another configuration. On the writer thread, before the change is
     * answered. */
    void (*service_changed)(void *ctx, const struct entry *service);
    void *service_ctx;
};

/* Who does it, for audit and stamps. */
struct actor {
    const char *name;
    const char *address;
};

struct station_options {
    const char *state_dir;
    const char *credentials_dir;        /* or NULL: $CREDENTIALS_DIRECTORY, else <state>/credentials */
    bool exclusive;                     /* a server; otherwise a short command beside one */
};

/* Opens key and store and loads what is configured. First start: makes them. */
int station_open(struct station **ret, const struct station_options *options, struct err *err);
/* Whether an account's connection ends and another is made when `after` takes the place of `before` (NULL: there was none). */
bool station_reconnects(const struct entry *before, const struct entry *after);
/* Starts what runs by itself: queues, timers. */
int station_start(struct station *station, struct err *err);
/* Finishes what is under way, at most `grace_ms`. */
void station_stop(struct station *station, int64_t grace_ms);
void station_free(struct station *station);

#endif
