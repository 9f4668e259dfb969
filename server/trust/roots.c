/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/encode.h"
#include "crypto/crypto.h"
#include "tls/peer.h"
#include "trust/pem.h"
#include "trust/roots_private.h"

#define SYSTEM_FILE_MAX (32 * 1024 * 1024)

/* Shared by the snapshots that hold it; never changed once made. */
struct anchors {
    atomic_uint holders;
    struct anchor *items;
    size_t count;
    char *bytes;                        /* where every `der` lives */
};

struct trust_roots {
    atomic_uint holders;
    struct anchors *system, *user;      /* NULL: empty */
    uint64_t generation;
    char problem[256];
};

struct file_stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed, modified;
};

struct trust {
    pthread_mutex_t lock;
    char *system_file;
    struct file_stamp stamp;            /* of the file that `current` has; zeros: not read yet */
    struct trust_roots *current;
};

static struct anchors *anchors_hold(struct anchors *anchors)
{
    if (anchors)
        atomic_fetch_add(&anchors->holders, 1);
    return anchors;
}

static void anchors_free(struct anchors *anchors)
{
    if (anchors == NULL || atomic_fetch_sub(&anchors->holders, 1) != 1)
        return;
    for (size_t i = 0; i < anchors->count; i++) {
        for (char **name = anchors->items[i].names; name && *name; name++)
            free(*name);
        free(anchors->items[i].names);
    }
    free(anchors->items);
    free(anchors->bytes);
    free(anchors);
}
MEM_FREEP(anchors)

static struct anchors *anchors_new(size_t room, char *bytes)
{
    struct anchors *anchors = mem_alloc(sizeof(*anchors));

    atomic_init(&anchors->holders, 1);
    anchors->items = mem_array(room ? room : 1, sizeof(*anchors->items));
    anchors->bytes = bytes;
    return anchors;
}

/* ---- the system's file ------------------------------------------------------------------------------------------ */

