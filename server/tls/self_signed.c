/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/self_signed.h"

#include "tls/own_key.h"

int tls_self_signed(const char *const *names, size_t n, int days, struct buf *cert_pem, struct buf *key_pem,
                    struct err *err)
{
    const struct own_subject subject = { .names = names, .count = n };

    if (n == 0 || days < 1)
        return err_set(err, ERR_INVALID, NULL, "A certificate needs a name and a day to be valid on.");
    return own_key_make(OWN_ECDSA_P256, &subject, days, cert_pem, key_pem, err);
}
