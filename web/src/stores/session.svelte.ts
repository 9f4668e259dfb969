// SPDX-License-Identifier: Apache-2.0
// Who is logged in, and for how long. The cookie is the browser's and out of reach; what is kept here is its name, role, CSRF
// token and end. What the page asks by itself keeps a session alive at the server, so the page itself ends one that nobody uses.
import { get, onSessionEnd, onStaleToken, post, Problem, request, serverNow, useToken } from "../api";
import type { Role, Session } from "../model";
import { recall, remember } from "./storage";

const marker = "postern.session";        /* that there is one; it holds nothing of it */
const ranks: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };
const settle = 500;
const notice = 120_000;                  /* ms before its end, at most a third of the time it may lie idle */

const lastUse = "postern.used";          /* when, in any tab: a tab that slept learns it before it decides */
const grain = 5000;

class SessionStore {
    current = $state.raw<Session | null>(null);
    /* Not known yet, whether an old session still holds: neither the page nor the log-in is shown. */
    asking = $state(true);
    /* Ended while the page was open: the page stays as it is under the log-in. */
    ended = $state(false);
    /* About to end: when, and whether using it would help. */
    ending = $state.raw<{ at: number; idle: boolean } | null>(null);
    #used = Date.now();
    #tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("postern.session") : null;

    constructor() {
        for (const sign of ["pointerdown", "keydown", "wheel"])
            addEventListener(sign, () => this.#use(), { capture: true, passive: true });
        this.#tabs?.addEventListener("message", ({ data }: MessageEvent<string>) => {
            if (data === "changed" && this.current)
                void this.resume().catch(() => {});
        });
        setInterval(() => this.#look(), 1000);
    }

    may(role: Role): boolean {
        return this.current !== null && ranks[this.current.role] >= ranks[role];
    }

    async resume(): Promise<void> {
        try {
            /* Who never logged in here has nothing to resume, and a refusal would stand in the console. */
            if (recall(marker) !== null || this.current)
                this.#take(await get<Session>("/session"));
        } catch (cause) {
            if (!(cause instanceof Problem && cause.status === 401))
                throw cause;
            remember(marker, null);
            this.end();                 /* another tab logged out */
        } finally {
            this.asking = false;
        }
    }

    async logIn(username: string, password: string): Promise<void> {
        this.#take(await post<Session>("/session", { username, password }));
        this.#tabs?.postMessage("changed");
    }

    async changePassword(old: string, next: string): Promise<void> {
        /* The server ends every session of this user and begins a new one here. */
        this.#take((await request<Session>("/session/password", { method: "PUT", body: { old, new: next } })).data);
        this.#tabs?.postMessage("changed");
    }

    async logOut(everywhere = false): Promise<void> {
        await request(everywhere ? "/sessions" : "/session", { method: "DELETE" });
        remember(marker, null);
        this.#tabs?.postMessage("changed");
        location.reload();              /* forgets everything that this page knew */
    }

    /* A little longer: any use of the page does it. */
    async stay(): Promise<void> {
        this.#use();
        await this.resume();
    }

    end(): void {
        if (this.current)
            this.ended = true;
        this.ending = null;
    }

    #take(session: Session): void {
        useToken(session.csrfToken);
        remember(marker, "1");
        this.current = session;
        this.ended = false;
        remember(lastUse, String(Date.now()));
        this.#use();
        this.#look();
    }

    #use(): void {
        const now = Date.now();
        if (now - this.#used > grain || recall(lastUse) === null)
            remember(lastUse, String(now));
        this.#used = now;
    }

    #look(): void {
        if (!this.current || this.ended)
            return;
        const idle = this.current.idleTimeout * 1000;
        const used = Math.max(this.#used, Number(recall(lastUse) ?? 0)), now = Date.now();
        const byIdle = used + idle, byAge = this.current.expiresAt ? Date.parse(this.current.expiresAt) - serverNow() + now : Infinity;
        const at = Math.min(byIdle, byAge);
        if (byIdle <= now)
            void request("/session", { method: "DELETE" }).catch(() => {}).finally(() => this.end());
        else if (at - now <= Math.min(notice, idle / 3))
            this.ending = { at, idle: byIdle < byAge };
        else if (this.ending && now - used > settle)      /* the warning mustn't go from under the finger that presses */
            this.ending = null;
    }
}

export const session = new SessionStore();
onSessionEnd(() => session.end());
onStaleToken(() => session.resume());
