/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a POP3 server says: each line as a reply, as a part of a longer one, as a capability, as a count; all
 * of it as a message, the same however it is cut. */
#include <stdlib.h>

#include "base/buf.h"
#include "mail/pop3_body.h"
#include "mail/pop3_reply.h"
#include "mail/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

static bool within(struct str part, struct str whole)
{
    return part.len == 0 || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

static void use(struct str line)
{
    struct pop3_reply reply;
    struct str content;
    uint32_t count;
    uint64_t bytes;
    char said[100];

    pop3_reply_read(&reply, line);
    must(within(reply.text, line) && within(reply.code, line));
    must(reply.code.len == 0 || reply.status == POP3_OK || reply.status == POP3_ERR);
    must(!pop3_has_code(&reply, "SYS") || reply.code.len >= 3);
    text_clean(reply.text, said, sizeof(said));
    must(str_is_utf8(str_c(said)) && !str_has_control(str_c(said)));
    must(!pop3_read_stat(reply.text, &count, &bytes) || bytes <= INT64_MAX);
    if (pop3_unstuff(line, &content))
        must(within(content, line) && line.len - content.len <= 1);
    else
        must(str_eq(line, STR(".")));
}

/* The message, in pieces of `piece` bytes; how much was left behind its end. */
static size_t unstuff(struct str data, size_t piece, struct buf *into)
{
    struct pop3_body body = { 0 };

    while (data.len > 0 && body.at != POP3_BODY_DONE) {
        struct str part = str_n(data.p, data.len < piece ? data.len : piece);
        size_t before = part.len;

        while (part.len > 0 && body.at != POP3_BODY_DONE)
            must(buf_add(into, pop3_body_next(&body, &part)) == 0);
        data = str_from(data, before - part.len);
    }
    return data.len;
}

/* Nothing in it but what was there, and no line of a dot alone. */
static void message(struct str data)
{
    static const size_t pieces[] = { 1, 7 };
    AUTO_BUF(whole, 1 << 20);
    size_t left = unstuff(data, data.len + 1, &whole);

    must(whole.len + left <= data.len);
    for (size_t i = 0; i < 2; i++) {
        AUTO_BUF(cut, 1 << 20);

        must(unstuff(data, pieces[i], &cut) == left && str_eq(buf_str(&cut), buf_str(&whole)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_n(data, size), line;
    struct pop3_caps caps = { 0 };

    message(rest);
    while (str_split(&rest, '\n', &line)) {
        use(line);
        pop3_caps_add(&caps, line);
    }
    must(str_is_utf8(str_c(caps.auth)) && !str_has_control(str_c(caps.auth)));
    must(str_is_utf8(str_c(caps.all)) && !str_has_control(str_c(caps.all)));
    return 0;
}
