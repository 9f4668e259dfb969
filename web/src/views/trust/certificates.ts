// SPDX-License-Identifier: Apache-2.0
import type { Certificate } from "../../model";

const day = 86_400_000;
export const soon = 30;                 /* days, within which an end is worth a word */

export function keyOf(c: Certificate): string {
    return [c.keyType, c.keyBits ? String(c.keyBits) : ""].filter(Boolean).join(" ");
}

/* One part of a name: "CN=mail,O=Plant" has a CN. */
function partOf(name: string, part: string): string | undefined {
    return new RegExp(`(?:^|,)\\s*${part}=((?:\\\\.|[^,\\\\])+)`, "i").exec(name)?.[1]?.replace(/\\(.)/g, "$1");
}

/* What people know a name by: its CN, else its OU or O, else all of it. */
export function shortOf(name: string): string {
    return partOf(name, "CN") ?? partOf(name, "OU") ?? partOf(name, "O") ?? name;
}

export function shortName(c: Certificate): string {
    return c.subject ? shortOf(c.subject) : c.sans[0] ?? c.sha256.slice(0, 16);
}

/* Whole days until it ends; negative: over since so many. */
export function daysLeft(at: string, now: number): number {
    return Math.floor((Date.parse(at) - now) / day);
}

export type Standing = "good" | "ask" | "bad";

export function standingOf(c: Certificate, now: number): Standing {
    const left = daysLeft(c.notAfter, now);
    return left < 0 || Date.parse(c.notBefore) > now ? "bad" : left < soon ? "ask" : "good";
}
