/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an entry in Allowed Hosts: what a connection sees, what a person answers, what follows. DESIGN 4. */
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/hosts_entry.h"
#include "base/clock.h"
#include "base/encode.h"
#include "component/json.h"
#include "pki.h"
#include "tap.h"
#include "trust/cert.h"

#define HOST "mail.example.com"
#define ID HOST ":465"
#define UNKNOWN "0000000000000000000000000000000000000000000000000000000000000000"

/* One key each but R, which is O renewed with the same key. */
static struct pki certs[128];
static const char letters[] = "OARXN";

static struct pki *cert(char letter)
{
    return &certs[(int)letter];
}

static void make_certs(void)
{
    pki_make(cert('O'), &(struct pki_spec){ .name = "one", .sans = "dns:" HOST });
    pki_make(cert('A'), &(struct pki_spec){ .name = "another", .sans = "dns:" HOST });
    pki_make(cert('R'), &(struct pki_spec){ .name = "renewed", .sans = "dns:" HOST, .key_of = cert('O') });
    pki_make(cert('X'), &(struct pki_spec){ .name = "expired", .sans = "dns:" HOST, .from = -90, .to = -1, .key_of = cert('O') });
    pki_make(cert('N'), &(struct pki_spec){ .name = "weak", .sans = "dns:" HOST, .kind = KEY_RSA1024 });
}

static void facts(char letter, char sum[65], char spki[65])
{
    uint8_t sha256[32], key[32];

    trust_cert_fingerprints(str_n((const char *)cert(letter)->der, cert(letter)->len), sha256, key);
    hex_encode(sha256, 32, sum);
    hex_encode(key, 32, spki);
}

/* What the server shows now, judged with what the entry says; then written down, as hosts.c does it. */
static enum trust_verdict look(struct trust *trust, struct allowed_host *host, char letter, int64_t now)
{
    struct tls_peer peer = { .name = (char *)HOST, .port = 465, .version = TLS_VERSION_1_3, .chain_len = 1 };
    struct trust_exemption exemption;
    struct trust_result result;
    AUTO(trust_roots) roots = trust_roots(trust, STORES_BOTH);

    peer.chain[0] = (struct tls_cert){ cert(letter)->der, cert(letter)->len };
    hosts_entry_exemption(host, &exemption);
    trust_decide(roots, STORES_BOTH, &peer, NULL, &exemption, now, &result);
    hosts_entry_saw(host, &peer, &result, now);
    return result.verdict;
}

static struct allowed_host *entry(void)
{
    struct allowed_host *host = component_new(&allowed_host_type);

    hosts_entry_name(host, HOST, 465);
    return host;
}

static void entry_done(struct allowed_host *host)
{
    component_free(&allowed_host_type, host);
}

static const char *approval(const struct allowed_host *host)
{
    static const char *const words[] = { "pending", "approved", "rejected", "changed" };

    return words[host->approval];
}

/* "%O" stands for the fingerprint of certificate O, "%o" for that of its key. */
static json_t *document(const char *text)
{
    AUTO_BUF(whole, 64 * 1024);
    json_t *json;

    for (const char *p = text; *p; p++) {
        char sum[65], spki[65];

        if (p[0] == '%' && strchr(letters, p[1] & ~0x20)) {
            facts((char)(p[1] & ~0x20), sum, spki);
            buf_add_c(&whole, *++p & 0x20 ? spki : sum);
        } else {
            buf_add_char(&whole, *p);
        }
    }
    json = json_loads(whole.p, 0, NULL);
    if (json == NULL)
        ok(false, "the test's own document: %s", whole.p);
    return json;
}

static int decide(struct allowed_host **host, const char *op, const char *text, int64_t now, struct problems *problems, struct err *err)
{
    json_t *json = text ? document(text) : NULL;
    int rc = strcmp(op, "approve") == 0 ? hosts_entry_approve(*host, json, 0, "admin", now, problems, err) :
             strcmp(op, "reject") == 0 ? hosts_entry_reject(*host, json, "admin", now, problems, err) :
                                         hosts_entry_put(host, ID, json, 0, "admin", now, problems, err);

    json_decref(json);
    return rc;
}

/* ---- lives ---- */

