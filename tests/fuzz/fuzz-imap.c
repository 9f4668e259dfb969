/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever an IMAP server says: the same responses however the bytes are cut, trees that end, and
 * capabilities, FETCH responses. The same bytes as a set of UIDs, and as the name of a mailbox: what goes to the wire is one word of printable
 * ASCII. */
#include <stdlib.h>

#include "base/mem.h"
#include "mail/imap_caps.h"
#include "mail/imap_fetched.h"
#include "mail/imap_name.h"
#include "mail/imap_parse.h"
#include "mail/imap_uids.h"
#include "mail/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
    if (!good)
        abort();
}

/* Nodes below `node`, which must be as many as there are, each once. */
static uint32_t walk(const struct imap_parser *p, const struct imap_node *node, int depth)
{
    uint32_t count = 0;

    must(depth <= IMAP_DEPTH_MAX + 1);
    for (; node; node = imap_next(p, node)) {
        must(node > p->nodes && node < p->nodes + p->count && ++count < p->count);
        must((size_t)node->at + node->len <= p->text.len);
        must(imap_node_str(p, node).len == node->len);
        count += walk(p, imap_child(p, node), depth + 1);
    }
    return count;
}

static void use_fetched(const struct imap_parser *p)
{
    struct imap_fetched fetched;
    int rc = imap_fetched_read(p, "BODY[]", &fetched);
    size_t length = strlen(fetched.message_id);

    must(rc == 0 || strcmp(p->name, "FETCH") == 0);
    must(fetched.size <= INT64_MAX && fetched.date >= 0 && fetched.text.len <= p->text.len);
    must(length <= IMAP_MESSAGE_ID_MAX && (length == 0 || fetched.message_id[length - 1] == '>'));
    must(str_is_utf8(str_c(fetched.message_id)) && !str_has_control(str_c(fetched.message_id)));
}

/* A set, read and written again, names the same. */
static void set(struct str text)
{
    AUTO_UIDS(uids);
    AUTO_UIDS(again);
    AUTO_BUF(written, IMAP_SET_MAX);
    bool good = imap_set_read(text, 500, &uids) == 0;

    must(!good || imap_set_size(text) == uids.count);
    imap_uids_sort(&uids);
    if (!good || uids.count == 0)
        return;
    must(imap_set_next(&uids, 0, &written) == uids.count);
    must(imap_set_read(buf_str(&written), 500, &again) == 0 && again.count == uids.count);
    must(memcmp(again.at, uids.at, uids.count * sizeof(*uids.at)) == 0);
}

static void use(const struct imap_parser *p)
{
    struct imap_caps caps = { 0 };
    struct imap_offer offer = { 0 };
    char said[100];

    must(p->count <= IMAP_NODES_MAX && p->text.len <= IMAP_TEXT_MAX && p->depth == 0);
    must(strlen(p->tag) <= IMAP_WORD_MAX && strlen(p->name) <= IMAP_WORD_MAX);
    must(p->status != IMAP_DATA || walk(p, imap_first(p), 1) == p->count - 1);
    text_clean(imap_words(p), said, sizeof(said));
    must(str_is_utf8(str_c(said)) && !str_has_control(str_c(said)));
    use_fetched(p);
    must(imap_code(p).len + imap_code_value(p).len <= p->text.len);
    imap_caps_read(&caps, &offer, p);
    must(str_is_utf8(str_c(offer.auth)) && !str_has_control(str_c(offer.auth)));
    must(str_is_utf8(str_c(offer.all)) && !str_has_control(str_c(offer.all)));
}

/* Large literals go here. */
struct drain {
    uint64_t left;
    uint64_t sum;
};

static int drain_wants(void *ctx, const struct imap_parser *so_far, uint64_t size)
{
    struct drain *drain = ctx;

    uint32_t uid;

    must(so_far->count > 0 && drain->left == 0);
    must(!imap_body_follows(so_far, "BODY[]", &uid) || strcmp(so_far->name, "FETCH") == 0);
    drain->left = size > 16 ? size : 0;
    return size > 16;
}

static int drain_data(void *ctx, struct str bytes)
{
    struct drain *drain = ctx;

    must(bytes.len > 0 && bytes.len <= drain->left);
    drain->left -= bytes.len;
    for (size_t i = 0; i < bytes.len; i++)
        drain->sum = drain->sum * 31 + (unsigned char)bytes.p[i];
    return 0;
}

/* All responses in `data`, in pieces of `piece` bytes; a number that tells what they were. */
static uint64_t parse(struct str data, size_t piece)
{
    struct drain drain = { 0 };
    const struct imap_sink sink = { &drain, drain_wants, drain_data };
    enum imap_step step = IMAP_MORE;
    struct imap_parser p;

    imap_parser_init(&p);
    p.sink = &sink;
    while (data.len > 0 && step == IMAP_MORE) {
        struct str part = str_n(data.p, data.len < piece ? data.len : piece);
        size_t before = part.len;

        step = imap_parse(&p, &part);
        must(step != IMAP_STOPPED && (step != IMAP_MORE || part.len == 0));
        data = str_from(data, before - part.len);
        if (step != IMAP_MORE)
            drain.sum = drain.sum * 31 + (uint64_t)step + p.count + p.text.len;
        if (step == IMAP_DONE) {
            use(&p);
            imap_parser_clear(&p);
            drain.left = 0;
            step = IMAP_MORE;
        }
    }
    imap_parser_free(&p);
    return drain.sum;
}

static void name(struct str text)
{
    AUTO_BUF(utf7, 4096);
    AUTO_BUF(quoted, 8192);

    if (imap_utf7(text, &utf7) < 0)
        return;
    must(imap_quote(buf_str(&utf7), false, &quoted) == 0);
    for (size_t i = 0; i < quoted.len; i++)
        must(quoted.p[i] >= 0x20 && quoted.p[i] < 0x7f);
    for (size_t i = 1; i + 1 < quoted.len; i++) {
        must(quoted.p[i] != '"');
        i += quoted.p[i] == '\\';
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_n(data, size);
    uint64_t whole = parse(bytes, size + 1);

    must(parse(bytes, 1) == whole && parse(bytes, 13) == whole);
    name(bytes);
    set(bytes);
    return 0;
}
