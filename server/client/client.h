/* SPDX-License-Identifier: Apache-2.0 */
/* server/client/client.h - asks other servers over HTTP: webhooks, OAuth 2 tokens. The one folder that includes curl.
 *
 * What is asked for is all that happens: no redirect is followed, no proxy of the environment used, no cookie kept, nothing
 * decompressed. TLS is at least 1.2, and the certificate must have been vouched for by the roots that the caller gives. */
#ifndef POSTERN_CLIENT_CLIENT_H
#define POSTERN_CLIENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

struct sockaddr;

/* Those that are to be stopped together. */
struct clients;
struct clients *clients_new(void);
/* What is under way ends at once with ERR_STOPPED, and whatever is asked for later. Any thread. */
void clients_stop(struct clients *clients);
void clients_free(struct clients *clients);             /* after every client of it; NULL is fine */

struct client_options {
    const char *system_roots;           /* a file of PEM certificates; one that can't be read counts as empty. NULL: none */
    struct str more_roots;              /* PEM; copied */
    bool cleartext;                     /* http as well as https */
    /* Whether the address that a connection is about to be made to is allowed; it is asked for each one, after the name was
     * resolved, so no answer of a name server gets around it. `host` as the URL has it. -1 with err. NULL: any. */
    int (*guard)(void *ctx, const char *host, const struct sockaddr *address, struct err *err);
    void *ctx;
};

/* Keeps its connection from one request to the next. For one thread at a time. */
struct client;
int  client_new(struct client **ret, struct clients *clients, const struct client_options *options, struct err *err);
void client_free(struct client *client);                /* NULL is fine */
MEM_FREEP(client)

struct client_header { const char *name, *value; };

struct client_request {
    const char *method;                 /* "POST"; NULL: GET */
    const char *url;
    const struct client_header *headers;        /* the last has no name; NULL: none */
    struct str body;                    /* .p NULL: none; must live until client_send() comes back */
    size_t answer_max;                  /* bytes of body taken; 0: 1 MiB */
    int64_t connect_ms, total_ms;       /* deadlines; 0: 10 s and 30 s */
    bool secret;                        /* headers and the answer's body are wiped */
};

struct client_answer {
    int status;                         /* also when it is known and the rest failed (http.tooLarge); else 0 */
    struct buf body;
    char content_type[128];
    char location[512];                 /* where it would have been redirected to, "" when nowhere; cut */
    int64_t retry_after;                /* s; -1: not said, or as a date */
    int64_t ms;                         /* how long it took; also of a request that failed */
};
void client_answer_clear(struct client_answer *answer);

/* 0 when there was an answer, whatever its status. -1 with ERR_TEMPORARY, ERR_REFUSED (trying again won't help) or ERR_STOPPED:
 * dns.notFound, connect.*, tls.handshake, cert.refused, http.timeout, http.tooLarge, http.garbage, http.url, http.failed, or the guard's own.
 * `answer` is cleared first; client_answer_clear() it afterwards in any case. */
int client_send(struct client *client, const struct client_request *request, struct client_answer *answer, struct err *err);

/* Not out in the world: this machine (127/8, ::1, 0/8), the inner network (RFC 1918, 6598, 4193, link-local), multicast, what is
 * reserved, and whatever leads to one of them by way of IPv6 (mapped, NAT64, 6to4, Teredo). Also what is no IP address. */
bool client_is_private(const struct sockaddr *address);

#endif
