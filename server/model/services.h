/* SPDX-License-Identifier: Apache-2.0 */
/* server/model/services.h - the four services of the Station; one component each, named like its type. DESIGN 1. */
#ifndef POSTERN_MODEL_SERVICES_H
#define POSTERN_MODEL_SERVICES_H

#include "component/prop.h"

struct email_service {
    bool enabled;
    char *default_outgoing_account;
    json_t *status;
};

struct web_service {
    json_t *allowed_hosts;              /* further names under which it is reached (Host header) */
    char *https_key;                    /* name in the User Key Store; "": self-made */
    int64_t session_idle;               /* s */
    int64_t session_lifetime;           /* s */
    json_t *webhook_private_targets;    /* names and addresses that webhooks may reach although they are private */
};

struct user_service {
    int64_t min_password_length;
    int64_t failures_before_lockout;
    int64_t lockout;                    /* s, the longest */
};

struct certificate_service {
    char *system_trust_store;           /* file with the operating system's roots */
    int64_t exemption_days_max;         /* 0: no limit beyond DESIGN 4's 90 days for expired ones */
};

extern const struct component_type email_service_type, web_service_type, user_service_type, certificate_service_type;
/* NULL-terminated. */
extern const struct component_type *const service_types[];
/* Every type, for /types and for the checks of the tables. */
extern const struct component_type *const model_types[];

#endif
