/* SPDX-License-Identifier: Apache-2.0 */
/* server/app/rekey.h - a new sealing key, so that whoever saw the old one or an old backup reads nothing new.
 *
 * key.next is made first, then everything is sealed anew in one transaction, then key.next takes the place of key. Cut off before
 * the commit, key still opens everything; cut off after it, key.next does, and the next start finishes the change. */
#ifndef POSTERN_APP_REKEY_H
#define POSTERN_APP_REKEY_H

#include "app/station.h"

/* `*kept` is the path under which the former key stays, for older backups; the caller frees. Refused beside a server. */
int rekey(const char *state_dir, char **kept, struct err *err);
char *rekey_next_path(const char *state_dir);
/* key becomes key.old-<id>, key.next becomes key; may be done again after a crash. */
int rekey_swap(const char *state_dir, char **kept, struct err *err);

#endif
