// SPDX-License-Identifier: Apache-2.0
// Where a node of the tree is shown.
import type { Node } from "../api";
import { isAccount } from "../stores/live.svelte";
import { href } from "../stores/route.svelte";

export function addressOf(node: Node): string {
    if (isAccount(node))
        return href("accounts", node.name);
    if (node.type.endsWith("Service"))
        return href("services", node.name);
    return node.type === "Logs" ? href("logs") : href();
}
