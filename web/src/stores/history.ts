// SPDX-License-Identifier: Apache-2.0
// Who set which property last, from the audit trail: for those who may read it.
import { get } from "../api";
import type { AuditEntry, Page } from "../model";

export interface Setting { by: string; at: string }
export interface History { settings: Record<string, Setting>; last: Setting | null }

/* One page of it: what was set before the last 500 changes is told as nobody's. */
export async function historyOf(resource: string): Promise<History> {
    const history: History = { settings: {}, last: null };
    const { items } = await get<Page<AuditEntry>>(`/audit?limit=500&resource=${encodeURIComponent(resource)}`);
    for (const { action, user, at, detail } of items) {
        if (action !== "change" && action !== "create")
            continue;
        const setting = { by: user, at: at ?? "" };
        history.last ??= setting;
        if (action === "create")            /* what was before belonged to another one of this name */
            break;
        for (const name of (detail?.["properties"] as string[] | undefined) ?? [])
            history.settings[name] ??= setting;
    }
    return history;
}
