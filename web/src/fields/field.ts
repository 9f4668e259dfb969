// SPDX-License-Identifier: Apache-2.0
// What every field gets, and how a value reads where it isn't edited.
import { exact } from "../parts/times";
import { enumTitle, variantOf, type Property, type Values } from "../schema";
import { t } from "../texts";

export interface FieldProps {
    id: string;
    property: Property;
    value: unknown;
    disabled: boolean;
    invalid: boolean;
    describedby: string | undefined;
    /* For what is made of more than one value: the object around, where it stands, and what is wrong inside. */
    siblings: Values;
    stored: Values;
    pointer: string;
    errors: Record<string, string>;
    onchange: (value: unknown) => void;
}

/* Names of the components of a type, for a value that names one; whoever knows them says so here. */
export const suggestions = { of: async (_type: string): Promise<string[]> => [] };

/* A value in words: "465", "true", "TLS 1.2", "Basic · plant". */
export function display(property: Property, value: unknown): string {
    if (value === undefined || value === null || value === "")
        return t.sheet.empty;
    switch (property.kind) {
    case "boolean": return value ? t.boolean.true : t.boolean.false;
    case "enum": return enumTitle(property.schema, value);
    case "secret": return t.secret.set;
    case "variant": return summary(property, value as Values);
    case "list": return (value as unknown[]).join(", ") || t.common.none;
    case "object": return JSON.stringify(value);
    case "quantity": return typeof value === "number" ? measured(property, value) : String(value);
    case "time": return exact(String(value));
    default: return String(value);
    }
}

/* The variant's name and the first of its plain texts: enough to know it by. */
export function summary(property: Property, value: Values): string {
    const variant = variantOf(property.schema, value);
    const by = property.schema["x-discriminator"] ?? "type";
    const parts = [variant?.title ?? String(value[by] ?? "")];
    for (const [name, s] of Object.entries(variant?.properties ?? {})) {
        const own = value[name];
        if (s["x-secret"]) {
            if (own || value[`${name}Set`])
                parts.push(`${(s.title ?? name).toLowerCase()} ${own ? t.secret.willBeSet : t.secret.set}`);
        } else if (name !== by && !s.enum && typeof own === "string" && own !== "" && parts.length < 3) {
            parts.push(own);
        }
    }
    return parts.join(" · ");
}

/* Units that are said in larger ones, smallest first. */
export const scales: Record<string, [number, string][]> = {
    s: [[1, t.units.names.second], [60, t.units.names.minute], [3600, t.units.names.hour], [86400, t.units.names.day]],
    bytes: [[1, t.units.names.byte], [1024, "KiB"], [1048576, "MiB"], [1073741824, "GiB"]],
};

/* The largest unit that says it in a whole number. */
export function scaleOf(unit: string, value: unknown): number {
    const known = scales[unit] ?? [];
    const whole = typeof value === "number" && value !== 0 ? known.filter(([size]) => value % size === 0) : [];
    return whole.at(-1)?.[0] ?? 1;
}

/* A number with its unit, as people say it: 432000 s are 5 days. */
export function measured(property: Property, value: number): string {
    if (property.unit === "s")
        return t.units.duration(value);
    if (property.unit === "bytes")
        return t.units.bytes(value);
    return property.unit ? `${value.toLocaleString()} ${property.unit}` : String(value);
}
