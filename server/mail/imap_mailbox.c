/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for messages, marking and removing them. */
#include "mail/imap_mailbox.h"

#include <stdio.h>
#include <string.h>

#include "mail/imap_name.h"
#include "mail/imap_session.h"
#include "mail/imap_uids.h"

#define FOUND_MAX 1000000 /* UIDs in the answer to one search */
/* Messages that one search looks at: a line with all their UIDs is still short of IMAP_LINE_MAX. */
#define WINDOW 4000
#define SEARCH_TRIES 5
#define TRASH_NAME_MAX 128 /* in quotes; there is no room for more beside a long set */

bool imap_is_broken(const struct imap_session *imap)
{
    return imap->closing || dialog_is_broken(imap->dialog);
}

/* ---- searching -------------------------------------------------------------------------------------- */

static int see_numbers(struct imap_session *imap, struct imap_uids *found)
{
    const struct imap_parser *in = &imap->in;

    for (const struct imap_node *node = imap_first(in); node; node = imap_next(in, node)) {
        int64_t uid;

        if (node->kind == IMAP_LIST) /* RFC 7162 3.1.5: "(MODSEQ 917162500)" */
            continue;
        if (!str_to_int(imap_node_str(in, node), &uid) || uid < 1 || uid > UINT32_MAX ||
            imap_uids_add(found, (uint32_t)uid, FOUND_MAX) < 0)
            return -1;
    }
    return 0;
}

/* "(TAG "a5")" at the front says which search it answers. */
static bool is_for_us(const struct imap_session *imap, const struct imap_node *node)
{
    const struct imap_node *name = node ? imap_child(&imap->in, node) : NULL;
    const struct imap_node *value = name ? imap_next(&imap->in, name) : NULL;
    char tag[16];

    snprintf(tag, sizeof(tag), "a%u", imap->commands);
    return value && str_eq_nocase(imap_node_str(&imap->in, name), STR("TAG")) &&
           str_eq(imap_node_str(&imap->in, value), str_c(tag));
}

/* RFC 9051 7.3.4: "(TAG "a5") UID ALL 2,10:11". An IMAP4rev2 server has no other answer. */
static int see_set(struct imap_session *imap, struct imap_uids *found)
{
    const struct imap_parser *in = &imap->in;
    const struct imap_node *node = imap_first(in), *value;

    if (!is_for_us(imap, node))
        return 0;
    node = imap_next(in, node);
    if (node == NULL || !str_eq_nocase(imap_node_str(in, node), STR("UID")))
        return -1;
    for (node = imap_next(in, node); node; node = imap_next(in, value)) {
        value = imap_next(in, node);
        if (value == NULL)
            return -1;
        if (str_eq_nocase(imap_node_str(in, node), STR("ALL")) &&
            imap_set_read(imap_node_str(in, value), FOUND_MAX, found) < 0)
            return -1;
    }
    return 0;
}

static int see_found(struct imap_session *imap, void *ctx, struct err *err)
{
    int rc = strcmp(imap->in.name, "SEARCH") == 0    ? see_numbers(imap, ctx)
             : strcmp(imap->in.name, "ESEARCH") == 0 ? see_set(imap, ctx)
                                                     : 0;

    return rc < 0 ? imap_unexpected(imap, "search", err) : 0;
}

/* UIDs of what `keys` describe, of `from` or more. */
static int search(struct imap_session *imap, const char *keys, uint32_t from, struct imap_uids *found,
                  struct err *err)
{
    size_t below = 0;

    found->count = 0;
    if (imap_send(imap, "search", err, "UID SEARCH %s", keys) < 0 ||
        imap_finish(imap, "search", see_found, found, err) < 0 ||
        imap_check(imap, "search", "doesn't search the mailbox", err) < 0)
        return -1;
    imap_uids_sort(found);
    while (below < found->count && found->at[below] < from)
        below++;
    if (below > 0)
        memmove(found->at, found->at + below, (found->count - below) * sizeof(*found->at));
    found->count -= below;
    return 0;
}

/* UIDs ascend with sequence numbers, so halving finds the first message of `from` or more; it is `high` at the latest. */
static int search_first(struct imap_session *imap, uint32_t from, uint32_t high, uint32_t *first,
                        struct err *err)
{
    uint32_t low = 1;
    char keys[64];

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        AUTO_UIDS(found);

