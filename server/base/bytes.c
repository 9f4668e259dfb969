/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

#include <stdlib.h>

#include "base/mem.h"

struct bytes *bytes_new(struct str from)
{
    struct bytes *bytes = mem_alloc(sizeof(*bytes) + from.len + 1);

    atomic_init(&bytes->holders, 1);
    bytes->len = from.len;
    if (from.len)
        memcpy(bytes->p, from.p, from.len);
    return bytes;
}

struct bytes *bytes_hold(struct bytes *bytes)
{
    atomic_fetch_add_explicit(&bytes->holders, 1, memory_order_relaxed);
    return bytes;
}

void bytes_free(struct bytes *bytes)
{
    if (bytes && atomic_fetch_sub_explicit(&bytes->holders, 1, memory_order_acq_rel) == 1)
        free(bytes);
}
