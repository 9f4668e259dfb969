/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/client.h"

#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "tls/session.h"
#include "tls/sessions.h"

/* A renewed certificate shows only in a full handshake, so there must be one now and then. */
#define RESUME_FOR SECONDS(3600)

/* One of each for all sessions: with its own, a session costs 46 KB more. Read-only once made; never freed.
 */
static pthread_once_t shared_once = PTHREAD_ONCE_INIT;
static gnutls_certificate_credentials_t credentials; /* no roots: trust/ judges, not GnuTLS */
static gnutls_priority_t priorities[TLS_VERSION_1_3 + 1];

#define VERSIONS(list) "-VERS-ALL:+VERS-TLS1.3" list
#define SHA_1 ":+SIGN-RSA-SHA1:+SIGN-ECDSA-SHA1:+SHA1"

/* Appended to the system's own default, so an administrator's crypto policy holds here too. Before TLS 1.2 a
 * ServerKeyExchange is signed with SHA-1, and there is no cipher but CBC with SHA-1. */
static const char *const versions[] = {
    [TLS_VERSION_1_0] = VERSIONS(":+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0" SHA_1),
    [TLS_VERSION_1_1] = VERSIONS(":+VERS-TLS1.2:+VERS-TLS1.1" SHA_1),
    [TLS_VERSION_1_2] = VERSIONS(":+VERS-TLS1.2"),
    [TLS_VERSION_1_3] = VERSIONS(""),
};

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "postern: GnuTLS can't be used: %s\n", gnutls_strerror(rc));
        abort();
    }
}

static void shared_make(void)
{
    must(gnutls_certificate_allocate_credentials(&credentials));
    for (int v = TLS_VERSION_1_0; v <= TLS_VERSION_1_3; v++)
        must(gnutls_priority_init2(&priorities[v], versions[v], NULL, GNUTLS_PRIORITY_INIT_DEF_APPEND));
}

/* ---- starting ---- */

static int prepare(struct tls_session *session, const struct tls_options *options, enum tls_version min,
                   struct err *err)
{
    gnutls_session_t gnutls = session->gnutls;
    int rc = gnutls_priority_set(gnutls, priorities[min]);

    if (rc == 0)
        rc = gnutls_credentials_set(gnutls, GNUTLS_CRD_CERTIFICATE, credentials);
    if (rc == 0 && !net_is_ip_literal(options->name)) /* RFC 6066 3 */
        rc = gnutls_server_name_set(gnutls, GNUTLS_NAME_DNS, options->name, strlen(options->name));
    if (rc < 0)
        return err_id(err, ERR_INTERNAL, "tls.handshake", "tls", "TLS can't be started: %s",
                      gnutls_strerror(rc));
    return 0;
}

static struct tls_peer *peer_new(const struct tls_options *options)
{
    struct tls_peer *peer = mem_alloc(sizeof(*peer));

    if (net_host_ascii(options->name, &peer->name, NULL) < 0) /* takes the brackets off */
        peer->name = mem_strdup(options->name);
    peer->port = options->port;
    return peer;
}

/* A session kept for this key, unless it was with another name or is under the lowest version by now. */
static struct tls_kept *resume(struct tls_session *session, const struct tls_peer *peer, enum tls_version min)
{
    struct tls_kept *kept = session->session_key ? sessions_take(session->session_key) : NULL;

    if (kept == NULL)
        return NULL;
    if (kept->peer->version < min || strcmp(kept->peer->name, peer->name) != 0 ||
        kept->peer->port != peer->port ||
        gnutls_session_set_data(session->gnutls, kept->data, kept->len) < 0) {
        tls_kept_free(kept);
        return NULL;
    }
    return kept;
}

static int64_t leaf_expires(const struct tls_peer *peer)
{
    gnutls_datum_t der = { .data = peer->chain[0].der, .size = (unsigned)peer->chain[0].len };
    gnutls_x509_crt_t leaf;
    int64_t at = 0;

    if (gnutls_x509_crt_init(&leaf) < 0)
        return 0;
    if (gnutls_x509_crt_import(leaf, &der, GNUTLS_X509_FMT_DER) == 0)
        at = SECONDS(gnutls_x509_crt_get_expiration_time(leaf));
    gnutls_x509_crt_deinit(leaf);
    return at;
}

/* An expired certificate may have been renewed: only a full handshake shows. */
static int64_t resumable_until(const struct tls_peer *peer)
{
    int64_t until = clock_now() + RESUME_FOR, expires = leaf_expires(peer);

    return expires < until ? expires : until;
}