static bool same_file(const struct file_stamp *a, const struct file_stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static struct file_stamp stamp_of(const struct stat *st)
{
    return (struct file_stamp){ st->st_dev, st->st_ino, st->st_size, st->st_ctim, st->st_mtim };
}

static int read_all(int fd, struct buf *into)
{
    char *room;
    ssize_t got;

    do {
        room = buf_room(into, 64 * 1024);
        if (room == NULL) {
            errno = EFBIG;
            return -1;
        }
        got = read(fd, room, 64 * 1024);
        if (got > 0)
            into->len += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? -1 : 0;
}

/* A root that can't be used is passed over, as everybody's verifier does: the file is not ours. */
static struct anchors *parse_system(struct str text)
{
    struct buf bytes;
    struct pem pem;
    struct pem_block block;
    struct anchors *anchors;
    size_t blocks = 0;

    pem_start(&pem, text);
    while (pem_next(&pem, &block) == PEM_BLOCK)
        blocks++;

    buf_init(&bytes, text.len + 4);
    buf_room(&bytes, text.len);         /* DER is shorter: the views below never move */
    anchors = anchors_new(blocks, NULL);
    pem_start(&pem, text);
    while (pem_next(&pem, &block) == PEM_BLOCK) {
        struct anchor *anchor = &anchors->items[anchors->count];
        struct der_cert parts;
        size_t from = bytes.len;

        if (!str_eq(block.label, STR("CERTIFICATE")) || base64_decode(block.base64, &bytes) < 0)
            continue;
        anchor->der = str_from(buf_str(&bytes), from);
        if (!der_cert(anchor->der, &parts) || anchor->der.len > TLS_CERT_MAX) {
            bytes.len = from;
            continue;
        }
        anchor->subject = parts.subject;
        crypto_sha256(anchor->der, anchor->sha256);
        anchors->count++;
    }
    anchors->bytes = buf_take(&bytes);
    return anchors;
}

static int read_system(const char *file, struct anchors **ret, char problem[256])
{
    struct buf text;
    int fd = open(file, O_RDONLY | O_CLOEXEC), rc, error;

    buf_init(&text, SYSTEM_FILE_MAX);
    rc = fd < 0 ? -1 : read_all(fd, &text);
    error = errno;
    if (fd >= 0)
        close(fd);
    if (rc == 0) {
        *ret = parse_system(buf_str(&text));
        if ((*ret)->count == 0)
            snprintf(problem, 256, "The System Trust Store %s holds no certificate.", file);
    } else {
        snprintf(problem, 256, "The System Trust Store %s can't be read: %s.", file, strerror(error));
    }
    buf_free(&text);
    return rc;
}

/* ---- the User Trust Store --------------------------------------------------------------------------------------- */

static char **copy_names(const char *const *names)
{
    char **copy;
    size_t count = 0;

    while (names && names[count])
        count++;
    if (count == 0)
        return NULL;
    copy = mem_array(count + 1, sizeof(*copy));
    for (size_t i = 0; i < count; i++)
        copy[i] = mem_strdup(names[i]);
    return copy;
}

static int make_user(struct anchors **ret, const struct trust_ca *cas, size_t count, struct err *err)
{
    AUTO(anchors) anchors = NULL;
    size_t total = 0;
    char *at;

    for (size_t i = 0; i < count; i++)
        total += cas[i].der.len;
    at = mem_alloc(total + 1);
    anchors = anchors_new(count, at);
    for (size_t i = 0; i < count; i++) {
        struct anchor *anchor = &anchors->items[i];
        struct der_cert parts;

        if (!der_cert(cas[i].der, &parts))
            return err_id(err, ERR_INVALID, "cert.malformed", NULL,
                          "Certificate %zu of the User Trust Store is damaged.", i + 1);
        memcpy(at, cas[i].der.p, cas[i].der.len);
        anchor->der = str_n(at, cas[i].der.len);
        anchor->subject = str_n(at + (parts.subject.p - cas[i].der.p), parts.subject.len);
        anchor->names = copy_names(cas[i].names);
        anchor->user = true;
        crypto_sha256(anchor->der, anchor->sha256);
        at += cas[i].der.len;
        anchors->count++;
    }
    *ret = TAKE(anchors);
    return 0;
}

/* ---- snapshots -------------------------------------------------------------------------------------------------- */

/* Takes over the holds on `system` and `user`. */
static struct trust_roots *snapshot_new(struct anchors *system, struct anchors *user, uint64_t generation)
{
    struct trust_roots *roots = mem_alloc(sizeof(*roots));

    atomic_init(&roots->holders, 1);
    roots->system = system;
    roots->user = user;
    roots->generation = generation;
    return roots;
}

struct trust_roots *trust_roots_hold(struct trust_roots *roots)
{
    atomic_fetch_add(&roots->holders, 1);
    return roots;
}

void trust_roots_free(struct trust_roots *roots)
{
    if (roots == NULL || atomic_fetch_sub(&roots->holders, 1) != 1)
        return;
    anchors_free(roots->system);
    anchors_free(roots->user);
    free(roots);
}

struct trust *trust_new(const char *system_file)
{
    struct trust *trust = mem_alloc(sizeof(*trust));

    pthread_mutex_init(&trust->lock, NULL);
    trust->system_file = mem_strdup(system_file ? system_file : TRUST_SYSTEM_ROOTS);
    trust->current = snapshot_new(NULL, NULL, 1);
    return trust;
}

void trust_free(struct trust *trust)
{
    if (trust == NULL)
        return;
    trust_roots_free(trust->current);
    pthread_mutex_destroy(&trust->lock);
    free(trust->system_file);
    free(trust);
}

/* Under the lock. */
static void replace(struct trust *trust, struct trust_roots *fresh)
{
    trust_roots_free(trust->current);
    trust->current = fresh;
}

int trust_set_user(struct trust *trust, const struct trust_ca *cas, size_t count, struct err *err)
{
    struct anchors *user;
    struct trust_roots *fresh;

    if (make_user(&user, cas, count, err) < 0)
        return -1;
    pthread_mutex_lock(&trust->lock);
    fresh = snapshot_new(anchors_hold(trust->current->system), user, trust->current->generation + 1);
    memcpy(fresh->problem, trust->current->problem, sizeof(fresh->problem));
    replace(trust, fresh);
    pthread_mutex_unlock(&trust->lock);
    return 0;
}

void trust_set_system(struct trust *trust, const char *system_file)
{
    pthread_mutex_lock(&trust->lock);
    free(trust->system_file);
    trust->system_file = mem_strdup(system_file && *system_file ? system_file : TRUST_SYSTEM_ROOTS);
    trust->stamp = (struct file_stamp){ 0 };
    replace(trust, snapshot_new(NULL, anchors_hold(trust->current->user), trust->current->generation + 1));
    pthread_mutex_unlock(&trust->lock);
}

/* Under the lock: one stat() when nothing changed. A file that went away leaves the roots read before in place. */
static void refresh_system(struct trust *trust)
{
    struct stat st;
    struct file_stamp stamp = { 0 };
    struct anchors *system = NULL;
    struct trust_roots *fresh;
    char problem[256] = "";

    if (stat(trust->system_file, &st) == 0)
        stamp = stamp_of(&st);
    if (stamp.inode && same_file(&stamp, &trust->stamp))
        return;
    if (read_system(trust->system_file, &system, problem) < 0 && strcmp(problem, trust->current->problem) == 0)
        return;

    trust->stamp = stamp;
    fresh = snapshot_new(system ? system : anchors_hold(trust->current->system), anchors_hold(trust->current->user),
                         trust->current->generation + 1);
    memcpy(fresh->problem, problem, sizeof(problem));
    replace(trust, fresh);
}

struct trust_roots *trust_roots(struct trust *trust, enum trust_stores stores)
{
    struct trust_roots *roots;

    pthread_mutex_lock(&trust->lock);
    if (stores != STORES_USER_ONLY)
        refresh_system(trust);
    roots = trust_roots_hold(trust->current);
    pthread_mutex_unlock(&trust->lock);
    return roots;
}

int trust_roots_make(struct trust_roots **ret, const struct trust_roots *base, const struct trust_ca *cas,
                     size_t count, struct err *err)
{
    struct anchors *user;

    if (make_user(&user, cas, count, err) < 0)
        return -1;
    *ret = snapshot_new(anchors_hold(base->system), user, base->generation);
    memcpy((*ret)->problem, base->problem, sizeof(base->problem));
    return 0;
}

const char *trust_roots_problem(const struct trust_roots *roots)
{
    return roots->problem;
}

uint64_t trust_roots_generation(const struct trust_roots *roots)
{
    return roots->generation;
}

size_t trust_roots_system_count(const struct trust_roots *roots)
{
    return roots->system ? roots->system->count : 0;
}

struct str trust_roots_system(const struct trust_roots *roots, size_t index)
{
    return index < trust_roots_system_count(roots) ? roots->system->items[index].der : STR("");
}

const struct anchor *roots_next(const struct trust_roots *roots, enum trust_stores stores, struct str subject,
                                size_t *at)
{
    size_t systems = stores != STORES_USER_ONLY && roots->system ? roots->system->count : 0;
    size_t users = stores != STORES_SYSTEM_ONLY && roots->user ? roots->user->count : 0;

    while (*at < systems + users) {
        const struct anchor *anchor = *at < systems ? &roots->system->items[*at] : &roots->user->items[*at - systems];

        ++*at;
        if (str_eq(anchor->subject, subject))
            return anchor;
    }
    return NULL;
}
