/* SPDX-License-Identifier: Apache-2.0 */
/* What receiving by IMAP and by POP3 have in common, but for the messages themselves. */
#include "app/receive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/events.h"
#include "app/sender_result.h"
#include "base/clock.h"
#include "base/log.h"
#include <config.h>
#include "mail/imap_mailbox.h"

#define SUSPECT_TIMES 3         /* after so many failures in a row the others go on without it */
#define MISSING_FOR DAYS(7)     /* a server that forgets a message for so long will not remember it */

/* ---- open and close ---- */

/* Where the connection is to last, or somebody looks: the server's log then says who that is. RFC 2971. */
static int identify(struct receive *receive, struct err *err)
{
    const struct account *account = receive->account;
    bool imap = account_transport(receive->entry->type, account) == TRANSPORT_IMAP;

    return imap && (account->push || account->debug) ? imap_identify(receive->connect->imap, PACKAGE_VERSION, NULL, 0, err) : 0;
}

int receive_open(struct receive **ret, struct station *station, struct entry *entry, struct live *live,
                 struct receive_trouble *trouble, struct err *err)
{
    struct receive *receive = mem_alloc(sizeof(*receive));

    receive->station = station;
    receive->live = live_hold(live);
    receive->entry = entry_hold(entry);
    receive->account = entry->component;
    receive->trouble = trouble;
    pthread_mutex_init(&receive->lock, NULL);
    pthread_cond_init(&receive->less, NULL);
    receive->connect = connect_new(station, entry, true);
    if (connect_open(receive->connect, err) == 0 && identify(receive, err) == 0) {
        *ret = receive;
        return 0;
    }
    receive_close(receive, false);
    return -1;
}

void receive_close(struct receive *receive, bool politely)
{
    bool news;

    if (receive == NULL)
        return;
    if (politely && receive->idling && imap_idle_done(receive->connect->imap, &news, NULL) < 0)
        politely = false;
    if (!politely)
        connect_cut(receive->connect);
    connect_free(receive->connect);
    store_mailbox_clear(&receive->mailbox);
    live_free(receive->live);
    entry_free(receive->entry);
    pthread_cond_destroy(&receive->less);
    pthread_mutex_destroy(&receive->lock);
    free(receive);
}

int receive_poll(struct receive *receive, struct err *err)
{
    bool pop3 = account_transport(receive->entry->type, receive->account) == TRANSPORT_POP3;

    receive->more = false;
    receive->received = 0;
    receive->failed = false;
    if (receive_is_void(receive))
        return receive_stopped(err);
    return pop3 ? receive_pop3(receive, err) : receive_imap(receive, err);
}

/* ---- waiting for news ---- */

#define IDLE_TRIES 100          /* lines that say nothing of interest, before it is no longer waited for their end */

int receive_idle(struct receive *receive, struct err *err)
{
    struct imap_session *imap = receive->connect->imap;
    bool news = false;

    if (!receive->idling && imap_idle_start(imap, err) < 0)
        return -1;
    receive->idling = true;
    for (int i = 0; i < IDLE_TRIES; i++) {
        int rc = imap_idle_news(imap, err);

        if (rc < 0)
            return -1;
        if (rc > 0)
            break;
        if (imap_park(imap))
            return 1;
    }
    receive->idling = false;
    return imap_idle_done(imap, &news, err);
}

int receive_awake(struct receive *receive, bool renew, struct err *err)
{
    struct imap_session *imap = receive->connect->imap;
    bool news = false;
    int rc = imap_idle_news(imap, err);

    if (rc < 0 || (rc == 0 && !renew))
        return rc;
    receive->idling = false;
    if (imap_idle_done(imap, &news, err) < 0)
        return -1;
    return rc || news;
}

/* ---- whether and where ---- */

bool receive_is_void(const struct receive *receive)
{
    AUTO(entry) present = registry_get(receive->station->accounts, live_name(receive->live));

    return present != receive->entry || live_is_removed(receive->live) || atomic_load(&receive->station->stopping);
}

int receive_stopped(struct err *err)
{
    return err_id(err, ERR_STOPPED, "connect.stopped", NULL, "The account was changed, or Postern is stopping.");
}

/* Server, user and mailbox: where the messages come from. The caller frees. */
static char *source_of(const struct receive *receive)
{
    static const char *const protocols[] = { "smtp", "imap", "pop3" };
    const struct account *account = receive->account;
    enum account_transport transport = account_transport(receive->entry->type, account);
    const char *user = account_username(account);

    return mem_printf("%s://%s@%s/%s", protocols[transport], user, account->hostname,
                      transport == TRANSPORT_IMAP ? account->mailbox : "");
}

/* ---- what is known of the mailbox ---- */

struct look {
    struct receive *receive;
    char *source;
};

