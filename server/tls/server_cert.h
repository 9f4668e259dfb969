/* SPDX-License-Identifier: Apache-2.0 */
/* server/tls/server_cert.h - the certificate that this process shows as an HTTPS server.
 *
 * One for the process, for the HTTP library asks for it without saying on whose behalf. It may be replaced at any time;
 * handshakes under way finish with the one they began with. Any thread. */
#ifndef POSTERN_TLS_SERVER_CERT_H
#define POSTERN_TLS_SERVER_CERT_H

#include "base/err.h"

/* From the next handshake on. 1, or 0 when it is the one already shown, or -1 when they aren't a certificate (with its
 * chain, in any order) and its key, PEM; then the former stays. */
int tls_server_cert_use(const char *cert_pem, const char *key_pem, struct err *err);

/* A gnutls_certificate_retrieve_function2, for MHD_OPTION_HTTPS_CERT_CALLBACK. */
void (*tls_server_cert_callback(void))(void);

#endif
