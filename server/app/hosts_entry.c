/* SPDX-License-Identifier: Apache-2.0 */
#include "app/hosts_entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/hosts.h"
#include "base/clock.h"
#include "base/encode.h"
#include "component/json.h"
#include "trust/cert.h"
#include "trust/import.h"

#define DATES_DAYS_MAX 90               /* how long an expired certificate may be accepted */
#define USE_NOTED_EVERY SECONDS(60)

static void set_text(char **at, const char *text)
{
    free(*at);
    *at = mem_strdup(text ? text : "");
}

static void set_json(json_t **at, json_t *value)
{
    json_decref(*at);
    *at = value;
}

void hosts_entry_name(struct allowed_host *host, const char *hostname, int64_t port)
{
    set_text(&host->hostname, hostname);
    host->port = port;
}

/* ---- certificates as JSON ---- */

json_t *hosts_entry_cert_json(const struct trust_cert *cert)
{
    char from[CLOCK_TEXT_MAX], to[CLOCK_TEXT_MAX], sum[65], spki[65];
    json_t *sans = json_array();

    for (size_t i = 0; i < cert->san_count; i++)
        json_array_append_new(sans, json_string(cert->sans[i].text));
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:b, s:b, s:s, s:s}", "subject", cert->subject,
                     "issuer", cert->issuer, "sans", sans, "serial", cert->serial, "notBefore",
                     clock_format(cert->not_before, from), "notAfter", clock_format(cert->not_after, to), "keyType",
                     cert->key_type, "keyBits", (int)cert->key_bits, "signatureAlgorithm", cert->signature_algorithm, "sha256",
                     hex_encode(cert->sha256, 32, sum), "spkiSha256", hex_encode(cert->spki_sha256, 32, spki), "isCa",
                     cert->is_ca, "selfSigned", cert->self_signed, "constraints", cert->constraints, "pem", cert->pem);
}

void hosts_entry_der(const json_t *certificate, struct tls_cert *ret)
{
    const char *pem = json_string_value(json_object_get(certificate, "pem"));
    AUTO(trust_import) import = NULL;
    struct err err;

    *ret = (struct tls_cert){ 0 };
    if (pem && trust_import_parse(&import, str_c(pem), TRUST_FORMAT_PEM, 0, &err) == 0 && import->count == 1)
        *ret = (struct tls_cert){ mem_copy(import->items[0].der.der, import->items[0].der.len), import->items[0].der.len };
}

static json_t *cert_json(const struct tls_cert *der)
{
    AUTO(trust_cert) cert = NULL;
    struct err err;

    return trust_cert_read(&cert, str_n(der->der, der->len), &err) < 0 ? json_null() : hosts_entry_cert_json(cert);
}

json_t *hosts_certificate_json(const struct tls_peer *peer, size_t place)
{
    return peer && place < peer->chain_len ? cert_json(&peer->chain[place]) : json_null();
}

json_t *hosts_chain_json(const struct tls_peer *peer)
{
    json_t *chain = json_array();

    for (size_t i = 1; peer && i < peer->chain_len; i++)
        json_array_append_new(chain, cert_json(&peer->chain[i]));
    return chain;
}

static void add_cert(struct tls_peer *peer, const json_t *certificate)
{
    struct tls_cert cert;

    hosts_entry_der(certificate, &cert);
    if (cert.der)
        tls_peer_add(peer, cert.der, cert.len);
    free(cert.der);
}

struct tls_peer *hosts_entry_peer(const struct allowed_host *host)
{
    struct tls_peer *peer;

    if (!json_is_object(host->certificate))
        return NULL;
    peer = mem_alloc(sizeof(*peer));
    peer->name = mem_strdup(host->hostname);
    peer->port = (uint16_t)host->port;
    peer->version = TLS_VERSION_1_2;
    add_cert(peer, host->certificate);
    for (size_t i = 0; i < json_array_size(host->chain) && peer->chain_len < TLS_CHAIN_MAX; i++)
        add_cert(peer, json_array_get(host->chain, i));
    return peer;
}

/* ---- what a connection saw ---- */

static json_t *words_json(unsigned reasons)
{
    const char *words[REASON_COUNT];
    size_t count = trust_reason_words(reasons, words);
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(words[i]));
    return list;
}

static unsigned words_set(const json_t *list)
{
    unsigned set = 0;

    for (size_t i = 0; i < json_array_size(list); i++)
        set |= trust_reason_from(str_c(json_string_value(json_array_get(list, i))));
    return set;
}

