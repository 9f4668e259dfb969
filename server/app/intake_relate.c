/* SPDX-License-Identifier: Apache-2.0 */
/* Which sent message a report speaks of. Whoever knows a Message-ID can forge one, so the report is shown beside the message,
 * and nothing else changes. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "app/events.h"
#include "app/intake.h"
#include "store/store.h"

static bool is_bounce(const json_t *report)
{
    const json_t *recipient;
    size_t i;

    json_array_foreach(json_object_get(report, "recipients"), i, recipient) {
        const char *action = json_string_value(json_object_get(recipient, "action"));

        if (action && strcmp(action, "failed") == 0)
            return true;
    }
    return false;
}

/* 1: `id` is the sent message. */
static int find_sent(struct store_tx *tx, const json_t *report, char id[MESSAGE_ID_LEN + 1], struct err *err)
{
    const json_t *one;
    size_t i;
    int rc = 0;

    json_array_foreach(json_object_get(report, "messageIds"), i, one) {
        rc = store_message_sent(tx, json_string_value(one), id, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int add_event(struct store_tx *tx, const struct message *report, json_t *said, struct err *err)
{
    AUTO_FREE char *resource = mem_printf("Message/%s", report->related);
    AUTO(message) sent = NULL;

    if (store_message_find(tx, report->related, &sent, err) < 0)
        return -1;
    return events_add(tx, "message.bounced", sent->account, resource,
                      json_pack("{s:s, s:s, s:s*, s:s*, s:O}", "report", report->id, "reportAccount", report->account, "messageId",
                                sent->message_id, "subject", sent->subject, "recipients", json_object_get(said, "recipients")),
                      err);
}

static int relate(struct store_tx *tx, struct message *message, json_t *report, struct err *err)
{
    char id[MESSAGE_ID_LEN + 1];
    int rc = find_sent(tx, report, id, err);

    if (rc <= 0)
        return rc;
    if (store_message_relate(tx, message->seq, id, err) < 0)
        return -1;
    free(message->related);
    message->related = mem_strdup(id);
    return is_bounce(report) ? add_event(tx, message, report, err) : 0;
}

int intake_relate(struct store_tx *tx, struct message *message, struct err *err)
{
    json_t *report = message->report ? json_loads(message->report, 0, NULL) : NULL;
    int rc;

    if (report == NULL)
        return 0;
    rc = relate(tx, message, report, err);
    json_decref(report);
    return rc;
}
