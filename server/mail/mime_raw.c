/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/mime_raw.c - messages that are sent as they were given, but for the little that must be done.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "mail/gmime.h"
#include "mail/text.h"

/* ---- headers ---------------------------------------------------------------------------------------- */

static size_t line_len(struct str s)
{
    const char *end = s.len ? memchr(s.p, '\n', s.len) : NULL;

    return end ? (size_t)(end - s.p) + 1 : s.len;
}

bool mime_header_next(struct str *rest, struct str *whole, struct str *name)
{
    const char *colon;
    size_t len = line_len(*rest);

    if (len == 0 || str_trim(str_n(rest->p, len)).len == 0)
        return false;
    colon = memchr(rest->p, ':', len);
    *name = str_n(rest->p, colon ? (size_t)(colon - rest->p) : 0);
    while (name->len && (name->p[name->len - 1] == ' ' || name->p[name->len - 1] == '\t'))
        name->len--;
    for (size_t i = 0; i < name->len; i++)
        if (name->p[i] <= 0x20 || name->p[i] == 0x7f)
            name->len = 0;
    while (len < rest->len && (rest->p[len] == ' ' || rest->p[len] == '\t'))
        len += line_len(str_from(*rest, len));
    *whole = str_n(rest->p, len);
    *rest = str_from(*rest, len);
    return true;
}

size_t mime_header_len(struct str raw)
{
    struct str rest = raw, whole, name;

    while (mime_header_next(&rest, &whole, &name))
        ;
    return raw.len - rest.len;
}

struct str mime_header_value(struct str whole)
{
    const char *colon = memchr(whole.p, ':', whole.len);

    return colon ? str_from(whole, (size_t)(colon - whole.p) + 1) : STR("");
}

/* ---- the envelope ----------------------------------------------------------------------------------- */

void mime_envelope_add(struct mime_envelope *envelope, const char *addr)
{
    for (size_t i = 0; i < envelope->count; i++)
        if (strcmp(envelope->recipients[i], addr) == 0)
            return;
    envelope->recipients[envelope->count++] = mem_strdup(addr);
}

/* The addresses of one header, each as local@domain, to `take`; -1 with err. */
struct reading {
    struct mime_envelope *envelope;
    const char *at; /* "/to" */
    struct err *err;
    bool only_first;
    char *first;
};

static int take_mailbox(struct reading *r, InternetAddress *one)
{
    const char *raw = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(one));
    AUTO_ADDRESS(address);

    if (address_parse(raw ? raw : "", &address, r->err) < 0) {
        if (r->err)
            snprintf(r->err->at, sizeof(r->err->at), "%s", r->at);
        return -1;
    }
    if (r->only_first) {
        r->first = TAKE(address.addr);
        r->envelope->smtputf8 |= address.utf8;
        return 0;
    }
    if (r->envelope->count >= MIME_RECIPIENTS_MAX)
        return err_id(r->err, ERR_INVALID, "message.recipients", r->at, "A message can have %d recipients.",
                      MIME_RECIPIENTS_MAX);
    r->envelope->smtputf8 |= address.utf8;
    mime_envelope_add(r->envelope, address.addr);
    return 0;
}

/* RFC 5322 3.4: a group has mailboxes and no groups; GMime may have found some all the same. */
static int take_list(struct reading *r, InternetAddressList *list, int depth)
{
    int count = list && depth < 3 ? internet_address_list_length(list) : 0;

    for (int i = 0; i < count && r->first == NULL; i++) {
        InternetAddress *one = internet_address_list_get_address(list, i);
        int rc =
            INTERNET_ADDRESS_IS_GROUP(one)
                ? take_list(r, internet_address_group_get_members(INTERNET_ADDRESS_GROUP(one)), depth + 1)
                : take_mailbox(r, one);

        if (rc < 0)
            return -1;
    }
    return 0;
}

static int take_header(struct reading *r, struct str whole)
{
    AUTO_FREE char *value = str_dup(str_trim(mime_header_value(whole)));
    AUTO_UNREF InternetAddressList *list = NULL;

    if (*value == '\0')
        return 0;
    for (char *p = value; *p; p++) /* unfolded: RFC 5322 2.2.3 */
        if (*p == '\r' || *p == '\n')
            *p = ' ';
    list = gmime_can_read(value) ? internet_address_list_parse(NULL, value) : NULL;
    if (list == NULL)
        return err_id(r->err, ERR_INVALID, "address.invalid", r->at,
                      "The header has no addresses that can be read.");
    return take_list(r, list, 0);
}

static int read_recipients(struct str headers, struct mime_envelope *envelope, struct err *err)
{
    static const struct {
        const char *name, *at;
    } wanted[] = { { "To", "/to" }, { "Cc", "/cc" }, { "Bcc", "/bcc" } };
    struct str whole, name;

    while (mime_header_next(&headers, &whole, &name))
        for (size_t i = 0; i < COUNT_OF(wanted); i++) {
            struct reading r = { .envelope = envelope, .at = wanted[i].at, .err = err };

            if (str_eq_nocase(name, str_c(wanted[i].name)) && take_header(&r, whole) < 0)
                return -1;
        }
    return 0;
}

/* RFC 5322 3.6.2: Sender where there is one, or who it is from. */
static int read_sender(struct str headers, struct mime_envelope *envelope, struct err *err)
{
    static const struct {
        const char *name, *at;
    } wanted[] = { { "Sender", "/sender" }, { "From", "/from" } };

    for (size_t i = 0; i < COUNT_OF(wanted) && envelope->sender == NULL; i++) {
        struct str rest = headers, whole, name;

        while (mime_header_next(&rest, &whole, &name) && envelope->sender == NULL) {
            struct reading r = { .envelope = envelope, .at = wanted[i].at, .err = err, .only_first = true };

            if (str_eq_nocase(name, str_c(wanted[i].name)) && take_header(&r, whole) < 0)
                return -1;
            envelope->sender = r.first;
        }
    }
    if (envelope->sender == NULL)
        envelope->sender = mem_strdup("");
    return 0;
}

