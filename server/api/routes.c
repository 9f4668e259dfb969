/* SPDX-License-Identifier: Apache-2.0 */
/* Every table of routes; each stands in the file of its resource. */
#include "api/api.h"

extern const struct http_route account_routes[], audit_routes[], config_routes[], event_routes[], health_routes[], key_routes[],
    message_routes[], openapi_routes[], service_routes[], session_routes[], token_routes[], trust_routes[], user_routes[],
    webhook_routes[];

const struct http_route *const api_routes[] = {
    account_routes, audit_routes, config_routes, event_routes, health_routes, key_routes, message_routes, openapi_routes,
    service_routes, session_routes, token_routes,
    trust_routes, user_routes, webhook_routes, NULL,
};
