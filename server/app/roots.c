/* SPDX-License-Identifier: Apache-2.0 */
#include "app/roots.h"

#include "base/str.h"
#include "model/services.h"
#include "model/trust_store.h"

#define ROOTS_MAX (4 * 1024 * 1024)

struct gathering {
    struct buf *pem;
    const char *host;
};

/* As trust/ has it: "example.com", ".example.com" and "*.example.com" are the name and what is under it. */
static bool is_under(const char *host, const char *suffix)
{
    size_t len, all = strlen(host);

    suffix += suffix[0] == '*' && suffix[1] == '.' ? 2 : suffix[0] == '.';
    len = strlen(suffix);
    return len <= all && str_eq_nocase(str_c(host + all - len), str_c(suffix)) && (len == all || host[all - len - 1] == '.');
}

static void add_ca(struct entry *entry, void *ctx)
{
    const struct gathering *gathering = ctx;
    const struct user_ca *ca = entry->component;
    const char *pem = json_string_value(json_object_get(ca->certificate, "pem"));
    bool fits = json_array_size(ca->names) == 0;
    const json_t *name;
    size_t i;

    json_array_foreach(ca->names, i, name)
        fits = fits || is_under(gathering->host, json_string_value(name));
    if (pem && fits && buf_add_c(gathering->pem, pem) == 0)
        buf_add_char(gathering->pem, '\n');
}

int roots_client(struct client **ret, struct station *station, struct clients *clients, const char *host,
                 const struct client_options *options, struct err *err)
{
    AUTO(entry) certificates = registry_get(station->services, certificate_service_type.name);
    AUTO_BUF(pem, ROOTS_MAX);
    struct gathering gathering = { &pem, host };
    struct client_options own = *options;

    if (host) {
        registry_each(station->user_cas, add_ca, &gathering);
        own.system_roots = ((const struct certificate_service *)certificates->component)->system_trust_store;
        own.more_roots = buf_str(&pem);
    }
    return client_new(ret, clients, &own, err);
}
