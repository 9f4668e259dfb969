/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/imap_caps.h"

#include <string.h>

#include "base/mem.h"
#include "mail/imap_parse.h"
#include "mail/text.h"

void imap_caps_add(struct imap_caps *caps, struct imap_offer *offer, struct str word)
{
    const struct {
        const char *word;
        bool *flag;
    } flags[] = {
        { "IMAP4rev1", &caps->rev1 },
        { "IMAP4rev2", &caps->rev2 },
        { "STARTTLS", &caps->starttls },
        { "LOGINDISABLED", &caps->login_disabled },
        { "SASL-IR", &caps->sasl_ir },
        { "LITERAL+", &caps->literal_plus },
        { "LITERAL-", &caps->literal_minus },
        { "IDLE", &caps->idle },
        { "UIDPLUS", &caps->uidplus },
        { "MOVE", &caps->move },
        { "CONDSTORE", &caps->condstore },
        { "QRESYNC", &caps->condstore },
        { "ENABLE", &caps->enable },
        { "ESEARCH", &caps->esearch },
        { "ID", &caps->id },
        { "SPECIAL-USE", &caps->special_use },
    };

    for (size_t i = 0; i < COUNT_OF(flags); i++)
        if (str_eq_nocase(word, str_c(flags[i].word)))
            *flags[i].flag = true;
    if (caps->rev2) /* RFC 9051 E: part of it */
        caps->idle = caps->uidplus = caps->move = caps->enable = caps->esearch = true;
    if (str_starts_nocase(word, STR("AUTH=")))
        text_append(offer->auth, sizeof(offer->auth), str_from(word, 5));
    text_append(offer->all, sizeof(offer->all), word);
}

void imap_caps_forget(struct imap_caps *caps, struct imap_offer *offer)
{
    *caps = (struct imap_caps){ 0 };
    *offer = (struct imap_offer){ 0 };
}

bool imap_caps_read(struct imap_caps *caps, struct imap_offer *offer, const struct imap_parser *response)
{
    struct str rest, word;

    if (response->type == IMAP_UNTAGGED && strcmp(response->name, "CAPABILITY") == 0) {
        imap_caps_forget(caps, offer);
        for (const struct imap_node *node = imap_first(response); node; node = imap_next(response, node))
            imap_caps_add(caps, offer, imap_node_str(response, node));
        return true;
    }
    if (!imap_has_code(response, "CAPABILITY"))
        return false;
    imap_caps_forget(caps, offer);
    rest = imap_code_value(response);
    while (str_split(&rest, ' ', &word))
        imap_caps_add(caps, offer, word);
    return true;
}