        snprintf(keys, sizeof(keys), "%u", middle);
        if (search(imap, keys, 1, &found, err) < 0)
            return -1;
        if (found.count > 0 && found.at[0] >= from)
            high = middle;
        else
            low = middle + 1;
    }
    *first = low;
    return 0;
}

/* Messages `first` to `last`, as far as `max` of them go. */
static int search_span(struct imap_session *imap, uint32_t first, uint32_t last, uint32_t from, size_t max,
                       struct imap_uids *found, struct err *err)
{
    char keys[64];

    found->count = 0;
    for (uint64_t low = first; low <= last && found->count < max; low += WINDOW) {
        size_t span = max - found->count < WINDOW ? max - found->count : WINDOW;
        AUTO_UIDS(part);

        snprintf(keys, sizeof(keys), "%u:%u UID %u:*", (uint32_t)low,
                 low + span - 1 < last ? (uint32_t)(low + span - 1) : last, from);
        if (search(imap, keys, from, &part, err) < 0)
            return -1;
        for (size_t i = 0; i < part.count; i++)
            if (imap_uids_add(found, part.at[i], max) < 0)
                break;
    }
    imap_uids_sort(found);
    return 0;
}

/* The answer to a search in a large mailbox may be a line of megabytes, so the end of it is looked at first, and
 * only where all of that is new, the beginning of what is new. */
static int search_window(struct imap_session *imap, uint32_t from, size_t max, struct imap_uids *found,
                         bool *more, struct err *err)
{
    uint32_t last = imap->view.exists, low = last - WINDOW + 1, first;
    char keys[64];

    snprintf(keys, sizeof(keys), "%u:* UID %u:*", low, from);
    if (search(imap, keys, from, found, err) < 0)
        return -1;
    if (found->count < WINDOW)
        return 0;
    if (search_first(imap, from, low, &first, err) < 0)
        return -1;
    *more = last - first >= max;
    return search_span(imap, first, last, from, max, found, err);
}

static int search_all(struct imap_session *imap, uint32_t from, struct imap_uids *found, struct err *err)
{
    char keys[32];

    snprintf(keys, sizeof(keys), "UID %u:*", from);
    return search(imap, keys, from, found, err);
}

int imap_search(struct imap_session *imap, uint32_t from, size_t max, uint32_t **uids, size_t *count,
                bool *more, struct err *err)
{
    AUTO_UIDS(found);

    from = from ? from : 1;
    for (int i = 0; i < SEARCH_TRIES; i++) {
        unsigned shifts = imap->view.shifts;
        bool whole = imap->view.exists <= WINDOW;

        *more = imap->view.news = false;
        if ((whole ? search_all(imap, from, &found, err)
                   : search_window(imap, from, max, &found, more, err)) < 0)
            return -1;
        if (!whole && imap->view.shifts != shifts)
            continue; /* sequence numbers named other messages than we thought */
        *more |= found.count > max;
        *count = found.count < max ? found.count : max;
        *uids = TAKE(found.at);
        return 0;
    }
    return err_id(err, ERR_TEMPORARY, "protocol.unexpected", "imap.search",
                  "The mailbox at %s changes faster than it can be searched.", dialog_hostname(imap->dialog));
}

/* ---- marking ---------------------------------------------------------------------------------------- */

/* The same command for each part of the set. */
static int for_each_set(struct imap_session *imap, const char *step, const struct imap_uids *uids,
                        const char *command, const char *rest, const char *refusal, struct err *err)
{
    AUTO_BUF(set, IMAP_COMMAND_MAX);

    for (size_t done = 0; done < uids->count;) {
        done += imap_set_next(uids, done, &set);
        if (imap_send(imap, step, err, "%s %s%s", command, set.p, rest) < 0 ||
            imap_finish(imap, step, NULL, NULL, err) < 0 || imap_check(imap, step, refusal, err) < 0)
            return -1;
    }
    return 0;
}

static int mark(struct imap_session *imap, const struct imap_uids *uids, enum imap_mark mark, struct err *err)
{
    return for_each_set(imap, "store", uids, "UID STORE",
                        mark == IMAP_MARK_SEEN ? " +FLAGS.SILENT (\\Seen)" : " +FLAGS.SILENT (\\Deleted)",
                        "doesn't mark messages", err);
}

int imap_mark(struct imap_session *imap, const uint32_t *uids, size_t count, enum imap_mark how,
              struct err *err)
{
    AUTO_UIDS(all);

    imap_uids_copy(uids, count, &all);
    return mark(imap, &all, how, err);
}

