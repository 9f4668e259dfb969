// SPDX-License-Identifier: Apache-2.0
// What a type's JSON Schema says about its sheet, in the form that the sheet wants. Nothing here knows a property by
// name: order, groups, units, secrets, values that follow others and values that exclude each other all come from the
// server's annotations.

export type Values = Record<string, unknown>;

export interface DependentDefault {
    on: string[];
    table: { when: Values; value: unknown }[];
}

export interface Schema {
    type?: string | string[];
    title?: string;
    description?: string;
    default?: unknown;
    const?: unknown;
    enum?: unknown[];
    minimum?: number;
    maximum?: number;
    minLength?: number;
    maxLength?: number;
    pattern?: string;
    readOnly?: boolean;
    writeOnly?: boolean;
    required?: string[];
    properties?: Record<string, Schema>;
    items?: Schema;
    oneOf?: Schema[];
    "x-order"?: number;
    "x-group"?: string;
    "x-unit"?: string;
    "x-enumTitles"?: string[];
    "x-multiline"?: boolean;
    "x-secret"?: boolean;
    "x-hidden"?: boolean;
    "x-marker"?: boolean;
    "x-role"?: string;
    "x-format"?: string;
    "x-refers"?: string;
    "x-dependentDefault"?: DependentDefault;
    "x-discriminator"?: string;
    "x-exclusive"?: string[][];
    "x-actions"?: Action[];
}

export interface Action {
    name: string;
    title: string;
    description?: string;
    role?: string;
    parameters?: Schema | null;
}

export type Kind = "boolean" | "enum" | "integer" | "quantity" | "text" | "multiline" | "secret" | "variant" | "time" | "object" | "list";

export interface Property {
    name: string;
    title: string;
    kind: Kind;
    readOnly: boolean;
    /* The role that may change it. */
    role: string;
    help: string;
    unit: string;
    schema: Schema;
}

export interface Group { title: string; properties: Property[] }

/* `useStartTls` is shown as "Use Start Tls"; only where the server gave no title. */
export function titleOf(name: string): string {
    const spaced = name.replace(/[-_]/g, " ").replace(/([a-z0-9])([A-Z])/g, "$1 $2");
    return spaced.replace(/(^|\s)\S/g, (c) => c.toUpperCase());
}

function isA(schema: Schema, type: string): boolean {
    return Array.isArray(schema.type) ? schema.type.includes(type) : schema.type === type;
}

function kindOf(schema: Schema): Kind {
    if (schema["x-secret"])
        return "secret";
    if (schema.oneOf && schema["x-discriminator"])
        return "variant";
    if (schema.enum)
        return "enum";
    if (isA(schema, "boolean"))
        return "boolean";
    if (schema["x-format"] === "time")
        return "time";
    if (isA(schema, "integer") || isA(schema, "number"))
        return schema["x-unit"] === "s" || schema["x-unit"] === "bytes" ? "quantity" : "integer";
    if (isA(schema, "object"))
        return "object";
    if (isA(schema, "array"))
        return "list";
    return schema["x-multiline"] ? "multiline" : "text";
}

/* The boolean beside a secret ("passwordSet") is part of the secret's editor, not a row. */
function isSetMark(name: string, all: Record<string, Schema>): boolean {
    return all[name]?.["x-marker"] === true || name.endsWith("Set") && all[name.slice(0, -3)]?.["x-secret"] === true;
}

export function propertiesOf(schema: Schema): Property[] {
    const all = schema.properties ?? {};
    return Object.entries(all)
        .filter(([name, s]) => !isSetMark(name, all) && s.const === undefined && !s["x-hidden"])
        .map(([name, s], place) => ({ name, s, order: s["x-order"] ?? 1000 + place }))
        .sort((a, b) => a.order - b.order)
        .map(({ name, s }) => ({
            name, schema: s, kind: kindOf(s), title: s.title ?? titleOf(name), readOnly: s.readOnly === true,
            role: s["x-role"] ?? "admin", help: s.description ?? "", unit: s["x-unit"] ?? "",
        }));
}

/* Groups in the order of their first property. */
export function groupsOf(properties: Property[], otherwise: string): Group[] {
    const groups = new Map<string, Property[]>();
    for (const p of properties) {
        const title = p.schema["x-group"] || otherwise;
        groups.set(title, [...(groups.get(title) ?? []), p]);
    }
    return [...groups].map(([title, list]) => ({ title, properties: list }));
}

export function defaultsOf(schema: Schema): Values {
    const values: Values = {};
    for (const [name, s] of Object.entries(schema.properties ?? {}))
        if (s.const !== undefined)
            values[name] = s.const;
        else if (s.default !== undefined && !s.readOnly)
            values[name] = s.default;
    return values;
}

/* What another kind of the same object begins with: its defaults, and what both kinds have, but never a secret. */
export function carriedOver(to: Schema, own: Values): Values {
    const values = defaultsOf(to);
    for (const [name, s] of Object.entries(to.properties ?? {}))
        if (name in own && s.const === undefined && !s["x-secret"] && !isSetMark(name, to.properties ?? {}) && (!s.enum || s.enum.includes(own[name])))
            values[name] = own[name];
    return values;
}

/* The branch of a `oneOf` that `value` belongs to. */
export function variantOf(schema: Schema, value: Values): Schema | undefined {
    const by = schema["x-discriminator"] ?? "type";
    return schema.oneOf?.find((v) => v.properties?.[by]?.const === value[by]);
}

export function enumTitle(schema: Schema, value: unknown): string {
    const at = schema.enum?.indexOf(value) ?? -1;
    const plain = String(value ?? "");
    return schema["x-enumTitles"]?.[at] ?? (/^[a-z][A-Za-z0-9]*$/.test(plain) ? titleOf(plain) : plain);
}

