// SPDX-License-Identifier: Apache-2.0
// Who is logged in. The cookie is the browser's and out of reach; what is kept here is its name, role and CSRF token.
import { get, onSessionEnd, post, Problem, request, useToken, type Role, type Session } from "../api";
import { recall, remember } from "./storage";

const marker = "postern.session";        /* that there is one; it holds nothing of it */
const ranks: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

class SessionStore {
    current = $state.raw<Session | null>(null);
    /* Not known yet, whether an old session still holds: neither the page nor the log-in is shown. */
    asking = $state(true);
    /* Ended while the page was open: the page stays as it is under the log-in. */
    ended = $state(false);

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
        } finally {
            this.asking = false;
        }
    }

    async logIn(username: string, password: string): Promise<void> {
        this.#take(await post<Session>("/session", { username, password }));
    }

    async changePassword(old: string, next: string): Promise<void> {
        /* The server ends every session of this user and begins a new one here. */
        this.#take((await request<Session>("/session/password", { method: "PUT", body: { old, new: next } })).data);
    }

    async logOut(): Promise<void> {
        await request("/session", { method: "DELETE" });
        remember(marker, null);
        location.reload();              /* forgets everything that this page knew */
    }

    end(): void {
        if (this.current)
            this.ended = true;
    }

    #take(session: Session): void {
        useToken(session.csrfToken);
        remember(marker, "1");
        this.current = session;
        this.ended = false;
    }
}

export const session = new SessionStore();
onSessionEnd(() => session.end());
