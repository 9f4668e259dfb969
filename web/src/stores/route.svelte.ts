// SPDX-License-Identifier: Apache-2.0
// Where we are: the part after '#', so that the server needs to know one page only.

class Route {
    parts = $state.raw<string[]>([]);
    /* Where somebody wants to go whom the guard holds back. */
    held = $state<string | null>(null);
    /* Whether this place may be left for that one without a question. */
    guard: (from: string[], to: string[]) => boolean = () => true;
    #hash = location.hash;

    constructor() {
        this.parts = partsOf(location.hash);
        addEventListener("hashchange", () => this.#moved());
    }

    /* Goes where it was held back from. */
    leave(): void {
        const to = this.held;
        this.held = null;
        if (to !== null)
            this.#take(to);
    }

    stay(): void { this.held = null; }

    #moved(): void {
        const to = location.hash;
        if (to === this.#hash)
            return;
        if (this.guard(this.parts, partsOf(to))) {
            this.#take(to);
        } else {
            history.replaceState(null, "", this.#hash || "#/");
            this.held = to;
        }
    }

    #take(hash: string): void {
        this.#hash = hash;
        this.parts = partsOf(hash);
        if (location.hash !== hash)
            location.hash = hash;
    }
}

function partsOf(hash: string): string[] {
    return hash.replace(/^#\/?/, "").split("/").filter(Boolean).map((part) => {
        try {
            return decodeURIComponent(part);
        } catch {
            return part;
        }
    });
}

export const route = new Route();

export function href(...parts: string[]): string {
    return `#/${parts.map((part) => encodeURIComponent(part).replace(/%3A/gi, ":")).join("/")}`;
}

export function go(...parts: string[]): void {
    location.hash = href(...parts);
}
