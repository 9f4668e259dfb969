/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/session.h - browser sessions, in memory only: a restart ends them all.
 *
 * A cookie is 16 hex digits that find the session and 64 that prove it, compared in constant time. */
#ifndef POSTERN_HTTP_SESSION_H
#define POSTERN_HTTP_SESSION_H

#include "http/http.h"

#define SESSION_COOKIE_LEN (16 + 64)

struct sessions;

struct sessions *sessions_new(size_t max, int64_t idle, int64_t life);      /* ms */
void sessions_free(struct sessions *sessions);

/* `now` is in ms, from clock_mono(). -1: no random numbers to be had. */
int session_begin(struct sessions *sessions, const struct http_identity *who, int64_t now,
                  char cookie[SESSION_COOKIE_LEN + 1], char csrf[HTTP_CSRF_MAX]);
/* Fills `who` (username and role) and `csrf`, and counts as use. */
bool session_find(struct sessions *sessions, struct str cookie, int64_t now, struct http_identity *who,
                  char csrf[HTTP_CSRF_MAX]);
void session_end(struct sessions *sessions, struct str cookie);
void session_end_user(struct sessions *sessions, const char *username);
size_t session_count(struct sessions *sessions);

#endif
