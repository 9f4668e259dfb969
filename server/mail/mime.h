/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/mime.h - builds messages, and reads enough of them to send, list and show them. RFC 5322, RFC
 * 2045.
 *
 * GMime does the coding and is started when first needed. Everything is safe from any thread. */
#ifndef POSTERN_MAIL_MIME_H
#define POSTERN_MAIL_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define MIME_RECIPIENTS_MAX 1000
#define MIME_HEADERS_MAX 100 /* of our own making */
#define MIME_ATTACHMENTS_MAX 100
#define MIME_HEADER_BYTES_MAX (256 * 1024) /* of all headers of a message that is given as it is */
#define MIME_PARTS_MAX 500                 /* that are looked at in a message from elsewhere */
#define MIME_DEPTH_MAX 20

/* ---- who gets it ------------------------------------------------------------------------------------ */

struct mime_envelope {
    char *sender;      /* "": the null sender */
    char **recipients; /* local@domain, A-labels, each once */
    size_t count;
    bool smtputf8;
};
void mime_envelope_clear(struct mime_envelope *envelope);
#define AUTO_ENVELOPE(name) __attribute__((cleanup(mime_envelope_clear))) struct mime_envelope name = { 0 }

/* ---- building --------------------------------------------------------------------------------------- */

struct mime_header {
    const char *name, *value;
};

struct mime_attachment {
    const char *filename;     /* NULL: none */
    const char *content_type; /* NULL: application/octet-stream */
    /* Without angle brackets; NULL: none. With html it makes the part one of the html's. */
    const char *content_id;
    struct str data;
};

/* NULL pointers and zero counts: not given. Text is UTF-8. */
struct mime_draft {
    const char *from, *reply_to;
    const char *const *to, *const *cc, *const *bcc;
    size_t to_count, cc_count, bcc_count;
    const char *subject, *text, *html;
    const struct mime_header *headers;
    size_t header_count;
    const struct mime_attachment *attachments;
    size_t attachment_count;
    const char *message_id; /* with angle brackets; NULL: made */
    int64_t date;           /* ms; 0: now */
};

/* Called for everything that is wrong: `pointer` as in the API's JSON ("/to/0", "/headers/X-Foo"). */
typedef void mime_complain(void *ctx, const char *pointer, const char *code, const char *detail);

/* Appends the message, CRLF and 7-bit throughout but for header addresses that need SMTPUTF8, and fills the
 * envelope (of which `from` is the sender). Bcc is in the envelope only. -1: every problem was told to
 * `complain` (may be NULL) and err has the first; or the message doesn't fit `into` (ERR_TOO_LARGE,
 * limit.messageSize). */
int mime_build(const struct mime_draft *draft, struct buf *into, struct mime_envelope *envelope,
               mime_complain *complain, void *ctx, struct err *err);

/* "<id@domain>" with the domain of `from` (an address in any form), or "localhost". The caller frees. */
char *mime_message_id(const char *id, const char *from);

/* ---- messages as they are given --------------------------------------------------------------------- */

/* From To, Cc and Bcc, groups included; the sender from Sender or the first From. ERR_INVALID without any
 * recipient or with an address that isn't one; err.at is "/to" and so on. Of a message without From the
 * sender is "". */
int mime_envelope_read(struct str raw, struct mime_envelope *envelope, struct err *err);

struct mime_defaults {      /* for what is missing; NULL: leave it missing */
    const char *message_id; /* with angle brackets */
    const char *from, *reply_to;
    int64_t date;
};
/* Appends the message without Bcc and with what was missing in front; every other byte as it was. ERR_INVALID
 * when it doesn't begin with headers, has NUL bytes or headers out of all proportion; ERR_TOO_LARGE when it
 * doesn't fit `into`. */
int mime_prepare(struct str raw, const struct mime_defaults *defaults, struct buf *into, struct err *err);

/* ---- reading ---------------------------------------------------------------------------------------- */

struct mime_part {
    char *filename;     /* or NULL; never a path */
    char *content_type; /* "image/png" */
    char *content_id;   /* or NULL */
    int64_t size;       /* decoded bytes */
};

struct mime_shown_header {
    char *name, *value; /* decoded, unfolded */
};

struct mime_info {
    char *message_id; /* with angle brackets, or NULL */
    char *from;       /* as shown to people: "Name <a@example.com>"; "" when missing */
    char **to, **cc;
    size_t to_count, cc_count;
    char *reply_to;    /* or NULL */
    char *return_path; /* "": the null sender; NULL: not told */
    char *subject;  /* decoded; "" when missing */
    int64_t date;   /* ms; 0 when missing or unreadable */
    /* With `bodies` only: of the body, decoded to UTF-8, cut at MIME_BODY_MAX (NULL: none), and all headers in their order. */
    char *text, *html;
    struct mime_shown_header *headers;
    size_t header_count;
    struct mime_part *attachments;
    size_t attachment_count;
    bool partial; /* there is more than is told: too long, too deep or too many */
};
#define MIME_BODY_MAX (1024 * 1024)
#define MIME_SHOWN_HEADERS_MAX 300
#define MIME_SHOWN_VALUE_MAX 4000
#define MIME_SHOWN_BYTES_MAX (128 * 1024)

/* Never fails: what can't be read is missing. `bodies`: text and html too. */
struct mime_info *mime_inspect(struct str raw, bool bodies);
/* The headers' part of it, at a cost that doesn't grow with the message. */
struct mime_info *mime_inspect_headers(struct str raw);
void mime_info_free(struct mime_info *info);
MEM_FREEP(mime_info)
/* Gets decoded content as it comes; -1: no more of it. */
typedef int mime_take(void *ctx, struct str bytes);
/* Gives the content of attachment `n`, in the order of mime_inspect(), to `take`. `*part` (may be NULL)
 * belongs to the caller: mime_part_clear(). ERR_NOT_FOUND. */
int mime_attachment_read(struct str raw, size_t n, mime_take *take, void *ctx, struct mime_part *part,
                         struct err *err);
void mime_part_clear(struct mime_part *part);
/* Appends what may be looked for in it, as UTF-8 and as far as it fits: its texts, HTML without tags, names of files. */
void mime_words(struct str raw, struct buf *into);

#endif
