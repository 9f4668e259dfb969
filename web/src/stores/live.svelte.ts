// SPDX-License-Identifier: Apache-2.0
// What changes by itself: the accounts, the Allowed Hosts, and whatever the open views watch. The server's events say what to
// read again; where they don't come, everything is read every two seconds while the page is seen.
import { get, Problem, serverNow, Unreachable } from "../api";
import type { AllowedHost, Node, Page, State } from "../model";
import { same } from "../schema";
import { accounts } from "./accounts.svelte";
import { session } from "./session.svelte";
import { Stream, type ServerEvent } from "./stream";

const polling = 2_000, settled = 30_000, gap = 700, clock = 5_000;         /* ms */
const many = 30;                    /* accounts, from which on reading all is less than reading each */

/* `current`: whether the answer is still wanted; who is gone must not look at its own values any more. */
type Ask = (current: () => boolean) => Promise<unknown>;
type Concerns = (event: ServerEvent) => boolean;

/* Runs `ask` soon after it is wanted, never twice at a time, and not more often than the gap. */
class Errand {
    #timer: ReturnType<typeof setTimeout> | undefined;
    #running = false;
    #again = false;
    #last = 0;
    #dropped = false;

    constructor(readonly what: Ask) {}

    ask(): Promise<unknown> { return this.what(() => !this.#dropped); }

    soon(): void {
        if (this.#running)
            this.#again = true;
        else
            this.#timer ??= setTimeout(() => void this.run(), Math.max(60, this.#last + gap - Date.now()));
    }

    async run(): Promise<void> {
        clearTimeout(this.#timer);
        this.#timer = undefined;
        this.#running = true;
        await this.ask().catch(() => {});
        this.#last = Date.now();
        this.#running = false;
        if (this.#again && !this.#dropped) {
            this.#again = false;
            this.soon();
        }
    }

    drop(): void {
        this.#dropped = true;
        clearTimeout(this.#timer);
    }
}

class Live {
    skeleton = $state.raw<Node | null>(null);
    hosts = $state.raw<AllowedHost[]>([]);
    /* Since when the server doesn't answer, or null. */
    lostSince = $state<number | null>(null);
    streaming = $state(false);
    now = $state(serverNow());
    tree = $derived(this.skeleton && withAccounts(this.skeleton));
    #watches = new Map<Errand, Concerns>();
    #dirty = new Set<string>();
    #timer: ReturnType<typeof setTimeout> | undefined;
    #round: Promise<void> | null = null;
    #again = false;
    #stale = false;
    #stream = new Stream({
        opened: () => {
            this.streaming = true;
            void this.refresh();
        },
        lost: () => {
            this.streaming = false;
            void this.refresh();
        },
        happened: (event) => this.#hear(event),
    });
    #accounts = new Errand(() => this.#reloadAccounts());
    #hosts = new Errand(() => this.#loadHosts());

    start(): void {
        document.addEventListener("visibilitychange", () => {
            if (!document.hidden && (this.#stale || !this.streaming))
                void this.refresh();
        });
        setInterval(() => { this.now = serverNow(); }, clock);
        void this.refresh();
    }

    /* Reads everything now, and once more where asked while reading: the answer is newer than the call. */
    refresh(): Promise<void> {
        if (this.#round) {
            this.#again = true;
            return this.#round;
        }
        this.#round = this.#rounds().finally(() => { this.#round = null; });
        return this.#round;
    }

    /* Runs now and with every round; and, where events come, after each that concerns it. Until the returned function is called. */
    watch(ask: Ask, concerns: Concerns = () => false): () => void {
        const errand = new Errand(ask);
        this.#watches.set(errand, concerns);
        void errand.run();
        return () => {
            errand.drop();
            this.#watches.delete(errand);
        };
    }

    async #rounds(): Promise<void> {
        clearTimeout(this.#timer);
        const began = performance.now();
        do {
            this.#again = false;
            await this.#all();
        } while (this.#again);
        const took = performance.now() - began;
        if (!document.hidden)
            this.#timer = setTimeout(() => void this.refresh(), this.streaming ? Math.max(settled, 100 * took) : Math.max(polling, 8 * took));
    }

    async #all(): Promise<void> {
        this.now = serverNow();
        this.#stale = false;
        if (!session.current || session.ended || session.current.mustChangePassword) {
            this.#stream.stop();
            this.streaming = false;
            this.lostSince = null;              /* who was told that the session is over was answered */
            return;
        }
        this.#stream.start();
        try {
            await Promise.all([this.#loadSkeleton(), this.#loadHosts(), accounts.load(), ...[...this.#watches.keys()].map((errand) => errand.ask().catch(unlessLost))]);
            this.lostSince = null;
        } catch (cause) {
            if (cause instanceof Unreachable || (cause instanceof Problem && cause.status >= 500))
                this.lostSince ??= Date.now();
            else
                this.lostSince = null;          /* it answers, if only to refuse */
        }
    }

    #hear(event: ServerEvent): void {
        if (document.hidden) {
            this.#stale = true;
            return;
        }
        const family = event.type.split(".")[0] ?? "";
        if (family === "message" || family === "account" || family === "mailbox") {
            for (const name of [event.account, (event.data as { from?: unknown } | null)?.from])
                if (typeof name === "string" && (name === event.account || event.type === "account.renamed"))
                    this.#dirty.add(name);
            this.#accounts.soon();
        } else {
            this.#hosts.soon();
        }
        if (family === "events" || event.account === null && family === "account")
            void this.refresh();
        for (const [errand, concerns] of this.#watches)
            if (concerns(event))
                errand.soon();
    }

    refreshHosts(): Promise<void> { return this.#loadHosts(); }

    async #reloadAccounts(): Promise<void> {
        const names = [...this.#dirty];
        this.#dirty.clear();
        await (names.length > many ? accounts.load() : accounts.reload(names));
    }

    async #loadSkeleton(): Promise<void> {
        const tree = await get<Node>("/tree?accounts=false");
        if (!same(this.skeleton, tree))
            this.skeleton = tree;
    }

    async #loadHosts(): Promise<void> {
        const hosts = await allPages<AllowedHost>("/trust/allowed-hosts");
        if (!same(this.hosts, hosts))
            this.hosts = hosts;
    }
}

function unlessLost(cause: unknown): void {
    if (cause instanceof Unreachable)
        throw cause;
}

export async function allPages<T>(path: string): Promise<T[]> {
    const items: T[] = [];
    let next: string | null = `${path}${path.includes("?") ? "&" : "?"}limit=500`;
    while (next) {
        const page: Page<T> = await get<Page<T>>(next);
        items.push(...page.items);
        next = page.next && page.next.replace(/^\/api\/v1/, "");
    }
    return items;
}

/* What a person should look at first. */
const urgency: State[] = ["fault", "down", "challenged", "ok", "pending"];

export function worst(states: Iterable<State>): State {
    const found = new Set(states);
    return urgency.find((state) => found.has(state)) ?? (found.has("disabled") ? "disabled" : "ok");
}

function withAccounts(node: Node): Node {
    if (node.type === "EmailService")
        return {
            ...node, state: worst(accounts.items.map((a) => a.status.state)),
            children: accounts.items.map((a) => ({ name: a.name, type: a.type, state: a.status.state, cause: a.status.cause })),
        };
    return node.children ? { ...node, children: node.children.map(withAccounts) } : node;
}

export const live = new Live();

export function isAccount(node: { type: string }): boolean {
    return node.type === "OutgoingAccount" || node.type === "IncomingAccount";
}

export function nodeOf(type: string): Node | undefined {
    const find = (node: Node | null): Node | undefined =>
        !node || isAccount(node) ? undefined : node.type === type ? node : node.children?.map(find).find(Boolean);
    return find(live.skeleton);
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
