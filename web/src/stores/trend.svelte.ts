// SPDX-License-Identifier: Apache-2.0
// How deep each queue was since this page was opened: the server tells the depth of now only.
import { accounts } from "./accounts.svelte";

export interface Depth { at: number; size: number }

const most = 600;           /* per account; the older half is thinned */

class Trend {
    since = Date.now();
    #known = new Map<string, Depth[]>();
    /* Counts what was noted: reading it is what makes a chart follow. */
    #noted = $state(0);

    constructor() {
        $effect.root(() => {
            $effect(() => this.#note());
        });
    }

    /* "": of all accounts together. */
    of(account: string): Depth[] {
        void this.#noted;
        return this.#known.get(account) ?? [];
    }

    #note(): void {
        const at = Date.now();
        let all = 0, changed = false;
        for (const { name, queueSize } of accounts.items) {
            if (queueSize === undefined)
                continue;
            all += queueSize;
            changed = this.#add(name, at, queueSize) || changed;
        }
        if (accounts.complete)
            changed = this.#add("", at, all) || changed;
        if (changed)
            queueMicrotask(() => { this.#noted++; });
    }

    #add(name: string, at: number, size: number): boolean {
        const depths = this.#known.get(name) ?? [];
        if (depths.at(-1)?.size === size)
            return false;
        depths.push({ at, size });
        this.#known.set(name, depths.length > most ? depths.filter((_, i) => i % 2 === 0 || i > most / 2) : depths);
        return true;
    }
}

export const trend = new Trend();
