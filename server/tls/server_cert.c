/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/server_cert.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHAIN_MAX 16

/* A handshake may look at one long after it was replaced, and there are few in the life of a process: they stay. */
struct shown {
    struct shown *former;
    char *cert_pem;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(struct shown *) current;

static gnutls_datum_t datum(const char *pem)
{
    return (gnutls_datum_t){ (unsigned char *)(uintptr_t)pem, (unsigned)strlen(pem) };
}

static void free_shown(struct shown *shown)
{
    for (unsigned i = 0; i < shown->count; i++)
        gnutls_pcert_deinit(&shown->chain[i]);
    if (shown->key)
        gnutls_privkey_deinit(shown->key);
    free(shown->cert_pem);
    free(shown);
}

static int read_chain(struct shown *shown, const char *pem)
{
    const gnutls_datum_t text = datum(pem);
    gnutls_x509_crt_t *certs = NULL;
    unsigned count = 0;
    int rc = gnutls_x509_crt_list_import2(&certs, &count, &text, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_SORT);

    for (unsigned i = 0; i < count && rc >= 0 && i < CHAIN_MAX; i++) {
        rc = gnutls_pcert_import_x509(&shown->chain[i], certs[i], 0);
        shown->count += rc >= 0;
    }
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(certs[i]);
    gnutls_free(certs);
    return rc;
}

/* By the identity of the public key, as it is in the certificate and as the private key has it. */
static int check_pair(const struct shown *shown)
{
    unsigned char of_cert[64], of_key[64];
    size_t cert_len = sizeof(of_cert), key_len = sizeof(of_key);
    gnutls_pubkey_t public;
    int rc = gnutls_pubkey_init(&public);

    if (rc < 0)
        return rc;
    rc = gnutls_pubkey_import_privkey(public, shown->key, 0, 0);
    if (rc >= 0)
        rc = gnutls_pubkey_get_key_id(public, GNUTLS_KEYID_USE_SHA256, of_key, &key_len);
    if (rc >= 0)
        rc = gnutls_pubkey_get_key_id(shown->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_cert, &cert_len);
    if (rc >= 0 && (key_len != cert_len || memcmp(of_key, of_cert, key_len) != 0))
        rc = GNUTLS_E_CERTIFICATE_KEY_MISMATCH;
    gnutls_pubkey_deinit(public);
    return rc;
}

static int fill(struct shown *shown, const char *cert_pem, const char *key_pem)
{
    const gnutls_datum_t key = datum(key_pem);
    int rc = read_chain(shown, cert_pem);

    if (rc >= 0 && shown->count == 0)
        rc = GNUTLS_E_NO_CERTIFICATE_FOUND;
    if (rc >= 0)
        rc = gnutls_privkey_init(&shown->key);
    if (rc >= 0)
        rc = gnutls_privkey_import_x509_raw(shown->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    return rc < 0 ? rc : check_pair(shown);
}

int tls_server_cert_use(const char *cert_pem, const char *key_pem, struct err *err)
{
    struct shown *former = atomic_load(&current), *shown;
    int rc;

    if (former && strcmp(former->cert_pem, cert_pem) == 0)
        return 0;
    shown = mem_alloc(sizeof(*shown));
    shown->cert_pem = mem_strdup(cert_pem);
    rc = fill(shown, cert_pem, key_pem);
    if (rc < 0) {
        free_shown(shown);
        return err_set(err, ERR_INVALID, NULL, "The certificate for HTTPS and its key can't be used: %s", gnutls_strerror(rc));
    }
    pthread_mutex_lock(&lock);
    shown->former = atomic_load(&current);
    atomic_store(&current, shown);
    pthread_mutex_unlock(&lock);
    return 1;
}

/* Nothing of it is the caller's to free (gnutls_certificate_set_retrieve_function2). */
static int give(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
                const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain, unsigned *count,
                gnutls_privkey_t *key)
{
    struct shown *shown = atomic_load(&current);

    (void)session, (void)authorities, (void)authority_count, (void)algorithms, (void)algorithm_count;
    if (shown == NULL)
        return -1;
    *chain = shown->chain;
    *count = shown->count;
    *key = shown->key;
    return 0;
}

void (*tls_server_cert_callback(void))(void)
{
    return (void (*)(void))give;
}
