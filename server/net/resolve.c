/* SPDX-License-Identifier: Apache-2.0 */
/* getaddrinfo can't be cancelled and may take a minute. It runs in a thread of its own; a caller whose
 * deadline comes first leaves, and the thread ends when the resolver does. How many may hang at a time is
 * limited. */
#include "net/resolve.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define LOOKUPS_MAX 64
#define LOOKUP_STACK (512 * 1024)

struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    bool done;
    unsigned holders; /* the thread and the caller; the last one frees */
    char *host;
    char port[8];
    int rc;
    struct addrinfo *found;
};

static atomic_int lookups;

static struct lookup *lookup_new(const char *host, uint16_t port)
{
    struct lookup *lookup = mem_alloc(sizeof(*lookup));
    pthread_condattr_t attr;

    pthread_mutex_init(&lookup->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&lookup->done_cond, &attr);
    pthread_condattr_destroy(&attr);
    lookup->holders = 1;
    lookup->host = mem_strdup(host);
    snprintf(lookup->port, sizeof(lookup->port), "%u", (unsigned)port);
    return lookup;
}

static void lookup_leave(struct lookup *lookup)
{
    bool last;

    pthread_mutex_lock(&lookup->lock);
    last = --lookup->holders == 0;
    pthread_mutex_unlock(&lookup->lock);
    if (!last)
        return;
    if (lookup->found)
        freeaddrinfo(lookup->found);
    pthread_cond_destroy(&lookup->done_cond);
    pthread_mutex_destroy(&lookup->lock);
    free(lookup->host);
    free(lookup);
}

static void *lookup_run(void *arg)
{
    struct lookup *lookup = arg;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(lookup->host, lookup->port, &hints, &found);

    pthread_mutex_lock(&lookup->lock);
    lookup->rc = rc;
    lookup->found = rc == 0 ? found : NULL;
    lookup->done = true;
    pthread_cond_signal(&lookup->done_cond);
    pthread_mutex_unlock(&lookup->lock);
    lookup_leave(lookup);
    atomic_fetch_sub(&lookups, 1);
    return NULL;
}

/* The thread takes no signals: those are for the threads that wait for them. */
static int lookup_start(struct lookup *lookup)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int rc;

    if (atomic_fetch_add(&lookups, 1) >= LOOKUPS_MAX) {
        atomic_fetch_sub(&lookups, 1);
        return -1;
    }
    lookup->holders = 2;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, LOOKUP_STACK);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attr, lookup_run, lookup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        lookup->holders = 1;
        atomic_fetch_sub(&lookups, 1);
        return -1;
    }
    return 0;
}

static bool lookup_wait(struct lookup *lookup, int64_t deadline)
{
    struct timespec until = { .tv_sec = deadline / 1000, .tv_nsec = deadline % 1000 * 1000000 };
    bool done;
    int rc = 0;

    pthread_mutex_lock(&lookup->lock);
    while (!lookup->done && rc == 0)
        rc = pthread_cond_timedwait(&lookup->done_cond, &lookup->lock, &until);
    done = lookup->done;
    pthread_mutex_unlock(&lookup->lock);
    return done;
}

/* ---- addresses ---- */

static bool is_known(const struct net_addresses *all, const struct addrinfo *info)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].len == info->ai_addrlen &&
            memcmp(&all->list[i].at, info->ai_addr, info->ai_addrlen) == 0)
            return true;
    return false;
}

static const struct addrinfo *next_of_family(const struct addrinfo *from, int family)
{
    while (from && from->ai_family != family)
        from = from->ai_next;
    return from;
}

static void add_address(struct net_addresses *all, const struct addrinfo *info)
{
    if (all->count == NET_ADDRESSES_MAX || info->ai_addrlen > sizeof(all->list[0].at) || is_known(all, info))
        return;
    memcpy(&all->list[all->count].at, info->ai_addr, info->ai_addrlen);
    all->list[all->count++].len = info->ai_addrlen;
}

/* RFC 8305 4: the first family as the resolver ordered them, then turn about, so that one dead family costs
 * one wait. */
