/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates of every kind: the verdict on each, all its reasons, and whether a person may accept it. */
#include "trust/trust.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "pki.h"
#include "tap.h"
#include "trust/cert.h"

#define HOST "mail.example.com"
#define GOOD "dns:mail.example.com"
#define ASK(reasons) TRUST_ASK, (reasons)
#define NEVER(reasons) TRUST_NO, (reasons)
#define YES TRUST_YES, 0
#define CERT_SIGN (GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN)

/* The CAs, one letter each in the rows' chains. R and the like are in the User Trust Store, Y in the system's. */
static struct pki cas[128];
static struct trust *trust;

static struct pki *ca(char letter)
{
    return &cas[(int)letter];
}

static void make_ca(char letter, struct pki_spec spec)
{
    spec.ca = CA_YES;
    if (spec.usage == 0)
        spec.usage = CERT_SIGN;
    pki_make(ca(letter), &spec);
}

static void make_cas(void)
{
    make_ca('R', (struct pki_spec){ .name = "Root", .to = 3650, .from = -3650 });
    make_ca('S', (struct pki_spec){ .name = "Sub", .issuer = ca('R') });
    make_ca('T', (struct pki_spec){ .name = "Sub of Sub", .issuer = ca('S') });
    make_ca('Y', (struct pki_spec){ .name = "System Root" });
    make_ca('U', (struct pki_spec){ .name = "Unknown Root" });
    make_ca('V', (struct pki_spec){ .name = "Sub of Unknown", .issuer = ca('U') });
    /* Cross-signed: the same key as X under an expired root E and under R. */
    make_ca('E', (struct pki_spec){ .name = "Expired Root", .from = -800, .to = -10 });
    make_ca('X', (struct pki_spec){ .name = "Cross", .issuer = ca('E') });
    make_ca('x', (struct pki_spec){ .name = "Cross", .issuer = ca('R'), .key_of = ca('X') });
    /* The expired root itself, cross-signed by R with the same key and name. */
    make_ca('e', (struct pki_spec){ .name = "Expired Root", .issuer = ca('R'), .key_of = ca('E') });
    make_ca('P', (struct pki_spec){ .name = "Path Zero", .issuer = ca('R'), .path_len = 1 });
    make_ca('Q', (struct pki_spec){ .name = "Below Path Zero", .issuer = ca('P') });
    make_ca('N', (struct pki_spec){ .name = "Named", .issuer = ca('R'), .permitted = "dns:example.com ip:10.0.0.0/8",
                                    .excluded = "dns:secret.example.com" });
    make_ca('n', (struct pki_spec){ .name = "Below Named", .issuer = ca('N') });
    make_ca('A', (struct pki_spec){ .name = "Mail Only", .issuer = ca('R'), .eku = "email" });
    make_ca('B', (struct pki_spec){ .name = "Not Signing", .issuer = ca('R'), .usage = GNUTLS_KEY_DIGITAL_SIGNATURE });
    make_ca('D', (struct pki_spec){ .name = "Weakly Signed", .issuer = ca('R'), .digest = GNUTLS_DIG_SHA1 });
    make_ca('W', (struct pki_spec){ .name = "Weak Root", .kind = KEY_RSA1024 });
    make_ca('O', (struct pki_spec){ .name = "Old Root", .digest = GNUTLS_DIG_SHA1 });
    make_ca('F', (struct pki_spec){ .name = "Future Sub", .issuer = ca('R'), .from = 10, .to = 100 });
    make_ca('L', (struct pki_spec){ .name = "Limited Root" });
    make_ca('K', (struct pki_spec){ .name = "Strange Sub", .issuer = ca('R'), .critical_unknown = true });
    make_ca('C', (struct pki_spec){ .name = "Policy Sub", .issuer = ca('R'), .policy_constraints = true });
    make_ca('G', (struct pki_spec){ .name = "RSA Root", .kind = KEY_RSA2048 });
    make_ca('r', (struct pki_spec){ .name = "Root", .to = 3650, .from = -3650 });     /* another one of the same name */
    make_ca('H', (struct pki_spec){ .name = "PSS Root", .kind = KEY_PSS });
    make_ca('I', (struct pki_spec){ .name = "Ed Root", .kind = KEY_ED25519 });
    pki_make(ca('Z'), &(struct pki_spec){ .name = "No CA", .issuer = ca('R'), .ca = CA_NO });
    pki_make(ca('z'), &(struct pki_spec){ .name = "Silent", .issuer = ca('R'), .ca = CA_SILENT });
    pki_make(ca('1'), &(struct pki_spec){ .name = "Old Format Root", .v1 = true });
}

