/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/events_private.h - what those who read events share. */
#ifndef POSTERN_APP_EVENTS_PRIVATE_H
#define POSTERN_APP_EVENTS_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "app/events.h"
#include "store/store.h"

int events_add_at(struct store_tx *tx, int64_t at, const char *type, const char *account, const char *resource, json_t *data,
                  struct err *err);

/* Whether what follows `*at` isn't there any more (or never was, where a backup was restored): then from where to where, and
 * `*at` is moved to where one can go on. */
bool events_gap(const struct store_event_span *span, int64_t *at, int64_t *from, int64_t *to);
void events_gap_data(struct buf *into, int64_t from, int64_t to);

/* events_note.c: what events_note() takes. */
struct events_notes;
struct events_notes *events_notes_new(struct station *station);
void events_notes_add(struct events_notes *notes, const char *type, const char *account, const char *resource, json_t *data);
void events_notes_free(struct events_notes *notes);     /* after the store */

#endif
