/* SPDX-License-Identifier: Apache-2.0 */
/* A whole session with a server that says whatever it likes, without listening, and hangs up: IMAP, or POP3 where it begins with
 * "+" or "-". A message is begun before it comes, is one that was asked for, comes once and has the size that was announced. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mail/imap.h"
#include "mail/imap_mailbox.h"
#include "mail/pop3_drop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* ---- the server ------------------------------------------------------------------------------------- */

struct peer {
    int listener;
    struct str says;
    pthread_t thread;
};

static void *talk(void *ctx)
{
    struct peer *peer = ctx;
    int fd = accept(peer->listener, NULL, NULL);
    char heard[4096];

    for (struct str rest = peer->says; rest.len > 0;) {
        ssize_t n = send(fd, rest.p, rest.len, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        rest = str_from(rest, (size_t)n);
    }
    shutdown(fd, SHUT_WR);
    while (recv(fd, heard, sizeof(heard), 0) > 0)
        ;
    close(fd);
    return NULL;
}

static uint16_t peer_start(struct peer *peer, struct str says)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);

    peer->says = says;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(peer->listener, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(peer->listener, 1) == 0 &&
         getsockname(peer->listener, (struct sockaddr *)&at, &len) == 0);
    pthread_create(&peer->thread, NULL, talk, peer);
    return ntohs(at.sin_port);
}

static void peer_stop(struct peer *peer)
{
    pthread_join(peer->thread, NULL);
    close(peer->listener);
}

/* ---- IMAP ------------------------------------------------------------------------------------------- */

static const uint32_t wanted[] = { 3, 4, 5, 9 };

struct taken {
    bool begun;
    uint64_t size, got;
    unsigned had; /* a bit for each of `wanted` */
};

static void had_one(struct taken *taken, uint32_t uid)
{
    size_t i = 0;

    while (i < COUNT_OF(wanted) && wanted[i] != uid)
        i++;
    must(i < COUNT_OF(wanted) && !(taken->had & 1u << i));
    taken->had |= 1u << i;
}

static int begin(void *ctx, uint64_t size, struct err *err)
{
    struct taken *taken = ctx;

    must(!taken->begun);
    if (size == 13)
        return 1;
    if (size > 1 << 20)
        return err_id(err, ERR_FULL, "limit.diskFull", NULL, "no room");
    *taken = (struct taken){ .begun = true, .size = size, .had = taken->had };
    return 0;
}

static int data(void *ctx, struct str bytes, struct err *err)
{
    struct taken *taken = ctx;

    (void)err;
    taken->got += bytes.len;
    must(taken->begun && bytes.len > 0 && taken->got <= taken->size);
    return 0;
}

static int end(void *ctx, uint32_t uid, struct err *err)
{
    struct taken *taken = ctx;

    (void)err;
    must(taken->begun && taken->got == taken->size);
    taken->begun = false;
    had_one(taken, uid);
    return 0;
}

static int visit(void *ctx, const struct imap_item *item)
{
    must(item->date >= 0 && item->size <= INT64_MAX);
    must(item->message_id == NULL || (item->message_id[0] == '<' && str_is_utf8(str_c(item->message_id))));
    had_one(ctx, item->uid);
    return 0;
}

static void look(struct imap_session *imap, struct err *err)
{
    AUTO_FREE uint32_t *uids = NULL;
    size_t count = 0;
    bool more = false;

    if (imap_search(imap, 5, 3, &uids, &count, &more, err) < 0)
        return;
    must(count <= 3 && (!more || count == 3 || imap_exists(imap) > 3));
    for (size_t i = 0; i < count; i++)
        must(uids[i] >= 5 && (i == 0 || uids[i] > uids[i - 1]));
}

/* All that is done in a mailbox; what is refused leaves the session, and the next thing is tried. */
static void use(struct imap_session *imap, struct err *err)
{
    const struct imap_sink_message sink = { .begin = begin, .data = data, .end = end };
    struct imap_sink_message mine = sink;
    struct taken listed = { 0 }, taken = { 0 };
    char server[60] = "";
    bool flag;

    mine.ctx = &taken;
    imap_fetch(imap, wanted, COUNT_OF(wanted), false, &mine, err);
    if (!imap_is_broken(imap))
        look(imap, err);
    if (!imap_is_broken(imap))
        imap_list(imap, wanted, COUNT_OF(wanted), true, visit, &listed, err);
    if (!imap_is_broken(imap))
        imap_remove(imap, wanted, COUNT_OF(wanted), &flag, err);
    if (!imap_is_broken(imap))
        imap_identify(imap, "1", server, sizeof(server), err);
    if (!imap_is_broken(imap) && imap_idle_start(imap, err) == 0) {
        while (imap_idle_news(imap, err) >= 0)
            imap_park(imap);
        imap_idle_done(imap, &flag, err);
    }
    must(str_is_utf8(str_c(server)) && !str_has_control(str_c(server)));
}

static void by_imap(const struct mail_server *where)
{
    struct imap_session *imap = imap_new(where, NULL);
    struct err err = { 0 };

    if (imap_open(imap, NULL, &err) == 0 && imap_select(imap, "INBOX", false, NULL, &err) == 0)
        use(imap, &err);
    must(!imap_is_broken(imap) || err.id[0]);
    imap_free(imap);
}

/* ---- POP3 ------------------------------------------------------------------------------------------- */

static int pop3_piece(void *ctx, struct str bytes, struct err *err)
{
    uint64_t *got = ctx;

    (void)err;
    *got += bytes.len;
    must(bytes.len > 0 && *got <= 1000);
    return 0;
}

static void by_pop3(const struct mail_server *where)
{
    struct pop3_session *pop3 = pop3_new(where, NULL);
    AUTO_FREE struct pop3_item *items = NULL;
    struct err err = { 0 };
    size_t count = 0;
    uint64_t got = 0;

    if (pop3_open(pop3, NULL, &err) == 0 && pop3_list(pop3, &items, &count, &err) == 0)
        for (size_t i = 1; i < count; i++)
            must(items[i].number > items[i - 1].number && strlen(items[i].uid) <= POP3_UID_MAX &&
                 (items[i].uid[0] == '\0') == (items[0].uid[0] == '\0'));
    if (!pop3_is_broken(pop3))
        pop3_fetch(pop3, 1, false, 1000, pop3_piece, &got, &err);
    got = 0;
    if (!pop3_is_broken(pop3))
        pop3_fetch(pop3, 1, true, 1000, pop3_piece, &got, &err);
    if (!pop3_is_broken(pop3))
        pop3_delete(pop3, 1, &err);
    if (!pop3_is_broken(pop3))
        pop3_commit(pop3, &err);
    must(pop3_is_broken(pop3));
    pop3_free(pop3);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct peer peer;
    struct mail_server where = { .hostname = "127.0.0.1", .timeout_ms = 20000 };

    where.port = peer_start(&peer, str_n(bytes, size));
    if (size > 0 && (bytes[0] == '+' || bytes[0] == '-'))
        by_pop3(&where);
    else
        by_imap(&where);
    peer_stop(&peer);
    return 0;
}