static void make_stores(char *file, size_t size)
{
    static const char users[] = "RELWOG1IH";
    static const char *const limits[] = { "example.com", NULL };
    struct trust_ca list[sizeof(users)];
    char pem[8192] = "";
    int fd;

    snprintf(file, size, "%s/test-trust-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    fd = mkstemp(file);
    pki_pem(ca('Y'), pem, sizeof(pem));
    pki_pem(ca('E'), pem, sizeof(pem));
    if (fd < 0 || write(fd, pem, strlen(pem)) < 0)
        abort();
    close(fd);

    for (size_t i = 0; users[i]; i++)
        list[i] = (struct trust_ca){ str_n(ca(users[i])->der, ca(users[i])->len), users[i] == 'L' ? limits : NULL };
    trust = trust_new(file);
    trust_set_user(trust, list, sizeof(users) - 1, NULL);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

struct row {
    const char *name;
    struct pki_spec leaf;
    char issuer;                /* letter, 0: signs itself */
    const char *chain;          /* letters of what the server sends behind its own; '0' its own once more, '!' rubbish */
    enum trust_verdict verdict;
    unsigned reasons;
    const char *verify;         /* name, else HOST */
    enum trust_stores stores;
    bool gnutls_lost;           /* GnuTLS alone takes a wrong turn where there are several ways, and refuses */
};

/* A row names only what differs from a good certificate. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define LEAF(...) { .name = "leaf", .sans = GOOD, .usage = GNUTLS_KEY_DIGITAL_SIGNATURE, .eku = "server", __VA_ARGS__ }
#define SIMPLE(...) { .name = "leaf", .sans = GOOD, __VA_ARGS__ }

static const struct row rows[] = {
    /* chains */
    { "issued by a root of ours", LEAF(), 'R', "", YES },
    { "with the root sent too", LEAF(), 'R', "R", YES },
    { "through a CA in between", LEAF(), 'S', "S", YES },
    { "through two in between", LEAF(), 'T', "TS", YES },
    { "reordered", LEAF(), 'T', "ST", YES },
    { "root first", LEAF(), 'T', "RST", YES },
    { "with certificates that don't belong", LEAF(), 'S', "UVSX", YES },
    { "the same one several times", LEAF(), 'S', "0SS0", YES },
    { "the one in between is missing", LEAF(), 'S', "", ASK(REASON_UNKNOWN_ISSUER) },
    { "the upper one in between is missing", LEAF(), 'T', "T", ASK(REASON_UNKNOWN_ISSUER) },
    { "unknown root", LEAF(), 'U', "", ASK(REASON_UNKNOWN_ISSUER) },
    { "unknown root that is sent", LEAF(), 'V', "VU", ASK(REASON_UNKNOWN_ISSUER) },
    { "another CA with the name of ours", LEAF(), 'r', "", ASK(REASON_UNKNOWN_ISSUER) },
    { "another CA with the name of ours, sent", LEAF(), 'r', "r", ASK(REASON_UNKNOWN_ISSUER) },
    { "the same without key identifiers", LEAF(.no_key_ids = true), 'r', "r", ASK(REASON_UNKNOWN_ISSUER) },
    { "system root", LEAF(), 'Y', "", YES, .stores = STORES_SYSTEM_ONLY },
    { "system root in both", LEAF(), 'Y', "", YES },
    { "system root where only the user's count", LEAF(), 'Y', "", ASK(REASON_UNKNOWN_ISSUER), .stores = STORES_USER_ONLY },
    { "user root where only the user's count", LEAF(), 'R', "", YES, .stores = STORES_USER_ONLY },
    { "user root where only the system's count", LEAF(), 'R', "", ASK(REASON_UNKNOWN_ISSUER), .stores = STORES_SYSTEM_ONLY },
    { "expired cross-signed one beside a good one", LEAF(), 'X', "Xx", YES, .gnutls_lost = true },
    { "the same in the other order", LEAF(), 'X', "xX", YES },
    { "expired root beside its cross-signed twin", LEAF(), 'X', "XEe", YES, .gnutls_lost = true },
    { "only the expired root", LEAF(), 'X', "X", ASK(REASON_EXPIRED) },
    { "RSA root", LEAF(.kind = KEY_RSA2048), 'G', "", YES },
    { "Ed25519 root and key", LEAF(.kind = KEY_ED25519), 'I', "", YES },
    { "RSA-PSS root and key", LEAF(.kind = KEY_PSS), 'H', "", YES },
    { "self-signed with RSA-PSS", LEAF(.kind = KEY_PSS), 0, "", ASK(REASON_SELF_SIGNED) },
    { "P-384", LEAF(.kind = KEY_P384, .digest = GNUTLS_DIG_SHA384), 'R', "", YES },

    /* self-signed */
    { "self-signed", LEAF(.ca = CA_NO), 0, "", ASK(REASON_SELF_SIGNED) },
    { "self-signed, as openssl req makes it", LEAF(.ca = CA_YES, .usage = 0, .eku = NULL), 0, "", ASK(REASON_SELF_SIGNED) },
    { "self-signed with nothing in it", { .name = HOST, .ca = CA_SILENT }, 0, "", ASK(REASON_SELF_SIGNED | REASON_NAME_MISMATCH) },
    { "self-signed, version 1", { .name = HOST, .v1 = true }, 0, "", ASK(REASON_SELF_SIGNED | REASON_NAME_MISMATCH) },
    { "self-signed, another name, expired", LEAF(.sans = "dns:other.example", .from = -20, .to = -1), 0, "",
      ASK(REASON_SELF_SIGNED | REASON_NAME_MISMATCH | REASON_EXPIRED) },
    { "self-signed, not yet valid", LEAF(.from = 1, .to = 20), 0, "", ASK(REASON_SELF_SIGNED | REASON_NOT_YET_VALID) },
    { "self-signed beside CAs of ours", LEAF(), 0, "SR", ASK(REASON_SELF_SIGNED) },
    { "self-signed with SHA-1", LEAF(.kind = KEY_RSA2048, .digest = GNUTLS_DIG_SHA1), 0, "",
      ASK(REASON_SELF_SIGNED | REASON_WEAK_SIGNATURE) },
    { "self-signed with a wrong signature", LEAF(.bad_signature = true), 0, "",
      NEVER(REASON_UNKNOWN_ISSUER | REASON_MALFORMED) },
    { "self-signed RSA 1024", LEAF(.kind = KEY_RSA1024), 0, "", NEVER(REASON_SELF_SIGNED | REASON_WEAK_KEY) },
    { "self-signed for clients", LEAF(.eku = "client"), 0, "", NEVER(REASON_SELF_SIGNED | REASON_WRONG_PURPOSE) },

    /* names, RFC 9525 */
    { "another name", LEAF(.sans = "dns:www.example.com"), 'R', "", ASK(REASON_NAME_MISMATCH) },
    { "one of many", LEAF(.sans = "dns:a.example dns:mail.example.com dns:b.example"), 'R', "", YES },
    { "in the CN only", { .name = HOST, .eku = "server" }, 'R', "", ASK(REASON_NAME_MISMATCH) },
    { "in the CN, another in the SAN", { .name = HOST, .sans = "dns:www.example.com" }, 'R', "", ASK(REASON_NAME_MISMATCH) },
    { "other letters' case", LEAF(.sans = "dns:MAIL.Example.COM"), 'R', "", YES },
    { "asked for in another case", LEAF(), 'R', "", YES, .verify = "Mail.EXAMPLE.com" },
    { "asked for with a dot at the end", LEAF(), 'R', "", YES, .verify = "mail.example.com." },
    { "wildcard", LEAF(.sans = "dns:*.example.com"), 'R', "", YES },
    { "wildcard for the name without a label", LEAF(.sans = "dns:*.example.com"), 'R', "", ASK(REASON_NAME_MISMATCH),
      .verify = "example.com" },
    { "wildcard for two labels", LEAF(.sans = "dns:*.example.com"), 'R', "", ASK(REASON_NAME_MISMATCH),
      .verify = "a.mail.example.com" },
    { "wildcard within a label", LEAF(.sans = "dns:m*.example.com"), 'R', "", ASK(REASON_NAME_MISMATCH) },
    { "wildcard in the second label", LEAF(.sans = "dns:mail.*.com"), 'R', "", ASK(REASON_NAME_MISMATCH) },
    { "two wildcards", LEAF(.sans = "dns:*.*.com"), 'R', "", ASK(REASON_NAME_MISMATCH) },
    { "wildcard over a whole top-level domain", LEAF(.sans = "dns:*.com"), 'R', "", ASK(REASON_NAME_MISMATCH),
      .verify = "example.com" },
    { "wildcard alone", LEAF(.sans = "dns:*"), 'R', "", ASK(REASON_NAME_MISMATCH), .verify = "localhost" },
    { "a name of one label", LEAF(.sans = "dns:localhost"), 'R', "", YES, .verify = "localhost" },
    { "IPv4", LEAF(.sans = "ip:192.0.2.7"), 'R', "", YES, .verify = "192.0.2.7" },
    { "another IPv4", LEAF(.sans = "ip:192.0.2.8"), 'R', "", ASK(REASON_NAME_MISMATCH), .verify = "192.0.2.7" },
    { "IPv6", LEAF(.sans = "ip:2001:db8::1"), 'R', "", YES, .verify = "2001:0db8:0::1" },
    { "IPv6 in brackets", LEAF(.sans = "ip:2001:db8::1"), 'R', "", YES, .verify = "[2001:db8::1]" },
    { "an IP as DNS name", LEAF(.sans = "dns:192.0.2.7"), 'R', "", ASK(REASON_NAME_MISMATCH), .verify = "192.0.2.7" },
    { "an IP under a wildcard", LEAF(.sans = "dns:*.0.2.7"), 'R', "", ASK(REASON_NAME_MISMATCH), .verify = "192.0.2.7" },
    { "an IP in the CN", { .name = "192.0.2.7" }, 'R', "", ASK(REASON_NAME_MISMATCH), .verify = "192.0.2.7" },
    { "a name where an IP was asked", LEAF(), 'R', "", ASK(REASON_NAME_MISMATCH), .verify = "192.0.2.7" },
    { "IDN as A-label", LEAF(.sans = "dns:xn--mller-kva.example.com"), 'R', "", YES, .verify = "xn--mller-kva.example.com" },
    { "IDN as typed", LEAF(.sans = "dns:xn--mller-kva.example.com"), 'R', "", YES, .verify = "M\xc3\xbcller.example.com" },
    { "IDN under a wildcard", LEAF(.sans = "dns:*.example.com"), 'R', "", YES, .verify = "xn--mller-kva.example.com" },
    { "NUL in the name", LEAF(.sans = NULL, .raw_san = STR("\x30\x17\x82\x15mail.example.com\0.eve")), 'R', "",
      NEVER(REASON_NAME_MISMATCH | REASON_MALFORMED) },
    { "SAN that is no list", LEAF(.sans = NULL, .raw_san = STR("\x30\x16\x82\x7fmail.example.com.eve1")), 'R', "",
      NEVER(REASON_MALFORMED) },
    { "email only", LEAF(.sans = "email:a@mail.example.com"), 'R', "", ASK(REASON_NAME_MISMATCH) },
    { "URI only", LEAF(.sans = "uri:https://mail.example.com/"), 'R', "", ASK(REASON_NAME_MISMATCH) },
    { "asked for nothing that is a name", LEAF(), 'R', "", ASK(REASON_NAME_MISMATCH), .verify = "mail example" },

    /* dates */
    { "expired", LEAF(.from = -20, .to = -1), 'R', "", ASK(REASON_EXPIRED) },
    { "not yet valid", LEAF(.from = 1, .to = 20), 'R', "", ASK(REASON_NOT_YET_VALID) },
    { "valid since this second", LEAF(.from = 0, .to = 20), 'R', "", YES },
    { "valid until this second", LEAF(.from = -20, .to = 0), 'R', "", YES },
    { "ends before it begins", LEAF(.from = 10, .to = -10), 'R', "", ASK(REASON_EXPIRED | REASON_NOT_YET_VALID) },
    { "a CA in between not yet valid", LEAF(), 'F', "F", ASK(REASON_NOT_YET_VALID) },
    { "expired and another name", LEAF(.from = -20, .to = -1, .sans = "dns:x.example"), 'R', "",
      ASK(REASON_EXPIRED | REASON_NAME_MISMATCH) },
    { "expired, unknown issuer, another name", LEAF(.from = -20, .to = -1, .sans = "dns:x.example"), 'U', "",
      ASK(REASON_EXPIRED | REASON_NAME_MISMATCH | REASON_UNKNOWN_ISSUER) },

    /* algorithms */
    { "signed with SHA-1", LEAF(.digest = GNUTLS_DIG_SHA1), 'R', "", ASK(REASON_WEAK_SIGNATURE) },
    { "signed with MD5", LEAF(.digest = GNUTLS_DIG_MD5), 'G', "", ASK(REASON_WEAK_SIGNATURE) },
    { "a CA in between signed with SHA-1", LEAF(), 'D', "D", ASK(REASON_WEAK_SIGNATURE) },
    { "a root that signed itself with SHA-1", LEAF(), 'O', "", YES },
    { "RSA 1024", LEAF(.kind = KEY_RSA1024), 'R', "", NEVER(REASON_WEAK_KEY) },
    { "root with RSA 1024", LEAF(), 'W', "", NEVER(REASON_WEAK_KEY) },
    { "P-192", LEAF(.kind = KEY_P192), 'R', "", NEVER(REASON_WEAK_KEY) },
    { "DSA", LEAF(.kind = KEY_DSA), 'R', "", NEVER(REASON_WEAK_KEY) },
    { "the signature is wrong", LEAF(.bad_signature = true), 'R', "", NEVER(REASON_UNKNOWN_ISSUER | REASON_MALFORMED) },
    { "signed by another, with our root's key identifier", LEAF(.signed_by_key_of = &cas['U']), 'R', "",
      NEVER(REASON_UNKNOWN_ISSUER | REASON_MALFORMED) },

    /* purpose */
    { "for clients", LEAF(.eku = "client"), 'R', "", NEVER(REASON_WRONG_PURPOSE) },
    { "for both", LEAF(.eku = "server client"), 'R', "", YES },
    { "for anything", LEAF(.eku = "any"), 'R', "", YES },
    { "for nothing", LEAF(.eku = "empty"), 'R', "", NEVER(REASON_WRONG_PURPOSE) },
    { "no purpose named", SIMPLE(), 'R', "", YES },
    { "the CA is for email", LEAF(), 'A', "A", NEVER(REASON_WRONG_PURPOSE) },
    { "a key that may only sign certificates", LEAF(.usage = CERT_SIGN), 'R', "", NEVER(REASON_WRONG_PURPOSE) },
    { "a key that may encipher keys", LEAF(.usage = GNUTLS_KEY_KEY_ENCIPHERMENT), 'R', "", YES },

    /* CAs and constraints */
    { "issued by a certificate that is no CA", LEAF(), 'Z', "Z", NEVER(REASON_NOT_A_CA) },
    { "issued by one that says nothing about it", LEAF(), 'z', "z", NEVER(REASON_NOT_A_CA) },
    { "issued by one whose key may not sign", LEAF(), 'B', "B", NEVER(REASON_NOT_A_CA) },
    { "a root of version 1", LEAF(), '1', "", NEVER(REASON_NOT_A_CA) },
    { "directly below a path length of 0", LEAF(), 'P', "P", YES },
    { "too far below a path length of 0", LEAF(), 'Q', "QP", NEVER(REASON_CONSTRAINT) },
    { "a name that is permitted", LEAF(), 'N', "N", YES },
    { "a name that is permitted, deeper", LEAF(), 'n', "nN", YES },
    { "a name that isn't permitted", LEAF(.sans = "dns:mail.example.org"), 'N', "N", NEVER(REASON_CONSTRAINT),
      .verify = "mail.example.org" },
    { "the same, deeper", LEAF(.sans = "dns:mail.example.org"), 'n', "nN", NEVER(REASON_CONSTRAINT), .verify = "mail.example.org" },
    { "a name that only ends like a permitted one", LEAF(.sans = "dns:badexample.com"), 'N', "N", NEVER(REASON_CONSTRAINT),
      .verify = "badexample.com" },
    { "a second name that isn't permitted", LEAF(.sans = "dns:mail.example.com dns:x.org"), 'N', "N", NEVER(REASON_CONSTRAINT) },
    { "an excluded name", LEAF(.sans = "dns:a.secret.example.com"), 'N', "N", NEVER(REASON_CONSTRAINT),
      .verify = "a.secret.example.com" },
    { "a wildcard that covers an excluded name", LEAF(.sans = "dns:*.example.com"), 'N', "N", NEVER(REASON_CONSTRAINT) },
    { "a permitted address", LEAF(.sans = "ip:10.1.2.3", .name = HOST), 'N', "N", YES, .verify = "10.1.2.3" },
    { "an address that isn't permitted", LEAF(.sans = "ip:192.0.2.7"), 'N', "N", NEVER(REASON_CONSTRAINT), .verify = "192.0.2.7" },
    { "a name that the imported CA is limited to", LEAF(), 'L', "", YES },
    { "a name that it isn't limited to", LEAF(.sans = "dns:mail.example.org"), 'L', "", NEVER(REASON_CONSTRAINT),
      .verify = "mail.example.org" },
    { "an unknown critical extension", LEAF(.critical_unknown = true), 'R', "", NEVER(REASON_CONSTRAINT) },
    { "an unknown critical extension in the CA", LEAF(), 'K', "K", NEVER(REASON_CONSTRAINT) },
    { "a policy that is asked for", LEAF(), 'C', "C", NEVER(REASON_CONSTRAINT) },
    { "self-signed with an unknown critical extension", LEAF(.critical_unknown = true), 0, "",
      NEVER(REASON_SELF_SIGNED | REASON_CONSTRAINT) },

    /* stapling, and the rest */
    { "must staple, and nothing came", LEAF(.must_staple = true), 'R', "", ASK(REASON_MUST_STAPLE) },
    { "rubbish in the chain", LEAF(), 'R', "!", NEVER(REASON_MALFORMED) },
    { "everything at once", LEAF(.kind = KEY_RSA1024, .sans = "dns:x.example", .from = -20, .to = -1, .eku = "client",
                                 .critical_unknown = true, .must_staple = true, .digest = GNUTLS_DIG_SHA1), 'U', "",
      NEVER(REASON_UNKNOWN_ISSUER | REASON_NAME_MISMATCH | REASON_EXPIRED | REASON_WEAK_SIGNATURE | REASON_MUST_STAPLE |
            REASON_WEAK_KEY | REASON_WRONG_PURPOSE | REASON_CONSTRAINT) },
};

static void add_to_chain(struct tls_peer *peer, const void *der, size_t len)
{
    peer->chain[peer->chain_len++] = (struct tls_cert){ (uint8_t *)der, len };
}

/* Borrows everything: nothing in it is freed. */
static struct tls_peer peer_of(const struct pki *leaf, const char *chain)
{
    struct tls_peer peer = { .name = (char *)HOST, .port = 465, .version = TLS_VERSION_1_3 };

    add_to_chain(&peer, leaf->der, leaf->len);
    for (; chain && *chain; chain++) {
        if (*chain == '!')
            add_to_chain(&peer, "\x30\x03rub", 5);
        else
            add_to_chain(&peer, *chain == '0' ? leaf->der : ca(*chain)->der, *chain == '0' ? leaf->len : ca(*chain)->len);
    }
    return peer;
}

static const char *words(unsigned reasons, char *into, size_t size)
{
    const char *list[REASON_COUNT];
    size_t count = trust_reason_words(reasons, list);

    snprintf(into, size, "%s", count ? "" : "none");
    for (size_t i = 0; i < count; i++)
        snprintf(into + strlen(into), size - strlen(into), "%s%s", i ? " " : "", list[i]);
    return into;
}

static void check(const char *name, const struct trust_result *got, enum trust_verdict verdict, unsigned reasons)
{
    char a[256], b[256];

    if (!ok(got->verdict == verdict && got->reasons == reasons && got->acceptable == trust_reasons_acceptable(reasons), "%s", name))
        printf("#      got: %s, %s\n# expected: %s, %s\n# %s\n", trust_verdict_name(got->verdict),
               words(got->reasons, a, sizeof(a)), trust_verdict_name(verdict), words(reasons, b, sizeof(b)), got->text);
    if (got->text[0] == '\0' || (got->verdict != TRUST_YES && got->verdict != TRUST_EXEMPT && got->advice[0] == '\0'))
        ok(false, "%s: has words for a person", name);
}

/* What GnuTLS makes of the same: it may refuse what we accept only for the order, never the other way round. */
static bool gnutls_accepts(const struct tls_peer *peer, const struct row *row)
{
    gnutls_x509_crt_t crts[TLS_CHAIN_MAX];
    gnutls_x509_trust_list_t list;
    gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)GNUTLS_KP_TLS_WWW_SERVER };
    unsigned status = ~0u;

    gnutls_x509_trust_list_init(&list, 0);
    for (const char *letter = row->stores == STORES_USER_ONLY ? "RELWOG1IH" : row->stores == STORES_SYSTEM_ONLY ? "YE" : "RELWOG1IHY";
         *letter; letter++)
        gnutls_x509_trust_list_add_cas(list, &ca(*letter)->crt, 1, 0);
    for (size_t i = 0; i < peer->chain_len; i++) {
        gnutls_datum_t der = { peer->chain[i].der, (unsigned)peer->chain[i].len };

        gnutls_x509_crt_init(&crts[i]);
        gnutls_x509_crt_import(crts[i], &der, GNUTLS_X509_FMT_DER);
    }
    gnutls_x509_trust_list_verify_crt2(list, crts, (unsigned)peer->chain_len, &purpose, 1,
                                       GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM), &status, NULL);
    for (size_t i = 0; i < peer->chain_len; i++)
        gnutls_x509_crt_deinit(crts[i]);
    gnutls_x509_trust_list_deinit(list, 0);
    return status == 0;
}

