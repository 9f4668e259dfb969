/* SPDX-License-Identifier: Apache-2.0 */
/* What came of a handshake: facts about the peer, or the reason in words. */
#include "tls/session.h"

#include <gnutls/ocsp.h>
#include <stdio.h>
#include <stdlib.h>

#define RECORD_ALERT 0x15 /* RFC 8446 5.1 */
#define RECORD_HANDSHAKE 0x16
#define SERVER_HELLO 0x02
#define OCSP_MAX (64 * 1024) /* bytes; a larger staple is as good as none */

static const char *readable(enum tls_version version)
{
    static const char *const names[] = { "no TLS", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3" };

    return names[version];
}

enum tls_version tls_version_of(gnutls_protocol_t protocol)
{
    switch (protocol) {
    case GNUTLS_TLS1_0:
        return TLS_VERSION_1_0;
    case GNUTLS_TLS1_1:
        return TLS_VERSION_1_1;
    case GNUTLS_TLS1_2:
        return TLS_VERSION_1_2;
    case GNUTLS_TLS1_3:
        return TLS_VERSION_1_3;
    default:
        return TLS_VERSION_NONE;
    }
}

/* ---- a good one ---- */

/* "ECDHE-X25519", "DHE-FFDHE2048", "DHE-2048" where the server chose its own group, "RSA". */
static void name_key_exchange(gnutls_session_t session, char *text, size_t size)
{
    gnutls_group_t group = gnutls_group_get(session);
    gnutls_kx_algorithm_t kx = gnutls_kx_get(session);

    if (group != GNUTLS_GROUP_INVALID) {
        const char *name = gnutls_group_get_name(group);

        snprintf(text, size, "%s-%s", strncmp(name, "FFDHE", 5) == 0 ? "DHE" : "ECDHE", name);
    } else if (kx == GNUTLS_KX_DHE_RSA || kx == GNUTLS_KX_DHE_DSS) {
        snprintf(text, size, "DHE-%d", gnutls_dh_get_prime_bits(session));
    } else {
        snprintf(text, size, "%s", gnutls_kx_get_name(kx) ? gnutls_kx_get_name(kx) : "");
    }
}

void tls_report_parameters(struct tls_session *session, struct tls_peer *peer)
{
    const char *cipher = gnutls_cipher_get_name(gnutls_cipher_get(session->gnutls));

    peer->version = tls_version_of(gnutls_protocol_get_version(session->gnutls));
    peer->resumed = gnutls_session_is_resumed(session->gnutls) != 0;
    snprintf(peer->cipher, sizeof(peer->cipher), "%s", cipher ? cipher : "");
    name_key_exchange(session->gnutls, peer->key_exchange, sizeof(peer->key_exchange));
}

static int report_chain(struct tls_session *session, struct tls_peer *peer, struct err *err)
{
    unsigned count = 0;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(session->gnutls, &count);

    if (list == NULL || count == 0)
        return err_id(err, ERR_TEMPORARY, "tls.handshake", "tls", "%s showed no certificate.",
                      net_conn_peer(session->conn));
    if (count > TLS_CHAIN_MAX)
        return err_id(err, ERR_TEMPORARY, "tls.handshake", "tls",
                      "%s showed %u certificates, more than the %d accepted.", net_conn_peer(session->conn),
                      count, TLS_CHAIN_MAX);
    for (unsigned i = 0; i < count; i++) {
        if (list[i].size > TLS_CERT_MAX)
            return err_id(err, ERR_TEMPORARY, "tls.handshake", "tls",
                          "%s showed a certificate of more than %d bytes.", net_conn_peer(session->conn),
                          TLS_CERT_MAX);
        tls_peer_add(peer, list[i].data, list[i].size);
    }
    return 0;
}

static void report_staple(struct tls_session *session, struct tls_peer *peer)
{
    gnutls_datum_t staple = { 0 };

    if (gnutls_ocsp_status_request_get(session->gnutls, &staple) < 0 || staple.size == 0 ||
        staple.size > OCSP_MAX)
        return;
    peer->ocsp = mem_copy(staple.data, staple.size); /* the session's, not ours to free */
    peer->ocsp_len = staple.size;
}

int tls_report(struct tls_session *session, struct tls_peer *peer, struct err *err)
{
    tls_report_parameters(session, peer);
    report_staple(session, peer);
    return report_chain(session, peer, err);
}

/* ---- a failed one ---- */

/* The version in a ServerHello, or none. TLS 1.3 doesn't show here (RFC 8446 4.1.3): it never fails for being
 * too old. */
static enum tls_version hello_version(const struct tls_session *session)
{
    const uint8_t *first = session->first;

    if (session->first_len < FIRST_LEN || first[0] != RECORD_HANDSHAKE || first[5] != SERVER_HELLO ||
        first[9] != 3 || first[10] < 1 || first[10] > 3)
        return TLS_VERSION_NONE;
    return TLS_VERSION_1_0 + (first[10] - 1);
}

static bool speaks_tls(const struct tls_session *session)
{
    return session->first_len == 0 || session->first[0] == RECORD_HANDSHAKE ||
           session->first[0] == RECORD_ALERT;
}

static int too_old(struct tls_session *session, enum tls_version min, struct tls_peer *peer, struct err *err)
{
    const char *name = net_conn_peer(session->conn);

    peer->version = hello_version(session);
    if (peer->version != TLS_VERSION_NONE)
        return err_id(err, ERR_TEMPORARY, "tls.version", "tls",
                      "%s has nothing newer than %s, and %s is the lowest version accepted here "
                      "(Tls Min Protocol).",
                      name, readable(peer->version), readable(min));
    return err_id(err, ERR_TEMPORARY, "tls.version", "tls",
                  "%s refused the handshake for its version: %s is the lowest accepted here "
                  "(Tls Min Protocol).",
                  name, readable(min));
}

/* A server without TLS 1.3 finds only ciphers of TLS 1.3 in our hello and says "handshake failed" instead of
 * "version". */
static int refused(struct tls_session *session, enum tls_version min, struct tls_peer *peer, struct err *err)
{
    gnutls_alert_description_t alert = gnutls_alert_get(session->gnutls);

    if (alert == GNUTLS_A_PROTOCOL_VERSION || alert == GNUTLS_A_INSUFFICIENT_SECURITY ||
        (alert == GNUTLS_A_HANDSHAKE_FAILURE && min == TLS_VERSION_1_3))
        return too_old(session, min, peer, err);
    return err_id(err, ERR_TEMPORARY, "tls.handshake", "tls", "%s refused the TLS handshake: %s.",
                  net_conn_peer(session->conn), gnutls_alert_get_name(alert));
}

static int connection_failed(struct tls_session *session, struct err *err)
{
    const char *name = net_conn_peer(session->conn);

    if (session->io_failed && strcmp(session->io_err->id, "protocol.timeout") == 0)
        return err_id(err, ERR_TEMPORARY, "tls.timeout", "tls", "%s didn't finish the TLS handshake in time.",
                      name);
    if (session->io_failed) {
        if (err)
            *err = *session->io_err;
        return -1;
    }
    return err_id(err, ERR_TEMPORARY, "connect.closed", "tls",
                  "%s closed the connection in the middle of the TLS handshake.", name);
}

int tls_handshake_failed(struct tls_session *session, int rc, enum tls_version min, struct tls_peer *peer,
                         struct err *err)
{
    session->broken = true;
    if (!speaks_tls(session))
        return err_id(err, ERR_TEMPORARY, "tls.handshake", "tls",
                      "%s answered the TLS handshake with something else: check the port, and whether it "
                      "wants Use Ssl or Use Start Tls.",
                      net_conn_peer(session->conn));
    if (session->io_failed || rc == GNUTLS_E_PREMATURE_TERMINATION)
        return connection_failed(session, err);
    if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED)
        return refused(session, min, peer, err);
    if (rc == GNUTLS_E_UNSUPPORTED_VERSION_PACKET)
        return too_old(session, min, peer, err);
    if (rc == GNUTLS_E_KEY_USAGE_VIOLATION) /* GnuTLS ends it here: trust/ never sees this certificate */
        return err_id(err, ERR_TEMPORARY, "tls.handshake", "tls",
                      "%s shows a certificate whose key usage doesn't allow a TLS server to use it, as if it "
                      "were made for something else: have it replaced.",
                      net_conn_peer(session->conn));
    return err_id(err, ERR_TEMPORARY, "tls.handshake", "tls", "The TLS handshake with %s failed: %s",
                  net_conn_peer(session->conn), gnutls_strerror(rc));
}
