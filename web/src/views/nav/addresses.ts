// SPDX-License-Identifier: Apache-2.0
// Where a node of the tree is shown, and the views that each kind has.
import type { Node, Role } from "../../model";
import { isAccount } from "../../stores/live.svelte";
import { href } from "../../stores/route.svelte";
import { t } from "../../texts";

export interface View { key: string; title: string; role?: Role }

export function addressOf(node: { name: string; type: string }, view = ""): string {
    const more = view ? [view] : [];
    if (isAccount(node))
        return href("accounts", node.name, ...more);
    if (node.type.endsWith("Service"))
        return href("services", node.name, ...more);
    if (node.type === "Station" && view)
        return href(view);
    return node.type === "Logs" ? href("logs") : href();
}

const views: Record<string, View[]> = {
    Account: [
        { key: "", title: t.views.sheet }, { key: "messages", title: t.views.messages }, { key: "diagnostics", title: t.views.diagnostics },
        { key: "log", title: t.views.log, role: "operator" },
    ],
    EmailService: [{ key: "", title: t.views.accounts }, { key: "messages", title: t.views.messages }, { key: "sheet", title: t.views.sheet }],
    CertificateService: [
        { key: "", title: t.views.hosts }, { key: "user-trust", title: t.views.userTrust }, { key: "system-trust", title: t.views.systemTrust },
        { key: "keys", title: t.views.keys }, { key: "sheet", title: t.views.sheet },
    ],
    UserService: [{ key: "", title: t.views.users, role: "admin" }, { key: "tokens", title: t.views.tokens, role: "admin" }, { key: "sheet", title: t.views.sheet }],
    Station: [{ key: "", title: t.views.overview }, { key: "config", title: t.views.config, role: "admin" }],
    Service: [{ key: "sheet", title: t.views.sheet }],
};

/* The first is the one that opens without more words. */
export function viewsOf(node: Pick<Node, "type">, may: (role: Role) => boolean): View[] {
    const own = isAccount(node) ? views["Account"] : views[node.type] ?? (node.type.endsWith("Service") ? views["Service"] : []);
    return (own ?? []).filter(({ role }) => !role || may(role));
}
