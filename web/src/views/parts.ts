// SPDX-License-Identifier: Apache-2.0
// The parts of the page that the first look doesn't need. Once it is there and quiet they are all fetched, so that they open at
// once, also while the server is away.

const account = () => import("./account");
const people = () => import("./people");
const trust = () => import("./trust");

/* One view of a part, as Lazy wants it. */
function of<Part, Name extends keyof Part>(part: () => Promise<Part>, name: Name): () => Promise<{ default: Part[Name] }> {
    return async () => ({ default: (await part())[name] });
}

export const parts = {
    account: of(account, "Account"), accounts: of(account, "Accounts"), charts: of(account, "Charts"), diagnostics: of(account, "Diagnostics"), messages: of(account, "Messages"),
    sendTest: of(account, "SendTest"), sheet: of(account, "Sheet"), transcript: of(account, "Transcript"),
    certificates: of(trust, "Certificates"), challenge: of(trust, "Challenge"), importCa: of(trust, "ImportCa"), importKey: of(trust, "ImportKey"), newKey: of(trust, "NewKey"),
    configuration: of(people, "Configuration"), logs: of(people, "Logs"), newToken: of(people, "NewToken"), newUser: of(people, "NewUser"), tokens: of(people, "Tokens"), user: of(people, "User"),
    users: of(people, "Users"),
};

export function fetchAll(): void {
    const later = "requestIdleCallback" in globalThis ? requestIdleCallback : (run: () => void) => setTimeout(run, 500);
    later(() => void Promise.all([account, trust, people].map((part) => part().catch(() => {}))));
}
