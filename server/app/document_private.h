/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/document_private.h - what document.c and document_apply.c share: the sections of the document. */
#ifndef POSTERN_APP_DOCUMENT_PRIVATE_H
#define POSTERN_APP_DOCUMENT_PRIVATE_H

#include "app/document.h"

struct section {
    const char *name;                   /* an array in the document */
    const char *key;                    /* the member that names an item */
    size_t registry;                    /* its place in struct station */
    const struct component_type *type;  /* of all its items; NULL: they say it themselves */
    /* The item as the document has it; NULL: there is nothing that a person configured. */
    json_t *(*item)(const struct entry *entry);
    json_t *(*schema)(void);
    /* How a request for an item is filled in, beyond what is common to all; NULL: nothing more. */
    void (*request)(struct config_request *request, json_t *item, const char *place, struct document_apply *apply);
    bool fixed;                         /* always there: neither made nor pruned */
};
extern const struct section document_sections[];        /* ends with a NULL name */

struct registry *document_registry(struct station *station, const struct section *section);

/* document_items.c */
void document_user_request(struct config_request *request, json_t *item, const char *place, struct document_apply *apply);
void document_ca_request(struct config_request *request, json_t *item, const char *place, struct document_apply *apply);
void document_host_request(struct config_request *request, json_t *item, const char *place, struct document_apply *apply);
void document_secret_request(struct config_request *request, json_t *item, const char *place, struct document_apply *apply);

#endif