static time_t wrong_clock(time_t *at)
{
    if (at)
        *at = 86400;
    return 86400;
}

static time_t test_clock(time_t *at)
{
    if (at)
        *at = (time_t)(PKI_NOW / 1000);
    return (time_t)(PKI_NOW / 1000);
}

static void test_table(void)
{
    size_t yes = 0;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct pki_spec spec = row->leaf;
        struct trust_result result;
        struct tls_peer peer;
        struct pki leaf;
        AUTO(trust_roots) roots = trust_roots(trust, row->stores);

        spec.issuer = row->issuer ? ca(row->issuer) : NULL;
        pki_make(&leaf, &spec);
        peer = peer_of(&leaf, row->chain);
        gnutls_global_set_time_function(wrong_clock);
        trust_decide(roots, row->stores, &peer, row->verify, NULL, PKI_NOW, &result);
        gnutls_global_set_time_function(test_clock);
        check(row->name, &result, row->verdict, row->reasons);
        if (result.verdict == TRUST_YES) {
            yes++;
            if (gnutls_accepts(&peer, row) == row->gnutls_lost)
                ok(false, "%s: GnuTLS says so too", row->name);
        }
        pki_free(&leaf);
    }
    ok(yes > 25, "%zu of %zu are trusted", yes, COUNT_OF(rows));
}

