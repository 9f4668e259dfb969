/* SPDX-License-Identifier: Apache-2.0 */
/* server/crypto/crypto.h - hashes, random numbers, sealed secrets, password hashes and tokens.
 *
 * Beside tls/ and trust/ the one folder that includes GnuTLS: its AEAD, hashes and random numbers are here
 * already, so no second cryptographic library is linked, and store/ and api/ seal and hash without seeing
 * one. Everything here may be called from any thread; a streaming hash belongs to one at a time. */
#ifndef POSTERN_CRYPTO_CRYPTO_H
#define POSTERN_CRYPTO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define CRYPTO_SHA256_LEN 32
#define CRYPTO_KEY_ID_LEN 4
#define CRYPTO_SEAL_OVERHEAD 33 /* bytes that sealing adds: version, key id, nonce, tag */
#define CRYPTO_PASSWORD_MAX 511 /* bytes; libxcrypt takes no more */

void crypto_sha256(struct str bytes, uint8_t ret[CRYPTO_SHA256_LEN]);
void crypto_hmac_sha256(const void *key, size_t key_len, struct str bytes, uint8_t ret[CRYPTO_SHA256_LEN]);

struct crypto_hash; /* SHA-256 of bytes that come in pieces */
struct crypto_hash *crypto_hash_new(void);
void crypto_hash_add(struct crypto_hash *hash, struct str bytes);
/* Of all so far; starts afresh. */
void crypto_hash_end(struct crypto_hash *hash, uint8_t ret[CRYPTO_SHA256_LEN]);
void crypto_hash_free(struct crypto_hash *hash);
MEM_FREEP(crypto_hash)

int crypto_random(void *at, size_t len); /* fit for keys; 0, or -1 */

/* A sealing key: 32 bytes in memory that is not swapped, not dumped, and wiped. Its file holds 64 hex digits
 * and a line end, so that a person can keep a copy on paper or in a vault. */
struct crypto_key;
/* Errors: key.notFound, key.permissions (open to others, or somebody else's), key.damaged, key.unreadable. */
int crypto_key_load(struct crypto_key **ret, const char *path, struct err *err);
/* Makes a new key file, 0600, durable (file and directory synced) and whole or not there; key.exists when it
 * is. */
int crypto_key_create(const char *path, struct err *err);
struct crypto_key *crypto_key_new_random(void); /* for tests, and keys that live no longer than we do */
void crypto_key_free(struct crypto_key *key);
MEM_FREEP(crypto_key)
const uint8_t *crypto_key_id(const struct crypto_key *key); /* CRYPTO_KEY_ID_LEN bytes of its SHA-256 */

/* HMAC-SHA-256 under this key for a purpose of its own ("etag"), so that no two uses of the key meet. */
void crypto_key_hmac(const struct crypto_key *key, const char *purpose, struct str bytes,
                     uint8_t ret[CRYPTO_SHA256_LEN]);

/* Appends the sealed form of `plain` to `sealed`. `context` says what the secret is
 * ("account/alerts/password"): it is not stored, and crypto_open must be given the same, so a sealed value
 * can't be moved to another place. */
int crypto_seal(const struct crypto_key *key, struct str plain, struct str context, struct buf *sealed,
                struct err *err);
/* Appends to `plain`, which should be a secret buffer. Errors: seal.otherKey, seal.damaged (or another
 * context). */
int crypto_open(const struct crypto_key *key, struct str sealed, struct str context, struct buf *plain,
                struct err *err);
/* Was `sealed` made with this key? Looks at the key id only. */
bool crypto_sealed_with(const struct crypto_key *key, struct str sealed);

/* yescrypt, "$y$…"; -1 when the password is longer than CRYPTO_PASSWORD_MAX. The caller frees. */
int crypto_password_hash(const char *password, char **ret);
/* `hash` may be NULL (no such user): it then takes as long as with one, and answers false. */
bool crypto_password_verify(const char *password, const char *hash);

/* 256 random bits as 43 characters of base64url; the caller frees with mem_free_secret. */
int crypto_token(char **ret);

#endif
