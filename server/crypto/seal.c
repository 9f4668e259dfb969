/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/crypto.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "crypto/internal.h"

/* A sealed value: version 1, key id 4, nonce 12, ciphertext, tag 16. AES-256-GCM (RFC 5116 5.2). Nonces are
 * random: a key would have to seal 2^32 values before a repeated one became likely enough to matter, and a
 * site seals thousands. */
#define VERSION_AT 0
#define ID_AT 1
#define NONCE_AT (ID_AT + CRYPTO_KEY_ID_LEN)
#define NONCE_LEN 12
#define HEAD_LEN (NONCE_AT + NONCE_LEN)
#define TAG_LEN 16
#define VERSION 1
_Static_assert(HEAD_LEN + TAG_LEN == CRYPTO_SEAL_OVERHEAD, "the header says how much sealing adds");

static int cipher_new(gnutls_aead_cipher_hd_t *ret, const struct crypto_key *key)
{
    gnutls_datum_t secret = { .data = (unsigned char *)(uintptr_t)crypto_key_bytes(key), .size = KEY_LEN };

    return gnutls_aead_cipher_init(ret, GNUTLS_CIPHER_AES_256_GCM, &secret);
}

/* Version and key id are authenticated with the context, so none of them can be exchanged. */
static int add_associated(struct buf *into, struct str head, struct str context)
{
    return buf_add(into, str_n(head.p, NONCE_AT)) < 0 || buf_add(into, context) < 0 ? -1 : 0;
}

int crypto_seal(const struct crypto_key *key, struct str plain, struct str context, struct buf *sealed,
                struct err *err)
{
    AUTO_BUF(associated, context.len + HEAD_LEN);
    size_t len = plain.len + TAG_LEN;
    gnutls_aead_cipher_hd_t cipher;
    char *at = buf_room(sealed, HEAD_LEN + len);
    int rc;

    if (at == NULL)
        return err_id(err, ERR_TOO_LARGE, "seal.tooLarge", NULL, "The secret is too large to be stored.");
    at[VERSION_AT] = VERSION;
    memcpy(at + ID_AT, crypto_key_id(key), CRYPTO_KEY_ID_LEN);
    if (crypto_random(at + NONCE_AT, NONCE_LEN) < 0)
        return err_id(err, ERR_INTERNAL, "seal.failed", NULL, "The system gave no random numbers.");
    if (add_associated(&associated, str_n(at, HEAD_LEN), context) < 0 || (rc = cipher_new(&cipher, key)) < 0)
        return err_id(err, ERR_INTERNAL, "seal.failed", NULL, "Sealing a secret failed.");
    rc = gnutls_aead_cipher_encrypt(cipher, at + NONCE_AT, NONCE_LEN, associated.p, associated.len, TAG_LEN,
                                    plain.p, plain.len, at + HEAD_LEN, &len);
    gnutls_aead_cipher_deinit(cipher);
    if (rc < 0)
        return err_id(err, ERR_INTERNAL, "seal.failed", NULL, "Sealing a secret failed: %s.",
                      gnutls_strerror(rc));
    sealed->len += HEAD_LEN + len;
    sealed->p[sealed->len] = '\0';
    return 0;
}

bool crypto_sealed_with(const struct crypto_key *key, struct str sealed)
{
    return sealed.len >= CRYPTO_SEAL_OVERHEAD &&
           memcmp(sealed.p + ID_AT, crypto_key_id(key), CRYPTO_KEY_ID_LEN) == 0;
}

static int seal_damaged(struct err *err)
{
    return err_id(err, ERR_INTERNAL, "seal.damaged", NULL,
                  "A stored secret is damaged or doesn't belong to where it was found; enter it again.");
}

int crypto_open(const struct crypto_key *key, struct str sealed, struct str context, struct buf *plain,
                struct err *err)
{
    AUTO_BUF(associated, context.len + HEAD_LEN);
    gnutls_aead_cipher_hd_t cipher;
    size_t len;
    char *at;
    int rc;

    if (sealed.len < CRYPTO_SEAL_OVERHEAD || sealed.p[VERSION_AT] != VERSION)
        return seal_damaged(err);
    if (!crypto_sealed_with(key, sealed))
        return err_id(
            err, ERR_INTERNAL, "seal.otherKey", NULL,
            "A stored secret was sealed with another key than the one in the key file; restore that key.");
    len = sealed.len - CRYPTO_SEAL_OVERHEAD;
    at = buf_room(plain, len);
    if (at == NULL)
        return err_id(err, ERR_TOO_LARGE, "seal.tooLarge", NULL, "A stored secret is larger than expected.");
    if (add_associated(&associated, sealed, context) < 0 || cipher_new(&cipher, key) < 0)
        return err_id(err, ERR_INTERNAL, "seal.failed", NULL, "Opening a stored secret failed.");
    rc = gnutls_aead_cipher_decrypt(cipher, sealed.p + NONCE_AT, NONCE_LEN, associated.p, associated.len,
                                    TAG_LEN, sealed.p + HEAD_LEN, sealed.len - HEAD_LEN, at, &len);
    gnutls_aead_cipher_deinit(cipher);
    if (rc < 0) {
        at[0] = '\0';
        return seal_damaged(err);
    }
    plain->len += len;
    plain->p[plain->len] = '\0';
    return 0;
}
