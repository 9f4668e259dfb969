// SPDX-License-Identifier: Apache-2.0
// What the menus do; what needs a dialog is left in `open`, and Dialogs.svelte shows it.
import { get, post, Problem, request, segment } from "../api";
import type { Account, Change, Plan, Role } from "../model";
import { copyOf, type Action, type Values } from "../schema";
import { accounts } from "../stores/accounts.svelte";
import { forgetDraft, hasChanges, reloadDraft } from "../stores/draft.svelte";
import { live } from "../stores/live.svelte";
import { notices } from "../stores/notices.svelte";
import { documentOf, palette, type PaletteItem } from "../stores/palette.svelte";
import { go, route } from "../stores/route.svelte";
import { session } from "../stores/session.svelte";
import { typeOf } from "../stores/types.svelte";
import { verificationOf } from "../stores/verify.svelte";
import { t } from "../texts";

/* An account that is to be made: from the palette, or from another one. */
export interface Draft { title: string; item: PaletteItem | null; document: Values; name: string; note: string }

export type Open =
    | { what: "new"; draft: Draft } | { what: "rename"; name: string } | { what: "delete"; names: string[] } | { what: "shortcuts" } | { what: "password" }
    | { what: "action"; name: string; action: Action } | { what: "sendTest"; name: string } | { what: "review"; id: string } | { what: "import"; pem?: string; title?: string }
    | { what: "newKey" } | { what: "importKey" } | { what: "user" } | { what: "token" };

export interface Clip { name: string; document: Values; lost: string[] }

class Commands {
    open = $state.raw<Open | null>(null);
    clip = $state.raw<Clip | null>(null);

    mayEdit(): boolean { return session.may("admin"); }

    actionsOf(actions: Action[]): Action[] {
        return actions.filter((a) => session.may((a.role ?? "operator") as Role));
    }

    show(open: Open): void { this.open = open; }
    close(): void { this.open = null; }

    // ---- making accounts ----

    make(item: PaletteItem): void {
        this.show({ what: "new", draft: { title: t.create.title, item, document: {}, name: item.preset ? freeName(item.id) : "", note: "" } });
    }

    /* The dialog's own choice, when nothing was taken from the palette. */
    makeAny(): void {
        const first = palette.items[0];
        void palette.load();
        if (first)
            this.make(first);
    }

    async copy(name: string): Promise<void> {
        try {
            this.clip = await clipOf(name);
            await navigator.clipboard?.writeText(JSON.stringify(this.clip.document, null, 2)).catch(() => {});
            notices.done(t.copy.done(name));
        } catch (cause) {
            notices.refused(cause);
        }
    }

    paste(): void {
        if (this.clip)
            this.#makeFrom(t.copy.paste(this.clip.name), this.clip);
    }

    async duplicate(name: string): Promise<void> {
        try {
            this.#makeFrom(t.copy.duplicate(name), await clipOf(name));
        } catch (cause) {
            notices.refused(cause);
        }
    }

    /* Without its secrets it could only fail, so it waits for them disabled. */
    #makeFrom(title: string, { name, document, lost }: Clip): void {
        const note = lost.length > 0 ? t.copy.lost(lost) : "";
        this.show({ what: "new", draft: { title, item: null, document: lost.length > 0 ? { ...document, enabled: false } : document, name: freeName(name), note } });
    }

    /* A refusal is the dialog's. */
    async create({ item, document }: Draft, name: string): Promise<void> {
        await post("/accounts", { ...document, ...(item ? await documentOf(item) : {}), name });
        notices.done(t.create.made(name, Boolean(item?.preset?.host || document["hostname"])));
        await accounts.reload([name]);
        go("accounts", name);
    }

    async rename(name: string, to: string): Promise<void> {
        await post(`/accounts/${segment(name)}/actions/rename`, { name: to });
        forgetDraft(`/accounts/${segment(name)}`);
        notices.done(t.rename.done(name, to));
        await accounts.reload([name, to]);
        if (route.parts[0] === "accounts" && route.parts[1] === name)
            go("accounts", to, ...route.parts.slice(2));
    }

    // ---- actions ----

    /* Those that take something away, or want to know something, ask first. */
    async run(name: string, action: Action): Promise<void> {
        const wants = Object.keys(action.parameters?.properties ?? {}).length > 0;
        if (action.name === "verify")
            this.verify(name);
        else if (action.name === "sendTest")
            this.show({ what: "sendTest", name });
        else if (wants || action.name === "clearQueue")
            this.show({ what: "action", name, action });
        else
            await this.perform(name, action).catch((cause: unknown) => notices.refused(cause));
    }

    verify(name: string): void {
        void verificationOf(name).run();
        go("accounts", name, "diagnostics");
    }

    async perform(name: string, action: Action, parameters?: Values): Promise<void> {
        await post(`/accounts/${segment(name)}/actions/${segment(action.name)}`, parameters ?? {});
        notices.done(t.actions.done(action.title));
        await live.refresh();
    }

    async setEnabled(name: string, enabled: boolean): Promise<void> {
        try {
            await this.setEnabledNow(name, enabled);
            notices.done(enabled ? t.menu.enabled(name) : t.menu.disabled(name));
        } catch (cause) {
            notices.refused(cause);
        }
    }

    async setEnabledNow(name: string, enabled: boolean): Promise<void> {
        const path = `/accounts/${segment(name)}`;
        await request(path, { method: "PATCH", body: { enabled } });
        await Promise.all([reloadDraft(path), accounts.reload([name])]);
    }

    // ---- deleting ----

    /* What would be lost, and whether it takes force. */
    async losses(name: string): Promise<{ changes: Change[]; force: boolean; waiting: number }> {
        const path = `/accounts/${segment(name)}?dryRun=true`;
        await accounts.reload([name]);
        const waiting = accounts.get(name)?.queueSize ?? 0;
        try {
            return { changes: (await request<Plan>(path, { method: "DELETE" })).data.changes, force: false, waiting };
        } catch (cause) {
            if (!(cause instanceof Problem && cause.status === 409))
                throw cause;
            return { changes: (await request<Plan>(`${path}&force=true`, { method: "DELETE" })).data.changes, force: true, waiting };
        }
    }

    async remove(name: string, force: boolean): Promise<void> {
        await request(`/accounts/${segment(name)}${force ? "?force=true" : ""}`, { method: "DELETE" });
        forgetDraft(`/accounts/${segment(name)}`);
        if (route.parts[0] === "accounts" && route.parts[1] === name)
            go("services", "EmailService");
        await accounts.reload([name]);
    }

    unsaved(name: string): boolean { return hasChanges(`/accounts/${segment(name)}`); }
}

async function clipOf(name: string): Promise<Clip> {
    const account = await get<Values & Account>(`/accounts/${segment(name)}`);
    const { values, lost } = copyOf(await typeOf(account.type), account);
    return { name, document: { ...values, type: account.type }, lost };
}

/* The name itself, or with the first number that nobody has. */
function freeName(name: string): string {
    const stem = name.replace(/-\d+$/, "").slice(0, 60);
    if (!accounts.get(name))
        return name;
    for (let n = 2; ; n++)
        if (!accounts.get(`${stem}-${n}`))
            return `${stem}-${n}`;
}

export const commands = new Commands();