/* A word is an event. A capital letter: the server shows that certificate. Otherwise an answer. After it stand the verdict
 * (or how the answer was taken) and the approval that must follow. */
static const struct life {
    const char *name;
    struct { const char *event, *document, *verdict, *approval; int days; } steps[9];
} lives[] = {
    { "seen, approved, used",
      { { "O", NULL, "ask", "pending", 0 }, { "O", NULL, "ask", "pending", 0 }, { "approve", "{\"sha256\":\"%O\"}", "1", "approved", 0 },
        { "O", NULL, "exempt", "approved", 0 } } },
    { "a renewed certificate with the same key stays approved",
      { { "O", NULL, "ask", "pending", 0 }, { "approve", "{\"sha256\":\"%O\"}", "1", "approved", 0 }, { "R", NULL, "exempt", "approved", 0 },
        { "O", NULL, "exempt", "approved", 0 } } },
    { "another key is a change, and its approval another answer",
      { { "O", NULL, "ask", "pending", 0 }, { "approve", "{\"sha256\":\"%O\"}", "1", "approved", 0 }, { "A", NULL, "changed", "changed", 0 },
        { "A", NULL, "changed", "changed", 0 }, { "approve", "{\"sha256\":\"%O\"}", "certificate.other", "changed", 0 },
        { "approve", "{\"sha256\":\"%A\"}", "1", "approved", 0 }, { "A", NULL, "exempt", "approved", 0 },
        { "O", NULL, "changed", "changed", 0 } } },
    { "the old key coming back ends the change",
      { { "O", NULL, "ask", "pending", 0 }, { "approve", "{\"sha256\":\"%O\"}", "1", "approved", 0 }, { "A", NULL, "changed", "changed", 0 },
        { "O", NULL, "exempt", "approved", 0 }, { "A", NULL, "changed", "changed", 0 } } },
    { "a new reason needs a new answer",
      { { "O", NULL, "ask", "pending", 0 }, { "approve", "{\"sha256\":\"%O\"}", "1", "approved", 0 }, { "X", NULL, "ask", "pending", 0 },
        { "approve", "{\"sha256\":\"%X\"}", "expiry.required", "pending", 0 },
        { "approve", "{\"sha256\":\"%X\",\"expiresAt\":\"2041-01-15T00:00:00Z\"}", "1", "approved", 0 },
        { "X", NULL, "exempt", "approved", 0 }, { "X", NULL, "ask", "pending", 60 } } },
    { "rejected stays rejected, another key asks anew",
      { { "O", NULL, "ask", "pending", 0 }, { "reject", NULL, "1", "rejected", 0 }, { "O", NULL, "rejected", "rejected", 0 },
        { "A", NULL, "ask", "pending", 0 } } },
    { "a rejection can be taken back",
      { { "O", NULL, "ask", "pending", 0 }, { "reject", "{\"sha256\":\"%O\",\"note\":\"no\"}", "1", "rejected", 0 },
        { "approve", "{\"sha256\":\"%O\"}", "1", "approved", 0 }, { "O", NULL, "exempt", "approved", 0 } } },
    { "an approval can be taken back",
      { { "O", NULL, "ask", "pending", 0 }, { "approve", "{\"sha256\":\"%O\"}", "1", "approved", 0 }, { "reject", "{}", "1", "rejected", 0 },
        { "O", NULL, "rejected", "rejected", 0 } } },
    { "an exemption ends by itself",
      { { "O", NULL, "ask", "pending", 0 },
        { "approve", "{\"sha256\":\"%O\",\"expiresAt\":\"2041-02-01T00:00:00Z\"}", "1", "approved", 0 }, { "O", NULL, "exempt", "approved", 1 },
        { "O", NULL, "ask", "pending", 100 } } },
    { "what nobody can accept",
      { { "N", NULL, "no", "pending", 0 }, { "approve", "{\"sha256\":\"%N\"}", "reason.notAcceptable", "pending", 0 },
        { "N", NULL, "no", "pending", 0 } } },
    { "approved with fewer reasons than there are",
      { { "O", NULL, "ask", "pending", 0 }, { "approve", "{\"sha256\":\"%O\",\"accepts\":[\"name-mismatch\"]}", "1", "approved", 0 },
        { "O", NULL, "ask", "pending", 0 } } },
    { "provisioned by certificate before the first contact, then it is the key that counts",
      { { "put", "{\"approval\":\"approved\",\"sha256\":\"%O\"}", "1", "approved", 0 }, { "O", NULL, "exempt", "approved", 0 },
        { "R", NULL, "exempt", "approved", 0 }, { "A", NULL, "changed", "changed", 0 } } },
    { "provisioned by key before the first contact",
      { { "put", "{\"approval\":\"approved\",\"spkiSha256\":\"%o\"}", "1", "approved", 0 }, { "R", NULL, "exempt", "approved", 0 },
        { "A", NULL, "changed", "changed", 0 } } },
    { "provisioned, and the server shows another from the first",
      { { "put", "{\"approval\":\"approved\",\"sha256\":\"%O\"}", "1", "approved", 0 }, { "A", NULL, "changed", "changed", 0 } } },
    { "provisioned as rejected",
      { { "put", "{\"approval\":\"rejected\",\"spkiSha256\":\"%o\"}", "1", "rejected", 0 }, { "O", NULL, "rejected", "rejected", 0 } } },
    { "provisioned twice: the second time nothing changes",
      { { "put", "{\"approval\":\"approved\",\"spkiSha256\":\"%o\",\"note\":\"lab\"}", "1", "approved", 0 },
        { "put", "{\"approval\":\"approved\",\"spkiSha256\":\"%o\",\"note\":\"lab\"}", "0", "approved", 1 },
        { "put", "{\"approval\":\"approved\",\"spkiSha256\":\"%o\"}", "1", "approved", 2 } } },
    { "provisioned does not accept dates unless told",
      { { "put", "{\"approval\":\"approved\",\"spkiSha256\":\"%o\"}", "1", "approved", 0 }, { "X", NULL, "ask", "pending", 0 } } },
};

