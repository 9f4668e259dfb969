/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/pop3_drop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "mail/pop3_body.h"
#include "mail/pop3_session.h"

#define CHUNK (16 * 1024) /* bytes of a message at a time */
#define SHOWN_MAX 50      /* lines of a listing in the transcript */

bool pop3_is_broken(const struct pop3_session *pop3)
{
    return pop3->closing || dialog_is_broken(pop3->dialog);
}

static int unexpected(struct pop3_session *pop3, const char *step, const char *words, struct err *err)
{
    return dialog_fail(pop3->dialog, ERR_TEMPORARY, "protocol.unexpected", step, err, "%s %s.",
                       dialog_hostname(pop3->dialog), words);
}

/* 0 when the server said +OK. */
static int check(struct pop3_session *pop3, const char *step, const char *words, struct err *err)
{
    if (pop3->reply.status == POP3_OK)
        return 0;
    return pop3_refused(pop3, ERR_TEMPORARY, "protocol.refused", step, words, err);
}

/* ---- listings --------------------------------------------------------------------------------------- */

struct listing {
    struct pop3_item *items;
    size_t count, room;
};

/* Takes a line of it; false: it can't be right. */
typedef bool take_line(struct listing *listing, struct str line);

static bool read_number(struct str text, int64_t max, int64_t *number)
{
    return text.len > 0 && text.p[0] != '-' && str_to_int(text, number) && *number <= max;
}

