/* SPDX-License-Identifier: Apache-2.0 */
#include "app/compose.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "mail/mime.h"
#include "model/account.h"

#define HEADROOM (64 * 1024)            /* what we may add to a message that fits maxMessageSize */

void composed_free(struct composed *composed)
{
    message_free(composed->message);
    buf_free(&composed->raw);
    *composed = (struct composed){ 0 };
}

/* ---- the document ---- */

static void complain(void *ctx, const char *pointer, const char *code, const char *detail)
{
    problems_add(ctx, pointer, code, "%s", detail);
}

static const char *take_text(const json_t *document, const char *name, struct problems *problems)
{
    const json_t *value = json_object_get(document, name);
    AUTO_FREE char *pointer = mem_printf("/%s", name);

    if (value == NULL || json_is_null(value))
        return NULL;
    if (!json_is_string(value)) {
        problems_add(problems, pointer, "property.type", "%s must be a string.", name);
        return NULL;
    }
    return json_string_value(value);
}

/* One address may stand without its array. */
static const char **take_list(json_t *document, const char *name, size_t *count, struct problems *problems)
{
    const json_t *value = json_object_get(document, name);
    const char **list;

    *count = json_is_string(value) ? 1 : json_is_array(value) ? json_array_size(value) : 0;
    list = mem_array(*count + 1, sizeof(*list));
    for (size_t i = 0; i < *count; i++) {
        list[i] = json_string_value(json_is_string(value) ? value : json_array_get(value, i));
        if (list[i] == NULL) {
            AUTO_FREE char *pointer = mem_printf("/%s/%zu", name, i);

            problems_add(problems, pointer, "property.type", "An address must be a string.");
            list[i] = "";
        }
    }
    if (value && !json_is_null(value) && !json_is_array(value) && !json_is_string(value)) {
        AUTO_FREE char *pointer = mem_printf("/%s", name);

        problems_add(problems, pointer, "property.type", "%s must be an array of addresses.", name);
    }
    return list;
}

static struct mime_header *take_headers(const json_t *document, size_t *count, struct problems *problems)
{
    json_t *object = json_object_get(document, "headers"), *value;
    struct mime_header *headers;
    const char *name;

    *count = 0;
    if (object && !json_is_null(object) && !json_is_object(object))
        problems_add(problems, "/headers", "property.type", "headers must be an object of strings.");
    headers = mem_array(json_object_size(object) + 1, sizeof(*headers));
    json_object_foreach(object, name, value) {
        if (json_is_string(value)) {
            headers[(*count)++] = (struct mime_header){ name, json_string_value(value) };
        } else {
            AUTO_FREE char *pointer = mem_printf("/headers/%s", name);

            problems_add(problems, pointer, "property.type", "A header's value must be a string.");
        }
    }
    return headers;
}

static void take_attachment(const json_t *item, size_t place, struct mime_attachment *ret, struct buf *data, struct problems *problems)
{
    static const char *const members[] = { "filename", "contentType", "content", "contentId" };
    AUTO_FREE char *prefix = mem_printf("/attachments/%zu", place);
    const char *texts[4] = { NULL };
    const char *name;
    json_t *value;

    if (!json_is_object(item))
        problems_add(problems, prefix, "property.type", "An attachment must be an object with filename, contentType and content.");
    json_object_foreach((json_t *)item, name, value) {
        AUTO_FREE char *pointer = mem_printf("%s/%s", prefix, name);
        size_t at = 0;

        while (at < COUNT_OF(members) && strcmp(members[at], name) != 0)
            at++;
        if (at == COUNT_OF(members))
            problems_add(problems, pointer, "property.unknown", "An attachment has no \"%.64s\".", name);
        else if (!json_is_string(value) && !json_is_null(value))
            problems_add(problems, pointer, "property.type", "%s must be a string.", name);
        else
            texts[at] = json_string_value(value);
    }
    if (json_is_object(item) && (texts[2] == NULL || base64_decode(str_c(texts[2]), data) < 0)) {
        AUTO_FREE char *pointer = mem_printf("%s/content", prefix);

        problems_add(problems, pointer, texts[2] ? "attachment.base64" : "property.required", "content must be base64.");
    }
    *ret = (struct mime_attachment){ texts[0], texts[1], texts[3], buf_str(data) };
}

static const char *const known[] = { "from", "to", "cc", "bcc", "replyTo", "subject", "text", "html", "headers", "attachments",
                                     "sendAt" };

static void check_members(const json_t *document, struct problems *problems)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)document, name, value) {
        size_t at = 0;

        while (at < COUNT_OF(known) && strcmp(known[at], name) != 0)
            at++;
        if (at == COUNT_OF(known)) {
            AUTO_FREE char *pointer = mem_printf("/%s", name);

            problems_add(problems, pointer, "property.unknown", "A message has no property \"%.64s\".", name);
        }
    }
}