static void live(struct trust *trust, const struct life *life)
{
    struct allowed_host *host = entry();

    for (size_t i = 0; i < COUNT_OF(life->steps) && life->steps[i].event; i++) {
        const char *event = life->steps[i].event;
        int64_t now = PKI_NOW + DAYS(life->steps[i].days) + (int64_t)i;
        AUTO_PROBLEMS(problems);
        struct err err = { 0 };
        const char *got;
        char number[4];
        int rc;

        if (strlen(event) == 1) {
            got = trust_verdict_name(look(trust, host, *event, now));
        } else {
            rc = decide(&host, event, life->steps[i].document, now, &problems, &err);
            snprintf(number, sizeof(number), "%d", rc);
            got = rc < 0 ? err.id : number;
        }
        AUTO_FREE char *name = mem_printf("%s: step %zu, %s", life->name, i + 1, event);
        is_str(got, life->steps[i].verdict, name);
        is_str(approval(host), life->steps[i].approval, "  and the entry");
    }
    entry_done(host);
}

/* ---- what is written down ---- */

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void test_facts(struct trust *trust)
{
    struct allowed_host *host = entry();
    AUTO_PROBLEMS(problems);
    char sum[65], spki[65];
    struct err err;

    look(trust, host, 'O', PKI_NOW);
    facts('O', sum, spki);
    is_str(text_of(host->certificate, "sha256"), sum, "the certificate's fingerprint");
    is_str(text_of(host->certificate, "spkiSha256"), spki, "its key's");
    ok(strstr(text_of(host->certificate, "pem"), "-----BEGIN CERTIFICATE-----") != NULL, "and itself");
    is_int((long long)json_array_size(host->reasons), 1, "the reasons");
    is_str(json_string_value(json_array_get(host->reasons, 0)), "self-signed", "  self-signed");
    ok(host->first_seen == PKI_NOW && host->last_seen == PKI_NOW && host->count == 1, "when it was seen, how often");
    look(trust, host, 'O', PKI_NOW + 1000);
    ok(host->first_seen == PKI_NOW && host->last_seen == PKI_NOW + 1000 && host->count == 2, "and again");
    ok(host->last_used == 0, "nothing relied on it");

    is_int(decide(&host, "approve", "{\"sha256\":\"%O\",\"note\":\"compared by telephone\"}", PKI_NOW + 2000, &problems, &err), 1, "approve");
    is_str(host->note, "compared by telephone", "why");
    is_str(host->approved_by, "admin", "who");
    is_int(host->approved_at, PKI_NOW + 2000, "when");
    is_str(host->approved_spki_sha256, spki, "which key");
    ok(json_equal(host->accepts, host->reasons), "accepts are the reasons there were");
    look(trust, host, 'O', PKI_NOW + 3000);
    is_int(host->last_used, PKI_NOW + 3000, "the connection relied on it");

    look(trust, host, 'A', PKI_NOW + 4000);
    is_str(text_of(host->previous, "sha256"), sum, "a changed key: the old one stands beside it");
    facts('A', sum, spki);
    is_str(text_of(host->certificate, "sha256"), sum, "  and the new one");
    look(trust, host, 'A', PKI_NOW + 5000);
    facts('O', sum, spki);
    is_str(text_of(host->previous, "sha256"), sum, "looked at twice, the old one is still the approved one");
    ok(host->last_used == PKI_NOW + 3000, "nothing relied on the new one");
    is_int(decide(&host, "approve", "{\"sha256\":\"%A\"}", PKI_NOW + 6000, &problems, &err), 1, "approve the new one");
    ok(!json_is_object(host->previous), "then the old one is gone");
    entry_done(host);
}

