// SPDX-License-Identifier: Apache-2.0
// SHA-256 fingerprints as people handle them: read aloud in groups of four, pasted in whatever form they were told.

const digits = 64;

export function groupsOf(hex: string): string[] {
    return hex.replace(/[^0-9a-f]/gi, "").toUpperCase().match(/.{1,4}/g) ?? [];
}

/* Lower-case hex without separators; null where the text is no fingerprint, nor the beginning of one. */
export function read(text: string): string | null {
    const bare = text.trim().replace(/^(sha-?256)?(\s*fingerprint)?\s*[:=]?\s*/i, "");
    const hex = bare.replace(/[\s:.-]/g, "");
    if (/^[0-9a-f]*$/i.test(hex) && hex.length <= digits)
        return hex.toLowerCase();
    const base64 = /^([A-Za-z0-9+/]{43})=?$/.exec(bare.replace(/-/g, "+").replace(/_/g, "/"));
    if (!base64)
        return null;
    const raw = atob(`${base64[1]}=`);
    return [...raw].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("");
}

export type Comparison =
    | { is: "empty" } | { is: "unreadable" } | { is: "same" } | { is: "so-far"; digits: number } | { is: "different"; groups: number[] };

/* `groups` are those of four digits, counted from 0, where the two differ. */
export function compare(shown: string, typed: string): Comparison {
    if (typed.trim() === "")
        return { is: "empty" };
    const given = read(typed);
    const own = shown.replace(/[^0-9a-f]/gi, "").toLowerCase();
    if (given === null || given === "")
        return { is: "unreadable" };
    const groups: number[] = [];
    for (let at = 0; at < given.length; at += 4) {
        const part = given.slice(at, at + 4);
        if (part !== own.slice(at, at + part.length))
            groups.push(at / 4);
    }
    if (groups.length > 0)
        return { is: "different", groups };
    return given.length === own.length ? { is: "same" } : { is: "so-far", digits: given.length };
}
