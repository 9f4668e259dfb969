/* SPDX-License-Identifier: Apache-2.0 */
/* server/store/sqlite/search.h - what list.c and message.c need of the index of words; for this folder only. */
#ifndef POSTERN_STORE_SQLITE_SEARCH_H
#define POSTERN_STORE_SQLITE_SEARCH_H

#include "store/sqlite/db.h"

#define SEARCH_TERMS_MAX 20

struct search_terms {
    struct search_term {
        char *text;             /* without quotes */
        bool phrase;            /* was between quotes: no beginning of a word */
    } items[SEARCH_TERMS_MAX];
    size_t count;               /* 0: nothing that could be found */
};

/* Words, and phrases between quotes; whatever was typed is a question. */
void search_terms_read(struct search_terms *terms, const char *text);
void search_terms_clear(struct search_terms *terms);
/* As FTS5 has it. */
void search_match(const struct search_terms *terms, struct buf *into);
bool search_has(const struct search_terms *terms, const struct message *message);

int search_mark_read(struct store_tx *tx, int64_t *seq, struct err *err);
int search_remove(struct store_tx *tx, int64_t seq, struct err *err);

#endif