static int by_number(const void *a, const void *b)
{
    const struct pop3_item *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

/* RFC 1939 5: "1 120", and what else a server may add. */
static bool take_size(struct listing *listing, struct str line)
{
    int64_t number, size;
    struct str first, second;

    if (!str_split(&line, ' ', &first) || !str_split(&line, ' ', &second) ||
        !read_number(first, UINT32_MAX, &number) || number == 0 || !read_number(second, INT64_MAX, &size))
        return false;
    if (listing->count == listing->room) {
        listing->room = listing->room ? listing->room * 2 : 16;
        listing->items = mem_resize(listing->items, listing->room * sizeof(*listing->items));
    }
    listing->items[listing->count++] =
        (struct pop3_item){ .number = (uint32_t)number, .size = (uint64_t)size };
    return true;
}

/* RFC 1939 7: "1 whqtswO00WBw418f9t5JxYwZ". */
static bool take_uid(struct listing *listing, struct str line)
{
    struct pop3_item *item, key;
    struct str first;
    int64_t number;

    if (!str_split(&line, ' ', &first) || !read_number(first, UINT32_MAX, &number) || line.len == 0 ||
        line.len > POP3_UID_MAX || listing->count == 0)
        return false;
    for (size_t i = 0; i < line.len; i++)
        if (line.p[i] < 0x21 || line.p[i] > 0x7e)
            return false;
    key.number = (uint32_t)number;
    item = bsearch(&key, listing->items, listing->count, sizeof(*item), by_number);
    if (item == NULL || item->uid[0])
        return false;
    memcpy(item->uid, line.p, line.len);
    return true;
}

static void show_line(struct pop3_session *pop3, struct str line, uint64_t lines)
{
    if (lines < SHOWN_MAX)
        dialog_show(pop3->dialog, MAIL_RECEIVED, line);
    else if (lines == SHOWN_MAX)
        dialog_show(pop3->dialog, MAIL_RECEIVED, STR("[and more lines]"));
}

/* Lines up to the dot. */
static int read_lines(struct pop3_session *pop3, const char *step, take_line *take, struct listing *listing,
                      struct err *err)
{
    struct dialog_flow flow;
    struct str line, content;

    dialog_flow_begin(&flow);
    for (uint64_t lines = 0; lines <= POP3_MESSAGES_MAX; lines++) {
        if (dialog_line(pop3->dialog, step, POP3_LINE_MAX, dialog_flow_deadline(pop3->dialog, &flow), &line,
                        err) < 0)
            return -1;
        flow.bytes += line.len + 2;
        show_line(pop3, line, lines);
        if (!pop3_unstuff(line, &content))
            return 0;
        if (!take(listing, content))
            return unexpected(pop3, step, "lists its messages in a way that can't be right", err);
    }
    return dialog_fail(pop3->dialog, ERR_TEMPORARY, "protocol.lineTooLong", step, err,
                       "%s lists more messages than any maildrop has.", dialog_hostname(pop3->dialog));
}

/* ---- LIST and UIDL ---------------------------------------------------------------------------------- */

static int by_uid(const void *a, const void *b)
{
    const struct pop3_item *const *x = a, *const *y = b;
    int order = strcmp((*x)->uid, (*y)->uid);

    return order ? order : by_number(*x, *y);
}

/* RFC 1939 7: copies of one message may have one UID. A copy is left out, number 0; what only looks like one is an error. */
static int find_copies(struct listing *listing)
{
    AUTO_FREE struct pop3_item **sorted = mem_array(listing->count, sizeof(struct pop3_item *));
    int rc = 0;

    for (size_t i = 0; i < listing->count; i++)
        sorted[i] = &listing->items[i];
    qsort(sorted, listing->count, sizeof(struct pop3_item *), by_uid);
    for (size_t i = 1; i < listing->count; i++) {
        struct pop3_item *copy = sorted[i], *first = sorted[i - 1];

        if (strcmp(copy->uid, first->uid) != 0)
            continue;
        if (copy->size != first->size)
            rc = -1;
        copy->number = 0;
    }
    return rc;
}

static void leave_out_copies(struct listing *listing)
{
    size_t kept = 0;

    for (size_t i = 0; i < listing->count; i++)
        if (listing->items[i].number)
            listing->items[kept++] = listing->items[i];
    listing->count = kept;
}

static bool has_number_twice(const struct listing *listing)
{
    for (size_t i = 1; i < listing->count; i++)
        if (listing->items[i].number == listing->items[i - 1].number)
            return true;
    return false;
}

/* The reply to LIST, and the lines after it. */
static int read_sizes(struct pop3_session *pop3, struct listing *listing, struct err *err)
{
    if (check(pop3, "list", "doesn't list the messages", err) < 0 ||
        read_lines(pop3, "list", take_size, listing, err) < 0)
        return -1;
    if (listing->count > 1)
        qsort(listing->items, listing->count, sizeof(*listing->items), by_number);
    return has_number_twice(listing) ? unexpected(pop3, "list", "lists a message twice", err) : 0;
}

/* The reply to UIDL, and the lines after it. A server without it (RFC 1939 7: optional) says -ERR. */
static int read_uids(struct pop3_session *pop3, struct listing *listing, struct err *err)
{
    if (pop3->reply.status != POP3_OK)
        return pop3->caps.uidl || pop3_is_temporary(&pop3->reply)
                   ? pop3_refused(pop3, ERR_TEMPORARY, "protocol.refused", "uidl", "doesn't tell messages apart", err)
                   : 0;
    if (read_lines(pop3, "uidl", take_uid, listing, err) < 0)
        return -1;
    for (size_t i = 0; i < listing->count; i++)
        if (listing->items[i].uid[0] == '\0')
            return unexpected(pop3, "uidl", "has no unique-id for one of its messages", err);
    if (listing->count > 1 && find_copies(listing) < 0)
        return unexpected(pop3, "uidl", "has one unique-id for different messages", err);
    leave_out_copies(listing);
    return 0;
}

/* RFC 2449 6.8: one flight where the server allows it. */
static int list_pipelined(struct pop3_session *pop3, struct listing *listing, struct err *err)
{
    int rc;

    dialog_show(pop3->dialog, MAIL_SENT, STR("LIST"));
    dialog_show(pop3->dialog, MAIL_SENT, STR("UIDL"));
    if (dialog_send(pop3->dialog, "list", STR("LIST\r\nUIDL\r\n"), err) < 0 ||
        pop3_read(pop3, "list", false, dialog_deadline(pop3->dialog), err) < 0)
        return -1;
    rc = read_sizes(pop3, listing, err);
    /* A refusal leaves the session as it is, and the other answer on its way. */
    if (dialog_is_broken(pop3->dialog) ||
        pop3_read(pop3, "uidl", false, dialog_deadline(pop3->dialog), rc < 0 ? NULL : err) < 0)
        return -1;
    if (rc == 0)
        return read_uids(pop3, listing, err);
    if (pop3->reply.status == POP3_OK)
        dialog_break(pop3->dialog);
    return -1;
}

static int list_in_turn(struct pop3_session *pop3, struct listing *listing, struct err *err)
{
    if (pop3_command(pop3, "list", "LIST", err) < 0 || read_sizes(pop3, listing, err) < 0)
        return -1;
    if (listing->count == 0)
        return 0;
    return pop3_command(pop3, "uidl", "UIDL", err) < 0 ? -1 : read_uids(pop3, listing, err);
}

int pop3_list(struct pop3_session *pop3, struct pop3_item **items, size_t *count, struct err *err)
{
    struct listing listing = { 0 };
    int rc = pop3->caps.pipelining ? list_pipelined(pop3, &listing, err) : list_in_turn(pop3, &listing, err);

    if (rc < 0) {
        free(listing.items);
        return -1;
    }
    *items = listing.items;
    *count = listing.count;
    return 0;
}

/* ---- messages --------------------------------------------------------------------------------------- */

struct fetching {
    const char *step;
    uint64_t max, got;
    pop3_data *data;
    void *ctx;
    struct dialog_flow flow;
};

static int too_large(struct pop3_session *pop3, const struct fetching *fetching, struct err *err)
{
    return dialog_fail(pop3->dialog, ERR_TOO_LARGE, "limit.messageSize", fetching->step, err,
                       "%s sent more than the %llu bytes that a message may have here, so the connection was closed.",
                       dialog_hostname(pop3->dialog), (unsigned long long)fetching->max);
}

static int pass_on(struct pop3_session *pop3, struct fetching *fetching, struct str piece, struct err *err)
{
    int64_t started = clock_mono();

    if (piece.len == 0)
        return 0;
    fetching->got += piece.len;
    if (fetching->got > fetching->max)
        return too_large(pop3, fetching, err);
    if (fetching->data(fetching->ctx, piece, err) < 0) {
        dialog_break(pop3->dialog);
        return -1;
    }
    dialog_flow_excuse(&fetching->flow, started);
    return 0;
}

/* In chunks, not in lines: those may be of any length. */
static int read_body(struct pop3_session *pop3, struct fetching *fetching, struct err *err)
{
    AUTO_FREE char *chunk = mem_alloc(CHUNK);
    struct pop3_body body = { 0 };

    dialog_flow_begin(&fetching->flow);
    while (body.at != POP3_BODY_DONE) {
        struct str bytes;

        if (dialog_read(pop3->dialog, fetching->step, chunk, CHUNK,
                        dialog_flow_deadline(pop3->dialog, &fetching->flow), &bytes, err) < 0)
            return -1;
        fetching->flow.bytes += bytes.len;
        while (bytes.len > 0 && body.at != POP3_BODY_DONE)
            if (pass_on(pop3, fetching, pop3_body_next(&body, &bytes), err) < 0)
                return -1;
        if (bytes.len > 0 || (body.at == POP3_BODY_DONE && dialog_has_more(pop3->dialog)))
            return unexpected(pop3, fetching->step, "sent more after the end of a message", err);
    }
    return 0;
}

static void show_body(struct pop3_session *pop3, uint64_t size)
{
    char shown[64];

    snprintf(shown, sizeof(shown), "[message of %" PRIu64 " bytes]", size);
    dialog_show(pop3->dialog, MAIL_RECEIVED, str_c(shown));
}

int pop3_fetch(struct pop3_session *pop3, uint32_t number, bool headers_only, uint64_t max, pop3_data *data,
               void *ctx, struct err *err)
{
    struct fetching fetching = { headers_only ? "top" : "retr", max, 0, data, ctx, { 0 } };
    char command[40];
    int rc;

    if (headers_only && pop3->caps.known && !pop3->caps.top)
        return err_id(err, ERR_TEMPORARY, "protocol.refused", "pop3.top", "%s doesn't offer TOP.",
                      dialog_hostname(pop3->dialog));
    snprintf(command, sizeof(command), headers_only ? "TOP %" PRIu32 " 0" : "RETR %" PRIu32, number);
    if (pop3_command(pop3, fetching.step, command, err) < 0 ||
        check(pop3, fetching.step, "doesn't hand out a message", err) < 0)
        return -1;
    rc = read_body(pop3, &fetching, err);
    show_body(pop3, fetching.got);
    return rc;
}

int pop3_delete(struct pop3_session *pop3, uint32_t number, struct err *err)
{
    char command[40];

    snprintf(command, sizeof(command), "DELE %" PRIu32, number);
    return pop3_command(pop3, "dele", command, err) < 0 ? -1
                                                        : check(pop3, "dele", "doesn't delete a message", err);
}

int pop3_commit(struct pop3_session *pop3, struct err *err)
{
    int rc = pop3_command(pop3, "quit", "QUIT", err);

    pop3->closing = true;
    return rc < 0 ? -1 : check(pop3, "quit", "doesn't confirm that it has deleted messages", err);
}