void hosts_entry_exemption(const struct allowed_host *host, struct trust_exemption *exemption)
{
    *exemption = (struct trust_exemption){ .approval = (enum trust_approval)host->approval, .accepts = words_set(host->accepts),
                                           .expires_at = host->expires_at };
    exemption->has_cert = hex_decode(str_c(host->approved_sha256), exemption->cert_sha256, 32) == 0;
    exemption->has_spki = hex_decode(str_c(host->approved_spki_sha256), exemption->spki_sha256, 32) == 0;
}

bool hosts_entry_acceptable(const struct allowed_host *host)
{
    return trust_reasons_acceptable(words_set(host->reasons));
}

static const char *member(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static bool is_shown(const struct allowed_host *host, const struct trust_result *result)
{
    char sum[65];

    return strcmp(member(host->certificate, "sha256"), hex_encode(result->sha256, 32, sum)) == 0;
}

bool hosts_entry_is_news(const struct allowed_host *host, const struct trust_result *result, int64_t now)
{
    if (result->verdict == TRUST_YES)
        return !host->redundant;
    return host->redundant || !is_shown(host, result) || words_set(host->reasons) != result->reasons ||
           host->approved_spki_sha256[0] == '\0' || host->approval != APPROVAL_APPROVED ||
           now - host->last_used > USE_NOTED_EVERY;
}

static void show(struct allowed_host *host, const struct tls_peer *peer, const struct trust_result *result, int64_t now)
{
    if (!is_shown(host, result)) {
        set_json(&host->certificate, hosts_certificate_json(peer, 0));
        host->first_seen = now;
    }
    set_json(&host->chain, hosts_chain_json(peer));
    if (result->verdict != TRUST_YES)
        set_json(&host->reasons, words_json(result->reasons));
    if (host->first_seen == 0)
        host->first_seen = now;
    host->last_seen = now;
    host->count++;
}

/* Approved by its certificate alone before the first contact: from now on it is the key that counts. */
static void learn_key(struct allowed_host *host, const struct trust_result *result)
{
    char sum[65];

    if (host->approved_spki_sha256[0] == '\0')
        set_text(&host->approved_spki_sha256, hex_encode(result->spki_sha256, 32, sum));
}

void hosts_entry_saw(struct allowed_host *host, const struct tls_peer *peer, const struct trust_result *result, int64_t now)
{
    bool decided = host->approval == APPROVAL_APPROVED;

    if (result->verdict == TRUST_CHANGED && decided)
        set_json(&host->previous, json_is_object(host->certificate) ? json_incref(host->certificate) : NULL);
    show(host, peer, result, now);
    host->redundant = result->verdict == TRUST_YES;
    switch (result->verdict) {
    case TRUST_YES:
        break;
    case TRUST_EXEMPT:
        host->approval = APPROVAL_APPROVED;
        host->last_used = now;
        learn_key(host, result);
        set_json(&host->previous, NULL);
        break;
    case TRUST_CHANGED:
        host->approval = APPROVAL_CHANGED;
        break;
    case TRUST_REJECTED:
        host->approval = APPROVAL_REJECTED;
        break;
    case TRUST_ASK:
    case TRUST_NO:
        host->approval = APPROVAL_PENDING;
        break;
    }
}

/* ---- what a person says ---- */

static const char *const reject_members[] = { "sha256", "note", NULL };
static const char *const approve_members[] = { "sha256", "accepts", "expiresAt", "note", NULL };
static const char *const put_members[] = { "id", "hostname", "port", "approval", "sha256", "spkiSha256", "accepts", "expiresAt",
                                           "note", NULL };

static void check_members(const json_t *document, const char *const *allowed, struct problems *problems)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)document, name, value) {
        const char *const *at = allowed;

        while (*at && strcmp(*at, name) != 0)
            at++;
        if (*at == NULL) {
            AUTO_FREE char *pointer = mem_printf("/%s", name);

            problems_add(problems, pointer, "property.unknown", "\"%.64s\" is not known here.", name);
        }
    }
}

