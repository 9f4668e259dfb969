/* SPDX-License-Identifier: Apache-2.0 */
/* server/net/resolve.h - addresses of a name, with a deadline. Inside net/ only. */
#ifndef POSTERN_NET_RESOLVE_H
#define POSTERN_NET_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define NET_ADDRESSES_MAX 16 /* of one name; more are not tried */

struct net_address {
    struct sockaddr_storage at;
    socklen_t len;
};

struct net_addresses {
    struct net_address list[NET_ADDRESSES_MAX];
    size_t count;
};

/* `host` as net_host_ascii gives it. RFC 6724 order, then families interleaved. */
int net_resolve(struct net_addresses *ret, const char *host, uint16_t port, int64_t deadline,
                struct err *err);

/* "192.0.2.1" or "::1"; returns `text`. */
char *net_address_ip(const struct net_address *address, char *text, size_t size);
/* "192.0.2.1:465" or "[::1]:465"; returns `text`. */
char *net_address_text(const struct net_address *address, char *text, size_t size);

#endif