static int64_t take_send_at(const json_t *document, struct problems *problems)
{
    const char *text = take_text(document, "sendAt", problems);
    int64_t at = 0;

    if (text && !clock_parse(str_c(text), &at))
        problems_add(problems, "/sendAt", "property.type", "sendAt must be an RFC 3339 time such as \"2026-11-24T10:42:00Z\".");
    return at;
}

/* ---- the stored message ---- */

static char *addresses_json(char *const *list, size_t count)
{
    json_t *array = json_array();
    char *text;

    for (size_t i = 0; i < count && i < 20; i++)
        json_array_append_new(array, json_string(list[i]));
    text = json_dumps(array, JSON_COMPACT);
    json_decref(array);
    return text;
}

/* Fields for lists come from the message itself, whoever built it, so that they say what is sent. */
static void fill_message(struct message *message, struct str raw, struct mime_envelope *envelope, int64_t send_at)
{
    AUTO(mime_info) info = mime_inspect_headers(raw);
    int64_t now = message->created_at;

    message->direction = MESSAGE_OUTGOING;
    message->state = MESSAGE_QUEUED;
    message->sender = TAKE(envelope->sender);
    message->from = mem_strdup(info->from);
    message->to = addresses_json(info->to, info->to_count);
    message->subject = mem_strdup(info->subject);
    message->message_id = mem_strdup(info->message_id ? info->message_id : "");
    message->date = info->date > 0 ? info->date : now;
    message->size = (int64_t)raw.len;
    message->send_at = send_at > now ? send_at : 0;
    message->next_attempt = send_at > now ? send_at : now;
    message->smtputf8 = envelope->smtputf8;
    message->recipient_count = envelope->count;
    message->recipients = mem_array(envelope->count, sizeof(*message->recipients));
    for (size_t i = 0; i < envelope->count; i++) {
        message->recipients[i].address = TAKE(envelope->recipients[i]);
        message->recipients[i].state = MESSAGE_QUEUED;
    }
}

static size_t ceiling(const struct account *account)
{
    return (size_t)account->max_message_size + HEADROOM;
}

static const char *given_or(const char *given, const char *otherwise)
{
    return given && *given ? given : otherwise && *otherwise ? otherwise : NULL;
}

/* ---- JSON ---- */

struct draft_parts {
    const char **to, **cc, **bcc;
    struct mime_header *headers;
    struct mime_attachment *attachments;
    struct buf *data;
    size_t count;
};

static void parts_free(struct draft_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        buf_free(&parts->data[i]);
    free(parts->to);
    free(parts->cc);
    free(parts->bcc);
    free(parts->headers);
    free(parts->attachments);
    free(parts->data);
}

static void take_attachments(const json_t *document, struct draft_parts *parts, size_t max, struct problems *problems)
{
    const json_t *list = json_object_get(document, "attachments");

    if (list && !json_is_null(list) && !json_is_array(list))
        problems_add(problems, "/attachments", "property.type", "attachments must be an array.");
    parts->count = json_array_size(list);
    if (parts->count > MIME_ATTACHMENTS_MAX) {
        problems_add(problems, "/attachments", "property.tooMany", "A message takes at most %d attachments.", MIME_ATTACHMENTS_MAX);
        parts->count = 0;
    }
    parts->attachments = mem_array(parts->count, sizeof(*parts->attachments));
    parts->data = mem_array(parts->count, sizeof(*parts->data));
    for (size_t i = 0; i < parts->count; i++) {
        buf_init(&parts->data[i], max);
        take_attachment(json_array_get(list, i), i, &parts->attachments[i], &parts->data[i], problems);
    }
}

static void read_draft(struct mime_draft *draft, struct draft_parts *parts, const struct account *account, json_t *document,
                       struct problems *problems)
{
    parts->to = take_list(document, "to", &draft->to_count, problems);
    parts->cc = take_list(document, "cc", &draft->cc_count, problems);
    parts->bcc = take_list(document, "bcc", &draft->bcc_count, problems);
    parts->headers = take_headers(document, &draft->header_count, problems);
    take_attachments(document, parts, ceiling(account), problems);
    draft->to = parts->to;
    draft->cc = parts->cc;
    draft->bcc = parts->bcc;
    draft->headers = parts->headers;
    draft->attachments = parts->attachments;
    draft->attachment_count = parts->count;
    draft->from = given_or(take_text(document, "from", problems), account->from);
    draft->reply_to = given_or(take_text(document, "replyTo", problems), account->reply_to);
    draft->subject = take_text(document, "subject", problems);
    draft->text = take_text(document, "text", problems);
    draft->html = take_text(document, "html", problems);
    if (draft->from == NULL)
        problems_add(problems, "/from", "property.required", "Give a from, or set From at the account.");
    if (draft->to_count + draft->cc_count + draft->bcc_count == 0)
        problems_add(problems, "/to", "property.required", "Give at least one recipient in to, cc or bcc.");
}

