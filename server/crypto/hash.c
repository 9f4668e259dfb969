/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include "crypto/internal.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encode.h"

#define TOKEN_LEN 32

struct crypto_hash {
    gnutls_hash_hd_t handle;
};

/* SHA-256 of bytes in memory fails only where the library itself is broken; going on would be worse. */
static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "postern: hashing failed: %s\n", gnutls_strerror(rc));
        abort();
    }
}

void crypto_sha256(struct str bytes, uint8_t ret[CRYPTO_SHA256_LEN])
{
    must(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.p, bytes.len, ret));
}

void crypto_hmac_sha256(const void *key, size_t key_len, struct str bytes, uint8_t ret[CRYPTO_SHA256_LEN])
{
    must(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_len, bytes.p, bytes.len, ret));
}

void crypto_key_hmac(const struct crypto_key *key, const char *purpose, struct str bytes,
                     uint8_t ret[CRYPTO_SHA256_LEN])
{
    uint8_t derived[CRYPTO_SHA256_LEN];

    crypto_hmac_sha256(crypto_key_bytes(key), KEY_LEN, str_c(purpose), derived);
    crypto_hmac_sha256(derived, sizeof(derived), bytes, ret);
    mem_wipe(derived, sizeof(derived));
}

struct crypto_hash *crypto_hash_new(void)
{
    struct crypto_hash *hash = mem_alloc(sizeof(*hash));

    must(gnutls_hash_init(&hash->handle, GNUTLS_DIG_SHA256));
    return hash;
}

void crypto_hash_add(struct crypto_hash *hash, struct str bytes)
{
    must(gnutls_hash(hash->handle, bytes.p, bytes.len));
}

void crypto_hash_end(struct crypto_hash *hash, uint8_t ret[CRYPTO_SHA256_LEN])
{
    gnutls_hash_output(hash->handle, ret);
}

void crypto_hash_free(struct crypto_hash *hash)
{
    if (hash == NULL)
        return;
    gnutls_hash_deinit(hash->handle, NULL);
    free(hash);
}

int crypto_random(void *at, size_t len)
{
    return gnutls_rnd(GNUTLS_RND_KEY, at, len) < 0 ? -1 : 0;
}

int crypto_token(char **ret)
{
    uint8_t random[TOKEN_LEN];
    struct buf text;
    int rc;

    if (crypto_random(random, sizeof(random)) < 0)
        return -1;
    buf_init_secret(&text, 2 * TOKEN_LEN);
    rc = base64url_encode(str_n(random, sizeof(random)), &text);
    mem_wipe(random, sizeof(random));
    if (rc == 0)
        *ret = buf_take(&text);
    buf_free(&text);
    return rc;
}
