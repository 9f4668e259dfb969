// SPDX-License-Identifier: Apache-2.0
// What went through in the last day, hour by hour, counted from the list of messages.
import { get } from "../../api";
import type { MessageItem, Page } from "../../model";

export interface Hour { at: number; sent: number; failed: number; received: number }
/* `since`: the list was longer than it is worth reading, and the count begins there. */
export interface Traffic { hours: Hour[]; since: number | null }

export const hours = 24;
const hour = 3_600_000, pages = 6;
const good = new Set(["sent"]), bad = new Set(["failed", "uncertain"]);

export function count(items: MessageItem[], now: number): Hour[] {
    const last = Math.floor(now / hour) * hour;
    const made = Array.from({ length: hours }, (_, i) => ({ at: last - (hours - 1 - i) * hour, sent: 0, failed: 0, received: 0 }));
    for (const m of items) {
        const slot = made[hours - 1 - (last - Math.floor(Date.parse(m.date ?? "") / hour) * hour) / hour];
        if (!slot)
            continue;
        if (m.direction === "incoming")
            slot.received++;
        else if (good.has(m.state))
            slot.sent++;
        else if (bad.has(m.state))
            slot.failed++;
    }
    return made;
}

export async function trafficOf(account: string, now: number): Promise<Traffic> {
    const first = Math.floor(now / hour) * hour - (hours - 1) * hour;
    const items: MessageItem[] = [];
    let path: string | null = `/messages?limit=500&since=${encodeURIComponent(new Date(first).toISOString().replace(/\.\d+Z$/, "Z"))}${account ? `&account=${encodeURIComponent(account)}` : ""}`;
    for (let n = 0; path && n < pages; n++) {
        const page: Page<MessageItem> = await get<Page<MessageItem>>(path);
        items.push(...page.items);
        path = page.next && page.next.replace(/^\/api\/v1/, "");
    }
    return { hours: count(items, now), since: path ? Date.parse(items.at(-1)?.date ?? "") : null };
}