/* ---- exemptions -------------------------------------------------------------------------------------------------- */

struct exemption_row {
    const char *name;
    struct trust_exemption exemption;
    enum trust_verdict verdict;
    char key;                   /* of which certificate the exemption has fingerprints: 's' its own, 'o' another, 'c' its own by the
                                 * certificate alone, 'd' another's by the certificate alone, 0 none */
};
#define ALL (REASON_SELF_SIGNED | REASON_NAME_MISMATCH | REASON_EXPIRED)

static const struct exemption_row exemption_rows[] = {
    { "nobody decided yet", { TRUST_PENDING, .accepts = ALL }, TRUST_ASK, 's' },
    { "approved with all reasons and a day", { TRUST_APPROVED, .accepts = ALL, .expires_at = PKI_NOW + 1 }, TRUST_EXEMPT, 's' },
    { "approved by the certificate's fingerprint", { TRUST_APPROVED, .accepts = ALL, .expires_at = PKI_NOW + 1 }, TRUST_EXEMPT, 'c' },
    { "approved another certificate", { TRUST_APPROVED, .accepts = ALL, .expires_at = PKI_NOW + 1 }, TRUST_CHANGED, 'd' },
    { "approved, the day has come", { TRUST_APPROVED, .accepts = ALL, .expires_at = PKI_NOW }, TRUST_ASK, 's' },
    { "approved without a day, though expired", { TRUST_APPROVED, .accepts = ALL }, TRUST_ASK, 's' },
    { "approved without one of the reasons",
      { TRUST_APPROVED, .accepts = ALL & ~REASON_NAME_MISMATCH, .expires_at = PKI_NOW + 1 }, TRUST_ASK, 's' },
    { "approved with no reason", { TRUST_APPROVED, .expires_at = PKI_NOW + 1 }, TRUST_ASK, 's' },
    { "approved with more reasons", { TRUST_APPROVED, .accepts = ~0u, .expires_at = PKI_NOW + 1 }, TRUST_EXEMPT, 's' },
    { "approved another key", { TRUST_APPROVED, .accepts = ALL, .expires_at = PKI_NOW + 1 }, TRUST_CHANGED, 'o' },
    { "approved nothing known", { TRUST_APPROVED, .accepts = ALL, .expires_at = PKI_NOW + 1 }, TRUST_ASK, 0 },
    { "changed, and the approved key is back", { TRUST_KEY_CHANGED, .accepts = ALL, .expires_at = PKI_NOW + 1 }, TRUST_EXEMPT, 's' },
    { "changed, and still another key", { TRUST_KEY_CHANGED, .accepts = ALL, .expires_at = PKI_NOW + 1 }, TRUST_CHANGED, 'o' },
    { "rejected", { TRUST_REFUSED, .accepts = ALL }, TRUST_REJECTED, 's' },
    { "rejected, and another key now", { TRUST_REFUSED, .accepts = ALL }, TRUST_ASK, 'o' },
};

