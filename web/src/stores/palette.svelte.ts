// SPDX-License-Identifier: Apache-2.0
// What can be taken from the palette: the two kinds of account, and presets of providers that fill in where they are.
import { get } from "../api";
import type { Page, Provider } from "../model";
import { variantOf, type Schema, type Values } from "../schema";
import { t } from "../texts";
import { typeOf } from "./types.svelte";

export interface PaletteItem { id: string; type: string; title: string; help: string; preset?: Provider }

export const mediaType = "application/x-postern-component";

const kinds: PaletteItem[] = [
    { id: "OutgoingAccount", type: "OutgoingAccount", title: t.create.outgoing, help: t.create.outgoingHelp },
    { id: "IncomingAccount", type: "IncomingAccount", title: t.create.incoming, help: t.create.incomingHelp },
];

class Palette {
    items = $state.raw<PaletteItem[]>(kinds);
    /* What is being dragged now: the tree shows where it can go. */
    dragged = $state.raw<PaletteItem | null>(null);
    #asked = false;

    async load(): Promise<void> {
        if (this.#asked)
            return;
        this.#asked = true;
        try {
            const { items } = await get<Page<Provider>>("/providers");
            this.items = [...kinds, ...items.map((preset) => ({
                id: preset.id, type: preset.type, title: t.create.preset(preset.name, preset.type, items.filter((p) => p.name === preset.name).length > 1),
                help: preset.host ? `${preset.host}:${preset.port}` : t.create.presetAny, preset,
            }))];
        } catch {
            this.#asked = false;            /* the two kinds are there in any case; the next look asks again */
        }
    }
}

export const palette = new Palette();

/* The configuration that an item stands for. */
export async function documentOf(item: PaletteItem): Promise<Values> {
    const p = item.preset;
    if (!p)
        return { type: item.type };
    const schema = await typeOf(item.type);
    return {
        type: p.type, hostname: p.host, port: p.port, transport: p.transport, useSsl: p.security === "useSsl", useStartTls: p.security === "useStartTls",
        emailAuthenticator: typeof p.authenticator === "string" ? authenticatorOf(schema, p.id, p.authenticator) : p.authenticator,
    };
}

/* Of the choices that its own kind of authenticator offers, those that the preset's id begins with. */
function authenticatorOf(schema: Schema, id: string, kind: string): Values {
    const variant = variantOf(schema.properties?.["emailAuthenticator"] ?? {}, { type: kind });
    const chosen = Object.entries(variant?.properties ?? {}).flatMap(([name, s]) =>
        (s.enum ?? []).filter((choice) => typeof choice === "string" && id.startsWith(`${choice}-`)).map((choice) => [name, choice]));
    return { type: kind, ...Object.fromEntries(chosen) };
}
