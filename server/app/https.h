/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/https.h - the certificate that browsers see: the WebService's httpsKey, else one of our own making. DESIGN 6. */
#ifndef POSTERN_APP_HTTPS_H
#define POSTERN_APP_HTTPS_H

#include <jansson.h>

#include "app/station.h"

#define HTTPS_OWN "https"               /* its name in the User Key Store when it is self-made */

struct https_pair {
    char *cert_pem;                     /* with its chain */
    char *key_pem;                      /* wiped by https_pair_clear */
};

/* `names`: what a self-made certificate is made out to. It is kept, sealed, and made anew in its last month or for other names. */
int https_pair_get(struct station *station, const char *const *names, size_t count, struct https_pair *ret, struct err *err);
void https_pair_clear(struct https_pair *pair);

/* Facts with PEM of the first certificate, as the User Key Store shows them; null when it cannot be read. */
json_t *https_facts_of(const char *pem);

/* What became of the last attempt to show the certificate; NULL: it is shown. */
void https_note(const struct err *err);
/* The WebService's status: {state, code, cause, advice, httpsKey, notAfter, daysLeft}; the caller's. */
json_t *https_status(struct station *station);

#endif
