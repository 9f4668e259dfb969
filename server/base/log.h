/* SPDX-License-Identifier: Apache-2.0 */
/* server/base/log.h - one line an event to stderr, as text or JSON. Never a secret, never a message body. */
#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_setup(enum log_level level, bool json);
bool log_level_from(const char *name, enum log_level *ret);     /* "error", "warning", "info", "debug" */
/* `where` is the component or module: "store", "account/alerts". Control characters are replaced. */
void log_at(enum log_level level, const char *where, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_error(where, ...) log_at(LOG_LEVEL_ERROR, where, __VA_ARGS__)
#define log_warning(where, ...) log_at(LOG_LEVEL_WARNING, where, __VA_ARGS__)
#define log_info(where, ...) log_at(LOG_LEVEL_INFO, where, __VA_ARGS__)
#define log_debug(where, ...) log_at(LOG_LEVEL_DEBUG, where, __VA_ARGS__)

#endif
