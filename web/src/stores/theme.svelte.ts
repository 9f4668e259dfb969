// SPDX-License-Identifier: Apache-2.0
// Light, dark, or as the system has it (nothing stored).
import { recall, remember } from "./storage";

type Scheme = "light" | "dark";
const key = "postern.scheme";
const system = matchMedia("(prefers-color-scheme: dark)");

class Theme {
    #chosen = $state<Scheme | null>(read());
    #dark = $state(system.matches);
    scheme = $derived<Scheme>(this.#chosen ?? (this.#dark ? "dark" : "light"));

    constructor() {
        system.addEventListener("change", () => { this.#dark = system.matches; });
        this.#show();
    }

    toggle(): void {
        const next: Scheme = this.scheme === "dark" ? "light" : "dark";
        this.#chosen = next === (this.#dark ? "dark" : "light") ? null : next;
        remember(key, this.#chosen);
        this.#show();
    }

    #show(): void {
        if (this.#chosen)
            document.documentElement.dataset["scheme"] = this.#chosen;
        else
            delete document.documentElement.dataset["scheme"];
    }
}

function read(): Scheme | null {
    const stored = recall(key);
    return stored === "light" || stored === "dark" ? stored : null;
}

export const theme = new Theme();
