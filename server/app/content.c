/* SPDX-License-Identifier: Apache-2.0 */
#include "app/content.h"

#include <stdlib.h>

#include "jobs/jobs.h"
#include "mail/mime.h"
#include "store/store.h"

#define MEMORY_MAX (1024 * 1024)        /* of a message; more goes through a file */

/* ---- bytes out of the store ---- */

struct copying {
    struct content *content;
    struct spool *into;
};

static int copy_piece(void *ctx, struct str piece, struct err *err)
{
    return spool_add(ctx, piece, err);
}

static int copy_run(struct store_tx *tx, void *ctx, struct err *err)
{
    struct copying *copying = ctx;

    return store_message_pieces(tx, copying->content->message->seq, copy_piece, copying->into, err);
}

static void spool_begin(struct spool *spool, const struct station *station)
{
    spool_init(spool, station->state_dir);
    spool->head.max = MEMORY_MAX;
}

static int copy(struct content *content, struct spool *into, struct err *err)
{
    struct copying copying = { content, into };

    return store_read(content->station->store, copy_run, &copying, err);
}

/* ---- as JSON ---- */

static json_t *text_json(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *addresses_json(char *const *items, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(items[i]));
    return list;
}

static json_t *headers_json(const struct mime_info *info)
{
    json_t *list = json_array();

    for (size_t i = 0; i < info->header_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", info->headers[i].name, "value", info->headers[i].value));
    return list;
}

static json_t *attachments_json(const struct mime_info *info)
{
    json_t *list = json_array();

    for (size_t i = 0; i < info->attachment_count; i++) {
        const struct mime_part *part = &info->attachments[i];

        json_array_append_new(list, json_pack("{s:I, s:o, s:s, s:o, s:I}", "index", (json_int_t)i, "filename",
                                              text_json(part->filename), "contentType", part->content_type, "contentId",
                                              text_json(part->content_id), "size", (json_int_t)part->size));
    }
    return list;
}

static json_t *told_json(struct str raw, const struct message *message)
{
    AUTO(mime_info) info = mime_inspect(raw, true);

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "cc", addresses_json(info->cc, info->cc_count), "replyTo",
                     text_json(info->reply_to), "headers", headers_json(info), "text", text_json(info->text), "html",
                     text_json(info->html), "attachments", attachments_json(info), "partial",
                     info->partial || message->headers_only);
}

/* ---- attachments ---- */

/* RFC 6266 4.1 with RFC 8187: the name in ASCII for all, and percent-encoded for those who can. */
char *content_disposition(const char *filename)
{
    AUTO_BUF(text, 16 * 1024);

    buf_add_c(&text, "attachment");
    if (filename == NULL)
        return buf_take(&text);
    buf_add_c(&text, "; filename=\"");
    for (const unsigned char *p = (const unsigned char *)filename; *p; p++)
        buf_add_char(&text, *p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\' ? '_' : (char)*p);
    buf_add_c(&text, "\"; filename*=UTF-8''");
    for (const unsigned char *p = (const unsigned char *)filename; *p; p++) {
        if ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || strchr("-._~", *p))
            buf_add_char(&text, (char)*p);
        else
            buf_addf(&text, "%%%02X", *p);
    }
    return buf_take(&text);
}

struct writing {
    struct spool *into;
    struct err *err;
    bool failed;
};

static int write_piece(void *ctx, struct str bytes)
{
    struct writing *writing = ctx;

    writing->failed = spool_add(writing->into, bytes, writing->err) < 0;
    return writing->failed ? -1 : 0;
}

static int read_attachment(struct content *content, struct str raw, struct err *err)
{
    struct writing writing = { &content->bytes, err, false };
    struct mime_part part = { 0 };

    if (mime_attachment_read(raw, content->number, write_piece, &writing, &part, err) < 0)
        return -1;
    content->content_type = mem_strdup(part.content_type);
    content->disposition = content_disposition(part.filename);
    mime_part_clear(&part);
    return writing.failed ? -1 : 0;
}

/* ---- the whole ---- */

static int take_apart(struct content *content, struct err *err)
{
    struct spool spool;
    struct str raw;
    int rc;

    spool_begin(&spool, content->station);
    rc = copy(content, &spool, err);
    if (rc == 0)
        rc = spool_look(&spool, &raw, err);
    if (rc == 0 && content->part == CONTENT_TOLD)
        content->told = told_json(raw, content->message);
    else if (rc == 0)
        rc = read_attachment(content, raw, err);
    spool_free(&spool);
    return rc;
}

static int take_whole(struct content *content, struct err *err)
{
    content->content_type = mem_strdup("message/rfc822");
    content->disposition = mem_strdup("attachment; filename=\"message.eml\"");
    return copy(content, &content->bytes, err);
}

static void on_content(void *ctx)
{
    struct content *content = ctx;
    struct err err = { 0 };
    int rc;

    spool_begin(&content->bytes, content->station);
    if (atomic_load(&content->station->stopping))
        rc = err_id(&err, ERR_STOPPED, "stopping", NULL, "The server stops.");
    else
        rc = content->part == CONTENT_RAW ? take_whole(content, &err) : take_apart(content, &err);
    content->done(content, rc < 0 ? &err : NULL);
    message_free(content->message);
    json_decref(content->told);
    spool_free(&content->bytes);
    free(content->content_type);
    free(content->disposition);
    free(content);
}

void content_read(struct content *content)
{
    jobs_submit(content->station->parsing, on_content, content);
}

void content_later(struct station *station, void (*fn)(void *ctx), void *ctx)
{
    jobs_submit(station->parsing, fn, ctx);
}
