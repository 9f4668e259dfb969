/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/tap.h - a test program prints TAP: ok(…) for each fact, done() at the end. */
#ifndef POSTERN_TAP_H
#define POSTERN_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int tap_count, tap_failed;

__attribute__((format(printf, 2, 3), unused))
static bool ok(bool good, const char *fmt, ...)
{
    va_list args;

    printf("%sok %d - ", good ? "" : "not ", ++tap_count);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    if (!good)
        tap_failed++;
    return good;
}

__attribute__((unused))
static bool is_str(const char *got, const char *expected, const char *name)
{
    bool same = got && expected ? strcmp(got, expected) == 0 : got == expected;

    if (!ok(same, "%s", name))
        printf("#      got: %s\n# expected: %s\n", got ? got : "(null)", expected ? expected : "(null)");
    return same;
}

__attribute__((unused))
static bool is_int(long long got, long long expected, const char *name)
{
    if (!ok(got == expected, "%s", name))
        printf("#      got: %lld\n# expected: %lld\n", got, expected);
    return got == expected;
}

__attribute__((unused))
static int done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed ? 1 : 0;
}

#endif
