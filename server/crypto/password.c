/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include <crypt.h>
#include <stdlib.h>

#define YESCRYPT "$y$"
/* The setting that crypt_gensalt_rn gives at its default cost, with a salt of no meaning: what an unknown
 * user's password is hashed with, so that the answer comes no sooner than for a known one. */
#define NOBODY "$y$j9T$aaaaaaaaaaaaaaaaaaaaa."

/* Hashes into `data`, 32 KB that hold traces of the password: the caller wipes. NULL on failure. */
static const char *hash_into(struct crypt_data *data, const char *password, const char *setting)
{
    const char *text = crypt_rn(password, setting, data, (int)sizeof(*data));

    return text && text[0] == '$' ? text : NULL;
}

static void data_free(struct crypt_data *data)
{
    mem_wipe(data, sizeof(*data));
    free(data);
}

int crypto_password_hash(const char *password, char **ret)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data;
    const char *text;

    if (strlen(password) > CRYPTO_PASSWORD_MAX)
        return -1;
    if (crypt_gensalt_rn(YESCRYPT, 0, NULL, 0, setting, (int)sizeof(setting)) == NULL)
        return -1;
    data = mem_alloc(sizeof(*data));
    text = hash_into(data, password, setting);
    if (text)
        *ret = mem_strdup(text);
    data_free(data);
    return text ? 0 : -1;
}

bool crypto_password_verify(const char *password, const char *hash)
{
    bool known = hash && str_starts(str_c(hash), STR(YESCRYPT));
    struct crypt_data *data = mem_alloc(sizeof(*data));
    const char *text = hash_into(data, password, known ? hash : NOBODY);
    bool good = known && text && strlen(text) == strlen(hash) && mem_equal_secret(text, hash, strlen(hash));

    data_free(data);
    return good;
}
