/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/observer.h - what whoever uses a session gets to see of it, and the one thing it is asked.
 *
 * Called on the thread that uses the session, never after the call into the session has returned. */
#ifndef POSTERN_MAIL_OBSERVER_H
#define POSTERN_MAIL_OBSERVER_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct tls_peer;

enum mail_direction { MAIL_SENT, MAIL_RECEIVED };

/* resolve connect tls certificate greeting starttls capabilities authenticate mailbox */
struct mail_step {
    const char *name;
    int64_t ms;
    const char *detail;    /* for a person: "[::1]:465", "TLS 1.3, AES-256-GCM"; "": nothing to say */
    const struct err *err; /* NULL: it went well */
};

/* Every function but judge() may be NULL. */
struct mail_observer {
    void *ctx;
    void (*step)(void *ctx, const struct mail_step *step);
    /* One line without its line break. Secrets and bodies are not in it. */
    void (*transcript)(void *ctx, enum mail_direction direction, struct str line);
    /* Right after a handshake, before anything else is sent: 0 to go on, or -1 with err, and the connection
     * is closed. Without it no TLS connection is ever used. */
    int (*judge)(void *ctx, const struct tls_peer *peer, struct err *err);
};

#endif
