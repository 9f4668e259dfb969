// SPDX-License-Identifier: Apache-2.0
// The last verification of each account; it goes on while another page is looked at.
import { post, segment } from "../api";
import type { Verification } from "../model";
import { detached } from "./detached.svelte";
import { accounts } from "./accounts.svelte";
import { live } from "./live.svelte";
import { wordsFor } from "./notices.svelte";

class Run {
    running = $state(false);
    since = $state(0);
    at = $state(0);
    result = $state.raw<Verification | null>(null);
    refused = $state("");
    #stop: AbortController | null = null;

    constructor(readonly account: string) {}

    async run(): Promise<void> {
        if (this.running)
            return;
        const stop = new AbortController();
        this.#stop = stop;
        this.running = true;
        this.since = Date.now();
        this.refused = "";
        try {
            this.result = await post<Verification>(`/accounts/${segment(this.account)}/actions/verify`, {}, {
                timeout: 600_000, signal: stop.signal,      /* the account's own time-out ends it before that */
            });
            this.at = Date.now();
            await Promise.all([accounts.reload([this.account]), live.refreshHosts()]);
        } catch (cause) {
            if (!stop.signal.aborted)
                this.refused = wordsFor(cause);
        } finally {
            this.running = false;
        }
    }

    /* Stops waiting; the server finishes its attempt by itself. */
    stop(): void { this.#stop?.abort(); }
}

const runs = new Map<string, Run>();

export function verificationOf(account: string): Run {
    let run = runs.get(account);
    if (!run) {
        run = detached(() => new Run(account));
        runs.set(account, run);
    }
    return run;
}
