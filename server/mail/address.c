/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/address.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mail/gmime.h"
#include "mail/text.h"
#include "net/conn.h"

/* RFC 5321 4.5.3.1.1, 4.5.3.1.3. */
#define LOCAL_MAX 64
#define ADDR_MAX 254
#define COLONS_MAX 100

/* ---- GMime ------------------------------------------------------------------------------------------ */

/* Not at the start of the process: GMime's tables cost memory that an idle Postern has no use for. */
void gmime_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, g_mime_init);
}

InternetAddress *gmime_mailbox(const struct address *address)
{
    InternetAddress *mailbox =
        internet_address_mailbox_new(*address->name ? address->name : NULL, address->addr);

    internet_address_set_charset(mailbox, "utf-8");
    return mailbox;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

void address_clear(struct address *address)
{
    free(address->name);
    free(address->addr);
    *address = (struct address){ 0 };
}

static int invalid(struct err *err, const char *text, const char *why)
{
    char shown[120];

    return err_id(err, ERR_INVALID, "address.invalid", NULL, "\"%s\" %s.",
                  text_clean(str_c(text), shown, sizeof(shown)), why);
}

/* GMime is generous with what stands around an address, and turns A-labels into Unicode; so the domain is
 * taken from where it stands in the entry, which ends there but for '>' and a comment. `*domain` is set on
 * success. */
static bool ends_entry(const char *text, const char *at, size_t local, struct str *domain)
{
    bool angle = at > text && at[-1] == '<';
    const char *after;

    if (at > text && !angle)
        return false;
    *domain = str_n(at + local + 1, strcspn(at + local + 1, "> \t("));
    after = domain->p + domain->len;
    if (angle != (*after == '>'))
        return false;
    after += angle;
    after += strspn(after, " \t");
    return *after == '\0' || (*after == '(' && after[strlen(after) - 1] == ')');
}

static bool stands_alone(const char *text, const char *raw, size_t local, struct str *domain)
{
    const char *at = text, *end = text + strlen(text);

    /* The name may repeat the address. */
    while ((at = memmem(at, (size_t)(end - at), raw, local + 1)) != NULL)
        if (ends_entry(text, at++, local, domain))
            return true;
    return false;
}

/* RFC 5322 3.2.2. GMime up to 3.2.14 loses memory where a comment isn't closed (its issue 159), and takes a group
 * in a group, of which there are none, with a call in a call: such text is kept from it. */
bool gmime_can_read(const char *text)
{
    bool quoted = false;
    int depth = 0, colons = 0;

    for (const char *p = text; *p; p++) {
        colons += *p == ':';
        if (*p == '\\' && p[1])
            p++;
        else if (*p == '"' && depth == 0)
            quoted = !quoted;
        else if (!quoted && *p == '(')
            depth++;
        else if (!quoted && *p == ')' && depth > 0)
            depth--;
    }
    return depth == 0 && !quoted && colons <= COLONS_MAX;
}

static const char *check_local(const char *addr, size_t len)
{
    bool quoted = len > 0 && addr[0] == '"';

    if (len == 0 || len > LOCAL_MAX)
        return "needs 1 to 64 bytes before the @";
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)addr[i] < 0x20 || addr[i] == 0x7f ||
            (!quoted && strchr(" ()<>[]:;@\\,\"", addr[i])))
            return "has a character that an address can't have";
    if (quoted && (len < 3 || addr[len - 1] != '"'))
        return "has a quote that isn't closed";
    if (!quoted && (addr[0] == '.' || addr[len - 1] == '.' || memmem(addr, len, "..", 2)))
        return "has a dot where an address can't have one";
    return NULL;
}

static bool is_literal(const char *domain)
{
    size_t len = strlen(domain);

    return len > 2 && domain[0] == '[' && domain[len - 1] == ']' &&
           strspn(domain + 1, "0123456789abcdefABCDEFIPv6:.") == len - 2;
}

static char *domain_ascii(const char *domain)
{
    char *ascii = NULL;

    if (is_literal(domain))
        return mem_strdup(domain);
    return net_is_ip_literal(domain) || net_host_ascii(domain, &ascii, NULL) < 0 ? NULL : ascii;
}

/* Fills addr and utf8 from what GMime read as the address. */
static int take_addr(const char *text, const char *raw, struct address *ret, struct err *err)
{
    const char *at = strrchr(raw, '@'), *wrong;
    AUTO_FREE char *given = NULL, *domain = NULL;
    struct str where = { NULL, 0 };
    size_t local;

    if (at == NULL || at[1] == '\0')
        return invalid(err, text, "isn't a mail address: a domain after an @ is missing");
    local = (size_t)(at - raw);
    wrong = check_local(raw, local);
    if (wrong == NULL && !stands_alone(text, raw, local, &where))
        wrong = "isn't a mail address";
    if (wrong)
        return invalid(err, text, wrong);
    given = str_dup(where);
    domain = domain_ascii(given);
    if (domain == NULL)
        return invalid(err, text, "has a domain that isn't one");
    if (local + 1 + strlen(domain) > ADDR_MAX)
        return invalid(err, text, "is longer than an address can be");
    for (size_t i = 0; i < local; i++)
        ret->utf8 |= (raw[i] & 0x80) != 0;
    ret->addr = mem_printf("%.*s@%s", (int)local, raw, domain);
    return 0;
}

int address_parse(const char *text, struct address *ret, struct err *err)
{
    AUTO_UNREF InternetAddressList *list = NULL;
    AUTO_ADDRESS(address);
    AUTO_FREE char *trimmed = NULL;
    InternetAddress *one;
    const char *raw;

    gmime_start();
    if (strlen(text) > ADDRESS_TEXT_MAX)
        return invalid(err, text, "is longer than an address can be");
    if (!str_is_utf8(str_c(text)) || str_has_control(str_c(text)))
        return invalid(err, text, "has line breaks or other control characters");
    trimmed = str_dup(str_trim(str_c(text)));
    if (*trimmed == '\0')
        return err_id(err, ERR_INVALID, "address.invalid", NULL, "An address is missing.");
    if (!gmime_can_read(text))
        return invalid(err, text, "has a quote or a comment that isn't closed");
    list = internet_address_list_parse(NULL, text);
    if (list == NULL || internet_address_list_length(list) == 0)
        return invalid(err, text, "isn't a mail address");
    if (internet_address_list_length(list) > 1)
        return invalid(err, text, "is more than one address: give each an entry of its own");
    one = internet_address_list_get_address(list, 0);
    if (!INTERNET_ADDRESS_IS_MAILBOX(one))
        return invalid(err, text, "is a group: give each address an entry of its own");
    raw = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(one));
    if (take_addr(trimmed, raw ? raw : "", &address, err) < 0)
        return -1;
    address.name = mem_strdup(internet_address_get_name(one) ? internet_address_get_name(one) : "");
    /* They can come out of an encoded word. */
    if (!str_is_utf8(str_c(address.name)) || str_has_control(str_c(address.name)))
        return invalid(err, text, "has a name with control characters");
    *ret = address;
    address = (struct address){ 0 };
    return 0;
}

int address_envelope(const char *text, char **ret, bool *utf8, struct err *err)
{
    AUTO_ADDRESS(address);

    if (*text == '\0' || strcmp(text, "<>") == 0) {
        *ret = mem_strdup("");
        return 0;
    }
    if (address_parse(text, &address, err) < 0)
        return -1;
    *ret = TAKE(address.addr);
    *utf8 |= address.utf8;
    return 0;
}
