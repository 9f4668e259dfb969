/* SPDX-License-Identifier: Apache-2.0 */
/* tests/shim/shim.h - what the preloaded libraries share: which files are theirs to disturb. */
#ifndef POSTERN_SHIM_H
#define POSTERN_SHIM_H

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The function that ours stands before. Each name is looked up once. */
#define REAL(name) ({ \
    static __typeof__(&name) real_; \
    if (!real_) \
        real_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    real_; })

/* Below $SHIM_DIR, which must be absolute and free of symbolic links. */
static inline bool shim_is_ours(const char *path)
{
    const char *dir = getenv("SHIM_DIR");
    size_t len = dir ? strlen(dir) : 0;

    return len > 0 && strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* The file's present name, when it is one of ours. The kernel knows it; no table of descriptors to keep. */
static inline bool shim_path_of(int fd, char path[PATH_MAX])
{
    char link[64];
    ssize_t len;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    len = readlink(link, path, PATH_MAX - 1);
    if (len <= 0)
        return false;
    path[len] = '\0';
    /* A file without a name is lost anyway. */
    return shim_is_ours(path) && access(path, F_OK) == 0;
}

/* Absolute, though the file itself may not be there yet. False: not ours. */
static inline bool shim_path_at(const char *name, char path[PATH_MAX])
{
    if (name[0] == '/') {
        if (snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX)
            return false;
    } else {
        size_t len;

        if (!getcwd(path, PATH_MAX))
            return false;
        len = strlen(path);
        if (snprintf(path + len, PATH_MAX - len, "/%s", name) >= (int)(PATH_MAX - len))
            return false;
    }
    return shim_is_ours(path);
}

#endif