static void interleave(struct net_addresses *all, const struct addrinfo *found)
{
    int first = found->ai_family, second = first == AF_INET6 ? AF_INET : AF_INET6;
    const struct addrinfo *a = next_of_family(found, first), *b = next_of_family(found, second);

    while (a || b) {
        if (a) {
            add_address(all, a);
            a = next_of_family(a->ai_next, first);
        }
        if (b) {
            add_address(all, b);
            b = next_of_family(b->ai_next, second);
        }
    }
}

char *net_address_ip(const struct net_address *address, char *text, size_t size)
{
    const void *ip = address->at.ss_family == AF_INET6
                         ? (const void *)&((const struct sockaddr_in6 *)&address->at)->sin6_addr
                         : (const void *)&((const struct sockaddr_in *)&address->at)->sin_addr;

    if (inet_ntop(address->at.ss_family, ip, text, (socklen_t)size) == NULL)
        snprintf(text, size, "?");
    return text;
}

char *net_address_text(const struct net_address *address, char *text, size_t size)
{
    bool six = address->at.ss_family == AF_INET6;
    in_port_t port = six ? ((const struct sockaddr_in6 *)&address->at)->sin6_port
                         : ((const struct sockaddr_in *)&address->at)->sin_port;
    char ip[INET6_ADDRSTRLEN];

    snprintf(text, size, six ? "[%s]:%u" : "%s:%u", net_address_ip(address, ip, sizeof(ip)),
             (unsigned)ntohs(port));
    return text;
}

/* ---- the two together ---- */

static bool resolve_literal(struct net_addresses *ret, const char *host, uint16_t port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

    if (inet_pton(AF_INET, host, &in.sin_addr) == 1) {
        memcpy(&ret->list[0].at, &in, sizeof(in));
        ret->list[0].len = sizeof(in);
    } else if (inet_pton(AF_INET6, host, &in6.sin6_addr) == 1) {
        memcpy(&ret->list[0].at, &in6, sizeof(in6));
        ret->list[0].len = sizeof(in6);
    } else {
        return false;
    }
    ret->count = 1;
    return true;
}

static int lookup_failed(const char *host, int rc, struct err *err)
{
    switch (rc) {
    case EAI_NONAME:
    case EAI_NODATA:
        return err_id(err, ERR_TEMPORARY, "dns.notFound", "resolve",
                      "The name %s wasn't found: check its spelling, and whether this machine's name server "
                      "knows it.",
                      host);
    case EAI_ADDRFAMILY:
        return err_id(err, ERR_TEMPORARY, "dns.notFound", "resolve", "The name %s has no address.", host);
    case EAI_MEMORY:
        return err_id(err, ERR_TEMPORARY, "dns.failed", "resolve", "Looking up %s failed: out of memory.",
                      host);
    default:
        return err_id(err, ERR_TEMPORARY, "dns.failed", "resolve",
                      "Looking up %s failed: %s; check this machine's name servers.", host, gai_strerror(rc));
    }
}

int net_resolve(struct net_addresses *ret, const char *host, uint16_t port, int64_t deadline, struct err *err)
{
    struct lookup *lookup;
    int rc = 0;

    *ret = (struct net_addresses){ 0 };
    if (resolve_literal(ret, host, port))
        return 0;
    lookup = lookup_new(host, port);
    if (lookup_start(lookup) < 0) {
        lookup_leave(lookup);
        return err_id(err, ERR_TEMPORARY, "dns.failed", "resolve",
                      "%s wasn't looked up, because too many earlier lookups still wait for an answer.",
                      host);
    }
    if (!lookup_wait(lookup, deadline))
        rc = err_id(err, ERR_TEMPORARY, "dns.timeout", "resolve",
                    "The name servers didn't answer in time when asked for %s.", host);
    else if (lookup->rc != 0)
        rc = lookup_failed(host, lookup->rc, err);
    else
        interleave(ret, lookup->found);
    lookup_leave(lookup);
    if (rc == 0 && ret->count == 0)
        rc = lookup_failed(host, EAI_ADDRFAMILY, err);
    return rc;
}