export function same(a: unknown, b: unknown): boolean {
    if (a === b)
        return true;
    if (typeof a !== "object" || typeof b !== "object" || !a || !b || Array.isArray(a) !== Array.isArray(b))
        return false;
    const left = a as Values, right = b as Values;
    const keys = Object.keys(left);
    return keys.length === Object.keys(right).length && keys.every((k) => k in right && same(left[k], right[k]));
}

/* The usual value of a property beside the values of those it depends on, or undefined where no row fits. */
export function usualValue(schema: Schema, values: Values): unknown {
    return rowFor(schema, values)?.value;
}

function rowFor(schema: Schema, values: Values) {
    return schema["x-dependentDefault"]?.table.find((row) => Object.entries(row.when).every(([k, v]) => values[k] === v));
}

/* What the usual value goes with, in words: the choices that were made, and the switches that are on. */
export function usualBecause(type: Schema, property: Schema, values: Values): string {
    const on = property["x-dependentDefault"]?.on ?? [];
    const words = on.flatMap((name) => {
        const s = type.properties?.[name];
        if (!s || values[name] === false)
            return [];
        return [values[name] === true ? s.title ?? titleOf(name) : enumTitle(s, values[name])];
    });
    return words.join(", ");
}

export interface Step { values: Values; cleared: string[]; followed: string[] }

/* One edit with all that comes with it: of properties that exclude each other only this one stays true, and a value
 * that was the usual one before becomes the usual one after (DESIGN 2.2). */
export function applyEdit(type: Schema, before: Values, name: string, value: unknown): Step {
    const values: Values = { ...before, [name]: value };
    const cleared: string[] = [];
    const followed: string[] = [];
    for (const set of type["x-exclusive"] ?? [])
        if (value === true && set.includes(name))
            for (const other of set)
                if (other !== name && values[other] === true) {
                    values[other] = false;
                    cleared.push(other);
                }
    const moved = [name, ...cleared];
    for (const [dependent, s] of Object.entries(type.properties ?? {})) {
        if (dependent === name || !s["x-dependentDefault"]?.on.some((n) => moved.includes(n)))
            continue;
        const usual = usualValue(s, values);
        if (usual !== undefined && !same(usual, values[dependent]) && same(before[dependent], usualValue(s, before))) {
            values[dependent] = usual;
            followed.push(dependent);
        }
    }
    return { values, cleared, followed };
}

/* RFC 7396. What the server alone writes is never sent. */
export function mergePatch(schema: Schema, base: Values, next: Values): Values {
    const patch: Values = {};
    for (const name of new Set([...Object.keys(base), ...Object.keys(next)])) {
        const s = schema.properties?.[name];
        if (s?.readOnly || isSetMark(name, schema.properties ?? {}) || same(base[name], next[name]))
            continue;
        if (s?.oneOf)
            patch[name] = variantPatch(s, (base[name] ?? {}) as Values, (next[name] ?? {}) as Values);
        else
            patch[name] = name in next ? next[name] : null;
    }
    for (const [dependent, s] of Object.entries(schema.properties ?? {}))
        if (s["x-dependentDefault"]?.on.some((n) => n in patch))
            patch[dependent] = next[dependent];       /* what was seen is what is saved: it doesn't move again */
    return patch;
}

/* Another kind takes all that it shows with it: the server drops what only the old one had. */
function variantPatch(schema: Schema, base: Values, next: Values): Values {
    const by = schema["x-discriminator"] ?? "type";
    const before = variantOf(schema, base);
    const after = variantOf(schema, next) ?? {};
    const members = after.properties ?? {};
    const stays = before === after;
    const patch: Values = stays ? {} : { [by]: next[by] };
    for (const [name, s] of Object.entries(members))
        if (name in next && name !== by && !s.readOnly && !isSetMark(name, members) && (!stays || !same(base[name], next[name])))
            patch[name] = next[name];
    return patch;
}

export type Complaint = { why: "number" } | { why: "range"; from: number; to: number } | { why: "long"; most: number };

/* What can be said before the server is asked. Its word is the last one in any case. */
export function complaintOf(property: Property, value: unknown): Complaint | null {
    const { minimum, maximum, maxLength } = property.schema;
    if (property.kind === "integer" || property.kind === "quantity") {
        if (typeof value !== "number" || !Number.isInteger(value))
            return { why: "number" };
        if (minimum !== undefined && maximum !== undefined && (value < minimum || value > maximum))
            return { why: "range", from: minimum, to: maximum };
    }
    if (typeof value === "string" && maxLength !== undefined && [...value].length > maxLength)
        return { why: "long", most: maxLength };
    return null;
}

/* What of an object another one may begin with: nothing that only the server writes, and no secret, since those never come out.
 * One that is read from a file by its name is no secret itself. */
export function copyOf(schema: Schema, own: Values): { values: Values; lost: string[] } {
    const all = schema.properties ?? {};
    const values: Values = {};
    const lost: string[] = [];
    for (const [name, s] of Object.entries(all)) {
        const value = own[name];
        if (s["x-secret"]) {
            if (value !== undefined)
                values[name] = value;
            else if (own[`${name}Set`] === true)
                lost.push(s.title ?? titleOf(name));
        } else if (value !== undefined && !s.readOnly && !isSetMark(name, all) && name !== "name") {
            const inside = s.oneOf && s["x-discriminator"] ? copyOf(variantOf(s, value as Values) ?? {}, value as Values) : { values: value, lost: [] };
            values[name] = inside.values;
            lost.push(...inside.lost);
        }
    }
    return { values, lost };
}
