/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/keys.h - the User Key Store: key pairs made, imported, given a certificate, exported, deleted. DESIGN 4.
 *
 * What takes long (RSA, key derivation) runs where passwords are hashed, few at a time; the store is written as any configuration is
 * (app/config.h), so that ETags, dryRun, audit and events are the same. No private key is in an answer, except encrypted in an export. */
#ifndef POSTERN_APP_KEYS_H
#define POSTERN_APP_KEYS_H

#include "app/config.h"
#include "app/station.h"
#include "base/buf.h"

#define KEYS_PASSPHRASE_MIN 12          /* characters, of an export */
#define KEYS_PASSPHRASE_MAX 512         /* bytes */

enum keys_op { KEYS_GENERATE, KEYS_IMPORT, KEYS_CERTIFICATE };

/* Made with mem_alloc; keys_write frees it after `done`. */
struct keys_write {
    struct station *station;
    enum keys_op op;
    struct config_request *config;      /* with name, dry_run, actor, precondition and ctx; freed with it */
    json_t *document;                   /* KEYS_GENERATE: keyType, subject or commonName, sans, days; taken */
    char *pem, *pkcs12, *passphrase;    /* KEYS_IMPORT: one of the first two (base64); KEYS_CERTIFICATE: pem. Taken, wiped */
    json_t *warnings;                   /* [{pointer, code, detail}]: taken all the same */
    void (*done)(struct keys_write *write, const struct config_result *result);
    struct key_pair *made;              /* for keys.c */
};
void keys_write(struct keys_write *write);
/* For config_request.last_word of a deletion, with the station as `extra`: refused while something uses it. */
int  keys_may_delete(struct config_request *request, const struct entry *before, void *component, struct problems *problems,
                     struct err *err);

/* PKCS#10 of `entry`: subject or commonName and sans of the document; what it doesn't say stays as the certificate has it. */
int  keys_request(const struct entry *entry, const json_t *document, struct buf *pem, struct err *err);

struct keys_export {
    struct station *station;
    struct entry *entry;                /* held; taken */
    bool pkcs12;                        /* else PEM */
    char *passphrase;                   /* taken, wiped */
    struct actor actor;
    struct buf bundle;                  /* encrypted */
    void (*done)(struct keys_export *request, const struct err *err);   /* once it is in the audit trail */
    void *ctx;
    struct err err;                     /* for keys.c */
};
void keys_export(struct keys_export *request);

/* Resources that use it ("WebService"); the caller's. */
json_t *keys_users(struct station *station, const char *name);
/* Of its certificate, from now, rounded down; null without one. */
json_t *keys_days_left(const struct entry *entry);

#endif
