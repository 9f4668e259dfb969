/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/search.h - takes the words of messages into the index that searches ask, in the background.
 *
 * Never on the way of a message in or out: some time after it was stored, a few at a time, and later when the store is busy. */
#ifndef POSTERN_APP_SEARCH_H
#define POSTERN_APP_SEARCH_H

#include "app/station.h"

struct search;

struct search *search_new(struct station *station);
void search_free(struct search *search);        /* NULL is fine */
/* There may be new messages: a look at them is due, within a second or two. Any thread; cheap. */
void search_notice(struct search *search);

#endif