static void test_news(struct trust *trust)
{
    struct allowed_host *host = entry();
    AUTO_PROBLEMS(problems);
    struct trust_result result = { .verdict = TRUST_EXEMPT, .reasons = REASON_SELF_SIGNED };
    struct err err;
    char sum[65], spki[65];

    look(trust, host, 'O', PKI_NOW);
    decide(&host, "approve", "{\"sha256\":\"%O\"}", PKI_NOW, &problems, &err);
    look(trust, host, 'O', PKI_NOW);
    facts('O', sum, spki);
    hex_decode(str_c(sum), result.sha256, 32);
    hex_decode(str_c(spki), result.spki_sha256, 32);
    ok(!hosts_entry_is_news(host, &result, PKI_NOW + 1000), "used again within the minute: nothing to write");
    ok(hosts_entry_is_news(host, &result, PKI_NOW + 61 * 1000), "used again after a minute: noted");
    result.reasons |= REASON_NAME_MISMATCH;
    ok(hosts_entry_is_news(host, &result, PKI_NOW + 1000), "another reason: noted");
    result.verdict = TRUST_YES;
    ok(hosts_entry_is_news(host, &result, PKI_NOW + 1000), "no longer needed: noted");
    host->redundant = true;
    ok(!hosts_entry_is_news(host, &result, PKI_NOW + 1000), "  once");
    entry_done(host);
}

/* Once the root is there, the exemption is redundant; without it, needed again. */
static void test_redundant(struct trust *trust)
{
    static const char *const none[] = { NULL };
    struct allowed_host *host = entry();
    AUTO_PROBLEMS(problems);
    struct err err;
    struct pki root = { 0 }, leaf = { 0 };
    char sum[65], spki[65];

    pki_make(&root, &(struct pki_spec){ .name = "Site Root", .ca = CA_YES, .usage = GNUTLS_KEY_KEY_CERT_SIGN });
    pki_make(&leaf, &(struct pki_spec){ .name = HOST, .issuer = &root, .sans = "dns:" HOST, .eku = "server" });
    struct pki before = *cert('O');
    *cert('O') = leaf;
    facts('O', sum, spki);
    is_str(trust_verdict_name(look(trust, host, 'O', PKI_NOW)), "ask", "unknown issuer");
    is_str(json_string_value(json_array_get(host->reasons, 0)), "unknown-issuer", "  the reason");
    is_int(decide(&host, "approve", "{\"sha256\":\"%O\"}", PKI_NOW, &problems, &err), 1, "approve");
    is_str(trust_verdict_name(look(trust, host, 'O', PKI_NOW)), "exempt", "goes on under the exemption");
    ok(!host->redundant, "which is needed");
    trust_set_user(trust, &(struct trust_ca){ str_n((const char *)root.der, root.len), none }, 1, &err);
    is_str(trust_verdict_name(look(trust, host, 'O', PKI_NOW)), "yes", "with the root imported");
    ok(host->redundant && host->approval == APPROVAL_APPROVED, "it is redundant, and still there");
    trust_set_user(trust, NULL, 0, &err);
    is_str(trust_verdict_name(look(trust, host, 'O', PKI_NOW)), "exempt", "without the root");
    ok(!host->redundant, "it is needed again");
    *cert('O') = before;
    pki_free(&leaf);
    pki_free(&root);
    entry_done(host);
}

