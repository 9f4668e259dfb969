/* SPDX-License-Identifier: Apache-2.0 */
#include "app/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/hosts.h"
#include "app/oauth.h"
#include "base/buf.h"
#include "base/clock.h"
#include "model/account.h"
#include "tls/client.h"

#define SECRET_FILE_MAX (64 * 1024)

/* ---- secrets ---- */

static int read_secret_file(const char *path, const char *name, char **ret, struct err *err)
{
    struct buf text;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);     /* a FIFO must not keep a worker waiting */
    struct stat st;
    char *room;

    if (fd < 0)
        return err_id(err, ERR_REFUSED, "config.secretFile", "emailAuthenticator", "The secret file \"%s\" cannot be read: %s.",
                      name, strerror(errno));
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return err_id(err, ERR_REFUSED, "config.secretFile", "emailAuthenticator", "The secret file \"%s\" is no regular file.",
                      name);
    }
    buf_init_secret(&text, SECRET_FILE_MAX);
    while ((room = buf_room(&text, 4096)) && (got = read(fd, room, 4096)) > 0)
        text.len += (size_t)got;
    close(fd);
    if (got == 0 && text.p) {
        size_t len;

        text.p[text.len] = '\0';
        len = strcspn(text.p, "\r\n");
        mem_wipe(text.p + len, text.len - len);         /* freed as a text, and wiped no further than its end */
        *ret = buf_take(&text);
        return 0;
    }
    buf_free(&text);
    return err_id(err, ERR_REFUSED, "config.secretFile", "emailAuthenticator", "The secret file \"%s\" cannot be read, or is too long.",
                  name);
}

int secret_resolve(const struct station *station, const struct secret *secret, char **ret, struct err *err)
{
    AUTO_FREE char *path = NULL;

    if (secret->file == NULL) {
        *ret = mem_strdup(secret->value ? secret->value : "");
        return 0;
    }
    path = mem_printf("%s/%s", station->credentials_dir, secret->file);
    return read_secret_file(path, secret->file, ret, err);
}

/* ---- protocols ---- */

struct connect_protocol {
    void *(*make)(struct connect *connect, const struct mail_server *server);
    int (*start)(void *session, const struct mail_auth *auth, struct err *err);
    void (*abort)(void *session);
    void (*close)(void *session);       /* politely where it can; frees */
};

static void *smtp_make(struct connect *connect, const struct mail_server *server)
{
    return smtp_new(server, &connect->observer, connect->station->host_name);
}

static int smtp_start(void *session, const struct mail_auth *auth, struct err *err)
{
    return smtp_open(session, auth, err);
}

static void smtp_cut(void *session)
{
    smtp_abort(session);
}

static void smtp_close(void *session)
{
    if (smtp_is_usable(session))
        smtp_quit(session);
    smtp_free(session);
}

static void *imap_make(struct connect *connect, const struct mail_server *server)
{
    return imap_new(server, &connect->observer);
}

static int imap_start(void *session, const struct mail_auth *auth, struct err *err)
{
    return imap_open(session, auth, err);
}

static void imap_cut(void *session)
{
    imap_abort(session);
}

static void imap_close(void *session)
{
    if (imap_is_usable(session))
        imap_logout(session);
    imap_free(session);
}

static void *pop3_make(struct connect *connect, const struct mail_server *server)
{
    return pop3_new(server, &connect->observer);
}

static int pop3_start(void *session, const struct mail_auth *auth, struct err *err)
{
    return pop3_open(session, auth, err);
}

static void pop3_cut(void *session)
{
    pop3_abort(session);
}

static void pop3_close(void *session)
{
    if (pop3_is_usable(session))
        pop3_quit(session);
    pop3_free(session);
}

static const struct connect_protocol protocols[] = {
    [TRANSPORT_SMTP] = { smtp_make, smtp_start, smtp_cut, smtp_close },
    [TRANSPORT_IMAP] = { imap_make, imap_start, imap_cut, imap_close },
    [TRANSPORT_POP3] = { pop3_make, pop3_start, pop3_cut, pop3_close },
};

/* ---- the open ones ---- */

static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;
static struct connect *open_list;

static void enlist(struct connect *connect)
{
    pthread_mutex_lock(&open_lock);
    connect->next = open_list;
    open_list = connect;
    connect->open = true;
    if (atomic_load(&connect->station->stopping))       /* connect_abort_all() may have been here already */
        connect->protocol->abort(connect->session);
    pthread_mutex_unlock(&open_lock);
}

