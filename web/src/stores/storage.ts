// SPDX-License-Identifier: Apache-2.0
// What this browser remembers between visits: conveniences only, so a browser that forbids it loses nothing.

export function recall(key: string): string | null {
    try {
        return localStorage.getItem(key);
    } catch {
        return null;
    }
}

export function remember(key: string, value: string | null): void {
    try {
        if (value === null)
            localStorage.removeItem(key);
        else
            localStorage.setItem(key, value);
    } catch {
        /* holds for this page only */
    }
}