static int take_fingerprint(const json_t *document, const char *name, char hex[65], struct problems *problems)
{
    const json_t *value = json_object_get(document, name);
    AUTO_FREE char *pointer = mem_printf("/%s", name);
    uint8_t sum[32];

    hex[0] = '\0';
    if (value == NULL)
        return 0;
    if (!json_is_string(value) || fingerprint_parse(str_c(json_string_value(value)), sum) < 0) {
        problems_add(problems, pointer, "fingerprint.format",
                     "%s must be a SHA-256: 64 hex digits, with or without colons, or base64.", name);
        return -1;
    }
    hex_encode(sum, 32, hex);
    return 1;
}

static unsigned take_accepts(const json_t *document, unsigned unless, struct problems *problems)
{
    const json_t *list = json_object_get(document, "accepts");
    unsigned set = 0;

    if (list == NULL || json_is_null(list))
        return unless;
    if (!json_is_array(list))
        problems_add(problems, "/accepts", "property.type", "accepts must be an array of reasons.");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        unsigned bit = word ? trust_reason_from(str_c(word)) : 0;
        AUTO_FREE char *pointer = mem_printf("/accepts/%zu", i);

        if (bit == 0)
            problems_add(problems, pointer, "reason.unknown", "\"%.40s\" is not a reason.", word ? word : "");
        else if (!trust_reason_of(bit)->acceptable)
            problems_add(problems, pointer, "reason.notAcceptable", "\"%s\" cannot be accepted by anybody.", word);
        set |= bit;
    }
    return set;
}

static int64_t take_expiry(const json_t *document, unsigned accepts, int64_t days_max, int64_t now, struct problems *problems)
{
    const json_t *value = json_object_get(document, "expiresAt");
    int64_t at = 0;

    if (value && !json_is_null(value) && (!json_is_string(value) || !clock_parse(str_c(json_string_value(value)), &at)))
        problems_add(problems, "/expiresAt", "property.type", "expiresAt must be an RFC 3339 time, or null.");
    else if (at && at <= now)
        problems_add(problems, "/expiresAt", "expiry.past", "expiresAt must be in the future.");
    else if (accepts & REASONS_DATES && (at == 0 || at > now + DAYS(DATES_DAYS_MAX)))
        problems_add(problems, "/expiresAt", "expiry.required",
                     "A certificate whose dates are wrong is accepted for a time only: give an expiresAt at most %d days ahead.",
                     DATES_DAYS_MAX);
    else if (days_max && (at == 0 || at > now + DAYS(days_max)))
        problems_add(problems, "/expiresAt", "expiry.limit",
                     "Exemptions live %lld days at most here (exemptionDaysMax): give an expiresAt.", (long long)days_max);
    return at;
}

static const char *take_note(const json_t *document, struct problems *problems)
{
    const json_t *value = json_object_get(document, "note");

    if (value && !json_is_null(value) && (!json_is_string(value) || json_string_length(value) > 2000))
        problems_add(problems, "/note", "property.type", "note must be a string of at most 2000 bytes.");
    return json_is_string(value) ? json_string_value(value) : "";
}

static int refused(const struct problems *problems, struct err *err)
{
    return err_id(err, ERR_INVALID, problems->items[0].code, problems->items[0].pointer, "%s", problems->items[0].detail);
}

static int need_document(const json_t *document, const char *const *members, struct problems *problems, struct err *err)
{
    if (!json_is_object(document))
        return err_id(err, ERR_INVALID, "document.type", "", "The document must be a JSON object.");
    check_members(document, members, problems);
    return 0;
}

/* The fingerprint says which certificate is meant; the server may have shown another one since the person looked. */
static int check_meant(const struct allowed_host *host, const char *hex, struct err *err)
{
    const char *shown = member(host->certificate, "sha256");

    if (*shown == '\0')
        return err_id(err, ERR_CONFLICT, "certificate.none", "/sha256", "No certificate was seen here yet; use PUT to provision one.");
    if (strcmp(shown, hex) != 0)
        return err_id(err, ERR_CONFLICT, "certificate.other", "/sha256",
                      "The server shows another certificate than this fingerprint: %s. Look at it again.", shown);
    return 0;
}

static void decide_by(struct allowed_host *host, enum approval approval, const char *note, const char *by, int64_t now)
{
    host->approval = approval;
    host->approved_at = now;
    set_text(&host->approved_by, by);
    set_text(&host->note, note);
}

int hosts_entry_approve(struct allowed_host *host, const json_t *document, int64_t days_max, const char *by, int64_t now,
                        struct problems *problems, struct err *err)
{
    unsigned present = words_set(host->reasons), accepts;
    const char *note;
    int64_t expires_at;
    char hex[65];