static void delist(struct connect *connect)
{
    pthread_mutex_lock(&open_lock);
    for (struct connect **at = &open_list; connect->open && *at; at = &(*at)->next) {
        if (*at == connect) {
            *at = connect->next;
            break;
        }
    }
    connect->open = false;
    pthread_mutex_unlock(&open_lock);
}

static void subject_of(const struct connect *connect, struct hosts_subject *subject)
{
    const struct account *account = connect->account->component;

    *subject = (struct hosts_subject){ account->hostname, account_port(connect->account->type, account),
                                       (enum trust_stores)account->trust_stores, account->verify_name, true };
}

void connect_abort_all(struct station *station)
{
    pthread_mutex_lock(&open_lock);
    for (struct connect *connect = open_list; connect; connect = connect->next)
        if (connect->station == station)
            connect->protocol->abort(connect->session);
    pthread_mutex_unlock(&open_lock);
}

void connect_recheck(struct station *station)
{
    pthread_mutex_lock(&open_lock);
    for (struct connect *connect = open_list; connect; connect = connect->next) {
        struct hosts_subject subject;

        subject_of(connect, &subject);
        if (connect->station == station && connect->peer && !hosts_would_go_on(station, &subject, connect->peer))
            connect->protocol->abort(connect->session);
    }
    pthread_mutex_unlock(&open_lock);
}

/* ---- what a session tells ---- */

json_t *connect_step_json(const struct mail_step *step)
{
    const struct err *err = step->err;
    json_t *json = json_pack("{s:s, s:b, s:I, s:s}", "name", step->name, "ok", err == NULL, "ms", (json_int_t)step->ms, "detail",
                             err ? err->text : step->detail ? step->detail : "");

    if (err) {
        json_object_set_new(json, "code", json_string(err->id));
        json_object_set_new(json, "advice", json_string(cause_of(err->id)->advice));
    }
    return json;
}

static void on_step(void *ctx, const struct mail_step *step)
{
    struct connect *connect = ctx;

    if (connect->steps)
        json_array_append_new(connect->steps, connect_step_json(step));
}

static void on_transcript(void *ctx, enum mail_direction direction, struct str line)
{
    struct connect *connect = ctx;
    AUTO_FREE char *text = mem_printf("%c %.*s", direction == MAIL_SENT ? '>' : '<', (int)(line.len < 2000 ? line.len : 2000),
                                      line.p);

    live_transcript_add(connect->live, text);
}

static void keep_challenge(struct connect *connect, const struct hosts_subject *subject, const struct err *err)
{
    AUTO_FREE char *id = hosts_id(subject->hostname, subject->port);
    AUTO(entry) entry = strncmp(err->id, "cert.", 5) == 0 ? registry_get(connect->station->allowed_hosts, id) : NULL;

    if (connect->steps && entry)
        connect->challenge = hosts_json(connect->station, entry);
}

/* Known only for a server that a trust store vouched for. */
static int refuse_unbound(struct connect *connect, struct err *err)
{
    atomic_store(&connect->live->unbound, false);
    return err_id(err, ERR_TEMPORARY, "auth.binding", "emailAuthenticator",
                  "No trust store vouches for this server any more, so nobody logs in there without binding that to the connection.");
}

static int on_judge(void *ctx, const struct tls_peer *peer, struct err *err)
{
    struct connect *connect = ctx;
    struct trust_result result;
    struct hosts_subject subject;

    pthread_mutex_lock(&open_lock);     /* connect_recheck looks at it from other threads */
    tls_peer_free(connect->peer);
    connect->peer = tls_peer_copy(peer);
    pthread_mutex_unlock(&open_lock);
    subject_of(connect, &subject);
    connect->trusted = false;
    if (hosts_judge(connect->station, &subject, peer, &result, err) == 0) {
        connect->trusted = result.verdict == TRUST_YES;
        return connect->trusted || !connect->unbound ? 0 : refuse_unbound(connect, err);
    }
    keep_challenge(connect, &subject, err);
    return -1;
}

/* ---- a connection ---- */

struct connect *connect_new(struct station *station, struct entry *account, bool stored)
{
    struct connect *connect = mem_alloc(sizeof(*connect));
    bool debug = ((const struct account *)account->component)->debug;