static int shake_hands(struct tls_session *session, int64_t deadline, struct err *io_err)
{
    int rc;

    tls_session_begin(session, deadline, io_err);
    do
        rc = gnutls_handshake(session->gnutls);
    while (rc < 0 && !gnutls_error_is_fatal(rc) && !session->io_failed && clock_mono() <= deadline);
    if (rc < 0 && !gnutls_error_is_fatal(rc) && !session->io_failed) { /* warnings without end */
        session->io_failed = true;
        err_id(io_err, ERR_TEMPORARY, "protocol.timeout", NULL, "out of time");
    }
    return rc;
}

/* What the peer showed: now, or when the session that was resumed began. */
static int learn(struct tls_session *session, const struct tls_kept *kept, struct tls_peer **peer,
                 struct err *err)
{
    if (kept && gnutls_session_is_resumed(session->gnutls)) {
        tls_peer_free(*peer);
        *peer = tls_peer_copy(kept->peer);
        tls_report_parameters(session, *peer);
        session->until = kept->until;
    } else {
        if (tls_report(session, *peer, err) < 0)
            return -1;
        session->until = resumable_until(*peer);
    }
    if (session->session_key)
        session->peer = tls_peer_copy(*peer);
    return 0;
}

/* What was received before the handshake and not asked for would be taken for an answer under TLS (RFC 3207
 * 5, CVE-2011-0411). A server that speaks first without TLS where we begin with it isn't that; its greeting
 * fails the handshake. */
static int refuse_injected(struct net_conn *conn, struct err *err)
{
    if (!net_conn_received(conn) || net_conn_pending(conn) == 0)
        return 0;
    return err_id(
        err, ERR_TEMPORARY, "tls.injected", "tls",
        "%s sent more than its answer before the TLS handshake, as a forger in between would do it; "
        "the connection was ended.",
        net_conn_peer(conn));
}

int tls_client_start(struct net_conn *conn, const struct tls_options *options, int64_t deadline,
                     struct tls_peer **ret, struct err *err)
{
    enum tls_version min = options->min_version == TLS_VERSION_NONE ? TLS_VERSION_1_2 : options->min_version;
    AUTO(tls_session) session = NULL;
    AUTO(tls_peer) peer = NULL;
    AUTO(tls_kept) kept = NULL;
    struct err io_err;
    int rc;

    pthread_once(&shared_once, shared_make);
    if (refuse_injected(conn, err) < 0)
        return -1;
    session = tls_session_new(conn);
    session->session_key = mem_strdup(options->session_key);
    session->epoch = sessions_epoch();
    peer = peer_new(options);
    if (prepare(session, options, min, err) < 0)
        return -1;
    kept = resume(session, peer, min);
    rc = shake_hands(session, deadline, &io_err);
    if (rc < 0) {
        tls_handshake_failed(session, rc, min, peer, err);
        if (peer->version != TLS_VERSION_NONE)
            *ret = TAKE(peer);
        return -1;
    }
    if (learn(session, kept, &peer, err) < 0)
        return -1;
    net_conn_set_layer(conn, &tls_layer, TAKE(session));
    *ret = TAKE(peer);
    return 0;
}

int tls_channel_binding(struct net_conn *conn, const char **type, struct buf *data, struct err *err)
{
    struct tls_session *session = net_conn_layer_ctx(conn, &tls_layer);
    gnutls_datum_t binding = { 0 };
    bool exporter;
    int rc;

    if (session == NULL)
        return err_id(err, ERR_INTERNAL, "tls.binding", NULL, "The connection isn't encrypted.");
    exporter = gnutls_protocol_get_version(session->gnutls) == GNUTLS_TLS1_3;
    rc = gnutls_session_channel_binding(
        session->gnutls, exporter ? GNUTLS_CB_TLS_EXPORTER : GNUTLS_CB_TLS_SERVER_END_POINT, &binding);
    if (rc < 0)
        return err_id(err, ERR_INTERNAL, "tls.binding", NULL, "This TLS session has no channel binding: %s",
                      gnutls_strerror(rc));
    rc = buf_add(data, str_n(binding.data, binding.size));
    gnutls_free(binding.data);
    *type = exporter ? "tls-exporter" : "tls-server-end-point";
    return rc;
}

void tls_client_forget_sessions(void)
{
    sessions_forget();
}
