/* SPDX-License-Identifier: Apache-2.0 */
/* What an account costs while its connection waits: an IMAP session over TLS 1.3, logged in, in IDLE and parked. The number of
 * sessions may be given as an argument. */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/imap.h"
#include "mail/imap_mailbox.h"
#include "tls/peer.h"

#include "pki.h"
#include "tap.h"

#define SESSIONS 100
#define HEAP_MAX (14 * 1024) /* bytes for each; 16 KiB is promised, with what the receiver keeps beside */

/* ---- a server in a process of its own, so that its memory isn't ours --------------------------------- */

static gnutls_certificate_credentials_t credentials;

static void make_credentials(void)
{
    static const struct pki_spec root_is = { .name = "Root", .kind = KEY_RSA2048, .ca = CA_YES, .from = -6000, .to = 9000 },
                                 leaf_is = { .name = "mail.example.com", .kind = KEY_RSA2048, .sans = "ip:127.0.0.1", .from = -6000,
                                             .to = 9000 };
    static char chain[20000], key[8000];
    struct pki root, middle, leaf;
    struct pki_spec spec = root_is;
    gnutls_datum_t c, k;

    pki_make(&root, &root_is);
    spec.name = "Issuing authority";
    spec.issuer = &root;
    pki_make(&middle, &spec);
    spec = leaf_is;
    spec.issuer = &middle;
    pki_make(&leaf, &spec);
    pki_pem(&leaf, chain, sizeof(chain));
    pki_pem(&middle, chain, sizeof(chain));
    pki_key_pem(&leaf, key, sizeof(key));
    c = (gnutls_datum_t){ .data = (unsigned char *)chain, .size = (unsigned)strlen(chain) };
    k = (gnutls_datum_t){ .data = (unsigned char *)key, .size = (unsigned)strlen(key) };
    gnutls_certificate_allocate_credentials(&credentials);
    if (gnutls_certificate_set_x509_key_mem(credentials, &c, &k, GNUTLS_X509_FMT_PEM) < 0)
        abort();
    pki_free(&root);
    pki_free(&middle);
    pki_free(&leaf);
}

static void answer(gnutls_session_t tls, const char *text)
{
    char line[1000];

    if (text[0] != '*' || strncmp(text, "* OK", 4) != 0)
        gnutls_record_recv(tls, line, sizeof(line));
    gnutls_record_send(tls, text, strlen(text));
}

/* Answers as Dovecot does, and lets the client wait. */
static void serve_one(int fd, const gnutls_datum_t *ticket_key)
{
    gnutls_session_t tls;

    gnutls_init(&tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
    gnutls_priority_set_direct(tls, "NORMAL", NULL);
    gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_session_ticket_enable_server(tls, ticket_key);
    gnutls_transport_set_int(tls, fd);
    while (gnutls_handshake(tls) == GNUTLS_E_AGAIN)
        ;
    answer(tls, "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN] Dovecot ready.\r\n");
    answer(tls, "a1 OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES "
                "THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS "
                "LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS "
                "BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY SPECIAL-USE] in\r\n");
    answer(tls, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n"
                "* OK [UIDNEXT 9] ok\r\na2 OK [READ-WRITE] done\r\n");
    answer(tls, "+ idling\r\n");
}

static void serve(int listener)
{
    gnutls_datum_t ticket_key;

    make_credentials();
    gnutls_session_ticket_key_generate(&ticket_key);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0)
            _exit(0);
        serve_one(fd, &ticket_key);
    }
}

static pid_t start_server(uint16_t *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pid_t pid;

    if (bind(listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listener, 64) < 0 ||
        getsockname(listener, (struct sockaddr *)&at, &len) < 0)
        abort();
    *port = ntohs(at.sin_port);
    pid = fork();
    if (pid == 0)
        serve(listener);
    close(listener);
    return pid;
}

/* ---- the sessions ----------------------------------------------------------------------------------- */

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void);
static size_t heap(void)
{
    return __sanitizer_get_current_allocated_bytes();
}
#else
static size_t heap(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}
#endif

static long resident(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    long pages = 0;

    if (statm && fscanf(statm, "%*d %ld", &pages) != 1)
        pages = 0;
    if (statm)
        fclose(statm);
    return pages * sysconf(_SC_PAGESIZE);
}

static int judge(void *ctx, const struct tls_peer *peer, struct err *err)
{
    (void)err;
    *(enum tls_version *)ctx = peer->version;
    return 0;
}

static struct imap_session *park_one(uint16_t port, int no, enum tls_version *version, struct err *err)
{
    AUTO_FREE char *key = mem_printf("account-%d 127.0.0.1:%u 1", no, port);
    struct mail_server where = { .hostname = "127.0.0.1", .port = port, .security = SECURITY_SSL, .timeout_ms = 10000,
                                 .session_key = key };
    struct mail_observer observer = { .ctx = version, .judge = judge };
    struct mail_auth auth = { MAIL_AUTH_BASIC, "plant", "a password", NULL };
    struct imap_session *imap = imap_new(&where, &observer);

    if (imap_open(imap, &auth, err) < 0 || imap_select(imap, "INBOX", false, NULL, err) < 0 ||
        imap_idle_start(imap, err) < 0 || imap_idle_news(imap, err) != 0 || !imap_park(imap)) {
        imap_free(imap);
        return NULL;
    }
    return imap;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : SESSIONS, parked = 0;
    AUTO_FREE struct imap_session **all = mem_array((size_t)count + 1, sizeof(*all));
    enum tls_version version = TLS_VERSION_NONE;
    struct err err = { 0 };
    uint16_t port;
    pid_t server = start_server(&port);
    struct imap_session *first = park_one(port, 0, &version, &err); /* what all have in common */
    size_t before = heap(), each;
    long resident_before = resident();

    while (parked < count && (all[parked] = park_one(port, parked + 1, &version, &err)))
        parked++;
    each = (heap() - before) / (size_t)count;
    printf("# RSS grew by %ld bytes for each (more under sanitizers)\n", (resident() - resident_before) / count);
    ok(first && parked == count && version == TLS_VERSION_1_3, "%d sessions are parked (%s)", parked, err.text);
    ok(each <= HEAP_MAX, "each has %zu bytes, of %d", each, HEAP_MAX);
    for (int i = 0; i < parked; i++)
        imap_free(all[i]);
    imap_free(first);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return done();
}