    if (need_document(document, approve_members, problems, err) < 0)
        return -1;
    if (take_fingerprint(document, "sha256", hex, problems) == 0)
        problems_add(problems, "/sha256", "property.required", "Repeat the fingerprint (sha256) of the certificate you accept.");
    accepts = take_accepts(document, present & REASONS_ACCEPTABLE, problems);
    expires_at = take_expiry(document, accepts, days_max, now, problems);
    note = take_note(document, problems);
    if (problems->count)
        return refused(problems, err);
    if (check_meant(host, hex, err) < 0)
        return -1;
    if (present & ~REASONS_ACCEPTABLE) {
        problems_add(problems, "/accepts", "reason.notAcceptable", "This certificate has a fault that nobody can accept.");
        return refused(problems, err);
    }
    decide_by(host, APPROVAL_APPROVED, note, by, now);
    set_text(&host->approved_sha256, hex);
    set_text(&host->approved_spki_sha256, member(host->certificate, "spkiSha256"));
    set_json(&host->accepts, words_json(accepts));
    set_json(&host->previous, NULL);
    host->expires_at = expires_at;
    return 1;
}

int hosts_entry_reject(struct allowed_host *host, const json_t *document, const char *by, int64_t now,
                       struct problems *problems, struct err *err)
{
    const char *note;
    char hex[65];
    int given;

    if (document && need_document(document, reject_members, problems, err) < 0)
        return -1;
    given = take_fingerprint(document, "sha256", hex, problems);
    note = take_note(document, problems);
    if (problems->count)
        return refused(problems, err);
    if (given && check_meant(host, hex, err) < 0)
        return -1;
    decide_by(host, APPROVAL_REJECTED, note, by, now);
    set_text(&host->approved_sha256, member(host->certificate, "sha256"));
    set_text(&host->approved_spki_sha256, member(host->certificate, "spkiSha256"));
    set_json(&host->accepts, json_array());
    host->expires_at = 0;
    return 1;
}

/* "host:port" as hosts_id() writes it, or no connection would ever find the entry: an IPv6 literal has brackets, a port no zeros in
 * front. */
static int split_id(const char *id, char **hostname, int64_t *port)
{
    const char *colon = strrchr(id, ':');
    AUTO_FREE char *again = NULL;

    if (colon == NULL || colon == id || !str_to_int(str_c(colon + 1), port) || *port < 1 || *port > 65535)
        return -1;
    *hostname = id[0] == '[' && colon[-1] == ']' ? mem_strndup(id + 1, (size_t)(colon - id) - 2)
                                                 : mem_strndup(id, (size_t)(colon - id));
    again = hosts_id(*hostname, *port);
    return strcmp(again, id) == 0 && component_host_ok(*hostname) ? 0 : -1;
}

static int take_approval(const json_t *document, struct problems *problems)
{
    const char *word = member(document, "approval");

    if (strcmp(word, "approved") == 0)
        return APPROVAL_APPROVED;
    if (strcmp(word, "rejected") == 0)
        return APPROVAL_REJECTED;
    problems_add(problems, "/approval", *word ? "property.choice" : "property.required",
                 "approval must be \"approved\" or \"rejected\".");
    return -1;
}

static bool same_decision(const struct allowed_host *a, const struct allowed_host *b)
{
    return a->approval == b->approval && a->expires_at == b->expires_at && strcmp(a->note, b->note) == 0 &&
           strcmp(a->approved_sha256, b->approved_sha256) == 0 &&
           strcmp(a->approved_spki_sha256, b->approved_spki_sha256) == 0 && json_equal(a->accepts, b->accepts);
}

/* Where the key changed since, the decision about the old one still stands. */
json_t *hosts_entry_decision(const char *id, const struct allowed_host *host, int64_t now)
{
    bool rejected = host->approval == APPROVAL_REJECTED;
    json_t *json;

    if (host->approval == APPROVAL_PENDING || (host->expires_at && host->expires_at <= now))
        return NULL;
    json = json_pack("{s:s, s:s, s:O, s:o, s:s}", "id", id, "approval", rejected ? "rejected" : "approved", "accepts", host->accepts,
                     "expiresAt", prop_to_json(prop_find(allowed_host_type.props, "expiresAt"), host), "note", host->note);
    if (*host->approved_sha256)
        json_object_set_new(json, "sha256", json_string(host->approved_sha256));
    if (*host->approved_spki_sha256)
        json_object_set_new(json, "spkiSha256", json_string(host->approved_spki_sha256));
    return json;
}

