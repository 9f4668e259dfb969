/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for news, and saying who we are. */
#include <stdio.h>
#include <string.h>

#include "mail/imap_mailbox.h"
#include "mail/imap_name.h"
#include "mail/imap_session.h"
#include "mail/text.h"

static bool take_news(struct imap_session *imap)
{
    bool news = imap->view.news;

    imap->view.news = false;
    return news;
}

/* ---- IDLE, RFC 2177 --------------------------------------------------------------------------------- */

int imap_idle_start(struct imap_session *imap, struct err *err)
{
    int rc;

    if (imap_send(imap, "idle", err, "IDLE") < 0)
        return -1;
    rc = imap_answer(imap, "idle", false, NULL, NULL, err);
    if (rc == 0)
        return imap_check(imap, "idle", "doesn't wait with us", err) < 0 ? -1
                                                                         : imap_unexpected(imap, "idle", err);
    imap->idling = rc > 0;
    imap->unasked = 0;
    return rc < 0 ? -1 : 0;
}

int imap_idle_news(struct imap_session *imap, struct err *err)
{
    int rc;

    while ((rc = imap_try_read(imap, "idle", err)) > 0) {
        if (imap->in.type == IMAP_TAGGED)
            return imap_unexpected(imap, "idle", err);
        imap->unasked += (unsigned)(imap->in.text.len / 1024); /* long ones are a flood sooner */
        if (imap_take_note(imap, "idle", &imap->unasked, err) < 0)
            return -1;
    }
    return rc < 0 ? -1 : take_news(imap);
}

int imap_idle_done(struct imap_session *imap, bool *news, struct err *err)
{
    *news = false;
    if (!imap->idling)
        return 0;
    imap->idling = false;
    dialog_show(imap->dialog, MAIL_SENT, STR("DONE"));
    if (dialog_send(imap->dialog, "idle", STR("DONE\r\n"), err) < 0)
        return -1;
    imap->deadline = dialog_deadline(imap->dialog);
    if (imap_finish(imap, "idle", NULL, NULL, err) < 0)
        return -1;
    *news = take_news(imap);
    return imap_check(imap, "idle", "doesn't wait with us", err);
}

int imap_noop(struct imap_session *imap, bool *news, struct err *err)
{
    *news = false;
    if (imap_send(imap, "noop", err, "NOOP") < 0 || imap_finish(imap, "noop", NULL, NULL, err) < 0)
        return -1;
    *news = take_news(imap);
    return imap_check(imap, "noop", "refuses NOOP", err);
}

bool imap_park(struct imap_session *imap)
{
    if (!imap->partial)
        imap_parser_free(&imap->in);
    return dialog_park(imap->dialog);
}

/* ---- ID, RFC 2971 ----------------------------------------------------------------------------------- */

struct identity {
    char *text;
    size_t size;
};

/* "ID ("name" "Dovecot" "version" "2.3")". */
static int see_identity(struct imap_session *imap, void *ctx, struct err *err)
{
    const struct imap_parser *in = &imap->in;
    struct str name = STR(""), version = STR("");
    struct identity *identity = ctx;
    const struct imap_node *list = imap_first(in), *field, *value;
    AUTO_BUF(both, IMAP_TEXT_MAX);

    (void)err;
    if (strcmp(in->name, "ID") != 0 || list == NULL || identity->size == 0)
        return 0;
    for (field = imap_child(in, list); field; field = imap_next(in, value)) {
        value = imap_next(in, field);
        if (value == NULL)
            break;
        if (str_eq_nocase(imap_node_str(in, field), STR("name")))
            name = imap_node_str(in, value);
        else if (str_eq_nocase(imap_node_str(in, field), STR("version")) && value->kind == IMAP_STRING)
            version = imap_node_str(in, value);
    }
    buf_add(&both, name);
    buf_add_char(&both, ' ');
    buf_add(&both, version);
    text_clean(buf_str(&both), identity->text, identity->size);
    return 0;
}

int imap_identify(struct imap_session *imap, const char *version, char *server, size_t size, struct err *err)
{
    struct identity identity = { server, server ? size : 0 };
    AUTO_BUF(quoted, 128);

    if (identity.size > 0)
        server[0] = '\0';
    if (!imap->caps.id || imap_quote(str_c(version), false, &quoted) < 0)
        return 0;
    if (imap_send(imap, "id", err, "ID (\"name\" \"Postern\" \"version\" %s)", quoted.p) < 0)
        return -1;
    return imap_finish(imap, "id", see_identity, &identity, err);
}