    connect->station = station;
    connect->account = entry_hold(account);
    connect->live = stored ? live_get(station->lives, account->name) : NULL;
    connect->observer = (struct mail_observer){ connect, on_step, stored && debug ? on_transcript : NULL, on_judge };
    return connect;
}

static void close_session(struct connect *connect)
{
    delist(connect);
    if (connect->session)
        connect->protocol->close(connect->session);
    connect->session = NULL;
}

void connect_cut(struct connect *connect)
{
    if (connect->session)
        connect->protocol->abort(connect->session);
}

void connect_free(struct connect *connect)
{
    if (connect == NULL)
        return;
    close_session(connect);
    tls_peer_free(connect->peer);
    json_decref(connect->steps);
    json_decref(connect->challenge);
    live_free(connect->live);
    entry_free(connect->account);
    free(connect);
}

void connect_server(const struct entry *entry, struct mail_server *server)
{
    const struct account *account = entry->component;

    *server = (struct mail_server){
        .hostname = account->hostname,
        .port = (uint16_t)account_port(entry->type, account),
        .security = account->use_ssl ? SECURITY_SSL : account->use_start_tls ? SECURITY_STARTTLS : SECURITY_NONE,
        .tls_min = (enum tls_version)(account->tls_min_protocol + TLS_VERSION_1_0),
        .verify_name = account->verify_name,
        .allow_cleartext_auth = account->allow_cleartext_auth,
        .timeout_ms = SECONDS(account->connection_timeout),
    };
}

/* The token is had before the mail server is called: it would not wait for it. */
static int bearer_auth(struct connect *connect, const struct auth_oauth2 *oauth2, struct mail_auth *auth, char **secret, struct err *err)
{
    if (oauth_token(connect->station->oauth, oauth2, connect->steps != NULL, secret, err) < 0)
        return -1;
    *auth = (struct mail_auth){ .type = MAIL_AUTH_BEARER, .username = oauth2->username, .secret = *secret };
    return 0;
}

int connect_auth(struct connect *connect, struct mail_auth *auth, char **secret, struct err *err)
{
    const struct account *account = connect->account->component;
    const struct auth_basic *basic = account_basic(account);

    *auth = (struct mail_auth){ .type = MAIL_AUTH_NONE };
    if (strcmp(account->authenticator.type->name, "none") == 0)
        return 0;
    if (basic == NULL)
        return bearer_auth(connect, account->authenticator.value, auth, secret, err);
    if (*basic->username == '\0' && connect->account->type == &incoming_account_type)
        return err_id(err, ERR_REFUSED, "config.authenticator", "emailAuthenticator", "No user name is given.");
    if (*basic->username == '\0' && basic->password.value == NULL && basic->password.file == NULL)
        return 0;                       /* a new account's default: a relay that asks for nothing */
    if (*basic->username == '\0')
        return err_id(err, ERR_REFUSED, "config.authenticator", "emailAuthenticator", "A password is given but no user name.");
    if (secret_resolve(connect->station, &basic->password, secret, err) < 0)
        return -1;
    *auth = (struct mail_auth){ MAIL_AUTH_BASIC, basic->username, *secret, auth_mechanisms[basic->mechanism] };
    return 0;
}

static int check_settings(const struct connect *connect, struct err *err)
{
    if (*((const struct account *)connect->account->component)->hostname == '\0')
        return err_id(err, ERR_REFUSED, "config.hostname", "hostname", "No hostname is given.");
    return 0;
}

static int open_once(struct connect *connect, const struct mail_server *server, const struct mail_auth *auth, struct err *err)
{
    const struct entry *account = connect->account;

    connect->protocol = &protocols[account_transport(account->type, account->component)];
    connect->session = connect->protocol->make(connect, server);
    enlist(connect);
    return connect->protocol->start(connect->session, auth, err);
}

/* Some servers offer to bind the log-in to the channel and then don't know how. Where a trust store vouches for the server, nobody can
 * stand in between who would gain by our doing without; under an exemption somebody may, and we don't. */
static int open_unbound(struct connect *connect, const struct mail_server *server, struct mail_auth *auth, struct err *err)
{
    if (auth->mechanism && strcmp(auth->mechanism, "auto") != 0)
        return -1;
    auth->unbound = true;
    close_session(connect);
    if (open_once(connect, server, auth, err) < 0)
        return -1;
    if (connect->live)
        atomic_store(&connect->live->unbound, true);
    return 0;
}

