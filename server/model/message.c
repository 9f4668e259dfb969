/* SPDX-License-Identifier: Apache-2.0 */
#include "model/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/encode.h"

const char *const message_state_names[] = { "queued", "sending", "held", "deferred", "sent", "failed", "canceled",
                                            "uncertain", "received", NULL };
const char *const message_direction_names[] = { "outgoing", "incoming", NULL };

int message_state_from(const char *name)
{
    for (int i = 0; message_state_names[i]; i++)
        if (strcmp(message_state_names[i], name) == 0)
            return i;
    return -1;
}

/* RFC 9562 5.7: 48 bits of milliseconds, then random bits. */
void message_id_make(char id[MESSAGE_ID_LEN + 1], int64_t now)
{
    uint8_t b[16];
    char hex[33];

    if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
        abort();
    for (int i = 0; i < 6; i++)
        b[i] = (uint8_t)((uint64_t)now >> (40 - 8 * i));
    b[6] = (uint8_t)(0x70 | (b[6] & 0x0f));
    b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
    hex_encode(b, sizeof(b), hex);
    snprintf(id, MESSAGE_ID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

struct message *message_new(void)
{
    struct message *message = mem_alloc(sizeof(*message));

    message->created_at = clock_now();
    message_id_make(message->id, message->created_at);
    return message;
}

void message_free(struct message *message)
{
    if (message == NULL)
        return;
    for (size_t i = 0; i < message->recipient_count; i++) {
        free(message->recipients[i].address);
        free(message->recipients[i].enhanced);
        free(message->recipients[i].text);
    }
    free(message->recipients);
    free(message->account);
    free(message->sender);
    free(message->from);
    free(message->to);
    free(message->subject);
    free(message->message_id);
    free(message->last_code);
    free(message->last_cause);
    free(message->created_by);
    free(message->report);
    free(message->related);
    free(message);
}
