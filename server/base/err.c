/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = ' ';
}

/* vsnprintf may cut in the middle of a UTF-8 sequence; what is left of it would spoil JSON. */
static void end_on_character(char *text, size_t size)
{
    size_t len = strlen(text), back = 0;

    if (len + 1 < size)
        return;
    while (back < 3 && len > back && ((unsigned char)text[len - 1 - back] & 0xc0) == 0x80)
        back++;
    if (len > back && (unsigned char)text[len - 1 - back] >= 0xc0)
        text[len - 1 - back] = '\0';
}

__attribute__((format(printf, 5, 0)))
static void fill(struct err *err, enum err_code code, const char *id, const char *at, const char *fmt, va_list args)
{
    err->code = code;
    snprintf(err->id, sizeof(err->id), "%s", id ? id : "");
    snprintf(err->at, sizeof(err->at), "%s", at ? at : "");
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    end_on_character(err->text, sizeof(err->text));
    clean(err->text);
}

int err_set(struct err *err, enum err_code code, const char *at, const char *fmt, ...)
{
    va_list args;

    if (err == NULL)
        return -1;
    va_start(args, fmt);
    fill(err, code, NULL, at, fmt, args);
    va_end(args);
    return -1;
}

int err_id(struct err *err, enum err_code code, const char *id, const char *at, const char *fmt, ...)
{
    va_list args;

    if (err == NULL)
        return -1;
    va_start(args, fmt);
    fill(err, code, id, at, fmt, args);
    va_end(args);
    return -1;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    char text[sizeof(err->text)];
    va_list args;
    size_t used;

    if (err == NULL)
        return -1;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    used = strlen(text);
    snprintf(text + used, sizeof(text) - used, "%s", err->text);
    end_on_character(text, sizeof(text));
    clean(text);
    memcpy(err->text, text, sizeof(text));
    return -1;
}
