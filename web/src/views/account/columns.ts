// SPDX-License-Identifier: Apache-2.0
// What the account manager sorts by.
import type { Account, State } from "../../model";

export type Column = "name" | "status" | "server" | "security" | "authenticator" | "queue" | "lastSuccess";
export type Security = "plain" | "startTls" | "ssl";

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
/* What needs a person first. */
const urgency: Record<State, number> = { fault: 0, down: 1, challenged: 2, pending: 3, ok: 4, disabled: 5 };
const strength: Record<Security, number> = { plain: 0, startTls: 1, ssl: 2 };

export function securityOf(a: Account): Security {
    return a.useSsl ? "ssl" : a.useStartTls ? "startTls" : "plain";
}

const compares: Record<Column, (a: Account, b: Account) => number> = {
    name: () => 0,
    status: (a, b) => urgency[a.status.state] - urgency[b.status.state],
    server: (a, b) => collator.compare(a.hostname, b.hostname) || a.port - b.port,
    security: (a, b) => strength[securityOf(a)] - strength[securityOf(b)],
    authenticator: (a, b) => collator.compare(a.emailAuthenticator.type, b.emailAuthenticator.type) ||
        collator.compare(String(a.emailAuthenticator["username"] ?? ""), String(b.emailAuthenticator["username"] ?? "")),
    queue: (a, b) => waits(a) - waits(b),
    lastSuccess: (a, b) => (a.lastPollSuccess ?? "").localeCompare(b.lastPollSuccess ?? ""),
};

function waits(a: Account): number {
    return (a.type === "IncomingAccount" ? a.unacknowledged : a.queueSize) ?? 0;
}

export function compare(by: Column, a: Account, b: Account): number {
    return compares[by](a, b) || collator.compare(a.name, b.name);
}
