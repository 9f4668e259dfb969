/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/config_private.h - what config.c and config_batch.c share: one write. */
#ifndef POSTERN_APP_CONFIG_PRIVATE_H
#define POSTERN_APP_CONFIG_PRIVATE_H

#include "app/config.h"

struct store_tx;

struct write {
    struct station *station;            /* what it sees */
    struct config_request *request;
    struct config_result result;
};

int config_run(struct store_tx *tx, void *write, struct err *err);
void config_publish(struct write *write);
/* Adds to an array of changes what the write changes, if anything. */
void config_plan_add(const struct config_request *request, const struct config_result *result, json_t *changes);

#endif
