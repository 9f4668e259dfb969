/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a mailbox, and keeping up with what becomes of it. */
#include "mail/imap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/imap_mailbox.h"
#include "mail/imap_name.h"
#include "mail/imap_session.h"
#include "mail/imap_uids.h"
#include "mail/text.h"

/* ---- what is in it ---------------------------------------------------------------------------------- */

/* RFC 7162 3.2.10: "VANISHED 1:3,7"; what is "(EARLIER)" was gone before and doesn't count. */
static uint64_t vanished(const struct imap_parser *in)
{
    const struct imap_node *set = imap_first(in);

    return set && set->kind == IMAP_ATOM ? imap_set_size(imap_node_str(in, set)) : 0;
}

static void take_away(struct imap_view *view, uint64_t count)
{
    view->exists -= count < view->exists ? (uint32_t)count : view->exists;
    view->shifts += count > 0;
}

static bool rises(uint32_t *count, uint32_t to)
{
    bool rose = to > *count;

    *count = to;
    return rose;
}

/* RFC 9051 7.3, 7.4, 7.5.1. */
void imap_view_note(struct imap_session *imap)
{
    const struct imap_parser *in = &imap->in;
    struct imap_view *view = &imap->view;

    if (!view->open)
        return;
    if (imap_has_code(in, "CLOSED")) /* what came so far was about the mailbox before */
        view->exists = view->recent = 0;
    else if (strcmp(in->name, "VANISHED") == 0)
        take_away(view, vanished(in));
    else if (!in->has_number)
        return;
    else if (strcmp(in->name, "EXISTS") == 0)
        view->news |= rises(&view->exists, in->number);
    else if (strcmp(in->name, "RECENT") == 0)
        view->news |= rises(&view->recent, in->number);
    else if (strcmp(in->name, "EXPUNGE") == 0)
        take_away(view, in->number > 0 && in->number <= view->exists);
}

uint32_t imap_exists(const struct imap_session *imap)
{
    return imap->view.exists;
}

/* ---- opening it ------------------------------------------------------------------------------------- */

struct selecting {
    struct imap_session *imap;
    const char *name;
    bool read_only;
    struct imap_mailbox *mailbox;
};

static uint64_t code_number(const struct imap_parser *in, uint64_t max)
{
    int64_t number;

    return str_to_int(imap_code_value(in), &number) && number > 0 && (uint64_t)number <= max
               ? (uint64_t)number
               : 0;
}

/* RFC 9051 6.3.2: any of these, in any order, and others. */
static int see_mailbox(struct imap_session *imap, void *ctx, struct err *err)
{
    struct imap_mailbox *mailbox = ctx;
    const struct imap_parser *in = &imap->in;

    (void)err;
    if (imap_has_code(in, "UIDVALIDITY"))
        mailbox->uid_validity = (uint32_t)code_number(in, UINT32_MAX);
    else if (imap_has_code(in, "UIDNEXT"))
        mailbox->uid_next = (uint32_t)code_number(in, UINT32_MAX);
    else if (imap_has_code(in, "HIGHESTMODSEQ"))
        mailbox->mod_seq = code_number(in, INT64_MAX);
    else if (imap_has_code(in, "PERMANENTFLAGS")) {
        char flags[512];

        text_clean(imap_code_value(in), flags, sizeof(flags));
        mailbox->can_mark = strcasestr(flags, "\\Seen") != NULL;
    }
    return 0;
}

static int write_name(const struct selecting *selecting, struct buf *into, struct err *err)
{
    const struct imap_caps *caps = &selecting->imap->caps;
    struct str name = str_c(selecting->name);
    AUTO_BUF(encoded, 2048);
    int rc;

    /* IMAP4rev2 alone has names in UTF-8 (RFC 9051 A.1); a server of both takes them so only when told. */
    if (caps->rev1)
        rc = imap_utf7(name, &encoded) < 0 ? -1 : imap_quote(buf_str(&encoded), false, into);
    else
        rc = !str_is_utf8(name) || str_has_control(name) ? -1 : imap_quote(name, true, into);
    return rc == 0 ? 0
                   : err_id(err, ERR_REFUSED, "config.mailbox", "mailbox",
                            "The name of the mailbox can't be sent to %s.",
                            dialog_hostname(selecting->imap->dialog));
}

static void open_view(struct imap_session *imap, const char *name)
{
    free(imap->view.name);
    imap->view = (struct imap_view){ .open = true, .name = mem_strdup(name) };
}

static int do_select(void *session, char detail[SESSION_SAID_MAX], struct err *err)
{
    struct selecting *selecting = session;
    struct imap_session *imap = selecting->imap;
    AUTO_BUF(name, 2048);

    *selecting->mailbox = (struct imap_mailbox){ .can_mark = true };
    if (write_name(selecting, &name, err) < 0)
        return -1;
    open_view(imap, name.p);
    /* RFC 7162 3.1.8: the parameter is what enables CONDSTORE; nothing else is used that needs ENABLE (RFC 5161). */
    if (imap_send(imap, "select", err, "%s %s%s", selecting->read_only ? "EXAMINE" : "SELECT", name.p,
                  imap->caps.condstore ? " (CONDSTORE)" : "") < 0 ||
        imap_finish(imap, "select", see_mailbox, selecting->mailbox, err) < 0)
        return -1;
    if (imap->in.status != IMAP_OK)
        return imap_is_temporary(&imap->in) ? imap_refused(imap, ERR_TEMPORARY, "protocol.refused", "select",
                                                           "can't open the mailbox now", err)
                                            : imap_refused(imap, ERR_REFUSED, "config.mailbox", "select",
                                                           "doesn't open the mailbox", err);
    imap->view.news = false; /* nobody has looked at anything yet */
    selecting->mailbox->exists = imap->view.exists;
    selecting->mailbox->read_only = selecting->read_only || imap_has_code(&imap->in, "READ-ONLY");
    snprintf(detail, SESSION_SAID_MAX, "%u message%s", selecting->mailbox->exists,
             selecting->mailbox->exists == 1 ? "" : "s");
    return 0;
}

int imap_select(struct imap_session *imap, const char *name, bool read_only, struct imap_mailbox *mailbox,
                struct err *err)
{
    struct imap_mailbox own;
    struct selecting selecting = { imap, name, read_only, mailbox ? mailbox : &own };

    return session_step(imap->dialog, "mailbox", do_select, &selecting, false, err);
}
