/* SPDX-License-Identifier: Apache-2.0 */
/* server/crypto/internal.h - the key's bytes, for this folder only. */
#ifndef POSTERN_CRYPTO_INTERNAL_H
#define POSTERN_CRYPTO_INTERNAL_H

#include <stdint.h>

#define KEY_LEN 32

struct crypto_key;

const uint8_t *crypto_key_bytes(const struct crypto_key *key); /* KEY_LEN of them */

#endif
