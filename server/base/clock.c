/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_now(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

char *clock_format(int64_t at, char text[CLOCK_TEXT_MAX])
{
    time_t seconds = at / 1000;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    snprintf(text, CLOCK_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100,
             (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100, (unsigned)(at % 1000) % 1000);
    return text;
}

char *clock_format_mail(int64_t at, char text[CLOCK_TEXT_MAX])
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = at / 1000;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    snprintf(text, CLOCK_TEXT_MAX, "%s, %u %s %04u %02u:%02u:%02u +0000", days[tm.tm_wday % 7],
             (unsigned)tm.tm_mday % 100, months[tm.tm_mon % 12], (unsigned)(tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
    return text;
}

static bool digits(struct str *rest, int count, int min, int max, int *ret)
{
    int value = 0;

    if (rest->len < (size_t)count)
        return false;
    for (int i = 0; i < count; i++) {
        if (rest->p[i] < '0' || rest->p[i] > '9')
            return false;
        value = value * 10 + (rest->p[i] - '0');
    }
    *rest = str_from(*rest, (size_t)count);
    *ret = value;
    return value >= min && value <= max;
}

static bool sign(struct str *rest, const char *any, char *ret)
{
    if (rest->len == 0 || strchr(any, rest->p[0]) == NULL || rest->p[0] == '\0')
        return false;
    *ret = rest->p[0];
    *rest = str_from(*rest, 1);
    return true;
}

static bool parse_fraction(struct str *rest, int *ms)
{
    int scale = 100;

    *ms = 0;
    if (rest->len == 0 || rest->p[0] != '.')
        return true;
    *rest = str_from(*rest, 1);
    if (rest->len == 0 || rest->p[0] < '0' || rest->p[0] > '9')
        return false;
    while (rest->len && rest->p[0] >= '0' && rest->p[0] <= '9') {
        *ms += (rest->p[0] - '0') * scale;
        scale /= 10;
        *rest = str_from(*rest, 1);
    }
    return true;
}

static bool parse_offset(struct str *rest, int *minutes)
{
    int hour, minute;
    char mark;

    *minutes = 0;
    if (!sign(rest, "Zz+-", &mark))
        return false;
    if (mark == 'Z' || mark == 'z')
        return true;
    if (!digits(rest, 2, 0, 23, &hour) || !sign(rest, ":", &(char){ 0 }) || !digits(rest, 2, 0, 59, &minute))
        return false;
    *minutes = (hour * 60 + minute) * (mark == '-' ? -1 : 1);
    return true;
}

/* RFC 3339 5.6. */
bool clock_parse(struct str text, int64_t *ret)
{
    struct tm tm = { 0 }, check;
    int year, month, ms, offset;
    char mark;
    time_t at;

    if (!digits(&text, 4, 1970, 9999, &year) || !sign(&text, "-", &mark) || !digits(&text, 2, 1, 12, &month) ||
        !sign(&text, "-", &mark) || !digits(&text, 2, 1, 31, &tm.tm_mday) || !sign(&text, "Tt ", &mark) ||
        !digits(&text, 2, 0, 23, &tm.tm_hour) || !sign(&text, ":", &mark) || !digits(&text, 2, 0, 59, &tm.tm_min) ||
        !sign(&text, ":", &mark) || !digits(&text, 2, 0, 60, &tm.tm_sec) || !parse_fraction(&text, &ms) ||
        !parse_offset(&text, &offset) || text.len > 0)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    check = tm;
    at = timegm(&check);
    if (check.tm_mday != tm.tm_mday && tm.tm_sec != 60)         /* 31 February */
        return false;
    *ret = ((int64_t)at - offset * 60) * 1000 + ms;
    return true;
}

int64_t clock_next_midnight(int64_t now)
{
    time_t seconds = now / 1000;
    struct tm tm;

    localtime_r(&seconds, &tm);
    tm.tm_mday++;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    return (int64_t)mktime(&tm) * 1000;
}
