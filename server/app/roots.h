/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/roots.h - a web client that trusts what this site trusts: the System Trust Store and the User Trust Store. DESIGN 4. */
#ifndef POSTERN_APP_ROOTS_H
#define POSTERN_APP_ROOTS_H

#include "app/station.h"
#include "client/client.h"

/* For https to `host`, with the CAs that may speak for it; NULL: no TLS, so no roots. The rest as `options` says. */
int roots_client(struct client **ret, struct station *station, struct clients *clients, const char *host,
                 const struct client_options *options, struct err *err);

#endif
