// SPDX-License-Identifier: Apache-2.0
// What the menus do; what needs a dialog is left in `open`, and the shell shows it.
import { get, post, request, segment, type Role } from "../api";
import type { Action, Values } from "../schema";
import { forgetDraft, reloadDraft } from "../stores/draft.svelte";
import { live } from "../stores/live.svelte";
import { notices } from "../stores/notices.svelte";
import { go, route } from "../stores/route.svelte";
import { session } from "../stores/session.svelte";
import { t } from "../texts";

type Open =
    | { what: "new"; kind: string } | { what: "delete"; name: string; queue: number } | { what: "shortcuts" } | { what: "password" }
    | { what: "action"; name: string; action: Action; queue: number } | { what: "review"; id: string };

class Commands {
    open = $state.raw<Open | null>(null);

    mayEdit(): boolean { return session.may("admin"); }

    actionsOf(actions: Action[]): Action[] {
        return actions.filter((a) => session.may((a.role ?? "operator") as Role));
    }

    close(): void { this.open = null; }

    /* Those that take something away, or want to know something, ask first. */
    async run(name: string, action: Action, queue: number): Promise<void> {
        const wants = Object.keys(action.parameters?.properties ?? {}).length > 0;
        if (wants || action.name === "clearQueue")
            this.open = { what: "action", name, action, queue };
        else
            await this.perform(name, action).catch((cause: unknown) => notices.refused(cause));
    }

    async perform(name: string, action: Action, parameters?: Values): Promise<void> {
        await post(`/accounts/${segment(name)}/actions/${segment(action.name)}`, parameters ?? {});
        notices.done(t.actions.done(action.title));
        await live.refresh();
    }

    async setEnabled(name: string, enabled: boolean): Promise<void> {
        try {
            await request(`/accounts/${segment(name)}`, { method: "PATCH", body: { enabled } });
            await reloadDraft(`/accounts/${segment(name)}`);
            await live.refresh();
        } catch (cause) {
            notices.refused(cause);
        }
    }

    async remove(name: string): Promise<void> {
        const status = await get<Values>(`/accounts/${segment(name)}/status`).catch(() => ({}) as Values);
        this.open = { what: "delete", name, queue: Number(status["queueSize"] ?? 0) };
    }

    async removeNow(name: string): Promise<void> {
        await request(`/accounts/${segment(name)}`, { method: "DELETE" });
        forgetDraft(`/accounts/${segment(name)}`);
        notices.done(t.remove.done(name));
        if (route.parts[0] === "accounts" && route.parts[1] === name)
            go("services", "EmailService");
        await live.refresh();
    }
}

export const commands = new Commands();
