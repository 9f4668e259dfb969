/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/sasl_salted.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BUCKETS 1024

struct salted {
    struct salted *next;
    const char *mechanism;
    char *salt, *iterations, *password, *hex;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct salted *buckets[BUCKETS];
static size_t kept, turn;

/* By the salt, which is random. */
static size_t bucket_of(const struct sasl_salting *salting)
{
    size_t hash = 5381;

    for (const char *p = salting->salt; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    return hash % BUCKETS;
}

static bool fits(const struct salted *salted, const struct sasl_salting *salting)
{
    return strcmp(salted->mechanism, salting->mechanism) == 0 && strcmp(salted->salt, salting->salt) == 0 &&
           strcmp(salted->iterations, salting->iterations) == 0 && strlen(salted->password) == strlen(salting->password) &&
           mem_equal_secret(salted->password, salting->password, strlen(salting->password));
}

static void salted_free(struct salted *salted)
{
    free(salted->salt);
    free(salted->iterations);
    mem_free_secret(salted->password);
    mem_free_secret(salted->hex);
    free(salted);
}

/* With the lock. */
static const struct salted *find(const struct sasl_salting *salting)
{
    for (const struct salted *salted = buckets[bucket_of(salting)]; salted; salted = salted->next)
        if (fits(salted, salting))
            return salted;
    return NULL;
}

/* With the lock: makes room, bucket by bucket. */
static void drop_some(void)
{
    while (kept >= SASL_SALTED_MAX) {
        struct salted **at = &buckets[turn++ % BUCKETS];

        while (*at) {
            struct salted *gone = *at;

            *at = gone->next;
            salted_free(gone);
            kept--;
        }
    }
}

char *sasl_salted_get(const struct sasl_salting *salting)
{
    const struct salted *found;
    char *hex;

    pthread_mutex_lock(&lock);
    found = find(salting);
    hex = found ? mem_strdup(found->hex) : NULL;
    pthread_mutex_unlock(&lock);
    return hex;
}

void sasl_salted_put(const struct sasl_salting *salting, const char *hex)
{
    struct salted **at = &buckets[bucket_of(salting)], *salted;

    pthread_mutex_lock(&lock);
    if (find(salting) == NULL) {
        drop_some();
        salted = mem_alloc(sizeof(*salted));
        *salted = (struct salted){ *at, salting->mechanism, mem_strdup(salting->salt), mem_strdup(salting->iterations),
                                   mem_strdup(salting->password), mem_strdup(hex) };
        *at = salted;
        kept++;
    }
    pthread_mutex_unlock(&lock);
}
