// SPDX-License-Identifier: Apache-2.0
// What changes by itself: the tree with its states, the Allowed Hosts, and whatever the open views watch. It is asked
// for every two seconds while the page is seen; the event stream takes this place later, behind the same face.
import { get, Problem, Unreachable, type AllowedHost, type Node, type Page } from "../api";
import { same } from "../schema";
import { session } from "./session.svelte";

const every = 2000;

type Watch = () => Promise<void>;

class Live {
    tree = $state.raw<Node | null>(null);
    hosts = $state.raw<AllowedHost[]>([]);
    /* Since when the server doesn't answer, or null. */
    lostSince = $state<number | null>(null);
    now = $state(Date.now());
    #watches = new Set<Watch>();
    #timer: ReturnType<typeof setTimeout> | undefined;
    #running = false;
    #again = false;

    start(): void {
        document.addEventListener("visibilitychange", () => {
            if (!document.hidden)
                void this.refresh();
        });
        void this.refresh();
    }

    /* Asks now, and once more where asked while asking: the answer is newer than the call. */
    async refresh(): Promise<void> {
        if (this.#running) {
            this.#again = true;
            return;
        }
        this.#running = true;
        clearTimeout(this.#timer);
        do {
            this.#again = false;
            await this.#round();
        } while (this.#again);
        this.#running = false;
        if (!document.hidden)
            this.#timer = setTimeout(() => void this.refresh(), every);
    }

    /* Runs with every round until the returned function is called. */
    watch(ask: Watch): () => void {
        this.#watches.add(ask);
        void ask().catch(() => {});
        return () => void this.#watches.delete(ask);
    }

    async #round(): Promise<void> {
        this.now = Date.now();
        if (!session.current || session.ended || session.current.mustChangePassword)
            return;
        try {
            const [tree, hosts] = await Promise.all([
                get<Node>("/tree"), allPages<AllowedHost>("/trust/allowed-hosts"),
                ...[...this.#watches].map((ask) => ask().catch(unlessLost)),
            ]);
            /* What didn't change isn't drawn again: a tree may have thousands of nodes. */
            if (!same(this.tree, tree))
                this.tree = tree;
            if (!same(this.hosts, hosts))
                this.hosts = hosts;
            this.lostSince = null;
        } catch (cause) {
            if (cause instanceof Unreachable || (cause instanceof Problem && cause.status >= 500))
                this.lostSince ??= Date.now();
            else
                this.lostSince = null;          /* it answers, if only to refuse */
        }
    }
}

function unlessLost(cause: unknown): void {
    if (cause instanceof Unreachable)
        throw cause;
}

export async function allPages<T>(path: string): Promise<T[]> {
    const items: T[] = [];
    let next: string | null = null;
    do {
        const query: string = next === null ? "limit=500" : `limit=500&cursor=${encodeURIComponent(next)}`;
        const page: Page<T> = await get<Page<T>>(`${path}${path.includes("?") ? "&" : "?"}${query}`);
        items.push(...page.items);
        next = page.next;
    } while (next);
    return items;
}

export const live = new Live();

export function isAccount(node: Node): boolean {
    return node.type === "OutgoingAccount" || node.type === "IncomingAccount";
}

/* Every node below, and the node itself. */
export function* nodesOf(node: Node | null): Generator<Node> {
    if (!node)
        return;
    yield node;
    for (const child of node.children ?? [])
        yield* nodesOf(child);
}

export function nodeOf(type: string, name?: string): Node | undefined {
    for (const node of nodesOf(live.tree))
        if (node.type === type && (name === undefined || node.name === name))
            return node;
    return undefined;
}

export function accountNode(name: string): Node | undefined {
    for (const node of nodesOf(live.tree))
        if (isAccount(node) && node.name === name)
            return node;
    return undefined;
}

/* One whose certificate verifies by now asks nobody any more. */
export function isWaiting(host: AllowedHost): boolean {
    return !host.redundant && (host.approval === "pending" || host.approval === "changed");
}

/* The exemptions that wait for a person. */
export function waiting(hosts: AllowedHost[]): AllowedHost[] {
    return hosts.filter(isWaiting);
}

export function hostOf(hosts: AllowedHost[], account: string): AllowedHost | undefined {
    const own = hosts.filter((h) => h.accounts.includes(account));
    return waiting(own)[0] ?? own[0];
}
