// SPDX-License-Identifier: Apache-2.0
// One line that says what was just done, or why it wasn't. A refusal stays until it is put away.
import { Problem, Unreachable } from "../api";
import { t } from "../texts";

export interface Notice { kind: "done" | "refused"; text: string }

class Notices {
    current = $state.raw<Notice | null>(null);
    #timer: ReturnType<typeof setTimeout> | undefined;

    done(text: string): void {
        this.#show({ kind: "done", text });
        this.#timer = setTimeout(() => this.clear(), 6000);
    }

    refused(cause: unknown): void {
        this.#show({ kind: "refused", text: wordsFor(cause) });
    }

    clear(): void {
        clearTimeout(this.#timer);
        this.current = null;
    }

    #show(notice: Notice): void {
        clearTimeout(this.#timer);
        this.current = notice;
    }
}

export const notices = new Notices();

/* What a person reads when something didn't work. */
export function wordsFor(cause: unknown): string {
    if (cause instanceof Unreachable)
        return t.lost.now;
    if (cause instanceof Problem) {
        if (cause.status === 401)
            return t.session.ended;
        if (cause.status === 403)
            return t.refused.forbidden(cause.message);
        return cause.message;
    }
    return t.refused.other(cause instanceof Error ? cause.message : String(cause));
}
