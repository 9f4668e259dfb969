/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/imap_uids.h"

#include <stdlib.h>

#define RANGE_MAX 22 /* ",4294967294:4294967295" */

int imap_uids_add(struct imap_uids *uids, uint32_t uid, size_t max)
{
    if (uids->count >= max)
        return -1;
    if (uids->count == uids->room) {
        uids->room = uids->room ? uids->room * 2 : 64;
        uids->at = mem_resize(uids->at, uids->room * sizeof(*uids->at));
    }
    uids->at[uids->count++] = uid;
    return 0;
}

void imap_uids_copy(const uint32_t *uids, size_t count, struct imap_uids *into)
{
    for (size_t i = 0; i < count; i++)
        imap_uids_add(into, uids[i], count);
    imap_uids_sort(into);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

void imap_uids_sort(struct imap_uids *uids)
{
    size_t kept = 0;

    if (uids->count > 1)
        qsort(uids->at, uids->count, sizeof(*uids->at), compare);
    for (size_t i = 0; i < uids->count; i++)
        if (uids->at[i] > (kept ? uids->at[kept - 1] : 0))
            uids->at[kept++] = uids->at[i];
    uids->count = kept;
}

int64_t imap_uids_find(const uint32_t *uids, size_t count, uint32_t uid)
{
    const uint32_t *at = count ? bsearch(&uid, uids, count, sizeof(*uids), compare) : NULL;

    return at ? at - uids : -1;
}

void imap_uids_free(struct imap_uids *uids)
{
    free(uids->at);
    *uids = (struct imap_uids){ 0 };
}

/* ---- sets ------------------------------------------------------------------------------------------- */

size_t imap_set_write(const uint32_t *uids, size_t count, size_t max, struct buf *into)
{
    size_t start = into->len, i = 0, next;

    for (; i < count && (i == 0 || into->len - start + RANGE_MAX <= max); i = next) {
        for (next = i + 1; next < count && uids[next] - 1 == uids[next - 1]; next++)
            ;
        buf_addf(into, next == i + 1 ? "%s%u" : "%s%u:%u", i ? "," : "", uids[i], uids[next - 1]);
    }
    return i;
}

size_t imap_set_next(const struct imap_uids *uids, size_t done, struct buf *into)
{
    size_t left = uids->count - done;

    buf_clear(into);
    return imap_set_write(uids->at + done, left < IMAP_SET_MESSAGES_MAX ? left : IMAP_SET_MESSAGES_MAX,
                          IMAP_SET_MAX, into);
}

static bool read_number(struct str text, uint32_t *number)
{
    int64_t value;

    if (text.len == 0 || text.p[0] < '0' || text.p[0] > '9' || !str_to_int(text, &value) || value < 1 ||
        value > UINT32_MAX)
        return false;
    *number = (uint32_t)value;
    return true;
}

/* "7" or "3:1" off the front. */
static bool next_range(struct str *set, uint32_t *low, uint32_t *high)
{
    struct str range, first;
    uint32_t swap;

    if (!str_split(set, ',', &range) || !str_split(&range, ':', &first) || !read_number(first, low))
        return false;
    *high = *low;
    if (range.p && !read_number(range, high))
        return false;
    if (*high < *low) {
        swap = *low;
        *low = *high;
        *high = swap;
    }
    return true;
}

int imap_set_read(struct str set, size_t max, struct imap_uids *into)
{
    uint32_t low, high;

    do {
        if (!next_range(&set, &low, &high))
            return -1;
        for (uint64_t uid = low; uid <= high; uid++)
            if (imap_uids_add(into, (uint32_t)uid, max) < 0)
                return -1;
    } while (set.p);
    return 0;
}

uint64_t imap_set_size(struct str set)
{
    uint64_t size = 0;
    uint32_t low, high;

    do {
        if (!next_range(&set, &low, &high))
            return 0;
        size += (uint64_t)high - low + 1;
    } while (set.p);
    return size;
}