static int look_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct look *look = ctx;
    struct receive *receive = look->receive;

    return store_mailbox_find(tx, live_name(receive->live), look->source, &receive->mailbox, &receive->newest, err);
}

static int put_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct receive *receive = ctx;

    return receive_is_void(receive) ? receive_stopped(err) : store_mailbox_put(tx, live_name(receive->live), &receive->mailbox, err);
}

int receive_look(struct receive *receive, uint32_t uid_validity, struct err *err)
{
    AUTO_FREE char *source = source_of(receive);
    struct look look = { receive, source };
    struct store_mailbox *mailbox = &receive->mailbox;

    store_mailbox_clear(mailbox);
    receive->renumbered = false;
    if (store_read(receive->station->store, look_run, &look, err) < 0)
        return -1;
    if (mailbox->source && mailbox->uid_validity == uid_validity)
        return 0;
    receive->renumbered = mailbox->source != NULL;
    store_mailbox_clear(mailbox);
    *mailbox = (struct store_mailbox){ TAKE(source), receive->newest + 1, uid_validity, 0 };
    if (receive->newest > 0)
        return 1;
    return store_write(receive->station->store, put_run, receive, false, err);
}

void receive_renumber(struct receive *receive)
{
    receive->renumbered = true;
    receive->mailbox.generation = receive->newest + 1;
    receive->mailbox.last_uid = 0;
}

struct adopted {
    struct receive *receive;
    int64_t matched, messages;
};

static int adopted_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct adopted *adopted = ctx;
    const struct receive *receive = adopted->receive;

    if (put_run(tx, adopted->receive, err) < 0)
        return -1;
    return events_add(tx, receive->renumbered ? "mailbox.uidValidityChanged" : "mailbox.changed", live_name(receive->live), NULL,
                      json_pack("{s:I, s:I, s:I}", "uidValidity", (json_int_t)receive->mailbox.uid_validity, "messages",
                                (json_int_t)adopted->messages, "known", (json_int_t)adopted->matched), err);
}

int receive_adopted(struct receive *receive, int64_t matched, int64_t messages, struct err *err)
{
    struct adopted adopted = { receive, matched, messages };

    log_info(live_name(receive->live), "%s; of its %lld messages %lld are known.",
             receive->renumbered ? "The mailbox has other numbers than before" : "It is another mailbox than before", (long long)messages,
             (long long)matched);
    return store_write(receive->station->store, adopted_run, &adopted, false, err);
}

struct matching {
    struct receive *receive;
    const struct store_remote *remotes;
    size_t count;
    int64_t matched;
};

static int match_one(struct store_tx *tx, const struct matching *matching, const struct store_remote *remote, int64_t *matched, struct err *err)
{
    const char *account = live_name(matching->receive->live);
    int64_t generation = matching->receive->mailbox.generation;
    struct store_remote known = { 0 };
    int rc;

    if (remote->message_id == NULL || *remote->message_id == '\0')
        return 0;
    rc = store_remote_match(tx, account, generation, remote->message_id, remote->size, &known, err);
    if (rc <= 0 || known.todo == TODO_FETCH)
        return rc < 0 ? -1 : 0;
    known.uid = remote->uid;
    known.message_id = remote->message_id;
    known.size = remote->size;
    rc = store_remote_add(tx, account, generation, &known, err);
    *matched += rc > 0;
    return rc < 0 ? -1 : 0;
}

static int match_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct matching *matching = ctx;

    matching->matched = 0;
    if (receive_is_void(matching->receive))
        return receive_stopped(err);
    for (size_t i = 0; i < matching->count; i++)
        if (match_one(tx, matching, &matching->remotes[i], &matching->matched, err) < 0)
            return -1;
    return 0;
}

int receive_match(struct receive *receive, const struct store_remote *remotes, size_t count, int64_t *matched, struct err *err)
{
    struct matching matching = { receive, remotes, count, 0 };

    if (store_write(receive->station->store, match_run, &matching, false, err) < 0)
        return -1;
    *matched += matching.matched;
    return 0;
}

/* ---- lists of what is known ---- */

void receive_list_clear(struct receive_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->rows[i].uid);
    free(list->rows);
    *list = (struct receive_list){ 0 };
}

void receive_list_add(struct receive_list *list, const struct receive_row *row)
{
    if ((list->count & (list->count - 1)) == 0)         /* a power of two, or 0 */
        list->rows = mem_resize(list->rows, (list->count ? list->count * 2 : 1) * sizeof(*list->rows));
    list->rows[list->count] = *row;
    list->rows[list->count++].uid = mem_strdup(row->uid);
}

static int list_add(const struct store_remote *remote, void *ctx)
{
    const struct receive_row row = { (char *)remote->uid, remote->size, remote->attempts, remote->next_attempt,
                                      remote->missing_since, remote->todo };

    receive_list_add(ctx, &row);
    return 0;
}

