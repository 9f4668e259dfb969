// SPDX-License-Identifier: Apache-2.0
// What can be done with a node: one list, for the right mouse button and for the button at the title.
import type { Node } from "../../model";
import type { Action, Schema } from "../../schema";
import { hostOf, isAccount, isWaiting, live } from "../../stores/live.svelte";
import { palette } from "../../stores/palette.svelte";
import { session } from "../../stores/session.svelte";
import { t } from "../../texts";
import { commands } from "../commands.svelte";
import { addressOf, viewsOf } from "./addresses";

export interface Entry {
    title: string;
    run?: () => void;
    items?: Entry[];                    /* a submenu */
    disabled?: boolean;
}
/* Groups, with a rule between them. */
export type Menu = Entry[][];

function viewsMenu(node: Node): Entry {
    const items = viewsOf(node, (role) => session.may(role)).map(({ key, title }) => ({ title, run: () => { location.hash = addressOf(node, key); } }));
    return items.length > 0 ? { title: t.menu.views, items } : { title: t.menu.open, run: () => { location.hash = addressOf(node); } };
}

function newMenu(): Entry {
    return { title: t.menu.new, items: palette.items.map((item) => ({ title: `${item.title}…`, run: () => commands.make(item) })) };
}

function actionsMenu(node: Node, actions: Action[]): Entry[] {
    const own = commands.actionsOf(actions);
    return own.length > 0 ? [{ title: t.menu.actions, items: own.map((action) => ({ title: action.title, run: () => void commands.run(node.name, action) })) }] : [];
}

function accountMenu(node: Node, schema: Schema | null): Menu {
    const host = hostOf(live.hosts, node.name);
    const menu: Menu = [];
    if (host && isWaiting(host))
        menu.push([{ title: t.menu.review, run: () => commands.show({ what: "review", id: host.id }) }]);
    menu.push([viewsMenu(node), ...actionsMenu(node, schema?.["x-actions"] ?? [])]);
    if (session.may("operator")) {
        const off = node.state === "disabled";
        menu.push([{ title: off ? t.menu.enable : t.menu.disable, run: () => void commands.setEnabled(node.name, off) }]);
    }
    if (session.may("admin"))
        menu.push([
            { title: t.menu.copy, run: () => void commands.copy(node.name) },
            { title: t.menu.paste, disabled: !commands.clip, run: () => commands.paste() },
            { title: t.menu.duplicate, run: () => void commands.duplicate(node.name) },
            { title: t.menu.rename, run: () => commands.show({ what: "rename", name: node.name }) },
        ], [{ title: t.menu.delete, run: () => commands.show({ what: "delete", names: [node.name] }) }]);
    return menu;
}

/* `schema`: of the node's type; null while it isn't known. */
export function menuOf(node: Node, schema: Schema | null): Menu {
    if (isAccount(node))
        return accountMenu(node, schema);
    const menu: Menu = [[viewsMenu(node)]];
    if (!session.may("admin"))
        return menu;
    if (node.type === "EmailService")
        menu.push([newMenu(), { title: t.menu.paste, disabled: !commands.clip, run: () => commands.paste() }]);
    else if (node.type === "CertificateService")
        menu.push([{ title: t.menu.new, items: [
            { title: t.trust.import, run: () => commands.show({ what: "import" }) }, { title: `${t.keys.make}…`, run: () => commands.show({ what: "newKey" }) },
            { title: `${t.keys.import}…`, run: () => commands.show({ what: "importKey" }) },
        ] }]);
    else if (node.type === "UserService")
        menu.push([{ title: t.menu.new, items: [
            { title: `${t.users.make}…`, run: () => commands.show({ what: "user" }) }, { title: `${t.tokens.make}…`, run: () => commands.show({ what: "token" }) },
        ] }]);
    return menu;
}
