/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/imap_caps.h - what an IMAP server offers. */
#ifndef POSTERN_MAIL_IMAP_CAPS_H
#define POSTERN_MAIL_IMAP_CAPS_H

#include <stdbool.h>

#include "base/str.h"

struct imap_parser;

struct imap_caps {
    bool rev1, rev2;     /* IMAP4rev1, RFC 3501; IMAP4rev2, RFC 9051 */
    bool starttls;       /* RFC 9051 6.2.1 */
    bool login_disabled; /* RFC 9051 6.2.3 */
    bool sasl_ir;        /* RFC 4959 */
    bool literal_plus;   /* RFC 7888: {n+} of any size */
    bool literal_minus;  /* up to 4096 bytes */
    bool idle;           /* RFC 2177 */
    bool uidplus;        /* RFC 4315 */
    bool move;           /* RFC 6851 */
    bool condstore;      /* RFC 7162; QRESYNC implies it */
    bool enable;         /* RFC 5161 */
    bool special_use;    /* RFC 6154 */
    bool esearch;        /* RFC 4731 */
    bool id;             /* RFC 2971 */
};

/* What matters only until one is logged in. */
struct imap_offer {
    char auth[256]; /* SASL mechanisms, separated by spaces */
    char all[512];  /* as it was said, cut where it is too long; for a person */
};

void imap_caps_forget(struct imap_caps *caps, struct imap_offer *offer);
void imap_caps_add(struct imap_caps *caps, struct imap_offer *offer, struct str word);
/* "* CAPABILITY …" or "OK [CAPABILITY …]"; false when the response is neither. */
bool imap_caps_read(struct imap_caps *caps, struct imap_offer *offer, const struct imap_parser *response);

#endif
