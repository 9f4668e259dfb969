/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses are not out in the world: the IANA registries of special-purpose addresses (RFC 6890 and after it). */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "client/client.h"

static const struct { uint32_t net; int bits; } private_v4[] = {
    { 0x00000000, 8 },          /* 0/8: this network, and this host */
    { 0x0a000000, 8 },          /* 10/8: RFC 1918 */
    { 0x64400000, 10 },         /* 100.64/10: RFC 6598, carrier's NAT */
    { 0x7f000000, 8 },          /* 127/8: loopback */
    { 0xa9fe0000, 16 },         /* 169.254/16: link-local, and clouds' metadata */
    { 0xac100000, 12 },         /* 172.16/12: RFC 1918 */
    { 0xc0000000, 24 },         /* 192.0.0/24: protocol assignments */
    { 0xc0000200, 24 },         /* 192.0.2/24: documentation */
    { 0xc0586300, 24 },         /* 192.88.99/24: 6to4 relays */
    { 0xc0a80000, 16 },         /* 192.168/16: RFC 1918 */
    { 0xc6120000, 15 },         /* 198.18/15: benchmarks */
    { 0xc6336400, 24 },         /* 198.51.100/24: documentation */
    { 0xcb007100, 24 },         /* 203.0.113/24: documentation */
    { 0xe0000000, 4 },          /* 224/4: multicast */
    { 0xf0000000, 4 },          /* 240/4: reserved, and broadcast */
};

static bool is_private_v4(uint32_t address)
{
    for (size_t i = 0; i < COUNT_OF(private_v4); i++)
        if ((address ^ private_v4[i].net) >> (32 - private_v4[i].bits) == 0)
            return true;
    return false;
}

static uint32_t v4_at(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Global unicast is 2000::/3; everything else is private unless it carries an IPv4 address that isn't. */
static bool is_private_v6(const uint8_t a[16])
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, nat64[12] = { 0x00, 0x64, 0xff, 0x9b };

    if (memcmp(a, mapped, 12) == 0 || memcmp(a, nat64, 12) == 0)
        return is_private_v4(v4_at(a + 12));
    if ((a[0] & 0xe0) != 0x20)
        return true;
    if (a[0] == 0x20 && a[1] == 0x02)                   /* 2002::/16: 6to4 */
        return is_private_v4(v4_at(a + 2));
    if (a[0] == 0x20 && a[1] == 0x01 && a[2] < 0x02)    /* 2001::/23: Teredo, benchmarks, ORCHID and the like */
        return true;
    return (a[0] == 0x20 && a[1] == 0x01 && a[2] == 0x0d && a[3] == 0xb8) ||    /* 2001:db8::/32: documentation */
           (a[0] == 0x3f && a[1] == 0xff && a[2] < 0x10);                       /* 3fff::/20: documentation */
}

bool client_is_private(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_private_v4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
    if (address->sa_family == AF_INET6)
        return is_private_v6(((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
    return true;
}
