/* SPDX-License-Identifier: Apache-2.0 */
/* Every table of routes; each stands in the file of its resource. */
#include "api/api.h"

extern const struct http_route audit_routes[], session_routes[], token_routes[], user_routes[];

const struct http_route *const api_routes[] = {
    audit_routes, session_routes, token_routes, user_routes, NULL,
};
