// SPDX-License-Identifier: Apache-2.0
// Every account with its status, read page by page: there may be thousands. What didn't change stays the same object, so that
// nothing is drawn again for it.
import { get, Problem, segment } from "../api";
import type { Account, Page } from "../model";
import { same } from "../schema";

const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
const pageSize = 500;

class Accounts {
    /* In order of name; replaced whole. */
    items = $state.raw<Account[]>([]);
    /* Whether all of them were read once. */
    complete = $state(false);
    #byName = $derived(new Map(this.items.map((a) => [a.name, a])));

    get(name: string): Account | undefined { return this.#byName.get(name); }

    async load(): Promise<void> {
        const found = new Map<string, Account>();
        let path: string | null = `/accounts?include=status&limit=${pageSize}`;
        while (path) {
            const page: Page<Account> = await get<Page<Account>>(path);
            for (const { etag: _, ...account } of page.items)       /* one that is read alone has none */
                found.set(account.name, account);
            path = page.next && page.next.replace(/^\/api\/v1/, "");
            if (!this.complete && path)
                this.#take([...found.values()]);        /* the first of them are worth seeing before the last is here */
        }
        this.#take([...found.values()]);
        this.complete = true;
    }

    /* These alone; one that isn't there any more is dropped. */
    async reload(names: Iterable<string>): Promise<void> {
        const answers = await Promise.all([...names].map(async (name) => {
            try {
                return { name, account: await get<Account>(`/accounts/${segment(name)}?include=status`) };
            } catch (cause) {
                if (cause instanceof Problem && cause.status === 404)
                    return { name, account: null };
                throw cause;
            }
        }));
        const next = new Map(this.#byName);
        for (const { name, account } of answers)
            if (account)
                next.set(name, account);
            else
                next.delete(name);
        this.#take([...next.values()]);
    }

    #take(items: Account[]): void {
        const kept = items.map((item) => {
            const known = this.#byName.get(item.name);
            return known && same(known, item) ? known : item;
        });
        kept.sort((a, b) => order.compare(a.name, b.name));
        if (kept.length !== this.items.length || kept.some((a, at) => a !== this.items[at]))
            this.items = kept;
    }
}

export const accounts = new Accounts();
