/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/trust.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "trust/cert.h"
#include "trust/judge.h"

#define NAME_SHOWN 120

const char *trust_verdict_name(enum trust_verdict verdict)
{
    static const char *const names[] = { "yes", "exempt", "ask", "changed", "rejected", "no" };

    return names[verdict];
}

/* ---- the verdict ------------------------------------------------------------------------------------------------- */

/* Is it the key (or, where the key was never seen, the certificate) that the person spoke of? */
static bool same_key(const struct trust_exemption *exemption, const struct trust_result *result)
{
    if (exemption->has_spki)
        return memcmp(exemption->spki_sha256, result->spki_sha256, sizeof(result->spki_sha256)) == 0;
    return exemption->has_cert && memcmp(exemption->cert_sha256, result->sha256, sizeof(result->sha256)) == 0;
}

static bool has_key(const struct trust_exemption *exemption)
{
    return exemption->has_spki || exemption->has_cert;
}

static bool ended(const struct trust_exemption *exemption, int64_t now)
{
    return exemption->expires_at != 0 && now >= exemption->expires_at;
}

/* Reasons that the person did not accept; dates only until a day that was named (DESIGN 4). */
static unsigned not_covered(const struct trust_exemption *exemption, unsigned reasons)
{
    unsigned accepts = exemption->accepts & REASONS_ACCEPTABLE;

    if (exemption->expires_at == 0)
        accepts &= ~REASONS_DATES;
    return reasons & ~accepts;
}

static enum trust_verdict decide(const struct trust_exemption *exemption, const struct trust_result *result,
                                 int64_t now)
{
    if (result->reasons == 0)
        return TRUST_YES;
    if (!result->acceptable)
        return TRUST_NO;
    if (exemption == NULL || exemption->approval == TRUST_PENDING || !has_key(exemption))
        return TRUST_ASK;
    if (exemption->approval == TRUST_REFUSED)
        return same_key(exemption, result) ? TRUST_REJECTED : TRUST_ASK;
    if (!same_key(exemption, result))
        return TRUST_CHANGED;
    return ended(exemption, now) || not_covered(exemption, result->reasons) ? TRUST_ASK : TRUST_EXEMPT;
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* For texts with a ceiling of their own: what does not fit as a whole sentence is left out. */
static void put(char *into, size_t size, struct buf *text)
{
    snprintf(into, size, "%s", text->len && text->len < size ? text->p : "");
}

/* The host as it was written, without what could disturb a log line or a page. */
static const char *shown(const char *name, char text[NAME_SHOWN + 1])
{
    struct str view = str_c(name);

    if (view.len == 0 || view.len > NAME_SHOWN || str_has_control(view) || !str_is_utf8(view))
        return "the server";
    memcpy(text, view.p, view.len);
    text[view.len] = '\0';
    return text;
}

/* Why an exemption that is there does not help; "" where there is none. */
static void add_exemption_words(struct buf *text, const struct trust_exemption *exemption,
                                const struct trust_result *result, int64_t now)
{
    unsigned more;

    if (result->verdict == TRUST_EXEMPT)
        buf_add_c(text, "; it is accepted by an exemption");
    else if (result->verdict == TRUST_CHANGED)
        buf_add_c(text, "; and its key is not the one that was approved");
    else if (result->verdict == TRUST_REJECTED)
        buf_add_c(text, "; and it was rejected");
    if (result->verdict != TRUST_ASK || exemption == NULL || !same_key(exemption, result))
        return;
    if (exemption->approval != TRUST_APPROVED && exemption->approval != TRUST_KEY_CHANGED)
        return;

    more = not_covered(exemption, result->reasons);
    if (ended(exemption, now))
        buf_add_c(text, "; the exemption for it has ended");
    else if (more & exemption->accepts)
        buf_add_c(text, "; the exemption for it names no day on which it ends");
    else
        buf_add_c(text, "; the exemption for it does not cover all of this");
}

static void describe(struct trust_result *result, const char *name, const struct trust_exemption *exemption,
                     int64_t now)
{
    char host[NAME_SHOWN + 1];
    AUTO_BUF(text, 2048);

    if (result->reasons == 0)
        buf_addf(&text, "The certificate of %s is trusted", shown(name, host));
    else {
        buf_addf(&text, "The certificate of %s ", shown(name, host));
        trust_reasons_clause(result->reasons, &text);
        add_exemption_words(&text, exemption, result, now);
    }
    buf_add_char(&text, '.');
    if (text.len >= sizeof(result->text)) {
        buf_clear(&text);
        buf_addf(&text, "The certificate of %s fails %d checks.", shown(name, host),
                 __builtin_popcount(result->reasons));
    }
    put(result->text, sizeof(result->text), &text);
}

/* The worst first: with a reason that nobody can accept, advice about the others is of no use. */
static void advise(struct trust_result *result)
{
    unsigned worst = result->reasons & ~REASONS_ACCEPTABLE, reasons = worst ? worst : result->reasons;
    AUTO_BUF(text, sizeof(result->advice) - 1);

    if (result->verdict == TRUST_CHANGED)
        buf_add_c(&text, "Ask the server's administrator whether its key was replaced, compare the new "
                         "fingerprint, and only then approve it; a changed key may also mean that somebody stands in between.");
    if (result->verdict == TRUST_REJECTED)
        buf_add_c(&text, "Approve it in Allowed Hosts if the refusal was a mistake.");
    if (result->verdict == TRUST_YES && result->redundant)
        buf_add_c(&text, "The exemption for this host is no longer needed: delete it in Allowed Hosts.");
    if (result->verdict == TRUST_ASK || result->verdict == TRUST_NO)
        for (size_t i = 0; i < REASON_COUNT; i++)
            if ((reasons & trust_reasons[i].bit) &&
                text.len + strlen(trust_reasons[i].advice) + 1 < sizeof(result->advice))
                buf_addf(&text, "%s%s", text.len ? " " : "", trust_reasons[i].advice);
    put(result->advice, sizeof(result->advice), &text);
}

void trust_decide(const struct trust_roots *roots, enum trust_stores stores, const struct tls_peer *peer,
                  const char *verify_name, const struct trust_exemption *exemption, int64_t now,
                  struct trust_result *result)
{
    const char *name = verify_name && *verify_name ? verify_name : peer->name ? peer->name : "";
    struct judgement judgement;

    *result = (struct trust_result){ 0 };
    judge(roots, stores, peer, name, now, &judgement);
    result->reasons = judgement.reasons;
    result->acceptable = trust_reasons_acceptable(judgement.reasons);
    if (judgement.anchor) {
        result->anchored = true;
        result->user_anchor = judgement.anchor->user;
        memcpy(result->anchor_sha256, judgement.anchor->sha256, sizeof(result->anchor_sha256));
    }
    if (peer->chain_len)
        trust_cert_fingerprints(str_n(peer->chain[0].der, peer->chain[0].len), result->sha256, result->spki_sha256);

    result->verdict = decide(exemption, result, now);
    result->redundant = result->verdict == TRUST_YES && exemption != NULL;
    describe(result, name, exemption, now);
    advise(result);
}
