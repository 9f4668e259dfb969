/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/reason.h"

const struct trust_reason_info trust_reasons[REASON_COUNT] = {
    { REASON_SELF_SIGNED, "self-signed", true, "is self-signed",
      "The server signed its certificate itself; no authority vouches for it.",
      "Compare the fingerprint with the one that the server's administrator reads on the server, then accept "
      "it; or have the server's certificate signed by a CA and import that CA." },
    { REASON_UNKNOWN_ISSUER, "unknown-issuer", true, "was issued by an authority that isn't trusted here",
      "The authority that signed the certificate is in none of the trust stores this account uses, or the "
      "server did not send the certificates in between.",
      "Import the authority's root into the User Trust Store; or, after comparing the fingerprint, accept "
      "this certificate." },
    { REASON_NAME_MISMATCH, "name-mismatch", true, "does not carry the name of the host",
      "The certificate was made for other names than the one this account connects to.",
      "Use one of the names in the certificate as hostname, set Verify Name to it, or have the certificate "
      "made for this name." },
    { REASON_EXPIRED, "expired", true, "has expired",
      "The certificate, or one that vouches for it, is no longer valid.",
      "Have the server's certificate renewed; until then it can be accepted for at most 90 days." },
    { REASON_NOT_YET_VALID, "not-yet-valid", true, "is not valid yet",
      "The certificate, or one that vouches for it, becomes valid only later.",
      "Check the clocks of this machine and of the server; until then it can be accepted for at most 90 "
      "days." },
    { REASON_WEAK_SIGNATURE, "weak-signature", true, "is signed with a weak algorithm",
      "The signature uses MD5 or SHA-1, which can be forged.",
      "Have the certificate issued again with SHA-256 or better." },
    { REASON_MUST_STAPLE, "must-staple", true, "came without valid proof that it isn't revoked",
      "The certificate has to come with a fresh OCSP answer, and the server sent none or one that isn't "
      "valid.",
      "Turn on OCSP stapling at the server, or see why its answer is out of date." },
    { REASON_REVOKED, "revoked", false, "was revoked by its issuer",
      "The authority that issued the certificate says that it must not be used any more.",
      "Replace the server's certificate and key. Nobody can accept this one." },
    { REASON_WEAK_KEY, "weak-key", false, "relies on a key that is too weak",
      "A key of the certificate or of its issuers is too short or of a kind that is no longer safe.",
      "Have a certificate made with RSA of 2048 bits or more, ECDSA P-256 or better, or Ed25519. Nobody can "
      "accept this one." },
    { REASON_NOT_A_CA, "not-a-ca", false, "was issued by a certificate that may not issue others",
      "A certificate in the chain is not a CA, and yet it signed another one.",
      "Have the certificate issued by a CA. Nobody can accept this one." },
    { REASON_WRONG_PURPOSE, "wrong-purpose", false, "is not meant for servers",
      "The certificate, or one of its issuers, is limited to other uses than a TLS server's.",
      "Have a certificate made for server authentication. Nobody can accept this one." },
    { REASON_CONSTRAINT, "constraint", false, "breaks a limit that was set for its issuer",
      "An authority in the chain may not vouch for this name or at this depth, or sets a rule that can't be "
      "checked here.",
      "Use a CA that may issue for this name; or widen the names it is limited to, where it was imported "
      "with such a list. "
      "Nobody can accept this one." },
    { REASON_MALFORMED, "malformed", false, "is damaged or not well-formed",
      "What the server sent can't be read as a certificate, or its signature is wrong.",
      "Install the server's certificate anew. Nobody can accept this one." },
    { REASON_OTHER, "other", false, "failed a check that has no name of its own",
      "The certificate or its chain uses something that isn't supported, or failed a check.",
      "Look at the certificate with another tool, and have it made with usual algorithms. Nobody can accept "
      "this one." },
};

const struct trust_reason_info *trust_reason_of(unsigned bit)
{
    for (size_t i = 0; i < REASON_COUNT; i++)
        if (trust_reasons[i].bit == bit)
            return &trust_reasons[i];
    return NULL;
}

unsigned trust_reason_from(struct str word)
{
    for (size_t i = 0; i < REASON_COUNT; i++)
        if (str_eq(str_c(trust_reasons[i].word), word))
            return trust_reasons[i].bit;
    return 0;
}

size_t trust_reason_words(unsigned reasons, const char *words[REASON_COUNT])
{
    size_t count = 0;

    for (size_t i = 0; i < REASON_COUNT; i++)
        if (reasons & trust_reasons[i].bit)
            words[count++] = trust_reasons[i].word;
    return count;
}

bool trust_reasons_acceptable(unsigned reasons)
{
    return reasons != 0 && (reasons & ~REASONS_ACCEPTABLE) == 0;
}

int trust_reasons_clause(unsigned reasons, struct buf *into)
{
    bool first = true;

    for (size_t i = 0; i < REASON_COUNT; i++) {
        if (!(reasons & trust_reasons[i].bit))
            continue;
        reasons &= ~trust_reasons[i].bit;
        if (buf_addf(into, "%s%s", first ? "" : reasons ? ", " : " and ", trust_reasons[i].clause) < 0)
            return -1;
        first = false;
    }
    return 0;
}
