/* SPDX-License-Identifier: Apache-2.0 */
/* What a person imports into the User Key Store: the input as PEM and as PKCS#12, and as damage to good ones that are made here (keys
 * are not stored): groups of three bytes, where and what to turn. */
#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "../unit/pki.h"
#include "trust/bundle.h"
#include "trust/import.h"

#define PASSPHRASE "a very long staple 42"
#define SIZE ((size_t)64 * 1024)
#define STEPS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct buf good_pem = { .max = SIZE }, good_pkcs12 = { .max = SIZE };

static void must(bool good)
{
    if (!good)
        abort();
}

static void forget(void)
{
    buf_free(&good_pem);
    buf_free(&good_pkcs12);
}

static void prepare(void)
{
    char *key = mem_alloc(SIZE), *cert = mem_alloc(SIZE);
    struct pki pki;

    pki_make(&pki, &(struct pki_spec){ .name = "fuzz", .kind = KEY_FIXED, .sans = "dns:mail.example.com" });
    pki_key_pem(&pki, key, SIZE);
    pki_pem(&pki, cert, SIZE);
    must(bundle_write_pem(key, cert, PASSPHRASE, &good_pem, NULL) == 0);
    must(bundle_write_pkcs12(key, cert, "fuzz", PASSPHRASE, &good_pkcs12, NULL) == 0);
    pki_free(&pki);
    free(key);
    free(cert);
    atexit(forget);
}

typedef int reader(struct bundle **ret, struct str bytes, const char *passphrase, int64_t now, struct err *err);

/* Whatever was read fits, and can be read again. */
static void read_with(reader *read, struct str bytes, const char *passphrase)
{
    struct bundle *bundle = NULL, *again = NULL;
    struct err err = { 0 };

    if (read(&bundle, bytes, passphrase, PKI_NOW, &err) < 0) {
        must(bundle == NULL && err.id[0] && err.text[0] && str_is_utf8(str_c(err.text)));
        return;
    }
    must(bundle->chain->count > 0 && bundle->chain->count <= BUNDLE_CHAIN_MAX);
    must(bundle_check(bundle->key_pem, bundle->chain_pem, NULL) == 0);
    must(bundle_read_chain(&again, str_c(bundle->chain_pem), bundle->key_pem, PKI_NOW, NULL) == 0);
    bundle_free(again);
    bundle_free(bundle);
}

static void damaged(reader *read, const struct buf *good, const uint8_t *data, size_t size)
{
    char *copy = mem_copy(good->p, good->len);

    for (size_t at = 0; at + 3 <= size && at < 3 * STEPS_MAX; at += 3)
        copy[(size_t)(data[at] << 8 | data[at + 1]) % good->len] ^= (char)data[at + 2];
    read_with(read, str_n(copy, good->len), PASSPHRASE);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_n(data, size);

    if (good_pem.len == 0)
        prepare();
    read_with(bundle_read_pem, bytes, NULL);
    read_with(bundle_read_pem, bytes, PASSPHRASE);
    read_with(bundle_read_pkcs12, bytes, PASSPHRASE);
    damaged(bundle_read_pem, &good_pem, data, size);
    damaged(bundle_read_pkcs12, &good_pkcs12, data, size);
    return 0;
}
