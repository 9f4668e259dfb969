/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/pem.h - the blocks of a PEM text (RFC 7468). Private to trust/. */
#ifndef POSTERN_TRUST_PEM_H
#define POSTERN_TRUST_PEM_H

#include <stddef.h>

#include "base/str.h"

#define PEM_LABEL_MAX 64

struct pem_block {
    struct str label;           /* "CERTIFICATE" */
    struct str base64;          /* between the two lines */
    size_t line;                /* of BEGIN, counted from 1 */
};

struct pem {
    struct str rest;
    size_t line;                /* of the front of `rest` */
};

enum pem_step { PEM_BLOCK, PEM_END, PEM_BAD };

void pem_start(struct pem *pem, struct str text);
/* The next block; what stands before it is skipped. PEM_END: none left, and `pem->rest` is what follows the last one.
 * PEM_BAD: a BEGIN without its END; block->line says where. */
enum pem_step pem_next(struct pem *pem, struct pem_block *block);

#endif
