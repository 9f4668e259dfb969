/* SPDX-License-Identifier: Apache-2.0 */
/* server/model/webhook.h - who is told over HTTP what happened, and what became of each telling. DESIGN 5. */
#ifndef POSTERN_MODEL_WEBHOOK_H
#define POSTERN_MODEL_WEBHOOK_H

#include "component/prop.h"

struct webhook {
    bool enabled;
    char *description;
    char *url;
    struct secret secret;               /* "whsec_<base64>", signs what is sent */
    json_t *events;                     /* types and prefixes ("message.*"); empty: all */
    json_t *accounts;                   /* names; empty: all, and what concerns none */
    json_t *status;
};
extern const struct component_type webhook_type;

#define WEBHOOK_SECRET_PREFIX "whsec_"
#define WEBHOOK_SECRET_MAX 128          /* bytes of key, decoded */

/* http or https, a host of letters, digits, dots and hyphens or an IP literal, perhaps a port, path and query. Nothing that two
 * readers of addresses could understand in two ways: no user, no fragment, nothing but ASCII. */
struct webhook_url {
    bool tls;
    char host[256];                     /* lower case; an IPv6 literal without brackets */
    int64_t port;
};
/* NULL, or what is wrong. */
const char *webhook_url_parse(const char *text, struct webhook_url *ret);

enum delivery_state { DELIVERY_WAITING, DELIVERY_DELIVERED, DELIVERY_FAILED, DELIVERY_CANCELED };
#define DELIVERY_STATES 4
extern const char *const delivery_state_names[];       /* NULL-terminated */
int delivery_state_from(const char *name);              /* -1 when there is no such name */

#define DELIVERY_ID_MAX 40

/* One event on its way to one webhook. */
struct delivery {
    int64_t seq;                        /* the store's order */
    char id[DELIVERY_ID_MAX];           /* the same in every attempt */
    char *webhook;
    int64_t event;                      /* seq of the event; 0: made up for this webhook */
    char *type;
    char *body;                         /* JSON as it is sent */
    enum delivery_state state;
    int64_t attempts;
    int64_t created_at, next_attempt, last_attempt, finished_at;
    int64_t status;                     /* of HTTP; 0: there was no answer */
    int64_t ms;                         /* the last attempt took */
    char *code, *cause;                 /* why the last attempt failed, or NULL */
};
void delivery_free(struct delivery *delivery);          /* NULL is fine */
MEM_FREEP(delivery)

#endif