struct listing {
    const struct receive *receive;
    enum store_todo todo;
    int max;
    struct receive_list *list;
};

static int todo_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct listing *listing = ctx;

    return store_remote_todo(tx, live_name(listing->receive->live), listing->receive->mailbox.generation, listing->todo, clock_now(),
                             listing->max, list_add, listing->list, err);
}

static int known_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct listing *listing = ctx;

    return store_remote_each(tx, live_name(listing->receive->live), listing->receive->mailbox.generation, list_add, listing->list, err);
}

int receive_todo(struct receive *receive, enum store_todo todo, int max, struct receive_list *list, struct err *err)
{
    struct listing listing = { receive, todo, max, list };

    return store_read(receive->station->store, todo_run, &listing, err);
}

int receive_known(struct receive *receive, struct receive_list *list, struct err *err)
{
    struct listing listing = { .receive = receive, .list = list };

    return store_read(receive->station->store, known_run, &listing, err);
}

struct settling {
    struct receive *receive;
    const struct receive_list *list;
    enum receive_end end;
};

static int settle_one(struct store_tx *tx, const struct settling *settling, const struct receive_row *row, struct err *err)
{
    const char *account = live_name(settling->receive->live);
    int64_t generation = settling->receive->mailbox.generation, now = clock_now();

    switch (settling->end) {
    case RECEIVE_GONE:
        return store_remote_remove(tx, account, generation, row->uid, err);
    case RECEIVE_MISSING:
        return store_remote_missing(tx, account, generation, row->uid, now, now - MISSING_FOR, err);
    case RECEIVE_DONE:
        return store_remote_finish(tx, account, generation, row->uid, err);
    case RECEIVE_THERE:
        return store_remote_there(tx, account, generation, row->uid, err);
    }
    return 0;
}

static int settle_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct settling *settling = ctx;

    for (size_t i = 0; i < settling->list->count; i++)
        if (settle_one(tx, settling, &settling->list->rows[i], err) < 0)
            return -1;
    return 0;
}

int receive_settle(struct receive *receive, const struct receive_list *list, enum receive_end end, struct err *err)
{
    struct settling settling = { receive, list, end };

    return list->count ? store_write(receive->station->store, settle_run, &settling, false, err) : 0;
}

/* ---- messages that can't be fetched ---- */

/* ms */
static int64_t retry_delay(int64_t attempts)
{
    return sender_back_off(attempts < 10 ? (int)attempts : 10);
}

struct skipping {
    struct receive *receive;
    const char *uid;
    int64_t size, attempts;
    const struct err *why;
};

static int skip_run(struct store_tx *tx, void *ctx, struct err *err)
{
    const struct skipping *skipping = ctx;
    const char *account = live_name(skipping->receive->live);
    struct store_remote remote = { .uid = skipping->uid, .size = skipping->size, .todo = TODO_FETCH, .attempts = skipping->attempts,
                                   .next_attempt = clock_now() + retry_delay(skipping->attempts) };
    int rc;

    if (receive_is_void(skipping->receive))
        return receive_stopped(err);
    rc = store_remote_add(tx, account, skipping->receive->mailbox.generation, &remote, err);
    if (rc == 0)
        return store_remote_update(tx, account, skipping->receive->mailbox.generation, &remote, err);
    if (rc < 0 || skipping->why == NULL)
        return rc < 0 ? -1 : 0;
    return events_add(tx, "mailbox.messageSkipped", account, NULL,
                      json_pack("{s:s, s:I, s:s, s:s}", "uid", skipping->uid, "size", (json_int_t)skipping->size, "code",
                                skipping->why->id, "cause", skipping->why->text), err);
}

int receive_skip(struct receive *receive, const char *uid, int64_t size, int64_t attempts, const struct err *why, struct err *err)
{
    struct skipping skipping = { receive, uid, size, attempts, why };

    return store_write(receive->station->store, skip_run, &skipping, false, err);
}

int receive_suspect(struct receive *receive, const char *uid, int64_t size, const struct err *why)
{
    struct receive_trouble *trouble = receive->trouble;
    struct err err;

    if (why->code == ERR_STOPPED || why->code == ERR_STORAGE)
        return -1;
    if (strcmp(trouble->uid, uid) != 0)
        *trouble = (struct receive_trouble){ 0 };
    snprintf(trouble->uid, sizeof(trouble->uid), "%s", uid);
    trouble->too_large |= strcmp(why->id, "limit.messageSize") == 0;
    if (++trouble->times < SUSPECT_TIMES || receive_skip(receive, uid, size, trouble->times, why, &err) < 0)
        return -1;
    log_warning(live_name(receive->live), "Message %s can't be fetched and is left out for now: %s", uid, why->text);
    *trouble = (struct receive_trouble){ 0 };
    return 0;
}
