// SPDX-License-Identifier: Apache-2.0
// Where we are: the part after '#', so that the server needs to know one page only.

class Route {
    parts = $state.raw<string[]>([]);

    constructor() {
        this.#read();
        addEventListener("hashchange", () => this.#read());
    }

    #read(): void {
        this.parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map((part) => {
            try {
                return decodeURIComponent(part);
            } catch {
                return part;
            }
        });
    }
}

export const route = new Route();

export function href(...parts: string[]): string {
    return `#/${parts.map((part) => encodeURIComponent(part).replace(/%3A/gi, ":")).join("/")}`;
}

export function go(...parts: string[]): void {
    location.hash = href(...parts);
}
