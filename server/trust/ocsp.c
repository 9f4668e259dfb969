/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/ocsp.h"

#include <gnutls/ocsp.h>

#include "base/clock.h"
#include "trust/reason.h"
#include "trust/x509.h"

#define RESPONSE_MAX (64 * 1024)
#define SINGLES_MAX 32
#define CERTS_MAX 16
#define WITHOUT_END DAYS(15)            /* how long an answer without nextUpdate is believed; GnuTLS has the same */
#define CLOCK_SKEW SECONDS(300)         /* an answer made a moment ago by a clock that is ahead of ours */

/* The certificates that came with the answer, one of which may have signed it: GnuTLS is asked not to look at
 * the clock. */
static bool certs_in_date(gnutls_ocsp_resp_t response, int64_t now)
{
    gnutls_x509_crt_t *certs = NULL;
    size_t count = 0;
    bool good = true;

    if (gnutls_ocsp_resp_get_certs(response, &certs, &count) < 0)
        return true;                    /* none: the issuer itself signed */
    for (size_t i = 0; i < count; i++) {
        good = good && i < CERTS_MAX && x509_date_reasons(certs[i], now) == 0 && x509_key_reasons(certs[i]) == 0;
        gnutls_x509_crt_deinit(certs[i]);
    }
    gnutls_free(certs);
    return good;
}

static bool signature_good(gnutls_ocsp_resp_t response, gnutls_x509_crt_t issuer, int64_t now)
{
    unsigned flags = GNUTLS_VERIFY_DISABLE_TIME_CHECKS | GNUTLS_VERIFY_DISABLE_TRUSTED_TIME_CHECKS, status = ~0u;

    return issuer && gnutls_ocsp_resp_verify_direct(response, issuer, &status, flags) >= 0 && status == 0 &&
           certs_in_date(response, now);
}

static bool in_date(time_t from, time_t to, int64_t now)
{
    if (from == (time_t)-1 || SECONDS(from) > now + CLOCK_SKEW)
        return false;
    return to == (time_t)-1 ? now < SECONDS(from) + WITHOUT_END : now <= SECONDS(to) + CLOCK_SKEW;
}

/* The first single answer that is about `crt`. */
static unsigned judge_single(gnutls_ocsp_resp_t response, gnutls_x509_crt_t crt, int64_t now)
{
    unsigned status;
    time_t from, to;

    for (unsigned i = 0; i < SINGLES_MAX; i++) {
        if (gnutls_ocsp_resp_check_crt(response, i, crt) < 0)
            continue;
        if (gnutls_ocsp_resp_get_single(response, i, NULL, NULL, NULL, NULL, &status, &from, &to, NULL, NULL) < 0)
            break;
        if (status == GNUTLS_OCSP_CERT_REVOKED)
            return REASON_REVOKED;
        return status == GNUTLS_OCSP_CERT_GOOD && in_date(from, to, now) ? 0 : REASON_MUST_STAPLE;
    }
    return REASON_MUST_STAPLE;
}

unsigned ocsp_reasons(struct str response, gnutls_x509_crt_t crt, gnutls_x509_crt_t issuer, bool required, int64_t now)
{
    gnutls_datum_t datum = { (unsigned char *)response.p, (unsigned)response.len };
    unsigned reasons = REASON_MUST_STAPLE;
    gnutls_ocsp_resp_t parsed;

    if (response.len == 0)
        return required ? REASON_MUST_STAPLE : 0;
    if (response.len > RESPONSE_MAX || gnutls_ocsp_resp_init(&parsed) < 0)
        return REASON_MUST_STAPLE;
    if (gnutls_ocsp_resp_import2(parsed, &datum, GNUTLS_X509_FMT_DER) >= 0 &&
        gnutls_ocsp_resp_get_status(parsed) == GNUTLS_OCSP_RESP_SUCCESSFUL && signature_good(parsed, issuer, now))
        reasons = judge_single(parsed, crt, now);
    gnutls_ocsp_resp_deinit(parsed);
    return reasons;
}