/* ---- removing --------------------------------------------------------------------------------------- */

/* RFC 6154 2: "LIST (\Trash) "/" Bin". The name as it is sent, in quotes; empty: there is none. */
static int see_trash(struct imap_session *imap, void *ctx, struct err *err)
{
    const struct imap_parser *in = &imap->in;
    const struct imap_node *flags = imap_first(in), *name;
    struct buf *trash = ctx;
    bool is_trash = false, is_there = true;

    (void)err;
    if (strcmp(in->name, "LIST") != 0 || flags == NULL || trash->len > 0)
        return 0;
    for (const struct imap_node *flag = imap_child(in, flags); flag; flag = imap_next(in, flag)) {
        is_trash |= str_eq_nocase(imap_node_str(in, flag), STR("\\Trash"));
        is_there &= !str_eq_nocase(imap_node_str(in, flag), STR("\\NonExistent")) &&
                    !str_eq_nocase(imap_node_str(in, flag), STR("\\Noselect"));
    }
    name = imap_next(in, flags) ? imap_next(in, imap_next(in, flags)) : NULL;
    if (is_trash && is_there && name && imap_quote(imap_node_str(in, name), !imap->caps.rev1, trash) < 0)
        buf_clear(trash);
    return 0;
}

/* RFC 6851. 1: they are moved; 0: there is nowhere to move them to. */
static int move_to_trash(struct imap_session *imap, const struct imap_uids *uids, struct err *err)
{
    AUTO_BUF(trash, TRASH_NAME_MAX);
    AUTO_BUF(rest, TRASH_NAME_MAX + 8);

    if (!imap->caps.move || !imap->caps.special_use)
        return 0;
    if (imap_send(imap, "list", err, "LIST (SPECIAL-USE) \"\" \"*\"") < 0 ||
        imap_finish(imap, "list", see_trash, &trash, err) < 0)
        return -1;
    if (imap->in.status != IMAP_OK || trash.len == 0 || strcmp(trash.p, imap->view.name) == 0)
        return 0;
    buf_addf(&rest, " %s", trash.p);
    return for_each_set(imap, "move", uids, "UID MOVE", rest.p, "doesn't move messages to the trash", err) < 0
               ? -1
               : 1;
}

/* Whether somebody else's message is marked \Deleted. Where we can't be sure, yes. */
static int others_deleted(struct imap_session *imap, const struct imap_uids *ours, bool *others,
                          struct err *err)
{
    unsigned shifts = imap->view.shifts;
    AUTO_UIDS(found);
    char keys[64];

    *others = false;
    for (uint64_t low = 1; low <= imap->view.exists && !*others; low += WINDOW) {
        snprintf(keys, sizeof(keys), "%llu:%llu DELETED", (unsigned long long)low,
                 (unsigned long long)(low + WINDOW <= imap->view.exists ? low + WINDOW - 1 : imap->view.exists));
        if (search(imap, keys, 1, &found, err) < 0)
            return -1;
        for (size_t i = 0; i < found.count; i++)
            *others |= imap_uids_find(ours->at, ours->count, found.at[i]) < 0;
    }
    *others |= imap->view.shifts != shifts;
    return 0;
}

/* RFC 9051 6.4.3: takes everything along that is marked. */
static int expunge_alone(struct imap_session *imap, const struct imap_uids *ours, bool *left, struct err *err)
{
    if (others_deleted(imap, ours, left, err) < 0)
        return -1;
    if (*left)
        return 0;
    if (imap_send(imap, "expunge", err, "EXPUNGE") < 0 ||
        imap_finish(imap, "expunge", NULL, NULL, err) < 0)
        return -1;
    return imap_check(imap, "expunge", "doesn't remove messages", err);
}

int imap_remove(struct imap_session *imap, const uint32_t *uids, size_t count, bool *left, struct err *err)
{
    AUTO_UIDS(all);
    int moved = 0;

    *left = false;
    imap_uids_copy(uids, count, &all);
    if (all.count == 0)
        return 0;
    if (!imap->caps.uidplus)
        moved = move_to_trash(imap, &all, err);
    if (moved != 0)
        return moved < 0 ? -1 : 0;
    if (mark(imap, &all, IMAP_MARK_DELETED, err) < 0)
        return -1;
    if (!imap->caps.uidplus)
        return expunge_alone(imap, &all, left, err);
    return for_each_set(imap, "expunge", &all, "UID EXPUNGE", "", "doesn't remove messages", err);
}
