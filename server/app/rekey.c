/* SPDX-License-Identifier: Apache-2.0 */
#include "app/rekey.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "crypto/crypto.h"
#include "store/store.h"

char *rekey_next_path(const char *state_dir)
{
    return mem_printf("%s/key.next", state_dir);
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0)
        close(fd);
    return rc;
}

int rekey_swap(const char *state_dir, char **kept, struct err *err)
{
    AUTO_FREE char *path = mem_printf("%s/key", state_dir);
    AUTO_FREE char *next = rekey_next_path(state_dir);
    AUTO_FREE char *old = NULL;
    AUTO(crypto_key) key = NULL;
    char id[2 * CRYPTO_KEY_ID_LEN + 1];

    if (crypto_key_load(&key, path, err) < 0)
        return -1;
    old = mem_printf("%s/key.old-%s", state_dir, hex_encode(crypto_key_id(key), CRYPTO_KEY_ID_LEN, id));
    if ((link(path, old) < 0 && errno != EEXIST) || sync_dir(state_dir) < 0 || rename(next, path) < 0 || sync_dir(state_dir) < 0)
        return err_id(err, ERR_STORAGE, "key.unwritable", NULL, "%s cannot take the place of %s: %s.", next, path, strerror(errno));
    if (kept)
        *kept = TAKE(old);
    return 0;
}

int rekey(const char *state_dir, char **kept, struct err *err)
{
    AUTO_FREE char *next = rekey_next_path(state_dir);
    AUTO_FREE char *path = mem_printf("%s/key", state_dir);
    const struct station_options options = { .state_dir = state_dir, .exclusive = true };
    struct station *station;
    AUTO(crypto_key) fresh = NULL;
    int rc;

    if (access(path, F_OK) < 0)
        return err_id(err, ERR_NOT_FOUND, "key.notFound", NULL, "The key file %s isn't there.", path);
    if (station_open(&station, &options, err) < 0)      /* finishes what an earlier one left */
        return -1;
    /* One that is left over sealed nothing: what it sealed was rolled back, or the start above had put it in place. */
    if (unlink(next) < 0 && errno != ENOENT)
        rc = err_id(err, ERR_STORAGE, "key.unwritable", NULL, "%s cannot be removed: %s.", next, strerror(errno));
    else
        rc = crypto_key_create(next, err);
    if (rc == 0)
        rc = crypto_key_load(&fresh, next, err);
    if (rc == 0)
        rc = store_rekey(station->store, fresh, err);
    if (rc == 0)
        rc = rekey_swap(state_dir, kept, err);
    station_free(station);
    return rc;
}