/* A certificate that was trusted in an earlier handshake may be renewed since it no longer is: then it takes a whole handshake. */
static int open_with(struct connect *connect, struct mail_server *server, struct mail_auth *auth, struct err *err)
{
    if (open_once(connect, server, auth, err) == 0)
        return 0;
    if (strcmp(err->id, "auth.binding") == 0 && connect->trusted)
        return open_unbound(connect, server, auth, err);
    if (strcmp(err->id, HOSTS_RESUMED) != 0)
        return -1;
    tls_client_forget_sessions();
    close_session(connect);
    server->session_key = NULL;
    return open_once(connect, server, auth, err);
}

/* The provider's words may say more than that it refused. */
static void refine(struct connect *connect, const struct mail_auth *auth, struct err *err)
{
    const char *code = cause_refine("auth", err->id, err->text);
    size_t count = json_array_size(connect->steps);
    json_t *last = count ? json_array_get(connect->steps, count - 1) : NULL;

    if (auth->type == MAIL_AUTH_BEARER)
        code = cause_refine("bearer", code, err->text);
    if (code == err->id)
        return;
    snprintf(err->id, sizeof(err->id), "%s", code);
    if (last == NULL || json_is_true(json_object_get(last, "ok")))
        return;
    json_object_set_new(last, "code", json_string(err->id));
    json_object_set_new(last, "advice", json_string(cause_of(err->id)->advice));
}

/* A token may end before its time: revoked, or the server lost its keys. Another one is worth one more attempt. */
static int open_with_another_token(struct connect *connect, struct mail_server *server, struct mail_auth *auth, struct err *err)
{
    const struct account *account = connect->account->component;
    AUTO_SECRET char *token = NULL;

    if (oauth_replace(connect->station->oauth, account->authenticator.value, auth->secret, &token) < 0)
        return -1;
    close_session(connect);
    if (connect->steps)
        json_array_clear(connect->steps);
    auth->secret = token;
    return open_with(connect, server, auth, err);
}

int connect_open(struct connect *connect, struct err *err)
{
    AUTO_SECRET char *secret = NULL;
    AUTO_FREE char *session_key = NULL;
    struct mail_server server;
    struct mail_auth auth;
    int rc;

    if (check_settings(connect, err) < 0 || connect_auth(connect, &auth, &secret, err) < 0)
        return -1;
    connect_server(connect->account, &server);
    /* Of the server, not of the account: a resumed session's certificate is judged anew for each account, and a thousand accounts of one
     * server need no thousand sessions. Who verifies wants to see what it shows now. */
    session_key = hosts_id(server.hostname, server.port);
    server.session_key = connect->steps ? NULL : session_key;
    auth.unbound = connect->unbound = connect->live && atomic_load(&connect->live->unbound);
    rc = open_with(connect, &server, &auth, err);
    if (rc < 0 && auth.type == MAIL_AUTH_BEARER && strcmp(err->id, "auth.refused") == 0)
        rc = open_with_another_token(connect, &server, &auth, err);
    if (rc < 0 && strcmp(err->id, "auth.refused") == 0)
        refine(connect, &auth, err);
    return rc;
}

int connect_look_at_mailbox(struct connect *connect, struct err *err)
{
    const struct account *account = connect->account->component;

    if (account_transport(connect->account->type, account) == TRANSPORT_POP3)
        return pop3_stat(connect->pop3, NULL, err);
    return imap_select(connect->imap, account->mailbox, true, NULL, err);
}

json_t *connect_tls_json(const struct connect *connect)
{
    const struct tls_peer *peer = connect->peer;
    json_t *certificate, *tls;

    if (peer == NULL)
        return NULL;
    certificate = hosts_certificate_json(peer, 0);
    tls = json_pack("{s:s, s:s, s:s}", "protocol", tls_version_name(peer->version), "cipher", peer->cipher, "keyExchange",
                    peer->key_exchange);
    for (int i = 0; i < 5; i++) {
        static const char *const names[] = { "subject", "issuer", "notAfter", "sha256", "spkiSha256" };
        json_t *value = json_object_get(certificate, names[i]);

        json_object_set(tls, names[i], value ? value : json_null());
    }
    json_decref(certificate);
    return tls;
}