static void provision(struct allowed_host *host, int approval, const char *cert, const char *spki, unsigned accepts)
{
    bool shown = *cert && strcmp(member(host->certificate, "sha256"), cert) == 0;
    bool known = *cert && strcmp(host->approved_sha256, cert) == 0;

    host->approval = approval;
    set_text(&host->approved_sha256, cert);
    /* Provisioned by its certificate: the key is known where that certificate is, or was when it was decided before; else from the
     * first contact. */
    if (*spki || shown || !known)
        set_text(&host->approved_spki_sha256, *spki ? spki : shown ? member(host->certificate, "spkiSha256") : "");
    set_json(&host->accepts, words_json(approval == APPROVAL_APPROVED ? accepts : 0));
    if (shown || (*spki && strcmp(member(host->certificate, "spkiSha256"), spki) == 0))
        set_json(&host->previous, NULL);        /* what is shown is decided */
}

/* What a document accepts that doesn't say it. Put again, it accepts what it did, whatever was seen meanwhile. */
static unsigned accepts_unsaid(const struct allowed_host *host, const char *cert, const char *spki)
{
    static const unsigned usual = REASON_SELF_SIGNED | REASON_UNKNOWN_ISSUER | REASON_NAME_MISMATCH;
    unsigned shown = host ? words_set(host->reasons) : 0, accepted = host ? words_set(host->accepts) & ~REASONS_DATES : 0;
    bool again = host && strcmp(*cert ? cert : spki, *cert ? host->approved_sha256 : host->approved_spki_sha256) == 0;

    if (again && accepted)
        return accepted;
    return shown ? shown & REASONS_ACCEPTABLE & ~REASONS_DATES : usual;
}

/* What the document says about the place again must be what the path says. */
static void check_place(const json_t *document, const char *id, const char *hostname, int64_t port, struct problems *problems)
{
    const json_t *named = json_object_get(document, "id"), *host = json_object_get(document, "hostname");
    const json_t *at = json_object_get(document, "port");

    if (named && strcmp(json_is_string(named) ? json_string_value(named) : "", id) != 0)
        problems_add(problems, "/id", "id.fixed", "id must be \"%s\", as in the path.", id);
    if (host && strcmp(json_is_string(host) ? json_string_value(host) : "", hostname) != 0)
        problems_add(problems, "/hostname", "id.fixed", "hostname must be \"%s\", as in the path.", hostname);
    if (at && json_integer_value(at) != port)
        problems_add(problems, "/port", "id.fixed", "port must be %lld, as in the path.", (long long)port);
}

int hosts_entry_put(struct allowed_host **at, const char *id, const json_t *document, int64_t days_max, const char *by, int64_t now,
                    struct problems *problems, struct err *err)
{
    AUTO_FREE char *hostname = NULL;
    char cert[65], spki[65];
    struct allowed_host *host, *before;
    int64_t port, expires_at;
    unsigned accepts;
    int approval, changed;
    const char *note;

    if (split_id(id, &hostname, &port) < 0)
        return err_id(err, ERR_INVALID, "id.format", "/id", "\"%s\" is not a host:port.", id);
    if (need_document(document, put_members, problems, err) < 0)
        return -1;
    approval = take_approval(document, problems);
    check_place(document, id, hostname, port, problems);
    if (take_fingerprint(document, "sha256", cert, problems) + take_fingerprint(document, "spkiSha256", spki, problems) == 0)
        problems_add(problems, "/sha256", "property.required", "Give the sha256 of the certificate, or the spkiSha256 of its key.");
    accepts = take_accepts(document, accepts_unsaid(*at, cert, spki), problems);
    expires_at = take_expiry(document, accepts, approval == APPROVAL_APPROVED ? days_max : 0, now, problems);
    note = take_note(document, problems);
    if (problems->count)
        return refused(problems, err);

    before = *at ? component_copy(&allowed_host_type, *at) : NULL;
    if (*at == NULL)
        *at = component_new(&allowed_host_type);
    host = *at;
    hosts_entry_name(host, hostname, port);
    provision(host, approval, cert, spki, accepts);
    host->expires_at = expires_at;
    set_text(&host->note, note);
    changed = before == NULL || !same_decision(before, host);
    if (changed)
        decide_by(host, (enum approval)approval, note, by, now);
    component_free(&allowed_host_type, before);
    return changed;
}