/* ---- documents that are wrong ---- */

static const struct { const char *op, *document, *pointer, *code; } wrong[] = {
    { "approve", "{}", "/sha256", "property.required" },
    { "approve", "{\"sha256\":\"zz\"}", "/sha256", "fingerprint.format" },
    { "approve", "{\"sha256\":1}", "/sha256", "fingerprint.format" },
    { "approve", "{\"sha256\":null}", "/sha256", "fingerprint.format" },
    { "approve", "{\"sha256\":\"%O\",\"fingerprint\":\"x\"}", "/fingerprint", "property.unknown" },
    { "approve", "{\"sha256\":\"%O\",\"spkiSha256\":\"%o\"}", "/spkiSha256", "property.unknown" },
    { "approve", "{\"sha256\":\"%O\",\"accepts\":\"self-signed\"}", "/accepts", "property.type" },
    { "approve", "{\"sha256\":\"%O\",\"accepts\":[1]}", "/accepts/0", "reason.unknown" },
    { "approve", "{\"sha256\":\"%O\",\"accepts\":[\"self-signed\",\"nonsense\"]}", "/accepts/1", "reason.unknown" },
    { "approve", "{\"sha256\":\"%O\",\"accepts\":[\"weak-key\"]}", "/accepts/0", "reason.notAcceptable" },
    { "approve", "{\"sha256\":\"%O\",\"accepts\":[\"revoked\"]}", "/accepts/0", "reason.notAcceptable" },
    { "approve", "{\"sha256\":\"%O\",\"expiresAt\":\"tomorrow\"}", "/expiresAt", "property.type" },
    { "approve", "{\"sha256\":\"%O\",\"expiresAt\":\"2020-01-01T00:00:00Z\"}", "/expiresAt", "expiry.past" },
    { "approve", "{\"sha256\":\"%O\",\"accepts\":[\"expired\"]}", "/expiresAt", "expiry.required" },
    { "approve", "{\"sha256\":\"%O\",\"accepts\":[\"not-yet-valid\"],\"expiresAt\":\"2041-12-01T00:00:00Z\"}", "/expiresAt", "expiry.required" },
    { "approve", "{\"sha256\":\"%O\",\"note\":7}", "/note", "property.type" },
    { "reject", "{\"sha256\":\"zz\"}", "/sha256", "fingerprint.format" },
    { "reject", "{\"accepts\":[]}", "/accepts", "property.unknown" },
    { "put", "{}", "/approval", "property.required" },
    { "put", "{\"approval\":\"pending\",\"sha256\":\"%O\"}", "/approval", "property.choice" },
    { "put", "{\"approval\":\"approved\"}", "/sha256", "property.required" },
    { "put", "{\"approval\":\"approved\",\"spkiSha256\":\"%o0\"}", "/spkiSha256", "fingerprint.format" },
    { "put", "{\"approval\":\"approved\",\"sha256\":\"%O\",\"count\":3}", "/count", "property.unknown" },
};

static void test_wrong(struct trust *trust)
{
    struct allowed_host *host = entry();
    struct err err;

    look(trust, host, 'O', PKI_NOW);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        AUTO_PROBLEMS(problems);
        bool refused = decide(&host, wrong[i].op, wrong[i].document, PKI_NOW, &problems, &err) < 0, found = false;

        for (size_t p = 0; p < problems.count; p++)
            found |= strcmp(problems.items[p].pointer, wrong[i].pointer) == 0 && strcmp(problems.items[p].code, wrong[i].code) == 0;
        ok(refused && found && err.code == ERR_INVALID, "%s %.60s: %s at %s", wrong[i].op, wrong[i].document, wrong[i].code,
           wrong[i].pointer);
        ok(host->approval == APPROVAL_PENDING && *host->approved_by == '\0', "  and nothing is decided");
    }
    AUTO_PROBLEMS(several);
    ok(decide(&host, "approve", "{\"accepts\":[\"weak-key\"],\"note\":1,\"x\":1}", PKI_NOW, &several, &err) < 0 && several.count == 4,
       "everything that is wrong at once");
    entry_done(host);
}

