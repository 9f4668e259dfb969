/* SPDX-License-Identifier: Apache-2.0 */
/* server/base/clock.h - times. Instants are milliseconds since 1970-01-01 UTC in an int64_t; 0 means "none". */
#ifndef POSTERN_BASE_CLOCK_H
#define POSTERN_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define CLOCK_TEXT_MAX 32
#define SECONDS(n) ((int64_t)(n) * 1000)
#define DAYS(n) (SECONDS(n) * 86400)

int64_t clock_now(void);                    /* wall clock, ms */
int64_t clock_mono(void);                   /* for deadlines and durations: ms, never goes back */
/* RFC 3339 in UTC with milliseconds, "2026-11-24T10:42:00.000Z"; returns `text`. */
char *clock_format(int64_t at, char text[CLOCK_TEXT_MAX]);
bool clock_parse(struct str text, int64_t *ret);            /* RFC 3339 with any offset; years 1970 to 9999 */
/* RFC 5322 date in UTC: "Tue, 24 Nov 2026 10:42:00 +0000". */
char *clock_format_mail(int64_t at, char text[CLOCK_TEXT_MAX]);
int64_t clock_next_midnight(int64_t now);   /* the next local midnight after `now` */

#endif
