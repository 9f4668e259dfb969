/* SPDX-License-Identifier: Apache-2.0 */
/* server/base/mem.h - memory that is there or the process ends, and memory that is wiped.
 *
 * Ceilings on every buffer keep input from exhausting memory, so callers never check for NULL. */
#ifndef POSTERN_BASE_MEM_H
#define POSTERN_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);                       /* zeroed; free() with free */
void *mem_array(size_t count, size_t size);         /* zeroed; overflow ends the process */
void *mem_resize(void *old, size_t size);           /* the grown part is not zeroed */
char *mem_strdup(const char *s);                    /* NULL stays NULL */
char *mem_strndup(const char *s, size_t len);
void *mem_copy(const void *from, size_t len);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* For secrets: overwrites before freeing. `s` may be NULL. */
void mem_wipe(void *at, size_t len);
void mem_free_secret(char *s);

/* Comparison whose time does not depend on the content (tokens, fingerprints). */
int mem_equal_secret(const void *a, const void *b, size_t len);    /* 1 when equal */

/* AUTO(kind) frees at the end of the scope; a kind brings `kind_freep(struct kind **)`. */
#define AUTO(kind)  __attribute__((cleanup(kind##_freep))) struct kind *
#define AUTO_FREE   __attribute__((cleanup(mem_freep)))
#define AUTO_SECRET __attribute__((cleanup(mem_free_secretp)))
#define TAKE(ptr)   ({ __typeof__(ptr) taken_ = (ptr); (ptr) = NULL; taken_; })
#define MEM_FREEP(kind) \
    static inline void kind##_freep(struct kind **at) { kind##_free(*at); }

void mem_freep(void *at);                           /* at: pointer to the pointer */
void mem_free_secretp(char **at);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