int compose_json(struct composed *ret, struct station *station, const struct entry *account, const json_t *document,
                 struct problems *problems, struct err *err)
{
    const struct account *config = account->component;
    struct composed composed = { .message = message_new() };
    struct mime_draft draft = { 0 };
    struct draft_parts parts = { 0 };
    AUTO_ENVELOPE(envelope);
    AUTO_FREE char *message_id = NULL;
    int64_t send_at;
    int rc = -1;

    (void)station;
    check_members(document, problems);
    send_at = take_send_at(document, problems);
    read_draft(&draft, &parts, config, (json_t *)document, problems);
    message_id = mime_message_id(composed.message->id, draft.from ? draft.from : "");
    draft.message_id = message_id;
    draft.date = composed.message->created_at;
    buf_init(&composed.raw, ceiling(config));
    if (problems->count == 0)
        rc = mime_build(&draft, &composed.raw, &envelope, complain, problems, err);
    parts_free(&parts);
    if (rc == 0 && problems->count == 0) {
        fill_message(composed.message, buf_str(&composed.raw), &envelope, send_at);
        *ret = composed;
        return 0;
    }
    composed_free(&composed);
    return -1;
}

/* ---- RFC 5322 ---- */

static char **split_addresses(const char *text, size_t *count)
{
    struct str rest = str_c(text), part;
    char **list = mem_array(strlen(text) + 1, sizeof(*list));

    *count = 0;
    while (str_split(&rest, ',', &part))
        if (str_trim(part).len)
            list[(*count)++] = str_dup(str_trim(part));
    return list;
}

/* The query's addresses pass the same parser as a document's. */
static int given_envelope(const char *from, const char *to, struct mime_envelope *envelope, struct problems *problems, struct err *err)
{
    struct mime_draft draft = { .from = from, .text = "" };
    AUTO_BUF(scratch, 1024 * 1024);
    size_t count;
    char **list = split_addresses(to, &count);
    int rc;

    draft.to = (const char *const *)list;
    draft.to_count = count;
    rc = mime_build(&draft, &scratch, envelope, complain, problems, err);
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
    return rc;
}

static int read_envelope(struct str raw, const char *from, const char *to, const struct account *account,
                         struct mime_envelope *envelope, struct problems *problems, struct err *err)
{
    const char *sender = from;

    if (to == NULL && mime_envelope_read(raw, envelope, err) < 0)
        return -1;
    if (to) {
        AUTO(mime_info) info = mime_inspect_headers(raw);

        sender = given_or(from, given_or(info->from, account->from));
        if (sender == NULL) {
            problems_add(problems, "/from", "property.required", "Give a from, or set From at the account.");
            return -1;
        }
        return given_envelope(sender, to, envelope, problems, err);
    }
    if (from || *envelope->sender == '\0') {
        AUTO_ENVELOPE(given);

        sender = given_or(from, account->from);
        if (sender == NULL)
            return 0;
        if (given_envelope(sender, "postmaster@localhost", &given, problems, err) < 0)
            return -1;
        free(envelope->sender);
        envelope->sender = TAKE(given.sender);
    }
    return 0;
}

int compose_raw(struct composed *ret, struct station *station, const struct entry *account, struct str raw, const char *from,
                const char *to, struct problems *problems, struct err *err)
{
    const struct account *config = account->component;
    struct composed composed = { .message = message_new() };
    struct mime_defaults defaults = { .date = composed.message->created_at };
    AUTO_FREE char *message_id = NULL;
    AUTO_ENVELOPE(envelope);

    (void)station;
    buf_init(&composed.raw, ceiling(config));
    if (read_envelope(raw, from, to, config, &envelope, problems, err) == 0) {
        message_id = mime_message_id(composed.message->id, envelope.sender);
        defaults.message_id = message_id;
        defaults.from = given_or(config->from, envelope.sender);
        defaults.reply_to = given_or(config->reply_to, NULL);
        if (mime_prepare(raw, &defaults, &composed.raw, err) == 0) {
            fill_message(composed.message, buf_str(&composed.raw), &envelope, 0);
            *ret = composed;
            return 0;
        }
    }
    composed_free(&composed);
    return -1;
}