static void test_conflicts(struct trust *trust)
{
    static const char *const ids[] = { "", "mail.example.com", ":465", "mail.example.com:", "mail.example.com:0", "mail.example.com:65536",
                                       "mail.example.com:x", "mail.example.com:-1",
                                       "mail.example.com:0465", "2001:db8::1:465", "[]:465", "[mail.example.com]:465", "a b:465",
                                       "a/b:465", "-a:465" };
    struct allowed_host *host = entry();
    AUTO_PROBLEMS(problems);
    struct err err;
    json_t *good;

    decide(&host, "approve", "{\"sha256\":\"%O\"}", PKI_NOW, &problems, &err);
    ok(err.code == ERR_CONFLICT && strcmp(err.id, "certificate.none") == 0, "approve where nothing was seen: 409");
    look(trust, host, 'O', PKI_NOW);
    decide(&host, "approve", "{\"sha256\":\"" UNKNOWN "\"}", PKI_NOW, &problems, &err);
    ok(err.code == ERR_CONFLICT && strcmp(err.id, "certificate.other") == 0, "approve another certificate: 409");
    decide(&host, "reject", "{\"sha256\":\"%A\"}", PKI_NOW, &problems, &err);
    ok(err.code == ERR_CONFLICT && strcmp(err.id, "certificate.other") == 0, "reject another certificate: 409");
    is_int(host->approval, APPROVAL_PENDING, "nothing is decided");
    entry_done(host);

    good = document("{\"approval\":\"approved\",\"sha256\":\"%O\"}");
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        host = NULL;
        ok(hosts_entry_put(&host, ids[i], good, 0, "admin", PKI_NOW, &problems, &err) < 0 && host == NULL, "not a host:port: \"%s\"", ids[i]);
    }
    host = NULL;
    is_int(hosts_entry_put(&host, "[2001:db8::1]:465", good, 0, "admin", PKI_NOW, &problems, &err), 1, "an IPv6 literal in brackets");
    is_str(host->hostname, "2001:db8::1", "  without them");
    is_int(host->port, 465, "  and its port");
    entry_done(host);
    json_decref(good);
}

/* Hex with or without colons, capitals or not, or base64. */
static void test_spellings(struct trust *trust)
{
    char sum[65], spki[65], colons[97] = "", capitals[65] = "";
    uint8_t bytes[32];
    AUTO_BUF(base64, 100);

    facts('O', sum, spki);
    hex_decode(str_c(sum), bytes, 32);
    base64_encode(str_n((const char *)bytes, 32), &base64);
    for (int i = 0; i < 64; i++)
        capitals[i] = (char)(sum[i] >= 'a' ? sum[i] - 32 : sum[i]);
    for (int i = 0; i < 32; i++)
        snprintf(colons + 3 * i, 4, "%.2s%s", capitals + 2 * i, i < 31 ? ":" : "");
    const char *const spellings[] = { sum, capitals, colons, base64.p };

    for (size_t i = 0; i < COUNT_OF(spellings); i++) {
        struct allowed_host *host = entry();
        AUTO_FREE char *text = mem_printf("{\"sha256\":\"%s\"}", spellings[i]);
        AUTO_PROBLEMS(problems);
        struct err err;

        look(trust, host, 'O', PKI_NOW);
        is_int(decide(&host, "approve", text, PKI_NOW, &problems, &err), 1, spellings[i]);
        entry_done(host);
    }
}

int main(void)
{
    struct trust *trust = trust_new("/nonexistent");

    make_certs();
    for (size_t i = 0; i < COUNT_OF(lives); i++)
        live(trust, &lives[i]);
    test_facts(trust);
    test_news(trust);
    test_redundant(trust);
    test_wrong(trust);
    test_conflicts(trust);
    test_spellings(trust);
    trust_free(trust);
    for (const char *p = letters; *p; p++)
        pki_free(cert(*p));
    return done();
}