int mime_envelope_read(struct str raw, struct mime_envelope *ret, struct err *err)
{
    struct str headers = str_n(raw.p, mime_header_len(raw));
    AUTO_ENVELOPE(envelope);

    gmime_start();
    if (headers.len > MIME_HEADER_BYTES_MAX)
        return err_id(err, ERR_INVALID, "message.headers", NULL,
                      "The message's headers have more than %d bytes.", MIME_HEADER_BYTES_MAX);
    envelope.recipients = mem_array(MIME_RECIPIENTS_MAX, sizeof(char *));
    if (read_sender(headers, &envelope, err) < 0 || read_recipients(headers, &envelope, err) < 0)
        return -1;
    if (envelope.count == 0)
        return err_id(err, ERR_INVALID, "message.recipients", "/to",
                      "The message names no recipient in To, Cc or Bcc.");
    *ret = envelope;
    envelope = (struct mime_envelope){ 0 };
    return 0;
}

/* ---- preparing -------------------------------------------------------------------------------------- */

struct present {
    bool message_id, date, from, reply_to;
};

static int look_at_headers(struct str headers, struct present *present, struct err *err)
{
    struct {
        const char *name;
        bool *flag;
    } wanted[] = {
        { "Message-ID", &present->message_id },
        { "Date", &present->date },
        { "From", &present->from },
        { "Reply-To", &present->reply_to },
    };
    struct str whole, name;

    while (mime_header_next(&headers, &whole, &name)) {
        char shown[60];

        if (name.len == 0)
            return err_id(err, ERR_INVALID, "message.headers", NULL,
                          "\"%s\" stands among the headers and isn't one.",
                          text_clean(whole, shown, sizeof(shown)));
        for (size_t i = 0; i < COUNT_OF(wanted); i++)
            *wanted[i].flag |=
                str_eq_nocase(name, str_c(wanted[i].name)) && str_trim(mime_header_value(whole)).len > 0;
    }
    return 0;
}

static int too_large(const struct buf *into, struct err *err)
{
    return err_id(err, ERR_TOO_LARGE, "limit.messageSize", NULL, "The message has more than %zu bytes.",
                  into->max);
}

static int add_mailbox(struct buf *into, const char *name, const char *text, struct err *err)
{
    AUTO_ADDRESS(address);
    AUTO_UNREF InternetAddress *mailbox = NULL;
    AUTO_G_FREE char *coded = NULL;

    if (address_parse(text, &address, err) < 0)
        return -1;
    mailbox = gmime_mailbox(&address);
    coded = internet_address_to_string(mailbox, NULL, TRUE);
    return buf_addf(into, "%s: %s\r\n", name, coded) < 0 ? too_large(into, err) : 0;
}

static int add_missing(const struct mime_defaults *d, const struct present *present, struct buf *into,
                       struct err *err)
{
    char date[CLOCK_TEXT_MAX];

    if (!present->from && d->from && *d->from && add_mailbox(into, "From", d->from, err) < 0)
        return -1;
    if (!present->reply_to && d->reply_to && *d->reply_to &&
        add_mailbox(into, "Reply-To", d->reply_to, err) < 0)
        return -1;
    if (!present->date && d->date && buf_addf(into, "Date: %s\r\n", clock_format_mail(d->date, date)) < 0)
        return too_large(into, err);
    if (!present->message_id && d->message_id && buf_addf(into, "Message-ID: %s\r\n", d->message_id) < 0)
        return too_large(into, err);
    return 0;
}

/* An empty header that was filled in goes, or it would be there twice. */
static bool is_dropped(struct str name, struct str whole)
{
    static const char *const empty[] = { "Message-ID", "Date", "From", "Reply-To" };

    if (str_eq_nocase(name, STR("Bcc")) || str_eq_nocase(name, STR("Resent-Bcc")))
        return true;
    for (size_t i = 0; i < COUNT_OF(empty); i++)
        if (str_eq_nocase(name, str_c(empty[i])) && str_trim(mime_header_value(whole)).len == 0)
            return true;
    return false;
}

int mime_prepare(struct str raw, const struct mime_defaults *defaults, struct buf *into, struct err *err)
{
    size_t len = mime_header_len(raw);
    struct str headers = str_n(raw.p, len), whole, name;
    struct present present = { 0 };
    int rc = 0;

    gmime_start();
    if (raw.len && memchr(raw.p, '\0', raw.len))
        return err_id(err, ERR_INVALID, "message.invalid", NULL,
                      "The message has NUL bytes; binary content must be encoded.");
    if (len == 0)
        return err_id(err, ERR_INVALID, "message.headers", NULL, "The message doesn't begin with headers.");
    if (len > MIME_HEADER_BYTES_MAX)
        return err_id(err, ERR_INVALID, "message.headers", NULL,
                      "The message's headers have more than %d bytes.", MIME_HEADER_BYTES_MAX);
    if (look_at_headers(headers, &present, err) < 0 || add_missing(defaults, &present, into, err) < 0)
        return -1;
    while (rc == 0 && mime_header_next(&headers, &whole, &name))
        if (!is_dropped(name, whole))
            rc = buf_add(into, whole);
    if (rc < 0 || buf_add(into, str_from(raw, len)) < 0)
        return too_large(into, err);
    return 0;
}
