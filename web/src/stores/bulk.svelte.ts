// SPDX-License-Identifier: Apache-2.0
// One thing done to many, a few at a time; it goes on while another page is looked at.
import { Unreachable } from "../api";
import { wordsFor } from "./notices.svelte";

const atOnce = 4;

class Bulk {
    title = $state("");
    total = $state(0);
    done = $state(0);
    running = $state(false);
    failures = $state.raw<{ name: string; why: string }[]>([]);
    #stopped = false;

    /* `act` answers with what went wrong though nothing was refused, or "". */
    async run(title: string, names: string[], act: (name: string) => Promise<string | void>): Promise<void> {
        if (this.running)
            return;
        this.title = title;
        this.total = names.length;
        this.done = 0;
        this.failures = [];
        this.running = true;
        this.#stopped = false;
        const left = [...names];
        const work = async () => {
            for (let name = left.shift(); name !== undefined && !this.#stopped; name = left.shift()) {
                const why = await act(name).catch((cause: unknown) => {
                    this.#stopped ||= cause instanceof Unreachable;
                    return wordsFor(cause);
                });
                if (why)
                    this.failures = [...this.failures, { name, why }];
                this.done++;
            }
        };
        await Promise.all(Array.from({ length: atOnce }, work));
        this.running = false;
    }

    stop(): void { this.#stopped = true; }
    clear(): void { this.total = 0; }
}

export const bulk = new Bulk();
