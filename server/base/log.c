/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static enum log_level lowest = LOG_LEVEL_INFO;
static bool as_json;
static const char *const names[] = { "error", "warning", "info", "debug" };

void log_setup(enum log_level level, bool json)
{
    lowest = level;
    as_json = json;
}

bool log_level_from(const char *name, enum log_level *ret)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void add_json_string(struct buf *line, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_addf(line, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            buf_addf(line, "\\u%04x", *p);
        else
            buf_add_char(line, (char)*p);
    }
}

static void add_text(struct buf *line, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        buf_add_char(line, *p < 0x20 || *p == 0x7f ? ' ' : (char)*p);
}

void log_at(enum log_level level, const char *where, const char *fmt, ...)
{
    char when[CLOCK_TEXT_MAX], text[2048];
    va_list args;

    if (level > lowest)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    AUTO_BUF(line, 16 * 1024);
    clock_format(clock_now(), when);
    if (as_json) {
        buf_addf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"where\":\"", when, names[level]);
        add_json_string(&line, where);
        buf_add_c(&line, "\",\"text\":\"");
        add_json_string(&line, text);
        buf_add_c(&line, "\"}\n");
    } else {
        buf_addf(&line, "%s %-7s %s: ", when, names[level], where);
        add_text(&line, text);
        buf_add_char(&line, '\n');
    }
    /* One write keeps the lines of two threads apart; there is nobody to tell when it fails. */
    if (write(STDERR_FILENO, line.p, line.len) < 0)
        return;
}
