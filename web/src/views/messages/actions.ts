// SPDX-License-Identifier: Apache-2.0
// What a state allows: DESIGN 3. The server has the last word.
import type { Message } from "../../model";
import { t } from "../../texts";

export interface MessageAction { name: string; title: string }

const { retry, cancel, hold, release, acknowledge } = t.messages;
const byState: Record<string, MessageAction[]> = {
    queued: [{ name: "hold", title: hold }, { name: "cancel", title: cancel }],
    deferred: [{ name: "retry", title: retry }, { name: "hold", title: hold }, { name: "cancel", title: cancel }],
    held: [{ name: "release", title: release }, { name: "cancel", title: cancel }],
    failed: [{ name: "retry", title: retry }],
    uncertain: [{ name: "retry", title: retry }, { name: "cancel", title: cancel }],
};

export function actionsFor(message: Message): MessageAction[] {
    if (message.direction === "incoming")
        return message.acknowledged ? [] : [{ name: "acknowledge", title: acknowledge }];
    return byState[message.state] ?? [];
}
