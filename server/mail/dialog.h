/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/dialog.h - a conversation in lines with a mail server: what SMTP, IMAP and POP3 have in common.
 *
 * The one place in mail/ that touches a connection. Every wait has a deadline of the server's timeout_ms.
 * What goes wrong becomes an error with an id, "at" as protocol.step, and a sentence that names the server:
 * dns.*, connect.* and tls.* as net/ and tls/ have them, protocol.timeout, connect.closed and connect.reset
 * while waiting, protocol.lineTooLong, tls.injected for bytes that came before a handshake, whatever judge()
 * says, and connect.stopped after dialog_abort(). A dialog belongs to one thread at a time; only
 * dialog_abort() may be called from another. */
#ifndef POSTERN_MAIL_DIALOG_H
#define POSTERN_MAIL_DIALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "mail/observer.h"
#include "mail/security.h"

struct dialog;

/* `protocol` is a static word: "smtp". Nothing happens yet. */
struct dialog *dialog_new(const char *protocol, const struct mail_server *server,
                          const struct mail_observer *observer);
void dialog_free(struct dialog *dialog); /* closes; NULL is fine */
MEM_FREEP(dialog)

/* Steps resolve and connect; with SECURITY_SSL also tls and certificate. */
int dialog_connect(struct dialog *dialog, struct err *err);
/* Steps tls and certificate, after the server agreed to STARTTLS. RFC 3207 5: nothing that came before may
 * remain. */
int dialog_start_tls(struct dialog *dialog, struct err *err);

bool dialog_is_encrypted(const struct dialog *dialog);
const char *dialog_hostname(const struct dialog *dialog);
const struct mail_server *dialog_server(const struct dialog *dialog);
/* Base64 of the tls-exporter binding (RFC 9266) into `into`; -1 where there is none. */
int dialog_channel_binding(struct dialog *dialog, struct buf *into);
void dialog_set_observer(struct dialog *dialog, const struct mail_observer *observer);
int dialog_fd(const struct dialog *dialog); /* -1 without a connection; for parking */

/* `step` is a short lower-case word that ends up in err.at: "ehlo", "dot". */
int dialog_send(struct dialog *dialog, const char *step, struct str bytes, struct err *err);
int64_t dialog_deadline(const struct dialog *dialog); /* for a step that begins now */
/* One line without its line break, valid until the next. The end of the connection is an error. */
int dialog_line(struct dialog *dialog, const char *step, size_t max, int64_t deadline, struct str *line,
                struct err *err);
/* The same without waiting: 1 line, 0 when it isn't there yet, -1. */
int dialog_try_line(struct dialog *dialog, const char *step, size_t max, struct str *line, struct err *err);
/* Up to `size` bytes as they are, for a literal; `bytes` are those in `into`, one at least. */
int dialog_read(struct dialog *dialog, const char *step, char *into, size_t size, int64_t deadline,
                struct str *bytes, struct err *err);
int dialog_try_read(struct dialog *dialog, const char *step, char *into, size_t size, struct str *bytes,
                    struct err *err); /* likewise: 1, 0, -1 */

/* What flows may take longer than one time-out, but not drip for ever: each wait has the time-out, and all of them together
 * have one more, and a second for each KiB that came and for each other thing of `items` that did. */
struct dialog_flow {
    int64_t begun;
    uint64_t bytes, items;
};
void dialog_flow_begin(struct dialog_flow *flow);
int64_t dialog_flow_deadline(const struct dialog *dialog, const struct dialog_flow *flow);
/* What was done since `started` (clock_mono()) took our time, not the server's. */
void dialog_flow_excuse(struct dialog_flow *flow, int64_t started);

/* Bytes came that nobody has taken yet. */
bool dialog_has_more(struct dialog *dialog);
/* Before a long wait: gives back what can be had again. True: nothing that came is still to be looked at. */
bool dialog_park(struct dialog *dialog);
/* Nothing was said since the last answer and the connection stands, as far as can be seen without asking. */
bool dialog_is_quiet(struct dialog *dialog);
/* An error of the connection was reported; it is of no more use. */
bool dialog_is_broken(const struct dialog *dialog);
void dialog_break(struct dialog *dialog); /* make it so: closed without ceremony */
void dialog_abort(struct dialog *dialog); /* any thread, any time before dialog_free() */

/* For the transcript: nothing is copied when nobody listens. */
void dialog_show(struct dialog *dialog, enum mail_direction direction, struct str line);
bool dialog_is_shown(const struct dialog *dialog);
/* Reports a step that began at `started` (clock_mono()). `err` NULL: it went well. */
void dialog_step(struct dialog *dialog, const char *name, int64_t started, const char *detail,
                 const struct err *err);

/* Fills err with "at" as protocol.step and the connection broken; returns -1. */
int dialog_fail(struct dialog *dialog, enum err_code code, const char *id, const char *step, struct err *err,
                const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* What we were waiting for, for a sentence: "its answer to EHLO". Returns `words`. */
char *dialog_awaited(const char *step, char words[64]);

#endif
