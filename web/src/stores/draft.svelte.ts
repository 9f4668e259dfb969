// SPDX-License-Identifier: Apache-2.0
// What a person has typed into a sheet and not saved yet. Drafts are kept by resource for as long as the page is open,
// so going elsewhere, a lost connection or an ended session costs nothing.
import { Problem, request } from "../api";
import type { FieldError, Warning } from "../model";
import { measured } from "../fields/field";
import { applyEdit, complaintOf, mergePatch, propertiesOf, same, type Schema, type Values } from "../schema";
import { t } from "../texts";
import { detached } from "./detached.svelte";

export interface Follow { by: string }

export class Draft {
    base = $state.raw<Values>({});
    edits = $state.raw<Values>({});
    /* Values that moved because another was changed. */
    follows = $state.raw<Record<string, Follow>>({});
    /* By JSON Pointer. */
    errors = $state.raw<Record<string, string>>({});
    warnings = $state.raw<Record<string, string>>({});
    /* What someone else saved in between, where it was edited here too. */
    theirs = $state.raw<Values>({});
    conflict = $state(false);
    loaded = $state(false);
    saving = $state(false);
    etag: string | null = null;

    constructor(readonly path: string, readonly schema: Schema) {}

    /* Not $derived: a draft outlives the view that first asked for it, and a derived value doesn't. */
    get values(): Values { return { ...this.base, ...this.edits }; }
    get changed(): string[] { return Object.keys(this.edits); }

    /* Takes what the server has; edits stay on top of it. */
    async load(): Promise<void> {
        const answer = await request<Values>(this.path);
        this.#take(answer.data, answer.etag);
        this.loaded = true;
    }

    /* The same, quietly; true where it was another by now. */
    async reread(): Promise<boolean> {
        const answer = await request<Values>(this.path);
        if (answer.etag === this.etag)
            return false;
        this.#take(answer.data, answer.etag);
        return true;
    }

    edit(name: string, value: unknown): void {
        const step = applyEdit(this.schema, this.values, name, value);
        const follows = { ...this.follows };
        delete follows[name];
        for (const other of [...step.followed, ...step.cleared])
            follows[other] = { by: name };
        this.#overlay(step.values, follows);
        this.#forget([name, ...step.cleared, ...step.followed]);
    }

    /* Back to what is stored, for this row alone; what follows it moves back with it. */
    undo(name: string): void {
        if (this.follows[name]) {
            const { [name]: _, ...follows } = this.follows;
            this.#overlay({ ...this.values, [name]: this.base[name] }, follows);
            this.#forget([name]);
        } else {
            this.edit(name, this.base[name]);
        }
    }

    undoAll(): void {
        this.edits = {};
        this.follows = {};
        this.errors = {};
        this.warnings = {};
        this.theirs = {};
        this.conflict = false;
    }

    takeTheirs(name: string): void {
        this.undo(name);
        this.keepMine(name);
    }

    keepMine(name: string): void {
        const { [name]: _, ...rest } = this.theirs;
        this.theirs = rest;
        if (Object.keys(rest).length === 0)
            this.conflict = false;
    }

    /* The same answer for every row that both changed. */
    settle(take: boolean): void {
        for (const name of Object.keys(this.theirs))
            if (take) this.takeTheirs(name); else this.keepMine(name);
        this.conflict = false;
    }

    /* True when saved. Refusals stay at their rows; what isn't a refusal of a value is thrown. */
    async save(): Promise<boolean> {
        this.errors = this.#complaints();
        if (Object.keys(this.errors).length > 0)
            return false;
        this.saving = true;
        try {
            const answer = await request<Values & { warnings?: Warning[] }>(this.path, {
                method: "PATCH", body: mergePatch(this.schema, this.base, this.values), ifMatch: this.etag,
            });
            const { warnings, ...values } = answer.data;
            this.edits = {};
            this.follows = {};
            this.theirs = {};
            this.conflict = false;
            this.#take(values, answer.etag);
            this.warnings = byPointer(warnings ?? []);
            return true;
        } catch (cause) {
            return await this.#refused(cause);
        } finally {
            this.saving = false;
        }
    }

    async #refused(cause: unknown): Promise<false> {
        if (!(cause instanceof Problem))
            throw cause;
        if (cause.status === 412) {
            await this.#rebase();
            return false;
        }
        if (cause.errors.length === 0)
            throw cause;
        this.errors = byPointer(cause.errors);
        return false;
    }

    /* Someone was faster. Their values come under ours; rows that both changed show both. */
    async #rebase(): Promise<void> {
        const before = this.base;
        const answer = await request<Values>(this.path);
        const theirs: Values = {};
        for (const name of this.changed)
            if (!same(before[name], answer.data[name]))
                theirs[name] = answer.data[name];
        this.#take(answer.data, answer.etag);
        this.theirs = theirs;
        this.conflict = true;
    }

    #take(values: Values, etag: string | null): void {
        this.base = values;
        this.etag = etag;
        this.#overlay({ ...values, ...this.edits }, this.follows);
    }

    #overlay(values: Values, follows: Record<string, Follow>): void {
        const edits: Values = {};
        for (const [name, value] of Object.entries(values))
            if (!same(value, this.base[name]))
                edits[name] = value;
        this.edits = edits;
        this.follows = Object.fromEntries(Object.entries(follows).filter(([name]) => name in edits));
    }

    #forget(names: string[]): void {
        const kept = ([pointer]: [string, string]) => !names.some((n) => pointer === `/${n}` || pointer.startsWith(`/${n}/`));
        this.errors = Object.fromEntries(Object.entries(this.errors).filter(kept));
        this.warnings = Object.fromEntries(Object.entries(this.warnings).filter(kept));
    }

    #complaints(): Record<string, string> {
        const found: Record<string, string> = {};
        for (const property of propertiesOf(this.schema)) {
            const why = property.name in this.edits ? complaintOf(property, this.edits[property.name]) : null;
            if (why)
                found[`/${property.name}`] = t.complaint(why, (n) => measured(property, n));
        }
        return found;
    }
}

export function byPointer(list: (FieldError | Warning)[]): Record<string, string> {
    const map: Record<string, string> = {};
    for (const { pointer, detail } of list)
        map[pointer] = map[pointer] ? `${map[pointer]} ${detail}` : detail;
    return map;
}

const kept = new Map<string, Draft>();

export function draftOf(path: string, schema: Schema): Draft {
    let draft = kept.get(path);
    if (!draft) {
        draft = detached(() => new Draft(path, schema));
        kept.set(path, draft);
    }
    return draft;
}

/* After a change that went past the sheet. What was typed stays on top. */
export async function reloadDraft(path: string): Promise<void> {
    const draft = kept.get(path);
    if (draft?.loaded)
        await draft.load();
}

export function hasChanges(path: string): boolean {
    return changesOf(path) > 0;
}

export function changesOf(path: string): number { return kept.get(path)?.changed.length ?? 0; }
export function draftAt(path: string): Draft | undefined { return kept.get(path); }
export function discard(path: string): void { kept.get(path)?.undoAll(); }

export function forgetDraft(path: string): void {
    kept.delete(path);
}

addEventListener("beforeunload", (event) => {
    for (const draft of kept.values())
        if (draft.changed.length > 0)
            event.preventDefault();
});
