/* SPDX-License-Identifier: Apache-2.0 */
/* A message as a client may post it: JSON where it begins with '{', otherwise RFC 5322 as it is, with the query's
 * `from` and `to` where the first line is "?from to". What is accepted is safe to send: nothing written into a field
 * has become a header or a recipient of its own. */
#include <ctype.h>
#include <stdlib.h>

#include "app/compose.h"
#include "app/content.h"
#include "base/mem.h"
#include "crypto/crypto.h"
#include "mail/mime.h"
#include "model/account.h"

#define MESSAGE_MAX (64 * 1024)
#define HEADROOM_MAX (64 * 1024)        /* of app/compose.c */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* One without From, one with. */
static struct entry *account(bool with_from)
{
    static struct entry *entries[2];

    if (entries[with_from] == NULL) {
        AUTO(crypto_key) key = crypto_key_new_random();
        struct account *config = component_new(&outgoing_account_type);

        config->max_message_size = MESSAGE_MAX;
        if (with_from) {
            free(config->from);
            config->from = mem_strdup("Plant <plant@example.com>");
        }
        entries[with_from] = entry_new(&outgoing_account_type, "alerts", config, "fuzz", 0, key);
    }
    return entries[with_from];
}

static void fit(const char *text)
{
    must(text && str_is_utf8(str_c(text)) && !str_has_control(str_c(text)));
}

static void fit_address(const char *address)
{
    fit(address);
    must(strchr(address, '@') && address[0] != '@');
}

/* RFC 5322 2.1: lines that end with CRLF, of at most 998 bytes; the headers are those that belong there. */
static void look_at_built(struct str raw)
{
    static const char *const once[] = { "from", "to", "cc", "reply-to", "subject", "date", "message-id", "mime-version" };
    unsigned seen[COUNT_OF(once)] = { 0 };
    struct str line;
    bool head = true;

    must(str_ends_nocase(raw, STR("\r\n")));
    while (str_split(&raw, '\n', &line) && raw.p) {
        must(line.len > 0 && line.p[line.len - 1] == '\r' && line.len <= 999);
        must(memchr(line.p, '\r', line.len) == line.p + line.len - 1 && memchr(line.p, '\0', line.len) == NULL);
        head &= line.len > 1;
        if (!head || line.p[0] == ' ' || line.p[0] == '\t')
            continue;
        must(memchr(line.p, ':', line.len) && !str_starts_nocase(line, STR("bcc:")));
        for (size_t i = 0; i < COUNT_OF(once); i++)
            if (str_starts_nocase(line, str_c(once[i])) && line.p[strlen(once[i])] == ':')
                must(++seen[i] == 1);
    }
    must(seen[0] && seen[5] && seen[6]);
}

static int keep(void *ctx, struct str bytes)
{
    return buf_add(ctx, bytes);
}

static void look_at(struct composed *composed)
{
    const struct message *message = composed->message;
    json_t *to = json_loads(message->to, 0, NULL);
    struct str raw = buf_str(&composed->raw);

    must(json_is_array(to));
    json_decref(to);
    fit(message->from);
    fit(message->subject);
    fit(message->message_id);
    if (*message->sender)
        fit_address(message->sender);
    must(message->recipient_count > 0 && message->recipient_count <= MESSAGE_RECIPIENTS_MAX);
    for (size_t i = 0; i < message->recipient_count; i++)
        fit_address(message->recipients[i].address);
    must(message->state == MESSAGE_QUEUED && message->size == (int64_t)raw.len);
    must(raw.len > 0 && raw.len <= MESSAGE_MAX + HEADROOM_MAX);
    for (size_t n = 0; n < 3; n++) {
        AUTO_BUF(content, MESSAGE_MAX + HEADROOM_MAX);
        AUTO_FREE char *disposition = NULL;
        struct mime_part part = { 0 };

        if (mime_attachment_read(raw, n, keep, &content, &part, NULL) < 0)
            continue;
        disposition = content_disposition(part.filename);
        fit(part.content_type);
        fit(disposition);
        mime_part_clear(&part);
    }
}

/* A refusal says why, each time, in words that JSON can carry. */
static void look_at_refusal(const struct problems *problems, const struct err *err)
{
    json_t *list = problems_json(problems);

    must(json_array_size(list) == (problems->count < PROBLEMS_MAX ? problems->count : PROBLEMS_MAX));
    must(problems->count || (err->code != ERR_NONE && err->text[0] && str_is_utf8(str_c(err->text))));
    json_decref(list);
}

static void post_json(const struct entry *entry, struct str body)
{
    json_t *document = json_loadb(body.p, body.len, JSON_REJECT_DUPLICATES, NULL);
    AUTO_PROBLEMS(problems);
    struct composed composed;
    struct err err = { 0 };

    if (!json_is_object(document)) {
        json_decref(document);
        return;
    }
    if (compose_json(&composed, NULL, entry, document, &problems, &err) == 0) {
        look_at(&composed);
        look_at_built(buf_str(&composed.raw));
        composed_free(&composed);
    } else {
        look_at_refusal(&problems, &err);
    }
    json_decref(document);
}

static void post_raw(const struct entry *entry, struct str body)
{
    AUTO_FREE char *from = NULL;
    AUTO_FREE char *to = NULL;
    AUTO_PROBLEMS(problems);
    struct composed composed;
    struct err err = { 0 };
    struct str line, word;

    if (body.len && body.p[0] == '?' && str_split(&body, '\n', &line)) {
        line = str_from(line, 1);
        str_split(&line, ' ', &word);
        from = word.len ? str_dup(word) : NULL;
        to = line.p ? str_dup(line) : NULL;
        /* http/ refuses a query that isn't UTF-8 or has control characters. */
        if ((from && !str_is_utf8(word)) || (to && !str_is_utf8(line)) || body.p == NULL)
            return;
    }
    if (compose_raw(&composed, NULL, entry, body, from, to, &problems, &err) == 0) {
        look_at(&composed);
        composed_free(&composed);
    } else {
        look_at_refusal(&problems, &err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = str_n(data, size);

    if (size == 0 || size > (1 << 18))
        return 0;
    if (data[0] == '{')
        post_json(account(size % 2), body);
    else
        post_raw(account(size % 2), body);
    return 0;
}
