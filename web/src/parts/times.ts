// SPDX-License-Identifier: Apache-2.0
// Moments in words, by the browser's locale and clock.

const near = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
    ["year", 31_557_600], ["month", 2_629_800], ["week", 604_800], ["day", 86_400], ["hour", 3600], ["minute", 60],
];

export function relative(at: string, now: number): string {
    const seconds = (Date.parse(at) - now) / 1000;
    if (Number.isNaN(seconds))
        return at;
    for (const [unit, size] of steps)
        if (Math.abs(seconds) >= size)
            return near.format(Math.trunc(seconds / size), unit);
    if (Math.abs(seconds) < 10)
        return "now";
    return near.format(Math.trunc(seconds), "second");
}

function format(how: Intl.DateTimeFormat, at: string | number): string {
    const date = new Date(at);
    return Number.isNaN(date.getTime()) ? String(at) : how.format(date);
}

export function exact(at: string | number): string { return format(whole, at); }
export function dayOf(at: string | number): string { return format(day, at); }
export function timeOf(at: string | number): string { return format(clock, at); }

/* The local day as <input type="date"> wants it. */
export function isoDay(at: number): string {
    const d = new Date(at);
    const two = (n: number) => String(n).padStart(2, "0");
    return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

/* Local date and time as <input type="datetime-local"> wants them. */
export function localMinute(at: string): string {
    const d = new Date(at);
    const two = (n: number) => String(n).padStart(2, "0");
    return Number.isNaN(d.getTime()) ? "" : `${isoDay(d.getTime())}T${two(d.getHours())}:${two(d.getMinutes())}`;
}
