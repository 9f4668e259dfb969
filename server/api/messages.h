/* SPDX-License-Identifier: Apache-2.0 */
/* server/api/messages.h - what the files about /messages share; for message*.c only. */
#ifndef POSTERN_API_MESSAGES_H
#define POSTERN_API_MESSAGES_H

#include "api/api.h"
#include "model/message.h"

/* ---- message_json.c ---- */

json_t *api_time_json(int64_t at);              /* 0: null */
json_t *api_text_json(const char *text);        /* NULL, "": null */
json_t *api_message_item(const struct message *message);        /* as in lists */
json_t *api_message_json(const struct message *message);        /* all but its content */

/* ---- message_content.c ---- */

/* The caller's; NULL: answered. */
struct message *api_find_message(struct http_call *call);
void message_get(struct http_call *call);
void message_raw(struct http_call *call);
void message_attachment(struct http_call *call);

/* ---- message_list.c ---- */

void message_list(struct http_call *call);
void message_acknowledge(struct http_call *call);

#endif
