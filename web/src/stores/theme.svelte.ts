// SPDX-License-Identifier: Apache-2.0
// Light, dark, or as the system has it (nothing stored).

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
        try {
            if (this.#chosen)
                localStorage.setItem(key, this.#chosen);
            else
                localStorage.removeItem(key);
        } catch {
            /* no storage here: the choice holds for this page */
        }
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
    try {
        const stored = localStorage.getItem(key);
        return stored === "light" || stored === "dark" ? stored : null;
    } catch {
        return null;
    }
}

export const theme = new Theme();
