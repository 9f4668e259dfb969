// SPDX-License-Identifier: Apache-2.0
// The server's events. A browser opens six connections to one host at most, so the tabs share one stream: whoever holds the lock
// reads it and passes each event on. A browser without locks, or a page that may not have them, reads its own.
import { get, Problem } from "../api";

export interface ServerEvent { id?: string; at?: string; type: string; account?: string | null; resource?: string | null; data?: unknown }

type Word = { is: "open" } | { is: "lost" } | { is: "hello" } | { is: "event"; event: ServerEvent };

const soonest = 5_000, latest = 300_000;        /* ms, until it is tried again after the server said no */

export interface StreamFace {
    opened: () => void;                         /* also after a gap: what happened meanwhile was not told */
    lost: () => void;
    happened: (event: ServerEvent) => void;
}

export class Stream {
    #face: StreamFace;
    #channel: BroadcastChannel | null = "BroadcastChannel" in globalThis ? new BroadcastChannel("postern.events") : null;
    #source: EventSource | null = null;
    #stop: AbortController | null = null;
    #open = false;
    #wait = soonest;
    #types: string[] = [];

    constructor(face: StreamFace) {
        this.#face = face;
        this.#channel?.addEventListener("message", ({ data }: MessageEvent<Word>) => this.#hear(data));
    }

    start(): void {
        if (this.#stop)
            return;
        const stop = new AbortController();
        this.#stop = stop;
        this.#channel?.postMessage({ is: "hello" } satisfies Word);
        if (navigator.locks && this.#channel)
            navigator.locks.request("postern.events", { signal: stop.signal }, () => this.#read(stop.signal)).catch(() => {});
        else
            void this.#read(stop.signal);
    }

    stop(): void {
        this.#stop?.abort();
        this.#stop = null;
        this.#open = false;
    }

    /* Until this page stops: a lock that is held so long goes to another tab then. */
    async #read(signal: AbortSignal): Promise<void> {
        while (!signal.aborted && await this.#learn()) {
            if (this.#types.length > 0)
                await this.#once(signal);
            await new Promise((resolve) => setTimeout(resolve, this.#wait));
            this.#wait = Math.min(this.#wait * 2, latest);
        }
        if (!signal.aborted)
            await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
    }

    /* EventSource hears no event that it wasn't given by name. False: this server has none. */
    async #learn(): Promise<boolean> {
        try {
            this.#types = (await get<{ items: { name: string }[] }>("/events/types")).items.map(({ name }) => name);
        } catch (cause) {
            this.#types = [];
            return !(cause instanceof Problem && cause.status === 404);
        }
        return true;
    }

    /* Ends when the server refuses; while it is only away, the browser itself tries again and says where it stopped. */
    #once(signal: AbortSignal): Promise<void> {
        return new Promise((resolve) => {
            const source = new EventSource("/api/v1/events");
            const end = () => {
                source.close();
                this.#source = null;
                this.#say({ is: "lost" });
                resolve();
            };
            this.#source = source;
            source.onopen = () => {
                this.#wait = soonest;
                this.#say({ is: "open" });
            };
            source.onerror = () => source.readyState === EventSource.CLOSED ? end() : this.#say({ is: "lost" });
            for (const type of this.#types)
                source.addEventListener(type, ({ data }: MessageEvent<string>) => this.#take(type, data));
            source.onmessage = ({ data }: MessageEvent<string>) => this.#take("", data);
            signal.addEventListener("abort", end, { once: true });
        });
    }

    #take(type: string, data: string): void {
        try {
            this.#say({ is: "event", event: { type, ...JSON.parse(data) } });
        } catch {
            /* not for us */
        }
    }

    #say(word: Word): void {
        this.#channel?.postMessage(word);
        this.#hear(word);
    }

    #hear(word: Word): void {
        if (!this.#stop)
            return;
        if (word.is === "hello") {
            if (this.#source?.readyState === EventSource.OPEN)
                this.#channel?.postMessage({ is: "open" } satisfies Word);
        } else if (word.is === "event") {
            this.#face.happened(word.event);
        } else if (word.is === "open") {
            this.#open = true;
            this.#face.opened();
        } else if (this.#open) {
            this.#open = false;
            this.#face.lost();
        }
    }
}
