/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/content.h - what is in a message, for those who may read it. DESIGN 3.
 *
 * Messages may be large and hostile, so they are taken apart on a worker, a few at a time, and what is large goes through a file:
 * no thread of HTTP waits for it, and none is in memory as a whole. */
#ifndef POSTERN_APP_CONTENT_H
#define POSTERN_APP_CONTENT_H

#include <jansson.h>

#include "app/station.h"
#include "base/spool.h"
#include "model/message.h"

enum content_part { CONTENT_TOLD, CONTENT_RAW, CONTENT_ATTACHMENT };

struct content {
    struct station *station;
    struct message *message;            /* owned */
    enum content_part part;
    size_t number;                      /* of the attachment */
    /* Once, on a worker. */
    void (*done)(struct content *content, const struct err *err);
    void *ctx;

    /* CONTENT_TOLD: an object with cc, replyTo, headers, text, html, attachments, partial. */
    json_t *told;
    /* The others: the bytes, and what they are. */
    struct spool bytes;
    char *content_type;
    char *disposition;                  /* a whole Content-Disposition value */
};

void content_read(struct content *content);     /* takes `content`, which was made by mem_alloc */

/* A Content-Disposition that names the file; NULL: without a name. The caller frees. */
char *content_disposition(const char *filename);

/* Runs `fn` on a worker, for what may take its time. It runs too when the end has come. */
void content_later(struct station *station, void (*fn)(void *ctx), void *ctx);

#endif
