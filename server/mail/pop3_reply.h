/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/pop3_reply.h - reads POP3 replies, line by line. Needs no connection. RFC 1939 3, RFC 2449. */
#ifndef POSTERN_MAIL_POP3_REPLY_H
#define POSTERN_MAIL_POP3_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* RFC 2449 4 says 512 bytes for the first line of a reply; a SASL challenge needs more. */
#define POP3_LINE_MAX (40 * 1024)
#define POP3_CAPA_LINES_MAX 200

enum pop3_status {
    POP3_OK,
    POP3_ERR,
    POP3_CONTINUE, /* "+ challenge", RFC 5034 4 */
    POP3_GARBAGE,
};

struct pop3_reply {
    enum pop3_status status;
    struct str code; /* "SYS/TEMP", RFC 2449 8 and RFC 3206; empty: none */
    struct str text; /* without the code; of a challenge, all of it */
};

/* Views into `line`, which is without its line break. */
void pop3_reply_read(struct pop3_reply *reply, struct str line);
bool pop3_has_code(const struct pop3_reply *reply, const char *code); /* "SYS" is also "SYS/TEMP" */

/* RFC 1939 3: a line of a multi-line reply into what it says, or false when it is the last, a dot alone. */
bool pop3_unstuff(struct str line, struct str *content);
/* RFC 1939 5: "3 2048". False when it isn't that. */
bool pop3_read_stat(struct str text, uint32_t *count, uint64_t *bytes);

struct pop3_caps {
    bool known; /* the server knows CAPA, RFC 2449 */
    bool stls;  /* RFC 2595 4 */
    bool user;  /* USER and PASS */
    bool top, uidl;
    bool pipelining;
    char auth[256]; /* SASL mechanisms, separated by spaces */
    char all[512];  /* as it was said, cut where it is too long; for a person */
};

void pop3_caps_add(struct pop3_caps *caps, struct str line);

#endif
