/* SPDX-License-Identifier: Apache-2.0 */
/* A main() for fuzz targets without libFuzzer: runs every file named, or below the folders named, once.
 * Without arguments the target's own seeds: fuzz-mime runs seeds/mime/. Prints TAP; a target that fails ends
 * the program. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEED_MAX (16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count, failed;

static void result(int good, const char *path, const char *words)
{
    const char *name = strrchr(path, '/');

    printf("%sok %d - %s%s\n", good ? "" : "not ", ++count, name ? name + 1 : path, words);
    fflush(stdout);
    failed += !good;
}

static void run_file(const char *path, size_t size)
{
    FILE *in = fopen(path, "rb");
    uint8_t *data =
        malloc(size ? size : 1); /* exactly as large, so that a sanitizer sees the byte after it */

    if (in == NULL || data == NULL || fread(data, 1, size, in) != size) {
        result(0, path, " can't be read");
    } else {
        LLVMFuzzerTestOneInput(data, size);
        result(1, path, "");
    }
    free(data);
    if (in)
        fclose(in);
}

static void run(const char *path)
{
    struct dirent **entries = NULL;
    struct stat st;
    int many;

    if (stat(path, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size > SEED_MAX)) {
        result(0, path, " can't be read");
        return;
    }
    if (!S_ISDIR(st.st_mode)) {
        run_file(path, (size_t)st.st_size);
        return;
    }
    many = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < many; i++) {
        char below[4096];

        if (entries[i]->d_name[0] != '.' &&
            snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name) < (int)sizeof(below))
            run(below);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    char seeds[4096];

    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    name = name ? name + 1 : argv[0];
    snprintf(seeds, sizeof(seeds), "%s/%s", FUZZ_SEEDS, strncmp(name, "fuzz-", 5) == 0 ? name + 5 : name);
    if (argc < 2)
        run(seeds);
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    if (count == 0)
        result(0, seeds, " has no seeds");
    printf("1..%d\n", count);
    return failed ? 1 : 0;
}