static void set_key(struct trust_exemption *exemption, char key, const struct pki *own, const struct pki *other)
{
    const struct pki *of = key == 'o' || key == 'd' ? other : own;
    uint8_t unused[32];

    exemption->has_spki = key == 's' || key == 'o';
    exemption->has_cert = key != 0;
    if (key)
        trust_cert_fingerprints(str_n(of->der, of->len), exemption->cert_sha256,
                                exemption->has_spki ? exemption->spki_sha256 : unused);
}

static void test_exemptions(void)
{
    AUTO(trust_roots) roots = trust_roots(trust, STORES_BOTH);
    struct pki own, other, renewed, weak, good;
    struct trust_result result;
    struct tls_peer peer;
    struct trust_exemption exemption;

    pki_make(&own, &(struct pki_spec){ .name = "own", .sans = "dns:other.example", .from = -20, .to = -1 });
    pki_make(&other, &(struct pki_spec){ .name = "own", .sans = "dns:other.example", .from = -20, .to = -1 });
    pki_make(&renewed, &(struct pki_spec){ .name = "own", .sans = "dns:other.example", .key_of = &own });
    pki_make(&weak, &(struct pki_spec){ .name = "own", .sans = GOOD, .kind = KEY_RSA1024 });
    pki_make(&good, &(struct pki_spec){ .name = "own", .sans = GOOD, .issuer = ca('R'), .key_of = &own });

    for (size_t i = 0; i < COUNT_OF(exemption_rows); i++) {
        exemption = exemption_rows[i].exemption;
        set_key(&exemption, exemption_rows[i].key, &own, &other);
        peer = peer_of(&own, "");
        trust_decide(roots, STORES_BOTH, &peer, NULL, &exemption, PKI_NOW, &result);
        check(exemption_rows[i].name, &result, exemption_rows[i].verdict, ALL);
    }

    exemption = (struct trust_exemption){ TRUST_APPROVED, .accepts = REASON_SELF_SIGNED | REASON_NAME_MISMATCH };
    set_key(&exemption, 's', &own, &other);
    peer = peer_of(&renewed, "");
    trust_decide(roots, STORES_BOTH, &peer, NULL, &exemption, PKI_NOW, &result);
    check("renewed with the same key", &result, TRUST_EXEMPT, REASON_SELF_SIGNED | REASON_NAME_MISMATCH);
    ok(!result.redundant, "and not redundant");

    peer = peer_of(&good, "");
    trust_decide(roots, STORES_BOTH, &peer, NULL, &exemption, PKI_NOW, &result);
    check("now it verifies", &result, TRUST_YES, 0);
    ok(result.redundant && result.anchored && result.user_anchor && strstr(result.advice, "delete"), "and the exemption is redundant");
    trust_decide(roots, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    ok(!result.redundant, "not redundant where there is none");
    exemption.approval = TRUST_REFUSED;
    trust_decide(roots, STORES_BOTH, &peer, NULL, &exemption, PKI_NOW, &result);
    check("what verifies needs nobody's leave", &result, TRUST_YES, 0);

    exemption = (struct trust_exemption){ TRUST_APPROVED, .accepts = ~0u, .expires_at = PKI_NOW + DAYS(1) };
    set_key(&exemption, 's', &weak, &other);
    peer = peer_of(&weak, "");
    trust_decide(roots, STORES_BOTH, &peer, NULL, &exemption, PKI_NOW, &result);
    check("no exemption covers a weak key", &result, TRUST_NO, REASON_SELF_SIGNED | REASON_WEAK_KEY);

    pki_free(&good);
    pki_free(&renewed);
    pki_free(&weak);
    pki_free(&other);
    pki_free(&own);
}

/* ---- stapling ---------------------------------------------------------------------------------------------------- */

static void test_stapling(void)
{
    static const struct { const char *name; bool required; char signer; enum pki_ocsp status; int from, to; size_t cut;
                          enum trust_verdict verdict; unsigned reasons; } table[] = {
        { "good", true, 'R', OCSP_GOOD, -1, 6, 0, YES },
        { "good, by a delegate", true, 'd', OCSP_GOOD, -1, 6, 0, YES },
        { "good, not required", false, 'R', OCSP_GOOD, -1, 6, 0, YES },
        { "revoked", true, 'R', OCSP_REVOKED, -1, 6, 0, NEVER(REASON_REVOKED) },
        { "revoked, not required", false, 'R', OCSP_REVOKED, -1, 6, 0, NEVER(REASON_REVOKED) },
        { "revoked, by a delegate", false, 'd', OCSP_REVOKED, -1, 6, 0, NEVER(REASON_REVOKED) },
        { "unknown there", true, 'R', OCSP_UNKNOWN, -1, 6, 0, ASK(REASON_MUST_STAPLE) },
        { "out of date", true, 'R', OCSP_GOOD, -9, -2, 0, ASK(REASON_MUST_STAPLE) },
        { "out of date, not required", false, 'R', OCSP_GOOD, -9, -2, 0, ASK(REASON_MUST_STAPLE) },
        { "from the future", true, 'R', OCSP_GOOD, 2, 6, 0, ASK(REASON_MUST_STAPLE) },
        { "signed by another", true, 'U', OCSP_GOOD, -1, 6, 0, ASK(REASON_MUST_STAPLE) },
        { "revoked, says another", false, 'U', OCSP_REVOKED, -1, 6, 0, ASK(REASON_MUST_STAPLE) },
        { "by a delegate who may not", true, 'n', OCSP_GOOD, -1, 6, 0, ASK(REASON_MUST_STAPLE) },
        { "cut off", true, 'R', OCSP_GOOD, -1, 6, 20, ASK(REASON_MUST_STAPLE) },
    };
    AUTO(trust_roots) roots = trust_roots(trust, STORES_BOTH);
    struct pki delegate;

    pki_make(&delegate, &(struct pki_spec){ .name = "OCSP", .issuer = ca('R'), .eku = "ocsp" });

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct pki *signer = table[i].signer == 'd' ? &delegate : ca(table[i].signer);
        uint8_t answer[4096];
        struct pki leaf;
        struct trust_result result;
        struct tls_peer peer;
        char name[128];

        pki_make(&leaf, &(struct pki_spec)LEAF(.issuer = ca('R'), .must_staple = table[i].required));
        peer = peer_of(&leaf, "");
        peer.ocsp = answer;
        peer.ocsp_len = pki_ocsp(&leaf, ca('R'), signer, table[i].status, table[i].from, table[i].to, answer, sizeof(answer));
        peer.ocsp_len -= table[i].cut;
        trust_decide(roots, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
        snprintf(name, sizeof(name), "stapled answer: %s", table[i].name);
        check(name, &result, table[i].verdict, table[i].reasons);
        pki_free(&leaf);
    }
    pki_free(&delegate);
}

/* ---- odd peers --------------------------------------------------------------------------------------------------- */

static void test_odd_peers(void)
{
    AUTO(trust_roots) roots = trust_roots(trust, STORES_BOTH);
    struct tls_peer peer = { .name = (char *)HOST };
    struct trust_result result;
    struct pki circle[2], many[TLS_CHAIN_MAX], leaf;

    trust_decide(roots, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    check("no certificate at all", &result, NEVER(REASON_MALFORMED));
    peer = peer_of(ca('R'), "");
    peer.chain[0].len--;
    trust_decide(roots, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    check("a byte is missing", &result, NEVER(REASON_MALFORMED));
    peer = peer_of(ca('R'), "");
    trust_decide(roots, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    check("a root as its own server", &result, NEVER(REASON_NAME_MISMATCH | REASON_WRONG_PURPOSE));

    /* Two CAs that vouch for each other. */
    pki_make(&circle[0], &(struct pki_spec){ .name = "A", .ca = CA_YES });
    pki_make(&circle[1], &(struct pki_spec){ .name = "B", .ca = CA_YES, .issuer = &circle[0] });
    pki_make(&many[0], &(struct pki_spec){ .name = "A", .ca = CA_YES, .issuer = &circle[1], .key_of = &circle[0] });
    pki_make(&leaf, &(struct pki_spec)LEAF(.issuer = &circle[0]));
    peer = peer_of(&leaf, "");
    add_to_chain(&peer, many[0].der, many[0].len);
    add_to_chain(&peer, circle[1].der, circle[1].len);
    trust_decide(roots, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    check("a circle", &result, ASK(REASON_UNKNOWN_ISSUER));
    pki_free(&leaf);
    pki_free(&many[0]);
    pki_free(&circle[0]);
    pki_free(&circle[1]);

    /* Every one could have issued every other, as far as names go: must end soon. */
    for (size_t i = 0; i < TLS_CHAIN_MAX; i++)
        pki_make(&many[i], &(struct pki_spec){ .name = "Same", .ca = CA_YES, .no_key_ids = true, .sans = i ? NULL : GOOD,
                                               .issuer = i ? &many[i - 1] : NULL });
    peer = peer_of(&many[0], "");
    for (size_t i = 1; i < TLS_CHAIN_MAX; i++)
        add_to_chain(&peer, many[i].der, many[i].len);
    trust_decide(roots, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    ok(result.verdict != TRUST_YES && (result.reasons & (REASON_SELF_SIGNED | REASON_UNKNOWN_ISSUER)), "all of the same name");
    for (size_t i = TLS_CHAIN_MAX; i-- > 0; )
        pki_free(&many[i]);

    /* A way that is too long for us. */
    for (size_t i = 0; i < 14; i++)
        pki_make(&many[i], &(struct pki_spec){ .name = i % 2 ? "Odd" : "Even", .ca = CA_YES, .issuer = i ? &many[i - 1] : ca('R') });
    pki_make(&leaf, &(struct pki_spec)LEAF(.issuer = &many[13]));
    peer = peer_of(&leaf, "");
    for (size_t i = 0; i < 14; i++)
        add_to_chain(&peer, many[i].der, many[i].len);
    trust_decide(roots, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    ok(result.verdict == TRUST_NO, "fourteen CAs in between");
    pki_free(&leaf);
    for (size_t i = 0; i < 14; i++)
        pki_free(&many[i]);
}

/* ---- roots ------------------------------------------------------------------------------------------------------- */

static void test_roots(const char *file)
{
    struct pki leaf;
    struct tls_peer peer;
    struct trust_result result;
    struct trust_roots *before, *after, *what_if;
    struct trust_ca added = { str_n(ca('U')->der, ca('U')->len), NULL };
    struct err err;
    FILE *out;
    char pem[4096] = "";

    pki_make(&leaf, &(struct pki_spec)LEAF(.issuer = ca('U')));
    peer = peer_of(&leaf, "");
    before = trust_roots(trust, STORES_BOTH);
    is_int((long long)trust_roots_system_count(before), 2, "both system roots are read");
    ok(trust_roots_problem(before)[0] == '\0', "without a problem");
    ok(trust_roots_make(&what_if, before, &added, 1, &err) == 0, "another user store, what if");
    trust_decide(what_if, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    is_int(result.verdict, TRUST_YES, "there it would be trusted");
    trust_decide(before, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    is_int(result.verdict, TRUST_ASK, "and here it isn't");
    trust_roots_free(what_if);

    after = trust_roots(trust, STORES_BOTH);
    ok(after == before, "the same snapshot while nothing changes");
    trust_roots_free(after);

    pki_pem(ca('U'), pem, sizeof(pem));
    out = fopen(file, "a");
    fputs("a comment\n", out);
    fputs(pem, out);
    fclose(out);
    after = trust_roots(trust, STORES_BOTH);
    is_int((long long)trust_roots_system_count(after), 3, "the file is read again once it changed");
    ok(trust_roots_generation(after) > trust_roots_generation(before), "under a new number");
    trust_decide(after, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    is_int(result.verdict, TRUST_YES, "a new root counts at once");
    ok(result.anchored && !result.user_anchor, "as one of the system's");
    trust_decide(before, STORES_BOTH, &peer, NULL, NULL, PKI_NOW, &result);
    is_int(result.verdict, TRUST_ASK, "and a snapshot stays as it was");
    trust_roots_free(after);
    trust_roots_free(before);

    unlink(file);
    after = trust_roots(trust, STORES_BOTH);
    ok(strstr(trust_roots_problem(after), file) != NULL, "a file that is gone is a problem that names it");
    is_int((long long)trust_roots_system_count(after), 3, "and the roots stay");
    before = trust_roots(trust, STORES_BOTH);
    ok(before == after, "said once");
    trust_roots_free(before);
    trust_roots_free(after);

    added.der.len -= 1;
    ok(trust_set_user(trust, &added, 1, &err) < 0, "a damaged certificate is refused");
    added.der.len += 1;
    ok(trust_set_user(trust, &added, 1, &err) == 0, "the user store is replaced");
    after = trust_roots(trust, STORES_USER_ONLY);
    trust_decide(after, STORES_USER_ONLY, &peer, NULL, NULL, PKI_NOW, &result);
    ok(result.verdict == TRUST_YES && result.user_anchor, "and counts at once");
    trust_roots_free(after);
    pki_free(&leaf);
}

static void test_real_roots(void)
{
    AUTO(trust) real = trust_new(NULL);
    AUTO(trust_roots) roots = trust_roots(real, STORES_SYSTEM_ONLY);
    size_t count = trust_roots_system_count(roots), readable = 0;

    if (count == 0) {
        ok(true, "this machine's own roots # SKIP there are none");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        AUTO(trust_cert) cert = NULL;

        readable += trust_cert_read(&cert, trust_roots_system(roots, i), NULL) == 0 && cert->is_ca && cert->self_signed;
    }
    ok(readable == count, "this machine's own roots: %zu of %zu can be read and are CAs", readable, count);
}

int main(void)
{
    char file[512];

    make_cas();
    make_stores(file, sizeof(file));
    test_table();
    test_exemptions();
    test_stapling();
    test_odd_peers();
    test_roots(file);
    test_real_roots();

    trust_free(trust);
    for (size_t i = 0; i < COUNT_OF(cas); i++)
        pki_free(&cas[i]);
    return done();
}
