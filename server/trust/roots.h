/* SPDX-License-Identifier: Apache-2.0 */
/* server/trust/roots.h - whom we believe: the operating system's roots and the User Trust Store.
 *
 * `struct trust` keeps both and may be used from any thread. Decisions are made on `struct trust_roots`: a
 * snapshot that never changes and that costs nothing to hold. The system's file is read when a snapshot that
 * needs it is first asked for (2 ms, 230 KB kept), and again when it changed on the disk. */
#ifndef POSTERN_TRUST_ROOTS_H
#define POSTERN_TRUST_ROOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define TRUST_SYSTEM_ROOTS "/etc/ssl/certs/ca-certificates.crt"

/* As in the property trustStores. */
enum trust_stores { STORES_BOTH, STORES_USER_ONLY, STORES_SYSTEM_ONLY };

/* A CA of the User Trust Store, as the caller keeps it. */
struct trust_ca {
    struct str der;
    const char *const *names;           /* host suffixes it may vouch for, NULL-terminated; NULL or empty: any */
};

struct trust;
struct trust_roots;

struct trust *trust_new(const char *system_file);               /* NULL: TRUST_SYSTEM_ROOTS; reads nothing yet */
void trust_free(struct trust *trust);
MEM_FREEP(trust)
/* Another file from now on; the roots of the one before count no more. */
void trust_set_system(struct trust *trust, const char *system_file);

/* Replaces the User Trust Store whole; snapshots already taken stay as they are. On error nothing changes. */
int trust_set_user(struct trust *trust, const struct trust_ca *cas, size_t count, struct err *err);

/* The present snapshot, one holder more. Never NULL: where the system's file can't be read it has what was
 * read last, or nothing, and trust_roots_problem says why. Reads the disk only where `stores` need it. */
struct trust_roots *trust_roots(struct trust *trust, enum trust_stores stores);
/* What if: the same system roots as in `base` with another User Trust Store. */
int trust_roots_make(struct trust_roots **ret, const struct trust_roots *base, const struct trust_ca *cas,
                     size_t count, struct err *err);
struct trust_roots *trust_roots_hold(struct trust_roots *roots);
void trust_roots_free(struct trust_roots *roots);               /* lets go; NULL is fine */
MEM_FREEP(trust_roots)

const char *trust_roots_problem(const struct trust_roots *roots);       /* "" when all is well */
/* Grows with every change of what is trusted; a session made under another number is not resumed. */
uint64_t trust_roots_generation(const struct trust_roots *roots);

/* The System Trust Store's certificates in the order of the file; the bytes live as long as the snapshot. */
size_t trust_roots_system_count(const struct trust_roots *roots);
struct str trust_roots_system(const struct trust_roots *roots, size_t index);

#endif
